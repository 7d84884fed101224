//! Whether one run beats another on the same samples, or luck explains it.
//!
//! As the benchmark's follow-up papers do (PROTOCOL, section 8): McNemar's test for accuracy, a two-tailed paired t-test
//! where a metric is a mean over samples. Beside either, a paired bootstrap, which needs no assumption about how
//! scores are distributed and serves every metric, the corpus-level ones too. All p-values are two-sided.

use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, StudentsT};

use super::aggregate::ScoreSet;
use super::bootstrap::{Bootstrap, Interval};
use crate::lamp::Metric;

/// The test that suits a metric, with what it found.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "test", rename_all = "kebab-case")]
pub enum PairedTest {
    /// McNemar's test, exact (a binomial test over the samples on which only one run is right).
    McNemar {
        /// Samples on which only the first run is right.
        only_first: u64,
        /// Samples on which only the second run is right.
        only_second: u64,
        /// The probability of a split at least as uneven by luck.
        p: f64,
    },
    /// A paired t-test over per-sample differences.
    PairedT {
        /// The statistic; infinite where all differences are equal but not 0.
        t: f64,
        /// Degrees of freedom: samples − 1.
        degrees: u64,
        /// The probability of a statistic at least as far from 0 by luck.
        p: f64,
    },
}

impl PairedTest {
    /// The probability of a difference at least as large by luck.
    pub const fn p(&self) -> f64 {
        match self {
            Self::McNemar { p, .. } | Self::PairedT { p, .. } => *p,
        }
    }
}

/// Two runs on the same samples, compared by one metric.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Comparison {
    /// Which metric.
    pub metric: Metric,
    /// How many samples both runs have.
    pub samples: usize,
    /// The second run's figure minus the first's, in the metric's unit.
    pub difference: f64,
    /// Where the difference lies in most resamples.
    pub interval: Option<Interval>,
    /// The test by formula; `None` for metrics that are no mean over samples (macro-F1, sacreBLEU).
    pub test: Option<PairedTest>,
    /// The share of resamples, doubled, in which the difference has vanished or turned (at least 1 in the number of
    /// resamples and one); `None` without resamples.
    pub bootstrap_p: Option<f64>,
}

impl Comparison {
    /// The p-value to report: by formula where there is one, else by bootstrap.
    pub fn p(&self) -> Option<f64> {
        self.test.map(|test| test.p()).or(self.bootstrap_p)
    }
}

/// Compares two runs whose scores stand in the same order of the same samples. `None` where there are none, their
/// numbers differ, or the metric is of another kind of task.
pub fn compare(
    first: &ScoreSet,
    second: &ScoreSet,
    metric: Metric,
    bootstrap: &Bootstrap,
) -> Option<Comparison> {
    let samples = first.scores().len();
    if samples != second.scores().len() {
        return None;
    }
    let difference = second.figure(metric)? - first.figure(metric)?;
    let drawn = bootstrap.resampled(samples, |chosen| {
        let figure = |set: &ScoreSet| set.figure_of(metric, chosen);
        Some(figure(second)? - figure(first)?)
    });
    let bootstrap_p = (!drawn.is_empty()).then(|| {
        let share = |turned: &dyn Fn(f64) -> bool| {
            (drawn.iter().filter(|&&value| turned(value)).count() + 1) as f64 / (drawn.len() + 1) as f64
        };
        (2.0 * share(&|value| value <= 0.0).min(share(&|value| value >= 0.0))).min(1.0)
    });
    let values =
        |set: &ScoreSet| set.scores().iter().map(|score| score.value(metric)).collect::<Option<Vec<f64>>>();
    let test = paired_test(metric, &values(first)?, &values(second)?);
    Some(Comparison { metric, samples, difference, interval: bootstrap.interval(drawn), test, bootstrap_p })
}

