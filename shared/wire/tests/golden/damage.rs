//! Every way to damage a message is refused, and no bytes whatever make a reader panic.

use proptest::prelude::*;
use wire::{DecodeError, Invite, InviteError, WIRE_VERSION};

use crate::{
    folder, golden,
    samples::{Sample, all},
    to_hex,
};

/// A round number stands behind the version byte and the 32 bytes of the task: 300 is `ac 02`.
const ROUND_AT: usize = 1 + 32;

/// Damaged twins that are kept as files, for readers in other languages: (file, good twin, damage, fault).
type Twin = (&'static str, &'static str, fn(Vec<u8>) -> Vec<u8>, DecodeError);

const TWINS: [Twin; 6] = [
    ("bad_truncated", "plan", |bytes| bytes[..bytes.len() - 1].to_vec(), DecodeError::Malformed),
    (
        "bad_trailing_byte",
        "contribution",
        |bytes| [bytes, vec![0]].concat(),
        DecodeError::NotCanonical,
    ),
    ("bad_over_long_number", "consistency", over_long, DecodeError::NotCanonical),
    (
        "bad_version_byte",
        "survivors",
        |bytes| with_byte(bytes, 0, 2),
        DecodeError::Version { found: 2 },
    ),
    // The outcome's tag stands behind task, index, round, version and parent.
    (
        "bad_unknown_variant",
        "header_aborted",
        |bytes| with_byte(bytes, 70, 9),
        DecodeError::Malformed,
    ),
    // The part's tag stands behind the version byte: there are contributions and the end.
    (
        "bad_transcript_part",
        "transcript_contribution",
        |bytes| with_byte(bytes, 1, 2),
        DecodeError::Malformed,
    ),
];

pub fn file_names() -> impl Iterator<Item = String> {
    TWINS.iter().map(|(name, ..)| format!("{name}.hex"))
}

fn with_byte(mut bytes: Vec<u8>, place: usize, value: u8) -> Vec<u8> {
    bytes[place] = value;
    bytes
}

/// 300 as `ac 82 00`: the same number, one byte longer.
fn over_long(mut bytes: Vec<u8>) -> Vec<u8> {
    assert_eq!(bytes[ROUND_AT..ROUND_AT + 2], [0xac, 0x02]);
    bytes[ROUND_AT + 1] = 0x82;
    bytes.insert(ROUND_AT + 2, 0);
    bytes
}

#[test]
fn damaged_twins_are_refused_for_their_fault() {
    let samples = all();
    for (name, good, damage, fault) in TWINS {
        let sample = samples.iter().find(|sample| sample.name == good).unwrap();
        let damaged = damage(sample.bytes.clone());
        if std::env::var_os("MURMUR_BLESS").is_some() {
            std::fs::write(folder().join(name).with_extension("hex"), to_hex(&damaged)).unwrap();
        }
        assert_eq!(golden(name), damaged, "{name}");
        assert_eq!((sample.reread)(&damaged, sample.limit), Err(fault), "{name}");
    }
}

#[test]
fn every_message_is_refused_when_cut_prolonged_or_of_another_version() {
    for Sample { name, bytes, limit, reread } in all() {
        for length in 0..bytes.len() {
            assert!(reread(&bytes[..length], limit).is_err(), "{name} cut to {length} bytes");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(reread(&longer, limit + 1), Err(DecodeError::NotCanonical), "{name}");
        let oversized = DecodeError::Oversized { length: bytes.len(), limit: bytes.len() - 1 };
        assert_eq!(reread(&bytes, bytes.len() - 1), Err(oversized), "{name}");
        let other = with_byte(bytes, 0, WIRE_VERSION + 1);
        assert_eq!(
            reread(&other, limit),
            Err(DecodeError::Version { found: WIRE_VERSION + 1 }),
            "{name}"
        );
    }
}

/// Whatever number is written one byte longer, wherever it stands: no second form of the same value.
#[test]
fn no_message_has_a_second_form() {
    for Sample { name, bytes, reread, .. } in all() {
        for place in 1..bytes.len() {
            let mut longer = bytes.clone();
            longer[place] |= 0x80;
            longer.insert(place + 1, 0);
            if let Ok(read) = reread(&longer, longer.len()) {
                assert_eq!(read, longer, "{name}, byte {place}");
            }
        }
    }
}

#[test]
fn an_invite_of_another_version_says_so() {
    let text = "murmur1".to_owned() + &damaged_invite(|bytes| bytes[0] = 9);
    let error = text.parse::<Invite>().unwrap_err();
    assert_eq!(error, InviteError::Unreadable(DecodeError::Version { found: 9 }));
}

fn damaged_invite(damage: fn(&mut Vec<u8>)) -> String {
    let mut bytes = golden("invite");
    damage(&mut bytes);
    let hash = blake3::derive_key("murmuration invite checksum v1", &bytes);
    bytes.extend_from_slice(&hash[..4]);
    data_encoding::BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()
}

/// Reads `bytes` as every message: nothing may panic, and what is taken has this one form.
fn read_as_everything(bytes: &[u8]) {
    for Sample { name, limit, reread, .. } in all() {
        if let Ok(read) = reread(bytes, limit) {
            assert_eq!(read, bytes, "{name}");
        }
    }
    let _ = String::from_utf8_lossy(bytes).parse::<Invite>();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn foreign_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..600), versioned: bool) {
        if versioned && !bytes.is_empty() {
            bytes[0] = WIRE_VERSION;
        }
        read_as_everything(&bytes);
    }

    #[test]
    fn bytes_like_a_message_never_panic(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = which.get(&all()).bytes.clone();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        read_as_everything(&bytes);
    }
}
