//! Byte strings, written and read at once: the same bytes as element by element, a length and then the
//! bytes themselves, without a call for each.

use std::{fmt, sync::Arc};

use serde::{Deserializer, Serializer, de};

/// For `#[serde(with = "bytes")]`.
pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// For `#[serde(with = "bytes")]`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    deserializer.deserialize_byte_buf(Visitor)
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = Vec<u8>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a byte string")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
}

/// For `#[serde(with = "bytes::shared")]`: the same for bytes that several hold.
pub mod shared {
    use super::*;

    /// For `#[serde(with = "bytes::shared")]`.
    pub fn serialize<S: Serializer>(bytes: &Arc<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    /// For `#[serde(with = "bytes::shared")]`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[u8]>, D::Error> {
        deserializer.deserialize_bytes(SharedVisitor)
    }

    struct SharedVisitor;

    impl de::Visitor<'_> for SharedVisitor {
        type Value = Arc<[u8]>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a byte string")
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Arc<[u8]>, E> {
            Ok(bytes.into())
        }

        fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Arc<[u8]>, E> {
            Ok(bytes.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde::{Deserialize, Serialize};

    use crate::codec::{decode, encode};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct AtOnce(#[serde(with = "super")] Vec<u8>);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Shared(#[serde(with = "super::shared")] Arc<[u8]>);

    #[test]
    fn at_once_and_one_by_one_are_the_same_bytes() {
        for length in [0, 1, 127, 128, 70_000] {
            let bytes: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let encoded = encode(&bytes);
            assert_eq!(encode(&AtOnce(bytes.clone())), encoded);
            assert_eq!(decode::<AtOnce>(&encoded, 1 << 20), Ok(AtOnce(bytes.clone())));
            let shared = decode::<Shared>(&encoded, 1 << 20).unwrap();
            assert_eq!((&shared.0[..], encode(&shared)), (&bytes[..], encoded.clone()));
            assert!(decode::<Shared>(&encoded[..encoded.len() - 1], 1 << 20).is_err());
            assert!(decode::<AtOnce>(&encoded[..encoded.len() - 1], 1 << 20).is_err());
        }
    }
}
