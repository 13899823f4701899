//! After a restart: a round whose sum was fixed is finished with the same bytes; any other one
//! that was going on is aborted, signed and linked (ARCHITECTURE.md, *A round*: restart rule).

use std::collections::BTreeSet;

use wire::{AbortReason, Round, Transcript};

use super::{
    Coordinator, Effect, Event, Phase, Record,
    context::Context,
    revealing::{Fixed, Revealing},
    unfinished::{Again, Unfinished},
};
use crate::time::Time;

impl Coordinator {
    pub(super) fn resume(&mut self, unfinished: Unfinished, now: Time, effects: &mut Vec<Effect>) {
        let Unfinished { transcript, again } = unfinished;
        let Some(round) = self.round_of(&transcript) else { return };
        self.last_round = self.last_round.max(round);
        if self.chain.last_round() >= round {
            return effects.push(Effect::Persist(Record::Finished(Box::new(transcript))));
        }
        let mut context = Context {
            key: &self.key,
            settings: &self.settings,
            chain: &mut self.chain,
            state: &mut self.state,
            base_loss_micro: self.base_loss_micro,
            present: &self.present,
            heads: &mut self.heads,
            pace: &mut self.pace,
            conduct: &mut self.conduct,
            kept_conduct: &mut self.kept_conduct,
            now,
            effects,
        };
        self.phase = match again {
            Some(again) => {
                context.report(Event::Resumed { round });
                let Again { terms, roster, closed, survivors, sum } = *again;
                // A header that was persisted here and not in the chain was never said.
                let transcript =
                    Transcript { reveals: Vec::new(), header: None, record: None, ..transcript };
                let fixed = Fixed { terms, transcript, roster, closed, survivors };
                Phase::Revealing(Revealing::resume(fixed, sum, &mut context))
            }
            None => context.abort(round, transcript, AbortReason::Interrupted, BTreeSet::new()),
        };
    }

    fn round_of(&self, transcript: &Transcript) -> Option<Round> {
        let plan = transcript.plan.check(super::coordinator_id(&self.key)).ok()?;
        Some(plan.round)
    }
}
