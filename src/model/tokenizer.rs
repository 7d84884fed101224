//! Text to tokens and back, as the model sees them.

use std::path::{Path, PathBuf};

/// Why a tokenizer could not be loaded or used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// The file is missing, unreadable or no tokenizer.
    #[error("cannot load the tokenizer {path}: {source}", path = path.display())]
    Load {
        /// The tokenizer's file.
        path: PathBuf,
        /// What the tokenizer library said.
        source: tokenizers::Error,
    },
    /// A text could not be tokenized.
    #[error("cannot tokenize a text of {chars} characters: {source}")]
    Encode {
        /// Its length.
        chars: usize,
        /// What the tokenizer library said.
        source: tokenizers::Error,
    },
    /// Token ids could not be turned into text.
    #[error("cannot decode {tokens} tokens: {source}")]
    Decode {
        /// How many.
        tokens: usize,
        /// What the tokenizer library said.
        source: tokenizers::Error,
    },
}

/// A model's view of text.
pub trait TextTokenizer: Send + Sync {
    /// The token ids of a text with the model's special tokens added (T5: end-of-sequence last). Never cut.
    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError>;

    /// The text of token ids, special tokens skipped, nothing cleaned up.
    fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError>;

    /// How many special tokens [`TextTokenizer::encode`] adds to a text (T5: 1).
    fn special_tokens(&self) -> usize;
}

/// A tokenizer in Hugging Face's `tokenizer.json` format.
pub struct HfTokenizer {
    inner: tokenizers::Tokenizer,
    special_tokens: usize,
}

impl HfTokenizer {
    /// Loads `tokenizer.json`; truncation and padding that it may carry are switched off.
    pub fn from_file(path: &Path) -> Result<Self, TokenizerError> {
        let load = |source| TokenizerError::Load { path: path.to_owned(), source };
        let mut inner = tokenizers::Tokenizer::from_file(path).map_err(load)?;
        inner.with_padding(None).with_truncation(None).map_err(load)?;
        let special_tokens = inner.encode("", true).map_err(load)?.len();
        Ok(Self { inner, special_tokens })
    }
}

impl TextTokenizer for HfTokenizer {
    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self
            .inner
            .encode_fast(text, true)
            .map_err(|source| TokenizerError::Encode { chars: text.chars().count(), source })?;
        Ok(encoding.get_ids().to_vec())
    }

    fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        self.inner.decode(ids, true).map_err(|source| TokenizerError::Decode { tokens: ids.len(), source })
    }

    fn special_tokens(&self) -> usize {
        self.special_tokens
    }
}
