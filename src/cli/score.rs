//! `lamplight score`: the official evaluation's drop-in, for one task or for several at once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::answers::{Answers, AnswersError};
use super::{CliError, Console, Outcome};
use crate::lamp::{Metric, Task, TaskKind};
use crate::metrics::{
    Aggregate, Bootstrap, MeteorStages, MetricsError, Parsing, SACREBLEU_SIGNATURE, SampleScore, ScoreSet,
    Scorer, WordNet, WordNetError,
};
use crate::report;
use crate::report::submission::first_ids;

/// What to score, and how.
#[derive(Debug, clap::Args)]
pub struct ScoreArgs {
    /// The right answers: a file in the outputs format, or a zip or folder with one file a task.
    #[arg(long, value_name = "PATH")]
    golds: PathBuf,
    /// The model's outputs, in the same form.
    #[arg(long, value_name = "PATH")]
    preds: PathBuf,
    /// The task, where the files do not say it or say LaMP_2 without known labels (LaMP-1, LaMP-2N, LaMP-2M, …).
    #[arg(long)]
    task: Option<Task>,
    /// Every metric of the task, not the benchmark's two alone.
    #[arg(long)]
    all_metrics: bool,
    /// Give 95 % intervals from this many resamples (1000 if no number is given).
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1000",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    bootstrap: Option<u32>,
    /// Seed of the resamples.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// WordNet's dictionary folder, for METEOR's synonyms (default: WNSEARCHDIR, or the system's where it has one).
    #[arg(long, value_name = "DIR")]
    wordnet: Option<PathBuf>,
    /// How outputs become answers: official, or chatty for models that talk around them.
    #[arg(long, value_name = "HOW", default_value_t)]
    answers: Parsing,
    /// Score the records that both sides have, instead of refusing sides that differ.
    #[arg(long)]
    common_only: bool,
    /// Print CSV instead of a table.
    #[arg(long)]
    csv: bool,
    /// Also write each record's scores to this CSV file.
    #[arg(long, value_name = "FILE")]
    per_sample: Option<PathBuf>,
}

