//! The ledger heads that a node has seen of others, in rosters and in gossip: who has seen a later one
//! than a member shows, or another one of the same length, can say so (promise 3).

use std::collections::BTreeMap;

use wire::{Checked, LedgerHead, NodeId, Signed};

/// Of so many nodes a head is remembered on hearsay; members of a roster always are.
const HEARSAY_MAX: usize = 1024;

/// The longest ledger that each node has shown since the program started.
#[derive(Default)]
pub(super) struct Seen {
    heads: BTreeMap<NodeId, Head>,
}

struct Head {
    longest: Checked<LedgerHead>,
    /// Whether another head of some length was seen, too.
    forked: bool,
}

/// How a head stands to what was seen before.
#[derive(Debug, PartialEq)]
pub(super) enum Comparison {
    /// As long or longer, or the first one.
    Fits,
    /// A longer one was seen.
    Earlier(Signed<LedgerHead>),
    /// Another one of the same length was seen; for the first time, or not.
    Forked { known: Signed<LedgerHead>, first: bool },
}

impl Seen {
    /// A member shows its ledger.
    pub fn shown(&mut self, head: &Checked<LedgerHead>) -> Comparison {
        let Some(known) = self.heads.get_mut(&head.signer()) else {
            let head = Head { longest: head.clone(), forked: false };
            self.heads.insert(head.longest.signer(), head);
            return Comparison::Fits;
        };
        let longest = &known.longest;
        if longest.sequence > head.sequence {
            return Comparison::Earlier(longest.signed().clone());
        }
        if longest.sequence == head.sequence && longest.head != head.head {
            let signed = longest.signed().clone();
            let first = !std::mem::replace(&mut known.forked, true);
            return Comparison::Forked { known: signed, first };
        }
        known.longest = head.clone();
        Comparison::Fits
    }

    /// Somebody tells of a node's ledger. An earlier head is old news.
    pub fn heard(&mut self, head: &Checked<LedgerHead>) -> Comparison {
        let is_new = !self.heads.contains_key(&head.signer());
        if is_new && self.heads.len() >= HEARSAY_MAX {
            return Comparison::Fits;
        }
        match self.shown(head) {
            Comparison::Earlier(_) => Comparison::Fits,
            comparison => comparison,
        }
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use wire::{LedgerHash, TaskId};

    use super::*;

    fn head(signer: u64, sequence: u64, hash: u8) -> Checked<LedgerHead> {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&signer.to_le_bytes());
        let head = LedgerHead { task: TaskId([1; 32]), sequence, head: LedgerHash([hash; 32]) };
        Checked::sign(head, &SigningKey::from_bytes(&seed))
    }

    fn earlier(known: &Checked<LedgerHead>) -> Comparison {
        Comparison::Earlier(known.signed().clone())
    }

    #[test]
    fn what_was_heard_shows_a_ledger_that_was_rolled_back() {
        let mut seen = Seen::default();
        assert_eq!(seen.heard(&head(1, 5, 5)), Comparison::Fits);
        assert_eq!(seen.heard(&head(1, 3, 3)), Comparison::Fits, "old news");
        assert_eq!(seen.shown(&head(1, 3, 3)), earlier(&head(1, 5, 5)));
        assert_eq!(seen.shown(&head(1, 6, 6)), Comparison::Fits);
        assert_eq!(seen.shown(&head(1, 5, 5)), earlier(&head(1, 6, 6)));
    }

    #[test]
    fn two_heads_of_one_length_are_evidence_once() {
        let mut seen = Seen::default();
        seen.shown(&head(1, 5, 5));
        assert_eq!(seen.heard(&head(1, 5, 5)), Comparison::Fits);
        let forked = |first| Comparison::Forked { known: head(1, 5, 5).signed().clone(), first };
        assert_eq!(seen.heard(&head(1, 5, 6)), forked(true));
        assert_eq!(seen.shown(&head(1, 5, 6)), forked(false));
    }

    #[test]
    fn hearsay_is_bounded_and_members_are_not() {
        let mut seen = Seen::default();
        for signer in 0..HEARSAY_MAX as u64 + 5 {
            seen.heard(&head(signer, 2, 2));
        }
        let last = HEARSAY_MAX as u64 + 4;
        assert_eq!(seen.heads.len(), HEARSAY_MAX);
        assert_eq!(seen.shown(&head(last, 1, 1)), Comparison::Fits);
        assert_eq!(seen.heard(&head(last, 4, 4)), Comparison::Fits);
        assert_eq!(seen.shown(&head(last, 1, 1)), earlier(&head(last, 4, 4)));
    }
}
