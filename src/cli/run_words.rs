//! Runs in words: what `list` and `show` share.

use time::OffsetDateTime;

use crate::metrics::Figure;
use crate::record::{RunRecord, RunStatus};
use crate::store::Reader;

/// Where a run stands now: one that was begun and on which no program works was broken off.
pub(super) fn status_now(reader: &Reader, run: &RunRecord) -> RunStatus {
    match run.status {
        RunStatus::Running if !reader.is_claimed(run) => RunStatus::Interrupted,
        status => status,
    }
}

/// A moment as people write it, in UTC.
pub(super) fn moment(ms: i64) -> String {
    match OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000) {
        Ok(at) => {
            let (date, month) = (at.date(), u8::from(at.month()));
            format!("{:04}-{month:02}-{:02} {:02}:{:02}", date.year(), date.day(), at.hour(), at.minute())
        }
        Err(_) => "–".to_owned(), // a clock that was wrong by ages
    }
}

/// A length of time in its two largest units.
pub(super) fn duration(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0 => format!("{ms} ms"),
        1..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => format!("{} h {} min", s / 3600, s / 60 % 60),
    }
}

/// A figure with its interval: `0.4312 [0.41, 0.45]`.
pub(super) fn figure(figure: &Figure) -> String {
    match figure.interval {
        Some(interval) => format!("{:.4} [{:.4}, {:.4}]", figure.value, interval.low, interval.high),
        None => format!("{:.4}", figure.value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_durations_are_short() {
        assert_eq!(moment(0), "1970-01-01 00:00");
        assert_eq!(moment(1_795_406_399_999), "2026-11-23 03:59");
        assert_eq!(moment(-1), "1969-12-31 23:59");
        assert_eq!(moment(i64::MAX), "–");
        assert_eq!([5, 1000, 61_000, 7_260_000].map(duration), ["5 ms", "1 s", "1 min 1 s", "2 h 1 min"]);
    }
}
