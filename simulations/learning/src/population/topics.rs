//! What conversations are about, found from their words: spherical k-means (Dhillon & Modha 2001) over hashed counts
//! of words, weighted by how few conversations have them.

use chatlogs::Conversation;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::chance;

/// Topics that are told apart.
pub(super) const TOPICS: usize = 8;
/// Words share as many places.
const WIDTH: usize = 512;
const PASSES: usize = 12;

/// The topic of each conversation, from 0; the same for the same seed.
pub(super) fn topics(conversations: &[Conversation], seed: u64) -> Vec<usize> {
    let vectors = vectors(conversations);
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut centres = first_centres(&vectors, &mut rng);
    let mut found = vec![0; vectors.len()];
    for _ in 0..PASSES {
        for (found, vector) in found.iter_mut().zip(&vectors) {
            *found = nearest(vector, &centres).0;
        }
        for (topic, centre) in centres.iter_mut().enumerate() {
            let mut sum = vec![0.0; WIDTH];
            let own = vectors.iter().zip(&found).filter(|(_, found)| **found == topic);
            own.for_each(|(vector, _)| add(&mut sum, vector));
            if normalise(&mut sum) {
                *centre = sum;
            }
        }
    }
    found
}

/// Far from each other: each next one with a chance in proportion to its distance (Arthur & Vassilvitskii 2007).
fn first_centres(vectors: &[Vec<f32>], rng: &mut ChaCha20Rng) -> Vec<Vec<f32>> {
    let Some(first) = vectors.get(rng.random_range(0..vectors.len().max(1))) else {
        return Vec::new();
    };
    let mut centres = vec![first.clone()];
    while centres.len() < TOPICS.min(vectors.len()) {
        let far = |vector: &Vec<f32>| f64::from((1.0 - nearest(vector, &centres).1).max(0.0));
        let distances: Vec<f64> = vectors.iter().map(far).collect();
        centres.push(vectors[chance::place(&distances, rng)].clone());
    }
    centres
}

/// The most similar centre, and the cosine.
fn nearest(vector: &[f32], centres: &[Vec<f32>]) -> (usize, f32) {
    let cosine = |centre: &Vec<f32>| -> f32 { vector.iter().zip(centre).map(|(a, b)| a * b).sum() };
    let all = centres.iter().map(cosine).enumerate();
    all.max_by(|left, right| left.1.total_cmp(&right.1)).unwrap_or((0, 0.0))
}

/// Of length 1 each; all zeros for a conversation without words.
fn vectors(conversations: &[Conversation]) -> Vec<Vec<f32>> {
    let mut counts: Vec<Vec<f32>> = conversations.iter().map(counts).collect();
    let mut having = vec![0.0_f32; WIDTH];
    for one in &counts {
        let present = one.iter().map(|&count| f32::from(u8::from(count > 0.0)));
        having.iter_mut().zip(present).for_each(|(having, present)| *having += present);
    }
    let all = conversations.len() as f32;
    for one in &mut counts {
        let weighted = one.iter_mut().zip(&having);
        weighted.for_each(|(count, having)| *count = count.sqrt() * (all / having.max(1.0)).ln());
        normalise(one);
    }
    counts
}

fn counts(conversation: &Conversation) -> Vec<f32> {
    let mut counts = vec![0.0; WIDTH];
    for message in conversation.messages() {
        for word in words(&message.text) {
            let hash = blake3::hash(word.to_lowercase().as_bytes());
            let place = u16::from_le_bytes([hash.as_bytes()[0], hash.as_bytes()[1]]);
            counts[usize::from(place) % WIDTH] += 1.0;
        }
    }
    counts
}

/// Words, and single characters of scripts without spaces.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let between = |c: char| !c.is_alphanumeric();
    text.split(between).flat_map(|word| {
        let apart = word.chars().any(|c| c > '\u{2e7f}');
        let step = if apart { 1 } else { usize::MAX };
        let mut rest = word;
        std::iter::from_fn(move || {
            let end = rest.char_indices().nth(step).map_or(rest.len(), |(end, _)| end);
            let (head, tail) = rest.split_at(end);
            rest = tail;
            (!head.is_empty()).then_some(head)
        })
    })
}

fn add(sum: &mut [f32], vector: &[f32]) {
    sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
}

/// To length 1; says whether there was any.
fn normalise(vector: &mut [f32]) -> bool {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    }
    length > 0.0
}

#[cfg(test)]
mod tests {
    use chatlogs::{Format, Message, Role};

    use super::*;

    fn about(words: &str, number: usize) -> Conversation {
        let all: Vec<&str> = words.split(' ').collect();
        let said = (0..12).map(|place| all[(place * (number + 3) + number) % all.len()]);
        let text = format!("the {}", said.collect::<Vec<_>>().join(" and "));
        let key = format!("{words} {number}");
        let messages = vec![Message { role: Role::Me, text }];
        Conversation::new(Format::Dataset, Some(&key), None, messages, None).unwrap()
    }

    #[test]
    fn conversations_about_the_same_are_put_together() {
        let themes = [
            "rain snow wind cloud storm sun fog",
            "bread soup rice salt oven plate spoon",
            "train bus ticket seat station track rail",
            "猫 犬 鳥 魚",
        ];
        let conversations: Vec<Conversation> =
            (0..80).map(|number| about(themes[number % 4], number)).collect();
        let found = topics(&conversations, 3);
        assert_eq!(found, topics(&conversations, 3));
        // Topics hold conversations of one theme, but for one theme at most: dealt at random, the largest themes of all
        // topics would have about 34 conversations together.
        let largest = |topic: usize| {
            let of = |theme: usize| {
                let own = (0..80).filter(|&number| found[number] == topic && number % 4 == theme);
                own.count()
            };
            (0..4).map(of).max().unwrap_or(0)
        };
        let pure: usize = (0..TOPICS).map(largest).sum();
        assert!(pure >= 56, "{pure} of 80: {found:?}");
    }

    #[test]
    fn words_are_cut_where_scripts_cut_them() {
        assert_eq!(words("It's 5 o'clock").collect::<Vec<_>>(), ["It", "s", "5", "o", "clock"]);
        assert_eq!(words("東京、ok").collect::<Vec<_>>(), ["東", "京", "ok"]);
        assert_eq!(topics(&[], 1), Vec::<usize>::new());
    }
}
