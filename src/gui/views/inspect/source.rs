//! Where the samples of a run lie: among the open data, or where the run's experiment read them. A file counts only if its content
//! is what the run was over. Knows no window.

use std::path::{Path, PathBuf};

use crate::dataset::{self, Dataset, DatasetId, OpenOptions};
use crate::gui::loadable::Trouble;
use crate::jobs::{CancelToken, Progress};
use crate::record::DatasetSpec;
use crate::run::Experiment;
use crate::run::experiment::DataSettings;

/// Whose samples are looked for, and where.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// What the run was over.
    pub spec: DatasetSpec,
    /// The data that are open now.
    pub open: Vec<Dataset>,
    /// The experiments that have the run, as TOML.
    pub experiments: Vec<String>,
    /// Where indexes are kept.
    pub cache: Option<PathBuf>,
}

/// What became of a run's data.
#[derive(Debug, Clone)]
pub(super) enum Found {
    /// There, with the content that the run was over.
    There(Dataset),
    /// Not to be had, and why.
    Missing(String),
}

impl Wanted {
    /// Looks for them. Reads whole files, to tell their content by its hash.
    pub(super) fn find(&self, cancel: &CancelToken, progress: &Progress) -> Result<Found, Trouble> {
        let id = DatasetId { task: self.spec.task, setting: self.spec.setting, split: self.spec.split };
        let mut changed: Vec<PathBuf> = Vec::new();
        let mut gone: Vec<PathBuf> = Vec::new();
        if let Some(found) = self.among(&self.open, id, &mut changed, cancel, progress)? {
            return Ok(Found::There(found));
        }
        let mut looked: Vec<DataSettings> = Vec::new();
        for toml in &self.experiments {
            let (experiment, _) = Experiment::draft_from_toml(toml, Path::new("experiment"));
            for settings in experiment.data {
                cancel.check()?;
                let (there, missing): (Vec<_>, Vec<_>) =
                    settings.paths.iter().cloned().partition(|path| path.exists());
                gone.extend(missing);
                if there.is_empty() || looked.contains(&settings) {
                    continue;
                }
                let only = |count: usize| count == 1;
                let options = OpenOptions {
                    cache: self.cache.clone(),
                    task: settings.tasks.first().copied().filter(|_| only(settings.tasks.len())),
                    setting: settings.settings.first().copied().filter(|_| only(settings.settings.len())),
                    split: settings.split,
                    fill_in: true,
                    skip_broken: self.spec.skip_broken,
                    ..OpenOptions::default()
                };
                looked.push(settings);
                // Files that cannot be opened now are as good as changed.
                let Ok(catalog) = dataset::open(&there, &options, cancel, progress) else {
                    cancel.check()?;
                    changed.extend(there);
                    continue;
                };
                let before = changed.len();
                if let Some(found) = self.among(&catalog.datasets, id, &mut changed, cancel, progress)? {
                    return Ok(Found::There(found));
                }
                if changed.len() == before {
                    changed.extend(there);
                }
            }
        }
        Ok(Found::Missing(why(&changed, &gone)))
    }

    fn among(
        &self,
        datasets: &[Dataset],
        id: DatasetId,
        changed: &mut Vec<PathBuf>,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Option<Dataset>, Trouble> {
        // What it was taken for depends on how it was opened; the content does not.
        let (same, other): (Vec<&Dataset>, Vec<&Dataset>) = datasets
            .iter()
            .filter(|dataset| dataset.id().task == id.task)
            .partition(|dataset| dataset.id() == id);
        for (dataset, is_same) in same.iter().map(|d| (d, true)).chain(other.iter().map(|d| (d, false))) {
            match dataset.fingerprint(cancel, progress) {
                Ok(fingerprint) if fingerprint == self.spec.fingerprint => {
                    return Ok(Some((*dataset).clone()));
                }
                Ok(_) | Err(_) if is_same => {
                    cancel.check()?;
                    changed.extend(dataset.files().first().map(|file| file.location.path()));
                }
                Ok(_) | Err(_) => cancel.check()?,
            }
        }
        Ok(None)
    }
}

fn why(changed: &[PathBuf], gone: &[PathBuf]) -> String {
    let named = |paths: &[PathBuf]| {
        let mut names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        names.sort();
        names.dedup();
        let more = names.len().saturating_sub(3);
        names.truncate(3);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", names.join(", "))
    };
    match (changed, gone) {
        ([], []) => {
            "The store does not tell where this run's data are, and no open data are the same.".to_owned()
        }
        ([], gone) => format!("The data are not where the run read them: {}.", named(gone)),
        (changed, _) => {
            format!("The data have changed since the run; none has its content: {}.", named(changed))
        }
    }
}
