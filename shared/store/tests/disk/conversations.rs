//! The conversations: kept once, listed, excluded, deleted, handed to training.

use store::{Conversations, DatabaseKey, Imported, StoreError, StoredConversation};
use tempfile::TempDir;

const KEY: [u8; 32] = [3; 32];

pub fn open(folder: &TempDir) -> Conversations {
    Conversations::open(&folder.path().join("conversations.db"), &DatabaseKey::Raw(&KEY)).unwrap()
}

/// Content `id` of thread `thread`.
pub fn conversation(id: u8, thread: u8, text: &str) -> StoredConversation {
    StoredConversation {
        id: [id; 32],
        thread: [thread; 32],
        source: "whatsapp".into(),
        title: id.is_multiple_of(2).then(|| format!("title {id}")),
        started: Some(i64::from(id) * 1000),
        messages: text.as_bytes().to_vec(),
        split: None,
        excluded: false,
        imported_at: 1_700_000_000,
    }
}

fn imported(inserted: u64, replaced: u64, duplicate: u64) -> Imported {
    Imported { inserted, replaced, duplicate }
}

fn training(conversations: &Conversations) -> Vec<u8> {
    let mut ids = Vec::new();
    let listed = conversations.training_ids().unwrap();
    for id in &listed {
        assert_eq!(conversations.find(id).unwrap().unwrap().id, *id);
    }
    assert_eq!(conversations.find(&[0xff; 32]).unwrap(), None);
    conversations
        .for_each_training(|conversation| {
            ids.push(conversation.id[0]);
            true
        })
        .unwrap();
    assert!(ids.iter().eq(listed.iter().map(|id| &id[0])), "listed and handed over alike");
    ids
}

#[test]
fn importing_twice_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversations = open(&folder);
    let all: Vec<_> = (0..10).map(|id| conversation(id, id, "hello")).collect();
    assert_eq!(conversations.insert_many(&all).unwrap(), imported(10, 0, 0));
    assert_eq!(conversations.insert_many(&all).unwrap(), imported(0, 0, 10));
    drop(conversations);
    let mut conversations = open(&folder);
    assert_eq!(conversations.insert_many(&all[3..5]).unwrap(), imported(0, 0, 2));
    assert_eq!(conversations.get("04").unwrap(), all[4]);
    assert_eq!(conversations.counts().unwrap().total, 10);
}

#[test]
fn a_later_export_replaces_the_thread_and_keeps_its_exclusion() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversations = open(&folder);
    conversations.insert_many(&[conversation(1, 50, "hello"), conversation(2, 51, "x")]).unwrap();
    conversations.exclude("01").unwrap();
    let later = conversation(3, 50, "hello again");
    assert_eq!(conversations.insert_many([&later]).unwrap(), imported(0, 1, 0));
    let kept = conversations.get("03").unwrap();
    assert_eq!((&kept.messages[..], kept.excluded), (&b"hello again"[..], true));
    assert!(matches!(conversations.get("01"), Err(StoreError::UnknownConversation { .. })));
    let earlier = conversation(1, 50, "hello");
    assert_eq!(conversations.insert_many([&earlier]).unwrap(), imported(0, 0, 1));
    assert_eq!(conversations.counts().unwrap().total, 2);
}

#[test]
fn an_error_in_the_middle_keeps_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversations = open(&folder);
    conversations.insert_many(&[conversation(1, 1, "a"), conversation(2, 2, "b")]).unwrap();
    // Its id is that of another thread's content: no such pair of exports exists.
    let impossible = conversation(2, 1, "longer");
    let result = conversations.insert_many([&conversation(7, 7, "new"), &impossible]);
    assert!(matches!(result, Err(StoreError::Database { .. })), "{result:?}");
    assert_eq!(conversations.list(0, 100).unwrap().len(), 2);
}

#[test]
fn lists_are_paged_in_the_order_of_import() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversations = open(&folder);
    let all: Vec<_> = (0..25).map(|i| conversation(200 - i, i, "hello")).collect();
    conversations.insert_many(&all).unwrap();
    let ids = |skip, limit| -> Vec<u8> {
        conversations.list(skip, limit).unwrap().iter().map(|found| found.id[0]).collect()
    };
    assert_eq!(ids(0, 3), [200, 199, 198]);
    assert_eq!(ids(23, 10), [177, 176]);
    assert!(ids(25, 10).is_empty() && ids(u64::MAX, 1).is_empty() && ids(0, 0).is_empty());
    assert_eq!(ids(0, u64::MAX).len(), 25);
    let first = &conversations.list(0, 1).unwrap()[0];
    assert_eq!((first.bytes, first.title.as_deref()), (5, Some("title 200")));
    assert_eq!(format!("{first:?}"), "ConversationSummary(c8c8c8c8)");
    assert_eq!(format!("{:?}", all[0]), "StoredConversation(c8c8c8c8, 5 bytes)");
}

#[test]
fn only_what_may_be_trained_on_is_handed_to_training() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversations = open(&folder);
    let mut all: Vec<_> = (1..=6).map(|id| conversation(id, id, "hello")).collect();
    all[1].split = Some("train".into());
    all[2].split = Some("held_out".into());
    all[3].excluded = true;
    conversations.insert_many(&all).unwrap();
    assert_eq!(training(&conversations), [1, 2, 5, 6]);
    assert_eq!(conversations.exclude("05").unwrap(), [5; 32]);
    assert_eq!(conversations.include("0404").unwrap(), [4; 32]);
    assert_eq!(training(&conversations), [1, 2, 4, 6]);
    let counts = conversations.counts().unwrap();
    assert_eq!((counts.total, counts.excluded, counts.training), (6, 1, 4));

    let mut seen = 0;
    conversations
        .for_each_training(|_| {
            seen += 1;
            seen < 2
        })
        .unwrap();
    assert_eq!(seen, 2);
    let mut held_out = Vec::new();
    conversations
        .for_each_in_split("held_out", |found| {
            held_out.push(found);
            true
        })
        .unwrap();
    assert_eq!(held_out, all[2..3]);
}

#[test]
fn a_name_must_fit_exactly_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut conversations = open(&folder);
    let mut near = conversation(0xab, 1, "a");
    near.id[31] = 0;
    conversations
        .insert_many([&near, &conversation(0xab, 2, "b"), &conversation(0xc0, 3, "c")])
        .unwrap();
    for (prefix, matches) in [("a", 2), ("AB", 2), ("abab", 2)] {
        let error = conversations.exclude(prefix).unwrap_err();
        let found =
            matches!(error, StoreError::AmbiguousConversation { matches: m, .. } if m == matches);
        assert!(found, "{prefix}: {error}");
    }
    assert_eq!(conversations.delete(&"ab".repeat(32)).unwrap(), [0xab; 32]);
    assert_eq!(conversations.exclude("AB").unwrap(), near.id);
    assert!(matches!(conversations.delete("d"), Err(StoreError::UnknownConversation { .. })));
    for prefix in ["", "g", "ab%", "ab'", &"a".repeat(65), "é"] {
        assert!(matches!(conversations.delete(prefix), Err(StoreError::NotAnId)), "{prefix}");
    }
    assert_eq!(conversations.counts().unwrap().total, 2);
}
