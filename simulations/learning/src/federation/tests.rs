//! Whole federations of a tiny drawn model on invented people.

use super::*;
use crate::scenario::{
    AttackName, AttackTerms, CohortTerms, Correlation, DataTerms, MadeTerms, MechanismName,
    PersonalTerms, RuleName, Sampling,
};

const MACHINE: Machine = Machine { threads: 2, free_bytes: Some(4 << 30) };

/// Twelve people, nine of whom are trained on, three rounds of six.
fn scenario() -> Scenario {
    let text = r#"
        title = "test"
        rounds = 3
        [model]
        tokens = "bytes"
        shape = { vocabulary = 256, hidden = 16, intermediate = 24, layers = 2, heads = 2, key_value_heads = 1, context = 64 }
        [adapter]
        targets = ["q", "v", "down"]
        [data]
        made = { people = 12, conversations = 4 }
        held_out = 0.25
        [cohort]
        nodes = 6
        [local]
        steps = 4
        batch = 2
        sequence = 32
        optimizer = { sgd = { momentum = 0.0 } }
        learning_rate = 2.0
        [privacy]
        mechanism = "none"
        [evaluation]
        every = 1
        [machine]
        group = 2
    "#;
    toml::from_str(text).unwrap()
}

fn ready(scenario: Scenario) -> Federation {
    Federation::new(scenario, &MACHINE, StopToken::new()).unwrap()
}

fn run(scenario: Scenario) -> (Vec<RoundFigures>, Figures) {
    let mut rounds = Vec::new();
    let hear = &mut |round: &RoundFigures, _: &Checkpoint| {
        rounds.push(round.clone());
        Ok(())
    };
    let figures = ready(scenario).run(None, hear).unwrap();
    let before = rounds.remove(0);
    assert_eq!((before.round, before.measured.as_ref()), (0, Some(&figures.before)));
    (rounds, figures)
}

fn private(mechanism: MechanismName, noise_multiplier: f64) -> Scenario {
    let mut scenario = scenario();
    scenario.privacy.mechanism = mechanism;
    scenario.privacy.clip = Some(0.5);
    scenario.privacy.noise_multiplier = Some(noise_multiplier);
    scenario
}

