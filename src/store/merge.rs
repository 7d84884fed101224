//! Another store's runs into this one: the parts of a run come together.

use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::OptionalExtension;

use super::save::Saved;
use super::{Reader, Store, StoreError, UnreadableRun, connect, rows};
use crate::jobs::{CancelToken, Progress};
use crate::record::{Column, EventKind, Prediction, RunId, RunRecord, RunStatus};

/// What a merge brought.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Merged {
    /// The other store's runs, as they are called here.
    pub runs: Vec<MergedRun>,
    /// Runs that could not be read and were left out.
    pub unreadable: Vec<UnreadableRun>,
    /// Kept answers that were new.
    pub answers: u64,
    /// Tunings that were new.
    pub tunings: u64,
    /// Verdicts of judges that were new.
    pub verdicts: u64,
    /// Judgings that were left out: of runs that have other answers here.
    pub judgings_left_out: u64,
}

/// What a merge brought to one run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MergedRun {
    /// The run in this store.
    pub run: RunId,
    /// Its key.
    pub key: String,
    /// Predictions that were new here, or took the place of a failure.
    pub new: u64,
    /// Predictions that were here already.
    pub known: u64,
    /// Predictions that were here already with another answer, which stayed.
    pub conflicts: u64,
    /// Every sample has its prediction, and the figures are yet to be computed from them.
    pub to_finish: bool,
}

/// How much is written at once.
const ROWS: usize = 2000;
const BYTES: usize = 8 << 20;

