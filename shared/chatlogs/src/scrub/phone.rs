//! Telephone numbers: written internationally, in the shapes of many countries, or announced.

use std::ops::Range;
use std::sync::LazyLock;

use phonenumber::country::Id;
use regex::Regex;

use super::private::has_word_edges;
use super::{fixed, neighbours};

pub(super) fn find(text: &str, found: &mut Vec<Range<usize>>) {
    for row in ROW.find_iter(text) {
        let (before, _) = neighbours(text, &row.range());
        let joined = before.is_some_and(|c| has_word_edges(c) || "_$€£#=/-".contains(c));
        let part_of_number = text[..row.start()].ends_with([',', '.']) && row.start() > 1 && {
            let earlier = text[..row.start() - 1].chars().next_back();
            earlier.is_some_and(|c| c.is_ascii_digit())
        };
        if joined || part_of_number || GOES_ON.is_match(&text[row.end()..]) {
            continue;
        }
        let announced = is_announced(&text[..row.start()]);
        if let Some(part) = phone_part(row.as_str(), announced) {
            found.push(row.start() + part.start..row.start() + part.end);
        }
    }
}

/// The row of digits, or what is left of it without leading or trailing groups, that is a number.
fn phone_part(row: &str, announced: bool) -> Option<Range<usize>> {
    let gaps: Vec<usize> = row.match_indices(' ').map(|(at, _)| at).take(MAX_GROUPS).collect();
    let tails = gaps.iter().map(|&gap| gap + 1..row.len());
    let heads = gaps.iter().rev().map(|&gap| 0..gap);
    std::iter::once(0..row.len())
        .chain(tails)
        .chain(heads)
        .map(|part| trimmed(row, part))
        .find(|part| is_phone(&row[part.clone()], announced))
}

/// Without the separators at both ends.
fn trimmed(row: &str, part: Range<usize>) -> Range<usize> {
    let text = &row[part.clone()];
    // A bracket that is not closed belongs to the sentence.
    let bracket = if text.contains(')') { ' ' } else { '(' };
    let open = text.len() - text.trim_start_matches([' ', '.', '-', '/', ')', bracket]).len();
    let kept = text[open..].trim_end_matches([' ', '.', '-', '/', '(']).len();
    part.start + open..part.start + open + kept
}

fn is_phone(text: &str, announced: bool) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if !(7..=15).contains(&digits.len()) || looks_otherwise(text) {
        return false;
    }
    if text.starts_with('+') {
        return digits.len() >= 8;
    }
    if announced || SHAPE.is_match(text) {
        return true;
    }
    if let Some(international) = digits.strip_prefix("00") {
        return is_valid(None, &format!("+{international}"));
    }
    if digits.starts_with('0') {
        return digits.len() >= 9 && is_valid_in(&TRUNK_ZERO, &digits);
    }
    if THREES.is_match(text) {
        return !text.ends_with("000") && is_valid_in(&[Id::ES, Id::PL, Id::PT], &digits);
    }
    text == digits && digits.len() >= 10 && is_valid_in(&[Id::US, Id::CN], &digits)
}

/// Dates, decimal numbers, ranges of years, rows of small numbers.
fn looks_otherwise(text: &str) -> bool {
    let groups = text.split(|c: char| !c.is_ascii_digit());
    let single_digits = groups.filter(|group| group.len() == 1).count();
    OTHERWISE.is_match(text) || single_digits > 2 || (text.starts_with("0.") && single_digits > 0)
}

/// Whether the words before a number say that it is a telephone number.
fn is_announced(before: &str) -> bool {
    let from = before.char_indices().rev().nth(ANNOUNCED_CHARS).map_or(0, |(at, _)| at);
    ANNOUNCED.is_match(&before[from..])
}

fn is_valid_in(countries: &[Id], digits: &str) -> bool {
    countries.iter().any(|&country| is_valid(Some(country), digits))
}

fn is_valid(country: Option<Id>, number: &str) -> bool {
    phonenumber::parse(country, number).is_ok_and(|number| number.is_valid())
}

/// Digits with what people set between them.
static ROW: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"(?:\+ ?)?\(?\+?[0-9](?:[ \x{a0}\x{202f}().‐‑–/-]{0,3}[0-9]){6,24}"));

/// A number or word that goes on after the row.
static GOES_ON: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"^(?:[\p{Latin}\p{Cyrillic}\p{Greek}_%€$£]|[.,:][0-9]| ?[€$£%])"));

