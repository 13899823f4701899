//! The noise is the discrete Gaussian that is claimed, and what it hides is within the bound that it is sized for.

use grid::{Modulus, Q32, Ratio, RotationSeed};
use privacy::{Clipped, Grid, PrivacyError, Quantized};
use rand::RngExt;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

/// Draws `count` samples of each of some σ and compares them with the exact probabilities.
pub(super) fn distribution(
    count: usize,
    mut draw: impl FnMut(Ratio, usize) -> Result<Vec<i64>, PrivacyError>,
) -> Result<String, String> {
    let mut seen = Vec::new();
    for (numerator, denominator) in SIGMAS {
        let sigma = Ratio::new(numerator, denominator).map_err(|error| error.to_string())?;
        let samples = draw(sigma, count).map_err(|error| error.to_string())?;
        let scores = scores(&samples, sigma.to_f64());
        let names = ["chi-square", "the mean", "the variance"];
        let far = |score: f64| score.is_nan() || score.abs() > LARGEST_SCORE;
        let off = names.iter().zip(scores).find(|(_, score)| far(*score));
        if let Some((name, score)) = off {
            return Err(format!(
                "σ = {sigma}: {name} is {score:.2} standard deviations from what the exact probabilities give; more \
                 than {LARGEST_SCORE} do not happen by chance"
            ));
        }
        seen.push(format!("{:+.2}", scores[0]));
    }
    Ok(format!(
        "{count} samples of each σ of 2, 37/10, 30 against the exact probabilities: chi-square {} standard deviations off, mean and variance right",
        seen.join(", ")
    ))
}

/// How far chi-square, the mean and the variance are from what they should be, in standard deviations.
fn scores(samples: &[i64], sigma: f64) -> [f64; 3] {
    let weight = |x: i64| (-((x * x) as f64) / (2.0 * sigma * sigma)).exp();
    let reach = (12.0 * sigma).ceil() as i64;
    let total: f64 = (-reach..=reach).map(weight).sum();
    let probability = |x: i64| if x.abs() <= reach { weight(x) / total } else { 0.0 };
    let moment = |power: i32| -> f64 {
        (-reach..=reach).map(|x| probability(x) * (x as f64).powi(power)).sum()
    };
    let (variance, fourth, count) = (moment(2), moment(4), samples.len() as f64);
    let mean_of = |power: i32| samples.iter().map(|&x| (x as f64).powi(power)).sum::<f64>() / count;
    let mean = mean_of(1) / (variance / count).sqrt();
    let spread = ((fourth - variance * variance) / count).sqrt();
    [chi_square(samples, probability, reach), mean, (mean_of(2) - variance) / spread]
}

/// Chi-square in standard deviations (Wilson and Hilferty 1931), over cells of single integers while at least ten samples
/// are expected in them; the two tails are a cell each.
fn chi_square(samples: &[i64], probability: impl Fn(i64) -> f64, reach: i64) -> f64 {
    let expected = |x: i64| samples.len() as f64 * probability(x);
    let edge = (0..reach).take_while(|&x| expected(x) >= 10.0).count() as i64 - 1;
    let mut observed = vec![0.0; (2 * edge + 3) as usize];
    for &sample in samples {
        let cell = sample.clamp(-edge - 1, edge + 1) + edge + 1;
        observed[cell as usize] += 1.0;
    }
    let tail: f64 = (edge + 1..=reach).map(expected).sum();
    let mut sum = 0.0;
    for (cell, observed) in observed.iter().enumerate() {
        let x = cell as i64 - edge - 1;
        let expected = if x.abs() > edge { tail } else { expected(x) };
        sum += (observed - expected).powi(2) / expected;
    }
    let freedom = (observed.len() - 1) as f64;
    let spread = 2.0 / (9.0 * freedom);
    ((sum / freedom).cbrt() - (1.0 - spread)) / spread.sqrt()
}

