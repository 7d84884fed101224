//! `lamplight chart`: stored results as pictures for papers and slides.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::run_choice::RunChoice;
use super::store_choice::StoreChoice;
use super::table::MetricArgs;
use super::{CliError, Console, Outcome, Unit};
use crate::lamp::{Metric, Task};
use crate::record::{Column, Prediction, RunId, RunRecord};
use crate::report::MetricChoice;
use crate::report::chart::{self, ChartError, ChartKind, Format, RunChart, RunData, Style, Theme};
use crate::store::Reader;

/// Draw results: bars by method, curves over k, gain by profile size, confusions of ratings, or what a tuning tried.
///
/// Draws the finished runs of the store, or those that fit all arguments.
#[derive(Debug, Args)]
pub struct ChartArgs {
    /// What to draw.
    #[arg(value_enum, default_value_t)]
    kind: Kind,
    #[command(flatten)]
    store: StoreChoice,
    /// The picture, .svg or .png; replaced if it is there.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What it lies on: paper (white), light or dark.
    #[arg(long, default_value = "paper")]
    theme: Theme,
    /// Its width in millimeters: 85 for a column of a paper, 175 for a page, or any other.
    #[arg(long, value_name = "MM", default_value_t = Style::PAGE_MM)]
    width: f64,
    /// This run, by its number or the beginning of its key; may be repeated.
    #[arg(long, value_name = "RUN")]
    run: Vec<String>,
    #[command(flatten)]
    choice: RunChoice,
    #[command(flatten)]
    metrics: MetricArgs,
}

impl ChartArgs {
    /// A chart of some runs for a page of a paper.
    pub(super) fn of(kind: Kind, store: StoreChoice, choice: RunChoice, out: &Path) -> Self {
        Self {
            kind,
            store,
            out: out.to_owned(),
            theme: Theme::Paper,
            width: Style::PAGE_MM,
            run: Vec::new(),
            choice,
            metrics: MetricArgs::default(),
        }
    }
}

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Kind {
    /// Bars by method, a panel a task.
    #[default]
    Scores,
    /// Curves over the number of retrieved entries.
    K,
    /// Gain over non-personalized by profile size.
    Profile,
    /// Which ratings are taken for which (LaMP-3; LaMP-1 where it alone is chosen).
    Confusion,
    /// Every retriever and k that tunings tried.
    Tuning,
}

impl Kind {
    const fn chart(self) -> ChartKind {
        match self {
            Self::Scores => ChartKind::Scores,
            Self::K => ChartKind::K,
            Self::Profile => ChartKind::Profile,
            Self::Confusion => ChartKind::Confusion,
            Self::Tuning => ChartKind::Tuning,
        }
    }
}

/// A chart could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum ChartCommandError {
    /// The chosen runs have nothing of the kind.
    #[error("{0}")]
    Nothing(String),
    /// It could not be drawn or written.
    #[error(transparent)]
    Chart(#[from] ChartError),
}

/// Runs the command.
pub fn run(args: &ChartArgs, console: &Console) -> Result<Outcome, CliError> {
    let failed = ChartCommandError::Chart;
    let style = Style { theme: args.theme, width_mm: args.width }.checked().map_err(failed)?;
    Format::of(&args.out).map_err(failed)?;
    let reader = args.store.reader()?;
    let chosen = args.choice.find(&reader, &args.run, console)?;
    let mut data = Data { reader: &reader, console };
    let RunChart { spec, notes } =
        chart::chart_of_runs(args.kind.chart(), &chosen.runs, &chosen.tunings, &metrics(args), &mut data)?;
    notes.iter().for_each(|note| console.note(note));
    if spec.panels.is_empty() {
        return Err(ChartCommandError::Nothing(spec.empty).into());
    }
    chart::write(&args.out, &spec, &style).map_err(failed)?;
    if console.is_json() {
        console.print_json(&serde_json::json!({ "written": args.out }))?;
    } else {
        console.note(&format!("Wrote the chart to {}.", args.out.display()));
    }
    Ok(Outcome::Done)
}

/// The metrics that charts show: each task's primary one where none is asked for.
fn metrics(args: &ChartArgs) -> MetricChoice {
    match args.metrics.choice() {
        MetricChoice::Benchmark => MetricChoice::These(Task::ALL.map(Task::primary_metric).to_vec()),
        asked => asked,
    }
}

/// What charts read of runs, with progress on the terminal.
struct Data<'a> {
    reader: &'a Reader,
    console: &'a Console,
}

impl RunData for Data<'_> {
    type Error = CliError;

    fn column(&mut self, run: RunId, metric: Metric) -> Result<Option<Column>, CliError> {
        Ok(self.reader.column(run, metric)?)
    }

    fn predictions(&mut self, run: &RunRecord, each: &mut dyn FnMut(Prediction)) -> Result<(), CliError> {
        Ok(self.console.with_progress(Unit::Items, |progress| {
            progress.start("Reading predictions", run.totals.done);
            self.reader.predictions(run.id, false, &mut |prediction| {
                each(prediction);
                progress.add(1);
                ControlFlow::Continue(())
            })
        })?)
    }
}