/// The test by formula that suits a metric, over the values (see [`SampleScore::value`](super::SampleScore::value)) that two runs
/// have for the same samples in the same order. `None` for metrics that are no mean over samples (macro-F1, sacreBLEU), for slices
/// of different lengths, and for too few samples.
pub fn paired_test(metric: Metric, first: &[f64], second: &[f64]) -> Option<PairedTest> {
    if first.len() != second.len() || first.is_empty() {
        return None;
    }
    let pairs = || first.iter().zip(second);
    match metric {
        Metric::Accuracy => {
            let only_first = pairs().filter(|(a, b)| a > b).count() as u64;
            let only_second = pairs().filter(|(a, b)| a < b).count() as u64;
            Some(PairedTest::McNemar { only_first, only_second, p: mcnemar(only_first, only_second) })
        }
        Metric::MacroF1 | Metric::SacreBleu => None,
        _ => paired_t(&pairs().map(|(a, b)| b - a).collect::<Vec<_>>()),
    }
}

/// The exact two-sided p-value of McNemar's test.
pub(super) fn mcnemar(only_first: u64, only_second: u64) -> f64 {
    let fewer = only_first.min(only_second);
    // One half is a probability, so that there always is a distribution.
    Binomial::new(0.5, only_first + only_second).map_or(1.0, |binomial| (2.0 * binomial.cdf(fewer)).min(1.0))
}

/// A two-tailed t-test that the differences' mean is 0; `None` for fewer than two.
pub(super) fn paired_t(differences: &[f64]) -> Option<PairedTest> {
    let n = differences.len() as f64;
    let degrees = (differences.len() as u64).checked_sub(1).filter(|&degrees| degrees > 0)?;
    let mean = differences.iter().sum::<f64>() / n;
    let spread = differences.iter().map(|difference| (difference - mean).powi(2)).sum::<f64>();
    let error = (spread / degrees as f64 / n).sqrt();
    if mean == 0.0 {
        return Some(PairedTest::PairedT { t: 0.0, degrees, p: 1.0 });
    }
    let t = mean / error;
    let p = if t.is_infinite() {
        0.0
    } else {
        (2.0 * StudentsT::new(0.0, 1.0, degrees as f64).ok()?.cdf(-t.abs())).min(1.0)
    };
    Some(PairedTest::PairedT { t, degrees, p })
}

