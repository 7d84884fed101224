//! Stored raw texts to answers, scores and figures anew, without asking any model.

use std::ops::ControlFlow;

use serde::Serialize;

use super::RunError;
use super::scoring::{finish, score};
use crate::jobs::{CancelToken, Progress};
use crate::metrics::{Aggregate, MeteorStages, Parsing, SampleScore, Scorer, WordNet};
use crate::record::{EventKind, Prediction, RunId, RunRecord, RunSpec, RunStatus};
use crate::store::Store;

/// Rows that are changed in one transaction.
const TOGETHER: usize = 1024;

/// What scoring anew changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rescored {
    /// The run.
    pub run: RunId,
    /// The run whose raw texts were read, where it is another, and what is said of changes is against its answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<RunId>,
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
    let mut scorer = scorer(&run.spec, wordnet)?;
    let mut rescored = Rescored {
        run: run.id,
        of: None,
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
        changes.extend(anew(&mut rescored, &mut scorer, row));
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

/// Reads the raw texts of a finished run in another way, and keeps what comes of it as the run that a model would have made that
/// was asked so: beside the first, which stays as it is. The way that the run has already is [`rescore`]. Canceled, it leaves a
/// run that doing it again completes.
///
/// # Errors
/// As [`rescore`]; a run that is not done, or of a rule, whose answers need no other reading.
pub fn reread(
    store: &mut Store,
    run: &RunRecord,
    parsing: Parsing,
    wordnet: Option<&WordNet>,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Rescored, RunError> {
    if run.spec.reading()? == parsing {
        return rescore(store, run, wordnet, cancel, progress);
    }
    let name = || run.short_key().to_owned();
    if run.spec.prompt.is_none() {
        return Err(RunError::NothingToRead { run: name(), model: run.spec.model.name.clone() });
    }
    if run.totals.done < run.samples {
        return Err(RunError::NotWhole { run: name() });
    }
    let other = store.plan(&run.spec.read_as(parsing), run.samples)?;
    let _claim = store.claim(&other)?;
    store.set_status(other.id, RunStatus::Running, None)?;
    let ended = copy(store, run, &other, wordnet, cancel, progress);
    if let Err(error) = &ended {
        store.set_status(other.id, RunStatus::Interrupted, Some(&error.to_string()))?;
    }
    ended
}

/// Copies a run's rows to another that reads them in its own way, and computes its figures.
fn copy(
    store: &mut Store,
    run: &RunRecord,
    other: &RunRecord,
    wordnet: Option<&WordNet>,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Rescored, RunError> {
    store.set_prices(other.id, run.prices)?;
    let mut scorer = scorer(&other.spec, wordnet)?;
    let mut rescored = Rescored {
        run: other.id,
        of: Some(run.id),
        rows: 0,
        answers_changed: 0,
        scores_changed: 0,
        failed: 0,
        before: run.aggregate.clone(),
        after: None,
    };
    progress.start("Reading", run.totals.done);
    let reader = store.reader()?;
    let mut rows: Vec<Prediction> = Vec::new();
    let mut ended: Result<(), RunError> = Ok(());
    reader.predictions(run.id, true, &mut |mut row| {
        progress.add(1);
        // Nobody was asked, and nothing was paid for it a second time.
        (row.cached, row.model_ms) = (row.error.is_none(), 0.0);
        if let Some((_, answer, parsed, new_score)) = anew(&mut rescored, &mut scorer, row.clone()) {
            (row.answer, row.parsed, row.score) = (answer, parsed, new_score);
        }
        rows.push(row);
        if let Err(canceled) = cancel.check() {
            ended = Err(canceled.into());
        } else if rows.len() >= TOGETHER {
            ended = store.save(other.id, &rows, &[], 0).map_err(RunError::from);
            rows.clear();
        }
        if ended.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    ended?;
    store.save(other.id, &rows, &[], 0)?;
    rescored.after = match store.reader()?.run(other.id)?.filter(|_| other.totals.done > 0) {
        // Rows that were there already may have been scored in another way.
        Some(other) => rescore_claimed(store, &other, wordnet, cancel, progress)?.after,
        None => Some(finish(store, other, MeteorStages::with(wordnet))?),
    };
    let text =
        format!("{} answers of run {} were read anew: {}", rescored.rows, run.id.0, other.spec.parsing);
    store.log(Some(other.id), EventKind::Store, &text)?;
    Ok(rescored)
}

/// A scorer that reads answers as a run does.
fn scorer<'w>(spec: &RunSpec, wordnet: Option<&'w WordNet>) -> Result<Scorer<'w>, RunError> {
    Ok(Scorer::new(spec.dataset.task, wordnet).reading(spec.reading()?))
}

/// What of a row is to be changed, if anything.
fn anew(rescored: &mut Rescored, scorer: &mut Scorer<'_>, row: Prediction) -> Option<Change> {
    if row.error.is_some() {
        rescored.failed += 1;
        return None;
    }
    rescored.rows += 1;
    let mut new = row.clone();
    score(scorer, &mut new);
    let answer = (&row.answer, row.parsed) != (&new.answer, new.parsed);
    let number = row.score != new.score;
    rescored.answers_changed += u64::from(answer);
    rescored.scores_changed += u64::from(number);
    (answer || number).then_some((new.position, new.answer, new.parsed, new.score))
}
