//! Why a run could not be begun or went on no longer.

use crate::dataset::DatasetError;
use crate::jobs::Canceled;
use crate::metrics::UnknownParsing;
use crate::model::ModelError;
use crate::prompt::PromptError;
use crate::retrieval::BuildError;
use crate::store::StoreError;

/// Why a run could not be begun or could not go on. What was stored before stays, and the run can be resumed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store cannot be read or written, or another program works on the run.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The model cannot be loaded, or answers no prompt with these settings.
    #[error("cannot use the model {model}")]
    Model {
        /// As the spec names it.
        model: String,
        /// Why.
        #[source]
        source: Box<ModelError>,
    },
    /// The retriever cannot be made.
    #[error(transparent)]
    Retriever(#[from] BuildError),
    /// No prompt can be made by the template and its limits.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// The run's answers are read in a way that this program does not know.
    #[error(transparent)]
    Parsing(#[from] UnknownParsing),
    /// The samples' files cannot be used.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Stored scores are not of the run's task.
    #[error(
        "run {run} is of {task}, but has scores of another kind of task; score it anew with `lamplight rescore {run}`"
    )]
    ForeignScores {
        /// The run's number.
        run: i64,
        /// Its task.
        task: crate::lamp::Task,
    },
    /// A run that still has samples to be answered cannot be scored with synonyms.
    #[error("run {run} is not done, and what is answered later is scored without WordNet; resume it first")]
    NotDone {
        /// The run's short key.
        run: String,
    },
    /// Only what is whole is read in another way, so that two ways to read are of the same answers.
    #[error("run {run} is not done; resume it before its answers are read in another way")]
    NotWhole {
        /// The run's short key.
        run: String,
    },
    /// A rule's answers need no other reading.
    #[error(
        "run {run} is of {model}, whose answers are exact as they are; there is no other way to read them"
    )]
    NothingToRead {
        /// The run's short key.
        run: String,
        /// The rule.
        model: String,
    },
    /// A cell has neither a rule nor a prompt.
    #[error("{model} is a language model, but the run has no prompt for it; give a template")]
    NoPrompt {
        /// The model.
        model: String,
    },
    /// The system gives no threads.
    #[error("no thread can be started: {source}")]
    Threads {
        /// What the system said.
        source: std::io::Error,
    },
    /// A defect of the program ended a part of it.
    #[error(
        "{part} ended unexpectedly ({message}); this is a defect of the program. What was stored before is safe, and the run \
         can be resumed"
    )]
    Panicked {
        /// What was being done.
        part: &'static str,
        /// What the panic said.
        message: String,
    },
    /// The work was canceled.
    #[error(transparent)]
    Canceled(#[from] Canceled),
}

impl RunError {
    /// What a panic left behind, as an error.
    pub(in crate::run) fn of_panic(part: &'static str, payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Self::Panicked { part, message: text.unwrap_or_else(|| "without a message".to_owned()) }
    }
}

/// An error with its causes, each said once.
pub fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = inner.source();
    }
    text
}
