//! Which conversations are trained on and which are kept to measure with.

use serde::{Deserialize, Serialize};

use crate::conversation::ThreadId;

/// The part of a person's conversations that one conversation belongs to, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// May be trained on.
    Train,
    /// Kept back to measure with: about one in five.
    HeldOut,
}

impl Split {
    /// The part of `thread`: its first 8 bytes as a little-endian integer, held out when a
    /// multiple of five. Ids are BLAKE3 outputs, so this is one in five of any collection,
    /// whatever its order, and the same on every device and in every later import.
    pub fn of(thread: &ThreadId) -> Self {
        let (head, _) =
            thread.as_bytes().split_first_chunk::<8>().expect("a thread id has 32 bytes");
        if u64::from_le_bytes(*head).is_multiple_of(ONE_IN) { Self::HeldOut } else { Self::Train }
    }
}

/// One conversation in this many is held out.
const ONE_IN: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conversation, Format, Message, Role};

    fn numbered(index: u32, reply: &str) -> Conversation {
        let messages = vec![
            Message { role: Role::Me, text: "hello".into() },
            Message { role: Role::Assistant, text: reply.into() },
        ];
        Conversation::new(Format::ChatGpt, Some(&index.to_string()), None, messages, None)
            .expect("not empty")
    }

    #[test]
    fn holds_out_about_one_in_five() {
        let held_out =
            (0..10_000).filter(|&index| numbered(index, "hi").split() == Split::HeldOut).count();
        // 2,000 expected, standard deviation 40; deterministic, so this cannot flicker.
        assert!((1_850..=2_150).contains(&held_out), "{held_out}");
    }

    #[test]
    fn a_conversation_that_grew_stays_in_its_part() {
        for index in 0..200 {
            let (short, long) = (numbered(index, "hi"), numbered(index, "hi there, and more"));
            assert_ne!(short.id(), long.id());
            assert_eq!(short.split(), long.split());
        }
    }
}
