//! The exact probabilities of a discrete Gaussian, and how far samples are from them.

/// Beyond so many σ lies less than 10⁻¹⁵.
pub const REACH: f64 = 8.5;

/// Runs of values with their probabilities: at least `least` in each, the two tails included.
pub struct Bins {
    /// The last value of each bin but the last one.
    ends: Vec<i64>,
    probabilities: Vec<f64>,
}

impl Bins {
    /// Bins of about equal probability, `most` of them at most.
    pub fn new(sigma: f64, most: u32) -> Self {
        let reach = (REACH * sigma).ceil() as i64 + 1;
        let weight = |x: i64| (-(x as f64 / sigma).powi(2) / 2.0).exp();
        let total = 1.0 + 2.0 * (1..=reach).map(weight).sum::<f64>();
        let least = total / f64::from(most);
        let (mut ends, mut probabilities, mut sum) = (Vec::new(), Vec::new(), 0.0);
        for x in -reach..=reach {
            sum += weight(x);
            if sum >= least {
                ends.push(x);
                probabilities.push(sum / total);
                sum = 0.0;
            }
        }
        // What is left of the upper tail joins the last bin.
        ends.pop();
        *probabilities.last_mut().unwrap() += sum / total;
        Self { ends, probabilities }
    }

    /// χ² of the samples, in standard deviations above its mean.
    pub fn excess(&self, samples: &[i64]) -> f64 {
        let mut counts = vec![0_u64; self.probabilities.len()];
        for sample in samples {
            counts[self.ends.partition_point(|end| end < sample)] += 1;
        }
        excess(&counts, &self.probabilities)
    }
}

/// χ² of counts, in standard deviations above its mean.
pub fn excess(counts: &[u64], probabilities: &[f64]) -> f64 {
    let all = counts.iter().sum::<u64>() as f64;
    let terms = counts.iter().zip(probabilities);
    let statistic: f64 =
        terms.map(|(&count, p)| (count as f64 - all * p).powi(2) / (all * p)).sum();
    let freedom = (counts.len() - 1) as f64;
    (statistic - freedom) / (2.0 * freedom).sqrt()
}
