//! One value, one byte string: a version byte, then postcard, and nothing else is accepted.
//!
//! postcard alone reads over-long varints and ignores trailing bytes, so two byte strings could
//! mean one value and split the views of two readers.
//! [`decode`] therefore encodes what it read again and refuses bytes that differ.

use std::{iter::repeat_n, sync::Arc};

use postcard::{
    ser_flavors::{Flavor, Size},
    serialize_with_flavor,
};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// The first byte of everything that is sent, signed or kept.
pub const WIRE_VERSION: u8 = 1;

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Longer than the reader allows for this message.
    #[error("{length} bytes, where at most {limit} are allowed")]
    Oversized {
        /// Bytes that arrived.
        length: usize,
        /// Bytes that are allowed.
        limit: usize,
    },
    /// No byte at all.
    #[error("an empty message")]
    Empty,
    /// A version that this build does not speak.
    #[error("wire version {found}, where this build speaks {WIRE_VERSION}: update the older side")]
    Version {
        /// The version byte that arrived.
        found: u8,
    },
    /// Not a value of the expected type.
    #[error("not a value of the expected type")]
    Malformed,
    /// A value, but not in its one canonical form.
    #[error("not in canonical form")]
    NotCanonical,
}

/// The canonical bytes of a value.
///
/// # Panics
/// Never for the types of this crate: all of them have known lengths.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = vec![0; encoded_length(value)];
    write(value, &mut bytes);
    bytes
}

/// The same bytes for several to hold, written where they will stay.
///
/// # Panics
/// As [`encode`].
pub(crate) fn encode_shared<T: Serialize>(value: &T) -> Arc<[u8]> {
    let mut bytes: Arc<[u8]> = repeat_n(0, encoded_length(value)).collect();
    write(value, Arc::get_mut(&mut bytes).expect("nobody else holds them yet"));
    bytes
}

fn encoded_length<T: Serialize>(value: &T) -> usize {
    let body = serialize_with_flavor(value, Size::default());
    1 + body.expect("messages hold no type that postcard cannot write")
}

fn write<T: Serialize>(value: &T, bytes: &mut [u8]) {
    bytes[0] = WIRE_VERSION;
    let body = postcard::to_slice(value, &mut bytes[1..]).expect("room for every byte");
    debug_assert_eq!(body.len() + 1, bytes.len());
}

/// Reads a value that fills `bytes` exactly and is in canonical form.
pub fn decode<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    limit: usize,
) -> Result<T, DecodeError> {
    if bytes.len() > limit {
        return Err(DecodeError::Oversized { length: bytes.len(), limit });
    }
    let value: T = decode_canonical(bytes)?;
    match is_body(&value, &bytes[1..]) {
        true => Ok(value),
        false => Err(DecodeError::NotCanonical),
    }
}

/// Whether `body` is what postcard writes for a value: compared as it is written, and kept nowhere.
fn is_body<T: Serialize>(value: &T, body: &[u8]) -> bool {
    serialize_with_flavor(value, Compared { left: body }).is_ok()
}

/// The bytes that are still to come; whatever differs from them ends the writing.
struct Compared<'a> {
    left: &'a [u8],
}

impl Flavor for Compared<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.left = self.left.strip_prefix(bytes).ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        if self.left.is_empty() { Ok(()) } else { Err(postcard::Error::SerializeBufferFull) }
    }
}

/// Reads a value from bytes that are known to be its canonical form.
pub(crate) fn decode_canonical<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (&version, body) = bytes.split_first().ok_or(DecodeError::Empty)?;
    if version != WIRE_VERSION {
        return Err(DecodeError::Version { found: version });
    }
    postcard::from_bytes(body).map_err(|_| DecodeError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_wrote() {
        let value = (7_u64, vec![1_u8, 2, 3], Some(-4_i32));
        assert_eq!(encode_shared(&value)[..], encode(&value));
        assert_eq!(decode::<(u64, Vec<u8>, Option<i32>)>(&encode(&value), 64), Ok(value));
    }

    #[test]
    fn refuses_every_other_form_of_the_same_value() {
        // 0x80 0x00 is an over-long varint for 0.
        assert_eq!(decode::<u64>(&[WIRE_VERSION, 0x80, 0x00], 64), Err(DecodeError::NotCanonical));
        assert_eq!(decode::<u64>(&[WIRE_VERSION, 0x05, 0x00], 64), Err(DecodeError::NotCanonical));
        assert_eq!(decode::<u64>(&[2, 5], 64), Err(DecodeError::Version { found: 2 }));
        assert_eq!(decode::<u64>(&[], 64), Err(DecodeError::Empty));
        assert_eq!(decode::<u64>(&[WIRE_VERSION], 64), Err(DecodeError::Malformed));
        assert_eq!(
            decode::<u64>(&[WIRE_VERSION, 5], 1),
            Err(DecodeError::Oversized { length: 2, limit: 1 })
        );
        // In the middle of a byte string's length, and behind the last byte.
        let bytes: &[u8] = &[WIRE_VERSION, 0x82, 0x00, 7, 8];
        assert_eq!(decode::<Vec<u8>>(bytes, 64), Err(DecodeError::NotCanonical));
        assert_eq!(decode::<Vec<u8>>(&[WIRE_VERSION, 2, 7, 8], 64), Ok(vec![7, 8]));
        assert_eq!(decode::<Vec<u8>>(&[WIRE_VERSION, 1, 7, 8], 64), Err(DecodeError::NotCanonical));
    }
}
