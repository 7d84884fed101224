//! The tables of installed and of known models.

use serde_json::json;

use super::row;
use crate::cli::text::{fitted, plain, table};
use crate::cli::{CliError, Console, Outcome};
use crate::model::known;
use crate::model::registry::{Entry, Registry, Source};

/// Prints what is installed, and what is wrong with it.
pub(super) fn installed(registry: &Registry, console: &Console) -> Result<Outcome, CliError> {
    let entries = registry.list()?;
    let gone = |entry: &Entry| match entry {
        Entry::Installed(manifest) => !registry.path(manifest).exists(),
        _ => false,
    };
    let bad = entries.iter().any(|entry| matches!(entry, Entry::Broken { .. }) || gone(entry));
    if console.is_json() {
        let rows: Vec<_> = entries
            .iter()
            .map(|entry| match entry {
                Entry::Installed(manifest) => {
                    let mut row = row(registry, manifest);
                    row["status"] = if gone(entry) { "gone" } else { "installed" }.into();
                    row
                }
                Entry::Broken { name, error } => {
                    json!({ "name": name, "status": "broken", "error": error.to_string() })
                }
                Entry::Unfinished { name, repository, bytes } => {
                    json!({ "name": name, "status": "unfinished", "repository": repository, "bytes": bytes })
                }
            })
            .collect();
        console.print_json(&rows)?;
    } else {
        let mut rows = vec![heading(&["NAME", "KIND", "PARAMETERS", "SIZE", "LICENSE", "FROM"])];
        for entry in &entries {
            rows.push(match entry {
                Entry::Installed(manifest) => vec![
                    plain(&manifest.name),
                    format!("{} {}", manifest.kind.name(), plain(&manifest.architecture)),
                    count(manifest.parameters),
                    size(manifest.size()),
                    plain(manifest.license.as_deref().unwrap_or("–")),
                    if gone(entry) { "its files are gone".to_owned() } else { origin(&manifest.source) },
                ],
                Entry::Broken { name, error } => {
                    vec![
                        plain(name),
                        "broken".into(),
                        String::new(),
                        String::new(),
                        String::new(),
                        plain(&error.to_string()),
                    ]
                }
                Entry::Unfinished { name, repository, bytes } => vec![
                    plain(name),
                    "unfinished".into(),
                    String::new(),
                    size(*bytes),
                    String::new(),
                    format!(
                        "`models get` continues{}",
                        repository.as_ref().map_or_else(String::new, |from| format!(" {}", plain(from)))
                    ),
                ],
            });
        }
        let width = console.width();
        let lines: String =
            table(&rows, &[2, 3]).lines().map(|line| format!("{}\n", fitted(line, width))).collect();
        console.print(&lines)?;
        if entries.iter().all(is_shipped) {
            console.note(&format!(
                "No other models in {}. `lamplight models list --known` shows some to get.",
                registry.folder().display()
            ));
        }
    }
    Ok(if bad { Outcome::DataHasErrors } else { Outcome::Done })
}

fn is_shipped(entry: &Entry) -> bool {
    matches!(entry, Entry::Installed(manifest) if manifest.source == Source::Program)
}

/// Prints the models that are known to run here.
pub(super) fn known(console: &Console) -> Result<Outcome, CliError> {
    if console.is_json() {
        let rows: Vec<_> = known::ALL
            .iter()
            .map(|known| {
                json!({
                    "id": known.wanted(),
                    "repository": known.repository,
                    "file": known.file,
                    "role": known.role.name(),
                    "parameters": (known.parameters_millions * 1e6) as u64,
                    "bytes": known.megabytes * 1_000_000,
                    "license": known.license,
                    "used_for": known.used_for,
                    "encoder": known.encoder(),
                })
            })
            .collect();
        console.print_json(&rows)?;
        return Ok(Outcome::Done);
    }
    let mut rows = vec![heading(&["ID", "ROLE", "PARAMETERS", "SIZE", "LICENSE", "USED FOR"])];
    rows.extend(known::ALL.iter().map(|known| {
        vec![
            known.wanted(),
            known.role.name().to_owned(),
            count((known.parameters_millions * 1e6) as u64),
            size(known.megabytes * 1_000_000),
            known.license.to_owned(),
            known.used_for.to_owned(),
        ]
    }));
    console.print(&table(&rows, &[2, 3]))?;
    Ok(Outcome::Done)
}

fn heading(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn origin(source: &Source) -> String {
    match source {
        Source::Hub { repository, commit, cached, .. } => {
            let place = if *cached { ", in Hugging Face's cache" } else { "" };
            format!("{}@{}{place}", plain(repository), plain(&commit.chars().take(7).collect::<String>()))
        }
        Source::Program => "part of the program".to_owned(),
        Source::Place(path) => format!("in place: {}", plain(&path.display().to_string())),
        Source::Copy(path) => format!("copy of {}", plain(&path.display().to_string())),
    }
}

/// Bytes for a person, in decimal units.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes.div_ceil(1_000_000)),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

/// A count for a person: 77.0M, 11.1B.
pub(super) fn count(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => format!("{:.1}k", number as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}M", number as f64 / 1e6),
        _ => format!("{:.1}B", number as f64 / 1e9),
    }
}
