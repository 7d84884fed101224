//! The lines of the list: what is known of a dataset at once, and what a job counts.

use std::path::PathBuf;
use std::sync::Arc;

use super::taken::Open;
use super::words;
use crate::dataset::{Catalog, Dataset, FileRole};
use crate::jobs::{CancelToken, Canceled};

/// Bars of the small histogram.
const BARS: usize = 24;

/// What is known of a dataset when it is opened.
#[derive(Debug)]
pub(super) struct Row {
    /// The dataset.
    pub dataset: Dataset,
    /// Its files and sizes: equal for what need not be checked again.
    pub key: String,
    /// `LaMP-1 user dev`.
    pub name: String,
    /// What the experiment's tables go by.
    pub open: Open,
    /// How many samples, in words.
    pub records: String,
    /// The size of all files, in bytes.
    pub bytes: u64,
    /// The same in words.
    pub size: String,
    /// Where the questions lie.
    pub path: String,
    /// All files with their roles and sizes.
    pub files: String,
}

/// The lines of a catalog.
pub(super) fn rows(catalog: &Catalog) -> Arc<[Row]> {
    catalog.datasets.iter().map(row).collect()
}

fn row(dataset: &Dataset) -> Row {
    let files = dataset.files();
    let line = |file: &crate::dataset::DataFileInfo| {
        let role = match file.role {
            FileRole::Questions => "questions",
            FileRole::Outputs => "references",
            FileRole::Ranking => "ranking",
        };
        format!("{role}: {} ({})", file.location.path().display(), words::bytes(file.bytes))
    };
    let paths: Vec<PathBuf> = files.iter().map(|file| file.location.file.clone()).collect();
    let lines: Vec<String> = files.iter().map(line).collect();
    let bytes = files.iter().map(|file| file.bytes).sum();
    let id = dataset.id();
    Row {
        dataset: dataset.clone(),
        key: files.iter().fold(id.to_string(), |key, file| {
            format!("{key}\n{} {}", file.location.path().display(), file.bytes)
        }),
        name: id.to_string(),
        open: Open { id, files: paths },
        records: words::count(dataset.len()),
        bytes,
        size: words::bytes(bytes),
        path: files.first().map(|file| file.location.path().display().to_string()).unwrap_or_default(),
        files: lines.join("\n"),
    }
}

/// What is counted over all samples of a dataset.
#[derive(Debug)]
pub(super) struct Facts {
    /// Samples by the number of their profile entries, from none to the most.
    pub bins: Vec<u64>,
    /// The sizes of profiles in words.
    pub entries: String,
    /// Samples with a reference.
    pub references: usize,
    /// The same in a word, and in a sentence.
    pub golds: (&'static str, String),
}

/// Counts over all samples; reads no file.
pub(super) fn facts(dataset: &Dataset, cancel: &CancelToken) -> Result<Facts, Canceled> {
    let (mut most, mut least, mut sum, mut references) = (0, usize::MAX, 0_u64, 0);
    for (number, record) in dataset.summaries().enumerate() {
        if number % 4096 == 0 {
            cancel.check()?;
        }
        most = most.max(record.profile_entries);
        least = least.min(record.profile_entries);
        sum += record.profile_entries as u64;
        references += usize::from(record.has_reference);
    }
    let bars = BARS.min(most + 1);
    let mut bins = vec![0; bars];
    for (number, record) in dataset.summaries().enumerate() {
        if number % 4096 == 0 {
            cancel.check()?;
        }
        bins[(record.profile_entries as u128 * bars as u128 / (most as u128 + 1)) as usize] += 1;
    }
    let count = dataset.len();
    let entries = match count {
        0 => "no samples".to_owned(),
        _ => format!(
            "Profile entries of {}: mean {:.1}, {} to {}. A bar is {} wide.",
            words::counted(count, "sample", "samples"),
            sum as f64 / count as f64,
            words::count(least),
            words::count(most),
            words::counted((most + 1).div_ceil(bars), "entry", "entries"),
        ),
    };
    let golds = match (references, count) {
        (0, _) => ("no", "No sample has a reference: answers get no score.".to_owned()),
        (some, all) if some == all => ("yes", "Every sample has its reference.".to_owned()),
        (some, all) => {
            ("some", format!("{} of {} samples have a reference.", words::count(some), words::count(all)))
        }
    };
    Ok(Facts { bins, entries, references, golds })
}
