//! `lamplight tune`: the choice of an experiment alone, without the rest of its matrix.

use std::path::PathBuf;

use clap::Args;

use super::{RunCommandError, WorkArgs, dry_run, execute, planned};
use crate::cli::{CliError, Console, Outcome};
use crate::lamp::Split;
use crate::record::Shard;
use crate::run::experiment::Experiment;

/// Choose retriever and k for each task, setting and model, and run the winners.
///
/// Every retriever of the experiment's [tune] (or, without it, of its [retrieval]) is tried with every k of [tune] (0, 1, 2, 4) on
/// one split; the best by the task's first metric is run on the split that is reported. Of equals the smaller k wins, then
/// the earlier retriever. All runs of the grid are kept.
#[derive(Debug, Args)]
pub(in crate::cli) struct TuneArgs {
    /// The experiment's file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The split to choose on, instead of what the file says.
    #[arg(long, value_name = "SPLIT")]
    on: Option<Split>,
    /// The split to report, instead of what the file says.
    #[arg(long, value_name = "SPLIT")]
    apply: Option<Split>,
    /// The numbers of entries to try, such as 0,1,2,4, instead of what the file says.
    #[arg(long, value_delimiter = ',')]
    k: Vec<usize>,
    /// Show the grid and what of it is stored already, and run nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    work: WorkArgs,
}

/// Runs the command.
pub(in crate::cli) fn run(arguments: TuneArgs, console: &Console) -> Result<Outcome, CliError> {
    let (experiment, problems) = Experiment::draft(&arguments.file);
    let mut experiment = experiment.only_tuned();
    let tune = experiment.tune.get_or_insert_default();
    tune.on = arguments.on.unwrap_or(tune.on);
    if !arguments.k.is_empty() {
        tune.k = arguments.k;
    }
    if problems.is_empty() && tune.retrievers.is_empty() {
        return Err(RunCommandError::NothingToTune.into());
    }
    if let Some(split) = arguments.apply {
        experiment.data.iter_mut().for_each(|data| data.split = Some(split));
    }
    let workplace = arguments.work.workplace(console)?;
    let plan = planned(&experiment, problems, &workplace, console)?;
    if arguments.dry_run {
        return dry_run::print(&experiment, &plan, &workplace, &arguments.work.store, console);
    }
    execute(&experiment, &plan, &workplace, Shard::WHOLE, &arguments.work, console)?.alone(console)
}
