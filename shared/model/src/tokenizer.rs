//! Text ↔ tokens, and conversations → tokens that know whose words they are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::Tokenizer;

use crate::ModelError;
use crate::safetensors_file::read_file;
use crate::template::{ChatTemplate, PLAIN_TEMPLATE};

/// The tokenizer and chat template of a model folder.
pub struct ChatTokenizer {
    tokenizer: Tokenizer,
    template: ChatTemplate,
    template_source: Option<String>,
    end_token: Option<u32>,
    /// Control tokens by id, with their text.
    control_tokens: BTreeMap<u32, String>,
}

/// A conversation as tokens.
pub struct Rendered {
    /// Token ids, all of them.
    pub tokens: Vec<u32>,
    /// For each token the message whose words it carries, counted from 0; none for what the template adds.
    /// The control token that ends a message belongs to it, so that a model learns to stop.
    pub owners: Vec<Option<usize>>,
}

impl Rendered {
    /// For each token, whether it belongs to a message of one of `roles`; `messages` are those rendered.
    pub fn mask<Role: AsRef<str>>(&self, messages: &[(&str, &str)], roles: &[Role]) -> Vec<bool> {
        let spoken = |owner: usize| roles.iter().any(|role| role.as_ref() == messages[owner].0);
        self.owners.iter().map(|owner| owner.is_some_and(spoken)).collect()
    }
}

impl ChatTokenizer {
    /// Reads tokenizer.json, tokenizer_config.json and chat_template.jinja; only the first must be there.
    ///
    /// A folder without a chat template gets a plain one: `role: text`, a line for each message.
    pub fn load(folder: &Path) -> Result<ChatTokenizer, ModelError> {
        let tokenizer_json = read_file(&folder.join("tokenizer.json"))?;
        let config = folder.join("tokenizer_config.json");
        let config = if config.exists() { read_file(&config)? } else { b"{}".to_vec() };
        let jinja = folder.join("chat_template.jinja");
        let jinja = if jinja.exists() { Some(read_file(&jinja)?) } else { None };
        ChatTokenizer::from_bytes(&tokenizer_json, &config, jinja.as_deref(), folder)
    }

    /// From the files' contents; `folder` is named in errors.
    pub fn from_bytes(
        tokenizer_json: &[u8],
        tokenizer_config: &[u8],
        chat_template: Option<&[u8]>,
        folder: &Path,
    ) -> Result<ChatTokenizer, ModelError> {
        let unusable =
            |source| ModelError::Tokenizer { file: folder.join("tokenizer.json"), source };
        let mut tokenizer = Tokenizer::from_bytes(tokenizer_json).map_err(unusable)?;
        // Some folders bring settings along that cut or pad every text.
        tokenizer.with_truncation(None).map_err(unusable)?.with_padding(None);
        let file = folder.join("tokenizer_config.json");
        let config: Map<String, Value> = serde_json::from_slice(tokenizer_config)
            .map_err(|source| ModelError::Json { file: file.clone(), source })?;
        let (template_source, template_file) = match chat_template {
            Some(bytes) => (
                Some(String::from_utf8_lossy(bytes).into_owned()),
                folder.join("chat_template.jinja"),
            ),
            None => (template_of(&config, &file)?, file.clone()),
        };
        let begin = named_token(&config, "bos_token").unwrap_or_default();
        let end = named_token(&config, "eos_token").unwrap_or_default();
        let source = template_source.as_deref().unwrap_or(PLAIN_TEMPLATE);
        let template = ChatTemplate::new(source, &template_file, &begin, &end)?;
        let added = tokenizer.get_added_tokens_decoder();
        let control =
            added.into_iter().filter(|(_, token)| token.special && !token.content.is_empty());
        let control_tokens = control.map(|(id, token)| (id, token.content)).collect();
        let end_token = tokenizer.token_to_id(&end);
        Ok(ChatTokenizer { tokenizer, template, template_source, end_token, control_tokens })
    }

