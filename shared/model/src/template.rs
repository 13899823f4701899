//! Chat templates: Jinja as Hugging Face models use it, and where each message's text ends up.

use std::ops::Range;
use std::path::{Path, PathBuf};

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, context};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde::Serialize;

use crate::ModelError;

/// Used for folders without a chat template: a line for each message.
pub(crate) const PLAIN_TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}\
{{ message.role }}: {{ message.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";

/// A compiled chat template with the tokens it may name.
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    file: PathBuf,
    begin: String,
    end: String,
}

/// A rendered conversation, with the bytes of each message's text in it (none if the template left it out).
pub(crate) struct RenderedText {
    pub(crate) text: String,
    pub(crate) spans: Vec<Option<Range<usize>>>,
}

impl ChatTemplate {
    /// Compiles a template; `file` is named in errors, `begin` and `end` are `bos_token` and `eos_token`.
    pub(crate) fn new(
        source: &str,
        file: &Path,
        begin: &str,
        end: &str,
    ) -> Result<ChatTemplate, ModelError> {
        let mut environment = Environment::new();
        let whitespace = minijinja::syntax::SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(whitespace.expect("the standard delimiters are valid"));
        // Debug information would carry the conversation into error messages.
        environment.set_debug(false);
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_filter("tojson", to_json);
        environment
            .add_template_owned(NAME, without_generation_tags(source))
            .map_err(|source| ModelError::Template { file: file.to_owned(), source })?;
        Ok(ChatTemplate {
            environment,
            file: file.to_owned(),
            begin: begin.to_owned(),
            end: end.to_owned(),
        })
    }

    /// Renders messages and finds each text again.
    ///
    /// The template runs twice, the second time with a mark at both ends of each text. If taking the marks out
    /// gives the first rendering, the marks show where the texts are.
    pub(crate) fn render(&self, messages: &[(&str, &str)]) -> Result<RenderedText, ModelError> {
        let texts: Vec<String> = messages.iter().map(|(_, text)| without_marks(text)).collect();
        let roles: Vec<String> = messages.iter().map(|(role, _)| without_marks(role)).collect();
        if messages.len() >= MOST_MESSAGES {
            return Err(ModelError::TooManyMessages {
                messages: messages.len(),
                most: MOST_MESSAGES,
            });
        }
        let plain = self.run(&roles, &texts, false)?;
        let marked: Vec<String> =
            texts.iter().enumerate().map(|(index, text)| mark(index, text)).collect();
        let (unmarked, starts, ends) =
            take_marks(&self.run(&roles, &marked, false)?, messages.len());
        if unmarked != plain {
            let first = starts.iter().position(Option::is_none).unwrap_or(0);
            return Err(ModelError::TemplateRewrites { file: self.file.clone(), message: first });
        }
        let spans = (0..messages.len())
            .map(|index| span(&plain, texts[index].trim(), starts[index], ends[index]));
        let spans = spans.collect();
        Ok(RenderedText { text: plain, spans })
    }

    /// The text after which the model speaks next.
    pub(crate) fn prompt(&self, messages: &[(&str, &str)]) -> Result<String, ModelError> {
        let texts: Vec<String> = messages.iter().map(|(_, text)| without_marks(text)).collect();
        let roles: Vec<String> = messages.iter().map(|(role, _)| without_marks(role)).collect();
        self.run(&roles, &texts, true)
    }

    fn run(&self, roles: &[String], texts: &[String], prompt: bool) -> Result<String, ModelError> {
        let pairs = roles.iter().zip(texts);
        let messages: Vec<Value> =
            pairs.map(|(role, text)| context! { role => role, content => text }).collect();
        let context = context! {
            messages => messages, add_generation_prompt => prompt, bos_token => self.begin.as_str(),
            eos_token => self.end.as_str(),
            tools => (), documents => (),
        };
        let template = self.environment.get_template(NAME);
        let rendered = template.and_then(|template| template.render(context));
        rendered.map_err(|source| ModelError::Template { file: self.file.clone(), source })
    }
}

const NAME: &str = "chat_template";

/// transformers gives templates this function to refuse a conversation.
fn raise_exception(reason: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, reason))
}

