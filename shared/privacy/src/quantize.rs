//! Step 2: a clipped update becomes integers whose squared norm is at most D2².

use grid::{GridError, Modulus, Q32, Rotation, RotationSeed, squared_norm, squared_norm_bound};
use rand::Rng;
use zeroize::Zeroizing;

use crate::{Clipped, PrivacyError};

/// The integer grid of one round: what all its nodes agree on.
#[derive(Debug, Clone)]
pub struct Grid {
    clip: Q32,
    scale: Q32,
    modulus: Modulus,
    rotation: Rotation,
    squared_norm_bound: u128,
}

impl Grid {
    /// A grid for updates of `dimension` coordinates with an L2 norm of at most `clip` (parameter
    /// units) and `scale` grid units per parameter unit.
    ///
    /// # Errors
    /// [`PrivacyError::ZeroClip`]; [`PrivacyError::Grid`] if the terms are outside of the grid.
    pub fn new(
        clip: Q32,
        scale: Q32,
        modulus: Modulus,
        rotation_seed: RotationSeed,
        dimension: usize,
    ) -> Result<Self, PrivacyError> {
        if clip == Q32::ZERO {
            return Err(PrivacyError::ZeroClip);
        }
        let rotation = Rotation::new(rotation_seed, dimension)?;
        let squared_norm_bound = squared_norm_bound(clip, scale, rotation.padded())?;
        Ok(Self { clip, scale, modulus, rotation, squared_norm_bound })
    }

    /// The clip, in parameter units.
    pub fn clip(&self) -> Q32 {
        self.clip
    }

    /// Grid units per parameter unit.
    pub fn scale(&self) -> Q32 {
        self.scale
    }

    /// 2^b.
    pub fn modulus(&self) -> Modulus {
        self.modulus
    }

    /// The shared rotation.
    pub fn rotation(&self) -> &Rotation {
        &self.rotation
    }

    /// Coordinates of an update, d.
    pub fn dimension(&self) -> usize {
        self.rotation.dimension()
    }

    /// Coordinates after padding, d'.
    pub fn padded(&self) -> usize {
        self.rotation.padded()
    }

    /// D2² in squared grid units: no quantised update's squared norm is above it.
    pub fn squared_norm_bound(&self) -> u128 {
        self.squared_norm_bound
    }
}

/// A private update as integers on the grid, their squared norm checked against D2². Still private.
pub struct Quantized {
    values: Zeroizing<Vec<i64>>,
    grid: Grid,
}

impl Quantized {
    /// Rotates, scales and rounds at random to a neighbouring integer, so that the mean is right.
    ///
    /// A rounding whose squared norm is above D2² is drawn again (KLS21, Algorithm 1: conditional
    /// rounding), [`ATTEMPTS`] times at most; then everything is rounded towards zero instead. The
    /// integers that come out are within D2² without exception, whatever `rng` and floats do.
    ///
    /// # Errors
    /// [`PrivacyError::ClipMismatch`] if the update was clipped to another norm than the grid is for;
    /// [`PrivacyError::Grid`] if it has another dimension.
    pub fn new(clipped: Clipped, grid: &Grid, rng: &mut impl Rng) -> Result<Self, PrivacyError> {
        if clipped.clip() != grid.clip {
            let (applied, expected) = (clipped.clip(), grid.clip);
            return Err(PrivacyError::ClipMismatch { applied, expected });
        }
        let mut values = Zeroizing::new(vec![0; grid.padded()]);
        let factors = [grid.rotation.factor(), grid.scale.to_f64()];
        let exact = |exact: &mut [f64]| grid.rotation.forward_into(clipped.values(), exact);
        round_within(&mut values, exact, factors, grid.squared_norm_bound, rng)?;
        Ok(Self { values, grid: grid.clone() })
    }

    /// The grid that the integers live on.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// Whether the integers are within D2², computed once more: always, and a self-test asks.
    pub fn is_within_bound(&self) -> bool {
        squared_norm(&self.values) <= self.grid.squared_norm_bound
    }

    pub(crate) fn into_values(self) -> Zeroizing<Vec<i64>> {
        self.values
    }
}

