//! Why vectors are not kept on disk.

use std::io;
use std::path::PathBuf;

/// Why the cache of vectors cannot be used. Nothing but time is lost: texts are encoded again.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingCacheError {
    /// A file or the folder cannot be opened, read or written.
    #[error("cannot use the embedding cache at {path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another program has had the folder locked for too long.
    #[error(
        "the embedding cache {path} is in use by another program that does not let go; \
         end it, or name another folder", path = folder.display()
    )]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// A file holds as many vectors as can be numbered.
    #[error("{path} holds as many vectors as it can; clear the embedding cache", path = path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
}
