//! Random shares: points of a Dirichlet distribution.

use rand::{Rng, RngExt};

/// A point of the symmetric Dirichlet distribution: `count` shares that add up to 1, the more uneven the smaller
/// `alpha`.
///
/// Gamma variables over their sum, in logarithms, so that none of a small `alpha` is lost.
pub(super) fn shares(count: usize, alpha: f64, rng: &mut impl Rng) -> Vec<f64> {
    let logarithms: Vec<f64> = (0..count).map(|_| log_gamma_variable(alpha, rng)).collect();
    let highest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sizes: Vec<f64> = logarithms.iter().map(|log| (log - highest).exp()).collect();
    let sum: f64 = sizes.iter().sum();
    sizes.into_iter().map(|size| size / sum).collect()
}

/// One place, chosen with a chance in proportion to its weight; weights are at least 0, and one is above.
pub(super) fn place(weights: &[f64], rng: &mut impl Rng) -> usize {
    let mut left = rng.random::<f64>() * weights.iter().sum::<f64>();
    for (place, &weight) in weights.iter().enumerate() {
        if weight > 0.0 && left < weight {
            return place;
        }
        left -= weight;
    }
    weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0)
}

/// The logarithm of a gamma variable of shape `alpha` (Marsaglia & Tsang 2000; below 1 by their section 6).
fn log_gamma_variable(alpha: f64, rng: &mut impl Rng) -> f64 {
    let boosted = if alpha < 1.0 { alpha + 1.0 } else { alpha };
    let d = boosted - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    let log = loop {
        let x = normal(rng);
        let v = (1.0 + c * x).powi(3);
        let u: f64 = 1.0 - rng.random::<f64>();
        if v > 0.0 && u.ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            break (d * v).ln();
        }
    };
    if alpha < 1.0 { log + (1.0 - rng.random::<f64>()).ln() / alpha } else { log }
}

/// Standard normal (Box & Muller 1958).
pub(crate) fn normal(rng: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    /// Var of one share: (1/k)(1 − 1/k)/(kα + 1), the mean 1/k; of 20,000 points, with a fixed seed.
    #[test]
    fn shares_have_the_spread_of_their_distribution() {
        for alpha in [0.05, 0.5, 1.0, 7.0] {
            let mut rng = ChaCha20Rng::seed_from_u64(5);
            let points: Vec<Vec<f64>> = (0..20_000).map(|_| shares(4, alpha, &mut rng)).collect();
            assert!(points.iter().all(|point| (point.iter().sum::<f64>() - 1.0).abs() < 1e-9));
            let mean = points.iter().map(|point| point[2]).sum::<f64>() / 20_000.0;
            let square = points.iter().map(|point| (point[2] - 0.25).powi(2)).sum::<f64>();
            let expected = 0.25 * 0.75 / (4.0 * alpha + 1.0);
            assert!((mean - 0.25).abs() < 0.02, "{alpha}: mean {mean}");
            assert!((square / 20_000.0 / expected - 1.0).abs() < 0.08, "{alpha}: {square}");
        }
        let tiny = shares(3, 1e-4, &mut ChaCha20Rng::seed_from_u64(1));
        assert!(tiny.iter().all(|share| share.is_finite()) && tiny.iter().any(|&one| one > 0.99));
    }

    #[test]
    fn places_come_in_proportion() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let mut counts = [0; 3];
        (0..6000).for_each(|_| counts[place(&[1.0, 0.0, 3.0], &mut rng)] += 1);
        assert!((1350..1650).contains(&counts[0]) && counts[1] == 0, "{counts:?}");
    }
}
