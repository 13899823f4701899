//! Canaries in whole federations of a tiny drawn model.

use model::StopToken;

use super::*;
use crate::Machine;
use crate::scenario::{MechanismName, Planting};

const MACHINE: Machine = Machine { threads: 2, free_bytes: Some(4 << 30) };

/// Two rounds of four nodes with sixty canaries, or two secrets.
fn scenario(mechanism: MechanismName) -> Scenario {
    let text = r#"
        title = "test"
        rounds = 2
        [model]
        tokens = "bytes"
        shape = { vocabulary = 256, hidden = 16, intermediate = 24, layers = 2, heads = 2, key_value_heads = 1, context = 64 }
        [adapter]
        targets = ["q", "v", "o", "up", "down"]
        [data]
        made = { people = 8, conversations = 4 }
        held_out = 0.25
        [cohort]
        nodes = 4
        [local]
        steps = 2
        batch = 2
        sequence = 48
        optimizer = { sgd = { momentum = 0.0 } }
        learning_rate = 1.0
        [privacy]
        mechanism = "distributed"
        clip = 0.5
        noise_multiplier = 2.0
        [evaluation]
        conversations_max = 1
        [canaries]
        nodes = 60
        guesses = 20
        secrets = [1, 16]
        alternatives = 15
        [machine]
        group = 2
    "#;
    let mut scenario: Scenario = toml::from_str(text).unwrap();
    scenario.privacy.mechanism = mechanism;
    scenario
}

fn run(scenario: &Scenario) -> (Federation, Figures) {
    let federation = Federation::new(scenario.clone(), &MACHINE, StopToken::new()).unwrap();
    let figures = federation.run(None, &mut |_, _| Ok(())).unwrap();
    (federation, figures)
}

fn mean(scores: &[f64], wanted: bool) -> f64 {
    let of: Vec<f64> = scores
        .iter()
        .zip(0..)
        .filter(|&(_, canary)| coin(1, canary) == wanted)
        .map(|(&score, _)| score)
        .collect();
    of.iter().sum::<f64>() / of.len() as f64
}

#[test]
fn without_noise_every_canary_that_was_in_is_seen() {
    let (federation, figures) =
        run(&scenario(MechanismName::Distributed).planted(Planting::Nodes, 0.0));
    let Scores { scores, length } = federation.canary_scores(&figures).unwrap();
    // Thirty others in about 1,000 dimensions: a score's standard deviation is about 0.2.
    assert!((mean(&scores, true) - 1.0).abs() < 0.3, "{scores:?}");
    assert!(mean(&scores, false).abs() < 0.3, "{scores:?}");
    let right = audit::Guesses::from_scores(
        &scores,
        &(0..60).map(|canary| coin(1, canary)).collect::<Vec<_>>(),
        20,
    );
    assert_eq!(right.right, 20);
    assert!((4.0..12.0).contains(&length), "{length}");
    assert_eq!(figures.trained, 8, "canaries are not trained");
}

#[test]
fn noise_is_as_large_as_the_part_of_it_that_is_asked_for() {
    for mechanism in [MechanismName::Distributed, MechanismName::Central] {
        for share in [1.0, 0.1] {
            let (federation, figures) = run(&scenario(mechanism).planted(Planting::Nodes, share));
            let Scores { length, .. } = federation.canary_scores(&figures).unwrap();
            let dimension = federation.dimension() as f64;
            // Sums of two rounds: noise of z·√(d/2) a round, and about √30 of canaries.
            let expected = (4.0 * share * share * dimension / 2.0 + 30.0).sqrt();
            let ratio = length / expected;
            assert!((0.8..1.3).contains(&ratio), "{mechanism:?}, {share}: {length} for {expected}");
        }
    }
}

#[test]
fn the_claim_is_that_of_all_the_noise_whatever_is_added() {
    let claim = |share| {
        let scenario = scenario(MechanismName::Distributed).planted(Planting::Nodes, share);
        let federation = Federation::new(scenario, &MACHINE, StopToken::new()).unwrap();
        federation.canary_claim().unwrap()
    };
    // ρ = 2/(2·2²).
    assert!((claim(1.0).rho.unwrap() - 0.25).abs() < 1e-6);
    assert_eq!((claim(1.0), claim(1.0)), (claim(0.1), claim(0.0)));
    let none = scenario(MechanismName::None);
    let federation = Federation::new(none, &MACHINE, StopToken::new()).unwrap();
    assert_eq!(federation.canary_claim().unwrap().epsilon, None);
}

