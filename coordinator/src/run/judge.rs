//! The thread that owns the base model and measures candidates, one after the other.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread::{Builder, JoinHandle},
};

use anyhow::Context as _;
use model::StopToken;
use protocol::coordinator::Input;
use version::State;

use super::perform::Outputs;
use crate::gate::Gate;

/// Measures candidates; dropped, it ends within a second or so.
pub(super) struct Judge {
    candidates: Option<Sender<Box<State>>>,
    stop: StopToken,
    thread: Option<JoinHandle<()>>,
}

impl Judge {
    /// Starts the thread; what it finds goes to `outputs`.
    pub fn start(gate: Gate, outputs: Outputs) -> anyhow::Result<Self> {
        let (candidates, waiting) = channel();
        let stop = StopToken::new();
        let token = stop.clone();
        let thread = Builder::new()
            .name("judge".into())
            .spawn(move || work(&gate, &waiting, &outputs, &token))
            .context("the system gives no thread to the judge")?;
        Ok(Self { candidates: Some(candidates), stop, thread: Some(thread) })
    }

    /// Orders a judgement.
    pub fn judge(&self, candidate: Box<State>) -> anyhow::Result<()> {
        let sent =
            self.candidates.as_ref().is_some_and(|candidates| candidates.send(candidate).is_ok());
        anyhow::ensure!(sent, "the judge has ended");
        Ok(())
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        self.stop.stop();
        self.candidates = None;
        if let Some(thread) = self.thread.take() {
            // A panic was printed when it happened.
            let _ = thread.join();
        }
    }
}

fn work(gate: &Gate, waiting: &Receiver<Box<State>>, outputs: &Outputs, stop: &StopToken) {
    for candidate in waiting {
        let judged = gate
            .loss_micro(candidate.parameters(), stop)
            .map(|loss_micro| Input::Judged { loss_micro })
            .context("the gate cannot judge a candidate");
        if outputs.blocking_send(judged).is_err() {
            return;
        }
    }
}
