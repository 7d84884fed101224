//! `lamplight models`: what is installed, and getting, adding, removing and looking at models.

mod info;
mod list;

use std::io;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::model_choice::ModelsFolder;
use super::text::plain;
use super::{CliError, Console, Outcome, Unit};
use crate::model::hub::{Hub, Wanted};
use crate::model::registry::{EncoderDefaults, Manifest, Registry, Source};
use crate::model::{Pooling, Prefixes};

/// List, get, add, remove and look at models.
#[derive(Debug, Args)]
pub(super) struct Models {
    #[command(flatten)]
    folder: ModelsFolder,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what is installed, or what is known to run here.
    List {
        /// List models that are known to run here and can be downloaded.
        #[arg(long)]
        known: bool,
    },
    Get(Get),
    Add(Add),
    Remove(Remove),
    Info(info::Info),
}

/// Download a model from Hugging Face, or continue a download.
///
/// HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE are honored; what Hugging Face's own
/// programs have downloaded is used from where they keep it.
#[derive(Debug, Args)]
struct Get {
    /// The repository, as OWNER/NAME, OWNER/NAME@REVISION or OWNER/NAME:FILE.gguf.
    id: String,
    /// A branch, tag or commit.
    #[arg(long)]
    revision: Option<String>,
    /// The GGUF file of a repository that has several: its name, or a part of it such as Q4_K_M.
    #[arg(long)]
    file: Option<String>,
    /// What to call it here.
    #[arg(long)]
    name: Option<String>,
    /// Use what is here already, and ask no server.
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    encoder: EncoderArgs,
}

/// Register a model that lies on this machine.
#[derive(Debug, Args)]
struct Add {
    /// A GGUF file, a folder with config.json, tokenizer.json and weights, or a folder with a LoRA adapter in PEFT's layout.
    path: PathBuf,
    /// The model that an adapter is for, where it does not name a folder here: a name, a repository or a folder.
    #[arg(long, value_name = "MODEL")]
    base: Option<String>,
    /// What to call it here.
    #[arg(long)]
    name: Option<String>,
    /// Copy it, so that the original can go.
    #[arg(long)]
    copy: bool,
    #[command(flatten)]
    encoder: EncoderArgs,
}

/// Remove a model; files that were not downloaded or copied here stay.
#[derive(Debug, Args)]
struct Remove {
    /// Its name.
    name: String,
    /// Delete files without asking.
    #[arg(long, short)]
    yes: bool,
}

/// What an encoder was trained with, where its files do not say.
#[derive(Debug, Args)]
#[command(next_help_heading = "Encoders")]
struct EncoderArgs {
    /// How a text's vector is made: mean or cls.
    #[arg(long, value_parser = pooling)]
    pooling: Option<Pooling>,
    /// Whether vectors get length 1.
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    normalize: Option<bool>,
    /// What goes before queries.
    #[arg(long)]
    query_prefix: Option<String>,
    /// What goes before documents.
    #[arg(long)]
    document_prefix: Option<String>,
    /// Tokens of a text that are read.
    #[arg(long)]
    max_tokens: Option<usize>,
}

impl EncoderArgs {
    fn defaults(self) -> EncoderDefaults {
        let prefixes = (self.query_prefix.is_some() || self.document_prefix.is_some()).then(|| Prefixes {
            query: self.query_prefix.unwrap_or_default(),
            document: self.document_prefix.unwrap_or_default(),
        });
        EncoderDefaults {
            pooling: self.pooling,
            normalize: self.normalize,
            prefixes,
            max_tokens: self.max_tokens,
        }
    }
}

fn pooling(text: &str) -> Result<Pooling, &'static str> {
    match text {
        "mean" => Ok(Pooling::Mean),
        "cls" => Ok(Pooling::Cls),
        _ => Err("mean or cls"),
    }
}

/// A model was not removed because nobody agreed.
#[derive(Debug, thiserror::Error)]
#[error("nothing was removed; agree, or give --yes to delete without being asked")]
pub struct NotRemoved;

/// Runs the command.
pub(super) fn run(models: Models, console: &Console) -> Result<Outcome, CliError> {
    match models.command {
        Command::List { known: true } => list::known(console),
        Command::List { known: false } => list::installed(&models.folder.registry()?, console),
        Command::Get(get) => get.run(&models.folder.registry()?, console),
        Command::Add(add) => add.run(&models.folder.registry()?, console),
        Command::Remove(remove) => remove.run(&models.folder.registry()?, console),
        Command::Info(info) => info.run(&models.folder, console),
    }
}

