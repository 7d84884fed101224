//! Vectors of texts, made once: an encoder that many share, and a cache on disk that outlives the program.
//!
//! Stands in this room and not beside the retrievers, since a vector depends on a model and a text alone: whoever
//! wants vectors finds the same ones. Knows nothing of queries' and documents' origin, of records and rankings.

mod error;
mod file;
mod folder;
mod place;
mod recent;
mod shared;

use sha2::{Digest, Sha256};

use super::Prefixes;

pub use error::EmbeddingCacheError;
pub use folder::{KeptEmbeddings, clear, list};
pub use shared::{EncoderCounts, SharedEncoder};

/// What a text is to a retriever; models may want another prefix before each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextRole {
    /// What is looked for.
    Query,
    /// What is looked in.
    Document,
}

impl TextRole {
    /// The prefix of this role.
    pub fn prefix(self, prefixes: &Prefixes) -> &str {
        match self {
            Self::Query => &prefixes.query,
            Self::Document => &prefixes.document,
        }
    }
}

/// A text's place in the cache: the first 16 bytes of the SHA-256 of all that the model reads, prefix included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct TextKey([u8; 16]);

impl TextKey {
    fn of(prefix: &str, text: &str) -> Self {
        let hash = Sha256::new().chain_update(prefix).chain_update(text).finalize();
        let mut key = [0; 16];
        key.copy_from_slice(&hash[..16]);
        Self(key)
    }
}
