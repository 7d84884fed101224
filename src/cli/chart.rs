//! `lamplight chart`: stored results as pictures for papers and slides.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::run_choice::{Chosen, RunChoice};
use super::store_choice::StoreChoice;
use super::table::MetricArgs;
use super::{CliError, Console, Outcome, Unit};
use crate::lamp::Task;
use crate::record::{Prediction, RetrieverSpec, RunRecord, RunSpec, RunStatus};
use crate::report::chart::{self, ChartError, ChartSpec, Confusion, Format, GainSeries, Style, Theme};
use crate::report::{Method, MetricChoice, Note, ResultTable, TableOptions, method_name};
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

/// Bins of profile sizes: few enough to be labeled in a column of a paper.
const BINS: usize = 4;

/// Runs confused at most in one picture.
const MOST_CONFUSIONS: usize = 12;

/// Runs the command.
pub fn run(args: &ChartArgs, console: &Console) -> Result<Outcome, CliError> {
    let failed = ChartCommandError::Chart;
    let style = Style { theme: args.theme, width_mm: args.width }.checked().map_err(failed)?;
    Format::of(&args.out).map_err(failed)?;
    let reader = args.store.reader()?;
    let chosen = args.choice.find(&reader, &args.run, console)?;
    let spec = match args.kind {
        Kind::Scores => chart::scores_chart(&table(args, &reader, &chosen, console)?),
        Kind::K => chart::k_chart(&table(args, &reader, &chosen, console)?),
        Kind::Profile => profile(args, &reader, &chosen, console)?,
        Kind::Confusion => confusion(&reader, &chosen, console)?,
        Kind::Tuning => tuning(&chosen),
    };
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

fn table(
    args: &ChartArgs,
    reader: &Reader,
    chosen: &Chosen,
    console: &Console,
) -> Result<ResultTable, CliError> {
    let options = TableOptions { metrics: metrics(args), published: true, ..TableOptions::default() };
    // A run that was chosen stands in the column of what was tuned; a curve over k needs it where it was measured.
    let tunings = if args.kind == Kind::K { &[][..] } else { &chosen.tunings[..] };
    let table = ResultTable::build(&chosen.runs, tunings, &options, |run, metric| {
        Ok::<_, CliError>(reader.column(run, metric)?)
    })?;
    // The chart itself tells of samples and of tuning on the same data.
    for note in
        table.notes.iter().filter(|note| !matches!(note, Note::Samples { .. } | Note::SameData { .. }))
    {
        console.note(&note.to_string());
    }
    Ok(table)
}

/// `BM25, k 4`.
fn method_label(retriever: &RetrieverSpec) -> String {
    let name = method_name(retriever);
    if retriever.is_none() { name } else { format!("{name}, k {}", retriever.k) }
}

/// All of a run's spec that its non-personalized counterpart shares with it.
fn but_for_the_retriever(spec: &RunSpec) -> String {
    RunSpec { retriever: RetrieverSpec::none(), program: String::new(), ..spec.clone() }.to_json()
}

fn profile(
    args: &ChartArgs,
    reader: &Reader,
    chosen: &Chosen,
    console: &Console,
) -> Result<ChartSpec, CliError> {
    let done = chosen.runs.iter().filter(|run| run.status == RunStatus::Done);
    let mut alike: BTreeMap<String, Vec<&RunRecord>> = BTreeMap::new();
    for run in done {
        alike.entry(but_for_the_retriever(&run.spec)).or_default().push(run);
    }
    let models = |runs: &[&RunRecord]| runs.first().map(|run| run.spec.model.name.clone());
    let several_models =
        alike.values().any(|runs| models(runs) != alike.values().next().and_then(|first| models(first)));
    let mut groups: Vec<Vec<&RunRecord>> = alike.into_values().collect();
    groups.sort_by_key(|runs| runs.iter().map(|run| run.id).min());
    let mut series: Vec<GainSeries> = Vec::new();
    let mut repeated = 0;
    for runs in groups {
        let Some(plain) = runs.iter().rfind(|run| run.spec.retriever.is_none()) else { continue };
        let mut personalized: Vec<&&RunRecord> =
            runs.iter().filter(|run| !run.spec.retriever.is_none()).collect();
        if personalized.is_empty() {
            continue;
        }
        personalized.sort_by_key(|run| (Method::of(&run.spec.retriever), run.id));
        let entries = profile_entries(reader, plain, console)?;
        let dataset = &plain.spec.dataset;
        for metric in metrics(args).of(dataset.task) {
            let Some(plain_column) = reader.column(plain.id, metric)? else { continue };
            for run in &personalized {
                let Some(column) = reader.column(run.id, metric)? else { continue };
                let mut label = method_label(&run.spec.retriever);
                if several_models {
                    label = format!("{label}, {}", run.spec.model.name);
                }
                let one = GainSeries {
                    task: dataset.task,
                    setting: dataset.setting,
                    split: dataset.split,
                    metric,
                    label,
                    method: Method::of(&run.spec.retriever),
                    training: run.spec.model.training,
                    bins: chart::gain_bins(&plain_column, &column, &entries, BINS),
                };
                let is_same = |other: &GainSeries| {
                    (other.task, other.setting, other.split, other.metric, &other.label)
                        == (one.task, one.setting, one.split, one.metric, &one.label)
                };
                if series.iter().any(is_same) {
                    repeated += 1;
                } else {
                    series.push(one);
                }
            }
        }
    }
    if repeated > 0 {
        console.note(&format!(
            "{repeated} lines of equal name, such as further seeds or sample sets, are left out; --run chooses among runs."
        ));
    }
    Ok(chart::profile_chart(&series))
}

/// How many profile entries each sample of a run has, by position.
fn profile_entries(
    reader: &Reader,
    run: &RunRecord,
    console: &Console,
) -> Result<HashMap<u32, u32>, CliError> {
    let mut entries = HashMap::new();
    each_prediction(reader, run, console, |prediction| {
        entries.insert(prediction.position, prediction.profile_entries);
    })?;
    Ok(entries)
}

fn each_prediction(
    reader: &Reader,
    run: &RunRecord,
    console: &Console,
    mut each: impl FnMut(Prediction),
) -> Result<(), CliError> {
    Ok(console.with_progress(Unit::Items, |progress| {
        progress.start("Reading predictions", run.totals.done);
        reader.predictions(run.id, false, &mut |prediction| {
            each(prediction);
            progress.add(1);
            ControlFlow::Continue(())
        })
    })?)
}

fn confusion(reader: &Reader, chosen: &Chosen, console: &Console) -> Result<ChartSpec, CliError> {
    let of = |task: Task| {
        let fits = move |run: &&RunRecord| run.status == RunStatus::Done && run.spec.dataset.task == task;
        chosen.runs.iter().filter(fits).collect::<Vec<_>>()
    };
    let mut runs = of(Task::Lamp3);
    if runs.is_empty() {
        runs = of(Task::Lamp1);
    }
    if runs.len() > MOST_CONFUSIONS {
        let left = runs.len() - MOST_CONFUSIONS;
        console.note(&format!("{left} of {} runs are left out; --run chooses among them.", runs.len()));
        runs.truncate(MOST_CONFUSIONS);
    }
    let mut confusions = Vec::with_capacity(runs.len());
    for run in runs {
        let Some(mut confusion) = Confusion::new(run.spec.dataset.task) else { continue };
        each_prediction(reader, run, console, |prediction| confusion.add(&prediction))?;
        let RunSpec { dataset, model, retriever, .. } = &run.spec;
        let name = format!(
            "{}, {}; {} setting, {} split",
            model.name,
            method_label(retriever),
            dataset.setting,
            dataset.split
        );
        confusions.push((name, confusion));
    }
    Ok(chart::confusion_chart(&confusions))
}

/// The tunings whose grids hold one of the chosen runs.
fn tuning(chosen: &Chosen) -> ChartSpec {
    let has = |key: &str| chosen.runs.iter().any(|run| run.key == key);
    let tunings = chosen.tunings.iter().filter(|tuning| tuning.grid.iter().any(|cell| has(&cell.run)));
    chart::tuning_chart(&tunings.cloned().collect::<Vec<_>>())
}
