//! What a profile's size is worth: gain over non-personalized, by the number of profile entries.

use std::collections::HashMap;

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::super::Method;
use super::super::words;
use super::scale::count;
use super::scores::{MOST_SERIES, metric_axis};
use super::spec::{About, Axis, Better, ChartSpec, Line, LinePlot, Paint, Panel, Plot, Point, Tick};
use crate::lamp::{Metric, Setting, Split, Task};
use crate::record::{Column, RunId, Training};

/// Samples whose profiles have about equally many entries.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GainBin {
    /// The fewest entries.
    pub low: u32,
    /// The most entries.
    pub high: u32,
    /// Samples that both runs scored.
    pub samples: usize,
    /// How much better than without a profile they are on average, in the metric's unit: positive is better, for errors too.
    pub gain: f64,
    /// Its 95 % interval (Student's t); `None` for a single sample.
    pub interval: Option<(f64, f64)>,
}

/// A method's gains on a task.
#[derive(Debug, Clone, PartialEq)]
pub struct GainSeries {
    /// The task.
    pub task: Task,
    /// The setting.
    pub setting: Setting,
    /// The split.
    pub split: Split,
    /// The metric.
    pub metric: Metric,
    /// What the line is called.
    pub label: String,
    /// The method.
    pub method: Method,
    /// How the model came to its weights.
    pub training: Training,
    /// The run, and the one without a profile.
    pub runs: Option<(RunId, RunId)>,
    /// The bins, from few entries to many.
    pub bins: Vec<GainBin>,
}

/// Whether a metric's figure is the mean of its samples' values, so that bins of samples have gains.
pub(crate) const fn is_mean(metric: Metric) -> bool {
    !matches!(metric, Metric::MacroF1 | Metric::Rmse | Metric::SacreBleu)
}

/// The gain of one run over the non-personalized one, by profile size: in at most `most` bins of about equally many samples,
/// none of which parts samples of one size. `entries` tells a sample's profile entries by its position; samples that it does
/// not know, or that one of the runs did not score, are left out. Empty for columns of two metrics, and for metrics that are
/// no mean over samples (macro-F1, RMSE, sacreBLEU).
pub fn gain_bins(
    plain: &Column,
    personalized: &Column,
    entries: &HashMap<u32, u32>,
    most: usize,
) -> Vec<GainBin> {
    if plain.metric != personalized.metric || !is_mean(plain.metric) || most == 0 {
        return Vec::new();
    }
    let plain_values: HashMap<u32, f64> =
        plain.positions.iter().copied().zip(plain.values.iter().copied()).collect();
    let sign = if plain.metric.higher_is_better() { 1.0 } else { -1.0 };
    let pairs = personalized.positions.iter().zip(&personalized.values).filter_map(|(position, value)| {
        let gain = sign * (value - plain_values.get(position)?);
        Some((*entries.get(position)?, gain)).filter(|_| gain.is_finite())
    });
    let mut gains: Vec<(u32, f64)> = pairs.collect();
    // By position within a size, as columns are, so that sums are the same everywhere.
    gains.sort_by_key(|gain| gain.0);
    let mut bins = Vec::new();
    let mut rest = &gains[..];
    while let Some(last_bin) = (!rest.is_empty()).then(|| bins.len() + 1 >= most) {
        let share = rest.len().div_ceil(most.saturating_sub(bins.len()).max(1));
        let end = if last_bin { rest.len() } else { share };
        let high = rest[end - 1].0;
        let end = rest.partition_point(|gain| gain.0 <= high);
        bins.push(bin(&rest[..end]));
        rest = &rest[end..];
    }
    bins
}

fn bin(gains: &[(u32, f64)]) -> GainBin {
    let samples = gains.len();
    let n = samples as f64;
    let gain = gains.iter().map(|gain| gain.1).sum::<f64>() / n;
    let spread = gains.iter().map(|one| (one.1 - gain).powi(2)).sum::<f64>();
    let interval = StudentsT::new(0.0, 1.0, n - 1.0).ok().filter(|_| samples > 1).map(|student| {
        let reach = student.inverse_cdf(0.975) * (spread / (n - 1.0) / n).sqrt();
        (gain - reach, gain + reach)
    });
    let (low, high) = (gains.first().map_or(0, |gain| gain.0), gains.last().map_or(0, |gain| gain.0));
    GainBin { low, high, samples, gain, interval }
}

