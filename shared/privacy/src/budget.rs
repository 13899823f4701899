//! How much a person is ready to spend.

use grid::Q40;

use crate::{PrivacyError, zcdp_rho};

/// A limit on the sum of charges.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// At most `rho` in all, which means (ε, `delta`)-DP for the ε that it came from.
    Limited {
        /// The largest sum of charges.
        rho: Q40,
        /// The δ at which ε is stated.
        delta: f64,
    },
    /// No limit: charges are counted and nothing is refused for them. There is then no guarantee.
    Unlimited,
}

impl Budget {
    /// The budget that (ε, δ) buys: the largest ρ that implies it, rounded down.
    ///
    /// # Errors
    /// [`PrivacyError::OutOfRange`] unless 0 < ε < 10⁶ and 0 < δ < 1.
    pub fn limited(epsilon: f64, delta: f64) -> Result<Self, PrivacyError> {
        Ok(Self::Limited { rho: zcdp_rho(epsilon, delta)?, delta })
    }

    /// The largest sum of charges; none without a limit.
    pub fn rho(&self) -> Option<Q40> {
        match self {
            Self::Limited { rho, .. } => Some(*rho),
            Self::Unlimited => None,
        }
    }

    /// What is left after `spent`; none without a limit.
    pub fn remaining(&self, spent: Q40) -> Option<Q40> {
        self.rho().map(|rho| rho.saturating_sub(spent))
    }

    /// Whether `asked` may be spent on top of `spent`.
    pub fn allows(&self, spent: Q40, asked: Q40) -> bool {
        match self.rho() {
            Some(limit) => spent.checked_add(asked).is_some_and(|sum| sum <= limit),
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spends_to_the_last_step_and_no_further() {
        let rho = Q40::from_raw(100);
        let budget = Budget::Limited { rho, delta: 1e-6 };
        let spent = Q40::from_raw(60);
        assert!(budget.allows(spent, Q40::from_raw(40)));
        assert!(!budget.allows(spent, Q40::from_raw(41)));
        assert!(!budget.allows(spent, Q40::MAXIMUM));
        assert_eq!(budget.remaining(spent), Some(Q40::from_raw(40)));
        assert_eq!(budget.remaining(Q40::MAXIMUM), Some(Q40::ZERO));
        assert!(Budget::Unlimited.allows(Q40::MAXIMUM, Q40::MAXIMUM));
        assert_eq!(Budget::Unlimited.remaining(spent), None);
    }

    #[test]
    fn epsilon_eight_buys_ten_rounds_at_its_noise_multiplier() {
        // z = √(10/(2·1.052358)) = 2.180.
        let rho = Budget::limited(8.0, 1e-6).unwrap().rho().unwrap().to_f64();
        assert!(((10.0 / (2.0 * rho)).sqrt() - 2.180).abs() < 5e-4);
        assert!(Budget::limited(-1.0, 1e-6).is_err());
    }
}