const SIGMAS: [(u64, u64); 3] = [(2, 1), (37, 10), (30, 1)];
/// Less than once in a million by chance.
const LARGEST_SCORE: f64 = 5.0;

/// Quantises random updates, many of them at or far beyond the clip, and asks whether each is within D2.
pub(super) fn norm_bound(
    within: impl Fn(&[f32], &Grid, &mut ChaCha20Rng) -> Result<bool, PrivacyError>,
) -> Result<String, String> {
    let mut rng = ChaCha20Rng::from_rng(&mut rand::rng());
    let mut updates = 0;
    for dimension in [5_usize, 64, 1000] {
        for scale in [0.5, 3.0, 1e3] {
            let grid = grid(dimension, scale, &mut rng).map_err(|error| error.to_string())?;
            for size in [0.0, 0.1, 1.0, 1e6] {
                let value = |rng: &mut ChaCha20Rng| (rng.random::<f32>() - 0.5) * size;
                let update: Vec<f32> = (0..dimension).map(|_| value(&mut rng)).collect();
                match within(&update, &grid, &mut rng) {
                    Ok(true) => updates += 1,
                    Ok(false) => {
                        return Err(format!(
                            "an update of {dimension} coordinates is beyond D2² = {}",
                            grid.squared_norm_bound()
                        ));
                    }
                    Err(error) => return Err(error.to_string()),
                }
            }
        }
    }
    Ok(format!(
        "{updates} random updates, clipped, rotated and rounded: each within its integer bound D2²"
    ))
}

/// The shipped path: clip, rotate, round.
pub(super) fn quantised_within(
    update: &[f32],
    grid: &Grid,
    rng: &mut ChaCha20Rng,
) -> Result<bool, PrivacyError> {
    Ok(Quantized::new(Clipped::new(update, grid.clip())?, grid, rng)?.is_within_bound())
}

fn grid(dimension: usize, scale: f64, rng: &mut ChaCha20Rng) -> Result<Grid, PrivacyError> {
    let (clip, scale) = (Q32::from_f64_up(1.0)?, Q32::from_f64_up(scale)?);
    let seed = RotationSeed(rng.random());
    Grid::new(clip, scale, Modulus::new(20)?, seed, dimension)
}

#[cfg(test)]
mod tests {
    use super::*;
    use privacy::{Sampler, discrete_gaussian};

    #[test]
    fn a_sampler_that_is_not_exact_fails() {
        let draw = |sigma, count| discrete_gaussian(sigma, count, Sampler::Blocks);
        assert!(distribution(400_000, draw).is_ok());
        // A hundredth too wide.
        let wide = |sigma: Ratio, count| {
            let sigma = Ratio::new(sigma.numerator() * 101, sigma.denominator() * 100)?;
            discrete_gaussian(sigma, count, Sampler::Blocks)
        };
        assert!(distribution(400_000, wide).is_err());
        // Zero a little too often.
        let zeros = |sigma, count| {
            let mut values = draw(sigma, count)?;
            values.iter_mut().step_by(100).for_each(|value| *value = 0);
            Ok(values)
        };
        assert!(distribution(400_000, zeros).is_err());
        let none = |_, _| Err(PrivacyError::NoEntropy);
        assert!(distribution(10, none).is_err());
    }

    #[test]
    fn a_quantiser_beyond_its_bound_fails() {
        assert!(norm_bound(quantised_within).is_ok());
        assert!(norm_bound(|_, _, _| Ok(false)).is_err());
        // Without the clip, the same rounding goes beyond.
        let unclipped = |update: &[f32], grid: &Grid, rng: &mut ChaCha20Rng| {
            let rotated = grid.rotation().forward(update)?;
            let scale = grid.scale().to_f64();
            let squared = |value: &f64| (value * scale + rng.random::<f64>()).floor().powi(2);
            Ok(rotated.iter().map(squared).sum::<f64>() <= grid.squared_norm_bound() as f64)
        };
        assert!(norm_bound(unclipped).is_err());
    }
}
