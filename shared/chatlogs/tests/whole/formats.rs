//! Every format, well-formed, as its users have it.

use chatlogs::{Format, ImportError, ImportOptions, Position, Role, SkipReason};

use crate::support::{fixture, me, take, taken, turns};

#[test]
fn openai_messages() {
    let (found, report) = taken("openai/plain.jsonl", &ImportOptions::default());
    assert_eq!(report.format, Format::OpenAi);
    let expected = [
        ("system", "You are terse."),
        ("user", "What grows well in shade?"),
        ("assistant", "Ferns, hostas, astilbe."),
    ];
    assert_eq!(turns(&found[0]), expected);
    assert_eq!(
        turns(&found[1]),
        [("user", "Is this mould?"), ("assistant", "It looks like lime.")]
    );
    assert_eq!(turns(&found[2])[2], ("assistant", "17 degrees and dry."));
    assert_eq!(turns(&found[3]), [("user", "one\ntwo"), ("assistant", "three")]);
    assert_eq!(report.skipped(SkipReason::Attachment), 1);
    assert_eq!(report.skipped(SkipReason::ToolMessage), 2);
    assert_eq!(report.skipped[&SkipReason::Attachment].examples[0].position, Position::Line(2));
}

#[test]
fn sharegpt_as_list_lines_and_single_value() {
    let (found, report) = taken("sharegpt/list.json", &ImportOptions::default());
    assert_eq!((report.format, found.len()), (Format::ShareGpt, 3));
    assert_eq!(
        turns(&found[1]),
        [
            ("system", "Answer in rhyme."),
            ("user", "Where is the cat?"),
            ("assistant", "Upon the mat.")
        ]
    );
    assert_eq!(turns(&found[2])[1].0, "assistant");
    assert_eq!(report.skipped(SkipReason::ToolMessage), 1);
    assert_eq!(taken("sharegpt/lines.jsonl", &ImportOptions::default()).0.len(), 2);
    let (one, _) = taken("sharegpt/one.json", &ImportOptions::default());
    assert_eq!(turns(&one[0])[1], ("assistant", "Read as one value."));
}

#[test]
fn chatgpt_takes_the_last_branch_only() {
    let (found, report) = taken("chatgpt/conversations.json", &ImportOptions::default());
    assert_eq!((report.format, found.len()), (Format::ChatGpt, 2));
    assert_eq!(
        turns(&found[0]),
        [
            ("user", "Why is my starter flat?"),
            ("assistant", "It may be cold. Try a warmer spot."),
            ("user", "Like this?"),
            ("assistant", "Yes, that is active."),
        ]
    );
    assert_eq!((found[0].title(), found[0].started()), (Some("Sourdough"), Some(1_700_000_000)));
    assert_eq!(turns(&found[1]), [("user", "What time is low tide?"), ("assistant", "At four.")]);
    assert_eq!(found[1].title(), None);
    for (reason, count) in [
        (SkipReason::Hidden, 2),
        (SkipReason::Attachment, 2),
        (SkipReason::ToolMessage, 2),
        (SkipReason::Reasoning, 1),
    ] {
        assert_eq!(report.skipped(reason), count, "{reason}");
    }
}

#[test]
fn whatsapp_of_ios() {
    let (found, report) = taken("whatsapp/ios.txt", &me("Tom"));
    assert_eq!(report.format, Format::WhatsApp);
    assert_eq!(found.len(), 3);
    assert_eq!(
        turns(&found[0]),
        [("partner", "did the heron come back?"), ("user", "yes!\ntwice, actually\nsorry, blurry")]
    );
    // 14 October 2021, 15:34:30, read as UTC.
    assert_eq!(found[0].started(), Some(1_634_225_670));
    assert_eq!(turns(&found[1]), [("partner", "still up?"), ("user", "barely: half asleep")]);
    assert_eq!(found[2].messages()[0].role, Role::Partner("+351 912 345 678".into()));
    assert_eq!(report.skipped(SkipReason::SystemLine), 1);
    assert_eq!(report.skipped(SkipReason::Attachment), 1);
    assert_eq!(report.skipped(SkipReason::Deleted), 1);
}

#[test]
fn whatsapp_of_android_with_months_first() {
    let (found, report) = taken("whatsapp/android.txt", &me("Bo"));
    assert_eq!(found.len(), 3);
    assert_eq!(
        turns(&found[0]),
        [("user", "who has the tickets?"), ("partner", "me"), ("user", "the platform")]
    );
    assert_eq!(turns(&found[1]), [("partner", "morning\nall\n\nready?")]);
    // 13 January 2023, 08:01: the thirteenth is no month.
    assert_eq!(
        (turns(&found[2]), found[2].started()),
        (vec![("user", "home again")], Some(1_673_596_860))
    );
    assert_eq!(report.skipped(SkipReason::SystemLine), 3);
    assert_eq!(report.skipped(SkipReason::Attachment), 3);
}

