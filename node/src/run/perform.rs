//! Performs the machine's effects, in order; a `Persist` is durable before the next one.

use anyhow::Context as _;
use network::{Handle, PeerKey};
use program::Output;
use protocol::{
    Entropy, Time,
    node::{Effect, Event, Input, Job, Record},
};
use rand::{TryRng as _, rngs::SysRng};
use serde_json::json;
use store::LedgerFile;
use tokio::sync::mpsc;
use wire::Gossip;

use super::{
    fetch::Fetcher,
    outbox::Outbox,
    tell::{tell, value},
    trainer::Trainer,
};
use crate::{status::Status, task::TaskFiles};

/// Everything that an effect can touch.
pub(super) struct Performer {
    pub files: TaskFiles,
    pub ledger: LedgerFile,
    pub outbox: Outbox,
    pub fetcher: Fetcher,
    pub trainer: Trainer,
    pub network: Handle,
    pub inputs: mpsc::Sender<Input>,
    pub wake: Option<Time>,
    pub status: Status,
    pub output: Output,
    pub rejections: u64,
}

impl Performer {
    /// Performs effects in order.
    ///
    /// # Errors
    /// If something was not durably written: nothing after it is performed, and the program must
    /// stop.
    pub fn perform(&mut self, effects: Vec<Effect>) -> anyhow::Result<()> {
        for effect in effects {
            match effect {
                Effect::Persist(record) => self.persist(&record)?,
                Effect::Send(message) => self.outbox.push(message),
                Effect::Wake(at) => self.wake = Some(at),
                Effect::Train(order) => self.trainer.order(order),
                Effect::Work(job) => self.work(job)?,
                Effect::FetchHeaders { from } => self.fetcher.headers(from),
                Effect::FetchState(hash) => {
                    self.fetcher.state(hash, self.files.states());
                }
                Effect::FetchRecord(hash) => self.fetcher.record(hash),
                Effect::Reject(why) => {
                    self.rejections += 1;
                    tracing::warn!("refused a message of the coordinator: {why}");
                }
                Effect::Report(event) => self.report(&event)?,
            }
        }
        Ok(())
    }

    fn persist(&mut self, record: &Record) -> anyhow::Result<()> {
        tokio::task::block_in_place(|| match record {
            Record::Ledger(bytes) => Ok(self.ledger.append(bytes)?),
            record => self.files.persist(record),
        })
        .context("the node stops: what must be kept could not be written")
    }

    fn work(&self, job: Job) -> anyhow::Result<()> {
        let mut bytes = [0; 32];
        SysRng.try_fill_bytes(&mut bytes).context("the operating system gives no randomness")?;
        let (entropy, inputs) = (Entropy::new(bytes), self.inputs.clone());
        tokio::task::spawn_blocking(move || {
            let _ = inputs.blocking_send(Input::Worked(job.run(entropy)));
        });
        Ok(())
    }

    fn report(&mut self, event: &Event) -> anyhow::Result<()> {
        let line = tell(event, &mut self.status);
        self.output.line(&value(event, &line))?;
        Ok(self.output.say(line)?)
    }

    /// A sentence that is not the machine's.
    pub fn say(&self, event: &str, words: &str) -> anyhow::Result<()> {
        self.output.line(&json!({ "event": event, "words": words }))?;
        Ok(self.output.say(words)?)
    }

    /// Tells everybody how long this node's ledger is, so that a restored backup is noticed.
    pub fn gossip(&self, message: Gossip) {
        let network = self.network.clone();
        tokio::spawn(async move {
            if let Err(error) = network.publish(message).await {
                tracing::debug!(%error, "gossip was not told");
            }
        });
    }
}

/// The coordinator's key as the network names it.
pub(super) fn peer(coordinator: wire::CoordinatorId) -> PeerKey {
    PeerKey(coordinator.0)
}