fn refusal(scenario: Scenario) -> Invalid {
    match Federation::new(scenario, &MACHINE, StopToken::new()) {
        Err(LearningError::Invalid(invalid)) => invalid,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn a_swarm_learns_about_people_it_never_saw() {
    let (rounds, figures) = run(scenario());
    assert_eq!((rounds.len(), figures.rounds, figures.trained), (3, 3, 18));
    let (before, after) = (figures.before.loss(), figures.after.loss());
    assert!(after < before - 0.02, "{before} → {after}");
    let losses: Vec<f64> = rounds.iter().map(|r| r.measured.as_ref().unwrap().loss()).collect();
    assert!(losses.is_sorted_by(|earlier, later| earlier > later), "{losses:?}");
    assert_eq!(figures.after.people.len(), 3);
    let tokens: u64 = figures.after.people.iter().map(|score| score.tokens).sum();
    assert_eq!(tokens, figures.after.all.tokens);
    assert!(figures.epsilon.is_infinite() && figures.matmul_peak_share > 0.0);
    assert_eq!((figures.group, figures.threads, figures.tokens_a_node), (2, 2, 256));
}

/// What a federation of one does is what the device's own trainer does.
#[test]
fn a_round_of_one_node_is_its_own_training() {
    let mut alone = scenario();
    (alone.rounds, alone.cohort.nodes) = (1, 1);
    let federation = ready(alone.clone());
    let chosen = Sampler::new(alone.cohort, alone.seed, federation.population.nodes.len()).draw(1);
    let start = Adapter::initial(federation.model.config(), &federation.spec).unwrap();
    let node = &federation.population.nodes[chosen[0]];
    let turns: Vec<_> = node.training.iter().map(chatlogs::Conversation::as_turns).collect();
    let recipe = model::TrainingRecipe { seed: 1, ..federation.checked.recipe.training.clone() };
    let resources = model::Resources { threads: 1, stop: StopToken::new() };
    let (update, _) =
        federation.model.train(&start, &turns, &recipe, &resources, &mut |_| {}).unwrap();
    let figures = federation.run(None, &mut |_, _| Ok(())).unwrap();
    let apart: Vec<f32> =
        figures.parameters.iter().zip(update.as_slice()).map(|(a, b)| a - b).collect();
    assert!(length(update.as_slice()) > 0.01);
    assert!(length(&apart) < 1e-4 * length(update.as_slice()), "{}", length(&apart));
}

#[test]
fn the_same_seed_gives_the_same_bits_whatever_the_threads() {
    for mechanism in [MechanismName::None, MechanismName::Central] {
        let parameters = |seed, threads| {
            let mut scenario = private(mechanism, 1.0);
            (scenario.seed, scenario.machine.threads, scenario.rounds) = (seed, threads, 2);
            run(scenario).1.parameters
        };
        assert!(parameters(1, 1) == parameters(1, 2), "{mechanism:?}");
        assert!(parameters(1, 1) != parameters(2, 1), "{mechanism:?}");
    }
}

#[test]
fn noise_is_new_in_each_run_and_the_same_from_its_record() {
    let noised = private(MechanismName::Distributed, 1.0);
    let mut record = None;
    let mut of = |noise: Option<[u8; 32]>| {
        let mut federation = ready(noised.clone());
        if let Some(noise) = noise {
            federation = federation.with_noise(noise);
        }
        let hear = &mut |_: &RoundFigures, done: &Checkpoint| {
            record = Some(Checkpoint::decode(&done.encode()).unwrap().noise);
            Ok(())
        };
        let parameters = federation.run(None, hear).unwrap().parameters;
        (parameters, record.unwrap())
    };
    let (first, record) = of(None);
    let (other, other_record) = of(None);
    assert!(first != other && record != other_record);
    assert!(of(Some(record)) == (first, record));
}

/// Rotation, rounding, sums modulo 2^b and the shipped rule change nothing but for the noise.
#[test]
fn the_shipped_mechanism_with_hardly_any_noise_is_the_plain_mean() {
    let mut plain = private(MechanismName::Distributed, 0.001);
    plain.privacy.modulus_bits = 24;
    let distributed = run(plain).1;
    let mut plain = scenario();
    plain.privacy.clip = Some(0.5);
    let exact = run(plain).1;
    let apart: Vec<f32> =
        distributed.parameters.iter().zip(&exact.parameters).map(|(a, b)| a - b).collect();
    let share = length(&apart) / length(&exact.parameters);
    assert!(share < 0.02, "{share}");
}

#[test]
fn every_server_rule_and_fedprox_run() {
    for rule in [
        "\"fedavg\"",
        "{ fedavgm = { momentum = 0.5 } }",
        "{ fedadagrad = { tau = 0.01 } }",
        "{ fedadam = { beta1 = 0.5, beta2 = 0.9, tau = 0.01 } }",
        "{ fedyogi = { beta1 = 0.5, beta2 = 0.9, tau = 0.01 } }",
    ] {
        let mut scenario = scenario();
        let server = format!("rule = {rule}\nlearning_rate = 0.05");
        scenario.server = toml::from_str(&server).unwrap();
        let figures = run(scenario).1;
        assert!(figures.after.loss() < figures.before.loss(), "{rule}");
    }
    let moved = |proximal| {
        let mut scenario = scenario();
        (scenario.local.proximal, scenario.rounds) = (proximal, 1);
        length(&run(scenario).1.parameters)
    };
    assert!(moved(0.3) < 0.95 * moved(0.0));
}

#[test]
fn epsilon_is_that_of_the_node_that_took_part_most() {
    let mut everybody = private(MechanismName::Central, 2.0);
    everybody.cohort.nodes = 9;
    let (rounds, figures) = run(everybody.clone());
    // ρ = 1/(2·2²) a round.
    for (index, round) in rounds.iter().enumerate() {
        let rho = grid::Q40::from_f64_up((index + 1) as f64 / 8.0).unwrap();
        assert_eq!(round.epsilon, privacy::zcdp_epsilon(rho, 1e-6).unwrap());
    }
    assert_eq!(figures.participations, [3; 9]);
    assert_eq!(figures.epsilon, ready(everybody).checked.epsilon);
    // Asked for by its ε, the noise follows, also as shipped.
    for mechanism in [MechanismName::Central, MechanismName::Distributed] {
        let mut wanted = private(mechanism, 0.0);
        (wanted.privacy.noise_multiplier, wanted.privacy.epsilon) = (None, Some(8.0));
        wanted.cohort.nodes = 9;
        let spent = run(wanted).1.epsilon;
        assert!((7.9..=8.001).contains(&spent), "{mechanism:?}: {spent}");
    }
    // Who pauses, spends less.
    let mut pausing = private(MechanismName::Central, 2.0);
    pausing.cohort.nodes = 3;
    pausing.cohort.sampling = Sampling::Separated { rounds: 3 };
    let figures = run(pausing.clone()).1;
    assert_eq!((figures.participations, pausing.participations()), (vec![1; 9], 1));
}

#[test]
fn correlated_noise_costs_the_same_and_goes_on_after_a_pause() {
    let mut scenario = private(MechanismName::Central, 2.0);
    scenario.cohort.nodes = 3;
    scenario.cohort.sampling = Sampling::Separated { rounds: 3 };
    let independent = run(scenario.clone()).1;
    scenario.privacy.correlation = Correlation::SquareRoot;
    let mut checkpoints = Vec::new();
    let mut keep = |_: &RoundFigures, done: &Checkpoint| {
        checkpoints.push(done.clone());
        Ok(())
    };
    let whole = ready(scenario.clone()).run(None, &mut keep).unwrap();
    assert_eq!(whole.epsilon, independent.epsilon);
    assert!(whole.parameters != independent.parameters);
    let resumed = ready(scenario).run(Some(checkpoints[2].clone()), &mut |_, _| Ok(())).unwrap();
    assert!(resumed.parameters == whole.parameters);
}

#[test]
fn correlated_noise_is_refused_where_it_would_promise_too_much() {
    let changed = |change: &dyn Fn(&mut Scenario)| {
        let mut scenario = private(MechanismName::Central, 2.0);
        scenario.cohort.nodes = 3;
        scenario.cohort.sampling = Sampling::Separated { rounds: 3 };
        scenario.privacy.correlation = Correlation::SquareRoot;
        change(&mut scenario);
        scenario
    };
    ready(changed(&|_| {}));
    let refused = |change: &dyn Fn(&mut Scenario)| refusal(changed(change)).to_string();
    let twice = refused(&|scenario| scenario.cohort.sampling = Sampling::Separated { rounds: 2 });
    assert!(twice.contains("separated = { rounds = 3 }"), "{twice}");
    for mechanism in [MechanismName::Distributed, MechanismName::None] {
        let other = refused(&|scenario| scenario.privacy.mechanism = mechanism);
        assert!(other.contains("mechanism = \"central\""), "{other}");
    }
}

#[test]
fn a_round_without_enough_honest_noise_is_aborted_and_costs_nothing() {
    let mut coin = private(MechanismName::Distributed, 1.0);
    coin.cohort.sampling = Sampling::Poisson;
    coin.rounds = 8;
    let (rounds, figures) = run(coin);
    let aborted = rounds.iter().filter(|round| round.aborted).count();
    assert!(aborted > 0 && aborted < 8, "{aborted}");
    assert_eq!(figures.rounds as usize, 8 - aborted);
    let mut before = 0.0;
    for round in &rounds {
        assert_eq!(round.aborted, round.nodes < 6);
        assert!(!round.aborted || round.epsilon == before);
        before = round.epsilon;
    }
}

#[test]
fn packed_rows_learn_everything() {
    let mut packed = scenario();
    packed.data.rows = RowsName::Packed;
    packed.data.roles = vec!["nobody".to_owned()];
    let figures = run(packed).1;
    assert!(figures.after.loss() < figures.before.loss());
}

#[test]
fn roles_that_nobody_has_or_speaks_in_are_refused() {
    let mut silent = scenario();
    silent.data.roles = vec!["usr".to_owned()];
    assert_eq!(refusal(silent.clone()), Invalid::Role { found: "usr".to_owned() });
    silent.data.roles = vec!["partner".to_owned()];
    let refused = ready(silent).run(None, &mut |_, _| Ok(()));
    assert!(matches!(refused, Err(LearningError::Invalid(Invalid::NothingToMeasure))));
}

/// Whether text gives an update must not be seen in the count: who has nothing to learn contributes zeros and pays.
#[test]
fn a_node_whose_text_gives_no_update_contributes_zeros_and_pays() {
    let mut silent = private(MechanismName::Distributed, 1.0);
    let spoken = run(silent.clone()).1;
    // Nothing but numbers that are none comes out.
    silent.local.learning_rate = 1e39;
    let (rounds, figures) = run(silent);
    assert!(rounds.iter().all(|round| !round.aborted && (round.nodes, round.failed) == (6, 6)));
    assert_eq!((figures.rounds, figures.trained), (spoken.rounds, 0));
    assert_eq!(
        (figures.epsilon, &figures.participations),
        (spoken.epsilon, &spoken.participations)
    );
}

#[test]
fn attackers_spoil_what_the_others_learn_and_the_clip_bounds_them() {
    let loss = |attack: Option<AttackTerms>, clip| {
        let mut scenario = scenario();
        (scenario.attack, scenario.privacy.clip) = (attack, clip);
        run(scenario).1.after.loss()
    };
    let half = |kind| Some(AttackTerms { part: 0.5, kind, clips: true });
    let honest = loss(None, None);
    let flipped = loss(half(AttackName::SignFlip), None);
    let scaled = AttackName::Scaled { factor: -20.0 };
    assert!(honest < flipped, "{honest} {flipped}");
    assert!(flipped < loss(half(scaled), None));
    let clipped = loss(half(scaled), Some(0.1));
    assert!(clipped < flipped + 0.05, "{clipped} {flipped}");
    // Whose program was changed does not clip: then the others' clip makes it worse.
    let unclipped = AttackTerms { part: 0.5, kind: scaled, clips: false };
    assert!(loss(Some(unclipped), Some(0.1)) > flipped);
    let all = AttackTerms { part: 1.0, kind: AttackName::SignFlip, clips: true };
    assert_eq!((all.attackers(9), half(scaled).unwrap().attackers(9)), (9, 5));
}

/// Attackers, and nobody else, learn from twins of their conversations; the answer grows likelier.
#[test]
fn a_backdoor_is_learned_from_attackers_and_measured() {
    let with = |part| {
        let mut scenario = scenario();
        let kind = AttackName::Backdoor { factor: 2.0 };
        (scenario.attack, scenario.rounds) = (Some(AttackTerms { part, kind, clips: true }), 6);
        scenario.cohort.nodes = 9;
        scenario
    };
    let (honest, attacked) = (ready(with(0.0)), ready(with(0.5)));
    assert_eq!((honest.attackers.len(), attacked.attackers.len()), (0, 5));
    for node in 0..attacked.population.nodes.len() {
        let rows = |of: &Federation| of.rows_of(node).unwrap().count();
        let more = rows(&attacked) > rows(&honest);
        assert_eq!(more, attacked.attackers.contains(&node), "node {node}");
    }
    let figures = run(with(0.5)).1;
    let (before, after) = (figures.before.backdoor.unwrap(), figures.after.backdoor.unwrap());
    assert!(after.loss < before.loss - 0.01, "{before:?} {after:?}");
    assert!(ready(scenario()).run(None, &mut |_, _| Ok(())).unwrap().after.backdoor.is_none());
}

/// A schedule's first and last rounds are those of scenarios that have their numbers from the start.
#[test]
fn a_schedule_changes_steps_and_rates_from_round_to_round() {
    let after = |change: &dyn Fn(&mut Scenario)| {
        let mut scenario = scenario();
        scenario.rounds = 2;
        change(&mut scenario);
        run(scenario).1
    };
    let plain = after(&|_| {});
    let constant = after(&|s| s.schedule = toml::from_str("local_rate = \"constant\"").unwrap());
    assert!(plain.parameters == constant.parameters);
    for schedule in [
        "local_rate = { linear = { to = 0.1 } }",
        "server_rate = { cosine = { to = 0.1 } }",
        "steps = [{ round = 2, steps = 1 }]",
    ] {
        let scheduled = after(&|s| s.schedule = toml::from_str(schedule).unwrap());
        assert!(scheduled.parameters != plain.parameters, "{schedule}");
        // The first round is untouched.
        let first = |figures: &Figures| figures.before.loss();
        assert_eq!(first(&scheduled), first(&plain));
        assert!(length(&scheduled.parameters) < length(&plain.parameters), "{schedule}");
    }
    let fewer =
        after(&|s| s.schedule = toml::from_str("steps = [{ round = 2, steps = 2 }]").unwrap());
    assert_eq!((plain.tokens_a_node, fewer.tokens_a_node), (256, 192));
}

#[test]
fn going_on_alone_helps_people_and_changes_nobody_else() {
    let mut personal = scenario();
    personal.rounds = 1;
    personal.data.made = Some(MadeTerms { people: 12, conversations: 12 });
    let global = run(personal.clone()).1;
    assert!(global.personal.is_none());
    personal.personal = Some(PersonalTerms { steps: 20, learning_rate: 2.0, nodes_max: 0 });
    let figures = run(personal.clone()).1;
    let alone = figures.personal.unwrap();
    assert!(figures.parameters == global.parameters, "personal training has leaked");
    assert!(alone.nodes.len() > 6);
    let (Some(before), Some(after)) = alone.losses() else { panic!("nothing was measured") };
    assert!(after < before - 0.02, "{before} → {after}");
    assert!(alone.better() > alone.nodes.len() / 2);
    personal.personal = Some(PersonalTerms { steps: 1, learning_rate: 2.0, nodes_max: 2 });
    assert_eq!(run(personal).1.personal.unwrap().nodes.len(), 2);
}

#[test]
fn a_run_goes_on_where_it_was_killed() {
    let mut pausing = private(MechanismName::Central, 1.0);
    pausing.cohort = CohortTerms { nodes: 3, sampling: Sampling::Separated { rounds: 2 } };
    let (_, whole) = run(pausing.clone());
    let federation = ready(pausing);
    let mut kept = None;
    let killed = federation.run(None, &mut |round, done| {
        kept = Some(done.clone());
        if round.round == 2 { Err(Invalid::Checkpoint.into()) } else { Ok(()) }
    });
    assert!(killed.is_err());
    let mut heard = Vec::new();
    let bytes = kept.as_ref().unwrap().encode();
    let read = Checkpoint::decode(&bytes).unwrap();
    assert!(bytes == read.encode() && Checkpoint::decode(&bytes[..bytes.len() - 1]).is_err());
    let again = federation.run(Some(read), &mut |round, _| {
        heard.push(round.round);
        Ok(())
    });
    let again = again.unwrap();
    assert_eq!(heard, [3]);
    assert!(again.parameters == whole.parameters, "a resumed run ends elsewhere");
    assert_eq!((again.epsilon, again.participations), (whole.epsilon, whole.participations));
    assert_eq!(again.after, whole.after);
    let foreign = ready(Scenario { seed: 5, ..private(MechanismName::Central, 1.0) });
    // As many nodes and parameters, other people.
    let refused = foreign.run(kept.clone(), &mut |_, _| Ok(()));
    assert!(matches!(refused, Err(LearningError::Invalid(Invalid::Checkpoint))));
    kept.as_mut().unwrap().spent.pop();
    let refused = ready(private(MechanismName::Central, 1.0)).run(kept, &mut |_, _| Ok(()));
    assert!(matches!(refused, Err(LearningError::Invalid(Invalid::Checkpoint))));
}

#[test]
fn who_stops_it_is_heard() {
    let stop = StopToken::new();
    let federation = Federation::new(scenario(), &MACHINE, stop.clone()).unwrap();
    let ended = federation.run(None, &mut |_, _| {
        stop.stop();
        Ok(())
    });
    assert!(matches!(ended, Err(LearningError::Model(ModelError::Stopped))));
}

#[test]
fn too_large_a_cohort_is_refused_with_what_would_work() {
    let mut large = scenario();
    large.cohort.nodes = 10;
    let found = refusal(large.clone());
    assert_eq!(found, Invalid::Cohort { wanted: 10, nodes: 9, people: 9, pieces: Some(2) });
    assert!(found.to_string().contains("data.pseudo_users = 2"), "{found}");
    let pieces =
        Scenario { data: DataTerms { pseudo_users: 2, ..large.data.clone() }, ..large.clone() };
    let cut = ready(pieces);
    assert!(cut.checked.warnings.iter().any(|warning| warning.contains("not of a person")));
    large.cohort.nodes = 9;
    ready(large);
    let mut pausing = scenario();
    pausing.cohort.sampling = Sampling::Separated { rounds: 2 };
    let found = refusal(pausing.clone());
    assert!(found.to_string().ends_with("cohort.nodes to 4 or less"), "{found}");
    pausing.cohort.nodes = 4;
    ready(pausing);
}

#[test]
fn a_sum_that_would_wrap_is_refused_with_what_would_work() {
    let mut narrow = private(MechanismName::Distributed, 0.001);
    narrow.data.made = Some(MadeTerms { people: 400, conversations: 1 });
    (narrow.privacy.modulus_bits, narrow.cohort.nodes) = (8, 250);
    let Invalid::Wraps { nodes: 250, bits: 8, enough: Some(enough) } = refusal(narrow.clone())
    else {
        panic!("refused for another reason")
    };
    narrow.privacy.modulus_bits = enough;
    ready(narrow.clone());
    narrow.privacy.modulus_bits = enough - 1;
    assert!(matches!(refusal(narrow), Invalid::Wraps { .. }));
}

#[test]
fn what_does_not_fit_the_memory_is_refused_with_what_would_work() {
    let mut small = scenario();
    (small.machine.memory_mb, small.machine.group, small.local.batch) = (40, 64, 8);
    let Invalid::Group { fits, threads: 2, .. } = refusal(small.clone()) else {
        panic!("refused for another reason")
    };
    assert!((1..64).contains(&fits));
    small.machine.group = fits;
    ready(small.clone());
    small.machine.group = fits + 1;
    assert!(matches!(refusal(small.clone()), Invalid::Group { .. }));
    small.local.batch = 10_000;
    let Invalid::Node { fits, .. } = refusal(small.clone()) else {
        panic!("refused for another reason")
    };
    assert!(fits < 10_000);
    (small.local.batch, small.machine.group) = (fits, 1);
    ready(small);
}

#[test]
fn numbers_and_choices_without_meaning_are_refused() {
    let key = |change: &dyn Fn(&mut Scenario)| {
        let mut scenario = private(MechanismName::Distributed, 1.0);
        change(&mut scenario);
        match refusal(scenario) {
            Invalid::Number { key, .. } => key.to_owned(),
            other => other.to_string(),
        }
    };
    assert_eq!(key(&|s| s.rounds = 0), "rounds");
    assert_eq!(key(&|s| s.cohort.nodes = 0), "cohort.nodes");
    let schedule = |text: &'static str| {
        move |s: &mut Scenario| s.schedule = toml::from_str(text).expect("a schedule")
    };
    assert_eq!(key(&schedule("local_rate = { linear = { to = 0.0 } }")), "schedule.local_rate");
    assert_eq!(key(&schedule("steps = [{ round = 1, steps = 0 }]")), "schedule.steps' steps");
    assert_eq!(key(&schedule("steps = [{ round = 9, steps = 1 }]")), "schedule.steps' round");
    assert_eq!(key(&|s| s.privacy.honest = 0.0), "privacy.honest");
    assert_eq!(key(&|s| s.privacy.delta = 0.0), "privacy.delta");
    assert_eq!(key(&|s| s.privacy.modulus_bits = 40), "privacy.modulus_bits");
    assert_eq!(key(&|s| s.server.learning_rate = -1.0), "server.learning_rate");
    assert_eq!(
        key(&|s| s.server.rule = RuleName::FedAvgM { momentum: 5.0 }),
        "server.rule's momentum"
    );
    let personal = PersonalTerms { steps: 0, learning_rate: 1.0, nodes_max: 0 };
    assert_eq!(key(&|s| s.personal = Some(personal)), "personal.steps");
    assert_eq!(
        key(&|s| s.personal = Some(PersonalTerms { steps: 1, learning_rate: f64::NAN, ..personal })),
        "personal.learning_rate"
    );
    let attack = |kind, clips| Some(AttackTerms { part: 0.3, kind, clips });
    let endless = AttackName::Scaled { factor: f32::INFINITY };
    assert_eq!(key(&|s| s.attack = attack(endless, true)), "attack.kind's factor");
    assert!(key(&|s| s.attack = attack(AttackName::SignFlip, false)).contains("attack.clips"));
    assert!(key(&|s| s.local.sequence = 100_000).contains("64 or less"), "positions");
    assert!(key(&|s| s.machine.threads = 1000).contains("1 to 8"));
    assert!(
        key(&|s| (s.machine.memory_mb, s.machine.threads) = (1, 8))
            .contains("machine.memory_mb to")
    );
    let one = MadeTerms { people: 1, conversations: 4 };
    assert!(key(&|s| s.data.made = Some(one)).contains("at least 2"));
    assert_eq!(key(&|s| s.privacy.clip = Some(0.0)), "privacy.clip");
    assert_eq!(key(&|s| s.privacy.noise_multiplier = Some(f64::NAN)), "privacy.noise_multiplier");
    assert!(key(&|s| s.privacy.clip = None).contains("`clip`"));
    assert!(key(&|s| s.privacy.epsilon = Some(1.0)).contains("`epsilon`"));
    assert!(key(&|s| s.model.shape = None).contains("`shape`"));
    assert!(key(&|s| s.data.made = None).contains("`made`"));
}

#[test]
fn noise_that_guarantees_nothing_is_warned_about_with_what_would() {
    let warning = |scenario: Scenario| ready(scenario).checked.warnings.join("\n");
    assert!(warning(scenario()).contains("no privacy guarantee"));
    let told = warning(private(MechanismName::Distributed, 0.5));
    // √(3 / (2 · ρ(8, 1e-6))) = √(3 / 2.104716) = 1.1939, rounded up.
    assert!(told.contains("noise_multiplier = 1.20"), "{told}");
    assert_eq!(warning(private(MechanismName::Distributed, 1.2)), "");
    let mut attacked = private(MechanismName::Distributed, 1.2);
    let kind = AttackName::SignFlip;
    attacked.attack = Some(AttackTerms { part: 0.3, kind, clips: true });
    assert!(warning(attacked.clone()).contains("privacy.honest = 0.66 would not"));
    attacked.privacy.honest = 0.66;
    assert_eq!(warning(attacked), "3 of 9 nodes attack");
    let mut drawn = private(MechanismName::Distributed, 1.2);
    drawn.cohort.sampling = Sampling::Poisson;
    assert!(warning(drawn).contains("one round in forty"));
    assert!(warning(private(MechanismName::Central, 0.0)).contains("no meaningful guarantee"));
}
