//! Which format a part is in, told from its bytes alone: names and extensions are not looked at.

use std::collections::BTreeSet;
use std::io::{BufRead, Read};
use std::path::Path;

use serde_json::Value;

use crate::error::Hint;
use crate::framing::{BYTE_ORDER_MARK, Elements, Framing};
use crate::json::parse;
use crate::owner::is_direction_mark;
use crate::part::Part;
use crate::report::{ImportReport, Place, Position, SkipReason};
use crate::source::{Limits, Source, read_error};
use crate::{Format, ImportError, chatgpt, dataset, openai, sharegpt, whatsapp};

/// What the parts of a source are.
pub(crate) struct Survey {
    pub(crate) format: Format,
    pub(crate) parts: Vec<Part>,
    /// Files that hold something else are already counted in it.
    pub(crate) report: ImportReport,
}

/// Looks at every part. In an archive the conversations win over other chat-like files, which are
/// then what somebody attached; a folder with several formats is refused.
///
/// # Errors
/// [`ImportError::Empty`], [`ImportError::Unrecognised`], [`ImportError::Mixed`], or what reading
/// the parts brings up.
pub(crate) fn survey(
    path: &Path,
    source: &mut Source,
    limits: &Limits,
) -> Result<Survey, ImportError> {
    let seen = (0..source.parts())
        .map(|part| look(source, part, limits))
        .collect::<Result<Vec<_>, _>>()?;
    let formats: BTreeSet<Format> = seen.iter().filter_map(Seen::format).collect();
    let archive = matches!(source, Source::Zip { .. });
    if formats.len() > 1 && !archive {
        return Err(ImportError::Mixed {
            path: path.to_owned(),
            formats: formats.into_iter().collect(),
        });
    }
    let Some(format) = PRECEDENCE.into_iter().find(|format| formats.contains(format)) else {
        return Err(unrecognised(path, &seen));
    };
    let mut survey = Survey { format, parts: Vec::new(), report: ImportReport::new(format) };
    for (index, seen) in seen.into_iter().enumerate() {
        let reason = match seen {
            Seen::Chats { format: its, framing } if its == format => {
                survey.parts.push(Part { index, framing });
                continue;
            }
            Seen::Unknown(Hint::DamagedJson) => SkipReason::DamagedFile,
            _ => SkipReason::OtherFile,
        };
        let place = Place { file: source.name(index), position: Position::Whole };
        survey.report.skip(reason, &place);
    }
    Ok(survey)
}

/// What one part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Chats { format: Format, framing: Framing },
    Empty,
    Unknown(Hint),
}

impl Seen {
    fn format(&self) -> Option<Format> {
        match *self {
            Self::Chats { format, .. } => Some(format),
            Self::Empty | Self::Unknown(_) => None,
        }
    }
}

fn look(source: &mut Source, part: usize, limits: &Limits) -> Result<Seen, ImportError> {
    let name = source.name(part);
    let head = source.read(part, limits, |reader| {
        let mut head = Vec::new();
        reader.take(HEAD_BYTES).read_to_end(&mut head).map_err(|error| read_error(&name, error))?;
        Ok::<_, ImportError>(head)
    })?;
    if let Some(hint) = foreign(&head) {
        return Ok(Seen::Unknown(hint));
    }
    let Some(first) = first_visible(&head) else {
        return Ok(Seen::Empty);
    };
    if whatsapp::looks_like_chat(&head) {
        return Ok(Seen::Chats { format: Format::WhatsApp, framing: Framing::Lines });
    }
    let framings: &[Framing] = match first {
        '{' => &[Framing::Lines, Framing::Values],
        '[' => &[Framing::Array],
        _ => return Ok(Seen::Unknown(Hint::None)),
    };
    let mut last = Hint::None;
    for &framing in framings {
        let sample = source.read(part, limits, |reader| sample(reader, framing, &name, limits))?;
        match sample {
            Ok(format) => return Ok(Seen::Chats { format, framing }),
            Err(hint) => last = last.max(hint),
        }
    }
    Ok(Seen::Unknown(last))
}

/// The format of the first element that has one; otherwise what it may be.
fn sample(
    reader: &mut dyn BufRead,
    framing: Framing,
    name: &str,
    limits: &Limits,
) -> Result<Result<Format, Hint>, ImportError> {
    let mut elements = Elements::new(reader, framing, name.to_owned(), limits);
    let mut hint = Hint::DamagedJson;
    for _ in 0..SAMPLED {
        match elements.next() {
            Ok(Some(element)) => {
                let Some(value) = element.bytes.and_then(parse).ok() else {
                    continue;
                };
                match shape(&value) {
                    Some(format) => return Ok(Ok(format)),
                    None => hint = Hint::Json,
                }
            }
            Ok(None) => break,
            Err(ImportError::Truncated { .. } | ImportError::Syntax { .. }) => {
                return Ok(Err(Hint::DamagedJson));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Err(hint))
}

/// The format that one JSON value is a conversation of.
fn shape(value: &Value) -> Option<Format> {
    if chatgpt::has_shape(value) {
        Some(Format::ChatGpt)
    } else if dataset::has_shape(value) {
        Some(Format::Dataset)
    } else if openai::has_shape(value) {
        Some(Format::OpenAi)
    } else if sharegpt::has_shape(value) {
        Some(Format::ShareGpt)
    } else {
        None
    }
}

fn foreign(head: &[u8]) -> Option<Hint> {
    match head {
        [0x1f, 0x8b, ..] => Some(Hint::Gzip),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some(Hint::Utf16),
        _ if head.contains(&0) => Some(Hint::Binary),
        _ => None,
    }
}

fn first_visible(head: &[u8]) -> Option<char> {
    let head = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
    String::from_utf8_lossy(head).chars().find(|&c| !c.is_whitespace() && !is_direction_mark(c))
}

fn unrecognised(path: &Path, seen: &[Seen]) -> ImportError {
    let path = path.to_owned();
    if seen.iter().all(|seen| *seen == Seen::Empty) {
        return ImportError::Empty { path };
    }
    let hint = match seen {
        [Seen::Unknown(hint)] => *hint,
        _ => Hint::None,
    };
    ImportError::Unrecognised { path, hint }
}

/// Which format an archive is, when its entries look like several.
const PRECEDENCE: [Format; 5] =
    [Format::ChatGpt, Format::WhatsApp, Format::Dataset, Format::OpenAi, Format::ShareGpt];

const HEAD_BYTES: u64 = 64 << 10;

/// Elements that are looked at before a part is given up.
const SAMPLED: usize = 16;
