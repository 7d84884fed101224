//! An experiment made into cells: data opened, models and encoders found and identified, every impossible wish reported
//! before anything runs.
//!
//! # What is impossible
//!
//! A matrix over several tasks and settings may hold cells that cannot be: recency where entries have no dates, a baseline
//! whose answers are none of the task's kind. Such cells are left out and listed with the reason ([`Plan::refused`]), as a
//! published table leaves its cell empty. What is possible *nowhere* in the experiment was surely meant otherwise, and is a
//! problem: recency over the user setting alone, `baseline:copy` over ratings alone, a task that no file has.

mod data;
mod matrix;
mod models;
mod retrievers;

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use super::experiment::{Experiment, KeyPath, ModelSettings, Problem, ProblemKind, Problems};
use super::{Cell, CellModel, Workplace};
use crate::dataset::{DatasetError, DatasetId};
use crate::jobs::{CancelToken, Canceled, Progress};
use crate::lamp::{Metric, Setting, Split, Task};
use crate::model::registry::RegistryError;
use crate::model::{GenerationConfig, ModelError, TextTokenizer};
use crate::record::ModelSpec;
use crate::retrieval::BuildError;

pub use data::draw;

/// An experiment, ready to be executed.
#[derive(Debug)]
pub struct Plan {
    /// The cells of the matrix, each once: by model, then dataset, then retriever and k.
    pub cells: Vec<Cell>,
    /// What was left out of the matrix, and why.
    pub refused: Vec<Refused>,
    /// What to know before it runs.
    pub notes: Vec<Note>,
    /// What is to be chosen, where the experiment says so.
    pub tunings: Vec<TunePlan>,
    /// Every place of the matrix, with what became of it: by model, then dataset, seed, retriever and k.
    pub slots: Vec<PlannedSlot>,
}

/// A place of the matrix. Several may be one cell: `none` is the same with every k.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedSlot {
    /// The data.
    pub dataset: DatasetId,
    /// Which of the experiment's models.
    pub model: usize,
    /// Which of the experiment's retrievers.
    pub retriever: usize,
    /// Entries that a prompt carries at most.
    pub k: usize,
    /// What became of it.
    pub fate: Fate,
}

/// What becomes of a place of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is a cell of [`Plan::cells`].
    Cell(usize),
    /// It cannot be, as told by [`Plan::refused`].
    Refused(usize),
    /// The experiment leaves it out.
    Skipped,
}

/// One choice of retriever and k: for one task, setting and model.
#[derive(Debug, Clone)]
pub struct TunePlan {
    /// The task.
    pub task: Task,
    /// The setting.
    pub setting: Setting,
    /// The model's name.
    pub model: String,
    /// Which of the experiment's models that is.
    pub model_number: usize,
    /// The metric that decides.
    pub metric: Metric,
    /// The split on which it is decided.
    pub on: Split,
    /// Whether that is the very data that is reported.
    pub same_data: bool,
    /// The cells that compete, in the order of ties: by k, then by retriever.
    pub grid: Vec<Cell>,
    /// The same on the reported data, one for each of the grid.
    pub applied: Vec<Cell>,
}

