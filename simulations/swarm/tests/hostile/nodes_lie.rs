//! A node that lies: about who it is, what it dealt, contributed, agreed to and revealed.

use std::{collections::BTreeMap, convert::Infallible};

use ed25519_dalek::SigningKey;
use protocol::node::Job;
use rand::{TryCryptoRng, TryRng};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use secagg::EphemeralSecrets;
use swarm::{
    Behaviour,
    scenario::{genesis, node_id, node_key},
};
use wire::{
    AbortReason, Checked, Consistency, Contribution, LedgerHash, LedgerHead, SealedShare,
    SealedShares, ShareKind, Signed, ToCoordinator, ToNode,
};

use crate::{
    LIAR, Wire,
    forged::{by_node, open, sign_bytes},
    lying_node, notebook, play,
    stolen::Reading,
};

#[test]
fn an_advertisement_that_another_key_signed_is_refused() {
    let outcome = lying_node(|message| match message {
        ToCoordinator::Advertise(advertise) => {
            let value = advertise.check(advertise.claimed_signer()).unwrap().into_value();
            let other = Checked::sign(value, &SigningKey::from_bytes(&[9; 32]));
            vec![ToCoordinator::Advertise(other.signed().clone())]
        }
        message => vec![message],
    });
    assert!(outcome.rejected("signed by a key that is not the expected one") > 0, "{outcome}");
}

/// Pitfall 17: one message, one byte string.
#[test]
fn other_forms_of_a_message_and_oversized_ones_are_refused() {
    let outcome = lying_node(|message| match message {
        ToCoordinator::Consistency(honest) => {
            let key = node_key(LIAR);
            let longer = [open(&honest).bytes, vec![0]].concat();
            let other_form: Signed<Consistency> = sign_bytes(longer, &key);
            let oversized: Signed<Consistency> = sign_bytes(vec![1; 4096], &key);
            vec![ToCoordinator::Consistency(other_form), ToCoordinator::Consistency(oversized)]
        }
        message => vec![message],
    });
    assert!(
        outcome.rejected("coordinator: signature or form: the signed bytes do not decode") > 1,
        "{outcome}"
    );
}

#[test]
fn shares_for_fewer_members_or_of_another_length_are_refused() {
    let outcome = lying_node(|message| match message {
        ToCoordinator::SealedShares(shares) => {
            let fewer = by_node(LIAR, &shares, |shares| drop(shares.shares.pop()));
            let longer = by_node(LIAR, &shares, |shares| shares.shares[0].ciphertext.push(0));
            vec![ToCoordinator::SealedShares(fewer), ToCoordinator::SealedShares(longer)]
        }
        message => vec![message],
    });
    assert!(outcome.rejected("coordinator: members are out of order") > 0, "{outcome}");
    assert!(outcome.rejected("coordinator: a vector that does not have") > 0, "{outcome}");
}

#[test]
fn a_share_that_does_not_open_is_named_and_survived() {
    let outcome = lying_node(|message| match message {
        ToCoordinator::SealedShares(shares) => {
            let broken = by_node(LIAR, &shares, |shares| shares.shares[2].ciphertext[0] ^= 1);
            vec![ToCoordinator::SealedShares(broken)]
        }
        message => vec![message],
    });
    assert!(outcome.rejected("node: the share of member") > 0, "{outcome}");
    assert!(
        outcome.reports["a share that was dealt to it does not open"] > 0
            && outcome.versions == outcome.rounds,
        "{outcome}"
    );
}

