//! What of a run is drawn over time: its live figure, as few points as a small chart has room for.

use crate::lamp::Metric;
use crate::run::RunProgress;

/// Points that are kept; when there are more, every second goes.
const MOST: usize = 240;

/// A run's live figure over time, and what was last known of it.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    metric: Option<Metric>,
    /// Samples answered, and the figure then.
    points: Vec<(f32, f32)>,
    /// So many samples lie between two points at least.
    apart: f32,
    last: Option<RunProgress>,
}

impl Trace {
    /// Takes what is known of the run now.
    pub fn take(&mut self, progress: &RunProgress) {
        if let Some((metric, value)) = progress.live.first() {
            self.metric = Some(*metric);
            let done = progress.done as f32;
            let far = self.points.last().is_none_or(|(at, _)| done >= at + self.apart.max(1.0));
            if far && value.is_finite() {
                self.points.push((done, *value as f32));
            }
            if self.points.len() > MOST {
                let mut number = 0;
                self.points.retain(|_| {
                    number += 1;
                    number % 2 == 1
                });
                self.apart = self.apart.max(1.0) * 2.0;
            }
        }
        self.last = Some(progress.clone());
    }

    /// The figure that is drawn: the task's first.
    pub const fn metric(&self) -> Option<Metric> {
        self.metric
    }

    /// Samples answered, and the figure over them.
    pub fn points(&self) -> &[(f32, f32)] {
        &self.points
    }

    /// What was last known.
    pub const fn last(&self) -> Option<&RunProgress> {
        self.last.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RunId;
    use crate::run::Phase;

    #[test]
    fn however_long_a_run_is_its_trace_stays_short_and_whole() {
        let mut trace = Trace::default();
        for done in 1..=10_000_u64 {
            let progress = RunProgress {
                run: RunId(1),
                phase: Phase::Answering,
                total: 10_000,
                done,
                failed: 0,
                cached: 0,
                samples_per_s: 1.0,
                new_tokens_per_s: 1.0,
                eta: None,
                live: vec![(Metric::Accuracy, done as f64)],
                endpoint: None,
            };
            trace.take(&progress);
        }
        assert!((MOST / 2 - 1..=MOST).contains(&trace.points().len()), "{}", trace.points().len());
        assert_eq!(trace.points()[0].0, 1.0);
        assert!(trace.points().last().unwrap().0 > 9_800.0);
        assert!(trace.points().is_sorted_by(|one, other| one.0 < other.0));
    }
}
