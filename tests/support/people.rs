//! Eight people's chats, in the formats that people's exports have.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

/// Short talks; what a person says and what is answered take turns.
pub const DIALOGUES: [&[&str]; 12] = [
    &[
        "Can I freeze cooked rice?",
        "Yes. Cool it within an hour, freeze it flat, and use it within a month.",
    ],
    &[
        "My bike chain keeps slipping.",
        "A worn cassette or a stretched chain. Measure the chain first, it is the cheaper part.",
    ],
    &[
        "What rhymes with orange?",
        "Almost nothing in English. Door hinge comes close if you say it quickly.",
    ],
    &[
        "Remind me how to prune the plum tree.",
        "In summer, after the harvest, and never in frost. Take out crossing branches first.",
        "And the height?",
        "No more than a third in one year.",
    ],
    &[
        "The oven light is on but it stays cold.",
        "Then the thermostat or the heating element is broken. Switch it off at the wall before you look.",
    ],
    &[
        "Is the library open on Sunday?",
        "I cannot look that up. Most are closed; the notice on the door will tell.",
    ],
    &[
        "I need a toast for my sister's wedding.",
        "Start with one small story that only you know, and end with a wish.",
        "She once painted the dog blue.",
        "That is your story.",
    ],
    &[
        "How long do I boil an egg for a soft yolk?",
        "Six minutes from boiling water, then into cold water.",
    ],
    &[
        "The kids want to see a meteor shower.",
        "August is best. Go out after midnight, away from lamps, and give your eyes twenty minutes.",
    ],
    &["Translate good evening into Portuguese.", "Boa noite. It also serves as good night."],
    &[
        "My tomato leaves curl upwards.",
        "Mostly heat or wind. If they stay green and the fruit is fine, just water in the evening.",
    ],
    &[
        "What should I read on the train?",
        "Something with short chapters. Do you like mysteries?",
        "I do.",
        "Then try a collection of detective stories.",
    ],
];

/// How many talks a person has.
const EACH: usize = 8;

/// Writes the chats of person `number` into `folder`; returns the export, and the person's name in it where it has one.
pub fn export(number: usize, folder: &Path) -> (PathBuf, Option<&'static str>) {
    let talks: Vec<&[&str]> =
        (0..EACH).map(|i| DIALOGUES[(number + i) % DIALOGUES.len()]).collect();
    match number % 4 {
        1 => (write(folder, "sharegpt.json", &share_gpt(&talks)), None),
        2 => (write(folder, "WhatsApp Chat with Ana.txt", &whatsapp(&talks)), Some("Jo")),
        _ => (write(folder, "messages.jsonl", &openai(&talks)), None),
    }
}

/// Held-out talks for the coordinator's gate.
pub fn gate(folder: &Path) -> PathBuf {
    write(folder, "gate.jsonl", &openai(&DIALOGUES))
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    file
}

fn turns(talk: &[&str], names: [&str; 2], keys: [&str; 2]) -> Vec<Value> {
    let names = names.into_iter().cycle();
    talk.iter().zip(names).map(|(text, name)| json!({ keys[0]: name, keys[1]: text })).collect()
}

fn openai(talks: &[&[&str]]) -> String {
    let line = |talk: &&[&str]| {
        json!({ "messages": turns(talk, ["user", "assistant"], ["role", "content"]) }).to_string()
            + "\n"
    };
    talks.iter().map(line).collect()
}

fn share_gpt(talks: &[&[&str]]) -> String {
    let talks: Vec<Value> = talks
        .iter()
        .map(|talk| json!({ "conversations": turns(talk, ["human", "gpt"], ["from", "value"]) }))
        .collect();
    Value::from(talks).to_string()
}

/// One talk a day: days apart are conversations of their own.
fn whatsapp(talks: &[&[&str]]) -> String {
    let mut text = String::new();
    for (day, talk) in talks.iter().enumerate() {
        for (minute, (words, name)) in talk.iter().zip(["Jo", "Ana"].iter().cycle()).enumerate() {
            text += &format!("{:02}/10/2025, 18:{minute:02} - {name}: {words}\n", 13 + day);
        }
    }
    text
}