/// Cells that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// On which data.
    pub dataset: DatasetId,
    /// Of which model; all if `None`.
    pub model: Option<String>,
    /// With which retriever; any if `None`.
    pub retriever: Option<String>,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.dataset)?;
        if let Some(model) = &self.model {
            write!(f, ", {model}")?;
        }
        if let Some(retriever) = &self.retriever {
            write!(f, ", {retriever}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// What was left out in few lines: one for each reason, with all the data that it holds for.
pub fn refused_in_words(refused: &[Refused]) -> Vec<String> {
    let mut groups: Vec<(&Refused, Vec<String>)> = Vec::new();
    for one in refused {
        let same = |other: &&mut (&Refused, Vec<String>)| {
            let other = other.0;
            (&other.model, &other.retriever, &other.reason) == (&one.model, &one.retriever, &one.reason)
        };
        match groups.iter_mut().find(same) {
            Some((_, data)) => data.push(one.dataset.to_string()),
            None => groups.push((one, vec![one.dataset.to_string()])),
        }
    }
    let line = |(one, data): (&Refused, Vec<String>)| {
        let what: Vec<&str> =
            [&one.model, &one.retriever].into_iter().flatten().map(String::as_str).collect();
        let shown = data.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        let more = if data.len() > 3 { format!(" and {} more", data.len() - 3) } else { String::new() };
        format!("{} on {shown}{more}: {}", what.join(" with "), one.reason)
    };
    groups.into_iter().map(line).collect()
}

/// Something to know that is no problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A task and setting that the data has, but not in the split.
    NoSplit {
        /// What there is none of.
        dataset: DatasetId,
    },
    /// A task that a setting does not have.
    NotInSetting {
        /// The task.
        task: Task,
        /// The setting.
        setting: Setting,
    },
    /// Samples without references.
    Unscored {
        /// Where.
        dataset: DatasetId,
        /// How many.
        missing: usize,
        /// Of how many.
        of: usize,
    },
    /// Broken records that were passed over.
    Broken {
        /// Where.
        dataset: DatasetId,
        /// How many.
        records: usize,
    },
    /// Samples some of whose entries have no date.
    PartlyUndated {
        /// Where.
        dataset: DatasetId,
        /// How many.
        samples: usize,
        /// Of how many.
        of: usize,
    },
    /// A named file that is no data.
    NoData {
        /// The file and the reason.
        file: String,
    },
    /// A choice that is reported on the data it was made on.
    SameData {
        /// On which data.
        dataset: DatasetId,
    },
    /// A skip that has nothing to leave out.
    IdleSkip {
        /// Which, from 0.
        number: usize,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSplit { dataset } => write!(f, "{dataset} is not in the data and is left out"),
            Self::NotInSetting { task, setting } => {
                write!(f, "{task} is not in the data's {setting} setting and is left out there")
            }
            Self::Unscored { dataset, missing, of } => {
                write!(f, "{missing} of {of} samples of {dataset} have no reference and get no score")
            }
            Self::Broken { dataset, records } => {
                write!(f, "{dataset} has {records} broken records, which are passed over")
            }
            Self::PartlyUndated { dataset, samples, of } => write!(
                f,
                "{samples} of {of} samples of {dataset} have entries without a date; recency fails on them"
            ),
            Self::NoData { file } => f.write_str(file),
            Self::SameData { dataset } => write!(
                f,
                "retriever and k are chosen on {dataset} and reported on the same samples, so the tuned figures are \
                 too good; report another split"
            ),
            Self::IdleSkip { number } => {
                write!(
                    f,
                    "skip[{number}] names tasks, settings and cells that do not meet, so it leaves nothing out"
                )
            }
        }
    }
}

