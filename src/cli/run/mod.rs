//! `lamplight run`, `resume` and `tune`: experiments executed, continued and tuned from a terminal.

mod demo;
mod dry_run;
pub(super) mod progress;
mod quick;
mod resume;
mod summary;
mod tune;

use std::num::NonZero;
use std::path::PathBuf;

use clap::Args;

pub(super) use demo::{DemoArgs, run as demo};
pub(super) use resume::{ResumeArgs, run as resume};
pub(super) use tune::{TuneArgs, run as tune};

use super::encoders::EmbeddingsFolder;
use super::model_choice::ModelsFolder;
use super::selection::system_cache_folder;
use super::store_choice::StoreChoice;
use super::text::plain;
use super::{CliError, Console, Outcome, Unit};
use crate::jobs::Canceled;
use crate::model::DeviceChoice;
use crate::record::Shard;
use crate::run::experiment::{Experiment, Problem, WriteError};
use crate::run::plan::refused_in_words;
use crate::run::series::{self, SeriesError, is_done};
use crate::run::{Control, Executor, Plan, PlanError, Settings, Workplace, keep, plan_draft, run_series};
use quick::Quick;

/// Run an experiment: a TOML file, or what the options say.
///
/// Every answer is stored the moment it exists, and what is stored is not answered again: running the same experiment
/// continues it. Ctrl-C ends it between two batches; `lamplight resume` continues it too, from the store alone.
///
/// Exit codes: 0 done; 1 something could not be run; 2 wrong usage; 3 done, but samples failed; 130 interrupted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lamplight run resources/experiments/sample.toml
  lamplight run --data datasets/sample --task LaMP-3 --model baseline:nearest --retriever bm25 --k 1,4
  lamplight run lamp-user.toml --dry-run
  lamplight run lamp-user.toml --shard 2/8 --store part-2.db")]
pub(super) struct RunArgs {
    /// The experiment's file.
    #[arg(value_name = "FILE", required_unless_present = "data")]
    file: Option<PathBuf>,
    #[command(flatten)]
    quick: Quick,
    /// Answer one of several equal parts only, such as 2/8; `lamplight merge` puts the parts' stores together.
    #[arg(long, value_name = "I/N", default_value_t = Shard::WHOLE, hide_default_value = true)]
    shard: Shard,
    /// Show what would be run and what of it is stored already, and run nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    work: WorkArgs,
}

/// What all commands that run cells have.
#[derive(Debug, Args)]
pub(super) struct WorkArgs {
    /// Try samples again that are stored as failed.
    #[arg(long)]
    retry_failed: bool,
    /// Ask the model even where another run has its answer to the same prompt.
    #[arg(long)]
    no_cache: bool,
    /// End a run when so many samples fail one after the other.
    #[arg(long, value_name = "N", default_value = "10")]
    max_failures: NonZero<usize>,
    /// End a run before its experiment costs more at an endpoint, in the unit of its prices; in place of its own limit.
    #[arg(long, value_name = "AMOUNT", value_parser = amount)]
    spending_limit: Option<f64>,
    /// Threads that models compute with; as many as processors if not given.
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    /// Where dense retrievers compute: cpu, cuda, cuda:1 or metal.
    #[arg(long, value_name = "DEVICE", default_value_t)]
    encoder_device: DeviceChoice,
    /// Where indexes and unpacked files are kept; the system's cache folder by default.
    #[arg(long, env = "LAMPLIGHT_CACHE_DIR", hide_env_values = true, value_name = "FOLDER")]
    cache_dir: Option<PathBuf>,
    #[command(flatten)]
    embeddings: EmbeddingsFolder,
    #[command(flatten)]
    models: ModelsFolder,
    #[command(flatten)]
    store: StoreChoice,
}

/// A sum of money.
pub(super) fn amount(text: &str) -> Result<f64, &'static str> {
    let good = |amount: &f64| amount.is_finite() && *amount >= 0.0;
    text.parse().ok().filter(good).ok_or("a number from 0 on")
}

/// Why an experiment was not run, or not whole.
#[derive(Debug, thiserror::Error)]
pub enum RunCommandError {
    /// What is wrong with the experiment.
    #[error("nothing was run: {0}")]
    Plan(PlanError),
    /// The experiment cannot be written as TOML.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Some cells could not be run or are not done.
    #[error("{count} of {of} runs are not done; `lamplight resume` tries them again when the cause is gone")]
    NotDone {
        /// How many.
        count: usize,
        /// Of how many.
        of: usize,
    },
    /// A tuned experiment without retrievers.
    #[error("the experiment names no retriever to choose from; give some under [retrieval] or [tune]")]
    NothingToTune,
    /// Experiments of the store that cannot be planned any more.
    #[error("{count} experiments of the store cannot be resumed, for the reasons above")]
    NotResumed {
        /// How many.
        count: usize,
    },
    /// Runs that are not those of the data and models any more.
    #[error("{count} runs cannot be resumed, for what they depend on has changed")]
    Changed {
        /// How many.
        count: usize,
    },
    /// A run that no stored experiment has.
    #[error(
        "run {run} belongs to no stored experiment, so what it needs is not known; run its experiment's file again"
    )]
    NoExperiment {
        /// Its number.
        run: i64,
    },
}

impl From<PlanError> for CliError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Canceled(canceled) => Self::Canceled(canceled),
            other => RunCommandError::Plan(other).into(),
        }
    }
}

