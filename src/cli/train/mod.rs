//! `lamplight train`, `train resume` and `lora`: models and adapters trained from a terminal.

mod choice;
pub(super) mod lora;
mod progress;
mod scratch;

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::encoders::EmbeddingsFolder;
use super::model_choice::ModelsFolder;
use super::selection::system_cache_folder;
use super::text::plain;
use super::{CliError, Console, Outcome, Unit};
use crate::model::DeviceChoice;
use crate::run::Workplace;
use crate::train::{self, Control, Ended, JobOptions, Prepared, TrainError};
use choice::RecipeArgs;

/// Fine-tune a T5 model on a task, with the prompts of its evaluation.
///
/// A job is a folder: its recipe, its curve, checkpoints, and at the end the model that was best on the dev split, which is
/// registered under its name. Ctrl-C saves and stops; `lamplight train resume` goes on, to the same weights as if nothing had
/// happened.
///
/// Exit codes: 0 done; 1 failed; 2 wrong usage; 130 interrupted and saved.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  lamplight train --model flan-t5-small --data datasets/sample --task LaMP-3 --setting user --retriever bm25 --k 4 --name stars
  lamplight train --preset paper --model google/flan-t5-base --data LaMP --task LaMP-1 --setting user --name lamp1 --dry-run
  lamplight train --lora --model flan-t5-small --data datasets/sample --task LaMP-3 --name stars-lora
  lamplight train --recipe recipe.toml --name mine
  lamplight train resume JOB"
)]
pub(super) struct TrainArgs {
    #[command(subcommand)]
    command: Option<TrainCommand>,
    #[command(flatten)]
    recipe: RecipeArgs,
    /// What the result is called; `lamplight run --model NAME` uses it.
    #[arg(long, value_name = "NAME", required_unless_present_any = ["job", "print_recipe", "dry_run"])]
    name: Option<String>,
    /// The job's folder [default: a folder of that name among the models].
    #[arg(long, value_name = "FOLDER")]
    job: Option<PathBuf>,
    /// Make the prompts, time a few steps, show what training would take, and train nothing.
    #[arg(long, conflicts_with = "print_recipe")]
    dry_run: bool,
    /// Print the recipe as a file to start one's own from.
    #[arg(long)]
    print_recipe: bool,
    #[command(flatten)]
    work: WorkArgs,
}

#[derive(Debug, Subcommand)]
enum TrainCommand {
    Resume(ResumeArgs),
    Histories(scratch::HistoriesArgs),
    Comparisons(scratch::ComparisonsArgs),
    Tokenizer(scratch::TokenizerArgs),
    New(scratch::NewArgs),
    Denoise(scratch::DenoiseArgs),
    Encoder(scratch::EncoderArgs),
}

/// Continue a job that was interrupted, killed, or ended by an error.
///
/// It goes on where the newest checkpoint stands. Where its data or its model are not what they were, it is left as it is, and
/// what changed is said.
#[derive(Debug, Args)]
struct ResumeArgs {
    /// The job's folder, or the name that it was given.
    #[arg(value_name = "JOB")]
    job: PathBuf,
    #[command(flatten)]
    work: WorkArgs,
}

/// What changes no result.
#[derive(Debug, Args)]
struct WorkArgs {
    /// Minutes between two checkpoints; there is one after each epoch, too.
    #[arg(long, value_name = "N", default_value = "10")]
    checkpoint_minutes: NonZero<u64>,
    /// Threads to compute with; as many as processors if not given.
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

    fn options(&self, folder: PathBuf, name: Option<String>) -> JobOptions {
        let checkpoint_every = Duration::from_secs(60 * self.checkpoint_minutes.get());
        JobOptions { checkpoint_every, ..JobOptions::new(folder, name) }
    }
}

/// Where the job of a name is, unless it is said.
fn named_folder(workplace: &Workplace, name: &str) -> PathBuf {
    train::jobs_folder(workplace.registry()).join(name)
}

/// Runs the command.
pub(super) fn run(arguments: TrainArgs, console: &Console) -> Result<Outcome, CliError> {
    let TrainArgs { command, recipe, name, job, dry_run, print_recipe, work } = arguments;
    match command {
        Some(TrainCommand::Resume(arguments)) => return resume(&arguments, console),
        Some(TrainCommand::Histories(arguments)) => return scratch::histories(&arguments, console),
        Some(TrainCommand::Comparisons(arguments)) => return scratch::comparisons(&arguments, console),
        Some(TrainCommand::Tokenizer(arguments)) => return scratch::tokenizer(&arguments, console),
        Some(TrainCommand::New(arguments)) => return scratch::new(&arguments, console),
        Some(TrainCommand::Denoise(arguments)) => return scratch::write_again(&arguments, console),
        Some(TrainCommand::Encoder(arguments)) => return scratch::encoder(&arguments, console),
        None => {}
    }
    let recipe = recipe.over_preset()?;
    if print_recipe {
        recipe.check()?;
        console.print(&recipe.to_toml()?)?;
        return Ok(Outcome::Done);
    }
    let workplace = work.workplace(console)?;
    let folder = job.or_else(|| Some(named_folder(&workplace, name.as_deref()?)));
    if let (Some(name), Some(folder)) = (&name, &folder) {
        // Before hours of work, not after.
        workplace.registry().check_name(name, &folder.join("model"))?;
    }
    let prepared = console.with_progress(Unit::Items, |progress| {
        train::prepare(&recipe, &workplace, console.cancel(), progress)
    })?;
    for note in &prepared.notes {
        console.note(&format!("Note: {}.", plain(note)));
    }
    let Some(folder) = folder.filter(|_| !dry_run) else {
        return dry(&prepared, &workplace, console);
    };
    let folder = std::path::absolute(&folder)?;
    console.note(&about(&prepared));
    console.note(&format!("Job: {}", plain(&folder.display().to_string())));
    let options = work.options(folder.clone(), name);
    watch(&folder, console, |control| train::start(prepared, &options, &workplace, control))
}

