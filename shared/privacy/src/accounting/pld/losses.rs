//! The privacy loss of one round of the Poisson-subsampled Gaussian, on a grid.
//!
//! `R(x) = 1 - q + q·e^u` with `u = (2x - 1)/(2σ²)` is the ratio of the two output densities at x: that of
//! a node that takes part with probability q and adds 1, over that of its absence, N(0, σ²).

use crate::accounting::Participation;

/// Which of the two is P.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// P has the node: x is drawn with it, and the loss is ln R.
    Remove,
    /// P lacks the node: x is drawn without it, and the loss is -ln R.
    Add,
}

/// One round.
pub(super) struct Round {
    noise: f64,
    sampling_rate: f64,
    /// Standard deviations of the noise beyond which an output counts as an infinite loss.
    reach: f64,
}

/// Probabilities of losses `(first + i)·step`, never below what they stand for.
pub(super) struct Losses {
    pub step: f64,
    pub first: i64,
    pub masses: Vec<f64>,
    /// Probability of an infinite loss.
    pub infinite: f64,
    /// How much a loss may be above its place on the grid.
    pub error: f64,
}

/// The intervals of outputs whose losses share a bin are integrated one by one.
struct Bins<'a> {
    round: &'a Round,
    direction: Direction,
    step: f64,
    /// 1 - e^-step.
    gap: f64,
    worst_overshoot: f64,
}

impl Round {
    /// Outputs so far out that all rounds together reach them with a probability of 10⁻⁹·δ are cut.
    pub fn new(noise: f64, participation: Participation, delta: f64) -> Self {
        let Participation { rounds, sampling_rate } = participation;
        // Each end holds Φ(-k) at most, which is below e^(-k²/2)/2.
        let reach = (2.0 * libm::log(rounds as f64 / (delta * CUT))).sqrt();
        Self { noise, sampling_rate, reach }
    }

    /// ln R(x), to some units in the last place of the largest of u, itself and 1.
    fn logarithm(&self, x: f64) -> f64 {
        let (q, u) = (self.sampling_rate, self.exponent(x));
        if u < -1.0 {
            libm::log(1.0 - q + q * libm::exp(u))
        } else {
            libm::log1p(q * libm::expm1(u))
        }
    }

    fn exponent(&self, x: f64) -> f64 {
        (2.0 * x - 1.0) / (2.0 * self.noise * self.noise)
    }

    /// Where ln R has this value; minus infinity if it is smaller everywhere.
    fn output(&self, logarithm: f64) -> f64 {
        let q = self.sampling_rate;
        let u = if logarithm < -1.0 {
            let excess = libm::exp(logarithm) - (1.0 - q);
            if excess <= 0.0 { f64::NEG_INFINITY } else { libm::log(excess / q) }
        } else {
            let excess = libm::expm1(logarithm) / q;
            if excess <= -1.0 { f64::NEG_INFINITY } else { libm::log1p(excess) }
        };
        u * self.noise * self.noise + 0.5
    }

    /// The outputs that are kept.
    fn ends(&self, direction: Direction) -> (f64, f64) {
        let reach = self.reach * self.noise;
        (-reach, if direction == Direction::Remove { 1.0 + reach } else { reach })
    }

    /// The density of P at x.
    fn density(&self, direction: Direction, x: f64) -> f64 {
        let bell = |x: f64| libm::exp(-(x / self.noise).powi(2) / 2.0);
        let height = match direction {
            Direction::Add => bell(x),
            Direction::Remove => {
                (1.0 - self.sampling_rate) * bell(x) + self.sampling_rate * bell(x - 1.0)
            }
        };
        height / (self.noise * (2.0 * std::f64::consts::PI).sqrt())
    }
}

impl Losses {
    /// On a grid of at least this step: a coarser one if it would have more than 2^20 points.
    pub fn new(round: &Round, direction: Direction, step: f64) -> Self {
        let (left, right) = round.ends(direction);
        let (low, high) = match direction {
            Direction::Remove => (round.logarithm(left), round.logarithm(right)),
            Direction::Add => (-round.logarithm(right), -round.logarithm(left)),
        };
        let step = step.max((high - low) / POINTS_MAXIMUM);
        let gap = -libm::expm1(-step);
        let mut bins = Bins { round, direction, step, gap, worst_overshoot: 0.0 };
        let first = (low / step).floor() as i64;
        let last = ((high / step).ceil() as i64).max(first + 1);
        let count = usize::try_from(last - first).expect("the high end is above the low one");
        let mut masses = vec![0.0; count + 1];
        for (index, bin) in (first..last).enumerate() {
            let (lower, upper) = bins.integrate(bin);
            masses[index] += lower * INFLATED;
            masses[index + 1] += upper * INFLATED;
        }
        let largest = round.exponent(left).abs().max(round.exponent(right).abs());
        let error = ULP * (8.0 + largest + low.abs().max(high.abs())) + bins.worst_overshoot;
        Self { step, first, masses, infinite: libm::exp(-round.reach.powi(2) / 2.0), error }
    }
}

