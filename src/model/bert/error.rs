//! What can be wrong with an encoder beside its weights.

use std::path::PathBuf;

/// Why an encoder could not be loaded or used: which file, which field, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum BertError {
    /// A model of another shape.
    #[error(
        "{path}: encoders of the type {model_type} are not supported; bert, roberta, xlm-roberta and camembert are",
        path = path.display()
    )]
    ModelType {
        /// The configuration.
        path: PathBuf,
        /// As it says.
        model_type: String,
    },
    /// A file of sentence-transformers or of the tokenizer's settings that is no JSON of the expected fields.
    #[error("cannot read the settings in {path}: {source}", path = path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        source: serde_json::Error,
    },
    /// A way of pooling that is not known here.
    #[error("{path} asks for {found} pooling; only mean and cls are supported, and either can be chosen instead", path = path.display())]
    PoolingKind {
        /// The file.
        path: PathBuf,
        /// What it asks for.
        found: String,
    },
    /// A step after pooling that is not known here.
    #[error("{path} asks for the module {module}; only Transformer, Pooling and Normalize are supported", path = path.display())]
    Module {
        /// The file.
        path: PathBuf,
        /// What it asks for.
        module: String,
    },
    /// No tokenizer in the folder.
    #[error("{folder} has no tokenizer: expected tokenizer.json, or a BERT vocabulary in vocab.txt", folder = folder.display())]
    NoTokenizer {
        /// The model's folder.
        folder: PathBuf,
    },
    /// A vocabulary that lacks what every text needs.
    #[error("{path} has no token {token}; is it the vocabulary of a BERT model?", path = path.display())]
    NoSuchToken {
        /// The vocabulary.
        path: PathBuf,
        /// The token.
        token: String,
    },
    /// A limit of tokens that the model cannot have.
    #[error("a text of this model can have {least} to {most} tokens, special ones included, not {asked}")]
    MaxTokens {
        /// As asked for.
        asked: usize,
        /// The least that makes sense.
        least: usize,
        /// The most that the model can read.
        most: usize,
    },
    /// A text that the tokenizer makes nothing of, not even special tokens.
    #[error("text {index} of the batch has no tokens; there is nothing to make a vector of")]
    NoTokens {
        /// Its place in the batch, from 0.
        index: usize,
    },
    /// A vector with a part that is no number.
    #[error("the vector of text {index} is not a number; the model's weights are damaged or overflow")]
    NotANumber {
        /// Its place in the batch, from 0.
        index: usize,
    },
}
