//! Adapters for many users over one base: a folder with one configuration, a list of users and a file an adapter.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{AdapterConfig, AdapterError, Additions, read};
use crate::model::ModelError;
use crate::model::t5::T5Config;

/// The file that makes a folder with an adapter's configuration a collection.
pub const USERS: &str = "users.json";

/// An adapter for each user.
#[derive(Debug, Clone)]
pub struct Collection {
    folder: PathBuf,
    base: PathBuf,
    config: AdapterConfig,
    t5: T5Config,
    users: Vec<String>,
}

/// What [`USERS`] holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Users {
    /// By their keys, sorted.
    users: Vec<String>,
}

/// Whose prompt it is: a dataset and a sample's id, which is all that datasets know of a user everywhere.
pub fn user_key(dataset: &str, sample: &str) -> String {
    format!("{dataset} {sample}")
}

/// The name of a user's file below the collection's folder: what of the key names a file anywhere, with a hash of the whole.
pub fn user_file(user: &str) -> String {
    let plain: String =
        user.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(60).collect();
    format!("users/{plain}-{}.safetensors", &hex::encode(Sha256::digest(user))[..12])
}

impl Collection {
    /// Whether a folder is a collection.
    pub fn is_at(folder: &Path) -> bool {
        folder.join(USERS).is_file()
    }

    /// Opens a collection; no adapter is read yet.
    ///
    /// # Errors
    /// A folder that is none, or whose list is damaged.
    pub fn open(folder: &Path, base: &Path, t5: &T5Config) -> Result<Self, ModelError> {
        let config = AdapterConfig::read(folder)?;
        let users = Self::list(folder)?;
        Ok(Self { folder: folder.to_owned(), base: base.to_owned(), config, t5: t5.clone(), users })
    }

    /// The users whom a collection's adapters are for, sorted.
    ///
    /// # Errors
    /// A list that cannot be read.
    pub fn list(folder: &Path) -> Result<Vec<String>, ModelError> {
        let path = folder.join(USERS);
        let text = std::fs::read(&path).map_err(|source| ModelError::Read { path: path.clone(), source })?;
        let read: Users =
            serde_json::from_slice(&text).map_err(|source| ModelError::ConfigSyntax { path, source })?;
        Ok(read.users)
    }

    /// The list of users as it is kept.
    ///
    /// # Errors
    /// None in practice: these are plain texts.
    pub fn list_json(mut users: Vec<String>) -> serde_json::Result<Vec<u8>> {
        users.sort();
        serde_json::to_vec_pretty(&Users { users })
    }

    /// Its users.
    pub fn users(&self) -> &[String] {
        &self.users
    }

    /// The file of a user's adapter.
    ///
    /// # Errors
    /// [`AdapterError::NoUser`].
    pub fn file(&self, user: &str) -> Result<PathBuf, AdapterError> {
        match self.users.binary_search_by(|known| known.as_str().cmp(user)) {
            Ok(_) => Ok(self.folder.join(user_file(user))),
            Err(_) => Err(AdapterError::NoUser { collection: self.folder.clone(), user: user.to_owned() }),
        }
    }

    /// Reads a user's adapter.
    ///
    /// # Errors
    /// [`AdapterError::NoUser`]; a file that is missing or damaged.
    pub fn read(&self, user: &str) -> Result<Additions, ModelError> {
        read(&self.file(user)?, &self.config, &self.base, &self.t5)
    }

    /// Writes a user's adapter as a folder of its own; the user is named by key, or by the sample's id where only one has it.
    /// Gives the key.
    ///
    /// # Errors
    /// [`AdapterError::NoUser`]; what cannot be written.
    pub fn export(&self, user: &str, out: &Path) -> Result<String, ModelError> {
        let mut of_id =
            self.users.iter().filter(|key| key.rsplit_once(' ').is_some_and(|(_, id)| id == user));
        let key = match (of_id.next(), of_id.next()) {
            (Some(key), None) => key.clone(),
            _ => user.to_owned(),
        };
        let from = self.file(&key)?;
        let written = |source| ModelError::Write { path: out.to_owned(), source };
        std::fs::create_dir_all(out).map_err(written)?;
        let bytes = std::fs::read(&from).map_err(|source| ModelError::Read { path: from, source })?;
        crate::whole_file::WholeFile::put(&out.join(super::WEIGHTS), &bytes).map_err(written)?;
        super::write_config(out, &self.config).map_err(written)?;
        Ok(key)
    }

    /// What is said where nobody is named.
    pub fn anonymous(&self) -> ModelError {
        AdapterError::Anonymous { collection: self.folder.clone() }.into()
    }
}
