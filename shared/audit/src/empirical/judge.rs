//! What a canary record says about the claim that it holds.

use grid::Q40;
use privacy::{PrivacyError, zcdp_epsilon};
use serde::Serialize;

use super::record::{Arm, ArmName, CanaryRecord, coin};
use super::{Errors, Estimate, Exposure, Guesses};
use crate::Findings;

/// Everything that was computed from a canary record.
#[derive(Debug, Clone, Serialize)]
pub struct Empirical {
    /// What was run.
    pub title: String,
    /// Whom the canaries stand for.
    pub adversary: String,
    /// The claim, ε at `delta`; none: nothing is claimed.
    pub claim: Option<f64>,
    /// δ.
    pub delta: f64,
    /// Of every bound.
    pub confidence: f64,
    /// What it comes to.
    pub verdict: Verdict,
    /// The run first, then its control.
    pub arms: Vec<ArmReport>,
    /// What was looked at.
    pub findings: Findings,
}

/// What it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The claim could have been refuted, and was not.
    Consistent,
    /// More is seen than the claim allows.
    Refuted,
    /// This run could not have refuted the claim, whatever is wrong: no evidence for it.
    CannotRefute,
    /// There is no claim.
    NothingClaimed,
}

/// One run in numbers. Bounds of ε at the record's δ and confidence.
#[derive(Debug, Clone, Serialize)]
pub struct ArmReport {
    /// Which run.
    pub arm: ArmName,
    /// The noise that was really added, as a part of what is claimed.
    pub noise_share: f64,
    /// What was guessed.
    pub guesses: Guesses,
    /// Lower bound from one run: the one that decides.
    pub bound: f64,
    /// The largest that it could have been.
    pub ceiling: f64,
    /// Lower bound under the hypothesis of Gaussian differential privacy.
    pub gaussian_bound: f64,
    /// How often the threshold was wrong.
    pub errors: Errors,
    /// Lower bound with Clopper–Pearson intervals, if canaries do not touch each other.
    pub classic_bound: f64,
    /// The largest that it could have been.
    pub classic_ceiling: f64,
    /// No bound.
    pub estimate: Option<Estimate>,
    /// How each secret stands.
    pub exposures: Vec<Exposure>,
    /// Loss on held-out people before, nats a token.
    pub loss_before: Option<f64>,
    /// And after.
    pub loss_after: Option<f64>,
}

/// Judges a record's own claim, or `claim` (ε at the record's δ) instead.
///
/// # Errors
/// [`PrivacyError`] if δ is none; a record that was parsed has one.
pub fn audit_canaries(
    record: &CanaryRecord,
    claim: Option<f64>,
) -> Result<Empirical, PrivacyError> {
    let mut findings = Findings::default();
    check_coins(record, &mut findings);
    check_claim(record, &mut findings)?;
    let claimed = claim.or(record.claim.epsilon);
    let mut arms =
        record.arms.iter().map(|arm| report(record, arm)).collect::<Result<Vec<_>, _>>()?;
    arms.sort_by_key(|arm| arm.arm != ArmName::Run);
    let (run, control) = (&arms[0], arms.get(1));
    let verdict = claimed.map_or(Verdict::NothingClaimed, |claim| judge(run, control, claim));
    say_verdict(verdict, run, claimed, &mut findings);
    say_control(control, claimed, &mut findings);
    say_exposed(control, record, &mut findings);
    if let Some(claim) = claimed {
        say_beside(run, claim, record, &mut findings);
    }
    Ok(Empirical {
        title: record.title.clone(),
        adversary: record.adversary.clone(),
        claim: claimed,
        delta: record.claim.delta,
        confidence: record.fixed.confidence,
        verdict,
        arms,
        findings,
    })
}

fn judge(run: &ArmReport, control: Option<&ArmReport>, claim: f64) -> Verdict {
    let blind = control.is_some_and(|control| control.bound <= claim);
    match (run.bound > claim, run.ceiling <= claim || blind) {
        (true, _) => Verdict::Refuted,
        (false, true) => Verdict::CannotRefute,
        (false, false) => Verdict::Consistent,
    }
}

