//! Models that know nothing yet: a configuration, a tokenizer, and weights drawn at random as T5's authors draw them.

use std::fs;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use super::TrainError;
use crate::model::t5::{T5Config, T5Graph, bucket};
use crate::model::weights::{NamedTensor, Values, write_safetensors};
use crate::model::{HfTokenizer, ModelError};
use candle_core::{Device, Tensor};

/// Writes an untrained T5 model into a folder, in Hugging Face's layout; gives the number of its parameters.
///
/// Every tensor is drawn from a stream of its own by seed and name: normal numbers whose spread follows from the shape (as
/// transformers draws them with `initializer_factor` 1), norms of one. Some heads begin with an eye for what stands
/// beside: without it a small model spends most of its steps on finding out that neighbors matter.
///
/// # Errors
/// A configuration or tokenizer that cannot be used, or that do not fit each other; a folder that is not empty; what cannot be written.
pub fn fresh_t5(config: &Path, tokenizer: &Path, folder: &Path, seed: u64) -> Result<u64, TrainError> {
    let shape = T5Config::from_file(config)?;
    let vocabulary = HfTokenizer::from_file(tokenizer).map_err(ModelError::from)?.greatest_id();
    if vocabulary as usize >= shape.vocab_size {
        return Err(ModelError::ForeignTokenizer {
            model: tokenizer.to_owned(),
            token: vocabulary,
            vocabulary: shape.vocab_size,
        }
        .into());
    }
    begin(folder)?;
    let mut drawn: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
    T5Graph::new(&shape, shape.tied, &Device::Cpu, |name, dims| {
        let count: usize = dims.iter().product();
        let mut values = match spread(&shape, name) {
            None => vec![1.0; count],
            Some(spread) => normal(seed, name, count, spread),
        };
        if name.contains("relative_attention_bias") {
            favor_neighbors(&shape, name, &mut values);
        }
        drawn.push((name.to_owned(), dims.to_vec(), values));
        Ok(Tensor::zeros(dims, candle_core::DType::F32, &Device::Cpu)?)
    })?;
    put(folder, config, tokenizer, &drawn)
}

/// The standard deviation of a tensor's first values; `None` for norms, which begin as one.
fn spread(config: &T5Config, name: &str) -> Option<f64> {
    let root = |n: usize| (n as f64).powf(-0.5);
    let last = name.trim_end_matches(".weight").rsplit('.').next().unwrap_or_default();
    match last {
        "layer_norm" | "final_layer_norm" => None,
        "q" => Some(root(config.d_model * config.d_kv)),
        "o" => Some(root(config.inner())),
        "wo" => Some(root(config.d_ff)),
        // The embedding, and the output projection where it is one of its own.
        "shared" | "lm_head" => Some(1.0),
        _ => Some(root(config.d_model)),
    }
}

/// What is added to a head's bias for the place that it favors at first.
const FAVOR: f32 = 5.0;

/// Of every four heads of an encoder the first favors the token before, the second the one after, the third the one before the
/// last; of a decoder, which sees nothing after, two do. The others begin without a favorite.
fn favor_neighbors(config: &T5Config, name: &str, bias: &mut [f32]) {
    let is_encoder = name.starts_with("encoder");
    let distances: [Option<i64>; 4] = match is_encoder {
        true => [Some(-1), Some(1), Some(-2), None],
        false => [Some(-1), Some(-2), None, None],
    };
    for head in 0..config.num_heads {
        if let Some(distance) = distances[head % 4] {
            let bucket = bucket(distance, is_encoder, config.buckets, config.max_distance);
            if let Some(value) = bias.get_mut(bucket * config.num_heads + head) {
                *value += FAVOR;
            }
        }
    }
}

/// Makes a folder for a model; one that holds something is refused.
pub(super) fn begin(folder: &Path) -> Result<(), TrainError> {
    fs::create_dir_all(folder).map_err(|source| TrainError::write(folder, source))?;
    let mut entries = fs::read_dir(folder).map_err(|source| TrainError::read(folder, source))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(TrainError::NotEmpty { path: folder.to_owned() }),
    }
}

/// Writes configuration, tokenizer and weights; gives how many numbers these are.
pub(super) fn put(
    folder: &Path,
    config: &Path,
    tokenizer: &Path,
    drawn: &[(String, Vec<usize>, Vec<f32>)],
) -> Result<u64, TrainError> {
    for (from, name) in [(config, "config.json"), (tokenizer, "tokenizer.json")] {
        let to = folder.join(name);
        fs::copy(from, &to).map_err(|source| TrainError::write(&to, source))?;
    }
    let tensors: Vec<NamedTensor<'_>> = drawn
        .iter()
        .map(|(name, shape, values)| NamedTensor {
            name: name.clone(),
            shape: shape.clone(),
            values: Values::Slice(values),
        })
        .collect();
    let path = folder.join("model.safetensors");
    write_safetensors(&path, &tensors).map_err(|source| TrainError::write(&path, source))?;
    Ok(drawn.iter().map(|(_, _, values)| values.len() as u64).sum())
}

/// Normal numbers of a tensor, by the polar method's older sister (Box and Muller).
pub(super) fn normal(seed: u64, name: &str, count: usize, spread: f64) -> Vec<f32> {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(name.as_bytes());
    let mut stream = ChaCha8Rng::from_seed(hash.finalize().into());
    // 53 bits, never zero.
    let mut unit = || ((stream.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let (radius, angle) = ((-2.0 * unit().ln()).sqrt(), std::f64::consts::TAU * unit());
        values.push((spread * radius * angle.cos()) as f32);
        values.push((spread * radius * angle.sin()) as f32);
    }
    values.truncate(count);
    values
}
