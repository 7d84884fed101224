//! Answers without a language model: cheap controls, and a way to try everything with no weights at hand.

use std::fmt;
use std::str::FromStr;

use crate::lamp::{Task, TaskKind};

/// A rule that answers in a model's place. See [`Baseline::supports`] for which tasks each answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Baseline {
    /// The commonest label: among the retrieved entries, of equally common ones the one whose entry ranks better; with no
    /// retriever among all profiles of the dataset. LaMP-1, whose profiles have no labels, is always answered `[1]`.
    Majority,
    /// The text that the task's input asks about.
    Copy,
    /// What the best retrieved entry says: its label, its title or its text. In LaMP-1, the option whose title shares more
    /// words with that entry.
    Nearest,
}

/// A text that names no baseline, or a baseline that cannot answer a task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// No baseline is called that.
    #[error("`{given}` is no baseline; use baseline:majority, baseline:copy or baseline:nearest")]
    Unknown {
        /// What was given.
        given: String,
    },
    /// The rule has no answer of the task's kind.
    #[error("{baseline} cannot answer {task}: {reason}")]
    Unsupported {
        /// The rule.
        baseline: Baseline,
        /// The task.
        task: Task,
        /// Why, and what can.
        reason: &'static str,
    },
}

impl Baseline {
    /// All rules.
    pub const ALL: [Self; 3] = [Self::Majority, Self::Copy, Self::Nearest];

    /// What names of this kind begin with.
    pub const PREFIX: &'static str = "baseline:";

    /// `baseline:majority`, `baseline:copy` or `baseline:nearest`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Majority => "baseline:majority",
            Self::Copy => "baseline:copy",
            Self::Nearest => "baseline:nearest",
        }
    }

    /// Whether it can answer a task, with a retriever or without one (`none`, or a k of 0).
    ///
    /// # Errors
    /// [`BaselineError::Unsupported`] with the reason.
    pub fn supports(self, task: Task, no_retriever: bool) -> Result<(), BaselineError> {
        let reason = match (self, task.kind()) {
            (Self::Majority, TaskKind::Generation) => {
                "its profiles have no labels of which one could be the commonest; use baseline:copy or baseline:nearest"
            }
            (Self::Copy, TaskKind::Classification | TaskKind::Rating) => {
                "a copy of the input is none of its labels; use baseline:majority or baseline:nearest"
            }
            (Self::Nearest, _) if no_retriever => {
                "without a retriever no entry is the nearest; choose a retriever and a k of at least 1"
            }
            _ => return Ok(()),
        };
        Err(BaselineError::Unsupported { baseline: self, task, reason })
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl FromStr for Baseline {
    type Err = BaselineError;

    /// Reads `baseline:majority`; case does not matter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || BaselineError::Unknown { given: text.to_owned() };
        let wanted = text.trim();
        Self::ALL.into_iter().find(|one| one.id().eq_ignore_ascii_case(wanted)).ok_or_else(unknown)
    }
}
