//! Import: recognise, ask who "me" is, then hand over one conversation after another.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::detect::{Part, survey};
use crate::framing::{Elements, Line, read_line};
use crate::owner::People;
use crate::report::{ImportReport, Place, Position, SkipReason, Tally};
use crate::source::{Limits, Source, read_error};
use crate::whatsapp::{Chat, DateOrder, Scout};
use crate::{Conversation, Format, ImportError, chatgpt, dataset, openai, sharegpt};

/// What the caller knows about an export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// The owner's name, as the export writes it. Needed where an export names people (WhatsApp)
    /// or holds several users (data sets); of no effect elsewhere.
    pub me: Option<String>,
    /// Take the conversations of every user of a data set, each with its own user as "me": for
    /// public data that is measured on, never for somebody's private logs.
    pub everyone: bool,
    /// How much of the file is believed.
    pub limits: Limits,
}

/// Recognises the export at `path` (a file, a zip archive or a folder) by its shape and finds out
/// who "me" is. Reads the beginning of each file, and all of it where people are named; hands out
/// nothing yet.
///
/// # Errors
/// See [`ImportError`]: unreadable, empty, of no known format, or the owner is not known.
pub fn import(path: &Path, options: &ImportOptions) -> Result<Import, ImportError> {
    let limits = options.limits;
    let mut source = Source::open(path, &limits)?;
    let survey = survey(path, &mut source, &limits)?;
    let mut import = Import {
        path: path.to_owned(),
        source,
        limits,
        parts: survey.parts,
        report: survey.report,
        owner: Owner::Known,
    };
    import.owner = import.owner(options)?;
    Ok(import)
}

/// A recognised export, ready to be read.
pub struct Import {
    path: PathBuf,
    source: Source,
    limits: Limits,
    parts: Vec<Part>,
    report: ImportReport,
    owner: Owner,
}

/// Whose messages are "me".
enum Owner {
    /// The format says it: its `user`.
    Known,
    /// One user of a data set.
    User(String),
    /// A person in chats; with the order of day and month in each part.
    Person { name: String, orders: Vec<DateOrder> },
}

impl Import {
    /// The format that was recognised.
    pub fn format(&self) -> Format {
        self.report.format
    }

    /// Hands every conversation to `sink`, in the order of the export, and holds only one at a
    /// time. Ends at the first error, of the sink or of the import.
    ///
    /// # Errors
    /// What `sink` returns; [`ImportError`] where the file is cut off, damaged or unreadable.
    /// Damage that costs only one conversation or message is skipped and counted instead.
    pub fn each<E: From<ImportError>>(
        mut self,
        mut sink: impl FnMut(Conversation) -> Result<(), E>,
    ) -> Result<ImportReport, E> {
        for (turn, part) in std::mem::take(&mut self.parts).into_iter().enumerate() {
            if let Owner::Person { name, orders } = &self.owner {
                let chat = Chat::new(name.clone(), orders[turn]);
                self.each_in_chat(part, chat, &mut sink)?;
            } else {
                self.each_in_json(part, &mut sink)?;
            }
        }
        Ok(self.report)
    }

    fn each_in_json<E: From<ImportError>>(
        &mut self,
        part: Part,
        sink: &mut impl FnMut(Conversation) -> Result<(), E>,
    ) -> Result<(), E> {
        let format = self.report.format;
        let owner = &self.owner;
        let decode = |value: &Value, tally: &mut Tally<'_>| match format {
            Format::ChatGpt => chatgpt::decode(value, tally),
            Format::OpenAi => openai::decode(value, tally),
            Format::ShareGpt => sharegpt::decode(value, tally),
            Format::Dataset => match owner {
                Owner::User(user) => dataset::decode_of(value, user, tally),
                _ => dataset::decode(value, tally).map(|record| record.conversation),
            },
            Format::WhatsApp | Format::Chat => None,
        };
        each_value(&mut self.source, part, &self.limits, &mut self.report, |value, tally| {
            let Some(conversation) = decode(value, tally) else {
                return Ok(());
            };
            tally.report.take(&conversation);
            sink(conversation)
        })
    }

    fn each_in_chat<E: From<ImportError>>(
        &mut self,
        part: Part,
        mut chat: Chat,
        sink: &mut impl FnMut(Conversation) -> Result<(), E>,
    ) -> Result<(), E> {
        let file = self.source.name(part.index);
        let report = &mut self.report;
        let limits = self.limits;
        self.source.read(part.index, &limits, |reader| {
            let place = Place { file: file.clone(), position: Position::Whole };
            let mut tally = Tally { report, place };
            let mut give = |done: &mut dyn Iterator<Item = Conversation>,
                            tally: &mut Tally<'_>|
             -> Result<(), E> {
                for conversation in done {
                    tally.report.take(&conversation);
                    sink(conversation)?;
                }
                Ok(())
            };
            each_line::<E>(reader, &file, &limits, |number, line| {
                tally.place.position = Position::Line(number);
                let done = match line {
                    Some(line) => chat.line(line, &mut tally),
                    None => chat.lost_line(&mut tally),
                };
                give(&mut done.into_iter(), &mut tally)
            })?;
            let mut done = chat.finish(&mut tally).into_iter().flatten();
            give(&mut done, &mut tally)
        })
    }

    /// Reads once through exports that name people.
    fn owner(&mut self, options: &ImportOptions) -> Result<Owner, ImportError> {
        let me = options.me.as_deref();
        match self.report.format {
            Format::WhatsApp => {
                let (people, orders) = self.scout()?;
                let name = people.identify(me, &self.path)?;
                Ok(Owner::Person { name, orders })
            }
            Format::Dataset if !options.everyone => {
                let people = self.users()?;
                match (me, people.only()) {
                    (None, Some(only)) => Ok(Owner::User(only.to_owned())),
                    _ => Ok(Owner::User(people.identify(me, &self.path)?)),
                }
            }
            _ => Ok(Owner::Known),
        }
    }

    fn scout(&mut self) -> Result<(People, Vec<DateOrder>), ImportError> {
        let mut people = People::default();
        let mut orders = Vec::with_capacity(self.parts.len());
        let limits = self.limits;
        for part in &self.parts {
            let file = self.source.name(part.index);
            let mut scout = Scout::default();
            self.source.read(part.index, &limits, |reader| {
                each_line(reader, &file, &limits, |_, line| {
                    if let Some(line) = line {
                        scout.line(line, &mut people);
                    }
                    Ok::<_, ImportError>(())
                })
            })?;
            orders.push(scout.order());
        }
        Ok((people, orders))
    }

    fn users(&mut self) -> Result<People, ImportError> {
        let mut people = People::default();
        let mut unused = ImportReport::new(self.report.format);
        for &part in &self.parts {
            each_value(&mut self.source, part, &self.limits, &mut unused, |value, _| {
                dataset::count(value, &mut people);
                Ok::<_, ImportError>(())
            })?;
        }
        Ok(people)
    }
}

