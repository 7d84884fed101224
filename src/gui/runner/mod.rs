//! The queue of experiments: one at a time on a thread of its own, whatever screen is shown. What it finished is in the store;
//! this keeps only what the window shows of it.

mod trace;
mod work;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui;

use super::loadable::Trouble;
use crate::dataset::DatasetId;
use crate::jobs::{Job, Latest, ProgressReading};
use crate::record::{RunId, RunStatus};
use crate::run::series::{Outcome, Purpose};
use crate::run::{Control, Experiment, Places, RunProgress, Settings};

pub use trace::Trace;

/// What is to be run.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// The sample experiment over the sample set.
    Sample,
    /// An experiment.
    New(Box<Experiment>),
    /// A stored experiment: what of it is missing.
    Stored {
        /// Its number in the store.
        experiment: i64,
        /// Its runs; all if empty.
        runs: Vec<RunId>,
        /// Whether samples that could not be answered are tried again.
        retry_failed: bool,
    },
}

/// Where a cell of the running experiment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellState {
    /// It waits.
    Waiting,
    /// It is being answered.
    Running,
    /// It ended like this.
    Ended {
        /// Its run.
        run: RunId,
        /// How.
        status: RunStatus,
    },
    /// It could not be run.
    Failed(Trouble),
}

/// A cell of the running experiment.
#[derive(Debug, Clone)]
pub struct CellLine {
    /// By which it is known.
    pub key: String,
    /// Its data.
    pub dataset: DatasetId,
    /// The model's name.
    pub model: String,
    /// The retriever's short form.
    pub retriever: String,
    /// Entries a prompt.
    pub k: usize,
    /// Samples it answers.
    pub samples: u64,
    /// What for.
    pub purpose: Purpose,
    /// Where it is.
    pub state: CellState,
}

/// What is known of an experiment that is being run.
#[derive(Debug, Clone, Default)]
pub struct Board {
    /// Its name.
    pub name: String,
    /// Whether it is planned already; nothing below is known before.
    pub planned: bool,
    /// Its cells, in the order in which they are run; winners of choices join when they are known.
    pub cells: Vec<CellLine>,
    /// What was left out, in words.
    pub refused: Vec<String>,
    /// What to know, in words.
    pub notes: Vec<String>,
    /// Runs that are not continued since they would be others now, in words.
    pub changed: Vec<String>,
}

impl Board {
    /// Cells that ended.
    pub fn ended(&self) -> usize {
        self.cells
            .iter()
            .filter(|cell| !matches!(cell.state, CellState::Waiting | CellState::Running))
            .count()
    }

    /// How much is done, by samples; the running cell counts by its progress.
    pub fn part(&self, running: Option<&RunProgress>) -> f32 {
        let all: u64 = self.cells.iter().map(|cell| cell.samples).sum();
        let done: u64 = self
            .cells
            .iter()
            .map(|cell| match cell.state {
                CellState::Waiting => 0,
                CellState::Running => running.map_or(0, |progress| progress.done.min(cell.samples)),
                CellState::Ended { .. } | CellState::Failed(_) => cell.samples,
            })
            .sum();
        if all == 0 { 0.0 } else { done as f32 / all as f32 }
    }
}

/// An experiment that waits.
#[derive(Debug)]
pub struct Queued {
    /// Its number in the window.
    pub id: u64,
    /// Its name.
    pub name: String,
    wanted: Wanted,
    since: Instant,
}

/// The experiment at work.
#[derive(Debug)]
pub struct Active {
    /// Its number in the window.
    pub id: u64,
    /// Its name, until the board knows better.
    pub name: String,
    began: Instant,
    control: Control,
    board: Latest<Board>,
    job: Job<Result<Outcome, Trouble>>,
    /// By the keys of cells.
    traces: Vec<(String, Trace)>,
}

impl Active {
    /// What is known of it.
    pub fn board(&self) -> Arc<Board> {
        self.board.get().unwrap_or_default()
    }

    /// How far the cell at work is; nothing between two cells.
    pub fn progress(&self) -> Option<Arc<RunProgress>> {
        let progress = self.control.latest().get()?;
        // The slot keeps the last of the cell before until the next one is begun.
        let over =
            |cell: &CellLine| matches!(cell.state, CellState::Ended { run, .. } if run == progress.run);
        (!self.board().cells.iter().any(over)).then_some(progress)
    }

    /// What a cell's figure was over time.
    pub fn trace(&self, key: &str) -> Option<&Trace> {
        self.traces.iter().find(|(known, _)| known == key).map(|(_, trace)| trace)
    }

    /// How long everything will take, if the rest is as fast as what is at work; `None` until there is a rate.
    pub fn eta(&self) -> Option<Duration> {
        let progress = self.progress()?;
        let waiting = |cell: &&CellLine| cell.state == CellState::Waiting;
        let board = self.board();
        let samples: u64 = board.cells.iter().filter(waiting).map(|cell| cell.samples).sum();
        let more = Duration::try_from_secs_f64(samples as f64 / progress.samples_per_s).ok()?;
        progress.eta?.checked_add(more)
    }

