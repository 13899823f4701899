//! Phases 0 to 2: the plan is out; nodes train, then advertise. The roster closes when everybody
//! present has advertised, when it is full, or with the window.

use std::collections::{BTreeMap, BTreeSet};

use wire::{
    AbortReason, Advertise, MAX_MEMBERS, MemberIndex, NodeId, Roster, Signed, ToCoordinator,
    ToNode, Transcript,
};

use super::{Effect, Event, Phase, Record, Step, context::Context, pace, sharing::Sharing};
use crate::{
    rejection::Rejection,
    roster::{RosterView, read_advertise},
    terms::{ROSTER_MIN, Terms},
    time::Time,
};

/// A round between its plan and its roster.
pub(super) struct Recruiting {
    terms: Terms,
    transcript: Transcript,
    advertised: BTreeMap<NodeId, Signed<Advertise>>,
    opened: Time,
    closes: Time,
}

impl Recruiting {
    pub fn begin(
        terms: Terms,
        transcript: Transcript,
        now: Time,
        effects: &mut Vec<Effect>,
    ) -> Self {
        let windows = &terms.plan().windows;
        // A node may advertise at the very end of its window, which opens when the plan arrives, and a late
        // one at the end of a window of its own; half a shares window is left for the way there and back.
        let advertising = windows.advertise_ms.saturating_mul(2);
        let closes = now + windows.train_ms + advertising + windows.shares_ms / 2;
        effects.push(Effect::Wake(closes));
        Self { terms, transcript, advertised: BTreeMap::new(), opened: now, closes }
    }

    /// When it must look at the clock again.
    pub fn alarm(&self) -> Time {
        self.closes
    }

    pub fn question_for(&self, node: NodeId) -> Option<ToNode> {
        let asked = !self.advertised.contains_key(&node);
        asked.then(|| ToNode::Plan(self.terms.plan().signed().clone()))
    }

    pub fn handle(mut self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Message { from, message: ToCoordinator::Advertise(advertise) } => {
                if let Err(why) = self.take(from, advertise, context) {
                    context.reject(from, why, &mut self.transcript);
                }
                self.close_if_due(context)
            }
            Step::Wake | Step::Gone => self.close_if_due(context),
            step => context.out_of_phase(step, Phase::Recruiting(self)),
        }
    }

    fn take(
        &mut self,
        from: NodeId,
        signed: Signed<Advertise>,
        context: &mut Context<'_>,
    ) -> Result<(), Rejection> {
        match self.advertised.get(&from) {
            Some(known) if *known == signed => return Ok(()),
            Some(_) => return Err(Rejection::Contradiction),
            None => {}
        }
        let place = MemberIndex(u8::try_from(self.advertised.len()).unwrap_or(u8::MAX));
        let member = read_advertise(&signed, from, &self.terms, place)?;
        if self.advertised.len() >= MAX_MEMBERS {
            return Err(Rejection::Members);
        }
        match context.heads.get(&from) {
            Some(seen) if seen.sequence > member.ledger.sequence => {
                let message = ToNode::LaterHead(seen.signed().clone());
                context.effects.push(Effect::Send { to: from, message });
            }
            Some(seen)
                if seen.sequence == member.ledger.sequence && seen.head != member.ledger.head =>
            {
                // Its ledger parted from the one that was seen; it learns so, and charges for it.
                let message = ToNode::LaterHead(seen.signed().clone());
                context.effects.push(Effect::Send { to: from, message });
                return Err(Rejection::Fork);
            }
            _ => {
                context.heads.insert(from, member.ledger);
            }
        }
        self.advertised.insert(from, signed);
        Ok(())
    }

    fn close_if_due(self, context: &mut Context<'_>) -> Phase {
        let round = self.terms.round();
        let is_welcome = |node: &NodeId| !context.conduct.is_left_out(*node, round);
        let welcome = self.advertised.keys().filter(|node| is_welcome(node)).count();
        // Nobody waits for those who will be left out, unless they are needed.
        let spare = self.is_enough(welcome);
        let has_come = |node: &NodeId| self.advertised.contains_key(node);
        let everybody = self.advertised.len() >= ROSTER_MIN
            && context.present.iter().all(|node| has_come(node) || spare && !is_welcome(node));
        let complete = everybody || self.advertised.len() >= MAX_MEMBERS;
        if complete || context.now >= self.closes {
            return self.close(complete, context);
        }
        Phase::Recruiting(self)
    }

    fn is_enough(&self, members: usize) -> bool {
        members >= ROSTER_MIN && members >= self.terms.survivors_needed(members)
    }

    /// Who will be on the roster: whoever has spoilt the last rounds is left out, if that leaves enough.
    fn choose(&self, context: &mut Context<'_>) -> BTreeMap<NodeId, Signed<Advertise>> {
        let round = self.terms.round();
        let (left_out, chosen): (BTreeMap<_, _>, BTreeMap<_, _>) = self
            .advertised
            .clone()
            .into_iter()
            .partition(|(node, _)| context.conduct.is_left_out(*node, round));
        if !self.is_enough(chosen.len()) || self.terms.thresholds(chosen.len()).is_err() {
            return self.advertised.clone();
        }
        left_out.into_keys().for_each(|node| context.report(Event::LeftOut { round, node }));
        chosen
    }

    fn close(self, everybody: bool, context: &mut Context<'_>) -> Phase {
        let advertised = self.choose(context);
        let Self { terms, mut transcript, opened, .. } = self;
        match everybody {
            true => context.pace.advertised(&terms.plan().windows, opened, context.now),
            false => context.pace.incomplete(pace::Phase::Train),
        }
        let size = advertised.len();
        if size < ROSTER_MIN || size < terms.survivors_needed(size) {
            let reason = AbortReason::TooFewAdvertised;
            return context.abort(terms.round(), transcript, reason, BTreeSet::new());
        }
        // Decided by the plan and the size alone.
        if terms.thresholds(size).is_err() {
            let reason = AbortReason::NoThreshold;
            return context.abort(terms.round(), transcript, reason, BTreeSet::new());
        }
        let roster = context.sign(Roster {
            task: terms.plan().task,
            round: terms.round(),
            plan: terms.plan_hash(),
            members: advertised.into_values().collect(),
        });
        // Unwrap safety: every member was read when it advertised, and there is a threshold.
        let view = RosterView::read(roster.signed(), roster.signer(), &terms)
            .expect("a roster of members that were read is one");
        transcript.roster = Some(roster.signed().clone());
        let heads = context.heads.values().map(|head| head.signed().clone()).collect();
        context.effects.push(Effect::Persist(Record::Heads(heads)));
        context.report(Event::Rostered { round: terms.round(), members: view.size() });
        Phase::Sharing(Sharing::begin(terms, transcript, view, context))
    }
}
