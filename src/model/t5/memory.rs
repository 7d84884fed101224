//! What a T5 model needs: tensors of the right shapes, and memory.

use crate::model::weights::{Checkpoint, WeightsError};
use crate::model::{GenerationConfig, MemoryEstimate, Precision};

use super::config::T5Config;
use super::names::{self, Side};

/// The embedding's name in this checkpoint.
pub fn embedding_name(checkpoint: &Checkpoint) -> &'static str {
    let twin = names::EMBEDDING_TWINS.into_iter().find(|name| checkpoint.has(name));
    if checkpoint.has(names::EMBEDDING) { names::EMBEDDING } else { twin.unwrap_or(names::EMBEDDING) }
}

/// Every tensor of the model with its shape, the output projection left out.
pub fn tensors(config: &T5Config) -> Vec<(String, Vec<usize>)> {
    let (d, inner, ff) = (config.d_model, config.inner(), config.d_ff);
    let mut all = Vec::new();
    for (side, layers) in [(Side::Encoder, config.num_layers), (Side::Decoder, config.num_decoder_layers)] {
        all.push((names::bias(side), vec![config.buckets, config.num_heads]));
        all.push((names::final_norm(side), vec![d]));
        let feed_sub = if side == Side::Decoder { 2 } else { 1 };
        for layer in 0..layers {
            for sub in 0..=feed_sub {
                all.push((names::norm(side, layer, sub), vec![d]));
            }
            for (sub, kind) in [names::SELF, names::CROSS].into_iter().enumerate().take(feed_sub) {
                for which in ["q", "k", "v"] {
                    all.push((names::attention(side, layer, sub, kind, which), vec![inner, d]));
                }
                all.push((names::attention(side, layer, sub, kind, "o"), vec![d, inner]));
            }
            for which in names::feed_inputs(config.gated) {
                all.push((names::feed(side, layer, feed_sub, which), vec![ff, d]));
            }
            all.push((names::feed(side, layer, feed_sub, "wo"), vec![d, ff]));
        }
    }
    all
}

/// The matrices that products are made with, those of embedding and output left out: what an adapter can be for.
pub fn matrices(config: &T5Config) -> Vec<(String, [usize; 2])> {
    let is_table = |name: &str| name == names::bias(Side::Encoder) || name == names::bias(Side::Decoder);
    let all = tensors(config).into_iter().filter(|(name, _)| !is_table(name));
    all.filter_map(|(name, shape)| Some((name, <[usize; 2]>::try_from(shape).ok()?))).collect()
}

/// Checks that every tensor is there with its shape, before memory is taken for any.
///
/// # Errors
/// [`WeightsError`] naming the first that is not.
pub fn check_tensors(config: &T5Config, checkpoint: &Checkpoint) -> Result<(), WeightsError> {
    let embedding = [config.vocab_size, config.d_model];
    checkpoint.view(embedding_name(checkpoint), &embedding)?;
    if checkpoint.has(names::HEAD) {
        checkpoint.view(names::HEAD, &embedding)?;
    }
    for (name, shape) in tensors(config) {
        checkpoint.view(&name, &shape)?;
    }
    Ok(())
}

/// Numbers that a checkpoint of this configuration has learned; what is tied counts once.
pub fn parameters(config: &T5Config, checkpoint: &Checkpoint) -> u64 {
    let inside: u64 = tensors(config).iter().map(|(_, shape)| shape.iter().product::<usize>() as u64).sum();
    let embeddings = (config.vocab_size * config.d_model) as u64;
    inside + embeddings * if checkpoint.has(names::HEAD) && !config.scale_outputs { 2 } else { 1 }
}

/// What `batch` prompts of `prompt_tokens` each need.
pub fn estimate(
    config: &T5Config,
    precision: Precision,
    batch: usize,
    prompt_tokens: usize,
    generation: &GenerationConfig,
) -> MemoryEstimate {
    let width = match precision {
        Precision::F32 => 4,
        Precision::Bf16 | Precision::F16 => 2,
        Precision::Int8 => 1,
    };
    let number = |n: usize| n as u64;
    let parameters: u64 = tensors(config).iter().map(|(_, shape)| number(shape.iter().product())).sum();
    let head = number(config.vocab_size * config.d_model);
    let rows = number(batch * generation.beams);
    let (inner, d, ff) = (number(config.inner()), number(config.d_model), number(config.d_ff));
    let blocks = number(config.num_decoder_layers);
    let prompts = 2 * blocks * inner * number(batch * prompt_tokens);
    let generated = 2 * blocks * inner * rows * number(generation.max_new_tokens);
    let tokens = number(prompt_tokens.max(1024.min(batch * prompt_tokens)));
    let activations = tokens * (2 * d + ff.max(3 * inner) + inner) + rows * number(config.vocab_size);
    MemoryEstimate {
        weights: (parameters + head) * width,
        work: 4 * (prompts + generated + activations),
        caches: 4 * (prompts + generated),
    }
}
