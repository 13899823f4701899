//! An *estimate* of ε from how canaries' directions stand to what was released (Andrew et al. 2023, arXiv:2302.03098,
//! Algorithm 1). It is never a bound: two normal distributions are fitted and believed.
//!
//! A canary is a random direction of d dimensions. The cosine of one that was out with the release has the distribution
//! N(0, 1/d) (for d from about 1,000 on); those that were in have a higher mean. The estimate is the ε that separates
//! these two distributions at δ.

use serde::Serialize;

use super::normal::{ln_below, ln_between, ln_outside};

/// An estimate of ε. Not a bound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// Mean cosine of the canaries that were in.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
    /// The estimate; infinite where the cosines do not spread at all.
    pub epsilon: f64,
}

impl Estimate {
    /// From the cosines of canaries that were in, in so many dimensions; none without two different ones.
    pub fn new(cosines: &[f64], dimension: u64, delta: f64) -> Option<Self> {
        let count = cosines.len() as f64;
        let mean = cosines.iter().sum::<f64>() / count;
        let deviation =
            (cosines.iter().map(|cosine| (cosine - mean).powi(2)).sum::<f64>() / count).sqrt();
        if !(deviation > 0.0 && dimension > 0) {
            return None;
        }
        let root = (dimension as f64).sqrt();
        let epsilon = separation(mean * root, deviation * root, delta);
        Some(Self { mean, deviation, epsilon })
    }
}

/// The least ε for which N(mean, deviation²) and N(0, 1) are (ε, δ)-indistinguishable, in both directions.
fn separation(mean: f64, deviation: f64, delta: f64) -> f64 {
    let (seen, null) = (Normal { mean, deviation }, Normal { mean: 0.0, deviation: 1.0 });
    let apart = |epsilon| seen.delta(null, epsilon).max(null.delta(seen, epsilon));
    super::largest(|epsilon| apart(epsilon) > delta)
}

#[derive(Clone, Copy)]
struct Normal {
    mean: f64,
    deviation: f64,
}

impl Normal {
    /// δ(ε) = P(L > ε) − e^ε·Q(L > ε), L the logarithm of how much likelier a point is here (P) than there (Q): a
    /// quadratic a·x² + b·x + c, so that L > ε between or outside of two points.
    fn delta(self, other: Self, epsilon: f64) -> f64 {
        let (mine, theirs) = (self.deviation.powi(-2), other.deviation.powi(-2));
        let a = (theirs - mine) / 2.0;
        let b = self.mean * mine - other.mean * theirs;
        let c = (other.mean.powi(2) * theirs - self.mean.powi(2) * mine) / 2.0
            + (other.deviation / self.deviation).ln()
            - epsilon;
        let Some(region) = Region::where_positive(a, b, c) else { return 0.0 };
        (region.ln_probability(self).exp() - (epsilon + region.ln_probability(other)).exp())
            .max(0.0)
    }
}

enum Region {
    Between(f64, f64),
    Outside(f64, f64),
}

impl Region {
    /// Where a·x² + b·x + c > 0; none if nowhere.
    fn where_positive(a: f64, b: f64, c: f64) -> Option<Self> {
        if a == 0.0 {
            return match b.total_cmp(&0.0) {
                std::cmp::Ordering::Greater => Some(Self::Between(-c / b, f64::INFINITY)),
                std::cmp::Ordering::Less => Some(Self::Between(f64::NEG_INFINITY, -c / b)),
                std::cmp::Ordering::Equal => (c > 0.0).then_some(Self::Outside(0.0, 0.0)),
            };
        }
        let discriminant = b * b - 4.0 * a * c;
        if discriminant <= 0.0 {
            return (a > 0.0).then_some(Self::Outside(0.0, 0.0));
        }
        // The root of which nothing cancels, and the other one by their product c/a.
        let far = -(b + discriminant.sqrt().copysign(b)) / 2.0;
        let (one, other) = (far / a, c / far);
        let (low, high) = (one.min(other), one.max(other));
        Some(if a > 0.0 { Self::Outside(low, high) } else { Self::Between(low, high) })
    }

    fn ln_probability(&self, of: Normal) -> f64 {
        let scaled = |x: f64| (x - of.mean) / of.deviation;
        match *self {
            Self::Between(low, high) if high == f64::INFINITY => ln_below(-scaled(low)),
            Self::Between(low, high) => ln_between(scaled(low), scaled(high)),
            Self::Outside(low, high) => ln_outside(scaled(low), scaled(high)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_deviations_are_the_gaussian_mechanism() {
        // μ = 1 at δ = 1e-6: the exact conversion (Balle and Wang 2018).
        assert!((separation(1.0, 1.0, 1e-6) - 4.886_554_117_462_158).abs() < 1e-9);
        assert!((separation(-1.0, 1.0, 1e-6) - 4.886_554_117_462_158).abs() < 1e-9);
        assert_eq!(separation(0.0, 1.0, 1e-6), 0.0);
    }

    #[test]
    fn what_cannot_be_fitted_gives_none() {
        assert_eq!(Estimate::new(&[], 10, 1e-6), None);
        assert_eq!(Estimate::new(&[0.5, 0.5], 10, 1e-6), None);
        assert_eq!(Estimate::new(&[0.5, 0.6], 0, 1e-6), None);
    }
}
