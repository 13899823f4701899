//! Local training: it learns, repeats, stops, and its cost does not depend on the data.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use model::{
    Adapter, AdapterKind, AdapterSpec, EvaluationRecipe, LanguageModel, Messages, ModelError,
    Optimizer, Precision, Projection, Resources, StopToken, TrainingRecipe,
};

use crate::adapters::spec;
use crate::support::load;

pub fn resources() -> Resources {
    Resources { threads: 1, stop: StopToken::new() }
}

fn recipe() -> TrainingRecipe {
    TrainingRecipe {
        steps: 30,
        batch: 4,
        sequence_length: 16,
        optimizer: Optimizer::adamw(0.02),
        precision: Precision::F32,
        roles: vec!["user".to_owned()],
        seed: 1,
        max_gradient_norm: Some(1.0),
    }
}

/// Two people who each always say the same.
fn conversations() -> Vec<Messages<'static>> {
    let one =
        vec![("user", "w2 w3 w4 w5 w6"), ("partner", "w20 w21 w22"), ("user", "w7 w8 w9 w10")];
    let two = vec![
        ("partner", "w30 w31 w32 w33 w34 w35"),
        ("user", "w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13"),
    ];
    vec![one, two]
}

fn losses(model: &LanguageModel, adapter: &Adapter, roles: &[&str]) -> f64 {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    let recipe = EvaluationRecipe { sequence_length: 32, batch: 2, roles };
    let evaluations =
        model.evaluate(Some(adapter), &conversations(), &recipe, &resources()).unwrap();
    evaluations.into_iter().sum::<model::Evaluation>().roles.loss().unwrap()
}

/// Trains and returns the adapter after it.
fn trained(
    model: &LanguageModel,
    kind: AdapterKind,
    recipe: &TrainingRecipe,
) -> (Adapter, Vec<f32>) {
    let spec = AdapterSpec { targets: Projection::ALL.to_vec(), ..spec(kind) };
    let start = Adapter::initial(model.config(), &spec).unwrap();
    let (update, loss) =
        model.train(&start, &conversations(), recipe, &resources(), &mut |_| {}).unwrap();
    assert!(loss.last < loss.first, "{} {}", loss.first, loss.last);
    let flat: Vec<f32> =
        start.to_flat().iter().zip(update.as_slice()).map(|(start, delta)| start + delta).collect();
    (Adapter::from_flat(model.config(), &spec, &flat).unwrap(), update.into_vec())
}

#[test]
fn every_way_of_training_learns_the_named_role() {
    for name in ["llama", "qwen2"] {
        let model = load(name);
        let start = Adapter::initial(model.config(), &spec(AdapterKind::FfaLora)).unwrap();
        let before = losses(&model, &start, &["user"]);
        let sgd = Optimizer::Sgd { learning_rate: 0.2, momentum: 0.9 };
        for (kind, optimizer, precision) in [
            (AdapterKind::FfaLora, recipe().optimizer, Precision::F32),
            (AdapterKind::Lora, recipe().optimizer, Precision::F32),
            (AdapterKind::FfaLora, sgd, Precision::F32),
            (AdapterKind::FfaLora, recipe().optimizer, Precision::Bf16),
        ] {
            let recipe = TrainingRecipe { optimizer, precision, ..recipe() };
            let (after, _) = trained(&model, kind, &recipe);
            let after = losses(&model, &after, &["user"]);
            assert!(
                after < 0.7 * before,
                "{name} {kind:?} {optimizer:?} {precision:?}: {before} → {after}"
            );
        }
    }
}

#[test]
fn other_roles_are_not_learned() {
    let model = load("llama");
    let start = Adapter::initial(model.config(), &spec(AdapterKind::FfaLora)).unwrap();
    let before = losses(&model, &start, &["partner"]);
    let (user, _) = trained(&model, AdapterKind::FfaLora, &recipe());
    let partner = TrainingRecipe { roles: vec!["partner".to_owned()], ..recipe() };
    let (partner, _) = trained(&model, AdapterKind::FfaLora, &partner);
    assert!(losses(&model, &partner, &["partner"]) < 0.7 * before);
    assert!(losses(&model, &user, &["partner"]) > 0.9 * before);
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let model = load("llama");
    let (_, first) = trained(&model, AdapterKind::FfaLora, &recipe());
    let (_, second) = trained(&model, AdapterKind::FfaLora, &recipe());
    assert!(first == second, "two trainings with one seed differ");
    assert!(first.iter().any(|&value| value != 0.0));
    // Batches smaller than an epoch, so that the order matters.
    let (_, other) =
        trained(&model, AdapterKind::FfaLora, &TrainingRecipe { seed: 2, batch: 1, ..recipe() });
    let (_, small) =
        trained(&model, AdapterKind::FfaLora, &TrainingRecipe { batch: 1, ..recipe() });
    assert!(other != small, "another seed gave the same order");
}

