//! The scrubber as a whole.

use proptest::prelude::*;

use super::*;

/// What one kind finds in a text: for the tests of each kind.
pub(super) fn found(find: fn(&str, &mut Vec<Range<usize>>), text: &str) -> Vec<&str> {
    let mut ranges = Vec::new();
    find(text, &mut ranges);
    ranges.into_iter().map(|range| &text[range]).collect()
}

fn scrubber() -> Scrubber {
    Scrubber::new(&["Project Heron".to_owned(), "田中".to_owned()]).unwrap()
}

fn scrubbed(text: &str) -> String {
    scrubber().scrub(text).0.into_owned()
}

#[test]
fn replaces_each_kind_by_its_placeholder() {
    let text = "Write to ana@example.org or +49 171 1234567; pay DE89 3704 0044 0532 0130 00 \
                or 4111 1111 1111 1111. project heron is at 221B Baker Street, host 81.23.4.17, \
                password: hunter2!";
    let (clean, counts) = scrubber().scrub(text);
    assert_eq!(
        clean,
        "Write to <EMAIL> or <PHONE>; pay <IBAN> or <CARD>. <PRIVATE> is at <ADDRESS>, host <IP>, \
         password: <KEY>!"
    );
    assert_eq!(counts.total(), 8);
    assert!(Placeholder::ALL.into_iter().all(|kind| counts.of(kind) == 1));
}

#[test]
fn leaves_clean_text_as_it_is() {
    let (clean, counts) = scrubber().scrub("Nothing to see here, 42 times.");
    assert!(matches!(clean, Cow::Borrowed(_)));
    assert_eq!(counts.to_string(), "nothing");
}

#[test]
fn placeholders_that_are_there_stay_uncounted() {
    let (clean, counts) = scrubber().scrub("<EMAIL> and a@b.org");
    assert_eq!((clean.as_ref(), counts.total()), ("<EMAIL> and <EMAIL>", 1));
    assert_eq!(counts.to_string(), "1 <EMAIL>");
}

#[test]
fn the_owners_list_wins_and_never_bites_into_placeholders() {
    let scrubber = Scrubber::new(&["email".to_owned(), "ana".to_owned()]).unwrap();
    let (clean, _) = scrubber.scrub("email ana@b.org <EMAIL>");
    assert_eq!(clean, "<PRIVATE> <PRIVATE>@b.org <EMAIL>");
    assert_eq!(scrubber.scrub(&clean).0, clean);
}

#[test]
fn a_conversation_keeps_its_identity() {
    use crate::{Format, Message, Role};
    let messages = vec![Message { role: Role::Me, text: "mail a@b.org".into() }];
    let title = Some("about c@d.org".to_owned());
    let conversation = Conversation::new(Format::Chat, None, title, messages, None).unwrap();
    let id = conversation.id();
    let (clean, counts) = scrubber().scrub_conversation(conversation);
    assert_eq!((clean.id(), counts.of(Placeholder::Email)), (id, 2));
    assert_eq!(clean.as_turns(), [("user", "mail <EMAIL>")]);
    assert_eq!(clean.title(), Some("about <EMAIL>"));
}

/// Texts rich in what the rules look at.
fn rich_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\PC{0,12}",
        "[0-9 +()./-]{1,18}",
        "[A-Za-z0-9_+/=-]{10,40}",
        "[a-z.]{1,6}@[a-z]{1,6}\\.[a-z]{2,3}",
        Just("<EMAIL>".to_owned()),
        Just("<".to_owned()),
        Just("password: ".to_owned()),
        Just("Berliner Straße 12".to_owned()),
        Just("12 Baker Street".to_owned()),
        Just("project heron".to_owned()),
        Just("call me at ".to_owned()),
        Just(", ".to_owned()),
        Just("DE89 3704 0044 0532 0130 00".to_owned()),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn luhn_digit(body: &[u32]) -> u32 {
    let sum: u32 = body
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| {
            let double = digit * 2;
            if place % 2 == 0 { double / 10 + double % 10 } else { digit }
        })
        .sum();
    (10 - sum % 10) % 10
}

proptest! {
    #[test]
    fn scrubbing_twice_is_scrubbing_once(text in rich_text()) {
        let once = scrubbed(&text);
        let (twice, counts) = scrubber().scrub(&once);
        prop_assert_eq!(twice.as_ref(), once.as_str());
        prop_assert_eq!(counts.total(), 0);
    }

    #[test]
    fn any_text_is_scrubbed_without_panic(text in "\\PC*", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        scrubbed(&text);
        scrubbed(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn generated_addresses_never_survive(
        local in "[a-z0-9][a-z0-9._+-]{0,12}[a-z0-9]", host in "[a-z0-9]{1,10}", top in "[a-z]{2,6}",
        before in "[\\p{L} ,.:(]{0,10}", after in "[ ,.!?)]\\PC{0,10}",
    ) {
        let address = format!("{local}@{host}.{top}");
        let clean = scrubbed(&format!("{before} {address}{after}"));
        prop_assert!(!clean.contains(&address), "{}", clean);
        prop_assert!(clean.contains("<EMAIL>"), "{}", clean);
    }

    #[test]
    fn generated_cards_never_survive(
        body in prop::collection::vec(0_u32..10, 14), first in 3_u32..7, separator in "[ -]?",
    ) {
        let mut digits = vec![first];
        digits.extend(body);
        digits.push(luhn_digit(&digits));
        let groups: Vec<String> = digits.chunks(4)
            .map(|chunk| chunk.iter().map(ToString::to_string).collect()).collect();
        let card = groups.join(&separator);
        let clean = scrubbed(&format!("pay with {card}, thanks"));
        prop_assert_eq!(clean, "pay with <CARD>, thanks");
    }

    #[test]
    fn generated_accounts_never_survive(account in "[0-9]{18}", spaced: bool) {
        // The check digits that make a German account number valid: 98 - (number mod 97).
        let number = format!("{account}131400");
        let remainder = number.bytes().fold(0, |r: u32, b| (r * 10 + u32::from(b - b'0')) % 97);
        let plain = format!("DE{:02}{account}", 98 - remainder);
        let shown = if spaced {
            plain.as_bytes().chunks(4).map(|c| String::from_utf8_lossy(c)).collect::<Vec<_>>().join(" ")
        } else {
            plain
        };
        prop_assert_eq!(scrubbed(&format!("account {shown}, please")), "account <IBAN>, please");
    }

    #[test]
    fn generated_international_numbers_never_survive(
        country in prop::sample::select(vec!["1", "44", "49", "33", "34", "81", "91", "55"]),
        rest in "[2-9][0-9]{8,9}",
    ) {
        let number = format!("+{country} {} {}", &rest[..3], &rest[3..]);
        prop_assert_eq!(scrubbed(&format!("ring {number} soon")), "ring <PHONE> soon");
    }

    #[test]
    fn generated_service_keys_never_survive(key in "sk-[A-Za-z0-9]{32}|ghp_[A-Za-z0-9]{36}|AKIA[0-9A-Z]{16}") {
        prop_assert_eq!(scrubbed(&format!("use {key} here")), "use <KEY> here");
    }
}
