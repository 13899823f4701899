use super::*;

/// A hundred nodes, ten rounds, ε = 8, 21k parameters.
fn wish() -> Wish {
    Wish {
        nodes: Some(100),
        rounds: Some(10),
        epsilon: Some(8.0),
        noise_multiplier: None,
        signal_to_noise: 1.0,
        dimension: 21_000,
        clip: 1.0,
        delta: 1e-6,
        corrupt: (0, 1),
        modulus_bits: 20,
    }
}

fn solve(change: impl FnOnce(&mut Wish)) -> Result<Estimate, EstimateError> {
    let mut wish = wish();
    change(&mut wish);
    estimate(&wish)
}

#[test]
fn the_worked_example_needs_its_noise() {
    let found = estimate(&wish()).unwrap();
    assert_eq!(found.solved, Solved::Noise);
    assert!((found.noise_multiplier / 2.180 - 1.0).abs() < 0.005, "{}", found.noise_multiplier);
    // 2.18/100 in each coordinate; √(21000·10) of them against 10 clips.
    assert!((found.noise_per_coordinate / 0.0218 - 1.0).abs() < 0.01);
    assert!((found.signal_to_noise - 1.0).abs() < 0.02, "{}", found.signal_to_noise);
    let epsilon = found.epsilon.unwrap();
    assert!(epsilon <= 8.0 && epsilon > 7.9, "what is solved keeps within its target: {epsilon}");
    assert!(!found.words.iter().any(|word| word.contains("NOT LEARN")), "{:?}", found.words);
}

#[test]
fn every_missing_number_is_the_one_that_was_left_out() {
    let full = estimate(&wish()).unwrap();
    let z = full.noise_multiplier;
    let nodes = solve(|wish| wish.nodes = None).unwrap();
    assert!((99..=103).contains(&nodes.nodes) && nodes.signal_to_noise >= 1.0, "{}", nodes.nodes);
    let rounds = solve(|wish| (wish.rounds, wish.noise_multiplier) = (None, Some(z))).unwrap();
    assert!(rounds.rounds == 10 || rounds.rounds == 9, "{}", rounds.rounds);
    assert!(rounds.epsilon.unwrap() <= 8.0);
    let epsilon = solve(|wish| (wish.epsilon, wish.noise_multiplier) = (None, Some(z))).unwrap();
    assert_eq!(epsilon.epsilon, full.epsilon);
    let noise = solve(|wish| wish.epsilon = None).unwrap();
    assert_eq!(noise.solved, Solved::NoiseForSignal);
    assert!((noise.noise_multiplier / z - 1.0).abs() < 0.02, "{}", noise.noise_multiplier);
}

#[test]
fn too_much_and_too_little_are_told_apart_from_no_answer() {
    let given = |change: fn(&mut Wish)| solve(change).unwrap_err();
    assert_eq!(given(|wish| wish.noise_multiplier = Some(1.0)), EstimateError::Given);
    assert_eq!(given(|wish| (wish.nodes, wish.rounds) = (None, None)), EstimateError::Given);
    let none = given(|wish| {
        (wish.rounds, wish.epsilon, wish.noise_multiplier) = (None, Some(0.1), Some(0.5));
    });
    assert!(matches!(none, EstimateError::NoAnswer(_)), "{none}");
    for nonsense in [
        (|wish| wish.clip = 0.0) as fn(&mut Wish),
        |wish| wish.epsilon = Some(f64::NAN),
        |wish| wish.dimension = 0,
        |wish| wish.rounds = Some(0),
        |wish| wish.nodes = Some(3),
        |wish| wish.corrupt = (1, 3),
        |wish| wish.delta = 0.0,
        |wish| wish.modulus_bits = 99,
    ] {
        assert!(matches!(solve(nonsense), Err(EstimateError::Privacy(_))));
    }
}

#[test]
fn what_will_not_learn_and_what_guarantees_nothing_is_said_in_words() {
    let says = |found: &Estimate, what: &str| found.words.iter().any(|word| word.contains(what));
    let eight = solve(|wish| wish.nodes = Some(8)).unwrap();
    assert!(says(&eight, "THIS WILL NOT LEARN"), "{:?}", eight.words);
    let demo = solve(|wish| {
        (wish.nodes, wish.epsilon, wish.noise_multiplier) = (Some(8), None, Some(0.03));
    });
    let demo = demo.unwrap();
    assert!(
        says(&demo, "NO MEANINGFUL GUARANTEE") && !says(&demo, "NOT LEARN"),
        "{:?}",
        demo.words
    );
    assert!(says(&estimate(&wish()).unwrap(), "at most 64 members"));
}

/// The same lines as `murmur-audit budget` prints, and fewer nodes to count on cost more.
#[test]
fn each_adversary_has_its_line() {
    let (all, fewer) = (estimate(&wish()).unwrap(), solve(|wish| wish.corrupt = (1, 10)).unwrap());
    assert_eq!(all.adversaries.len(), crate::Adversary::ALL.len());
    assert_eq!(all.adversaries[1].epsilon, all.epsilon);
    let noise_protects = |line: &&(&Line, &Line)| line.1.rho.is_some();
    let both: Vec<(&Line, &Line)> = all.after_one_round.iter().zip(&all.adversaries).collect();
    assert!(both.iter().filter(noise_protects).all(|(one, ten)| one.epsilon < ten.epsilon));
    assert_eq!((all.honest, fewer.honest), (100, 90));
    assert!(fewer.signal_to_noise < all.signal_to_noise);
}

#[test]
fn bytes_and_time_grow_with_what_travels() {
    let (small, large) = (estimate(&wish()).unwrap(), solve(|w| w.dimension = 84_000).unwrap());
    assert_eq!((small.padded, large.padded), (32_768, 131_072));
    // 32,768 values of 20 bits.
    assert!(small.bytes_up > 81_920 && small.bytes_up < 2 * 81_920, "{}", small.bytes_up);
    assert!(large.bytes_up > 3 * small.bytes_up && large.memory_node > 3 * small.memory_node);
    let pace = Pace {
        noise_s: 1e-7,
        mask_bytes: 1e9,
        uplink_bytes: 1e6,
        downlink_bytes: 5e6,
        train_s: 60.0,
        windows_s: 30.0,
    };
    let parts = small.time(&pace);
    let seconds: f64 = parts.iter().map(|part| part.seconds).sum();
    assert!(seconds > 90.0 && seconds < 92.0, "{seconds}");
    assert_eq!(parts.iter().filter(|part| part.measured).count(), 1);
    // More nodes bring keys and shares to the coordinator, whose contributions lie on the disk: 327,680 bytes each.
    let with = |nodes| solve(|w| (w.nodes, w.dimension) = (Some(nodes), 84_000)).unwrap();
    let (few, many) = (with(8).memory_coordinator, with(64).memory_coordinator);
    assert!(many - few < 4 * 327_680, "{few} to {many}");
}
