//! Raw text to answer and score, and stored scores to a run's figures: the one way for runs, resumed runs, merged runs and
//! runs that are scored anew.

use super::RunError;
use crate::metrics::Aggregate;
use crate::metrics::{Bootstrap, MeteorStages, SampleScore, ScoreSet, Scorer};
use crate::record::{Column, Prediction, RunRecord};
use crate::store::Store;

/// Parses a row's raw text and scores it against its reference. A reference that is no answer itself makes the row a failed one.
pub(super) fn score(scorer: &mut Scorer<'_>, row: &mut Prediction) {
    if row.error.is_some() {
        return;
    }
    let parsed = scorer.parse(&row.raw);
    row.parsed = parsed.parsed();
    row.answer = parsed.text;
    match row.reference.as_deref().map(|reference| scorer.score(&row.raw, reference)) {
        Some(Ok(score)) => row.score = Some(score),
        Some(Err(error)) => row.error = Some(error.to_string()),
        None => {}
    }
}

/// Computes a run's figures from its stored scores and stores them: every metric of the task with 95 % intervals of 1000
/// resamples, and the columns of the benchmark's metrics. They depend on the stored scores alone, not on how they came there.
///
/// `stages` says how METEOR was computed. A run without scored samples gets an aggregate without figures.
///
/// # Errors
/// The store's; scores of another kind of task.
pub fn finish(store: &mut Store, run: &RunRecord, stages: MeteorStages) -> Result<Aggregate, RunError> {
    let task = run.spec.dataset.task;
    let (positions, scores): (Vec<u32>, Vec<SampleScore>) =
        store.reader()?.scores(run.id)?.into_iter().unzip();
    let foreign = || RunError::ForeignScores { run: run.id.0, task };
    let set = ScoreSet::new(task, scores, stages).ok_or_else(foreign)?;
    let aggregate = set.aggregate(ScoreSet::all_metrics(task), Some(&Bootstrap::default()));
    let columns = task.metrics().iter().map(|&metric| Column {
        metric,
        positions: positions.clone(),
        values: set.scores().iter().filter_map(|score| score.value(metric)).collect(),
    });
    let columns: Vec<Column> = columns.collect();
    store.finish(run.id, &aggregate, &columns)?;
    Ok(aggregate)
}