/// Two members say so, and only one of the three can have more liars against it than there may be: it is
/// found out, and after the second time left out.
#[test]
fn a_dealer_whose_shares_do_not_open_is_found_out_and_left_out() {
    let rosters = notebook::<BTreeMap<u64, bool>>();
    let seen = rosters.clone();
    let to_node = Box::new(move |_, message: ToNode| {
        if let ToNode::Roster(roster) = &message {
            let roster = roster.check(roster.claimed_signer()).unwrap();
            let ids = roster.members.iter().map(|member| member.claimed_signer());
            seen.borrow_mut().insert(roster.round.0, ids.clone().any(|id| id == node_id(LIAR)));
        }
        vec![message]
    });
    let to_coordinator = Box::new(|node, message| match message {
        ToCoordinator::SealedShares(shares) if node == LIAR => {
            let broken = by_node(LIAR, &shares, |shares| {
                shares.shares[2].ciphertext[0] ^= 1;
                shares.shares[4].ciphertext[0] ^= 1;
            });
            vec![ToCoordinator::SealedShares(broken)]
        }
        message => vec![message],
    });
    let outcome = play(Wire { liar: Some(LIAR), to_node, to_coordinator });
    let rosters: Vec<bool> = rosters.borrow().values().copied().take(4).collect();
    assert_eq!(rosters, [true, true, false, false], "{outcome}");
    assert_eq!(outcome.versions, outcome.rounds, "{outcome}");
}

/// One that is dealt badly by one liar, again and again, is kept apart from it by turns, and takes part.
#[test]
fn a_fixed_victim_of_one_liar_takes_part_again() {
    const VICTIM: usize = 4;
    let rounds = notebook::<BTreeMap<u64, bool>>();
    let seen = rounds.clone();
    let places = notebook::<BTreeMap<u64, Option<u8>>>();
    let known = places.clone();
    let to_node = Box::new(move |_, message: ToNode| {
        if let ToNode::Roster(roster) = &message {
            let roster = roster.check(roster.claimed_signer()).unwrap();
            let mut ids = roster.members.iter().map(|member| member.claimed_signer());
            let place = ids.position(|id| id == node_id(VICTIM)).map(|place| place as u8);
            known.borrow_mut().insert(roster.round.0, place);
        }
        vec![message]
    });
    let to_coordinator = Box::new(move |node, message| match message {
        ToCoordinator::SealedShares(shares) if node == LIAR => {
            let round = shares.check(shares.claimed_signer()).unwrap().round.0;
            let victim = places.borrow().get(&round).copied().flatten();
            let broken = by_node(LIAR, &shares, |shares| {
                for share in shares.shares.iter_mut().filter(|s| Some(s.member.0) == victim) {
                    share.ciphertext[0] ^= 1;
                }
            });
            vec![ToCoordinator::SealedShares(broken)]
        }
        ToCoordinator::Contribution(contribution) if node == VICTIM => {
            let round = contribution.check(contribution.claimed_signer()).unwrap().round.0;
            seen.borrow_mut().insert(round, true);
            vec![ToCoordinator::Contribution(contribution)]
        }
        message => vec![message],
    });
    let scenario = swarm::Scenario { faulty_ms: 150_000, ..swarm::Scenario::calm() };
    let liar = Wire { liar: Some(LIAR), to_node, to_coordinator };
    let outcome = swarm::run_with(&scenario, 5, Box::new(liar));
    assert_eq!(outcome.violations, [], "{outcome}");
    let whole = rounds.borrow().len() as u64;
    assert!(outcome.rounds >= 20 && whole * 3 >= outcome.rounds, "{whole} of {outcome}");
}

#[test]
fn two_heads_of_one_ledger_are_a_fork() {
    let outcome = lying_node(|message| match &message {
        ToCoordinator::LaterHead(head) => {
            let other = by_node(LIAR, head, |head| head.head = LedgerHash([1; 32]));
            vec![message, ToCoordinator::LaterHead(other)]
        }
        _ => vec![message],
    });
    // Each of them, whichever comes first.
    assert!(outcome.rejected("coordinator: a fork") + 1 >= outcome.rounds, "{outcome}");
}

#[test]
fn a_contribution_of_another_shape_is_refused() {
    let outcome = lying_node(|message| match message {
        ToCoordinator::Contribution(contribution) => {
            let shorter = by_node(LIAR, &contribution, |c: &mut Contribution| {
                c.values.pop();
            });
            vec![ToCoordinator::Contribution(shorter)]
        }
        message => vec![message],
    });
    assert!(outcome.rejected("coordinator: a vector that does not have") > 0, "{outcome}");
}

