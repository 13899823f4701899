//! The demo's people measure something: nobody's held-out part repeats a training part.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use chatlogs::Conversation;
use learning::people::{Person, read_people};

/// Words in a row.
const LENGTH: usize = 8;
/// Of one text's n-grams, the most that another text may share, in per cent.
const MOST: usize = 2;

type Grams = BTreeSet<Vec<String>>;

fn people() -> Vec<Person> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/people");
    read_people(&folder).expect("the demo's people can be read")
}

fn grams(conversations: &[Conversation]) -> Grams {
    let mut grams = Grams::new();
    for message in conversations.iter().flat_map(Conversation::messages) {
        let words: Vec<String> = message
            .text
            .split(|letter: char| !letter.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_lowercase)
            .collect();
        grams.extend(words.windows(LENGTH).map(<[String]>::to_vec));
    }
    grams
}

fn assert_apart(what: &str, one: &Grams, other: &Grams) {
    assert!(!one.is_empty() && !other.is_empty(), "{what}: nothing to compare");
    let shared = one.intersection(other).count();
    let limit = MOST * one.len().min(other.len());
    assert!(100 * shared <= limit, "{what} share {shared} of {} and {}", one.len(), other.len());
}

#[test]
fn nobody_is_measured_on_what_was_trained() {
    for person in people() {
        let (training, held_out) = (grams(&person.training), grams(&person.held_out));
        assert_apart(&person.name, &training, &held_out);
    }
}

#[test]
fn no_person_repeats_another() {
    let all: BTreeMap<String, Grams> = people()
        .into_iter()
        .map(|person| {
            let grams = grams(&person.training).union(&grams(&person.held_out)).cloned().collect();
            (person.name, grams)
        })
        .collect();
    for (one, left) in &all {
        for (other, right) in all.range::<String, _>(one.clone()..).skip(1) {
            assert_apart(&format!("{one} and {other}"), left, right);
        }
    }
}

#[test]
fn the_gate_repeats_nobody() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/gate.jsonl");
    let gate = learning::people::read_conversations(&file, &Default::default()).unwrap();
    assert_eq!(gate.len(), 12);
    let gate = grams(&gate);
    for person in people() {
        for part in [&person.training, &person.held_out] {
            assert_eq!(grams(part).intersection(&gate).count(), 0, "{}", person.name);
        }
    }
}

#[test]
fn eight_people_each_have_enough_in_three_formats_or_more() {
    let people = people();
    assert_eq!(people.len(), 8);
    let formats: BTreeSet<_> = people.iter().map(|person| person.format.clone()).collect();
    assert!(formats.len() >= 3, "{formats:?}");
    for person in &people {
        let count = person.training.len() + person.held_out.len();
        assert!(count >= 25 && !person.held_out.is_empty(), "{}: {count}", person.name);
    }
}

#[test]
fn what_is_exported_for_evaluation_is_what_was_held_out() {
    let folder = tempfile::tempdir().unwrap();
    for person in people() {
        let file = folder.path().join("held-out.jsonl");
        std::fs::write(&file, person.held_out_json_lines()).unwrap();
        let everyone = chatlogs::ImportOptions { everyone: true, ..Default::default() };
        let back = learning::people::read_conversations(&file, &everyone).unwrap();
        let turns = |all: &[Conversation]| -> Vec<Vec<(String, String)>> {
            let own = |(role, text): (&str, &str)| (role.to_owned(), text.to_owned());
            all.iter().map(|one| one.as_turns().into_iter().map(own).collect()).collect()
        };
        assert_eq!(turns(&back), turns(&person.held_out), "{}", person.name);
    }
}
