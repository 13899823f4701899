//! Import: recognise, ask who "me" is, then hand over one conversation after another.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::detect::survey;
use crate::owner::People;
use crate::part::{Part, each_line, each_value};
use crate::report::{ImportReport, Place, Position, Tally};
use crate::source::{Limits, Source};
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
