//! The bytes of a log: which of them are records, which a torn tail, which damage. Pure.
//!
//! ```text
//! file    "murlog\0\x01" then records
//! record  "rec\n" · length u32 · check [u8; 16] · payload[length]
//! ```
//! Little-endian. The check is the first half of BLAKE3 over (the record's place in the file, length,
//! payload), keyed by a domain: a record that moved does not verify.
//!
//! A record that does not verify is *torn* if no whole record follows it, because an append that a
//! crash cut short is always the last; the file system may have left it short, zeroed or partly
//! written. If a whole record follows, it was once acknowledged, and the file is *damaged*.

use std::io::{self, Read};

/// How a log begins.
pub(crate) const BEGINNING: [u8; 8] = *b"murlog\0\x01";
/// The longest payload.
pub(crate) const LONGEST: usize = 1 << 28;

const MARK: [u8; 4] = *b"rec\n";
const CHECK: usize = 16;
const HEAD: usize = MARK.len() + 4 + CHECK;

/// Why bytes are no log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// They do not begin like one.
    NotALog,
    /// An acknowledged record at this byte does not verify.
    DamagedAt(u64),
}

/// What a log holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// The payloads, in order.
    pub(crate) records: Vec<Vec<u8>>,
    /// Where the last whole record ends; what lies behind is torn.
    pub(crate) end: u64,
}

/// What stands before a payload whose record begins at byte `at` of the file.
pub(crate) fn head(at: u64, payload: &[u8]) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let (mark, rest) = head.split_at_mut(MARK.len());
    mark.copy_from_slice(&MARK);
    rest[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    rest[4..].copy_from_slice(&check(at, payload));
    head
}

/// One record after the other, from where the last one ended.
#[derive(Debug)]
pub(crate) struct Frames<R> {
    source: R,
    /// Where the last whole record ended.
    end: u64,
    /// How many bytes the source has.
    length: u64,
}

impl<R: Read> Frames<R> {
    /// Reads how the source, which has `length` bytes, begins; none if not like a log.
    pub(crate) fn begin(mut source: R, length: u64) -> io::Result<Option<Self>> {
        let mut beginning = [0; BEGINNING.len()];
        if !fill(&mut source, &mut beginning)? || beginning != BEGINNING {
            return Ok(None);
        }
        Ok(Some(Self { source, end: BEGINNING.len() as u64, length }))
    }

    /// The next record; none at the end, and where no whole record begins: what lies behind is not looked at.
    pub(crate) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut head = [0; HEAD];
        if !fill(&mut self.source, &mut head)? {
            return Ok(None);
        }
        let Some((length, expected)) = read_head(&head) else { return Ok(None) };
        let left = self.length.saturating_sub(self.end + HEAD as u64);
        if length > left.min(LONGEST as u64) {
            return Ok(None);
        }
        let mut payload = vec![0; length as usize];
        if !fill(&mut self.source, &mut payload)? || check(self.end, &payload) != expected {
            return Ok(None);
        }
        self.end += HEAD as u64 + length;
        Ok(Some(payload))
    }

    /// Where the last whole record ended.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// How many bytes the source has.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }
}

/// Fills the buffer; false if the source ends before.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match source.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// Length and check of a record, if it begins like one.
fn read_head(head: &[u8; HEAD]) -> Option<(u64, [u8; CHECK])> {
    let rest = head.strip_prefix(&MARK)?;
    let (length, expected) = rest.split_first_chunk::<4>()?;
    Some((u64::from(u32::from_le_bytes(*length)), expected.try_into().ok()?))
}

/// Reads a whole file.
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed, Broken> {
    if !bytes.starts_with(&BEGINNING) {
        return Err(Broken::NotALog);
    }
    let mut at = BEGINNING.len();
    let mut records = Vec::new();
    while let Some(payload) = payload_at(bytes, at) {
        records.push(payload.to_vec());
        at += HEAD + payload.len();
    }
    if (at + 1..bytes.len()).any(|later| payload_at(bytes, later).is_some()) {
        return Err(Broken::DamagedAt(at as u64));
    }
    Ok(Parsed { records, end: at as u64 })
}

/// The payload of a whole, verified record that begins at byte `at`.
fn payload_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?.strip_prefix(&MARK)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (expected, rest) = rest.split_first_chunk::<CHECK>()?;
    let payload = rest.get(..u32::from_le_bytes(*length) as usize)?;
    (check(at as u64, payload) == *expected).then_some(payload)
}

