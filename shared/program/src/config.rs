//! TOML files: read into a type, or refused with the place and the fix.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Why a configuration file was not taken. Every message starts with file, line and column.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: check that it is there and yours to read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The file is not UTF-8.
    #[error("{path}:{line}: not UTF-8 text from byte {offset} on: save the file as UTF-8")]
    NotText {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Offset of the first wrong byte.
        offset: usize,
    },
    /// A key that nobody reads.
    #[error(
        "{place}: unknown key `{key}`{}; known here: {}",
        nearest_text(nearest),
        known_text(known)
    )]
    UnknownKey {
        /// Where it stands.
        place: Box<Place>,
        /// The key as written.
        key: String,
        /// The known key that looks most like it, if one does.
        nearest: Option<String>,
        /// All keys that are read there.
        known: Vec<String>,
    },
    /// A key that has no default is not there.
    #[error("{place}: the key `{key}` is missing: add it; it has no default")]
    MissingKey {
        /// The table that lacks it.
        place: Box<Place>,
        /// The key.
        key: String,
    },
    /// Wrong syntax, or a value of the wrong type or outside its limits.
    #[error("{place}: {what}\n  {}", place.text)]
    Wrong {
        /// Where it stands.
        place: Box<Place>,
        /// What TOML or the type's own check said, in words for people.
        what: String,
    },
}

/// A place in a configuration file; prints as `node.toml:3:1 in [privacy]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The table that it stands in, as its header is written; none at the top.
    pub table: Option<String>,
    /// The line itself.
    pub text: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)?;
        self.table.as_ref().map_or(Ok(()), |table| write!(f, " in {table}"))
    }
}

/// Reads a TOML file into `T`. `T` should have `#[serde(deny_unknown_fields)]`, so that a mistyped key is an error.
///
/// # Errors
/// The file cannot be read, or does not say what `T` wants.
pub fn load_toml<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let bytes =
        fs::read(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|error| not_text(path, &error))?;
    parse_toml(&text, path)
}

/// [`load_toml`] of a text that is already here; `path` is the name to use in errors.
///
/// # Errors
/// The text does not say what `T` wants.
pub fn parse_toml<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| explain(error, text, path))
}

fn not_text(path: &Path, error: &std::string::FromUtf8Error) -> ConfigError {
    let offset = error.utf8_error().valid_up_to();
    let line = error.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1;
    ConfigError::NotText { path: path.to_owned(), line, offset }
}

fn explain(error: toml::de::Error, text: &str, path: &Path) -> ConfigError {
    let span = error.span().unwrap_or(0..0);
    let mut place = Box::new(place_of(span.clone(), text, path));
    let mut quoted = quoted(error.message());
    let message = error.message();
    if message.starts_with("unknown field") && !quoted.is_empty() {
        let key = quoted.remove(0);
        let nearest = nearest(&key, &quoted);
        return ConfigError::UnknownKey { place, key, nearest, known: quoted };
    }
    if message.starts_with("missing field") && quoted.len() == 1 {
        // A table's error points to its header; that of the file itself, which may begin with one, to nothing.
        if span.is_empty() {
            place.table = None;
        }
        return ConfigError::MissingKey { place, key: quoted.remove(0) };
    }
    ConfigError::Wrong { place, what: in_words(message) }
}

/// A message of serde without the names of Rust's types.
fn in_words(message: &str) -> String {
    let Some((before, expected)) = message.rsplit_once("expected ") else {
        return message.to_owned();
    };
    let expected = match expected {
        "f32" | "f64" => "a number",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65,535",
        "u32" => "a whole number from 0 to 4,294,967,295",
        "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "a string" => "text in quotation marks",
        "path string" => "a path in quotation marks",
        "a boolean" => "true or false",
        "a sequence" => "a list, such as [\"a\", \"b\"]",
        other => other,
    };
    format!("{before}expected {expected}")
}

fn place_of(span: Range<usize>, text: &str, path: &Path) -> Place {
    let start = (0..=span.start.min(text.len()))
        .rev()
        .find(|start| text.is_char_boundary(*start))
        .unwrap_or(0);
    let before = &text[..start];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line_text = text[line_start..].lines().next().unwrap_or_default();
    Place {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: text[line_start..start].chars().count() + 1,
        table: table_header(before).or_else(|| table_header(line_text)),
        text: line_text.trim().to_owned(),
    }
}

/// The last `[table]` header in `text`.
fn table_header(text: &str) -> Option<String> {
    let header =
        text.lines().map(str::trim).rfind(|line| line.starts_with('[') && line.contains(']'))?;
    Some(header.split('#').next().unwrap_or(header).trim().to_owned())
}

