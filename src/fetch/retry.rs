//! How long to wait before asking again.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{Head, Patience};
use crate::jobs::{CancelToken, Canceled};

/// Doubles with each failure up to the longest pause; half of it is random, so that many clients spread out.
pub(super) fn backoff(patience: &Patience, failures: u32) -> Duration {
    let doubled = patience.first_pause.saturating_mul(1 << failures.saturating_sub(1).min(16));
    let most = doubled.min(patience.longest_pause);
    most.mul_f64(0.5 + 0.5 * rand::random::<f64>())
}

/// Waits, unless canceled meanwhile.
pub(super) fn pause(time: Duration, cancel: &CancelToken) -> Result<(), Canceled> {
    let end = Instant::now() + time;
    loop {
        cancel.check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(20)));
    }
}

/// `Retry-After`, in seconds or as a date (RFC 9110, section 10.2.3).
pub(super) fn wait_asked_for(head: &Head) -> Option<Duration> {
    let text = head.retry_after.as_deref()?.trim();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    seconds_asked_for(text, now).map(Duration::from_secs)
}

fn seconds_asked_for(text: &str, now: u64) -> Option<u64> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    Some(seconds_since_1970(text)?.saturating_sub(now))
}

/// Reads `Wed, 21 Oct 2015 07:28:00 GMT`, the form of dates that HTTP servers must send (RFC 9110, section 5.6.7).
fn seconds_since_1970(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words[..] else { return None };
    let (day, year) = (day.parse::<u64>().ok()?, year.parse::<u64>().ok()?);
    let month = MONTHS.iter().position(|name| *name == month)? as u64;
    let clock = time.split(':').map(|part| part.parse::<u64>().ok()).collect::<Option<Vec<_>>>()?;
    let [hour, minute, second] = clock[..] else { return None };
    if !(1970..10_000).contains(&year) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60
    {
        return None;
    }
    // Years begin in March here, so that a leap day is a year's last.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?; // from March of the year 0 to January 1970
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_retry_after_are_read() {
        assert_eq!(seconds_asked_for("7", 0), Some(7));
        assert_eq!(seconds_asked_for("Wed, 21 Oct 2015 07:28:00 GMT", 1_445_412_470), Some(10));
        assert_eq!(seconds_asked_for("Wed, 21 Oct 2015 07:28:00 GMT", 1_545_412_470), Some(0));
        assert_eq!(seconds_asked_for("Thu, 01 Jan 1970 00:00:09 GMT", 0), Some(9));
        assert_eq!(seconds_asked_for("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799 - 1), Some(1));
        assert_eq!(seconds_asked_for("Wed, 99 Oct 2015 07:28:00 GMT", 0), None);
        assert_eq!(seconds_asked_for("soon", 0), None);
        assert_eq!(seconds_asked_for("-1", 0), None);
    }

    #[test]
    fn pauses_grow_and_are_capped() {
        let patience = Patience { longest_pause: Duration::from_secs(10), ..Patience::default() };
        for failures in 1..60 {
            let most = Duration::from_secs(1 << (failures - 1).min(10)).min(patience.longest_pause);
            let pause = backoff(&patience, failures);
            assert!(pause <= most && pause >= most / 2, "{failures}: {pause:?}");
        }
    }

    #[test]
    fn a_pause_ends_when_canceled() {
        let cancel = CancelToken::new();
        cancel.cancel();
        assert_eq!(pause(Duration::from_secs(3600), &cancel), Err(Canceled));
    }
}
