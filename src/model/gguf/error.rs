//! What can be wrong with a GGUF file, its tokenizer or its chat template.

use std::path::PathBuf;

/// Why a GGUF file cannot be used; each names the file and the part of it.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// The file cannot be opened or mapped.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file does not begin like a GGUF file.
    #[error("{path} is no GGUF file: it begins with {found}, not with \"GGUF\"", path = path.display())]
    Magic {
        /// The file.
        path: PathBuf,
        /// Its first bytes, as text where they are text.
        found: String,
    },
    /// A version of the format that is not read.
    #[error("{path} is GGUF version {version}; versions 2 and 3, little-endian, are read", path = path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// As the file says.
        version: u32,
    },
    /// The header contradicts itself or the file's length.
    #[error("{path} is damaged: {what} at byte {offset}: {detail}; fetch the file again", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was being read.
        what: String,
        /// Where.
        offset: usize,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// A metadata key that this model needs is missing.
    #[error("{path} has no {key}, which a model of this kind needs", path = path.display())]
    MissingKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A metadata key has a value that cannot be.
    #[error("{path}: {key} is {value}, but must be {allowed}", path = path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// Its value, as text.
        value: String,
        /// What would be accepted.
        allowed: &'static str,
    },
    /// An architecture that is not supported.
    #[error(
        "{path} holds a model of the architecture {architecture:?}; supported are {supported}", path = path.display()
    )]
    Architecture {
        /// The file.
        path: PathBuf,
        /// As the file says.
        architecture: String,
        /// Those supported, listed.
        supported: String,
    },
    /// A tensor that the architecture needs is missing.
    #[error("{path} has no tensor {tensor}; is it a complete {architecture} model?", path = path.display())]
    MissingTensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The architecture.
        architecture: &'static str,
    },
    /// A tensor has another shape than the metadata ask for.
    #[error("{path}: the tensor {tensor} has the shape {found:?}, but the metadata ask for {expected:?}", path = path.display())]
    TensorShape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Rows first, as in the program.
        found: Vec<usize>,
        /// Rows first.
        expected: Vec<usize>,
    },
    /// A tensor is stored in a way that is not computed with.
    #[error("{path}: the tensor {tensor} is stored as {format}, which is not supported; supported are {supported}", path = path.display())]
    TensorFormat {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The format's name.
        format: String,
        /// Those supported, listed.
        supported: &'static str,
    },
    /// A kind of vocabulary or of splitting that is not supported.
    #[error("{path}: {key} is {value:?}; supported are {supported}", path = path.display())]
    Vocabulary {
        /// The file.
        path: PathBuf,
        /// The metadata key.
        key: &'static str,
        /// Its value.
        value: String,
        /// Those supported, listed.
        supported: &'static str,
    },
    /// The tokenizer library refused the vocabulary.
    #[error("{path}: the vocabulary cannot be used: {source}", path = path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What the library said.
        source: tokenizers::Error,
    },
    /// The `tokenizer.json` beside the file cannot be used.
    #[error(transparent)]
    Json(Box<crate::model::TokenizerError>),
    /// Chat was asked for, but the file has no template.
    #[error("{path} has no chat template: send the bare prompt, or use an instruction-tuned model", path = path.display())]
    NoChatTemplate {
        /// The file.
        path: PathBuf,
    },
    /// The chat template cannot be parsed or rendered.
    #[error("the chat template of {path} failed: {source}", path = path.display())]
    ChatTemplate {
        /// The file.
        path: PathBuf,
        /// What and where, boxed for its size.
        source: Box<minijinja::Error>,
    },
    /// A chat message contains every mark that keeps it apart from the template.
    #[error("a message uses all 32 of the noncharacters U+FDD0 to U+FDEF; remove one of them")]
    Unmarkable,
    /// The prompt does not fit the model's context.
    #[error(
        "prompt {index} of the batch has {tokens} tokens, but the context of the model holds {limit}, \
         of which at least one is for the answer; shorten the prompt or give the model a longer context"
    )]
    ContextOverflow {
        /// Its place in the batch, from 0.
        index: usize,
        /// Tokens of the prompt.
        tokens: usize,
        /// The context in tokens.
        limit: usize,
    },
    /// Beam search was asked for.
    #[error("GGUF models answer greedily or by sampling: set beams to 1 (it is {beams})")]
    Beams {
        /// As asked for.
        beams: usize,
    },
    /// The worker threads could not be started.
    #[error("cannot start {threads} threads: {source}")]
    Threads {
        /// How many.
        threads: usize,
        /// What the system said.
        source: rayon::ThreadPoolBuildError,
    },
    /// Logits are not numbers.
    #[error("{path}: the model computes no numbers (NaN) for this prompt; its weights are damaged", path = path.display())]
    NotANumber {
        /// The file.
        path: PathBuf,
    },
}
