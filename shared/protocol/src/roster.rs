//! The roster of a round, checked: who takes part, with which keys, in which order. Both sides
//! read it with the same function.

use std::{
    cell::RefCell,
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use secagg::{EphemeralPublic, Thresholds};
use wire::{
    Checked, CoordinatorId, LedgerHead, MemberIndex, MemberSet, NodeId, Roster, RosterHash, Signed,
};

use crate::{rejection::Rejection, terms::Terms};

/// One member of a roster.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who it is.
    pub id: NodeId,
    /// Its keys of this round.
    pub keys: EphemeralPublic,
    /// Its ledger as it showed it.
    pub ledger: Checked<LedgerHead>,
}

/// A checked roster.
#[derive(Clone, Debug)]
pub struct RosterView(Arc<View>);

#[derive(Debug)]
struct View {
    signed: Checked<Roster>,
    members: Vec<Member>,
    thresholds: Thresholds,
}

/// So many rosters are remembered by each thread.
const KNOWN: usize = 4;

thread_local! {
    /// The last rosters that were read: one comes when it closes, and again with its round's evidence.
    static READ: RefCell<VecDeque<RosterView>> = const { RefCell::new(VecDeque::new()) };
}

impl RosterView {
    /// Checks the coordinator's signature, the terms, every member's signature and the order. What comes
    /// out depends on the roster's bytes and the plan alone, so the very same roster under the same plan
    /// is not read again.
    pub fn read(
        roster: &Signed<Roster>,
        coordinator: CoordinatorId,
        terms: &Terms,
    ) -> Result<Self, Rejection> {
        let is_same = |known: &&Self| {
            known.0.signed.signer() == coordinator
                && known.0.signed.plan == terms.plan_hash()
                && known.0.signed.signed() == roster
        };
        if let Some(known) = READ.with_borrow(|read| read.iter().find(is_same).cloned()) {
            return Ok(known);
        }
        let view = Self(Arc::new(View::read(roster, coordinator, terms)?));
        READ.with_borrow_mut(|read| {
            read.truncate(KNOWN - 1);
            read.push_front(view.clone());
        });
        Ok(view)
    }

    /// The hash that names the roster.
    pub fn hash(&self) -> RosterHash {
        self.0.signed.hash()
    }

    /// The signed message.
    pub fn signed(&self) -> &Checked<Roster> {
        &self.0.signed
    }

    /// The members in order.
    pub fn members(&self) -> &[Member] {
        &self.0.members
    }

    /// One member.
    pub fn member(&self, index: MemberIndex) -> Option<&Member> {
        self.members().get(index.get())
    }

    /// The ids of some members.
    pub fn ids(&self, members: MemberSet) -> BTreeSet<NodeId> {
        members.iter().filter_map(|member| Some(self.member(member)?.id)).collect()
    }

    /// A node's place, if it is on the roster.
    pub fn place(&self, node: NodeId) -> Option<MemberIndex> {
        let place = self.members().binary_search_by_key(&node, |member| member.id).ok()?;
        u8::try_from(place).ok().map(MemberIndex)
    }

    /// How many members there are.
    pub fn size(&self) -> usize {
        self.members().len()
    }

    /// All of them.
    pub fn everybody(&self) -> MemberSet {
        MemberSet::first(self.size())
    }

    /// How many shares give a secret.
    pub fn thresholds(&self) -> Thresholds {
        self.0.thresholds
    }

    /// t.
    pub fn threshold(&self) -> usize {
        self.thresholds().threshold()
    }

    /// Everybody's keys, in order.
    pub fn keys(&self) -> Vec<EphemeralPublic> {
        self.members().iter().map(|member| member.keys).collect()
    }
}

impl View {
    fn read(
        roster: &Signed<Roster>,
        coordinator: CoordinatorId,
        terms: &Terms,
    ) -> Result<Self, Rejection> {
        let signed = roster.check(coordinator)?;
        if signed.task != terms.plan().task {
            return Err(Rejection::OtherTask);
        }
        if signed.round != terms.round() {
            return Err(Rejection::OtherRound);
        }
        if signed.plan != terms.plan_hash() {
            return Err(Rejection::OtherTerms);
        }
        let thresholds = terms.thresholds(signed.members.len()).map_err(|_| Rejection::Members)?;
        let members = read_members(&signed, terms)?;
        Ok(Self { signed, members, thresholds })
    }
}

fn read_members(roster: &Roster, terms: &Terms) -> Result<Vec<Member>, Rejection> {
    let mut members: Vec<Member> = Vec::with_capacity(roster.members.len());
    for (place, signed) in roster.members.iter().enumerate() {
        let id = signed.claimed_signer();
        if members.last().is_some_and(|before| before.id >= id) {
            return Err(Rejection::Members);
        }
        let member = read_advertise(signed, id, terms, MemberIndex(place as u8))?;
        members.push(member);
    }
    Ok(members)
}

/// Checks one member's advertisement: its signature, terms, keys and ledger head.
pub fn read_advertise(
    signed: &Signed<wire::Advertise>,
    id: NodeId,
    terms: &Terms,
    place: MemberIndex,
) -> Result<Member, Rejection> {
    let advertise = signed.check(id)?;
    if advertise.task != terms.plan().task {
        return Err(Rejection::OtherTask);
    }
    if advertise.round != terms.round() {
        return Err(Rejection::OtherRound);
    }
    if advertise.plan != terms.plan_hash() {
        return Err(Rejection::OtherTerms);
    }
    let (mask_key, seal_key) = (advertise.mask_key, advertise.seal_key);
    let keys = EphemeralPublic::new(mask_key, seal_key, advertise.seed_commitment)
        .map_err(|_| Rejection::Keys(place))?;
    let ledger = advertise.ledger.check(id)?;
    if ledger.task != terms.plan().task {
        return Err(Rejection::OtherTask);
    }
    Ok(Member { id, keys, ledger })
}
