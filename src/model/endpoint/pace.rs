//! How many requests are under way, and what follows a failure. Pure: it is told the time, and sends nothing.
//!
//! The number begins small and grows with each answer until the server wants fewer, then more slowly: what congested networks do.
//! When nothing but failures comes, a circuit breaker holds everything back and lets one request at a time find out whether the
//! server is there again, so that an outage costs no samples. All times are since one beginning.

use std::time::Duration;

#[cfg(test)]
mod tests;

/// Failures without an answer between them after which requests are held back.
const BREAK_AFTER: u32 = 10;
/// Requests under way at the beginning.
const FIRST: f64 = 8.0;
/// The wait before a request is tried again for the first time; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(400);
/// The longest of those waits, and of those between two looks at a server that is not there.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The first wait before a look at a server that is not there.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// What of the requests under way is left when the server wants fewer.
const FEWER: f64 = 0.6;

/// What is allowed at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limits {
    pub concurrency: usize,
    pub requests_per_minute: Option<u32>,
    pub tokens_per_minute: Option<u32>,
    /// Without an answer for so long, the work is given up.
    pub give_up_after: Duration,
}

/// Whether a request may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It may.
    Now,
    /// Not before then.
    At(Duration),
    /// Not before another one has come back.
    Later,
}

/// So much a minute, of which a second's share may go at once.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    per_second: f64,
    most: f64,
    level: f64,
    at: Duration,
}

impl Bucket {
    fn new(per_minute: u32) -> Self {
        let per_second = f64::from(per_minute) / 60.0;
        let most = per_second.max(1.0);
        Self { per_second, most, level: most, at: Duration::ZERO }
    }

    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.level = (self.level + passed * self.per_second).min(self.most);
        self.at = now;
    }

    /// When so much may go; what is more than a second's share goes when that is there, and leaves a debt.
    fn ready(&mut self, now: Duration, amount: f64) -> Duration {
        self.fill(now);
        let lacking = amount.min(self.most) - self.level;
        if lacking <= 1e-9 {
            return now;
        }
        now + Duration::from_secs_f64((lacking / self.per_second).min(86_400.0)) + Duration::from_micros(1)
    }
}

/// Requests are held back until `until`; then one may look.
#[derive(Debug, Clone, Copy)]
struct Break {
    until: Duration,
    pause: Duration,
    looking: bool,
}

/// The pace of one endpoint's requests.
#[derive(Debug)]
pub(super) struct Pace {
    limits: Limits,
    allowed: f64,
    /// Whether the server never wanted fewer yet.
    growing: bool,
    under_way: usize,
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
    /// The server asked for silence until then.
    silent_until: Duration,
    fewer_at: Option<Duration>,
    /// Bursts of refusals without an answer between them.
    refusals: u32,
    failures: u32,
    /// When the first failure came that no answer came after.
    failing_since: Option<Duration>,
    broken: Option<Break>,
    answers: u64,
}

