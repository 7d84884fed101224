//! Which runs the screen shows, and by which metrics: the same choice for its table, its charts and its files.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::lamp::{Metric, Setting, Split, Task};
use crate::record::{RunId, RunRecord, Tuning};
use crate::report::MetricChoice;
use crate::run::Experiment;
use crate::store::StoredExperiment;

/// Which settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Settings {
    /// Both, side by side.
    #[default]
    Both,
    /// One.
    One(Setting),
}

/// Which metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Metrics {
    /// The experiment's, else the benchmark's two a task.
    #[default]
    Usual,
    /// Each task's first.
    First,
    /// Every one that was computed.
    All,
}

impl Metrics {
    /// All choices, with their words.
    pub const WORDS: [(Self, &'static str); 3] =
        [(Self::Usual, "The benchmark\u{2019}s"), (Self::First, "First of each task"), (Self::All, "All")];

    /// What it is called.
    pub fn words(self) -> &'static str {
        Self::WORDS.iter().find(|(choice, _)| *choice == self).map_or("", |(_, words)| words)
    }
}

/// What a person chose.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Choice {
    /// Runs of this experiment, by its number in the store; all if `None`.
    pub experiment: Option<i64>,
    /// Runs in these settings.
    pub settings: Settings,
    /// Runs on this split; all if `None`.
    pub split: Option<Split>,
    /// Runs of these models; all if empty.
    pub models: Vec<String>,
    /// These runs alone; all if empty.
    pub runs: Vec<RunId>,
    /// By these metrics.
    pub metrics: Metrics,
    /// Whether published figures stand beside.
    pub published: bool,
    /// Whether a column tells what the best answer a sample would reach.
    pub oracle: bool,
}

/// What fits a choice.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The runs, in the order in which they were planned.
    pub runs: Vec<RunRecord>,
    /// All tunings of the store.
    pub tunings: Vec<Tuning>,
    /// The metrics that the experiment shows; empty where it names none.
    pub metrics: Vec<Metric>,
}

impl Choice {
    /// Whether a run fits, whatever its experiment.
    fn fits(&self, run: &RunRecord) -> bool {
        let dataset = &run.spec.dataset;
        (match self.settings {
            Settings::Both => true,
            Settings::One(setting) => setting == dataset.setting,
        }) && self.split.is_none_or(|split| split == dataset.split)
            && (self.models.is_empty() || self.models.contains(&run.spec.model.name))
            && (self.runs.is_empty() || self.runs.contains(&run.id))
    }

    /// The runs that fit.
    pub fn fitting<'r>(
        &self,
        runs: &'r [RunRecord],
        experiments: &[StoredExperiment],
    ) -> impl Iterator<Item = &'r RunRecord> {
        let stored = self.stored(experiments).map(|stored| stored.runs.clone());
        let of_experiment = move |run: &RunRecord| match (&stored, self.experiment) {
            (Some(members), _) => members.contains(&run.id),
            (None, chosen) => chosen.is_none(),
        };
        runs.iter().filter(move |run| of_experiment(run) && self.fits(run))
    }

    /// The chosen experiment.
    pub fn stored<'e>(&self, experiments: &'e [StoredExperiment]) -> Option<&'e StoredExperiment> {
        experiments.iter().find(|stored| Some(stored.id) == self.experiment)
    }

    /// The runs that fit, with what goes with them.
    pub fn chosen(&self, runs: &[RunRecord], experiments: &[StoredExperiment], tunings: &[Tuning]) -> Chosen {
        let metrics = self.stored(experiments).map(|stored| {
            // What another version of the program wrote may not be understood; then the usual metrics are shown.
            let experiment = Experiment::from_toml(&stored.toml, Path::new("experiment"));
            experiment.map_or_else(|_| Vec::new(), |experiment| experiment.metrics)
        });
        Chosen {
            runs: self.fitting(runs, experiments).cloned().collect(),
            tunings: tunings.to_vec(),
            metrics: metrics.unwrap_or_default(),
        }
    }
}

impl Chosen {
    /// The metrics of a choice over these runs.
    pub fn metrics(&self, choice: Metrics) -> MetricChoice {
        match choice {
            Metrics::Usual if self.metrics.is_empty() => MetricChoice::Benchmark,
            Metrics::Usual => MetricChoice::These(self.metrics.clone()),
            Metrics::First => first_metrics(),
            Metrics::All => MetricChoice::All,
        }
    }
}

fn first_metrics() -> MetricChoice {
    MetricChoice::These(Task::ALL.map(Task::primary_metric).to_vec())
}
