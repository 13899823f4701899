//! The gate: a candidate is issued only if it is not worse than the best version so far by more than a tolerance.

use wire::GateResult;

/// Judges a candidate: it passes if its loss is at most `best + ⌈best·tolerance⌉`.
///
/// Losses are those of public held-out conversations, in millionths of a nat per token; the
/// tolerance is in units of 2⁻³² (2 % is 85,899,346). The limit rounds up to a whole millionth and
/// saturates at `u64::MAX`. It is compared with the *best* version, not with the last one, so that many
/// small steps cannot wander off.
pub fn gate(best_loss_micro: u64, tolerance_q32: u64, candidate_loss_micro: u64) -> GateResult {
    let margin = (u128::from(best_loss_micro) * u128::from(tolerance_q32)).div_ceil(1 << 32);
    let limit = u128::from(best_loss_micro) + margin;
    GateResult {
        loss_micro: candidate_loss_micro,
        limit_micro: u64::try_from(limit).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_PERCENT: u64 = 85_899_346;

    #[test]
    fn the_limit_is_the_best_loss_and_its_margin_rounded_up() {
        assert_eq!(gate(4_000_000, TWO_PERCENT, 1).limit_micro, 4_080_001);
        assert_eq!(gate(4_000_000, 0, 1).limit_micro, 4_000_000);
        assert_eq!(gate(3, 1 << 31, 1).limit_micro, 5);
        assert_eq!(gate(u64::MAX, u64::MAX, 1).limit_micro, u64::MAX);
    }

    #[test]
    fn equal_passes_and_one_millionth_more_fails() {
        let limit = gate(4_000_000, TWO_PERCENT, 0).limit_micro;
        assert!(gate(4_000_000, TWO_PERCENT, limit).passes());
        assert!(!gate(4_000_000, TWO_PERCENT, limit + 1).passes());
    }

    #[test]
    fn a_poisoned_candidate_fails_and_a_better_one_passes() {
        assert!(!gate(4_000_000, TWO_PERCENT, 11_000_000).passes());
        assert!(gate(4_000_000, TWO_PERCENT, 3_900_000).passes());
    }
}