#[test]
fn a_record_of_these_runs_is_one_that_the_audit_reads() {
    let scenario = scenario(MechanismName::Distributed);
    let (nodes, figures) = run(&scenario.planted(Planting::Nodes, 1.0));
    let scores = nodes.canary_scores(&figures).unwrap();
    let (with_secrets, figures) = run(&scenario.planted(Planting::Secrets, 1.0));
    assert_eq!(figures.trained, 2 * (4 + 2), "the secrets' nodes are in every cohort");
    let losses = with_secrets.secret_losses(&figures).unwrap();
    assert_eq!((losses.secrets.len(), losses.alternatives.len()), (2, 15));
    let arm = arm(ArmName::Run, 1.0, scores, &figures, Some(losses));
    let record = nodes.canary_record(&scenario, vec![arm]).unwrap();
    let read = CanaryRecord::parse(&serde_json::to_vec(&record).unwrap()).unwrap();
    let found = audit::audit_canaries(&read, None).unwrap();
    assert_eq!(found.findings.count(audit::Level::Fault), 0, "{found:?}");
    assert_eq!((read.run.contributions, read.secrets.len()), (64, 2));
}

#[test]
fn terms_that_cannot_work_are_refused() {
    let refused = |change: fn(&mut Scenario)| {
        let mut scenario = scenario(MechanismName::Distributed);
        change(&mut scenario);
        match Federation::new(scenario, &MACHINE, StopToken::new()) {
            Err(LearningError::Invalid(invalid)) => invalid.to_string(),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("accepted"),
        }
    };
    fn terms(scenario: &mut Scenario) -> &mut CanaryTerms {
        scenario.canaries.as_mut().unwrap()
    }
    assert!(refused(|s| terms(s).guesses = 61).contains("canaries.guesses"));
    assert!(refused(|s| terms(s).nodes = 70_000).contains("canaries.nodes"));
    assert!(refused(|s| terms(s).noise_share = 1.5).contains("canaries.noise_share"));
    assert!(refused(|s| terms(s).secrets = vec![17]).contains("canaries.secrets"));
    assert!(
        refused(|s| s.server.rule = crate::scenario::RuleName::FedAvgM { momentum: 0.9 })
            .contains("fedavg")
    );
    assert!(
        refused(|s| (s.privacy.clip, s.privacy.mechanism) = (None, MechanismName::None))
            .contains("clip")
    );
}

/// The whole way: the shipped mechanism, its record, the auditor. Chances of another outcome are below 10⁻⁸.
#[test]
fn the_shipped_mechanism_is_not_refuted_and_a_tenth_of_its_noise_is() {
    let verdict = |share| {
        let mut scenario = scenario(MechanismName::Distributed);
        scenario.rounds = 1;
        let shape = scenario.model.shape.as_mut().unwrap();
        (shape.hidden, shape.intermediate, shape.key_value_heads) = (32, 64, 2);
        scenario.adapter = crate::scenario::AdapterTerms::default();
        (scenario.privacy.noise_multiplier, scenario.privacy.epsilon) = (None, Some(2.0));
        let terms = scenario.canaries.as_mut().unwrap();
        (terms.nodes, terms.guesses, terms.secrets) = (600, 120, Vec::new());
        let arm = |name, share| {
            let (federation, figures) = run(&scenario.planted(Planting::Nodes, share));
            let scores = federation.canary_scores(&figures).unwrap();
            (arm(name, share, scores, &figures, None), federation)
        };
        let (control, _) = arm(ArmName::WithoutNoise, 0.0);
        let (run, federation) = arm(ArmName::Run, share);
        let record = federation.canary_record(&scenario, vec![run, control]).unwrap();
        let found = audit::audit_canaries(&record, None).unwrap();
        assert!((record.claim.epsilon.unwrap() - 2.0).abs() < 1e-6, "{:?}", record.claim);
        assert!(found.arms[1].bound > 3.0, "noise off: {:?}", found.arms[1]);
        found.verdict
    };
    assert_eq!(verdict(1.0), audit::Verdict::Consistent);
    assert_eq!(verdict(0.1), audit::Verdict::Refuted);
    assert_eq!(verdict(0.0), audit::Verdict::Refuted);
}
