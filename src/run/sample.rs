//! The experiment that needs nothing to be downloaded: the sample set through the models that are part of the program.

use std::path::{Path, PathBuf};

use super::Workplace;
use super::experiment::{Experiment, Problems};
use crate::dataset::sample_set::{Options, SHIPPED_SEED, SampleSetError, write};
use crate::jobs::{CancelToken, Progress};

/// The experiment as it ships.
const SAMPLE: &str = include_str!("../../resources/experiments/sample.toml");

/// The shipped experiment over the sample set in a folder.
///
/// # Errors
/// None that a test would not find.
pub fn sample_experiment(folder: &Path) -> Result<Experiment, Problems> {
    let mut experiment = Experiment::from_toml(SAMPLE, Path::new("sample.toml"))?;
    for data in &mut experiment.data {
        data.paths = vec![folder.to_owned()];
    }
    Ok(experiment)
}

/// Where the sample set is: in the `datasets` folder below the current one, as in a clone, else in the cache folder (without
/// one the system's folder for passing files), where it is written first if need be. It appears whole or not at all.
///
/// # Errors
/// Where it cannot be written; cancellation.
pub fn sample_set(
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<PathBuf, SampleSetError> {
    let whole = |folder: &Path| folder.join("LaMP_1").is_dir() && folder.join("time").is_dir();
    if let Ok(current) = std::env::current_dir() {
        let beside = current.join("datasets").join("sample");
        if whole(&beside) {
            return Ok(beside);
        }
    }
    let parent = workplace.cache().map_or_else(std::env::temp_dir, Path::to_owned);
    // A program that writes another set of the same seed must not take this one for its own.
    let folder = parent.join(format!("lamplight-sample-{SHIPPED_SEED}-{}", env!("CARGO_PKG_VERSION")));
    if whole(&folder) {
        return Ok(folder);
    }
    let unfinished = parent.join(format!("lamplight-sample-{}.part", std::process::id()));
    let options = Options { gzip: true, force: true, ..Options::default() };
    let failed = |source| SampleSetError::Io { path: folder.clone(), source };
    let written = write(&unfinished, &options, cancel, progress)
        .and_then(|_| std::fs::rename(&unfinished, &folder).map_err(failed));
    if written.is_err() {
        // What is left of it is of no use.
        let _ = std::fs::remove_dir_all(&unfinished);
    }
    // Another program may have put it there meanwhile.
    if whole(&folder) { Ok(folder) } else { written.map(|()| folder.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::registry::Registry;

    #[test]
    fn the_shipped_experiment_is_sound_wherever_the_data_are() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = sample_experiment(folder.path()).unwrap();
        assert_eq!(experiment.data[0].paths, [folder.path()]);
        assert_eq!(experiment.models.len(), 1);
        let workplace = Workplace::new(Registry::new(folder.path().join("models")));
        let found = sample_set(&workplace, &CancelToken::new(), &Progress::new()).unwrap();
        assert!(found.join("LaMP_1").is_dir());
    }
}