#[test]
fn a_second_advertisement_is_a_contradiction() {
    let outcome = lying_node(|message| match message {
        ToCoordinator::Advertise(advertise) => {
            let second = by_node(LIAR, &advertise, |advertise| advertise.seed_commitment[0] ^= 1);
            vec![ToCoordinator::Advertise(advertise), ToCoordinator::Advertise(second)]
        }
        message => vec![message],
    });
    assert!(outcome.rejected("coordinator: contradicts") > 0, "{outcome}");
}

/// Pitfall 4: one masked set, one sum; a second contribution replaces nothing.
#[test]
fn a_second_contribution_is_refused() {
    let mut second = None;
    let outcome = lying_node(move |message| match &message {
        ToCoordinator::Contribution(contribution) => {
            let other = by_node(LIAR, contribution, |c: &mut Contribution| c.values[0] ^= 1);
            second = Some(ToCoordinator::Contribution(other));
            vec![message]
        }
        ToCoordinator::Agreement(_) => second.take().into_iter().chain([message]).collect(),
        _ => vec![message],
    });
    assert!(outcome.rejected("coordinator: not waited for now") > 0, "{outcome}");
}

/// Pitfall 3: what comes after the survivors were fixed is in no sum.
#[test]
fn a_late_contribution_is_refused() {
    let mut held: Option<ToCoordinator> = None;
    let outcome = lying_node(move |message| match message {
        ToCoordinator::Contribution(_) => {
            held = Some(message);
            Vec::new()
        }
        ToCoordinator::Advertise(_) => held.take().into_iter().chain([message]).collect(),
        message => vec![message],
    });
    assert!(outcome.rejected("coordinator: not waited for now") > 0, "{outcome}");
}

#[test]
fn somebody_elses_contribution_is_refused() {
    let others = notebook::<Option<Signed<Contribution>>>();
    let to_coordinator = Box::new(move |node, message: ToCoordinator| match message {
        ToCoordinator::Contribution(contribution) if node == LIAR => {
            let stolen = others.borrow_mut().take().unwrap_or(contribution);
            vec![ToCoordinator::Contribution(stolen)]
        }
        ToCoordinator::Contribution(contribution) => {
            *others.borrow_mut() = Some(contribution.clone());
            vec![ToCoordinator::Contribution(contribution)]
        }
        message => vec![message],
    });
    let to_node = Box::new(|_, message: ToNode| vec![message]);
    let outcome = play(Wire { liar: Some(LIAR), to_node, to_coordinator });
    assert!(outcome.rejected("signed by a key that is not the expected one") > 0, "{outcome}");
}

#[test]
fn an_agreement_to_another_list_is_refused() {
    let outcome = lying_node(|message| match message {
        ToCoordinator::Agreement(agreement) => {
            let other = by_node(LIAR, &agreement, |agreement| agreement.survivors.0[0] ^= 1);
            vec![ToCoordinator::Agreement(other)]
        }
        message => vec![message],
    });
    assert!(outcome.rejected("coordinator: made for other terms") > 0, "{outcome}");
}

#[test]
fn a_wrong_share_in_a_reveal_is_named_and_survived() {
    let outcome = lying_node(|message| match message {
        ToCoordinator::Reveal(reveal) => {
            let wrong = by_node(LIAR, &reveal, |reveal| reveal.shares[0].share[7] ^= 1);
            vec![ToCoordinator::Reveal(wrong)]
        }
        message => vec![message],
    });
    assert!(outcome.rejected("revealed a share that does not fit") > 0, "{outcome}");
    assert_eq!(outcome.versions, outcome.rounds, "{outcome}");
}

#[test]
fn the_other_kind_of_share_is_refused() {
    let outcome = lying_node(|message| match message {
        ToCoordinator::Reveal(reveal) => {
            let other = by_node(LIAR, &reveal, |reveal| {
                reveal.shares.iter_mut().for_each(|share| share.kind = ShareKind::MaskKey);
            });
            vec![ToCoordinator::Reveal(other)]
        }
        message => vec![message],
    });
    assert!(outcome.rejected("coordinator: members are out of order") > 0, "{outcome}");
}

