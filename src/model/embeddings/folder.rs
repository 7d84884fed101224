//! What a folder of kept vectors holds, and how it is emptied.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::EmbeddingCacheError;
use super::file::{Header, records_in};
use super::place::FolderLock;

/// The kept vectors of one encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEmbeddings {
    /// The name of its files, which begins the hash of the encoder's identity.
    pub name: String,
    /// The encoder's identity; `None` where the file is damaged, so that it is made anew when it is needed.
    pub identity: Option<String>,
    /// The length of a vector.
    pub dimensions: usize,
    /// How many vectors were written.
    pub texts: u64,
    /// What its files take on disk.
    pub bytes: u64,
    files: [PathBuf; 2],
}

/// The encoders whose vectors a folder holds, by name; none where there is no such folder.
///
/// # Errors
/// A folder that cannot be read.
pub fn list(folder: &Path) -> Result<Vec<KeptEmbeddings>, EmbeddingCacheError> {
    let failed = |source| EmbeddingCacheError::Io { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let ours = path.extension().is_some_and(|ending| ending == "keys" || ending == "vectors");
        let name = path.file_stem().and_then(|name| name.to_str()).filter(|name| is_name(name));
        names.extend(name.filter(|_| ours).map(str::to_owned));
    }
    names.sort_unstable();
    names.dedup();
    Ok(names.into_iter().map(|name| describe(folder, name)).collect())
}

/// Whether a file could be ours by its name; no other is ever looked at or removed.
fn is_name(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn describe(folder: &Path, name: String) -> KeptEmbeddings {
    let files = ["keys", "vectors"].map(|ending| folder.join(format!("{name}.{ending}")));
    let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let header = File::open(&files[0]).ok().and_then(|keys| Header::read(&keys));
    KeptEmbeddings {
        name,
        dimensions: header.as_ref().map_or(0, |header| header.dimensions as usize),
        texts: if header.is_some() { records_in(length(&files[0])) } else { 0 },
        bytes: files.iter().map(|path| length(path)).sum(),
        identity: header.map(|header| header.identity),
        files,
    }
}

/// Removes the vectors of the encoders in a folder whose names begin so, of all with an empty text, and says whose.
/// A program that uses them meanwhile keeps what it has open.
///
/// # Errors
/// A folder that another program has locked, or a file that cannot be removed.
pub fn clear(folder: &Path, name: &str) -> Result<Vec<KeptEmbeddings>, EmbeddingCacheError> {
    let kept: Vec<_> = list(folder)?.into_iter().filter(|kept| kept.name.starts_with(name)).collect();
    if kept.is_empty() {
        return Ok(kept);
    }
    let _lock = FolderLock::take(folder)?;
    for path in kept.iter().flat_map(|kept| &kept.files) {
        match fs::remove_file(path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(EmbeddingCacheError::Io { path: path.clone(), source });
            }
            _ => {}
        }
    }
    Ok(kept)
}
