//! A model by what its path holds.

use std::path::Path;
use std::sync::Arc;

use super::bert::BertEncoder;
use super::gguf::{GgufModel, GgufOptions};
use super::lora::home;
use super::scripted::{self, CharacterTokenizer, Scripted, WordEncoder};
use super::t5::{T5Model, T5Options};
use super::{Encoder, EncoderOptions, Generator, ModelError, TextTokenizer};
use crate::jobs::{CancelToken, Progress};

/// How a model is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadOptions {
    /// What concerns GGUF models.
    pub gguf: GgufOptions,
    /// What concerns T5 models.
    pub t5: T5Options,
}

/// A model, and how it sees text.
pub struct LoadedModel {
    /// What answers.
    pub generator: Box<dyn Generator + Send>,
    /// Its tokenizer, which may outlive it.
    pub tokenizer: Arc<dyn TextTokenizer>,
}

/// Loads a model: a GGUF file, a folder with a T5 model, or a scripted one by its name (`scripted:echo`).
///
/// # Errors
/// A path that holds no model that is known; whatever is wrong with the model.
pub fn load(model: &Path, options: &LoadOptions) -> Result<LoadedModel, ModelError> {
    if let Some(name) = model.to_str().filter(|name| name.starts_with(scripted::PREFIX)) {
        let generator = Box::new(Scripted::parse(name)?);
        return Ok(LoadedModel { generator, tokenizer: Arc::new(CharacterTokenizer) });
    }
    let metadata = std::fs::metadata(model);
    let metadata = metadata.map_err(|source| ModelError::Read { path: model.to_owned(), source })?;
    if metadata.is_dir() {
        if !home(model)?.join("config.json").is_file() {
            return Err(ModelError::UnknownModel { path: model.to_owned() });
        }
        let model = T5Model::load(model, options.t5)?;
        let tokenizer = model.tokenizer();
        return Ok(LoadedModel { generator: Box::new(model), tokenizer });
    }
    let model = GgufModel::load(model, &options.gguf)?;
    let tokenizer = model.tokenizer();
    Ok(LoadedModel { generator: Box::new(model), tokenizer })
}

/// Loads an encoder: a folder with a BERT-shaped model, or a scripted one by its name (`scripted:words=256`).
///
/// # Errors
/// A path that holds no encoder that is known; whatever is wrong with it; [`ModelError::Canceled`].
pub fn load_encoder(
    model: &Path,
    options: &EncoderOptions,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Box<dyn Encoder>, ModelError> {
    match model.to_str() {
        Some(name) if name.starts_with(scripted::PREFIX) => Ok(Box::new(WordEncoder::parse(name)?)),
        _ if model.join("config.json").is_file() => {
            Ok(Box::new(BertEncoder::load(model, options, cancel, progress)?))
        }
        _ => Err(ModelError::UnknownEncoder { path: model.to_owned() }),
    }
}
