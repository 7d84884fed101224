//! What turns text into tokens, answers and vectors, behind traits that know none of their implementations.
//!
//! Knows nothing of tasks, prompts or metrics.

mod batches;
pub mod bert;
mod describe;
mod device;
mod dropout;
pub mod embeddings;
mod encoder;
pub mod endpoint;
mod error;
mod file_hashes;
mod fingerprint;
mod generation;
pub mod gguf;
pub mod hub;
mod kernels;
pub mod known;
mod load;
pub mod lora;
mod memory;
mod ops;
pub mod registry;
pub mod scripted;
pub mod shipped;
pub mod t5;
mod tokenizer;
pub mod weights;
mod words;

/// The file in a model's folder that says how this program trained it.
pub const RECIPE: &str = "recipe.json";

pub use batches::Notice;
pub use describe::{Description, Load, ModelKind, describe};
pub use device::{DeviceChoice, DeviceInfo, InstructionSets, Precision, instruction_sets};
pub use dropout::Dropout;
pub use encoder::{Encoder, EncoderOptions, Matrix, Pooling, Prefixes};
pub use error::ModelError;
pub use file_hashes::FileHashes;
pub use fingerprint::{fingerprint, fingerprint_with};
pub use generation::{
    Counted, Desk, EarlyStopping, FinishReason, Generation, GenerationConfig, Generator, Handed, Held,
    Hypothesis, OwnedPrompt, PromptInput, Sampling, Traffic,
};
pub use load::{EndpointOptions, LoadOptions, LoadedModel, load, load_encoder, load_tokenizer};
pub use memory::{MemoryEstimate, free_memory};
pub use tokenizer::{HfTokenizer, TextStart, TextTokenizer, TokenizerError, clean_up_spaces};
