//! What the coordinator has said of each round: plans, rosters, R2s and lists of survivors, by their
//! hashes, as the nodes hear them.

use std::collections::BTreeMap;

use secagg::EphemeralPublic;
use wire::{
    Advertise, ClosedHash, NodeId, Plan, PlanHash, Roster, RosterHash, SharesClosed, Signed,
    Survivors, SurvivorsHash, ToNode,
};

/// Everything that was said, honest or not; each thing is named by its hash.
#[derive(Default)]
pub(super) struct Said {
    plans: BTreeMap<PlanHash, Plan>,
    rosters: BTreeMap<RosterHash, Listed>,
    closed: BTreeMap<ClosedHash, SharesClosed>,
    survivors: BTreeMap<SurvivorsHash, Survivors>,
}

/// A roster.
pub(super) struct Listed {
    plan: PlanHash,
    /// Who is on it.
    pub ids: Vec<NodeId>,
    /// Their keys; empty if one cannot be read, as only a hostile coordinator's can.
    pub keys: Vec<EphemeralPublic>,
}

/// One R2 with all that it hangs on.
pub(super) struct Terms<'a> {
    /// The plan's hash.
    pub round: PlanHash,
    /// The plan.
    pub plan: &'a Plan,
    /// The roster.
    pub roster: &'a Listed,
    /// R2.
    pub closed: &'a SharesClosed,
}

impl Said {
    /// Remembers what everybody must see alike.
    pub fn hear(&mut self, message: &ToNode) {
        match message {
            ToNode::Plan(plan) => self.hear_plan(plan),
            ToNode::Roster(roster) => self.hear_roster(roster),
            ToNode::Inbox(inbox) => {
                let (signer, hash) = (inbox.closed.claimed_signer(), inbox.closed.hash());
                if let Some(closed) = unknown(&self.closed, hash, || inbox.closed.check(signer)) {
                    self.closed.insert(hash, closed.into_value());
                }
            }
            ToNode::Survivors(survivors) => {
                let (signer, hash) = (survivors.claimed_signer(), survivors.hash());
                if let Some(read) = unknown(&self.survivors, hash, || survivors.check(signer)) {
                    self.survivors.insert(hash, read.into_value());
                }
            }
            _ => {}
        }
    }

    fn hear_plan(&mut self, plan: &Signed<Plan>) {
        let (signer, hash) = (plan.claimed_signer(), plan.hash());
        if let Some(read) = unknown(&self.plans, hash, || plan.check(signer)) {
            self.plans.insert(hash, read.into_value());
        }
    }

    fn hear_roster(&mut self, roster: &Signed<Roster>) {
        let (signer, hash) = (roster.claimed_signer(), roster.hash());
        if let Some(read) = unknown(&self.rosters, hash, || roster.check(signer)) {
            let ids = read.members.iter().map(Signed::claimed_signer).collect();
            let keys: Option<Vec<_>> = read.members.iter().map(keys_of).collect();
            let keys = keys.unwrap_or_default();
            self.rosters.insert(hash, Listed { plan: read.plan, ids, keys });
        }
    }

    /// A list of survivors with the R2 that it is a part of; what was never said, where something is missing.
    pub fn survivors(&self, hash: SurvivorsHash) -> Result<(&Survivors, Terms<'_>), String> {
        let survivors = self.survivors.get(&hash).ok_or_else(|| never_said("survivors"))?;
        Ok((survivors, self.terms(survivors.closed)?))
    }

    /// An R2; what was never said, where something is missing.
    pub fn terms(&self, closed: ClosedHash) -> Result<Terms<'_>, String> {
        let closed = self.closed.get(&closed).ok_or_else(|| never_said("an R2"))?;
        let roster = self.rosters.get(&closed.roster).ok_or_else(|| never_said("a roster"))?;
        let plan = self.plans.get(&closed.plan).ok_or_else(|| never_said("a plan"))?;
        if roster.plan != closed.plan {
            return Err("revealed for a roster of another plan".to_owned());
        }
        Ok(Terms { round: closed.plan, plan, roster, closed })
    }
}

fn never_said(what: &str) -> String {
    format!("revealed for {what} that the coordinator never sent")
}

fn keys_of(member: &Signed<Advertise>) -> Option<EphemeralPublic> {
    let advertise = member.check(member.claimed_signer()).ok()?;
    let (mask_key, seal_key) = (advertise.mask_key, advertise.seal_key);
    EphemeralPublic::new(mask_key, seal_key, advertise.seed_commitment).ok()
}

fn unknown<K: Ord, V, T, E>(
    known: &BTreeMap<K, V>,
    key: K,
    read: impl FnOnce() -> Result<T, E>,
) -> Option<T> {
    if known.contains_key(&key) { None } else { read().ok() }
}
