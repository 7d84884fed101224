//! Stretches of time and moments as people read them.

use std::time::Duration;

/// A stretch of time as people say it: `40 s`, `12 min`, `3 h 20 min`.
pub fn span(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    match seconds {
        ..1.0 => "less than a second".to_owned(),
        ..90.0 => format!("{seconds:.0} s"),
        ..5_400.0 => format!("{:.0} min", seconds / 60.0),
        ..172_800.0 => {
            let minutes = (seconds / 60.0).round() as u64;
            format!("{} h {} min", minutes / 60, minutes % 60)
        }
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}

/// A stretch of time as a clock shows it.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        3600..360_000 => format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A moment as people write it, in UTC.
pub fn moment(ms: i64) -> String {
    match time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000) {
        Ok(at) => {
            let (date, month) = (at.date(), u8::from(at.month()));
            format!("{:04}-{month:02}-{:02} {:02}:{:02}", date.year(), date.day(), at.hour(), at.minute())
        }
        Err(_) => "\u{2013}".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_at_a_glance() {
        let spans = [0.2, 40.0, 720.0, 12_000.0, 864_000.0].map(span);
        assert_eq!(spans, ["less than a second", "40 s", "12 min", "3 h 20 min", "10.0 days"]);
        assert_eq!(
            [65, 3_700, 864_000].map(|s| clock(Duration::from_secs(s))),
            ["1:05", "1:01:40", "10 days"]
        );
        assert_eq!(moment(1_000_000_000_000), "2001-09-09 01:46");
    }
}
