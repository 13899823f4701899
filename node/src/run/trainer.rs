//! The thread that owns libtorch: it trains when ordered, and stops within a second.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::Context as _;
use model::{LanguageModel, Resources, StopToken};
use protocol::node::{Input, TrainOrder};
use tokio::sync::mpsc;
use wire::Genesis;

use crate::{home::Home, language, local_round};

/// Orders for the training thread: the newest one counts, and ends the one before.
pub(super) struct Trainer {
    desk: Arc<Desk>,
}

/// Where an order lies until the thread takes it.
#[derive(Default)]
struct Desk {
    state: Mutex<DeskState>,
    changed: Condvar,
}

#[derive(Default)]
struct DeskState {
    order: Option<TrainOrder>,
    running: StopToken,
    closed: bool,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, DeskState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for an order, and for the token that ends it; none when the node stops.
    fn take(&self) -> Option<(TrainOrder, StopToken)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(order) = state.order.take() {
                state.running = StopToken::new();
                return Some((order, state.running.clone()));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Trainer {
    /// Starts the thread. The base model is loaded at once, so that a wrong one is an error
    /// before the node says that it is ready.
    ///
    /// # Errors
    /// If the model folder does not hold the task's base model.
    pub fn start(
        home: Home,
        genesis: Genesis,
        inputs: mpsc::Sender<Input>,
    ) -> anyhow::Result<Self> {
        let model = language::load_base(&home.config, &genesis)?;
        let desk = Arc::new(Desk::default());
        let own = desk.clone();
        thread::Builder::new()
            .name("trainer".into())
            .spawn(move || {
                while let Some((order, stop)) = own.take() {
                    let threads = home.config.training.threads.max(1);
                    let key = order.key.clone();
                    let resources = Resources { threads, stop };
                    let input = match train(&home, &model, &genesis, order, &resources) {
                        Ok(trained) => trained,
                        Err(error) => {
                            tracing::warn!("training ended without an update: {error:#}");
                            Input::TrainingFailed(key)
                        }
                    };
                    if inputs.blocking_send(input).is_err() {
                        return;
                    }
                }
            })
            .context("cannot start the training thread")?;
        Ok(Self { desk })
    }

    /// Orders a training.
    pub fn order(&self, order: TrainOrder) {
        let mut state = self.desk.lock();
        state.running.stop();
        state.order = Some(order);
        self.desk.changed.notify_one();
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        let mut state = self.desk.lock();
        state.running.stop();
        state.closed = true;
        self.desk.changed.notify_one();
    }
}

fn train(
    home: &Home,
    model: &LanguageModel,
    genesis: &Genesis,
    order: TrainOrder,
    resources: &Resources,
) -> anyhow::Result<Input> {
    let store = home.conversations()?;
    let words = home.private_words()?;
    let (conversations, replaced) = local_round::training_conversations(
        &store,
        &words,
        order.round,
        &order.recipe,
        &home.config.training.roles,
    )?;
    drop(store);
    tracing::info!(
        "training on {} conversations; {} private details replaced",
        conversations.len(),
        replaced.total()
    );
    let (adapter, config) = (&genesis.adapter, &home.config.training);
    let trained = local_round::train(
        model,
        order,
        adapter,
        &conversations,
        config,
        resources,
        &mut |progress| tracing::debug!(step = progress.step, steps = progress.steps, "training"),
    )?;
    Ok(Input::Trained(trained))
}
