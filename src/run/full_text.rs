//! The full-text index of a dataset: the kept one where there is one, else made of its samples.

use std::path::Path;

use crate::dataset::{Dataset, DatasetError};
use crate::jobs::{CancelToken, Canceled, Progress};
use crate::search::{Hit, Index, IndexBuilder, Scope, SearchError};

/// Why a dataset could not be searched.
#[derive(Debug, thiserror::Error)]
pub enum FullTextError {
    /// A sample could not be read.
    #[error(transparent)]
    Dataset(DatasetError),
    /// The index could not be made or read.
    #[error(transparent)]
    Search(SearchError),
    /// Someone asked to stop.
    #[error(transparent)]
    Canceled(#[from] Canceled),
}

impl From<DatasetError> for FullTextError {
    fn from(error: DatasetError) -> Self {
        match error {
            DatasetError::Canceled(canceled) => Self::Canceled(canceled),
            other => Self::Dataset(other),
        }
    }
}

impl From<SearchError> for FullTextError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Canceled(canceled) => Self::Canceled(canceled),
            other => Self::Search(other),
        }
    }
}

/// What to know about how an index was had.
#[derive(Debug)]
pub enum IndexNote {
    /// The kept one was damaged and has been made again.
    Damaged,
    /// It is in memory only, since the folder could not be used.
    NotKept(SearchError),
}

/// The index of a dataset.
pub struct FullText {
    index: Index,
    built: bool,
    notes: Vec<IndexNote>,
}

impl FullText {
    /// The index of a dataset that is kept in `folder`, or a new one that is kept there for next time; in memory alone without a
    /// folder or where it cannot be written. Progress counts bytes while the files are hashed, and samples while they are added.
    ///
    /// # Errors
    /// A dataset that cannot be used or read; cancellation.
    pub fn open(
        dataset: &Dataset,
        folder: Option<&Path>,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Self, FullTextError> {
        dataset.ensure_usable()?;
        let Some(folder) = folder else {
            return made(IndexBuilder::in_memory()?, dataset, Vec::new(), cancel, progress);
        };
        let key = key(dataset, cancel, progress)?;
        let mut notes = Vec::new();
        match Index::open(folder, &key) {
            Ok(Some(index)) => return Ok(Self { index, built: false, notes }),
            Ok(None) => {}
            Err(SearchError::Damaged { .. }) => {
                Index::discard(folder, &key)?;
                notes.push(IndexNote::Damaged);
            }
            Err(error) => return Err(error.into()),
        }
        let builder = match IndexBuilder::in_folder(folder, &key) {
            Err(error @ SearchError::Folder { .. }) => {
                // Searching is still possible; only the next time will take as long.
                notes.push(IndexNote::NotKept(error));
                IndexBuilder::in_memory()?
            }
            other => other?,
        };
        made(builder, dataset, notes, cancel, progress)
    }

    /// Makes a kept index again that turned out to be damaged.
    ///
    /// # Errors
    /// As [`FullText::open`].
    pub fn renew(
        dataset: &Dataset,
        folder: Option<&Path>,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Self, FullTextError> {
        if let Some(folder) = folder {
            Index::discard(folder, &key(dataset, cancel, progress)?)?;
        }
        let mut renewed = Self::open(dataset, folder, cancel, progress)?;
        renewed.notes.insert(0, IndexNote::Damaged);
        Ok(renewed)
    }

    /// The best hits; see [`Index::search`].
    ///
    /// # Errors
    /// Where the engine fails.
    pub fn search(&self, typed: &str, limit: usize, scope: Scope) -> Result<Vec<Hit>, SearchError> {
        self.index.search(typed, limit, scope)
    }

    /// Samples and entries in it.
    pub fn len(&self) -> u64 {
        self.index.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Whether it had to be made.
    pub const fn is_built(&self) -> bool {
        self.built
    }

    /// What to know about how it was had.
    pub fn notes(&self) -> &[IndexNote] {
        &self.notes
    }
}

/// The name of a dataset's index: its content and its task, by which records are read.
fn key(dataset: &Dataset, cancel: &CancelToken, progress: &Progress) -> Result<String, DatasetError> {
    Ok(format!("{}-{}", dataset.id().task, dataset.fingerprint(cancel, progress)?))
}

fn made(
    mut builder: IndexBuilder,
    dataset: &Dataset,
    notes: Vec<IndexNote>,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<FullText, FullTextError> {
    progress.start("Indexing", dataset.len() as u64);
    for sample in dataset.samples() {
        builder.add(cancel, &sample?)?;
        progress.add(1);
    }
    Ok(FullText { index: builder.finish(cancel)?, built: true, notes })
}
