//! What kind of model lies at a path, from its configuration and headers; no weight is read.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::bert;
use super::endpoint::{EndpointError, is_saved_endpoint};
use super::gguf::{self, GgufFile, Shape};
use super::lora::{AdapterError, Collection, home};
use super::t5::{self, T5Config};
use super::weights::Checkpoint;
use super::{GenerationConfig, HfTokenizer, MemoryEstimate, ModelError, Precision};

/// What a model is loaded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// A T5 generator: a folder.
    T5,
    /// A language model in a GGUF file.
    Gguf,
    /// A BERT-shaped encoder: a folder.
    Bert,
}

impl ModelKind {
    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::T5 => "t5",
            Self::Gguf => "gguf",
            Self::Bert => "bert",
        }
    }

    /// Whether it makes vectors of texts instead of answers.
    pub const fn is_encoder(self) -> bool {
        matches!(self, Self::Bert)
    }
}

/// What is known of a model before it is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Description {
    /// What it is loaded as.
    pub kind: ModelKind,
    /// Its build, as its files name it: `t5`, `bert`, `gemma3`.
    pub architecture: String,
    /// Numbers that it has learned.
    pub parameters: u64,
    /// Width of its hidden states; of an encoder also the length of a vector.
    pub width: usize,
    /// Layers (of each half, for T5).
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Tokens that it knows.
    pub vocabulary: usize,
    /// Tokens that it was trained to see at once, where the files say so.
    pub context: Option<usize>,
    /// Tokens that its tokenizer knows; more than the vocabulary has are those of another model.
    pub tokenizer: usize,
    /// The license that its file names.
    pub license: Option<String>,
    /// The kind of numbers that most of its weights are stored as: `f32`, `bf16`, `q4_k`.
    pub stored: String,
}

/// The sizes that decide how much memory a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Texts at once.
    pub batch: usize,
    /// Tokens of each.
    pub tokens: usize,
    /// New tokens of each answer.
    pub new_tokens: usize,
    /// Numbers that folders are computed with.
    pub precision: Precision,
}

/// The fields that all families share.
#[derive(Deserialize)]
struct Family {
    model_type: Option<String>,
    n_positions: Option<usize>,
}

/// Reads what a path holds: a GGUF file, or a folder with `config.json`, weights and a tokenizer.
///
/// # Errors
/// A path without a model, a family that does not run here, and whatever is wrong with its files.
pub fn describe(model: &Path) -> Result<Description, ModelError> {
    let metadata = std::fs::metadata(model).map_err(|source| read_error(model, source))?;
    if is_saved_endpoint(model) {
        return Err(EndpointError::Elsewhere { path: model.to_owned() }.into());
    }
    if metadata.is_dir() { folder(model) } else { gguf_file(model) }
}

impl Description {
    /// The memory that the model takes while it works, estimated from its files.
    ///
    /// # Errors
    /// As [`describe`].
    pub fn memory(&self, model: &Path, load: &Load) -> Result<MemoryEstimate, ModelError> {
        let generation = GenerationConfig { max_new_tokens: load.new_tokens, ..GenerationConfig::default() };
        self.memory_with(model, load, &generation)
    }

    /// The same for answers that are generated so, whatever new tokens `load` names.
    ///
    /// # Errors
    /// As [`describe`].
    pub fn memory_with(
        &self,
        model: &Path,
        load: &Load,
        generation: &GenerationConfig,
    ) -> Result<MemoryEstimate, ModelError> {
        match self.kind {
            ModelKind::T5 => {
                let config = T5Config::from_file(&home(model)?.join("config.json"))?;
                Ok(t5::estimate(&config, load.precision, load.batch, load.tokens, generation))
            }
            ModelKind::Gguf => {
                let file = GgufFile::open(model)?;
                let shape = Shape::read(&file)?;
                Ok(gguf::estimate(&file, &shape, load.batch, load.tokens + generation.max_new_tokens))
            }
            ModelKind::Bert => bert::memory(model, load.precision == Precision::Int8),
        }
    }
}

fn folder(model: &Path) -> Result<Description, ModelError> {
    let home = home(model)?;
    let path = home.join("config.json");
    if !path.is_file() {
        return Err(ModelError::UnknownModel { path: model.to_owned() });
    }
    let family: Family = parse(&path)?;
    let architecture = family.model_type.unwrap_or_else(|| "nameless".to_owned());
    match architecture.as_str() {
        "t5" | "mt5" => {
            let config = T5Config::from_file(&path)?;
            let checkpoint = match Collection::is_at(model) {
                true => Checkpoint::open(&home)?,
                false => t5::open(model)?.1,
            };
            t5::check(&config, &checkpoint)?;
            let tokenizer = HfTokenizer::from_file(&home.join("tokenizer.json"))?;
            Ok(Description {
                kind: ModelKind::T5,
                architecture,
                parameters: t5::parameters(&config, &checkpoint),
                width: config.d_model,
                layers: config.num_layers,
                heads: config.num_heads,
                vocabulary: config.vocab_size,
                context: family.n_positions,
                tokenizer: tokenizer.greatest_id() as usize + 1,
                license: None,
                stored: checkpoint.main_format(),
            })
        }
        "bert" | "roberta" | "xlm-roberta" | "camembert" if home == model => {
            let (config, parameters, tokenizer) = bert::look(model)?;
            Ok(Description {
                kind: ModelKind::Bert,
                architecture,
                parameters,
                width: config.hidden_size,
                layers: config.layers,
                heads: config.heads,
                vocabulary: config.vocab_size,
                context: Some(config.most_tokens()),
                tokenizer,
                license: None,
                stored: Checkpoint::open(model)?.main_format(),
            })
        }
        _ if home != model => {
            let what = "an adapter for a model that is no T5 model; only adapters of those are read";
            Err(AdapterError::Other { folder: model.to_owned(), what }.into())
        }
        _ => Err(ModelError::UnknownFamily { path, family: architecture }),
    }
}

fn gguf_file(model: &Path) -> Result<Description, ModelError> {
    let file = GgufFile::open(model)?;
    let shape = Shape::read(&file)?;
    Ok(Description {
        kind: ModelKind::Gguf,
        architecture: shape.architecture.name().to_owned(),
        parameters: file.tensors().map(|(_, info)| product(&info.shape)).sum(),
        width: shape.width,
        layers: shape.layers,
        heads: shape.heads,
        vocabulary: shape.vocabulary,
        context: Some(shape.context),
        tokenizer: shape.vocabulary,
        license: file.text("general.license").map(str::to_owned),
        stored: file.main_format(),
    })
}

fn product(shape: &[usize]) -> u64 {
    shape.iter().map(|&length| length as u64).fold(1, u64::saturating_mul)
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let text = std::fs::read(path).map_err(|source| read_error(path, source))?;
    serde_json::from_slice(&text).map_err(|source| ModelError::ConfigSyntax { path: path.to_owned(), source })
}

fn read_error(path: &Path, source: std::io::Error) -> ModelError {
    ModelError::Read { path: path.to_owned(), source }
}
