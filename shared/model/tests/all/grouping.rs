//! Many nodes trained together: equal to one by one, whatever the group, and each for itself.

use model::{
    Adapter, AdapterKind, AdapterSpec, GroupRecipe, GroupTrainer, LanguageModel, Member, Messages,
    ModelError, Optimizer, Outcome, Precision, Projection, Spread, StopToken, TrainingRecipe,
    TrainingRows, bytes_a_node, matmul_operations_a_node,
};

use crate::adapters::{busy, spec};
use crate::support::load;
use crate::training::resources;

fn recipe(optimizer: Optimizer) -> GroupRecipe {
    let training = TrainingRecipe {
        steps: 3,
        batch: 2,
        sequence_length: 16,
        optimizer,
        precision: Precision::F32,
        roles: vec!["user".to_owned()],
        seed: 0,
        max_gradient_norm: None,
    };
    GroupRecipe { training, proximal: 0.0 }
}

/// An adapter as in the middle of training. (With numbers of the size of the weights themselves, three steps of LoRA
/// enlarge rounding errors a thousandfold: nothing could be compared.)
fn underway(model: &LanguageModel, kind: AdapterKind, targets: &[Projection]) -> Adapter {
    let busy = busy(model.config(), kind, targets);
    let flat: Vec<f32> = busy.to_flat().iter().map(|value| value / 10.0).collect();
    Adapter::from_flat(model.config(), busy.spec(), &flat).unwrap()
}

const PLAIN: Optimizer = Optimizer::Sgd { learning_rate: 0.1, momentum: 0.0 };

/// Five people who say different things; rows longer, shorter and more than one.
fn people() -> Vec<Vec<Messages<'static>>> {
    vec![
        vec![vec![("user", "w2 w3 w4 w5 w6"), ("partner", "w20 w21 w22"), ("user", "w7 w8 w9")]],
        vec![vec![("partner", "w30 w31 w32"), ("user", "w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12")]],
        vec![vec![("user", "w9 w9 w9")], vec![("user", "w10 w11"), ("partner", "w5")]],
        vec![vec![("user", "w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 w16 w17 w18 w19")]],
        vec![vec![("partner", "w2 w3"), ("user", "w40"), ("partner", "w3 w2"), ("user", "w41")]],
    ]
}

fn rows(model: &LanguageModel, recipe: &GroupRecipe) -> Vec<TrainingRows> {
    let of = |conversations: &Vec<Messages<'_>>| {
        model.training_rows(conversations, &recipe.training).unwrap()
    };
    people().iter().map(of).collect()
}

fn together(
    model: &LanguageModel,
    start: &Adapter,
    recipe: &GroupRecipe,
    spread: Spread,
) -> Vec<Outcome> {
    let trainer = model.group_trainer(start.spec(), recipe).unwrap();
    trained_by(&trainer, model, start, recipe, spread)
}

fn trained_by(
    trainer: &GroupTrainer,
    model: &LanguageModel,
    start: &Adapter,
    recipe: &GroupRecipe,
    spread: Spread,
) -> Vec<Outcome> {
    let (rows, flat) = (rows(model, recipe), start.to_flat());
    let members: Vec<Member> = rows
        .iter()
        .enumerate()
        .map(|(index, rows)| Member { rows, start: &flat, seed: 10 + index as u64 })
        .collect();
    let mut outcomes = Vec::new();
    trainer
        .train(&members, spread, &StopToken::new(), |index, outcome| {
            assert_eq!(index, outcomes.len());
            outcomes.push(outcome);
            Ok::<_, ModelError>(())
        })
        .unwrap();
    outcomes
}

const ALL: Spread = Spread { threads: 1, group: 5 };

fn updates(outcomes: Vec<Outcome>) -> Vec<Vec<f32>> {
    outcomes.into_iter().map(|outcome| outcome.unwrap().0.into_vec()).collect()
}

/// |left − right| / |right|.
fn error(left: &[f32], right: &[f32]) -> f64 {
    assert_eq!(left.len(), right.len());
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let apart = length(
        &mut left.iter().zip(right).map(|(&left, &right)| f64::from(left) - f64::from(right)),
    );
    apart / length(&mut right.iter().map(|&value| f64::from(value)))
}

