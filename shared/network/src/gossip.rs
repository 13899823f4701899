//! Gossip: plans, version heads and ledger heads, told to all members.
//!
//! Every message is signed by its author's libp2p key (strict validation), and is passed on only
//! after the program's [`Validator`] accepted it. A message's id is the BLAKE3 hash of its bytes.
//!
//! # Discussion
//! Today every node has one link, to the coordinator, so the coordinator keeps all members in
//! its mesh and sends each of them every message once (at most 8 KiB). `flood_publish` stays
//! off: once nodes link to each other, a smaller mesh is the only change that O(1) needs.

use std::{sync::Arc, time::Duration};

use libp2p::{
    gossipsub::{
        self, Config, ConfigBuilder, IdentTopic, IdentityTransform, Message, MessageAcceptance,
        MessageAuthenticity, MessageId, PeerScoreParams, PeerScoreThresholds, ValidationMode,
        WhitelistSubscriptionFilter,
    },
    identity::Keypair,
};
use wire::{Gossip, TaskId};

use crate::{limits::Limits, rejection::Rejection};

/// What a validator says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Right: told to the program and passed on.
    Accept,
    /// Provably wrong: dropped, and counted against whoever sent it.
    Reject,
    /// Neither, such as old or of another task: dropped without blame.
    Ignore,
}

/// Judges gossip. It must be pure: it runs on any thread, several at once.
pub type Validator = Arc<dyn Fn(&Gossip) -> Verdict + Send + Sync>;

pub(crate) type Behaviour = gossipsub::Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;

/// A message's bytes, judged.
#[derive(Debug)]
pub(crate) enum Judged {
    Accepted(Gossip),
    Rejected(Rejection),
    Ignored,
}

impl Judged {
    pub(crate) fn acceptance(&self) -> MessageAcceptance {
        match self {
            Self::Accepted(_) => MessageAcceptance::Accept,
            Self::Rejected(_) => MessageAcceptance::Reject,
            Self::Ignored => MessageAcceptance::Ignore,
        }
    }
}

/// Decodes a message and asks the validator: milliseconds, so never in the swarm's task.
pub(crate) fn judge(bytes: &[u8], validator: &Validator) -> Judged {
    match wire::decode::<Gossip>(bytes, Gossip::LIMIT) {
        Err(error) => Judged::Rejected(Rejection::GossipUndecodable(error)),
        Ok(message) => match validator(&message) {
            Verdict::Accept => Judged::Accepted(message),
            Verdict::Reject => Judged::Rejected(Rejection::GossipInvalid),
            Verdict::Ignore => Judged::Ignored,
        },
    }
}

pub(crate) fn topic(task: TaskId) -> IdentTopic {
    IdentTopic::new(format!("murmuration/1/{task}"))
}

/// The gossip behaviour, subscribed to its one topic.
pub(crate) fn behaviour(keys: &Keypair, topic: &IdentTopic, limits: &Limits) -> Behaviour {
    let allowed = WhitelistSubscriptionFilter([topic.hash()].into_iter().collect());
    let author = MessageAuthenticity::Signed(keys.clone());
    let mut gossip = Behaviour::new_with_subscription_filter(author, config(limits), allowed)
        .expect("signed messages and strict validation belong together");
    let (parameters, thresholds) = scoring();
    gossip.with_peer_score(parameters, thresholds).expect("the scores are within their bounds");
    gossip.subscribe(topic).expect("the topic is the allowed one, and its name is short");
    gossip
}

fn config(limits: &Limits) -> Config {
    let everybody = limits.connections as usize;
    ConfigBuilder::default()
        .mesh_n_low(everybody)
        .mesh_n(everybody)
        .mesh_n_high(everybody)
        .mesh_outbound_min(0)
        .flood_publish(false)
        .prune_backoff(PRUNE_BACKOFF)
        .heartbeat_initial_delay(Duration::from_millis(500))
        .validation_mode(ValidationMode::Strict)
        .validate_messages()
        .max_transmit_size(MAX_TRANSMIT)
        .message_id_fn(|message: &Message| {
            MessageId::from(blake3::hash(&message.data).as_bytes().to_vec())
        })
        .build()
        .expect("the mesh sizes fit each other")
}

/// The score does one thing: a peer that is not a member ([`GUEST_SCORE`]) is heard, but nothing
/// is sent to it. Members share addresses and may be slow, and are not judged by that.
fn scoring() -> (PeerScoreParams, PeerScoreThresholds) {
    let parameters = PeerScoreParams {
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: 0.0,
        behaviour_penalty_weight: 0.0,
        slow_peer_weight: 0.0,
        retain_score: Duration::ZERO,
        ..PeerScoreParams::default()
    };
    let thresholds = PeerScoreThresholds {
        gossip_threshold: -1.0,
        publish_threshold: -1.0,
        graylist_threshold: -100.0,
        ..PeerScoreThresholds::default()
    };
    (parameters, thresholds)
}

/// Below the thresholds for sending, above the one for listening: so the subscription of a guest
/// is known when it becomes a member.
pub(crate) const GUEST_SCORE: f64 = -10.0;

/// How long a guest that became a member waits for its place in the mesh.
const PRUNE_BACKOFF: Duration = Duration::from_secs(5);

/// libp2p's own limit of a gossip frame; [`Gossip::LIMIT`] is the stricter one of its message.
const MAX_TRANSMIT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use wire::DecodeError;

    use super::*;

    #[test]
    fn what_is_no_message_never_meets_the_validator() {
        let validator: Validator = Arc::new(|_| panic!("asked about bytes that are no message"));
        let long = vec![1; Gossip::LIMIT + 1];
        for (bytes, error) in [
            (&[][..], DecodeError::Empty),
            (&[1, 77], DecodeError::Malformed),
            (&long, DecodeError::Oversized { length: Gossip::LIMIT + 1, limit: Gossip::LIMIT }),
        ] {
            let judged = judge(bytes, &validator);
            let expected = Rejection::GossipUndecodable(error);
            assert!(matches!(judged, Judged::Rejected(why) if why == expected));
        }
    }
}
