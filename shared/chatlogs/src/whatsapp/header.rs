//! The beginning of a message: date, time, author.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::dates::Stamp;
use crate::owner::{is_direction_mark, plain_name};

/// What the first line of a message says.
pub(super) struct Header {
    pub(super) stamp: Stamp,
    /// `None` for lines of the messenger itself.
    pub(super) author: Option<String>,
    /// The rest of the line, with its invisible marks: they tell what the messenger wrote.
    pub(super) body: String,
}

impl Header {
    /// The head of a message, if `line` begins with one.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let line = line.trim_start_matches(|c| is_direction_mark(c) || c == '\u{feff}');
        // Cheap, and true of every head: most lines of long messages end here.
        if !line.starts_with(|c: char| c == '[' || c.is_numeric()) {
            return None;
        }
        let split = HEAD_BYTES.min(line.len());
        let split = (split..=line.len()).find(|&at| line.is_char_boundary(at))?;
        let head = plain(&line[..split]);
        let found = HEAD.captures(&head)?;
        if head.starts_with('[') != (&found["end"] == "]") {
            return None;
        }
        let stamp = stamp(&found)?;
        let rest = after_plain(line, found.get(0)?.end())?;
        let (author, body) = author_and_body(rest);
        Some(Self { stamp, author, body: body.to_owned() })
    }
}

fn stamp(found: &Captures<'_>) -> Option<Stamp> {
    let number = |name: &str| -> Option<u32> { digits(found.name(name)?.as_str()) };
    let date = [number("a")?, number("b")?, number("c")?];
    let hour = number("hour")?;
    let marks = [found.name("before"), found.name("after")];
    let half = marks.into_iter().flatten().find_map(|mark| half_of_day(mark.as_str()));
    let hour = match (half, hour) {
        (Some(Half::Morning), 12) => 0,
        (Some(Half::Afternoon), 1..=11) => hour + 12,
        _ => hour,
    };
    let (minute, second) = (number("minute")?, number("second").unwrap_or(0));
    let in_range = hour < 24 && minute < 60 && second < 60;
    in_range.then_some(Stamp { date, second_of_day: hour * 3600 + minute * 60 + second })
}

/// "Ana: hello" → ("Ana", "hello"); a line of the messenger has no author.
fn author_and_body(rest: &str) -> (Option<String>, &str) {
    let Some((author, body)) = rest.split_once(": ").or_else(|| {
        // An empty message keeps its colon and loses the space.
        rest.strip_suffix(':').map(|author| (author, ""))
    }) else {
        return (None, rest);
    };
    let name = plain_name(author);
    let is_name = !name.is_empty()
        && name.chars().count() <= MAX_NAME_CHARS
        && !name.contains(['"', '“', '”', '«', '»', '\u{201e}'])
        && !ANNOUNCEMENT.is_match(&name);
    if is_name { (Some(name), body) } else { (None, rest) }
}

enum Half {
    Morning,
    Afternoon,
}

fn half_of_day(mark: &str) -> Option<Half> {
    let letters: String = mark.chars().filter(|c| c.is_alphabetic()).collect();
    match letters.to_lowercase().as_str() {
        "am" | "上午" | "午前" | "오전" | "ص" | "πμ" => Some(Half::Morning),
        "pm" | "下午" | "午後" | "오후" | "م" | "μμ" => Some(Half::Afternoon),
        _ => None,
    }
}

/// The line as it looks: without direction marks, every kind of space a plain one.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|&c| !is_direction_mark(c))
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect()
}

/// What follows in `line` after the part that [`plain`] turned into `plain_bytes` bytes.
fn after_plain(line: &str, plain_bytes: usize) -> Option<&str> {
    let mut passed = 0;
    for (at, c) in line.char_indices() {
        if passed >= plain_bytes {
            return Some(&line[at..]);
        }
        if !is_direction_mark(c) {
            passed += if c.is_whitespace() { 1 } else { c.len_utf8() };
        }
    }
    (passed >= plain_bytes).then_some("")
}

/// Digits of any script with a zero that is known here, as a number.
fn digits(text: &str) -> Option<u32> {
    let mut number = 0_u32;
    for c in text.chars() {
        let zero = ZEROS.into_iter().find(|&zero| (zero..zero + 10).contains(&u32::from(c)))?;
        number = number.checked_mul(10)?.checked_add(u32::from(c) - zero)?;
    }
    Some(number)
}

/// Date, time and what ends them: `]` on iOS, ` - ` on Android, `: ` on iOS before 2018. Before
/// the time some languages have a word ("klo", "下午"), after it the half of the day.
static HEAD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"^\[?(?<a>\d{1,4})[-/.] ?(?<b>\d{1,2})[-/.] ?(?<c>\d{1,4})[.,،]{0,2} ",
        r"(?<before>[^\d\[\]]{0,12}?)(?<hour>\d{1,2})[.:](?<minute>\d{2})(?:[.:](?<second>\d{2}))?",
        r"(?<after> ?(?:[\p{L}]\.? ?){1,2})?(?<end>\]| [-–]|:) ",
    ))
    .expect("the pattern is fixed and tested")
});

