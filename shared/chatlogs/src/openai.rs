//! OpenAI messages, most often JSONL: `{"messages": [{"role", "content"}]}`, content a string or a
//! list of typed parts. (OpenAI fine-tuning and chat documentation; torchtune `chat_datasets`.)

use serde_json::Value;

use crate::report::{SkipReason, Tally};
use crate::{Conversation, Format, Message, Role};

/// Has `messages`, the first of which has a `role`.
pub(crate) fn has_shape(value: &Value) -> bool {
    value["messages"]
        .as_array()
        .is_some_and(|messages| messages.iter().any(|message| message["role"].is_string()))
}

/// One conversation, or nothing with the reason in `tally`.
pub(crate) fn decode(value: &Value, tally: &mut Tally<'_>) -> Option<Conversation> {
    let Some(list) = value["messages"].as_array() else {
        tally.skip(SkipReason::OtherShape);
        return None;
    };
    let messages = list.iter().filter_map(|entry| message(entry, tally)).collect();
    let conversation = Conversation::new(Format::OpenAi, None, None, messages, None);
    if conversation.is_none() {
        tally.skip(SkipReason::NothingSaid);
    }
    conversation
}

fn message(entry: &Value, tally: &mut Tally<'_>) -> Option<Message> {
    let role = match entry["role"].as_str() {
        Some("user") => Role::Me,
        Some("assistant") => Role::Assistant,
        Some("system" | "developer") => Role::System,
        Some("tool" | "function") => {
            tally.skip(SkipReason::ToolMessage);
            return None;
        }
        Some(_) => {
            tally.skip(SkipReason::UnknownRole);
            return None;
        }
        None => {
            tally.skip(SkipReason::WrongType);
            return None;
        }
    };
    let called = ["tool_calls", "function_call"].into_iter().any(|key| !entry[key].is_null());
    if called {
        tally.skip(SkipReason::ToolMessage);
    }
    let text = text(&entry["content"], tally);
    Some(Message { role, text })
}

/// The text of a content that is a string, a list of typed parts, or null beside a tool call.
fn text(content: &Value, tally: &mut Tally<'_>) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(parts) => {
            let parts: Vec<_> = parts.iter().filter_map(|part| part_text(part, tally)).collect();
            parts.join("\n")
        }
        _ => {
            tally.skip(SkipReason::WrongType);
            String::new()
        }
    }
}

fn part_text<'a>(part: &'a Value, tally: &mut Tally<'_>) -> Option<&'a str> {
    if let Some(text) = part.as_str() {
        return Some(text);
    }
    let reason = match part["type"].as_str() {
        Some("text" | "input_text" | "output_text") => match part["text"].as_str() {
            Some(text) => return Some(text),
            None => SkipReason::WrongType,
        },
        Some("refusal") => match part["refusal"].as_str() {
            Some(text) => return Some(text),
            None => SkipReason::WrongType,
        },
        Some("tool_use" | "tool_result") => SkipReason::ToolMessage,
        Some("thinking" | "reasoning") => SkipReason::Reasoning,
        Some(_) => SkipReason::Attachment,
        None => SkipReason::WrongType,
    };
    tally.skip(reason);
    None
}
