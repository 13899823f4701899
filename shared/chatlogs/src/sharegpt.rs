//! ShareGPT, JSON or JSONL: `{"conversations": [{"from", "value"}]}`, with the tags that the
//! collections in the wild use. (axolotl `docs/dataset-formats/conversation.qmd`.)

use serde_json::Value;

use crate::report::{SkipReason, Tally};
use crate::{Conversation, Format, Message, Role};

/// Has `conversations`, some of which have a `from` (or `role`) tag.
pub(crate) fn has_shape(value: &Value) -> bool {
    value["conversations"]
        .as_array()
        .is_some_and(|turns| turns.iter().any(|turn| tag(turn).is_some()))
}

/// One conversation, or nothing with the reason in `tally`.
pub(crate) fn decode(value: &Value, tally: &mut Tally<'_>) -> Option<Conversation> {
    let Some(turns) = value["conversations"].as_array() else {
        tally.skip(SkipReason::OtherShape);
        return None;
    };
    let mut messages = Vec::with_capacity(turns.len() + 1);
    if let Some(system) = value["system"].as_str() {
        messages.push(Message { role: Role::System, text: system.to_owned() });
    }
    messages.extend(turns.iter().filter_map(|turn| message(turn, tally)));
    let title = value["title"].as_str().map(str::to_owned);
    let conversation = Conversation::new(Format::ShareGpt, None, title, messages, None);
    if conversation.is_none() {
        tally.skip(SkipReason::NothingSaid);
    }
    conversation
}

fn message(turn: &Value, tally: &mut Tally<'_>) -> Option<Message> {
    let text = turn["value"].as_str().or_else(|| turn["content"].as_str());
    let role = tag(turn).map(role);
    let reason = match (role, text) {
        (Some(Ok(role)), Some(text)) => return Some(Message { role, text: text.to_owned() }),
        (Some(Err(reason)), _) => reason,
        (None, _) | (_, None) => SkipReason::WrongType,
    };
    tally.skip(reason);
    None
}

fn tag(turn: &Value) -> Option<&str> {
    turn["from"].as_str().or_else(|| turn["role"].as_str())
}

fn role(tag: &str) -> Result<Role, SkipReason> {
    match tag.to_ascii_lowercase().as_str() {
        "human" | "user" | "prompter" => Ok(Role::Me),
        "gpt" | "assistant" | "chatgpt" | "bing" | "bard" | "model" | "bot" | "claude" => {
            Ok(Role::Assistant)
        }
        "system" => Ok(Role::System),
        "tool" | "function" | "function_call" | "function_response" | "observation" => {
            Err(SkipReason::ToolMessage)
        }
        _ => Err(SkipReason::UnknownRole),
    }
}
