//! The download itself: one file after the other, each with what became of it.

use std::path::{Path, PathBuf};

use eframe::egui;

use crate::dataset::download::{self, FileKind, GetError, Got, MANIFEST, OfficialFile, Source};
use crate::gui::loadable::Trouble;
use crate::jobs::{CancelToken, Job, Latest, Progress, ProgressReading};

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FileState {
    /// Others come first.
    Waiting,
    /// It is on its way.
    Running,
    /// It came and is what it should be.
    Done { records: u64, bytes: u64, resumed_from: u64 },
    /// It had come before.
    Already,
    /// Something else stands in its place, and was left alone.
    Foreign,
    /// It could not be had.
    Failed(Trouble),
    /// It was left out after a cancel, or after an error that is about all.
    Left,
}

impl FileState {
    /// Whether the file lies in its place.
    pub const fn is_there(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Already | Self::Foreign)
    }
}

/// How a download ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// What to open, if anything came.
    pub open: Vec<PathBuf>,
    pub canceled: bool,
}

/// A download that was begun.
#[derive(Debug)]
pub(super) struct Download {
    /// The files in their order.
    pub files: Vec<OfficialFile>,
    states: Latest<Vec<FileState>>,
    job: Option<Job<End>>,
    /// How it ended.
    pub end: Option<Result<End, Trouble>>,
}

impl Download {
    /// Begins.
    pub fn begin(ctx: &egui::Context, source: Source, files: Vec<OfficialFile>) -> Self {
        let states = Latest::new();
        states.set(vec![FileState::Waiting; files.len()]);
        let (wake, latest, asked) = (ctx.clone(), states.clone(), files.clone());
        let work = move |cancel: &CancelToken, progress: &Progress| {
            get_all(&source, &asked, &latest, cancel, progress)
        };
        let job = Job::start("download", move || wake.request_repaint(), work);
        Self { files, states, job: Some(job), end: None }
    }

    /// Takes how it ended; gives it once.
    pub fn poll(&mut self) -> Option<&Result<End, Trouble>> {
        let outcome = self.job.as_mut()?.poll()?;
        self.job = None;
        self.end = Some(outcome.map_err(Trouble::from));
        self.end.as_ref()
    }

    /// Whether it goes on.
    pub const fn is_running(&self) -> bool {
        self.job.is_some()
    }

    /// How far the file at work is.
    pub fn reading(&self) -> Option<ProgressReading> {
        self.job.as_ref().map(|job| job.progress().read())
    }

    /// Stops; what has come of a file is kept for the next time.
    pub fn cancel(&self) {
        if let Some(job) = &self.job {
            job.cancel();
        }
    }

    /// What became of each file so far.
    pub fn states(&self) -> std::sync::Arc<Vec<FileState>> {
        self.states.get().unwrap_or_default()
    }
}

fn get_all(
    source: &Source,
    files: &[OfficialFile],
    latest: &Latest<Vec<FileState>>,
    cancel: &CancelToken,
    progress: &Progress,
) -> End {
    let mut states = vec![FileState::Waiting; files.len()];
    for (number, file) in files.iter().enumerate() {
        states[number] = FileState::Running;
        latest.set(states.clone());
        progress.start(&file.path(), 0);
        let got = download::get(source, file, cancel, progress);
        let goes_on = got.as_ref().err().is_none_or(GetError::is_about_this_file);
        states[number] = match got {
            Ok(Got::Fetched { length, records, resumed_from }) => {
                FileState::Done { records, bytes: length, resumed_from }
            }
            Ok(Got::Already) => FileState::Already,
            Ok(Got::Foreign) => FileState::Foreign,
            Err(GetError::Canceled(_)) => FileState::Left,
            Err(error) => FileState::Failed(error.into()),
        };
        if !goes_on {
            states[number + 1..].fill(FileState::Left);
            latest.set(states.clone());
            break;
        }
        latest.set(states.clone());
    }
    let there = |kind: FileKind| {
        files
            .iter()
            .zip(&states)
            .filter(move |(file, state)| file.kind == kind && state.is_there())
            .map(|(file, _)| *file)
    };
    End { open: to_open(&source.folder, there(FileKind::Questions)), canceled: cancel.is_canceled() }
}

/// The whole folder where it holds the benchmark alone, else each dataset's folder in it.
fn to_open(folder: &Path, questions: impl Iterator<Item = OfficialFile>) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for file in questions {
        let path = file.target(folder).parent().map(Path::to_owned).unwrap_or_default();
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let is_ours = |name: &str| name.starts_with("LaMP_") || name == "time" || name == MANIFEST;
    let alone = std::fs::read_dir(folder).is_ok_and(|mut entries| {
        entries.all(|entry| entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(is_ours)))
    });
    if alone && !paths.is_empty() { vec![folder.to_owned()] } else { paths }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lamp::{Setting, Split, Task};

    #[test]
    fn a_folder_of_its_own_is_opened_whole_and_another_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let files = OfficialFile::of(Task::Lamp4, Setting::Time, Split::Dev).unwrap();
        std::fs::create_dir_all(folder.path().join("time").join("LaMP_4")).unwrap();
        let open = || to_open(folder.path(), files.iter().copied());
        assert_eq!(open(), [folder.path()]);
        std::fs::write(folder.path().join("letters.zip"), "").unwrap();
        assert_eq!(open(), [folder.path().join("time").join("LaMP_4").join("dev")]);
        assert!(to_open(folder.path(), std::iter::empty()).is_empty());
    }
}
