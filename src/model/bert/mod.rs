//! Encoders shaped as BERT: Contriever, MiniLM, E5, BGE. [`graph`] is the model on candle tensors, differentiable and for any
//! device; `cpu` is the same model with packed weights, for fast inference on the processor.
//!
//! Knows nothing of queries, documents or rankings.

mod config;
mod cpu;
mod error;
pub mod graph;
mod names;
mod settings;
mod tokenizer;

use std::path::Path;

use candle_core::DType;

pub use config::{Activation, BertConfig};
pub use cpu::CpuBert;
pub use error::BertError;
pub use graph::BertGraph;
pub use names::Names;
pub use settings::Settings;
pub use tokenizer::BertTokenizer;

use super::dropout::Dropout;
use super::weights::Checkpoint;
use super::{
    DeviceChoice, Encoder, EncoderOptions, Matrix, MemoryEstimate, ModelError, Pooling, Precision, Prefixes,
    fingerprint, free_memory,
};
use crate::jobs::{CancelToken, Progress};

/// Texts whose tokens are held at a time.
const WINDOW: usize = 4096;
/// Tokens that go through the model together: enough to reuse the weights, few enough for the caches.
const TOKENS_AT_ONCE: usize = 1024;
/// The same with padding, on a GPU, which wants more.
const PADDED_AT_ONCE: usize = 16_384;

enum Backend {
    Cpu(Box<CpuBert>),
    Graph(Box<BertGraph>),
}

/// An encoder with its tokenizer.
pub struct BertEncoder {
    config: BertConfig,
    backend: Backend,
    tokenizer: BertTokenizer,
    pooling: Pooling,
    normalize: bool,
    identity: String,
    prefixes: Prefixes,
}

impl BertEncoder {
    /// Loads a folder with `config.json`, weights, and `tokenizer.json` or `vocab.txt`.
    ///
    /// # Errors
    /// [`ModelError`] for files that are absent, damaged or do not fit each other, for a precision that the device does not
    /// have, and for weights that do not fit into memory, before memory is taken; [`ModelError::Canceled`].
    pub fn load(
        folder: &Path,
        options: &EncoderOptions,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Self, ModelError> {
        let config = BertConfig::from_file(&folder.join("config.json"))?;
        let settings = Settings::of(folder, options)?;
        let mut tokenizer = BertTokenizer::load(folder, settings.lower)?;
        let limit = limit(options, &settings, &config, &tokenizer)?;
        tokenizer.limit_to(limit);
        let (token, vocabulary) = (tokenizer.greatest_id(), config.vocab_size);
        if token as usize >= vocabulary {
            return Err(ModelError::ForeignTokenizer { model: folder.to_owned(), token, vocabulary });
        }
        let dtype = dtype(options)?;
        let checkpoint = Checkpoint::open(folder)?;
        let names = Names::of(&checkpoint);
        names.check(&config, &checkpoint)?;
        let backend = if options.device == DeviceChoice::Cpu {
            let int8 = options.precision == Precision::Int8;
            let cores = || std::thread::available_parallelism().map_or(1, usize::from);
            let threads = if options.threads == 0 { cores() } else { options.threads.min(256) };
            estimate(&config, &names, int8, limit, threads).check(1, free_memory())?;
            Backend::Cpu(Box::new(CpuBert::new(&config, checkpoint, int8, threads)?))
        } else {
            Backend::Graph(Box::new(BertGraph::load(&config, &checkpoint, dtype, &options.device.open()?)?))
        };
        let identity = format!(
            "{} {} {} {limit} tokens{} {} {}",
            match &options.fingerprint {
                Some(known) => known.clone(),
                None => fingerprint(folder, cancel, progress)?,
            },
            match settings.pooling {
                Pooling::Mean => "mean",
                Pooling::Cls => "cls",
            },
            if settings.normalize { "normalized" } else { "as pooled" },
            if settings.lower { " lower case" } else { "" },
            options.precision.name(),
            match options.device {
                DeviceChoice::Cpu => "cpu",
                DeviceChoice::Cuda(_) => "cuda",
                DeviceChoice::Metal(_) => "metal",
            },
        );
        Ok(Self {
            config,
            backend,
            tokenizer,
            pooling: settings.pooling,
            normalize: settings.normalize,
            identity,
            prefixes: options.prefixes.clone().unwrap_or_default(),
        })
    }

    /// The model's configuration.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// The tokens of a text as the model reads them, special ones included.
    ///
    /// # Errors
    /// What the tokenizer library says.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        Ok(self.tokenizer.encode(text)?)
    }

