//! The state of a version, and its one byte form.
//!
//! ```text
//! "murstate" · format u8 · rule u8 · step u64 · dimension u64 · parameters f32[d] · moments f32[d] each
//! ```
//! Little-endian throughout. The rule byte says which moments follow: 0 none, 1 FedAvgM (momentum),
//! 2 FedAdagrad (second), 3 FedAdam and 4 FedYogi (first, then second).

use std::fmt;

use wire::StateHash;

use crate::VersionError;

/// The format byte of this build.
pub(crate) const FORMAT: u8 = 1;
const MAGIC: [u8; 8] = *b"murstate";
const HEADER: usize = MAGIC.len() + 1 + 1 + 8 + 8;
/// Values that are made bytes of at once: 16 KiB.
const PIECE: usize = 4096;
/// Bytes that are hashed at once.
const HASHED: usize = 1 << 16;

/// A version's state: trained adapter parameters, the server optimiser's moments and a step counter.
///
/// Two states are equal exactly when their bytes are, so `0.0` and `-0.0` differ.
#[derive(Clone)]
pub struct State {
    pub(crate) parameters: Vec<f32>,
    pub(crate) moments: Moments,
    pub(crate) step: u64,
}

/// What a server rule remembers between steps, by rule, so that one rule's moments never feed
/// another's formula. Each vector has as many values as there are parameters.
#[derive(Clone)]
pub(crate) enum Moments {
    /// FedAvg, or no step yet.
    None,
    /// FedAvgM: the momentum.
    Momentum(Vec<f32>),
    /// FedAdagrad: the sum of squares.
    Adagrad(Vec<f32>),
    /// FedAdam: the first and the second moment.
    Adam(Vec<f32>, Vec<f32>),
    /// FedYogi: the first and the second moment.
    Yogi(Vec<f32>, Vec<f32>),
}

impl State {
    /// Version 0: nothing has been added to `parameters` yet.
    ///
    /// Parameters that are not finite make a state that [`State::decode`] and
    /// [`crate::next_state`] refuse.
    pub fn initial(parameters: Vec<f32>) -> Self {
        Self { parameters, moments: Moments::None, step: 0 }
    }

    /// The trained parameters, flat, in the adapter's order.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// How many sums have been added since version 0 along this state's own line.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The canonical bytes (see the table in this file's documentation).
    pub fn encode(&self) -> Vec<u8> {
        let length = HEADER + 4 * self.parameters.len() * self.vectors().len();
        let mut bytes = Vec::with_capacity(length);
        self.encode_in_pieces(|piece| bytes.extend_from_slice(piece));
        bytes
    }

    /// Gives the canonical bytes piece by piece, so that whoever only reads them once needs no room for all.
    fn encode_in_pieces(&self, mut take: impl FnMut(&[u8])) {
        take(&MAGIC);
        take(&[FORMAT, self.moments.rule_byte()]);
        take(&self.step.to_le_bytes());
        take(&(self.parameters.len() as u64).to_le_bytes());
        let mut piece = [[0; 4]; PIECE];
        for (_, values) in self.vectors() {
            for values in values.chunks(PIECE) {
                let piece = &mut piece[..values.len()];
                for (bytes, value) in piece.iter_mut().zip(values) {
                    *bytes = value.to_le_bytes();
                }
                take(piece.as_flattened());
            }
        }
    }

    /// Reads what [`State::encode`] wrote; every other byte string is refused.
    ///
    /// # Errors
    /// [`VersionError::NotAState`], [`VersionError::Format`], [`VersionError::UnknownRule`],
    /// [`VersionError::Length`] for bytes that are cut or too many, [`VersionError::NotFinite`].
    pub fn decode(bytes: &[u8]) -> Result<Self, VersionError> {
        let header = Header::read(bytes)?;
        let mut vectors = floats(&bytes[HEADER..], header.dimension);
        let mut next = || vectors.next().expect("the length was checked");
        let parameters = next();
        let moments = match header.rule {
            0 => Moments::None,
            1 => Moments::Momentum(next()),
            2 => Moments::Adagrad(next()),
            3 => Moments::Adam(next(), next()),
            _ => Moments::Yogi(next(), next()),
        };
        Self { parameters, moments, step: header.step }.expect_finite()
    }

