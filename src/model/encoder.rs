//! What turns texts into vectors.

use serde::{Deserialize, Serialize};

use super::{DeviceChoice, ModelError, Precision};
use crate::jobs::CancelToken;

/// Rows of equal length, one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matrix {
    /// All values, row by row.
    pub values: Vec<f32>,
    /// The length of a row.
    pub columns: usize,
}

impl Matrix {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.columns).unwrap_or(0)
    }

    /// A row; empty beyond the last.
    pub fn row(&self, index: usize) -> &[f32] {
        self.values.get(index * self.columns..(index + 1) * self.columns).unwrap_or_default()
    }
}

/// How the vectors of a text's tokens become the text's vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The mean over all tokens, special ones included (Contriever, MiniLM, E5).
    Mean,
    /// The first token's (BGE).
    Cls,
}

/// How an encoder is loaded. What is `None` is what the model's folder says, else the default named there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EncoderOptions {
    /// Where.
    pub device: DeviceChoice,
    /// With which numbers.
    pub precision: Precision,
    /// Threads on the processor; 0 for as many as it has cores.
    pub threads: usize,
    /// By default what `1_Pooling/config.json` says, else the mean.
    pub pooling: Option<Pooling>,
    /// Whether vectors get length 1: by default if `modules.json` says so, else not.
    pub normalize: Option<bool>,
    /// By default none.
    pub prefixes: Option<Prefixes>,
    /// Tokens of a text that are read, special ones included: by default what `sentence_bert_config.json` says, else all that the model can.
    pub max_tokens: Option<usize>,
    /// The fingerprint of the model's files where it is known already; else they are read once more for it.
    pub fingerprint: Option<String>,
}

/// What an encoder was trained to find before a text, by what the text is; empty for most.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prefixes {
    /// Before a query (E5: `query: `).
    pub query: String,
    /// Before a document (E5: `passage: `).
    pub document: String,
}

/// A model that turns a text into a vector.
pub trait Encoder: Send {
    /// One row a text, in the texts' order; none depends on which others are in the batch. The texts carry their
    /// [`Prefixes`] already; what is too long is cut at its end.
    ///
    /// # Errors
    /// [`ModelError::Canceled`] soon after the token is canceled; else what is wrong with a text or the model.
    fn encode(&mut self, cancel: &CancelToken, texts: &[&str]) -> Result<Matrix, ModelError>;

    /// What the vectors depend on beside the text: weights, tokenizer, pooling, normalization, length and kind of numbers, as a
    /// short text. Equal identities give equal vectors, so that they can be kept.
    fn identity(&self) -> &str;

    /// The length of a vector.
    fn dimensions(&self) -> usize;

    /// How many tokens of a text are read, special ones included; `None` where the encoder has no tokens.
    ///
    /// # Errors
    /// What the tokenizer says.
    fn count_tokens(&self, _text: &str) -> Result<Option<usize>, ModelError> {
        Ok(None)
    }

    /// What goes before a text of each role.
    fn prefixes(&self) -> &Prefixes;
}
