//! Gets LaMP's files from their official addresses, or from a mirror of them.
//!
//! A wrong official address answers with an HTML page and status 200, so every file's content is looked at while it
//! comes ([`content`]). What was brought is remembered in [`MANIFEST`] and not brought again. How bytes
//! travel is [`crate::fetch`]'s business; this module knows addresses, names and contents.

pub mod content;
mod manifest;

use std::path::{Path, PathBuf};

use crate::fetch::{self, FetchError, Inspect, Patience, Request};
use crate::jobs::{CancelToken, Canceled, Progress};
use crate::lamp::{Setting, Split, Task};

use content::ContentCheck;
pub use content::ContentError;
pub use manifest::{MANIFEST, Manifest, ManifestError, Remembered};

/// Where the files are officially.
pub const OFFICIAL: &str = "https://ciir.cs.umass.edu/downloads/LaMP";

/// Under what terms, shown before anything is fetched.
pub const TERMS: &str = "\
The LaMP datasets are licensed under CC BY-NC-SA 4.0 (https://creativecommons.org/licenses/by-nc-sa/4.0/):
give credit, no commercial use, share alike. Whoever uses them cites
  Alireza Salemi, Sheshera Mysore, Michael Bendersky, Hamed Zamani:
  LaMP: When Large Language Models Meet Personalization. ACL 2024. arXiv:2304.11406
";

/// What is said besides where LaMP-6 is asked for.
pub const TERMS_LAMP_6: &str = "\
LaMP-6 holds only the names of mails. Their text is in the Avocado Research Email Collection (LDC2015T03), which the
Linguistic Data Consortium licenses separately; `lamplight import-avocado` puts it in.
";

/// Which of a split's two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileKind {
    /// Inputs and profiles.
    Questions,
    /// The right answers; withheld for test.
    Outputs,
}

impl FileKind {
    /// Both kinds.
    pub const ALL: [FileKind; 2] = [FileKind::Questions, FileKind::Outputs];

    const fn word(self) -> &'static str {
        match self {
            FileKind::Questions => "questions",
            FileKind::Outputs => "outputs",
        }
    }
}

/// One official file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OfficialFile {
    /// The task.
    pub task: Task,
    /// The setting.
    pub setting: Setting,
    /// The split.
    pub split: Split,
    /// Questions or outputs.
    pub kind: FileKind,
}

/// Why there is no such official file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOfficial {
    /// LaMP-2N belongs to the first release, which has no time setting.
    #[error(
        "{task} has no {setting} setting: news categorization was replaced by movie tagging (LaMP-2M) before that setting was made"
    )]
    Setting {
        /// The task.
        task: Task,
        /// The setting it does not have.
        setting: Setting,
    },
}

impl OfficialFile {
    /// The files of a split: questions, and outputs except for test, where they are withheld.
    ///
    /// # Errors
    /// [`NotOfficial`] where the benchmark has no such dataset.
    pub fn of(task: Task, setting: Setting, split: Split) -> Result<Vec<Self>, NotOfficial> {
        if task == Task::Lamp2N && setting == Setting::Time {
            return Err(NotOfficial::Setting { task, setting });
        }
        let published = |kind: &FileKind| !(*kind == FileKind::Outputs && split == Split::Test);
        Ok(FileKind::ALL
            .into_iter()
            .filter(published)
            .map(|kind| Self { task, setting, split, kind })
            .collect())
    }

    /// The path below the base address and below the output folder, with `/` between parts.
    pub fn path(&self) -> String {
        let time = if self.setting == Setting::Time { "time/" } else { "" };
        let (folder, split, kind) = (self.task.official_folder(), self.split, self.kind.word());
        format!("{time}{folder}/{split}/{split}_{kind}.json")
    }

    /// The file's place in an output folder.
    pub fn target(&self, folder: &Path) -> PathBuf {
        self.path().split('/').fold(folder.to_owned(), |path, part| path.join(part))
    }

    /// How many records the papers give for it, where they do.
    pub fn published_records(&self) -> Option<u64> {
        let sizes: [Option<u64>; 3] = match (self.setting, self.task) {
            (Setting::User, Task::Lamp1) => [Some(9682), Some(2500), Some(2500)],
            (Setting::User, Task::Lamp2N) => [Some(5914), Some(1052), Some(1274)],
            (Setting::User, Task::Lamp2M) => [None, Some(692), None],
            (Setting::User, Task::Lamp3) => [Some(20_000), Some(2500), Some(2500)],
            (Setting::User, Task::Lamp4) => [Some(12_527), Some(1925), Some(2376)],
            (Setting::User, Task::Lamp5) => [None, Some(2500), None],
            (Setting::User, Task::Lamp6) => [Some(4840), Some(1353), Some(1246)],
            (Setting::User, Task::Lamp7) => [Some(10_437), Some(1500), Some(1496)],
            (Setting::Time, Task::Lamp1) => [Some(6542), Some(1500), Some(1500)],
            (Setting::Time, Task::Lamp2N) => [None; 3],
            (Setting::Time, Task::Lamp2M) => [Some(5073), Some(1410), Some(1557)],
            (Setting::Time, Task::Lamp3) => [Some(20_000), Some(2500), Some(2500)],
            (Setting::Time, Task::Lamp4) => [Some(12_500), Some(1500), Some(1800)],
            (Setting::Time, Task::Lamp5) => [Some(14_682), Some(1500), Some(1500)],
            (Setting::Time, Task::Lamp6) => [Some(4821), Some(1250), Some(1250)],
            (Setting::Time, Task::Lamp7) => [Some(13_437), Some(1498), Some(1500)],
        };
        match self.split {
            Split::Train => sizes[0],
            Split::Dev => sizes[1],
            Split::Test => sizes[2],
        }
    }
}

