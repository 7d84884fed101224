//! A cell's samples to stored predictions: prepared ahead, answered in batches, scored and stored beside.
//!
//! Three threads hand work on through short queues: one prepares samples with the help of all processors (`prepare`), the
//! caller's asks the model (`ask`), one scores and stores (`storing`). So the model never waits while something is
//! prepared, memory is that of a few windows however long the run, and an answer is stored a moment after it exists.

pub(in crate::run) mod ask;
pub(in crate::run) mod board;
pub(in crate::run) mod budget;
mod control;
mod error;
pub(in crate::run) mod prepare;
mod prompts;
mod side_by_side;
mod storing;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

use ask::{Asker, Stop, Watch};
use board::Board;
use budget::Budget;
use prepare::{How, Preparer};
use storing::Storing;

pub use control::{Control, Cost, EndpointProgress, Phase, RunProgress, Settings};
pub use error::{RunError, in_full};
pub use prompts::{AskedPrompt, prompts};

use super::rescore::rescore_claimed;
use super::scoring::finish;
use super::{Cell, CellModel, commonest_label};
use crate::jobs::{CancelToken, Canceled, Progress};
use crate::metrics::MeteorStages;
use crate::model::{LoadOptions, LoadedModel, ModelError, load};
use crate::prompt::PromptBuilder;
use crate::record::{EventKind, Prices, RunId, RunRecord, RunStatus, Shard};
use crate::retrieval::EncoderSource;
use crate::store::Store;

/// Windows that wait for the model; one more is being prepared.
const WINDOWS: usize = 1;
/// Messages that wait for the thread that stores.
const MESSAGES: usize = 64;
/// How often whoever waits looks whether to go on.
const LOOK: Duration = Duration::from_millis(50);

/// Executes cells, one at a time. Keeps the loaded model for the next cell that has the same.
pub struct Executor<'a> {
    encoders: &'a dyn EncoderSource,
    store: Store,
    settings: Settings,
    loaded: Option<(CellModel, LoadedModel)>,
}

/// How the work on a run ended, if nothing broke.
enum Ended {
    /// All that was missing is answered.
    Answered,
    /// Someone canceled.
    Canceled,
    /// Too many samples failed, for this reason.
    Failed(String),
    /// No more may be spent, as the reason says.
    Spent(String),
}

impl<'a> Executor<'a> {
    /// Works on a store, with the encoders of dense retrievers from `encoders`.
    pub fn new(encoders: &'a dyn EncoderSource, store: Store, settings: Settings) -> Self {
        Self { encoders, store, settings, loaded: None }
    }

    /// The store.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The store, to write to it between runs.
    pub const fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Answers what the store does not have yet of a cell's part, and finishes the run once every sample is stored. What is
    /// there already is not answered again. The record tells how it ended: `done`; `interrupted`, after cancellation or
    /// where other parts are still to come; `failed`, after too many failures in a row.
    ///
    /// # Errors
    /// Where the run is another program's, the model or retriever cannot be had, or the store cannot be written. What was
    /// stored before stays.
    pub fn run(&mut self, cell: &Cell, shard: Shard, control: &Control) -> Result<RunRecord, RunError> {
        let record = self.store.plan(&cell.spec, cell.positions.len() as u64)?;
        let _claim = self.store.claim(&record)?;
        let stop = control.cancel().child();
        let total = (0..cell.positions.len()).filter(|&number| shard.has(number)).count();
        let board = Board::new(control.latest(), record.id, cell.dataset.id().task, total as u64);
        let missing = self.missing(cell, shard, &record, &board)?;
        if missing.is_empty() {
            return self.conclude(&record, shard, &board, true);
        }
        let part = if shard == Shard::WHOLE { String::new() } else { format!(", part {shard}") };
        let (stored, of) = (total - missing.len(), total);
        self.store.set_status(record.id, RunStatus::Running, None)?;
        self.store.log(
            Some(record.id),
            EventKind::Life,
            &format!("Begun with {stored} of {of} samples stored{part}"),
        )?;
        let mut ended = self.answer(cell, &record, &missing, control, &stop, &board);
        // A failure that came of being told to stop is none.
        if control.cancel().is_canceled()
            && matches!(ended, Err(RunError::Canceled(_) | RunError::Retriever(_)))
        {
            ended = Ok(Ended::Canceled);
        }
        match ended {
            Ok(Ended::Answered) => self.conclude(&record, shard, &board, false),
            // Canceled too late to miss anything.
            Ok(Ended::Canceled) if self.is_complete(&record)? => self.conclude(&record, shard, &board, false),
            Ok(Ended::Canceled) => self.end(&record, RunStatus::Interrupted, None, "Interrupted"),
            Ok(Ended::Spent(reason)) => {
                self.end(&record, RunStatus::Interrupted, Some(&reason), &format!("Ended: {reason}"))
            }
            Ok(Ended::Failed(reason)) => {
                self.end(&record, RunStatus::Failed, Some(&reason), &format!("Ended: {reason}"))
            }
            Err(error) => {
                let reason = in_full(&error);
                let status = match error {
                    RunError::Store(_) => RunStatus::Interrupted,
                    _ => RunStatus::Failed,
                };
                // The error itself is what matters; a store that took no rows may not take this either.
                let _ = self.end(&record, status, Some(&reason), &format!("Ended: {reason}"));
                Err(error)
            }
        }
    }