    /// The tokens of all texts, found on all threads; `first` is the number of the first.
    fn tokenize(
        &mut self,
        cancel: &CancelToken,
        first: usize,
        texts: &[&str],
    ) -> Result<Vec<Vec<u32>>, ModelError> {
        let (tokenizer, vocabulary) = (&self.tokenizer, self.config.vocab_size);
        let one = |number: usize| {
            cancel.check()?;
            let (tokens, index) = (tokenizer.encode(texts[number])?, first + number);
            if tokens.is_empty() {
                return Err(BertError::NoTokens { index }.into());
            }
            match tokens.iter().find(|&&token| token as usize >= vocabulary) {
                Some(&token) => Err(ModelError::ForeignToken { index, token, vocabulary }),
                None => Ok(tokens),
            }
        };
        match &mut self.backend {
            Backend::Cpu(model) => model.pool().map(texts.len(), one).into_iter().collect(),
            Backend::Graph(_) => (0..texts.len()).map(one).collect(),
        }
    }

    fn vectors(&mut self, cancel: &CancelToken, batch: &[&[u32]]) -> Result<Matrix, ModelError> {
        match &mut self.backend {
            Backend::Cpu(model) => model.vectors(cancel, batch, self.pooling),
            Backend::Graph(graph) => {
                let batch = graph.batch(batch)?;
                let hidden = graph.hidden(&batch, &mut Dropout::off())?;
                let vectors = graph.pool(&hidden, &batch, self.pooling)?;
                Ok(Matrix { values: vectors.flatten_all()?.to_vec1()?, columns: self.config.hidden_size })
            }
        }
    }
}

impl Encoder for BertEncoder {
    fn encode(&mut self, cancel: &CancelToken, texts: &[&str]) -> Result<Matrix, ModelError> {
        let columns = self.config.hidden_size;
        let mut values = vec![0.0; texts.len() * columns];
        for (window, texts) in texts.chunks(WINDOW).enumerate() {
            let first = window * WINDOW;
            let tokens = self.tokenize(cancel, first, texts)?;
            // Texts of like length together: less padding where there is any, and threads that end together.
            let mut order: Vec<usize> = (0..tokens.len()).collect();
            order.sort_by_key(|&i| std::cmp::Reverse(tokens[i].len()));
            let mut rest = &order[..];
            while let Some(&longest) = rest.first() {
                cancel.check()?;
                let fitting = match &self.backend {
                    Backend::Cpu(_) => {
                        let sums = rest.iter().scan(0, |sum, &i| {
                            *sum += tokens[i].len();
                            Some(*sum)
                        });
                        sums.take_while(|&sum| sum <= TOKENS_AT_ONCE).count()
                    }
                    Backend::Graph(_) => (PADDED_AT_ONCE / tokens[longest].len()).min(rest.len()),
                };
                let (now, later) = rest.split_at(fitting.max(1));
                rest = later;
                let batch: Vec<&[u32]> = now.iter().map(|&i| &tokens[i][..]).collect();
                let vectors = self.vectors(cancel, &batch)?;
                for (row, &number) in now.iter().enumerate() {
                    let to = &mut values[(first + number) * columns..][..columns];
                    to.copy_from_slice(vectors.row(row));
                    if to.iter().any(|value| !value.is_finite()) {
                        return Err(BertError::NotANumber { index: first + number }.into());
                    }
                    if self.normalize {
                        let square: f64 = to.iter().map(|&value| f64::from(value).powi(2)).sum();
                        let length = square.sqrt().max(1e-12) as f32;
                        to.iter_mut().for_each(|value| *value /= length);
                    }
                }
            }
        }
        Ok(Matrix { values, columns })
    }

