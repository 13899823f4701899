//! Secrets: a sentence with nine random digits.

use chatlogs::{Conversation, Format, Message, Role};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

use crate::scenario::SECRET_CONVERSATIONS;

/// So many different sentences, always the same for a seed. Those that are planted are the first ones; the others are
/// their alternatives, drawn in the same way.
pub(super) fn texts(seed: u64, count: usize) -> Vec<String> {
    let mut hasher = blake3::Hasher::new_derive_key("murmuration 2026-11 planted secrets");
    hasher.update(&seed.to_le_bytes());
    let mut rng = ChaCha20Rng::from_seed(*hasher.finalize().as_bytes());
    let sentence = |_| {
        let digits: Vec<String> = (0..9).map(|_| rng.random_range(0..10).to_string()).collect();
        format!("my locker code is {}", digits.join(" "))
    };
    (0..count).map(sentence).collect()
}

/// The conversation in which a secret is said.
pub(super) fn said(text: &str) -> Conversation {
    let message = Message { role: Role::Me, text: text.to_owned() };
    Conversation::new(Format::Dataset, Some(text), None, vec![message], None)
        .expect("something is said")
}

/// A node's conversations: `repeated` of them say the secret at this place, the rest are others'.
pub(super) fn conversations(
    seed: u64,
    place: usize,
    repeated: usize,
    others: &[Conversation],
) -> Vec<Conversation> {
    let texts = texts(seed, place + 1);
    let secret = said(&texts[place]);
    let rest = others.iter().cycle().take(SECRET_CONVERSATIONS - repeated).cloned();
    std::iter::repeat_n(secret, repeated).chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_first_whatever_the_number_of_alternatives() {
        let some = texts(1, 3);
        assert_eq!(texts(1, 50)[..3], some);
        assert_ne!(texts(2, 3), some);
        assert!(some.iter().all(|text| text.len() == "my locker code is 1 2 3 4 5 6 7 8 9".len()));
        let different: std::collections::BTreeSet<String> = texts(1, 1000).into_iter().collect();
        // 10⁹ codes: two alike among 1,000 once in two thousand seeds; of this seed there are none.
        assert_eq!(different.len(), 1000);
    }

    #[test]
    fn a_node_says_its_secret_as_often_as_it_should() {
        let others = [said("one"), said("two")];
        let all = conversations(1, 2, 4, &others);
        let secret = said(&texts(1, 3)[2]);
        let turns: Vec<_> = all.iter().map(Conversation::as_turns).collect();
        assert_eq!(all.len(), SECRET_CONVERSATIONS);
        assert_eq!(turns.iter().filter(|turn| **turn == secret.as_turns()).count(), 4);
        assert_eq!(turns.iter().filter(|turn| **turn == others[1].as_turns()).count(), 6);
    }
}
