//! `lamplight lora`: adapters for each user, merged adapters, and single ones of many.
//!
//! A single adapter for all is `lamplight train --lora`. Files are PEFT's, so `lamplight models add` takes what Python wrote, and
//! Python what was trained here; nothing is converted.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::choice::RecipeArgs;
use super::{WorkArgs, named_folder, progress};
use crate::cli::model_choice::ModelsFolder;
use crate::cli::text::plain;
use crate::cli::{CliError, Console, Outcome, Unit};
use crate::model::lora::{Collection, home};
use crate::model::t5::T5Config;
use crate::train::{self, TrainError, UsersControl, UsersOutcome};

/// Train, merge and export LoRA adapters, in the layout of Python's PEFT.
///
/// One adapter for all: `lamplight train --lora`. Adapters from Python: `lamplight models add FOLDER`; what is trained here
/// is such a folder as it is.
#[derive(Debug, Args)]
pub(in crate::cli) struct LoraArgs {
    #[command(subcommand)]
    command: LoraCommand,
}

#[derive(Debug, Subcommand)]
enum LoraCommand {
    Users(Box<UsersArgs>),
    Merge(MergeArgs),
    Export(ExportArgs),
}

/// Train an adapter for the user of each sample, on that user's own profile.
///
/// Each entry of a profile is an example: asked as the sample is, answered by the entry's title, category, tag or score; a title
/// is continued by its abstract (LaMP-1), a tweet from its first words (LaMP-7). The adapters together are a model: `lamplight run
/// --model NAME` answers each sample with its own, and a sample that has none fails with a row that says so. Begins with the
/// constants of the benchmark's own adapters: r 8, alpha 32, dropout 0.1, on q, k and v; 512 tokens of prompt and label; 30 epochs
/// at 5e-5, 16 examples a step; the split dev. Ctrl-C keeps finished adapters; `lamplight train resume` goes on with the others.
///
/// Exit codes: 0 done; 1 failed; 2 wrong usage; 130 interrupted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lamplight lora users --model flan-t5-small --data datasets/sample --task LaMP-3 --setting user --split dev --name mine
  lamplight run --model mine --data datasets/sample --task LaMP-3 --setting user --split dev --retriever none")]
struct UsersArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    /// What the adapters together are called; `lamplight run --model NAME` uses them.
    #[arg(long, value_name = "NAME", required_unless_present_any = ["job", "print_recipe", "dry_run"])]
    name: Option<String>,
    /// The job's folder [default: a folder of that name among the models].
    #[arg(long, value_name = "FOLDER")]
    job: Option<PathBuf>,
    /// Show what training would take, and train nothing.
    #[arg(long, conflicts_with = "print_recipe")]
    dry_run: bool,
    /// Print the recipe as a file to start one's own from.
    #[arg(long)]
    print_recipe: bool,
    #[command(flatten)]
    work: WorkArgs,
}

/// Write the whole model that an adapter makes of its base.
#[derive(Debug, Args)]
struct MergeArgs {
    /// The adapter: a registered name or a folder.
    adapter: String,
    /// A folder that is not there yet, or empty.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    models: ModelsFolder,
}

/// Write one user's adapter as a folder of its own, as PEFT has it.
#[derive(Debug, Args)]
struct ExportArgs {
    /// The adapters for each user: a registered name or a folder.
    adapters: String,
    /// Whose: a sample's id, with its dataset before it where several have it ("LaMP-3 user dev 110").
    #[arg(long, value_name = "USER")]
    user: String,
    /// Where to write it.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    models: ModelsFolder,
}

/// Runs the command.
pub(in crate::cli) fn run(arguments: LoraArgs, console: &Console) -> Result<Outcome, CliError> {
    match arguments.command {
        LoraCommand::Users(arguments) => users(*arguments, console),
        LoraCommand::Merge(arguments) => merge(&arguments, console),
        LoraCommand::Export(arguments) => export(&arguments, console),
    }
}

