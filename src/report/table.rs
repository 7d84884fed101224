//! The result table: tasks by methods, a section a setting and split, a block a model, as the papers have it.
//!
//! Rows are a task with a metric, in the benchmark's order; columns are methods, in the order of [`Method`]. What is told apart,
//! and how:
//!
//! - **Samples.** A row holds runs over the same samples of the same data only. Where a section has runs of a task over several
//!   sample sets (another fingerprint, limit or seed), each set has rows of its own and a mark.
//! - **Variants.** Runs of one model and method whose prompts or generation differ stand in columns of their own, which say in
//!   what they differ.
//! - **Seeds.** Runs that differ in the seed of random draws alone share a cell: it shows their mean and standard deviation, and
//!   has neither interval nor test, which are of single runs. Of runs that differ in nothing but the program's version the latest
//!   counts, and a note says so.
//! - **Tests.** Each cell is tested against the non-personalized cell of its row and model on the samples that both scored:
//!   McNemar's exact test for accuracy, a paired t-test for means over samples. p-values are adjusted by Holm's method over the
//!   tasks of a column: a family is a column's tests by each task's first metric, another by each task's second.
//! - **Tuned.** A run that a tuning chose stands in the column Tuned. Its plain column is left out where it holds
//!   such runs alone.

mod against;
mod build;
mod judge;
mod label;
mod oracle;

pub(in crate::report) use label::short_hash;

use std::fmt;

use serde::Serialize;

use super::{Judged, Measure, Method};
use crate::lamp::{Metric, PublishedFigure, Setting, Split, Task};
use crate::metrics::{Interval, PairedTest, ScoreSet};
use crate::record::{PairFigures, RunId, Training};

/// Which metrics have rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum MetricChoice {
    /// The benchmark's own two a task.
    #[default]
    Benchmark,
    /// Every metric that was computed.
    All,
    /// These, where a task has them.
    These(Vec<Metric>),
}

impl MetricChoice {
    /// A task's metrics of the choice, the primary one first.
    pub fn of(&self, task: Task) -> Vec<Metric> {
        match self {
            Self::Benchmark => task.metrics().to_vec(),
            Self::All => ScoreSet::all_metrics(task).to_vec(),
            Self::These(chosen) => {
                let all = ScoreSet::all_metrics(task).iter();
                all.copied().filter(|metric| chosen.contains(metric)).collect()
            }
        }
    }
}

/// What a table shall have beside figures, intervals and tests.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TableOptions {
    /// Which metrics have rows.
    pub metrics: MetricChoice,
    /// Whether a column tells what the best answer a sample of all the row's runs would reach.
    pub oracle: bool,
    /// Whether figures that others published stand beside.
    pub published: bool,
    /// Whether runs that are not done have their places already, without figures, as [`Row::waiting`] tells.
    pub unfinished: bool,
    /// What judges said of the runs: points have rows, preferences are notes.
    pub judged: Vec<Judged>,
}

/// Results, ready to be shown or written in any format.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResultTable {
    /// A table for each setting and split.
    pub sections: Vec<Section>,
    /// What a reader should know of how the table came to be.
    pub notes: Vec<Note>,
}

/// The results of one setting and split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Section {
    /// The setting.
    pub setting: Setting,
    /// The split.
    pub split: Split,
    /// A block a model.
    pub blocks: Vec<ModelBlock>,
}

/// One model's results.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelBlock {
    /// The model.
    pub model: ModelLabel,
    /// The methods; every row has a cell for each.
    pub columns: Vec<MethodColumn>,
    /// A task with a metric each, in the benchmark's order.
    pub rows: Vec<Row>,
}

/// A model as a table names it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelLabel {
    /// Its name.
    pub name: String,
    /// How it came to its weights.
    pub training: Training,
    /// What tells it from a namesake in the table, such as `precision int8`; empty without one.
    pub variant: String,
}

