//! Rows of judges: the means of their points, and notes that say who judged and how.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Note, RunRef, Spread, TableCell};
use crate::metrics::Interval;
use crate::record::{Column, JudgeMethod, RubricFigures, RunRecord};
use crate::report::{JudgeFigures, Judged, judge_names, run_method_name, template_name};

/// The judges of a table.
pub(super) struct Judges<'j> {
    judged: &'j [Judged],
    names: BTreeMap<String, Arc<str>>,
}

/// A judge by its key, and its name.
pub(super) type JudgeKey = (String, Arc<str>);

impl<'j> Judges<'j> {
    pub(super) fn new(judged: &'j [Judged]) -> Self {
        Self { judged, names: judge_names(judged) }
    }

    /// Those that gave any of the runs points, by name.
    pub(super) fn of(&self, runs: &[&RunRecord]) -> Vec<JudgeKey> {
        let gave = |key: &str| runs.iter().any(|run| self.points(key, run).is_some());
        let mut found: Vec<JudgeKey> = self
            .names
            .iter()
            .filter(|(key, _)| gave(key))
            .map(|(key, name)| (key.clone(), name.clone()))
            .collect();
        found.sort_by(|one, other| one.1.cmp(&other.1));
        found
    }

    /// What a judge gave a run, if it gave any points.
    fn points(&self, key: &str, run: &RunRecord) -> Option<&'j RubricFigures> {
        let own = self.judged.iter().filter(|judged| judged.judging.spec.judge_key() == key);
        own.filter_map(|judged| judged.points_of(run.id)).find(|figures| figures.points.is_some())
    }

    /// The cell of some runs by a judge; `None` unless it judged each of them.
    pub(super) fn cell(&self, key: &str, runs: &[&RunRecord]) -> Option<TableCell> {
        let figures: Vec<&RubricFigures> =
            runs.iter().map(|run| self.points(key, run)).collect::<Option<_>>()?;
        let means: Vec<(f64, Option<Interval>)> = figures
            .iter()
            .filter_map(|figures| figures.points.map(|points| (points.value, points.interval)))
            .collect();
        let count = means.len();
        let value = means.iter().map(|(value, _)| value).sum::<f64>() / count.max(1) as f64;
        let spread = (count > 1).then(|| {
            let values = || means.iter().map(|(value, _)| *value);
            let squares: f64 = values().map(|one| (one - value).powi(2)).sum();
            Spread {
                runs: count,
                deviation: (squares / (count - 1) as f64).sqrt(),
                low: values().fold(f64::INFINITY, f64::min),
                high: values().fold(f64::NEG_INFINITY, f64::max),
            }
        });
        let read: u64 = figures.iter().map(|figures| figures.samples + figures.unreadable).sum();
        let unreadable: u64 = figures.iter().map(|figures| figures.unreadable).sum();
        Some(TableCell {
            runs: runs.iter().map(|run| RunRef { id: run.id, key: run.key.clone() }).collect(),
            value,
            interval: if let [(_, interval)] = means[..] { interval } else { None },
            spread,
            n: figures.iter().map(|figures| figures.samples as usize).min()?,
            failed: figures.iter().map(|figures| figures.failed).sum(),
            parse_failure_rate: Some(unreadable as f64 / read.max(1) as f64),
            endings: None,
            difference_percent: None,
            test: None,
            best: false,
            choice: None,
            published: Vec::new(),
        })
    }

    /// A run's points by sample.
    pub(super) fn values(&self, key: &str, run: &RunRecord) -> Option<Column> {
        let figures = self.points(key, run)?;
        // What tests look at are positions and values.
        let metric = run.spec.dataset.task.primary_metric();
        Some(Column { metric, positions: figures.positions.clone(), values: figures.values.clone() })
    }

    /// Who judged the runs shown, and which of two of them is preferred.
    pub(super) fn notes(&self, shown: &[&RunRecord]) -> Vec<Note> {
        let mut notes = Vec::new();
        for (key, name) in self.of(shown) {
            let all = shown.iter().filter_map(|run| self.points(&key, run));
            let (unreadable, failed) =
                all.fold((0, 0), |(unclear, failed), one| (unclear + one.unreadable, failed + one.failed));
            let spec = self.judged.iter().map(|one| &one.judging.spec).find(|spec| spec.judge_key() == key);
            if let Some(spec) = spec {
                notes.push(Note::Judge {
                    judge: name.to_string(),
                    model: spec.model.name.clone(),
                    method: JudgeMethod::Rubric.id(),
                    template: template_name(spec),
                    unreadable,
                    failed,
                });
            }
        }
        for judged in self.judged {
            let JudgeFigures::Pair(figures) = &judged.figures else { continue };
            let run = |at: usize| {
                let id = judged.judging.runs.get(at)?;
                shown.iter().find(|run| run.id == *id)
            };
            let (Some(first), Some(second)) = (run(0), run(1)) else { continue };
            let (spec, dataset) = (&judged.judging.spec, &first.spec.dataset);
            let name = self.names.get(&spec.judge_key());
            notes.push(Note::Preference {
                judge: name.map_or_else(|| spec.model.name.clone(), ToString::to_string),
                template: template_name(spec),
                task: dataset.task,
                setting: dataset.setting,
                split: dataset.split,
                first: side(first),
                second: side(second),
                figures: figures.clone(),
                words: judged.lines(),
            });
        }
        notes
    }
}

/// `flan-t5-base, BM25, k 4 (run 3fa94c01)`.
fn side(run: &RunRecord) -> String {
    let spec = &run.spec;
    let k = if spec.retriever.is_none() { String::new() } else { format!(", k {}", spec.retriever.k) };
    format!("{}, {}{k} (run {})", spec.model.name, run_method_name(spec), run.short_key())
}
