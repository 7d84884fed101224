//! `lamplight resume`: runs that were broken off, continued from the store alone.

use clap::Args;
use serde_json::json;

use super::summary::label;
use super::{RunCommandError, WorkArgs, execute, tell_notes};
use crate::cli::text::plain;
use crate::cli::{CliError, Console, Outcome, Unit};
use crate::record::{RunRecord, Shard};
use crate::run::PlanError;
use crate::run::experiment::Problems;
use crate::run::resume::{Changed, Remainder, is_open, lacks_choice, remainder};

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
    let open = |run: &RunRecord| is_open(run, retry);
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
        let made = console.with_progress(Unit::Bytes, |progress| {
            remainder(stored, &runs, &mine, named.is_empty(), &workplace, console.cancel(), progress)
        });
        let Remainder { experiment, plan, changed: gone } = match made.map_err(CliError::from) {
            Ok(made) => made,
            // What one experiment lacks does not keep the others.
            Err(CliError::RunCommand(error)) => {
                console.warn(&plain(&format!("Experiment {} ({}): {error}", stored.id, stored.name)));
                unplanned += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        tell_notes(&plan, console);
        changed += tell_changes(&gone, console);
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

/// Says which runs are not to be had any more, and why; gives their number.
fn tell_changes(changed: &[Changed], console: &Console) -> usize {
    for one in changed {
        let why = plain(&one.to_string());
        console.warn(&format!("Run {} ({}) is not resumed: {why}.", one.run.id.0, label(&one.run.spec)));
    }
    changed.len()
}

impl From<Problems> for CliError {
    fn from(problems: Problems) -> Self {
        PlanError::from(problems).into()
    }
}
