//! Which other nodes this one has a connection with: without any it could not see a fork by itself.

use std::collections::BTreeSet;

use network::PeerKey;

/// The other nodes that are connected now.
#[derive(Debug, Default)]
pub struct Links(BTreeSet<PeerKey>);

impl Links {
    /// A connection with another node is there.
    pub fn begin(&mut self, peer: PeerKey) {
        self.0.insert(peer);
    }

    /// The last connection with it is gone.
    pub fn end(&mut self, peer: &PeerKey) {
        self.0.remove(peer);
    }

    /// Whether nobody but the coordinator could tell this node of another history.
    pub fn are_fork_blind(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blind_until_the_first_link_begins_and_again_when_the_last_one_ends() {
        let (one, other) = (PeerKey([1; 32]), PeerKey([2; 32]));
        let mut links = Links::default();
        assert!(links.are_fork_blind());
        links.begin(one);
        links.begin(other);
        links.end(&one);
        assert!(!links.are_fork_blind(), "one is left");
        links.end(&one);
        assert!(!links.are_fork_blind(), "an end that is told twice");
        links.end(&other);
        assert!(links.are_fork_blind());
    }
}
