//! `lamplight check`: what datasets there are, and what is wrong with them.

use std::fmt::Write;

use clap::Args;
use serde::Serialize;

use super::selection::DatasetSelection;
use super::text::{plain, table};
use super::{CliError, Console, Outcome, Unit};
use crate::dataset::{Catalog, Dataset, DatasetId, FileRole, Finding, Severity};

/// Lists the datasets under the paths and checks each.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    selection: DatasetSelection,
}

#[derive(Serialize)]
struct Report {
    datasets: Vec<DatasetReport>,
    unrecognized: Vec<FileReport>,
}

#[derive(Serialize)]
struct DatasetReport {
    #[serde(flatten)]
    id: DatasetId,
    files: Vec<PathReport>,
    records: usize,
    broken: usize,
    profile_entries: Entries,
    golds: usize,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct PathReport {
    role: FileRole,
    path: String,
    bytes: u64,
}

#[derive(Serialize)]
struct FileReport {
    path: String,
    reason: String,
    severity: Severity,
}

#[derive(Serialize)]
struct Entries {
    min: usize,
    mean: f64,
    max: usize,
}

impl Check {
    /// Runs the command.
    pub fn run(&self, console: &Console) -> Result<Outcome, CliError> {
        let catalog = self.selection.open(console, true)?;
        let datasets =
            catalog.datasets.iter().map(|dataset| report(dataset, console)).collect::<Result<_, _>>()?;
        let report = Report { datasets, unrecognized: unrecognized(&catalog) };
        if console.is_json() {
            console.print_json(&report)?;
        } else {
            console.print(&words(&report))?;
        }
        let findings = report
            .datasets
            .iter()
            .flat_map(|dataset| dataset.findings.iter().map(|finding| finding.severity));
        let has_errors = findings
            .chain(report.unrecognized.iter().map(|file| file.severity))
            .any(|severity| severity == Severity::Error);
        Ok(if has_errors || catalog.datasets.is_empty() { Outcome::DataHasErrors } else { Outcome::Done })
    }
}

fn report(dataset: &Dataset, console: &Console) -> Result<DatasetReport, CliError> {
    let findings =
        console.with_progress(Unit::Items, |progress| dataset.check(console.cancel(), progress))?;
    let sizes = || dataset.summaries().map(|record| record.profile_entries);
    let path = |file: crate::dataset::DataFileInfo| PathReport {
        role: file.role,
        path: file.location.path().display().to_string(),
        bytes: file.bytes,
    };
    Ok(DatasetReport {
        id: dataset.id(),
        files: dataset.files().into_iter().map(path).collect(),
        records: dataset.len(),
        broken: dataset.broken_count(),
        profile_entries: Entries {
            min: sizes().min().unwrap_or(0),
            mean: sizes().sum::<usize>() as f64 / dataset.len().max(1) as f64,
            max: sizes().max().unwrap_or(0),
        },
        golds: dataset.summaries().filter(|record| record.has_reference).count(),
        findings,
    })
}

fn unrecognized(catalog: &Catalog) -> Vec<FileReport> {
    let file = |file: &crate::dataset::Unrecognized| FileReport {
        path: file.location.path().display().to_string(),
        reason: file.reason.to_string(),
        severity: if file.is_error() { Severity::Error } else { Severity::Note },
    };
    catalog.unrecognized.iter().map(file).collect()
}

const fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// The report for people.
fn words(report: &Report) -> String {
    let heads =
        ["Task", "Setting", "Split", "Records", "Broken", "Min", "Mean", "Max entries", "Golds", "Questions"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for dataset in &report.datasets {
        let entries = &dataset.profile_entries;
        rows.push(vec![
            dataset.id.task.to_string(),
            dataset.id.setting.to_string(),
            dataset.id.split.to_string(),
            dataset.records.to_string(),
            dataset.broken.to_string(),
            entries.min.to_string(),
            format!("{:.1}", entries.mean),
            entries.max.to_string(),
            dataset.golds.to_string(),
            plain(dataset.files.first().map_or("", |file| &file.path)),
        ]);
    }
    let mut out = if report.datasets.is_empty() {
        "No dataset found.\n".to_owned()
    } else {
        table(&rows, &[3, 4, 5, 6, 7, 8])
    };
    // Writing into a `String` cannot fail.
    for dataset in report.datasets.iter().filter(|dataset| !dataset.findings.is_empty()) {
        let _ = writeln!(out, "\n{}", dataset.id);
        for finding in &dataset.findings {
            let _ = writeln!(out, "  {:<8} {}", name(finding.severity), plain(&finding.what));
            if !finding.records.is_empty() {
                let more = if finding.count > finding.records.len() { ", …" } else { "" };
                let noun = if finding.count == 1 { "record" } else { "records" };
                let _ = writeln!(out, "           {noun} {}{more}", plain(&finding.records.join(", ")));
            }
            let _ = writeln!(out, "           {}", finding.advice);
        }
    }
    if !report.unrecognized.is_empty() {
        let _ = writeln!(out, "\nNot part of a dataset");
        for file in &report.unrecognized {
            let _ =
                writeln!(out, "  {:<8} {}: {}", name(file.severity), plain(&file.path), plain(&file.reason));
        }
    }
    out
}