/// Ten rows of 64 tokens are three parts; each thread takes one at a time.
#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let model = load("llama");
    let spec = AdapterSpec { targets: Projection::ALL.to_vec(), ..spec(AdapterKind::Lora) };
    let start = Adapter::initial(model.config(), &spec).unwrap();
    let recipe = TrainingRecipe { steps: 3, batch: 10, sequence_length: 64, ..recipe() };
    let update = |threads| {
        let resources = Resources { threads, stop: StopToken::new() };
        let found =
            model.train(&start, &conversations(), &recipe, &resources, &mut |_| {}).unwrap();
        found.0.into_vec()
    };
    let alone = update(1);
    assert!(alone.iter().any(|&value| value != 0.0));
    for threads in [2, 3] {
        assert!(alone == update(threads), "{threads} threads give another update");
    }
}

#[test]
fn a_gradient_equals_finite_differences() {
    // One plain step without momentum: the update is −rate · gradient of the batch's mean loss, which is the loss
    // over the named role that `evaluate` measures on the same tokens.
    let model = load("llama");
    let spec = AdapterSpec { targets: Projection::ALL.to_vec(), ..spec(AdapterKind::Lora) };
    let start =
        crate::adapters::busy(model.config(), AdapterKind::Lora, &Projection::ALL).to_flat();
    let conversation = vec![conversations().remove(1)];
    let loss = |flat: &[f32]| {
        let adapter = Adapter::from_flat(model.config(), &spec, flat).unwrap();
        let recipe =
            EvaluationRecipe { sequence_length: 64, batch: 1, roles: vec!["user".to_owned()] };
        model.evaluate(Some(&adapter), &conversation, &recipe, &resources()).unwrap()[0]
            .roles
            .loss()
            .unwrap()
    };
    let recipe = TrainingRecipe {
        steps: 1,
        batch: 1,
        sequence_length: 64,
        optimizer: Optimizer::Sgd { learning_rate: 1.0, momentum: 0.0 },
        max_gradient_norm: None,
        ..recipe()
    };
    let adapter = Adapter::from_flat(model.config(), &spec, &start).unwrap();
    let (update, local) =
        model.train(&adapter, &conversation, &recipe, &resources(), &mut |_| {}).unwrap();
    assert!((local.first - loss(&start)).abs() < 1e-4, "{} {}", local.first, loss(&start));
    let gradient: Vec<f64> = update.as_slice().iter().map(|&delta| -f64::from(delta)).collect();
    let length = gradient.iter().map(|slope| slope * slope).sum::<f64>().sqrt();
    let step = 2e-3;
    let moved = |sign: f64| -> Vec<f32> {
        start
            .iter()
            .zip(&gradient)
            .map(|(&value, slope)| value + (sign * step * slope / length) as f32)
            .collect()
    };
    let measured = (loss(&moved(1.0)) - loss(&moved(-1.0))) / (2.0 * step);
    assert!((measured - length).abs() < 0.02 * length, "slope {measured}, gradient {length}");
    // And along single parameters, the first of each kind among them.
    for index in [0, 24 * 2 + 5, 400, start.len() - 1] {
        let mut up = start.clone();
        let mut down = start.clone();
        up[index] += 5e-3;
        down[index] -= 5e-3;
        let measured = (loss(&up) - loss(&down)) / 1e-2;
        assert!(
            (measured - gradient[index]).abs() < 0.02 * length.max(1.0),
            "{index}: {measured} {}",
            gradient[index]
        );
    }
}