/// The largest error of any node against training it by itself with the ordinary trainer, by our own kernels and by
/// libtorch's operators.
fn worst_errors(model: &LanguageModel, start: &Adapter, recipe: &GroupRecipe) -> [f64; 2] {
    let ours = model.group_trainer(start.spec(), recipe).unwrap();
    let libtorch = model.group_trainer(start.spec(), recipe).unwrap().on_libtorch();
    [ours, libtorch].map(|trainer| {
        worst_error(trained_by(&trainer, model, start, recipe, ALL), model, start, recipe)
    })
}

fn worst_error(
    together: Vec<Outcome>,
    model: &LanguageModel,
    start: &Adapter,
    recipe: &GroupRecipe,
) -> f64 {
    let mut worst: f64 = 0.0;
    for (index, (conversations, found)) in people().iter().zip(together).enumerate() {
        let alone = TrainingRecipe { seed: 10 + index as u64, ..recipe.training.clone() };
        let (update, loss) =
            model.train(start, conversations, &alone, &resources(), &mut |_| {}).unwrap();
        let (found, found_loss) = found.unwrap();
        assert!((loss.first - found_loss.first).abs() < 1e-5 * loss.first);
        assert!((loss.last - found_loss.last).abs() < 1e-3 * loss.last);
        assert!(update.as_slice().iter().any(|&value| value != 0.0));
        worst = worst.max(error(found.as_slice(), update.as_slice()));
    }
    worst
}

/// Grouped-query attention, biases (qwen2), stretched positions, untied and tied heads, both kinds of adapter, from
/// zero and from the middle of training, all seven projections and a few, limited gradients.
#[test]
fn together_is_as_one_by_one() {
    let adamw = Optimizer::AdamW {
        learning_rate: 0.01,
        beta1: 0.9,
        beta2: 0.99,
        epsilon: 1e-6,
        weight_decay: 0.1,
    };
    let heavy = Optimizer::Sgd { learning_rate: 0.1, momentum: 0.9 };
    let some = [Projection::Value, Projection::Down];
    for name in ["llama", "qwen2", "llama3-scaling"] {
        let model = load(name);
        for kind in [AdapterKind::FfaLora, AdapterKind::Lora] {
            for targets in [&Projection::ALL[..], &some] {
                let spec = AdapterSpec { targets: targets.to_vec(), ..spec(kind) };
                let zero = Adapter::initial(model.config(), &spec).unwrap();
                let middle = underway(&model, kind, targets);
                for (optimizer, longest, tolerance) in
                    [(PLAIN, None, 2e-5), (heavy, Some(0.3), 2e-5), (adamw, None, 5e-4)]
                {
                    for start in [&zero, &middle] {
                        let mut recipe = recipe(optimizer);
                        recipe.training.max_gradient_norm = longest;
                        let errors = worst_errors(&model, start, &recipe);
                        assert!(
                            errors.iter().all(|&error| error < tolerance),
                            "{name} {kind:?} {targets:?} {optimizer:?}: off by {errors:?}"
                        );
                    }
                }
            }
        }
    }
}

fn coarse(mut recipe: GroupRecipe) -> GroupRecipe {
    recipe.training.precision = Precision::Bf16;
    recipe
}

/// With bf16 our own kernels and libtorch's operators round the same numbers. A number between two of bf16's may fall to
/// the other one because sums are added in another order, and others after it: updates are then apart by a part of what
/// bf16 is away from f32, and by next to nothing where no number has fallen.
#[test]
fn with_bf16_kernels_and_libtorch_round_alike() {
    let mut least = f64::INFINITY;
    for name in ["llama", "qwen2"] {
        let model = load(name);
        for kind in [AdapterKind::FfaLora, AdapterKind::Lora] {
            let start = underway(&model, kind, &Projection::ALL);
            // More steps enlarge what one fallen number does.
            let mut fine = recipe(PLAIN);
            fine.training.steps = 1;
            let coarse = coarse(fine.clone());
            let ours = model.group_trainer(start.spec(), &coarse).unwrap();
            let libtorch = model.group_trainer(start.spec(), &coarse).unwrap().on_libtorch();
            let [ours, libtorch] = [ours, libtorch]
                .map(|trainer| updates(trained_by(&trainer, &model, &start, &coarse, ALL)));
            let exact = updates(together(&model, &start, &fine, ALL));
            for ((ours, libtorch), exact) in ours.iter().zip(&libtorch).zip(&exact) {
                let (apart, away) = (error(ours, libtorch), error(ours, exact));
                println!("{name} {kind:?}: apart {apart:.1e}, away from f32 {away:.1e}");
                assert!((1e-3..0.1).contains(&away), "{name} {kind:?}: {away} from f32");
                assert!(apart < 0.01, "{name} {kind:?}: {apart} apart");
                least = least.min(apart);
            }
        }
    }
    assert!(least < 1e-4, "{least}");
}

