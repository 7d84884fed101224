//! What the verdicts of a judge come to: means of scores, and who of two is preferred, each with its interval.

use super::bootstrap::{Bootstrap, Interval};
use super::paired::{PairedTest, mcnemar, paired_t};

/// Which of two answers to a sample is better, once both orders of showing them are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preference {
    /// The first run's.
    First,
    /// Neither: the judge said so, or contradicted itself when the order was swapped.
    Tie,
    /// The second run's.
    Second,
}

impl Preference {
    /// The word for it in files: `first`, `tie` or `second`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Tie => "tie",
            Self::Second => "second",
        }
    }

    /// The same with the second run first.
    #[must_use]
    pub const fn swapped(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Tie => Self::Tie,
            Self::Second => Self::First,
        }
    }

    /// What the first run gains by it: 1, a half or nothing.
    const fn gain(self) -> f64 {
        match self {
            Self::First => 1.0,
            Self::Tie => 0.5,
            Self::Second => 0.0,
        }
    }
}

/// A mean over samples with its bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MeanFigure {
    /// The mean.
    pub value: f64,
    /// Where it lies in most resamples.
    pub interval: Option<Interval>,
}

/// The mean of values over samples; `None` without any.
pub fn mean_figure(values: &[f64], bootstrap: &Bootstrap) -> Option<MeanFigure> {
    let value = mean(values.iter().copied())?;
    let drawn = |chosen: &[u32]| {
        let of = chosen.iter().filter_map(|&at| values.get(at as usize).copied());
        vec![mean(of).unwrap_or(value)]
    };
    let interval = bootstrap.intervals(values.len(), 1, drawn).first().copied();
    Some(MeanFigure { value, interval })
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u64), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

/// Two runs by a judge's preferences over the same samples.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct PreferenceFigures {
    /// Samples with a preference or a tie.
    pub samples: u64,
    /// Of them, those on which the first run is preferred in both orders.
    pub first: u64,
    /// Ties, contradictions among them.
    pub ties: u64,
    /// Those on which the second run is preferred in both orders.
    pub second: u64,
    /// The first run's share, 0 to 1, where a tie is half a win for each.
    pub share: MeanFigure,
    /// The exact two-sided probability of a split of wins at least as uneven by luck (a sign test: ties have no say).
    pub p: f64,
}

impl PreferenceFigures {
    /// The same with the second run first.
    #[must_use]
    pub fn swapped(self) -> Self {
        let turned = |interval: Interval| Interval { low: 1.0 - interval.high, high: 1.0 - interval.low };
        let share = MeanFigure { value: 1.0 - self.share.value, interval: self.share.interval.map(turned) };
        Self { first: self.second, second: self.first, share, ..self }
    }
}

/// What preferences come to; `None` without any.
pub fn preference_figures(preferences: &[Preference], bootstrap: &Bootstrap) -> Option<PreferenceFigures> {
    let count = |wanted: Preference| preferences.iter().filter(|&&one| one == wanted).count() as u64;
    let (first, ties, second) = (count(Preference::First), count(Preference::Tie), count(Preference::Second));
    let gains: Vec<f64> = preferences.iter().map(|preference| preference.gain()).collect();
    let share = mean_figure(&gains, bootstrap)?;
    let samples = preferences.len() as u64;
    Some(PreferenceFigures { samples, first, ties, second, share, p: mcnemar(first, second) })
}

/// The paired t-test over what a judge gave two runs for the same samples in the same order; `None` for slices of different
/// lengths and for too few samples.
pub fn judged_test(first: &[f64], second: &[f64]) -> Option<PairedTest> {
    if first.len() != second.len() {
        return None;
    }
    paired_t(&first.iter().zip(second).map(|(a, b)| b - a).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_have_the_interval_that_other_metrics_have() {
        let found = mean_figure(&[1.0, 2.0, 3.0, 4.0], &Bootstrap::default()).unwrap();
        assert_eq!(found.value, 2.5);
        let interval = found.interval.unwrap();
        assert!(interval.low < 2.0 && interval.high > 3.0, "{interval:?}");
        assert_eq!(mean_figure(&[], &Bootstrap::default()), None);
        let none = Bootstrap { resamples: 0, ..Bootstrap::default() };
        assert_eq!(mean_figure(&[2.0], &none).unwrap().interval, None);
    }

    #[test]
    fn preferences_are_shares_with_ties_as_halves() {
        use Preference::{First, Second, Tie};
        let found =
            preference_figures(&[First, First, First, Tie, Tie, Second], &Bootstrap::default()).unwrap();
        assert_eq!((found.first, found.ties, found.second, found.samples), (3, 2, 1, 6));
        assert!((found.share.value - 4.0 / 6.0).abs() < 1e-12);
        assert!((found.p - 0.625).abs() < 1e-12, "{}", found.p);
        let ties = preference_figures(&[Tie; 5], &Bootstrap::default()).unwrap();
        let interval = ties.share.interval.unwrap();
        assert_eq!((ties.share.value, interval.low, interval.high, ties.p), (0.5, 0.5, 0.5, 1.0));
        assert_eq!(preference_figures(&[], &Bootstrap::default()), None);
    }

    #[test]
    fn scores_of_two_runs_are_tested_in_pairs() {
        let test = judged_test(&[1.0, 2.0, 3.0, 4.0], &[2.0, 2.0, 4.0, 5.0]).unwrap();
        assert!(matches!(test, PairedTest::PairedT { t, degrees: 3, .. } if t > 0.0), "{test:?}");
        assert_eq!(judged_test(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(judged_test(&[1.0], &[2.0]), None);
    }
}
