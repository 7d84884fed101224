//! Full-text search over samples and profiles; the only module that names tantivy.
//!
//! One analyzer for all of it: words, lower-cased, without English stop words, stemmed. [`match_scores`] scores the
//! entries of one profile, for the full-text retriever; [`Index`] finds samples and entries of a
//! whole dataset for a person. Knows no retriever and no terminal.

mod analyzer;
mod index;
mod query;
mod scores;
mod seal;

use std::path::PathBuf;

pub use index::{Hit, Index, IndexBuilder, Scope, Snippet};
pub use query::Marker;
pub use scores::match_scores;

use crate::jobs::Canceled;

/// Why a search, or building an index, failed.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The work was canceled; a half-built index is gone.
    #[error(transparent)]
    Canceled(#[from] Canceled),
    /// The search engine failed.
    #[error("the search engine failed")]
    Engine(#[from] tantivy::TantivyError),
    /// A file or folder of the index could not be read or written.
    #[error("cannot use the search index in {}; check that the folder can be written, or delete it", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The index on disk is damaged or was made by another program.
    #[error("the search index in {} cannot be opened; delete the folder and it will be built again", path.display())]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: tantivy::TantivyError,
    },
    /// A key that cannot be a folder's name everywhere.
    #[error("`{key}` cannot name an index: use 1 to 100 letters, digits, `-` and `_`")]
    BadKey {
        /// The key given.
        key: String,
    },
}
