//! Who may do what: pure rules.

use std::collections::BTreeSet;

use wire::{NodeId, Refusal, Request};

use crate::{identity::PeerKey, rejection::Rejection};

/// Which side this peer is, for the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Coordinator,
    Node { coordinator: PeerKey },
}

/// What the other end of a connection is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The coordinator, seen from a node.
    Coordinator,
    Member,
    /// Neither: may ask a coordinator to enrol, and nothing else.
    Guest,
}

impl Standing {
    pub(crate) fn of(key: PeerKey, side: Side, members: &BTreeSet<NodeId>) -> Self {
        match side {
            Side::Node { coordinator } if coordinator == key => Self::Coordinator,
            _ if members.contains(&key.into()) => Self::Member,
            _ => Self::Guest,
        }
    }

    pub(crate) fn is_guest(self) -> bool {
        self == Self::Guest
    }
}

/// Whether the program gets to see a request; if not, what the peer is told and what is counted.
pub(crate) fn admit(
    side: Side,
    from: Standing,
    request: &Request,
) -> Result<(), (Refusal, Rejection)> {
    const NOT_MINE: (Refusal, Rejection) = (Refusal::NotMine, Rejection::NotMine);
    match (side, from, request) {
        (Side::Coordinator, _, Request::Enrol(_)) => Ok(()),
        (Side::Coordinator, Standing::Guest, _) => {
            Err((Refusal::NotAMember, Rejection::NotAMember))
        }
        (Side::Coordinator, _, Request::ToNode(_)) => Err(NOT_MINE),
        (Side::Coordinator, _, _) => Ok(()),
        (Side::Node { .. }, Standing::Coordinator, Request::ToNode(_)) => Ok(()),
        (Side::Node { .. }, _, _) => Err(NOT_MINE),
    }
}

#[cfg(test)]
mod tests {
    use wire::{ContentHash, StateHash, TaskId};

    use super::*;

    const NODE: Side = Side::Node { coordinator: PeerKey([1; 32]) };

    #[test]
    fn standing_follows_key_and_list() {
        let members = BTreeSet::from([NodeId([2; 32])]);
        let standing = |key, side| Standing::of(PeerKey([key; 32]), side, &members);
        assert_eq!(standing(1, NODE), Standing::Coordinator);
        assert_eq!(standing(2, NODE), Standing::Member);
        assert_eq!(standing(3, NODE), Standing::Guest);
        assert_eq!(standing(1, Side::Coordinator), Standing::Guest);
        assert_eq!(standing(2, Side::Coordinator), Standing::Member);
    }

    #[test]
    fn guests_are_told_that_they_are_not_members() {
        let task = TaskId([0; 32]);
        for request in [
            Request::Hello(task),
            Request::Headers { task, from: 1 },
            Request::State(StateHash([0; 32])),
            Request::Slice { content: ContentHash([0; 32]), offset: 0 },
        ] {
            let refused = admit(Side::Coordinator, Standing::Guest, &request);
            assert_eq!(refused, Err((Refusal::NotAMember, Rejection::NotAMember)));
            assert_eq!(admit(Side::Coordinator, Standing::Member, &request), Ok(()));
            let refused = admit(NODE, Standing::Coordinator, &request);
            assert_eq!(refused, Err((Refusal::NotMine, Rejection::NotMine)));
        }
    }
}
