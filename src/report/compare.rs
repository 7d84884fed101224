//! Two runs beside each other: figures, tests on the samples that both scored, and what their specs differ in.

mod judged;
pub mod text;

use std::cmp::{Ordering, Reverse};

use serde::Serialize;
use serde_json::Value;

pub use judged::JudgeComparison;

use super::{Method, MethodColumn, improvement_percent, run_method_name};
use crate::lamp::{Metric, Setting, Split, Task};
use crate::metrics::{Bootstrap, Comparison, Figure, MeteorStages, SampleScore, ScoreSet, compare, holm};
use crate::record::{Difference, RunId, RunRecord, diff};

/// Two runs cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// Runs of different tasks have no figure in common.
    #[error("run {first} is of {first_task} and run {second} of {second_task}; choose two runs of one task")]
    OtherTask {
        /// One run.
        first: String,
        /// Its task.
        first_task: Task,
        /// The other.
        second: String,
        /// Its task.
        second_task: Task,
    },
    /// A run has no scored sample.
    #[error(
        "run {run} has no scored sample: it is not begun, its data has no references, or every sample failed"
    )]
    Unscored {
        /// The run.
        run: String,
    },
    /// A score is of another kind than the run's task.
    #[error(
        "run {run} has scores of another kind than its task's; check the store with `lamplight store check`"
    )]
    Scores {
        /// The run.
        run: String,
    },
}

/// A run's scores by the place of the sample in its dataset, ascending.
pub type Scores = Vec<(u32, SampleScore)>;

/// Which run stands on a side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// Its number in the store; left out of files.
    #[serde(skip)]
    pub id: RunId,
    /// Its key.
    pub run: String,
    /// Where it stands: a run that is not done may be compared by what it has.
    pub status: &'static str,
    /// The task.
    pub task: Task,
    /// The setting.
    pub setting: Setting,
    /// The split.
    pub split: Split,
    /// The model's name.
    pub model: String,
    /// How it personalizes.
    pub method: Method,
    /// The retriever and k: `BM25, k 4`.
    pub method_label: String,
    /// Samples that it scored.
    pub scored: usize,
    /// Samples that it could not answer.
    pub failed: u64,
}

/// Two runs, compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunComparison {
    /// The first run; differences are the second's figures minus the first's.
    pub first: Side,
    /// The second run.
    pub second: Side,
    /// Whether both are of the same data. If not, figures are of each run's own samples, and there is no test.
    pub same_data: bool,
    /// Samples that both scored; figures are of these, if the data is the same.
    pub common: usize,
    /// Samples that only the first scored.
    pub only_first: usize,
    /// Samples that only the second scored.
    pub only_second: usize,
    /// A line a metric.
    pub metrics: Vec<MetricComparison>,
    /// What judges said of both; see [`RunComparison::add_judged`].
    pub judged: Vec<JudgeComparison>,
    /// What the specs differ in.
    pub differences: Vec<Difference>,
}

/// Two runs by one metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricComparison {
    /// The first run's figure, with its interval.
    pub first: Figure,
    /// The second run's figure, with its interval.
    pub second: Figure,
    /// How much better the second is, in percent of the first; see [`improvement_percent`].
    pub improvement_percent: Option<f64>,
    /// Difference, its interval and the tests; `None` where the data differs.
    pub paired: Option<Paired>,
}

/// Two runs by one metric on the same samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Paired {
    /// Difference, interval, formula's test and paired bootstrap.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// Samples on which the second run is better by the metric's own value of a sample.
    pub improved: usize,
    /// Samples on which it is worse.
    pub worsened: usize,
    /// The reported p-value, adjusted by Holm's method over tasks; `None` where only one task was compared.
    pub p_holm: Option<f64>,
}