/// Why an experiment cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The work was canceled.
    #[error(transparent)]
    Canceled(#[from] Canceled),
    /// What is wrong with it, all of it.
    #[error(transparent)]
    Problems(#[from] Problems),
}

/// Plans an experiment; nothing is stored and no language model is loaded.
///
/// # Errors
/// All that is wrong, each with line and key where the experiment came from a file.
pub fn plan(
    experiment: &Experiment,
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Plan, PlanError> {
    plan_draft(experiment, Vec::new(), workplace, cancel, progress)
}

/// [`plan`] of what [`Experiment::draft`] gave, so that its problems and those of data and models are told together.
///
/// # Errors
/// As [`plan`].
pub fn plan_draft(
    experiment: &Experiment,
    problems: Vec<Problem>,
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Plan, PlanError> {
    match survey(experiment, problems, workplace, cancel, progress)? {
        (Some(plan), problems) if problems.0.is_empty() => Ok(plan),
        (_, problems) => Err(problems.into()),
    }
}

/// As much of a plan as there can be, beside all that is wrong: what of the matrix is possible shows while the rest is being
/// mended. What is planned in spite of problems is not to be run.
///
/// # Errors
/// Canceled.
pub fn survey(
    experiment: &Experiment,
    problems: Vec<Problem>,
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<(Option<Plan>, Problems), Canceled> {
    // What follows from a section that could not be read would be said twice, or wrongly.
    let judged = |problem: &&Problem| !matches!(problem.kind, ProblemKind::UnknownKey { .. });
    let damaged = problems.iter().filter(judged).map(|problem| problem.path.clone()).collect();
    let planner = Planner {
        experiment,
        workplace,
        cancel,
        progress,
        damaged,
        problems: RefCell::new(problems),
        notes: RefCell::default(),
    };
    let readable = !experiment.data.is_empty() && !experiment.models.is_empty();
    let made = if readable { planner.matrix()? } else { None };
    let notes = planner.notes.into_inner();
    let problems = planner.problems.into_inner();
    Ok((made.map(|plan| Plan { notes, ..plan }), Problems::sorted(problems)))
}

/// A model by itself, with no experiment around it.
pub(in crate::run) struct LoneModel {
    pub(in crate::run) spec: ModelSpec,
    pub(in crate::run) model: CellModel,
    pub(in crate::run) generation: GenerationConfig,
    pub(in crate::run) batch: Option<usize>,
    /// `None` of a rule.
    pub(in crate::run) tokenizer: Option<Arc<dyn TextTokenizer>>,
}

/// Finds and describes one model, as for an experiment that has no other.
///
/// # Errors
/// What is wrong with it; canceled.
pub(in crate::run) fn plan_model(
    settings: ModelSettings,
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<LoneModel, PlanError> {
    let experiment = Experiment { models: vec![settings], ..Experiment::default() };
    let planner = Planner {
        experiment: &experiment,
        workplace,
        cancel,
        progress,
        damaged: Vec::new(),
        problems: RefCell::default(),
        notes: RefCell::default(),
    };
    let found = planner.models()?.pop();
    let problems = Problems::sorted(planner.problems.into_inner());
    match found.filter(|_| problems.0.is_empty()) {
        Some(model) => Ok(LoneModel {
            generation: model.generation.config(model.greedy, 0),
            spec: model.spec,
            model: model.model,
            batch: model.batch,
            tokenizer: model.tokenizer,
        }),
        None => Err(problems.into()),
    }
}

/// What planning shares.
struct Planner<'a> {
    experiment: &'a Experiment,
    workplace: &'a Workplace,
    cancel: &'a CancelToken,
    progress: &'a Progress,
    /// Keys with problems that were found while reading.
    damaged: Vec<KeyPath>,
    problems: RefCell<Vec<Problem>>,
    notes: RefCell<Vec<Note>>,
}

impl Planner<'_> {
    fn report(&self, path: &KeyPath, kind: impl Into<ProblemKind>) {
        if !self.damaged.iter().any(|damaged| damaged.same_section(path)) {
            let problem = Problem::at(path.clone(), kind.into(), &self.experiment.source);
            let mut problems = self.problems.borrow_mut();
            // One cause may show at several datasets.
            let said = |other: &Problem| {
                other.place == problem.place && other.kind.to_string() == problem.kind.to_string()
            };
            if !problems.iter().any(said) {
                problems.push(problem);
            }
        }
    }

    fn note(&self, note: Note) {
        let mut notes = self.notes.borrow_mut();
        if !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// A result, or `None` and its error reported.
    fn told<T, E: Into<ProblemKind> + MaybeCanceled>(
        &self,
        path: &KeyPath,
        result: Result<T, E>,
    ) -> Result<Option<T>, Canceled> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_canceled() => Err(Canceled),
            Err(error) => {
                self.report(path, error);
                Ok(None)
            }
        }
    }
}

/// Errors that may be a cancellation.
trait MaybeCanceled {
    fn is_canceled(&self) -> bool;
}

impl MaybeCanceled for DatasetError {
    fn is_canceled(&self) -> bool {
        matches!(self, Self::Canceled(_))
    }
}

impl MaybeCanceled for ModelError {
    fn is_canceled(&self) -> bool {
        matches!(self, Self::Canceled(_))
    }
}

impl MaybeCanceled for RegistryError {
    fn is_canceled(&self) -> bool {
        match self {
            Self::Canceled(_) => true,
            Self::Model(error) => error.is_canceled(),
            _ => false,
        }
    }
}

impl MaybeCanceled for BuildError {
    fn is_canceled(&self) -> bool {
        match self {
            Self::Encoder { source, .. } => source.is_canceled(),
            Self::Model(source) => source.is_canceled(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