fn report(record: &CanaryRecord, arm: &Arm) -> Result<ArmReport, PrivacyError> {
    let (included, fixed, delta) = (record.included(), &record.fixed, record.claim.delta);
    let significance = 1.0 - fixed.confidence;
    let guesses = Guesses::from_scores(&arm.scores, &included, fixed.guesses);
    let errors = Errors::from_scores(&arm.scores, &included, fixed.threshold);
    let seen = arm.scores.iter().zip(&included).filter(|&(_, &is)| is);
    let cosines: Vec<f64> = seen.map(|(score, _)| score / arm.release_length).collect();
    let exposure = |&loss: &f64| Exposure::new(loss, &arm.alternatives);
    Ok(ArmReport {
        arm: arm.arm,
        noise_share: arm.noise_share,
        guesses,
        bound: guesses.bound(delta, significance),
        ceiling: guesses.ceiling(delta, significance),
        gaussian_bound: guesses.gaussian_bound(delta, significance)?,
        errors,
        classic_bound: errors.bound(delta, significance),
        classic_ceiling: errors.ceiling(delta, significance),
        estimate: Estimate::new(&cosines, record.run.dimension, delta),
        exposures: arm.secrets.iter().map(exposure).collect(),
        loss_before: arm.loss_before,
        loss_after: arm.loss_after,
    })
}

/// Whether a canary was in follows from the seed alone.
fn check_coins(record: &CanaryRecord, findings: &mut Findings) {
    let included = record.included();
    let wrong = (0..).zip(&included).find(|&(index, &is)| coin(record.fixed.seed, index) != is);
    let seed = record.fixed.seed;
    match wrong {
        Some((index, _)) => findings.fault(
            "coins",
            format!("canary {index}"),
            format!("whether it was in does not follow from seed {seed}: chosen afterwards?"),
        ),
        None => findings.ok(
            "coins",
            format!("{} canaries", included.len()),
            format!(
                "all coins follow from seed {seed}: {} in",
                included.iter().filter(|&&is| is).count()
            ),
        ),
    }
}

/// ε of the claim is what its ρ gives.
fn check_claim(record: &CanaryRecord, findings: &mut Findings) -> Result<(), PrivacyError> {
    let (Some(epsilon), Some(rho)) = (record.claim.epsilon, record.claim.rho) else {
        return Ok(());
    };
    let computed = Q40::from_f64_up(rho).map(|rho| zcdp_epsilon(rho, record.claim.delta));
    let computed = computed.unwrap_or(Ok(f64::INFINITY))?;
    let what = format!("ρ = {rho:.6} gives ε = {computed:.4} at δ = {:e}", record.claim.delta);
    if (computed - epsilon).abs() <= 1e-6 * epsilon {
        findings.ok("claim", "the record", what);
    } else {
        findings.warn("claim", "the record", format!("{what}, and ε = {epsilon:.4} is claimed"));
    }
    Ok(())
}

fn say_verdict(verdict: Verdict, run: &ArmReport, claim: Option<f64>, findings: &mut Findings) {
    let claim = claim.unwrap_or(f64::INFINITY);
    let Guesses { made, right, .. } = run.guesses;
    let seen = format!("{right} of {made} guesses right: ε ≥ {:.3}", run.bound);
    let (at, ceiling) = ("the run", run.ceiling);
    match verdict {
        Verdict::Refuted => findings.fault("one-run", at, format!("{seen}, above the claim of {claim:.3}: refuted")),
        Verdict::CannotRefute if ceiling <= claim => findings.warn(
            "one-run",
            at,
            format!("cannot refute: with every guess right it would say ε ≥ {ceiling:.3}, and {claim:.3} is claimed; more guesses could"),
        ),
        Verdict::CannotRefute => findings.warn(
            "one-run",
            at,
            format!("cannot refute: not even without noise is more seen than the claim of {claim:.3} allows; {seen}"),
        ),
        Verdict::Consistent => findings.ok(
            "one-run",
            at,
            format!("{seen}, not above the claim of {claim:.3}; up to {ceiling:.3} could have been shown"),
        ),
        Verdict::NothingClaimed => findings.note("one-run", at, format!("{seen}; nothing is claimed: give --claim")),
    }
}

