//! What was spent, or would be, against each adversary: the table that a single ε would hide.

use grid::Q40;
use serde::Serialize;

use super::{Adversary, MEANINGFUL_EPSILON, exposure};
use crate::words::{at_most, times};
use crate::{ChargeTerms, Entry, EntryKind, PrivacyError, gaussian_mu, zcdp_epsilon};

/// One adversary's line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The adversary, by a name that scripts may rely on.
    pub adversary: &'static str,
    /// The adversary, for people.
    pub who: String,
    /// How many shares of noise protect the node: fewest and most over the rounds; none where noise is not what
    /// protects.
    pub shares: Option<(u32, u32)>,
    /// ρ over all rounds; none where noise is not what protects.
    pub rho: Option<f64>,
    /// √(2ρ): the Gaussian equivalent.
    pub mu: Option<f64>,
    /// ε at the δ asked for, from ρ. None where noise is not what protects, and where ρ is beyond all numbers.
    pub epsilon: Option<f64>,
    /// Whether ε is one that a person could use.
    pub meaningful: bool,
    /// What it means.
    pub words: String,
}

impl Line {
    /// [`Line::rho`], [`Line::mu`] or [`Line::epsilon`] for people: `∞` beyond all numbers, `–` where noise is not what
    /// protects.
    pub fn told(&self, value: Option<f64>) -> String {
        match (value, self.shares) {
            (Some(value), _) => at_most(value),
            (None, Some(_)) => "∞".to_owned(),
            (None, None) => "–".to_owned(),
        }
    }

    /// How many shares of noise are left, for people.
    pub fn shares_told(&self) -> String {
        match self.shares {
            Some((1, 1)) => "one's own".to_owned(),
            Some((fewest, most)) if fewest == most => format!("{most} shares"),
            Some((fewest, most)) => format!("{fewest} to {most} shares"),
            None => "none".to_owned(),
        }
    }
}

/// The table of a ledger.
///
/// # Errors
/// [`PrivacyError::OutOfRange`] unless 0 < δ < 1.
pub fn budget_of_ledger(entries: &[Entry], delta: f64) -> Result<Vec<Line>, PrivacyError> {
    let honest: Vec<u32> = entries
        .iter()
        .filter_map(|entry| match &entry.kind {
            EntryKind::Charged { terms, .. } => Some(terms.honest),
            EntryKind::Penalty(_) => None,
        })
        .collect();
    let line = |adversary: Adversary| {
        let sums = exposure(entries, adversary);
        let rho = sums.map(|sums| sums.last().copied().unwrap_or(Q40::ZERO));
        line(adversary, &honest, rho, delta)
    };
    Adversary::ALL.into_iter().map(line).collect()
}

/// The table of `rounds` contributions under the same terms.
///
/// # Errors
/// As [`budget_of_ledger`].
pub fn budget_of_terms(
    terms: &ChargeTerms,
    rounds: u64,
    delta: f64,
) -> Result<Vec<Line>, PrivacyError> {
    let line = |adversary| {
        let rho = terms.rho_facing(adversary).map(|rho| rho.saturating_mul(rounds));
        line(adversary, &[terms.honest], rho, delta)
    };
    Adversary::ALL.into_iter().map(line).collect()
}

fn line(
    adversary: Adversary,
    honest: &[u32],
    rho: Option<Q40>,
    delta: f64,
) -> Result<Line, PrivacyError> {
    let left: Vec<u32> = honest.iter().filter_map(|&n| adversary.shares_left(n)).collect();
    let shares = left.iter().min().copied().zip(left.iter().max().copied());
    let epsilon = rho.map(|rho| zcdp_epsilon(rho, delta)).transpose()?;
    let finite = rho.filter(|&rho| rho != Q40::MAXIMUM);
    Ok(Line {
        adversary: adversary.name(),
        who: adversary.to_string(),
        shares,
        rho: finite.map(Q40::to_f64_up),
        mu: finite.map(gaussian_mu),
        epsilon: epsilon.filter(|epsilon| epsilon.is_finite()),
        meaningful: epsilon.is_some_and(|epsilon| epsilon <= MEANINGFUL_EPSILON),
        words: words(adversary, epsilon),
    })
}

fn words(adversary: Adversary, epsilon: Option<f64>) -> String {
    let Some(epsilon) = epsilon else {
        return "what is sent is encrypted; that, when and how much this device sends is NOT COVERED".into();
    };
    let meaning = if epsilon > MEANINGFUL_EPSILON {
        "NO MEANINGFUL GUARANTEE".to_owned()
    } else {
        format!("odds about this node change by a factor of at most {}", times(epsilon.exp()))
    };
    match caveat(adversary) {
        "" => meaning,
        caveat => format!("{meaning}; {caveat}"),
    }
}

/// What a line rests on besides noise.
fn caveat(adversary: Adversary) -> &'static str {
    match adversary {
        Adversary::HalfColluding => {
            "and only while they do no more than look: beyond the plan's γ, a coordinator that lies to the others as \
             well takes the masks off"
        }
        Adversary::NineTenthsColluding => {
            "they hold enough shares to take the masks off: only this node's own noise is left"
        }
        Adversary::InventedNodes => {
            "nobody else's noise is real: members come by the coordinator's own invites"
        }
        Adversary::MasksBroken => "only this node's own noise is left",
        Adversary::Downloader
        | Adversary::Coordinator
        | Adversary::NoiseMissing
        | Adversary::NetworkObserver => "",
    }
}
