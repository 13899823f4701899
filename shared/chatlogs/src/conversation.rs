//! A conversation, whoever exported it: who said what, in order.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Format, Split};

/// One conversation of the owner of this device. Never empty; no two neighbouring messages have
/// the same role (they are joined by a newline).
///
/// `Debug` prints the id, the format and the number of messages, never a word of text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Conversation {
    id: ConversationId,
    thread: ThreadId,
    source: Format,
    title: Option<String>,
    messages: Vec<Message>,
    started: Option<i64>,
}

impl Conversation {
    /// A conversation of `messages` in their order: each text is trimmed, blank ones are left
    /// out, consecutive ones of one role are joined by a newline. `None` if nothing remains.
    ///
    /// `key` is the source's own lasting name for the conversation, if it has one (see
    /// [`ThreadId`]); `started` is in Unix seconds.
    pub fn new(
        source: Format,
        key: Option<&str>,
        title: Option<String>,
        messages: Vec<Message>,
        started: Option<i64>,
    ) -> Option<Self> {
        let messages = joined(messages);
        if messages.is_empty() {
            return None;
        }
        let id = ConversationId::of(source, &messages);
        let thread = match key {
            Some(key) => ThreadId::of(source, key),
            None => ThreadId(id.0),
        };
        let title = title.map(|title| title.trim().to_owned()).filter(|title| !title.is_empty());
        Some(Self { id, thread, source, title, messages, started })
    }

    /// The identity of this content: equal when the same export is imported again.
    pub fn id(&self) -> ConversationId {
        self.id
    }

    /// The identity of the conversation over time: equal when a later export holds more of it.
    /// Who stores conversations replaces the older content of the same thread.
    pub fn thread(&self) -> ThreadId {
        self.thread
    }

    /// The format that it was imported from.
    pub fn source(&self) -> Format {
        self.source
    }

    /// The title that its source gave it, if any.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// Who said what, in order; at least one.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// When it began, in Unix seconds. Sources that write local time without a zone (WhatsApp)
    /// are read as if they were in UTC.
    pub fn started(&self) -> Option<i64> {
        self.started
    }

    /// Whether it may be trained on or is held out, see [`Split::of`].
    pub fn split(&self) -> Split {
        Split::of(&self.thread)
    }

    /// The turns as (role name, text), the form that a chat template and a trainer take:
    /// `Me` → `"user"`, `Assistant` → `"assistant"`, `System` → `"system"`,
    /// `Partner(name)` → `"partner"`; a partner's name does not get out this way.
    ///
    /// Which of these roles are learnt from is the trainer's setting, not decided here: in a
    /// conversation between people the owner's own words are the turns of `"user"`.
    pub fn as_turns(&self) -> Vec<(&str, &str)> {
        self.messages.iter().map(|message| (message.role.name(), message.text.as_str())).collect()
    }

    /// The same conversation (same id, same thread) with every text and the title replaced, as
    /// the scrubber does. A text that becomes blank stays as a blank turn.
    pub fn map_text(mut self, mut change: impl FnMut(&str) -> String) -> Self {
        for message in &mut self.messages {
            message.text = change(&message.text);
        }
        self.title = self.title.map(|title| change(&title));
        self
    }

    /// The bytes to store: JSON, independent of anything sent over a network.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, integers and vectors always serialize")
    }

    /// A conversation from the bytes of [`Self::to_json`].
    ///
    /// # Errors
    /// [`InvalidConversation`] says where the bytes are wrong, not what stands there.
    pub fn from_json(bytes: &[u8]) -> Result<Self, InvalidConversation> {
        serde_json::from_slice(bytes).map_err(|error| InvalidConversation::Malformed {
            line: error.line(),
            column: error.column(),
        })
    }
}

impl fmt::Debug for Conversation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Conversation")
            .field("id", &self.id)
            .field("source", &self.source)
            .field("messages", &self.messages.len())
            .finish_non_exhaustive()
    }
}

/// One message. `Debug` prints the role and the length of the text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub text: String,
}

impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}, {} bytes", self.role, self.text.len())
    }
}

/// Who said a message, seen from the owner of the device. `Debug` prints no partner's name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The owner of this device.
    Me,
    /// A language model.
    Assistant,
    /// Instructions to a language model.
    System,
    /// Another person, by the name that the source gives.
    Partner(String),
}

