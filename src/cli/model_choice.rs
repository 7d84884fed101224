//! What a model is called on the command line, turned into what can be loaded.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::CliError;
use crate::jobs::{CancelToken, Progress};
use crate::model::registry::{Registry, RegistryError, Resolved};
use crate::model::{Encoder, EncoderOptions, ModelError, Precision, load_encoder};

/// The kind of numbers a model computes with.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PrecisionName {
    /// Whatever the file holds.
    F32,
    /// On a GPU.
    Bf16,
    /// On a GPU.
    F16,
    /// Weights of 8 bits, on the processor.
    Int8,
}

impl From<PrecisionName> for Precision {
    fn from(name: PrecisionName) -> Self {
        match name {
            PrecisionName::F32 => Self::F32,
            PrecisionName::Bf16 => Self::Bf16,
            PrecisionName::F16 => Self::F16,
            PrecisionName::Int8 => Self::Int8,
        }
    }
}

/// Where models are kept.
#[derive(Debug, Clone, Args)]
pub struct ModelsFolder {
    /// The folder where models are kept [default: the platform's place for data].
    #[arg(long, global = true, env = "LAMPLIGHT_MODELS", value_name = "FOLDER", help_heading = "Models")]
    models: Option<PathBuf>,
}

impl ModelsFolder {
    /// The registry there.
    ///
    /// # Errors
    /// No folder given, and none named by the system.
    pub fn registry(&self) -> Result<Registry, RegistryError> {
        let folder = match &self.models {
            Some(folder) if !folder.as_os_str().is_empty() => folder.clone(),
            _ => Registry::default_folder()?,
        };
        let folder = std::path::absolute(&folder)
            .map_err(|source| RegistryError::File { path: folder.clone(), source })?;
        Ok(Registry::new(folder))
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
        if found.manifest.is_some()
            && let Ok(registry) = self.registry()
        {
            options.fingerprint = Some(registry.fingerprint(&found.path, cancel, progress)?);
        }
        load_encoder(&found.path, options, cancel, progress)
    }

    /// What a name, path or script stands for.
    ///
    /// # Errors
    /// Nothing of that name; with names that are alike and how to get the model.
    pub fn resolve(&self, text: &str) -> Result<Resolved, CliError> {
        Ok(self.registry()?.resolve(text)?)
    }
}