    /// The cell's positions that are still to be answered. What is stored is counted on the board.
    fn missing(
        &self,
        cell: &Cell,
        shard: Shard,
        record: &RunRecord,
        board: &Board<'_>,
    ) -> Result<Vec<u32>, RunError> {
        let reader = self.store.reader()?;
        let mut stored = reader.positions(record.id)?;
        stored.retain(|(_, failed)| !(*failed && self.settings.retry_failed));
        let is_stored = |position: u32| stored.binary_search_by_key(&position, |(stored, _)| *stored).is_ok();
        let own = cell.positions.iter().enumerate().filter(|(number, _)| shard.has(*number));
        let missing: Vec<u32> =
            own.map(|(_, &position)| position).filter(|&position| !is_stored(position)).collect();
        if !missing.is_empty() && !stored.is_empty() {
            let (mut number, positions) = (0, &cell.positions);
            reader.predictions(record.id, false, &mut |row| {
                // Both ascend.
                while positions.get(number).is_some_and(|&position| position < row.position) {
                    number += 1;
                }
                let own = positions.get(number) == Some(&row.position) && shard.has(number);
                if own && !(row.error.is_some() && self.settings.retry_failed) {
                    board.add_earlier(&row);
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(missing)
    }

    /// Ends a run whose part is answered: with its figures, if all parts are.
    fn conclude(
        &mut self,
        record: &RunRecord,
        shard: Shard,
        board: &Board<'_>,
        nothing_new: bool,
    ) -> Result<RunRecord, RunError> {
        let now = self.record(record)?;
        if !self.is_complete(record)? {
            let (done, samples) = (now.totals.done, now.samples);
            let reason = format!("part {shard} is answered; {done} of {samples} samples are stored here");
            return self.end(
                record,
                RunStatus::Interrupted,
                Some(&reason),
                &format!("Part {shard} is answered"),
            );
        }
        if nothing_new && now.status == RunStatus::Done && now.aggregate.is_some() {
            return Ok(now);
        }
        board.set_phase(Phase::Finishing);
        let mixed = record.aggregate.as_ref().and_then(|old| old.meteor_stages)
            == Some(MeteorStages::ExactStemSynonym);
        if mixed {
            // Some rows were scored anew with synonyms, and the new ones were not.
            rescore_claimed(&mut self.store, &now, None, &CancelToken::new(), &Progress::new())?;
        }
        let aggregate = finish(&mut self.store, record, MeteorStages::ExactStem)?;
        let unscored = now.samples.saturating_sub(now.totals.failed).saturating_sub(aggregate.samples as u64);
        if unscored > 0 {
            let of = now.samples;
            let text = format!("{unscored} of {of} samples have no reference and are not scored");
            self.store.log(Some(record.id), EventKind::Notice, &text)?;
        }
        self.end(record, RunStatus::Done, None, "Done")
    }

    fn end(
        &mut self,
        record: &RunRecord,
        status: RunStatus,
        reason: Option<&str>,
        told: &str,
    ) -> Result<RunRecord, RunError> {
        self.store.set_status(record.id, status, reason)?;
        self.store.log(Some(record.id), EventKind::Life, told)?;
        self.record(record)
    }

    /// Whether every sample of the run is stored.
    fn is_complete(&self, record: &RunRecord) -> Result<bool, RunError> {
        let now = self.record(record)?;
        Ok(now.totals.done >= now.samples)
    }

    fn record(&self, record: &RunRecord) -> Result<RunRecord, RunError> {
        Ok(self.store.reader()?.run(record.id)?.unwrap_or_else(|| record.clone()))
    }

    /// Answers what is missing and stores it.
    fn answer(
        &mut self,
        cell: &Cell,
        record: &RunRecord,
        missing: &[u32],
        control: &Control,
        stop: &CancelToken,
        board: &Board<'_>,
    ) -> Result<Ended, RunError> {
        let task = cell.dataset.id().task;
        let parsing = cell.spec.reading()?;
        cell.dataset.ensure_usable()?;
        let progress = Progress::new();
        let retriever = match cell.retrieves_nothing() {
            true => None,
            false => Some(cell.retriever.build(self.encoders)?),
        };
        self.load(cell, stop)?;
        // What the store keeps of other runs is read by a connection of its own, beside the one that writes.
        let mut kept = None;
        let tokenizer = self.loaded.as_ref().map(|(_, model)| Arc::clone(&model.tokenizer));
        let how = match (&cell.model, &tokenizer) {
            (CellModel::Baseline(baseline), _) => {
                let wanted = baseline.reads_all_profiles(task, retriever.is_none());
                let commonest = if wanted { commonest_label(&cell.dataset, stop, &progress)? } else { None };
                How::Rule(*baseline, commonest)
            }
            (CellModel::Load { .. }, Some(tokenizer)) => {
                let no_prompt = || RunError::NoPrompt { model: cell.spec.model.name.clone() };
                let (template, options) = cell.prompt.as_ref().ok_or_else(no_prompt)?;
                let keys = cell.spec.answers_key().filter(|_| self.settings.use_cache);
                let keys = keys.map(Sha256::new_with_prefix);
                if keys.is_some() {
                    kept = Some(self.store.reader()?);
                }
                let builder = PromptBuilder::new(task, template, *options, &**tokenizer)?;
                let by_user = self.loaded.as_ref().is_some_and(|(_, model)| model.generator.knows_users());
                let max_length = options.max_length;
                How::Prompt { builder, tokenizer: &**tokenizer, max_length, by_user, keys }
            }
            (CellModel::Load { .. }, None) => return Err(Canceled.into()),
        };
        let budget = self.budget(cell, record)?;
        let preparer = Preparer::new(cell, retriever, how, stop.clone(), progress.clone());
        let side_by_side =
            self.loaded.as_ref().is_some_and(|(_, model)| model.generator.answers_side_by_side());
        let wait = if side_by_side { Duration::ZERO } else { storing::WAIT };
        let generator = self.loaded.as_mut().map(|(_, model)| &mut *model.generator);
        let (windows, to_ask) = sync_channel(WINDOWS);
        let (answered, to_store) = sync_channel(MESSAGES);
        let asker = Asker::new(
            generator,
            &cell.generation,
            cell.batch,
            Watch { control, stop, board },
            answered,
            MESSAGES,
            budget,
        );
        let storing = Storing {
            store: &mut self.store,
            run: record.id,
            task,
            parsing,
            settings: self.settings,
            wait,
            board,
        };
        let no_thread = |source| RunError::Threads { source };
        let (asked, prepared, stored) = thread::scope(|scope| {
            let preparing = thread::Builder::new()
                .name("prepare".into())
                .spawn_scoped(scope, move || preparer.run(missing, kept, &windows));
            let storing = thread::Builder::new().name("store".into()).spawn_scoped(scope, move || {
                // Whoever waits for this thread must not wait for a model that nobody listens to.
                let _ended = CancelOnDrop(stop);
                storing.run(&to_store)
            });
            let (preparing, storing) = match (preparing, storing) {
                (Ok(preparing), Ok(storing)) => (preparing, storing),
                (Err(source), _) | (_, Err(source)) => {
                    stop.cancel();
                    return Err(no_thread(source));
                }
            };
            let asked = asker.run(to_ask, &progress);
            Ok((asked, preparing.join(), storing.join()))
        })?;
        let stored = stored.map_err(|payload| RunError::of_panic("storing", &*payload))??;
        if let Some(reason) = stored {
            return Ok(Ended::Failed(reason));
        }
        match asked {
            ControlFlow::Break(Stop::Fatal(source)) => {
                let model = cell.spec.model.name.clone();
                return Err(RunError::Model { model, source });
            }
            ControlFlow::Break(Stop::Panicked(error)) => {
                self.loaded = None;
                return Err(error);
            }
            ControlFlow::Break(Stop::Spent(reason)) => return Ok(Ended::Spent(reason)),
            ControlFlow::Break(Stop::Told) | ControlFlow::Continue(()) => {}
        }
        let trouble = prepared.map_err(|payload| RunError::of_panic("preparing samples", &*payload))?;
        if let Some(error) = trouble {
            let text =
                format!("Kept answers could not be read, so prompts were asked anew: {}", in_full(&error));
            self.store.log(Some(record.id), EventKind::Notice, &text)?;
        }
        match control.cancel().is_canceled() {
            true => Ok(Ended::Canceled),
            false => Ok(Ended::Answered),
        }
    }

    /// What may be spent on a cell's run, where its model has a price; the store keeps the price.
    fn budget(&mut self, cell: &Cell, record: &RunRecord) -> Result<Option<Budget>, RunError> {
        let CellModel::Load { options: LoadOptions { endpoint: Some(endpoint), .. }, .. } = &cell.model
        else {
            return Ok(None);
        };
        let settings = &endpoint.settings;
        if settings.price_in.is_none() && settings.price_out.is_none() {
            return Ok(None);
        }
        let input = settings.price_in.unwrap_or_default();
        let prices = Prices { input, output: settings.price_out.unwrap_or_default() };
        self.store.set_prices(record.id, Some(prices))?;
        let limit = self.settings.spending_limit.or(settings.spending_limit);
        let reader = self.store.reader()?;
        let cost = |run: &RunRecord| prices.cost(run.totals.asked_prompt_tokens, run.totals.asked_new_tokens);
        let own = reader.run(record.id)?.as_ref().map_or(0.0, cost);
        let mut spent = own;
        if limit.is_some() {
            let experiments = reader.experiments()?;
            let with_this = experiments.iter().filter(|experiment| experiment.runs.contains(&record.id));
            let together: HashSet<RunId> = with_this.flat_map(|experiment| experiment.runs.clone()).collect();
            let same = |run: &&RunRecord| {
                run.id != record.id
                    && together.contains(&run.id)
                    && run.spec.model.fingerprint == cell.spec.model.fingerprint
            };
            spent += reader.runs()?.iter().filter(same).map(cost).sum::<f64>();
        }
        Ok(Some(Budget::new(prices, limit, spent, own)))
    }

    /// Loads a cell's model unless it is there, and lets another go before.
    fn load(&mut self, cell: &Cell, stop: &CancelToken) -> Result<(), RunError> {
        if self.loaded.as_ref().is_some_and(|(loaded, _)| *loaded == cell.model) {
            return Ok(());
        }
        self.loaded = None;
        if let CellModel::Load { path, options } = &cell.model {
            let failed = |source| match source {
                ModelError::Canceled(canceled) => RunError::Canceled(canceled),
                source => RunError::Model { model: cell.spec.model.name.clone(), source: Box::new(source) },
            };
            let model = load_or_leave(path, options, stop)?.map_err(failed)?;
            self.loaded = Some((cell.model.clone(), model));
        }
        Ok(())
    }
}

/// Cancels when it goes, be it by a panic.
pub(in crate::run) struct CancelOnDrop<'a>(pub(in crate::run) &'a CancelToken);

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Loads a model. The loader itself cannot be told to stop, so a canceled one is left to end by itself.
pub(in crate::run) fn load_or_leave(
    path: &Path,
    options: &LoadOptions,
    stop: &CancelToken,
) -> Result<Result<LoadedModel, ModelError>, RunError> {
    let (sender, receiver) = sync_channel(1);
    let (path, options) = (path.to_owned(), options.clone());
    let loading = thread::Builder::new().name("load".into()).spawn(move || {
        // Nobody listens any more where it was canceled; then the model goes.
        let _ = sender.send(load(&path, &options));
    });
    let loading = loading.map_err(|source| RunError::Threads { source })?;
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(loaded) => return Ok(loaded),
            Err(RecvTimeoutError::Timeout) => stop.check()?,
            Err(RecvTimeoutError::Disconnected) => {
                let payload = loading.join().err();
                let payload = payload.unwrap_or_else(|| Box::new("the loader gave nothing"));
                return Err(RunError::of_panic("loading the model", &*payload));
            }
        }
    }
}
