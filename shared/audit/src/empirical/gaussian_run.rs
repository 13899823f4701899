//! The same guesses under a stronger hypothesis (Mahloujifar, Melis, Chaudhuri 2024, arXiv:2410.22235): that what was
//! run is μ-Gaussian differentially private for some μ. Then so many right guesses refute more, but only for mechanisms
//! whose trade-off curve has that form.

use privacy::{PrivacyError, gaussian_epsilon};

use super::Guesses;
use super::normal::{ln_below, quantile};

impl Guesses {
    /// The ε at δ of the largest μ that these guesses refute under the hypothesis of Gaussian differential privacy; 0 if
    /// they refute none.
    ///
    /// # Errors
    /// [`PrivacyError::OutOfRange`] unless 0 < δ < 1.
    pub fn gaussian_bound(&self, delta: f64, significance: f64) -> Result<f64, PrivacyError> {
        let mu = super::largest(|mu| self.refutes_gaussian(mu, significance));
        if mu == 0.0 { Ok(0.0) } else { gaussian_epsilon(mu, delta) }
    }

    /// Algorithm 1 of the paper: if μ held and chance alone made so many guesses right with probability τ, the shares of
    /// right (`right`) and wrong (`wrong`) guesses among all canaries would have to be at least these; together they
    /// cannot be more than all guesses.
    fn refutes_gaussian(&self, mu: f64, significance: f64) -> bool {
        if self.made == 0 {
            return false;
        }
        let canaries = self.canaries as f64;
        let mut right = significance * self.right as f64 / canaries;
        let mut wrong = significance * (self.made - self.right) as f64 / canaries;
        for guess in (0..self.right).rev() {
            let next = wrong.max(ln_below(quantile(right) - mu).exp());
            if next == wrong {
                break;
            }
            right = (right + guess as f64 / (self.made - guess) as f64 * (next - wrong)).min(1.0);
            wrong = next;
        }
        right + wrong > self.made as f64 / canaries
    }
}
