//! The normal distribution in logarithms, far into its tails.

/// ln Φ(x): by erfc, and by its asymptotic series (error below 10⁻¹⁴) where that underflows.
pub(super) fn ln_below(x: f64) -> f64 {
    if x > -30.0 {
        return (libm::erfc(-x / std::f64::consts::SQRT_2) / 2.0).ln();
    }
    let inverse = 1.0 / (x * x);
    // 1 − 1/x² + 1·3/x⁴ − 1·3·5/x⁶ + …
    let series = (0..6).rev().fold(1.0, |sum, k| 1.0 - f64::from(2 * k + 1) * inverse * sum);
    ln_density(x) - (-x).ln() + f64::ln(series)
}

/// ln(Φ(high) − Φ(low)) for low < high; of both ends the side is taken on which nothing cancels.
pub(super) fn ln_between(low: f64, high: f64) -> f64 {
    let (low, high) = if low > 0.0 { (-high, -low) } else { (low, high) };
    let (less, more) = (ln_below(low), ln_below(high));
    if less == f64::NEG_INFINITY { more } else { more + (-(less - more).exp()).ln_1p() }
}

/// ln of what is not between: Φ(low) + Φ(−high).
pub(super) fn ln_outside(low: f64, high: f64) -> f64 {
    let (one, other) = (ln_below(low), ln_below(-high));
    let (less, more) = (one.min(other), one.max(other));
    if less == f64::NEG_INFINITY { more } else { more + (less - more).exp().ln_1p() }
}

/// The x with Φ(x) = p; infinite at 0 and 1. Newton's method on ln Φ, which is concave: from a start on the left it
/// never oversteps.
pub(super) fn quantile(p: f64) -> f64 {
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    // Φ(−t) ≤ exp(−t²/2)/2, so this is on the left.
    let mut x = -(-2.0 * p.ln()).sqrt();
    for _ in 0..NEWTON_STEPS {
        let below = ln_below(x);
        let step = (p.ln() - below) * (below - ln_density(x)).exp();
        x += step;
        if step.abs() <= 1e-15 * x.abs().max(1.0) {
            break;
        }
    }
    x
}

fn ln_density(x: f64) -> f64 {
    -x * x / 2.0 - (2.0 * std::f64::consts::PI).sqrt().ln()
}

const NEWTON_STEPS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_tables() {
        // scipy.stats.norm.logcdf.
        for (x, wanted) in [
            (0.0, -std::f64::consts::LN_2),
            (-1.0, -1.841_021_645_009_264),
            (-10.0, -53.231_285_150_512_47),
            (-40.0, -804.608_442_013_753_9),
        ] {
            assert!((ln_below(x) - wanted).abs() < 1e-12 * wanted.abs(), "{x}: {}", ln_below(x));
        }
        // Both sides of the switch to the series.
        assert!((ln_below(-29.999_999) - ln_below(-30.000_001) - 6e-5).abs() < 1e-5);
    }

    #[test]
    fn what_is_between_and_what_is_outside_are_everything() {
        for (low, high) in [(-1.0, 2.0), (0.5, 0.6), (-3.0, -2.0), (1.0, 8.0)] {
            let whole = ln_between(low, high).exp() + ln_outside(low, high).exp();
            assert!((whole - 1.0).abs() < 1e-14, "{low} {high}: {whole}");
        }
        assert!((ln_between(20.0, 21.0) - ln_below(-20.0)).abs() < 1e-8);
        assert_eq!(ln_between(f64::NEG_INFINITY, 0.0), ln_below(0.0));
    }

    #[test]
    fn quantiles_lead_back() {
        for p in [1e-300, 1e-12, 0.025, 0.5, 0.9, 1.0 - 1e-12] {
            let x = quantile(p);
            assert!((ln_below(x) - p.ln()).abs() < 1e-11 * p.ln().abs().max(1e-3), "{p}: {x}");
        }
        assert!((quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-12);
        assert_eq!((quantile(0.0), quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    }
}
