//! What training a T5 model takes: memory, and arithmetic a step. From shapes alone, before anything is taken.

use super::{TrainError, TrainRecipe};
use crate::model::t5::T5Config;
use crate::model::{DeviceChoice, free_memory};

/// What training takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Estimate {
    /// Numbers that are trained.
    pub parameters: u64,
    /// Bytes of weights, gradients and moments.
    pub state: u64,
    /// Bytes of activations for the examples that are computed at once.
    pub work: u64,
    /// Floating-point operations of a step.
    pub operations: u64,
}

impl Estimate {
    /// For steps of `batch` examples, `micro_batch` at once, of so many tokens of prompt and of label; whether activations are
    /// computed again on the way back.
    pub fn of(
        config: &T5Config,
        parameters: u64,
        batch: usize,
        micro_batch: usize,
        prompt: usize,
        label: usize,
        checkpointing: bool,
    ) -> Self {
        let number = |n: usize| n as u64;
        let (d, inner, ff) = (number(config.d_model), number(config.inner()), number(config.d_ff));
        let (heads, vocabulary) = (number(config.num_heads), number(config.vocab_size));
        let (layers, decoder_layers) = (number(config.num_layers), number(config.num_decoder_layers));
        let (read, written) = (number(prompt), number(label));
        let feeds = if config.gated { 3 } else { 2 };
        // Multiplications forward for one example, by layer: products with weights, then attention.
        let encoder = layers * (read * (4 * d * inner + feeds * d * ff) + 2 * read * read * inner);
        let across = 2 * read * d * inner + written * 2 * d * inner + 2 * written * read * inner;
        let decoder = decoder_layers
            * (written * (4 * d * inner + feeds * d * ff) + 2 * written * written * inner + across);
        let head = written * d * vocabulary;
        // Two operations a multiplication; for each product forward two backward, and one more where it is computed again.
        let times = if checkpointing { 8 } else { 6 };
        let operations = times * (encoder + decoder + head) * number(batch);
        // Numbers kept for the way back: of each layer, what its products and norms read; nothing of the scores' size but the
        // one bias that all layers share, with its gradient.
        let block = |tokens: u64| tokens * (6 * d + 6 * inner + feeds * ff);
        let cross = written * (3 * d + 2 * inner) + read * 4 * inner;
        let layers_keep = if checkpointing {
            // What each layer reads, and all of one layer.
            layers * read * d + decoder_layers * written * d + block(read).max(block(written) + cross)
        } else {
            layers * block(read) + decoder_layers * (block(written) + cross)
        };
        let each = layers_keep + 3 * written * vocabulary + 6 * read * d;
        let shared = 4 * heads * (read * read + written * written) + 2 * vocabulary * d;
        let work = each * number(micro_batch) + shared;
        Self { parameters, state: 16 * parameters, work: 4 * work, operations }
    }

    /// The same where adapters are trained beside weights that stay as they are: so many numbers, for which so many are kept for
    /// each of the examples that are computed at once.
    #[must_use]
    pub const fn with_adapters(self, config: &T5Config, trained: u64, kept: u64, micro_batch: usize) -> Self {
        // The embedding has no gradient.
        let embedding = 4 * 2 * (config.vocab_size * config.d_model) as u64;
        Self {
            parameters: trained,
            state: 4 * self.parameters + 16 * trained,
            work: self.work.saturating_sub(embedding) + 4 * kept * micro_batch as u64,
            // Of each product with a weight that stays, the one for its gradient is saved.
            operations: self.operations / 3 * 2,
        }
    }

    /// Refuses what does not fit into memory, on the processor.
    pub(super) fn check(&self, recipe: &TrainRecipe) -> Result<(), TrainError> {
        const MB: u64 = 1_000_000;
        match free_memory() {
            Some(free) if recipe.training.device == DeviceChoice::Cpu && self.needed() > free => {
                Err(TrainError::Memory {
                    needed_mb: self.needed().div_ceil(MB),
                    state_mb: self.state.div_ceil(MB),
                    work_mb: self.work.div_ceil(MB),
                    micro_batch: recipe.micro_batch(),
                    free_mb: free / MB,
                })
            }
            _ => Ok(()),
        }
    }

    /// Everything together, in bytes.
    pub const fn needed(&self) -> u64 {
        self.state.saturating_add(self.work)
    }
}
