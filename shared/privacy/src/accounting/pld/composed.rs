//! Losses of many rounds added up by FFT, tilted towards the ε that matters.
//!
//! # The error of the FFT
//! Let `p` be the tilted masses (sum about 1), folded modulo the length N, u = 2^-53. Higham (*Accuracy and
//! Stability of Numerical Algorithms*, 2nd edition, Theorem 24.2) proves for a radix-2 FFT with twiddle
//! factors right to u a relative error in the Euclidean norm of at most about 6.7·u·log₂N. The library's
//! mixed radices need fewer operations; [`FFT_UNITS`]·u·log₂N is assumed, more than four times as much. A power
//! by repeated multiplication has a relative error of √5·u a multiplication (Brent, Percival and
//! Zimmermann 2007). Since |p̂| ≤ Σp at every frequency, the error of the T-th power is at most T times
//! that of p̂, and after the inverse transform the sum of absolute errors over all N places, by
//! Cauchy and Schwarz, at most
//!
//! ```text
//! √N·( T·f·‖p‖ + (T·√5·u + f)·‖p^(*T)‖ )·max(1, Σp)^T,   f = FFT_UNITS·u·log₂N
//! ```
//!
//! A place k above ε enters δ with a factor of at most `e^(-λ·ε)·c`, c = (λ/(λ+1))^λ/(λ+1): the error of
//! δ is the sum above times that, beside a δ that is itself of this size. It is added.

use realfft::RealFftPlanner;
use realfft::num_complex::Complex64;

use super::Losses;

/// The sum of all rounds, on a window of its grid.
pub(super) struct Composed {
    /// Tilted masses; place k stands for a sum of `(first + k)·step`.
    tilted: Vec<f64>,
    first: i64,
    step: f64,
    /// λ.
    tilt: f64,
    /// ln of what tilted masses are multiplied by, with e^(-λ·(distance from the first place)).
    ln_scale: f64,
    /// Sum of absolute errors of all tilted masses.
    error: f64,
    /// By how much δ was inflated to be on the safe side, at most.
    ln_inflated: f64,
}

impl Composed {
    /// None if the sums are spread over more than 2^22 steps.
    pub fn new(losses: &Losses, rounds: u64, tilt: f64) -> Option<Self> {
        let tilted = Tilted::new(losses, tilt);
        let (bottom, top) = tilted.window(rounds);
        let length = ((top - bottom) / losses.step + 4.0).max(1024.0);
        if length > LENGTH_MAXIMUM {
            return None;
        }
        let length = (length as usize).next_power_of_two();
        let first = (bottom / losses.step).floor() as i64;
        let (masses, error) = tilted.added_up(rounds, length, first);
        let ln_norm = rounds as f64 * tilted.ln_moment;
        let ln_scale = ln_norm - tilt * first as f64 * losses.step;
        let ln_inflated = rounds as f64 * INFLATED;
        Some(Self { tilted: masses, first, step: losses.step, tilt, ln_scale, error, ln_inflated })
    }

    /// An ε at which δ is at most `delta`.
    pub fn epsilon_above(&self, delta: f64) -> f64 {
        if delta <= 0.0 {
            return f64::INFINITY;
        }
        // What lies above the window.
        let wrapped = WRAPPED * libm::exp(-self.tilt * self.tilted.len() as f64 * self.step);
        let target = libm::exp(libm::log(delta) - self.ln_scale - self.ln_slack()) - wrapped;
        for (place, tail) in self.tails() {
            let errors = self.error * tail.largest_weight + ROUNDING * tail.all;
            if tail.all - tail.near + errors <= target {
                if self.sum(place) <= 0.0 {
                    return 0.0;
                }
                continue;
            }
            if place + 1 == self.tilted.len() {
                return f64::INFINITY;
            }
            // Up to the next place, which is enough, δ is linear in e^ε: all - near·e^(ε - sum).
            let beyond = libm::log((tail.all + errors - target) / tail.near);
            return (self.sum(place) + beyond.min(self.step)).max(0.0);
        }
        // Not even the whole window has so much.
        self.sum(0).max(0.0)
    }

