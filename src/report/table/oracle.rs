//! The best stored answer for each sample over a set of runs.

use super::{RunRef, TableCell};
use crate::lamp::{Metric, Task};
use crate::record::{Column, RunId, RunRecord};

/// Which run answered each sample best by the task's primary metric.
pub(super) struct Oracle<'r> {
    runs: Vec<&'r RunRecord>,
    /// Places of the samples that any run scored, ascending.
    positions: Vec<u32>,
    /// For each, the best value by the primary metric.
    best: Vec<f64>,
    /// For each, the run's place in `runs`; of equals the first.
    chosen: Vec<u32>,
    primary: Metric,
}

impl<'r> Oracle<'r> {
    /// Looks at every run's values once, so that no more than one run's are held beside the result. `None` where no run has
    /// any.
    pub(super) fn new<E>(
        task: Task,
        runs: &[&'r RunRecord],
        columns: &mut dyn FnMut(RunId, Metric) -> Result<Option<Column>, E>,
    ) -> Result<Option<Self>, E> {
        let primary = task.primary_metric();
        let mut oracle = Self {
            runs: runs.to_vec(),
            positions: Vec::new(),
            best: Vec::new(),
            chosen: Vec::new(),
            primary,
        };
        for (number, run) in runs.iter().enumerate() {
            if let Some(column) = columns(run.id, primary)? {
                oracle.take(number as u32, &column);
            }
        }
        Ok((!oracle.positions.is_empty()).then_some(oracle))
    }

    fn take(&mut self, run: u32, column: &Column) {
        if self.positions == column.positions {
            // The common case: every run answered the same samples.
            for (at, &value) in column.values.iter().enumerate().take(self.best.len()) {
                if self.is_better(value, self.best[at]) {
                    (self.best[at], self.chosen[at]) = (value, run);
                }
            }
            return;
        }
        let count = self.positions.len().max(column.positions.len());
        let (mut positions, mut best, mut chosen) =
            (Vec::with_capacity(count), Vec::with_capacity(count), Vec::with_capacity(count));
        let (mut at, mut by) = (0, 0);
        loop {
            let own = self.positions.get(at).map(|&position| (position, self.best[at], self.chosen[at]));
            let theirs =
                column.positions.get(by).zip(column.values.get(by)).map(|(&p, &value)| (p, value, run));
            let next = match (own, theirs) {
                (None, None) => break,
                (Some(own), Some(theirs)) if own.0 == theirs.0 => {
                    (at, by) = (at + 1, by + 1);
                    if self.is_better(theirs.1, own.1) { theirs } else { own }
                }
                (Some(own), theirs) if theirs.is_none_or(|theirs| own.0 < theirs.0) => {
                    at += 1;
                    own
                }
                (_, Some(theirs)) => {
                    by += 1;
                    theirs
                }
                (Some(own), None) => {
                    at += 1;
                    own
                }
            };
            positions.push(next.0);
            best.push(next.1);
            chosen.push(next.2);
        }
        (self.positions, self.best, self.chosen) = (positions, best, chosen);
    }

    fn is_better(&self, value: f64, than: f64) -> bool {
        if self.primary.higher_is_better() { value > than } else { value < than }
    }

    /// What the chosen answers reach by a metric; `None` for metrics that are no mean over samples.
    pub(super) fn cell<E>(
        &self,
        metric: Metric,
        columns: &mut dyn FnMut(RunId, Metric) -> Result<Option<Column>, E>,
    ) -> Result<Option<TableCell>, E> {
        if matches!(metric, Metric::MacroF1 | Metric::SacreBleu) {
            return Ok(None);
        }
        let n = self.positions.len();
        let sum = if metric == self.primary {
            self.best.iter().sum::<f64>()
        } else {
            let mut values = vec![f64::NAN; n];
            for (number, run) in self.runs.iter().enumerate() {
                let number = number as u32;
                if !self.chosen.contains(&number) {
                    continue;
                }
                let Some(column) = columns(run.id, metric)? else { return Ok(None) };
                let mut at = 0;
                for (position, value) in column.positions.iter().zip(&column.values) {
                    while self.positions.get(at).is_some_and(|own| own < position) {
                        at += 1;
                    }
                    if self.positions.get(at) == Some(position) && self.chosen[at] == number {
                        values[at] = *value;
                    }
                }
            }
            values.iter().sum::<f64>()
        };
        let mean = sum / n as f64;
        let value = if metric == Metric::Rmse { mean.sqrt() } else { mean };
        if !value.is_finite() {
            return Ok(None); // a stored column lacks a sample that another has
        }
        Ok(Some(TableCell {
            runs: self.runs.iter().map(|run| RunRef { id: run.id, key: run.key.clone() }).collect(),
            value,
            interval: None,
            spread: None,
            n,
            failed: self.runs.first().map_or(0, |run| run.samples.saturating_sub(n as u64)),
            parse_failure_rate: None,
            endings: None,
            difference_percent: None,
            test: None,
            best: false,
            choice: None,
            published: Vec::new(),
        }))
    }
}
