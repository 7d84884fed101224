//! Why a model could not be installed, found or removed, in words for a person.

use std::path::{Path, PathBuf};

use crate::jobs::Canceled;
use crate::model::ModelError;
use crate::model::hub::HubError;

/// Why a model could not be installed, found or removed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A name that cannot be a model's.
    #[error(
        "{name:?} cannot be a model's name: one or two parts of letters, digits, `.`, `_` and `-`, none of them \
         like con or nul; give another with --name"
    )]
    Name {
        /// As given.
        name: String,
    },
    /// The name is taken.
    #[error(
        "there is a model {name} already, from {source_name}; remove it first or give another name with --name"
    )]
    Taken {
        /// The name.
        name: String,
        /// Where the other came from.
        source_name: String,
    },
    /// The name is that of a model of the program.
    #[error("{name} is the name of a model that is part of the program; give another with --name")]
    Reserved {
        /// The name.
        name: String,
    },
    /// The model cannot be removed.
    #[error("{name} is part of the program and cannot be removed")]
    Shipped {
        /// The name.
        name: String,
    },
    /// No such model.
    #[error("no model {name:?} is installed, and no file or folder is there under this name{near}{known}")]
    Unknown {
        /// As given.
        name: String,
        /// Names that are alike, as words.
        near: String,
        /// How to get it, as words.
        known: String,
    },
    /// The model's files are gone.
    #[error("the model {name} is registered, but {path} is gone; get or add it again, or remove it with `lamplight models remove {name}`", path = path.display())]
    Gone {
        /// The name.
        name: String,
        /// Where it was.
        path: PathBuf,
    },
    /// A manifest that cannot be read.
    #[error("{path} is damaged ({source}); the model's files are untouched: get or add the model again to write it anew", path = path.display())]
    Damaged {
        /// The manifest.
        path: PathBuf,
        /// What the reader said.
        source: serde_json::Error,
    },
    /// A manifest of a newer program.
    #[error("{path} was written by a newer Lamplight (form {version}); use that one for this model", path = path.display())]
    Newer {
        /// The manifest.
        path: PathBuf,
        /// Its form.
        version: u32,
    },
    /// Another program is at work on the same model.
    #[error("another Lamplight is getting, adding or removing {name} at the moment; wait for it to end")]
    InUse {
        /// The name.
        name: String,
    },
    /// The system names no place for data.
    #[error(
        "this system names no folder for data; say where models are kept with --models or LAMPLIGHT_MODELS"
    )]
    NoFolder,
    /// A file or folder could not be read or written.
    #[error("cannot read or write {path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The model could not be had.
    #[error(transparent)]
    Hub(HubError),
    /// The model is none that can be loaded.
    #[error(transparent)]
    Model(ModelError),
    /// Someone asked to stop; the next call continues.
    #[error(transparent)]
    Canceled(#[from] Canceled),
}

impl RegistryError {
    pub(super) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }
}

impl From<HubError> for RegistryError {
    fn from(error: HubError) -> Self {
        match error {
            HubError::Canceled(canceled) => Self::Canceled(canceled),
            other => Self::Hub(other),
        }
    }
}

impl From<ModelError> for RegistryError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Canceled(canceled) => Self::Canceled(canceled),
            other => Self::Model(other),
        }
    }
}
