//! Whether the parts that everything rests on do what they should, on this machine, now.
//!
//! Each check takes the part that it judges as an argument, so that a test can break it and see the check fail.

mod bounds;
mod costs;
mod evidence;
mod masks;
mod noise;

use serde::Serialize;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SelfTest {
    /// Whether every check passed.
    pub ok: bool,
    /// All of them.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// A name that scripts may rely on.
    pub name: &'static str,
    /// Whether it passed.
    pub ok: bool,
    /// What was done, or what went wrong.
    pub detail: String,
}

impl Check {
    fn new(name: &'static str, result: Result<String, String>) -> Self {
        match result {
            Ok(detail) => Self { name, ok: true, detail },
            Err(detail) => Self { name, ok: false, detail },
        }
    }
}

/// Names of all checks, in order.
pub const CHECKS: [&str; 13] = [
    "sampler",
    "sampler-opendp",
    "norm-bound",
    "charges",
    "tau",
    "accountants",
    "mask-stream",
    "masks-cancel",
    "round",
    "tampered-round",
    "ledger-bits",
    "lower-bounds",
    "canaries",
];

/// Runs one check by its name; none if there is none of that name.
pub fn check(name: &str) -> Option<Check> {
    use privacy::{ChargeTerms, Sampler, discrete_gaussian};
    let name = CHECKS.into_iter().find(|known| *known == name)?;
    let result = match name {
        "sampler" => noise::distribution(MANY, |sigma, count| {
            discrete_gaussian(sigma, count, Sampler::Blocks)
        }),
        "sampler-opendp" => noise::distribution(FEW, |sigma, count| {
            discrete_gaussian(sigma, count, Sampler::Opendp)
        }),
        "norm-bound" => noise::norm_bound(noise::quantised_within),
        "charges" => costs::charges(ChargeTerms::rho),
        "tau" => costs::tau(ChargeTerms::rho),
        "accountants" => costs::accountants(|accountant, noise, participation, delta| {
            Ok(accountant.epsilon(noise, participation, delta)?.epsilon)
        }),
        "mask-stream" => masks::known_answer(masks::masked),
        "masks-cancel" => masks::cancel(masks::masked),
        "round" => evidence::holds(crate::audit_transcript),
        "tampered-round" => evidence::tampering(crate::audit_transcript),
        "lower-bounds" => bounds::references(
            |guesses, delta, significance| guesses.bound(delta, significance),
            |errors, delta, significance| errors.bound(delta, significance),
        ),
        "canaries" => bounds::verdicts(|record| crate::audit_canaries(record, None)),
        _ => evidence::ledger_bits(|bytes, node| crate::audit_ledger(bytes, node, None)),
    };
    Some(Check::new(name, result))
}

/// Runs all checks.
pub fn selftest() -> SelfTest {
    let checks: Vec<Check> = CHECKS.into_iter().filter_map(check).collect();
    SelfTest { ok: checks.iter().all(|check| check.ok), checks }
}

/// Samples of each σ of a fast sampler, and of a slow one.
const MANY: usize = 1_000_000;
const FEW: usize = 100_000;
