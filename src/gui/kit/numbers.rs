//! Counts and sizes as people read them.

use std::fmt::Display;

/// A whole number with its thousands apart: `12,345`.
pub fn count(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with what is counted.
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A size in bytes, to two figures or more.
pub fn bytes(bytes: u64) -> String {
    let (scale, unit) = match bytes {
        0..1_000 => return format!("{bytes} B"),
        1_000..1_000_000 => (1e3, "kB"),
        1_000_000..1_000_000_000 => (1e6, "MB"),
        _ => (1e9, "GB"),
    };
    let size = bytes as f64 / scale;
    match size < 9.95 || unit == "GB" {
        true => format!("{size:.1} {unit}"),
        false => format!("{size:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!([0, 12, 999, 1000, 1_234_567].map(count), ["0", "12", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [1, 2000].map(|number| counted(number, "record", "records")),
            ["1 record", "2,000 records"]
        );
        let sizes = [412, 6_400, 9_960, 412_000_000, 12_345_000_000].map(bytes);
        assert_eq!(sizes, ["412 B", "6.4 kB", "10 kB", "412 MB", "12.3 GB"]);
    }
}