/// Without noise, the same attack must see what the claim forbids: else it sees nothing at all.
fn say_control(control: Option<&ArmReport>, claim: Option<f64>, findings: &mut Findings) {
    let Some(control) = control else {
        findings.note(
            "control",
            "without noise",
            "not run: whether this attack sees anything at all is not known",
        );
        return;
    };
    let Guesses { made, right, .. } = control.guesses;
    let seen = format!("{right} of {made} guesses right: ε ≥ {:.3}", control.bound);
    match claim {
        Some(claim) if control.bound <= claim => findings.note("control", "without noise", seen),
        _ => findings.ok("control", "without noise", format!("{seen}: the attack works")),
    }
}

/// Without noise, secrets that were said often must stand out: else their exposure in the run says nothing.
fn say_exposed(control: Option<&ArmReport>, record: &CanaryRecord, findings: &mut Findings) {
    let exposures = control.map_or(&[][..], |control| &control.exposures);
    let Some(most) = exposures.iter().map(|exposure| exposure.bits).reduce(f64::max) else {
        return;
    };
    let significance = 1.0 - record.fixed.confidence;
    let chance = super::chance_exposure(exposures.len() as u64, significance);
    let seen = format!("the most exposed secret has {most:.2} bits");
    if most > chance {
        let what = format!("{seen}, above chance ({chance:.2}): what is learned by heart is seen");
        findings.ok("exposure", "without noise", what);
    } else {
        let what = format!(
            "{seen}, no more than chance ({chance:.2}): nothing was learned by heart, and exposures of the run say nothing"
        );
        findings.note("exposure", "without noise", what);
    }
}

/// What does not decide, but should agree.
fn say_beside(run: &ArmReport, claim: f64, record: &CanaryRecord, findings: &mut Findings) {
    if run.bound <= claim && run.classic_bound > claim {
        let what = format!(
            "ε ≥ {:.3}, above the claim, if canaries do not touch each other",
            run.classic_bound
        );
        findings.warn("classic", "the run", what);
    }
    let significance = 1.0 - record.fixed.confidence;
    let limit = exposure_under(claim, run.exposures.len() as u64, significance);
    for (exposure, secret) in run.exposures.iter().zip(&record.secrets) {
        let at = match secret.repeated {
            1 => "a secret said once".to_owned(),
            times => format!("a secret said {times} times"),
        };
        let what = format!("exposure {:.2} bits", exposure.bits);
        if exposure.bits > limit {
            let what = format!("{what}: under the claim, above {limit:.2} is unlikely");
            findings.warn("exposure", at, what);
        } else {
            findings.note("exposure", at, format!("{what}; the claim allows {limit:.2}"));
        }
    }
}

