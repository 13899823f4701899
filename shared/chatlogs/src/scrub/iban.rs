//! International bank account numbers: the length of their country, and mod 97 (ISO 13616,
//! ISO/IEC 7064).

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::{fixed, neighbours};

pub(super) fn find(text: &str, found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(start) = START.find_at(text, from) {
        from = start.end();
        if let Some(end) = end_of_account(text, start.start()) {
            found.push(start.start()..end);
            from = end;
        }
    }
}

/// The end of the account number that begins at `start`, if a valid one does.
fn end_of_account(text: &str, start: usize) -> Option<usize> {
    let country = text[start..].get(..2)?.to_ascii_uppercase();
    let &(_, length) = LENGTHS.iter().find(|(code, _)| *code == country)?;
    let mut symbols = String::with_capacity(length);
    let mut spaced = true;
    for (at, c) in text[start..].char_indices() {
        if c.is_ascii_alphanumeric() {
            symbols.push(c.to_ascii_uppercase());
            spaced = false;
        } else if !spaced && matches!(c, ' ' | '-' | '.' | '\u{a0}' | '\u{202f}') {
            spaced = true;
        } else {
            return None;
        }
        if symbols.len() == length {
            let end = start + at + c.len_utf8();
            let (before, after) = neighbours(text, &(start..end));
            let joined = [before, after].into_iter().flatten().any(char::is_alphanumeric);
            return (!joined && checks(&symbols)).then_some(end);
        }
    }
    None
}

/// The first four symbols moved to the end, letters as 10 to 35, read as one number: 1 mod 97.
fn checks(symbols: &str) -> bool {
    let (head, rest) = symbols.split_at(4);
    let remainder = rest.chars().chain(head.chars()).try_fold(0_u32, |remainder, symbol| {
        let value = symbol.to_digit(36)?;
        let shift = if value < 10 { 10 } else { 100 };
        Some((remainder * shift + value) % 97)
    });
    remainder == Some(1)
}

static START: LazyLock<Regex> = LazyLock::new(|| fixed(r"(?-u:\b)[A-Za-z]{2}[0-9]{2}"));

/// Symbols of an account number by country (SWIFT IBAN registry).
const LENGTHS: [(&str, usize); 82] = [
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NL", 18),
    ("NO", 15),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("RU", 33),
];

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn finds_accounts_by_length_and_check_digits() {
        let hits = |text| found(find, text);
        assert_eq!(hits("DE89 3704 0044 0532 0130 00 und mehr"), ["DE89 3704 0044 0532 0130 00"]);
        assert_eq!(hits("gb29NWBK60161331926819."), ["gb29NWBK60161331926819"]);
        assert_eq!(
            hits("(FR14 2004 1010 0505 0001 3M02 606)"),
            ["FR14 2004 1010 0505 0001 3M02 606"]
        );
        assert_eq!(hits("NO9386011117947"), ["NO9386011117947"]);
        assert_eq!(hits("DE88370400440532013000 DE8937040044053201300 XX89 1234"), [""; 0]);
    }
}
