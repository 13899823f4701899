//! The auditor itself: a real round that ships with it holds, and whatever is changed in it is found.

use std::{collections::BTreeMap, sync::Arc};

use ed25519_dalek::SigningKey;
use wire::{
    Checked, Contribution, Genesis, NodeId, Reveal, RevealedShare, ShareKind, Signable, Signed,
};

use crate::{
    Contributions, Findings, History, LedgerAudit, Level, Opener, RoundAudit, WholeTranscript,
};

/// A round of seven nodes, one of which dropped out after dealing, and the ledger of another one; made by
/// `cargo test -p audit -- --ignored write_the_sample` with keys that everybody knows.
const GENESIS: &[u8] = include_bytes!("../../golden/sample/genesis");
const TRANSCRIPT: &[u8] = include_bytes!("../../golden/sample/transcript");
const LEDGER: &[u8] = include_bytes!("../../golden/sample/ledger");

/// The key of a node of the sample.
fn key(node: u8) -> SigningKey {
    SigningKey::from_bytes(&[node + 1; 32])
}

fn sample() -> Result<(Genesis, WholeTranscript), String> {
    let genesis = wire::decode(GENESIS, Genesis::LIMIT).map_err(|error| error.to_string())?;
    let opener: Opener = Box::new(|| Ok(Box::new(TRANSCRIPT)));
    let transcript = WholeTranscript::open(opener).map_err(|error| error.to_string())?;
    Ok((genesis, transcript))
}

/// What audits a transcript: the shipped function, or a broken one.
type Audit = fn(&WholeTranscript, &History<'_>) -> RoundAudit;

/// The sample holds, to the last coordinate of its sum.
pub(super) fn holds(audit: Audit) -> Result<String, String> {
    let (genesis, transcript) = sample()?;
    let findings = findings(audit, &genesis, &transcript);
    let unmasked = findings.of("sum").any(|finding| finding.level == Level::Ok);
    if findings.worst() >= Level::Warning || !unmasked {
        return Err(format!("an honest round is not found to hold: {:?}", findings.all()));
    }
    Ok("an honest round of seven nodes, one dropped out: all signatures hold, its sum is unmasked again".to_owned())
}

/// Every way of tampering is found: a changed sum, a changed contribution, a missing reveal, both kinds of share of
/// one member.
pub(super) fn tampering(audit: Audit) -> Result<String, String> {
    type Change = fn(&mut WholeTranscript);
    let ways: [(&str, Change); 4] = [
        ("a changed sum", change_sum),
        ("a changed contribution", change_contribution),
        ("too few reveals", |transcript| transcript.rest.reveals.truncate(4)),
        ("both kinds of share of one member", reveal_both),
    ];
    for (what, change) in ways {
        let (genesis, mut transcript) = sample()?;
        change(&mut transcript);
        if findings(audit, &genesis, &transcript).worst() != Level::Fault {
            return Err(format!("{what} was not found"));
        }
    }
    let ways = ways.map(|(what, _)| what).join(", ");
    Ok(format!("found in the same round: {ways}"))
}

fn findings(audit: Audit, genesis: &Genesis, transcript: &WholeTranscript) -> Findings {
    let states = BTreeMap::new();
    audit(transcript, &History { genesis, chain: None, states: &states }).findings
}

fn change_sum(transcript: &mut WholeTranscript) {
    if let Some(record) = &mut transcript.rest.record {
        Arc::make_mut(&mut record.sum)[3] ^= 1;
    }
}

fn change_contribution(transcript: &mut WholeTranscript) {
    let mut all = Vec::new();
    // What cannot be read is found missing.
    let _ = transcript.contributions.each(|contribution| all.push(contribution.clone()));
    if let Some(first) = all.first_mut() {
        change_signed(first, |contribution: &mut Contribution| contribution.values[3] ^= 1);
    }
    transcript.contributions = Contributions::These(all);
}

/// What a coordinator needs to unmask one member: the mask key beside the seed.
fn reveal_both(transcript: &mut WholeTranscript) {
    change_signed(&mut transcript.rest.reveals[0], |reveal: &mut Reveal| {
        let seed = reveal.shares.iter().position(|share| share.kind == ShareKind::Seed);
        let at = seed.unwrap_or(0);
        let member = reveal.shares[at].member;
        let share = RevealedShare { member, kind: ShareKind::MaskKey, share: [7; 32] };
        reveal.shares.insert(at + 1, share);
    });
}

/// Changes a message and signs it again with its sender's key.
fn change_signed<T: Signable<Signer = NodeId>>(
    signed: &mut Signed<T>,
    change: impl FnOnce(&mut T),
) {
    let sender = signed.claimed_signer();
    let keys = (0..64).map(key);
    let mut keys = keys.filter(|key| key.verifying_key().to_bytes() == sender.0);
    if let (Some(key), Ok(checked)) = (keys.next(), signed.check(sender)) {
        let mut message = checked.into_value();
        change(&mut message);
        *signed = Checked::sign(message, &key).signed().clone();
    }
}

/// Flips every bit of the sample's ledger: each is found, in its entry.
pub(super) fn ledger_bits(audit: impl Fn(&[u8], NodeId) -> LedgerAudit) -> Result<String, String> {
    let node = NodeId(key(0).verifying_key().to_bytes());
    let whole = audit(LEDGER, node);
    if whole.findings.worst() >= Level::Warning || whole.entries == 0 {
        return Err(format!("an honest ledger is not found to hold: {:?}", whole.findings.all()));
    }
    for bit in 0..LEDGER.len() * 8 {
        let mut bytes = LEDGER.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let found = audit(&bytes, node).findings;
        let located = found.of("chain").any(|finding| {
            finding.level == Level::Fault && finding.at.starts_with("entry 1, byte 0")
        });
        if !located {
            return Err(format!("bit {bit} was flipped and not found"));
        }
    }
    Ok(format!("each of {} flipped bits of a ledger was found and located", LEDGER.len() * 8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit_ledger, audit_transcript};

    #[test]
    fn an_auditor_that_finds_nothing_fails() {
        assert!(holds(audit_transcript).is_ok());
        let blind: Audit = |_, _| RoundAudit::default();
        assert!(holds(blind).is_err());
        assert!(tampering(audit_transcript).is_ok());
        assert!(tampering(blind).unwrap_err().contains("a changed sum"));
    }

    #[test]
    fn an_auditor_that_does_not_look_at_reveals_fails() {
        let careless: Audit = |transcript, history| {
            let mut audit = audit_transcript(transcript, history);
            let mut kept = Findings::default();
            for finding in audit.findings.all().iter().filter(|f| f.check != "reveals") {
                match finding.level {
                    Level::Fault => kept.fault(finding.check, "", finding.what.as_str()),
                    _ => kept.ok(finding.check, "", finding.what.as_str()),
                }
            }
            audit.findings = kept;
            audit
        };
        assert!(holds(careless).is_ok());
        // The sum still comes out from the other six.
        assert!(tampering(careless).unwrap_err().contains("both kinds"));
    }

    #[test]
    fn an_auditor_that_misses_a_bit_fails() {
        assert!(ledger_bits(|bytes, node| audit_ledger(bytes, node, None)).is_ok());
        let lenient = |bytes: &[u8], node: NodeId| {
            // Reads a changed time stamp, as if it were not signed.
            let same = bytes.iter().zip(LEDGER).filter(|(a, b)| a != b).count() <= 1;
            audit_ledger(if same && bytes[100] != LEDGER[100] { LEDGER } else { bytes }, node, None)
        };
        assert!(ledger_bits(lenient).unwrap_err().contains("bit 80"));
    }
}
