//! What came of an experiment, in a few lines or as JSON. The whole table is `lamplight table`'s.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::cli::text::{plain, table};
use crate::lamp::Metric;
use crate::record::{RunRecord, RunSpec, RunStatus, Tuning};
use crate::report;
use crate::run::experiment::Experiment;
use crate::run::series::Outcome;
use crate::run::{Plan, in_full};

/// A run in one line.
pub(super) fn label(spec: &RunSpec) -> String {
    let dataset = &spec.dataset;
    plain(&format!(
        "{} {} {}, {}, {}",
        dataset.task,
        dataset.setting,
        dataset.split,
        spec.model.name,
        retriever(spec)
    ))
}

/// The retriever with its k.
pub(super) fn retriever(spec: &RunSpec) -> String {
    if spec.retriever.is_none() {
        return "none".to_owned();
    }
    let date = if spec.retriever.use_date { ", with dates" } else { "" };
    format!("{} k = {}{date}", spec.retriever.config, spec.retriever.k)
}

/// The figures that are shown, in words; the task's own if `metrics` has none of its.
pub(super) fn figures(run: &RunRecord, metrics: &[Metric]) -> String {
    let found = run.aggregate.iter().flat_map(|aggregate| &aggregate.figures);
    let chosen = |metric: &Metric| metrics.contains(metric);
    let of_task = run.spec.dataset.task.metrics();
    let any = found.clone().any(|figure| chosen(&figure.metric));
    let shown =
        found.filter(|figure| if any { chosen(&figure.metric) } else { of_task.contains(&figure.metric) });
    let words: Vec<String> =
        shown.map(|figure| format!("{} {:.4}", figure.metric.name(), figure.value)).collect();
    if words.is_empty() { "no figures".to_owned() } else { words.join(", ") }
}

/// What came of an experiment, for people.
pub(super) fn in_words(experiment: &Experiment, outcome: &Outcome, store: &Path) -> String {
    let mut text = String::new();
    let mut rows = Vec::new();
    for run in &outcome.runs {
        let dataset = &run.spec.dataset;
        let state = match run.status {
            RunStatus::Done if run.totals.failed > 0 => format!("{} failed", run.totals.failed),
            RunStatus::Done => String::new(),
            other => other.id().to_owned(),
        };
        rows.push(vec![
            run.id.0.to_string(),
            format!("{} {} {}", dataset.task, dataset.setting, dataset.split),
            plain(&run.spec.model.name),
            plain(&retriever(&run.spec)),
            format!("{}/{}", run.totals.done, run.samples),
            if run.status == RunStatus::Done { figures(run, &experiment.metrics) } else { String::new() },
            run.parse_failure_rate().map_or_else(|| "–".to_owned(), report::words::share),
            state,
        ]);
    }
    if !rows.is_empty() {
        let head = ["Run", "Data", "Model", "Retriever", "Samples", "Figures", "Not parsed", ""];
        rows.insert(0, head.map(str::to_owned).to_vec());
        text.push_str(&table(&rows, &[0, 4, 6]));
    }
    for tuning in &outcome.tunings {
        text.push_str(&plain(&tuned(tuning)));
        text.push('\n');
    }
    for (tuning, reason) in &outcome.unchosen {
        let (task, setting) = (tuning.task, tuning.setting);
        let model = plain(&tuning.model);
        text.push_str(&format!("Nothing is chosen for {task} {setting}, {model}: {reason}\n"));
    }
    for failure in &outcome.failures {
        let why = plain(&in_full(&failure.error));
        text.push_str(&format!("Not run: {}: {why}\n", label(&failure.cell.spec)));
    }
    text.push_str(&format!(
        "Stored in {}; `lamplight table` compares the runs.\n",
        plain(&store.display().to_string())
    ));
    text
}

/// What was chosen, in a line.
pub(super) fn tuned(tuning: &Tuning) -> String {
    let Some(winner) = tuning.grid.get(tuning.winner) else { return String::new() };
    let same =
        if tuning.same_data { "; chosen on the samples that are reported, so it is too good" } else { "" };
    format!(
        "Tuned on {}: {} {}, {}: {} with k = {}, {} {:.4} of {} tried{same}",
        tuning.tuned_on,
        tuning.task,
        tuning.setting,
        tuning.model,
        winner.retriever,
        winner.k,
        tuning.metric.name(),
        winner.value,
        tuning.grid.len(),
    )
}

/// What came of an experiment, for machines.
pub(super) fn as_json(experiment: &Experiment, plan: &Plan, outcome: &Outcome, store: &Path) -> Value {
    let failures = outcome.failures.iter().map(|failure| {
        let mut row = spec_json(&failure.cell.spec);
        row.insert("error".into(), in_full(&failure.error).into());
        Value::Object(row)
    });
    let unchosen = outcome.unchosen.iter().map(|(tuning, reason)| {
        let (task, setting, model) = (tuning.task, tuning.setting, &tuning.model);
        json!({ "task": task, "setting": setting, "model": model, "reason": reason.to_string() })
    });
    json!({
        "experiment": experiment.name,
        "store": store,
        "runs": outcome.runs.iter().map(run_json).collect::<Vec<_>>(),
        "failures": failures.collect::<Vec<_>>(),
        "tunings": outcome.tunings,
        "unchosen": unchosen.collect::<Vec<_>>(),
        "refused": refused_json(plan),
        "notes": plan.notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "interrupted": outcome.canceled,
    })
}

pub(super) fn refused_json(plan: &Plan) -> Value {
    let rows = plan.refused.iter().map(|refused| {
        json!({
            "task": refused.dataset.task, "setting": refused.dataset.setting, "split": refused.dataset.split,
            "model": refused.model, "retriever": refused.retriever, "reason": refused.reason,
        })
    });
    rows.collect()
}

/// What names a run, as JSON.
pub(super) fn spec_json(spec: &RunSpec) -> Map<String, Value> {
    let row = json!({
        "key": spec.key(),
        "task": spec.dataset.task, "setting": spec.dataset.setting, "split": spec.dataset.split,
        "model": spec.model.name, "retriever": spec.retriever.config, "k": spec.retriever.k,
    });
    match row {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}

/// A run, as JSON.
pub(super) fn run_json(run: &RunRecord) -> Value {
    let figures: Map<String, Value> = run
        .aggregate
        .iter()
        .flat_map(|aggregate| &aggregate.figures)
        .map(|figure| (figure.metric.id().to_owned(), figure.value.into()))
        .collect();
    let mut row = spec_json(&run.spec);
    row.insert("run".into(), run.id.0.into());
    row.insert("status".into(), run.status.id().into());
    row.insert("reason".into(), run.reason.clone().into());
    row.insert("samples".into(), run.samples.into());
    row.insert("done".into(), run.totals.done.into());
    row.insert("failed".into(), run.totals.failed.into());
    row.insert("cached".into(), run.totals.cached.into());
    row.insert("parse_failure_rate".into(), run.parse_failure_rate().into());
    row.insert("figures".into(), figures.into());
    Value::Object(row)
}
