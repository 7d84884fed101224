//! One run, ready to be executed.

use std::path::PathBuf;
use std::sync::Arc;

use super::Baseline;
use crate::dataset::Dataset;
use crate::model::{GenerationConfig, LoadOptions};
use crate::prompt::{PromptOptions, Template};
use crate::record::RunSpec;
use crate::retrieval::RetrieverConfig;

/// One run: its spec, and the same in the form in which it is worked with.
#[derive(Debug, Clone)]
pub struct Cell {
    /// What it depends on; by this it is found in a store.
    pub spec: RunSpec,
    /// The samples' files, opened.
    pub dataset: Dataset,
    /// The samples it answers: places in the dataset, ascending, each once.
    pub positions: Arc<[u32]>,
    /// What chooses entries.
    pub retriever: RetrieverConfig,
    /// Whether documents carry their dates.
    pub use_date: bool,
    /// Entries that are chosen at most.
    pub k: usize,
    /// How prompts are made; `None` for baselines.
    pub prompt: Option<(Template, PromptOptions)>,
    /// How answers are generated.
    pub generation: GenerationConfig,
    /// What answers.
    pub model: CellModel,
    /// Prompts handed to the model at once; changes no answer. The executor chooses if `None`.
    pub batch: Option<usize>,
}

/// What answers a cell's samples. Cells of equal models share one that is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CellModel {
    /// A rule.
    Baseline(Baseline),
    /// A model that is loaded from a path or script.
    Load {
        /// A GGUF file, a folder, or a script such as `scripted:echo`.
        path: PathBuf,
        /// How.
        options: LoadOptions,
    },
}
