//! Judging from a terminal: what would be asked, how far it is, and what came of it.

use std::num::NonZero;

use serde_json::json;

use super::words;
use super::{HowArgs, NotJudged};
use crate::cli::run::progress::judging_bar;
use crate::cli::text::plain;
use crate::cli::{CliError, Console, Outcome, Unit};
use crate::jobs::Canceled;
use crate::record::{JudgeMethod, RunRecord};
use crate::run::experiment::{GenerationSettings, ModelSettings};
use crate::run::judge::{Judge, JudgeError, JudgeSettings, template};
use crate::run::{Control, Estimate, Settings};

/// Judges runs, each of `groups` together.
pub(super) fn run(
    method: JudgeMethod,
    groups: Vec<Vec<String>>,
    how: &HowArgs,
    console: &Console,
) -> Result<Outcome, CliError> {
    let template = template(method, how.template.as_deref()).map_err(JudgeError::from)?;
    let reader = how.store.reader()?;
    let groups: Vec<Vec<RunRecord>> = groups
        .iter()
        .map(|names| names.iter().map(|name| reader.find(name)).collect::<Result<_, _>>())
        .collect::<Result<_, _>>()?;
    let workplace = how
        .models
        .workplace()?
        .with_threads(how.threads.map_or(0, NonZero::get))
        .with_cancel(console.cancel().clone());
    let settings = JudgeSettings { model: how.model(), template };
    let mut judge = console.with_progress(Unit::Bytes, |progress| {
        Judge::new(settings, &workplace, console.cancel(), progress)
    })?;
    let limit = how.limit.map(NonZero::get);
    let mut cases = Vec::with_capacity(groups.len());
    for runs in &groups {
        cases.push(judge.cases(&reader, runs, limit, console.cancel())?);
    }
    if how.dry_run {
        let mut estimates = Vec::with_capacity(cases.len());
        for cases in &cases {
            estimates.push(console.with_progress(Unit::Items, |progress| {
                judge.estimate(&reader, cases, console.cancel(), progress)
            })?);
        }
        return dry_run(&judge, &groups, &estimates, console);
    }
    let mut store = how.store.open()?;
    let control = Control::new(console.cancel().clone());
    let (mut shown, mut undone, mut unclear, mut canceled) = (Vec::new(), 0, false, false);
    for cases in &cases {
        let bar = judging_bar(console, &control);
        let judged = judge.judge(&mut store, cases, how.settings(), &control);
        bar.end();
        let judged = judged?;
        canceled = judged.canceled;
        if let Some(reason) = &judged.reason {
            undone += 1;
            console.note(&format!("Ended: {}", plain(reason)));
        }
        let totals = judged.judging.totals;
        unclear |= totals.failed > 0 || totals.unreadable > 0;
        let one = words::shown(&store.reader()?, judged.judging)?;
        if !console.is_json() {
            console.print(&words::words(&store.reader()?, &one)?)?;
        }
        shown.push(one);
        if canceled {
            break;
        }
    }
    if console.is_json() {
        console.print_json(&json!({ "judgings": shown.iter().map(words::as_json).collect::<Vec<_>>() }))?;
    }
    if canceled {
        console.note("Interrupted. What was judged is stored; the same command goes on.");
        return Err(Canceled.into());
    }
    if undone > 0 {
        return Err(NotJudged { count: undone, of: cases.len() }.into());
    }
    Ok(if unclear { Outcome::DataHasErrors } else { Outcome::Done })
}

impl HowArgs {
    fn model(&self) -> ModelSettings {
        ModelSettings {
            name: self.judge.clone(),
            device: self.device,
            chat: self.chat,
            generation: GenerationSettings {
                max_new_tokens: Some(self.max_new_tokens.get()),
                ..GenerationSettings::default()
            },
            ..ModelSettings::default()
        }
    }

    const fn settings(&self) -> Settings {
        Settings {
            max_failures_in_a_row: self.max_failures.get(),
            retry_failed: self.retry_failed,
            use_cache: !self.no_cache,
            spending_limit: self.spending_limit,
        }
    }
}

fn dry_run(
    judge: &Judge,
    groups: &[Vec<RunRecord>],
    estimates: &[Estimate],
    console: &Console,
) -> Result<Outcome, CliError> {
    if console.is_json() {
        let each = groups.iter().zip(estimates).map(|(runs, estimate)| {
            json!({
                "runs": runs.iter().map(|run| run.key.as_str()).collect::<Vec<_>>(),
                "verdicts": estimate.samples,
                "counted": estimate.counted,
                "prompt_tokens": estimate.prompt_tokens,
                "most_new_tokens": estimate.most_new_tokens,
                "tokenizer": estimate.tokenizer,
                "least_cost": estimate.cost.map(|cost| cost.0),
                "most_cost": estimate.cost.map(|cost| cost.1),
            })
        });
        let each: Vec<_> = each.collect();
        let template = judge.template().prompt();
        console.print_json(&json!({ "judge": judge.name(), "template": template, "judgings": each }))?;
        return Ok(Outcome::Done);
    }
    let sum = |of: fn(&Estimate) -> u64| estimates.iter().map(of).sum::<u64>();
    let mut text = format!(
        "{} would be asked for {} verdicts: about {} tokens read and at most {} written.\n",
        plain(judge.name()),
        sum(|estimate| estimate.samples),
        sum(|estimate| estimate.prompt_tokens),
        sum(|estimate| estimate.most_new_tokens),
    );
    if let Some(first) = estimates.first() {
        let counted = sum(|estimate| estimate.counted);
        text.push_str(&format!("Counted on {counted} prompts by {}.\n", plain(&first.tokenizer)));
    }
    let costs: Vec<(f64, f64)> = estimates.iter().filter_map(|estimate| estimate.cost).collect();
    if !costs.is_empty() {
        let (least, most) = costs.iter().fold((0.0, 0.0), |(a, b), (least, most)| (a + least, b + most));
        text.push_str(&format!("Cost: {least:.4} to {most:.4}; kept answers cost nothing.\n"));
    }
    console.print(&text)?;
    Ok(Outcome::Done)
}
