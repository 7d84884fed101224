//! The lines of the list: what is known of a dataset at once, and what a job counts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::taken::Open;
use crate::dataset::{Catalog, Dataset, FileRole};
use crate::gui::kit;
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
    /// Where the questions lie below the path that was opened.
    pub place: String,
    /// All files with their roles and sizes.
    pub files: String,
}

/// The lines of a catalog.
pub(super) fn rows(catalog: &Catalog, roots: &[PathBuf]) -> Arc<[Row]> {
    catalog.datasets.iter().map(|dataset| row(dataset, roots)).collect()
}

fn row(dataset: &Dataset, roots: &[PathBuf]) -> Row {
    let files = dataset.files();
    let line = |file: &crate::dataset::DataFileInfo| {
        let role = match file.role {
            FileRole::Questions => "questions",
            FileRole::Outputs => "references",
            FileRole::Ranking => "ranking",
        };
        format!("{role}: {} ({})", file.location.path().display(), kit::bytes(file.bytes))
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
        records: kit::count(dataset.len()),
        bytes,
        size: kit::bytes(bytes),
        place: files.first().map(|file| below(&file.location.path(), roots)).unwrap_or_default(),
        files: lines.join("\n"),
    }
}

/// A path without the opened folder that it lies in.
fn below(path: &Path, roots: &[PathBuf]) -> String {
    let rest = roots.iter().filter_map(|root| path.strip_prefix(root).ok());
    let rest = rest.filter(|rest| rest.components().next().is_some());
    let shortest = rest.min_by_key(|rest| rest.components().count());
    shortest.or_else(|| path.file_name().map(Path::new)).unwrap_or(path).display().to_string()
}

/// What is counted over all samples of a dataset.
#[derive(Debug)]
pub(super) struct Facts {
    /// Samples by the number of their profile entries, from the fewest to the most.
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
    let mut references = 0;
    let mut sizes = Vec::with_capacity(dataset.len());
    for (number, record) in dataset.summaries().enumerate() {
        if number % 4096 == 0 {
            cancel.check()?;
        }
        sizes.push(record.profile_entries);
        references += usize::from(record.has_reference);
    }
    let count = sizes.len();
    let golds = match (references, count) {
        (0, _) => ("no", "No sample has a reference: answers get no score.".to_owned()),
        (some, all) if some == all => ("yes", "Every sample has its reference.".to_owned()),
        (some, all) => {
            ("some", format!("{} of {} samples have a reference.", kit::count(some), kit::count(all)))
        }
    };
    let (bins, entries) = histogram(&mut sizes);
    Ok(Facts { bins, entries, references, golds })
}

/// Bars from the fewest entries to what 99 of 100 samples do not exceed, so that a few long profiles do not press all others
/// into one bar; those are in the last one. Beside them the figures in words.
fn histogram(sizes: &mut [usize]) -> (Vec<u64>, String) {
    let count = sizes.len();
    let (Some(&least), Some(&most)) = (sizes.iter().min(), sizes.iter().max()) else {
        return (Vec::new(), "no samples".to_owned());
    };
    let sum: u64 = sizes.iter().map(|&size| size as u64).sum();
    let upper = *sizes.select_nth_unstable((count - 1) * 99 / 100).1;
    let span = upper - least + 1;
    let bars = BARS.min(span);
    let mut bins = vec![0; bars];
    for size in sizes {
        let above = ((*size).min(upper) - least) as u128;
        bins[(above * bars as u128 / span as u128) as usize] += 1;
    }
    let mut entries = format!(
        "Profile entries of {}: mean {:.1}, {} to {}. A bar is {} wide",
        kit::counted(count, "sample", "samples"),
        sum as f64 / count as f64,
        kit::count(least),
        kit::count(most),
        kit::counted(span.div_ceil(bars), "entry", "entries"),
    );
    if most > upper {
        entries.push_str(&format!("; the last one holds all above {}", kit::count(upper)));
    }
    entries.push('.');
    (bins, entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_long_profiles_do_not_hide_the_others() {
        let mut sizes: Vec<usize> = (0..400).map(|number| 10 + number % 8).collect();
        sizes.push(5000);
        let (bins, entries) = histogram(&mut sizes);
        assert_eq!(bins, [50, 50, 50, 50, 50, 50, 50, 51]);
        assert!(entries.contains("10 to 5,000") && entries.contains("above 17"), "{entries}");
        assert_eq!(histogram(&mut [3]).0, [1]);
        assert!(histogram(&mut []).0.is_empty());
    }

    #[test]
    fn files_are_named_below_what_was_opened() {
        let roots: Vec<PathBuf> = vec!["/d".into(), "/d/LaMP_1".into()];
        assert_eq!(below(Path::new("/d/LaMP_1/dev.json"), &roots), "dev.json");
        assert_eq!(below(Path::new("/e/dev.json"), &["/e/dev.json".into()]), "dev.json");
    }
}
