//! Who "me" is: never guessed.

use std::collections::BTreeMap;
use std::path::Path;

use crate::ImportError;
use crate::error::Candidate;

/// The people named in an export, with their numbers of messages.
#[derive(Default)]
pub(crate) struct People(BTreeMap<String, u64>);

impl People {
    pub(crate) fn add(&mut self, name: &str, messages: u64) {
        if let Some(count) = self.0.get_mut(name) {
            *count += messages;
        } else if self.0.len() < MAX_PEOPLE {
            self.0.insert(name.to_owned(), messages);
        }
    }

    pub(crate) fn only(&self) -> Option<&str> {
        match self.0.len() {
            1 => self.0.keys().next().map(String::as_str),
            _ => None,
        }
    }

    /// The name in the form that the export has it, if `me` is one of these people.
    ///
    /// # Errors
    /// [`ImportError::WhoIsMe`] without a name, [`ImportError::MeNotFound`] with a wrong one.
    pub(crate) fn identify(&self, me: Option<&str>, path: &Path) -> Result<String, ImportError> {
        let path = path.to_owned();
        let Some(me) = me else {
            return Err(ImportError::WhoIsMe { path, candidates: self.candidates() });
        };
        let wanted = plain_name(me);
        if self.0.contains_key(&wanted) {
            return Ok(wanted);
        }
        Err(ImportError::MeNotFound { path, me: me.to_owned(), candidates: self.candidates() })
    }

    fn candidates(&self) -> Vec<Candidate> {
        let mut candidates: Vec<_> = self
            .0
            .iter()
            .map(|(name, &messages)| Candidate { name: name.clone(), messages })
            .collect();
        candidates.sort_by(|a, b| b.messages.cmp(&a.messages).then_with(|| a.name.cmp(&b.name)));
        candidates
    }
}

/// A name without invisible direction marks, with plain single spaces: as a person would type it.
pub(crate) fn plain_name(name: &str) -> String {
    let visible: String = name.chars().filter(|&c| !is_direction_mark(c)).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Marks that steer the direction of writing and show nothing (Unicode Bidi_Control).
pub(crate) fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// More names than this in one export are not people but noise.
const MAX_PEOPLE: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn people() -> People {
        let mut people = People::default();
        people.add("Ana Lima", 3);
        people.add("Bo", 9);
        people
    }

    #[test]
    fn asks_rather_than_guesses() {
        let Err(ImportError::WhoIsMe { candidates, .. }) = people().identify(None, "f".as_ref())
        else {
            panic!("it must ask");
        };
        assert_eq!(candidates[0], Candidate { name: "Bo".into(), messages: 9 });
        assert_eq!(candidates.len(), 2);
    }

    #[test]
    fn finds_a_name_whatever_its_invisible_marks() {
        let typed = "\u{202a}Ana\u{a0}Lima\u{202c} ";
        assert_eq!(people().identify(Some(typed), "f".as_ref()).unwrap(), "Ana Lima");
    }

    #[test]
    fn a_wrong_name_lists_the_right_ones() {
        let error = people().identify(Some("ana"), "chat.txt".as_ref()).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"nobody in chat.txt is called "ana"; it has "Bo" (9 messages), "Ana Lima" (3 messages)"#
        );
    }
}
