//! Beside the model: rows are scored and stored, and many failures in a row end the run.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::Settings;
use super::ask::{Answered, Message};
use super::board::Board;
use crate::lamp::Task;
use crate::metrics::Scorer;
use crate::record::{CacheKey, CachedAnswer, EventKind, Prediction, RunId};
use crate::run::scoring::score;
use crate::store::{Store, StoreError};

/// Rows that are stored in one transaction at most, but for those of one message.
const TOGETHER: usize = 512;
/// How long rows wait for others before they are stored: short enough that a kill loses next to nothing, long enough that a
/// fast model does not wait for the disk.
const WAIT: Duration = Duration::from_millis(100);
/// Failed samples that are told as events, beside those that end a run; all are told in their rows.
const TOLD: usize = 20;

/// Scores and stores what comes in.
pub(super) struct Storing<'a> {
    pub store: &'a mut Store,
    pub run: RunId,
    pub task: Task,
    pub settings: Settings,
    pub board: &'a Board<'a>,
}

/// Rows and answers that are stored next.
#[derive(Default)]
struct Next {
    rows: Vec<Prediction>,
    answers: Vec<(CacheKey, CachedAnswer)>,
    /// Failures at the end of `rows` that may yet turn out to be the beginning of too many.
    streak: usize,
}

impl Storing<'_> {
    /// Stores until nothing more comes. Gives why the run cannot go on where too many samples failed in a row; those are not
    /// stored, so that they are tried again.
    pub(super) fn run(self, messages: &Receiver<Message>) -> Result<Option<String>, StoreError> {
        let mut scorer = Scorer::new(self.task, None);
        let mut next = Next::default();
        let mut told = 0;
        let mut saved = Instant::now();
        let mut open = true;
        while open {
            let wait = if next.rows.len() > next.streak { WAIT.saturating_sub(saved.elapsed()) } else { WAIT };
            match messages.recv_timeout(wait) {
                Ok(Message::Event(kind, text)) => self.store_event(kind, &text)?,
                Ok(Message::Rows(rows)) => {
                    for answered in rows {
                        if let Some(reason) = self.add(answered, &mut scorer, &mut next) {
                            return self.give_up(next, reason);
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    open = false;
                    next.streak = 0;
                }
            }
        }
        Ok(None)
    }
}
