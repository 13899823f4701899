//! Invented people with something in common to learn: words of eight topics that follow each other in an order of
//! their own. Every person talks mostly about two of the topics; the order is the same for all.

use chatlogs::{Conversation, Format, Message, Role, Split};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::Human;
use crate::scenario::MadeTerms;

const TOPICS: usize = 8;
const WORDS: usize = 24;
/// How often the next word is the one that follows in the topic's order.
const ORDERLY: f64 = 0.85;

/// The same people for the same seed.
pub(super) fn people(terms: MadeTerms, seed: u64) -> Vec<Human> {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let topics: Vec<Vec<String>> =
        (0..TOPICS).map(|_| (0..WORDS).map(|_| word(&mut rng)).collect()).collect();
    (0..terms.people).map(|number| person(number, terms, &topics, &mut rng)).collect()
}

fn person(number: usize, terms: MadeTerms, topics: &[Vec<String>], rng: &mut ChaCha20Rng) -> Human {
    let name = format!("made-{number:04}");
    let liked = [rng.random_range(0..TOPICS), rng.random_range(0..TOPICS)];
    let conversations = (0..terms.conversations.max(1)).map(|index| {
        let stranger = rng.random_bool(0.2);
        let topic = if stranger { rng.random_range(0..TOPICS) } else { liked[index % 2] };
        conversation(&format!("{name} {index}"), &topics[topic], rng)
    });
    let (mut held_out, mut training): (Vec<_>, Vec<_>) =
        conversations.partition(|conversation| conversation.split() == Split::HeldOut);
    if training.is_empty() {
        training.append(&mut held_out);
    }
    Human { name, language: None, training, held_out }
}

fn conversation(key: &str, words: &[String], rng: &mut ChaCha20Rng) -> Conversation {
    let messages = (0..rng.random_range(2..5)).flat_map(|_| {
        let asked =
            Message { role: Role::Me, text: format!("tell me about {}?", walk(words, 3, rng)) };
        let told = Message { role: Role::Assistant, text: format!("{}.", walk(words, 12, rng)) };
        [asked, told]
    });
    let messages = messages.collect();
    Conversation::new(Format::Dataset, Some(key), None, messages, None).expect("something is said")
}

/// Words that mostly follow the topic's order.
fn walk(words: &[String], count: usize, rng: &mut ChaCha20Rng) -> String {
    let mut place = rng.random_range(0..words.len());
    let mut said = Vec::with_capacity(count);
    for _ in 0..count {
        said.push(words[place].as_str());
        let orderly = rng.random_bool(ORDERLY);
        place = if orderly { (place + 1) % words.len() } else { rng.random_range(0..words.len()) };
    }
    said.join(" ")
}

fn word(rng: &mut impl Rng) -> String {
    const FIRST: &[u8] = b"bdfgklmnprstvz";
    const SECOND: &[u8] = b"aeiou";
    let mut letter = |of: &[u8]| char::from(of[rng.random_range(0..of.len())]);
    [letter(FIRST), letter(SECOND), letter(FIRST), letter(SECOND)].iter().collect()
}