/// Outputs could not be scored.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// A file could not be used.
    #[error(transparent)]
    Answers(#[from] AnswersError),
    /// WordNet's files could not be used.
    #[error(transparent)]
    WordNet(#[from] WordNetError),
    /// Nothing says which task a file is of.
    #[error("cannot tell which task {} is of; say it with --task", path.display())]
    NoTask {
        /// The file.
        path: PathBuf,
    },
    /// A pair of files of different tasks, or of another than asked for.
    #[error("{} is of {found}, not of {expected}; give golds and outputs of one task", path.display())]
    OtherTask {
        /// The file.
        path: PathBuf,
        /// The task's official id there.
        found: &'static str,
        /// The one it should have.
        expected: &'static str,
    },
    /// Two files of one task on one side.
    #[error("{} and {} are both of {task}; keep one of them", first.display(), second.display())]
    TwoFiles {
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
        /// Their task.
        task: Task,
    },
    /// Outputs of a task without golds.
    #[error("{} holds outputs of {task}, but there are no golds of it", path.display())]
    NoGolds {
        /// The outputs.
        path: PathBuf,
        /// Their task.
        task: Task,
    },
    /// The sides do not hold the same ids.
    #[error("{task}: {} lacks {missing} ids of the golds{missing_ids} and has {extra} that they lack{extra_ids}; \
             --common-only scores the ids that both have", path.display())]
    Ids {
        /// The task.
        task: Task,
        /// The outputs.
        path: PathBuf,
        /// How many are missing.
        missing: usize,
        /// The first of them, in parentheses.
        missing_ids: String,
        /// How many are too many.
        extra: usize,
        /// The first of them, in parentheses.
        extra_ids: String,
    },
    /// No record to score.
    #[error("{task}: {} has no record to score", path.display())]
    NoRecords {
        /// The task.
        task: Task,
        /// The outputs.
        path: PathBuf,
    },
    /// A gold is no answer.
    #[error("id `{id}` of {}", path.display())]
    Sample {
        /// The golds.
        path: PathBuf,
        /// The record.
        id: String,
        /// What is wrong.
        source: MetricsError,
    },
    /// The per-sample file could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
}

/// One task's result.
#[derive(Debug, Serialize)]
struct TaskResult {
    golds: PathBuf,
    preds: PathBuf,
    /// Ids that only one side has; they are not scored.
    missing: usize,
    extra: usize,
    #[serde(flatten)]
    aggregate: Aggregate,
    #[serde(skip)]
    set: ScoreSet,
    /// Id, output and gold of each score.
    #[serde(skip)]
    records: Vec<[String; 3]>,
}

/// Runs the command.
pub fn run(args: &ScoreArgs, console: &Console) -> Result<Outcome, CliError> {
    let pairs = pair_up(args, console);
    console.cancel().check()?; // a reading that was broken off is no failure
    let pairs = pairs?;
    let wordnet = if args.all_metrics { find_wordnet(args.wordnet.as_deref())? } else { None };
    let mut results = Vec::with_capacity(pairs.len());
    for (task, golds, preds) in pairs {
        results.push(score_task(args, console, task, golds, preds, wordnet.as_ref())?);
    }
    if let Some(path) = &args.per_sample {
        write_samples(args, path, &results)
            .map_err(|source| ScoreError::Write { path: path.clone(), source })?;
    }
    let stages = results.iter().find_map(|result| result.aggregate.meteor_stages);
    if stages == Some(MeteorStages::ExactStem) {
        console.note("METEOR compares equal words and stems only: no WordNet was found (--wordnet DIR).");
    }
    if console.is_json() {
        let bootstrap = args.bootstrap.map(|resamples| {
            serde_json::json!({ "resamples": resamples, "seed": args.seed, "level": Bootstrap::default().level })
        });
        let signature = args.all_metrics.then_some(SACREBLEU_SIGNATURE);
        console.print_json(
            &serde_json::json!({
                "results": results, "answers": args.answers, "bootstrap": bootstrap, "sacrebleu_signature": signature
            }),
        )?;
    } else if args.csv {
        console.print(&csv_text(&results, args.answers)?)?;
    } else {
        console.print(&table(&results))?;
    }
    Ok(Outcome::Done)
}

/// Finds each task's golds and outputs.
fn pair_up(args: &ScoreArgs, console: &Console) -> Result<Vec<(Task, Answers, Answers)>, ScoreError> {
    let (mut golds, mut preds) =
        (Answers::read(&args.golds, console.cancel())?, Answers::read(&args.preds, console.cancel())?);
    if let Some(task) = args.task {
        let wanted = |answers: &Answers| answers.official_id.is_none_or(|id| id == task.official_id());
        for side in [&mut golds, &mut preds] {
            if side.len() > 1 {
                side.retain(|answers| answers.official_id == Some(task.official_id()));
            }
            if let Some(other) = side.iter().find(|answers| !wanted(answers)) {
                return Err(ScoreError::OtherTask {
                    path: other.path.clone(),
                    found: other.official_id.unwrap_or_default(),
                    expected: task.official_id(),
                });
            }
        }
    }
    if let ([gold], [pred]) = (golds.as_slice(), preds.as_slice()) {
        if let (Some(expected), Some(found)) = (gold.official_id, pred.official_id)
            && expected != found
        {
            return Err(ScoreError::OtherTask { path: pred.path.clone(), found, expected });
        }
        let task = args.task.or_else(|| gold.task()).or_else(|| {
            // Only the outputs say their task; labels are looked for in the golds.
            Answers { path: PathBuf::new(), official_id: pred.official_id, records: gold.records.clone() }
                .task()
        });
        let task = task.ok_or_else(|| ScoreError::NoTask { path: gold.path.clone() })?;
        return Ok(golds.into_iter().zip(preds).map(|(gold, pred)| (task, gold, pred)).collect());
    }
    let mut by_task: HashMap<Task, Answers> = HashMap::new();
    for gold in golds {
        let task = args
            .task
            .or_else(|| gold.task())
            .ok_or_else(|| ScoreError::NoTask { path: gold.path.clone() })?;
        if let Some(first) = by_task.get(&task) {
            return Err(ScoreError::TwoFiles { first: first.path.clone(), second: gold.path, task });
        }
        by_task.insert(task, gold);
    }
    let mut pairs: Vec<(Task, Answers, Answers)> = Vec::new();
    for pred in preds {
        // Outputs need not hold a single right label: where golds of one task only can be meant, they are.
        let meant: Vec<Task> = (by_task.keys().chain(pairs.iter().map(|(task, ..)| task)))
            .copied()
            .filter(|task| Some(task.official_id()) == pred.official_id)
            .collect();
        let only = if let [task] = meant[..] { Some(task) } else { None };
        let task = args.task.or(only).or_else(|| pred.task());
        let task = task.ok_or_else(|| ScoreError::NoTask { path: pred.path.clone() })?;
        if let Some((_, _, first)) = pairs.iter().find(|(other, ..)| *other == task) {
            return Err(ScoreError::TwoFiles { first: first.path.clone(), second: pred.path, task });
        }
        let gold =
            by_task.remove(&task).ok_or_else(|| ScoreError::NoGolds { path: pred.path.clone(), task })?;
        pairs.push((task, gold, pred));
    }
    let mut left: Vec<&str> = by_task.keys().map(|task| task.id()).collect();
    left.sort_unstable();
    if !left.is_empty() {
        console.note(&format!("No outputs for {}: not scored.", left.join(", ")));
    }
    pairs.sort_by_key(|(task, ..)| *task);
    Ok(pairs)
}

fn find_wordnet(given: Option<&Path>) -> Result<Option<WordNet>, ScoreError> {
    let from_environment = || std::env::var_os("WNSEARCHDIR").map(PathBuf::from);
    let of_system =
        || Some(PathBuf::from("/usr/share/wordnet")).filter(|folder| cfg!(unix) && folder.is_dir());
    let Some(folder) = given.map(Path::to_owned).or_else(from_environment).or_else(of_system) else {
        return Ok(None);
    };
    load_wordnet(&folder).map(Some)
}

/// Reads WordNet's dictionary folder.
pub(super) fn load_wordnet(folder: &Path) -> Result<WordNet, ScoreError> {
    Ok(WordNet::load(|file| std::fs::read(folder.join(file)))?)
}

fn metrics(args: &ScoreArgs, task: Task) -> &'static [Metric] {
    if args.all_metrics { ScoreSet::all_metrics(task) } else { task.metrics() }
}

