//! Performs what the machine orders, in order.

use anyhow::Context as _;
use network::Handle;
use protocol::{
    Time,
    coordinator::{Effect, Event, Input, Record},
    job::UnmaskJob,
};
use tokio::sync::mpsc;
use version::Chain;
use wire::Gossip;

use super::{judge::Judge, outbox::Outboxes, tell::Teller};
use crate::records::Records;

/// Where jobs hand back what they found, or why the program cannot go on.
pub(super) type Outputs = mpsc::Sender<anyhow::Result<Input>>;

/// Everything that effects touch.
pub(super) struct Performer {
    pub records: Records,
    pub network: Handle,
    pub outboxes: Outboxes,
    pub judge: Judge,
    pub outputs: Outputs,
    pub teller: Teller,
    /// When the machine wants to be woken.
    pub wake: Option<Time>,
    /// How many versions' states are kept; 0 for all.
    pub keep_versions: u64,
}

impl Performer {
    /// Performs effects in order; the chain is the machine's, after them.
    ///
    /// # Errors
    /// If something could not be kept: the program must end before the next effect.
    pub fn perform(&mut self, effects: Vec<Effect>, chain: &Chain) -> anyhow::Result<()> {
        effects.into_iter().try_for_each(|effect| self.perform_one(effect, chain))
    }

    fn perform_one(&mut self, effect: Effect, chain: &Chain) -> anyhow::Result<()> {
        match effect {
            Effect::Persist(record) => self.persist(&record, chain),
            Effect::Send { to, message } => {
                self.outboxes.push(to, message);
                Ok(())
            }
            Effect::Wake(at) => {
                self.wake = Some(at);
                Ok(())
            }
            Effect::Unmask(job) => {
                self.unmask(*job);
                Ok(())
            }
            Effect::Judge(candidate) => self.judge.judge(candidate),
            Effect::Reject { from, why } => self.teller.reject(from, why),
            Effect::Report(event) => self.report(&event, chain),
        }
    }

    fn persist(&mut self, record: &Record, chain: &Chain) -> anyhow::Result<()> {
        let keep = self.keep_versions;
        let records = &mut self.records;
        tokio::task::block_in_place(|| {
            records.persist(record)?;
            match record {
                Record::Step { state: Some(_), .. } => records.prune(chain, keep),
                _ => Ok(()),
            }
        })
        .context("the coordinator stops: what must be kept could not be written")?;
        // What everybody may know, now that it cannot be forgotten.
        match record {
            Record::Round(round) if round.roster.is_none() && round.header.is_none() => {
                self.gossip(Gossip::Plan(round.plan.clone()));
            }
            Record::Step { header, .. } => self.gossip(Gossip::Head(header.clone())),
            _ => {}
        }
        Ok(())
    }

    fn unmask(&self, job: UnmaskJob) {
        let outputs = self.outputs.clone();
        tokio::task::spawn_blocking(move || {
            // Nobody waits for the sum of a program that has ended.
            let _ = outputs.blocking_send(Ok(Input::Unmasked(job.run())));
        });
    }

    fn report(&mut self, event: &Event, chain: &Chain) -> anyhow::Result<()> {
        self.teller.tell(event, chain)?;
        match event {
            Event::Unplannable(fault) => Err(fault.clone())
                .context("the configuration makes no round: mend coordinator.toml"),
            _ => Ok(()),
        }
    }

    fn gossip(&self, message: Gossip) {
        let network = self.network.clone();
        tokio::spawn(async move {
            if let Err(error) = network.publish(message).await {
                tracing::debug!(%error, "gossip was not told");
            }
        });
    }
}