    fn identity(&self) -> &str {
        &self.identity
    }

    fn dimensions(&self) -> usize {
        self.config.hidden_size
    }

    fn count_tokens(&self, text: &str) -> Result<Option<usize>, ModelError> {
        Ok(Some(self.tokens(text)?.len()))
    }

    fn prefixes(&self) -> &Prefixes {
        &self.prefixes
    }
}

/// How many tokens of a text are read: what was asked for must be possible, what a file says is cut to what is.
fn limit(
    options: &EncoderOptions,
    settings: &Settings,
    config: &BertConfig,
    tokenizer: &BertTokenizer,
) -> Result<usize, BertError> {
    let (least, most) = (tokenizer.special_tokens() + 1, config.most_tokens());
    let asked = options.max_tokens.unwrap_or_else(|| settings.max_tokens.map_or(most, |max| max.min(most)));
    if asked < least || asked > most { Err(BertError::MaxTokens { asked, least, most }) } else { Ok(asked) }
}

/// The kind of numbers on a device, if it has them.
fn dtype(options: &EncoderOptions) -> Result<DType, ModelError> {
    let refused = |reason| ModelError::Precision {
        dtype: options.precision.name(),
        device: options.device.to_string(),
        reason,
    };
    match (options.device, options.precision) {
        (_, Precision::F32) | (DeviceChoice::Cpu, Precision::Int8) => Ok(DType::F32),
        (DeviceChoice::Cpu, _) => {
            Err(refused("the processor computes in f32 or int8, whatever the file holds"))
        }
        (_, Precision::Bf16) => Ok(DType::BF16),
        (_, Precision::F16) => Ok(DType::F16),
        (_, Precision::Int8) => Err(refused("8-bit weights are for the processor; use f16, bf16 or f32")),
    }
}

/// What a folder holds, without reading a weight: its configuration, the numbers that it has learned, and the tokens that
/// its tokenizer knows.
///
/// # Errors
/// As [`BertEncoder::load`], but for what depends on options.
pub fn look(folder: &Path) -> Result<(BertConfig, u64, usize), ModelError> {
    let config = BertConfig::from_file(&folder.join("config.json"))?;
    let tokenizer = BertTokenizer::load(folder, false)?;
    let checkpoint = Checkpoint::open(folder)?;
    let names = Names::of(&checkpoint);
    names.check(&config, &checkpoint)?;
    let parameters = names.all(&config).iter().map(|(_, shape)| shape.iter().product::<usize>() as u64).sum();
    Ok((config, parameters, tokenizer.greatest_id() as usize + 1))
}

/// What a folder's model takes on the processor, whatever the batch: texts go through it a few at a time.
///
/// # Errors
/// As [`look`].
pub fn memory(folder: &Path, int8: bool) -> Result<MemoryEstimate, ModelError> {
    let config = BertConfig::from_file(&folder.join("config.json"))?;
    let names = Names::of(&Checkpoint::open(folder)?);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(estimate(&config, &names, int8, config.most_tokens(), threads))
}

/// What packed weights and the activations of a batch take.
fn estimate(config: &BertConfig, names: &Names, int8: bool, limit: usize, threads: usize) -> MemoryEstimate {
    let number = |n: usize| n as u64;
    // The embedding of tokens stays in its file.
    let packed =
        names.all(config).iter().skip(1).map(|(_, shape)| number(shape.iter().product())).sum::<u64>();
    let (d, ff) = (number(config.hidden_size), number(config.intermediate_size));
    let tokens = number(limit.max(TOKENS_AT_ONCE));
    // Packed keys and values, and the scores of a few queries.
    let attention = number(threads * limit) * (2 * number(config.head_width()) + 32);
    let work = 4 * (tokens * (2 * d + ff.max(3 * d)) + attention);
    MemoryEstimate { weights: packed * if int8 { 1 } else { 4 }, work, caches: 0 }
}
