//! The arguments by which commands choose runs of a store.

use clap::Args;

use super::{CliError, Console};
use crate::lamp::{Metric, Setting, Split, Task};
use crate::record::{RunRecord, Tuning};
use crate::run::Experiment;
use crate::store::Reader;

/// Which of a store's runs a command works on: all that fit every argument.
#[derive(Debug, Clone, Default, Args)]
#[group(skip)]
pub struct RunChoice {
    /// Runs of this experiment only; of several of one name the latest.
    #[arg(long, value_name = "NAME")]
    experiment: Option<String>,
    /// Runs of this task only; may be repeated.
    #[arg(long)]
    task: Vec<Task>,
    /// Runs of this setting only: user or time.
    #[arg(long)]
    setting: Option<Setting>,
    /// Runs of this split only: train, dev or test.
    #[arg(long)]
    split: Option<Split>,
    /// Runs of this model only; may be repeated.
    #[arg(long, value_name = "NAME")]
    model: Vec<String>,
}

/// The arguments choose nothing.
#[derive(Debug, thiserror::Error)]
pub enum RunChoiceError {
    /// No experiment is called that.
    #[error("the store has no experiment `{given}`{}", known(.names))]
    NoExperiment {
        /// As given.
        given: String,
        /// Those it has.
        names: Vec<String>,
    },
    /// No run fits.
    #[error("no run of {store} fits; `lamplight list` shows its runs")]
    NoRun {
        /// The store.
        store: String,
    },
    /// A store without a run.
    #[error("{store} has no run yet; `lamplight run` makes some")]
    Empty {
        /// The store.
        store: String,
    },
}

fn known(names: &[String]) -> String {
    if names.is_empty() { "; it has none".to_owned() } else { format!("; it has {}", names.join(", ")) }
}

/// Runs with the tunings that chose some of them.
pub struct Chosen {
    /// The runs, in the order in which they were planned.
    pub runs: Vec<RunRecord>,
    /// All tunings of the store.
    pub tunings: Vec<Tuning>,
    /// The metrics that the chosen experiment shows; empty where it names none or none is chosen.
    pub metrics: Vec<Metric>,
}

impl RunChoice {
    /// The runs of an experiment.
    pub(super) fn of_experiment(name: &str) -> Self {
        Self { experiment: Some(name.to_owned()), ..Self::default() }
    }

    /// Of those, the runs on a split.
    pub(super) fn on(self, split: Split) -> Self {
        Self { split: Some(split), ..self }
    }

    /// Of those, the runs in a setting.
    pub(super) fn in_setting(self, setting: Setting) -> Self {
        Self { setting: Some(setting), ..self }
    }

    /// Of those, the runs of a model.
    pub(super) fn of_model(self, name: &str) -> Self {
        Self { model: vec![name.to_owned()], ..self }
    }

    /// The runs that fit, at least one. `named`, numbers or beginnings of keys, restricts them to those.
    pub fn find(&self, reader: &Reader, named: &[String], console: &Console) -> Result<Chosen, CliError> {
        let store = || reader.path().display().to_string();
        let mut runs = reader.runs()?;
        if runs.is_empty() {
            return Err(RunChoiceError::Empty { store: store() }.into());
        }
        if !named.is_empty() {
            let mut ids = Vec::with_capacity(named.len());
            for name in named {
                ids.push(reader.find(name)?.id);
            }
            runs.retain(|run| ids.contains(&run.id));
        }
        let mut metrics = Vec::new();
        if let Some(name) = &self.experiment {
            let experiments = reader.experiments()?;
            let same: Vec<_> = experiments.iter().filter(|experiment| experiment.name == *name).collect();
            let Some(latest) = same.last() else {
                let mut names: Vec<String> =
                    experiments.iter().map(|experiment| super::text::plain(&experiment.name)).collect();
                names.sort_unstable();
                names.dedup();
                return Err(RunChoiceError::NoExperiment { given: name.clone(), names }.into());
            };
            if same.len() > 1 {
                console.note(&format!("{} experiments are called {name}; the latest is meant.", same.len()));
            }
            runs.retain(|run| latest.runs.contains(&run.id));
            // What another version of the program wrote may not be understood; then the usual metrics are shown.
            let experiment = Experiment::from_toml(&latest.toml, reader.path());
            metrics = experiment.map_or_else(|_| Vec::new(), |experiment| experiment.metrics);
        }
        runs.retain(|run| {
            let dataset = &run.spec.dataset;
            (self.task.is_empty() || self.task.contains(&dataset.task))
                && self.setting.is_none_or(|setting| setting == dataset.setting)
                && self.split.is_none_or(|split| split == dataset.split)
                && (self.model.is_empty() || self.model.contains(&run.spec.model.name))
        });
        if runs.is_empty() {
            return Err(RunChoiceError::NoRun { store: store() }.into());
        }
        Ok(Chosen { runs, tunings: reader.tunings()?, metrics })
    }
}