/// Gains over profile size: a panel a task and setting, a line a method, at most [`MOST_SERIES`] of each.
pub fn profile_chart(series: &[GainSeries]) -> ChartSpec {
    let mut places: Vec<(Split, Task, Metric, Setting)> = series
        .iter()
        .filter(|one| !one.bins.is_empty())
        .map(|one| (one.split, one.task, one.metric, one.setting))
        .collect();
    places.sort_unstable();
    places.dedup();
    let settings: Vec<Setting> =
        Setting::ALL.into_iter().filter(|setting| places.iter().any(|place| place.3 == *setting)).collect();
    let mut left_out = 0;
    let panels = places
        .iter()
        .map(|&(split, task, metric, setting)| {
            let here = series.iter().filter(|one| {
                (one.split, one.task, one.metric, one.setting) == (split, task, metric, setting)
            });
            let here: Vec<&GainSeries> = here.filter(|one| !one.bins.is_empty()).collect();
            left_out += here.len().saturating_sub(MOST_SERIES);
            panel(&here[..here.len().min(MOST_SERIES)], (settings.len() > 1).then_some(setting))
        })
        .collect();
    let mut notes = vec![
        "Mean gain over the same model without a profile, on the samples that both scored, by the number of profile entries."
            .to_owned(),
        "Whiskers: 95\u{a0}% intervals (Student’s t).".to_owned(),
    ];
    if left_out > 0 {
        notes.push(format!("Not shown, since a panel has at most {MOST_SERIES} series: {left_out} more."));
    }
    let mut title = "Gain over non-personalized by profile size".to_owned();
    if let [setting] = settings[..] {
        title.push_str(&format!(", {setting} setting"));
    }
    if let Some(&(split, ..)) = places.first().filter(|first| places.iter().all(|place| place.0 == first.0)) {
        title.push_str(&format!(", {split} split"));
    }
    ChartSpec {
        title,
        notes: if places.is_empty() { Vec::new() } else { vec![notes.join(" ")] },
        panels,
        abreast: 1,
        empty: "There are no two finished runs of one model on the same samples, one without a profile and one with it. Run \
                the non-personalized one too, or choose other runs."
            .to_owned(),
    }
}

/// A panel of series that share task and metric; there is at least one.
fn panel(series: &[&GainSeries], setting: Option<Setting>) -> Panel {
    let Some(first) = series.first() else {
        let plot = LinePlot {
            axis: Axis { name: String::new(), unit: String::new(), better: None },
            across: String::new(),
            ticks: Vec::new(),
            zero: true,
            lines: Vec::new(),
        };
        return Panel {
            title: String::new(),
            subtitle: String::new(),
            corner: String::new(),
            plot: Plot::Lines(plot),
        };
    };
    // Bins of most lines are the same; where samples failed they may differ, and each line's own are near.
    let most = series.iter().max_by_key(|one| one.bins.len()).map_or(&first.bins, |one| &one.bins);
    let ticks = most.iter().enumerate().map(|(at, bin)| {
        let counts = || series.iter().filter_map(|one| one.bins.get(at)).map(|bin| bin.samples);
        let (fewest, largest) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
        let label =
            if bin.low == bin.high { bin.low.to_string() } else { format!("{}–{}", bin.low, bin.high) };
        let beneath = if fewest == largest {
            format!("n\u{a0}{}", count(largest as u64))
        } else {
            format!("n\u{a0}{}–{}", count(fewest as u64), count(largest as u64))
        };
        Tick { at: at as f64, label, beneath }
    });
    let mut dashes: HashMap<Method, usize> = HashMap::new();
    let lines = series.iter().map(|one| {
        let dash = dashes.entry(one.method).or_default();
        let paint = Paint { dash: *dash, ..Paint::of(one.method, one.training) };
        *dash += 1;
        let points = one.bins.iter().enumerate();
        let points = points
            .map(|(at, bin)| Point {
                at: at as f64,
                value: bin.gain,
                interval: bin.interval,
                about: about(one, bin),
            })
            .collect();
        Line { label: one.label.clone(), paint, from: None, points }
    });
    let metric = first.metric;
    let name = match metric {
        Metric::Accuracy => "Gain in accuracy".to_owned(),
        other if other.higher_is_better() => format!("Gain in {}", other.name()),
        other => format!("Reduction of {}", other.name()),
    };
    let unit = metric_axis(metric).unit;
    let samples = first.bins.iter().map(|bin| bin.samples as u64).sum::<u64>();
    let plot = LinePlot {
        axis: Axis { name, unit, better: Some(Better::Higher) },
        across: "profile entries".to_owned(),
        ticks: ticks.collect(),
        zero: true,
        lines: lines.collect(),
    };
    Panel {
        title: setting
            .map_or_else(|| first.task.id().to_owned(), |setting| format!("{} · {setting}", first.task)),
        subtitle: first.task.name().to_owned(),
        corner: format!("n = {}", count(samples)),
        plot: Plot::Lines(plot),
    }
}