fn check(at: u64, payload: &[u8]) -> [u8; CHECK] {
    let mut hasher = blake3::Hasher::new_derive_key("murmuration log record v1");
    hasher.update(&at.to_le_bytes());
    hasher.update(&(payload.len() as u64).to_le_bytes());
    hasher.update(payload);
    let mut check = [0; CHECK];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..CHECK]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(at: u64, payload: &[u8]) -> Vec<u8> {
        [&head(at, payload)[..], payload].concat()
    }

    /// The records that are read one by one, and where the last one ends.
    fn one_by_one(bytes: &[u8]) -> Option<Parsed> {
        let mut frames = Frames::begin(bytes, bytes.len() as u64).unwrap()?;
        let mut records = Vec::new();
        while let Some(record) = frames.next().unwrap() {
            records.push(record);
        }
        Some(Parsed { records, end: frames.end() })
    }

    /// The file, and where each record begins.
    fn file(payloads: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = BEGINNING.to_vec();
        let mut starts = Vec::new();
        for payload in payloads {
            starts.push(bytes.len());
            bytes.extend(record(bytes.len() as u64, payload));
        }
        starts.push(bytes.len());
        (bytes, starts)
    }

    fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6)
    }

    #[test]
    fn golden_record() {
        let expected = data_encoding::HEXLOWER.encode(&record(8, b"hello"));
        assert_eq!(expected, "7265630a05000000bbd09c2b492be70e7024c5f9099022d868656c6c6f");
    }

    proptest! {
        #[test]
        fn every_cut_keeps_every_record_before_it(payloads in payloads()) {
            let (bytes, starts) = file(&payloads);
            for cut in 0..bytes.len() {
                let parsed = parse(&bytes[..cut]);
                if cut < BEGINNING.len() {
                    prop_assert_eq!(parsed, Err(Broken::NotALog));
                    continue;
                }
                let whole = starts.iter().filter(|&&start| start <= cut).count() - 1;
                let (records, end) = (payloads[..whole].to_vec(), starts[whole] as u64);
                prop_assert_eq!(parsed, Ok(Parsed { records: records.clone(), end }));
                prop_assert_eq!(one_by_one(&bytes[..cut]), Some(Parsed { records, end }));
            }
        }

        #[test]
        fn every_flipped_bit_is_found_where_it_is(payloads in payloads(), flip: prop::sample::Index) {
            let (mut bytes, starts) = file(&payloads);
            let at = flip.index(bytes.len() * 8);
            bytes[at / 8] ^= 1 << (at % 8);
            let parsed = parse(&bytes);
            if at / 8 < BEGINNING.len() {
                prop_assert_eq!(parsed, Err(Broken::NotALog));
                prop_assert_eq!(one_by_one(&bytes), None);
                return Ok(());
            }
            let hit = starts.iter().filter(|&&start| start <= at / 8).count() - 1;
            let end = starts[hit] as u64;
            prop_assert_eq!(one_by_one(&bytes), Some(Parsed { records: payloads[..hit].to_vec(), end }));
            if hit + 1 == payloads.len() {
                let records = payloads[..hit].to_vec();
                prop_assert_eq!(parsed, Ok(Parsed { records, end }));
            } else {
                prop_assert_eq!(parsed, Err(Broken::DamagedAt(end)));
            }
        }

        #[test]
        fn a_tail_of_zeros_or_of_half_a_record_is_torn(payloads in payloads(), zeros in 1_usize..600, from in 0_usize..60) {
            let (bytes, starts) = file(&payloads);
            let end = starts[payloads.len()] as u64;
            let zeroed = [&bytes[..], &vec![0; zeros]].concat();
            prop_assert_eq!(parse(&zeroed), Ok(Parsed { records: payloads.clone(), end }));
            let mut next = record(end, &[7; 40]);
            next[from..].fill(0);
            let torn = [&bytes[..], &next].concat();
            prop_assert_eq!(parse(&torn), Ok(Parsed { records: payloads, end }));
        }

        #[test]
        fn a_record_in_another_place_does_not_count(payload in prop::collection::vec(any::<u8>(), 0..20)) {
            let (bytes, starts) = file(&[payload.clone(), payload]);
            let swapped = [&bytes[..starts[1]], &bytes[starts[0]..starts[1]]].concat();
            prop_assert_eq!(parse(&swapped).unwrap().end, starts[1] as u64);
            prop_assert_eq!(one_by_one(&swapped).unwrap().end, starts[1] as u64);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), lengths in any::<u32>()) {
            let mut file = [&BEGINNING[..], &MARK, &lengths.to_le_bytes()].concat();
            file.extend(bytes);
            prop_assert!(parse(&file).unwrap().records.is_empty());
            prop_assert!(one_by_one(&file).unwrap().records.is_empty());
        }
    }
}