impl Bins<'_> {
    /// The mass of P whose loss lies between bin·step and (bin + 1)·step, divided between these two.
    fn integrate(&mut self, bin: i64) -> (f64, f64) {
        let at = |grid: i64| match self.direction {
            Direction::Remove => self.round.output(grid as f64 * self.step),
            Direction::Add => self.round.output(-(grid as f64) * self.step),
        };
        let (left, right) = self.round.ends(self.direction);
        let (one, other) = (at(bin).clamp(left, right), at(bin + 1).clamp(left, right));
        let (from, to) = (one.min(other), one.max(other));
        let noise = self.round.noise;
        let narrow = (to - from) <= NARROW * noise.min(noise * noise);
        let widest = noise.min(2.0 * noise * noise) / 4.0;
        let parts = ((to - from) / widest).ceil().max(1.0);
        let width = (to - from) / parts;
        let nodes: &[(f64, f64)] = if narrow { &GAUSS_4 } else { &GAUSS_8 };
        let mut sums = (0.0, 0.0);
        for part in 0..parts as u64 {
            let middle = from + (part as f64 + 0.5) * width;
            for &(place, weight) in nodes {
                for x in [middle - place * width / 2.0, middle + place * width / 2.0] {
                    let mass = self.round.density(self.direction, x) * weight * width / 2.0;
                    let share = self.share(bin, x);
                    sums.0 += mass * (1.0 - share);
                    sums.1 += mass * share;
                }
            }
        }
        sums
    }

    /// The part of the mass at x that goes to the upper end of the bin, such that the mean of e^-L stays.
    fn share(&mut self, bin: i64, x: f64) -> f64 {
        let logarithm = self.round.logarithm(x);
        let loss = if self.direction == Direction::Remove { logarithm } else { -logarithm };
        let above = loss - bin as f64 * self.step;
        self.worst_overshoot = self.worst_overshoot.max(above - self.step).max(-above);
        (-libm::expm1(-above) / self.gap).clamp(0.0, 1.0)
    }
}

/// Gauss and Legendre's nodes and weights on [-1, 1], one of each pair. In units of σ an interval is at
/// most 1/64 wide for four nodes and 1/4 for eight, and u changes by at most 1/64 and 1/2: the relative
/// error, `w^(2n+1)(n!)⁴/((2n+1)(2n)!³)` times the largest derivative of order 2n over 12σ, is below
/// 10⁻¹⁵ for both.
const GAUSS_4: [(f64, f64); 2] = [
    (0.339_981_043_584_856_26, 0.652_145_154_862_546_1),
    (0.861_136_311_594_052_6, 0.347_854_845_137_453_86),
];
const GAUSS_8: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_47),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
];
const NARROW: f64 = 1.0 / 64.0;

/// Above 1 by more than quadrature and exponentials (of arguments up to 100, say) lose together.
const INFLATED: f64 = 1.0 + 1e-13;

/// A unit in the last place, four times.
const ULP: f64 = 1e-15;

/// What is cut, as a part of δ.
const CUT: f64 = 1e-9;

const POINTS_MAXIMUM: f64 = 1_048_576.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn round(noise: f64, sampling_rate: f64) -> Round {
        Round::new(noise, Participation { rounds: 100, sampling_rate }, 1e-6)
    }

    fn pairwise(values: &[f64]) -> f64 {
        match values {
            [] => 0.0,
            [value] => *value,
            _ => {
                let (left, right) = values.split_at(values.len() / 2);
                pairwise(left) + pairwise(right)
            }
        }
    }

    #[test]
    fn all_mass_is_on_the_grid_and_densities_divide_to_e_to_the_loss() {
        for (noise, q) in [(0.3, 0.01), (1.0, 0.5), (8.0, 0.001), (2.0, 1.0), (5.0, 0.9999)] {
            for direction in [Direction::Remove, Direction::Add] {
                let losses = Losses::new(&round(noise, q), direction, 1e-4);
                let all = pairwise(&losses.masses) - 1.0;
                // Inflated by 10⁻¹³, less what the quadrature loses.
                assert!(all > 0.0 && all < 2e-13, "{noise} {q} {direction:?}: {all:e}");
                let place = |i: usize| (losses.first + i as i64) as f64 * losses.step;
                // E_P[e^-L] = 1: what is drawn from P, seen from Q.
                let other: f64 = losses
                    .masses
                    .iter()
                    .enumerate()
                    .map(|(i, mass)| mass * (-place(i)).exp())
                    .sum();
                assert!((other - 1.0).abs() < 1e-9, "{noise} {q} {direction:?}: {other}");
                assert!(losses.error < 1e-11, "{}", losses.error);
            }
        }
    }

    #[test]
    fn outputs_and_losses_are_inverse() {
        for (noise, q) in [(0.5, 0.01), (3.0, 0.9), (1.0, 1.0)] {
            let round = round(noise, q);
            for x in [-2.0, -0.3, 0.0, 0.5, 1.0, 4.0] {
                assert!((round.output(round.logarithm(x)) - x).abs() < 1e-9, "{noise} {q} {x}");
            }
        }
    }
}