impl Get {
    fn run(self, registry: &Registry, console: &Console) -> Result<Outcome, CliError> {
        let mut wanted: Wanted = self.id.parse()?;
        if let Some(revision) = self.revision {
            let with: Wanted = format!("{}@{revision}", wanted.repository).parse()?;
            wanted = Wanted { file: wanted.file, ..with };
        }
        wanted.file = self.file.or(wanted.file);
        let mut hub = Hub::from_environment()?;
        hub.offline |= self.offline;
        let encoder = self.encoder.defaults();
        let installed = console.with_progress(Unit::Bytes, |progress| {
            registry.get(&hub, &wanted, self.name.as_deref(), encoder, console.cancel(), progress)
        })?;
        let manifest = &installed.manifest;
        let cached = matches!(manifest.source, Source::Hub { cached: true, .. });
        let status = match (installed.already, cached) {
            (true, _) => "already there",
            (false, true) => "taken from Hugging Face's cache",
            (false, false) => "downloaded",
        };
        if console.is_json() {
            let mut row = row(registry, manifest);
            row["status"] = status.into();
            row["downloaded_bytes"] = installed.downloaded.into();
            console.print_json(&row)?;
        } else {
            let size = list::size(if cached { manifest.size() } else { installed.downloaded });
            let how = if installed.already { String::new() } else { format!(" ({size})") };
            console.print(&format!("{}: {status}{how}\n", plain(&manifest.name)))?;
            about(registry, manifest, console)?;
        }
        Ok(Outcome::Done)
    }
}

impl Add {
    fn run(self, registry: &Registry, console: &Console) -> Result<Outcome, CliError> {
        let encoder = self.encoder.defaults();
        let manifest = console.with_progress(Unit::Bytes, |progress| {
            let (base, name) = (self.base.as_deref(), self.name.as_deref());
            registry.add_for(&self.path, base, name, self.copy, encoder, console.cancel(), progress)
        })?;
        if console.is_json() {
            console.print_json(&row(registry, &manifest))?;
        } else {
            let how = if manifest.is_own() { "copied" } else { "registered in place" };
            console.print(&format!("{}: {how}\n", plain(&manifest.name)))?;
            about(registry, &manifest, console)?;
        }
        Ok(Outcome::Done)
    }
}

impl Remove {
    fn run(self, registry: &Registry, console: &Console) -> Result<Outcome, CliError> {
        let removal = registry.removal(&self.name)?;
        if let Some(files) = removal.files.as_ref().filter(|_| !self.yes) {
            let question = format!(
                "Remove {} and delete {} in {}? [y/N] ",
                plain(&removal.name),
                list::size(removal.bytes),
                plain(&files.display().to_string())
            );
            if !console.agrees(&question)? {
                return Err(NotRemoved.into());
            }
        }
        let removal = registry.remove(&self.name)?;
        if console.is_json() {
            console.print_json(&json!({
                "name": removal.name,
                "deleted_bytes": removal.bytes,
                "left_in_place": removal.stays,
            }))?;
        } else {
            let stays = removal.stays.as_ref().map_or_else(String::new, |path| {
                format!("; its files stay in {}", plain(&path.display().to_string()))
            });
            let freed = if removal.files.is_some() {
                format!(" ({})", list::size(removal.bytes))
            } else {
                String::new()
            };
            console.print(&format!("{}: removed{freed}{stays}\n", plain(&removal.name)))?;
        }
        Ok(Outcome::Done)
    }
}

/// A few lines about a model that was installed just now.
fn about(registry: &Registry, manifest: &Manifest, console: &Console) -> io::Result<()> {
    let license = manifest.license.as_deref().unwrap_or("not named");
    console.print(&format!(
        "  {} {}, {} parameters, license: {}\n  {}\n",
        manifest.kind.name(),
        plain(&manifest.architecture),
        list::count(manifest.parameters),
        plain(license),
        plain(&registry.path(manifest).display().to_string()),
    ))
}

/// A manifest as JSON, with the path to load.
fn row(registry: &Registry, manifest: &Manifest) -> serde_json::Value {
    json!({
        "name": manifest.name,
        "kind": manifest.kind,
        "architecture": manifest.architecture,
        "path": registry.path(manifest),
        "source": manifest.source,
        "own_files": manifest.is_own(),
        "bytes": manifest.size(),
        "files": manifest.files,
        "parameters": manifest.parameters,
        "context": manifest.context,
        "license": manifest.license,
        "fingerprint": manifest.fingerprint,
        "encoder": manifest.encoder,
        "added": manifest.added,
    })
}
