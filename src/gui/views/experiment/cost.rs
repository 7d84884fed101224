//! What starting an experiment would cost: how much is to be answered, how much of it is stored, and how long it may take, from what
//! stored runs of the same models took.

use std::collections::{BTreeSet, HashMap};

use super::survey::{Kind, Place, Survey};
use super::ticks::Ticks;
use crate::record::{ModelSpec, RunRecord, RunStatus};
use crate::run::CellModel;

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Cost {
    /// Ticked cells, those of grids included, each once.
    pub runs: usize,
    /// Those of them that are stored and done.
    pub stored: usize,
    /// Winners of choices, which join when they are known.
    pub winners: usize,
    /// Answers that are to be made.
    pub answers: u64,
    /// Those of them that a model generates; the others come of rules.
    pub generations: u64,
    /// Seconds, as far as they are known.
    pub seconds: f64,
    /// Stored runs from which that was taken.
    pub from_runs: usize,
    /// Whether a measurement was used.
    pub measured: bool,
    /// Models of which nothing is known, and how many answers they are to make.
    pub unknown: Vec<(String, u64)>,
}

impl Cost {
    /// Runs that are to be started.
    pub const fn left(&self) -> usize {
        self.runs - self.stored + self.winners
    }
}

/// What a model takes for an answer, measured just now: by its fingerprint, in seconds.
pub(super) type Measured = HashMap<String, f64>;

/// The cells that are ticked, each once.
pub(super) fn chosen(survey: &Survey, ticks: &Ticks) -> BTreeSet<usize> {
    let mut all = BTreeSet::new();
    for (row, places) in survey.places.iter().enumerate() {
        for (_, place) in places.iter().enumerate().filter(|(column, _)| ticks.is_on(row, *column)) {
            if let Place::Cells(cells) = place {
                all.extend(cells.iter().copied());
            }
        }
    }
    all
}

/// What it costs to run what is ticked, beside what the store has.
pub(super) fn cost(survey: &Survey, ticks: &Ticks, runs: &[RunRecord], measured: &Measured) -> Cost {
    let by_key: HashMap<&str, &RunRecord> = runs.iter().map(|run| (run.key.as_str(), run)).collect();
    let rates = Rates::of(runs);
    let mut cost = Cost::default();
    let mut used = BTreeSet::new();
    let mut unknown: Vec<(String, u64)> = Vec::new();
    for number in chosen(survey, ticks) {
        let Some(cell) = survey.cells.get(number) else { continue };
        cost.runs += 1;
        let stored = survey.keys.get(number).and_then(|key| by_key.get(key.as_str()));
        let done = stored.map_or(0, |run| run.totals.done);
        if stored.is_some_and(|run| run.status == RunStatus::Done) {
            cost.stored += 1;
            continue;
        }
        let left = (cell.positions.len() as u64).saturating_sub(done);
        cost.answers += left;
        let is_rule = matches!(cell.model, CellModel::Baseline(_));
        if !is_rule {
            cost.generations += left;
        }
        let model = &cell.spec.model;
        match rates.of_model(model, cell.spec.dataset.task) {
            Some((rate, from)) => {
                cost.seconds += rate * left as f64;
                used.extend(from.iter().copied());
            }
            None => match measured.get(&model.fingerprint) {
                Some(rate) => {
                    cost.seconds += rate * left as f64;
                    cost.measured = true;
                }
                // A rule takes no time worth telling.
                None if is_rule => {}
                None => match unknown.iter_mut().find(|(name, _)| *name == model.name) {
                    Some((_, answers)) => *answers += left,
                    None => unknown.push((model.name.clone(), left)),
                },
            },
        }
    }
    cost.from_runs = used.len();
    cost.unknown = unknown;
    cost.winners = survey
        .places
        .iter()
        .enumerate()
        .flat_map(|(row, places)| places.iter().enumerate().map(move |(column, place)| (row, column, place)))
        .filter(|(row, column, place)| {
            survey.columns[*column].kind == Kind::Tuned
                && ticks.is_on(*row, *column)
                && matches!(place, Place::Cells(cells)
                    if joins(survey, *row, cells) && cells.iter().any(|cell| !is_stored(survey, *cell, &by_key)))
        })
        .count();
    cost
}

/// Whether the winner of a grid is a run beside the grid's own: not where it is chosen on what is reported.
fn joins(survey: &Survey, row: usize, grid: &[usize]) -> bool {
    let first = grid.first().and_then(|cell| survey.cells.get(*cell));
    first.zip(survey.rows.get(row)).is_some_and(|(cell, (id, _))| cell.dataset.id() != *id)
}

fn is_stored(survey: &Survey, cell: usize, runs: &HashMap<&str, &RunRecord>) -> bool {
    let run = survey.keys.get(cell).and_then(|key| runs.get(key.as_str()));
    run.is_some_and(|run| run.status == RunStatus::Done)
}

/// Seconds an answer, of models by tasks.
struct Rates<'r> {
    runs: Vec<&'r RunRecord>,
}

impl<'r> Rates<'r> {
    /// From runs that asked their model long enough to tell.
    fn of(runs: &'r [RunRecord]) -> Self {
        let tells = |run: &&RunRecord| {
            let asked = run.totals.done.saturating_sub(run.totals.cached + run.totals.failed);
            asked > 0 && asked * 2 >= run.totals.done && run.active_ms > 0
        };
        Self { runs: runs.iter().filter(tells).collect() }
    }

    /// Of the same task where there are such runs, else of any.
    fn of_model(&self, model: &ModelSpec, task: crate::lamp::Task) -> Option<(f64, Vec<i64>)> {
        let same = |run: &&&RunRecord| {
            let other = &run.spec.model;
            (&other.fingerprint, &other.device, &other.precision)
                == (&model.fingerprint, &model.device, &model.precision)
        };
        let all: Vec<&&RunRecord> = self.runs.iter().filter(same).collect();
        let of_task: Vec<&&RunRecord> =
            all.iter().copied().filter(|run| run.spec.dataset.task == task).collect();
        let used = if of_task.is_empty() { all } else { of_task };
        let asked: u64 = used.iter().map(|run| run.totals.done.saturating_sub(run.totals.cached)).sum();
        let ms: u64 = used.iter().map(|run| run.active_ms).sum();
        let ids = used.iter().map(|run| run.id.0).collect();
        (asked > 0).then(|| (ms as f64 / 1000.0 / asked as f64, ids))
    }
}
