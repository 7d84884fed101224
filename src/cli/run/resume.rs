//! `lamplight resume`: runs that were broken off, continued from the store alone.

use std::collections::HashSet;
use std::path::Path;

use clap::Args;
use serde_json::json;

use super::summary::label;
use super::{RunCommandError, WorkArgs, execute, planned};
use crate::cli::text::plain;
use crate::cli::{CliError, Console, Outcome};
use crate::record::{Difference, RunId, RunRecord, RunStatus, Shard, Tuning, diff};
use crate::run::experiment::{Experiment, Problems};
use crate::run::plan::TunePlan;
use crate::run::{Cell, Plan, PlanError};
use crate::store::StoredExperiment;

/// Continue runs that were interrupted, killed, or ended by failures.
///
/// What is stored is not answered again. The experiment is planned anew from the store; where its data or models are not
/// what they were, the run is left as it is, and what changed is said.
#[derive(Debug, Args)]
pub(in crate::cli) struct ResumeArgs {
    /// The runs, by number or by the beginning of their key; all that are not done if none is given.
    #[arg(value_name = "RUN")]
    runs: Vec<String>,
    #[command(flatten)]
    work: WorkArgs,
}

/// Runs the command.
pub(in crate::cli) fn run(arguments: &ResumeArgs, console: &Console) -> Result<Outcome, CliError> {
    let reader = arguments.work.store.reader()?;
    let named = arguments.runs.iter().map(|run| reader.find(run)).collect::<Result<Vec<_>, _>>()?;
    let retry = arguments.work.retry_failed;
    let open = |run: &RunRecord| run.status != RunStatus::Done || (retry && run.totals.failed > 0);
    let wanted: Vec<RunRecord> = match named.is_empty() {
        // What another program is at work on needs nobody else.
        true => reader.runs()?.into_iter().filter(|run| open(run) && !reader.is_claimed(run)).collect(),
        false => named.iter().filter(|run| open(run)).cloned().collect(),
    };
    for run in named.iter().filter(|run| !open(run)) {
        console.note(&format!("Run {} is done already.", run.id.0));
    }
    let mut left: Vec<RunRecord> = wanted;
    let (mut changed, mut unplanned) = (0, 0);
    let (runs, tunings, experiments) = (reader.runs()?, reader.tunings()?, reader.experiments()?);
    drop(reader);
    let workplace = arguments.work.workplace(console)?;
    let mut reports = Vec::new();
    let mut ended = Ok(Outcome::Done);
    for stored in &experiments {
        let mine: Vec<RunRecord> = left.iter().filter(|run| stored.runs.contains(&run.id)).cloned().collect();
        left.retain(|run| !stored.runs.contains(&run.id));
        let untuned = named.is_empty() && lacks_choice(stored, &runs, &tunings);
        if mine.is_empty() && !untuned {
            continue;
        }
        let origin = format!("experiment {} of the store", stored.id);
        let made = Experiment::from_toml(&stored.toml, Path::new(&origin))
            .map_err(CliError::from)
            .and_then(|experiment| Ok((planned(&experiment, Vec::new(), &workplace, console)?, experiment)));
        let (mut plan, experiment) = match made {
            Ok(made) => made,
            // What one experiment lacks does not keep the others.
            Err(CliError::RunCommand(error)) => {
                console.warn(&plain(&format!("Experiment {} ({}): {error}", stored.id, stored.name)));
                unplanned += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        changed += tell_changes(&plan, &mine, console);
        keep_only(&mut plan, &mine, named.is_empty(), &known_keys(stored, &runs));
        if plan.cells.is_empty() && plan.tunings.is_empty() {
            continue;
        }
        let ran = execute(&experiment, &plan, &workplace, Shard::WHOLE, &arguments.work, console)?;
        reports.push(ran.report);
        match ran.ended {
            Err(CliError::Canceled(canceled)) => {
                ended = Err(canceled.into());
                break;
            }
            Ok(Outcome::Done) => {}
            Ok(worse) if ended.is_ok() => ended = Ok(worse),
            Ok(_) => {}
            Err(error) => ended = Err(error),
        }
    }
    if console.is_json() {
        console.print_json(&json!({ "experiments": reports }))?;
    } else if reports.is_empty() && left.is_empty() && changed + unplanned == 0 {
        console.print("Every run is done.\n")?;
    }
    let ended = ended?;
    match left.first() {
        Some(run) => Err(RunCommandError::NoExperiment { run: run.id.0 }.into()),
        None if changed > 0 => Err(RunCommandError::Changed { count: changed }.into()),
        None if unplanned > 0 => Err(RunCommandError::NotResumed { count: unplanned }.into()),
        None => Ok(ended),
    }
}

/// Whether an experiment was broken off between its grid and the winner.
fn lacks_choice(stored: &StoredExperiment, runs: &[RunRecord], tunings: &[Tuning]) -> bool {
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

fn known_keys(stored: &StoredExperiment, runs: &[RunRecord]) -> HashSet<String> {
    let ids: HashSet<RunId> = stored.runs.iter().copied().collect();
    runs.iter().filter(|run| ids.contains(&run.id)).map(|run| run.key.clone()).collect()
}

/// Leaves in a plan what is to be resumed: the wanted runs, and with `choices` the choices whose grids are still the stored
/// ones.
fn keep_only(plan: &mut Plan, wanted: &[RunRecord], choices: bool, known: &HashSet<String>) {
    let keys: HashSet<&str> = wanted.iter().map(|run| run.key.as_str()).collect();
    let is_wanted = |cell: &Cell| keys.contains(cell.spec.key().as_str());
    let is_known = |tuning: &TunePlan| tuning.grid.iter().all(|cell| known.contains(&cell.spec.key()));
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
    plan.refused.clear(); // they were told when it was run first
}

/// Says which runs are not to be had any more, and why; gives their number.
fn tell_changes(plan: &Plan, wanted: &[RunRecord], console: &Console) -> usize {
    let tuned = plan.tunings.iter().flat_map(|tuning| tuning.grid.iter().chain(&tuning.applied));
    let cells: Vec<&Cell> = plan.cells.iter().chain(tuned).collect();
    let mut changed = 0;
    for run in wanted {
        if cells.iter().any(|cell| cell.spec.key() == run.key) {
            continue;
        }
        changed += 1;
        let near = cells.iter().map(|cell| diff(&run.spec, &cell.spec)).min_by_key(Vec::len);
        let why = near.as_deref().map_or_else(|| "it is no part of its experiment".to_owned(), words);
        console.warn(&format!("Run {} ({}) is not resumed: {why}.", run.id.0, label(&run.spec)));
    }
    changed
}

fn words(differences: &[Difference]) -> String {
    let value = |value: &Option<serde_json::Value>| match value {
        Some(serde_json::Value::String(text)) => text.chars().take(60).collect(),
        Some(other) => other.to_string().chars().take(60).collect(),
        None => "nothing".to_owned(),
    };
    let one = |difference: &Difference| {
        format!("{} was {} and is {}", difference.path, value(&difference.first), value(&difference.second))
    };
    plain(&differences.iter().map(one).collect::<Vec<_>>().join("; "))
}

impl From<Problems> for CliError {
    fn from(problems: Problems) -> Self {
        PlanError::from(problems).into()
    }
}
