//! Numbers as charts write them: few digits, true minus, thousands shortened.

/// Three significant digits: `0.00123`, `3.14`, `1,234`, `12.3M`.
pub(crate) fn value(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "–".to_owned() } else { signed("∞", value) };
    }
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if size < 1e-4 {
        let exponent = size.log10().floor();
        return signed(
            &format!("{:.1}×{}", size / 10f64.powf(exponent), power_of_ten(exponent as i32)),
            value,
        );
    }
    let (scaled, suffix) = shortened(size, size);
    let digits = (2 - scaled.log10().floor() as i32).max(0) as usize;
    let text = trim_zeros(format!("{scaled:.digits$}"));
    signed(&format!("{}{suffix}", thousands(&text)), value)
}

/// The label of one tick of a linear axis whose ticks are `step` apart and reach up to `largest`.
pub(crate) fn tick(value: f64, step: f64, largest: f64) -> String {
    let (scaled, suffix) = shortened(value.abs(), largest.abs());
    let scaled_step = step * if value == 0.0 { 1.0 } else { scaled / value.abs() };
    let digits = (-(scaled_step.log10() + 1e-9).floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{scaled:.digits$}");
    if value.abs() < step / 2.0 {
        return "0".to_owned();
    }
    signed(&format!("{}{suffix}", thousands(&text)), value)
}

/// The label of a tick of a logarithmic axis.
pub(crate) fn log_tick(value_of_tick: f64) -> String {
    let exponent = value_of_tick.log10();
    let whole = exponent.round();
    if (exponent - whole).abs() < 1e-9 && !(-3.0..=5.0).contains(&whole) {
        return power_of_ten(whole as i32);
    }
    value(value_of_tick)
}

fn shortened(size: f64, largest: f64) -> (f64, &'static str) {
    match largest {
        1e10.. => (size / 1e9, "G"),
        1e7.. => (size / 1e6, "M"),
        1e5.. => (size / 1e3, "k"),
        _ => (size, ""),
    }
}

fn signed(text: &str, value: f64) -> String {
    if value < 0.0 { format!("−{text}") } else { text.to_owned() }
}

fn trim_zeros(text: String) -> String {
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn thousands(digits: &str) -> String {
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut text = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

fn power_of_ten(exponent: i32) -> String {
    let digits = exponent.to_string();
    let raised = digits.chars().map(|character| match character {
        '-' => '⁻',
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        digit => char::from_u32('⁴' as u32 + digit as u32 - '4' as u32).unwrap_or(digit),
    });
    format!("10{}", raised.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_three_digits() {
        let cases = [
            (0.0, "0"),
            (3.1678, "3.17"),
            (-0.5, "−0.5"),
            (0.00123456, "0.00123"),
            (0.000001, "1.0×10⁻⁶"),
            (1234.5, "1,234"),
            (99999.0, "99,999"),
            (123456.0, "123k"),
            (12_345_678.0, "12.3M"),
            (f64::NAN, "–"),
            (f64::NEG_INFINITY, "−∞"),
        ];
        for (number, text) in cases {
            assert_eq!(value(number), text);
        }
    }

    #[test]
    fn ticks_of_one_axis_have_the_same_digits() {
        let labels = |values: &[f64], step, largest| -> Vec<String> {
            values.iter().map(|value| tick(*value, step, largest)).collect()
        };
        assert_eq!(labels(&[3.0, 3.05, 3.1], 0.05, 3.1), ["3.00", "3.05", "3.10"]);
        assert_eq!(labels(&[-5.0, -0.0, 5.0], 5.0, 5.0), ["−5", "0", "5"]);
        assert_eq!(labels(&[0.0, 500.0, 1000.0], 500.0, 1000.0), ["0", "500", "1,000"]);
        assert_eq!(labels(&[0.0, 50_000.0, 150_000.0], 50_000.0, 150_000.0), ["0", "50k", "150k"]);
        assert_eq!(labels(&[0.1 + 0.2], 0.1, 0.3), ["0.3"]);
    }

    #[test]
    fn log_ticks_become_powers_where_digits_are_many() {
        assert_eq!(
            [1e-6, 1e-3, 0.02, 1.0, 1000.0, 1e12].map(log_tick),
            ["10⁻⁶", "0.001", "0.02", "1", "1,000", "10¹²"]
        );
    }
}
