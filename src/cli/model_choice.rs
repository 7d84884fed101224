//! What a model is called on the command line, turned into what can be loaded.

use std::path::PathBuf;

use clap::Args;

use super::CliError;
use crate::model::registry::{Registry, RegistryError, Resolved};

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

    /// What a name, path or script stands for.
    ///
    /// # Errors
    /// Nothing of that name; with names that are alike and how to get the model.
    pub fn resolve(&self, text: &str) -> Result<Resolved, CliError> {
        Ok(self.registry()?.resolve(text)?)
    }
}
