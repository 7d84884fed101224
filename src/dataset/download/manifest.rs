//! The list of what was fetched into a folder, so that it is not fetched again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The list's name within an output folder.
pub const MANIFEST: &str = "lamplight-downloads.json";

/// What was fetched into a folder, by path below it with `/` between parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The files.
    pub files: BTreeMap<String, Remembered>,
}

/// One fetched file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Where it came from.
    pub url: String,
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// How many records it has.
    pub records: u64,
}

/// Why the list could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It cannot be read or written.
    #[error("cannot read or write {path}: {source}")]
    File {
        /// The list.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not such a list.
    #[error("{path} is not a list of downloads: {source}. Remove it to start a new one")]
    Content {
        /// The list.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Manifest {
    /// The list of a folder; empty where there is none.
    ///
    /// # Errors
    /// [`ManifestError`] where there is one that cannot be read.
    pub fn load(folder: &Path) -> Result<Self, ManifestError> {
        let path = folder.join(MANIFEST);
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|source| ManifestError::Content { path, source })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ManifestError::File { path, source }),
        }
    }

    /// Adds a file to a folder's list, replacing the list in one step.
    ///
    /// # Errors
    /// [`ManifestError`] where it cannot be read or written.
    pub fn remember(folder: &Path, file: &str, entry: Remembered) -> Result<(), ManifestError> {
        let mut list = Self::load(folder)?; // again, as another process may have added to it
        list.files.insert(file.to_owned(), entry);
        let path = folder.join(MANIFEST);
        let fresh = folder.join(format!("{MANIFEST}.new"));
        let write = || {
            fs::write(&fresh, serde_json::to_vec_pretty(&list)?)?;
            fs::rename(&fresh, &path)
        };
        write().map_err(|source| ManifestError::File { path: path.clone(), source })
    }
}
