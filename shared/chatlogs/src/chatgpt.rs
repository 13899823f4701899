//! The export of ChatGPT: each conversation is a tree of messages (edits and regenerations are
//! branches), of which only the branch that leads to `current_node` was the last word.
//!
//! Shape: a list, in one file or in shards, of `{"title", "create_time", "mapping": {id: {"message":
//! {"author": {"role"}, "content": {"content_type", "parts"}, ...} | null, "parent"}},
//! "current_node"}`. (mitkury/chatgpt-export-parser `docs/chatgpt-data-export-format.md`,
//! yetanotherchris/openwebui-importer `schemas/chatgpt-schema.json`.)

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::report::{SkipReason, Tally};
use crate::{Conversation, Format, Message, Role};

/// Has `mapping`, an object.
pub(crate) fn has_shape(value: &Value) -> bool {
    value["mapping"].is_object()
}

/// One conversation, or nothing with the reason in `tally`.
pub(crate) fn decode(value: &Value, tally: &mut Tally<'_>) -> Option<Conversation> {
    let Some(mapping) = value["mapping"].as_object() else {
        tally.skip(SkipReason::OtherShape);
        return None;
    };
    let nodes = match branch(mapping, value["current_node"].as_str(), tally) {
        Ok(nodes) => nodes,
        Err(reason) => {
            tally.skip(reason);
            return None;
        }
    };
    let messages = nodes.iter().filter_map(|node| message(&node["message"], tally)).collect();
    let started = seconds(&value["create_time"])
        .or_else(|| nodes.iter().find_map(|node| seconds(&node["message"]["create_time"])));
    let key = value["conversation_id"].as_str().or_else(|| value["id"].as_str());
    let title = value["title"].as_str().map(str::to_owned);
    let conversation = Conversation::new(Format::ChatGpt, key, title, messages, started);
    if conversation.is_none() {
        tally.skip(SkipReason::NothingSaid);
    }
    conversation
}

/// The nodes from the root to the current one.
fn branch<'a>(
    mapping: &'a Map<String, Value>,
    current: Option<&'a str>,
    tally: &mut Tally<'_>,
) -> Result<Vec<&'a Value>, SkipReason> {
    let Some(mut id) = current.filter(|id| mapping.contains_key(*id)).or_else(|| newest(mapping))
    else {
        return Err(if mapping.is_empty() {
            SkipReason::NothingSaid
        } else {
            SkipReason::NoCurrentNode
        });
    };
    let mut visited = BTreeSet::new();
    let mut nodes = Vec::new();
    loop {
        if !visited.insert(id) {
            return Err(SkipReason::CyclicTree);
        }
        let Some(node) = mapping.get(id) else {
            tally.skip(SkipReason::MissingParent);
            break;
        };
        nodes.push(node);
        match node["parent"].as_str() {
            Some(parent) => id = parent,
            None => break,
        }
    }
    nodes.reverse();
    Ok(nodes)
}

/// Where no current node is named: the only leaf, or else the one with the newest message.
fn newest(mapping: &Map<String, Value>) -> Option<&str> {
    let parents: BTreeSet<&str> =
        mapping.values().filter_map(|node| node["parent"].as_str()).collect();
    let leaves: Vec<&String> = mapping.keys().filter(|id| !parents.contains(id.as_str())).collect();
    if let [only] = leaves[..] {
        return Some(only);
    }
    leaves
        .into_iter()
        .filter_map(|id| seconds(&mapping[id]["message"]["create_time"]).map(|time| (time, id)))
        .max()
        .map(|(_, id)| id.as_str())
}

fn message(message: &Value, tally: &mut Tally<'_>) -> Option<Message> {
    if message.is_null() {
        return None;
    }
    let role = match role(message) {
        Ok(role) => role,
        Err(reason) => {
            tally.skip(reason);
            return None;
        }
    };
    let text = text(&message["content"], tally)?;
    Some(Message { role, text: without_citations(&text) })
}

