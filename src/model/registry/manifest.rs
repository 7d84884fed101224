//! What is written down of an installed model: one file a model, replaced in one step.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::RegistryError;
use crate::model::hub::GotFile;
use crate::model::{EncoderOptions, ModelKind, Pooling, Prefixes};
use crate::whole_file::WholeFile;

/// The form of manifests that this program writes, and the newest that it reads.
const VERSION: u32 = 1;

/// An installed model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub(super) version: u32,
    /// What it is called here.
    pub name: String,
    /// Where it came from.
    pub source: Source,
    /// What to load, a folder or a GGUF file: below the registry's folder if it is its own, else absolute.
    pub(super) path: PathBuf,
    /// What it is loaded as.
    pub kind: ModelKind,
    /// Its build, as its files name it.
    pub architecture: String,
    /// Its files, below the folder that is loaded (or beside the file that is).
    pub files: Vec<GotFile>,
    /// What identifies its content.
    pub fingerprint: String,
    /// Under which license it is given, where that is known.
    pub license: Option<String>,
    /// Numbers that it has learned.
    pub parameters: u64,
    /// Tokens that it was trained to see at once, where that is known.
    pub context: Option<usize>,
    /// What texts need where it is an encoder.
    #[serde(default)]
    pub encoder: EncoderDefaults,
    /// When it was added: seconds since 1970.
    pub added: u64,
}

/// Where a model came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A hub; the files are the registry's own, or lie in Hugging Face's cache.
    Hub {
        /// The repository.
        repository: String,
        /// What was asked for: a branch, tag or commit.
        revision: String,
        /// The commit that it was.
        commit: String,
        /// The GGUF file, if it is one.
        file: Option<String>,
        /// Whether the files lie in Hugging Face's cache.
        cached: bool,
    },
    /// The program itself, which it is part of.
    Program,
    /// A path on this machine, used in place.
    Place(PathBuf),
    /// A path on this machine, copied.
    Copy(PathBuf),
}

/// What an encoder was trained with and its files do not say; `None` where they do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EncoderDefaults {
    /// How a text's vector is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    /// Whether vectors get length 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalize: Option<bool>,
    /// What goes before texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<Prefixes>,
    /// Tokens of a text that are read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
}

impl EncoderDefaults {
    /// Fills in what the options leave open.
    pub fn fill(&self, options: &mut EncoderOptions) {
        options.pooling = options.pooling.or(self.pooling);
        options.normalize = options.normalize.or(self.normalize);
        options.max_tokens = options.max_tokens.or(self.max_tokens);
        if options.prefixes.is_none() {
            options.prefixes.clone_from(&self.prefixes);
        }
    }

    /// These where they say something, else `other`.
    pub fn or(self, other: Self) -> Self {
        Self {
            pooling: self.pooling.or(other.pooling),
            normalize: self.normalize.or(other.normalize),
            prefixes: self.prefixes.or(other.prefixes),
            max_tokens: self.max_tokens.or(other.max_tokens),
        }
    }
}

impl Manifest {
    /// A manifest of the newest form, to be filled in.
    pub(super) fn new(name: &str, source: Source, path: PathBuf, kind: ModelKind) -> Self {
        Self {
            version: VERSION,
            name: name.to_owned(),
            source,
            path,
            kind,
            architecture: String::new(),
            files: Vec::new(),
            fingerprint: String::new(),
            license: None,
            parameters: 0,
            context: None,
            encoder: EncoderDefaults::default(),
            added: 0,
        }
    }

    /// Reads a manifest; one of a newer program is named as such, whatever else is in it.
    pub(super) fn read(path: &Path) -> Result<Self, RegistryError> {
        #[derive(Deserialize)]
        struct Form {
            version: u32,
        }
        let bytes = std::fs::read(path).map_err(|source| RegistryError::file(path, source))?;
        let damaged = |source| RegistryError::Damaged { path: path.to_owned(), source };
        let form: Form = serde_json::from_slice(&bytes).map_err(damaged)?;
        if form.version > VERSION {
            return Err(RegistryError::Newer { path: path.to_owned(), version: form.version });
        }
        serde_json::from_slice(&bytes).map_err(damaged)
    }

    /// Writes the manifest in one step.
    pub(super) fn write(&self, path: &Path) -> Result<(), RegistryError> {
        let write = || {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            WholeFile::put(path, &serde_json::to_vec_pretty(self)?)
        };
        write().map_err(|source| RegistryError::file(path, source))
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Whether it came from this path.
    pub(super) fn is_from(&self, source: &Path) -> bool {
        matches!(&self.source, Source::Place(path) | Source::Copy(path) if path == source)
    }

    /// Whether the files are the registry's own, so that removing the model removes them.
    pub fn is_own(&self) -> bool {
        match &self.source {
            Source::Hub { cached, .. } => !cached,
            Source::Copy(_) => true,
            Source::Place(_) | Source::Program => false,
        }
    }
}
