//! Keys, tokens and passwords: the shapes that services give them, what stands after words like
//! "password", and long strings that look drawn at random.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::fixed;

pub(super) fn find(text: &str, found: &mut Vec<Range<usize>>) {
    found.extend(KNOWN.find_iter(text).map(|hit| hit.range()));
    for pattern in [&*URL_LOGIN, &*URL_SECRET] {
        let secrets = pattern.captures_iter(text).filter_map(|hit| hit.name("secret"));
        found.extend(secrets.map(|secret| secret.range()));
    }
    for hit in NAMED.captures_iter(text) {
        let Some(secret) = hit.name("secret") else {
            continue;
        };
        let value =
            secret.as_str().trim_end_matches(['.', ',', ';', ')', '"', '\'', '`', '!', '?']);
        if looks_secret(value) {
            found.push(secret.start()..secret.start() + value.len());
        }
    }
    for hit in WORD.find_iter(text) {
        random_parts(text, hit.range(), found);
    }
}

/// A password or a pin: letters with digits or signs, or four digits and more; no link, no path.
fn looks_secret(value: &str) -> bool {
    if value.contains("://")
        || value.starts_with(['/', '.', '#', '-'])
        || value.contains(['[', '('])
    {
        return false;
    }
    let letters = value.chars().filter(|c| c.is_alphabetic()).count();
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let signs = value.chars().filter(|c| "!@#$%^&*+=~?-_".contains(*c)).count();
    let long = value.chars().count() >= 6;
    (letters == 0 && digits >= 4)
        || (long && letters > 0 && digits > 0)
        || (long && letters > 0 && signs > 1)
}

/// The part of a word that looks random: all of it, or in a link only between the slashes.
fn random_parts(text: &str, word: Range<usize>, found: &mut Vec<Range<usize>>) {
    let from = text[..word.start].rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let in_link = text[from..word.start].contains("://") || text[from..].starts_with("www.");
    if !in_link {
        let runs = text[word.clone()].split(|c: char| !c.is_ascii_alphanumeric());
        let whole = &text[word.clone()];
        if runs.clone().any(looks_random) || is_uuid(whole) || looks_base64(whole) {
            found.push(word);
        }
        return;
    }
    for piece in PIECE.find_iter(&text[word.clone()]) {
        if piece.as_str().split(['-', '_']).any(looks_random) || is_uuid(piece.as_str()) {
            found.push(word.start + piece.start()..word.start + piece.end());
        }
    }
}

/// A long secret in Base64, however its slashes cut it; a path has pieces that are words.
fn looks_base64(word: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| word.bytes().any(|byte| kind(&byte));
    let piece_is_word =
        |piece: &str| piece.len() >= 3 && piece.bytes().all(|byte| byte.is_ascii_lowercase());
    word.len() >= 32
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit)
        && !word.contains(['-', '_'])
        && !word.split('/').any(piece_is_word)
        && entropy_bits(word) >= MIN_BASE64_ENTROPY_BITS
}

fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    text.len() == 36
        && lengths.eq([8, 4, 4, 4, 12])
        && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// Letters and digits, well mixed, of many kinds: not what a person would name a thing.
fn looks_random(run: &str) -> bool {
    let digits = run.bytes().filter(u8::is_ascii_digit).count();
    let letters = run.len() - digits;
    let both_cases =
        run.bytes().any(|b| b.is_ascii_uppercase()) && run.bytes().any(|b| b.is_ascii_lowercase());
    let shortest = if both_cases { 16 } else { 20 };
    let word_like =
        run.len() < 32 && run.split(|c: char| !c.is_ascii_lowercase()).any(|word| word.len() >= 6);
    run.len() >= shortest
        && digits >= 2
        && letters >= 2
        && !word_like
        && class_changes(run) * 4 >= run.len()
        && entropy_bits(run) >= MIN_ENTROPY_BITS
}

/// How often neighbours differ in kind: lower case, upper case, digit.
fn class_changes(run: &str) -> usize {
    let class = |byte: u8| match byte {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        _ => 2,
    };
    run.as_bytes().windows(2).filter(|pair| class(pair[0]) != class(pair[1])).count()
}

/// Shannon entropy of the letters, bits per letter.
fn entropy_bits(run: &str) -> f64 {
    let mut counts = [0_u32; 128];
    for byte in run.bytes() {
        counts[usize::from(byte & 127)] += 1;
    }
    let total = run.len() as f64;
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| f64::from(count) / total)
        .map(|share| -share * share.log2())
        .sum()
}

/// Sixteen random hexadecimal digits have about 3.2 bits a digit, names of things fewer changes.
const MIN_ENTROPY_BITS: f64 = 2.8;

/// 32 random Base64 symbols have about 4.7 bits a symbol.
const MIN_BASE64_ENTROPY_BITS: f64 = 4.3;