/// What a bin is.
fn about(series: &GainSeries, bin: &GainBin) -> About {
    let entries =
        if bin.low == bin.high { bin.low.to_string() } else { format!("{}–{}", bin.low, bin.high) };
    let gain = |value| words::difference(series.metric, value);
    let ends = bin.interval.map(|(low, high)| format!(" [{}, {}]", gain(low), gain(high)));
    let words = format!(
        "{} {}, {}, {entries} profile entries: {} gain {}{}, n {}",
        series.task,
        series.setting,
        series.label,
        series.metric.name(),
        gain(bin.gain),
        ends.unwrap_or_default(),
        count(bin.samples as u64)
    );
    About { words, run: series.runs.map(|runs| runs.0), against: series.runs.map(|runs| runs.1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(metric: Metric, values: &[(u32, f64)]) -> Column {
        Column {
            metric,
            positions: values.iter().map(|value| value.0).collect(),
            values: values.iter().map(|value| value.1).collect(),
        }
    }

    #[test]
    fn gains_are_binned_by_size_without_parting_a_size() {
        let plain = column(Metric::Accuracy, &[(0, 0.0), (1, 1.0), (2, 0.0), (3, 0.0), (5, 1.0)]);
        let bm25 = column(Metric::Accuracy, &[(0, 1.0), (1, 1.0), (2, 1.0), (3, 0.0), (4, 1.0)]);
        let entries = HashMap::from([(0, 10), (1, 10), (2, 10), (3, 40), (4, 1), (5, 1)]);
        let bins = gain_bins(&plain, &bm25, &entries, 2);
        assert_eq!(bins.len(), 2);
        assert_eq!((bins[0].low, bins[0].high, bins[0].samples, bins[0].gain), (10, 10, 3, 2.0 / 3.0));
        // scipy.stats.t.interval(0.95, 2, loc=2/3, scale=scipy.stats.sem([1, 0, 1]))
        let (low, high) = bins[0].interval.unwrap();
        assert!((low - -0.767551_f64).abs() < 1e-4 && (high - 2.100884).abs() < 1e-4, "{low} {high}");
        assert_eq!((bins[1].low, bins[1].samples, bins[1].interval), (40, 1, None));
    }

    #[test]
    fn less_error_is_a_gain_and_other_figures_have_none() {
        let (plain, other) =
            (column(Metric::Mae, &[(0, 2.0), (1, 1.0)]), column(Metric::Mae, &[(0, 1.0), (1, 1.0)]));
        let entries = HashMap::from([(0, 3), (1, 5)]);
        let bins = gain_bins(&plain, &other, &entries, 1);
        assert_eq!((bins.len(), bins[0].gain, bins[0].low, bins[0].high), (1, 0.5, 3, 5));
        assert_eq!(gain_bins(&plain, &other, &entries, 9).len(), 2);
        assert!(gain_bins(&plain, &other, &entries, 0).is_empty());
        let squared = column(Metric::Rmse, &[(0, 4.0), (1, 1.0)]);
        assert!(gain_bins(&squared, &squared, &entries, 3).is_empty());
        assert!(gain_bins(&plain, &squared, &entries, 3).is_empty());
        assert!(gain_bins(&column(Metric::Mae, &[]), &other, &entries, 3).is_empty());
        let broken = column(Metric::Mae, &[(0, f64::NAN), (1, 1.0)]);
        assert_eq!(gain_bins(&broken, &other, &entries, 3).len(), 1);
    }

    #[test]
    fn bins_hold_about_equally_many_samples() {
        let values: Vec<(u32, f64)> =
            (0..1_000).map(|position| (position, f64::from(position % 3))).collect();
        let entries = (0..1_000).map(|position| (position, position / 4)).collect();
        let bins = gain_bins(&column(Metric::Rouge1, &values), &column(Metric::Rouge1, &values), &entries, 5);
        let counts: Vec<usize> = bins.iter().map(|bin| bin.samples).collect();
        assert_eq!(counts, [200; 5]);
        assert!(bins.iter().all(|bin| bin.gain == 0.0 && bin.interval == Some((0.0, 0.0))));
    }
}