    /// An ε at which δ is at least `delta`; minus infinity if the window has none.
    pub fn epsilon_below(&self, delta: f64) -> f64 {
        let slack = self.ln_slack() + self.ln_inflated;
        let target = libm::exp(libm::log(delta) - self.ln_scale + slack);
        for (place, tail) in self.tails() {
            let errors = (self.error + 2.0 * WRAPPED) * tail.largest_weight;
            if tail.all - tail.near - errors - ROUNDING * tail.all >= target {
                return self.sum(place);
            }
        }
        f64::NEG_INFINITY
    }

    fn sum(&self, place: usize) -> f64 {
        (self.first + place as i64) as f64 * self.step
    }

    /// From the highest place down: what places above it hold.
    fn tails(&self) -> impl Iterator<Item = (usize, Tail)> {
        let (fall, rise) = (libm::exp(-self.step), libm::exp(self.tilt * self.step));
        // The largest e^(-λx)·(1 - e^-x).
        let peak = libm::exp(-self.tilt * libm::log1p(1.0 / self.tilt)) / (self.tilt + 1.0);
        let (mut all, mut near, mut weight) = (0.0, 0.0, 0.0);
        (0..self.tilted.len()).rev().map(move |place| {
            if place % FRESH == FRESH - 1 || place + 1 == self.tilted.len() {
                weight = libm::exp(-self.tilt * place as f64 * self.step);
            } else {
                weight *= rise;
            }
            let found = Tail { all, near, largest_weight: peak * weight };
            let mass = self.tilted[place].max(0.0) * weight;
            (all, near) = (all + mass, (near + mass) * fall);
            (place, found)
        })
    }

    /// The rounding of the exponent of the scale.
    fn ln_slack(&self) -> f64 {
        ULP * (64.0 + self.ln_scale.abs() + (self.tilt * self.first as f64 * self.step).abs())
    }
}

/// What lies above a place, in units of the scale: δ there is `all - near`.
#[derive(Clone, Copy)]
struct Tail {
    /// Σ of a.
    all: f64,
    /// Σ of a·e^-(distance from the place).
    near: f64,
    /// The largest factor of a tilted mass in δ at this place.
    largest_weight: f64,
}

/// One round, tilted.
struct Tilted<'a> {
    losses: &'a Losses,
    tilt: f64,
    ln_masses: Vec<f64>,
    /// ln of the moment E[e^(λL)] that tilted masses are divided by; its own error does not matter.
    ln_moment: f64,
}

impl<'a> Tilted<'a> {
    fn new(losses: &'a Losses, tilt: f64) -> Self {
        let ln_masses = losses.masses.iter().map(|&mass| libm::log(mass)).collect();
        let mut tilted = Self { losses, tilt, ln_masses, ln_moment: 0.0 };
        tilted.ln_moment = tilted.ln_moment_at(tilt);
        tilted
    }

    fn loss(&self, index: usize) -> f64 {
        (self.losses.first + index as i64) as f64 * self.losses.step
    }

    /// ln E[e^(tL)].
    fn ln_moment_at(&self, t: f64) -> f64 {
        let exponents = || self.ln_masses.iter().enumerate().map(|(i, ln)| ln + t * self.loss(i));
        let largest = exponents().fold(f64::NEG_INFINITY, f64::max);
        largest + libm::log(exponents().map(|exponent| libm::exp(exponent - largest)).sum())
    }

    /// The tilted probabilities of one round, rounded up.
    fn masses(&self) -> impl Iterator<Item = f64> {
        self.ln_masses.iter().enumerate().map(|(index, &ln_mass)| {
            if ln_mass == f64::NEG_INFINITY {
                return 0.0;
            }
            let added = self.tilt * self.loss(index);
            let size = ln_mass.abs() + added.abs() + self.ln_moment.abs();
            libm::exp(ln_mass + added - self.ln_moment + ULP * (8.0 + size))
        })
    }