    /// The hash that a header names this state by: BLAKE3 over its bytes, keyed by a domain.
    pub fn hash(&self) -> StateHash {
        let mut hasher = blake3::Hasher::new_derive_key("murmuration state v1");
        // Pieces of a power of two from the first byte on: BLAKE3 is slow where a piece begins within a chunk.
        let mut waiting = Vec::with_capacity(2 * HASHED);
        self.encode_in_pieces(|piece| {
            waiting.extend_from_slice(piece);
            if waiting.len() >= HASHED {
                hasher.update(&waiting[..HASHED]);
                waiting.drain(..HASHED);
            }
        });
        StateHash(hasher.update(&waiting).finalize().into())
    }

    /// The state, if every number in it is finite.
    pub(crate) fn expect_finite(self) -> Result<Self, VersionError> {
        for (vector, values) in self.vectors() {
            // One pass that does not branch; which one is wrong matters only where one is.
            if !values.iter().fold(true, |all, value| all & value.is_finite()) {
                let index = values.iter().position(|value| !value.is_finite()).unwrap_or_default();
                return Err(VersionError::NotFinite { vector, index });
            }
        }
        Ok(self)
    }

    /// All vectors with their names, in the order of the bytes.
    fn vectors(&self) -> Vec<(&'static str, &[f32])> {
        let mut vectors = vec![("parameters", &self.parameters[..])];
        match &self.moments {
            Moments::None => {}
            Moments::Momentum(momentum) => vectors.push(("momentum", momentum)),
            Moments::Adagrad(second) => vectors.push(("second moment", second)),
            Moments::Adam(first, second) | Moments::Yogi(first, second) => {
                vectors.push(("first moment", first));
                vectors.push(("second moment", second));
            }
        }
        vectors
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.encode() == other.encode()
    }
}

impl Eq for State {}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State(dimension {})", self.parameters.len())
    }
}

impl Moments {
    fn rule_byte(&self) -> u8 {
        match self {
            Self::None => 0,
            Self::Momentum(_) => 1,
            Self::Adagrad(_) => 2,
            Self::Adam(..) => 3,
            Self::Yogi(..) => 4,
        }
    }
}

struct Header {
    rule: u8,
    step: u64,
    dimension: usize,
}

