//! `lamplight list`: the runs of a store.

use clap::Args;
use serde_json::{Value, json};

use super::run_words::{figure, moment, status_now};
use super::store_choice::StoreChoice;
use super::text::{fitted, plain, table};
use super::{CliError, Console, Outcome};
use crate::lamp::{Setting, Split, Task};
use crate::record::{RunRecord, RunStatus};

/// List the runs of a store.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only runs of this task.
    #[arg(long)]
    task: Option<Task>,
    /// Only runs of this setting: user or time.
    #[arg(long)]
    setting: Option<Setting>,
    /// Only runs of this split: train, dev or test.
    #[arg(long)]
    split: Option<Split>,
    /// Only runs of models whose name contains this.
    #[arg(long)]
    model: Option<String>,
    /// Only runs that stand so: planned, running, interrupted, failed or done.
    #[arg(long, value_parser = status)]
    status: Option<RunStatus>,
    #[command(flatten)]
    store: StoreChoice,
}

fn status(text: &str) -> Result<RunStatus, &'static str> {
    RunStatus::of(&text.to_ascii_lowercase()).ok_or("use one of planned, running, interrupted, failed, done")
}

/// Runs the command.
pub(super) fn run(arguments: &ListArgs, console: &Console) -> Result<Outcome, CliError> {
    let reader = arguments.store.reader()?;
    let all = reader.runs()?;
    let stored = all.len();
    let runs = all.into_iter().map(|run| (status_now(&reader, &run), run));
    let runs: Vec<(RunStatus, RunRecord)> =
        runs.filter(|(status, run)| arguments.wants(*status, run)).collect();
    let unreadable = reader.unreadable_runs()?;
    if console.is_json() {
        let runs: Vec<Value> = runs.iter().map(|(status, run)| as_json(*status, run)).collect();
        console.print_json(&json!({ "store": reader.path(), "runs": runs, "unreadable": unreadable }))?;
        return Ok(Outcome::Done);
    }
    let mut out = match (runs.is_empty(), stored) {
        (true, 0) => format!("{} has no runs yet.\n", plain(&reader.path().display().to_string())),
        (true, stored) => format!("None of the {stored} runs is of this kind.\n"),
        (false, _) => words(&runs),
    };
    for run in &unreadable {
        let short = run.key.get(..8).unwrap_or(&run.key);
        out.push_str(&format!(
            "Run {} cannot be read by this program: {}\n",
            plain(short),
            plain(&run.reason)
        ));
    }
    console.print(&out)?;
    Ok(Outcome::Done)
}

impl ListArgs {
    fn wants(&self, status: RunStatus, run: &RunRecord) -> bool {
        let dataset = &run.spec.dataset;
        let model = run.spec.model.name.to_lowercase();
        self.task.is_none_or(|task| task == dataset.task)
            && self.setting.is_none_or(|setting| setting == dataset.setting)
            && self.split.is_none_or(|split| split == dataset.split)
            && self.model.as_ref().is_none_or(|wanted| model.contains(&wanted.to_lowercase()))
            && self.status.is_none_or(|wanted| wanted == status)
    }
}

/// The record as stored, with the status that holds now.
pub(super) fn as_json(status: RunStatus, run: &RunRecord) -> Value {
    let mut value = json!(run);
    value["status"] = json!(status);
    value["cost"] = json!(run.cost());
    value["parse_failure_rate"] = json!(run.parse_failure_rate());
    value
}

fn words(runs: &[(RunStatus, RunRecord)]) -> String {
    let header = [
        "Run",
        "Status",
        "Task",
        "Setting",
        "Split",
        "Model",
        "Retriever",
        "k",
        "Samples",
        "Metric",
        "Value",
        "Planned (UTC)",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for (status, run) in runs {
        let (spec, totals) = (&run.spec, &run.totals);
        let primary = spec.dataset.task.primary_metric();
        let figures =
            run.aggregate.as_ref().map(|aggregate| aggregate.figures.as_slice()).unwrap_or_default();
        let found = figures.iter().find(|figure| figure.metric == primary).or(figures.first());
        let failed = if totals.failed > 0 { format!(", {} failed", totals.failed) } else { String::new() };
        rows.push(vec![
            plain(run.short_key()),
            status.id().to_owned(),
            spec.dataset.task.id().to_owned(),
            spec.dataset.setting.id().to_owned(),
            spec.dataset.split.id().to_owned(),
            fitted(&plain(&spec.model.name), 28),
            fitted(&plain(&spec.retriever.config), 28),
            spec.retriever.k.to_string(),
            format!("{}/{}{failed}", totals.done, run.samples),
            found.map_or_else(|| "–".to_owned(), |figure| figure.metric.name().to_owned()),
            found.map_or_else(|| "–".to_owned(), figure),
            moment(run.created_ms),
        ]);
    }
    table(&rows, &[7, 8])
}
