//! `lamplight models info`: what a model is, and what it takes to run it.

use clap::Args;
use serde_json::json;

use super::list::{count, size};
use crate::cli::model_choice::ModelsFolder;
use crate::cli::text::plain;
use crate::cli::{CliError, Console, Outcome, Unit};
use crate::model::{DeviceChoice, Load, ModelKind, Precision, describe, free_memory};

/// Show what a model is, and what it takes to run it.
#[derive(Debug, Args)]
pub(super) struct Info {
    /// A registered model's name, or a path.
    model: String,
    /// Texts at once, for the estimate of memory.
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Tokens of each text.
    #[arg(long, default_value_t = 512)]
    tokens: usize,
    /// New tokens of each answer.
    #[arg(long, default_value_t = 128)]
    new_tokens: usize,
}

impl Info {
    pub(super) fn run(self, folder: &ModelsFolder, console: &Console) -> Result<Outcome, CliError> {
        let registry = folder.registry()?;
        let resolved = registry.resolve(&self.model)?;
        let path = &resolved.path;
        let manifest = resolved.manifest.as_deref();
        let description = describe(path)?;
        let fingerprint = console
            .with_progress(Unit::Bytes, |progress| registry.fingerprint(path, console.cancel(), progress))?;
        let load = |precision| Load {
            batch: self.batch.clamp(1, 1 << 20),
            tokens: self.tokens.min(1 << 24),
            new_tokens: self.new_tokens.min(1 << 24),
            precision,
        };
        let estimate = description.memory(path, &load(Precision::F32))?;
        let int8 = match description.kind {
            ModelKind::T5 | ModelKind::Bert => Some(description.memory(path, &load(Precision::Int8))?),
            ModelKind::Gguf => None,
        };
        let free = free_memory();
        let fits = free.map(|free| estimate.needed() <= free);
        let license = manifest.and_then(|m| m.license.clone()).or_else(|| description.license.clone());
        let tokenizer_fits = description.tokenizer <= description.vocabulary;
        let changed = manifest.is_some_and(|manifest| manifest.fingerprint != fingerprint);
        // GGUF models are computed with kernels for the processor alone.
        let devices: Vec<String> = DeviceChoice::list()
            .into_iter()
            .filter(|device| device.missing.is_none())
            .filter(|device| description.kind != ModelKind::Gguf || device.choice == DeviceChoice::Cpu)
            .map(|device| device.choice.to_string())
            .collect();
        if console.is_json() {
            console.print_json(&json!({
                "name": manifest.map(|manifest| &manifest.name),
                "path": path,
                "description": description,
                "license": license,
                "fingerprint": fingerprint,
                "changed_since_added": changed,
                "files": manifest.map(|manifest| &manifest.files),
                "source": manifest.map(|manifest| &manifest.source),
                "encoder": manifest.map(|manifest| &manifest.encoder),
                "tokenizer_fits": tokenizer_fits,
                "memory": {
                    "batch": self.batch,
                    "tokens": self.tokens,
                    "new_tokens": self.new_tokens,
                    "weight_bytes": estimate.weights,
                    "work_bytes": estimate.work,
                    "int8_weight_bytes": int8.map(|int8| int8.weights),
                    "free_bytes": free,
                    "fits": fits,
                },
                "devices": devices,
            }))?;
            return Ok(Outcome::Done);
        }
        let mut rows: Vec<(&str, String)> = Vec::new();
        if let Some(manifest) = manifest {
            rows.push(("name", plain(&manifest.name)));
        }
        rows.push(("path", plain(&path.display().to_string())));
        rows.push(("kind", format!("{} ({})", description.kind.name(), plain(&description.architecture))));
        rows.push(("parameters", count(description.parameters)));
        let layers = if description.kind == ModelKind::T5 { "layers a side" } else { "layers" };
        rows.push((
            "shape",
            format!(
                "{} wide, {} {layers}, {} heads",
                description.width, description.layers, description.heads
            ),
        ));
        let context = description.context.map_or_else(|| "not named".to_owned(), |n| format!("{n} tokens"));
        rows.push(("context", context));
        let fit = if tokenizer_fits { "fits" } else { "is of another model" };
        rows.push((
            "vocabulary",
            format!(
                "{} tokens; the tokenizer knows {} and {fit}",
                description.vocabulary, description.tokenizer
            ),
        ));
        rows.push(("license", plain(license.as_deref().unwrap_or("not named"))));
        let note = if changed { " (its files have changed since it was added)" } else { "" };
        rows.push(("fingerprint", format!("{fingerprint}{note}")));
        if let Some(prefixes) = manifest.and_then(|manifest| manifest.encoder.prefixes.as_ref()) {
            rows.push(("prefixes", format!("query {:?}, document {:?}", prefixes.query, prefixes.document)));
        }
        let answers = if description.kind.is_encoder() {
            String::new()
        } else {
            format!(" and {} new", self.new_tokens)
        };
        rows.push((
            "memory",
            format!(
                "{} of weights and {} for a batch of {} with {} tokens{answers}; {}",
                size(estimate.weights),
                size(estimate.work),
                self.batch,
                self.tokens,
                match (free, fits) {
                    (Some(free), Some(true)) => format!("fits, {} are free", size(free)),
                    (Some(free), _) => format!("does not fit, {} are free", size(free)),
                    (None, _) => "the system does not say how much is free".to_owned(),
                }
            ),
        ));
        if let Some(int8) = int8 {
            rows.push(("with int8", format!("{} of weights", size(int8.weights))));
        }
        rows.push(("devices", devices.join(", ")));
        if let Some(manifest) = manifest {
            for file in &manifest.files {
                rows.push((
                    "file",
                    format!("{} ({}) {}", plain(&file.path), size(file.size), plain(&file.sha256)),
                ));
            }
        }
        let text: String = rows.iter().map(|(what, value)| format!("{what:12} {value}\n")).collect();
        console.print(&text)?;
        Ok(Outcome::Done)
    }
}