/// Area code in brackets; 3-3-4; Chinese mobile 3-4-4; Indian 5-5.
static SHAPE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        r"^(?:(?:1[ .-])?\([0-9]{2,5}\)[ -]?[0-9][0-9 -]{4,10}[0-9]|(?:1[ .-])?[2-9][0-9]{2}[ .‑–-][0-9]{3}[ .‑–-][0-9]{4}",
        r"|1[3-9][0-9][ -][0-9]{4}[ -][0-9]{4}|[6-9][0-9]{4}[ -][0-9]{5})$",
    ))
});

static THREES: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"^[5-9][0-9]{2}[ -][0-9]{3}[ -][0-9]{3}$"));

static OTHERWISE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        r"^(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.] ?[0-9]{1,2}[-/.] ?(?:19|20)[0-9]{2}",
        r"|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2}(?:[ /–-].*)?|[0-9]+\.[0-9]+|(?:19|20)[0-9]{2} ?[–/-] ?(?:19|20)[0-9]{2}",
        r"|[0-9]{4}[-/.][0-9]{2}[-/.][0-9]{2}[ –-].*|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:19|20)[0-9]{2}[ –-].*",
        r"|[0-9]{1,3}(?:\.[0-9]{3}){2,}|97[89][ -].*)$",
    ))
});

static ANNOUNCED: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        r"(?i)\b(?:tel|tél|fon|phones?|telephone|telefon|telefonnummer|telefono|teléfono|téléphone|mobile|mobil|handy|handynummer|cell",
        r"|whats ?app|fax|call|ring|sms|dial|my number|your number|the number|his number|her number|number is|nummer|numéro|número|numero|portable|celular|móvil|cellulare|nr\.?)",
        r"(?: (?:me|us|him|her|them|mom|at|is|on|number|no|ist|est|es|è|é|under|unter|au|al|lautet|:))*[ :.()=-]{0,4}$",
    ))
});

/// Countries that write a zero before the area code, where other long numbers rarely begin so.
const TRUNK_ZERO: [Id; 20] = [
    Id::DE,
    Id::FR,
    Id::GB,
    Id::IT,
    Id::NL,
    Id::AT,
    Id::CH,
    Id::BE,
    Id::SE,
    Id::FI,
    Id::IE,
    Id::AU,
    Id::NZ,
    Id::JP,
    Id::KR,
    Id::ZA,
    Id::TR,
    Id::UA,
    Id::ID,
    Id::IN,
];

/// Spaces in a row of digits at which it may be cut.
const MAX_GROUPS: usize = 6;

const ANNOUNCED_CHARS: usize = 32;

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn finds_numbers_as_people_write_them() {
        for number in [
            "+49 171 1234567",
            "+1 (415) 555-0132",
            "0049 171 1234567",
            "(415) 555-0132",
            "415-555-0132",
            "415.555.0132",
            "0171 1234567",
            "030/1234567",
            "06 12 34 56 78",
            "06.12.34.56.78",
            "020 7946 0958",
            "07911 123456",
            "612 345 678",
            "138 1234 5678",
            "98765 43210",
            "(11) 91234-5678",
            "4155550132",
            "090-1234-5678",
            "347 123 4567",
            "01711234567",
        ] {
            assert_eq!(found(find, &format!("it was {number}, right?")), [number]);
        }
        assert_eq!(found(find, "call me at 555-0199"), ["555-0199"]);
        assert_eq!(found(find, "Tlf/tel: 12 34 56 78"), ["12 34 56 78"]);
        assert_eq!(found(find, "room 12 0171 1234567"), ["0171 1234567"]);
    }

    #[test]
    fn leaves_other_numbers() {
        for text in [
            "on 2021-10-14",
            "14.10.2021",
            "14/10/2021 15:30",
            "in 1914-1918",
            "pi is 3.14159265",
            "1,234,567.89",
            "100 000 000 people",
            "id 1699999999",
            "$4155550132",
            "0.123456789",
            "1.000.000 Euro",
            "ISBN 978 3 16 148410 0",
            "x0171 1234567",
            "12 34 56 78",
            "2021-10-14 15:30",
            "set 00 0-23 1-31 1-12 0-6",
            "0.2 1.8 426404 75780",
            "slug-4175611950/page3",
        ] {
            assert_eq!(found(find, text), [""; 0], "{text}");
        }
    }
}