/// A column: a method with its options.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MethodColumn {
    /// The method.
    pub method: Method,
    /// The retriever's name: `BM25`, `Dense (contriever)`, `Tuned`.
    pub name: String,
    /// Entries that a prompt carries at most; `None` without a retriever and where it varies.
    pub k: Option<usize>,
    /// What tells it from the block's other columns beside method and k, such as `max_length 256`; mostly empty.
    pub variant: String,
}

/// A task by a metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The task.
    pub task: Task,
    /// The metric, or the judge.
    pub metric: Measure,
    /// Which samples all of the row's runs are over.
    pub samples: SampleSet,
    /// Tells the row from others of the task in the section that are over other samples: `a`, `b`, …
    pub mark: Option<String>,
    /// A cell for each of the block's columns; `None` where there is no such run.
    pub cells: Vec<Option<TableCell>>,
    /// All published figures of the row's task, setting, split and metric, whatever their method; empty if not asked for.
    pub published: Vec<&'static PublishedFigure>,
    /// For each of the block's columns the runs that are not done and will have their figures there; none if not asked for.
    /// Left out of files.
    #[serde(skip)]
    pub waiting: Vec<Vec<RunId>>,
}

/// Which samples runs are over. Equal for runs whose figures may be compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SampleSet {
    /// Hash of the data's content.
    pub fingerprint: String,
    /// At most so many samples; all if `None`.
    pub limit: Option<usize>,
    /// Draws the limited samples at random; the first ones if `None`.
    pub sample_seed: Option<u64>,
    /// Whether broken records were passed over.
    pub skip_broken: bool,
    /// How many there are.
    pub count: u64,
}

/// A run that a cell shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunRef {
    /// Its number in the store; left out of files, since it differs from store to store.
    #[serde(skip)]
    pub id: RunId,
    /// Its key, the same in every store.
    pub key: String,
}

/// One figure with what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableCell {
    /// The run; several where seeds are averaged; all that were chosen from for the oracle.
    pub runs: Vec<RunRef>,
    /// The figure: 0 to 1, errors in rating points, sacreBLEU 0 to 100.
    pub value: f64,
    /// Its 95 % bootstrap interval, as the run stored it; `None` for several seeds and the oracle.
    pub interval: Option<Interval>,
    /// How far runs of several seeds lie apart.
    pub spread: Option<Spread>,
    /// How many samples were scored, of a run.
    pub n: usize,
    /// Samples that could not be answered; they are in no figure. Summed over seeds; for the oracle those that no run answered.
    pub failed: u64,
    /// Share of outputs that are no answer of the task's kind, 0 to 1; `None` for the oracle.
    pub parse_failure_rate: Option<f64>,
    /// How answers of a model behind an endpoint ended, and what they cost; `None` for models that compute here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endings: Option<Endings>,
    /// How much better than the non-personalized cell, in percent of it; see [`improvement_percent`].
    pub difference_percent: Option<f64>,
    /// The test against the non-personalized cell.
    pub test: Option<CellTest>,
    /// Whether no cell of the row is better, the oracle aside, which is a bound and no method.
    pub best: bool,
    /// Which retriever and k a tuning chose.
    pub choice: Option<Choice>,
    /// Published figures of the same task, setting, split, metric and method; empty if not asked for.
    pub published: Vec<&'static PublishedFigure>,
}

/// How answers of a model behind an endpoint ended, summed over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Endings {
    /// Answers in all.
    pub answers: u64,
    /// Ended by the limit of new tokens.
    pub at_limit: u64,
    /// Kept back by a filter, whole or in part.
    pub filtered: u64,
    /// Refusals, as the endpoint says.
    pub refused: u64,
    /// Without any text.
    pub empty: u64,
    /// What they cost; `None` where no price is known.
    pub cost: Option<f64>,
}

/// Runs of several seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// How many runs.
    pub runs: usize,
    /// Their standard deviation (with runs − 1).
    pub deviation: f64,
    /// The lowest figure.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

