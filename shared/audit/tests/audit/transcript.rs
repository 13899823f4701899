//! The file of a transcript: what is in it comes back one by one, and every way to damage it is found.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::rc::Rc;

use audit::{History, Level, TranscriptError, WholeTranscript, audit_transcript};
use proptest::prelude::*;
use wire::TranscriptPart;

use crate::world::{Kept, log, play};

fn open(bytes: Vec<u8>) -> Result<WholeTranscript, TranscriptError> {
    WholeTranscript::open(Box::new(move || Ok(Box::new(io::Cursor::new(bytes.clone())))))
}

fn kept() -> Kept {
    play(4, 1, false).transcripts.remove(0)
}

/// The bytes of a file with these parts.
fn file(parts: &[TranscriptPart]) -> Vec<u8> {
    log(parts.iter().map(wire::encode))
}

fn parts(kept: &Kept) -> Vec<TranscriptPart> {
    let contributions = kept.contributions.iter().cloned().map(TranscriptPart::Contribution);
    contributions.chain([TranscriptPart::End(Box::new(kept.rest.clone()))]).collect()
}

#[test]
fn what_was_written_is_read_as_often_as_needed() {
    let kept = kept();
    let whole = open(kept.file()).unwrap();
    assert_eq!(whole.rest, kept.rest);
    for _ in 0..2 {
        let mut read = Vec::new();
        whole.contributions.each(|contribution| read.push(contribution.clone())).unwrap();
        assert_eq!(read, kept.contributions);
    }
}

#[test]
fn a_file_that_is_cut_or_changed_anywhere_is_refused() {
    let bytes = kept().file();
    for cut in (0..bytes.len()).step_by(13) {
        let error = open(bytes[..cut].to_vec()).unwrap_err();
        let expected = matches!(
            (cut, &error),
            (..8, TranscriptError::NotATranscript)
                | (8.., TranscriptError::Damaged { .. } | TranscriptError::NoEnd)
        );
        assert!(expected, "cut to {cut} bytes: {error}");
    }
    for bit in (0..bytes.len() * 8).step_by(101) {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        match open(changed).unwrap_err() {
            TranscriptError::NotATranscript => assert!(bit < 64, "bit {bit}"),
            TranscriptError::Damaged { at } => assert!(at as usize <= bit / 8, "bit {bit}"),
            other => panic!("bit {bit}: {other}"),
        }
    }
}

#[test]
fn parts_that_make_no_transcript_are_refused() {
    let kept = kept();
    let whole = parts(&kept);
    let (first, end) = (whole[0].clone(), whole[4].clone());
    assert!(matches!(open(file(&whole[..4])), Err(TranscriptError::NoEnd)));
    let longer = [&whole[..], std::slice::from_ref(&first)].concat();
    assert!(matches!(open(file(&longer)), Err(TranscriptError::BehindTheEnd { .. })));
    let twice = [&whole[..], std::slice::from_ref(&end)].concat();
    assert!(matches!(open(file(&twice)), Err(TranscriptError::BehindTheEnd { .. })));
    let torn = [file(&whole), vec![0; 5]].concat();
    assert!(matches!(open(torn), Err(TranscriptError::BehindTheEnd { .. })));
    let many = [vec![first; 65], vec![end]].concat();
    assert!(matches!(open(file(&many)), Err(TranscriptError::TooMany)));
    assert!(open(file(&many[1..])).is_ok());
    let other = log([wire::encode(&kept.rest)].into_iter());
    assert!(matches!(open(other), Err(TranscriptError::NotAPart { at: 8 })));
    // A record, or a transcript of the time when it was one message.
    let error = open(wire::encode(&kept.rest)).unwrap_err();
    assert!(error.to_string().contains("the murmur-audit of that version"), "{error}");
}

/// Of a record that says that it is longer than any part, nothing is read, and no memory is asked for.
#[test]
fn a_record_says_at_most_how_long_a_part_can_be() {
    struct Forbidden;
    impl Read for Forbidden {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("read on"))
        }
    }
    let open = |length: usize| {
        let mut bytes = b"murlog\0\x01rec\n".to_vec();
        bytes.extend((length as u32).to_le_bytes());
        bytes.extend([0; 16]);
        let opener = move || -> io::Result<Box<dyn Read>> {
            Ok(Box::new(io::Cursor::new(bytes.clone()).chain(Forbidden)))
        };
        WholeTranscript::open(Box::new(opener)).unwrap_err()
    };
    assert!(matches!(open(TranscriptPart::LIMIT + 1), TranscriptError::Damaged { at: 8 }));
    assert!(matches!(open(TranscriptPart::LIMIT), TranscriptError::Io(_)));
}

#[test]
fn a_file_that_changes_while_it_is_looked_at_is_a_fault() {
    let evidence = play(4, 1, false);
    let bytes = evidence.transcripts[0].file();
    let reads = Rc::new(Cell::new(0));
    let opener = move || -> io::Result<Box<dyn Read>> {
        let mut bytes = bytes.clone();
        if reads.replace(reads.get() + 1) > 0 {
            bytes[300] ^= 1;
        }
        Ok(Box::new(io::Cursor::new(bytes)))
    };
    let whole = WholeTranscript::open(Box::new(opener)).unwrap();
    let states = BTreeMap::new();
    let history = History { genesis: &evidence.genesis, chain: None, states: &states };
    let findings = audit_transcript(&whole, &history).findings;
    let found = findings.of("contributions").find(|finding| finding.level == Level::Fault).unwrap();
    assert!(found.what.contains("damaged"), "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), begun: bool) {
        let begun = if begun { log([bytes.clone()].into_iter()) } else { bytes };
        prop_assert!(open(begun).is_err());
    }
}
