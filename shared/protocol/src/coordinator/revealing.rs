//! Phase 5b: shares are revealed, one kind for every member of R2. All that fixes the sum is
//! durable before anybody is asked, so that a restart ends in the same sum or in none.

use std::collections::BTreeMap;

use secagg::{MaskContext, RunningSum, Secret32, Share};
use wire::{
    AbortReason, Checked, MemberIndex, MemberSet, NodeId, Reveal, RevealedShare, ShareKind,
    SharesClosed, Signed, Survivors, ToCoordinator, ToNode, Transcript,
};

use super::{Effect, Phase, Record, Step, context::Context, issuing::Unmasking, pace};
use crate::{job::UnmaskJob, rejection::Rejection, roster::RosterView, terms::Terms, time::Time};

/// What fixes a sum.
pub(super) struct Fixed {
    pub terms: Terms,
    pub transcript: Transcript,
    pub roster: RosterView,
    pub closed: Checked<SharesClosed>,
    pub survivors: Checked<Survivors>,
}

/// A round between its agreement and its shares.
pub(super) struct Revealing {
    fixed: Fixed,
    /// Of the survivors' contributions.
    sum: RunningSum,
    revealed: BTreeMap<MemberIndex, (Signed<Reveal>, Vec<RevealedShare>)>,
    opened: Time,
    closes: Time,
    /// After a restart: until when enough shares are waited for, since nodes find back one by one.
    patience: Time,
}

/// How long a node may take to find back to a coordinator that was restarted: the longest pause of
/// the network between two tries, in milliseconds.
const FINDS_BACK_MS: u32 = 60_000;

impl Revealing {
    pub fn begin(fixed: Fixed, sum: RunningSum, context: &mut Context<'_>) -> Self {
        let record = Record::Round(Box::new(fixed.transcript.clone()));
        context.effects.push(Effect::Persist(record));
        Self::ask(fixed, sum, 0, context)
    }

    /// Asks again after a restart.
    pub fn resume(fixed: Fixed, sum: RunningSum, context: &mut Context<'_>) -> Self {
        Self::ask(fixed, sum, FINDS_BACK_MS, context)
    }

    fn ask(fixed: Fixed, sum: RunningSum, patience_ms: u32, context: &mut Context<'_>) -> Self {
        let question = ToNode::Agreements(fixed.transcript.agreements.clone());
        let nodes: Vec<NodeId> = fixed.survivor_nodes().collect();
        context.send_all(nodes, &question);
        let closes = context.now + fixed.terms.plan().windows.reveal_ms;
        context.wake(closes);
        let (opened, patience) = (context.now, closes + patience_ms);
        Self { fixed, sum, revealed: BTreeMap::new(), opened, closes, patience }
    }

    /// When it must look at the clock again.
    pub fn alarm(&self, now: Time) -> Time {
        if now < self.closes { self.closes } else { self.patience }
    }

    pub fn question_for(&self, node: NodeId) -> Option<ToNode> {
        let place = self.fixed.roster.place(node)?;
        let asked =
            self.fixed.survivors.members.contains(place) && !self.revealed.contains_key(&place);
        asked.then(|| ToNode::Agreements(self.fixed.transcript.agreements.clone()))
    }

    pub fn handle(mut self, step: Step, context: &mut Context<'_>) -> Phase {
        match step {
            Step::Message { from, message: ToCoordinator::Reveal(reveal) } => {
                if let Err(why) = self.take(from, reveal) {
                    context.reject(from, why, &mut self.fixed.transcript);
                }
                self.close_if_due(context)
            }
            Step::Wake => self.close_if_due(context),
            Step::Gone => Phase::Revealing(self),
            step => context.out_of_phase(step, Phase::Revealing(self)),
        }
    }

    fn take(&mut self, from: NodeId, signed: Signed<Reveal>) -> Result<(), Rejection> {
        let place = self.fixed.roster.place(from).ok_or(Rejection::NotAMember)?;
        if !self.fixed.survivors.members.contains(place) {
            return Err(Rejection::NotAMember);
        }
        match self.revealed.get(&place) {
            Some((known, _)) if *known == signed => return Ok(()),
            Some(_) => return Err(Rejection::Contradiction),
            None => {}
        }
        let reveal = signed.check(from)?;
        let survivors = &self.fixed.survivors;
        if reveal.task != survivors.task || reveal.round != survivors.round {
            return Err(Rejection::OtherRound);
        }
        if reveal.survivors != survivors.hash() {
            return Err(Rejection::OtherTerms);
        }
        self.fixed.check_kinds(&reveal.shares)?;
        self.revealed.insert(place, (signed, reveal.into_value().shares));
        Ok(())
    }

