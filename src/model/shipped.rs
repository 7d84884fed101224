//! Models that are part of the program, so that there is something to run with nothing to download: a tiny T5 and a tiny
//! encoder, trained on the sample set's train splits. `resources/models/README.md` tells how.
//!
//! They are of use on the sample set alone.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::whole_file::WholeFile;

/// The T5 model's name.
pub const T5: &str = "sample-t5";
/// The encoder's name.
pub const ENCODER: &str = "sample-encoder";

/// The license of them all, by its SPDX name: the data's that they learned from.
pub const LICENSE: &str = "CC0-1.0";

/// A model within the program.
#[derive(Debug)]
pub struct Shipped {
    /// The name that it is found by.
    pub name: &'static str,
    content: OnceLock<String>,
    files: &'static [(&'static str, &'static [u8])],
}

macro_rules! files {
    ($folder:literal: $($file:literal),+) => {
        &[$(($file, include_bytes!(concat!("../../resources/models/", $folder, "/", $file)))),+]
    };
}

/// All of them.
pub static ALL: [Shipped; 2] = [
    Shipped {
        name: T5,
        content: OnceLock::new(),
        files: files!("t5": "config.json", "model.safetensors", "recipe.json", "tokenizer.json"),
    },
    Shipped {
        name: ENCODER,
        content: OnceLock::new(),
        files: files!("encoder": "1_Pooling/config.json", "config.json", "model.safetensors", "modules.json", "tokenizer.json"),
    },
];

/// The model of that name.
pub fn find(name: &str) -> Option<&'static Shipped> {
    ALL.iter().find(|model| model.name.eq_ignore_ascii_case(name))
}

impl Shipped {
    /// Where its files are: in a folder of their own below `parent`, written first if need be.
    ///
    /// # Errors
    /// What the system says, with the path.
    pub fn unpack(&self, parent: &Path) -> Result<PathBuf, (PathBuf, io::Error)> {
        let content = self.content.get_or_init(|| self.hash());
        let folder = parent.join(format!("{}-{}", self.name, &content[..12]));
        for (name, bytes) in self.files {
            let path = name.split('/').fold(folder.clone(), |path, part| path.join(part));
            let whole = std::fs::metadata(&path).is_ok_and(|found| found.len() == bytes.len() as u64);
            if !whole {
                let failed = |error| (path.clone(), error);
                path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
                // Each appears whole, so that another program that unpacks at the same time does no harm.
                WholeFile::put(&path, bytes).map_err(failed)?;
            }
        }
        Ok(folder)
    }

    fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for (name, bytes) in self.files {
            hash.update(name.as_bytes());
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
        hex::encode(hash.finalize())
    }
}
