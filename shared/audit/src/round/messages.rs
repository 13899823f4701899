//! What the nodes signed in a round: sealed shares, consistency, contributions, agreements.

use std::collections::BTreeMap;

use protocol::roster::RosterView;
use secagg::{SEALED_BYTES, inbox_hash, merkle};
use wire::{
    Checked, MemberIndex, MemberSet, SealedShares, SharesClosed, Signable, Signed, Transcript,
};

use super::{Contributed, Parts};
use crate::Findings;

/// Checks every message of a transcript but the reveals.
pub(super) fn check(
    transcript: &Transcript,
    parts: &Parts,
    contributed: &Contributed,
    findings: &mut Findings,
) {
    let Some(roster) = &parts.roster else { return };
    let Some(closed) = &parts.closed else { return };
    check_shares(transcript, roster, closed, findings);
    check_consistencies(transcript, contributed, roster, closed, findings);
    check_contributions(contributed, parts, findings);
    check_agreements(transcript, parts, roster, findings);
    note_rejections(transcript, findings);
}

/// A message of a roster member with its place, or what is wrong with it.
pub(super) fn read<T: Signable<Signer = wire::NodeId>>(
    signed: &Signed<T>,
    roster: &RosterView,
) -> Result<(MemberIndex, Checked<T>), String> {
    let node = signed.claimed_signer();
    let place =
        roster.place(node).ok_or_else(|| format!("{} is not on the roster", node.short()))?;
    let checked = signed.check(node).map_err(|error| format!("member {place}: {error}"))?;
    Ok((place, checked))
}

/// Messages by place; two of one member, or one that does not verify, is a fault.
fn by_member<T: Signable<Signer = wire::NodeId>>(
    check: &'static str,
    messages: &[Signed<T>],
    roster: &RosterView,
    findings: &mut Findings,
) -> BTreeMap<MemberIndex, Checked<T>> {
    let mut found = BTreeMap::new();
    for message in messages {
        match read(message, roster) {
            Ok((place, checked)) => {
                if found.insert(place, checked).is_some() {
                    findings.fault(check, format!("member {place}"), "two messages of one member");
                }
            }
            Err(what) => findings.fault(check, "transcript", what),
        }
    }
    found
}

/// R2 dealt to everybody, and the signed Merkle root is that of these very ciphertexts.
fn check_shares(
    transcript: &Transcript,
    roster: &RosterView,
    closed: &Checked<SharesClosed>,
    findings: &mut Findings,
) {
    let dealt = by_member("shares", &transcript.sealed, roster, findings);
    for (&place, sealed) in &dealt {
        let others = roster.everybody().iter().filter(|&member| member != place);
        let right = sealed.roster == roster.hash()
            && others.eq(sealed.shares.iter().map(|share| share.member))
            && sealed.shares.iter().all(|share| share.ciphertext.len() == SEALED_BYTES);
        if !right {
            let what = "sealed for another roster, or not one for every other member";
            findings.fault("shares", format!("member {place}"), what);
        }
    }
    let sources: MemberSet = dealt.keys().copied().collect();
    if sources != closed.members {
        let what = format!("R2 is {:?}, but shares were kept from {sources:?}", closed.members);
        return findings.fault("shares", "transcript", what);
    }
    match root(roster, &dealt) {
        Some(root) if root == closed.shares.0 => {
            let what = format!(
                "{} members dealt to everybody, and their ciphertexts give the signed root",
                dealt.len()
            );
            findings.ok("shares", "transcript", what);
        }
        _ => findings.fault(
            "shares",
            "transcript",
            "the ciphertexts do not give the root that the coordinator signed: nodes were relayed something else",
        ),
    }
}

fn root(
    roster: &RosterView,
    dealt: &BTreeMap<MemberIndex, Checked<SealedShares>>,
) -> Option<[u8; 32]> {
    let leaf = |target: MemberIndex| {
        let from = |(&source, sealed): (&MemberIndex, &'_ Checked<SealedShares>)| {
            let share = sealed.shares.iter().find(|share| share.member == target)?;
            Some((source, share.ciphertext.clone()))
        };
        let inbox: Vec<(MemberIndex, Vec<u8>)> = dealt.iter().filter_map(from).collect();
        let inbox: Vec<(MemberIndex, &[u8])> =
            inbox.iter().map(|(source, sealed)| (*source, sealed.as_slice())).collect();
        inbox_hash(target, &inbox).ok()
    };
    let leaves: Option<Vec<[u8; 32]>> = roster.everybody().iter().map(leaf).collect();
    merkle::root(&leaves?).ok()
}

fn check_consistencies(
    transcript: &Transcript,
    contributed: &Contributed,
    roster: &RosterView,
    closed: &Checked<SharesClosed>,
    findings: &mut Findings,
) {
    let signed = by_member("consistency", &transcript.consistencies, roster, findings);
    let hash = closed.hash();
    let other = signed.iter().find(|(place, consistency)| {
        consistency.closed != hash || !closed.members.contains(**place)
    });
    if let Some((place, _)) = other {
        let what = "signed another R2 than the one of this transcript, or is outside of it: views were split";
        findings.fault("consistency", format!("member {place}"), what);
    } else if signed.len() >= roster.threshold() {
        let (signed, t) = (signed.len(), roster.threshold());
        let what = format!("{signed} members saw the same roster, R2 and shares; {t} are needed");
        findings.ok("consistency", "transcript", what);
    } else if !contributed.members.is_empty() {
        let what = "contributions without enough signatures on one R2";
        findings.fault("consistency", "transcript", what);
    }
}

/// One contribution of each survivor, for this R2, of the plan's shape.
fn check_contributions(contributed: &Contributed, parts: &Parts, findings: &mut Findings) {
    findings.append(contributed.findings.clone());
    let Some(survivors) = &parts.survivors else { return };
    let contributors = contributed.members;
    let missing = survivors.members.minus(contributors);
    let left_out = contributors.minus(survivors.members);
    if !missing.is_empty() {
        let what = format!("survivors {missing:?} have no contribution here");
        findings.fault("contributions", "transcript", what);
    }
    if !left_out.is_empty() {
        let what = format!("members {left_out:?} contributed and are not among the survivors");
        findings.warn("contributions", "transcript", what);
    }
    if missing.is_empty() && left_out.is_empty() {
        let what = format!("one from each of {} survivors, and no other", contributors.len());
        findings.ok("contributions", "transcript", what);
    }
}

fn check_agreements(
    transcript: &Transcript,
    parts: &Parts,
    roster: &RosterView,
    findings: &mut Findings,
) {
    let Some(survivors) = &parts.survivors else { return };
    let hash = survivors.hash();
    for (place, agreement) in by_member("agreements", &transcript.agreements, roster, findings) {
        if agreement.survivors != hash || !survivors.members.contains(place) {
            let what = "agreed to another list of survivors, or is not on this one";
            findings.fault("agreements", format!("member {place}"), what);
        }
    }
}

fn note_rejections(transcript: &Transcript, findings: &mut Findings) {
    for (node, code, times) in &transcript.rejections {
        let what = format!("{times} messages were refused (reason {code})");
        findings.note("rejections", format!("node {}", node.short()), what);
    }
}
