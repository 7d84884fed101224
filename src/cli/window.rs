//! `lamplight window`, and `lamplight` alone: everything by pointing and clicking.

use std::fs::File;
use std::path::PathBuf;

use clap::Args;

use super::CliError;
use super::encoders::EmbeddingsFolder;
use super::model_choice::ModelsFolder;
use super::selection::system_cache_folder;
use super::store_choice::StoreChoice;
use crate::run::Places;

/// Open the window (also `lamplight` alone).
///
/// Where there is no display, all other commands do the same work.
#[derive(Debug, Args)]
pub(super) struct WindowArgs {
    /// An experiment's file to open in it (also `lamplight FILE`).
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Where indexes and unpacked files are kept; the system's cache folder by default.
    #[arg(long, env = "LAMPLIGHT_CACHE_DIR", hide_env_values = true, value_name = "FOLDER")]
    cache_dir: Option<PathBuf>,
    /// Where the window remembers how it was left; the system's folder for settings by default.
    #[arg(long, env = "LAMPLIGHT_WINDOW_DIR", hide_env_values = true, value_name = "FOLDER")]
    window_dir: Option<PathBuf>,
    #[command(flatten)]
    embeddings: EmbeddingsFolder,
    #[command(flatten)]
    models: ModelsFolder,
    #[command(flatten)]
    store: StoreChoice,
}

impl WindowArgs {
    /// The experiment's file that is to be opened. What is wrong within it, the window tells.
    pub(super) fn file(&self) -> Result<Option<PathBuf>, CliError> {
        if let Some(file) = &self.file {
            let unreadable =
                |error| CliError::Window(format!("{} cannot be opened: {error}", file.display()));
            File::open(file).map_err(unreadable)?;
        }
        Ok(self.file.clone())
    }

    /// The places that are meant.
    pub(super) fn places(&self) -> Result<Places, CliError> {
        let given = |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
        let cache = given(&self.cache_dir).or_else(system_cache_folder);
        let system = || directories::ProjectDirs::from("", "", "lamplight");
        Ok(Places {
            store: self.store.path()?,
            store_given: self.store.is_given(),
            models: self.models.registry()?.folder().to_owned(),
            models_given: self.models.is_given(),
            embeddings: self.embeddings.within(cache.as_deref()),
            cache,
            memory: given(&self.window_dir).or_else(|| Some(system()?.config_dir().to_owned())),
        })
    }
}