/// Where to get files from and where to put them.
#[derive(Debug, Clone)]
pub struct Source {
    /// The address before [`OfficialFile::path`].
    pub base: String,
    /// The output folder.
    pub folder: PathBuf,
    /// Fetch even what is there.
    pub force: bool,
    /// How patient to be.
    pub patience: Patience,
}

/// What became of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    /// It was fetched, and its content checked.
    Fetched {
        /// Its length in bytes.
        length: u64,
        /// Its records.
        records: u64,
        /// How many of its bytes an earlier call had brought.
        resumed_from: u64,
    },
    /// It had been fetched before.
    Already,
    /// A file that this program did not fetch, or that has changed since, stands there; it was left alone.
    Foreign,
}

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// Someone asked to stop.
    #[error(transparent)]
    Canceled(#[from] Canceled),
    /// It could not be fetched.
    #[error(transparent)]
    Fetch(FetchError),
    /// The list of what was fetched could not be read or written.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl From<FetchError> for GetError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Canceled(canceled) => Self::Canceled(canceled),
            other => Self::Fetch(other),
        }
    }
}

impl GetError {
    /// Whether other files of the same source may be had all the same.
    pub const fn is_about_this_file(&self) -> bool {
        matches!(
            self,
            Self::Fetch(FetchError::Status { .. } | FetchError::Rejected { .. } | FetchError::InUse { .. })
        )
    }
}

/// Gets one file, unless it is there.
///
/// # Errors
/// [`GetError`]; nothing that is not whole and of its task gets the final name.
pub fn get(
    source: &Source,
    file: &OfficialFile,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Got, GetError> {
    cancel.check()?;
    let (path, target) = (file.path(), file.target(&source.folder));
    let known = Manifest::load(&source.folder)?.files.remove(&path);
    if !source.force
        && let Ok(there) = std::fs::metadata(&target)
    {
        let ours = known.is_some_and(|known| known.length == there.len());
        return Ok(if ours { Got::Already } else { Got::Foreign });
    }
    let url = format!("{}/{path}", source.base.trim_end_matches('/'));
    let records = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let inspect = || -> Box<dyn Inspect> { Box::new(ContentCheck::new(*file, records.clone())) };
    let request = Request {
        url: &url,
        target: &target,
        step: &path,
        bearer: None,
        sha256: None,
        length: None,
        inspect: &inspect,
    };
    let fetched = fetch::fetch(&request, &source.patience, cancel, progress)?;
    let records = records.load(std::sync::atomic::Ordering::Relaxed);
    let entry = Remembered {
        url: fetch::shown(&url),
        length: fetched.length,
        sha256: hex::encode(fetched.sha256),
        records,
    };
    Manifest::remember(&source.folder, &path, entry)?;
    Ok(Got::Fetched { length: fetched.length, records, resumed_from: fetched.resumed_from })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_the_official_ones() {
        let path =
            |task, setting, split, at: usize| OfficialFile::of(task, setting, split).unwrap()[at].path();
        assert_eq!(path(Task::Lamp4, Setting::User, Split::Dev, 0), "LaMP_4/dev/dev_questions.json");
        assert_eq!(path(Task::Lamp2N, Setting::User, Split::Dev, 1), "LaMP_2/dev/dev_outputs.json");
        assert_eq!(path(Task::Lamp2M, Setting::User, Split::Train, 1), "LaMP_2/new/train/train_outputs.json");
        assert_eq!(
            path(Task::Lamp2M, Setting::Time, Split::Test, 0),
            "time/LaMP_2/new/test/test_questions.json"
        );
        assert_eq!(path(Task::Lamp7, Setting::Time, Split::Dev, 0), "time/LaMP_7/dev/dev_questions.json");
    }

    #[test]
    fn what_does_not_exist_officially_is_refused() {
        assert!(OfficialFile::of(Task::Lamp2N, Setting::Time, Split::Dev).is_err());
        for task in Task::ALL {
            for file in OfficialFile::of(task, Setting::User, Split::Test).unwrap() {
                assert_eq!(file.kind, FileKind::Questions);
            }
        }
    }
}
