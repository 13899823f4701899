//! Domain strings, and the one way from an agreed or drawn secret to a key.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroize;

use crate::Secret32;

/// BLAKE3 `derive_key` context of the commitment to a self-mask seed.
pub const SEED_COMMITMENT: &str = "murmuration 2026-11-22 secagg seed commitment v1";
/// BLAKE3 `derive_key` context of one recipient's inbox.
pub const INBOX: &str = "murmuration 2026-11-22 secagg inbox v1";
/// BLAKE3 `derive_key` context of a Merkle leaf.
pub const MERKLE_LEAF: &str = "murmuration 2026-11-22 secagg merkle leaf v1";
/// BLAKE3 `derive_key` context of an inner Merkle node.
pub const MERKLE_NODE: &str = "murmuration 2026-11-22 secagg merkle node v1";
/// BLAKE3 `derive_key` context of a Merkle root.
pub const MERKLE_ROOT: &str = "murmuration 2026-11-22 secagg merkle root v1";

/// HKDF domain of the key that seals a share pair.
pub const SEAL_KEY: &[u8] = b"murmuration secagg seal key v1";
/// HKDF domain of a pairwise mask.
pub const PAIR_MASK: &[u8] = b"murmuration secagg pair mask v2";
/// HKDF domain of a self mask.
pub const SELF_MASK: &[u8] = b"murmuration secagg self mask v2";

/// HKDF-SHA256 (RFC 5869) without salt, info = domain ‖ parts.
///
/// Every domain is used with parts of the same lengths only, and none begins with another, so
/// the joined info says what it is about in one way.
pub fn key(secret: &[u8; 32], domain: &[u8], parts: &[&[u8]]) -> Secret32 {
    let mut info = Vec::with_capacity(1 + parts.len());
    info.push(domain);
    info.extend_from_slice(parts);
    let mut derived = Secret32::zero();
    let (mut extracted, expander) = Hkdf::<Sha256>::extract(None, secret);
    extracted.as_mut_slice().zeroize();
    expander
        .expand_multi_info(&info, derived.as_bytes_mut())
        .expect("32 bytes are fewer than HKDF-SHA256 can give");
    derived
}