#[test]
fn ledger_heads_of_strangers_are_not_kept() {
    let outcome = lying_node(|message| {
        let stranger = SigningKey::from_bytes(&[77; 32]);
        let head = LedgerHead { task: genesis().task(), sequence: 9, head: LedgerHash([1; 32]) };
        let head = Checked::sign(head, &stranger).signed().clone();
        vec![ToCoordinator::LaterHead(head), message]
    });
    assert!(outcome.rejected("coordinator: the sender is not a member here") > 0, "{outcome}");
}

/// A dealer whose shares are those of another seed than it announced: the sum cannot be taken from its
/// mask, the round is lost, and the dealer is named.
#[test]
fn a_dealing_that_does_not_fit_its_commitment_is_named() {
    let outcome = play(BadDealer { rounds: 1, ..BadDealer::default() });
    assert!(outcome.rejected("dealt shares that do not fit its commitment") > 0, "{outcome}");
    assert_eq!(outcome.aborted(AbortReason::TooFewReveals), 1, "{outcome}");
}

/// Who loses every round by that is left out of the third, and the others go on.
#[test]
fn whoever_spoils_round_after_round_is_left_out() {
    let outcome = play(BadDealer { rounds: u32::MAX, ..BadDealer::default() });
    assert_eq!(outcome.aborted(AbortReason::TooFewReveals), 2, "{outcome}");
    assert!(outcome.versions >= 2, "{outcome}");
}

/// Deals, in its first rounds, shares of another seed than the one that it has committed to.
#[derive(Default)]
struct BadDealer {
    keys: [u8; 32],
    deal: [u8; 32],
    roster: Option<Signed<wire::Roster>>,
    /// In so many rounds.
    rounds: u32,
}

impl Behaviour for BadDealer {
    fn job(&mut self, node: usize, job: &Job, entropy: &[u8; 32]) {
        match job {
            Job::Keys(_) if node == LIAR => self.keys = *entropy,
            Job::Deal(_) if node == LIAR => self.deal = *entropy,
            _ => {}
        }
    }

    fn to_node(&mut self, node: usize, message: ToNode) -> Vec<ToNode> {
        if let (ToNode::Roster(roster), LIAR) = (&message, node) {
            self.roster = Some(roster.clone());
        }
        vec![message]
    }

    fn to_coordinator(&mut self, node: usize, message: ToCoordinator) -> Vec<ToCoordinator> {
        match message {
            ToCoordinator::SealedShares(shares) if node == LIAR && self.rounds > 0 => {
                self.rounds -= 1;
                let other = by_node(LIAR, &shares, |shares: &mut SealedShares| {
                    shares.shares = self.deal_another_seed();
                });
                vec![ToCoordinator::SealedShares(other)]
            }
            message => vec![message],
        }
    }

    fn is_honest(&self, node: usize) -> bool {
        node != LIAR
    }
}

impl BadDealer {
    fn deal_another_seed(&self) -> Vec<SealedShare> {
        let mut reading = Reading::of(self.roster.as_ref().expect("it has a roster"), LIAR);
        let mut rng = ThirdDiffers { rng: ChaCha20Rng::from_seed(self.keys), draws: 0 };
        let secrets = EphemeralSecrets::generate(&mut rng);
        reading.members[reading.own.get()] = secrets.public();
        let Reading { context, members, own, thresholds } = reading;
        let mut rng = ChaCha20Rng::from_seed(self.deal);
        let dealt = secrets.deal(context, members, own, thresholds, &mut rng);
        let (_, dealt) = dealt.expect("the keys are those of the roster");
        let share =
            |(member, bytes): (_, [u8; _])| SealedShare { member, ciphertext: bytes.to_vec() };
        dealt.sealed.into_iter().map(share).collect()
    }
}

/// Gives the bytes of the generator, but for the third draw: the same two keys with another seed.
struct ThirdDiffers {
    rng: ChaCha20Rng,
    draws: u32,
}

impl TryRng for ThirdDiffers {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.rng.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.rng.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.draws += 1;
        self.rng.try_fill_bytes(bytes)?;
        if self.draws == 3 {
            bytes[0] ^= 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for ThirdDiffers {}
