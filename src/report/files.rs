//! Results as files: each appears whole or not at all.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::submission::{self, SubmissionError, TaskOutputs};
use super::{Judged, MetricChoice, ResultTable, SampleColumn, csv, json, latex, markdown};
use crate::lamp::Metric;
use crate::record::{Prediction, RunRecord};
use crate::whole_file::WholeFile;

/// Results could not be written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No submission can be made.
    #[error(transparent)]
    Submission(#[from] SubmissionError),
}

/// Kinds of files that hold a whole table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// A line a cell.
    Csv,
    /// For programs.
    Json,
    /// For Markdown files.
    Markdown,
    /// For papers.
    Latex {
        /// Whether it is a document of its own.
        standalone: bool,
    },
}

/// Writes a table.
///
/// # Errors
/// A file that cannot be written.
pub fn write_table(path: &Path, table: &ResultTable, format: TableFormat) -> Result<(), FileError> {
    let written = match format {
        TableFormat::Csv => WholeFile::create(path)
            .and_then(|mut file| csv::summary(table, &mut file).and_then(|()| file.finish())),
        TableFormat::Json => {
            serde_json::to_vec_pretty(&json::document(table)).map_err(io::Error::from).and_then(|mut text| {
                text.push(b'\n');
                WholeFile::put(path, &text)
            })
        }
        TableFormat::Markdown => WholeFile::put(path, markdown::markdown(table).as_bytes()),
        TableFormat::Latex { standalone } => WholeFile::put(path, latex::latex(table, standalone).as_bytes()),
    };
    written.map_err(|source| FileError::Write { path: path.to_owned(), source })
}

/// Reads a run's predictions, with or without their prompts, one at a time.
pub type ReadRun<'a, E> =
    dyn FnMut(&RunRecord, bool, &mut dyn FnMut(Prediction) -> ControlFlow<()>) -> Result<(), E> + 'a;

/// Writes a line a sample, in the order of runs and samples, with what judges said of it, one sample in memory at a time. What `read` ends early ends with its
/// error, and no file appears.
///
/// # Errors
/// A file that cannot be written; the first error of `read`.
pub fn write_samples<E: From<FileError>>(
    path: &Path,
    runs: &[RunRecord],
    metrics: &MetricChoice,
    judged: &[Judged],
    prompts: bool,
    read: &mut ReadRun<'_, E>,
) -> Result<(), E> {
    let failed = |source| FileError::Write { path: path.to_owned(), source };
    let file = WholeFile::create(path).map_err(failed)?;
    let mut lines =
        csv::SampleLines::new(file, &sample_metrics(runs, metrics), SampleColumn::all(judged), prompts)
            .map_err(failed)?;
    for run in runs {
        let mut problem: Option<io::Error> = None;
        read(run, prompts, &mut |prediction| match lines.write(run, &prediction) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                problem = Some(error);
                ControlFlow::Break(())
            }
        })?;
        if let Some(error) = problem {
            return Err(failed(error).into());
        }
    }
    Ok(lines.finish().and_then(WholeFile::finish).map_err(failed)?)
}

/// The metrics that any of the runs' tasks has, in their usual order.
fn sample_metrics(runs: &[RunRecord], choice: &MetricChoice) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = runs.iter().flat_map(|run| choice.of(run.spec.dataset.task)).collect();
    metrics.sort_unstable();
    metrics.dedup();
    // What a sample has of it is its accuracy again.
    metrics.retain(|metric| *metric != Metric::MacroF1);
    metrics
}

/// Writes the leaderboard's zip. `questions` gives the ids that a run's task must answer, in their order.
///
/// # Errors
/// Runs that cannot be submitted together, or do not answer the questions; a file that cannot be written; the first error of
/// `questions` and `read`.
pub fn write_submission<E: From<FileError>>(
    path: &Path,
    runs: &[RunRecord],
    questions: &mut dyn FnMut(&RunRecord) -> Result<Vec<String>, E>,
    read: &mut ReadRun<'_, E>,
) -> Result<(), E> {
    submission::check_runs(runs).map_err(FileError::from)?;
    let mut tasks = Vec::with_capacity(runs.len());
    for run in runs {
        let questions = questions(run)?;
        let mut outputs = Vec::with_capacity(questions.len());
        read(run, false, &mut |prediction| {
            if prediction.error.is_none() {
                outputs.push((prediction.sample_id, prediction.answer));
            }
            ControlFlow::Continue(())
        })?;
        tasks.push(TaskOutputs::new(run, &questions, outputs).map_err(FileError::from)?);
    }
    let zip = submission::zip(&tasks).map_err(FileError::from)?;
    Ok(WholeFile::put(path, &zip).map_err(|source| FileError::Write { path: path.to_owned(), source })?)
}
