//! `lamplight compare`: two runs beside each other.

use std::fmt::Write;

use clap::Args;
use serde::Serialize;

use super::store_choice::StoreChoice;
use super::table::MetricArgs;
use super::table_text::wrapped;
use super::text::{plain, table};
use super::{CliError, Console, Outcome};
use crate::metrics::Bootstrap;
use crate::record::RunRecord;
use crate::report::Judged;
use crate::report::compare::{
    RunComparison, adjust_over_tasks, compare_runs, difference_words, over_tasks, text,
};
use crate::store::Reader;

/// Compare two runs of one task: figures, tests on their common samples, and what their settings differ in.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The first run, by its number or the beginning of its key; differences are to it.
    first: String,
    /// The second run.
    second: String,
    #[command(flatten)]
    store: StoreChoice,
    /// Compare the same two ways on every task of the setting and split for which the store has both over the same samples, and
    /// adjust p-values over the tasks.
    #[arg(long)]
    all_tasks: bool,
    #[command(flatten)]
    metrics: MetricArgs,
    /// How often samples are drawn anew for intervals and the bootstrap's test.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    resamples: u32,
    /// Seed of the resamples.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Serialize)]
struct Output {
    resamples: u32,
    seed: u64,
    comparisons: Vec<RunComparison>,
}

/// Runs the command.
pub fn run(args: &CompareArgs, console: &Console) -> Result<Outcome, CliError> {
    let reader = args.store.reader()?;
    let (first, second) = (reader.find(&args.first)?, reader.find(&args.second)?);
    let bootstrap = Bootstrap { resamples: args.resamples, seed: args.seed, ..Bootstrap::default() };
    let mut comparisons = Vec::new();
    if args.all_tasks {
        let runs = reader.runs()?;
        for (one, other) in over_tasks(&runs, &first, &second) {
            console.cancel().check()?;
            comparisons.push(one_pair(args, &reader, one, other, &bootstrap)?);
        }
    }
    if comparisons.is_empty() {
        comparisons.push(one_pair(args, &reader, &first, &second, &bootstrap)?);
    }
    console.cancel().check()?;
    adjust_over_tasks(&mut comparisons);
    if console.is_json() {
        console.print_json(&Output { resamples: args.resamples, seed: args.seed, comparisons })?;
    } else {
        console.print(&whole(&comparisons, &bootstrap, console.width()))?;
    }
    Ok(Outcome::Done)
}

fn one_pair(
    args: &CompareArgs,
    reader: &Reader,
    first: &RunRecord,
    second: &RunRecord,
    bootstrap: &Bootstrap,
) -> Result<RunComparison, CliError> {
    let metrics = args.metrics.choice().of(first.spec.dataset.task);
    let scores = |run: &RunRecord| reader.scores(run.id);
    let mut comparison =
        compare_runs((first, scores(first)?), (second, scores(second)?), &metrics, bootstrap)?;
    let runs = [first.clone(), second.clone()];
    let judged = Judged::all(reader.judgings()?, &runs, |judging| reader.verdicts(judging))?;
    comparison.add_judged(&judged);
    Ok(comparison)
}

fn whole(comparisons: &[RunComparison], bootstrap: &Bootstrap, columns: usize) -> String {
    let mut out = String::new();
    for comparison in comparisons {
        one(comparison, &mut out);
        out.push('\n');
    }
    if let [one, ..] = comparisons {
        // The given pair's differences; those of other tasks are the task's own.
        differences(one, comparisons.len() > 1, &mut out);
    }
    let legend = text::legend(bootstrap, comparisons.len() > 1);
    legend.iter().for_each(|line| out.push_str(&wrapped(line, columns)));
    out
}

/// A comparison's lines; writing to a `String` does not fail.
fn one(comparison: &RunComparison, out: &mut String) {
    let RunComparison { first, second, .. } = comparison;
    let _ = writeln!(out, "{}, {} setting, {} split", first.task, first.setting, first.split);
    for (word, side) in [("First: ", first), ("Second:", second)] {
        let _ = writeln!(out, "{word} {}", plain(&text::side(side)));
    }
    out.push_str(&text::samples(comparison));
    out.push('\n');
    if comparison.metrics.is_empty() {
        out.push_str("No metric can be compared.\n");
        return;
    }
    let holm = text::has_holm(comparison);
    let mut rows = vec![text::header(holm).into_iter().map(str::to_owned).collect::<Vec<_>>()];
    rows.extend(comparison.metrics.iter().map(|line| text::cells(line, holm)));
    let right: Vec<usize> = (1..rows[0].len()).collect();
    out.push('\n');
    out.push_str(&table(&rows, &right));
    for line in &comparison.metrics {
        if let Some(paired) = &line.paired {
            let _ =
                writeln!(out, "{}: {}.", line.first.metric.name(), text::paired(line.first.metric, paired));
        }
    }
    for judged in &comparison.judged {
        let _ = writeln!(out, "{}: {}.", plain(&judged.title()), judged.words.join("; "));
    }
}

fn differences(comparison: &RunComparison, several: bool, out: &mut String) {
    if comparison.differences.is_empty() {
        out.push_str("The runs' settings are the same.\n\n");
        return;
    }
    let of = if several { format!(" ({})", comparison.first.task) } else { String::new() };
    let _ = writeln!(out, "Settings that differ{of}, first → second:");
    for difference in &comparison.differences {
        let _ = writeln!(out, "  {}", plain(&difference_words(difference)));
    }
    out.push('\n');
}
