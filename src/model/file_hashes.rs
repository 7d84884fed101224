//! Hashes of files that were read before, remembered by path, size and modification time, so that a model of many
//! gigabytes is hashed once and not at every start.
//!
//! Knows nothing of models. What is remembered can be lost at any time and costs a reading only.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ModelError;
use crate::jobs::{CancelToken, Progress};
use crate::whole_file::WholeFile;

/// At most so many files are remembered.
const MOST: usize = 4096;

/// A file that changed so short a time ago may change again without getting another time.
const SETTLED: Duration = Duration::from_secs(2);

/// SHA-256 hashes of files.
#[derive(Debug, Default)]
pub struct FileHashes {
    /// Where they are kept; nowhere if `None`.
    store: Option<PathBuf>,
    known: BTreeMap<String, Known>,
    changed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    size: u64,
    /// Nanoseconds since 1970.
    modified: u128,
    sha256: String,
}

impl Known {
    fn of(metadata: &Metadata, sha256: &[u8; 32]) -> Option<Self> {
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        Some(Self { size: metadata.len(), modified, sha256: hex::encode(sha256) })
    }
}

impl FileHashes {
    /// What a file remembers; nothing where there is none, or one that is damaged.
    pub fn open(store: PathBuf) -> Self {
        let known = std::fs::read(&store).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { store: Some(store), known: known.unwrap_or_default(), changed: false }
    }

    /// The hash of a file as it is now, read only if it is not known.
    ///
    /// # Errors
    /// A file that cannot be read; [`ModelError::Canceled`].
    pub fn of(
        &mut self,
        path: &Path,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<[u8; 32], ModelError> {
        let failed = |source| ModelError::Read { path: path.to_owned(), source };
        let before = std::fs::metadata(path).map_err(failed)?;
        if let Some(sha256) = self.known(path, &before) {
            progress.add(before.len());
            return Ok(sha256);
        }
        let mut file = File::open(path).map_err(failed)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            cancel.check()?;
            let count = file.read(&mut buffer).map_err(failed)?;
            if count == 0 {
                break;
            }
            hash.update(&buffer[..count]);
            progress.add(count as u64);
        }
        let sha256 = hash.finalize().into();
        let settled = before.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
        if settled.is_some_and(|age| age > SETTLED) {
            self.insert(path, &before, &sha256);
        }
        Ok(sha256)
    }

    /// Remembers the hash of a file that this program has just written.
    pub fn remember(&mut self, path: &Path, sha256: &[u8; 32]) {
        if let Ok(metadata) = std::fs::metadata(path) {
            self.insert(path, &metadata, sha256);
        }
    }

    /// Writes down what was learned, together with what another process has written meanwhile. That it cannot be
    /// written is no failure.
    pub fn keep(&mut self) {
        let Some(store) = self.store.as_ref().filter(|_| self.changed) else { return };
        let mut all = Self::open(store.clone()).known;
        all.append(&mut self.known.clone());
        if all.len() > MOST {
            all.retain(|path, _| Path::new(path).exists());
        }
        while all.len() > MOST {
            all.pop_last();
        }
        let write = || {
            if let Some(folder) = store.parent() {
                std::fs::create_dir_all(folder)?;
            }
            WholeFile::put(store, &serde_json::to_vec_pretty(&all)?)
        };
        self.changed = write().is_err();
    }

    fn known(&self, path: &Path, metadata: &Metadata) -> Option<[u8; 32]> {
        let known = self.known.get(&key(path)?)?;
        let sha256 = <[u8; 32]>::try_from(hex::decode(&known.sha256).ok()?).ok()?;
        (Known::of(metadata, &sha256)? == *known).then_some(sha256)
    }

    fn insert(&mut self, path: &Path, metadata: &Metadata, sha256: &[u8; 32]) {
        if let (Some(key), Some(known)) = (key(path), Known::of(metadata, sha256)) {
            self.changed |= self.known.insert(key, known.clone()) != Some(known);
        }
    }
}

/// The file's one path, links followed: a link that leads elsewhere tomorrow is another file then.
fn key(path: &Path) -> Option<String> {
    std::fs::canonicalize(path).ok()?.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(path: &Path, seconds: u64) {
        let time = SystemTime::now() - Duration::from_secs(seconds);
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn a_file_is_read_once_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (file, store) = (folder.path().join("a"), folder.path().join("hashes.json"));
        let of = |hashes: &mut FileHashes| {
            let hash = hashes.of(&file, &CancelToken::new(), &Progress::new()).unwrap();
            hashes.keep();
            hash
        };
        std::fs::write(&file, "one").unwrap();
        age(&file, 100);
        let one: [u8; 32] = Sha256::digest("one").into();
        assert_eq!(of(&mut FileHashes::open(store.clone())), one);
        // Changed behind our back with the same size and time: only what is remembered can give the old hash.
        let time = std::fs::metadata(&file).unwrap().modified().unwrap();
        std::fs::write(&file, "two").unwrap();
        File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
        assert_eq!(of(&mut FileHashes::open(store.clone())), one);
        age(&file, 50);
        let two: [u8; 32] = Sha256::digest("two").into();
        assert_eq!(of(&mut FileHashes::open(store.clone())), two);
        // What changed this moment is not remembered.
        std::fs::write(&file, "six").unwrap();
        assert_eq!(of(&mut FileHashes::open(store.clone())), <[u8; 32]>::from(Sha256::digest("six")));
        assert!(!std::fs::read_to_string(&store).unwrap().contains(&hex::encode(Sha256::digest("six"))));
        // A damaged store is an empty one.
        std::fs::write(&store, "{ half").unwrap();
        age(&file, 50);
        assert_eq!(of(&mut FileHashes::open(store)), <[u8; 32]>::from(Sha256::digest("six")));
    }
}