#[test]
fn progress_counts_every_step_whatever_the_data() {
    let model = load("llama");
    let start = Adapter::initial(model.config(), &spec(AdapterKind::FfaLora)).unwrap();
    let many: Vec<Messages> = (0..50).flat_map(|_| conversations()).collect();
    for data in [conversations(), many] {
        let mut steps = Vec::new();
        let mut heard =
            |progress: model::TrainingProgress| steps.push((progress.step, progress.steps));
        model.train(&start, &data, &recipe(), &resources(), &mut heard).unwrap();
        assert_eq!(steps, (1..=30).map(|step| (step, 30)).collect::<Vec<_>>());
    }
}

#[test]
fn a_training_without_end_stops_when_told() {
    let model = load("llama");
    let start = Adapter::initial(model.config(), &spec(AdapterKind::FfaLora)).unwrap();
    let resources = resources();
    let (begun, wait) = mpsc::channel();
    let stop = resources.stop.clone();
    let stopper = std::thread::spawn(move || {
        wait.recv_timeout(Duration::from_secs(60)).unwrap();
        stop.stop();
        Instant::now()
    });
    let endless = TrainingRecipe { steps: usize::MAX / 8, ..recipe() };
    let mut heard = |_| {
        // Told again and again; only the first time is listened to.
        let _ = begun.send(());
    };
    let ended = model.train(&start, &conversations(), &endless, &resources, &mut heard);
    assert!(matches!(ended, Err(ModelError::Stopped)));
    stopper.join().unwrap();
}

#[test]
fn recipes_and_data_that_make_no_sense_are_refused() {
    let model = load("llama");
    let start = Adapter::initial(model.config(), &spec(AdapterKind::FfaLora)).unwrap();
    let refused = |recipe: TrainingRecipe| {
        model.train(&start, &conversations(), &recipe, &resources(), &mut |_| {}).unwrap_err()
    };
    assert!(matches!(
        refused(TrainingRecipe { steps: 0, ..recipe() }),
        ModelError::Recipe { key: "steps", .. }
    ));
    assert!(matches!(
        refused(TrainingRecipe { roles: vec![], ..recipe() }),
        ModelError::Recipe { key: "roles", .. }
    ));
    assert!(matches!(
        refused(TrainingRecipe { sequence_length: 65, ..recipe() }),
        ModelError::TooLong { .. }
    ));
    let bad = Optimizer::Sgd { learning_rate: -1.0, momentum: 0.0 };
    assert!(matches!(
        refused(TrainingRecipe { optimizer: bad, ..recipe() }),
        ModelError::Recipe { key: "learning_rate", .. }
    ));
    let nobody = TrainingRecipe { roles: vec!["nobody".to_owned()], ..recipe() };
    assert!(matches!(refused(nobody), ModelError::NothingToTrain { conversations: 2, .. }));
    let wild = Optimizer::Sgd { learning_rate: 1e30, momentum: 0.0 };
    let wild = TrainingRecipe { optimizer: wild, max_gradient_norm: None, ..recipe() };
    assert!(matches!(refused(wild), ModelError::Diverged { .. }));
}

/// What is decided by private text must not show in how long a training takes.
#[test]
fn a_training_that_diverges_takes_all_its_steps() {
    let model = load("llama");
    let start = Adapter::initial(model.config(), &spec(AdapterKind::FfaLora)).unwrap();
    let optimizer = Optimizer::Sgd { learning_rate: 1e30, momentum: 0.0 };
    let wild = TrainingRecipe { steps: 6, optimizer, max_gradient_norm: None, ..recipe() };
    let mut taken = Vec::new();
    let mut heard = |progress: model::TrainingProgress| taken.push(progress.step);
    let ended = model.train(&start, &conversations(), &wild, &resources(), &mut heard);
    let Err(ModelError::Diverged { step }) = ended else { panic!("{ended:?}") };
    assert!(step < 6, "{step}");
    assert_eq!(taken, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn an_update_does_not_print_itself() {
    let model = load("llama");
    let start = Adapter::initial(model.config(), &spec(AdapterKind::FfaLora)).unwrap();
    let once = TrainingRecipe { steps: 1, ..recipe() };
    let (update, _) =
        model.train(&start, &conversations(), &once, &resources(), &mut |_| {}).unwrap();
    assert_eq!(format!("{update:?}"), "Update(192 parameters)");
}
