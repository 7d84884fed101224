//! A whole experiment: its cells one after the other, then what is chosen among them. What is stored already is passed
//! over, so that running an experiment again continues it.

use std::collections::{HashMap, HashSet};

use super::experiment::{Experiment, WriteError};
use super::plan::{Plan, TunePlan};
use super::tune::{Unchosen, choose};
use super::{Cell, Control, Executor, RunError};
use crate::record::{EventKind, RunRecord, RunStatus, Shard, Tuning};
use crate::store::{Store, StoreError};

/// What a cell is run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The experiment's table.
    Matrix,
    /// The grid of a choice.
    Grid,
    /// The winner of a choice, on the reported data.
    Winner,
}

/// What happens while an experiment runs.
#[derive(Debug)]
pub enum Step<'a> {
    /// A cell is begun.
    Begin {
        /// Its number, from 1.
        number: usize,
        /// Cells in all.
        of: usize,
        /// The cell.
        cell: &'a Cell,
        /// What for.
        purpose: Purpose,
    },
    /// A cell has ended.
    End {
        /// The cell.
        cell: &'a Cell,
        /// Its record, or why there is none.
        result: &'a Result<RunRecord, RunError>,
    },
    /// A retriever and a k were chosen.
    Chosen(&'a Tuning),
}

/// A cell that could not be run.
#[derive(Debug)]
pub struct Failure {
    /// The cell.
    pub cell: Cell,
    /// Why.
    pub error: RunError,
}

/// What came of an experiment.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The records of the cells that were reached, each once.
    pub runs: Vec<RunRecord>,
    /// The cells that could not be run.
    pub failures: Vec<Failure>,
    /// What was chosen.
    pub tunings: Vec<Tuning>,
    /// What could not be chosen, by task, setting and model.
    pub unchosen: Vec<(TunePlan, Unchosen)>,
    /// Whether someone canceled.
    pub canceled: bool,
}

/// Why an experiment could not go on.
#[derive(Debug, thiserror::Error)]
pub enum SeriesError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The experiment cannot be kept in the store.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Keeps an experiment in a store with all its runs, so that [`run_series`] can be continued from the store alone; gives the
/// experiment's number there.
///
/// # Errors
/// A store that cannot be written.
pub fn keep(store: &mut Store, experiment: &Experiment, plan: &Plan) -> Result<i64, SeriesError> {
    let grids = plan.tunings.iter().flat_map(|tuning| &tuning.grid);
    let cells = plan.cells.iter().chain(grids);
    let runs: Vec<_> = cells.map(|cell| (&cell.spec, cell.positions.len() as u64)).collect();
    Ok(store.keep(&experiment.name, &experiment.to_toml()?, &runs)?)
}

