//! What turns text into tokens, answers and vectors, behind traits that know none of their implementations.
//!
//! Knows nothing of tasks, prompts or metrics.

mod batches;
mod device;
mod encoder;
mod error;
mod fingerprint;
mod generation;
pub mod gguf;
mod kernels;
mod load;
pub mod scripted;
pub mod t5;
mod tokenizer;
pub mod weights;
mod words;

pub use batches::Notice;
pub use device::{DeviceChoice, DeviceInfo, Precision};
pub use encoder::{Encoder, EncoderOptions, Matrix, Pooling, Prefixes};
pub use error::ModelError;
pub use fingerprint::fingerprint;
pub use generation::{
    EarlyStopping, FinishReason, Generation, GenerationConfig, Generator, Hypothesis, PromptInput, Sampling,
};
pub use load::{LoadOptions, LoadedModel, load, load_encoder};
pub use tokenizer::{HfTokenizer, TextStart, TextTokenizer, TokenizerError, clean_up_spaces};
