//! What a run shows while it is at work: counts, rates and figures so far.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Cost, EndpointProgress, Phase, RunProgress};
use crate::jobs::Latest;
use crate::lamp::{Metric, Task};
use crate::metrics::LiveFigures;
use crate::model::Traffic;
use crate::record::{Prediction, RunId};

/// The stretch of time over which rates are taken: long enough to hold batches of long and of short prompts.
const RECENT: Duration = Duration::from_secs(30);
/// Rates are taken at points at least so far apart.
const APART: Duration = Duration::from_millis(200);

/// Gathers from the threads of a run what the slot then shows.
pub(in crate::run) struct Board<'a> {
    latest: &'a Latest<RunProgress>,
    inner: Mutex<Inner>,
}

struct Inner {
    progress: RunProgress,
    figures: LiveFigures,
    metrics: &'static [Metric],
    new_tokens: u64,
    /// Tokens read and written for answers that the model gave for this run, before and since.
    asked_tokens: (u64, u64),
    /// When how many samples and tokens were there, the oldest first.
    points: VecDeque<(Instant, u64, u64)>,
    /// Time at work since it was last asked for.
    worked: Duration,
    /// Since when it is at work; `None` while it rests.
    since: Option<Instant>,
}

impl<'a> Board<'a> {
    /// For a run that is to answer `total` samples.
    pub(in crate::run) fn new(latest: &'a Latest<RunProgress>, run: RunId, task: Task, total: u64) -> Self {
        let progress = RunProgress {
            run,
            phase: Phase::Loading,
            total,
            done: 0,
            failed: 0,
            cached: 0,
            samples_per_s: 0.0,
            new_tokens_per_s: 0.0,
            eta: None,
            live: Vec::new(),
            endpoint: None,
        };
        latest.set(progress.clone());
        let inner = Inner {
            progress,
            figures: LiveFigures::new(task),
            metrics: task.metrics(),
            new_tokens: 0,
            asked_tokens: (0, 0),
            points: VecDeque::new(),
            worked: Duration::ZERO,
            since: Some(Instant::now()),
        };
        Self { latest, inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a row that was stored before this executor began.
    pub(in crate::run) fn add_earlier(&self, row: &Prediction) {
        self.inner().count(row);
    }

    /// Counts rows that were just stored.
    pub(in crate::run) fn add(&self, rows: &[Prediction]) {
        let mut inner = self.inner();
        for row in rows {
            inner.count(row);
            if !row.cached {
                inner.new_tokens += u64::from(row.new_tokens);
            }
        }
        inner.measure(Instant::now());
        self.show(&mut inner);
    }

    /// Says what is being done now. While it rests, no time counts.
    pub(in crate::run) fn set_phase(&self, phase: Phase) {
        let mut inner = self.inner();
        let now = Instant::now();
        match (inner.since, phase) {
            (Some(since), Phase::Paused) => {
                inner.worked += now - since;
                inner.since = None;
            }
            (None, phase) if phase != Phase::Paused => {
                inner.since = Some(now);
                inner.points.clear();
            }
            _ => {}
        }
        if phase == Phase::Answering && inner.points.is_empty() {
            inner.measure(now);
        }
        inner.progress.phase = phase;
        self.show(&mut inner);
    }

    /// Shows the requests under way to an endpoint, and what the run has cost.
    pub(super) fn set_traffic(&self, traffic: &Traffic, cost: Option<Cost>) {
        let mut inner = self.inner();
        let (prompt_tokens, new_tokens) = inner.asked_tokens;
        let traffic = traffic.clone();
        inner.progress.endpoint = Some(EndpointProgress { traffic, cost, prompt_tokens, new_tokens });
        self.show(&mut inner);
    }

    /// The time at work since this was last asked, in whole milliseconds; what is left of one counts next time.
    pub(super) fn take_worked_ms(&self) -> u64 {
        let mut inner = self.inner();
        if let Some(since) = inner.since {
            let now = Instant::now();
            inner.worked += now - since;
            inner.since = Some(now);
        }
        let ms = inner.worked.as_millis() as u64;
        inner.worked -= Duration::from_millis(ms);
        ms
    }

    fn show(&self, inner: &mut Inner) {
        let figure = |&metric: &Metric| Some((metric, inner.figures.figure(metric)?));
        inner.progress.live = inner.metrics.iter().filter_map(figure).collect();
        self.latest.set(inner.progress.clone());
    }
}

impl Inner {
    fn count(&mut self, row: &Prediction) {
        self.progress.done += 1;
        self.progress.failed += u64::from(row.error.is_some());
        self.progress.cached += u64::from(row.cached);
        if !row.cached {
            self.asked_tokens.0 += u64::from(row.prompt_tokens);
            self.asked_tokens.1 += u64::from(row.new_tokens);
        }
        if let Some(score) = &row.score {
            self.figures.add(score);
        }
    }

    /// Takes the rates over the recent past, by a clock that never goes back.
    fn measure(&mut self, now: Instant) {
        let here = (now, self.progress.done, self.new_tokens);
        if self.points.back().is_none_or(|(at, ..)| now - *at >= APART) {
            self.points.push_back(here);
        }
        while self.points.get(1).is_some_and(|(at, ..)| now - *at >= RECENT) {
            self.points.pop_front();
        }
        let Some(&(at, done, tokens)) = self.points.front() else { return };
        let seconds = (now - at).as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let progress = &mut self.progress;
        progress.samples_per_s = (progress.done - done) as f64 / seconds;
        progress.new_tokens_per_s = (self.new_tokens - tokens) as f64 / seconds;
        let left = progress.total.saturating_sub(progress.done) as f64;
        progress.eta = Duration::try_from_secs_f64(left / progress.samples_per_s).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(latest: &Latest<RunProgress>) -> Board<'_> {
        Board::new(latest, RunId(1), Task::Lamp4, 1000)
    }

    #[test]
    fn rates_are_of_the_recent_past_and_tell_the_rest() {
        let latest = Latest::new();
        let board = board(&latest);
        let mut inner = board.inner();
        let start = Instant::now();
        // Ten a second for a minute, then twenty.
        for tenth in 0..1200u32 {
            let added = if tenth < 600 { 1 } else { 2 };
            inner.progress.done += added;
            inner.new_tokens += 5 * added;
            inner.progress.total = inner.progress.done + 400;
            inner.measure(start + Duration::from_millis(100) * tenth);
        }
        let progress = &inner.progress;
        assert!((progress.samples_per_s - 20.0).abs() < 0.3, "{progress:?}");
        assert!((progress.new_tokens_per_s - 100.0).abs() < 1.5, "{progress:?}");
        assert!((progress.eta.unwrap().as_secs_f64() - 20.0).abs() < 0.5, "{progress:?}");
        assert!(inner.points.len() < 200);
    }

    #[test]
    fn without_work_there_is_no_rate() {
        let latest = Latest::new();
        let board = board(&latest);
        board.set_phase(Phase::Answering);
        board.inner().measure(Instant::now() + Duration::from_secs(1));
        assert_eq!(board.inner().progress.eta, None);
        assert_eq!(latest.get().unwrap().phase, Phase::Answering);
    }

    #[test]
    fn rest_is_no_work() {
        let latest = Latest::new();
        let board = board(&latest);
        board.set_phase(Phase::Paused);
        board.take_worked_ms();
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(board.take_worked_ms(), 0);
        board.set_phase(Phase::Answering);
        std::thread::sleep(Duration::from_millis(30));
        assert!(board.take_worked_ms() >= 30);
    }
}
