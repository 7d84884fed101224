//! The argument by which every command names the store.

use std::path::PathBuf;

use clap::Args;

use super::CliError;
use crate::store::{Reader, Store, StoreError};

/// Which store a command works on.
#[derive(Debug, Clone, Args)]
pub struct StoreChoice {
    /// The file that holds the runs, or the folder of its lamplight.db [default: in the platform's place for data].
    #[arg(
        long,
        env = "LAMPLIGHT_STORE",
        hide_env_values = true,
        value_name = "PATH",
        help_heading = "Store"
    )]
    store: Option<PathBuf>,
}

impl StoreChoice {
    /// Means a file where the arguments name none.
    pub(super) fn or(&mut self, path: PathBuf) {
        let given = self.store.take().filter(|given| !given.as_os_str().is_empty());
        self.store = given.or(Some(path));
    }

    /// Whether a person named one.
    pub(super) fn is_given(&self) -> bool {
        self.store.as_ref().is_some_and(|path| !path.as_os_str().is_empty())
    }

    /// The store's file, which need not exist.
    ///
    /// # Errors
    /// No path given, and none named by the system.
    pub fn path(&self) -> Result<PathBuf, StoreError> {
        match &self.store {
            Some(path) if path.is_dir() => Ok(path.join("lamplight.db")),
            Some(path) if !path.as_os_str().is_empty() => Ok(path.clone()),
            _ => Store::default_path(),
        }
    }

    /// Opens it for writing; makes it if it is not there.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(&self) -> Result<Store, CliError> {
        Ok(Store::open(&self.path()?)?)
    }

    /// Opens it for reading; it must be there.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn reader(&self) -> Result<Reader, CliError> {
        Ok(Reader::open(&self.path()?)?)
    }
}