impl Role {
    /// The name that chat templates and trainers use, see [`Conversation::as_turns`].
    pub fn name(&self) -> &'static str {
        match self {
            Self::Me => "user",
            Self::Assistant => "assistant",
            Self::System => "system",
            Self::Partner(_) => "partner",
        }
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// BLAKE3 of the source format and the messages in canonical form (each length first): the same
/// content has the same id, so importing twice changes nothing. Title and times are left out:
/// they change without a word being said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ConversationId([u8; 32]);

impl ConversationId {
    fn of(source: Format, messages: &[Message]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("murmuration 2026 conversation id v1");
        hash_part(&mut hasher, source.name());
        for message in messages {
            hash_part(&mut hasher, message.role.name());
            if let Role::Partner(name) = &message.role {
                hash_part(&mut hasher, name);
            }
            hash_part(&mut hasher, &message.text);
        }
        Self(hasher.finalize().into())
    }
}

/// BLAKE3 of the source format and the source's own lasting name of the conversation (the id in a
/// ChatGPT export, user and conversation in a data set, the first message of a WhatsApp stretch);
/// the [`ConversationId`] where the source has no such name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ThreadId([u8; 32]);

impl ThreadId {
    fn of(source: Format, key: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("murmuration 2026 conversation thread v1");
        hash_part(&mut hasher, source.name());
        hash_part(&mut hasher, key);
        Self(hasher.finalize().into())
    }
}

/// What both ids share: bytes, hexadecimal text both ways.
macro_rules! identity {
    ($name:ident) => {
        impl $name {
            /// The 32 bytes of the hash.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(blake3::Hash::from(self.0).to_hex().as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, formatter)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidConversation;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match blake3::Hash::from_hex(text) {
                    Ok(hash) => Ok(Self(hash.into())),
                    Err(_) => Err(InvalidConversation::Id { length: text.len() }),
                }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidConversation;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    };
}

identity!(ConversationId);
identity!(ThreadId);

/// Why stored bytes or text are not a conversation or an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConversation {
    /// Not an id.
    #[error("an id has 64 hexadecimal digits; this text has {length} bytes or other characters")]
    Id {
        /// Bytes of the text.
        length: usize,
    },
    /// A conversation without messages.
    #[error("a conversation has at least one message; this one has none")]
    Empty,
    /// Not the JSON that `to_json` writes.
    #[error(
        "the stored conversation is damaged at line {line} column {column}; delete it and import it again"
    )]
    Malformed {
        /// Line in the stored bytes.
        line: usize,
        /// Column in the stored bytes.
        column: usize,
    },
}

/// The stored form before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    id: ConversationId,
    thread: ThreadId,
    source: Format,
    title: Option<String>,
    messages: Vec<Message>,
    started: Option<i64>,
}

impl TryFrom<Stored> for Conversation {
    type Error = InvalidConversation;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let Stored { id, thread, source, title, messages, started } = stored;
        if messages.is_empty() {
            return Err(InvalidConversation::Empty);
        }
        Ok(Self { id, thread, source, title, messages, started })
    }
}

fn joined(messages: Vec<Message>) -> Vec<Message> {
    let mut joined: Vec<Message> = Vec::with_capacity(messages.len());
    for message in messages {
        let text = message.text.trim();
        if text.is_empty() {
            continue;
        }
        match joined.last_mut() {
            Some(last) if last.role == message.role => {
                last.text.push('\n');
                last.text.push_str(text);
            }
            _ => joined.push(Message { role: message.role, text: text.to_owned() }),
        }
    }
    joined
}

/// Length first, so that no two different lists of parts hash alike.
fn hash_part(hasher: &mut blake3::Hasher, part: &str) {
    hasher.update(&(part.len() as u64).to_le_bytes());
    hasher.update(part.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: Role, text: &str) -> Message {
        Message { role, text: text.to_owned() }
    }

    fn sample() -> Conversation {
        let messages = vec![
            message(Role::Me, " the heron came back "),
            message(Role::Me, ""),
            message(Role::Me, "really"),
            message(Role::Partner("Ana Lima".into()), "no way"),
        ];
        Conversation::new(Format::WhatsApp, Some("key"), Some("Birds".into()), messages, Some(1))
            .expect("not empty")
    }

    #[test]
    fn joins_messages_of_one_role_and_drops_blank_ones() {
        let turns = sample();
        let turns = turns.as_turns();
        assert_eq!(turns, [("user", "the heron came back\nreally"), ("partner", "no way")]);
    }

    #[test]
    fn nothing_said_is_no_conversation() {
        let blank = vec![message(Role::Me, " \n\t")];
        assert!(Conversation::new(Format::OpenAi, None, None, blank, None).is_none());
    }

    #[test]
    fn ids_depend_on_content_and_format_only() {
        let build = |source, key, text: &str, title: &str, started| {
            let messages = vec![message(Role::Me, text)];
            Conversation::new(source, key, Some(title.into()), messages, started)
                .expect("not empty")
        };
        let one = build(Format::OpenAi, None, "hello", "a", None);
        assert_eq!(one.id(), build(Format::OpenAi, Some("k"), "hello", "b", Some(7)).id());
        assert_ne!(one.id(), build(Format::ShareGpt, None, "hello", "a", None).id());
        assert_ne!(one.id(), build(Format::OpenAi, None, "hello!", "a", None).id());
        assert_ne!(one.thread(), build(Format::OpenAi, Some("k"), "hello", "a", None).thread());
    }

    #[test]
    fn ids_are_stable_between_releases() {
        assert_eq!(
            sample().id().to_string(),
            "4f83e1023c2789590ce381cb50acbce7c3cf0d3e19de021e79b92e5fb0082850"
        );
    }

    #[test]
    fn storage_round_trips_and_refuses_damage() {
        let bytes = sample().to_json();
        assert_eq!(Conversation::from_json(&bytes), Ok(sample()));
        let cut = &bytes[..bytes.len() - 2];
        let error = Conversation::from_json(cut).unwrap_err();
        assert!(matches!(error, InvalidConversation::Malformed { .. }));
        let empty = String::from_utf8(bytes).unwrap();
        let start = empty.find("\"messages\":[").unwrap() + 12;
        let end = empty.rfind("],\"started\"").unwrap();
        let empty = format!("{}{}", &empty[..start], &empty[end..]);
        assert!(Conversation::from_json(empty.as_bytes()).is_err());
    }

    #[test]
    fn debug_shows_no_text_and_no_name() {
        let shown = format!("{:?} {:?}", sample(), sample().messages());
        for private in ["heron", "Ana", "Birds", "no way"] {
            assert!(!shown.contains(private), "{shown}");
        }
    }

    #[test]
    fn ids_parse_from_their_text() {
        let id = sample().id();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("abc".parse::<ConversationId>(), Err(InvalidConversation::Id { length: 3 }));
    }
}
