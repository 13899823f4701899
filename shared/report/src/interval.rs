//! How sure a mean is.

/// A mean with its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// The mean.
    pub mean: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Whether the data leave no doubt, at this level, that the mean is not 0.
    pub fn excludes_zero(self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// Student's t interval at 95 % for the mean of independent values of finite variance; none for fewer than two.
///
/// For a difference before and after, give the differences of the pairs.
pub fn mean_interval(values: &[f64]) -> Option<Interval> {
    if values.len() < 2 {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let standard_error = (squares / (count - 1.0) / count).sqrt();
    let half = t_quantile(values.len() - 1) * standard_error;
    Some(Interval { low: mean - half, mean, high: mean + half })
}

/// The 0.975 quantile of Student's t distribution; tabulated to 30 degrees of freedom, then by the expansion in
/// Abramowitz & Stegun 26.7.5 (error below 1e-6 there).
fn t_quantile(degrees: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004,
        2.262_157, 2.228_139, 2.200_985, 2.178_813, 2.160_369, 2.144_787, 2.131_450, 2.119_905,
        2.109_816, 2.100_922, 2.093_024, 2.085_963, 2.079_614, 2.073_873, 2.068_658, 2.063_899,
        2.059_539, 2.055_529, 2.051_831, 2.048_407, 2.045_230, 2.042_272,
    ];
    if let Some(tabulated) = degrees.checked_sub(1).and_then(|index| TABLE.get(index)) {
        return *tabulated;
    }
    let z = 1.959_963_985_f64;
    let n = degrees as f64;
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    z + first / n + second / n.powi(2) + third / n.powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reference values: `scipy.stats.t.ppf(0.975, n)`.
    #[test]
    fn quantiles_are_the_published_ones() {
        for (degrees, quantile) in
            [(1, 12.706205), (30, 2.042272), (31, 2.039513), (60, 2.000298), (120, 1.979930)]
        {
            assert!(
                (t_quantile(degrees) - quantile).abs() < 2e-6,
                "{degrees}: {}",
                t_quantile(degrees)
            );
        }
    }

    #[test]
    fn an_interval_is_the_textbook_one() {
        let interval = mean_interval(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let half = 2.776445 * 2.5_f64.sqrt() / 5_f64.sqrt();
        assert!((interval.mean - 3.0).abs() < 1e-12);
        assert!(
            (interval.high - 3.0 - half).abs() < 1e-9 && (3.0 - interval.low - half).abs() < 1e-9
        );
        assert!(interval.excludes_zero());
        assert!(!mean_interval(&[-1.0, 1.0]).unwrap().excludes_zero());
        assert_eq!((mean_interval(&[]), mean_interval(&[1.0])), (None, None));
    }
}
