//! How much the scrubber finds, on a small corpus written by hand: one text a line, every value
//! that must go marked as `[[KIND:value]]`. Lines without marks must stay as they are.

use std::collections::BTreeMap;

use chatlogs::{Placeholder, Scrubber};

use crate::support::fixture;

/// Of the marked values, how many are gone; of the placeholders, how many stand for one.
#[derive(Default)]
struct Score {
    marked: u32,
    found: u32,
    placed: u32,
    right: u32,
}

/// A line as it is read, and as it should become.
fn unmarked(line: &str) -> (String, String) {
    let (mut text, mut expected, mut rest) = (String::new(), String::new(), line);
    while let Some(start) = rest.find("[[") {
        let (before, marked) = rest.split_at(start);
        let end = marked.find("]]").expect("a mark is closed");
        let (kind, value) = marked[2..end].split_once(':').expect("a mark has a kind");
        text.extend([before, value]);
        expected.extend([before, "<", kind, ">"]);
        rest = &marked[end + 2..];
    }
    text.push_str(rest);
    expected.push_str(rest);
    (text, expected)
}

/// The placeholders of a text, each with the text before it: equal where it was cut alike.
fn placed(text: &str) -> Vec<(Placeholder, String)> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices('<') {
        let kind = Placeholder::ALL.into_iter().find(|kind| text[start..].starts_with(kind.text()));
        found.extend(kind.map(|kind| (kind, text[..start].to_owned())));
    }
    found
}

#[test]
fn recall_and_precision_stay_above_their_floors() {
    let corpus = std::fs::read_to_string(fixture("scrub/corpus.txt")).unwrap();
    let scrubber = Scrubber::new(&["Project Heron".to_owned(), "Quentin".to_owned()]).unwrap();
    let mut scores: BTreeMap<Placeholder, Score> = BTreeMap::new();
    for line in corpus.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (text, expected) = unmarked(line);
        let (clean, _) = scrubber.scrub(&text);
        if clean != expected {
            eprintln!("expected: {expected}\n     got: {clean}");
        }
        let (mut wanted, got) = (placed(&expected), placed(&clean));
        for (kind, _) in &wanted {
            scores.entry(*kind).or_default().marked += 1;
        }
        for one in got {
            let score = scores.entry(one.0).or_default();
            score.placed += 1;
            // Right if it stands exactly where it should: a mistake also costs what follows it.
            if let Some(at) = wanted.iter().position(|other| *other == one) {
                wanted.remove(at);
                score.right += 1;
                score.found += 1;
            }
        }
    }
    let mut all = Score::default();
    for (kind, score) in &scores {
        let Score { marked, found, placed, right } = *score;
        eprintln!("{:10} found {found}/{marked}, right {right}/{placed}", kind.text());
        all.marked += marked;
        all.found += found;
        all.placed += placed;
        all.right += right;
        assert!(marked >= 8, "{}: too few examples to say anything", kind.text());
        assert!(found * 100 >= marked * 85, "{}: recall below 85 %", kind.text());
        assert!(right * 100 >= placed * 85, "{}: precision below 85 %", kind.text());
    }
    eprintln!("all: found {}/{}, right {}/{}", all.found, all.marked, all.right, all.placed);
    assert!(all.found * 100 >= all.marked * 95, "recall below 95 %");
    assert!(all.right * 100 >= all.placed * 95, "precision below 95 %");
}
