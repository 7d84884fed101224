//! Why a model could not be trained, in words for a person.

use std::io;
use std::path::{Path, PathBuf};

use crate::jobs::Canceled;
use crate::metrics::MetricsError;
use crate::model::ModelError;
use crate::model::registry::RegistryError;
use crate::model::weights::WeightsError;
use crate::run::experiment::WriteError;
use crate::run::{PlanError, RunError};

/// Why a model could not be trained. What a job had saved before stays, and the job can be resumed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting of the recipe makes no sense.
    #[error("{field} is {value}, but {rule}")]
    Setting {
        /// The setting, as the recipe's file names it.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
    /// A recipe's file cannot be read.
    #[error("{path} is no recipe: {reason}", path = path.display())]
    Recipe {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// Data, model, retriever or template cannot be used.
    #[error("nothing was trained: {0}")]
    Plan(PlanError),
    /// What the recipe asks for cannot be written down.
    #[error(transparent)]
    Experiment(#[from] WriteError),
    /// No data set of the recipe can have prompts made as it says.
    #[error("nothing can be trained as the recipe says: {reasons}")]
    Refused {
        /// Why, one reason after the other.
        reasons: String,
    },
    /// Prompts could not be made.
    #[error(transparent)]
    Run(Box<RunError>),
    /// A sample that nothing can be learned from.
    #[error(
        "sample {id} of {dataset} cannot be learned from: {reason}. Repair the record, or leave it out with skip_broken or limit"
    )]
    Sample {
        /// The dataset.
        dataset: String,
        /// The sample.
        id: String,
        /// Why.
        reason: String,
    },
    /// A tokenizer cannot be made of the data.
    #[error(
        "no tokenizer can be made: {source}. Take more data, or another number of pieces: as many as there are characters and \
         bytes at least, and no more than the words give"
    )]
    Tokenizer {
        /// What the tokenizer library said.
        source: tokenizers::Error,
    },
    /// A folder for a new model holds something.
    #[error("{path} is not empty; give a folder for the new model that is", path = path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// Only T5 models are trained.
    #[error(
        "{model} is no T5 model, and only those are trained; give a folder with config.json, tokenizer.json and weights"
    )]
    Family {
        /// The model.
        model: String,
    },
    /// The model cannot be loaded or computed with.
    #[error(transparent)]
    Model(ModelError),
    /// A file of weights or of the optimizer's state cannot be used.
    #[error("{path} cannot be used: {source}", path = path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<WeightsError>,
    },
    /// A loss or gradient is not a number any more.
    #[error(
        "the {what} of step {step} is not finite, so the job stopped before it could spoil the weights. Its examples: {ids}. \
         {advice}"
    )]
    NotFinite {
        /// Loss or gradient.
        what: &'static str,
        /// The step, from 1.
        step: u64,
        /// The examples' ids.
        ids: String,
        /// What to do.
        advice: &'static str,
    },
    /// A file could not be written.
    #[error("cannot write {path}: {source}.{advice}", path = path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// A file could not be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of a job is not what a job writes.
    #[error("{path} is damaged: {reason}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A folder that holds no job.
    #[error("{path} holds no training job; give the folder that `lamplight train` named", path = path.display())]
    NoJob {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that holds another job already.
    #[error(
        "{path} holds a training job already; continue it with `lamplight train resume {path}`, or give another folder with --job",
        path = path.display()
    )]
    JobExists {
        /// The folder.
        path: PathBuf,
    },
    /// Another program works on the job.
    #[error("another Lamplight is training in {path} at the moment; wait for it to end", path = path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A job whose data or model are not what they were.
    #[error(
        "the job in {path} cannot be resumed: {what} changed since it was begun. Put back what it was, or begin a new job",
        path = path.display()
    )]
    Changed {
        /// The job's folder.
        path: PathBuf,
        /// What.
        what: &'static str,
    },
    /// There is less memory than training needs.
    #[error(
        "training needs about {needed_mb} MB ({state_mb} MB of weights, gradients and moments, {work_mb} MB for {micro_batch} \
         examples at once), but {free_mb} MB are free; take a smaller micro_batch (it changes no more than rounding), a shorter \
         max_length or a smaller model"
    )]
    Memory {
        /// In all, in MB.
        needed_mb: u64,
        /// What does not depend on the batch.
        state_mb: u64,
        /// What does.
        work_mb: u64,
        /// Examples computed at once.
        micro_batch: usize,
        /// What the system has.
        free_mb: u64,
    },
    /// A reference of the dev split cannot be scored.
    #[error("sample {id} of the dev split cannot be scored: {source}")]
    Score {
        /// The sample.
        id: String,
        /// Why.
        source: MetricsError,
    },
    /// The finished model could not be registered.
    #[error(transparent)]
    Registry(Box<RegistryError>),
    /// Someone asked to stop; what was learned is saved where that was possible.
    #[error(transparent)]
    Canceled(#[from] Canceled),
}

impl TrainError {
    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        let advice = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                " The disk is full; what was saved before is untouched. Free some space, then continue with `lamplight train resume`"
            }
            _ => " What was saved before is untouched",
        };
        Self::Write { path: path.to_owned(), source, advice }
    }

    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    pub(super) fn weights(path: &Path, source: WeightsError) -> Self {
        Self::Weights { path: path.to_owned(), source: Box::new(source) }
    }
}

impl From<ModelError> for TrainError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Canceled(canceled) => Self::Canceled(canceled),
            other => Self::Model(other),
        }
    }
}

impl From<candle_core::Error> for TrainError {
    fn from(error: candle_core::Error) -> Self {
        Self::Model(ModelError::Tensor(error))
    }
}

impl From<PlanError> for TrainError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Canceled(canceled) => Self::Canceled(canceled),
            other => Self::Plan(other),
        }
    }
}

impl From<RunError> for TrainError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Canceled(canceled) => Self::Canceled(canceled),
            other => Self::Run(Box::new(other)),
        }
    }
}

impl From<RegistryError> for TrainError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Canceled(canceled) => Self::Canceled(canceled),
            other => Self::Registry(Box::new(other)),
        }
    }
}