    fn close_if_due(self, context: &mut Context<'_>) -> Phase {
        let everybody = self.revealed.len() == self.fixed.survivors.members.len();
        let due = context.now >= self.patience || context.now >= self.closes && self.is_enough();
        if everybody || due {
            return self.close(everybody, context);
        }
        Phase::Revealing(self)
    }

    /// Whether t shares of every secret are here.
    fn is_enough(&self) -> bool {
        let threshold = self.fixed.roster.threshold();
        let shares = || self.revealed.values().map(|(_, shares)| shares);
        self.fixed.closed.members.iter().all(|owner| {
            let holds = |shares: &&Vec<RevealedShare>| shares.iter().any(|s| s.member == owner);
            shares().filter(holds).count() >= threshold
        })
    }

    fn close(self, everybody: bool, context: &mut Context<'_>) -> Phase {
        let Self { mut fixed, sum, revealed, opened, .. } = self;
        match everybody {
            true => context.pace.complete(pace::Phase::Reveal, opened, context.now),
            false => context.pace.incomplete(pace::Phase::Reveal),
        }
        let shares = revealed.iter().map(|(&place, (_, shares))| (place, shares.as_slice()));
        let job = fixed.unmask_job(sum, &shares.collect::<Vec<_>>());
        let complete = fixed.closed.members.len();
        let revealers = revealed.iter().filter(|(_, (_, shares))| shares.len() == complete);
        let missing = fixed.survivors.members.minus(revealers.map(|(&place, _)| place).collect());
        fixed.transcript.reveals = revealed.into_values().map(|(signed, _)| signed).collect();
        match job {
            Some(job) => {
                context.effects.push(Effect::Unmask(Box::new(job)));
                Phase::Unmasking(Unmasking { fixed })
            }
            None => {
                let (round, missing) = (fixed.terms.round(), fixed.roster.ids(missing));
                context.abort(round, fixed.transcript, AbortReason::TooFewReveals, missing)
            }
        }
    }
}

impl Fixed {
    fn survivor_nodes(&self) -> impl Iterator<Item = NodeId> {
        self.survivors.members.iter().map(|member| self.roster.members()[member.get()].id)
    }

    /// Ascending, within R2, a seed share for each survivor and a mask-key share for each other
    /// member; one that never opened may be missing.
    fn check_kinds(&self, shares: &[RevealedShare]) -> Result<(), Rejection> {
        let ascending = shares.windows(2).all(|pair| pair[0].member < pair[1].member);
        let wanted = shares.iter().all(|share| {
            let survived = self.survivors.members.contains(share.member);
            let kind = if survived { ShareKind::Seed } else { ShareKind::MaskKey };
            self.closed.members.contains(share.member) && share.kind == kind
        });
        if ascending && wanted { Ok(()) } else { Err(Rejection::Members) }
    }

    /// The unmasking, once every member of R2 has t shares.
    fn unmask_job(
        &self,
        sum: RunningSum,
        revealed: &[(MemberIndex, &[RevealedShare])],
    ) -> Option<UnmaskJob> {
        let survivors = self.survivors.members;
        let seeds = self.shares_of(survivors, revealed)?;
        let mask_keys = self.shares_of(self.closed.members.minus(survivors), revealed)?;
        Some(UnmaskJob {
            round: self.terms.round(),
            masks: MaskContext {
                plan: self.terms.plan_hash(),
                closed: self.closed.hash(),
                model: self.terms.plan().base,
            },
            roster: self.roster.keys(),
            thresholds: self.roster.thresholds(),
            members: self.closed.members,
            sum,
            seeds,
            mask_keys,
        })
    }

    fn shares_of(
        &self,
        owners: MemberSet,
        revealed: &[(MemberIndex, &[RevealedShare])],
    ) -> Option<Vec<(MemberIndex, Vec<Share>)>> {
        let mut all = Vec::with_capacity(owners.len());
        for owner in owners.iter() {
            let shares: Vec<Share> = revealed
                .iter()
                .filter_map(|(revealer, shares)| {
                    let share = shares.iter().find(|share| share.member == owner)?;
                    Share::new(*revealer, Secret32::new(&share.share)).ok()
                })
                .collect();
            if shares.len() < self.roster.threshold() {
                return None;
            }
            all.push((owner, shares));
        }
        Some(all)
    }
}
