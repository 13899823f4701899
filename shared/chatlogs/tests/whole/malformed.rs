//! Damaged exports: a clear error with file and place, or a counted skip; the rest is taken.

use std::path::PathBuf;

use chatlogs::{Hint, ImportError, ImportOptions, Limits, Position, SkipReason};
use tempfile::TempDir;

use crate::support::{fixture, me, take, taken, turns};

fn written(bytes: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("export");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn error_of(bytes: impl AsRef<[u8]>) -> ImportError {
    let (_folder, path) = written(bytes);
    take(&path, &ImportOptions::default()).expect_err("it is damaged")
}

#[test]
fn openai_lines() {
    let (found, report) = taken("openai/malformed.jsonl", &ImportOptions::default());
    let texts: Vec<_> = found.iter().map(|conversation| turns(conversation)[0].1).collect();
    assert_eq!(texts, ["café at nine?", "still here", "last, without an end of line"]);
    for (reason, count, line) in [
        (SkipReason::MalformedJson, 2, 2),
        (SkipReason::OtherShape, 1, 4),
        (SkipReason::InvalidUtf8, 1, 5),
        (SkipReason::UnknownRole, 1, 6),
        (SkipReason::NothingSaid, 1, 6),
        (SkipReason::WrongType, 5, 6),
    ] {
        assert_eq!(report.skipped(reason), count, "{reason}");
        assert_eq!(report.skipped[&reason].examples[0].position, Position::Line(line), "{reason}");
    }
}

#[test]
fn sharegpt_elements() {
    let (found, report) = taken("sharegpt/malformed.json", &ImportOptions::default());
    assert_eq!(found.len(), 2);
    assert_eq!(turns(&found[1])[0], ("user", "half an emoji \u{fffd} here"));
    for (reason, count) in [
        (SkipReason::OtherShape, 3),
        (SkipReason::MalformedJson, 1),
        (SkipReason::WrongType, 2),
        (SkipReason::UnknownRole, 1),
        (SkipReason::NothingSaid, 1),
    ] {
        assert_eq!(report.skipped(reason), count, "{reason}");
    }
    let malformed = &report.skipped[&SkipReason::MalformedJson].examples[0];
    assert!(malformed.to_string().ends_with("malformed.json conversation 6"), "{malformed}");
}

#[test]
fn chatgpt_trees() {
    let (found, report) = taken("chatgpt/malformed.json", &ImportOptions::default());
    let last: Vec<_> = found.iter().map(|c| turns(c).last().unwrap().1).collect();
    assert_eq!(last, ["still found", "new", "the end of something", "taken"]);
    assert_eq!(turns(&found[1])[0], ("user", "which branch?"));
    for (reason, count) in [
        (SkipReason::CyclicTree, 1),
        (SkipReason::NoCurrentNode, 1),
        (SkipReason::MissingParent, 1),
        (SkipReason::NothingSaid, 1),
        (SkipReason::OtherShape, 3),
        (SkipReason::WrongType, 4),
    ] {
        assert_eq!(report.skipped(reason), count, "{reason}");
    }
}

#[test]
fn whatsapp_lines() {
    let (found, report) = taken("whatsapp/malformed.txt", &me("Bo"));
    assert_eq!(
        turns(&found[0]),
        [
            ("user", "first\n99/99/23, 7:03 PM - Bo: not a date, so part of the message before"),
            ("partner", "good again"),
            ("user", "[1/4/23, 7:09 PM - Bo: bracket never closed"),
        ]
    );
    assert_eq!(report.skipped(SkipReason::StrayLine), 1);
    assert_eq!(report.skipped(SkipReason::InvalidUtf8), 1);
    let damaged = &report.skipped[&SkipReason::InvalidUtf8].examples[0];
    assert_eq!(damaged.position, Position::Line(4));
}

#[test]
fn data_set_lines() {
    let (found, report) = taken("dataset/malformed.jsonl", &me("u1"));
    assert_eq!(found.len(), 3);
    for (reason, count) in [
        (SkipReason::MalformedJson, 1),
        (SkipReason::OtherShape, 1),
        (SkipReason::NothingSaid, 1),
        (SkipReason::WrongType, 5),
    ] {
        assert_eq!(report.skipped(reason), count, "{reason}");
    }
}

#[test]
fn a_list_that_is_cut_off_names_file_conversation_and_byte() {
    let whole = std::fs::read(fixture("chatgpt/conversations.json")).unwrap();
    let first = whole.windows(3).position(|w| w == b"},\n{".get(..3).unwrap()).unwrap_or(0);
    assert!(first < whole.len());
    let (_folder, path) = written(&whole[..whole.len() - 40]);
    let mut before = 0;
    let error = chatlogs::import(&path, &ImportOptions::default())
        .unwrap()
        .each(|_| {
            before += 1;
            Ok::<_, ImportError>(())
        })
        .expect_err("it is cut off");
    assert_eq!(before, 1);
    let shown = error.to_string();
    assert!(shown.contains("export conversation 2 ends in the middle, at byte"), "{shown}");
    assert!(!shown.contains("tide"), "no text in errors: {shown}");
}

#[test]
fn every_cut_of_a_list_is_an_error_or_complete() {
    let whole = std::fs::read(fixture("sharegpt/list.json")).unwrap();
    let end = whole.trim_ascii_end().len();
    for cut in 1..end {
        let (_folder, path) = written(&whole[..cut]);
        let result = take(&path, &ImportOptions::default());
        assert!(result.is_err(), "cut at {cut} goes unnoticed");
    }
}

#[test]
fn files_that_are_no_export_say_what_they_are() {
    assert!(matches!(error_of(""), ImportError::Empty { .. }));
    assert!(matches!(error_of("\u{feff} \n\n"), ImportError::Empty { .. }));
    for (bytes, hint) in [
        (&b"Dear diary, today nothing happened."[..], Hint::None),
        (b"{\"a\": 1}", Hint::Json),
        (b"[1, 2]", Hint::Json),
        (b"[]", Hint::DamagedJson),
        (b"{\"messages\": [{\"role\"", Hint::DamagedJson),
        (b"\xff\xfe[\x001\x00", Hint::Utf16),
        (b"\x1f\x8b\x08....", Hint::Gzip),
        (b"\x7fELF\x00\x00", Hint::Binary),
    ] {
        let error = error_of(bytes);
        let ImportError::Unrecognised { hint: found, .. } = error else {
            panic!("{bytes:?}: {error}");
        };
        assert_eq!(found, hint, "{bytes:?}");
    }
}

#[test]
fn what_is_no_file_is_refused() {
    let missing = take("/nonexistent/export".as_ref(), &ImportOptions::default());
    assert!(matches!(missing, Err(ImportError::Read { .. })));
    #[cfg(unix)]
    {
        let device = take("/dev/null".as_ref(), &ImportOptions::default());
        assert!(matches!(device, Err(ImportError::NotAFile { .. })));
    }
}

#[test]
fn deep_nesting_costs_one_conversation() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = format!(
        "[{{\"conversations\": {deep}}}, {{\"conversations\": [{{\"from\": \"human\", \"value\": \"ok\"}}]}}]"
    );
    let (_folder, path) = written(&text);
    let (found, report) = take(&path, &ImportOptions::default()).unwrap();
    assert_eq!((found.len(), report.skipped(SkipReason::TooDeep)), (1, 1));
    let lines = format!(
        "{{\"messages\": {deep}}}\n{{\"messages\": [{{\"role\": \"user\", \"content\": \"ok\"}}]}}\n"
    );
    let (_folder, path) = written(&lines);
    let (found, report) = take(&path, &ImportOptions::default()).unwrap();
    assert_eq!((found.len(), report.skipped(SkipReason::MalformedJson)), (1, 1));
}

