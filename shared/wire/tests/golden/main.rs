//! The bytes of every message, fixed for ever: one sample of each in `golden/`, read back by today's code, and every
//! way to damage them refused. A change of bytes is a change of [`wire::WIRE_VERSION`].
//!
//! `MURMUR_BLESS=1 cargo test --release -p wire --test golden` writes the files anew; look at the difference.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod damage;
mod samples;

use std::{collections::BTreeSet, fs, path::PathBuf};

use data_encoding::HEXLOWER;
use samples::{Sample, all};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// Lines of 32 bytes, as in the files.
fn to_hex(bytes: &[u8]) -> String {
    bytes.chunks(32).map(|line| HEXLOWER.encode(line) + "\n").collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    HEXLOWER.decode(digits.as_bytes()).expect("golden files hold hexadecimal digits")
}

fn golden(name: &str) -> Vec<u8> {
    let file = folder().join(name).with_extension("hex");
    let text =
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    from_hex(&text)
}

#[test]
fn every_message_has_the_bytes_that_it_always_had() {
    for Sample { name, bytes, .. } in all() {
        if std::env::var_os("MURMUR_BLESS").is_some() {
            fs::write(folder().join(name).with_extension("hex"), to_hex(&bytes)).unwrap();
        }
        assert_eq!(golden(name), bytes, "{name}");
    }
}

#[test]
fn every_golden_file_is_read_back_to_the_same_bytes() {
    for sample in all() {
        let bytes = golden(sample.name);
        assert_eq!((sample.reread)(&bytes, sample.limit), Ok(bytes), "{}", sample.name);
    }
}

#[test]
fn every_golden_file_belongs_to_a_sample() {
    let names: BTreeSet<String> = all()
        .iter()
        .map(|sample| format!("{}.hex", sample.name))
        .chain(damage::file_names())
        .collect();
    let found: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, names);
}
