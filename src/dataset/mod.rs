//! Files to samples: recognition, indexed reading of large files, the dataset check, getting data, the sample set.
//!
//! [`open`] takes files and folders and gives a [`Catalog`] of [`Dataset`]s; a dataset's samples are parsed when
//! asked for. Knows the benchmark's vocabulary and nothing of retrieval, prompts, models or metrics.

pub mod avocado;
mod catalog;
mod check;
pub mod comparisons;
pub mod download;
mod error;
mod files;
mod finding;
pub mod histories;
mod index;
mod lexer;
mod recognize;
mod record;
pub mod sample_set;
mod scan;
mod set;
mod source;
pub mod splitter;

use std::path::PathBuf;

pub use catalog::{Catalog, Unrecognized, open};
pub use error::{DatasetError, FileFault, Reason};
pub use files::{ReadFile, read_whole};
pub use finding::{Finding, FindingKind, Severity};
pub use index::BrokenRecord;
pub use lexer::SyntaxProblem;
pub use record::{Field, RecordProblem};
pub use set::{DataFileInfo, Dataset, DatasetId, FileRole, RecordSummary};
pub use source::Location;

use crate::lamp::{Setting, Split, Task};

/// How files are opened.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Where indexes and unpacked files are kept for next time; `None` keeps nothing.
    pub cache: Option<PathBuf>,
    /// The task, where the user knows better than the files tell.
    pub task: Option<Task>,
    /// The setting, likewise.
    pub setting: Option<Setting>,
    /// The split, likewise.
    pub split: Option<Split>,
    /// Where several questions files are found, let task, setting and split only fill in what a file does not tell,
    /// since they are meant to choose among the files. One file alone is always what the user says it is.
    pub fill_in: bool,
    /// Use the good records of files that have broken ones, instead of refusing such files.
    pub skip_broken: bool,
    /// What archives may unpack to.
    pub limits: UnpackLimits,
}

/// What an archive may unpack to before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnpackLimits {
    /// Bytes in all, a whole archive's entries together.
    pub bytes: u64,
    /// The same where there is no cache folder, so that what is unpacked stays in memory.
    pub memory_bytes: u64,
    /// How many times larger than packed, beyond the first 64 MiB.
    pub ratio: u64,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        // The largest file of the benchmark has little more than 1 GB; JSON packs 3 to 30 times smaller.
        Self { bytes: 16 << 30, memory_bytes: 1 << 30, ratio: 200 }
    }
}