/// A cell against the non-personalized one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CellTest {
    /// Samples that both runs scored.
    pub samples: usize,
    /// The test; its first run is the non-personalized one.
    pub result: PairedTest,
    /// Its p-value, adjusted by Holm's method over the tasks of the column.
    pub p_holm: f64,
}

impl CellTest {
    /// The level at which tables star a difference.
    pub const LEVEL: f64 = 0.05;

    /// Whether the difference is told from luck at [`CellTest::LEVEL`] over all tasks together.
    pub fn significant(&self) -> bool {
        self.p_holm < Self::LEVEL
    }
}

/// What a tuning chose.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// The retriever's name.
    pub name: String,
    /// Entries that a prompt carries at most.
    pub k: usize,
    /// The split on which it was chosen.
    pub tuned_on: Split,
    /// Whether it was chosen on the very data that it is reported on, so that the figure is too good.
    pub same_data: bool,
}

/// Something to know about a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Note {
    /// Runs that are not done are left out.
    Unfinished {
        /// How many.
        runs: usize,
    },
    /// Runs without any scored sample are left out: their data has no references, or every sample failed.
    Unscored {
        /// How many.
        runs: usize,
    },
    /// Runs that differ from a shown one in the program's version only are left out.
    Superseded {
        /// How many.
        runs: usize,
    },
    /// What a mark beside a task means.
    Samples {
        /// The setting of the section.
        setting: Setting,
        /// Its split.
        split: Split,
        /// The task.
        task: Task,
        /// The mark.
        mark: String,
        /// Which samples.
        samples: SampleSet,
    },
    /// Who a judge is, and how it was asked.
    Judge {
        /// The judge as rows name it.
        judge: String,
        /// The model's name.
        model: String,
        /// What it was asked: `rubric` or `pairwise`.
        method: &'static str,
        /// The template, with the beginning of a hash of its text.
        template: String,
        /// Samples that have no points, since verdicts are unclear, over all runs shown.
        unreadable: u64,
        /// Samples on which the judge failed, over all runs shown.
        failed: u64,
    },
    /// Which of two runs of the table a judge prefers.
    Preference {
        /// The judge, named as judges of rows are.
        judge: String,
        /// The template, with the beginning of a hash of its text.
        template: String,
        /// The task.
        task: Task,
        /// The setting.
        setting: Setting,
        /// The split.
        split: Split,
        /// The first run's model and method.
        first: String,
        /// The second's.
        second: String,
        /// What the preferences come to.
        figures: PairFigures,
        /// The same in words.
        words: Vec<String>,
    },
    /// A tuned figure is too good.
    SameData {
        /// The task.
        task: Task,
        /// The setting.
        setting: Setting,
        /// The split.
        split: Split,
        /// The model's name.
        model: String,
    },
}

impl Section {
    /// `User setting, dev split`.
    pub fn title(&self) -> String {
        let setting = match self.setting {
            Setting::User => "User",
            Setting::Time => "Time",
        };
        format!("{setting} setting, {} split", self.split)
    }
}

impl ModelLabel {
    /// `flan-t5-base (fine-tuned)`, `baseline:copy`, `qwen (zero-shot; precision int8)`.
    pub fn label(&self) -> String {
        let training = (self.training != Training::Baseline).then(|| self.training.id());
        let variant = Some(self.variant.as_str()).filter(|variant| !variant.is_empty());
        let parts: Vec<&str> = training.into_iter().chain(variant).collect();
        if parts.is_empty() { self.name.clone() } else { format!("{} ({})", self.name, parts.join("; ")) }
    }
}

impl MethodColumn {
    /// `BM25, k 4`, `Non-personalized; max_length 256`.
    pub fn label(&self) -> String {
        self.lines()
            .into_iter()
            .reduce(|label, line| {
                let joint = if line.starts_with("k ") { ", " } else { "; " };
                format!("{label}{joint}{line}")
            })
            .unwrap_or_default()
    }

