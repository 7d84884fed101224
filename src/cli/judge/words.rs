//! Judgings in words and as JSON.

use serde_json::{Value, json};

use crate::cli::CliError;
use crate::cli::run_words::moment;
use crate::cli::text::{fitted, plain, table};
use crate::record::{JudgeMethod, JudgingRecord, RunId};
use crate::report::{JudgeFigures, Judged, mean, template_name};
use crate::store::Reader;

/// A judging with what it comes to.
pub(super) fn shown(reader: &Reader, judging: JudgingRecord) -> Result<Judged, CliError> {
    let verdicts = reader.verdicts(judging.id)?;
    Ok(Judged::of(judging, &verdicts))
}

/// The record as stored, with its cost and figures.
pub(super) fn as_json(Judged { judging, figures }: &Judged) -> Value {
    let mut value = json!(judging);
    value["cost"] = json!(judging.cost());
    value["done"] = json!(judging.is_done());
    value["figures"] = json!(figures);
    if let JudgeFigures::Pair(figures) = figures {
        value["figures"]["inconsistency"] = json!(figures.inconsistency());
        value["figures"]["unreadable_share"] = json!(figures.unreadable_share());
    }
    value
}

/// The judging in a few lines.
pub(super) fn words(reader: &Reader, judged: &Judged) -> Result<String, CliError> {
    let judging = &judged.judging;
    let spec = &judging.spec;
    let mut out = format!(
        "Judging {} ({}): {}, judge {}, template {}\n",
        judging.id.0,
        plain(judging.short_key()),
        spec.method.id(),
        plain(&spec.model.name),
        plain(&template_name(spec)),
    );
    let places = if spec.method == JudgeMethod::Pairwise { ["First:  ", "Second: "] } else { ["Run: ", ""] };
    for (run, place) in judging.runs.iter().zip(places) {
        out.push_str(&format!("  {place}{}\n", run_words(reader, *run)?));
    }
    for line in judged.lines() {
        out.push_str(&format!("  {line}.\n"));
    }
    out.push_str(&format!("  {}.\n", spent(judging)));
    Ok(out)
}

fn spent(judging: &JudgingRecord) -> String {
    let totals = judging.totals;
    let mut text = format!("Verdicts: {} of {}", totals.done, judging.wanted());
    for (count, what) in [(totals.cached, "without asking"), (totals.refused, "refused or filtered")] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    let (read, written) = (totals.asked_prompt_tokens, totals.asked_new_tokens);
    text.push_str(&format!("; {read} tokens read, {written} written"));
    if let Some(cost) = judging.cost() {
        text.push_str(&format!(", cost {cost:.4}"));
    }
    text
}

fn run_words(reader: &Reader, id: RunId) -> Result<String, CliError> {
    let Some(run) = reader.run(id)? else { return Ok(format!("run {}", id.0)) };
    let spec = &run.spec;
    Ok(format!(
        "{} ({}): {} {} {}, {}, {} k = {}",
        id.0,
        plain(run.short_key()),
        spec.dataset.task,
        spec.dataset.setting,
        spec.dataset.split,
        plain(&spec.model.name),
        plain(&spec.retriever.config),
        spec.retriever.k
    ))
}

/// All judgings, a line each.
pub(super) fn list(all: &[Judged], reader: &Reader) -> Result<String, CliError> {
    if all.is_empty() {
        let path = plain(&reader.path().display().to_string());
        return Ok(format!("{path} has no judgings yet; `lamplight judge score` makes some.\n"));
    }
    let header = [
        "Judging",
        "Method",
        "Judge",
        "Template",
        "Runs",
        "Verdicts",
        "Figure",
        "Unclear",
        "Failed",
        "Cost",
        "Begun (UTC)",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for Judged { judging, figures } in all {
        let spec = &judging.spec;
        let figure = match figures {
            JudgeFigures::Rubric(figures) => mean(figures.points),
            JudgeFigures::Pair(figures) => figures.preferences.map_or_else(
                || "–".to_owned(),
                |found| {
                    format!(
                        "{} / {} / {}, share {}",
                        found.first,
                        found.ties,
                        found.second,
                        mean(Some(found.share))
                    )
                },
            ),
        };
        let runs: Vec<String> = judging.runs.iter().map(|run| run.0.to_string()).collect();
        rows.push(vec![
            format!("{} {}", judging.id.0, plain(judging.short_key())),
            spec.method.id().to_owned(),
            fitted(&plain(&spec.model.name), 28),
            fitted(&plain(&spec.prompt.name), 20),
            runs.join(" ↔ "),
            format!("{}/{}", judging.totals.done, judging.wanted()),
            figure,
            judging.totals.unreadable.to_string(),
            judging.totals.failed.to_string(),
            judging.cost().map_or_else(|| "–".to_owned(), |cost| format!("{cost:.4}")),
            moment(judging.created_ms),
        ]);
    }
    Ok(table(&rows, &[5, 7, 8, 9]))
}
