//! `lamplight embeddings`: what dense retrievers have kept, and how it is cleared.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::encoders::EmbeddingsFolder;
use super::text::{fitted, plain, table};
use super::{CliError, Console, Outcome};
use crate::model::embeddings::{EmbeddingCacheError, KeptEmbeddings, clear, list};

/// Shows and clears the vectors that dense retrievers have kept.
#[derive(Debug, Args)]
pub(super) struct EmbeddingsArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show whose vectors are kept, how many, and how much room they take.
    Info(Place),
    /// Remove kept vectors. Texts are then encoded again when they are needed.
    #[command(group = clap::ArgGroup::new("which").required(true).args(["name", "all"]))]
    Clear {
        #[command(flatten)]
        place: Place,
        /// Those of one encoder, by the beginning of its name under `info`.
        name: Option<String>,
        /// Those of every encoder.
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Args)]
struct Place {
    #[command(flatten)]
    folder: EmbeddingsFolder,
    /// The cache folder that `embeddings` lies in; the system's by default.
    #[arg(long, env = "LAMPLIGHT_CACHE_DIR", hide_env_values = true, value_name = "FOLDER")]
    cache_dir: Option<PathBuf>,
}

/// Why kept vectors could not be shown or cleared.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddingsError {
    /// The system names no cache folder.
    #[error("the system names no folder for caches; give one with --embeddings or in LAMPLIGHT_EMBEDDINGS")]
    NoFolder,
    /// No encoder is called that.
    #[error("no encoder's name begins with `{name}` in {folder}; see lamplight embeddings info", folder = folder.display())]
    NoSuchName {
        /// The name.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The folder could not be used.
    #[error(transparent)]
    Cache(#[from] EmbeddingCacheError),
}

impl Place {
    fn folder(&self) -> Result<PathBuf, EmbeddingsError> {
        self.folder.within(self.cache_dir.as_deref()).ok_or(EmbeddingsError::NoFolder)
    }
}

/// Runs the command.
pub(super) fn run(arguments: &EmbeddingsArgs, console: &Console) -> Result<Outcome, CliError> {
    let (folder, kept, cleared) = match &arguments.what {
        What::Info(place) => {
            let folder = place.folder()?;
            let kept = list(&folder).map_err(EmbeddingsError::from)?;
            (folder, kept, false)
        }
        What::Clear { place, name, .. } => {
            let folder = place.folder()?;
            let kept = clear(&folder, name.as_deref().unwrap_or_default()).map_err(EmbeddingsError::from)?;
            if let (true, Some(name)) = (kept.is_empty(), name) {
                return Err(EmbeddingsError::NoSuchName { name: name.clone(), folder }.into());
            }
            (folder, kept, true)
        }
    };
    if console.is_json() {
        console.print_json(&json!({
            "folder": folder.to_string_lossy(),
            "cleared": cleared,
            "bytes": kept.iter().map(|kept| kept.bytes).sum::<u64>(),
            "encoders": kept.iter().map(as_json).collect::<Vec<_>>(),
        }))?;
        return Ok(Outcome::Done);
    }
    let sum = size(kept.iter().map(|kept| kept.bytes).sum());
    let place = plain(&folder.to_string_lossy());
    let mut out = match (kept.is_empty(), cleared) {
        (true, _) => format!("No vectors are kept in {place}\n"),
        (false, false) => format!("{sum} of vectors are kept in {place}\n\n"),
        (false, true) => format!("{sum} of vectors were removed from {place}\n\n"),
    };
    if !kept.is_empty() {
        let mut rows = vec![["Name", "Texts", "Numbers", "Size", "Encoder"].map(str::to_owned).to_vec()];
        for kept in &kept {
            let mut name = kept.name.clone();
            name.truncate(12);
            let encoder = kept.identity.as_deref().unwrap_or("unknown: the file is damaged");
            rows.push(vec![
                name,
                kept.texts.to_string(),
                kept.dimensions.to_string(),
                size(kept.bytes),
                fitted(&plain(encoder), console.width().saturating_sub(44).max(20)),
            ]);
        }
        out.push_str(&table(&rows, &[1, 2, 3]));
    }
    console.print(&out)?;
    Ok(Outcome::Done)
}

fn as_json(kept: &KeptEmbeddings) -> serde_json::Value {
    json!({
        "name": kept.name, "identity": kept.identity, "dimensions": kept.dimensions, "texts": kept.texts,
        "bytes": kept.bytes,
    })
}

/// A size in the unit that suits it.
fn size(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes < 1e6 => format!("{:.1} KB", bytes / 1e3),
        bytes if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.2} GB", bytes / 1e9),
    }
}