#[test]
fn the_size_of_the_group_and_the_threads_change_nothing_that_matters() {
    let model = load("qwen2");
    let start = underway(&model, AdapterKind::Lora, &Projection::ALL);
    let of = |spread| updates(together(&model, &start, &recipe(PLAIN), spread));
    let all = of(ALL);
    for group in [1, 2, 3, 8] {
        let some = of(Spread { threads: 1, group });
        let worst = all.iter().zip(&some).map(|(left, right)| error(left, right));
        assert!(worst.fold(0.0, f64::max) < 2e-5, "group of {group}");
        // With one size of group (with our own kernels, with any), threads do not change a bit.
        assert!(of(Spread { threads: 3, group }) == some, "threads change the bits");
    }
}

/// The second of two steps differs from the one without the term by −rate · μ · (how far the first one went).
#[test]
fn the_proximal_term_pulls_back_to_the_start() {
    let model = load("llama");
    let start = underway(&model, AdapterKind::FfaLora, &Projection::ALL);
    let after = |steps: usize, proximal: f64| {
        let mut recipe = GroupRecipe { proximal, ..recipe(PLAIN) };
        recipe.training.steps = steps;
        updates(together(&model, &start, &recipe, ALL))
    };
    // Rows of one and of two steps are drawn alike only where there is one row.
    let node = 0;
    let (one, two, pulled) = (&after(1, 0.7)[node], &after(2, 0.0)[node], &after(2, 0.7)[node]);
    let expected: Vec<f32> = two.iter().zip(one).map(|(two, one)| two - 0.1 * 0.7 * one).collect();
    assert!(error(pulled, &expected) < 1e-4, "{}", error(pulled, &expected));
    assert!(error(pulled, two) > 0.01);
}

#[test]
fn one_node_without_words_or_with_wild_numbers_leaves_the_others_alone() {
    let model = load("llama");
    let start = underway(&model, AdapterKind::FfaLora, &Projection::ALL);
    let recipe = recipe(PLAIN);
    let alone = updates(together(&model, &start, &recipe, ALL));
    let mut rows = rows(&model, &recipe);
    rows[1] = model.training_rows(&[vec![("partner", "w2 w3")]], &recipe.training).unwrap();
    let flat = start.to_flat();
    let wild: Vec<f32> = flat.iter().map(|value| value * 1e30).collect();
    let members: Vec<Member> = (0..5)
        .map(|index| Member {
            rows: &rows[index],
            start: if index == 3 { &wild } else { &flat },
            seed: 10 + index as u64,
        })
        .collect();
    let trainer = model.group_trainer(start.spec(), &recipe).unwrap();
    let mut heard = Vec::new();
    let each = |_, outcome: Outcome| {
        heard.push(outcome);
        Ok::<_, ModelError>(())
    };
    trainer.train(&members, ALL, &StopToken::new(), each).unwrap();
    assert!(matches!(heard[1], Err(ModelError::NothingToTrain { .. })));
    assert!(matches!(heard[3], Err(ModelError::Diverged { step: 1 })));
    for index in [0, 2, 4] {
        let found = heard[index].as_ref().unwrap().0.as_slice();
        assert!(error(found, &alone[index]) < 2e-5);
    }
}

#[test]
fn what_the_caller_or_a_stop_says_ends_it() {
    let model = load("llama");
    let start = Adapter::initial(model.config(), &spec(AdapterKind::FfaLora)).unwrap();
    let recipe = recipe(PLAIN);
    let (rows, flat) = (rows(&model, &recipe), start.to_flat());
    let one = Member { rows: &rows[0], start: &flat, seed: 1 };
    let members = vec![one; 40];
    let trainer = model.group_trainer(start.spec(), &recipe).unwrap();
    let spread = Spread { threads: 2, group: 1 };
    let mut heard = 0;
    let ended = trainer.train(&members, spread, &StopToken::new(), |_, _| {
        heard += 1;
        if heard == 3 { Err(ModelError::Stopped) } else { Ok(()) }
    });
    assert!(matches!(ended, Err(ModelError::Stopped)) && heard == 3);
    let stop = StopToken::new();
    stop.stop();
    let stopped = trainer.train(&members, spread, &stop, |_, _| Ok::<_, ModelError>(()));
    assert!(matches!(stopped, Err(ModelError::Stopped)));
}

