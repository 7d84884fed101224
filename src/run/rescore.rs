//! Stored raw texts to answers, scores and figures anew, without asking any model.

use std::ops::ControlFlow;

use serde::Serialize;

use super::RunError;
use super::scoring::{finish, score};
use crate::jobs::{CancelToken, Progress};
use crate::metrics::{Aggregate, MeteorStages, SampleScore, Scorer, WordNet};
use crate::record::{EventKind, Prediction, RunId, RunRecord};
use crate::store::Store;

/// Rows that are changed in one transaction.
const TOGETHER: usize = 1024;

/// What scoring anew changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rescored {
    /// The run.
    pub run: RunId,
    /// Rows whose raw text was read again.
    pub rows: u64,
    /// Of them, those that now have another answer, or are of the task's kind now or no more.
    pub answers_changed: u64,
    /// Of them, those that now have another score.
    pub scores_changed: u64,
    /// Stored as failed; they have no answer to be scored.
    pub failed: u64,
    /// The figures before; `None` where there were none.
    pub before: Option<Aggregate>,
    /// The figures now; `None` of a run that is not done.
    pub after: Option<Aggregate>,
}

/// One row to be changed: its position, and its answer, whether that is of the task's kind, and its score.
type Change = (u32, String, bool, Option<SampleScore>);

/// Parses and scores the raw texts of a run again. With WordNet METEOR compares synonyms, too. Canceled, it leaves what is
/// changed so far, and doing it again completes it.
///
/// # Errors
/// Where a program works on the run, the store cannot be written, or the work is canceled; with WordNet also a run that is not
/// done, since what is still to be answered will be scored without it.
pub fn rescore(
    store: &mut Store,
    run: &RunRecord,
    wordnet: Option<&WordNet>,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Rescored, RunError> {
    let _claim = store.claim(run)?;
    if wordnet.is_some() && run.totals.done < run.samples {
        return Err(RunError::NotDone { run: run.short_key().to_owned() });
    }
    rescore_claimed(store, run, wordnet, cancel, progress)
}

/// [`rescore`] of a run that this program has claimed.
pub(super) fn rescore_claimed(
    store: &mut Store,
    run: &RunRecord,
    wordnet: Option<&WordNet>,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Rescored, RunError> {
    let mut scorer = Scorer::new(run.spec.dataset.task, wordnet);
    let mut rescored = Rescored {
        run: run.id,
        rows: 0,
        answers_changed: 0,
        scores_changed: 0,
        failed: 0,
        before: run.aggregate.clone(),
        after: None,
    };
    progress.start("Scoring", run.totals.done);
    let reader = store.reader()?;
    let mut changes: Vec<Change> = Vec::new();
    let mut ended: Result<(), RunError> = Ok(());
    reader.predictions(run.id, false, &mut |row| {
        progress.add(1);
        changes.extend(anew(&mut rescored, &mut scorer, run, row));
        if let Err(canceled) = cancel.check() {
            ended = Err(canceled.into());
        } else if changes.len() >= TOGETHER {
            ended = store.rescore(run.id, &changes).map_err(RunError::from);
            changes.clear();
        }
        if ended.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    ended?;
    if !changes.is_empty() {
        store.rescore(run.id, &changes)?;
    }
    if run.totals.done >= run.samples {
        rescored.after = Some(finish(store, run, MeteorStages::with(wordnet))?);
    }
    let Rescored { rows, answers_changed, scores_changed, .. } = rescored;
    let text = format!(
        "{rows} answers were scored anew: {answers_changed} answers and {scores_changed} scores changed"
    );
    store.log(Some(run.id), EventKind::Store, &text)?;
    Ok(rescored)
}

/// What of a row is to be changed, if anything.
fn anew(
    rescored: &mut Rescored,
    scorer: &mut Scorer<'_>,
    run: &RunRecord,
    row: Prediction,
) -> Option<Change> {
    if row.error.is_some() {
        rescored.failed += 1;
        return None;
    }
    rescored.rows += 1;
    let mut new = row.clone();
    score(run.spec.dataset.task, scorer, &mut new);
    let answer = (&row.answer, row.parsed) != (&new.answer, new.parsed);
    let number = row.score != new.score;
    rescored.answers_changed += u64::from(answer);
    rescored.scores_changed += u64::from(number);
    (answer || number).then_some((new.position, new.answer, new.parsed, new.score))
}
