//! What `lamplight show` says of a run and of one of its predictions.

use std::fmt::Write;

use serde_json::{Value, json};

use super::list::as_json;
use super::prompt::marked;
use super::run_words::{duration, figure, moment, status_now};
use super::store_choice::StoreChoice;
use super::text::{fitted, plain, safe, table};
use super::{CliError, Console, Outcome};
use crate::lamp::Sample;
use crate::metrics::ScoreSet;
use crate::prompt::{Marked, Prompt, PromptStatus, Template};
use crate::record::{Event, Prediction, RunRecord, RunSpec, RunStatus, Totals};
use crate::report;
use crate::store::Reader;

/// The run has no prediction for a sample.
#[derive(Debug, thiserror::Error)]
#[error("run {run} has no prediction for a sample `{sample}`; it has {done} of {samples}")]
pub struct NoPrediction {
    run: String,
    sample: String,
    done: u64,
    samples: u64,
}

/// Events that are shown of a run at most; all are in the JSON.
const EVENTS: usize = 20;

pub(super) fn run(
    store: &StoreChoice,
    name: &str,
    sample: Option<&str>,
    console: &Console,
) -> Result<Outcome, CliError> {
    let reader = store.reader()?;
    let run = reader.find(name)?;
    match sample {
        None => show_run(&reader, &run, console)?,
        Some(sample) => {
            let position = reader.position_of(run.id, sample)?;
            let found = position.map(|position| reader.prediction(run.id, position)).transpose()?.flatten();
            let prediction = found.ok_or_else(|| NoPrediction {
                run: run.short_key().to_owned(),
                sample: plain(sample),
                done: run.totals.done,
                samples: run.samples,
            })?;
            show_prediction(&run, &prediction, console)?;
        }
    }
    Ok(Outcome::Done)
}

fn show_run(reader: &Reader, run: &RunRecord, console: &Console) -> Result<(), CliError> {
    let events = reader.events(Some(run.id), 0)?;
    let experiments = reader.experiments()?;
    let names: Vec<&str> = experiments
        .iter()
        .filter(|experiment| experiment.runs.contains(&run.id))
        .map(|experiment| experiment.name.as_str())
        .collect();
    let status = status_now(reader, run);
    if console.is_json() {
        let mut shown = as_json(status, run);
        shown["events"] = json!(events);
        shown["experiments"] = json!(names);
        return Ok(console.print_json(&shown)?);
    }
    let mut out = format!(
        "Run {}, number {} in {}\n",
        run.short_key(),
        run.id.0,
        plain(&reader.path().display().to_string())
    );
    out.push_str(&in_words(status, run, &names));
    if let Some(aggregate) = &run.aggregate {
        let rows: Vec<Vec<String>> = aggregate
            .figures
            .iter()
            .map(|found| vec![format!("  {}", found.metric.name()), figure(found)])
            .collect();
        let heading =
            if rows.is_empty() { "No sample has a reference, so there are no figures." } else { "Figures" };
        let _ = writeln!(out, "\n{heading}\n{}", table(&rows, &[]).trim_end_matches('\n'));
    }
    out.push_str(&event_words(&events));
    Ok(console.print(&out)?)
}