impl std::fmt::Debug for Quantized {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Quantized({} coordinates)", self.values.len())
    }
}

/// Rounds what `exact` writes, times both factors, within the bound. It is written again for every attempt: there
/// is hardly ever a second one, and floats and integers are never in memory side by side.
fn round_within(
    values: &mut [i64],
    exact: impl Fn(&mut [f64]) -> Result<(), GridError>,
    factors: [f64; 2],
    bound: u128,
    rng: &mut impl Rng,
) -> Result<(), GridError> {
    for _ in 0..ATTEMPTS {
        exact(grid::as_floats(values))?;
        if round(values, factors, rng) <= bound {
            return Ok(());
        }
    }
    exact(grid::as_floats(values))?;
    for value in &mut *values {
        let [exact] = grid::as_floats(std::slice::from_mut(value)) else { unreachable!("one") };
        *value = (*exact * factors[0] * factors[1]) as i64;
    }
    shrink_within(values, bound);
    Ok(())
}

/// Replaces floats, times both factors, by integers; the integers' squared norm.
fn round(values: &mut [i64], factors: [f64; 2], rng: &mut impl Rng) -> u128 {
    let mut exact = Zeroizing::new([0.0; WORDS]);
    let mut words = Zeroizing::new([[0; 8]; WORDS]);
    let mut squared = 0;
    for values in values.chunks_mut(WORDS) {
        let (exact, words) = (&mut exact[..values.len()], &mut words[..values.len()]);
        for (exact, value) in exact.iter_mut().zip(grid::as_floats(values)) {
            *exact = *value * factors[0] * factors[1];
        }
        rng.fill_bytes(words.as_flattened_mut());
        grid::round_at_random(exact, words, values);
        squared += squared_norm(values);
    }
    squared
}

/// Moves every coordinate towards zero until the norm is within bound: at once, but for the rounding
/// errors of a very large norm.
fn shrink_within(values: &mut [i64], bound: u128) {
    while squared_norm(values) > bound {
        values.iter_mut().for_each(|value| *value -= value.signum());
    }
}

/// A rounding is above D2² with probability β = e^(-1/2) at most (KLS21, Proposition 22), nearly never
/// in practice: 64 in a row, less than 2^-46.
const ATTEMPTS: usize = 64;

