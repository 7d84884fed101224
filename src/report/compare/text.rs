//! A comparison in words and numbers, as terminal and window show it.

use super::{MetricComparison, Paired, RunComparison, Side};
use crate::lamp::Metric;
use crate::metrics::{Bootstrap, Figure, PairedTest};
use crate::report::words;

/// How a comparison is to be read; `several` where it is over several tasks.
pub fn legend(bootstrap: &Bootstrap, several: bool) -> Vec<String> {
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
    if several {
        legend.push(
            "Holm p: p, or the bootstrap's where there is none, adjusted over the tasks; each task's first metric is one family, its \
             second another."
                .to_owned(),
        );
    }
    legend
}

/// Whether p-values are adjusted over tasks.
pub fn has_holm(comparison: &RunComparison) -> bool {
    comparison.metrics.iter().any(|line| line.paired.as_ref().is_some_and(|paired| paired.p_holm.is_some()))
}

/// The headings of [`cells`].
pub fn header(holm: bool) -> Vec<&'static str> {
    let mut header = vec!["Metric", "First", "Second", "Difference", "Percent", "+ : −", "p"];
    if holm {
        header.push("Holm p");
    }
    header.push("Boot. p");
    header
}

/// A metric's numbers.
pub fn cells(line: &MetricComparison, holm: bool) -> Vec<String> {
    let metric = line.first.metric;
    let arrow = if metric.higher_is_better() { '↑' } else { '↓' };
    let figure = |figure: &Figure| {
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
        paired.map_or_else(none, |paired| words::difference(metric, paired.comparison.difference)),
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

/// Which samples figures are of.
pub fn samples(comparison: &RunComparison) -> String {
    let RunComparison { common, only_first, only_second, .. } = comparison;
    if !comparison.same_data {
        return "The runs are over different data: figures are of each run's own samples; nothing is tested."
            .to_owned();
    }
    let left_out = if only_first + only_second > 0 {
        format!(
            "; {only_first} that only the first scored and {only_second} that only the second did are left out"
        )
    } else {
        String::new()
    };
    format!("{common} common samples{left_out}.")
}

/// Where the difference lies, and what was tested.
pub fn paired(metric: Metric, paired: &Paired) -> String {
    let interval = paired.comparison.interval.map(|interval| {
        let end = |value| words::difference(metric, value);
        format!("difference from {} to {}; ", end(interval.low), end(interval.high))
    });
    let test = match paired.comparison.test {
        Some(PairedTest::McNemar { only_first, only_second, .. }) => {
            format!("McNemar, right in one alone: {only_first} and {only_second}")
        }
        Some(PairedTest::PairedT { t, degrees, .. }) => {
            format!("paired t({degrees}) = {}", words::difference(metric, t))
        }
        None => "no test by formula".to_owned(),
    };
    format!("{}{test}", interval.unwrap_or_default())
}

/// Which run stands on a side.
pub fn side(side: &Side) -> String {
    let failed = if side.failed > 0 { format!(", {} failed", side.failed) } else { String::new() };
    let status = if side.status == "done" { String::new() } else { format!(", {}", side.status) };
    let run = side.run.get(..8).unwrap_or(&side.run);
    format!("{run} {}, {} ({} scored{failed}{status})", side.model, side.method_label, side.scored)
}