/// Whose message it is, or why it is not part of what was said.
fn role(message: &Value) -> Result<Role, SkipReason> {
    let role = match message["author"]["role"].as_str() {
        Some("user") => Role::Me,
        Some("assistant") => Role::Assistant,
        Some("system" | "developer") => Role::System,
        Some("tool") => return Err(SkipReason::ToolMessage),
        Some(_) => return Err(SkipReason::UnknownRole),
        None => return Err(SkipReason::WrongType),
    };
    let metadata = &message["metadata"];
    let hidden = metadata["is_visually_hidden_from_conversation"] == Value::Bool(true)
        || message["weight"].as_f64() == Some(0.0);
    if message["recipient"].as_str().is_some_and(|recipient| recipient != "all") {
        Err(SkipReason::ToolMessage)
    } else if message["channel"].as_str() == Some("analysis") {
        Err(SkipReason::Reasoning)
    } else if hidden {
        Err(SkipReason::Hidden)
    } else {
        Ok(role)
    }
}

fn text(content: &Value, tally: &mut Tally<'_>) -> Option<String> {
    // Newer exports leave the type out; parts then say enough.
    let reason = match content["content_type"].as_str().unwrap_or("text") {
        "text" | "multimodal_text" => match content["parts"].as_array() {
            Some(parts) => {
                let texts: Vec<_> =
                    parts.iter().filter_map(|part| part_text(part, tally)).collect();
                return Some(texts.join("\n"));
            }
            None => match content.as_str().or_else(|| content["text"].as_str()) {
                Some(text) => return Some(text.to_owned()),
                None => SkipReason::WrongType,
            },
        },
        "thoughts" | "reasoning_recap" => SkipReason::Reasoning,
        "user_editable_context" | "model_editable_context" => SkipReason::Hidden,
        _ => SkipReason::ToolMessage,
    };
    tally.skip(reason);
    None
}

/// Text, or what was said in a voice chat; pictures, sounds and files are counted.
fn part_text<'a>(part: &'a Value, tally: &mut Tally<'_>) -> Option<&'a str> {
    let text = match part {
        Value::String(text) => return Some(text),
        Value::Object(part)
            if part.get("content_type").is_some_and(|kind| kind == "audio_transcription") =>
        {
            part.get("text").and_then(Value::as_str)
        }
        _ => None,
    };
    if text.is_none() {
        let reason = if part.is_object() { SkipReason::Attachment } else { SkipReason::WrongType };
        tally.skip(reason);
    }
    text
}

/// The text without the marks of its sources: spans between the private-use characters U+E200 and
/// U+E201, and the older `【12†source】`.
fn without_citations(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(['\u{e200}', '【']) {
        let (before, marked) = rest.split_at(start);
        clean.push_str(before);
        let first = marked.chars().next().map_or(0, char::len_utf8);
        let modern = marked.starts_with('\u{e200}');
        let end = marked.find(if modern { '\u{e201}' } else { '】' });
        match end.filter(|&end| modern || marked[..end].contains('†')) {
            Some(end) => rest = &marked[end + '】'.len_utf8()..],
            None => {
                clean.push_str(if modern { "" } else { &marked[..first] });
                rest = &marked[first..];
            }
        }
    }
    clean.push_str(rest);
    clean
}

/// Whole seconds of a Unix time that is a number of this era.
fn seconds(time: &Value) -> Option<i64> {
    let time = time.as_f64().filter(|time| (1.0..LATEST).contains(time))?;
    // In range by the filter, and whole seconds are wanted.
    #[expect(clippy::cast_possible_truncation)]
    Some(time as i64)
}

/// Unix time of the year 9999.
const LATEST: f64 = 253_402_300_800.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_go_and_other_brackets_stay() {
        for (with, without) in [
            ("It rains\u{e200}cite\u{e202}turn0search1\u{e201}. So", "It rains. So"),
            ("see 【4†source】 there", "see  there"),
            ("【重要】 read", "【重要】 read"),
            ("open 【4†", "open 【4†"),
            ("open \u{e200}cite", "open cite"),
        ] {
            assert_eq!(without_citations(with), without);
        }
    }

    #[test]
    fn times_out_of_this_world_are_none() {
        assert_eq!(seconds(&serde_json::json!(1_700_000_000.9)), Some(1_700_000_000));
        for odd in
            [serde_json::json!(-5), serde_json::json!(1e300), serde_json::json!("1"), Value::Null]
        {
            assert_eq!(seconds(&odd), None);
        }
    }
}