    /// Tokens of a text as it is; control tokens written out in it count as control tokens.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|source| ModelError::Encode { source })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of tokens, without control tokens.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, ModelError> {
        self.tokenizer.decode(tokens, true).map_err(|source| ModelError::Encode { source })
    }

    /// A conversation of (role, text) as tokens, each with the message it belongs to.
    ///
    /// A control token written out in a text or role is broken up by a space: nobody's words can end a turn.
    pub fn render(&self, messages: &[(&str, &str)]) -> Result<Rendered, ModelError> {
        let harmless = self.harmless(messages);
        let rendered = self.template.render(&borrowed(&harmless))?;
        let encoding = self
            .tokenizer
            .encode(rendered.text, false)
            .map_err(|source| ModelError::Encode { source })?;
        let tokens = encoding.get_ids().to_vec();
        let owners = self.owners(&tokens, encoding.get_offsets(), &rendered.spans);
        Ok(Rendered { tokens, owners })
    }

    /// The tokens after which the model speaks as the assistant.
    pub fn prompt(&self, messages: &[(&str, &str)]) -> Result<Vec<u32>, ModelError> {
        let harmless = self.harmless(messages);
        self.encode(&self.template.prompt(&borrowed(&harmless))?)
    }

    /// The chat template, if the folder has one.
    pub fn chat_template(&self) -> Option<&str> {
        self.template_source.as_deref()
    }

    /// The token named `eos_token`.
    pub fn end_token(&self) -> Option<u32> {
        self.end_token
    }

    /// The id of one token by its text.
    pub fn token(&self, text: &str) -> Option<u32> {
        self.tokenizer.token_to_id(text)
    }

    /// One more than the highest token id.
    pub fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab(true).into_values().max().map_or(0, |highest| highest as usize + 1)
    }

    /// Whether a token is a control token.
    pub(crate) fn is_control(&self, token: u32) -> bool {
        self.control_tokens.contains_key(&token)
    }

    pub(crate) fn inner(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn harmless(&self, messages: &[(&str, &str)]) -> Vec<(String, String)> {
        messages.iter().map(|(role, text)| (self.broken_up(role), self.broken_up(text))).collect()
    }

    fn broken_up(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for control in self.control_tokens.values() {
            if text.contains(control.as_str()) {
                let first = control.chars().next().map_or(0, char::len_utf8);
                let (head, tail) = control.split_at(first);
                let separator =
                    if tail.is_empty() { String::new() } else { format!("{head} {tail}") };
                text = text.replace(control.as_str(), &separator);
            }
        }
        text
    }

    /// A token belongs to the message whose text it has bytes of; so does the control token right after a text.
    fn owners(
        &self,
        tokens: &[u32],
        offsets: &[(usize, usize)],
        spans: &[Option<std::ops::Range<usize>>],
    ) -> Vec<Option<usize>> {
        let mut ordered: Vec<(usize, &std::ops::Range<usize>)> = spans
            .iter()
            .enumerate()
            .filter_map(|(index, span)| Some((index, span.as_ref()?)))
            .collect();
        ordered.sort_by_key(|(_, span)| span.start);
        let mut owners = Vec::with_capacity(tokens.len());
        let mut next = 0;
        for (&token, &(start, end)) in tokens.iter().zip(offsets) {
            while next < ordered.len() && ordered[next].1.end < start {
                next += 1;
            }
            let owner = ordered[next..].iter().take(2).find(|(_, span)| {
                (start < span.end && end > span.start)
                    || (start == span.end && self.is_control(token))
            });
            owners.push(owner.map(|&(index, _)| index));
        }
        owners
    }
}

fn borrowed(messages: &[(String, String)]) -> Vec<(&str, &str)> {
    messages.iter().map(|(role, text)| (role.as_str(), text.as_str())).collect()
}

/// `chat_template` is a text, or a list of named texts of which we take `default`.
fn template_of(config: &Map<String, Value>, file: &Path) -> Result<Option<String>, ModelError> {
    let unsupported = |found: &Value| ModelError::Unsupported {
        file: PathBuf::from(file),
        key: "chat_template".to_owned(),
        found: found.to_string().chars().take(80).collect(),
        supported: "a text, or a list of {name, template} with one named `default`",
    };
    match config.get("chat_template") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(template)) => Ok(Some(template.clone())),
        Some(list @ Value::Array(named)) => {
            let default = named.iter().find(|entry| entry["name"] == "default");
            let template = default.and_then(|entry| entry["template"].as_str());
            template.map(|template| Some(template.to_owned())).ok_or_else(|| unsupported(list))
        }
        Some(other) => Err(unsupported(other)),
    }
}

/// A token's text: written plainly, or as an object with `content`.
fn named_token(config: &Map<String, Value>, key: &str) -> Option<String> {
    let value = config.get(key)?;
    value.as_str().or_else(|| value.get("content")?.as_str()).map(str::to_owned)
}
