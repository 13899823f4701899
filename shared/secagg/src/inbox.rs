//! The hash of everything that was sealed for one member, for the Merkle tree that the
//! coordinator signs.

use wire::MemberIndex;

use crate::{SecaggError, derive};

/// Hashes what `recipient` is sent: sources in ascending order, each with its sealed bytes.
///
/// BLAKE3 under its own context over recipient ‖ number of sources as 4 bytes, little-endian ‖ for each source: its place
/// ‖ length as 4 bytes, little-endian ‖ sealed bytes. One inbox has one encoding.
///
/// # Errors
/// [`SecaggError::InboxOrder`] if sources are not ascending.
pub fn inbox_hash(
    recipient: MemberIndex,
    inbox: &[(MemberIndex, &[u8])],
) -> Result<[u8; 32], SecaggError> {
    let unordered = inbox.windows(2).find(|pair| pair[0].0 >= pair[1].0);
    if let Some(pair) = unordered {
        return Err(SecaggError::InboxOrder { member: pair[1].0 });
    }
    let mut hasher = blake3::Hasher::new_derive_key(derive::INBOX);
    hasher.update(&[recipient.0]);
    hasher.update(&(inbox.len() as u32).to_le_bytes());
    for (source, sealed) in inbox {
        hasher.update(&[source.0]);
        hasher.update(&(sealed.len() as u32).to_le_bytes());
        hasher.update(sealed);
    }
    Ok(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: [(MemberIndex, &[u8]); 2] = [(MemberIndex(1), b"one"), (MemberIndex(4), b"four")];

    #[test]
    fn every_part_counts() {
        let hash = |recipient, inbox: &[(MemberIndex, &[u8])]| {
            inbox_hash(MemberIndex(recipient), inbox).unwrap()
        };
        let changed: [&[(MemberIndex, &[u8])]; 6] = [
            &[(MemberIndex(1), b"one")],
            &[(MemberIndex(1), b"one"), (MemberIndex(5), b"four")],
            &[(MemberIndex(1), b"one"), (MemberIndex(4), b"fouR")],
            &[(MemberIndex(1), b"on"), (MemberIndex(4), b"efour")],
            &[(MemberIndex(1), b"one"), (MemberIndex(4), b"four"), (MemberIndex(5), b"")],
            &[],
        ];
        let own = hash(0, &BOX);
        assert_ne!(own, hash(2, &BOX));
        for inbox in changed {
            assert_ne!(own, hash(0, inbox));
        }
    }

    #[test]
    fn sources_are_ascending() {
        for second in [0, 1] {
            let inbox: [(MemberIndex, &[u8]); 2] =
                [(MemberIndex(1), b"a"), (MemberIndex(second), b"b")];
            let error = SecaggError::InboxOrder { member: MemberIndex(second) };
            assert_eq!(inbox_hash(MemberIndex(2), &inbox), Err(error));
        }
    }
}
