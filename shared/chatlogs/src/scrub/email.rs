//! E-mail addresses, also spelled out: `ana at example dot org` in brackets.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::fixed;

pub(super) fn find(text: &str, found: &mut Vec<Range<usize>>) {
    if text.contains('@') {
        found.extend(PLAIN.find_iter(text).map(|hit| hit.range()));
    }
    found.extend(SPELLED.find_iter(text).map(|hit| hit.range()));
}

static PLAIN: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        // No bounds on the repeats: bounded repeats of Unicode classes make huge automata.
        r"[\p{L}\p{N}_%+'&-](?:[\p{L}\p{M}\p{N}._%+'&-]*[\p{L}\p{M}\p{N}_%+&-])?",
        r"@(?:[\p{L}\p{M}\p{N}](?:[\p{L}\p{M}\p{N}-]*[\p{L}\p{M}\p{N}])?\.)+\p{L}[\p{L}\p{M}]+",
    ))
});

static SPELLED: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        r"(?i)[\p{L}\p{N}][\p{L}\p{N}._+-]* ?[\[({] ?(?:at|@|ät) ?[\])}] ?[\p{L}\p{N}-]+",
        r"(?:(?: ?[\[({] ?(?:dot|punkt|\.) ?[\])}] ?|\.)[\p{L}\p{N}-]{2,})+",
    ))
});

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn finds_addresses_and_leaves_handles() {
        let hits = |text| found(find, text);
        assert_eq!(hits("to <a.b+c@mail.example.co.uk>, ok"), ["a.b+c@mail.example.co.uk"]);
        assert_eq!(hits("jürgen@büro.de."), ["jürgen@büro.de"]);
        assert_eq!(hits("mailto:x@y.org?subject=a"), ["x@y.org"]);
        assert_eq!(hits("ana (at) example [dot] org"), ["ana (at) example [dot] org"]);
        assert_eq!(hits("meet @ana at 5, a@b, price@ 3.50"), [""; 0]);
    }
}