    /// Sums between which all but [`WRAPPED`] of the tilted probability lies, at each end (Chernoff).
    fn window(&self, rounds: u64) -> (f64, f64) {
        let rounds = rounds as f64;
        let (mut mean, mut square) = (0.0, 0.0);
        for (index, mass) in self.masses().enumerate() {
            mean += mass * self.loss(index);
            square += mass * self.loss(index).powi(2);
        }
        let deviation = ((square - mean * mean).max(0.0) * rounds).sqrt() + self.losses.step;
        let ln_wrapped = -libm::log(WRAPPED);
        let end = |theta: f64| {
            let growth = self.ln_moment_at(self.tilt + theta) - self.ln_moment;
            (rounds * growth * (1.0 + 1e-9) + ln_wrapped + 1e-3) / theta
        };
        let thetas = CHERNOFF.map(|times| times / deviation);
        let top = thetas.iter().map(|&theta| end(theta)).fold(f64::INFINITY, f64::min);
        let bottom = thetas.iter().map(|&theta| end(-theta)).fold(f64::NEG_INFINITY, f64::max);
        (bottom, top)
    }

    /// The tilted probabilities of the sum of all rounds, from place `first` on, and the sum of their
    /// absolute errors.
    fn added_up(&self, rounds: u64, length: usize, first: i64) -> (Vec<f64>, f64) {
        let mut masses = vec![0.0; length];
        let modulus = length as i64;
        for (index, mass) in self.masses().enumerate() {
            masses[(self.losses.first + index as i64).rem_euclid(modulus) as usize] += mass;
        }
        let (norm, sum) = (euclidean(&masses), masses.iter().sum::<f64>());
        let mut planner = RealFftPlanner::<f64>::new();
        let (forward, backward) =
            (planner.plan_fft_forward(length), planner.plan_fft_inverse(length));
        let mut spectrum = forward.make_output_vec();
        let fits = "buffers of the planned length";
        forward.process(&mut masses, &mut spectrum).expect(fits);
        spectrum.iter_mut().for_each(|value| *value = power(*value, rounds));
        // The two ends of a real sequence's spectrum are real; whatever else they hold is rounding.
        let last = spectrum.len() - 1;
        (spectrum[0].im, spectrum[last].im) = (0.0, 0.0);
        backward.process(&mut spectrum, &mut masses).expect(fits);
        let scale = 1.0 / length as f64;
        masses.iter_mut().for_each(|mass| *mass *= scale);
        masses.rotate_left(first.rem_euclid(modulus) as usize);
        let (count, length) = (rounds as f64, length as f64);
        let unit = f64::EPSILON / 2.0;
        let transform = FFT_UNITS * unit * length.log2();
        let powers = count * 5.0_f64.sqrt() * unit + transform;
        let error = length.sqrt() * (count * transform * norm + powers * euclidean(&masses));
        (masses, error * libm::exp(count * libm::log(sum.max(1.0))) * 1.01)
    }
}

fn euclidean(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// z^n by squaring; what is too small to matter is zero, which keeps the processor out of denormals.
fn power(mut base: Complex64, mut exponent: u64) -> Complex64 {
    let mut result = Complex64::new(1.0, 0.0);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result *= base;
        }
        exponent >>= 1;
        base *= base;
        if base.norm_sqr() < 1e-200 {
            base = Complex64::new(0.0, 0.0);
        }
    }
    result
}

/// Units of 2^-53 times log₂N that a transform may lose.
const FFT_UNITS: f64 = 32.0;

/// Tilted probability beyond each end of the window.
const WRAPPED: f64 = 1e-10;

/// Slopes that Chernoff's bound is tried with, over the standard deviation.
const CHERNOFF: [f64; 5] = [0.3, 0.8, 2.0, 4.5, 7.0];

/// A unit in the last place, four times.
const ULP: f64 = 1e-15;

/// More than all factors by which the mass of one round is rounded up.
const INFLATED: f64 = 1e-12;

/// More than 2^22 additions, and as many factors e^-step, lose.
const ROUNDING: f64 = 4e-9;

/// So many factors e^(λ·step) in a row are multiplied before the exponential is computed anew.
const FRESH: usize = 256;

const LENGTH_MAXIMUM: f64 = 4_194_304.0;
