//! `lamplight export`: stored results to files for other programs, papers and the leaderboard.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::run_choice::{Chosen, RunChoice};
use super::selection::{DatasetSelection, SelectionError, describe};
use super::store_choice::StoreChoice;
use super::table::TableContent;
use super::{CliError, Console, Outcome, Unit};
use crate::dataset::Dataset;
use crate::lamp::Metric;
use crate::record::{RunRecord, RunStatus};
use crate::report::submission::{self, SubmissionError, TaskOutputs};
use crate::report::{MetricChoice, csv, json, latex, markdown};
use crate::store::Reader;
use crate::whole_file::WholeFile;

/// Write results to a file: tables, a line a sample, or a submission for the leaderboard.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// These runs, by their numbers or the beginnings of their keys [default: all finished ones that fit].
    #[arg(value_name = "RUN")]
    runs: Vec<String>,
    #[command(flatten)]
    store: StoreChoice,
    /// What to write.
    #[arg(long, value_enum)]
    format: ExportFormat,
    /// The file; replaced if it is there.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    choice: RunChoice,
    #[command(flatten)]
    content: TableContent,
    /// With samples: what the model read, too.
    #[arg(long)]
    prompts: bool,
    /// With latex: a document of its own, ready to be typeset.
    #[arg(long)]
    standalone: bool,
    /// With submission: the questions that must be answered, as files or folders; may be repeated.
    #[arg(long, value_name = "PATH", required_if_eq("format", "submission"))]
    questions: Vec<PathBuf>,
    /// Where indexes and unpacked files are kept; the system's cache folder by default.
    #[arg(long, env = "LAMPLIGHT_CACHE_DIR", hide_env_values = true, value_name = "FOLDER")]
    cache_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// The table as CSV, a line a cell.
    Csv,
    /// CSV with a line a sample.
    Samples,
    /// The table as JSON.
    Json,
    /// The table as Markdown.
    Markdown,
    /// The table as LaTeX.
    Latex,
    /// The leaderboard's zip.
    Submission,
}

/// Results could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
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

/// Runs the command.
pub fn run(args: &ExportArgs, console: &Console) -> Result<Outcome, CliError> {
    let reader = args.store.reader()?;
    let chosen = args.choice.find(&reader, &args.runs, console)?;
    let failed = |source| ExportError::Write { path: args.out.clone(), source };
    let put = |bytes: &[u8]| WholeFile::put(&args.out, bytes).map_err(failed);
    let table = || args.content.table(&reader, &chosen);
    let what = match args.format {
        ExportFormat::Csv => {
            let mut file = WholeFile::create(&args.out).map_err(failed)?;
            csv::summary(&table()?, &mut file).and_then(|()| file.finish()).map_err(failed)?;
            "the table"
        }
        ExportFormat::Json => {
            let mut text = serde_json::to_vec_pretty(&json::document(&table()?)).map_err(io::Error::from)?;
            text.push(b'\n');
            put(&text)?;
            "the table"
        }
        ExportFormat::Markdown => {
            put(markdown::markdown(&table()?).as_bytes())?;
            "the table"
        }
        ExportFormat::Latex => {
            put(latex::latex(&table()?, args.standalone).as_bytes())?;
            "the table"
        }
        ExportFormat::Samples => {
            samples(args, console, &reader, &chosen)?;
            "the samples"
        }
        ExportFormat::Submission => {
            put(&submission(args, console, &reader, &chosen)?)?;
            "the submission"
        }
    };
    if console.is_json() {
        console.print_json(&serde_json::json!({ "written": args.out }))?;
    } else {
        console.note(&format!("Wrote {what} to {}.", args.out.display()));
    }
    Ok(Outcome::Done)
}

/// The runs that are written sample by sample or submitted: those named, finished or not, else the finished ones.
fn whole_runs(args: &ExportArgs, chosen: &Chosen, console: &Console) -> Vec<RunRecord> {
    let named = !args.runs.is_empty();
    let runs = chosen.runs.iter().filter(|run| named || run.status == RunStatus::Done);
    let runs: Vec<RunRecord> = runs.cloned().collect();
    let left = chosen.runs.len() - runs.len();
    if left > 0 {
        console
            .note(&format!("{left} runs that are not done are left out; name them to write what they have."));
    }
    runs
}

/// One line a sample, in the order of runs and samples, one sample in memory at a time.
fn samples(args: &ExportArgs, console: &Console, reader: &Reader, chosen: &Chosen) -> Result<(), CliError> {
    let runs = whole_runs(args, chosen, console);
    let failed = |source| ExportError::Write { path: args.out.clone(), source };
    let file = WholeFile::create(&args.out).map_err(failed)?;
    let metrics = sample_metrics(&runs, &args.content.metrics.choice());
    let mut lines = csv::SampleLines::new(file, &metrics, args.prompts).map_err(failed)?;
    let total = runs.iter().map(|run| run.totals.done).sum();
    console.with_progress(Unit::Items, |progress| {
        progress.start("Writing", total);
        for run in &runs {
            let mut problem: Option<CliError> = None;
            reader.predictions(run.id, args.prompts, &mut |prediction| {
                let written = console
                    .cancel()
                    .check()
                    .map_err(CliError::from)
                    .and_then(|()| Ok(lines.write(run, &prediction).map_err(failed)?));
                progress.add(1);
                match written {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        problem = Some(error);
                        ControlFlow::Break(())
                    }
                }
            })?;
            if let Some(error) = problem {
                return Err(error);
            }
        }
        Ok(())
    })?;
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

fn submission(
    args: &ExportArgs,
    console: &Console,
    reader: &Reader,
    chosen: &Chosen,
) -> Result<Vec<u8>, CliError> {
    let runs = whole_runs(args, chosen, console);
    submission::check_runs(&runs).map_err(ExportError::from)?;
    let mut tasks = Vec::with_capacity(runs.len());
    for run in &runs {
        let questions = question_ids(args, console, run)?;
        let mut outputs = Vec::with_capacity(questions.len());
        reader.predictions(run.id, false, &mut |prediction| {
            if prediction.error.is_none() {
                outputs.push((prediction.sample_id, prediction.answer));
            }
            if console.cancel().is_canceled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        console.cancel().check()?;
        tasks.push(TaskOutputs::new(run, &questions, outputs).map_err(ExportError::from)?);
    }
    Ok(submission::zip(&tasks).map_err(ExportError::from)?)
}

/// The ids of the questions of a run's task, setting and split under the paths given.
fn question_ids(args: &ExportArgs, console: &Console, run: &RunRecord) -> Result<Vec<String>, CliError> {
    let wanted = &run.spec.dataset;
    // What a file says of its task and setting is believed: one file alone would else be whatever the run is of.
    let selection = DatasetSelection {
        paths: args.questions.clone(),
        task: None,
        setting: None,
        split: Some(wanted.split),
        skip_broken: wanted.skip_broken,
        cache_dir: args.cache_dir.clone(),
    };
    let all = selection.all(console)?;
    let fitting: Vec<&Dataset> =
        all.iter().filter(|set| (set.id().task, set.id().setting) == (wanted.task, wanted.setting)).collect();
    let found = |sets: &mut dyn Iterator<Item = &Dataset>| sets.map(describe).collect();
    match fitting[..] {
        [dataset] => {
            dataset.ensure_usable()?;
            Ok(dataset.summaries().map(|record| record.id.to_owned()).collect())
        }
        [] => Err(SelectionError::NoneMatches { found: found(&mut all.iter()) }.into()),
        _ => Err(SelectionError::Several { found: found(&mut fitting.into_iter()) }.into()),
    }
}