/// Shapes of well-known services (their own documentation; GitHub secret scanning patterns).
static KNOWN: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----|\z)",
        r"|(?-u:\b)sk-[A-Za-z0-9_-]{20,}|(?-u:\b)(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{10,}",
        r"|(?-u:\b)gh[pousr]_[A-Za-z0-9]{30,}|(?-u:\b)github_pat_[A-Za-z0-9_]{22,}|(?-u:\b)glpat-[A-Za-z0-9_-]{20,}",
        r"|(?-u:\b)xox[abeprs]-[A-Za-z0-9-]{10,}|(?-u:\b)(?:AKIA|ASIA)[0-9A-Z]{16}(?-u:\b)|(?-u:\b)AIza[A-Za-z0-9_-]{35}",
        r"|(?-u:\b)ya29\.[A-Za-z0-9_-]{20,}|(?-u:\b)hf_[A-Za-z0-9]{30,}|(?-u:\b)npm_[A-Za-z0-9]{36}|(?-u:\b)pypi-[A-Za-z0-9_-]{50,}",
        r"|(?-u:\b)SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|(?-u:\b)dop_v1_[a-f0-9]{64}|(?-u:\b)AGE-SECRET-KEY-1[0-9A-Z]{50,}",
        r"|(?-u:\b)eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*)?|(?-u:\b)[0-9]{8,10}:[A-Za-z0-9_-]{35}(?-u:\b)",
        r"|https://hooks\.slack\.com/services/\S+|https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/\S+",
        r"|(?-u:\b)[5KL][1-9A-HJ-NP-Za-km-z]{50,51}(?-u:\b)|(?-u:\b)xprv[1-9A-HJ-NP-Za-km-z]{50,}",
    ))
});

/// The login in `https://ana:secret@host`.
static URL_LOGIN: LazyLock<Regex> = LazyLock::new(|| {
    fixed(r"(?-u:\b)[a-z][a-z0-9+.-]{1,15}://(?<secret>[^\s/@:<>]{1,100}:[^\s/@<>]{1,200})@")
});

/// A secret in the query of a link.
static URL_SECRET: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)[?&#](?:[a-z_-]{0,20}(?:token|secret|passw(?:or)?d|pwd|signature|session|apikey|api_key|auth)|key|sig|code|otp)=(?<secret>[^\s&#<>]{4,})",
    )
});

/// What follows a word that announces a secret.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        r"(?i)(?:(?-u:\b)(?:pass ?words?|passwd|passphrase|passcode|pwd|passwort|kennwort|mot de passe",
        r"|contraseña|clave|senha|parola|wachtwoord|lösenord",
        r"|(?:api|access|secret|private|auth|bearer|client|refresh)[ _-]?(?:key|token|secret)",
        r"|token|secret|authorization|bearer|pin(?: ?code)?|otp|login code|verification code|security code|tan)(?-u:\b)",
        r"|hasło|пароль|密码|密碼|パスワード|비밀번호)",
        r#"["']?\s{0,3}(?:(?:is now|is|was|ist|war|lautet|est|es|è|é) |:|：|=|=>|->|是|は)?\s{0,3}(?:bearer\s+)?["'`]?(?<secret>[^\s"'`<>]{4,200})"#,
    ))
});

/// Long words that may hold a key.
static WORD: LazyLock<Regex> = LazyLock::new(|| fixed(r"[A-Za-z0-9_+/=-]{16,}"));

static PIECE: LazyLock<Regex> = LazyLock::new(|| fixed(r"[A-Za-z0-9_+-]{16,}"));

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    fn hits(text: &str) -> Vec<&str> {
        found(find, text)
    }

    #[test]
    fn finds_the_shapes_of_services() {
        for key in [
            "sk-proj-Ab12Cd34Ef56Gh78Ij90Kl",
            "ghp_0123456789abcdefABCDEF0123456789abcd",
            "AKIAIOSFODNN7EXAMPLE",
            "xoxb-123456789012-abcdef",
            "AIzaSyA1234567890abcdefghijklmnopqrstuv",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
            "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
        ] {
            assert!(hits(&format!("use {key} now")).contains(&key), "{key}");
        }
        let pem =
            "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\ndef\n-----END OPENSSH PRIVATE KEY-----";
        assert_eq!(hits(&format!("a {pem} b")), [pem]);
    }

    #[test]
    fn finds_what_is_called_a_secret() {
        assert_eq!(hits("my password is hunter2!"), ["hunter2"]);
        assert_eq!(hits("Passwort: Tr4umhaus, ok"), ["Tr4umhaus"]);
        assert_eq!(hits("API_KEY=abc123def"), ["abc123def"]);
        assert_eq!(hits("the pin is 4711"), ["4711"]);
        assert_eq!(hits("https://ana:s3cret@host/x?token=abcd&a=1")[..2], ["ana:s3cret", "abcd"]);
        assert_eq!(hits("the password is wrong, a token of love, pin it on 12"), [""; 0]);
        assert_eq!(hits("my tokens#file-upload2, www.tanguay9.info/a, pwd` make[1]x"), [""; 0]);
        assert_eq!(hits("密码是abc12345"), ["abc12345"]);
    }

    #[test]
    fn finds_random_strings_and_leaves_names_of_things() {
        let key = "9f86d081884c7d659a2feaa0c55ad015";
        assert_eq!(hits(&format!("hash {key}.")), [key]);
        assert_eq!(hits("k3J9xQ2mZ8pL5vN1/aB4c+D6e7F=="), ["k3J9xQ2mZ8pL5vN1/aB4c+D6e7F=="]);
        assert_eq!(hits("see https://a.org/d/1k3J9xQ2mZ8pL5vN1aB4/edit"), ["1k3J9xQ2mZ8pL5vN1aB4"]);
        assert_eq!(
            hits("3f2504e0-4f89-11d3-9a0c-0305e82c3301"),
            ["3f2504e0-4f89-11d3-9a0c-0305e82c3301"]
        );
        for plain in [
            "Donaudampfschifffahrtsgesellschaft",
            "https://en.wikipedia.org/wiki/List_of_countries_2024",
            "Sha256HashBase64Encoder",
            "state-of-the-art-2024-edition",
            "00000000000000000000",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert_eq!(hits(plain), [""; 0], "{plain}");
        }
    }
}
