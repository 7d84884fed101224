//! A model by what its path holds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bert::BertEncoder;
use super::endpoint::{
    self, Endpoint, EndpointEncoder, EndpointGenerator, EstimatingTokenizer, is_saved_endpoint, read_endpoint,
};
use super::gguf::{GgufFile, GgufModel, GgufOptions, GgufTokenizer};
use super::lora::home;
use super::scripted::{self, CharacterTokenizer, Scripted, WordEncoder};
use super::t5::{T5Model, T5Options};
use super::{Encoder, EncoderOptions, Generator, HfTokenizer, ModelError, TextTokenizer};
use crate::jobs::{CancelToken, Progress};

/// How a model is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadOptions {
    /// The endpoint that serves the model, where it is no model of this machine; its name is the path's text.
    pub endpoint: Option<Box<EndpointOptions>>,
    /// What concerns GGUF models.
    pub gguf: GgufOptions,
    /// What concerns T5 models.
    pub t5: T5Options,
}

/// How a model behind an endpoint is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointOptions {
    /// The endpoint.
    pub settings: Endpoint,
    /// Where the tokenizer is that [`Endpoint::tokenizer`] names, if it names one.
    pub tokenizer: Option<PathBuf>,
}

/// A model, and how it sees text.
pub struct LoadedModel {
    /// What answers.
    pub generator: Box<dyn Generator + Send>,
    /// Its tokenizer, which may outlive it.
    pub tokenizer: Arc<dyn TextTokenizer>,
}

/// Loads a model: a GGUF file, a folder with a T5 model, the file of a saved endpoint, or a scripted one by its name
/// (`scripted:echo`).
///
/// # Errors
/// A path that holds no model that is known; whatever is wrong with the model.
pub fn load(model: &Path, options: &LoadOptions) -> Result<LoadedModel, ModelError> {
    if let Some(name) = model.to_str().filter(|name| name.starts_with(scripted::PREFIX)) {
        let generator = Box::new(Scripted::parse(name)?);
        return Ok(LoadedModel { generator, tokenizer: Arc::new(CharacterTokenizer) });
    }
    if let Some(options) = &options.endpoint {
        return served(&model.to_string_lossy(), options);
    }
    if is_saved_endpoint(model) {
        let settings = read_endpoint(model)?;
        let tokenizer = settings.tokenizer.as_ref().map(PathBuf::from).filter(|path| path.exists());
        return served(&saved_name(model), &EndpointOptions { settings, tokenizer });
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

/// A model behind an endpoint.
fn served(name: &str, options: &EndpointOptions) -> Result<LoadedModel, ModelError> {
    let tokenizer = match &options.tokenizer {
        Some(path) => load_tokenizer(path)?,
        None => Arc::new(EstimatingTokenizer),
    };
    let model = EndpointGenerator::new(name, options.settings.clone(), Arc::clone(&tokenizer))?;
    Ok(LoadedModel { generator: Box::new(model), tokenizer })
}

/// What a saved endpoint is called.
fn saved_name(path: &Path) -> String {
    let name = path.file_stem().map(|name| name.to_string_lossy().into_owned());
    format!("{}{}", endpoint::PREFIX, name.unwrap_or_default())
}

/// Loads a tokenizer alone: that of a model's folder or GGUF file, or a `tokenizer.json`.
///
/// # Errors
/// A path that has none.
pub fn load_tokenizer(path: &Path) -> Result<Arc<dyn TextTokenizer>, ModelError> {
    if path.is_dir() {
        return Ok(Arc::new(HfTokenizer::from_folder(&home(path)?)?));
    }
    if path.extension().is_some_and(|ending| ending == "json") {
        return Ok(Arc::new(HfTokenizer::from_file(path)?));
    }
    Ok(Arc::new(GgufTokenizer::read(&GgufFile::open(path)?)?))
}

/// Loads an encoder: a folder with a BERT-shaped model, the file of a saved endpoint, or a scripted one by its name
/// (`scripted:words=256`).
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
        _ if is_saved_endpoint(model) => {
            let settings = read_endpoint(model)?;
            Ok(Box::new(EndpointEncoder::new(&saved_name(model), settings, options, cancel)?))
        }
        _ if model.join("config.json").is_file() => {
            Ok(Box::new(BertEncoder::load(model, options, cancel, progress)?))
        }
        _ => Err(ModelError::UnknownEncoder { path: model.to_owned() }),
    }
}