/// Compares two runs of one task by the metrics named. Runs over the same data are compared on the samples that both
/// scored.
///
/// # Errors
/// Runs of different tasks, and runs without a score.
pub fn compare_runs(
    (first, first_scores): (&RunRecord, Scores),
    (second, second_scores): (&RunRecord, Scores),
    metrics: &[Metric],
    bootstrap: &Bootstrap,
) -> Result<RunComparison, CompareError> {
    let (one, other) = (&first.spec.dataset, &second.spec.dataset);
    if one.task != other.task {
        return Err(CompareError::OtherTask {
            first: first.short_key().to_owned(),
            first_task: one.task,
            second: second.short_key().to_owned(),
            second_task: other.task,
        });
    }
    for (run, scores) in [(first, &first_scores), (second, &second_scores)] {
        if scores.is_empty() {
            return Err(CompareError::Unscored { run: run.short_key().to_owned() });
        }
    }
    let sides = (side(first, first_scores.len()), side(second, second_scores.len()));
    let same_data = one.fingerprint == other.fingerprint;
    let (scored_first, scored_second) = (first_scores.len(), second_scores.len());
    let (first_scores, second_scores) = match same_data {
        true => common(first_scores, &second_scores),
        false => (values(first_scores), values(second_scores)),
    };
    let common = if same_data { first_scores.len() } else { 0 };
    let set = |run: &RunRecord, scores| {
        let stages = run.aggregate.as_ref().and_then(|aggregate| aggregate.meteor_stages);
        ScoreSet::new(run.spec.dataset.task, scores, stages.unwrap_or(MeteorStages::ExactStem))
            .ok_or_else(|| CompareError::Scores { run: run.short_key().to_owned() })
    };
    let (first_set, second_set) = (set(first, first_scores)?, set(second, second_scores)?);
    let figures = |set: &ScoreSet| set.aggregate(metrics, Some(bootstrap)).figures;
    let lines = figures(&first_set).into_iter().zip(figures(&second_set)).map(|(first, second)| {
        let metric = first.metric;
        let paired = || {
            let comparison = compare(&first_set, &second_set, metric, bootstrap)?;
            let (improved, worsened) = turned(&first_set, &second_set, metric);
            Some(Paired { comparison, improved, worsened, p_holm: None })
        };
        MetricComparison {
            first,
            second,
            improvement_percent: improvement_percent(metric, first.value, second.value),
            paired: if same_data { paired() } else { None },
        }
    });
    Ok(RunComparison {
        metrics: lines.collect(),
        first: sides.0,
        second: sides.1,
        same_data,
        common,
        only_first: if same_data { scored_first - common } else { scored_first },
        only_second: if same_data { scored_second - common } else { scored_second },
        judged: Vec::new(),
        differences: diff(&first.spec, &second.spec),
    })
}

fn side(run: &RunRecord, scored: usize) -> Side {
    let spec = &run.spec;
    let method = Method::of_run(spec);
    let k = (!spec.retriever.is_none()).then_some(spec.retriever.k);
    let column = MethodColumn { method, name: run_method_name(spec), k, variant: String::new() };
    Side {
        id: run.id,
        run: run.key.clone(),
        status: run.status.id(),
        task: spec.dataset.task,
        setting: spec.dataset.setting,
        split: spec.dataset.split,
        model: spec.model.name.clone(),
        method,
        method_label: column.label(),
        scored,
        failed: run.totals.failed,
    }
}

fn values(scores: Scores) -> Vec<SampleScore> {
    scores.into_iter().map(|(_, score)| score).collect()
}

/// The scores of the samples that both have.
fn common(first: Scores, second: &Scores) -> (Vec<SampleScore>, Vec<SampleScore>) {
    let mut out = (Vec::new(), Vec::new());
    let mut second = second.iter().peekable();
    for (position, score) in first {
        while second.next_if(|(other, _)| *other < position).is_some() {}
        if let Some((_, other)) = second.next_if(|(other, _)| *other == position) {
            out.0.push(score);
            out.1.push(*other);
        }
    }
    out
}

/// On how many samples the second run is better, and on how many worse.
fn turned(first: &ScoreSet, second: &ScoreSet, metric: Metric) -> (usize, usize) {
    let (mut improved, mut worsened) = (0, 0);
    for (one, other) in first.scores().iter().zip(second.scores()) {
        let (Some(one), Some(other)) = (one.value(metric), other.value(metric)) else { continue };
        let order = if metric.higher_is_better() { other.total_cmp(&one) } else { one.total_cmp(&other) };
        match order {
            Ordering::Greater => improved += 1,
            Ordering::Less => worsened += 1,
            Ordering::Equal => {}
        }
    }
    (improved, worsened)
}

