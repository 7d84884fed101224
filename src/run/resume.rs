//! What of a stored experiment is still to be run. Planned anew from the store, it may be another experiment by now, where its
//! data or models have changed: only the very runs that were stored are continued, and of the others it is told what changed.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use super::experiment::{Experiment, Problems};
use super::plan::{TunePlan, plan};
use super::{Cell, Plan, PlanError, Workplace};
use crate::jobs::{CancelToken, Progress};
use crate::record::{Difference, RunId, RunRecord, RunStatus, Tuning, diff};
use crate::store::StoredExperiment;

/// What of a stored experiment can be continued.
#[derive(Debug)]
pub struct Remainder {
    /// The experiment as it is stored.
    pub experiment: Experiment,
    /// What is left of it; may be nothing.
    pub plan: Plan,
    /// Runs that cannot be continued.
    pub changed: Vec<Changed>,
}

/// A run that is not one of its experiment's any more.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The run.
    pub run: RunRecord,
    /// What it depends on and is not what it was; nothing where the experiment has no cell like it.
    pub differences: Vec<Difference>,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.differences.is_empty() {
            return f.write_str("it is no part of its experiment");
        }
        let value = |value: &Option<serde_json::Value>| -> String {
            match value {
                Some(serde_json::Value::String(text)) => text.chars().take(60).collect(),
                Some(other) => other.to_string().chars().take(60).collect(),
                None => "nothing".to_owned(),
            }
        };
        for (number, Difference { path, first, second }) in self.differences.iter().enumerate() {
            let comma = if number > 0 { "; " } else { "" };
            write!(f, "{comma}{path} was {} and is {}", value(first), value(second))?;
        }
        Ok(())
    }
}

/// Whether there is anything to do on a run: it is not done, or it has failed samples that are to be tried again.
pub fn is_open(run: &RunRecord, retry_failed: bool) -> bool {
    run.status != RunStatus::Done || (retry_failed && run.totals.failed > 0)
}

/// Whether an experiment was broken off between its grid and the winner.
pub fn lacks_choice(stored: &StoredExperiment, runs: &[RunRecord], tunings: &[Tuning]) -> bool {
    let Ok(experiment) = Experiment::from_toml(&stored.toml, Path::new("")) else { return false };
    let Some(tune) = &experiment.tune else { return false };
    let mine = || runs.iter().filter(|run| stored.runs.contains(&run.id));
    let keys: HashSet<&str> = mine().map(|run| run.key.as_str()).collect();
    mine().filter(|run| run.spec.dataset.split == tune.on).any(|run| {
        let of_run = |tuning: &&Tuning| {
            (tuning.task, tuning.setting) == (run.spec.dataset.task, run.spec.dataset.setting)
                && tuning.model == run.spec.model.name
                && tuning.tuned_on == tune.on
                && keys.contains(tuning.applied.as_str())
        };
        !tunings.iter().any(|tuning| of_run(&tuning))
    })
}

/// Reads a stored experiment.
///
/// # Errors
/// A text that this program does not read any more.
pub fn stored_experiment(stored: &StoredExperiment) -> Result<Experiment, Problems> {
    let origin = format!("experiment {} of the store", stored.id);
    Experiment::from_toml(&stored.toml, Path::new(&origin))
}

/// Plans a stored experiment anew and leaves in it the `wanted` ones of its runs, and with `choices` the choices whose grids are
/// still those that are stored. `runs` are all of the store's.
///
/// # Errors
/// As [`plan`].
pub fn remainder(
    stored: &StoredExperiment,
    runs: &[RunRecord],
    wanted: &[RunRecord],
    choices: bool,
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Remainder, PlanError> {
    let experiment = stored_experiment(stored)?;
    let mut plan = plan(&experiment, workplace, cancel, progress)?;
    let changed = changed(&plan, wanted);
    let ids: HashSet<RunId> = stored.runs.iter().copied().collect();
    let known = runs.iter().filter(|run| ids.contains(&run.id)).map(|run| run.key.as_str()).collect();
    keep_only(&mut plan, wanted, choices, &known);
    Ok(Remainder { experiment, plan, changed })
}

/// Leaves in a plan what is to be continued.
fn keep_only(plan: &mut Plan, wanted: &[RunRecord], choices: bool, known: &HashSet<&str>) {
    let keys: HashSet<&str> = wanted.iter().map(|run| run.key.as_str()).collect();
    let is_wanted = |cell: &Cell| keys.contains(cell.spec.key().as_str());
    let is_known =
        |tuning: &TunePlan| tuning.grid.iter().all(|cell| known.contains(cell.spec.key().as_str()));
    let more: Vec<Cell> = plan
        .tunings
        .iter()
        .flat_map(|tuning| tuning.grid.iter().chain(&tuning.applied))
        .filter(|cell| is_wanted(cell))
        .cloned()
        .collect();
    plan.cells.retain(is_wanted);
    let mut present: HashSet<String> = plan.cells.iter().map(|cell| cell.spec.key()).collect();
    plan.cells.extend(more.into_iter().filter(|cell| present.insert(cell.spec.key())));
    plan.tunings.retain(|tuning| choices && is_known(tuning));
    // They were told when it was run first, and the places are those of the whole matrix.
    plan.refused.clear();
    plan.slots.clear();
}

/// The wanted runs that a plan does not have, each with what sets it apart from the cell that is most like it.
fn changed(plan: &Plan, wanted: &[RunRecord]) -> Vec<Changed> {
    let tuned = plan.tunings.iter().flat_map(|tuning| tuning.grid.iter().chain(&tuning.applied));
    let cells: Vec<&Cell> = plan.cells.iter().chain(tuned).collect();
    let keys: HashSet<String> = cells.iter().map(|cell| cell.spec.key()).collect();
    let gone = wanted.iter().filter(|run| !keys.contains(&run.key));
    gone.map(|run| Changed {
        run: run.clone(),
        differences: cells
            .iter()
            .map(|cell| diff(&run.spec, &cell.spec))
            .min_by_key(Vec::len)
            .unwrap_or_default(),
    })
    .collect()
}