    /// The label's parts: name, k, variant.
    pub fn lines(&self) -> Vec<String> {
        let k = self.k.map(|k| format!("k {k}"));
        let variant = Some(self.variant.clone()).filter(|variant| !variant.is_empty());
        [self.name.clone()].into_iter().chain(k).chain(variant).collect()
    }
}

impl Row {
    /// `LaMP-4`, or `LaMP-4 (a)` where the section has rows over other samples too.
    pub fn task_label(&self) -> String {
        match &self.mark {
            Some(mark) => format!("{} ({mark})", self.task),
            None => self.task.id().to_owned(),
        }
    }

    /// `ROUGE-1 ↑`, `MAE ↓`, `Judge (gpt-4o) ↑`: the arrow tells which way is better.
    pub fn metric_label(&self) -> String {
        let arrow = if self.metric.higher_is_better() { '↑' } else { '↓' };
        format!("{} {arrow}", self.metric.name())
    }

    /// The scored samples of the row's cells, fewest and most; `None` without cells.
    pub fn n(&self) -> Option<(usize, usize)> {
        let counts = || self.cells.iter().flatten().map(|cell| cell.n);
        Some((counts().min()?, counts().max()?))
    }
}

impl fmt::Display for SampleSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fingerprint, limit, sample_seed, skip_broken, count } = self;
        match (limit, sample_seed) {
            (Some(_), Some(seed)) => write!(f, "{count} samples drawn with seed {seed}")?,
            (Some(_), None) => write!(f, "the first {count} samples")?,
            (None, _) => write!(f, "all {count} samples")?,
        }
        write!(f, " of data {}", fingerprint.get(..8).unwrap_or(fingerprint))?;
        if *skip_broken { f.write_str(", broken records passed over") } else { Ok(()) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, are) = (
            |runs: &usize| if *runs == 1 { "run" } else { "runs" },
            |runs: &usize| {
                if *runs == 1 { "is" } else { "are" }
            },
        );
        match self {
            Self::Unfinished { runs } => {
                write!(
                    f,
                    "{runs} {} not done {} left out; `lamplight list` shows them.",
                    one(runs),
                    are(runs)
                )
            }
            Self::Unscored { runs } => write!(
                f,
                "{runs} {} without a scored sample {} left out: the data has no references, or every sample failed.",
                one(runs),
                are(runs)
            ),
            Self::Superseded { runs } => write!(
                f,
                "{runs} {} by another version of the program {} left out; the latest of equal runs is shown.",
                one(runs),
                are(runs)
            ),
            Self::Samples { setting, split, task, mark, samples } => {
                write!(f, "({mark}) {task}, {setting} setting, {split} split: {samples}.")
            }
            Self::Judge { judge, model, method, template, unreadable, failed } => {
                write!(
                    f,
                    "Judge ({judge}): mean points from 1 to 5 that the language model {model} gave answers against their \
                     references; method {method}, template {template}."
                )?;
                if unreadable + failed > 0 {
                    write!(f, " Without points: {unreadable} unclear verdicts, {failed} failed.")?;
                }
                Ok(())
            }
            Self::Preference { judge, template, task, setting, split, first, second, words, .. } => write!(
                f,
                "Judge ({judge}), method pairwise in both orders, template {template}; {task}, {setting} setting, {split} split; \
                 first {first}, second {second}: {}.",
                words.join("; ")
            ),
            Self::SameData { task, setting, split, model } => write!(
                f,
                "{task}, {setting} setting, {split} split: {model} was tuned on the data that its figure is of, so that \
                 figure is too good."
            ),
        }
    }
}

/// How much better than a base a figure is, in percent of the base: positive is better, for errors too, where the lower figure is
/// the better one. `None` where the base is 0.
pub fn improvement_percent(metric: impl Into<Measure>, base: f64, value: f64) -> Option<f64> {
    let change = if metric.into().higher_is_better() { value - base } else { base - value };
    Some(change / base.abs() * 100.0).filter(|percent| percent.is_finite())
}
