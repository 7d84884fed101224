//! A store that was deleted or replaced while it is open: on Unix the open file still has everything, and it goes back to its
//! place.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::connect::{FileId, PATIENCE};
use super::{Reader, Store, StoreError, claim};
use crate::jobs::{CancelToken, Progress};
use crate::record::{EventKind, RunId};

/// The path with something added to its last part.
pub(super) fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(more);
    path.with_file_name(name)
}

impl Store {
    /// Looks whether the store's file is still at its path, and if not brings it back.
    pub(super) fn rescue_if_gone(&mut self) -> Result<(), StoreError> {
        match fs::metadata(&self.path) {
            Ok(there) if FileId::of(&there) == self.file => Ok(()),
            Ok(_) => self.rescue(),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                self.rescue()
            }
            // A place that cannot be looked at now says nothing of the file; writing will tell.
            Err(_) => Ok(()),
        }
    }

    fn rescue(&mut self) -> Result<(), StoreError> {
        let copy = beside(&self.path, &format!(".rescued-{}", std::process::id()));
        let lost = |kept: bool, source: StoreError| StoreError::Lost {
            path: self.path.clone(),
            kept: kept.then(|| copy.clone()),
            source: Box::new(source),
        };
        self.copy_to(&copy).map_err(|source| {
            let _ = fs::remove_file(&copy); // nobody can use half a store
            lost(false, source)
        })?;
        let placed = place(&copy, &self.path).map_err(|source| lost(true, source))?;
        let mut store = Self::open(&self.path).map_err(|source| lost(true, source))?;
        let text = if placed {
            "The store was deleted while a program wrote to it; that program put it back with all it held"
        } else {
            // Another program put it back first, or a person put another store here: ours goes into it.
            store.merge(&copy, &CancelToken::new(), &Progress::new()).map_err(|source| lost(true, source))?;
            // Whoever holds a run's number must find that run under it, and no other.
            let same = same_numbers(&copy, &self.path).map_err(|source| lost(true, source))?;
            let _ = fs::remove_file(&copy); // it is all in the other
            if !same {
                return Err(StoreError::Replaced { path: self.path.clone() });
            }
            "The store was replaced while a program wrote to it; what that program held was merged into this one"
        };
        *self = store;
        self.log(None, EventKind::Store, text)
    }

    /// Writes all that is in the open store to a file that does not exist yet.
    fn copy_to(&self, copy: &Path) -> Result<(), StoreError> {
        if let Some(folder) = copy.parent() {
            fs::create_dir_all(folder).map_err(|source| StoreError::file(folder, source))?;
        }
        if copy.exists() {
            fs::remove_file(copy).map_err(|source| StoreError::file(copy, source))?;
        }
        let error = |error| StoreError::sql(copy, error);
        // As bytes, since a path need not be text.
        let sql = "VACUUM INTO CAST(?1 AS TEXT)";
        self.connection.execute(sql, [copy.as_os_str().as_encoded_bytes()]).map_err(error)?;
        let file = fs::File::options().write(true).open(copy).and_then(|file| file.sync_all());
        file.map_err(|source| StoreError::file(copy, source))
    }
}

/// Whether all runs of the one store have the same numbers in the other.
fn same_numbers(one: &Path, other: &Path) -> Result<bool, StoreError> {
    let numbers = Reader::open(other)?.runs()?.into_iter().map(|run| (run.key, run.id));
    let numbers: HashMap<String, RunId> = numbers.collect();
    Ok(Reader::open(one)?.runs()?.iter().all(|run| numbers.get(&run.key) == Some(&run.id)))
}

/// Puts a file where there is none; `false` if there is one.
pub(super) fn place(file: &Path, path: &Path) -> Result<bool, StoreError> {
    // One at a time, or the log that is cleared away may already be that of a store placed a moment ago.
    let _turn = turn(path)?;
    if path.exists() {
        return Ok(false);
    }
    // A log of a deleted file would be taken for one of the new.
    for log in ["-wal", "-shm", "-journal"].map(|end| beside(path, end)) {
        match fs::remove_file(&log) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(StoreError::file(path, error)),
            _ => {}
        }
    }
    match fs::hard_link(file, path) {
        Ok(()) => {
            let _ = fs::remove_file(file); // a second name, and harmless
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        // Not every file system has links.
        Err(_) => fs::rename(file, path).map(|()| true).map_err(|source| StoreError::file(path, source)),
    }
}

/// Waits until nobody else places a file at the path.
fn turn(path: &Path) -> Result<claim::Claim, StoreError> {
    let asked = Instant::now();
    loop {
        match claim::claim(path, "new")? {
            Some(turn) => return Ok(turn),
            None if asked.elapsed() > PATIENCE => {
                let source = std::io::Error::new(ErrorKind::TimedOut, "another program is making this store");
                return Err(StoreError::file(path, source));
            }
            None => {}
        }
    }
}
