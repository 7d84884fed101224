//! The thread that runs an experiment of the queue.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use eframe::egui;

use super::{Active, Board, CellLine, CellState, Queued, Wanted};
use crate::gui::loadable::Trouble;
use crate::gui::words::run_trouble;
use crate::jobs::{CancelToken, Job, Latest, Progress};
use crate::model::embeddings::SharedEncoder;
use crate::record::{RunRecord, Shard};
use crate::retrieval::{BuildError, DenseConfig, EncoderSource};
use crate::run::plan::refused_in_words;
use crate::run::resume::{is_open, lacks_choice, remainder};
use crate::run::series::{Outcome, Purpose, Step};
use crate::run::{
    Cell, Control, Executor, Experiment, Places, Plan, Settings, Workplace, keep, plan_draft, run_series,
    sample_experiment, sample_set,
};
use crate::store::{Reader, Store};

/// Begins what waited.
pub(super) fn begin(
    queued: Queued,
    ctx: &egui::Context,
    places: &Places,
    threads: usize,
    settings: Settings,
) -> Active {
    let cancel = CancelToken::new();
    let control = Control::new(cancel.clone());
    let board = Latest::new();
    let retry_failed = matches!(queued.wanted, Wanted::Stored { retry_failed: true, .. });
    let work = Work {
        wanted: queued.wanted,
        store: places.store.clone(),
        workplace: places.workplace().with_threads(threads).with_cancel(cancel),
        settings: Settings { retry_failed: settings.retry_failed || retry_failed, ..settings },
        control: control.clone(),
        latest: board.clone(),
        board: Board { name: queued.name.clone(), ..Board::default() },
    };
    let wake = ctx.clone();
    let job = Job::start("experiment", move || wake.request_repaint(), move |_, progress| work.run(progress));
    Active {
        id: queued.id,
        name: queued.name,
        began: Instant::now(),
        control,
        board,
        job,
        traces: Vec::new(),
    }
}

struct Work {
    wanted: Wanted,
    store: PathBuf,
    workplace: Workplace,
    settings: Settings,
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
        self.latest.set(self.board.clone());
        let (experiment, plan) = self.planned(progress)?;
        self.board.name.clone_from(&experiment.name);
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
        let encoders = Encoders { workplace: &self.workplace, cancel: self.control.cancel().clone() };
        let mut executor = Executor::new(&encoders, store, self.settings);
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
                        Err(error) => CellState::Failed(run_trouble(error)),
                    };
                    mark(board, cell, Purpose::Matrix, state);
                    latest.set(board.clone());
                }
                Step::Chosen(_) => {}
            })?;
        Ok(outcome)
    }

    /// The experiment, and what of it is to be run.
    fn planned(&mut self, progress: &Progress) -> Result<(Experiment, Plan), Trouble> {
        let cancel = self.control.cancel().clone();
        let (experiment, problems) = match &self.wanted {
            Wanted::Sample => {
                let folder = sample_set(&self.workplace, &cancel, progress)?;
                (sample_experiment(&folder)?, Vec::new())
            }
            Wanted::New(experiment) => (**experiment).clone().checked()?,
            Wanted::Stored { experiment, runs, .. } => {
                let (number, named) = (*experiment, runs.clone());
                return self.continued(number, &named, &cancel, progress);
            }
        };
        let plan = plan_draft(&experiment, problems, &self.workplace, &cancel, progress)?;
        Ok((experiment, plan))
    }

    /// What is left of a stored experiment, as the command `resume` finds it. Runs that have become others are left as they are.
    fn continued(
        &mut self,
        number: i64,
        named: &[crate::record::RunId],
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<(Experiment, Plan), Trouble> {
        let reader = Reader::open(&self.store)?;
        let (runs, tunings) = (reader.runs()?, reader.tunings()?);
        let stored = reader.experiments()?.into_iter().find(|stored| stored.id == number);
        let Some(stored) = stored else {
            return Err(Trouble(format!("The store has no experiment {number} any more.")));
        };
        let open = |run: &&RunRecord| {
            stored.runs.contains(&run.id)
                && (named.is_empty() || named.contains(&run.id))
                && is_open(run, self.settings.retry_failed)
        };
        let (claimed, wanted): (Vec<RunRecord>, Vec<RunRecord>) =
            runs.iter().filter(open).cloned().partition(|run| reader.is_claimed(run));
        let choices = named.is_empty() && lacks_choice(&stored, &runs, &tunings);
        if wanted.is_empty() && !choices {
            return Err(Trouble(match claimed.first() {
                Some(run) => format!(
                    "Run {} is being worked on by another program; when that has ended, resume the rest.",
                    run.id.0
                ),
                None => "Nothing of this experiment is left to be run.".to_owned(),
            }));
        }
        let found = remainder(&stored, &runs, &wanted, named.is_empty(), &self.workplace, cancel, progress)?;
        self.board.changed = found
            .changed
            .iter()
            .map(|changed| format!("Run {} is not resumed: {changed}.", changed.run.id.0))
            .collect();
        if found.plan.cells.is_empty() && found.plan.tunings.is_empty() {
            let why = self.board.changed.join("\n");
            return Err(Trouble(format!(
                "What these runs depend on has changed, so they cannot be continued. Run the experiment anew, or bring back \
                 what it was.\n{why}"
            )));
        }
        Ok((found.experiment, found.plan))
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
