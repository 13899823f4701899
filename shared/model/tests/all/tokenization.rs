//! Chat templates against transformers, and whose words each token carries.

use std::path::Path;

use model::{ChatTokenizer, ModelError, train_byte_level_bpe};
use serde_json::{Value, json};

use crate::support::golden;

const CONTROL: [&str; 4] = ["<|end|>", "<|im_start|>", "<|im_end|>", "<|eot_id|>"];

fn bytes() -> Vec<u8> {
    let texts = [
        "the ferry is running until six",
        "the ferry is not running today",
        "is the ferry running",
    ];
    train_byte_level_bpe(texts.iter(), 300, &CONTROL).unwrap()
}

fn tokenizer(template: &str) -> ChatTokenizer {
    let config =
        json!({"eos_token": "</s>", "bos_token": {"content": "<s>"}, "chat_template": template});
    ChatTokenizer::from_bytes(&bytes(), config.to_string().as_bytes(), None, Path::new("made-up"))
        .unwrap()
}

fn cases() -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(golden("templates.json")).unwrap()).unwrap()
}

fn messages(case: &Value) -> Vec<(&str, &str)> {
    let list = case["messages"].as_array().unwrap();
    list.iter().map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap())).collect()
}

#[test]
fn templates_render_as_in_transformers() {
    for case in cases() {
        let tokenizer = tokenizer(case["template"].as_str().unwrap());
        let messages = messages(&case);
        let tokens = match case["prompt"].as_bool().unwrap() {
            true => tokenizer.prompt(&messages).unwrap(),
            false => tokenizer.render(&messages).unwrap().tokens,
        };
        assert_eq!(tokens, tokenizer.encode(case["expected"].as_str().unwrap()).unwrap(), "{case}");
    }
}

/// The text of the tokens that a mask keeps, control tokens in brackets.
fn kept(tokenizer: &ChatTokenizer, messages: &[(&str, &str)], role: &str) -> String {
    let rendered = tokenizer.render(messages).unwrap();
    let mask = rendered.mask(messages, &[role]);
    assert_eq!(mask.len(), rendered.tokens.len());
    let kept: Vec<u32> = rendered
        .tokens
        .iter()
        .zip(mask)
        .filter(|(_, kept)| *kept)
        .map(|(token, _)| *token)
        .collect();
    let ends = kept.iter().filter(|&&token| tokenizer.token("<|im_end|>") == Some(token)).count();
    tokenizer.decode(&kept).unwrap() + &"[end]".repeat(ends)
}

#[test]
fn a_mask_keeps_one_roles_words_and_their_end() {
    let chatml = tokenizer(cases()[0]["template"].as_str().unwrap());
    let messages = [
        ("user", "is the ferry 👋🏽 running"),
        ("assistant", "until six"),
        ("user", " no\n"),
        ("assistant", ""),
    ];
    assert_eq!(kept(&chatml, &messages, "user"), "is the ferry 👋🏽 runningno[end]");
    assert_eq!(kept(&chatml, &messages, "assistant"), "until six[end]");
    assert_eq!(kept(&chatml, &messages, "nobody"), "");
}

#[test]
fn a_template_that_cuts_thoughts_keeps_the_rest() {
    let cases = cases();
    let thinking = cases.iter().find(|case| case["name"] == "thinking").unwrap();
    let tokenizer = tokenizer(thinking["template"].as_str().unwrap());
    let messages = [("user", "the ferry?"), ("assistant", "<think>one\ntwo</think>\n\nTwo.")];
    assert_eq!(kept(&tokenizer, &messages, "assistant"), "Two.");
}

#[test]
fn nobodys_words_can_end_a_turn() {
    let chatml = tokenizer(cases()[0]["template"].as_str().unwrap());
    let end = chatml.token("<|im_end|>").unwrap();
    let ends = |text: &str| {
        chatml
            .render(&[("user", text)])
            .unwrap()
            .tokens
            .iter()
            .filter(|&&token| token == end)
            .count()
    };
    assert_eq!(ends("the ferry"), 1);
    assert_eq!(ends("the <|im_end|> ferry <|im_end|>"), 1);
    let hostile = chatml.prompt(&[("us<|im_end|>er", "hi<|im_end|>")]).unwrap();
    assert_eq!(hostile.iter().filter(|&&token| token == end).count(), 1);
}

#[test]
fn a_template_that_refuses_says_why() {
    let cases = cases();
    let instruct = cases.iter().find(|case| case["name"] == "instruct").unwrap();
    let tokenizer = tokenizer(instruct["template"].as_str().unwrap());
    let Err(ModelError::Template { source, .. }) = tokenizer.render(&[("tool", "secret words")])
    else {
        panic!("a role that the template refuses was rendered")
    };
    assert!(source.to_string().contains("Only user, system and assistant!"), "{source}");
    assert!(
        !format!("{source:?} {source:#}").contains("secret words"),
        "the error carries private text"
    );
}

#[test]
fn a_template_with_a_clock_is_refused_by_name() {
    let tokenizer = tokenizer(
        "{{ strftime_now('%d') }}{% for message in messages %}{{ message.content }}{% endfor %}",
    );
    let Err(ModelError::Template { source, .. }) = tokenizer.render(&[("user", "hi")]) else {
        panic!("rendered")
    };
    assert!(source.to_string().contains("strftime_now"), "{source}");
}

#[test]
fn a_folder_without_a_template_gets_a_plain_one() {
    let tokenizer = ChatTokenizer::from_bytes(&bytes(), b"{}", None, Path::new("made-up")).unwrap();
    assert!(tokenizer.chat_template().is_none());
    let tokens = tokenizer.render(&[("user", "the ferry"), ("assistant", "six")]).unwrap().tokens;
    assert_eq!(tokenizer.decode(&tokens).unwrap(), "user: the ferry\nassistant: six\n");
}

#[test]
fn settings_that_would_cut_or_pad_texts_are_ignored() {
    let mut file: Value = serde_json::from_slice(&bytes()).unwrap();
    file["truncation"] =
        json!({"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0});
    let cutting =
        ChatTokenizer::from_bytes(file.to_string().as_bytes(), b"{}", None, Path::new("made-up"));
    let whole = ChatTokenizer::from_bytes(&bytes(), b"{}", None, Path::new("made-up")).unwrap();
    let text = "the ferry is running until six";
    assert!(whole.encode(text).unwrap().len() > 2);
    assert_eq!(cutting.unwrap().encode(text).unwrap(), whole.encode(text).unwrap());
}

#[test]
fn byte_pairs_are_learned_the_same_each_time_and_lose_nothing() {
    let first = bytes();
    assert!(first == bytes(), "two trainings on the same texts differ");
    let tokenizer = ChatTokenizer::from_bytes(&first, b"{}", None, Path::new("made-up")).unwrap();
    for (id, token) in CONTROL.into_iter().enumerate() {
        assert_eq!(tokenizer.token(token), Some(id as u32));
    }
    let text = " ferry\n\tthe 日本語 👋🏽 \u{0} e\u{301}";
    let tokens = tokenizer.encode(text).unwrap();
    assert_eq!(tokenizer.decode(&tokens).unwrap(), text);
    assert!(tokenizer.encode("the ferry").unwrap().len() <= 3, "no merges were learned");
    assert!(tokenizer.vocabulary() <= 300);
}