fn users(arguments: UsersArgs, console: &Console) -> Result<Outcome, CliError> {
    let UsersArgs { recipe, name, job, dry_run, print_recipe, work } = arguments;
    let recipe = recipe.over_per_user()?;
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
        train::prepare_users(&recipe, &workplace, console.cancel(), progress)
    })?;
    for note in &prepared.notes {
        console.note(&format!("Note: {}.", plain(note)));
    }
    let (record, estimate) = (&prepared.record, &prepared.estimate);
    let about = format!(
        "{} users, an adapter of {} kB each; about {:.1} GB of memory",
        record.users,
        record.bytes_each.div_ceil(1000),
        estimate.needed() as f64 / 1e9
    );
    let Some(folder) = folder.filter(|_| !dry_run) else {
        if console.is_json() {
            console.print_json(&json!({ "job": record, "estimate": estimate }))?;
        } else {
            console.print(&format!("{about}\n"))?;
        }
        return Ok(Outcome::Done);
    };
    let folder = std::path::absolute(&folder)?;
    console.note(&about);
    console.note(&format!("Job: {}", plain(&folder.display().to_string())));
    watch(&folder, console, |control| {
        train::start_users(prepared, &folder, name.as_deref(), &workplace, control)
    })
}

/// Works with a bar, and tells how it ended.
pub(super) fn watch(
    folder: &Path,
    console: &Console,
    work: impl FnOnce(&UsersControl) -> Result<UsersOutcome, TrainError>,
) -> Result<Outcome, CliError> {
    let control = UsersControl::new(console.cancel().clone());
    let bars = progress::Bars::start_users(console, &control);
    let ended = work(&control);
    bars.end();
    let outcome = match ended {
        Err(TrainError::Canceled(canceled)) => {
            if train::is_users_job(folder) {
                let folder = plain(&folder.display().to_string());
                console.note(&format!(
                    "Interrupted; finished adapters are kept. `lamplight train resume {folder}` goes on."
                ));
            }
            return Err(canceled.into());
        }
        ended => ended?,
    };
    if console.is_json() {
        console.print_json(&outcome)?;
        return Ok(Outcome::Done);
    }
    let mut text = format!(
        "{} adapters, {} kB together\nModel: {}\n",
        outcome.users,
        outcome.bytes.div_ceil(1000),
        plain(&outcome.model.display().to_string())
    );
    if outcome.without_examples > 0 {
        let number = outcome.without_examples;
        text.push_str(&format!(
            "{number} of them change nothing: those profiles have nothing to learn from\n"
        ));
    }
    if let Some(name) = &outcome.name {
        text.push_str(&format!(
            "They are registered as {0}: `lamplight run --model {0} \u{2026}` measures them.\n",
            plain(name)
        ));
    }
    console.print(&text)?;
    Ok(Outcome::Done)
}

fn merge(arguments: &MergeArgs, console: &Console) -> Result<Outcome, CliError> {
    let adapter = arguments.models.registry()?.resolve(&arguments.adapter)?.path;
    train::merge(&adapter, &arguments.out)?;
    let out = std::path::absolute(&arguments.out)?;
    match console.is_json() {
        true => console.print_json(&json!({ "model": out }))?,
        false => console.print(&format!("Model: {}\n", plain(&out.display().to_string())))?,
    }
    Ok(Outcome::Done)
}

fn export(arguments: &ExportArgs, console: &Console) -> Result<Outcome, CliError> {
    let folder = arguments.models.registry()?.resolve(&arguments.adapters)?.path;
    let base = home(&folder)?;
    let t5 = T5Config::from_file(&base.join("config.json"))?;
    let user = Collection::open(&folder, &base, &t5)?.export(&arguments.user, &arguments.out)?;
    let out = std::path::absolute(&arguments.out)?;
    match console.is_json() {
        true => console.print_json(&json!({ "user": user, "adapter": out }))?,
        false => {
            console.print(&format!(
                "Adapter of {}: {}\n",
                plain(&user),
                plain(&out.display().to_string())
            ))?;
        }
    }
    Ok(Outcome::Done)
}
