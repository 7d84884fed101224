//! Where a program's files lie: the store, models, and what is kept for next time.

use std::path::PathBuf;

use super::Workplace;
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
}
