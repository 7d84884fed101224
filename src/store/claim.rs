//! Whose work a run is: a lock of the operating system, which ends with the program that holds it.
//!
//! Lock files lie in a folder beside the store, one a run, and are removed by who holds the lock.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::StoreError;
use super::connect::FileId;

/// The right of this program to work on a run. Given up when dropped, and by the system when the program ends.
#[derive(Debug)]
pub struct Claim {
    /// Held open as long as the claim stands.
    lock: File,
    path: PathBuf,
}

/// The folder of a store's lock files.
pub(super) fn folder(store: &Path) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push(".locks");
    store.with_file_name(name)
}

fn file_of(store: &Path, key: &str) -> PathBuf {
    folder(store).join(format!("{key}.lock"))
}

/// Claims a run; `None` if another has it.
pub(super) fn claim(store: &Path, key: &str) -> Result<Option<Claim>, StoreError> {
    let (folder, path) = (folder(store), file_of(store, key));
    let error = |source| StoreError::file(&path, source);
    let (mut busy, mut gone) = (0, 0);
    loop {
        fs::create_dir_all(&folder).map_err(|source| StoreError::file(&folder, source))?;
        let lock = match File::options().read(true).write(true).create(true).truncate(false).open(&path) {
            Ok(lock) => lock,
            // Whoever gave up the last claim removed the folder just now.
            Err(source) if source.kind() == ErrorKind::NotFound && gone < 100 => {
                gone += 1;
                continue;
            }
            Err(source) => return Err(error(source)),
        };
        match lock.try_lock() {
            // One who gave up the claim may have removed the file before we had the lock: then it is nobody's.
            Ok(()) if is_at(&lock, &path).map_err(error)? => return Ok(Some(Claim { lock, path })),
            Ok(()) => {}
            // One who only looks whether it is claimed holds it for a moment.
            Err(TryLockError::WouldBlock) if busy < 5 => {
                busy += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(source)) => return Err(error(source)),
        }
    }
}

/// Whether a program has claimed the run.
pub(super) fn is_held(store: &Path, key: &str) -> bool {
    match File::open(file_of(store, key)) {
        Ok(lock) => matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)),
        Err(_) => false,
    }
}

/// The short key of a run that some program has claimed, if there is one.
pub(super) fn any_held(store: &Path) -> Option<String> {
    fs::read_dir(folder(store)).ok()?.flatten().find_map(|entry| {
        let name = entry.file_name();
        let key = name.to_str()?.strip_suffix(".lock")?;
        is_held(store, key).then(|| key.get(..8).unwrap_or(key).to_owned())
    })
}

/// Whether the open file is the one at the path. Where files cannot be told apart none is removed, so that it is.
fn is_at(file: &File, path: &Path) -> std::io::Result<bool> {
    match fs::metadata(path) {
        Ok(there) => Ok(FileId::of(&file.metadata()?) == FileId::of(&there)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // What cannot be cleaned up is an empty file that hinders nobody.
        if cfg!(unix) {
            let _ = fs::remove_file(&self.path);
            if let Some(folder) = self.path.parent() {
                let _ = fs::remove_dir(folder); // only if it is empty
            }
        }
        let _ = self.lock.unlock();
    }
}