/// Bits that one or more of so many planted secrets exceed with at most this probability, if ε holds (and δ is small
/// beside it): without its node's contribution a secret exceeds x bits with probability 2^−x, with it e^ε as often.
pub fn exposure_under(epsilon: f64, secrets: u64, significance: f64) -> f64 {
    super::chance_exposure(secrets, significance) + epsilon * std::f64::consts::LOG2_E
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;
    use crate::Level;

    fn audited(signal: f64, guesses: u64, claim: Option<f64>) -> Empirical {
        audit_canaries(&record(signal, 1000, guesses), claim).unwrap()
    }

    fn said(found: &Empirical, check: &str) -> String {
        found.findings.of(check).map(|finding| finding.what.clone()).collect()
    }

    #[test]
    fn what_is_hardly_seen_is_consistent() {
        let found = audited(0.1, 200, None);
        assert_eq!((found.verdict, found.findings.worst()), (Verdict::Consistent, Level::Note));
        assert!(found.arms[0].bound < 2.0 && found.arms[1].bound > 4.0, "{found:?}");
        assert!(said(&found, "control").contains("the attack works"));
    }

    #[test]
    fn what_is_seen_too_well_is_refuted() {
        let found = audited(5.0, 200, None);
        assert_eq!((found.verdict, found.findings.worst()), (Verdict::Refuted, Level::Fault));
        assert_eq!(found.arms[0].bound, found.arms[0].ceiling);
        assert!(found.arms[0].gaussian_bound > found.arms[0].bound);
        // A weaker claim is not.
        assert_eq!(audited(5.0, 200, Some(4.1)).verdict, Verdict::Refuted);
        assert_eq!(audited(0.1, 200, Some(4.1)).verdict, Verdict::Consistent);
    }

    #[test]
    fn a_ceiling_below_the_claim_is_no_pass() {
        let found = audited(5.0, 20, None);
        assert_eq!(
            (found.verdict, found.findings.worst()),
            (Verdict::CannotRefute, Level::Warning)
        );
        assert!(said(&found, "one-run").contains("cannot refute"), "{found:?}");
        // By itself: without a control beside it, which could see no more.
        let mut alone = record(5.0, 1000, 20);
        alone.arms.pop();
        assert_eq!(audit_canaries(&alone, None).unwrap().verdict, Verdict::CannotRefute);
        let found = audited(0.1, 200, Some(8.0));
        assert_eq!(found.verdict, Verdict::CannotRefute);
        assert!(said(&found, "one-run").contains("more guesses"), "{found:?}");
    }

    #[test]
    fn an_attack_that_sees_nothing_even_without_noise_is_no_pass() {
        let mut record = record(0.1, 1000, 200);
        record.arms[1].scores = record.arms[0].scores.clone();
        let found = audit_canaries(&record, None).unwrap();
        assert_eq!(found.verdict, Verdict::CannotRefute);
        assert!(said(&found, "one-run").contains("not even without noise"), "{found:?}");
        record.arms.pop();
        let found = audit_canaries(&record, None).unwrap();
        assert_eq!(found.verdict, Verdict::Consistent);
        assert!(said(&found, "control").contains("not run"));
    }

    #[test]
    fn without_a_claim_there_is_nothing_to_refute() {
        let mut record = record(5.0, 1000, 200);
        record.claim.epsilon = None;
        assert_eq!(audit_canaries(&record, None).unwrap().verdict, Verdict::NothingClaimed);
        assert_eq!(audit_canaries(&record, Some(1.0)).unwrap().verdict, Verdict::Refuted);
    }

    #[test]
    fn coins_that_were_changed_are_found() {
        let mut record = record(0.1, 1000, 200);
        let other = if record.included.as_bytes()[17] == b'1' { "0" } else { "1" };
        record.included.replace_range(17..18, other);
        let found = audit_canaries(&record, None).unwrap();
        let fault = found.findings.of("coins").next().unwrap();
        assert_eq!((fault.level, fault.at.as_str()), (Level::Fault, "canary 17"));
    }

    #[test]
    fn a_claim_that_does_not_follow_from_its_cost_is_found() {
        let mut record = record(0.1, 1000, 200);
        // ε = 2 at δ = 1e-6.
        record.claim.rho = Some(0.088_153);
        let level = |record: &CanaryRecord| {
            audit_canaries(record, None).unwrap().findings.of("claim").next().unwrap().level
        };
        assert_eq!(level(&record), Level::Warning);
        record.claim.epsilon =
            Some(zcdp_epsilon(Q40::from_f64_up(0.088_153).unwrap(), 1e-6).unwrap());
        assert_eq!(level(&record), Level::Ok);
    }

    #[test]
    fn a_secret_that_stands_out_more_than_the_claim_allows_is_told() {
        let mut known = record(0.1, 1000, 200);
        known.arms[0].secrets = vec![5.0];
        let found = audit_canaries(&known, Some(0.1)).unwrap();
        let of_the_run = |finding: &&crate::Finding| finding.at.starts_with("a secret");
        let level = found.findings.of("exposure").find(of_the_run).unwrap().level;
        assert_eq!((found.arms[0].exposures[0].bits, level), (10.0, Level::Warning));
        assert!(said(&found, "exposure").contains("unlikely"), "{found:?}");
        // Without noise it stands out, or it does not, and then the run says nothing.
        let control = |loss: f64| {
            let mut record = record(0.1, 1000, 200);
            record.arms[1].secrets = vec![loss];
            let found = audit_canaries(&record, None).unwrap();
            found
                .findings
                .of("exposure")
                .find(|finding| finding.at == "without noise")
                .unwrap()
                .level
        };
        assert_eq!((control(5.0), control(1e9)), (Level::Ok, Level::Note));
        // log2(20) + ε·log2(e) = 4.32 + 5.77 bits.
        assert!(said(&audited(0.1, 200, Some(4.0)), "exposure").contains("the claim allows 10.09"));
    }
}
