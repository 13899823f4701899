//! Foreign text made harmless for the place where it will stand.

/// For HTML and XML, inside elements and quoted attributes.
///
/// Besides the five special characters it replaces what XML forbids and what could reorder the text around it
/// (Unicode's bidirectional controls).
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(character),
            _ => safe.push(visible(character)),
        }
    }
    safe
}

/// [`escape`] for sentences: a number and its percent sign stay on one line. Not for what a reader may copy.
pub(crate) fn prose(text: &str) -> String {
    escape(text).replace(" %", "\u{a0}%")
}

/// For a terminal: no escape sequences, no line breaks.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|character| if matches!(character, '\n' | '\t') { ' ' } else { visible(character) })
        .collect()
}

/// The character, or U+FFFD for one that acts instead of being seen.
fn visible(character: char) -> char {
    let acts = character.is_control()
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
        || matches!(character, '\u{fffe}' | '\u{ffff}');
    if acts { char::REPLACEMENT_CHARACTER } else { character }
}

/// At most `limit` characters; a cut is shown by an ellipsis.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit.saturating_sub(1)).collect();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escape("<b a=\"'\">&amp;"), "&lt;b a=&quot;&#39;&quot;&gt;&amp;amp;");
        assert_eq!(escape("a\nb\tc, 95 %"), "a\nb\tc, 95 %");
        assert_eq!(prose("<95 %>"), "&lt;95\u{a0}%&gt;");
    }

    #[test]
    fn characters_that_act_are_replaced() {
        for hostile in
            ["\0", "\x1b", "\x07", "\u{202e}", "\u{2066}", "\u{200f}", "\u{ffff}", "\u{85}", "\r"]
        {
            assert_eq!(escape(hostile), "\u{fffd}", "{hostile:?}");
            assert_eq!(plain(hostile), "\u{fffd}", "{hostile:?}");
        }
        assert_eq!(plain("a\nb\x1b[31m"), "a b\u{fffd}[31m");
        assert_eq!(escape("žluťoučký кот 猫 🐈"), "žluťoučký кот 猫 🐈");
    }

    #[test]
    fn cuts_are_shown() {
        assert_eq!(shorten("abcd", 4), "abcd");
        assert_eq!(shorten("ab def", 4), "ab…");
        assert_eq!(shorten("äöüß", 2), "ä…");
        assert_eq!(shorten("ab", 0), "…");
    }
}
