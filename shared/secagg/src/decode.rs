//! Decoding shares of which some are wrong: Shamir's sharing is a Reed–Solomon code, and of m
//! shares with threshold t up to ⌊(m − t)/2⌋ may be wrong (McEliece and Sarwate, CACM 1981).
//!
//! The algorithm is Gao's ("A new algorithm for decoding Reed-Solomon codes", 2003). It runs on
//! the coordinator over shares that were revealed to it, and need not be constant-time.

use wire::MemberSet;

use crate::{Secret32, Share, field, shares::Interpolation};

/// What most shares agree on.
pub struct Decoded {
    pub secret: Secret32,
    /// Whose shares differ from it.
    pub wrong: MemberSet,
}

/// How many wrong shares decoding always survives.
pub fn tolerated(shares: usize, threshold: usize) -> usize {
    (shares - threshold) / 2
}

/// Finds the one secret, if any, from which at most [`tolerated`] shares differ. There are at
/// least `threshold` shares, of different members.
pub fn decode(shares: &[Share], threshold: usize) -> Option<Decoded> {
    if let Some(secret) = agreed(shares, threshold) {
        return Some(Decoded { secret, wrong: MemberSet::EMPTY });
    }
    let (mut secret, mut wrong) = (Secret32::zero(), MemberSet::EMPTY);
    for byte in 0..32 {
        let points: Vec<Point> =
            shares.iter().map(|share| (share.x(), share.value().as_bytes()[byte])).collect();
        let polynomial = decode_byte(&points, threshold)?;
        secret.as_bytes_mut()[byte] = evaluate(&polynomial, 0);
        let differing =
            shares.iter().zip(&points).filter(|(_, (x, y))| evaluate(&polynomial, *x) != *y);
        differing.for_each(|(share, _)| wrong.insert(share.member()));
    }
    (wrong.len() <= tolerated(shares.len(), threshold)).then_some(Decoded { secret, wrong })
}

/// The secret if no share is wrong, as nearly always: the first `threshold` of them give all others,
/// 32 bytes at once.
fn agreed(shares: &[Share], threshold: usize) -> Option<Secret32> {
    let (first, others) = shares.split_at(threshold);
    let through = Interpolation::new(first.iter());
    let fits = |share: &Share| through.at(share.x()).matches(share.value());
    others.iter().all(fits).then(|| through.at(0))
}

/// x and y.
type Point = (u8, u8);

/// Coefficients, lowest power first; the last is not zero. Empty: the polynomial 0.
type Polynomial = Vec<u8>;

/// The polynomial with fewer than `threshold` coefficients that differs from the fewest points.
fn decode_byte(points: &[Point], threshold: usize) -> Option<Polynomial> {
    let vanishing = points.iter().fold(vec![1], |product, (x, _)| multiply(&product, &[*x, 1]));
    let through_all = interpolate(points, &vanishing);
    let (mut before, mut now) = (vanishing, through_all);
    let (mut locator_before, mut locator): (Polynomial, Polynomial) = (vec![], vec![1]);
    // Euclid's algorithm, stopped half-way: 2 · degree < m + t
    while 2 * now.len() >= points.len() + threshold + 2 {
        let (quotient, rest) = divide(&before, &now);
        let next = add(&locator_before, &multiply(&quotient, &locator));
        (before, now) = (now, rest);
        (locator_before, locator) = (locator, next);
    }
    let (polynomial, rest) = divide(&now, &locator);
    (rest.is_empty() && polynomial.len() <= threshold).then_some(polynomial)
}

/// The polynomial of degree below m through m points, given ∏ (x − x_i) (Lagrange).
fn interpolate(points: &[Point], vanishing: &Polynomial) -> Polynomial {
    let mut sum = vec![];
    for (x, y) in points {
        let (others, _) = divide(vanishing, &[*x, 1]);
        let weight = field::multiply(*y, field::invert(evaluate(&others, *x)));
        sum = add(&sum, &multiply(&others, &[weight]));
    }
    sum
}

fn evaluate(polynomial: &[u8], x: u8) -> u8 {
    polynomial.iter().rev().fold(0, |sum, coefficient| field::multiply(sum, x) ^ coefficient)
}

fn add(left: &[u8], right: &[u8]) -> Polynomial {
    let (longer, shorter) = if left.len() < right.len() { (right, left) } else { (left, right) };
    let mut sum = longer.to_vec();
    sum.iter_mut().zip(shorter).for_each(|(to, from)| *to ^= from);
    trim(sum)
}

fn multiply(left: &[u8], right: &[u8]) -> Polynomial {
    let mut product = vec![0; left.len() + right.len()];
    for (i, a) in left.iter().enumerate() {
        for (j, b) in right.iter().enumerate() {
            product[i + j] ^= field::multiply(*a, *b);
        }
    }
    trim(product)
}

/// Quotient and remainder; the divisor is not 0.
fn divide(dividend: &[u8], divisor: &[u8]) -> (Polynomial, Polynomial) {
    let (leading, lower) = divisor.split_last().expect("nothing divides by the polynomial 0");
    let inverse = field::invert(*leading);
    let mut rest = dividend.to_vec();
    let mut quotient = vec![0; (dividend.len() + 1).saturating_sub(divisor.len())];
    for shift in (0..quotient.len()).rev() {
        let factor = field::multiply(rest.pop().unwrap_or(0), inverse);
        quotient[shift] = factor;
        rest[shift..].iter_mut().zip(lower).for_each(|(to, c)| *to ^= field::multiply(factor, *c));
    }
    (trim(quotient), trim(rest))
}

/// Drops leading zeros.
fn trim(mut polynomial: Polynomial) -> Polynomial {
    let length = polynomial.iter().rposition(|&c| c != 0).map_or(0, |last| last + 1);
    polynomial.truncate(length);
    polynomial
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn division_undoes_multiplication(left: Vec<u8>, right: Vec<u8>, rest: Vec<u8>) {
            let (left, right) = (trim(left), trim(right));
            prop_assume!(!right.is_empty());
            let (_, rest) = divide(&rest, &right);
            let product = add(&multiply(&left, &right), &rest);
            prop_assert_eq!(divide(&product, &right), (left, rest));
        }

        #[test]
        fn interpolation_goes_through_every_point(ys in prop::collection::vec(any::<u8>(), 1..64)) {
            let points: Vec<Point> = (1..).zip(ys).collect();
            let vanishing = points.iter().fold(vec![1], |product, (x, _)| multiply(&product, &[*x, 1]));
            let polynomial = interpolate(&points, &vanishing);
            prop_assert!(points.iter().all(|(x, y)| evaluate(&polynomial, *x) == *y));
        }
    }
}
