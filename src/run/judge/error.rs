//! Why a judging could not be begun or went on no longer.

use super::template::JudgeTemplateError;
use crate::jobs::Canceled;
use crate::lamp::Task;
use crate::run::RunError;
use crate::run::experiment::Problems;
use crate::store::StoreError;

/// Why runs could not be judged. Verdicts that were stored before stay.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The store cannot be read or written, or another program works on the judging.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The judge cannot be asked, or broke.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The template cannot be used.
    #[error(transparent)]
    Template(#[from] JudgeTemplateError),
    /// The model cannot be had.
    #[error("cannot judge with {name}: {}", problems.0.iter().map(|problem| problem.kind.to_string()).collect::<Vec<_>>().join("; "))]
    Model {
        /// As given.
        name: String,
        /// What is wrong.
        problems: Problems,
    },
    /// What is named is no language model, or one that answers each user differently.
    #[error(
        "{name} cannot judge; name a language model that reads any prompt, such as endpoint:NAME or a GGUF file"
    )]
    NoJudge {
        /// As given.
        name: String,
    },
    /// A run of a task whose answers are labels.
    #[error(
        "run {run} is of {task}, whose answers are right or wrong by themselves; judges are for LaMP-4 to LaMP-7"
    )]
    NotText {
        /// The run's short key.
        run: String,
        /// Its task.
        task: Task,
    },
    /// Two runs over other data.
    #[error(
        "runs {first} and {second} are not over the same data; `lamplight compare` tells in what they differ"
    )]
    OtherData {
        /// The first run's short key.
        first: String,
        /// The second's.
        second: String,
    },
    /// A run against itself.
    #[error("run {run} cannot be compared with itself; name two runs")]
    Itself {
        /// The run's short key.
        run: String,
    },
    /// A number of runs that the method does not judge together.
    #[error("a {method} judging is of {wanted}, not of {given}")]
    Runs {
        /// The method.
        method: &'static str,
        /// How many it is of, in words.
        wanted: &'static str,
        /// How many were given.
        given: usize,
    },
    /// Nothing to be judged.
    #[error("{runs} has no sample that can be judged: none is answered{also}")]
    NoSamples {
        /// The runs in words.
        runs: String,
        /// What else a sample needs, in words.
        also: &'static str,
    },
    /// No input is stored.
    #[error(
        "run {run} is of a rule and keeps no inputs, nor does another run over the same samples; run a model over them, or give a \
         template without {{input}}"
    )]
    NoInput {
        /// The run's short key.
        run: String,
    },
    /// The work was canceled.
    #[error(transparent)]
    Canceled(#[from] Canceled),
}
