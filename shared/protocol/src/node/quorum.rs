//! Signatures on the same thing: t of them, this node's own counted, carry a round on.

use wire::{Checked, MemberSet, NodeId, Signable, Signed};

use super::contributing::Joined;
use crate::rejection::Rejection;

/// Whether t members of `among` have signed what `says` takes for the same as this node has signed.
///
/// Everybody has one signature: a longer list would only make this node verify without end, and is not
/// looked at.
///
/// # Errors
/// What is wrong with the first signature that is none, or [`Rejection::TooFew`].
pub(super) fn check<T: Signable<Signer = NodeId>>(
    signatures: &[Signed<T>],
    joined: &Joined,
    among: MemberSet,
    says: impl Fn(&Checked<T>) -> Result<bool, Rejection>,
) -> Result<(), Rejection> {
    let Joined { roster, own, .. } = joined;
    if signatures.len() > roster.size() {
        return Err(Rejection::Members);
    }
    let mut agreed = MemberSet::from_iter([*own]);
    for signed in signatures {
        let node = signed.claimed_signer();
        let place = roster.place(node).ok_or(Rejection::NotAMember)?;
        if says(&signed.check(node)?)? && among.contains(place) {
            agreed.insert(place);
        }
    }
    if agreed.len() < roster.threshold() { Err(Rejection::TooFew) } else { Ok(()) }
}
