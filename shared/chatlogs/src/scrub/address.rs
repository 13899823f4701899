//! Street addresses in the shapes of English, German, Dutch, Nordic, French, Spanish, Italian,
//! Portuguese and Polish, and the postcodes that point to a few houses.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::fixed;

pub(super) fn find(text: &str, found: &mut Vec<Range<usize>>) {
    // All shapes need a digit.
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return;
    }
    for shape in SHAPES.iter() {
        let hits = shape.find_iter(text).map(|hit| hit.range());
        found.extend(hits.filter(|hit| !begins_with_year(text, hit)));
    }
    let spoken = SPOKEN.captures_iter(text).filter(|hit| {
        let name = hit.name("name").map_or("", |name| name.as_str());
        !name.split_whitespace().any(|word| NO_NAMES.contains(&word.to_lowercase().as_str()))
    });
    found.extend(spoken.filter_map(|hit| hit.get(0)).map(|hit| hit.range()));
}

/// Whether the number in front is the year of a sentence: "in 2021 Mr Hill left".
fn begins_with_year(text: &str, hit: &Range<usize>) -> bool {
    let number = text[hit.clone()].bytes().take_while(u8::is_ascii_digit).count();
    YEAR.is_match(&text[..hit.start + number])
}

/// What may follow a street and belongs to the address: flat, town, state, postcode.
const TAIL: &str = concat!(
    r"(?:,? (?:(?i:apt|apartment|suite|ste|unit|flat|floor|room)\.? ?#?|#)[\w-]{1,6}\b)?",
    r"(?:,? (?:\p{Lu}[\p{L}'’.-]+ ?){1,3},? (?:[A-Z]{2} [0-9]{5}(?:-[0-9]{4})?|[A-Z]{1,2}[0-9][A-Z0-9]? [0-9][A-Z]{2})\b",
    r"|,? [A-Z]{1,2}[0-9][A-Z0-9]? [0-9][A-Z]{2}\b",
    r"|,? (?:[A-Z]{1,2}-)?[0-9]{4,5}(?: ?[A-Z]{2}\b)?(?: \p{Lu}[\p{L}-]+){1,2})?",
);

static SHAPES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // 221B Baker Street, 1600 N. Amphitheatre Pkwy
        format!(
            r"(?-u:\b)[0-9]{{1,5}}[A-Za-z]?(?:[-/][0-9]{{1,4}})?,? (?:(?:[NSEW]|North|South|East|West|NW|NE|SW|SE)\.? )?(?:\p{{Lu}}[\p{{L}}'’.-]*|[0-9]{{1,3}}(?:st|nd|rd|th)) (?:(?:\p{{Lu}}[\p{{L}}'’.-]*|[0-9]{{1,3}}(?:st|nd|rd|th)|of|the) ){{0,3}}(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Way|Close|Crescent|Parkway|Pkwy|Highway|Hwy|Circle|Gardens|Grove|Mews|Hill|Row|Walk|Quay|Common|Plaza|Trail|Alley)(?-u:\b)\.?{TAIL}"
        ),
        // Berliner Straße 12, Hauptstr. 5a, Prinsengracht 263, Storgatan 14
        format!(
            r"(?:\p{{Lu}}[\p{{L}}.-]+ )?(?:\p{{Lu}}[\p{{L}}-]+(?:straße|strasse|str\.|gasse|platz|allee|weg|ufer|damm|straat|laan|gracht|plein|kade|gatan|vägen|gade|vej|veien|gate|katu|tie)|Straße|Strasse|Str\.|Allee) [0-9]{{1,4}} ?[a-zA-Z]?(?-u:\b){TAIL}"
        ),
        // 12 bis, rue de la République
        format!(
            r"(?-u:\b)[0-9]{{1,4}}(?: ?(?:bis|ter|quater))?,? (?i:rue|avenue|av\.|boulevard|bd|impasse|chemin|quai|allée|route|cours|place|passage) (?:(?:de la|de l['’]|des|du|de|d['’]|la|le|les|l['’]) ?)*\p{{Lu}}[\p{{L}}'’-]+(?:[ -](?:(?:de|du|des|la|le) )?\p{{Lu}}[\p{{L}}'’-]+){{0,3}}{TAIL}"
        ),
        // Calle de Alcalá 42, Via Roma, 12, Rua Augusta nº 100
        format!(
            r"(?-u:\b)(?:Calle|C/|Avenida|Avda\.?|Av\.|Plaza|Paseo|Carrer|Camino|Via|Viale|Piazza|Piazzale|Corso|Vicolo|Largo|Rua|Travessa|Praça|Alameda|Estrada) (?:(?:de la|de los|de las|del|della|delle|dei|degli|de|da|do|das|dos|di|la|el|y|e) )*\p{{Lu}}[\p{{L}}'’.-]+(?: (?:(?:de|del|della|da|do|di|la|y|e) )*\p{{Lu}}[\p{{L}}'’.-]+){{0,3}},? (?:n[.º°o]{{1,2}} ?|núm\. ?|# ?)?[0-9]{{1,4}}[A-Za-z]?(?-u:\b){TAIL}"
        ),
        // ul. Marszałkowska 10/12
        format!(
            r"(?-u:\b)(?:ul\.|al\.|pl\.|os\.) ?(?:\p{{Lu}}[\p{{L}}-]+ ){{1,3}}[0-9]{{1,4}}[a-zA-Z]?(?:/[0-9]{{1,4}})?(?:,? [0-9]{{2}}-[0-9]{{3}} \p{{Lu}}\p{{L}}+)?{}", ""
        ),
        // P.O. Box 12
        r"(?i)(?-u:\b)(?:p\.? ?o\.? ?box|postfach|apartado|postbus|boîte postale) [0-9]{1,6}(?-u:\b)".to_owned(),
        // 〒100-0001 千代田区, 東京都千代田区丸の内1-9-1
        r"〒[0-9]{3}-[0-9]{4}(?: ?\p{Han}[\p{Han}\p{Hiragana}\p{Katakana}ー]+(?:[0-9]{1,4}(?:-[0-9]{1,4}){1,2})?)?".to_owned(),
        r"(?:東京都|北海道|京都府|大阪府|\p{Han}{2,3}県)[\p{Han}\p{Hiragana}\p{Katakana}ー]+[0-9]{1,4}(?:-[0-9]{1,4}){1,2}".to_owned(),
        // 西城区南菜园街12号
        r"(?:\p{Han}{2,4}[市区县])?\p{Han}{2,8}(?:路|街|道|巷|胡同|里)(?:甲|乙)?[0-9]{1,5}(?:-[0-9]{1,4})?号".to_owned(),
        // Springfield, IL 62704
        r"(?:\p{Lu}[\p{L}.'’-]+ ){0,2}\p{Lu}[\p{L}.'’-]+, [A-Z]{2} [0-9]{5}(?:-[0-9]{4})?(?-u:\b)".to_owned(),
        // London's SW1A 1AA, Canada's K1A 0B1
        r"(?-u:\b)(?:[A-Z]{1,2}[0-9][A-Z0-9]? [0-9][ABD-HJLNP-UW-Z]{2}|[ABCEGHJ-NPRSTVXY][0-9][A-Z] [0-9][A-Z][0-9])(?-u:\b)".to_owned(),
    ]
    .iter()
    .map(|shape| fixed(shape))
    .collect()
});

