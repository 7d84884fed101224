//! Where a program's files lie: the store, models, and what is kept for next time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Workplace;
use crate::jobs::{CancelToken, Canceled};
use crate::model::registry::Registry;

/// The files and folders that a program works with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The file that holds the runs; it need not exist.
    pub store: PathBuf,
    /// Whether a person named the store for this start.
    pub store_given: bool,
    /// The folder of installed models.
    pub models: PathBuf,
    /// Whether a person named the folder for this start.
    pub models_given: bool,
    /// Indexes and unpacked files of datasets; nothing is kept if `None`.
    pub cache: Option<PathBuf>,
    /// Kept vectors; nothing is kept if `None`.
    pub embeddings: Option<PathBuf>,
    /// What the window remembers; nothing if `None`.
    pub memory: Option<PathBuf>,
}

impl Places {
    /// A workplace over these places.
    pub fn workplace(&self) -> Workplace {
        Workplace::new(Registry::new(self.models.clone()))
            .with_cache(self.cache.clone())
            .with_embeddings(self.embeddings.clone())
    }

    /// The folders of the cache that are made again when they are missing: indexes of datasets, unpacked archives, full-text
    /// indexes, the sample set. Whatever else lies in the cache folder is not ours.
    fn cached(&self) -> Vec<PathBuf> {
        let Some(cache) = &self.cache else { return Vec::new() };
        let mut folders: Vec<PathBuf> = ["index", "unpacked", "search"].map(|name| cache.join(name)).to_vec();
        let sample = |name: &str| name.starts_with("lamplight-sample-");
        let entries = fs::read_dir(cache).into_iter().flatten().flatten();
        folders.extend(
            entries.filter(|entry| entry.file_name().to_str().is_some_and(sample)).map(|entry| entry.path()),
        );
        folders
    }

    /// Bytes that the cache takes, without kept vectors.
    ///
    /// # Errors
    /// Canceled.
    pub fn cache_size(&self, cancel: &CancelToken) -> Result<u64, Canceled> {
        self.cached().iter().try_fold(0, |sum, folder| Ok(sum + size(folder, cancel)?))
    }

    /// Empties the cache, but for kept vectors. What is needed again is made again.
    ///
    /// # Errors
    /// A folder that cannot be removed.
    pub fn clear_cache(&self) -> io::Result<()> {
        for folder in self.cached() {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Bytes of the files in a folder; none where it cannot be read.
fn size(folder: &Path, cancel: &CancelToken) -> Result<u64, Canceled> {
    let mut sum = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        cancel.check()?;
        // Links are not followed: what they lead to is not the cache's.
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => sum += size(&entry.path(), cancel)?,
            Ok(metadata) => sum += metadata.len(),
            Err(_) => {}
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clearing_the_cache_leaves_what_is_not_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        for name in ["index/a", "search/b/c", "lamplight-sample-1-0.1.0/LaMP_1", "embeddings/e", "mine"] {
            fs::create_dir_all(cache.join(name)).unwrap();
            fs::write(cache.join(name).join("file"), "1234").unwrap();
        }
        let places = Places {
            store: folder.path().join("lamplight.db"),
            store_given: true,
            models: folder.path().join("models"),
            models_given: true,
            cache: Some(cache.clone()),
            embeddings: Some(cache.join("embeddings")),
            memory: None,
        };
        assert_eq!(places.cache_size(&CancelToken::new()), Ok(12));
        places.clear_cache().unwrap();
        places.clear_cache().unwrap();
        assert_eq!(places.cache_size(&CancelToken::new()), Ok(0));
        assert!(cache.join("mine").join("file").exists() && cache.join("embeddings/e/file").exists());
    }
}
