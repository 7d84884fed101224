//! GGUF language models: Llama, Gemma 3, Qwen 2 and 3, Phi 3, on the processor.
//!
//! The file is mapped and its header checked first (`header`); the tokenizer and the chat template come from it
//! too. Weights are packed for kernels of our own (`kernel`, `matrix`) and one decoder (`decoder`) runs all
//! architectures. candle-transformers has quantized models of the same names, but they depart from llama.cpp in ways
//! that change answers: its Gemma 3 gates with SiLU instead of GELU, sees one token too many through its windows,
//! ignores them while writing, and hides everything that came in earlier pieces of a prompt; none stretches rotary
//! positions. Nor do its kernels have vector forms of Q4_1, Q5_0 and Q5_1 on x86, which common files use.
//!
//! Knows nothing of tasks or metrics.

mod attention;
mod chat;
mod choice;
mod decoder;
mod error;
mod format;
mod generator;
mod header;
mod json;
mod kernel;
mod math;
mod matrix;
mod rope;
mod sentencepiece;
mod shape;
#[cfg(test)]
mod tests;
mod tokenizer;
mod vocabulary;

pub use chat::ChatTemplate;
pub use error::GgufError;
pub use generator::{GgufModel, estimate};
pub use header::GgufFile;
pub use shape::{Architecture, Shape};
pub use tokenizer::GgufTokenizer;

/// The vector instructions that the kernels use on this processor.
pub fn instructions() -> &'static str {
    kernel::Level::detect().name()
}

/// How a prompt is put to a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PromptStyle {
    /// As it is.
    #[default]
    Bare,
    /// As a message in the model's chat template.
    Chat {
        /// What the template puts before it.
        system: Option<String>,
    },
}

/// How a GGUF model is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GgufOptions {
    /// How prompts are put to it.
    pub style: PromptStyle,
    /// Threads; as many as processors if `None`.
    pub threads: Option<usize>,
    /// Whether to read the `tokenizer.json` in the file's folder in place of the file's own vocabulary; where the
    /// file has none, it is read in any case.
    pub tokenizer_beside: bool,
    /// Tokens of prompt and answer together; as many as the model was trained for if `None`, and never more.
    pub context: Option<usize>,
}
