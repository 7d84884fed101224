//! Dates of profile entries, ordered as the official code orders them.

/// A date as the integers between its dashes.
///
/// Ordered like the official code's lists of integers: part by part, and a date that is a prefix of
/// another (a bare year) comes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryDate {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
}

impl EntryDate {
    /// Reads `YYYY-MM-DD`, `YYYY-MM` or `YYYY`; spaces around it are ignored, a time after the day is not a date.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = super::python_strip(text).split('-');
        let number = |part: &str| -> Option<i64> {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            if digits { part.parse().ok() } else { None }
        };
        let year = number(parts.next()?)?;
        let month = parts.next().map(number);
        let day = parts.next().map(number);
        if parts.next().is_some() || month == Some(None) || day == Some(None) {
            return None;
        }
        Some(Self { year, month: month.flatten(), day: day.flatten() })
    }

    /// The year.
    pub const fn year(&self) -> i64 {
        self.year
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_order_part_by_part_and_a_bare_year_first() {
        let parse = |text| EntryDate::parse(text).unwrap();
        assert!(parse("2012-03-06") < parse("2012-11-01"));
        assert!(parse("2012") < parse("2012-01-01"));
        assert!(parse("2012-12-31") < parse("2013"));
        assert_eq!(parse(" 2009-1-2 "), parse("2009-01-02"));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in
            ["", "-", "2012-", "yesterday", "2012-03-06T10:00", "2012/03/06", "1-2-3-4", "-5", "+2012"]
        {
            assert_eq!(EntryDate::parse(text), None, "{text:?}");
        }
    }
}
