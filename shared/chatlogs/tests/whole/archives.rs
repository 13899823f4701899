//! Zip archives and folders: shards, attachments, bombs.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use chatlogs::{Format, ImportError, ImportOptions, SkipReason};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::support::{fixture, me, take, turns};

fn archive(entries: &[(&str, &[u8])]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    // A name that says nothing: formats are told from bytes.
    let path = folder.path().join("download.bin");
    let mut writer = ZipWriter::new(File::create(&path).unwrap());
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap();
    (folder, path)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

/// Two shards with a conversation each.
fn shards() -> [Vec<u8>; 2] {
    let all: Vec<serde_json::Value> =
        serde_json::from_slice(&bytes("chatgpt/conversations.json")).unwrap();
    [0, 1].map(|index| serde_json::to_vec(&all[index..=index]).unwrap())
}

#[test]
fn chatgpt_zip_of_shards_among_other_files() {
    let [first, second] = shards();
    let attached = bytes("openai/plain.jsonl");
    let (_folder, path) = archive(&[
        ("export_manifest.json", b"{\"version\": 1}"),
        ("conversations-000.json", &first),
        ("conversations-001.json", &second),
        ("message_feedback.json", b"[{\"conversation_id\": \"x\", \"rating\": \"thumbs_up\"}]"),
        ("user.json", b"{\"email\": \"x\"}"),
        ("chat.html", b"<html></html>"),
        ("file-abc.jsonl", &attached),
        ("dalle/x.png", b"\x89PNG\x00"),
    ]);
    let (found, report) = take(&path, &ImportOptions::default()).unwrap();
    assert_eq!((report.format, found.len()), (Format::ChatGpt, 2));
    assert_eq!(report.skipped(SkipReason::OtherFile), 6);
    let other = &report.skipped[&SkipReason::OtherFile].examples[0];
    assert!(other.file.ends_with("download.bin/chat.html"), "{other}");
}

#[test]
fn chatgpt_folder_of_shards_equals_the_single_file() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = shards();
    std::fs::write(folder.path().join("conversations-000.json"), first).unwrap();
    std::fs::create_dir(folder.path().join("more")).unwrap();
    std::fs::write(folder.path().join("more/conversations-001.json"), second).unwrap();
    std::fs::write(folder.path().join("user.json"), "{}").unwrap();
    let sharded = take(folder.path(), &ImportOptions::default()).unwrap().0;
    let single = take(&fixture("chatgpt/conversations.json"), &ImportOptions::default()).unwrap().0;
    assert_eq!(sharded, single);
}

#[test]
fn whatsapp_zip_with_media() {
    let chat = bytes("whatsapp/ios.txt");
    let (_folder, path) = archive(&[
        ("00000012-PHOTO-2021-10-14-15-35-40.jpg", b"\xff\xd8\xff\xe0"),
        ("_chat.txt", &chat),
    ]);
    let (found, report) = take(&path, &me("Ana Lima")).unwrap();
    assert_eq!((report.format, found.len()), (Format::WhatsApp, 3));
    assert_eq!(turns(&found[0])[0], ("user", "did the heron come back?"));
    let Err(ImportError::WhoIsMe { candidates, .. }) = take(&path, &ImportOptions::default())
    else {
        panic!("it must ask");
    };
    assert_eq!(candidates.len(), 3);
}

#[test]
fn an_entry_that_unpacks_without_end_is_a_bomb() {
    // 80 MiB of blanks in a list: about 80 kB packed, a thousand to one.
    let mut bomb = b"[{\"conversations\": [{\"from\": \"human\", \"value\": \"hi\"}]}".to_vec();
    bomb.resize(80 << 20, b' ');
    let (_folder, path) = archive(&[("conversations.json", &bomb)]);
    assert!(std::fs::metadata(&path).unwrap().len() < 200_000);
    let error = take(&path, &ImportOptions::default()).unwrap_err();
    let ImportError::Bomb { limit_bytes, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(limit_bytes, 64 << 20);
}

#[test]
fn entries_that_share_their_bytes_are_a_bomb() {
    let (_folder, path) = archive(&[("a.json", &bytes("sharegpt/list.json")), ("b.txt", b"x")]);
    let mut zip = std::fs::read(&path).unwrap();
    // In the central directory, let the second entry claim a packed size beyond the file.
    let second = zip.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    zip[second + 20..second + 24].copy_from_slice(&100_000_u32.to_le_bytes());
    std::fs::write(&path, zip).unwrap();
    let result = take(&path, &ImportOptions::default());
    assert!(
        matches!(result, Err(ImportError::Bomb { .. } | ImportError::Archive { .. })),
        "{result:?}"
    );
}

#[test]
fn damaged_archives_are_named() {
    let (_folder, path) = archive(&[("conversations.json", &bytes("chatgpt/conversations.json"))]);
    let whole = std::fs::read(&path).unwrap();
    let failed = |bytes: &[u8]| -> String {
        std::fs::write(&path, bytes).unwrap();
        take(Path::new(&path), &ImportOptions::default()).unwrap_err().to_string()
    };
    for cut in [10, whole.len() / 2, whole.len() - 10] {
        assert!(failed(&whole[..cut]).contains("download.bin"), "cut at {cut}");
    }
    // One packed byte changed: deflate or its checksum notices.
    let mut flipped = whole.clone();
    flipped[200] ^= 0x55;
    assert!(failed(&flipped).contains("conversations.json"));
}

#[test]
fn a_damaged_shard_is_reported_by_name() {
    let [first, second] = shards();
    let (_folder, path) = archive(&[
        ("conversations-000.json", &first),
        ("conversations-001.json", &second[..second.len() / 2]),
    ]);
    let (found, report) = take(&path, &ImportOptions::default()).unwrap();
    assert_eq!(found.len(), 1);
    let damaged = &report.skipped[&SkipReason::DamagedFile].examples[0];
    assert!(damaged.file.ends_with("conversations-001.json"), "{damaged}");
}

#[test]
fn an_archive_without_chats_is_refused() {
    let (_folder, path) = archive(&[("a.txt", b"hello"), ("b.bin", b"\x00\x01")]);
    let result = take(&path, &ImportOptions::default());
    assert!(matches!(result, Err(ImportError::Unrecognised { .. })));
    let (_folder, path) = archive(&[]);
    assert!(matches!(take(&path, &ImportOptions::default()), Err(ImportError::Empty { .. })));
}