/// The parts of a serde message between backticks.
fn quoted(message: &str) -> Vec<String> {
    message.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The known key with the fewest edits, if those are at most a third of it.
fn nearest(key: &str, known: &[String]) -> Option<String> {
    known
        .iter()
        .map(|candidate| (edits(key, candidate), candidate))
        .min()
        .filter(|(edits, candidate)| edits * 3 <= candidate.chars().count().max(3))
        .map(|(_, candidate)| candidate.clone())
}

/// Levenshtein's distance: characters to insert, delete or change.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

fn nearest_text(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or(String::new(), |nearest| format!(" (did you mean `{nearest}`?)"))
}

fn known_text(known: &[String]) -> String {
    if known.is_empty() { "no keys".to_owned() } else { known.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        name: String,
        privacy: Privacy,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Privacy {
        epsilon: f64,
        rounds: u32,
    }

    const GOOD: &str = "name = \"a\"\n\n[privacy]\nepsilon = 8.0\nrounds = 10\n";

    fn refused(text: &str) -> ConfigError {
        parse_toml::<Sample>(text, Path::new("node.toml")).unwrap_err()
    }

    #[test]
    fn a_good_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.toml");
        fs::write(&path, GOOD).unwrap();
        let sample: Sample = load_toml(&path).unwrap();
        assert_eq!(
            sample,
            Sample { name: "a".into(), privacy: Privacy { epsilon: 8.0, rounds: 10 } }
        );
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place_and_the_known_ones() {
        let error = refused(&GOOD.replace("rounds", "ronds"));
        assert_eq!(
            error.to_string(),
            "node.toml:5:1 in [privacy]: unknown key `ronds` (did you mean `rounds`?); known here: epsilon, rounds"
        );
        let error = refused(&GOOD.replace("[privacy]", "[colours]"));
        assert!(
            error.to_string().contains("unknown key `colours`; known here: name, privacy"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_key_is_named_with_its_table() {
        let error = refused("name = \"a\"\n\n[privacy]\nepsilon = 8.0\n");
        assert_eq!(
            error.to_string(),
            "node.toml:3:1 in [privacy]: the key `rounds` is missing: add it; it has no default"
        );
    }

    #[test]
    fn a_key_missing_at_the_top_is_not_looked_for_in_the_first_table() {
        let error = refused("[privacy]\nepsilon = 8.0\nrounds = 10\n");
        assert_eq!(
            error.to_string(),
            "node.toml:1:1: the key `name` is missing: add it; it has no default"
        );
    }

    #[test]
    fn a_key_missing_in_a_first_table_is_named_with_it() {
        let error = refused("[privacy]\nepsilon = 8.0\n");
        assert_eq!(
            error.to_string(),
            "node.toml:1:1 in [privacy]: the key `rounds` is missing: add it; it has no default"
        );
    }

    #[test]
    fn a_wrong_value_is_shown_with_its_line() {
        let error = refused(&GOOD.replace("10", "\"ten\""));
        let text = error.to_string();
        assert!(
            text.starts_with("node.toml:5:10 in [privacy]: invalid type: string \"ten\""),
            "{text}"
        );
        assert!(
            text.contains("expected a whole number from 0 to 4,294"),
            "no type of Rust: {text}"
        );
        assert!(text.ends_with("rounds = \"ten\""), "{text}");
        assert!(std::error::Error::source(&error).is_none(), "TOML's own words would say it twice");
    }

    #[test]
    fn wrong_syntax_is_shown_with_its_line() {
        let text = refused("name = \"ä\n").to_string();
        assert!(text.starts_with("node.toml:1:"), "{text}");
        assert!(text.contains("name = \"ä"), "{text}");
    }

    #[test]
    fn unreadable_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none.toml");
        let missing = load_toml::<Sample>(&path).unwrap_err();
        assert!(missing.to_string().contains("none.toml"), "{missing}");
        fs::write(&path, b"name = \"a\"\nx = \"\xff\"").unwrap();
        let error = load_toml::<Sample>(&path).unwrap_err();
        assert!(matches!(error, ConfigError::NotText { line: 2, offset: 16, .. }), "{error:?}");
    }

    #[test]
    fn places_never_panic_on_any_span() {
        for text in ["", "\n", "ä", "[a]\nä = 1"] {
            for start in 0..text.len() + 3 {
                let place = place_of(start..start, text, Path::new("x"));
                assert!(place.line >= 1 && place.column >= 1);
            }
        }
    }

    #[test]
    fn edits_are_levenshteins() {
        assert_eq!(["kitten", "", "abc"].map(|from| edits(from, "sitting")), [3, 7, 7]);
    }
}