/// Runs a plan's cells and its choices, in the order of the plan. A cell that cannot be run does not keep the others from it;
/// a store that cannot be written does. A part (`shard`) of an experiment chooses nothing, since others have the rest.
///
/// # Errors
/// A store that cannot be used; what was stored before stays.
pub fn run_series(
    plan: &Plan,
    experiment: i64,
    executor: &mut Executor<'_>,
    shard: Shard,
    control: &Control,
    tell: &mut dyn FnMut(Step<'_>),
) -> Result<Outcome, SeriesError> {
    let mut grid_keys = HashSet::new();
    let grids: Vec<&Cell> = plan.tunings.iter().flat_map(|tuning| &tuning.grid).collect();
    let matrix: HashSet<String> = plan.cells.iter().map(|cell| cell.spec.key()).collect();
    let new = grids.iter().filter(|cell| {
        let key = cell.spec.key();
        !matrix.contains(&key) && grid_keys.insert(key)
    });
    let winners = if shard == Shard::WHOLE { plan.tunings.len() } else { 0 };
    let of = plan.cells.len() + new.count() + winners;
    let mut series = Series {
        executor,
        shard,
        control,
        tell,
        of,
        number: 0,
        ran: HashMap::new(),
        outcome: Outcome::default(),
    };
    for cell in &plan.cells {
        if series.run(cell, Purpose::Matrix)?.is_break() {
            return Ok(series.outcome);
        }
    }
    for tuning in &plan.tunings {
        for cell in &tuning.grid {
            if series.run(cell, Purpose::Grid)?.is_break() {
                return Ok(series.outcome);
            }
        }
        if shard != Shard::WHOLE {
            continue;
        }
        let records: Vec<Option<RunRecord>> = tuning.grid.iter().map(|cell| series.record(cell)).collect();
        let (number, chosen) = match choose(tuning, &records) {
            Ok(chosen) => chosen,
            Err(unchosen) => {
                series.outcome.unchosen.push((tuning.clone(), unchosen));
                continue;
            }
        };
        let Some(winner) = tuning.applied.get(number) else { continue };
        let store = series.executor.store_mut();
        let record = store.plan(&winner.spec, winner.positions.len() as u64)?;
        store.link(experiment, record.id)?;
        if series.run(winner, Purpose::Winner)?.is_break() {
            return Ok(series.outcome);
        }
        let store = series.executor.store_mut();
        store.save_tuning(&chosen)?;
        if chosen.same_data {
            let text = "Chosen on the samples that it is reported on, so its figures are too good";
            store.log(Some(record.id), EventKind::Notice, text)?;
        }
        (series.tell)(Step::Chosen(&chosen));
        series.outcome.tunings.push(chosen);
    }
    Ok(series.outcome)
}

struct Series<'s, 'e> {
    executor: &'s mut Executor<'e>,
    shard: Shard,
    control: &'s Control,
    tell: &'s mut dyn FnMut(Step<'_>),
    of: usize,
    number: usize,
    /// Cells that were run, and the place of each one's record.
    ran: HashMap<String, Option<usize>>,
    outcome: Outcome,
}

impl Series<'_, '_> {
    /// Runs a cell unless it was run before; breaks where someone canceled.
    fn run(&mut self, cell: &Cell, purpose: Purpose) -> Result<std::ops::ControlFlow<()>, SeriesError> {
        use std::ops::ControlFlow::{Break, Continue};
        let key = cell.spec.key();
        if self.ran.contains_key(&key) {
            self.number += usize::from(purpose == Purpose::Winner);
            return Ok(Continue(()));
        }
        self.number += 1;
        (self.tell)(Step::Begin { number: self.number, of: self.of, cell, purpose });
        let result = self.executor.run(cell, self.shard, self.control);
        (self.tell)(Step::End { cell, result: &result });
        let place = match result {
            Ok(record) => {
                self.outcome.runs.push(record);
                Some(self.outcome.runs.len() - 1)
            }
            // Another program does what is to be done here, and the rest is not its.
            Err(RunError::Store(error)) if !matches!(error, StoreError::InUse { .. }) => {
                return Err(error.into());
            }
            Err(RunError::Canceled(_)) => None,
            Err(error) => {
                self.outcome.failures.push(Failure { cell: cell.clone(), error });
                None
            }
        };
        self.ran.insert(key, place);
        if self.control.cancel().is_canceled() {
            // Canceled after its last sample, a run is whole all the same.
            self.outcome.canceled = true;
            return Ok(Break(()));
        }
        Ok(Continue(()))
    }

    fn record(&self, cell: &Cell) -> Option<RunRecord> {
        let place = self.ran.get(&cell.spec.key())?;
        self.outcome.runs.get((*place)?).cloned()
    }
}

/// Whether a run is where it should be: done, or of a part of it (`shard`) answered as far as the part goes.
pub fn is_done(run: &RunRecord, shard: Shard) -> bool {
    match run.status {
        RunStatus::Done => true,
        RunStatus::Interrupted => shard != Shard::WHOLE,
        RunStatus::Planned | RunStatus::Running | RunStatus::Failed => false,
    }
}

impl Outcome {
    /// Whether everything that was wanted is done, failed samples or not.
    pub fn is_done(&self, shard: Shard) -> bool {
        self.failures.is_empty()
            && self.unchosen.is_empty()
            && !self.canceled
            && self.runs.iter().all(|run| is_done(run, shard))
    }

    /// Whether samples could not be answered.
    pub fn has_failed_samples(&self) -> bool {
        self.runs.iter().any(|run| run.totals.failed > 0)
    }
}
