//! Data sets: licences, splits and feedback reach the caller.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
        let Some(path) = unpacked(&folder.join(format!("{set}.jsonl.zst"))) else {
            eprintln!("skipped: cannot unpack {set} (needs the zstd program)");
            return;
        };
        let mut pairs = 0;
        let report = read_dataset(path.path(), |record| {
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

fn unpacked(packed: &Path) -> Option<tempfile::NamedTempFile> {
    let file = tempfile::NamedTempFile::new().ok()?;
    let output = file.reopen().ok()?;
    let status =
        Command::new("zstd").args(["-dcq"]).arg(packed).stdout(Stdio::from(output)).status();
    status.is_ok_and(|status| status.success()).then_some(file)
}
