//! Where models, caches and vectors are, and how models are loaded: the one way for every command and every run.
//!
//! Knows no console; who wants to show a loading's progress hands in the slot for it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::jobs::{CancelToken, Progress};
use crate::model::embeddings::SharedEncoder;
use crate::model::registry::{Registry, RegistryError, Resolved};
use crate::model::{DeviceChoice, Encoder, EncoderOptions, ModelError, load_encoder};
use crate::retrieval::{BuildError, DenseConfig, EncoderSource};

/// The places and means that runs share. An encoder is loaded once, whoever asks for it.
pub struct Workplace {
    registry: Registry,
    cache: Option<PathBuf>,
    embeddings: Option<PathBuf>,
    threads: usize,
    encoder_device: DeviceChoice,
    cancel: CancelToken,
    loaded: Mutex<Vec<(DenseConfig, Arc<SharedEncoder>)>>,
}

impl Workplace {
    /// A workplace with the models of a registry that keeps nothing for next time and uses all processors.
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            cache: None,
            embeddings: None,
            threads: 0,
            encoder_device: DeviceChoice::Cpu,
            cancel: CancelToken::new(),
            loaded: Mutex::default(),
        }
    }

    /// Keeps indexes and unpacked files of datasets in a folder.
    #[must_use]
    pub fn with_cache(mut self, folder: Option<PathBuf>) -> Self {
        self.cache = folder;
        self
    }

    /// Keeps vectors in a folder.
    #[must_use]
    pub fn with_embeddings(mut self, folder: Option<PathBuf>) -> Self {
        self.embeddings = folder;
        self
    }

    /// Computes with so many threads; 0 for as many as there are processors.
    #[must_use]
    pub const fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Where encoders compute.
    #[must_use]
    pub const fn with_encoder_device(mut self, device: DeviceChoice) -> Self {
        self.encoder_device = device;
        self
    }

    /// What ends the loading of encoders that retrievers ask for.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancelToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// The installed models.
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Where indexes and unpacked files of datasets are kept.
    pub fn cache(&self) -> Option<&Path> {
        self.cache.as_deref()
    }

    /// Where vectors are kept.
    pub fn embeddings(&self) -> Option<&Path> {
        self.embeddings.as_deref()
    }

    /// Threads to compute with; 0 for as many as there are processors.
    pub const fn threads(&self) -> usize {
        self.threads
    }

    /// Loads the encoder that was found. What the options leave open is filled in with what is known of the model, its
    /// fingerprint included, so that a large file is not read for it each time.
    ///
    /// # Errors
    /// As [`load_encoder`].
    pub fn load_encoder(
        &self,
        found: &Resolved,
        options: &mut EncoderOptions,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Box<dyn Encoder>, ModelError> {
        found.fill(options);
        if found.manifest.is_some() {
            options.fingerprint = Some(self.registry.fingerprint(&found.path, cancel, progress)?);
        }
        load_encoder(&found.path, options, cancel, progress)
    }

    /// The encoder, the same one whenever the same is wanted; `progress` shows how far its files are read.
    ///
    /// # Errors
    /// Where there is none of that name, or it cannot be loaded.
    pub fn shared_encoder(
        &self,
        wanted: &DenseConfig,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Arc<SharedEncoder>, BuildError> {
        // Which identity is asked for does not change what is loaded.
        let wanted = DenseConfig { identity: None, ..wanted.clone() };
        // Held while it loads: who asks meanwhile waits for this one instead of loading another.
        let mut loaded = self.loaded();
        if let Some((_, encoder)) = loaded.iter().find(|(config, _)| *config == wanted) {
            return Ok(encoder.clone());
        }
        let mut options = EncoderOptions {
            device: self.encoder_device,
            threads: self.threads,
            pooling: wanted.pooling,
            normalize: wanted.normalize,
            prefixes: wanted.prefixes.clone(),
            max_tokens: wanted.max_tokens,
            ..EncoderOptions::default()
        };
        let found =
            self.registry.resolve(&wanted.model).map_err(|error| BuildError::Model(Box::new(error)))?;
        let encoder = self
            .load_encoder(&found, &mut options, cancel, progress)
            .and_then(|encoder| SharedEncoder::new(encoder, self.threads, self.embeddings()))
            .map_err(|source| BuildError::Encoder {
                model: wanted.model.clone(),
                source: Box::new(source),
            })?;
        let encoder = Arc::new(encoder);
        loaded.push((wanted, encoder.clone()));
        Ok(encoder)
    }

    /// The encoders that were loaded so far, in the order in which they were asked for.
    pub fn encoders(&self) -> Vec<(DenseConfig, Arc<SharedEncoder>)> {
        self.loaded().clone()
    }

    /// What a model's name, path or script stands for.
    ///
    /// # Errors
    /// Nothing of that name; with names that are alike and how to get the model.
    pub fn resolve(&self, text: &str) -> Result<Resolved, RegistryError> {
        self.registry.resolve(text)
    }

    fn loaded(&self) -> MutexGuard<'_, Vec<(DenseConfig, Arc<SharedEncoder>)>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EncoderSource for Workplace {
    fn encoder(&self, wanted: &DenseConfig) -> Result<Arc<SharedEncoder>, BuildError> {
        self.shared_encoder(wanted, &self.cancel, &Progress::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoder_is_loaded_once_whatever_identity_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let workplace = Workplace::new(Registry::new(folder.path().to_owned()));
        let plain = DenseConfig::of("scripted:words=16");
        let one = workplace.encoder(&plain).unwrap();
        let named = DenseConfig { identity: Some(one.identity_hash()), ..plain };
        assert!(Arc::ptr_eq(&one, &workplace.encoder(&named).unwrap()));
        let other = workplace.encoder(&DenseConfig::of("scripted:words=32")).unwrap();
        assert!(!Arc::ptr_eq(&one, &other));
        assert_eq!(workplace.encoders().len(), 2);
        let missing = workplace.encoder(&DenseConfig::of("no/such-encoder")).err().unwrap();
        assert!(missing.to_string().contains("no/such-encoder"), "{missing}");
    }
}
