//! Why a store could not be used, in words for a person.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::jobs::Canceled;
use crate::record::RunId;

/// Why a store could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system names no place for data.
    #[error("this system names no folder for data; say where the store is with --store or LAMPLIGHT_STORE")]
    NoFolder,
    /// The store's path is a folder.
    #[error("{path} is a folder; name a file in it, such as {}", path.join("lamplight.db").display(), path = path.display())]
    IsFolder {
        /// As given.
        path: PathBuf,
    },
    /// There is no file.
    #[error("there is no store {path}; `lamplight run` makes one, and --store names another", path = path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file or folder could not be read or written.
    #[error("cannot read or write {path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of another kind; it was not touched.
    #[error(
        "{path} is no Lamplight store (its head is another); it was left as it is: name another file with --store, \
         or run `lamplight store repair` on it if it was one and is damaged", path = path.display()
    )]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// Written by a newer program; it was not touched.
    #[error(
        "{path} was written by a newer Lamplight (form {version}, and this program knows {known}); use that \
         one, or another store with --store", path = path.display()
    )]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its form.
        version: i64,
        /// The newest form that this program knows.
        known: i64,
    },
    /// Written by an older program, and it cannot be brought to the present form since it was opened for reading only.
    #[error(
        "{path} was written by an older Lamplight (form {version}, and this program writes {known}) and must be \
         brought up to date first, where it can be written; `lamplight store check` does it", path = path.display()
    )]
    Older {
        /// The store.
        path: PathBuf,
        /// Its form.
        version: i64,
        /// The form that this program reads.
        known: i64,
    },
    /// The store may not be written.
    #[error("{path} cannot be written: it, its folder or its disk is read-only; free it, or name another store with --store", path = path.display())]
    ReadOnly {
        /// The store.
        path: PathBuf,
    },
    /// Another program wrote for too long.
    #[error("{path} is being written by another program, and it did not end in {seconds} seconds; try again", path = path.display())]
    Busy {
        /// The store.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// The disk is full.
    #[error(
        "the disk of {path} is full; what was finished before is kept: free some space and start again", path = path.display()
    )]
    Full {
        /// The store.
        path: PathBuf,
    },
    /// The file's content is broken.
    #[error(
        "{path} is damaged ({detail}); `lamplight store repair` saves what can be read of it and keeps the \
         damaged file", path = path.display()
    )]
    Damaged {
        /// The store.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Another program works on the run.
    #[error("another Lamplight is at work on run {run}; wait for it to end, or end it")]
    InUse {
        /// The run's short key.
        run: String,
    },
    /// Another program works on the judging.
    #[error("another Lamplight is at work on judging {judging}; wait for it to end, or end it")]
    JudgingInUse {
        /// The judging's short key.
        judging: String,
    },
    /// No judging is called so, or several are.
    #[error("no judging of this store is meant by `{given}` alone; `lamplight judge list` shows them")]
    UnknownJudging {
        /// As given.
        given: String,
    },
    /// No run is called so.
    #[error("no run is called {given}{near}; `lamplight list` shows all")]
    UnknownRun {
        /// As given.
        given: String,
        /// Runs that are alike, as words.
        near: String,
    },
    /// Several runs are called so.
    #[error("{given} could be any of {}; write more of the key", .found.join(", "))]
    SeveralRuns {
        /// As given.
        given: String,
        /// Their keys' beginnings.
        found: Vec<String>,
    },
    /// No run has this number; it was deleted, perhaps by another program.
    #[error("run {} is not in the store any more; it was deleted by another program", .run.0)]
    GoneRun {
        /// Its number.
        run: RunId,
    },
    /// A store cannot be merged into itself.
    #[error("{path} is the store itself; name another one to merge into it", path = path.display())]
    MergeWithItself {
        /// The store.
        path: PathBuf,
    },
    /// The store was deleted or replaced while this program wrote to it, and could not be written back.
    #[error(
        "{path} was deleted or replaced while this program wrote to it, and what it held could not be put back; \
         {}", rescue_words(.kept), path = path.display()
    )]
    Lost {
        /// Where the store was.
        path: PathBuf,
        /// A whole copy of it, if one could be written.
        kept: Option<PathBuf>,
        /// Why it could not be put back.
        source: Box<StoreError>,
    },
    /// Another store is where this one was, and all that this one held was merged into it.
    #[error(
        "{path} was replaced by another store while this program wrote to it; what was finished was merged into \
         that one: start again to go on", path = path.display()
    )]
    Replaced {
        /// The store.
        path: PathBuf,
    },
    /// A row that this program cannot read.
    #[error("{what} in {path} cannot be read by this program ({reason}); a newer Lamplight may have written it", path = path.display())]
    Unreadable {
        /// The store.
        path: PathBuf,
        /// Which row.
        what: String,
        /// Why.
        reason: String,
    },
    /// The work was canceled; what was finished stays.
    #[error(transparent)]
    Canceled(#[from] Canceled),
    /// Anything else that SQLite says.
    #[error("the store {path} could not be used", path = path.display())]
    Sql {
        /// The store.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

fn rescue_words(kept: &Option<PathBuf>) -> String {
    match kept {
        Some(path) => format!("a copy is {}: merge it with `lamplight merge`", path.display()),
        None => "free some space or the folder, and start again".to_owned(),
    }
}

impl StoreError {
    pub(super) fn file(path: &Path, source: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::File { path, source },
        }
    }

    /// What SQLite said of the store at `path`, sorted by what a person can do about it.
    pub(super) fn sql(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Busy { path, seconds: super::connect::PATIENCE.as_secs() }
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, detail: source.to_string() },
            Some(ErrorCode::NotADatabase) => Self::NotAStore { path },
            _ => Self::Sql { path, source },
        }
    }
}
