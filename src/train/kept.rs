//! The jobs that a folder holds: how each stands, and how one is thrown away.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::TrainError;
use super::checkpoint::newest_step;
use super::curve::FILE;
use super::job::{DONE, JobRecord, MODEL, Outcome, RECORD, get, is_held, lock};
use crate::model::registry::{Registry, Source};

/// How a job stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It is over.
    Done(Box<Outcome>),
    /// A program works on it, this one or another.
    AtWork,
    /// It was broken off, and goes on after so many steps.
    BrokenOff {
        /// The step of its newest checkpoint.
        step: u64,
    },
}

/// A job of a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptJob {
    /// Its folder.
    pub folder: PathBuf,
    /// What was written down when it was begun.
    pub record: JobRecord,
    /// How it stands.
    pub standing: Standing,
    /// When it was last worked on, where the system tells.
    pub changed: Option<SystemTime>,
}

/// The folder below which jobs lie that are known by their name alone.
pub fn jobs_folder(registry: &Registry) -> PathBuf {
    registry.folder().join("training")
}

/// The jobs below a folder, the latest first, beside what is wrong with those that cannot be read. No jobs where there is no
/// such folder.
///
/// # Errors
/// A folder that cannot be read.
pub fn kept_jobs(folder: &Path) -> Result<(Vec<KeptJob>, Vec<TrainError>), TrainError> {
    let (mut jobs, mut broken) = (Vec::new(), Vec::new());
    for folder in folders(folder, 2)? {
        match kept(folder) {
            Ok(Some(job)) => jobs.push(job),
            Ok(None) => {}
            Err(error) => broken.push(error),
        }
    }
    jobs.sort_by(|one: &KeptJob, other| {
        other.changed.cmp(&one.changed).then_with(|| one.folder.cmp(&other.folder))
    });
    Ok((jobs, broken))
}

/// Folders that may be jobs: a name has one part, or two.
fn folders(of: &Path, deep: usize) -> Result<Vec<PathBuf>, TrainError> {
    let entries = match fs::read_dir(of) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|source| TrainError::read(of, source))?,
    };
    let mut all = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        if path.join(RECORD).exists() {
            all.push(path);
        } else if deep > 1 {
            all.extend(folders(&path, deep - 1).unwrap_or_default());
        }
    }
    Ok(all)
}

fn kept(folder: PathBuf) -> Result<Option<KeptJob>, TrainError> {
    let record: JobRecord = match get(&folder.join(RECORD)) {
        // It was thrown away just now.
        Err(TrainError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        record => record?,
    };
    let modified = |name: &str| fs::metadata(folder.join(name)).and_then(|file| file.modified()).ok();
    let changed = [DONE, FILE, RECORD].into_iter().find_map(modified);
    let standing = if folder.join(DONE).exists() {
        let mut outcome: Outcome = get(&folder.join(DONE))?;
        // It may have been moved since.
        (outcome.job, outcome.model) = (folder.clone(), folder.join(MODEL));
        Standing::Done(Box::new(outcome))
    } else if is_held(&folder) {
        Standing::AtWork
    } else {
        Standing::BrokenOff { step: newest_step(&folder) }
    };
    Ok(Some(KeptJob { folder, record, standing, changed }))
}

/// Throws a job away with all it has: checkpoints, curve and model. What is registered from it is no more.
///
/// # Errors
/// [`TrainError::Busy`] while a program works on it; no job there; what cannot be removed.
pub fn throw_away(folder: &Path, registry: &Registry) -> Result<(), TrainError> {
    let record: JobRecord = match get(&folder.join(RECORD)) {
        Err(TrainError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(TrainError::NoJob { path: folder.to_owned() });
        }
        record => record?,
    };
    let lock = lock(folder)?;
    if let Some(name) = registered(&record, folder, registry)? {
        registry.remove(&name)?;
    }
    // While it is locked nobody begins; some systems remove no file that is open.
    fs::remove_file(folder.join(RECORD)).map_err(|source| TrainError::write(folder, source))?;
    drop(lock);
    fs::remove_dir_all(folder).map_err(|source| TrainError::write(folder, source))
}

/// The name under which a job's model is registered, if it is.
///
/// # Errors
/// A manifest that cannot be read.
pub fn registered(
    record: &JobRecord,
    folder: &Path,
    registry: &Registry,
) -> Result<Option<String>, TrainError> {
    let Some(name) = &record.name else { return Ok(None) };
    let own = |source: &Source| match source {
        Source::Place(path) => path.starts_with(folder) || same(path, &folder.join(MODEL)),
        Source::Hub { .. } | Source::Copy(_) | Source::Program => false,
    };
    let found = registry.find(name)?;
    Ok(found.filter(|manifest| own(&manifest.source)).map(|manifest| manifest.name))
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}
