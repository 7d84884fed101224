//! Beside the model: rows are scored and stored, and many failures in a row end the run.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::Settings;
use super::ask::{Answered, Message};
use super::board::Board;
use crate::lamp::Task;
use crate::metrics::{Parsing, Scorer};
use crate::record::{CacheKey, CachedAnswer, EventKind, Prediction, RunId};
use crate::run::scoring::score;
use crate::store::{Store, StoreError};

/// Rows that are stored in one transaction at most, but for those of one message.
const TOGETHER: usize = 512;
/// How long rows wait for others before they are stored: short enough that a kill loses next to nothing, long enough that a
/// fast model does not wait for the disk.
pub(super) const WAIT: Duration = Duration::from_millis(100);
/// The longest that rows wait while others come on and on.
const LONGEST: Duration = Duration::from_millis(20);
/// Failed samples that are told as events, beside those that end a run; all are told in their rows.
const TOLD: usize = 20;

/// Scores and stores what comes in.
pub(super) struct Storing<'a> {
    pub store: &'a mut Store,
    pub run: RunId,
    pub task: Task,
    /// How raw text becomes an answer.
    pub parsing: Parsing,
    pub settings: Settings,
    /// How long rows wait for others; not at all where each has its price.
    pub wait: Duration,
    pub board: &'a Board<'a>,
}

/// Rows and answers that are stored next.
#[derive(Default)]
struct Next {
    rows: Vec<Prediction>,
    answers: Vec<(CacheKey, CachedAnswer)>,
    /// Since when the first row waits.
    since: Option<Instant>,
    /// Failures that nothing but failures came after: what ends a run if they grow too many.
    held: Vec<Prediction>,
    /// Failures told as events.
    told: usize,
}

impl Storing<'_> {
    /// Stores until nothing more comes. Gives why the run cannot go on where too many samples failed in a row; those are not
    /// stored, so that they are tried again.
    pub(super) fn run(mut self, messages: &Receiver<Message>) -> Result<Option<String>, StoreError> {
        let mut scorer = Scorer::new(self.task, None).reading(self.parsing);
        let mut next = Next::default();
        loop {
            let wait = next.since.map_or(WAIT, |since| self.wait.saturating_sub(since.elapsed()));
            let message = messages.recv_timeout(wait);
            let idle = matches!(message, Err(RecvTimeoutError::Timeout));
            match message {
                Ok(Message::Event(kind, text)) => self.store.log(Some(self.run), kind, &text)?,
                Ok(Message::Rows(rows)) => {
                    for mut answered in rows {
                        score(&mut scorer, &mut answered.row);
                        if self.add(answered, &mut next) {
                            return self.give_up(next).map(Some);
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    next.rows.append(&mut next.held);
                    self.save(&mut next)?;
                    return Ok(None);
                }
            }
            // Where rows wait for none, those that come while others are stored are stored together.
            let longest = if idle { self.wait } else { self.wait.max(LONGEST) };
            let due = next.since.is_some_and(|since| since.elapsed() >= longest);
            if due || next.rows.len() >= TOGETHER {
                self.save(&mut next)?;
            }
        }
    }

    /// Adds a row to what is stored next. Gives whether too many have failed in a row.
    fn add(&self, answered: Answered, next: &mut Next) -> bool {
        let Answered { row, keep } = answered;
        next.answers.extend(keep);
        if row.error.is_some() && self.settings.max_failures_in_a_row > 0 {
            next.held.push(row);
            return next.held.len() >= self.settings.max_failures_in_a_row;
        }
        next.since.get_or_insert_with(Instant::now);
        next.rows.append(&mut next.held);
        next.rows.push(row);
        false
    }

    fn save(&mut self, next: &mut Next) -> Result<(), StoreError> {
        next.since = None;
        if next.rows.is_empty() && next.answers.is_empty() {
            return Ok(());
        }
        self.store.save(self.run, &next.rows, &next.answers, self.board.take_worked_ms())?;
        self.board.add(&next.rows);
        for row in next.rows.iter().filter(|row| row.error.is_some()) {
            if next.told < TOLD {
                next.told += 1;
                self.tell(row)?;
            }
        }
        next.rows.clear();
        next.answers.clear();
        Ok(())
    }

    /// Stores what is to be stored, and tells of the failures that are not.
    fn give_up(&mut self, mut next: Next) -> Result<String, StoreError> {
        self.save(&mut next)?;
        for row in next.held.iter().take(TOLD) {
            self.tell(row)?;
        }
        let count = next.held.len();
        let last = next.held.pop().and_then(|row| row.error).unwrap_or_default();
        Ok(format!("{count} samples failed one after the other, the last one because {last}"))
    }

    fn tell(&mut self, row: &Prediction) -> Result<(), StoreError> {
        let error = row.error.as_deref().unwrap_or_default();
        self.store.log(Some(self.run), EventKind::Failure, &format!("Sample {}: {error}", row.sample_id))
    }
}
