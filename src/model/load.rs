//! A model by what its path holds.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::gguf::{GgufModel, GgufOptions};
use super::scripted::{self, CharacterTokenizer, Scripted};
use super::{Generator, ModelError, TextTokenizer};

/// How a model is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadOptions {
    /// What concerns GGUF models.
    pub gguf: GgufOptions,
}

/// A model, and how it sees text.
pub struct LoadedModel {
    /// What answers.
    pub generator: Box<dyn Generator + Send>,
    /// Its tokenizer, which may outlive it.
    pub tokenizer: Arc<dyn TextTokenizer>,
}

/// Loads a model: a GGUF file, or a scripted one by its name (`scripted:echo`).
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
        return Err(ModelError::UnknownModel { path: model.to_owned() });
    }
    let model = GgufModel::load(&PathBuf::from(model), &options.gguf)?;
    let tokenizer = model.tokenizer();
    Ok(LoadedModel { generator: Box::new(model), tokenizer })
}
