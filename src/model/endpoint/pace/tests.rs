use super::*;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn limits(concurrency: usize) -> Limits {
    Limits { concurrency, requests_per_minute: None, tokens_per_minute: None, give_up_after: s(300) }
}

/// Sends as many as may go at a moment.
fn fill(pace: &mut Pace, now: Duration) -> usize {
    let mut sent = 0;
    while pace.turn(now, 10) == Turn::Now {
        pace.sent(now, 10);
        sent += 1;
        assert!(sent < 100_000);
    }
    sent
}

#[test]
fn requests_grow_to_the_limit_and_never_beyond() {
    let mut pace = Pace::new(limits(50));
    let mut now = Duration::ZERO;
    let mut most = 0;
    assert_eq!(fill(&mut pace, now), 8);
    for _ in 0..1000 {
        now += ms(1);
        pace.answered(now, 0);
        fill(&mut pace, now);
        most = most.max(pace.under_way());
    }
    assert_eq!((most, pace.allowed()), (50, 50));
    assert_eq!(fill(&mut Pace::new(limits(3)), now), 3);
}

#[test]
fn one_burst_of_refusals_is_one_step_back() {
    let mut pace = Pace::new(limits(100));
    let mut now = Duration::ZERO;
    fill(&mut pace, now);
    while pace.allowed() < 100 {
        now += ms(1);
        pace.answered(now, 0);
        fill(&mut pace, now);
    }
    let sent = now;
    for _ in 0..40 {
        now += ms(1);
        pace.limited(now, sent, None);
    }
    assert_eq!(pace.allowed(), 60);
    // Those sent afterwards are another burst.
    pace.limited(now + ms(1), now, None);
    assert_eq!(pace.allowed(), 36);
    // From there it grows by about one for as many answers as are allowed.
    for _ in 0..36 {
        pace.answered(now, 0);
        pace.sent(now, 0);
    }
    assert!((36..=37).contains(&pace.allowed()), "{}", pace.allowed());
}

#[test]
fn a_server_that_asks_for_silence_gets_it() {
    let mut pace = Pace::new(limits(10));
    pace.sent(s(0), 0);
    pace.sent(s(0), 0);
    pace.limited(s(1), s(0), Some(s(7)));
    assert_eq!(pace.turn(s(2), 0), Turn::At(s(8)));
    // A shorter wish does not end a longer one.
    pace.limited(s(2), s(0), Some(s(1)));
    assert_eq!(pace.turn(ms(7999), 0), Turn::At(s(8)));
    assert_eq!(pace.turn(s(8), 0), Turn::Now);
    // A silence beyond all patience is known at once.
    pace.sent(s(8), 0);
    pace.limited(s(9), s(8), Some(s(3600)));
    assert_eq!(pace.given_up(s(9)), Some(s(8)));
}

#[test]
fn a_server_that_only_refuses_is_asked_ever_more_seldom() {
    let mut pace = Pace::new(limits(10));
    let (mut now, mut waits) = (s(0), Vec::new());
    for _ in 0..9 {
        assert_eq!(pace.turn(now, 0), Turn::Now);
        pace.sent(now, 0);
        pace.limited(now, now, None);
        let at = match pace.turn(now, 0) {
            Turn::At(at) => at,
            Turn::Now | Turn::Later => now,
        };
        waits.push((at - now).as_millis());
        now = at;
    }
    assert_eq!(waits, [0, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000]);
    assert!(!pace.is_broken());
}

#[test]
fn what_a_minute_allows_is_kept() {
    for (per_minute, seconds) in [(60, 30), (600, 10), (6, 100)] {
        let mut pace = Pace::new(Limits { requests_per_minute: Some(per_minute), ..limits(1000) });
        let mut sent = 0;
        let mut now = Duration::ZERO;
        while now < s(seconds) {
            match pace.turn(now, 0) {
                Turn::Now => {
                    pace.sent(now, 0);
                    pace.answered(now, 0);
                    sent += 1;
                }
                Turn::At(at) => {
                    assert!(at > now);
                    now = at;
                }
                Turn::Later => panic!("nothing is under way"),
            }
        }
        let allowed = f64::from(per_minute) / 60.0 * seconds as f64;
        let burst = (f64::from(per_minute) / 60.0).max(1.0);
        assert!(
            sent as f64 <= allowed + burst + 1e-6 && sent as f64 >= allowed * 0.95,
            "{per_minute}: {sent}"
        );
    }
}

