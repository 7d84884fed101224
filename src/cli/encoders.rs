//! The encoders of a command: where they compute, where their vectors are kept, and what became of them.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use clap::Args;
use serde_json::json;

use super::model_choice::ModelsFolder;
use super::selection::system_cache_folder;
use super::text::plain;
use super::{Console, Unit};
use crate::model::DeviceChoice;
use crate::model::embeddings::SharedEncoder;
use crate::model::registry::RegistryError;
use crate::retrieval::{BuildError, DenseConfig, EncoderSource};
use crate::run::Workplace;

/// Where encoders compute and keep their vectors.
#[derive(Debug, Clone, Args)]
pub(super) struct EncoderArgs {
    /// Where dense retrievers compute: cpu, cuda, cuda:1 or metal.
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: DeviceChoice,
    /// Threads that dense retrievers compute with; as many as processors if not given.
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    #[command(flatten)]
    folder: EmbeddingsFolder,
    #[command(flatten)]
    models: ModelsFolder,
}

/// Where vectors are kept.
#[derive(Debug, Clone, Args)]
pub(super) struct EmbeddingsFolder {
    /// Where the vectors of dense retrievers are kept; `embeddings` in the cache folder by default.
    #[arg(long, value_name = "FOLDER", env = "LAMPLIGHT_EMBEDDINGS", hide_env_values = true)]
    embeddings: Option<PathBuf>,
}

impl EmbeddingsFolder {
    /// The folder, given that of the cache; `None` where the system names none and none is given.
    pub(super) fn within(&self, cache: Option<&Path>) -> Option<PathBuf> {
        let given = self.embeddings.clone().filter(|folder| !folder.as_os_str().is_empty());
        given.or_else(|| Some(cache.map(Path::to_owned).or_else(system_cache_folder)?.join("embeddings")))
    }
}

/// Loads encoders when a retriever asks for them, each once, and shows that.
pub(super) struct Encoders<'a> {
    arguments: &'a EncoderArgs,
    folder: Option<PathBuf>,
    console: &'a Console,
    /// Made when the first encoder is asked for: without one it does not matter where models are.
    workplace: OnceLock<Workplace>,
    told: AtomicBool,
}

impl<'a> Encoders<'a> {
    /// With vectors kept in the cache folder unless the arguments say otherwise.
    pub(super) fn new(arguments: &'a EncoderArgs, cache: Option<&Path>, console: &'a Console) -> Self {
        let folder = arguments.folder.within(cache);
        Self { arguments, folder, console, workplace: OnceLock::new(), told: AtomicBool::new(false) }
    }

    fn workplace(&self) -> Result<&Workplace, RegistryError> {
        if let Some(workplace) = self.workplace.get() {
            return Ok(workplace);
        }
        let arguments = self.arguments;
        let workplace = arguments
            .models
            .workplace()?
            .with_embeddings(self.folder.clone())
            .with_threads(arguments.threads.map_or(0, NonZero::get))
            .with_encoder_device(arguments.device);
        Ok(self.workplace.get_or_init(|| workplace))
    }

    fn loaded(&self) -> Vec<(DenseConfig, Arc<SharedEncoder>)> {
        self.workplace.get().map(Workplace::encoders).unwrap_or_default()
    }

    /// Says, once, that vectors are not kept, and why.
    fn tell_trouble(&self) {
        let loaded = self.loaded();
        let trouble = loaded.iter().find_map(|(_, encoder)| encoder.trouble());
        if let Some(trouble) = trouble.filter(|_| !self.told.swap(true, Ordering::Relaxed)) {
            self.console.note(&format!("New vectors are not kept: {}.", plain(&trouble.to_string())));
        }
    }

    /// Says what the encoders had to do.
    pub(super) fn tell(&self) {
        self.tell_trouble();
        for (config, encoder) in self.loaded() {
            let counts = encoder.counts();
            self.console.note(&format!(
                "{}: {} vectors, {} of them encoded now and {} from the cache",
                plain(&config.model),
                counts.used,
                counts.encoded,
                counts.used.saturating_sub(counts.encoded),
            ));
        }
    }

    /// The same for machines.
    pub(super) fn as_json(&self) -> serde_json::Value {
        let loaded = self.loaded();
        let encoders = loaded.iter().map(|(config, encoder)| {
            let counts = encoder.counts();
            json!({
                "model": config.model,
                "identity": encoder.identity(),
                "identity_hash": encoder.identity_hash(),
                "dimensions": encoder.dimensions(),
                "vectors": counts.used,
                "encoded": counts.encoded,
                "from_cache": counts.used.saturating_sub(counts.encoded),
                "kept_in": self.folder.as_ref().map(|folder| folder.to_string_lossy()),
                "not_kept": encoder.trouble().map(ToString::to_string),
            })
        });
        encoders.collect()
    }
}

impl EncoderSource for Encoders<'_> {
    fn encoder(&self, wanted: &DenseConfig) -> Result<Arc<SharedEncoder>, BuildError> {
        let workplace = self.workplace().map_err(|error| BuildError::Model(Box::new(error)))?;
        let cancel = self.console.cancel();
        let load = |progress: &_| workplace.shared_encoder(wanted, cancel, progress);
        let encoder = self.console.with_progress(Unit::Bytes, load)?;
        self.tell_trouble();
        Ok(encoder)
    }
}
