//! What can be wrong with an experiment, in words for a person, each with its place.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use super::place::{KeyPath, Place, Source};
use super::reader::listed;
use crate::dataset::{DatasetError, DatasetId};
use crate::lamp::{Setting, Split, Task};
use crate::model::ModelError;
use crate::model::registry::RegistryError;
use crate::prompt::{PromptError, TemplateError};
use crate::retrieval::{BuildError, ConfigError};
use crate::run::BaselineError;

/// Something wrong with an experiment.
#[derive(Debug)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub kind: ProblemKind,
    pub(crate) path: KeyPath,
}

impl Problem {
    pub(crate) fn at(path: KeyPath, kind: ProblemKind, source: &Source) -> Self {
        Self { place: source.place(&path), kind, path }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.to_string();
        if !place.is_empty() {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}", self.kind)?;
        // What stands behind an error belongs to it; what it has said already is not said again.
        let mut said = self.kind.to_string();
        let mut cause = self.kind.source();
        while let Some(inner) = cause {
            let words = inner.to_string();
            if !said.contains(&words) {
                write!(f, ": {words}")?;
                said.push_str(&words);
            }
            cause = inner.source();
        }
        Ok(())
    }
}

/// All that is wrong with an experiment, in the order of the file.
#[derive(Debug, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Sorted by where they stand.
    pub(crate) fn sorted(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_cached_key(|problem| (problem.place.line.unwrap_or(0), problem.place.key.clone()));
        Self(problems)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "{one}"),
            many => {
                write!(f, "{} problems:", many.len())?;
                many.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl Error for Problems {}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum ProblemKind {
    /// The file cannot be read.
    #[error("cannot read the experiment: {0}")]
    Read(std::io::Error),
    /// The file is no TOML.
    #[error("{0}")]
    Syntax(String),
    /// A key that means nothing here.
    #[error("unknown key{}; known here: {}", meant(.near), listed(.known))]
    UnknownKey {
        /// What it most likely means.
        near: Option<&'static str>,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// A key that has to be there.
    #[error("missing; give {what}")]
    Missing {
        /// What it is.
        what: &'static str,
    },
    /// A value of another kind.
    #[error("must be {expected}, and is {found}")]
    Type {
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A number outside of its range.
    #[error("{value} is not from {least} to {most}")]
    Range {
        /// The number.
        value: i128,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// A number that must not be below 0.
    #[error("must be a number from 0 on, and is {value}")]
    Negative {
        /// The number.
        value: f64,
    },
    /// A text that stands for nothing.
    #[error("{0}")]
    Value(#[source] Box<dyn Error + Send + Sync>),
    /// A text that is none of a few words.
    #[error("`{given}` is not one of {}", listed(.known))]
    NoSuchWord {
        /// As given.
        given: String,
        /// The words.
        known: Vec<&'static str>,
    },
    /// A text that names no retriever.
    #[error(transparent)]
    Retriever(#[from] ConfigError),
    /// A retriever whose encoder cannot be had.
    #[error(transparent)]
    Encoder(#[from] BuildError),
    /// A template that cannot be used.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A text that is neither a built-in template nor a file.
    #[error(
        "`{given}` is neither a built-in template (official, paper) nor a file: there is no {path}",
        path = path.display()
    )]
    NoTemplate {
        /// As given.
        given: String,
        /// Where a file would be.
        path: PathBuf,
    },
    /// A prompt setting that leaves no room, or a template of another task.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// Data that cannot be used.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// Nothing that could be read.
    #[error("no dataset is there{}", reasons(.files))]
    NoData {
        /// The first files that were looked at, with the reason why each is none.
        files: Vec<String>,
    },
    /// A task that the data does not have.
    #[error("{task} is not in the data, which has {}", listed(.found))]
    NoSuchTask {
        /// The task.
        task: Task,
        /// What there is.
        found: Vec<Task>,
    },
    /// A setting that the data does not have.
    #[error("the {setting} setting is not in the data, which has {}", listed(.found))]
    NoSuchSetting {
        /// The setting.
        setting: Setting,
        /// What there is.
        found: Vec<Setting>,
    },
    /// A split that the data does not have.
    #[error("the data has no {split} split for what is asked for; found: {}", listed(.found))]
    NoSuchSplit {
        /// The split.
        split: Split,
        /// What there is.
        found: Vec<DatasetId>,
    },
    /// Two files of one dataset.
    #[error(
        "{} and {} are both {id} and differ; name one of them",
        first.display(), second.display()
    )]
    SameDataset {
        /// Which dataset.
        id: DatasetId,
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// References that are withheld or lost.
    #[error(
        "{missing} of {of} samples of {id} have no reference, so they have no figures; use another split, or write \
         `unscored = true` there to answer them all the same"
    )]
    NoReferences {
        /// Which dataset.
        id: DatasetId,
        /// Samples without a reference.
        missing: usize,
        /// Samples in all.
        of: usize,
    },
    /// No sample at all.
    #[error("{id} has no samples")]
    NoSamples {
        /// Which dataset.
        id: DatasetId,
    },
    /// A retriever that can be used nowhere in the experiment.
    #[error("{retriever} is possible nowhere in this experiment: {reason}")]
    NowherePossible {
        /// The retriever.
        retriever: String,
        /// Why.
        reason: String,
    },
    /// A model that is not there.
    #[error(transparent)]
    NoModel(#[from] RegistryError),
    /// A model that cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A baseline that is not there, or that can answer nothing of the experiment.
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// An encoder in the place of a model that answers.
    #[error("{name} makes vectors of texts and answers none; use it as a retriever: \"dense:{name}\"")]
    IsEncoder {
        /// The model.
        name: String,
    },
    /// A setting that another kind of model has.
    #[error("{kind} have no such setting; leave it out")]
    NotForKind {
        /// The kind, in the plural.
        kind: &'static str,
    },
    /// Several hypotheses for a model that follows one.
    #[error(
        "{name} follows one hypothesis, as GGUF models and endpoints do; write `beams = 1` under its own [models.generation]"
    )]
    Beams {
        /// The model.
        name: String,
    },
    /// Prompt and answer that do not fit the model.
    #[error(
        "{max_length} tokens of prompt and {new_tokens} new ones are more than the {context} that {name} sees at once"
    )]
    Context {
        /// The model.
        name: String,
        /// Of the prompt.
        max_length: usize,
        /// Of the answer.
        new_tokens: usize,
        /// What it sees.
        context: usize,
    },
    /// A seed that nothing uses.
    #[error(
        "nothing here is drawn at random without a seed of its own, so seeds change nothing; leave them out"
    )]
    IdleSeeds,
    /// A setting that only works with another.
    #[error("is of use only with `{needs}`")]
    Needs {
        /// The other key.
        needs: &'static str,
    },
    /// Nothing is asked for.
    #[error("nothing is left to run: {reason}")]
    Nothing {
        /// Why.
        reason: String,
    },
    /// A word for something that the experiment does not have.
    #[error("`{given}` is no {what} of this experiment, which has {}", listed(.known))]
    NotThere {
        /// Of which kind.
        what: &'static str,
        /// As given.
        given: String,
        /// What there is.
        known: Vec<String>,
    },
    /// An entry that stands there twice.
    #[error("{what} stands there twice")]
    Twice {
        /// What.
        what: String,
    },
}

fn meant(near: &Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

fn reasons(files: &[String]) -> String {
    if files.is_empty() { String::new() } else { format!(": {}", files.join("; ")) }
}
