//! After a restart: a round whose sum was fixed is finished with the same bytes; any other one
//! that was going on is aborted, signed and linked (design.md section 4, Restart rule).

use std::collections::BTreeSet;

use wire::{AbortReason, Checked, Plan, Round, Transcript};

use super::{
    Coordinator, Effect, Event, Phase, Record,
    context::Context,
    revealing::{Fixed, Revealing},
};
use crate::{
    evidence::{read_closed, read_survivors},
    roster::RosterView,
    terms::Terms,
    time::Time,
};

impl Coordinator {
    pub(super) fn resume(&mut self, transcript: Transcript, now: Time, effects: &mut Vec<Effect>) {
        let Some(round) = self.round_of(&transcript) else { return };
        self.last_round = self.last_round.max(round);
        if self.chain.last_round() >= round {
            return effects.push(Effect::Persist(Record::Finished(Box::new(transcript))));
        }
        let fixed = self.read_fixed(&transcript);
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
        self.phase = match fixed {
            Some(fixed) => {
                context.report(Event::Resumed { round });
                Phase::Revealing(Revealing::resume(fixed, &mut context))
            }
            None => context.abort(round, transcript, AbortReason::Interrupted, BTreeSet::new()),
        };
    }

    fn round_of(&self, transcript: &Transcript) -> Option<Round> {
        let plan = transcript.plan.check(super::coordinator_id(&self.key)).ok()?;
        Some(plan.round)
    }

    /// A transcript with agreements was persisted before anybody was asked for shares.
    fn read_fixed(&self, transcript: &Transcript) -> Option<Fixed> {
        let genesis = self.chain.genesis();
        let plan: Checked<Plan> = transcript.plan.check(genesis.coordinator).ok()?;
        let terms = Terms::read(plan, genesis).ok()?;
        let roster =
            RosterView::read(transcript.roster.as_ref()?, genesis.coordinator, &terms).ok()?;
        let closed = read_closed(transcript.closed.as_ref()?, &roster, &terms, genesis).ok()?;
        let survivors = transcript.survivors.as_ref()?;
        let survivors = read_survivors(survivors, &closed, &roster, &terms, genesis).ok()?;
        if transcript.agreements.len() < roster.threshold() {
            return None;
        }
        // A header that was persisted here and not in the chain was never said.
        let transcript =
            Transcript { reveals: Vec::new(), header: None, record: None, ..transcript.clone() };
        Some(Fixed { terms, transcript, roster, closed, survivors })
    }
}
