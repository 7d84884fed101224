//! `lamplight merge`: other stores' runs into one, such as the parts that a scheduler's jobs made.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::store_choice::StoreChoice;
use super::text::{plain, table};
use super::{CliError, Console, Outcome, Unit};
use crate::metrics::MeteorStages;
use crate::record::RunRecord;
use crate::store::{Merged, Reader, Store};

/// Copy what other stores hold into this one.
///
/// Parts of one run come together, and a run that is complete by it gets its
/// figures; where both have an answer to a sample, that of this store stays.
#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// The stores to copy from; they are only read.
    #[arg(required = true, value_name = "OTHER")]
    others: Vec<PathBuf>,
    #[command(flatten)]
    store: StoreChoice,
}

/// Runs the command.
pub(super) fn run(arguments: &MergeArgs, console: &Console) -> Result<Outcome, CliError> {
    let others: Vec<PathBuf> = arguments
        .others
        .iter()
        .map(|other| if other.is_dir() { other.join("lamplight.db") } else { other.clone() })
        .collect();
    // All must be stores before anything of one is copied, and none is made where a path is mistyped.
    for other in &others {
        Reader::open(other)?;
    }
    let mut store = arguments.store.open()?;
    let (mut shown, mut conflicts) = (Vec::new(), 0);
    for other in &others {
        let merged =
            console.with_progress(Unit::Items, |progress| store.merge(other, console.cancel(), progress))?;
        conflicts += merged.runs.iter().map(|run| run.conflicts).sum::<u64>();
        if console.is_json() {
            shown.push(json!({ "from": other, "merged": merged }));
        } else {
            console.print(&words(other, &merged))?;
        }
    }
    let finished = finish_complete(&mut store)?;
    if console.is_json() {
        let keys: Vec<&str> = finished.iter().map(|run| run.key.as_str()).collect();
        console.print_json(&json!({ "merged": Value::Array(shown), "finished": keys }))?;
    } else {
        for run in &finished {
            console.print(&format!("Run {} is complete and has its figures.\n", run.short_key()))?;
        }
        if conflicts > 0 {
            console.note("Where answers differ, that of the store merged into stayed.");
        }
    }
    Ok(if conflicts > 0 { Outcome::DataHasErrors } else { Outcome::Done })
}

/// Computes the figures of all runs that have every prediction and no figures, and on which nobody works.
fn finish_complete(store: &mut Store) -> Result<Vec<RunRecord>, CliError> {
    let reader = store.reader()?;
    let mut finished = Vec::new();
    for run in reader.runs()? {
        let complete = run.totals.done >= run.samples && run.aggregate.is_none();
        if complete
            && run.samples > 0
            && let Ok(_claim) = store.claim(&run)
        {
            crate::run::finish(store, &run, MeteorStages::ExactStem)?;
            finished.push(run);
        }
    }
    Ok(finished)
}

fn words(other: &std::path::Path, merged: &Merged) -> String {
    let mut out = format!("From {}\n", plain(&other.display().to_string()));
    let mut rows = vec![["Run", "New", "Known", "Differing"].map(str::to_owned).to_vec()];
    for run in &merged.runs {
        let short = run.key.get(..8).unwrap_or(&run.key);
        let counts = [run.new, run.known, run.conflicts].map(|count| count.to_string());
        rows.push([vec![plain(short)], counts.to_vec()].concat());
    }
    if merged.runs.is_empty() {
        out.push_str("It has no runs.\n");
    } else {
        out.push_str(&table(&rows, &[1, 2, 3]));
    }
    for run in &merged.unreadable {
        let short = run.key.get(..8).unwrap_or(&run.key);
        out.push_str(&format!(
            "Run {} was left out, since it cannot be read: {}\n",
            plain(short),
            plain(&run.reason)
        ));
    }
    if merged.answers > 0 || merged.tunings > 0 {
        out.push_str(&format!("{} kept answers and {} tunings are new.\n", merged.answers, merged.tunings));
    }
    if merged.verdicts > 0 {
        out.push_str(&format!("{} verdicts of judges are new.\n", merged.verdicts));
    }
    if merged.judgings_left_out > 0 {
        let count = merged.judgings_left_out;
        out.push_str(&format!("{count} judgings were left out, since they are of other answers.\n"));
    }
    out
}
