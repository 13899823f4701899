//! Bounds as people read them: few digits, and never below the number.

/// An upper bound in about four digits, rounded up: `0.089`, `8.000`, `15.13`, `164.3`, `14,761`, `2.1e9`.
pub fn at_most(value: f64) -> String {
    if !value.is_finite() {
        return "∞".to_owned();
    }
    let digits = match value.abs() {
        ..10.0 => 3,
        ..100.0 => 2,
        ..1000.0 => 1,
        ..1e7 => 0,
        _ => return scientific(value),
    };
    let unit = 10_f64.powi(digits);
    // A quotient of two exact numbers is at most half a unit in the last place off, far below what is printed.
    let text = format!("{:.*}", digits as usize, (value * unit).ceil() / unit);
    if digits > 0 { text } else { thousands(&text) }
}

/// By how much odds may change, in two digits, rounded up: `1.01`, `2.8`, `150`, `170,000`, `490 million`.
pub fn times(factor: f64) -> String {
    match factor {
        ..2.0 => format!("{:.2}", (factor * 100.0).ceil() / 100.0),
        ..10.0 => format!("{:.1}", (factor * 10.0).ceil() / 10.0),
        ..1e15 => {
            let unit = 10_f64.powf(factor.log10().floor() - 1.0).round().max(1.0);
            let rounded = (factor / unit).ceil() * unit;
            match rounded {
                ..1e6 => thousands(&format!("{rounded:.0}")),
                ..1e9 => format!("{} million", rounded / 1e6),
                _ => format!("{} billion", thousands(&format!("{:.0}", (rounded / 1e9).ceil()))),
            }
        }
        _ => "more than 10¹⁵".to_owned(),
    }
}

fn scientific(value: f64) -> String {
    let unit = 10_f64.powf(value.abs().log10().floor() - 1.0);
    format!("{:.1e}", (value / unit).ceil() * unit)
}

fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_have_few_digits_and_are_rounded_up() {
        let cases = [
            (0.0, "0.000"),
            (0.088_153, "0.089"),
            (8.0, "8.000"),
            (7.999_1, "8.000"),
            (15.121, "15.13"),
            (164.25, "164.3"),
            (3165.827, "3,166"),
            (14_760.21, "14,761"),
            (166_665.0, "166,665"),
            (2_050_000_000.0, "2.1e9"),
            (f64::INFINITY, "∞"),
        ];
        for (value, text) in cases {
            assert_eq!(at_most(value), text, "{value}");
        }
    }

    #[test]
    fn factors_have_two_digits_and_are_rounded_up() {
        let cases = [
            (0.01, "1.02"),
            (1.0, "2.8"),
            (2.0, "7.4"),
            (5.0, "150"),
            (8.0, "3,000"),
            (12.023_5, "170,000"),
            (16.0, "8.9 million"),
            (20.0, "490 million"),
            (25.0, "73 billion"),
            (40.0, "more than 10¹⁵"),
        ];
        for (epsilon, text) in cases {
            assert_eq!(times(f64::exp(epsilon)), text, "e^{epsilon}");
        }
    }

    #[test]
    fn nothing_is_printed_below_what_it_bounds() {
        let read = |text: String| text.replace(',', "").parse::<f64>().unwrap();
        for step in 0..2000 {
            let value = 1e-4 * 1.013_f64.powi(step);
            assert!(read(at_most(value)) >= value, "{value}: {}", at_most(value));
        }
    }
}
