//! The queue of experiments: one at a time on a thread of its own, whatever screen is shown. What it finished is in the store;
//! this keeps only what the window shows of it.

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui;

use super::loadable::Trouble;
use crate::dataset::DatasetId;
use crate::jobs::{CancelToken, Job, Latest, Progress, ProgressReading};
use crate::model::embeddings::SharedEncoder;
use crate::record::{RunId, RunStatus, Shard};
use crate::retrieval::{BuildError, DenseConfig, EncoderSource};
use crate::run::plan::refused_in_words;
use crate::run::series::{Outcome, Purpose, Step};
use crate::run::{
    Cell, Control, Executor, Experiment, Places, RunProgress, Settings, Workplace, in_full, keep, plan_draft,
    run_series, sample_experiment, sample_set,
};
use crate::store::{Reader, Store};

/// What is to be run.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// The sample experiment over the sample set.
    Sample,
    /// An experiment.
    New(Box<Experiment>),
    /// A stored experiment: what of it is missing.
    Stored(i64),
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
}

impl Active {
    /// What is known of it.
    pub fn board(&self) -> Arc<Board> {
        self.board.get().unwrap_or_default()
    }

    /// How far the cell at work is.
    pub fn progress(&self) -> Option<Arc<RunProgress>> {
        self.control.latest().get()
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

/// The queue.
#[derive(Debug, Default)]
pub struct Runner {
    queue: VecDeque<Queued>,
    active: Option<Active>,
    finished: Vec<Finished>,
    numbers: u64,
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

    /// Whether there is anything to do.
    pub fn is_idle(&self) -> bool {
        self.active.is_none() && self.queue.is_empty()
    }

    pub(super) fn enqueue(&mut self, name: String, wanted: Wanted) -> u64 {
        self.numbers += 1;
        self.queue.push_back(Queued { id: self.numbers, name, wanted });
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

    /// Takes what ended and begins what is next; gives what ended.
    pub(super) fn logic(
        &mut self,
        ctx: &egui::Context,
        places: &Places,
        threads: usize,
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
        if self.active.is_none()
            && let Some(queued) = self.queue.pop_front()
        {
            self.active = Some(begin(queued, ctx, places, threads));
        }
        if self.active.is_some() {
            ctx.request_repaint_after(Duration::from_millis(100));
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

fn begin(queued: Queued, ctx: &egui::Context, places: &Places, threads: usize) -> Active {
    let cancel = CancelToken::new();
    let control = Control::new(cancel.clone());
    let board = Latest::new();
    let work = Work {
        wanted: queued.wanted,
        store: places.store.clone(),
        workplace: places.workplace().with_threads(threads).with_cancel(cancel),
        control: control.clone(),
        latest: board.clone(),
        board: Board { name: queued.name.clone(), ..Board::default() },
    };
    let wake = ctx.clone();
    let job = Job::start("experiment", move || wake.request_repaint(), move |_, progress| work.run(progress));
    Active { id: queued.id, name: queued.name, began: Instant::now(), control, board, job }
}

struct Work {
    wanted: Wanted,
    store: std::path::PathBuf,
    workplace: Workplace,
    control: Control,
    latest: Latest<Board>,
    board: Board,
}

impl Work {
    fn run(mut self, progress: &Progress) -> Result<Outcome, Trouble> {
        match self.series(progress) {
            Err(_) if self.control.cancel().is_canceled() => {
                Ok(Outcome { canceled: true, ..Outcome::default() })
            }
            other => other,
        }
    }

    fn series(&mut self, progress: &Progress) -> Result<Outcome, Trouble> {
        let cancel = self.control.cancel().clone();
        self.latest.set(self.board.clone());
        let (experiment, problems) = match &self.wanted {
            Wanted::Sample => {
                let folder = sample_set(&self.workplace, &cancel, progress)?;
                (sample_experiment(&folder)?, Vec::new())
            }
            Wanted::New(experiment) => (**experiment).clone().checked()?,
            Wanted::Stored(number) => {
                let stored = Reader::open(&self.store)?.experiments()?;
                let Some(stored) = stored.into_iter().find(|stored| stored.id == *number) else {
                    return Err(Trouble(format!("The store has no experiment {number} any more.")));
                };
                let origin = format!("experiment {number} of the store");
                (Experiment::from_toml(&stored.toml, Path::new(&origin))?, Vec::new())
            }
        };
        self.board.name.clone_from(&experiment.name);
        let plan = plan_draft(&experiment, problems, &self.workplace, &cancel, progress)?;
        let mut seen = HashSet::new();
        let matrix = plan.cells.iter().map(|cell| (cell, Purpose::Matrix));
        let grids = plan.tunings.iter().flat_map(|tuning| &tuning.grid).map(|cell| (cell, Purpose::Grid));
        for (cell, purpose) in matrix.chain(grids) {
            if seen.insert(cell.spec.key()) {
                self.board.cells.push(line(cell, purpose));
            }
        }
        self.board.refused = refused_in_words(&plan.refused);
        self.board.notes = plan.notes.iter().map(ToString::to_string).collect();
        self.board.planned = true;
        self.latest.set(self.board.clone());
        let mut store = Store::open(&self.store)?;
        let number = keep(&mut store, &experiment, &plan)?;
        let encoders = Encoders { workplace: &self.workplace, cancel };
        let mut executor = Executor::new(&encoders, store, Settings::default());
        let (board, latest) = (&mut self.board, &self.latest);
        let outcome =
            run_series(&plan, number, &mut executor, Shard::WHOLE, &self.control, &mut |step| match step {
                Step::Begin { cell, purpose, .. } => {
                    mark(board, cell, purpose, CellState::Running);
                    latest.set(board.clone());
                }
                Step::End { cell, result } => {
                    let state = match result {
                        Ok(record) => CellState::Ended { run: record.id, status: record.status },
                        Err(error) => CellState::Failed(Trouble(in_full(error))),
                    };
                    mark(board, cell, Purpose::Matrix, state);
                    latest.set(board.clone());
                }
                Step::Chosen(_) => {}
            })?;
        Ok(outcome)
    }
}

fn mark(board: &mut Board, cell: &Cell, purpose: Purpose, state: CellState) {
    let key = cell.spec.key();
    match board.cells.iter_mut().find(|line| line.key == key) {
        Some(line) => line.state = state,
        None => board.cells.push(CellLine { state, ..line(cell, purpose) }),
    }
}

fn line(cell: &Cell, purpose: Purpose) -> CellLine {
    CellLine {
        key: cell.spec.key(),
        dataset: cell.dataset.id(),
        model: cell.spec.model.name.clone(),
        retriever: cell.spec.retriever.config.clone(),
        k: cell.spec.retriever.k,
        samples: cell.positions.len() as u64,
        purpose,
        state: CellState::Waiting,
    }
}

/// A workplace's encoders, whose loading ends with the run.
struct Encoders<'a> {
    workplace: &'a Workplace,
    cancel: CancelToken,
}

impl EncoderSource for Encoders<'_> {
    fn encoder(&self, wanted: &DenseConfig) -> Result<Arc<SharedEncoder>, BuildError> {
        self.workplace.shared_encoder(wanted, &self.cancel, &Progress::new())
    }
}