impl Store {
    /// Copies runs, predictions, prompts, kept answers, events, experiments, tunings and judgings from another store, which is only
    /// read. Predictions of one run come together; where both have an answer, that of this store stays. What was copied
    /// before a cancellation stays too, and merging again takes up the rest.
    ///
    /// A run that comes to have all its predictions by it waits for its figures, see [`MergedRun::to_finish`].
    ///
    /// # Errors
    /// The same store, one that cannot be read, or this one cannot be written; canceled.
    pub fn merge(
        &mut self,
        other: &Path,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Merged, StoreError> {
        let other_path = connect::absolute(other)?;
        if connect::is_same(&self.path, &other_path) {
            return Err(StoreError::MergeWithItself { path: other_path });
        }
        let other = Reader::open(&other_path)?;
        let runs = other.runs()?;
        let total = runs.iter().map(|run| run.totals.done).sum::<u64>() + other.answers_count()?;
        progress.start("Merging", total);
        let mut merged = Merged { unreadable: other.unreadable_runs()?, ..Merged::default() };
        for run in &runs {
            merged.runs.push(self.merge_run(&other, run, cancel, progress)?);
        }
        self.merge_answers(&other, &mut merged, cancel, progress)?;
        let own = |id: RunId| {
            let at = runs.binary_search_by_key(&id, |run| run.id).ok()?;
            merged.runs.get(at).map(|run| run.run)
        };
        for experiment in other.experiments()? {
            let id = self.add_experiment(&experiment.name, &experiment.toml)?;
            for run in experiment.runs.into_iter().filter_map(own) {
                self.link(id, run)?;
            }
        }
        let known: Vec<String> = self.reader()?.tunings()?.into_iter().map(|tuning| tuning.applied).collect();
        for tuning in other.tunings()?.iter().filter(|tuning| !known.contains(&tuning.applied)) {
            self.save_tuning(tuning)?;
            merged.tunings += 1;
        }
        cancel.check()?;
        let here = |key: &str| merged.runs.iter().find(|run| run.key == key);
        let (verdicts, left_out) = self.merge_judgings(
            &other,
            |key| here(key).map(|run| run.run),
            |key| here(key).is_some_and(|run| run.conflicts > 0),
        )?;
        (merged.verdicts, merged.judgings_left_out) = (verdicts, left_out);
        let new: u64 = merged.runs.iter().map(|run| run.new).sum();
        if new > 0 || merged.answers > 0 || merged.verdicts > 0 {
            let from = other_path.display();
            let text = format!(
                "{new} predictions, {} kept answers and {} verdicts were merged from {from}",
                merged.answers, merged.verdicts
            );
            self.log(None, EventKind::Store, &text)?;
        }
        Ok(merged)
    }

    fn merge_run(
        &mut self,
        other: &Reader,
        run: &RunRecord,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<MergedRun, StoreError> {
        let (id, is_new) = self.adopt(run)?;
        let mine = self.reader()?.positions(id)?;
        let mut saved = Saved::default();
        self.in_batches(
            |take| other.predictions(run.id, true, take),
            weight,
            cancel,
            |store, batch: Vec<Prediction>| {
                let read = batch.len() as u64;
                // Of two failures neither tells more than the other.
                let wanted = |prediction: &Prediction| {
                    prediction.error.is_none()
                        || mine.binary_search_by_key(&prediction.position, |(position, _)| *position).is_err()
                };
                let (batch, rest): (Vec<_>, Vec<_>) = batch.into_iter().partition(wanted);
                let part = store.put(id, &batch, &[], 0)?;
                saved.new += part.new;
                saved.known += part.known + rest.len() as u64;
                saved.conflicts += part.conflicts;
                progress.add(read);
                Ok(())
            },
        )?;
        self.merge_events(other, run.id, id)?;
        let complete = self.settle(other, run, id, is_new, saved)?;
        let Saved { new, known, conflicts } = saved;
        Ok(MergedRun { run: id, key: run.key.clone(), new, known, conflicts, to_finish: complete })
    }

    /// The run here, added without anything of it if it is new.
    fn adopt(&mut self, run: &RunRecord) -> Result<(RunId, bool), StoreError> {
        self.write(|step| {
            let sql = "SELECT id FROM runs WHERE key = ?1";
            if let Some(id) = step.query_row(sql, [&run.key], |row| row.get(0)).optional()? {
                return Ok((RunId(id), false));
            }
            step.execute(
                "INSERT INTO runs (key, spec, status, samples, created_ms, price_in, price_out) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                (
                    &run.key,
                    run.spec.to_json(),
                    RunStatus::Planned.id(),
                    rows::count(run.samples),
                    run.created_ms,
                    run.prices.map(|prices| prices.input),
                    run.prices.map(|prices| prices.output),
                ),
            )?;
            Ok((RunId(step.last_insert_rowid()), true))
        })
    }

    /// Brings the run's record in step with its rows; says whether its figures are to be computed.
    fn settle(
        &mut self,
        other: &Reader,
        theirs: &RunRecord,
        id: RunId,
        is_new: bool,
        saved: Saved,
    ) -> Result<bool, StoreError> {
        let reader = self.reader()?;
        let Some(mine) = reader.run(id)? else { return Err(StoreError::GoneRun { run: id }) };
        let complete = mine.totals.done >= mine.samples && mine.samples > 0;
        // Nothing but theirs: then their figures are right.
        if let Some(aggregate) = theirs
            .aggregate
            .as_ref()
            .filter(|_| mine.totals == theirs.totals && mine.aggregate.is_none() && saved.conflicts == 0)
        {
            let columns = columns_of(other, theirs, aggregate)?;
            self.finish(id, aggregate, &columns)?;
        }
        let to_finish = complete && self.reader()?.run(id)?.is_some_and(|run| run.aggregate.is_none());
        if saved.new == 0 && !is_new {
            return Ok(to_finish);
        }
        let status = match (to_finish, mine.totals.done) {
            _ if complete && !to_finish => None,
            (true, _) => {
                Some((RunStatus::Interrupted, Some("All parts are merged; its figures are not computed yet")))
            }
            (false, 0) if is_new => Some((theirs.status, theirs.reason.as_deref())),
            (false, _) => Some((
                RunStatus::Interrupted,
                Some("Merged from parts; some samples are still to be answered"),
            )),
        };
        if let Some((status, reason)) = status.filter(|_| !reader.is_claimed(&mine)) {
            // Nobody works here on a run that another store calls running.
            let status = if status == RunStatus::Running { RunStatus::Interrupted } else { status };
            self.set_status(id, status, reason)?;
        }
        let share =
            u128::from(theirs.active_ms) * u128::from(saved.new) / u128::from(theirs.totals.done.max(1));
        let finished = theirs.finished_ms.filter(|_| is_new && complete);
        self.write(|step| {
            step.execute(
                "UPDATE runs SET active_ms = active_ms + ?2, finished_ms = coalesce(?3, finished_ms) WHERE id = ?1",
                (id.0, i64::try_from(share).unwrap_or(i64::MAX), finished),
            )?;
            Ok(())
        })?;
        Ok(to_finish)
    }

    fn merge_events(&mut self, other: &Reader, theirs: RunId, mine: RunId) -> Result<(), StoreError> {
        let events = other.events(Some(theirs), 0)?;
        self.write(|step| {
            let mut add = step.prepare_cached(
                "INSERT INTO events (run, at_ms, kind, text) SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS \
                 (SELECT 1 FROM events WHERE run = ?1 AND at_ms = ?2 AND kind = ?3 AND text = ?4)",
            )?;
            for event in events {
                add.execute((mine.0, event.at_ms, event.kind.id(), event.text))?;
            }
            Ok(())
        })
    }

    fn merge_answers(
        &mut self,
        other: &Reader,
        merged: &mut Merged,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<(), StoreError> {
        self.in_batches(
            |take| other.answers(take),
            |(_, answer)| answer.raw.len(),
            cancel,
            |store, batch| {
                merged.answers += store.write(|step| Ok(super::save::put_answers(step, &batch)?))?;
                progress.add(batch.len() as u64);
                Ok(())
            },
        )
    }

    /// Hands what `read` streams to `put` in batches of bounded size.
    fn in_batches<T>(
        &mut self,
        read: impl FnOnce(&mut dyn FnMut(T) -> ControlFlow<()>) -> Result<(), StoreError>,
        weight: impl Fn(&T) -> usize,
        cancel: &CancelToken,
        mut put: impl FnMut(&mut Self, Vec<T>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (mut batch, mut bytes, mut result) = (Vec::new(), 0, Ok(()));
        read(&mut |item| {
            bytes += weight(&item);
            batch.push(item);
            if batch.len() >= ROWS || bytes >= BYTES {
                bytes = 0;
                result = cancel.check().map_err(StoreError::from);
                if result.is_ok() {
                    result = put(self, std::mem::take(&mut batch));
                }
            }
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        result?;
        cancel.check()?;
        put(self, batch)
    }
}

/// About how many bytes a prediction takes.
fn weight(prediction: &Prediction) -> usize {
    let prompt = prediction.prompt.as_ref().map_or(0, |prompt| prompt.text.len() + prompt.report.len());
    prompt + prediction.raw.len() + prediction.answer.len() + 64 * prediction.retrieved.len()
}

fn columns_of(
    other: &Reader,
    run: &RunRecord,
    aggregate: &crate::metrics::Aggregate,
) -> Result<Vec<Column>, StoreError> {
    let metrics = crate::metrics::ScoreSet::all_metrics(aggregate.task);
    metrics.iter().filter_map(|&metric| other.column(run.id, metric).transpose()).collect()
}
