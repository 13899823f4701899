//! Foreign bytes never panic: noise, and damaged copies of every fixture.

use chatlogs::{Format, ImportOptions, Limits};
use proptest::prelude::*;

use crate::support::{fixture, me, take};

const FIXTURES: [&str; 12] = [
    "openai/plain.jsonl",
    "openai/malformed.jsonl",
    "sharegpt/list.json",
    "sharegpt/one.json",
    "sharegpt/malformed.json",
    "chatgpt/conversations.json",
    "chatgpt/malformed.json",
    "whatsapp/ios.txt",
    "whatsapp/android.txt",
    "whatsapp/malformed.txt",
    "dataset/many.jsonl",
    "dataset/malformed.jsonl",
];

/// Imports `bytes` as several people would; whatever comes out holds what it promises.
fn attempt(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export");
    std::fs::write(&path, bytes).unwrap();
    let limits = Limits { element_bytes: 20_000, ..Default::default() };
    for name in [None, Some("Bo"), Some("Tom"), Some("u1")] {
        let options = ImportOptions { me: name.map(str::to_owned), limits, ..Default::default() };
        match take(&path, &options) {
            Ok((found, _)) => found.iter().for_each(|conversation| {
                assert!(!conversation.messages().is_empty());
                assert!(conversation.source() != Format::Chat);
                let stored = chatlogs::Conversation::from_json(&conversation.to_json());
                assert_eq!(stored.as_ref(), Ok(conversation));
            }),
            Err(error) => assert!(error.to_string().contains("export"), "{error}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..Default::default() })]

    #[test]
    fn noise(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        attempt(&bytes);
    }

    #[test]
    fn noise_that_begins_like_an_export(
        start in prop::sample::select(vec![
            &b"PK\x03\x04"[..], b"PK\x05\x06", b"[{\"mapping\":", b"{\"messages\":[", b"[{\"conversations\":[",
            b"1/4/23, 7:02 PM - Bo: ", b"[14/10/2021, 3:34:09 PM] Tom: ", b"\xef\xbb\xbf",
        ]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        attempt(&[start, &bytes].concat());
    }

    #[test]
    fn damaged_fixtures(
        which in 0..FIXTURES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        doubled in prop::option::of((any::<prop::sample::Index>(), 1_usize..60)),
    ) {
        let mut bytes = std::fs::read(fixture(FIXTURES[which])).unwrap();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some((index, length)) = doubled {
            let at = index.index(bytes.len());
            let piece = bytes[at..(at + length).min(bytes.len())].to_vec();
            bytes.splice(at..at, piece);
        }
        if let Some(index) = cut {
            bytes.truncate(index.index(bytes.len()));
        }
        attempt(&bytes);
    }

    /// Any JSON in the place of any value: wrong types everywhere.
    #[test]
    fn values_of_wrong_types(
        which in prop::sample::select(vec!["chatgpt/conversations.json", "sharegpt/list.json"]),
        at in any::<prop::sample::Index>(),
        other in prop::sample::select(vec!["null", "7", "-1e300", "\"x\"", "[]", "{}", "[[{}]]", "true"]),
    ) {
        let text = std::fs::read_to_string(fixture(which)).unwrap();
        let starts: Vec<usize> = text.match_indices(": ").map(|(at, _)| at + 2).collect();
        let start = starts[at.index(starts.len())];
        // The old value becomes an unused one beside the new.
        let changed = format!("{}{other}, \"unused\": {}", &text[..start], &text[start..]);
        attempt(changed.as_bytes());
    }

    /// What is written as a chat is read back as it was.
    #[test]
    fn whatsapp_round_trips(
        messages in prop::collection::vec(("Ana|Bo|Cy Jones", "[a-z][a-z ,.!?]{0,30}[a-z](\n[a-z]{1,9})?"), 1..30),
        ios: bool,
        month_first: bool,
    ) {
        let mut text = String::new();
        for (index, (author, body)) in messages.iter().enumerate() {
            let (minute, date) = (index, if month_first { "10/25/2021" } else { "25/10/2021" });
            text += &if ios {
                format!("[{date}, 3:{minute:02}:09\u{202f}PM] {author}: {body}\n")
            } else {
                format!("{date}, 15:{minute:02} - {author}: {body}\n")
            };
        }
        prop_assume!(messages.iter().any(|(author, _)| author == "Bo"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, text).unwrap();
        let (found, report) = take(&path, &me("Bo")).unwrap();
        prop_assert_eq!(found.len(), 1);
        prop_assert!(report.skipped.is_empty());
        let all: Vec<&str> = messages.iter().map(|(_, body)| body.as_str()).collect();
        let read: Vec<&str> = found[0].messages().iter().map(|m| m.text.as_str()).collect();
        prop_assert_eq!(read.join("\n"), all.join("\n"));
    }
}
