//! `lamplight export`: stored results to files for other programs, papers and the leaderboard.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::run_choice::{Chosen, RunChoice};
use super::selection::{DatasetSelection, SelectionError, describe};
use super::store_choice::StoreChoice;
use super::table::TableContent;
use super::{CliError, Console, Outcome, Unit};
use crate::dataset::Dataset;
use crate::record::{Prediction, RunRecord, RunStatus};
use crate::report::Judged;
use crate::report::files::{self, TableFormat};
use crate::store::Reader;

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

impl ExportArgs {
    /// The table of some runs as CSV.
    pub(super) fn csv(store: StoreChoice, choice: RunChoice, out: &Path) -> Self {
        Self {
            runs: Vec::new(),
            store,
            format: ExportFormat::Csv,
            out: out.to_owned(),
            choice,
            content: TableContent::default(),
            prompts: false,
            standalone: false,
            questions: Vec::new(),
            cache_dir: None,
        }
    }
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

/// Runs the command.
pub fn run(args: &ExportArgs, console: &Console) -> Result<Outcome, CliError> {
    let reader = args.store.reader()?;
    let chosen = args.choice.find(&reader, &args.runs, console)?;
    let table = |format| -> Result<(), CliError> {
        Ok(files::write_table(&args.out, &args.content.table(&reader, &chosen)?, format)?)
    };
    let what = match args.format {
        ExportFormat::Csv => table(TableFormat::Csv).map(|()| "the table")?,
        ExportFormat::Json => table(TableFormat::Json).map(|()| "the table")?,
        ExportFormat::Markdown => table(TableFormat::Markdown).map(|()| "the table")?,
        ExportFormat::Latex => {
            table(TableFormat::Latex { standalone: args.standalone }).map(|()| "the table")?
        }
        ExportFormat::Samples => {
            let runs = whole_runs(args, &chosen, console);
            let metrics = args.content.metrics.choice();
            let total = runs.iter().map(|run| run.totals.done).sum();
            let judged = Judged::all(reader.judgings()?, &runs, |judging| reader.verdicts(judging))?;
            console.with_progress(Unit::Items, |progress| {
                progress.start("Writing", total);
                let mut read = |run: &RunRecord, prompts: bool, each: &mut EachPrediction<'_>| {
                    read(&reader, console, run, prompts, &mut |prediction| {
                        progress.add(1);
                        each(prediction)
                    })
                };
                files::write_samples(&args.out, &runs, &metrics, &judged, args.prompts, &mut read)
            })?;
            "the samples"
        }
        ExportFormat::Submission => {
            let runs = whole_runs(args, &chosen, console);
            let mut questions = |run: &RunRecord| question_ids(args, console, run);
            let mut read = |run: &RunRecord, prompts: bool, each: &mut EachPrediction<'_>| {
                read(&reader, console, run, prompts, each)
            };
            files::write_submission(&args.out, &runs, &mut questions, &mut read)?;
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

type EachPrediction<'a> = dyn FnMut(Prediction) -> ControlFlow<()> + 'a;

/// Reads a run's predictions until the person cancels.
fn read(
    reader: &Reader,
    console: &Console,
    run: &RunRecord,
    prompts: bool,
    each: &mut EachPrediction<'_>,
) -> Result<(), CliError> {
    reader.predictions(run.id, prompts, &mut |prediction| match console.cancel().is_canceled() {
        true => ControlFlow::Break(()),
        false => each(prediction),
    })?;
    Ok(console.cancel().check()?)
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