/// "221b baker street", as people type in chats.
static SPOKEN: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)(?-u:\b)[0-9]{1,5}[a-z]? (?<name>(?:[\p{L}'’-]{2,} ){1,3})(?:street|avenue|road|boulevard|lane|terrace|crescent|parkway|court|drive|ave|rd|blvd)(?-u:\b)",
    )
});

/// A year at the end of a text, by the word before it.
static YEAR: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r"(?i)\b(?:in|since|until|till|by|before|after|of|from|year|summer|spring|winter|fall|autumn) (?:19|20)[0-9]{2}$",
    )
});

/// Words that stand between a number and a road without naming it ("2 blocks down the road").
const NO_NAMES: &[&str] = &[
    "a",
    "an",
    "the",
    "of",
    "in",
    "on",
    "at",
    "to",
    "from",
    "for",
    "and",
    "or",
    "down",
    "up",
    "off",
    "along",
    "across",
    "into",
    "over",
    "per",
    "by",
    "with",
    "my",
    "your",
    "our",
    "this",
    "that",
    "is",
    "are",
    "was",
    "minute",
    "minutes",
    "min",
    "mins",
    "hour",
    "hours",
    "day",
    "days",
    "mile",
    "miles",
    "km",
    "block",
    "blocks",
    "people",
    "cars",
    "kids",
    "men",
    "women",
    "way",
    "gb",
    "tb",
    "usb",
    "hard",
    "flash",
    "lane",
    "wheel",
    "more",
    "side",
    "open",
    "main-road",
    "long",
    "dirt",
    "different",
    "other",
    "new",
    "test",
    "gig",
    "gigs",
    "mb",
    "sata",
    "ide",
    "ssd",
    "floppy",
    "disk",
    "ext",
    "external",
    "internal",
    "zip",
    "tape",
    "inch",
    "dvd",
    "cd",
];

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn finds_addresses_of_many_countries() {
        for address in [
            "221B Baker Street",
            "1600 Amphitheatre Parkway, Mountain View, CA 94043",
            "10 Downing St, London SW1A 2AA",
            "12 West 42nd Street, Apt 5B",
            "Berliner Straße 12",
            "Hauptstr. 5a, 10115 Berlin",
            "Prinsengracht 263",
            "12 bis, rue de la République",
            "Calle de Alcalá 42",
            "Via Roma, 12",
            "Rua Augusta nº 100",
            "ul. Marszałkowska 10/12",
            "PO Box 1234",
            "Springfield, IL 62704",
            "SW1A 1AA",
            "K1A 0B1",
            "東京都千代田区丸の内1-9-1",
            "西城区南菜园街12号",
        ] {
            let text = format!("we met: {address}. Then");
            let hits = found(find, &text);
            assert!(
                hits.iter().any(|hit| hit.trim_end_matches('.') == address),
                "{address}: {hits:?}"
            );
        }
        assert_eq!(found(find, "i live at 14 maple grove road now"), ["14 maple grove road"]);
    }

    #[test]
    fn leaves_ordinary_sentences() {
        for text in [
            "2 blocks down the road",
            "a 10 minute drive",
            "5 people in the street",
            "Spring 2024 was wet",
            "During 5 days",
            "Auf Platz 3 landete",
            "Am Montag 5 Uhr",
            "a 500 gb hard drive",
            "Bring 2 bottles",
            "Heute 12 Grad",
            "去都吃饭人均消费是100-150元",
            "a 320 gig drive",
            "in 2021 Mr Hill left",
        ] {
            assert_eq!(found(find, text), [""; 0], "{text}");
        }
    }
}