    fn take_trace(&mut self) {
        let Some(progress) = self.progress() else { return };
        let board = self.board();
        let Some(cell) = board.cells.iter().find(|cell| cell.state == CellState::Running) else { return };
        match self.traces.iter_mut().find(|(key, _)| *key == cell.key) {
            Some((_, trace)) => trace.take(&progress),
            None => {
                let mut trace = Trace::default();
                trace.take(&progress);
                self.traces.push((cell.key.clone(), trace));
            }
        }
    }

    /// How far planning is.
    pub fn planning(&self) -> ProgressReading {
        self.job.progress().read()
    }

    /// Whether the model rests.
    pub fn is_paused(&self) -> bool {
        self.control.is_paused()
    }

    /// Whether it was told to end.
    pub fn is_canceled(&self) -> bool {
        self.control.cancel().is_canceled()
    }

    /// Since when it is at work.
    pub const fn began(&self) -> Instant {
        self.began
    }
}

/// How an experiment ended.
#[derive(Debug)]
pub struct Finished {
    /// Its number in the window.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// What was known of it at its end.
    pub board: Arc<Board>,
    /// What came of it.
    pub outcome: Result<Outcome, Trouble>,
}

impl Finished {
    /// Its runs that are stored.
    pub fn runs(&self) -> Vec<RunId> {
        let stored = |cell: &CellLine| match cell.state {
            CellState::Ended { run, .. } => Some(run),
            CellState::Waiting | CellState::Running | CellState::Failed(_) => None,
        };
        self.board.cells.iter().filter_map(stored).collect()
    }
}

/// The queue.
#[derive(Debug, Default)]
pub struct Runner {
    queue: VecDeque<Queued>,
    active: Option<Active>,
    finished: Vec<Finished>,
    numbers: u64,
    settings: Settings,
}

impl Runner {
    /// What waits.
    pub fn queue(&self) -> impl Iterator<Item = &Queued> {
        self.queue.iter()
    }

    /// What is at work.
    pub const fn active(&self) -> Option<&Active> {
        self.active.as_ref()
    }

    /// What ended since the window opened, the latest last.
    pub fn finished(&self) -> &[Finished] {
        &self.finished
    }

    /// How what is begun is run.
    pub const fn settings(&self) -> Settings {
        self.settings
    }

    pub(super) const fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// Whether there is anything to do.
    pub fn is_idle(&self) -> bool {
        self.active.is_none() && self.queue.is_empty()
    }

    /// Since when the first of the queue waits.
    pub fn waits_since(&self) -> Option<Instant> {
        self.queue.front().map(|queued| queued.since)
    }

    pub(super) fn enqueue(&mut self, name: String, wanted: Wanted) -> u64 {
        self.numbers += 1;
        self.queue.push_back(Queued { id: self.numbers, name, wanted, since: Instant::now() });
        self.numbers
    }

    pub(super) fn pause(&mut self, paused: bool) {
        if let Some(active) = &self.active {
            active.control.set_paused(paused);
        }
    }

    pub(super) fn cancel(&mut self, id: u64) {
        self.queue.retain(|queued| queued.id != id);
        if let Some(active) = self.active.as_ref().filter(|active| active.id == id) {
            active.control.cancel().cancel();
            active.job.cancel();
        }
    }

    /// Takes what ended and begins what is next, if it is its turn; gives what ended.
    pub(super) fn logic(
        &mut self,
        ctx: &egui::Context,
        places: &Places,
        threads: usize,
        may_begin: bool,
    ) -> Option<&Finished> {
        let mut ended = false;
        if let Some(outcome) = self.active.as_mut().and_then(|active| active.job.poll())
            && let Some(active) = self.active.take()
        {
            let board = active.board();
            let name = if board.name.is_empty() { active.name } else { board.name.clone() };
            let outcome = outcome.map_err(Trouble::from).and_then(|outcome| outcome);
            self.finished.push(Finished { id: active.id, name, board, outcome });
            ended = true;
        }
        if may_begin
            && self.active.is_none()
            && let Some(queued) = self.queue.pop_front()
        {
            self.active = Some(work::begin(queued, ctx, places, threads, self.settings));
        }
        if let Some(active) = &mut self.active {
            active.take_trace();
            ctx.request_repaint_after(super::AT_WORK);
        }
        if ended { self.finished.last() } else { None }
    }

    /// Ends what is at work, and waits for it so long at most.
    pub(super) fn close(&mut self, limit: Duration) {
        self.queue.clear();
        if let Some(mut active) = self.active.take() {
            active.control.cancel().cancel();
            active.job.wait(limit);
        }
    }
}
