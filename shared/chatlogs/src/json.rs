//! JSON as other programs write it.

use serde_json::Value;

use crate::report::SkipReason;

/// One element as a JSON tree. JavaScript cuts emoji in two and writes half a surrogate pair,
/// which is not JSON: such halves become U+FFFD.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, SkipReason> {
    let text = std::str::from_utf8(bytes).map_err(|_| SkipReason::InvalidUtf8)?;
    serde_json::from_str(text)
        .or_else(|_| serde_json::from_str(&mend_surrogates(text)))
        .map_err(|_| SkipReason::MalformedJson)
}

/// Replaces `\uD800`–`\uDFFF` escapes that stand alone by `\uFFFD`.
fn mend_surrogates(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        mended.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = match (escaped_unit(rest), rest.get(6..).and_then(escaped_unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.push_str("\\ufffd");
                rest = &rest[6..];
                continue;
            }
            // The backslash and whatever character it escapes.
            _ => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
        };
        mended.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    mended.push_str(rest);
    mended
}

/// The number in an escape like `\u00e9` at the start of `text`.
fn escaped_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_an_emoji_costs_one_character_only() {
        let text = r#"["a\ud83d b","\ud83d\ude00","\\ud83d","\ude00\ud83d\"x"]"#;
        let value = parse(text.as_bytes()).unwrap();
        assert_eq!(
            value,
            serde_json::json!(["a\u{fffd} b", "😀", "\\ud83d", "\u{fffd}\u{fffd}\"x"])
        );
    }

    #[test]
    fn says_why_bytes_are_not_json() {
        assert_eq!(parse(b"{\"a\": \"\xff\"}"), Err(SkipReason::InvalidUtf8));
        assert_eq!(parse(b"{\"a\": }"), Err(SkipReason::MalformedJson));
        assert_eq!(parse(b"{} {}"), Err(SkipReason::MalformedJson));
    }

    proptest! {
        #[test]
        fn mending_leaves_valid_json_alone(text in "\\PC{0,30}|(\\\\[\\\\u\"n]|[a-f0-9]){0,30}") {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(mend_surrogates(&json), json);
            let _ = mend_surrogates(&text);
        }
    }
}
