//! How fine the grid is: the finest scale whose sum still fits 2^b, and how much room a sum has.
//!
//! A sum that wraps costs learning, never privacy. A coordinate of a rotated sum behaves like a
//! Gaussian of variance `(n·D2)²/d' + n·σ²` at worst (all nodes push in the same direction with their
//! whole norm), and wraps where it leaves ±2^(b-1).

use crate::fixed::not_representable;
use crate::{GridError, Modulus, Q32, Ratio};

/// Standard deviations between zero and wrap-around that [`suggest_scale`] aims at:
/// √2·erfc⁻¹(10⁻⁴), one coordinate in 10,000 at worst (KLS21; `_heuristic_scale_factor` of TensorFlow
/// Federated).
const SUGGESTED_HEADROOM: f64 = 3.890_591_886_413_123;

/// The least [`headroom`] that [`sum_fits`] accepts: a little under what is suggested, because the
/// suggestion knows the clip and this knows only D2.
pub const MINIMUM_HEADROOM: f64 = 3.5;

/// The scale (grid units per unit of the update) that makes best use of the bits.
///
/// `nodes` is how many contributions are summed, `sigma_over_clip` the noise that each node adds,
/// in multiples of the clip. With `k` the headroom:
/// `√(2^2b - n·k²) / (2k·√(clip²·n²/d' + n·σ²))`, rounded down.
///
/// # Errors
/// [`GridError::NoRoom`] if rounding alone fills the bits; [`GridError::NotRepresentable`] if the scale
/// (or σ) is not a number that [`Q32`] holds: a clip of zero, say.
pub fn suggest_scale(
    modulus: Modulus,
    nodes: u32,
    clip: Q32,
    sigma_over_clip: f64,
    padded: usize,
) -> Result<Q32, GridError> {
    if !(sigma_over_clip.is_finite() && sigma_over_clip >= 0.0) {
        return Err(not_representable(sigma_over_clip, 32));
    }
    let k = SUGGESTED_HEADROOM;
    let (clip, n) = (clip.to_f64(), f64::from(nodes));
    let room = 4_f64.powi(modulus.bits() as i32) - n * k * k;
    if room <= 0.0 {
        let bits = modulus.bits();
        return Err(GridError::NoRoom { bits, nodes });
    }
    let sigma = sigma_over_clip * clip;
    let deviation = (clip * clip * n * n / padded as f64 + n * sigma * sigma).sqrt();
    Q32::from_f64_down(room.sqrt() / (2.0 * k * deviation))
}

/// What decides whether a sum fits its modulus.
#[derive(Debug, Clone, Copy)]
pub struct SumShape {
    /// 2^b.
    pub modulus: Modulus,
    /// How many contributions are summed at most.
    pub nodes: u32,
    /// Coordinates of the rotated vector, d'.
    pub padded: usize,
    /// D2² of one contribution, in squared grid units.
    pub squared_norm_bound: u128,
    /// Noise of one contribution, in grid units.
    pub sigma: Ratio,
}

/// Standard deviations of a coordinate of the worst sum between zero and wrap-around.
pub fn headroom(shape: &SumShape) -> f64 {
    let n = f64::from(shape.nodes);
    let signal = n * n * shape.squared_norm_bound as f64 / shape.padded as f64;
    let noise = n * shape.sigma.to_f64().powi(2);
    2_f64.powi(shape.modulus.bits() as i32 - 1) / (signal + noise).sqrt()
}

/// Whether the sum has a [`headroom`] of at least [`MINIMUM_HEADROOM`].
pub fn sum_fits(shape: &SumShape) -> bool {
    headroom(shape) >= MINIMUM_HEADROOM
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squared_norm_bound;
    use proptest::prelude::*;

    /// A worked example: n = 100, d' = 2^20, clip 1, σ of a node 0.5.
    #[test]
    fn worked_example() {
        let one = Q32::from_f64_up(1.0).unwrap();
        for (bits, expected) in
            [(12, 105.3), (14, 421.0), (16, 1684.0), (18, 6737.0), (20, 26946.0), (24, 431_143.0)]
        {
            let modulus = Modulus::new(bits).unwrap();
            let scale = suggest_scale(modulus, 100, one, 0.5, 1 << 20).unwrap().to_f64();
            assert!((scale / expected - 1.0).abs() < 5e-4, "{bits} bits: {scale}");
        }
    }

    #[test]
    fn refuses_terms_without_a_scale() {
        let (one, eight) = (Q32::from_f64_up(1.0).unwrap(), Modulus::new(8).unwrap());
        assert_eq!(
            suggest_scale(eight, 5000, one, 0.5, 4),
            Err(GridError::NoRoom { bits: 8, nodes: 5000 })
        );
        assert!(suggest_scale(eight, 5, Q32::ZERO, 0.5, 4).is_err());
        assert!(suggest_scale(eight, 5, one, f64::NAN, 4).is_err());
        assert!(suggest_scale(eight, 5, one, -1.0, 4).is_err());
        assert!(suggest_scale(eight, 0, one, 0.5, 4).is_err());
    }

    proptest! {
        #[test]
        fn a_suggested_scale_fits_and_twice_it_does_not(
            bits in 16_u32..=26, nodes in 4_u32..=64, clip in 0.01..10.0_f64, sigma in 0.02..2.0_f64, power in 10_u32..=17
        ) {
            let modulus = Modulus::new(bits).unwrap();
            let clip = Q32::from_f64_up(clip).unwrap();
            let padded = 1 << power;
            let scale = suggest_scale(modulus, nodes, clip, sigma, padded).unwrap();
            let shape = |scale: Q32| SumShape {
                modulus, nodes, padded,
                squared_norm_bound: squared_norm_bound(clip, scale, padded).unwrap(),
                sigma: Ratio::from_f64_up(sigma * clip.to_f64() * scale.to_f64(), 8).unwrap(),
            };
            prop_assert!(sum_fits(&shape(scale)));
            prop_assert!(!sum_fits(&shape(scale.saturating_mul(2))));
        }
    }
}
