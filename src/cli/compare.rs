//! `lamplight compare`: two runs beside each other.

use std::fmt::Write;

use clap::Args;
use serde::Serialize;

use super::store_choice::StoreChoice;
use super::table::MetricArgs;
use super::table_text::wrapped;
use super::text::{plain, table};
use super::{CliError, Console, Outcome};
use crate::metrics::{Bootstrap, PairedTest};
use crate::record::RunRecord;
use crate::report::compare::{
    MetricComparison, RunComparison, Side, adjust_over_tasks, compare_runs, difference_words, over_tasks,
};
use crate::report::words;
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
        console.print(&text(&comparisons, &bootstrap, console.width()))?;
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
    Ok(compare_runs((first, scores(first)?), (second, scores(second)?), &metrics, bootstrap)?)
}

fn text(comparisons: &[RunComparison], bootstrap: &Bootstrap, columns: usize) -> String {
    let mut out = String::new();
    for comparison in comparisons {
        one(comparison, &mut out);
        out.push('\n');
    }
    if let [one, ..] = comparisons {
        // The given pair's differences; those of other tasks are the task's own.
        differences(one, comparisons.len() > 1, &mut out);
    }
    let mut legend = vec![
        format!(
            "Intervals: 95 %, bootstrap over samples ({} resamples, seed {}); ±: half the width.",
            bootstrap.resamples, bootstrap.seed
        ),
        "Difference: second minus first. Percent: + is better, for errors too. + : −: samples on which the second run is better and \
         worse."
            .to_owned(),
        "p: McNemar's exact test for accuracy, paired t-test for other means over samples, two-sided. Boot. p: paired bootstrap."
            .to_owned(),
    ];
    if comparisons.len() > 1 {
        legend.push(
            "Holm p: p, or the bootstrap's where there is none, adjusted over the tasks; each task's first metric is one family, its \
             second another."
                .to_owned(),
        );
    }
    legend.iter().for_each(|line| out.push_str(&wrapped(line, columns)));
    out
}

/// A comparison's lines; writing to a `String` does not fail.
fn one(comparison: &RunComparison, out: &mut String) {
    let RunComparison { first, second, common, only_first, only_second, .. } = comparison;
    let _ = writeln!(out, "{}, {} setting, {} split", first.task, first.setting, first.split);
    for (word, side) in [("First: ", first), ("Second:", second)] {
        let _ = writeln!(out, "{word} {}", side_text(side));
    }
    if comparison.same_data {
        let _ = write!(out, "{common} common samples");
        if only_first + only_second > 0 {
            let _ = write!(
                out,
                "; {only_first} that only the first scored and {only_second} that only the second did are left out"
            );
        }
        out.push_str(".\n");
    } else {
        out.push_str(
            "The runs are over different data: figures are of each run's own samples; nothing is tested.\n",
        );
    }
    let holm = comparison.metrics.iter().any(|line| line.paired.as_ref().is_some_and(|p| p.p_holm.is_some()));
    let mut header: Vec<&str> = vec!["Metric", "First", "Second", "Difference", "Percent", "+ : −", "p"];
    if holm {
        header.push("Holm p");
    }
    header.push("Boot. p");
    let mut rows = vec![header.into_iter().map(str::to_owned).collect::<Vec<_>>()];
    rows.extend(comparison.metrics.iter().map(|line| cells(line, holm)));
    let right: Vec<usize> = (1..rows[0].len()).collect();
    out.push('\n');
    out.push_str(&table(&rows, &right));
    for line in &comparison.metrics {
        let name = line.first.metric.name();
        let test = line.paired.as_ref().map(|paired| paired.comparison.test);
        let _ = match test {
            Some(Some(PairedTest::McNemar { only_first, only_second, .. })) => writeln!(
                out,
                "{name}: McNemar, {only_first} right in the first only and {only_second} in the second only."
            ),
            Some(Some(PairedTest::PairedT { t, degrees, .. })) => {
                writeln!(out, "{name}: paired t({degrees}) = {}.", words::difference(line.first.metric, t))
            }
            Some(None) => writeln!(out, "{name}: no test by formula, as it is no mean over samples."),
            None => Ok(()),
        };
    }
}

fn side_text(side: &Side) -> String {
    let failed = if side.failed > 0 { format!(", {} failed", side.failed) } else { String::new() };
    let status = if side.status == "done" { String::new() } else { format!(", {}", side.status) };
    let run = side.run.get(..8).unwrap_or(&side.run);
    format!(
        "{run} {}, {} ({} scored{failed}{status})",
        plain(&side.model),
        plain(&side.method_label),
        side.scored
    )
}

fn cells(line: &MetricComparison, holm: bool) -> Vec<String> {
    let metric = line.first.metric;
    let arrow = if metric.higher_is_better() { '↑' } else { '↓' };
    let figure = |figure: &crate::metrics::Figure| {
        let half = figure
            .interval
            .map(|interval| format!(" ±{}", words::figure(metric, (interval.high - interval.low) / 2.0)));
        format!("{}{}", words::figure(metric, figure.value), half.unwrap_or_default())
    };
    let none = || "–".to_owned();
    let paired = line.paired.as_ref();
    let p = |p: Option<f64>| p.map_or_else(none, words::p_value);
    let mut cells = vec![
        format!("{} {arrow}", metric.name()),
        figure(&line.first),
        figure(&line.second),
        paired.map_or_else(none, |paired| {
            let interval = paired.comparison.interval.map(|interval| {
                let end = |value| words::difference(metric, value);
                format!(" ({} to {})", end(interval.low), end(interval.high))
            });
            let difference = words::difference(metric, paired.comparison.difference);
            format!("{difference}{}", interval.unwrap_or_default())
        }),
        line.improvement_percent.map_or_else(none, words::percent),
        paired.map_or_else(none, |paired| format!("{} : {}", paired.improved, paired.worsened)),
        p(paired.and_then(|paired| paired.comparison.test).map(|test| test.p())),
    ];
    if holm {
        cells.push(p(paired.and_then(|paired| paired.p_holm)));
    }
    cells.push(p(paired.and_then(|paired| paired.comparison.bootstrap_p)));
    cells
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