/// What the messenger writes in front of a colon that belongs to a name or a subject.
static ANNOUNCEMENT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r"(?i)\b(?:changed the (?:subject|group|description)|created (?:the )?group|changed this group",
        r"|end-to-end encrypted|joined using|pinned a message|changed their phone|security code",
        r"|disappearing messages|hat den Betreff|hat die Gruppe|a changé|ha cambiado|ha cambiato)\b",
    ))
    .expect("the pattern is fixed and tested")
});

/// The zeros of ASCII, Arabic-Indic, Persian, Devanagari, Bengali and full-width digits.
const ZEROS: [u32; 6] = [0x30, 0x660, 0x6f0, 0x966, 0x9e6, 0xff10];

/// No head is longer than this.
const HEAD_BYTES: usize = 120;

/// Names are at most this long; the messenger allows 25 letters for its own, address books more.
const MAX_NAME_CHARS: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> ([u32; 3], u32, Option<String>, String) {
        let header = Header::parse(line).unwrap_or_else(|| panic!("no head: {line}"));
        (header.stamp.date, header.stamp.second_of_day, header.author, header.body)
    }

    #[test]
    fn reads_the_heads_of_many_phones() {
        let afternoon = 15 * 3600 + 34 * 60;
        for (line, date, second) in [
            ("[14/10/2021, 3:34:09\u{202f}PM] Ana: hi", [14, 10, 2021], afternoon + 9),
            ("\u{200e}[14/10/2021, 15:34:09] Ana: hi", [14, 10, 2021], afternoon + 9),
            ("14/10/2021, 15:34 - Ana: hi", [14, 10, 2021], afternoon),
            ("10/14/21, 3:34\u{202f}PM - Ana: hi", [10, 14, 21], afternoon),
            ("14.10.21, 15:34 - Ana: hi", [14, 10, 21], afternoon),
            ("2021-10-14, 3:34 p. m. - Ana: hi", [2021, 10, 14], afternoon),
            ("2021-10-14 15:34 - Ana: hi", [2021, 10, 14], afternoon),
            ("[14.10.2021 klo 15.34.09] Ana: hi", [14, 10, 2021], afternoon + 9),
            ("14.10.2021 klo 15.34 - Ana: hi", [14, 10, 2021], afternoon),
            ("2021/10/14 下午3:34 - Ana: hi", [2021, 10, 14], afternoon),
            ("[2021/10/14 15:34:09] Ana: hi", [2021, 10, 14], afternoon + 9),
            ("١٤/١٠/٢٠٢١، ٣:٣٤ م - Ana: hi", [14, 10, 2021], afternoon),
            ("14. 10. 2021, 15:34 - Ana: hi", [14, 10, 2021], afternoon),
            ("14/10/2021, 15:34:09: Ana: hi", [14, 10, 2021], afternoon + 9),
        ] {
            assert_eq!(parsed(line), (date, second, Some("Ana".into()), "hi".into()), "{line}");
        }
        assert_eq!(parsed("1/4/23, 12:05 AM - Ana: hi").1, 5 * 60);
        assert_eq!(parsed("1/4/23, 12:05 PM - Ana: hi").1, 12 * 3600 + 5 * 60);
    }

    #[test]
    fn tells_names_from_announcements() {
        for line in [
            "1/4/23, 7:02 PM - Messages and calls are end-to-end encrypted. Tap to learn more.",
            "1/4/23, 7:02 PM - Bo changed the subject from \"A\" to \"Trip: Rome\"",
            "1/4/23, 7:02 PM - Bo created group \"Trip\"",
            "1/4/23, 7:02 PM - Bo added Cy",
        ] {
            assert_eq!(parsed(line).2, None, "{line}");
        }
        let (.., author, body) =
            parsed("1/4/23, 7:02 PM - \u{202a}+49 151 23456789\u{202c}: at 7: ok");
        assert_eq!((author.as_deref(), body.as_str()), (Some("+49 151 23456789"), "at 7: ok"));
        assert_eq!(parsed("1/4/23, 7:02 PM - Ana:").2.as_deref(), Some("Ana"));
    }

    #[test]
    fn other_lines_are_no_heads() {
        for line in [
            "",
            "hello",
            "1. first point",
            "12:30 - lunch",
            "2021-10-14 report",
            "[1] see below",
            "[14/10/2021, 15:34 - Ana: hi",
            "14/10/2021, 15:34] Ana: hi",
            "14/10/2021, 25:34 - A: b",
            "1/2/3",
            "[14/10/2021, 15:34:09]",
        ] {
            assert!(Header::parse(line).is_none(), "{line}");
        }
    }
}