fn score_task(
    args: &ScoreArgs,
    console: &Console,
    task: Task,
    golds: Answers,
    preds: Answers,
    wordnet: Option<&WordNet>,
) -> Result<TaskResult, CliError> {
    let mut outputs: HashMap<String, String> = preds.records.into_iter().collect();
    let mut missing = Vec::new();
    let mut records: Vec<[String; 3]> = Vec::with_capacity(golds.records.len());
    for (id, gold) in golds.records {
        match outputs.remove(&id) {
            Some(output) => records.push([id, output, gold]),
            None => missing.push(id),
        }
    }
    let mut extra: Vec<String> = outputs.into_keys().collect();
    extra.sort_unstable();
    if !missing.is_empty() || !extra.is_empty() {
        let (missing_ids, extra_ids) = (first_ids(&missing), first_ids(&extra));
        if !args.common_only {
            let (path, missing, extra) = (preds.path, missing.len(), extra.len());
            return Err(ScoreError::Ids { task, path, missing, missing_ids, extra, extra_ids }.into());
        }
        console.note(&format!(
            "{task}: scored the {} ids that both sides have; {} without output{missing_ids}, {} without gold{extra_ids}.",
            records.len(),
            missing.len(),
            extra.len()
        ));
    }
    if records.is_empty() {
        return Err(ScoreError::NoRecords { task, path: preds.path }.into());
    }
    let scores: Result<Vec<SampleScore>, CliError> = records
        .par_iter()
        .map_init(
            || Scorer::new(task, wordnet).reading(args.answers),
            |scorer, [id, output, gold]| {
                console.cancel().check()?;
                let failed = |source| ScoreError::Sample { path: golds.path.clone(), id: id.clone(), source };
                Ok(scorer.score(output, gold).map_err(failed)?)
            },
        )
        .collect();
    let Some(set) = ScoreSet::new(task, scores?, MeteorStages::with(wordnet)) else {
        return Err(ScoreError::NoRecords { task, path: preds.path }.into());
    };
    let bootstrap =
        args.bootstrap.map(|resamples| Bootstrap { resamples, seed: args.seed, ..Bootstrap::default() });
    let aggregate = set.aggregate(metrics(args, task), bootstrap.as_ref());
    let (missing, extra) = (missing.len(), extra.len());
    Ok(TaskResult { golds: golds.path, preds: preds.path, missing, extra, aggregate, set, records })
}