/// Random words drawn at a time: 8 KiB, one word a coordinate.
const WORDS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    fn fixed(value: f64) -> Q32 {
        Q32::from_f64_up(value).unwrap()
    }

    fn grid(clip: f64, scale: f64, dimension: usize) -> Grid {
        let modulus = Modulus::new(20).unwrap();
        Grid::new(fixed(clip), fixed(scale), modulus, RotationSeed([5; 32]), dimension).unwrap()
    }

    fn rng(seed: u64) -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(seed)
    }

    fn update(length: usize) -> Vec<f32> {
        (0..length).map(|i| ((i * 37) % 101) as f32 - 50.0).collect()
    }

    #[test]
    fn the_mean_of_many_roundings_is_the_update() {
        let grid = grid(1.0, 8.0, 6);
        let clipped = || Clipped::new(&[0.3, -0.2, 0.1, 0.0, 0.5, -0.4], fixed(1.0)).unwrap();
        let mut sum = vec![0_i64; grid.padded()];
        let repeats = 20_000;
        let mut rng = rng(1);
        for _ in 0..repeats {
            let values = Quantized::new(clipped(), &grid, &mut rng).unwrap().into_values();
            sum.iter_mut().zip(values.iter()).for_each(|(to, value)| *to += value);
        }
        grid.rotation().invert_exact(&mut sum).unwrap();
        let factor = 1.0 / (8.0 * (grid.padded() as f64).sqrt() * f64::from(repeats));
        for (found, wanted) in sum.iter().zip([0.3, -0.2, 0.1, 0.0, 0.5, -0.4]) {
            let found = *found as f64 * factor;
            // Half a grid unit of rounding each, 20,000 times: standard deviation below 0.0005.
            assert!((found - wanted).abs() < 0.003, "{found} for {wanted}");
        }
    }

    /// Digests of the roundings as they were made one by one, a word of the generator for each coordinate: what
    /// a node contributes must not depend on how fast it is computed.
    #[test]
    fn golden_roundings() {
        let digest = |dimension: usize, scale: f64, skipped: usize| {
            let mut rng = rng(9);
            (0..skipped).for_each(|_| _ = rng.next_u32());
            let clipped = Clipped::new(&update(dimension), fixed(3.0)).unwrap();
            let values = Quantized::new(clipped, &grid(3.0, scale, dimension), &mut rng).unwrap();
            let bytes: Vec<u8> = values.values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (blake3::hash(&bytes).to_hex()[..16].to_owned(), rng.next_u32())
        };
        let found: Vec<_> = GOLDEN.iter().map(|g| digest(g.0, g.1, g.2)).collect();
        assert_eq!(found, GOLDEN.map(|g| (g.3.to_owned(), g.4)));
    }

    /// Dimension, scale, words drawn before; digest, the word drawn after.
    const GOLDEN: [(usize, f64, usize, &str, u32); 5] = [
        (1, 8.0, 0, "5df311c879894b68", 430_252_430),
        (7, 1e5, 1, "fda3e2be17df22ab", 2_076_971_316),
        (3000, 0.5, 1, "3fbf3eae3bcc2903", 370_437_362),
        (100_000, 1000.0, 1, "fb698460ee9dd906", 3_319_339_184),
        (200_001, 1e9, 3, "624d1bbd825a1678", 1_231_803_848),
    ];

    #[test]
    fn refuses_another_clip_or_dimension() {
        let clipped = Clipped::new(&[1.0; 6], fixed(2.0)).unwrap();
        let error = Quantized::new(clipped, &grid(1.0, 8.0, 6), &mut rng(1)).unwrap_err();
        let (applied, expected) = (fixed(2.0), fixed(1.0));
        assert_eq!(error, PrivacyError::ClipMismatch { applied, expected });
        let clipped = Clipped::new(&[1.0; 7], fixed(1.0)).unwrap();
        let error = Quantized::new(clipped, &grid(1.0, 8.0, 6), &mut rng(1)).unwrap_err();
        assert!(matches!(error, PrivacyError::Grid(_)));
    }

    #[test]
    fn an_unlucky_rounding_is_shrunk_within_the_bound() {
        // A bound that no rounding reaches: only the deterministic way out is left.
        let exact = [2.5, -2.5, 0.5, 3.9];
        assert_eq!(rounded_within(&exact, 17, 1), [2, -2, 0, 3]);
        assert_eq!(rounded_within(&exact, 9, 1), [1, -1, 0, 2]);
        assert_eq!(rounded_within(&exact, 0, 1), [0; 4]);
    }

    /// An eighth of each, times 2 and times 4, rounded within the bound.
    fn rounded_within(exact: &[f64; 4], bound: u128, seed: u64) -> [i64; 4] {
        let mut values = [77; 4];
        let write = |to: &mut [f64]| {
            to.iter_mut().zip(exact).for_each(|(to, exact)| *to = exact / 8.0);
            Ok(())
        };
        round_within(&mut values, write, [2.0, 4.0], bound, &mut rng(seed)).unwrap();
        values
    }

    #[test]
    fn an_unlucky_rounding_is_drawn_again() {
        // [0.5; 4] has squared norm 0 to 4; within 1 is about every third rounding.
        let seen: Vec<u128> =
            (0..200).map(|seed| squared_norm(&rounded_within(&[0.5; 4], 1, seed))).collect();
        assert!(seen.iter().all(|&norm| norm <= 1));
        assert!(seen.contains(&1), "the way out would have made zeros of all of them");
    }

    proptest! {
        #[test]
        fn never_above_the_bound(
            length in 1_usize..600, clip in 0.01..50.0_f64, scale in 0.5..1e5_f64, seed: u64
        ) {
            let grid = grid(clip, scale, length);
            let clipped = Clipped::new(&update(length), fixed(clip)).unwrap();
            let quantized = Quantized::new(clipped, &grid, &mut rng(seed)).unwrap();
            prop_assert!(squared_norm(&quantized.values) <= grid.squared_norm_bound());
            prop_assert_eq!(quantized.values.len(), grid.padded());
        }
    }
}
