//! What the messenger puts where a message stands: media, deletions, calls. On iOS it marks its
//! own words with U+200E, in every language; for Android and old exports there are shapes, and
//! the words of common languages.

use std::sync::LazyLock;

use regex::Regex;

use crate::owner::is_direction_mark;
use crate::report::SkipReason;

/// What a person said in a message, and what was left out.
pub(super) struct Body {
    pub(super) text: String,
    pub(super) skipped: Vec<SkipReason>,
}

/// Whether the messenger wrote this line, with the marks that iOS gives to its own words.
pub(super) fn is_generated(line: &str) -> bool {
    line.starts_with('\u{200e}') || said_on_line(line).is_err()
}

/// The words of a person in a message of one or more lines.
pub(super) fn said(body: &str) -> Body {
    let mut skipped = Vec::new();
    let mut lines = Vec::new();
    for (index, line) in body.split('\n').enumerate() {
        if line.starts_with('\u{200e}') {
            let reason = reason(&visible(line));
            skipped.push(reason);
            // A caption may follow a picture, but nothing follows the messenger's own words.
            if index == 0 && reason != SkipReason::Attachment {
                break;
            }
            continue;
        }
        match said_on_line(line) {
            Ok(text) => lines.push(text),
            Err(reason) => skipped.push(reason),
        }
    }
    let lines = lines.join("\n");
    Body { text: lines.trim().to_owned(), skipped }
}

/// The line without marks, or why nobody said it.
fn said_on_line(line: &str) -> Result<String, SkipReason> {
    let marked = INLINE_ATTACHMENT.find(line).is_some();
    let text = visible(&INLINE_ATTACHMENT.replace_all(line, ""));
    let text = EDITED.replace(&text, "");
    let text = text.trim_end();
    if marked && text.is_empty() {
        return Err(SkipReason::Attachment);
    }
    if MEDIA.is_match(text) {
        return Err(SkipReason::Attachment);
    }
    if DELETED.is_match(text) {
        return Err(SkipReason::Deleted);
    }
    if SYSTEM.is_match(text) {
        return Err(SkipReason::SystemLine);
    }
    Ok(text.to_owned())
}

/// What kind of words of the messenger these are.
fn reason(text: &str) -> SkipReason {
    if DELETED.is_match(text) {
        SkipReason::Deleted
    } else if SYSTEM.is_match(text) {
        SkipReason::SystemLine
    } else {
        SkipReason::Attachment
    }
}

/// Without direction marks, every kind of space a plain one.
fn visible(line: &str) -> String {
    line.chars()
        .filter(|&c| !is_direction_mark(c) && c != '\u{feff}')
        .map(|c| if matches!(c, '\u{a0}' | '\u{2009}' | '\u{202f}') { ' ' } else { c })
        .collect()
}

fn fixed(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is fixed and tested")
}

/// `<attached: 00000012-PHOTO.jpg>`, in any language.
static INLINE_ATTACHMENT: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"\x{200e}?<[^<>:\n]{2,25}: [^<>\n]{1,200}\.\w{2,5}>"));

/// `<This message was edited>` and its translations, at the end of a message.
static EDITED: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i) ?<(?:this message was edited|diese nachricht wurde bearbeitet|ce message a été modifié|se editó este mensaje|questo messaggio è stato modificato|mensagem editada)>$",
    )
});

/// `<Media omitted>` in any language, a file of Android, and the words of iOS before it marked them.
static MEDIA: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        r"(?i)^(?:<[^<>/=]{3,40}(?:omitted|omis|omitido|omitidos|omessi|ocultos?|oculta|ausgeschlossen|weggelassen|weggelaten|pominięto|без медиафайлов|пропущено|省略|省略されました|生략)>",
        r"|<(?:media omitted|medien ausgeschlossen|multimedia omitido|médias omis|media omessi|mídia oculta|arquivo de mídia oculto|media weggelaten|без медиафайлов|медиафайл пропущен)>",
        r"|[^\s/\\]{1,80}\.(?:jpe?g|png|gif|webp|mp4|3gp|mov|opus|ogg|m4a|mp3|aac|pdf|vcf|docx?|xlsx?|pptx?|zip|txt|csv|apk|heic) \([^()]{3,40}\)",
        r"|(?:image|video|audio|sticker|gif|document|contact card|video note) omitted",
        r"|(?:bild|video|audio|sticker|gif|dokument|kontaktkarte) weggelassen",
        r"|(?:imagen|audio|sticker|gif|documento) omitid[ao]|(?:image|vidéo|audio|gif|document) (?:absente?|omise?)",
        r"|(?:location|live location shared|standort|ubicación|position): https?://\S+|live location shared|null)$",
    ))
});

