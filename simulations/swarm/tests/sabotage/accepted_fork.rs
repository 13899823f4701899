//! A program that takes another history, signed by the coordinator too, for its own.

use std::collections::BTreeMap;

use swarm::{
    Behaviour, Invariant,
    disk::NodeDisk,
    scenario::{coordinator_key, genesis},
};
use version::Chain;
use wire::{AbortReason, Checked, Header, Outcome, RoundResult, Signed, ToNode};

/// The coordinator shows a node another header in the place of one that it has; the node's program puts
/// it into its chain when it starts again.
#[derive(Default)]
struct AcceptsForks {
    /// The other header that each node was shown.
    shown: BTreeMap<usize, Signed<Header>>,
}

impl Behaviour for AcceptsForks {
    fn to_node(&mut self, node: usize, message: ToNode) -> Vec<ToNode> {
        let ToNode::Result(result) = &message else { return vec![message] };
        let Some(header) = other_header(&result.header) else { return vec![message] };
        self.shown.insert(node, header.clone());
        vec![message, ToNode::Result(RoundResult { header, record: None })]
    }

    fn starting(&mut self, node: usize, disk: &mut NodeDisk) {
        let Some(fork) = self.shown.get(&node) else { return };
        let index = fork.check(fork.claimed_signer()).expect("signed here").index;
        disk.headers.truncate(index as usize - 1);
        let mut chain = Chain::new(genesis());
        let follows = disk.headers.iter().chain([fork]).all(|header| chain.extend(header).is_ok());
        if follows {
            disk.headers.push(fork.clone());
        }
    }

    fn has_honest_coordinator(&self) -> bool {
        false
    }
}

/// An abort where a version was issued.
fn other_header(signed: &Signed<Header>) -> Option<Signed<Header>> {
    let mut header = signed.check(signed.claimed_signer()).ok()?.into_value();
    if !matches!(header.outcome, Outcome::Issued { .. }) {
        return None;
    }
    header.outcome = Outcome::Aborted { reason: AbortReason::TooFewShares };
    header.version.0 -= 1;
    Some(Checked::sign(header, &coordinator_key()).signed().clone())
}

#[test]
fn an_accepted_fork_is_found() {
    super::find("accepts a fork", Invariant::OneHistory, "another step", || {
        Box::<AcceptsForks>::default()
    });
}
