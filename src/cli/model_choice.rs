//! What a model is called on the command line, turned into what can be loaded.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::CliError;
use crate::model::Precision;
use crate::model::registry::{Registry, RegistryError, Resolved};
use crate::run::Workplace;

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
    /// Whether a person named one.
    pub(super) fn is_given(&self) -> bool {
        self.models.as_ref().is_some_and(|folder| !folder.as_os_str().is_empty())
    }

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

    /// A workplace with these models, and nothing kept.
    ///
    /// # Errors
    /// As [`ModelsFolder::registry`].
    pub fn workplace(&self) -> Result<Workplace, RegistryError> {
        Ok(Workplace::new(self.registry()?))
    }

    /// What a name, path or script stands for.
    ///
    /// # Errors
    /// Nothing of that name; with names that are alike and how to get the model.
    pub fn resolve(&self, text: &str) -> Result<Resolved, CliError> {
        Ok(self.registry()?.resolve(text)?)
    }
}