/// Deleted messages in common languages.
static DELETED: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        r"(?i)^(?:(?:this message was|you) deleted(?: this message)?|this message was deleted by admin.*",
        r"|(?:diese nachricht wurde|du hast diese nachricht) gelöscht|(?:se eliminó|eliminaste) este mensaje",
        r"|ce message a été supprimé|vous avez supprimé ce message|(?:questo messaggio è stato eliminato|hai eliminato questo messaggio)",
        r"|(?:esta mensagem foi apagada|mensagem apagada|você apagou esta mensagem|essa mensagem foi apagada)",
        r"|dit bericht (?:is|werd) verwijderd|u hebt dit bericht verwijderd)\.?$",
    ))
});

/// Calls and notices that some versions give an author.
static SYSTEM: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        r"(?i)^(?:missed (?:voice|video|group voice|group video) call.*|(?:voice|video) call, .{0,40}",
        r"|.{0,60}end-to-end encrypted.*|waiting for this message.*|your security code with .*",
        r"|.{0,60}ende-zu-ende-verschlüsselt.*|verpasster (?:sprach|video)anruf.*",
        r"|.{0,60}cifrados? de extremo a extremo.*|.{0,60}chiffrés? de bout en bout.*",
        r"|.{0,60}crittografat[ie] end-to-end.*|.{0,60}criptografia de ponta a ponta.*",
        r"|.{1,80} (?:created (?:this )?group.*|created the group.*|added you|turned (?:on|off) disappearing messages.*))$",
    ))
});

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, text: &str, skipped: &[SkipReason]) {
        let found = said(body);
        assert_eq!((found.text.as_str(), found.skipped.as_slice()), (text, skipped), "{body}");
    }

    #[test]
    fn media_leave_their_captions() {
        use SkipReason::Attachment;
        for media in [
            "<Media omitted>",
            "<Medien ausgeschlossen>",
            "\u{200e}image omitted",
            "\u{200e}<attached: 00000012-PHOTO-2021-10-14.jpg>",
            "IMG-20211014-WA0001.jpg (file attached)",
            "\u{200e}Bild weggelassen",
            "video omitted",
            "null",
        ] {
            check(media, "", &[Attachment]);
            check(&format!("{media}\nour garden"), "our garden", &[Attachment]);
        }
        check("look \u{200e}<attached: 12-PHOTO.jpg>", "look", &[]);
    }

    #[test]
    fn what_people_say_stays() {
        for text in [
            "the image omitted a lot",
            "a < b > c",
            "<3",
            "see <b>this</b>",
            "null and void",
            "notes.txt",
        ] {
            check(text, text, &[]);
        }
        check("hello\u{202f}there \u{200e}<This message was edited>", "hello there", &[]);
        check("one\ntwo\n\nthree", "one\ntwo\n\nthree", &[]);
        check("thanks @\u{2068}Bo\u{2069}", "thanks @Bo", &[]);
    }

    #[test]
    fn deletions_calls_and_notices_go() {
        check("This message was deleted", "", &[SkipReason::Deleted]);
        check("\u{200e}Du hast diese Nachricht gelöscht.", "", &[SkipReason::Deleted]);
        check("Missed voice call", "", &[SkipReason::SystemLine]);
        let notice =
            "\u{200e}Messages and calls are end-to-end encrypted. No one outside can read.";
        check(notice, "", &[SkipReason::SystemLine]);
        check(&format!("{notice}\nmore"), "", &[SkipReason::SystemLine]);
        assert!(is_generated(notice) && !is_generated("hello"));
    }
}