impl From<SeriesError> for CliError {
    fn from(error: SeriesError) -> Self {
        match error {
            SeriesError::Store(error) => error.into(),
            SeriesError::Write(error) => RunCommandError::Write(error).into(),
        }
    }
}

impl WorkArgs {
    fn workplace(&self, console: &Console) -> Result<Workplace, CliError> {
        let cache = self.cache_dir.clone().or_else(system_cache_folder);
        let workplace = self.models.workplace()?;
        Ok(workplace
            .with_embeddings(self.embeddings.within(cache.as_deref()))
            .with_cache(cache)
            .with_threads(self.threads.map_or(0, NonZero::get))
            .with_encoder_device(self.encoder_device)
            .with_cancel(console.cancel().clone()))
    }

    const fn settings(&self) -> Settings {
        Settings {
            max_failures_in_a_row: self.max_failures.get(),
            retry_failed: self.retry_failed,
            use_cache: !self.no_cache,
            spending_limit: self.spending_limit,
        }
    }
}

/// Plans with a bar, and tells what is to be known.
fn planned(
    experiment: &Experiment,
    problems: Vec<Problem>,
    workplace: &Workplace,
    console: &Console,
) -> Result<Plan, CliError> {
    let plan = console.with_progress(Unit::Bytes, |progress| {
        plan_draft(experiment, problems, workplace, console.cancel(), progress)
    })?;
    tell_notes(&plan, console);
    Ok(plan)
}

fn tell_notes(plan: &Plan, console: &Console) {
    for note in &plan.notes {
        console.note(&format!("Note: {}.", plain(&note.to_string())));
    }
}

/// What a command has run, to be told to machines, and how the command ends.
struct Ran {
    report: serde_json::Value,
    ended: Result<Outcome, CliError>,
}

impl Ran {
    /// Tells it, where the command has run nothing else.
    fn alone(self, console: &Console) -> Result<Outcome, CliError> {
        if console.is_json() {
            console.print_json(&self.report)?;
        }
        self.ended
    }
}

/// Runs a plan, shows how far it is, and prints what came of it, to people at once.
fn execute(
    experiment: &Experiment,
    plan: &Plan,
    workplace: &Workplace,
    shard: Shard,
    work: &WorkArgs,
    console: &Console,
) -> Result<Ran, CliError> {
    for refused in refused_in_words(&plan.refused) {
        console.note(&format!("Left out: {}", plain(&refused)));
    }
    let (outcome, path) = work_off(experiment, plan, workplace, shard, work, true, console)?;
    if !console.is_json() {
        console.print(&summary::in_words(experiment, &outcome, &path))?;
    }
    let report = summary::as_json(experiment, plan, &outcome, &path);
    Ok(Ran { report, ended: ended_as(&outcome, shard, console) })
}

/// Runs a plan and shows how far it is, with `each_run` each run as it ends; gives what came of it, and the store's file.
fn work_off(
    experiment: &Experiment,
    plan: &Plan,
    workplace: &Workplace,
    shard: Shard,
    work: &WorkArgs,
    each_run: bool,
    console: &Console,
) -> Result<(series::Outcome, PathBuf), CliError> {
    let mut store = work.store.open()?;
    let number = keep(&mut store, experiment, plan)?;
    let path = store.path().to_owned();
    let mut executor = Executor::new(workplace, store, work.settings());
    let control = Control::new(console.cancel().clone());
    let mut bars = progress::Bars::start(console, &control, each_run);
    let ended = run_series(plan, number, &mut executor, shard, &control, &mut |step| bars.show(&step));
    bars.end();
    let outcome = ended?;
    for (_, encoder) in workplace.encoders() {
        if let Some(trouble) = encoder.trouble() {
            console.note(&format!("New vectors are not kept: {}.", plain(&trouble.to_string())));
        }
    }
    Ok((outcome, path))
}

/// How a command ends that has run a series.
fn ended_as(outcome: &series::Outcome, shard: Shard, console: &Console) -> Result<Outcome, CliError> {
    if outcome.canceled {
        console.note("Interrupted. What was answered is stored; `lamplight resume` goes on.");
        return Err(Canceled.into());
    }
    if shard != Shard::WHOLE {
        console.note(
            "This part is answered. `lamplight merge` puts the parts' stores together; what is tuned is chosen when \
             the experiment is run there again.",
        );
    }
    if !outcome.is_done(shard) {
        let undone = outcome.runs.iter().filter(|run| !is_done(run, shard)).count();
        let count = undone + outcome.failures.len();
        let of = outcome.runs.len() + outcome.failures.len();
        if count > 0 {
            return Err(RunCommandError::NotDone { count, of }.into());
        }
        return Ok(Outcome::DataHasErrors); // all is done, but nothing could be chosen
    }
    Ok(if outcome.has_failed_samples() { Outcome::DataHasErrors } else { Outcome::Done })
}

/// Runs the command.
pub(super) fn run(arguments: RunArgs, console: &Console) -> Result<Outcome, CliError> {
    let (experiment, problems) = match &arguments.file {
        Some(file) => Experiment::draft(file),
        None => arguments.quick.experiment()?,
    };
    let workplace = arguments.work.workplace(console)?;
    let plan = planned(&experiment, problems, &workplace, console)?;
    if arguments.dry_run {
        return dry_run::print(&experiment, &plan, &workplace, &arguments.work.store, console);
    }
    execute(&experiment, &plan, &workplace, arguments.shard, &arguments.work, console)?.alone(console)
}