fn table(results: &[TaskResult]) -> String {
    let header = ["Task", "Metric", "Value", "95 % interval", "Samples", "Not parsed"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for TaskResult { aggregate, .. } in results {
        rows.extend(aggregate.figures.iter().map(|figure| {
            let interval = figure.interval.map(|i| format!("{:.4} to {:.4}", i.low, i.high));
            vec![
                aggregate.task.id().to_owned(),
                figure.metric.name().to_owned(),
                format!("{:.4}", figure.value),
                interval.unwrap_or_else(|| "–".to_owned()),
                aggregate.samples.to_string(),
                unparsed(aggregate),
            ]
        }));
    }
    super::text::table(&rows, &[2, 4, 5])
}

/// How many outputs are no answer of the task's kind, with their share; a dash where any text is one.
fn unparsed(aggregate: &Aggregate) -> String {
    match aggregate.task.kind() {
        TaskKind::Generation => "–".to_owned(),
        _ => format!("{} ({})", aggregate.parse_failures, report::words::share(aggregate.parse_failure_rate)),
    }
}

fn csv_text(results: &[TaskResult], answers: Parsing) -> std::io::Result<String> {
    let mut csv = report::csv::writer(Vec::new());
    csv.write_record([
        "task",
        "metric",
        "value",
        "low",
        "high",
        "samples",
        "parse_failures",
        "missing",
        "extra",
        "meteor_stages",
        "parse_failure_rate",
        "answers",
    ])?;
    for result in results {
        for figure in &result.aggregate.figures {
            let end = |end: Option<f64>| end.map_or_else(String::new, |end| end.to_string());
            let stages = match (figure.metric, result.aggregate.meteor_stages) {
                (Metric::Meteor, Some(MeteorStages::ExactStem)) => "exact-stem",
                (Metric::Meteor, Some(MeteorStages::ExactStemSynonym)) => "exact-stem-synonym",
                _ => "",
            };
            csv.write_record([
                result.aggregate.task.id(),
                figure.metric.id(),
                &figure.value.to_string(),
                &end(figure.interval.map(|interval| interval.low)),
                &end(figure.interval.map(|interval| interval.high)),
                &result.aggregate.samples.to_string(),
                &result.aggregate.parse_failures.to_string(),
                &result.missing.to_string(),
                &result.extra.to_string(),
                stages,
                &result.aggregate.parse_failure_rate.to_string(),
                answers.id(),
            ])?;
        }
    }
    let bytes = csv.into_inner().map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// One row a record; columns of metrics that are not of its task stay empty.
fn write_samples(args: &ScoreArgs, path: &Path, results: &[TaskResult]) -> Result<(), csv::Error> {
    let mut columns: Vec<Metric> = Vec::new();
    for result in results {
        columns.extend(metrics(args, result.aggregate.task));
    }
    columns.sort_unstable();
    columns.dedup();
    let mut csv = report::csv::writer(std::fs::File::create(path)?);
    let names = columns.iter().map(|metric| metric.id());
    csv.write_record(["task", "id", "parsed"].into_iter().chain(names).chain(["output", "gold"]))?;
    for result in results {
        for ([id, output, gold], score) in result.records.iter().zip(result.set.scores()) {
            let mut row = vec![
                result.aggregate.task.id().to_owned(),
                report::csv::text_cell(id),
                score.parsed().to_string(),
            ];
            row.extend(
                columns.iter().map(|&m| score.value(m).map_or_else(String::new, |value| value.to_string())),
            );
            row.extend([report::csv::text_cell(output), report::csv::text_cell(gold)]);
            csv.write_record(row)?;
        }
    }
    csv.flush()?;
    Ok(())
}
