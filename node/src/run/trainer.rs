//! The thread that owns libtorch: it trains when ordered, and stops within a second.

use std::{sync::mpsc as blocking, thread};

use anyhow::Context as _;
use model::{LanguageModel, Resources, StopToken};
use protocol::node::{Input, TrainOrder};
use tokio::sync::mpsc;
use wire::Genesis;

use crate::{home::Home, language, local_round};

/// Orders for the training thread.
pub(super) struct Trainer {
    orders: blocking::Sender<TrainOrder>,
    stop: StopToken,
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
        let model = language::load_base(&home.config.model.folder, &genesis)?;
        let (orders, waiting) = blocking::channel::<TrainOrder>();
        let stop = StopToken::new();
        let resources =
            Resources { threads: home.config.training.threads.max(1), stop: stop.clone() };
        thread::Builder::new()
            .name("trainer".into())
            .spawn(move || {
                for order in waiting {
                    let input = match train(&home, &model, &genesis, order, &resources) {
                        Ok(trained) => trained,
                        Err(error) => {
                            tracing::warn!("training failed: {error:#}");
                            Input::TrainingFailed
                        }
                    };
                    if inputs.blocking_send(input).is_err() {
                        return;
                    }
                }
            })
            .context("cannot start the training thread")?;
        Ok(Self { orders, stop })
    }

    /// Orders a training.
    pub fn order(&self, order: TrainOrder) {
        if self.orders.send(order).is_err() {
            tracing::error!("the training thread has ended");
        }
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        self.stop.stop();
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
    let (conversations, replaced) = local_round::training_conversations(&store, &words)?;
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