impl Pace {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            allowed: FIRST.min(limits.concurrency as f64),
            growing: true,
            under_way: 0,
            requests: limits.requests_per_minute.map(Bucket::new),
            tokens: limits.tokens_per_minute.map(Bucket::new),
            silent_until: Duration::ZERO,
            fewer_at: None,
            refusals: 0,
            failures: 0,
            failing_since: None,
            broken: None,
            answers: 0,
        }
    }

    /// Whether a request of about so many tokens may go.
    pub(super) fn turn(&mut self, now: Duration, tokens: usize) -> Turn {
        if now < self.silent_until {
            return Turn::At(self.silent_until);
        }
        match self.broken {
            Some(Break { looking: true, .. }) => return Turn::Later,
            Some(Break { until, .. }) if now < until => return Turn::At(until),
            Some(_) => {}
            None if self.under_way >= self.allowed as usize => return Turn::Later,
            None => {}
        }
        let requests = self.requests.as_mut().map_or(now, |bucket| bucket.ready(now, 1.0));
        let tokens = self.tokens.as_mut().map_or(now, |bucket| bucket.ready(now, tokens as f64));
        let ready = requests.max(tokens);
        if ready > now { Turn::At(ready) } else { Turn::Now }
    }

    /// A request of about so many tokens goes.
    pub(super) fn sent(&mut self, now: Duration, tokens: usize) {
        self.under_way += 1;
        for (bucket, amount) in [(&mut self.requests, 1.0), (&mut self.tokens, tokens as f64)] {
            if let Some(bucket) = bucket {
                bucket.fill(now);
                bucket.level -= amount;
            }
        }
        if let Some(broken) = &mut self.broken {
            broken.looking = true;
        }
    }

    /// A request came back with an answer. `spare` is how many tokens fewer it took than was thought.
    pub(super) fn answered(&mut self, now: Duration, spare: isize) {
        self.heard();
        self.answers += 1;
        if let Some(tokens) = &mut self.tokens {
            tokens.fill(now);
            tokens.level = (tokens.level + spare as f64).min(tokens.most);
        }
        let step = if self.growing { 1.0 } else { 1.0 / self.allowed };
        self.allowed = (self.allowed + step).min(self.limits.concurrency as f64);
    }

    /// A request came back with an error that is the prompt's own: the server is there.
    pub(super) fn heard(&mut self) {
        self.under_way -= 1;
        self.failures = 0;
        self.refusals = 0;
        self.failing_since = None;
        self.broken = None;
    }

    /// The server wants fewer requests than went at `sent`, and silence for so long.
    pub(super) fn limited(&mut self, now: Duration, sent: Duration, wait: Option<Duration>) {
        self.under_way -= 1;
        self.failing_since.get_or_insert(now);
        let burst = self.fewer(now, sent);
        self.refusals += u32::from(burst);
        // One that does not say for how long, and refuses again when it is asked more slowly, is not asked on and on either.
        let again = burst && self.refusals > 1;
        let wait = wait.or_else(|| again.then(|| backoff(self.refusals - 1, 1.0)));
        self.silent_until = self.silent_until.max(now + wait.unwrap_or_default());
        // A server that limits is there; only it decides when.
        if let Some(broken) = &mut self.broken {
            broken.looking = false;
            broken.until = now + broken.pause;
        }
    }

    /// A request that went at `sent` came back without an answer.
    pub(super) fn failed(&mut self, now: Duration, sent: Duration, overloaded: bool, wait: Option<Duration>) {
        self.under_way -= 1;
        self.failures += 1;
        self.failing_since.get_or_insert(now);
        if let Some(wait) = wait {
            self.silent_until = self.silent_until.max(now + wait);
        }
        if overloaded {
            self.fewer(now, sent);
        }
        match &mut self.broken {
            Some(broken) if broken.looking && sent >= broken.until => {
                broken.pause = (broken.pause * 2).min(LONGEST_PAUSE);
                broken.until = now + broken.pause;
                broken.looking = false;
            }
            Some(_) => {} // one that went before
            None if self.failures >= BREAK_AFTER => {
                self.broken = Some(Break { until: now + FIRST_LOOK, pause: FIRST_LOOK, looking: false });
            }
            None => {}
        }
    }

    /// Fewer at once, once for all that were under way together; gives whether this is the first of them.
    fn fewer(&mut self, now: Duration, sent: Duration) -> bool {
        let new = self.fewer_at.is_none_or(|at| sent >= at);
        if new {
            self.allowed = (self.allowed * FEWER).max(1.0);
            self.fewer_at = Some(now);
            self.growing = false;
        }
        new
    }

    /// For how long there was no answer, where that is too long, or is going to be.
    pub(super) fn given_up(&self, now: Duration) -> Option<Duration> {
        let since = self.failing_since?;
        let without = now.max(self.silent_until).saturating_sub(since);
        (without >= self.limits.give_up_after).then(|| now.saturating_sub(since))
    }

    /// Until when all is held back, if it is.
    pub(super) fn held_until(&self, now: Duration) -> Option<Duration> {
        let broken = self.broken.map(|broken| broken.until.max(now));
        broken.or_else(|| (self.silent_until > now).then_some(self.silent_until))
    }

    /// Whether the breaker holds all back.
    pub(super) const fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    pub(super) const fn answers(&self) -> u64 {
        self.answers
    }

    pub(super) const fn under_way(&self) -> usize {
        self.under_way
    }

    pub(super) const fn allowed(&self) -> usize {
        self.allowed as usize
    }

    /// Forgets the requests under way: they were dropped.
    pub(super) const fn dropped(&mut self) {
        self.under_way = 0;
        if let Some(broken) = &mut self.broken {
            broken.looking = false;
        }
    }
}

/// How long a request waits before it is tried again, the number-th time from 1; `chance` is from 0 to 1.
pub(super) fn backoff(number: u32, chance: f64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << number.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
    doubled.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
}
