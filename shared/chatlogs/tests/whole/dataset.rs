//! Data sets: licences, splits and feedback reach the caller.

use std::path::{Path, PathBuf};

use chatlogs::{Format, ImportError, Record, Split, read_dataset};

use crate::support::fixture;

fn records(path: &Path) -> Vec<Record> {
    let mut records = Vec::new();
    read_dataset(path, |record| {
        records.push(record);
        Ok::<_, ImportError>(())
    })
    .unwrap();
    records
}

#[test]
fn records_carry_what_is_known_about_them() {
    let records = records(&fixture("dataset/many.jsonl"));
    let users: Vec<_> = records.iter().map(|record| record.user.as_str()).collect();
    assert_eq!(users, ["u1", "u1", "u2", "book-1"]);
    assert_eq!(records[1].license.as_deref(), Some("CC-BY-4.0"));
    assert_eq!((records[0].split, records[1].split), (Some(Split::Train), Some(Split::HeldOut)));
    assert_eq!(records[1].language.as_deref(), Some("de"));
    assert_eq!(records[3].source.as_deref(), Some("gutenberg"));
    let feedback = records[2].feedback.as_ref().unwrap();
    assert_eq!((feedback.chosen.as_str(), feedback.rejected.as_str()), ("this", "that"));
    assert_eq!(format!("{feedback:?}"), "chosen 4 bytes, rejected 4");
    // The same name of a conversation at two users is two threads.
    assert_ne!(records[0].conversation.thread(), records[2].conversation.thread());
    assert_eq!(records[3].conversation.as_turns(), [("user", "Chapter 1")]);
}

#[test]
fn other_formats_are_no_data_set() {
    let error =
        read_dataset(&fixture("openai/plain.jsonl"), |_| Ok::<_, ImportError>(())).unwrap_err();
    assert!(error.to_string().contains("not a data set"), "{error}");
}

/// Packed is as plain: found by its first bytes, whatever the name.
#[test]
fn packed_files_are_read_as_plain_ones() {
    let plain = fixture("dataset/many.jsonl");
    let packed = pack(&std::fs::read(&plain).unwrap());
    assert_eq!(records(packed.path()), records(&plain));
    assert!(!records(&plain).is_empty());
    // Cut off: what is there is not taken for all of it.
    let whole = std::fs::read(packed.path()).unwrap();
    let cut = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(cut.path(), &whole[..whole.len() - 5]).unwrap();
    let error = read_dataset(cut.path(), |_| Ok::<_, ImportError>(())).unwrap_err();
    assert!(matches!(error, ImportError::Read { .. }), "{error}");
}

/// A few hundred bytes that unpack to more than any export are refused, not held in memory.
#[test]
fn a_packed_bomb_is_refused() {
    let line =
        r#"{"user": "u", "conversation": "c", "messages": [{"role": "user", "content": "hi"}]}"#;
    let bomb = pack(&[line.as_bytes(), b"\n", &vec![b' '; 65 << 20]].concat());
    assert!(bomb.as_file().metadata().unwrap().len() < 100_000);
    let error = read_dataset(bomb.path(), |_| Ok::<_, ImportError>(())).unwrap_err();
    assert!(
        matches!(error, ImportError::Bomb { limit_bytes, .. } if limit_bytes == 64 << 20),
        "{error}"
    );
}

fn pack(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), zstd::encode_all(bytes, 3).unwrap()).unwrap();
    file
}

/// The real sets, where they are at hand: every line is taken, nothing is skipped.
#[test]
fn the_real_data_is_read_whole() {
    let Some(folder) = data_folder() else {
        eprintln!("skipped: no data; set MURMUR_DATA to the folder of the data sets to run it");
        return;
    };
    for (set, conversations) in
        [("assistant", 7_954), ("preferences", 2_767), ("multilingual", 13_467)]
    {
        let mut pairs = 0;
        let report = read_dataset(&folder.join(format!("{set}.jsonl.zst")), |record| {
            pairs += u64::from(record.feedback.is_some());
            assert!(record.split.is_some() && record.license.is_some() && record.source.is_some());
            Ok::<_, ImportError>(())
        })
        .unwrap();
        assert_eq!(
            (report.format, report.conversations),
            (Format::Dataset, conversations),
            "{set}"
        );
        assert!(report.skipped.is_empty(), "{set}: {report:?}");
        assert_eq!(pairs, if set == "preferences" { conversations } else { 0 });
    }
}

fn data_folder() -> Option<PathBuf> {
    let named = std::env::var_os("MURMUR_DATA").map(PathBuf::from);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let beside = workspace.join("../shared/data/dev");
    named.or(Some(beside)).filter(|folder| folder.is_dir())
}