/// A line a setting, its name before it.
fn in_words(status: RunStatus, run: &RunRecord, experiments: &[&str]) -> String {
    let RunSpec { program, dataset, model, retriever, prompt, generation, parsing } = &run.spec;
    let totals = &run.totals;
    let short = |text: &str| plain(text.get(..12).unwrap_or(text));
    let mut rows: Vec<(&str, String)> = Vec::new();
    let reason = run.reason.as_ref().map(|reason| format!(": {}", plain(reason))).unwrap_or_default();
    let broken_off = match (run.status, status) {
        (RunStatus::Running, RunStatus::Interrupted) => ": no program works on it, so that it was broken off",
        _ => "",
    };
    rows.push(("Status", format!("{}{broken_off}{reason}", status.id())));
    let chosen = match (dataset.limit, dataset.sample_seed) {
        (None, _) => "all samples".to_owned(),
        (Some(limit), None) => format!("the first {limit} samples"),
        (Some(limit), Some(seed)) => format!("{limit} samples drawn with seed {seed}"),
    };
    let skipped = if dataset.skip_broken { ", broken records passed over" } else { "" };
    rows.push((
        "Dataset",
        format!(
            "{}, {}, {}; {chosen}{skipped} ({})",
            dataset.task,
            dataset.setting,
            dataset.split,
            short(&dataset.fingerprint)
        ),
    ));
    let options: String =
        model.options.iter().map(|(name, value)| format!("; {name} {}", value_words(value))).collect();
    rows.push((
        "Model",
        format!(
            "{}, {}, {} on {}{} ({})",
            plain(&model.name),
            model.training.id(),
            plain(&model.precision),
            plain(&model.device),
            plain(&options),
            short(&model.fingerprint)
        ),
    ));
    let dates = if retriever.use_date { ", documents with dates" } else { "" };
    rows.push(match retriever.is_none() {
        true => ("Retriever", "none: not personalized".to_owned()),
        false => ("Retriever", format!("{}, k = {}{dates}", plain(&retriever.config), retriever.k)),
    });
    if let Some(prompt) = prompt {
        let (template, mode) = (plain(&prompt.template), plain(&prompt.mode));
        rows.push((
            "Prompt",
            format!("template {template}, {mode} mode, at most {} tokens", prompt.max_length),
        ));
    }
    if let Some(Value::Object(settings)) = generation {
        let words: Vec<String> =
            settings.iter().map(|(name, value)| format!("{name} {}", value_words(value))).collect();
        rows.push(("Generation", plain(&words.join(", "))));
    }
    let unparsed = run.parse_failure_rate().map(|rate| {
        let rate = report::words::share(rate);
        format!("; {rate} of the answers are none of the task's kind ({})", totals.unparsed)
    });
    rows.push(("Parsing", format!("{}{}", plain(parsing), unparsed.unwrap_or_default())));
    rows.push(("Program", plain(program)));
    if !experiments.is_empty() {
        rows.push(("Experiment", plain(&experiments.join(", "))));
    }
    let finished = run.finished_ms.map(|ms| format!(", finished {}", moment(ms))).unwrap_or_default();
    rows.push((
        "Times",
        format!("planned {}{finished} (UTC), {} at work", moment(run.created_ms), duration(run.active_ms)),
    ));
    let mut samples = format!("{} of {}", totals.done, run.samples);
    for (count, what) in [
        (totals.failed, "failed"),
        (totals.cached, "from kept answers"),
        (totals.fell_back, "fell back to the bare input"),
        (totals.input_cut, "with the end of the input cut off"),
    ] {
        if count > 0 {
            let _ = write!(samples, ", {count} {what}");
        }
    }
    rows.push(("Samples", samples));
    let answers = totals.done.saturating_sub(totals.failed);
    let rates: Vec<String> = rates(totals)
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| {
            format!("{:.1} % {what} ({count})", 100.0 * count as f64 / answers.max(1) as f64)
        })
        .collect();
    if !rates.is_empty() {
        rows.push(("Answers", rates.join(", ")));
    }
    let mut tokens = format!("{} read, {} written", totals.prompt_tokens, totals.new_tokens);
    if totals.estimated > 0 {
        let _ = write!(tokens, "; those of {} answers are an estimate", totals.estimated);
    }
    rows.push(("Tokens", tokens));
    if let (Some(prices), Some(cost)) = (run.prices, run.cost()) {
        rows.push((
            "Cost",
            format!(
                "{cost:.6}: {} tokens read at {} a million and {} written at {}; kept answers cost nothing",
                totals.asked_prompt_tokens, prices.input, totals.asked_new_tokens, prices.output
            ),
        ));
    }
    rows.push(("Key", plain(&run.key)));
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|(name, words)| vec![format!("  {name}"), words]).collect();
    table(&rows, &[])
}

