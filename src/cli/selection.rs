//! The arguments by which every command names data.

use std::path::PathBuf;

use clap::Args;

use super::{CliError, Console, Unit};
use crate::dataset::{self, Catalog, Dataset, OpenOptions, UnpackLimits};
use crate::lamp::{Setting, Split, Task};

/// Which dataset a command works on.
#[derive(Debug, Clone, Args)]
pub struct DatasetSelection {
    /// Dataset files (.json, .json.gz, .zip) or folders that hold them.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The task, such as LaMP-2M; chooses among several datasets, and decides where the files do not tell.
    #[arg(long)]
    pub task: Option<Task>,
    /// The setting: user or time.
    #[arg(long)]
    pub setting: Option<Setting>,
    /// The split: train, dev or test.
    #[arg(long)]
    pub split: Option<Split>,
    /// Use the good records of files that have broken ones.
    #[arg(long)]
    pub skip_broken: bool,
    /// Where indexes and unpacked files are kept; the system's cache folder by default.
    #[arg(long, env = "LAMPLIGHT_CACHE_DIR", value_name = "FOLDER")]
    pub cache_dir: Option<PathBuf>,
}

/// Why the arguments name no single dataset.
#[derive(Debug, thiserror::Error)]
pub enum SelectionError {
    /// Nothing was found at all.
    #[error("no dataset was found under the given paths{}", reasons(.unrecognized))]
    Nothing {
        /// The files that were looked at, each with the reason why it is none.
        unrecognized: Vec<String>,
    },
    /// Datasets were found, but none that was asked for.
    #[error("no dataset is the one asked for; found:{}", listed(.found))]
    NoneMatches {
        /// What was found instead.
        found: Vec<String>,
    },
    /// More than one fits.
    #[error("several datasets fit; choose with --task, --setting and --split, or name one file:{}", listed(.found))]
    Several {
        /// Those that fit.
        found: Vec<String>,
    },
}

fn listed(items: &[String]) -> String {
    items.iter().map(|item| format!("\n  {item}")).collect()
}

fn reasons(items: &[String]) -> String {
    if items.is_empty() { String::new() } else { format!(":{}", listed(items)) }
}

impl DatasetSelection {
    /// Opens all that the paths hold. With `decide`, task, setting and split override what the files tell, as is
    /// right where one dataset is named; else they are only used by [`DatasetSelection::one`] to choose.
    pub fn open(&self, console: &Console, decide: bool) -> Result<Catalog, CliError> {
        let system =
            || directories::ProjectDirs::from("", "", "lamplight").map(|dirs| dirs.cache_dir().to_owned());
        let options = OpenOptions {
            cache: self.cache_dir.clone().or_else(system),
            task: self.task.filter(|_| decide),
            setting: self.setting.filter(|_| decide),
            split: self.split.filter(|_| decide),
            skip_broken: self.skip_broken,
            limits: UnpackLimits::default(),
        };
        let open = |progress: &_| dataset::open(&self.paths, &options, console.cancel(), progress);
        Ok(console.with_progress(Unit::Bytes, open)?)
    }

    /// The one dataset that the arguments name, usable.
    pub fn one(&self, console: &Console) -> Result<Dataset, CliError> {
        let mut catalog = self.open(console, false)?;
        if catalog.datasets.len() < 2 {
            // With one file there is nothing to choose: what is said about it is meant to decide.
            catalog = self.open(console, true)?;
        }
        let describe = |dataset: &Dataset| {
            let files = dataset.files();
            let path =
                files.first().map(|file| file.location.path().display().to_string()).unwrap_or_default();
            format!("{}: {}", dataset.id(), super::text::plain(&path))
        };
        let fits = |dataset: &&Dataset| {
            let id = dataset.id();
            self.task.is_none_or(|task| task == id.task)
                && self.setting.is_none_or(|setting| setting == id.setting)
                && self.split.is_none_or(|split| split == id.split)
        };
        let fitting: Vec<&Dataset> = catalog.datasets.iter().filter(fits).collect();
        match fitting.as_slice() {
            [one] => {
                one.ensure_usable()?;
                Ok((*one).clone())
            }
            [] if catalog.datasets.is_empty() => {
                let files = catalog.unrecognized.iter().take(10);
                let files = files.map(|file| {
                    super::text::plain(&format!("{}: {}", file.location.path().display(), file.reason))
                });
                Err(SelectionError::Nothing { unrecognized: files.collect() }.into())
            }
            [] => {
                Err(SelectionError::NoneMatches { found: catalog.datasets.iter().map(describe).collect() }
                    .into())
            }
            many => {
                Err(SelectionError::Several { found: many.iter().map(|dataset| describe(dataset)).collect() }
                    .into())
            }
        }
    }
}
