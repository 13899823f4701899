//! The project's own JSONL: conversations of many users, with licence and split. One a line:
//!
//! ```json
//! {"user": "u1", "conversation": "c1", "lang": "en",
//!  "messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}],
//!  "feedback": {"chosen": "...", "rejected": "..."}, "source": "...", "license": "MIT", "split": "train"}
//! ```
//!
//! `user` (in books `text`) is the user's own side; `assistant` and `system` are as elsewhere; any
//! other role is another person. `lang`, `feedback`, `source`, `license` and `split` may be
//! missing or null.

use serde_json::Value;

use crate::owner::{People, plain_name};
use crate::report::{SkipReason, Tally};
use crate::{Conversation, Format, Message, Role, Split};

/// One conversation of a data set, with what is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose conversation it is.
    pub user: String,
    /// The conversation, this user being "me".
    pub conversation: Conversation,
    /// The two candidates for the next reply, where somebody chose between them.
    pub feedback: Option<Feedback>,
    /// Language code, such as `en`.
    pub language: Option<String>,
    /// The collection that it is from.
    pub source: Option<String>,
    /// Licence, SPDX-like.
    pub license: Option<String>,
    /// The part that the data set puts it in: `train`, or `test` for held out. This, not
    /// [`Conversation::split`], is what figures about a data set are measured with.
    pub split: Option<Split>,
}

/// A preference between two replies. `Debug` prints their lengths.
#[derive(Clone, PartialEq, Eq)]
pub struct Feedback {
    /// The reply that was preferred.
    pub chosen: String,
    /// The other one.
    pub rejected: String,
}

impl std::fmt::Debug for Feedback {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "chosen {} bytes, rejected {}", self.chosen.len(), self.rejected.len())
    }
}

/// Has `user`, `conversation` and `messages`.
pub(crate) fn has_shape(value: &Value) -> bool {
    value["user"].is_string() && value["conversation"].is_string() && value["messages"].is_array()
}

/// One record, or nothing with the reason in `tally`.
pub(crate) fn decode(value: &Value, tally: &mut Tally<'_>) -> Option<Record> {
    let (Some(user), Some(name), Some(list)) =
        (value["user"].as_str(), value["conversation"].as_str(), value["messages"].as_array())
    else {
        tally.skip(SkipReason::OtherShape);
        return None;
    };
    let Ok(split) = split(&value["split"]) else {
        tally.skip(SkipReason::WrongType);
        return None;
    };
    let messages = list.iter().filter_map(|entry| message(entry, tally)).collect();
    // The length first, so that no two pairs of user and name run into one.
    let key = format!("{} {user} {name}", user.len());
    let Some(conversation) = Conversation::new(Format::Dataset, Some(&key), None, messages, None)
    else {
        tally.skip(SkipReason::NothingSaid);
        return None;
    };
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    Some(Record {
        user: user.to_owned(),
        conversation,
        feedback: feedback(&value["feedback"], tally),
        language: text("lang"),
        source: text("source"),
        license: text("license"),
        split,
    })
}

/// The conversation, if it is one of `user`; somebody else's is counted.
pub(crate) fn decode_of(value: &Value, user: &str, tally: &mut Tally<'_>) -> Option<Conversation> {
    let whose = value["user"].as_str().map(plain_name);
    if whose.is_some_and(|whose| whose != user) {
        tally.skip(SkipReason::OtherUser);
        return None;
    }
    decode(value, tally).map(|record| record.conversation)
}

/// Adds the messages of a record's user to `people`.
pub(crate) fn count(value: &Value, people: &mut People) {
    let (Some(user), Some(list)) = (value["user"].as_str(), value["messages"].as_array()) else {
        return;
    };
    let own = list.iter().filter(|entry| matches!(entry["role"].as_str(), Some("user" | "text")));
    people.add(&plain_name(user), own.count() as u64);
}

fn message(entry: &Value, tally: &mut Tally<'_>) -> Option<Message> {
    let (Some(role), Some(text)) = (entry["role"].as_str(), entry["content"].as_str()) else {
        tally.skip(SkipReason::WrongType);
        return None;
    };
    let role = match role {
        "user" | "text" => Role::Me,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        nick => Role::Partner(nick.to_owned()),
    };
    Some(Message { role, text: text.to_owned() })
}

fn split(value: &Value) -> Result<Option<Split>, ()> {
    match (value.as_str(), value) {
        (Some("train"), _) => Ok(Some(Split::Train)),
        (Some("test"), _) => Ok(Some(Split::HeldOut)),
        (None, Value::Null) => Ok(None),
        _ => Err(()),
    }
}

fn feedback(value: &Value, tally: &mut Tally<'_>) -> Option<Feedback> {
    if value.is_null() {
        return None;
    }
    let (Some(chosen), Some(rejected)) = (value["chosen"].as_str(), value["rejected"].as_str())
    else {
        tally.skip(SkipReason::WrongType);
        return None;
    };
    Some(Feedback { chosen: chosen.to_owned(), rejected: rejected.to_owned() })
}
