//! Why a model could not be loaded or used.

use std::path::PathBuf;

use super::bert::BertError;
use super::endpoint::EndpointError;
use super::gguf::GgufError;
use super::lora::AdapterError;
use super::tokenizer::TokenizerError;
use super::weights::WeightsError;
use crate::jobs::Canceled;

/// Why a model could not be loaded or used; each says to which file or input, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file of the model cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of a model cannot be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The configuration is no JSON of the expected fields.
    #[error("{path} is not the configuration of such a model: {source}", path = path.display())]
    ConfigSyntax {
        /// The configuration.
        path: PathBuf,
        /// What the reader said.
        source: serde_json::Error,
    },
    /// A field of the configuration has a value that no such model can have.
    #[error("{path}: {field} is {value}, but must be {allowed}", path = path.display())]
    ConfigValue {
        /// The configuration.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// Its value, as text.
        value: String,
        /// What would be accepted.
        allowed: &'static str,
    },
    /// The weights cannot be read or do not fit the configuration.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// An adapter cannot be used.
    #[error(transparent)]
    Adapter(Box<AdapterError>),
    /// The tokenizer failed.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The tokenizer knows tokens that the model has no embedding for.
    #[error(
        "the tokenizer gives token {token}, but the model {model} has only {vocabulary} tokens; \
         is tokenizer.json of another model?", model = model.display()
    )]
    ForeignTokenizer {
        /// The model's folder.
        model: PathBuf,
        /// The token.
        token: u32,
        /// The model's vocabulary size.
        vocabulary: usize,
    },
    /// A prompt has a token that the model does not know.
    #[error("prompt {index} of the batch has the token {token}, but the model has only {vocabulary}")]
    ForeignToken {
        /// Its place in the batch, from 0.
        index: usize,
        /// The token.
        token: u32,
        /// The model's vocabulary size.
        vocabulary: usize,
    },
    /// A prompt has no tokens.
    #[error("prompt {index} of the batch is empty; a model needs at least one token")]
    EmptyPrompt {
        /// Its place in the batch, from 0.
        index: usize,
    },
    /// A setting of the generation makes no sense.
    #[error("{field} {rule}")]
    GenerationSetting {
        /// The setting.
        field: &'static str,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// The device does not exist or is not in this build.
    #[error("the device {name} cannot be used: {reason}")]
    Device {
        /// As asked for.
        name: String,
        /// Why.
        reason: String,
    },
    /// This kind of number cannot be used on this device.
    #[error("{dtype} cannot be used on {device}: {reason}")]
    Precision {
        /// As asked for.
        dtype: &'static str,
        /// Where.
        device: String,
        /// Why, and what can be.
        reason: &'static str,
    },
    /// There is less memory free than the work needs.
    #[error(
        "the model needs about {needed_mb} MB ({weights_mb} MB of weights, {work_mb} MB for a batch of {batch}), \
         but {free_mb} MB are free; take a smaller batch, a smaller model or int8 weights"
    )]
    Memory {
        /// In all, in MB.
        needed_mb: u64,
        /// Of weights, in MB.
        weights_mb: u64,
        /// Of caches and activations, in MB.
        work_mb: u64,
        /// Samples in a batch.
        batch: usize,
        /// What the system has, in MB.
        free_mb: u64,
    },
    /// No token of a step had a score: the weights hold no sound numbers.
    #[error("the model scores every token as not a number; its weights are damaged or overflow")]
    NoScores,
    /// Arithmetic on tensors failed.
    #[error("tensor arithmetic failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// A GGUF model cannot be loaded or used.
    #[error(transparent)]
    Gguf(#[from] Box<GgufError>),
    /// An encoder cannot be loaded or used.
    #[error(transparent)]
    Bert(#[from] BertError),
    /// A model behind an endpoint cannot be used.
    #[error(transparent)]
    Endpoint(Box<EndpointError>),
    /// A path that holds no model that is known.
    #[error("{path} holds no model: give a GGUF file, a folder with config.json and weights of a T5 model, or a script such as scripted:echo", path = path.display())]
    UnknownModel {
        /// The path.
        path: PathBuf,
    },
    /// A family of models that does not run here.
    #[error(
        "{path} is of a {family} model; T5, mT5 and BERT models run from such folders, and many others from GGUF files",
        path = path.display()
    )]
    UnknownFamily {
        /// The configuration.
        path: PathBuf,
        /// What it calls itself.
        family: String,
    },
    /// A scripted model's name is not understood.
    #[error(
        "cannot read {part:?} in {name:?}; scripts are scripted:echo, scripted:word=NUMBER and scripted:answer=TEXT, \
         followed by ,delay=MILLISECONDS or ,fail=NUMBER where wanted"
    )]
    Script {
        /// The name.
        name: String,
        /// The part.
        part: String,
    },
    /// A scripted encoder's name is not understood.
    #[error(
        "{name:?} is no scripted encoder; there is scripted:words=256, with any number of dimensions up to {most}"
    )]
    EncoderScript {
        /// The name.
        name: String,
        /// The most dimensions.
        most: usize,
    },
    /// A path that holds no encoder that is known.
    #[error(
        "{path} holds no encoder: give a folder with config.json, tokenizer.json and weights of a BERT-shaped model, \
         or a script such as scripted:words=256", path = path.display()
    )]
    UnknownEncoder {
        /// The path.
        path: PathBuf,
    },
    /// An encoder gave vectors of another shape than it promised.
    #[error(
        "the encoder gave {rows} vectors of {columns} numbers for {texts} texts, instead of {dimensions} numbers a text"
    )]
    VectorShape {
        /// The texts it was given.
        texts: usize,
        /// The numbers that a vector should have.
        dimensions: usize,
        /// The vectors it gave.
        rows: usize,
        /// The numbers that they have.
        columns: usize,
    },
    /// An encoder gave a vector that cannot be compared.
    #[error(
        "the encoder's vector for the text beginning {beginning:?} holds values that are no numbers; \
         its weights are damaged or overflow"
    )]
    VectorNotFinite {
        /// How the text begins.
        beginning: String,
    },
    /// The thread that owned an encoder panicked.
    #[error(
        "the encoder ended unexpectedly; this is a defect of the program, and its other work is not affected"
    )]
    EncoderPanicked,
    /// The system gives no threads to compute with.
    #[error("no threads can be started for the model: {source}")]
    Threads {
        /// What the system said.
        source: std::io::Error,
    },
    /// A scripted model failed as its script says.
    #[error("the scripted model fails here, at prompt {index} of the batch, as its script says")]
    ScriptedFailure {
        /// The prompt's place in the batch, from 0.
        index: usize,
    },
    /// The work was canceled.
    #[error(transparent)]
    Canceled(#[from] Canceled),
}

impl ModelError {
    /// Whether less memory would do: a smaller batch may succeed.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::Memory { .. } => true,
            // Candle hands on what the device's library said; there is no kind of its own for this.
            Self::Tensor(error) => {
                let said = error.to_string().to_lowercase();
                ["out of memory", "out_of_memory", "alloc_failed", "failed to allocate"]
                    .into_iter()
                    .any(|sign| said.contains(sign))
            }
            _ => false,
        }
    }
}

impl From<AdapterError> for ModelError {
    fn from(error: AdapterError) -> Self {
        Self::Adapter(Box::new(error))
    }
}

impl From<EndpointError> for ModelError {
    fn from(error: EndpointError) -> Self {
        Self::Endpoint(Box::new(error))
    }
}

impl From<GgufError> for ModelError {
    fn from(error: GgufError) -> Self {
        Self::Gguf(Box::new(error))
    }
}