/// p-values adjusted for having made several tests (S. Holm 1979), in the order given: one below 0.05 holds at that
/// level over all tests together.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut highest = 0.0f64;
    for (rank, &at) in order.iter().enumerate() {
        highest = highest.max((p_values[at] * (p_values.len() - rank) as f64).min(1.0));
        adjusted[at] = highest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lamp::Task;
    use crate::metrics::{MeteorStages, SampleScore, Scorer};

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1e-3), "{found} is not {expected}");
    }

    fn set(task: Task, outputs: &[&str], references: &[&str]) -> ScoreSet {
        let mut scorer = Scorer::new(task, None);
        let scores: Vec<SampleScore> =
            outputs.iter().zip(references).map(|(o, r)| scorer.score(o, r).unwrap()).collect();
        ScoreSet::new(task, scores, MeteorStages::ExactStem).unwrap()
    }

    #[test]
    fn mcnemar_is_statsmodels_exact_one() {
        // statsmodels.stats.contingency_tables.mcnemar([[0, b], [c, 0]], exact=True).pvalue
        for (b, c, p) in MCNEMAR {
            close(mcnemar(b, c), p);
        }
        assert_eq!(mcnemar(0, 0), 1.0);
    }

    #[test]
    fn the_paired_t_test_is_scipys() {
        for (differences, statistic, p_value) in PAIRED_T {
            match paired_t(differences).unwrap() {
                PairedTest::PairedT { t, degrees, p } => {
                    close(t, *statistic);
                    close(p, *p_value);
                    assert_eq!(degrees as usize, differences.len() - 1);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(paired_t(&[1.0]), None);
        assert_eq!(paired_t(&[0.0; 4]).unwrap().p(), 1.0);
        assert_eq!(paired_t(&[0.5; 4]).unwrap().p(), 0.0);
    }

    #[test]
    fn holm_is_statsmodels() {
        // statsmodels.stats.multitest.multipletests(p, method="holm")[1]
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005, 0.9]);
        for (found, expected) in adjusted.into_iter().zip([0.04, 0.09, 0.09, 0.025, 0.9]) {
            close(found, expected);
        }
        assert!(holm(&[]).is_empty());
        assert_eq!(holm(&[0.6, 0.7]), [1.0, 1.0]);
    }

    #[test]
    fn runs_are_compared_on_the_same_samples() {
        let references = ["[1]"; 40];
        let bad: Vec<&str> = (0..40).map(|i| if i % 2 == 0 { "[1]" } else { "[2]" }).collect();
        let good: Vec<&str> = (0..40).map(|i| if i % 8 == 1 { "[2]" } else { "[1]" }).collect();
        let (bad, good) = (set(Task::Lamp1, &bad, &references), set(Task::Lamp1, &good, &references));
        let bootstrap = Bootstrap::default();
        let found = compare(&bad, &good, Metric::Accuracy, &bootstrap).unwrap();
        close(found.difference, 0.375);
        let Some(PairedTest::McNemar { only_first: 0, only_second: 15, p }) = found.test else {
            panic!("{found:?}")
        };
        close(p, 2.0 * 0.5f64.powi(15));
        let interval = found.interval.unwrap();
        assert!(interval.low > 0.2 && interval.high < 0.55, "{interval:?}");
        assert!(found.bootstrap_p.unwrap() < 0.01);
        let turned = compare(&good, &bad, Metric::Accuracy, &bootstrap).unwrap();
        close(turned.difference, -0.375);
        assert_eq!(turned.p(), found.p());
        let same = compare(&good, &good, Metric::Accuracy, &bootstrap).unwrap();
        assert_eq!((same.p(), same.bootstrap_p), (Some(1.0), Some(1.0)));
        let f1 = compare(&bad, &good, Metric::MacroF1, &bootstrap).unwrap();
        assert!(f1.test.is_none() && f1.p() == f1.bootstrap_p);
        assert_eq!(compare(&bad, &good, Metric::Mae, &bootstrap), None);
        let fewer = set(Task::Lamp1, &["[1]"], &["[1]"]);
        assert_eq!(compare(&bad, &fewer, Metric::Accuracy, &bootstrap), None);
        let none = Bootstrap { resamples: 0, ..bootstrap };
        let found = compare(&bad, &good, Metric::Accuracy, &none).unwrap();
        assert_eq!((found.interval, found.bootstrap_p), (None, None));
    }

    /// Samples that only one run has right, and the p-value.
    const MCNEMAR: [(u64, u64, f64); 5] = [
        (3, 9, 0.14599609375),
        (0, 15, 6.103515625e-05),
        (40, 60, 0.05688793364098089),
        (1000, 1100, 0.03072070786424249),
        (5, 5, 1.0),
    ];

    /// Differences, statistic and p-value of `scipy.stats.ttest_1samp(differences, 0)`, which `ttest_rel` is too.
    const PAIRED_T: &[(&[f64], f64, f64)] = &[
        (&[0.1, -0.2, 0.3, 0.25], 0.9999999999999999, 0.3910022189557703),
        (&[1.0, 0.0, -1.0, 1.0, 1.0, 0.0], 1.0, 0.3632174676491229),
        (
            &[
                0.149, 0.165, 0.027, -0.056, -0.089, 0.023, -0.082, -0.124, 0.04, 0.033, 0.075, -0.071,
                0.021, 0.014, -0.131, 0.074, 0.052, 0.259, 0.04, 0.006, 0.143, 0.04, 0.111, -0.017, 0.042,
                0.122, 0.09, 0.033, -0.088, 0.065, 0.028, 0.092, 0.042, 0.129, 0.015, 0.04, 0.087, -0.089,
                -0.02, -0.03,
            ],
            2.3902377358675992,
            0.021764959774900637,
        ),
        (&[1.0, 3.0], 2.0, 0.2951672353008665),
    ];
}