#[test]
fn tokens_are_counted_as_they_were_when_the_answer_is_there() {
    let mut pace = Pace::new(Limits { tokens_per_minute: Some(6000), ..limits(1000) });
    // A hundred a second: the first takes ten seconds' worth, since nothing says that one request must be small.
    assert_eq!(pace.turn(s(0), 1000), Turn::Now);
    pace.sent(s(0), 1000);
    let Turn::At(at) = pace.turn(s(0), 100) else { panic!() };
    assert!((at.as_secs_f64() - 10.0).abs() < 0.01, "{at:?}");
    // It took a hundred only.
    pace.answered(s(0), 900);
    let Turn::At(at) = pace.turn(s(0), 100) else { panic!() };
    assert!((at.as_secs_f64() - 1.0).abs() < 0.01, "{at:?}");
}

#[test]
fn an_outage_holds_all_back_and_one_at_a_time_looks() {
    let mut pace = Pace::new(limits(64));
    assert_eq!(fill(&mut pace, s(0)), 8);
    for _ in 0..8 {
        pace.answered(s(1), 0);
    }
    let sent = fill(&mut pace, s(1));
    assert_eq!(sent, 16);
    for _ in 0..sent {
        pace.failed(s(2), s(1), false, None);
    }
    assert!(pace.is_broken() && pace.under_way() == 0);
    assert_eq!(pace.held_until(s(2)), Some(s(3)));
    assert_eq!(pace.turn(s(2), 0), Turn::At(s(3)));
    // Each look that fails doubles the wait.
    let mut now = s(3);
    for wait in [2, 4, 8, 16, 30, 30] {
        assert_eq!(pace.turn(now, 0), Turn::Now);
        pace.sent(now, 0);
        assert_eq!(pace.turn(now, 0), Turn::Later);
        pace.failed(now, now, false, None);
        assert_eq!(pace.turn(now, 0), Turn::At(now + s(wait)));
        now += s(wait);
    }
    assert_eq!(pace.given_up(now), None);
    assert_eq!(pace.given_up(s(302)), Some(s(300)));
    // One answer, and all may go again.
    pace.sent(now, 0);
    pace.answered(now, 0);
    assert!(!pace.is_broken() && pace.given_up(s(1000)).is_none());
    assert!(fill(&mut pace, now) >= 16);
}

#[test]
fn stragglers_of_an_outage_do_not_prolong_it() {
    let mut pace = Pace::new(limits(64));
    for _ in 0..20 {
        pace.sent(s(0), 0);
    }
    for second in 1..=20 {
        pace.failed(s(second), s(0), false, None);
    }
    // The tenth opened it at 10 s; the ten after it were under way before.
    assert_eq!(pace.turn(s(20), 0), Turn::Now);
}

#[test]
fn failures_among_answers_break_nothing() {
    let mut pace = Pace::new(limits(64));
    for round in 0..200 {
        for _ in 0..BREAK_AFTER - 1 {
            pace.sent(s(round), 0);
            pace.failed(s(round), s(round), false, None);
        }
        pace.sent(s(round), 0);
        pace.answered(s(round), 0);
        assert!(!pace.is_broken());
    }
    // A prompt that the server does not take shows that it is there.
    for _ in 0..BREAK_AFTER {
        pace.sent(s(201), 0);
        pace.failed(s(201), s(201), false, None);
    }
    assert!(pace.is_broken());
    pace.sent(s(203), 0);
    pace.heard();
    assert!(!pace.is_broken());
}

#[test]
fn waits_double_up_to_a_limit_and_differ_by_chance() {
    assert_eq!(backoff(1, 1.0), ms(400));
    assert_eq!(backoff(1, 0.0), ms(200));
    assert_eq!(backoff(3, 1.0), ms(1600));
    assert_eq!(backoff(40, 1.0), s(30));
    assert!(backoff(2, 0.3) < backoff(2, 0.7));
}
