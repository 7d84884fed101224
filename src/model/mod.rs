//! What turns text into tokens, answers and vectors, behind traits that know none of their implementations.
//!
//! Knows nothing of tasks, prompts or metrics.

mod tokenizer;
mod words;

pub use tokenizer::{HfTokenizer, TextStart, TextTokenizer, TokenizerError, clean_up_spaces};
