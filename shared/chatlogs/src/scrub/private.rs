//! The owner's own list: names, projects, places, whatever shapes cannot tell.

use std::fmt;
use std::ops::Range;

use regex::{Regex, RegexBuilder};

/// Why an owner's list cannot be used. No message quotes an entry.
#[derive(Debug, thiserror::Error)]
pub enum ScrubError {
    /// One character would replace most of every text.
    #[error("entry {number} of the private list is a single character; write at least two")]
    TooShort {
        /// Number of the entry, from 1.
        number: usize,
    },
    /// More than can be searched for at once.
    #[error("the private list of {entries} entries is too long to search for; shorten it")]
    TooLong {
        /// Its entries.
        entries: usize,
    },
}

/// The list as one pattern.
pub(super) struct Private {
    pattern: Option<Regex>,
    entries: usize,
}

impl fmt::Debug for Private {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} private entries", self.entries)
    }
}

impl Private {
    pub(super) fn new(list: &[String]) -> Result<Self, ScrubError> {
        let mut entries = Vec::with_capacity(list.len());
        for (index, entry) in list.iter().enumerate() {
            let entry = entry.trim();
            match entry.chars().count() {
                0 => {}
                1 => return Err(ScrubError::TooShort { number: index + 1 }),
                _ => entries.push(entry),
            }
        }
        // Of entries that begin alike the longest wins.
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.len()));
        entries.dedup();
        if entries.is_empty() {
            return Ok(Self { pattern: None, entries: 0 });
        }
        let alternatives: Vec<String> = entries.iter().map(|entry| alternative(entry)).collect();
        let pattern = RegexBuilder::new(&alternatives.join("|"))
            .case_insensitive(true)
            .size_limit(PATTERN_BYTES)
            .build()
            .map_err(|_| ScrubError::TooLong { entries: entries.len() })?;
        Ok(Self { pattern: Some(pattern), entries: entries.len() })
    }

    pub(super) fn find(&self, text: &str, found: &mut Vec<Range<usize>>) {
        if let Some(pattern) = &self.pattern {
            found.extend(pattern.find_iter(text).map(|hit| hit.range()));
        }
    }
}

/// One entry: any white space between its words, whole words only.
fn alternative(entry: &str) -> String {
    let words: Vec<String> = entry.split_whitespace().map(regex::escape).collect();
    let edge = |c: Option<char>| if c.is_some_and(has_word_edges) { r"\b" } else { "" };
    let (first, last) = (entry.chars().next(), entry.chars().next_back());
    format!("{}{}{}", edge(first), words.join(r"\s+"), edge(last))
}

/// Whether this character belongs to a script that sets spaces between words and adds nothing
/// directly to them: not so Thai, Chinese, Japanese and Korean, where a name has no edge.
pub(super) fn has_word_edges(c: char) -> bool {
    c.is_alphanumeric() && matches!(u32::from(c), 0..0x0e00 | 0x10a0..0x1100 | 0x1e00..0x2000)
}

const PATTERN_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn hits<'a>(list: &[&str], text: &'a str) -> Vec<&'a str> {
        let list: Vec<String> = list.iter().map(ToString::to_string).collect();
        let mut found = Vec::new();
        Private::new(&list).unwrap().find(text, &mut found);
        found.into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn finds_whole_words_whatever_their_case() {
        assert_eq!(
            hits(&["Ann", "Project Heron"], "ANN, Anna, project\n heron, ann's"),
            ["ANN", "project\n heron", "ann"]
        );
        assert_eq!(hits(&["C++", "a.b"], "c++ a.b axb"), ["c++", "a.b"]);
        assert_eq!(hits(&["Ana", "Ana Lima"], "Ana Lima and Ana"), ["Ana Lima", "Ana"]);
    }

    #[test]
    fn finds_names_in_scripts_without_spaces() {
        assert_eq!(hits(&["田中"], "私は田中です"), ["田中"]);
        assert_eq!(hits(&["김철수"], "김철수가 왔다"), ["김철수"]);
        assert_eq!(hits(&["Юля"], "юля, Юлять"), ["юля"]);
    }

    #[test]
    fn refuses_what_would_hide_everything() {
        let list = ["  ".to_owned(), "a".to_owned()];
        assert!(matches!(Private::new(&list), Err(ScrubError::TooShort { number: 2 })));
        assert_eq!(hits(&["", " "], "a b"), [""; 0]);
        let error = format!("{:?}", Private::new(&["secret name".to_owned()]).unwrap());
        assert_eq!(error, "1 private entries");
    }
}
