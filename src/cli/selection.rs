//! The arguments by which every command names data: a dataset, and a sample in it.

use std::path::PathBuf;

use clap::Args;

use super::text::plain;
use super::{CliError, Console, Unit};
use crate::dataset::{self, Catalog, Dataset, OpenOptions, UnpackLimits};
use crate::lamp::{Sample, Setting, Split, Task};

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
    #[arg(long, env = "LAMPLIGHT_CACHE_DIR", hide_env_values = true, value_name = "FOLDER")]
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
    const SHOWN: usize = 12;
    let mut text: String = items.iter().take(SHOWN).map(|item| format!("\n  {item}")).collect();
    if items.len() > SHOWN {
        text.push_str(&format!("\n  and {} more", items.len() - SHOWN));
    }
    text
}

fn reasons(items: &[String]) -> String {
    if items.is_empty() { String::new() } else { format!(":{}", listed(items)) }
}

/// The system's folder for what can be made again; `None` where it names none.
pub(super) fn system_cache_folder() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "lamplight").map(|dirs| dirs.cache_dir().to_owned())
}

impl DatasetSelection {
    /// Opens all that the paths hold. With `decide`, task, setting and split override what the files tell. Without it
    /// they do so where there is a single questions file, and else only for what a file does not tell: there
    /// [`DatasetSelection::one`] chooses by them.
    pub fn open(&self, console: &Console, decide: bool) -> Result<Catalog, CliError> {
        let options = OpenOptions {
            cache: self.cache_folder(),
            task: self.task,
            setting: self.setting,
            split: self.split,
            fill_in: !decide,
            skip_broken: self.skip_broken,
            limits: UnpackLimits::default(),
        };
        let open = |progress: &_| dataset::open(&self.paths, &options, console.cancel(), progress);
        Ok(console.with_progress(Unit::Bytes, open)?)
    }

    /// Where indexes are kept; `None` where the system names no such place.
    pub fn cache_folder(&self) -> Option<PathBuf> {
        self.cache_dir.clone().or_else(system_cache_folder)
    }

    /// The one dataset that the arguments name, usable.
    pub fn one(&self, console: &Console) -> Result<Dataset, CliError> {
        let mut fitting = self.all(console)?;
        if fitting.len() > 1 {
            return Err(SelectionError::Several { found: fitting.iter().map(describe).collect() }.into());
        }
        fitting.pop().ok_or_else(|| SelectionError::Nothing { unrecognized: Vec::new() }.into())
    }

    /// All datasets that fit the arguments, each usable and at least one.
    pub fn all(&self, console: &Console) -> Result<Vec<Dataset>, CliError> {
        let catalog = self.open(console, false)?;
        if catalog.datasets.is_empty() {
            let files = catalog.unrecognized.iter().take(10);
            let files =
                files.map(|file| plain(&format!("{}: {}", file.location.path().display(), file.reason)));
            return Err(SelectionError::Nothing { unrecognized: files.collect() }.into());
        }
        let fits = |dataset: &&Dataset| {
            let id = dataset.id();
            self.task.is_none_or(|task| task == id.task)
                && self.setting.is_none_or(|setting| setting == id.setting)
                && self.split.is_none_or(|split| split == id.split)
        };
        let fitting: Vec<Dataset> = catalog.datasets.iter().filter(fits).cloned().collect();
        if fitting.is_empty() {
            let found = catalog.datasets.iter().map(describe).collect();
            return Err(SelectionError::NoneMatches { found }.into());
        }
        // Of several, which one is meant is asked first.
        if let [one] = fitting.as_slice() {
            one.ensure_usable()?;
        }
        Ok(fitting)
    }
}

/// A dataset and its file on one line.
pub(super) fn describe(dataset: &Dataset) -> String {
    let files = dataset.files();
    let path = files.first().map(|file| file.location.path().display().to_string()).unwrap_or_default();
    format!("{}: {}", dataset.id(), plain(&path))
}

/// Which sample of a dataset a command works on.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct SampleChoice {
    /// The sample's id.
    #[arg(long, conflicts_with = "index")]
    pub id: Option<String>,
    /// The sample's place in the file, from 0.
    #[arg(long, value_name = "N")]
    pub index: Option<usize>,
}

/// No sample has the id that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{dataset} has no sample `{id}`; its first ids are {first}")]
pub struct NoSuchId {
    dataset: String,
    id: String,
    first: String,
}

impl SampleChoice {
    /// The place of the sample in a dataset, and the sample.
    pub fn find(&self, dataset: &Dataset) -> Result<(usize, Sample), CliError> {
        let first_ids = || dataset.summaries().take(5).map(|record| record.id).collect::<Vec<_>>().join(", ");
        let index = match &self.id {
            Some(id) => dataset.position(id).ok_or_else(|| NoSuchId {
                dataset: dataset.id().to_string(),
                id: plain(id),
                first: plain(&first_ids()),
            })?,
            None => self.index.unwrap_or(0),
        };
        Ok((index, dataset.sample(index)?))
    }
}