/// Hands the parsed elements of a part to `work`; those that are not JSON are counted.
pub(crate) fn each_value<E: From<ImportError>>(
    source: &mut Source,
    part: Part,
    limits: &Limits,
    report: &mut ImportReport,
    mut work: impl FnMut(&Value, &mut Tally<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let file = source.name(part.index);
    source.read(part.index, limits, |reader| {
        let mut elements = Elements::new(reader, part.framing, file.clone(), limits);
        let place = Place { file, position: Position::Whole };
        let mut tally = Tally { report, place };
        while let Some(element) = elements.next()? {
            tally.place.position = element.position;
            match element.bytes.and_then(parse) {
                Ok(value) => work(&value, &mut tally)?,
                Err(reason) => tally.skip(reason),
            }
        }
        Ok(())
    })
}

/// Hands the lines of a part to `work`, numbered from 1; `None` for one that is too long.
fn each_line<E: From<ImportError>>(
    reader: &mut dyn BufRead,
    file: &str,
    limits: &Limits,
    mut work: impl FnMut(u64, Option<&[u8]>) -> Result<(), E>,
) -> Result<(), E> {
    let mut buffer = Vec::new();
    let mut number = 0;
    loop {
        let line = read_line(reader, &mut buffer, limits.element_bytes)
            .map_err(|error| read_error(file, error))?;
        number += 1;
        match line {
            Line::Whole => work(number, Some(&buffer))?,
            Line::TooLong => work(number, None)?,
            Line::End => return Ok(()),
        }
    }
}

/// One element as a JSON tree. JavaScript cuts emoji in two and writes half a surrogate pair,
/// which is not JSON: such halves become U+FFFD.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, SkipReason> {
    let text = std::str::from_utf8(bytes).map_err(|_| SkipReason::InvalidUtf8)?;
    serde_json::from_str(text)
        .or_else(|_| serde_json::from_str(&mend_surrogates(text)))
        .map_err(|_| SkipReason::MalformedJson)
}

/// Replaces `\uD800`–`\uDFFF` escapes that stand alone by `\uFFFD`.
fn mend_surrogates(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = match (escaped_unit(rest), rest.get(6..).and_then(escaped_unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            // The backslash and whatever character it escapes.
            _ => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        mended.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    mended.push_str(rest);
    mended
}

/// The number in an escape like `\u00e9` at the start of `text`.
fn escaped_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_an_emoji_costs_one_character_only() {
        let text = r#"["a\ud83d b","\ud83d\ude00","\\ud83d","\ude00\ud83d\"x"]"#;
        let value = parse(text.as_bytes()).unwrap();
        assert_eq!(
            value,
            serde_json::json!(["a\u{fffd} b", "😀", "\\ud83d", "\u{fffd}\u{fffd}\"x"])
        );
    }

    #[test]
    fn says_why_bytes_are_not_json() {
        assert_eq!(parse(b"{\"a\": \"\xff\"}"), Err(SkipReason::InvalidUtf8));
        assert_eq!(parse(b"{\"a\": }"), Err(SkipReason::MalformedJson));
        assert_eq!(parse(b"{} {}"), Err(SkipReason::MalformedJson));
    }

    proptest! {
        #[test]
        fn mending_leaves_valid_json_alone(text in "\\PC{0,30}|(\\\\[\\\\u\"n]|[a-f0-9]){0,30}") {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(mend_surrogates(&json), json);
            let _ = mend_surrogates(&text);
        }
    }
}