#[test]
fn whatsapp_in_german() {
    let (found, _) = taken("whatsapp/german.txt", &me("Änne"));
    assert_eq!(
        turns(&found[0]),
        [("partner", "Kommst du?"), ("user", "Gleich – 10:30 war zu früh")]
    );
}

#[test]
fn whatsapp_asks_who_me_is() {
    let Err(ImportError::WhoIsMe { candidates, .. }) =
        take(&fixture("whatsapp/android.txt"), &ImportOptions::default())
    else {
        panic!("it must ask");
    };
    let named: Vec<_> = candidates.iter().map(|c| (c.name.as_str(), c.messages)).collect();
    assert_eq!(named, [("Bo", 2), ("Cy", 1), ("Dee", 1)]);
    let error = take(&fixture("whatsapp/android.txt"), &me("bo")).unwrap_err().to_string();
    assert!(error.contains("nobody in") && error.contains("\"Bo\" (2 messages)"), "{error}");
}

#[test]
fn data_sets_of_one_user_and_of_many() {
    let (found, report) = taken("dataset/single.jsonl", &ImportOptions::default());
    assert_eq!((report.format, found.len()), (Format::Dataset, 2));
    assert_eq!(turns(&found[0]), [("user", "hi\nanyone?"), ("assistant", "hello")]);
    assert_eq!(turns(&found[1])[0], ("partner", "na?"));
    let many = fixture("dataset/many.jsonl");
    let asked = take(&many, &ImportOptions::default());
    assert!(matches!(asked, Err(ImportError::WhoIsMe { candidates, .. }) if candidates.len() == 3));
    let (found, report) = take(&many, &me("u2")).unwrap();
    assert_eq!((found.len(), report.skipped(SkipReason::OtherUser)), (1, 3));
    let everyone = ImportOptions { everyone: true, ..Default::default() };
    assert_eq!(take(&many, &everyone).unwrap().0.len(), 4);
}

#[test]
fn importing_twice_gives_the_same_ids() {
    for (name, options) in [
        ("openai/plain.jsonl", ImportOptions::default()),
        ("sharegpt/list.json", ImportOptions::default()),
        ("chatgpt/conversations.json", ImportOptions::default()),
        ("whatsapp/ios.txt", me("Tom")),
        ("dataset/single.jsonl", ImportOptions::default()),
    ] {
        let ids =
            || taken(name, &options).0.iter().map(|c| (c.id(), c.thread())).collect::<Vec<_>>();
        assert_eq!(ids(), ids());
        let mut distinct = ids();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), ids().len(), "{name}");
    }
}

#[test]
fn a_later_export_of_a_chat_continues_its_threads() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(fixture("whatsapp/android.txt")).unwrap();
    let later = folder.path().join("later");
    std::fs::write(&later, format!("{text}1/13/23, 9:00\u{202f}AM - Cy: welcome back\n")).unwrap();
    let (before, _) = taken("whatsapp/android.txt", &me("Bo"));
    let (after, _) = take(&later, &me("Bo")).unwrap();
    assert_eq!(before[..2], after[..2]);
    assert_ne!(before[2].id(), after[2].id());
    assert_eq!(before[2].thread(), after[2].thread());
    assert_eq!(before[2].split(), after[2].split());
}

#[test]
fn a_busy_group_is_cut_by_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("busy");
    let lines: String = (0..2500)
        .map(|n| format!("14/10/2021, 15:{:02} - {}: message {n}\n", n / 50, ["Ana", "Bo"][n % 2]))
        .collect();
    std::fs::write(&path, lines).unwrap();
    let (found, report) = take(&path, &me("Ana")).unwrap();
    assert_eq!((found.len(), report.messages), (3, 2500));
}

#[test]
fn the_sink_can_stop_the_import() {
    #[derive(Debug)]
    enum Stopped {
        Full,
        Import,
    }
    impl From<ImportError> for Stopped {
        fn from(_: ImportError) -> Self {
            Self::Import
        }
    }
    let import =
        chatlogs::import(&fixture("openai/plain.jsonl"), &ImportOptions::default()).unwrap();
    let mut seen = 0;
    let stopped = import.each(|_| {
        seen += 1;
        if seen == 2 { Err(Stopped::Full) } else { Ok(()) }
    });
    assert!(matches!(stopped, Err(Stopped::Full)) && seen == 2, "{stopped:?}");
}