fn resume(arguments: &ResumeArgs, console: &Console) -> Result<Outcome, CliError> {
    let workplace = arguments.work.workplace(console)?;
    let named = arguments.job.to_str().map(|name| named_folder(&workplace, name));
    let folder = named.filter(|folder| !arguments.job.exists() && folder.exists());
    let folder = std::path::absolute(folder.unwrap_or_else(|| arguments.job.clone()))?;
    let progress = crate::jobs::Progress::new();
    if train::is_users_job(&folder) {
        return lora::watch(&folder, console, |control| {
            train::resume_users(&folder, &workplace, control, &progress)
        });
    }
    let options = arguments.work.options(folder.clone(), None);
    watch(&folder, console, |control| train::resume(&options, &workplace, control, &progress))
}

/// Works with bars, and tells how it ended.
fn watch(
    folder: &Path,
    console: &Console,
    work: impl FnOnce(&Control) -> Result<train::Outcome, TrainError>,
) -> Result<Outcome, CliError> {
    let control = Control::new(console.cancel().clone());
    let bars = progress::Bars::start(console, &control);
    let ended = work(&control);
    bars.end();
    let outcome = match ended {
        Err(TrainError::Canceled(canceled)) => {
            let folder = plain(&folder.display().to_string());
            if Path::new(&folder).join("job.json").exists() {
                console.note(&format!("Interrupted and saved. `lamplight train resume {folder}` goes on."));
            }
            return Err(canceled.into());
        }
        ended => ended?,
    };
    if console.is_json() {
        console.print_json(&outcome)?;
    } else {
        console.print(&told(&outcome))?;
    }
    Ok(Outcome::Done)
}

fn told(outcome: &train::Outcome) -> String {
    let why = match outcome.ended {
        Ended::AllEpochs => "all epochs are done",
        Ended::NoBetter => "it got no better",
        Ended::Finished => "ended with what it had",
    };
    let best = progress::evaluated(&outcome.best);
    let mut text = format!("Trained {} steps; {why}. Kept: {best}\n", outcome.steps);
    text.push_str(&format!("Model: {}\n", plain(&outcome.model.display().to_string())));
    if let Some(name) = &outcome.name {
        text.push_str(&format!(
            "It is registered as {0}: `lamplight run --model {0} …` measures it.\n",
            plain(name)
        ));
    }
    text
}

fn about(prepared: &Prepared) -> String {
    let (record, estimate) = (&prepared.record, &prepared.estimate);
    format!(
        "{} examples to learn from, {} to be judged by; {} steps of {}; {:.1} million parameters, about {:.1} GB of memory",
        record.train_examples,
        record.dev_samples,
        record.steps,
        record.recipe.training.batch,
        estimate.parameters as f64 / 1e6,
        estimate.needed() as f64 / 1e9,
    )
}

/// Shows what training would take.
fn dry(prepared: &Prepared, workplace: &Workplace, console: &Console) -> Result<Outcome, CliError> {
    let (record, examples, estimate) = (&prepared.record, &prepared.examples, &prepared.estimate);
    let tokens = |length: fn(&train::Example) -> usize| {
        let sum: usize = examples.train.iter().map(length).sum();
        let most = examples.train.iter().map(length).max().unwrap_or(0);
        (sum as f64 / examples.train.len().max(1) as f64, most)
    };
    let (prompt, label) = (tokens(|example| example.prompt.len()), tokens(|example| example.labels.len()));
    let fits = prepared.check_memory();
    let expected = match fits {
        Ok(()) => Some(console.with_progress(Unit::Items, |progress| {
            prepared.measure(workplace, console.cancel(), progress)
        })?),
        Err(_) => None,
    };
    if console.is_json() {
        console.print_json(&json!({
            "recipe": record.recipe,
            "train_examples": record.train_examples,
            "dev_samples": record.dev_samples,
            "steps": record.steps,
            "prompt_tokens": { "mean": prompt.0, "most": prompt.1 },
            "label_tokens": { "mean": label.0, "most": label.1 },
            "fell_back": examples.fell_back,
            "input_cut": examples.input_cut,
            "labels_cut": examples.labels_cut,
            "estimate": estimate,
            "expected": expected,
        }))?;
        return Ok(Outcome::Done);
    }
    console.print(&format!(
        "{}\nPrompts: {:.0} tokens on average, {} at most; labels: {:.1}, {} at most\nArithmetic: {:.2} Tflop a step\n",
        about(prepared),
        prompt.0,
        prompt.1,
        label.0,
        label.1,
        estimate.operations as f64 / 1e12,
    ))?;
    if let Some(expected) = expected {
        console.print(&format!(
            "Time: about {}, by a few steps: {} to learn ({:.0} tokens/s), {} to answer the dev split\n",
            span(expected.seconds()),
            span(expected.training_s),
            expected.tokens_per_s,
            span(expected.evaluation_s),
        ))?;
    }
    if let Err(error) = fits {
        console.warn(&format!("Note: {error}."));
    }
    Ok(Outcome::Done)
}

/// A stretch of time: hours, minutes and seconds.
fn span(seconds: f64) -> String {
    let seconds = seconds.ceil() as u64;
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

impl From<TrainError> for CliError {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Canceled(canceled) => Self::Canceled(canceled),
            other => Self::Train(Box::new(other)),
        }
    }
}