#[test]
fn a_stream_is_cut_into_full_rows_of_everything() {
    let model = load("llama");
    let conversations = people().concat();
    let tokens: usize =
        conversations.iter().map(|one| model.tokenizer().render(one).unwrap().tokens.len()).sum();
    let all = model.packed_rows(&conversations, 16, usize::MAX).unwrap();
    assert_eq!(all.count(), (tokens - 1) / 16);
    assert_eq!(model.packed_rows(&conversations, 16, 2).unwrap().count(), 2);
    assert_eq!(model.packed_rows(&[], 16, 2).unwrap().count(), 0);
    assert_eq!(format!("{all:?}"), format!("TrainingRows({} of 16 tokens)", all.count()));
}

#[test]
fn the_fastest_group_is_one_that_was_tried() {
    let model = load("llama");
    let start = Adapter::initial(model.config(), &spec(AdapterKind::FfaLora)).unwrap();
    let recipe = recipe(PLAIN);
    let (rows, flat) = (rows(&model, &recipe), start.to_flat());
    let one = Member { rows: &rows[0], start: &flat, seed: 1 };
    let trainer = model.group_trainer(start.spec(), &recipe).unwrap();
    let found = trainer.fastest_group(&vec![one; 8], 2, 64, &StopToken::new()).unwrap();
    assert!([1, 2, 4].contains(&found), "{found}");
    assert_eq!(trainer.fastest_group(&[one], 1, 64, &StopToken::new()).unwrap(), 1);
}

#[test]
fn what_a_group_cannot_do_is_refused() {
    let model = load("llama");
    let start = Adapter::initial(model.config(), &spec(AdapterKind::FfaLora)).unwrap();
    let refused = |recipe: &GroupRecipe| match model.group_trainer(start.spec(), recipe) {
        Err(ModelError::Recipe { key, .. }) => key,
        _ => panic!("accepted"),
    };
    assert_eq!(refused(&GroupRecipe { proximal: -1.0, ..recipe(PLAIN) }), "proximal");
    let trainer = model.group_trainer(start.spec(), &recipe(PLAIN)).unwrap();
    let coarse = trainer.with(&coarse(recipe(PLAIN))).err();
    assert!(matches!(coarse, Some(ModelError::Recipe { key: "precision", .. })));
    let mut longer = recipe(PLAIN);
    longer.training.sequence_length = 20;
    let (rows, flat) = (rows(&model, &longer), start.to_flat());
    let member = Member { rows: &rows[0], start: &flat, seed: 1 };
    let heard = |_, _| Ok::<_, ModelError>(());
    let error = trainer.train(&[member], ALL, &StopToken::new(), heard).unwrap_err();
    assert!(matches!(error, ModelError::Recipe { key: "sequence_length", .. }));
    let member = Member { start: &flat[1..], ..member };
    let error = trainer.train(&[member], ALL, &StopToken::new(), heard).unwrap_err();
    assert!(matches!(error, ModelError::ParameterCount { .. }));
}

#[test]
fn costs_are_of_the_right_size() {
    let model = load("llama");
    let adapter = spec(AdapterKind::FfaLora);
    let once = recipe(PLAIN);
    let mut twice = once.clone();
    twice.training.steps *= 2;
    let operations = |recipe| matmul_operations_a_node(model.config(), recipe);
    assert_eq!(operations(&twice), 2.0 * operations(&once));
    // 96 tokens; 4 times the weights of q, o, gate, up and down, and the head, dominate.
    let weights = (2 * (32 * 24 * 2 + 16 * 24 * 2 + 3 * 24 * 40) + 48 * 24) as f64;
    let ratio = operations(&once) / (96.0 * 4.0 * weights);
    assert!((0.8..1.3).contains(&ratio), "{ratio}");
    let bytes = |recipe| bytes_a_node(model.config(), &adapter, recipe);
    let mut wider = once.clone();
    wider.training.batch *= 10;
    assert!(bytes(&wider) > 8 * bytes(&once) && bytes(&wider) < 10 * bytes(&once));
}
