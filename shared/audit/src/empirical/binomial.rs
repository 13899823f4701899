//! The binomial distribution: tails that keep their relative precision, and the Clopper–Pearson bound.

/// ln Pr[Bin(trials, p) = k] for all k from 0, where `ln_p` = ln p and `ln_q` = ln(1 − p) are finite.
pub(super) fn ln_masses(trials: u64, ln_p: f64, ln_q: f64) -> Vec<f64> {
    let whole = ln_factorial(trials);
    let mass = |k: u64| {
        let ways = whole - ln_factorial(k) - ln_factorial(trials - k);
        ways + k as f64 * ln_p + (trials - k) as f64 * ln_q
    };
    (0..=trials).map(mass).collect()
}

/// The largest p under which at most `seen` of `trials` have probability `significance` or more (Clopper and
/// Pearson 1934, one-sided): the quantile 1 − significance of Beta(seen + 1, trials − seen).
pub(super) fn upper_bound(seen: u64, trials: u64, significance: f64) -> f64 {
    if seen >= trials {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..BISECTIONS {
        let p = (low + high) / 2.0;
        if at_most(seen, trials, p) > significance {
            low = p;
        } else {
            high = p;
        }
    }
    high
}

/// Pr[Bin(trials, p) <= seen], 0 < p < 1.
fn at_most(seen: u64, trials: u64, p: f64) -> f64 {
    let masses = ln_masses(trials, p.ln(), (-p).ln_1p());
    masses[..=seen as usize].iter().map(|mass| mass.exp()).sum()
}

fn ln_factorial(n: u64) -> f64 {
    libm::lgamma(n as f64 + 1.0)
}

const BISECTIONS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masses_are_those_of_small_numbers() {
        let masses: Vec<f64> =
            ln_masses(4, 0.25_f64.ln(), 0.75_f64.ln()).iter().map(|mass| mass.exp()).collect();
        for (found, wanted) in masses.iter().zip([81.0, 108.0, 54.0, 12.0, 1.0]) {
            assert!((found - wanted / 256.0).abs() < 1e-14, "{masses:?}");
        }
        let far = ln_masses(5000, 0.5_f64.ln(), 0.5_f64.ln());
        assert!((far.iter().map(|mass| mass.exp()).sum::<f64>() - 1.0).abs() < 1e-10);
    }

    /// The same as Beta⁻¹(1 − α; x + 1, n − x) in scipy (golden/empirical.csv has more).
    #[test]
    fn an_upper_bound_leaves_the_significance() {
        // Nothing seen: 1 − α^(1/n).
        let none = upper_bound(0, 1000, 0.025);
        assert!((none - 0.003682083896865671).abs() < 1e-14, "{none}");
        let some = upper_bound(100, 500, 0.025);
        assert!((some - 0.237791830279907).abs() < 1e-12, "{some}");
        assert!((at_most(100, 500, some) - 0.025).abs() < 1e-12);
        assert_eq!(upper_bound(7, 7, 0.05), 1.0);
    }
}