/// Adjusts p-values by Holm's method over the comparisons, which are of one task each: the first metrics of all of them are a family,
/// the second metrics another. A single comparison stays as it is.
pub fn adjust_over_tasks(comparisons: &mut [RunComparison]) {
    if comparisons.len() < 2 {
        return;
    }
    let most = comparisons.iter().map(|comparison| comparison.metrics.len()).max().unwrap_or(0);
    for rank in 0..most {
        let lines =
            comparisons.iter_mut().filter_map(|comparison| comparison.metrics.get_mut(rank)?.paired.as_mut());
        let mut tested: Vec<(f64, &mut Paired)> =
            lines.filter_map(|paired| Some((paired.comparison.p()?, paired))).collect();
        let adjusted = holm(&tested.iter().map(|(p, _)| *p).collect::<Vec<_>>());
        tested.iter_mut().zip(adjusted).for_each(|((_, paired), p)| paired.p_holm = Some(p));
    }
}

/// The pairs of runs that differ as the two given do, over other tasks of the same setting and split: each pair is over the same
/// samples, and its runs have the model, retriever, prompt settings and generation of the first and of the second. In the
/// benchmark's order, the given pair among them; of equal runs the latest counts, and of several partners one with the same
/// wording of the template.
pub fn over_tasks<'r>(
    runs: &'r [RunRecord],
    first: &RunRecord,
    second: &RunRecord,
) -> Vec<(&'r RunRecord, &'r RunRecord)> {
    let place = |run: &RunRecord| (run.spec.dataset.setting, run.spec.dataset.split);
    let of_side = |side: &RunRecord| {
        let wanted = settings(side);
        let mut found: Vec<&RunRecord> =
            runs.iter().filter(|run| place(run) == place(side) && settings(run) == wanted).collect();
        found.sort_by_key(|run| (run.id != side.id, Reverse(run.id)));
        found
    };
    let wording = |run: &RunRecord| run.spec.prompt.as_ref().map(|prompt| prompt.template_toml.clone());
    let (firsts, seconds) = (of_side(first), of_side(second));
    let mut pairs: Vec<(&RunRecord, &RunRecord)> = Vec::new();
    for one in firsts {
        let over_same = |other: &&&RunRecord| other.spec.dataset == one.spec.dataset;
        let given = (one.id == first.id).then_some(second.id);
        let partner = seconds
            .iter()
            .filter(over_same)
            .min_by_key(|other| (given != Some(other.id), wording(other) != wording(one)));
        if let Some(other) = partner
            && pairs.iter().all(|(taken, _)| taken.spec.dataset != one.spec.dataset)
        {
            pairs.push((one, other));
        }
    }
    pairs.sort_by_key(|(one, _)| (one.spec.dataset.task, one.id));
    pairs
}

/// All of a spec that is not the task's own, nor the program's version.
fn settings(run: &RunRecord) -> Value {
    let mut spec = serde_json::to_value(&run.spec).unwrap_or_default();
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("program");
        spec.remove("dataset");
        if let Some(prompt) = spec.get_mut("prompt").and_then(Value::as_object_mut) {
            prompt.remove("template_toml"); // each task has its own wording
        }
    }
    spec
}

/// A difference of two specs in words: `entries a prompt (retriever.k): 1 → 4`.
pub fn difference_words(difference: &Difference) -> String {
    let path = difference.path.as_str();
    let meaning = match path {
        "program" => "version of the program",
        "dataset.fingerprint" => "data",
        "dataset.limit" => "limit of samples",
        "dataset.sample_seed" => "seed of the drawn samples",
        "dataset.skip_broken" => "broken records passed over",
        "model.name" => "model",
        "model.fingerprint" => "weights or rule",
        "model.training" => "training",
        "model.device" => "device",
        "model.precision" => "precision",
        "retriever.config" => "retriever",
        "retriever.k" => "entries a prompt",
        "retriever.use_date" => "dates in documents",
        "retriever.encoders" => "encoders",
        "prompt" => "prompt",
        "prompt.template" => "template",
        "prompt.template_toml" => "wording of the template",
        "prompt.mode" => "prompt mode",
        "prompt.max_length" => "tokens of a prompt",
        "generation" => "generation",
        "parsing" => "parsing",
        _ => "",
    };
    if path == "prompt.template_toml" {
        return format!("{meaning} ({path}): the texts differ");
    }
    let value = |value: &Option<Value>| match value {
        None => "none".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "empty".to_owned(),
        Some(Value::String(text)) => shortened(text),
        Some(Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
        Some(other) => shortened(&other.to_string()),
    };
    let values = format!("{} → {}", value(&difference.first), value(&difference.second));
    if meaning.is_empty() { format!("{path}: {values}") } else { format!("{meaning} ({path}): {values}") }
}

fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
