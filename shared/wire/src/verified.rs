//! Messages that were found good once, so that no signature is verified twice and no canonical form
//! compared twice.
//!
//! Within one round the same signature comes by several times: an advertisement alone, in the roster
//! and in the round's evidence, an agreement in its phase and in the evidence. What is remembered is the
//! triple of message hash (which holds the domain), key and signature, and nothing but the very same
//! triple is taken for known. The table is small and forgets the oldest of those that share a place;
//! whoever floods it costs time, not safety. (Bitcoin Core's signature cache rests on the same thought.)

use std::cell::{Cell, RefCell};

/// Places of the table, by the first bytes of the signature: all members of a round sign the same
/// agreement, so that the message's hash would put them all in one place.
const PLACES: usize = 1024;
/// Triples at one place: a round of 64 nodes has about 500, so that hardly ever more meet in one.
const WAYS: usize = 4;

/// Message hash, key, signature.
pub(crate) type Triple = [u8; 128];

thread_local! {
    /// 512 KiB for each thread that checks signatures. No message's hash is all zeros, but with
    /// probability 2⁻²⁵⁶.
    static TABLE: RefCell<Vec<[Triple; WAYS]>> = const { RefCell::new(Vec::new()) };
    static COMPUTED: Cell<u64> = const { Cell::new(0) };
}

/// How many signatures this thread has verified by computing, and not by remembering: for those who
/// measure.
pub fn verifications() -> u64 {
    COMPUTED.get()
}

/// One more was computed.
pub(crate) fn count() {
    COMPUTED.set(COMPUTED.get() + 1);
}

/// What stands for a signed message in the table.
pub(crate) fn triple(hash: &[u8; 32], signer: &[u8; 32], signature: &[u8; 64]) -> Triple {
    let mut triple = [0; 128];
    triple[..32].copy_from_slice(hash);
    triple[32..64].copy_from_slice(signer);
    triple[64..].copy_from_slice(signature);
    triple
}

/// Whether this very message was found good on this thread, and not forgotten since.
pub(crate) fn is_known(triple: &Triple) -> bool {
    TABLE.with_borrow(|table| table.get(place(triple)).is_some_and(|ways| ways.contains(triple)))
}

/// This message was found good, or made here.
pub(crate) fn remember(triple: Triple) {
    TABLE.with_borrow_mut(|table| {
        if table.is_empty() {
            *table = vec![[[0; 128]; WAYS]; PLACES];
        }
        let ways = &mut table[place(&triple)];
        ways.rotate_right(1);
        ways[0] = triple;
    });
}

fn place(triple: &Triple) -> usize {
    usize::from(u16::from_le_bytes([triple[64], triple[65]])) % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_triple_is_known() {
        let (hash, signer, signature) = ([1; 32], [2; 32], [3; 64]);
        remember(triple(&hash, &signer, &signature));
        assert!(is_known(&triple(&hash, &signer, &signature)));
        assert!(!is_known(&triple(&[9; 32], &signer, &signature)));
        assert!(!is_known(&triple(&hash, &[9; 32], &signature)));
        assert!(!is_known(&triple(&hash, &signer, &[9; 64])));
    }

    /// Consistency and agreement are the same bytes for all members of a round.
    #[test]
    fn what_a_whole_roster_signs_is_known_of_every_member() {
        let of = |member: u8| {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(blake3::hash(&[member]).as_bytes());
            triple(&[8; 32], &[member; 32], &signature)
        };
        (0..64).for_each(|member| remember(of(member)));
        assert!((0..64).all(|member| is_known(&of(member))));
    }

    #[test]
    fn a_place_holds_the_newest_and_memory_is_bounded() {
        let of = |number: u32| {
            let mut signature = [5; 64];
            signature[..32].copy_from_slice(blake3::hash(&number.to_le_bytes()).as_bytes());
            triple(&[3; 32], &[4; 32], &signature)
        };
        (0..20_000).for_each(|number| remember(of(number)));
        assert!(is_known(&of(19_999)) && !is_known(&of(20_000)));
        let known = (0..20_000).filter(|&number| is_known(&of(number))).count();
        assert!((PLACES..=PLACES * WAYS).contains(&known), "{known}");
        TABLE.with_borrow(|table| assert_eq!(table.len(), PLACES));
    }
}