/// How answers ended that are not as they should be: how many, and how.
fn rates(totals: &Totals) -> [(u64, &'static str); 4] {
    [
        (totals.at_limit, "ended at the limit of new tokens"),
        (totals.filtered, "kept back by a filter"),
        (totals.refused, "refusals"),
        (totals.empty, "empty"),
    ]
}

/// A setting's value without the quotes of JSON.
fn value_words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn event_words(events: &[Event]) -> String {
    if events.is_empty() {
        return String::new();
    }
    let left_out = events.len().saturating_sub(EVENTS);
    let mut out = "\nEvents\n".to_owned();
    if left_out > 0 {
        let _ = writeln!(out, "  {left_out} earlier ones are in the JSON (--json)");
    }
    for event in &events[left_out..] {
        let _ = writeln!(out, "  {}  {}: {}", moment(event.at_ms), event.kind.id(), plain(&event.text));
    }
    out
}

fn show_prediction(run: &RunRecord, prediction: &Prediction, console: &Console) -> Result<(), CliError> {
    let prompt = prediction.prompt.as_ref();
    let taken_apart = prompt.and_then(|prompt| Prompt::from_parts(prompt.text.clone(), &prompt.report).ok());
    if console.is_json() {
        let mut shown = json!(prediction);
        shown["run"] = run.key.as_str().into();
        if let Some(report) = prompt.and_then(|prompt| serde_json::from_str::<Value>(&prompt.report).ok()) {
            shown["prompt"]["report"] = report;
        }
        return Ok(console.print_json(&shown)?);
    }
    let indented = |text: &str| safe(text).replace('\n', "\n    ");
    let mut out = format!(
        "Run {}, sample {} (position {})\n",
        run.short_key(),
        plain(&prediction.sample_id),
        prediction.position
    );
    if let Some(error) = &prediction.error {
        let _ = writeln!(out, "\nFailed\n    {}", indented(error));
    }
    out.push_str(&retrieved_words(prediction, taken_apart.as_ref()));
    if let Some(prompt) = prompt {
        let shown = match &taken_apart {
            Some(parts) => marked_words(parts, &run.spec, console.is_styled()),
            None => safe(&prompt.text),
        };
        let _ = writeln!(out, "\nPrompt\n    {}", shown.replace('\n', "\n    "));
        if let Some(parts) = &taken_apart {
            out.push_str(&cut_words(parts));
        }
    }
    if prediction.error.is_none() {
        let _ = writeln!(out, "\nRaw answer\n    {}", indented(&prediction.raw));
        let parsed = if prediction.parsed { "" } else { ", none of the task's kind" };
        let _ = writeln!(out, "\nParsed answer{parsed}\n    {}", indented(&prediction.answer));
    }
    let reference = prediction.reference.as_deref().map_or_else(|| "not given".to_owned(), indented);
    let _ = writeln!(out, "\nReference\n    {reference}");
    if let Some(score) = &prediction.score {
        let values = ScoreSet::all_metrics(run.spec.dataset.task).iter().filter_map(|&metric| {
            Some(vec![format!("    {}", metric.name()), format!("{:.4}", score.value(metric)?)])
        });
        let _ = write!(out, "\nScores\n{}", table(&values.collect::<Vec<_>>(), &[1]));
    }
    let time = match prediction.cached {
        true => "taken from the kept answers".to_owned(),
        false => format!("{:.1} ms of the model's time", prediction.model_ms),
    };
    let _ = writeln!(
        out,
        "\n{} tokens read, {} written, {time}; ended by {}",
        prediction.prompt_tokens,
        prediction.new_tokens,
        match prediction.finish {
            crate::record::Finish::End => "the model",
            crate::record::Finish::Length => "the limit of new tokens",
            crate::record::Finish::Stop => "a stop text",
            crate::record::Finish::ContentFilter => "a filter at the endpoint",
            crate::record::Finish::Refusal => "the model, which refused",
        }
    );
    Ok(console.print(&out)?)
}

fn retrieved_words(prediction: &Prediction, prompt: Option<&Prompt>) -> String {
    let mut out =
        format!("\nRetrieved, {} of {} entries\n", prediction.retrieved.len(), prediction.profile_entries);
    let in_prompt =
        |index: usize| prompt.is_none_or(|prompt| prompt.entries.iter().any(|entry| entry.index == index));
    let rows: Vec<Vec<String>> = prediction
        .retrieved
        .iter()
        .enumerate()
        .map(|(rank, entry)| {
            vec![
                format!("    {}.", rank + 1),
                fitted(&plain(&entry.id), 40),
                format!("place {}", entry.index),
                entry.score.map_or_else(|| "–".to_owned(), |score| format!("{score:.4}")),
                if in_prompt(entry.index) { String::new() } else { "not in the prompt".to_owned() },
            ]
        })
        .collect();
    out.push_str(&table(&rows, &[0, 3]));
    out
}

/// The prompt with what the model does not read marked. What was left out of entries is not stored, only how much it was.
fn marked_words(prompt: &Prompt, spec: &RunSpec, strike: bool) -> String {
    let Some(template) = spec
        .prompt
        .as_ref()
        .and_then(|prompt| Template::from_toml(&prompt.template_toml, &prompt.template).ok())
    else {
        return safe(&prompt.text);
    };
    let sample = Sample::default();
    prompt.marked(&sample, &template).into_iter().map(|piece: Marked<'_>| marked(piece, strike)).collect()
}

fn cut_words(prompt: &Prompt) -> String {
    let mut out = format!("    {} of at most {} tokens", prompt.tokens, prompt.max_length);
    if let Some(lost) = &prompt.lost {
        let _ = write!(out, "; the last {} are not read", lost.tokens);
    }
    if let PromptStatus::FellBack { reason } = &prompt.status {
        let _ = write!(out, "; fell back to the bare input: {}", plain(&reason.to_string()));
    }
    out.push('\n');
    for entry in &prompt.entries {
        if let Some(cut) = &entry.cut {
            let _ = writeln!(
                out,
                "    Entry {}: {} bytes of its text were left out",
                plain(&entry.id),
                cut.len()
            );
        }
    }
    for entry in &prompt.dropped {
        let _ =
            writeln!(out, "    Entry {}: dropped, {}", plain(&entry.id), plain(&entry.reason.to_string()));
    }
    out
}