/// Python's `json.dumps(value, ensure_ascii=False)`: minijinja's own filter escapes for HTML.
fn to_json(value: &Value) -> Result<Value, Error> {
    let failed =
        |source: serde_json::Error| Error::new(ErrorKind::BadSerialization, source.to_string());
    let escaped = minijinja::filters::tojson(
        value,
        None,
        minijinja::value::Kwargs::from_iter([] as [(&str, Value); 0]),
    )?;
    let parsed: serde_json::Value = serde_json::from_str(&escaped.to_string()).map_err(failed)?;
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, PythonJson);
    parsed.serialize(&mut serializer).map_err(failed)?;
    Ok(Value::from(String::from_utf8_lossy(&bytes).into_owned()))
}

/// A space after each comma and colon, as Python writes.
struct PythonJson;

impl serde_json::ser::Formatter for PythonJson {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
    fn begin_object_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
    ) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

/// transformers' `{% generation %}` marks what an assistant says; here it is a block that is always rendered.
fn without_generation_tags(source: &str) -> String {
    let mut changed = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest[start..].find("%}") else { break };
        let (before, from) = rest.split_at(start);
        let (tag, after) = from.split_at(length + 2);
        changed.push_str(before);
        match tag.trim_matches(['{', '}', '%', '-', '+', ' ', '\n', '\t']) {
            "generation" => changed.push_str(&tag.replace("generation", "if true")),
            "endgeneration" => changed.push_str(&tag.replace("endgeneration", "endif")),
            _ => changed.push_str(tag),
        }
        rest = after;
    }
    changed + rest
}

/// Marks are characters of the private planes 15 (start) and 16 (end), one pair for each message.
const FIRST_START: u32 = 0xF_0000;
const FIRST_END: u32 = 0x10_0000;
const MOST_MESSAGES: usize = 0xFFFE;

fn private(first: u32, index: usize) -> char {
    char::from_u32(first + index as u32).expect("planes 15 and 16 have 65536 characters each")
}

/// A text that has such a character of its own loses it.
fn without_marks(text: &str) -> String {
    text.chars()
        .map(|letter| if u32::from(letter) >= FIRST_START { '\u{FFFD}' } else { letter })
        .collect()
}

/// Marks stand inside the white space at a text's ends, so that a template that trims meets what it would meet
/// without them; an empty text stays empty, because templates ask for that.
fn mark(index: usize, text: &str) -> String {
    let core = text.trim();
    if core.is_empty() {
        return text.to_owned();
    }
    let start = text.len() - text.trim_start().len();
    let (before, after) = (&text[..start], &text[start + core.len()..]);
    format!("{before}{}{core}{}{after}", private(FIRST_START, index), private(FIRST_END, index))
}

type Places = Vec<Option<usize>>;

/// Takes all marks out; returns the first place of each message's start and end mark.
fn take_marks(marked: &str, messages: usize) -> (String, Places, Places) {
    let (mut starts, mut ends) = (vec![None; messages], vec![None; messages]);
    let mut text = String::with_capacity(marked.len());
    for letter in marked.chars() {
        let code = u32::from(letter);
        if code < FIRST_START {
            text.push(letter);
            continue;
        }
        let (places, index) = if code < FIRST_END {
            (&mut starts, code - FIRST_START)
        } else {
            (&mut ends, code - FIRST_END)
        };
        if let Some(place) = places.get_mut(index as usize) {
            place.get_or_insert(text.len());
        }
    }
    (text, starts, ends)
}

/// Where a text is. A template may have cut off its beginning (thoughts, say) or its end, and one mark with it.
fn span(
    rendered: &str,
    text: &str,
    start: Option<usize>,
    end: Option<usize>,
) -> Option<Range<usize>> {
    match (start, end) {
        (Some(start), Some(end)) if start < end => Some(start..end),
        (Some(start), _) => {
            let pairs = rendered[start..].chars().zip(text.chars());
            let common: usize = pairs
                .take_while(|(left, right)| left == right)
                .map(|(left, _)| left.len_utf8())
                .sum();
            (common > 0).then_some(start..start + common)
        }
        (None, Some(end)) => {
            let pairs = rendered[..end].chars().rev().zip(text.chars().rev());
            let common: usize = pairs
                .take_while(|(left, right)| left == right)
                .map(|(left, _)| left.len_utf8())
                .sum();
            (common > 0).then_some(end - common..end)
        }
        (None, None) => None,
    }
}
