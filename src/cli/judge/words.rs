//! Judgings in words and as JSON.

use serde_json::{Value, json};

use crate::cli::CliError;
use crate::cli::run_words::moment;
use crate::cli::text::{fitted, plain, table};
use crate::metrics::{Bootstrap, MeanFigure};
use crate::record::{JudgeMethod, JudgingRecord, PairFigures, RubricFigures, RunId};
use crate::report::words::{p_value, share};
use crate::store::Reader;

/// A judging with what it comes to.
pub(super) struct Shown {
    judging: JudgingRecord,
    figures: Figures,
}

enum Figures {
    Rubric(RubricFigures),
    Pair(PairFigures),
}

impl Shown {
    pub(super) fn of(reader: &Reader, judging: JudgingRecord) -> Result<Self, CliError> {
        let (verdicts, bootstrap) = (reader.verdicts(judging.id)?, Bootstrap::default());
        let figures = match judging.spec.method {
            JudgeMethod::Rubric => Figures::Rubric(RubricFigures::of(&verdicts, &bootstrap)),
            JudgeMethod::Pairwise => Figures::Pair(PairFigures::of(&verdicts, &bootstrap)),
        };
        Ok(Self { judging, figures })
    }

    /// The record as stored, with its cost and figures.
    pub(super) fn as_json(&self) -> Value {
        let mut value = json!(self.judging);
        value["cost"] = json!(self.judging.cost());
        value["done"] = json!(self.judging.is_done());
        value["figures"] = match &self.figures {
            Figures::Rubric(figures) => json!(figures),
            Figures::Pair(figures) => {
                let mut all = json!(figures);
                all["inconsistency"] = json!(figures.inconsistency());
                all["unreadable_share"] = json!(figures.unreadable_share());
                all
            }
        };
        value
    }

    /// The judging in a few lines.
    pub(super) fn words(&self, reader: &Reader) -> Result<String, CliError> {
        let Self { judging, figures } = self;
        let spec = &judging.spec;
        let mut out = format!(
            "Judging {} ({}): {}, judge {}, template {}\n",
            judging.id.0,
            plain(judging.short_key()),
            spec.method.id(),
            plain(&spec.model.name),
            plain(&spec.prompt.name),
        );
        let places = if spec.method == JudgeMethod::Pairwise { ["First:  ", "Second: "] } else { ["Run: ", ""] };
        for (run, place) in judging.runs.iter().zip(places) {
            out.push_str(&format!("  {place}{}\n", run_words(reader, *run)?));
        }
        match figures {
            Figures::Rubric(figures) => {
                out.push_str(&format!("  Points: {}, n {}\n", mean(figures.points), figures.samples));
                out.push_str(&uncounted(figures.unreadable, figures.failed, 0));
            }
            Figures::Pair(figures) => pair(figures, &mut out),
        }
        out.push_str(&format!("  {}\n", spent(judging)));
        Ok(out)
    }
}

fn pair(figures: &PairFigures, out: &mut String) {
    let PairFigures { preferences, inconsistent, same, unreadable, failed, open } = figures;
    let Some(found) = preferences else {
        out.push_str("  No sample has a verdict in both orders.\n");
        out.push_str(&uncounted(*unreadable, *failed, *open));
        return;
    };
    let of = |count: u64| share(count as f64 / found.samples.max(1) as f64);
    out.push_str(&format!(
        "  First preferred {} ({}), ties {} ({}), second preferred {} ({}), n {}\n",
        of(found.first),
        found.first,
        of(found.ties),
        found.ties,
        of(found.second),
        found.second,
        found.samples,
    ));
    out.push_str(&format!(
        "  Share of the first, ties as halves: {}; sign test over wins: p {}\n",
        mean(Some(found.share)),
        p_value(found.p),
    ));
    if let Some(rate) = figures.inconsistency() {
        let rate = share(rate);
        out.push_str(&format!("  The two orders disagree on {inconsistent} samples ({rate}), which are ties\n"));
    }
    if *same > 0 {
        out.push_str(&format!("  {same} samples have two equal answers, which are ties without asking\n"));
    }
    out.push_str(&uncounted(*unreadable, *failed, *open));
}

fn uncounted(unreadable: u64, failed: u64, open: u64) -> String {
    let mut parts = Vec::new();
    for (count, what) in [(unreadable, "unclear"), (failed, "failed"), (open, "judged in one order only")] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if parts.is_empty() { String::new() } else { format!("  Left out: {}\n", parts.join(", ")) }
}

fn mean(figure: Option<MeanFigure>) -> String {
    match figure {
        None => "–".to_owned(),
        Some(MeanFigure { value, interval: None }) => format!("{value:.3}"),
        Some(MeanFigure { value, interval: Some(interval) }) => {
            format!("{value:.3} [{:.3}, {:.3}]", interval.low, interval.high)
        }
    }
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
pub(super) fn list(all: &[Shown], reader: &Reader) -> Result<String, CliError> {
    if all.is_empty() {
        let path = plain(&reader.path().display().to_string());
        return Ok(format!("{path} has no judgings yet; `lamplight judge score` makes some.\n"));
    }
    let header = [
        "Judging", "Method", "Judge", "Template", "Runs", "Verdicts", "Figure", "Unclear", "Failed", "Cost",
        "Begun (UTC)",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for Shown { judging, figures } in all {
        let spec = &judging.spec;
        let figure = match figures {
            Figures::Rubric(figures) => mean(figures.points),
            Figures::Pair(figures) => figures.preferences.map_or_else(
                || "–".to_owned(),
                |found| format!("{} / {} / {}, share {}", found.first, found.ties, found.second, mean(Some(found.share))),
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
