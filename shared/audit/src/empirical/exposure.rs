//! How much a model gives away a secret that it was trained on (Carlini et al. 2019, *The Secret Sharer*,
//! arXiv:1802.08232): its rank among secrets that might have been.

use serde::Serialize;

/// How a planted secret stands among alternatives that were drawn in the same way and planted nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Exposure {
    /// 1: the model finds the secret likelier than every alternative.
    pub rank: u64,
    /// The alternatives and the secret.
    pub of: u64,
    /// log2(of) − log2(rank). A secret that the model knows nothing of exceeds x bits with probability 2^−x.
    pub bits: f64,
}

impl Exposure {
    /// By the model's loss of the secret and of the alternatives, nats.
    pub fn new(secret: f64, alternatives: &[f64]) -> Self {
        let likelier = alternatives.iter().filter(|&&loss| loss <= secret).count() as u64;
        Self::of_rank(likelier + 1, alternatives.len() as u64 + 1)
    }

    fn of_rank(rank: u64, of: u64) -> Self {
        Self { rank, of, bits: (of as f64).log2() - (rank as f64).log2() }
    }
}

/// Bits that, by chance, one or more of so many secrets exceed with the probability `significance`.
pub fn chance_exposure(secrets: u64, significance: f64) -> f64 {
    (secrets.max(1) as f64 / significance).log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exposures_are_those_of_the_reference() {
        for (rank, bits) in [(1, 9.966), (10, 6.644), (500, 1.0)] {
            assert!((Exposure::of_rank(rank, 1000).bits - bits).abs() < 5e-4);
        }
    }

    #[test]
    fn the_rank_counts_what_is_as_likely_or_likelier() {
        let alternatives = [3.0, 1.0, 2.0];
        let rank = |secret| Exposure::new(secret, &alternatives).rank;
        assert_eq!([0.5, 1.0, 1.5, 9.0].map(rank), [1, 2, 2, 4]);
        assert_eq!(Exposure::new(0.5, &alternatives).bits, 2.0);
    }

    #[test]
    fn more_secrets_exceed_more_by_chance() {
        assert!((chance_exposure(1, 0.05) - 20_f64.log2()).abs() < 1e-12);
        assert!((chance_exposure(4, 0.05) - 80_f64.log2()).abs() < 1e-12);
    }
}
