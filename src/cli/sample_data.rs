//! `lamplight sample-data`: writes the sample set, or a larger one of the same kind.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{CliError, Console, Outcome, Unit};
use crate::dataset::sample_set::{self, Options};
use crate::lamp::{Setting, Split, Task};

/// Write invented data in the official layout, with which to try the program or train small models.
#[derive(Debug, Args)]
pub(super) struct SampleData {
    /// The folder to write into; made if need be.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Records in every split [default: 100 train, 60 dev, 120 test].
    #[arg(long, value_name = "N")]
    records: Option<usize>,
    /// The seed; the same seed gives the same files everywhere.
    #[arg(long, default_value_t = sample_set::SHIPPED_SEED)]
    seed: u64,
    /// Only these tasks, such as `LaMP-1,LaMP-2M`.
    #[arg(long, value_delimiter = ',', value_name = "TASKS")]
    tasks: Vec<Task>,
    /// Only this setting, `user` or `time`.
    #[arg(long, value_delimiter = ',', value_name = "SETTINGS")]
    settings: Vec<Setting>,
    /// Only these splits, such as `train,dev`.
    #[arg(long, value_delimiter = ',', value_name = "SPLITS")]
    splits: Vec<Split>,
    /// Compress the files (`.json.gz`).
    #[arg(long)]
    gzip: bool,
    /// Write into a folder that is not empty, over files of the same name.
    #[arg(long)]
    force: bool,
}

/// Runs the command.
pub(super) fn run(arguments: SampleData, console: &Console) -> Result<Outcome, CliError> {
    let options = Options {
        seed: arguments.seed,
        records: arguments.records,
        tasks: chosen(arguments.tasks, &Task::ALL),
        settings: chosen(arguments.settings, &Setting::ALL),
        splits: chosen(arguments.splits, &Split::ALL),
        gzip: arguments.gzip,
        force: arguments.force,
    };
    let summary = console.with_progress(Unit::Items, |progress| {
        sample_set::write(&arguments.out, &options, console.cancel(), progress)
    });
    let summary = match summary {
        Ok(summary) => summary,
        Err(sample_set::SampleSetError::Canceled(canceled)) => return Err(canceled.into()),
        Err(error) => return Err(error.into()),
    };
    if console.is_json() {
        console.print_json(&json!({
            "folder": arguments.out.to_string_lossy(),
            "seed": options.seed,
            "files": summary.files.iter().map(|file| file.to_string_lossy()).collect::<Vec<_>>(),
            "records": summary.records,
            "entries": summary.entries,
        }))?;
    } else {
        console.print(&format!(
            "{} records with {} profile entries in {} files under {} (seed {})\n",
            summary.records,
            summary.entries,
            summary.files.len(),
            arguments.out.display(),
            options.seed
        ))?;
    }
    Ok(Outcome::Done)
}

/// What was named, each once and in the usual order; everything if nothing was.
fn chosen<T: Copy + PartialEq>(named: Vec<T>, all: &[T]) -> Vec<T> {
    all.iter().copied().filter(|item| named.is_empty() || named.contains(item)).collect()
}
