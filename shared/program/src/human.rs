//! Quantities as people write them.

use std::time::Duration;

/// Bytes in decimal units with three digits: `999 B`, `82.0 kB`, `1.40 MB`, `526 MB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    // 999.5 would be printed as 1000.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// A duration in its two largest units: `0.35 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.9995 {
        return format!("{:.0} ms", seconds * 1000.0);
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let seconds = seconds.round() as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => two(minutes, "min", seconds % 60, "s"),
        3600..86_400 => two(hours, "h", minutes, "min"),
        _ => two(days, "d", hours, "h"),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large} {large_unit}")
    } else {
        format!("{large} {large_unit} {small} {small_unit}")
    }
}

/// A count with thousands marked: `1,234,567`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.char_indices() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 node`, `8 nodes`. The plural is the noun with an s.
pub fn plural(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Lines of at most [`COLUMNS`] characters, broken between words; a word that is longer stands alone. Line breaks stay, and
/// a list item (`  - `) goes on under its own text.
pub fn wrapped(text: &str) -> String {
    text.split('\n').map(wrapped_line).collect::<Vec<_>>().join("\n")
}

fn wrapped_line(line: &str) -> String {
    let start = line.trim_start_matches([' ', '-']);
    let indent = line.chars().count() - start.chars().count();
    let (mut text, mut column) = (line[..line.len() - start.len()].to_owned(), indent);
    for word in start.split(' ').filter(|word| !word.is_empty()) {
        let length = word.chars().count();
        if column > indent && column + 1 + length > COLUMNS {
            text += &format!("\n{:indent$}", "");
            column = indent;
        } else if column > indent {
            text.push(' ');
            column += 1;
        }
        text += word;
        column += length;
    }
    text
}

/// How wide sentences are on a terminal and in a pipe.
pub const COLUMNS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (9_994, "9.99 kB"),
            (9_995, "10.0 kB"),
            (82_000, "82.0 kB"),
            (99_950, "100 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (526_574_961, "527 MB"),
            (u64::MAX, "18.4 EB"),
        ];
        for (value, text) in cases {
            assert_eq!(bytes(value), text);
        }
    }

    #[test]
    fn durations_have_two_units() {
        let cases = [
            (0.0, "0 ms"),
            (0.35, "350 ms"),
            (0.9996, "1.0 s"),
            (9.96, "10 s"),
            (59.4, "59 s"),
            (59.6, "1 min"),
            (200.0, "3 min 20 s"),
            (3600.0, "1 h"),
            (7500.0, "2 h 5 min"),
            (273_600.0, "3 d 4 h"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(Duration::from_secs_f64(seconds)), text);
        }
    }

    #[test]
    fn sentences_break_between_words_and_items_stay_aligned() {
        let long = "ε of a word or two ".repeat(20);
        let text = wrapped(&format!("{long}\n\n  - {long}\nshort"));
        let lines: Vec<&str> = text.split('\n').collect();
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS), "{text}");
        assert!(lines.iter().any(|line| line.chars().count() > COLUMNS - 10), "{text}");
        let item = lines.iter().position(|line| line.starts_with("  - ε")).unwrap();
        assert!(lines[item + 1].starts_with("    ") && lines[item - 1].is_empty(), "{text}");
        assert_eq!(lines.last(), Some(&"short"));
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&text), words(&format!("{long} - {long} short")));
        assert_eq!(wrapped("a\n"), "a\n");
        assert_eq!(wrapped(&"x".repeat(200)), "x".repeat(200));
    }

    #[test]
    fn counts_mark_thousands() {
        let texts = [0, 999, 1000, 12_345, 1_234_567].map(count);
        assert_eq!(texts, ["0", "999", "1,000", "12,345", "1,234,567"]);
        assert_eq!(
            [0, 1, 2000].map(|number| plural(number, "node")),
            ["0 nodes", "1 node", "2,000 nodes"]
        );
    }
}
