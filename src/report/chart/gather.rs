//! Stored runs to a chart of any kind: which runs it is of, and what is read of them.

use std::collections::{BTreeMap, HashMap};

use super::spec::ChartSpec;
use super::{
    Confusion, GainSeries, confusion_chart, gain_bins, k_chart, profile_chart, scores_chart, tuning_chart,
};
use crate::lamp::{Metric, Task};
use crate::record::{Column, Prediction, RetrieverSpec, RunId, RunRecord, RunSpec, RunStatus, Tuning};
use crate::report::{Method, MetricChoice, Note, ResultTable, TableOptions, method_name};

/// What a chart shows of runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum ChartKind {
    /// Bars by method, a panel a task.
    #[default]
    Scores,
    /// Curves over the number of retrieved entries.
    K,
    /// Gain over non-personalized by profile size.
    Profile,
    /// Which ratings are taken for which.
    Confusion,
    /// Every retriever and k that tunings tried.
    Tuning,
}

/// Where the values and predictions of runs are read.
pub trait RunData {
    /// Why they cannot be read.
    type Error;

    /// A run's values by a metric; `None` where it has none.
    ///
    /// # Errors
    /// Values that cannot be read.
    fn column(&mut self, run: RunId, metric: Metric) -> Result<Option<Column>, Self::Error>;

    /// A run's predictions, one at a time, without their prompts.
    ///
    /// # Errors
    /// Predictions that cannot be read.
    fn predictions(&mut self, run: &RunRecord, each: &mut dyn FnMut(Prediction)) -> Result<(), Self::Error>;
}

/// A chart of runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunChart {
    /// What to draw.
    pub spec: ChartSpec,
    /// What was left out, where the chart itself does not say so.
    pub notes: Vec<String>,
}

/// Bins of profile sizes: few enough to be labeled in a column of a paper.
const BINS: usize = 4;

/// Runs confused at most in one picture.
const MOST_CONFUSIONS: usize = 12;

/// The chart of some runs: of the finished ones among them, and the tunings whose grids hold one of them.
///
/// # Errors
/// The first error of `data`.
pub fn chart_of_runs<D: RunData>(
    kind: ChartKind,
    runs: &[RunRecord],
    tunings: &[Tuning],
    metrics: &MetricChoice,
    data: &mut D,
) -> Result<RunChart, D::Error> {
    match kind {
        ChartKind::Scores => of_table(scores_chart, runs, tunings, metrics, data),
        // A run that was chosen stands in the column of what was tuned; a curve over k needs it where it was measured.
        ChartKind::K => of_table(k_chart, runs, &[], metrics, data),
        ChartKind::Profile => profile(runs, metrics, data),
        ChartKind::Confusion => confusion(runs, data),
        ChartKind::Tuning => {
            let has = |key: &str| runs.iter().any(|run| run.key == key);
            let tunings = tunings.iter().filter(|tuning| tuning.grid.iter().any(|cell| has(&cell.run)));
            let spec = tuning_chart(&tunings.cloned().collect::<Vec<_>>(), runs);
            Ok(RunChart { spec, notes: Vec::new() })
        }
    }
}

fn of_table<D: RunData>(
    draw: fn(&ResultTable) -> ChartSpec,
    runs: &[RunRecord],
    tunings: &[Tuning],
    metrics: &MetricChoice,
    data: &mut D,
) -> Result<RunChart, D::Error> {
    let options = TableOptions { metrics: metrics.clone(), published: true, ..TableOptions::default() };
    let table = ResultTable::build(runs, tunings, &options, |run, metric| data.column(run, metric))?;
    // The chart itself tells of samples and of tuning on the same data.
    let told = |note: &&Note| !matches!(note, Note::Samples { .. } | Note::SameData { .. });
    let notes = table.notes.iter().filter(told).map(ToString::to_string).collect();
    Ok(RunChart { spec: draw(&table), notes })
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

fn profile<D: RunData>(
    runs: &[RunRecord],
    metrics: &MetricChoice,
    data: &mut D,
) -> Result<RunChart, D::Error> {
    let done = runs.iter().filter(|run| run.status == RunStatus::Done);
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
        let mut entries: HashMap<u32, u32> = HashMap::new();
        data.predictions(plain, &mut |prediction| {
            entries.insert(prediction.position, prediction.profile_entries);
        })?;
        let dataset = &plain.spec.dataset;
        for metric in metrics.of(dataset.task) {
            let Some(plain_column) = data.column(plain.id, metric)? else { continue };
            for run in &personalized {
                let Some(column) = data.column(run.id, metric)? else { continue };
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
                    runs: Some((run.id, plain.id)),
                    bins: gain_bins(&plain_column, &column, &entries, BINS),
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
    let notes = (repeated > 0).then(|| {
        format!("{repeated} lines of equal name, such as further seeds or sample sets, are left out; choose among the runs.")
    });
    Ok(RunChart { spec: profile_chart(&series), notes: notes.into_iter().collect() })
}

fn confusion<D: RunData>(runs: &[RunRecord], data: &mut D) -> Result<RunChart, D::Error> {
    let of = |task: Task| {
        let fits = move |run: &&RunRecord| run.status == RunStatus::Done && run.spec.dataset.task == task;
        runs.iter().filter(fits).collect::<Vec<_>>()
    };
    let mut runs = of(Task::Lamp3);
    if runs.is_empty() {
        runs = of(Task::Lamp1);
    }
    let mut notes = Vec::new();
    if runs.len() > MOST_CONFUSIONS {
        let left = runs.len() - MOST_CONFUSIONS;
        notes.push(format!("{left} of {} runs are left out; choose among them.", runs.len()));
        runs.truncate(MOST_CONFUSIONS);
    }
    let mut confusions = Vec::with_capacity(runs.len());
    for run in runs {
        let Some(confusion) = Confusion::new(run.spec.dataset.task) else { continue };
        let mut confusion = confusion.of_run(run.id);
        data.predictions(run, &mut |prediction| confusion.add(&prediction))?;
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
    Ok(RunChart { spec: confusion_chart(&confusions), notes })
}
