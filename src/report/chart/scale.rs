//! Numbers to places, and the round numbers to name.

/// A stretch of numbers on a stretch of paper.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Puts `low` at `from` and `high` at `to`; a stretch without length is widened.
    pub(super) fn new((low, high): (f64, f64), from: f64, to: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self { low, high, from, to }
    }

    /// Where a number is; never beyond the ends.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.from + (self.to - self.from) * share
    }
}

/// Round numbers within a stretch, at most `most` of them, with as many decimals as tell them apart.
pub(super) fn ticks(low: f64, high: f64, most: usize) -> Vec<(f64, String)> {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 || most == 0 {
        return Vec::new();
    }
    let mut power = (span / most as f64).log10().floor() as i32;
    let (step, decimals) = 'found: loop {
        for factor in [1.0, 2.0, 5.0] {
            let step = factor * 10f64.powi(power);
            let count = (high / step + 1e-9).floor() - (low / step - 1e-9).ceil() + 1.0;
            if count <= most as f64 {
                break 'found (step, (-power).max(0) as usize);
            }
        }
        power += 1;
    };
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|number| (number as f64 * step, decimal(number as f64 * step, decimals))).collect()
}

/// A number with so many decimals and a true minus.
pub(super) fn decimal(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// A count with its thousands apart: `22,500`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_numbers_are_named() {
        let named =
            |low, high, most| ticks(low, high, most).into_iter().map(|tick| tick.1).collect::<Vec<_>>();
        assert_eq!(named(0.0, 0.68, 4), ["0.0", "0.2", "0.4", "0.6"]);
        assert_eq!(named(0.0, 0.2, 2), ["0.0", "0.2"]);
        assert_eq!(named(-0.031, 0.052, 4), ["−0.02", "0.00", "0.02", "0.04"]);
        assert_eq!(named(0.0, 1.0, 5), ["0.0", "0.5", "1.0"]);
        assert_eq!(named(0.0, 2_000_000.0, 3), ["0", "1000000", "2000000"]);
        assert!(named(1.0, 1.0, 3).is_empty() && named(0.0, f64::NAN, 3).is_empty());
        assert!(ticks(0.0, 1e-300, 3).len() <= 3 && ticks(-1e300, 1e300, 3).len() <= 3);
    }

    #[test]
    fn counts_have_their_thousands_apart() {
        assert_eq!(
            [0, 999, 1_000, 22_500, 1_234_567].map(count),
            ["0", "999", "1,000", "22,500", "1,234,567"]
        );
        assert_eq!(decimal(-0.0001, 2), "0.00");
    }

    #[test]
    fn nothing_lies_beyond_the_ends() {
        let scale = Scale::new((0.0, 2.0), 10.0, 30.0);
        assert_eq!([0.0, 1.0, 5.0, -1.0].map(|value| scale.at(value)), [10.0, 20.0, 30.0, 10.0]);
        assert_eq!(Scale::new((3.0, 3.0), 0.0, 1.0).at(3.0), 0.0);
    }
}
