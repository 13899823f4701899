//! Payment cards: 13 to 19 digits with a Luhn check digit (ISO/IEC 7812-1).

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::{fixed, neighbours};

pub(super) fn find(text: &str, found: &mut Vec<Range<usize>>) {
    for run in RUN.find_iter(text) {
        let (before, after) = neighbours(text, &run.range());
        let joined = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        if joined(before) || joined(after) {
            continue;
        }
        found.extend(
            cards(run.as_str()).map(|card| run.start() + card.start..run.start() + card.end),
        );
    }
}

/// The longest valid number that begins with a group of digits and ends with one.
fn cards(run: &str) -> Option<Range<usize>> {
    let groups: Vec<Range<usize>> = GROUP.find_iter(run).map(|group| group.range()).collect();
    for first in 0..groups.len() {
        for last in (first..groups.len()).rev() {
            let span = groups[first].start..groups[last].end;
            if is_grouped(run, &groups[first..=last]) && is_card(&run[span.clone()]) {
                return Some(span);
            }
        }
    }
    None
}

/// Whether the groups are set as on a card, with one and the same separator between them.
fn is_grouped(run: &str, groups: &[Range<usize>]) -> bool {
    let lengths: Vec<usize> = groups.iter().map(Range::len).collect();
    let as_on_a_card = matches!(
        lengths[..],
        [_] | [8, 8] | [4, 6, 4 | 5] | [4, 4, 4, 1..=4] | [4, 4, 4, 4, 1..=3]
    );
    let mut separators = groups.windows(2).map(|pair| &run[pair[0].end..pair[1].start]);
    let first = separators.next();
    as_on_a_card && separators.all(|separator| Some(separator) == first)
}

fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    (13..=19).contains(&digits.len())
        && (2..=6).contains(&digits[0])
        && digits.iter().any(|&digit| digit != digits[0])
        && luhn(&digits)
}

/// From the right, every second digit doubled, digits of the doubles added: a multiple of ten.
fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| match (place % 2, digit * 2) {
            (0, _) => digit,
            (_, double) => double / 10 + double % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

static RUN: LazyLock<Regex> = LazyLock::new(|| fixed(r"[0-9](?:[ \x{a0}\x{202f}-]?[0-9]){12,40}"));

static GROUP: LazyLock<Regex> = LazyLock::new(|| fixed("[0-9]+"));

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn finds_cards_by_their_check_digit() {
        let hits = |text| found(find, text);
        assert_eq!(hits("my 4111 1111 1111 1111 12/27"), ["4111 1111 1111 1111"]);
        assert_eq!(hits("378282246310005"), ["378282246310005"]);
        assert_eq!(hits("code 123 5555-5555-5555-4444"), ["5555-5555-5555-4444"]);
        assert_eq!(hits("4111 1111 1111 1112"), [""; 0]);
        assert_eq!(hits("4444444444444448888 x4111111111111111"), [""; 0]);
        assert_eq!(hits("root 4096 2006-02-19 04:30 41-111111 11.111.111"), [""; 0]);
    }
}