#[test]
fn an_oversized_conversation_costs_itself_alone() {
    let large = "x".repeat(5_000);
    let line = |text: &str| {
        format!("{{\"messages\": [{{\"role\": \"user\", \"content\": \"{text}\"}}]}}\n")
    };
    let (_folder, path) = written(line("first") + &line(&large) + &line("last"));
    let limits = Limits { element_bytes: 1_000, ..Default::default() };
    let options = ImportOptions { limits, ..Default::default() };
    let (found, report) = take(&path, &options).unwrap();
    assert_eq!((found.len(), report.skipped(SkipReason::TooLarge)), (2, 1));
}

#[test]
fn what_follows_an_oversized_line_of_a_chat_is_nobodys() {
    let large = "x".repeat(500);
    let chat = format!(
        "14/10/2021, 15:00 - Bo: mine\n14/10/2021, 15:01 - Cy: {large}\nhers, not mine\n14/10/2021, 15:02 - Bo: again\n"
    );
    let (_folder, path) = written(&chat);
    let limits = Limits { element_bytes: 100, ..Default::default() };
    let (found, report) = take(&path, &ImportOptions { limits, ..me("Bo") }).unwrap();
    assert_eq!(turns(&found[0]), [("user", "mine\nagain")]);
    assert_eq!(report.skipped(SkipReason::TooLarge), 1);
    assert_eq!(report.skipped(SkipReason::StrayLine), 1);
}

#[test]
fn a_folder_of_several_formats_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["openai/plain.jsonl", "sharegpt/list.json"] {
        std::fs::copy(fixture(name), folder.path().join(name.replace('/', "-"))).unwrap();
    }
    let error = take(folder.path(), &ImportOptions::default()).unwrap_err();
    assert!(error.to_string().contains("OpenAI messages, ShareGPT"), "{error}");
}
