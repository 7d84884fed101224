//! `lamplight store`: the file itself, looked through, repaired, described and cleared.

use clap::{Args, Subcommand};
use serde_json::json;

use super::store_choice::StoreChoice;
use super::text::{plain, table};
use super::{CliError, Console, Outcome, Unit};
use crate::store::{self, CheckReport, ProblemKind, RepairReport, StoreInfo};

/// Look through, repair or describe the store of runs, or clear the answers it keeps for other runs.
#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Look through the whole store for damage and for what does not agree.
    Check(StoreChoice),
    /// Save what can be read of a damaged store into a fresh one in its place; the damaged file is kept beside it.
    Repair(StoreChoice),
    /// Show where the store is and what it holds.
    Info(StoreChoice),
    /// Forget the answers kept for other runs. No run loses anything by it; equal prompts are answered again.
    ClearAnswers(StoreChoice),
}

/// Runs the command.
pub(super) fn run(arguments: &StoreArgs, console: &Console) -> Result<Outcome, CliError> {
    match &arguments.what {
        What::Check(choice) => {
            let path = choice.path()?;
            let report = console
                .with_progress(Unit::Items, |progress| store::check(&path, console.cancel(), progress))?;
            if console.is_json() {
                console.print_json(&report)?;
            } else {
                console.print(&checked(&report))?;
            }
            Ok(if report.is_sound() { Outcome::Done } else { Outcome::DataHasErrors })
        }
        What::Repair(choice) => {
            let path = choice.path()?;
            let report = console
                .with_progress(Unit::Items, |progress| store::repair(&path, console.cancel(), progress))?;
            if console.is_json() {
                console.print_json(&report)?;
            } else {
                console.print(&repaired(&report))?;
            }
            Ok(Outcome::Done)
        }
        What::Info(choice) => {
            let info = choice.reader()?.info()?;
            if console.is_json() {
                console.print_json(&info)?;
            } else {
                console.print(&described(&info))?;
            }
            Ok(Outcome::Done)
        }
        What::ClearAnswers(choice) => {
            choice.reader()?; // no store is made only to be cleared
            let mut store = choice.open()?;
            let cleared = store.clear_answers()?;
            let freed =
                console.with_progress(Unit::Bytes, |progress| store.give_back(console.cancel(), progress))?;
            if console.is_json() {
                console.print_json(&json!({ "cleared": cleared, "freed_bytes": freed }))?;
            } else {
                console.print(&format!("{cleared} kept answers cleared, {} given back\n", size(freed)))?;
            }
            Ok(Outcome::Done)
        }
    }
}

fn size(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes < 1e6 => format!("{:.1} KB", bytes / 1e3),
        bytes if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.2} GB", bytes / 1e9),
    }
}

fn counted(tables: &[(String, u64)]) -> String {
    let rows: Vec<Vec<String>> = tables
        .iter()
        .map(|(name, rows)| vec![format!("  {}", name.replace('_', " ")), rows.to_string()])
        .collect();
    table(&rows, &[1])
}

fn checked(report: &CheckReport) -> String {
    let mut out = format!("{}, {}\n", plain(&report.path.display().to_string()), size(report.bytes));
    out.push_str(&counted(&report.tables));
    for problem in &report.problems {
        let kind = match problem.kind {
            ProblemKind::Damaged => "Damaged",
            ProblemKind::Inconsistent => "Inconsistent",
            ProblemKind::Unreadable => "Unreadable",
        };
        out.push_str(&format!("{kind}: {}\n", plain(&problem.text)));
    }
    let repairable = |kind: ProblemKind| kind != ProblemKind::Unreadable;
    out.push_str(match report.problems.as_slice() {
        [] => "No problem was found.\n",
        problems if problems.iter().any(|problem| repairable(problem.kind)) => {
            "`lamplight store repair` saves what can be read and keeps the present file.\n"
        }
        _ => "",
    });
    out
}

fn repaired(report: &RepairReport) -> String {
    let mut rows = vec![["Table", "Saved", "Left out", "Unreadable places"].map(str::to_owned).to_vec()];
    rows.extend(report.tables.iter().map(|table| {
        let counts = [table.saved, table.left_out, table.gaps].map(|count| count.to_string());
        [vec![table.table.replace('_', " ")], counts.to_vec()].concat()
    }));
    let mut out = table(&rows, &[1, 2, 3]);
    for note in &report.notes {
        out.push_str(&format!("{}.\n", plain(note)));
    }
    let (path, kept) = (report.path.display().to_string(), report.kept.display().to_string());
    out.push_str(&format!("The fresh store is {}; the file as it was is {}\n", plain(&path), plain(&kept)));
    out
}

fn described(info: &StoreInfo) -> String {
    let mut out = format!(
        "{}\nForm {}, {} on disk, {} of it free\n",
        plain(&info.path.display().to_string()),
        info.version,
        size(info.bytes),
        size(info.free_bytes)
    );
    out.push_str(&counted(&info.tables));
    out
}
