//! The text export of WhatsApp, of iOS (`[14/10/2021, 3:34:09 PM] Ana: text`) and of Android
//! (`14/10/2021, 15:34 - Ana: text`), in the languages and date orders that they are written in.
//! (Shapes: Pustur/whatsapp-chat-parser `src/parser.ts`, whatstk#140, chat-miner#42.)
//!
//! A chat of years is cut into conversations where nobody wrote for [`GAP_SECONDS`], and after
//! [`MAX_MESSAGES`] messages. Times are local and have no zone: they are read as UTC.

mod dates;
mod generated;
mod header;

pub(crate) use dates::DateOrder;

use crate::owner::People;
use crate::report::{Position, SkipReason, Tally};
use crate::{Conversation, Format, Message, Role};
use dates::DateEvidence;
use generated::Body;
use header::Header;

/// Whether the head of a file is the beginning of a chat: its first visible line is the head of a
/// message, or two of its lines are.
pub(crate) fn looks_like_chat(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).take(50);
    let first = lines.next().is_some_and(|line| Header::parse(line).is_some());
    first || lines.filter(|line| Header::parse(line).is_some()).count() >= 2
}

/// The first reading of a chat: who is in it, and whether days or months come first.
#[derive(Default)]
pub(crate) struct Scout(DateEvidence);

impl Scout {
    pub(crate) fn line(&mut self, line: &[u8], people: &mut People) {
        let Ok(line) = std::str::from_utf8(line) else {
            return;
        };
        let Some(header) = Header::parse(line) else {
            return;
        };
        self.0.add(header.stamp.date);
        if let (Some(author), false) = (header.author, generated::is_generated(&header.body)) {
            people.add(&author, 1);
        }
    }

    pub(crate) fn order(&self) -> DateOrder {
        self.0.order()
    }
}

/// The second reading: lines in, conversations out.
pub(crate) struct Chat {
    me: String,
    order: DateOrder,
    /// The message whose lines are being read.
    open: Option<Open>,
    /// The messages since the last cut.
    stretch: Vec<Message>,
    /// The first of them.
    started: Option<i64>,
    key: String,
    /// Time of the last message that was taken.
    last: i64,
}

struct Open {
    author: Option<String>,
    time: i64,
    body: String,
    line: Position,
    damaged: bool,
}

impl Chat {
    pub(crate) fn new(me: String, order: DateOrder) -> Self {
        Self {
            me,
            order,
            open: None,
            stretch: Vec::new(),
            started: None,
            key: String::new(),
            last: 0,
        }
    }

    /// Takes the next line. Returns the conversation that ended before it, if one did.
    pub(crate) fn line(&mut self, bytes: &[u8], tally: &mut Tally<'_>) -> Option<Conversation> {
        let line = String::from_utf8_lossy(bytes);
        let damaged = matches!(line, std::borrow::Cow::Owned(_));
        let header = Header::parse(&line);
        let time = header.as_ref().and_then(|header| self.order.seconds(header.stamp));
        if let (Some(header), Some(time)) = (header, time) {
            let done = self.close(tally);
            let line = tally.place.position;
            let Header { author, body, .. } = header;
            self.open = Some(Open { author, time, body, line, damaged });
            return done;
        }
        match &mut self.open {
            Some(open) => {
                open.body.push('\n');
                open.body.push_str(&line);
                open.damaged |= damaged;
            }
            None if line.trim_matches(['\u{feff}', ' ', '\t']).is_empty() => {}
            None => tally.skip(SkipReason::StrayLine),
        }
        None
    }

    /// Passes over a line that is too long to hold. Whose it was is not known, so the lines after
    /// it belong to nobody until the next head of a message.
    pub(crate) fn lost_line(&mut self, tally: &mut Tally<'_>) -> Option<Conversation> {
        let done = self.close(tally);
        tally.skip(SkipReason::TooLarge);
        done
    }

    /// The end of the file: the last conversation, and the one before it if the last message
    /// began a new one.
    pub(crate) fn finish(mut self, tally: &mut Tally<'_>) -> [Option<Conversation>; 2] {
        [self.close(tally), self.cut()]
    }

    /// Puts the open message into the stretch; returns the stretch before it if a gap lies between.
    fn close(&mut self, tally: &mut Tally<'_>) -> Option<Conversation> {
        let open = self.open.take()?;
        let here = std::mem::replace(&mut tally.place.position, open.line);
        let taken = self.take(&open, tally);
        tally.place.position = here;
        let message = taken?;
        let gap = open.time.saturating_sub(self.last) > GAP_SECONDS;
        let done = if gap || self.stretch.len() >= MAX_MESSAGES { self.cut() } else { None };
        if self.stretch.is_empty() {
            self.started = Some(open.time);
            self.key = format!("{} {}", open.time, message.text);
        }
        self.stretch.push(message);
        self.last = open.time;
        done
    }

    fn take(&self, open: &Open, tally: &mut Tally<'_>) -> Option<Message> {
        if open.damaged {
            tally.skip(SkipReason::InvalidUtf8);
            return None;
        }
        let Some(author) = &open.author else {
            tally.skip(SkipReason::SystemLine);
            return None;
        };
        let Body { text, skipped } = generated::said(&open.body);
        for reason in skipped {
            tally.skip(reason);
        }
        if text.is_empty() {
            return None;
        }
        let role = if *author == self.me { Role::Me } else { Role::Partner(author.clone()) };
        Some(Message { role, text })
    }

    fn cut(&mut self) -> Option<Conversation> {
        let messages = std::mem::take(&mut self.stretch);
        Conversation::new(Format::WhatsApp, Some(&self.key), None, messages, self.started)
    }
}

/// A silence longer than this ends a conversation: six hours, longer than a meal or a film and
/// shorter than a night.
pub(crate) const GAP_SECONDS: i64 = 6 * 3600;

/// A conversation without such a silence is cut here, so that a busy group stays within memory.
pub(crate) const MAX_MESSAGES: usize = 1_000;
