//! `lamplight delete`: runs out of a store.

use clap::Args;
use serde_json::json;

use super::models::NotRemoved;
use super::store_choice::StoreChoice;
use super::text::plain;
use super::{CliError, Console, Outcome, Unit};
use crate::record::RunId;
use crate::store::{Reader, StoreError};

/// Remove runs with all that is stored of them.
///
/// Answers kept for other runs stay; `lamplight store clear-answers` removes those.
#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    /// The runs, by number or by the beginning of their key.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,
    /// Delete without being asked.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    store: StoreChoice,
}

/// Runs the command.
pub(super) fn run(arguments: &DeleteArgs, console: &Console) -> Result<Outcome, CliError> {
    let reader = arguments.store.reader()?;
    let mut runs: Vec<(RunId, String, u64)> = Vec::new();
    for text in &arguments.runs {
        let run = named(&reader, text)?;
        if !runs.iter().any(|(id, ..)| *id == run.0) {
            runs.push(run);
        }
    }
    let predictions: u64 = runs.iter().map(|(.., done)| done).sum();
    let keys: Vec<&str> = runs.iter().map(|(_, key, _)| key.as_str()).collect();
    let question = format!("Delete {} with {predictions} predictions? [y/N] ", plain(&keys.join(", ")));
    if !arguments.yes && !console.agrees(&question)? {
        return Err(NotRemoved.into());
    }
    let mut store = arguments.store.open()?;
    let freed = console.with_progress(Unit::Bytes, |progress| {
        for (id, ..) in &runs {
            store.delete(*id)?;
        }
        store.give_back(console.cancel(), progress)
    })?;
    if console.is_json() {
        console.print_json(&json!({ "deleted": keys, "predictions": predictions, "freed_bytes": freed }))?;
    } else {
        let noun = if keys.len() == 1 { "Run" } else { "Runs" };
        console.print(&format!("{noun} {} deleted, {predictions} predictions\n", plain(&keys.join(", "))))?;
    }
    Ok(Outcome::Done)
}

/// The run's number, short key and predictions; also of one that this program cannot read otherwise.
fn named(reader: &Reader, text: &str) -> Result<(RunId, String, u64), CliError> {
    match reader.find(text) {
        Ok(run) => Ok((run.id, run.short_key().to_owned(), run.totals.done)),
        Err(error @ StoreError::Unreadable { .. }) => {
            let given = text.trim().to_ascii_lowercase();
            let runs = reader.unreadable_runs()?;
            let run = runs.iter().find(|run| run.key.starts_with(&given) || run.id.0.to_string() == given);
            let run = run.ok_or(error)?;
            let done = reader.positions(run.id)?.len() as u64;
            Ok((run.id, run.key.get(..8).unwrap_or(&run.key).to_owned(), done))
        }
        Err(error) => Err(error.into()),
    }
}