impl Header {
    /// Reads the header and checks that the rest is exactly as long as it says.
    fn read(bytes: &[u8]) -> Result<Self, VersionError> {
        if !bytes.starts_with(&MAGIC) {
            return Err(VersionError::NotAState);
        }
        let found = bytes.len() as u64;
        let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(VersionError::Length { expected: HEADER as u64, found });
        };
        let (format, rule) = (header[8], header[9]);
        if format != FORMAT {
            return Err(VersionError::Format { found: format });
        }
        let vectors = match rule {
            0 => 1,
            1 | 2 => 2,
            3 | 4 => 3,
            _ => return Err(VersionError::UnknownRule { found: rule }),
        };
        let dimension = little_endian(&header[18..]);
        let expected =
            dimension.checked_mul(4 * vectors).and_then(|n| n.checked_add(HEADER as u64));
        if expected != Some(found) {
            return Err(VersionError::Length { expected: expected.unwrap_or(u64::MAX), found });
        }
        // It is smaller than the length of bytes in memory.
        Ok(Self { rule, step: little_endian(&header[10..18]), dimension: dimension as usize })
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// The vectors of `dimension` values that follow each other in `bytes`.
fn floats(bytes: &[u8], dimension: usize) -> impl Iterator<Item = Vec<f32>> {
    let value = |four: &[u8; 4]| f32::from_le_bytes(*four);
    let mut values = bytes.as_chunks::<4>().0.iter().map(value);
    std::iter::from_fn(move || Some(values.by_ref().take(dimension).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn adam() -> State {
        let moments = Moments::Adam(vec![0.5, -0.0], vec![1.0, 2.0]);
        State { parameters: vec![1.0, -2.0], moments, step: 3 }
    }

    #[test]
    fn golden_bytes() {
        let state =
            State { parameters: vec![1.0], moments: Moments::Momentum(vec![-2.0]), step: 258 };
        let mut expected = b"murstate\x01\x01".to_vec();
        expected.extend([2, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
        assert_eq!(state.encode(), expected);
        // From the Python binding of the reference implementation.
        let hash = "2fdb8a3fcc2e8d3f55bc3f55c46dc785c20fff115734abe10be8df8052995b68";
        assert_eq!(state.hash().to_string(), hash);
    }

    #[test]
    fn bytes_and_hash_go_over_many_pieces() {
        let values = |from: usize| (from..from + 9 * PIECE + 3).map(|i| i as f32 / 7.0).collect();
        let moments = Moments::Yogi(values(5), values(9));
        let state = State { parameters: values(0), moments, step: 1 };
        let bytes = state.encode();
        let at = |place: usize| f32::from_le_bytes(bytes[place..place + 4].try_into().unwrap());
        assert_eq!(at(HEADER + 4 * PIECE), PIECE as f32 / 7.0);
        assert_eq!(at(bytes.len() - 4), (9 + 9 * PIECE + 2) as f32 / 7.0);
        assert_eq!(State::decode(&bytes), Ok(state.clone()));
        assert_eq!(state.hash().0, blake3::derive_key("murmuration state v1", &bytes));
    }

    #[test]
    fn every_cut_and_every_extension_is_refused() {
        let bytes = adam().encode();
        for length in 0..bytes.len() {
            assert!(State::decode(&bytes[..length]).is_err(), "{length}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(State::decode(&longer), Err(VersionError::Length { .. })));
    }

    #[test]
    fn bad_headers_are_named() {
        let with = |at: usize, byte: u8| {
            let mut bytes = adam().encode();
            bytes[at] = byte;
            State::decode(&bytes).unwrap_err()
        };
        assert_eq!(with(0, b'M'), VersionError::NotAState);
        assert_eq!(with(8, 2), VersionError::Format { found: 2 });
        assert_eq!(with(9, 5), VersionError::UnknownRule { found: 5 });
        assert_eq!(with(25, 0x80), VersionError::Length { expected: u64::MAX, found: 50 });
        assert!(matches!(with(18, 3), VersionError::Length { expected: 62, found: 50 }));
    }

    #[test]
    fn numbers_that_are_not_finite_are_named() {
        for (at, vector) in [(0, "parameters"), (1, "first moment"), (2, "second moment")] {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut bytes = adam().encode();
                let start = HEADER + 8 * at + 4;
                bytes[start..start + 4].copy_from_slice(&bad.to_le_bytes());
                assert_eq!(
                    State::decode(&bytes),
                    Err(VersionError::NotFinite { vector, index: 1 })
                );
            }
        }
    }

    #[test]
    fn equality_is_that_of_the_bytes() {
        assert_eq!(adam(), adam());
        assert_ne!(State::initial(vec![0.0]), State::initial(vec![-0.0]));
        assert_eq!(format!("{:?}", adam()), "State(dimension 2)");
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic_and_encode_back(
            rule in 0_u8..6, dimension in 0_u64..4, rest in prop::collection::vec(any::<u8>(), 0..60), step: u64
        ) {
            let mut bytes = [&MAGIC[..], &[FORMAT, rule]].concat();
            bytes.extend(step.to_le_bytes());
            bytes.extend(dimension.to_le_bytes());
            let vectors = [1, 2, 2, 3, 3, 3][usize::from(rule)];
            bytes.extend(rest.into_iter().chain(std::iter::repeat(1)).take(4 * dimension as usize * vectors));
            if let Ok(state) = State::decode(&bytes) {
                prop_assert_eq!(state.encode(), bytes);
            }
        }
    }
}
