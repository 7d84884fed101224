//! Experiments as files: what is to be run, written by hand or saved from a window.
//!
//! ```toml
//! name = "FlanT5-base, user setting"
//! metrics = ["rouge-1", "rouge-l"]   # which ones tables show; the tasks' own if left out
//! seeds = [1, 2, 3]                  # each cell that draws at random, once for each
//!
//! [data]                             # or [[data]], several times
//! paths = ["LaMP"]                   # files or folders, relative to this file
//! tasks = ["LaMP-1", "LaMP-3"]       # all that are found if left out; so are settings
//! settings = ["user"]
//! split = "dev"                      # dev if left out
//! limit = 200                        # the first samples, or with seed so many drawn at random
//! seed = 1
//! skip_broken = false                # use the good records of files that have broken ones
//! unscored = false                   # allow samples without references; they have no figures
//!
//! [[models]]
//! name = "google/flan-t5-base"       # a registered model, a path, scripted:…, baseline:…
//! training = "fine-tuned"            # or zero-shot, as it is if left out
//! device = "cpu"                     # T5; so is precision: f32, bf16, int8
//! precision = "int8"
//! batch = 16                         # changes no answer
//! # a model behind an endpoint: name = "endpoint:NAME" of a saved one, or with a table [models.endpoint]
//! # (url, model, key = "env:NAME", concurrency, …: see model::endpoint::Endpoint)
//! # GGUF: chat = true, system = "…", context = 4096, tokenizer_beside = true
//! [models.generation]                # what differs from [generation]
//! beams = 1
//!
//! [prompt]
//! template = "official"              # or paper, or a file; or a table with one for each task
//! mode = "official"                  # or clean
//! max_length = 512
//!
//! [retrieval]
//! retrievers = ["none", "random", "bm25", "dense:facebook/contriever", "recency"]
//! k = [1, 4]
//! use_date = false
//!
//! [generation]
//! beams = 4                          # 1 for GGUF models if left out
//! max_new_tokens = 128
//! answers = "official"               # or chatty, for models that talk around them; see [`Parsing`]
//! # min_new_tokens, length_penalty, early_stopping, stop, sampling = { temperature, top_k, top_p, seed }
//!
//! [tune]                             # choose retriever and k on one split, and apply them to data's
//! on = "dev"
//! k = [0, 1, 2, 4]
//! retrievers = ["bm25"]              # those of [retrieval] if left out
//!
//! [[skip]]                           # cells to leave out: those that have one of each list, which
//! tasks = ["LaMP-3"]                 # may be left out; models and retrievers as they are named above
//! settings = ["user"]
//! models = ["google/flan-t5-base"]
//! retrievers = ["bm25"]              # none: the cell without a profile; tuned: what [tune] chooses
//! k = [4]
//! ```
//!
//! Lists make a matrix: every model answers every dataset with every retriever and every k. `none`, and a k of 0, are the
//! one cell without a profile. `seeds` go to the retriever `random` written without a seed, and to sampling without one.
//! A single value may stand for a list of one.

mod parse;
mod place;
mod problem;
mod reader;
pub mod skip;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use place::{KeyPath, Place, Source};
pub use problem::{Problem, ProblemKind, Problems};
pub use skip::Skip;

use crate::lamp::{Metric, Setting, Split, Task};
use crate::metrics::Parsing;
use crate::model::endpoint::Endpoint;
use crate::model::{DeviceChoice, EarlyStopping, GenerationConfig, Precision, Sampling};
use crate::prompt::{Preset, PromptMode};
use crate::record::Training;

/// How experiments' files end; any other file is read all the same.
pub const EXTENSIONS: &[&str] = &["toml", "lamplight"];

/// Whether a file is called as experiments are.
pub fn is_called_so(file: &Path) -> bool {
    let extension = file.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// What is to be run. Plain data; whether it can be run is found by planning it.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Experiment {
    /// What people call it.
    pub name: String,
    /// Metrics that tables show; the tasks' own if empty. All are computed in any case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// Cells that draw at random are repeated for each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<u64>,
    /// What is answered.
    pub data: Vec<DataSettings>,
    /// What answers.
    pub models: Vec<ModelSettings>,
    /// How prompts are made.
    pub prompt: PromptSettings,
    /// What of a profile the models get to see.
    pub retrieval: RetrievalSettings,
    /// How models answer.
    #[serde(skip_serializing_if = "GenerationSettings::is_empty")]
    pub generation: GenerationSettings,
    /// What is chosen on one split for another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tune: Option<TuneSettings>,
    /// Cells that are left out of the matrix.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<Skip>,
    /// Where it was read from.
    #[serde(skip)]
    pub source: Source,
}

/// Which samples of which files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct DataSettings {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Tasks; all that are found if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<Task>,
    /// Settings; all that are found if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<Setting>,
    /// The split; dev if `None`, and then the files decide which split they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// At most so many samples of each dataset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Draws the limited samples at random; the first ones if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Whether the good records of files that have broken ones are used.
    #[serde(skip_serializing_if = "is_false")]
    pub skip_broken: bool,
    /// Whether samples without references are answered too; they have no figures.
    #[serde(skip_serializing_if = "is_false")]
    pub unscored: bool,
}

impl DataSettings {
    /// The split that is meant.
    pub fn split(&self) -> Split {
        self.split.unwrap_or(Split::Dev)
    }
}

/// A model and how it is used.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct ModelSettings {
    /// A registered name, a path, `endpoint:…`, `scripted:…` or `baseline:…`.
    pub name: String,
    /// How it came to its weights; as it was published if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
    /// Where it computes (T5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceChoice>,
    /// The kind of numbers (T5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    /// Prompts at once; changes no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<usize>,
    /// Whether prompts are put into the model's chat template (GGUF).
    #[serde(skip_serializing_if = "is_false")]
    pub chat: bool,
    /// What the chat template puts before the prompt (GGUF, endpoints); with it, `chat` is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Tokens of prompt and answer together (GGUF).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<usize>,
    /// Whether the `tokenizer.json` beside the file is read in place of its own vocabulary (GGUF).
    #[serde(skip_serializing_if = "is_false")]
    pub tokenizer_beside: bool,
    /// Where the model is served and how it is asked; what is saved under the name if `None` and the name begins with `endpoint:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Box<Endpoint>>,
    /// What differs from the experiment's generation.
    #[serde(skip_serializing_if = "GenerationSettings::is_empty")]
    pub generation: GenerationSettings,
}

/// How models answer; what is `None` is the default of [`GenerationConfig`].
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct GenerationSettings {
    /// Hypotheses side by side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beams: Option<usize>,
    /// The most new tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_new_tokens: Option<usize>,
    /// No end before so many new tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_new_tokens: Option<usize>,
    /// The power of the length that scores are divided by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_penalty: Option<f32>,
    /// When beam search stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStopping>,
    /// Texts that end an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Vec<String>>,
    /// How the text becomes an answer; by the official rules if `None`. The only setting here that changes no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<Parsing>,
    /// Tokens are drawn at random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<SamplingSettings>,
}

/// How tokens are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SamplingSettings {
    /// Logits are divided by this.
    pub temperature: f32,
    /// Only so many of the most probable tokens; 0 for all.
    pub top_k: usize,
    /// Only the most probable tokens that reach this probability.
    pub top_p: f32,
    /// The seed; those of the experiment, or 0, if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Default for SamplingSettings {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, seed: None }
    }
}

impl GenerationSettings {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These settings, and where they say nothing those of `base`.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        Self {
            beams: self.beams.or(base.beams),
            max_new_tokens: self.max_new_tokens.or(base.max_new_tokens),
            min_new_tokens: self.min_new_tokens.or(base.min_new_tokens),
            length_penalty: self.length_penalty.or(base.length_penalty),
            early_stopping: self.early_stopping.or(base.early_stopping),
            stop: self.stop.clone().or_else(|| base.stop.clone()),
            answers: self.answers.or(base.answers),
            sampling: self.sampling.or(base.sampling),
        }
    }

    /// The whole config, with `seed` for sampling that has none. A model that samples, or that can follow no more
    /// (`greedy`), follows one hypothesis unless `beams` says otherwise.
    pub fn config(&self, greedy: bool, seed: u64) -> GenerationConfig {
        let base = GenerationConfig::default();
        let one = greedy || self.sampling.is_some();
        GenerationConfig {
            beams: self.beams.unwrap_or(if one { 1 } else { base.beams }),
            max_new_tokens: self.max_new_tokens.unwrap_or(base.max_new_tokens),
            min_new_tokens: self.min_new_tokens.unwrap_or(base.min_new_tokens),
            length_penalty: self.length_penalty.unwrap_or(base.length_penalty),
            early_stopping: self.early_stopping.unwrap_or(base.early_stopping),
            sampling: self.sampling.map(|sampling| Sampling {
                temperature: sampling.temperature,
                top_k: sampling.top_k,
                top_p: sampling.top_p,
                seed: sampling.seed.unwrap_or(seed),
            }),
            stop: self.stop.clone().unwrap_or(base.stop),
        }
    }
}

/// Which wording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Templates {
    /// One for all tasks: `official`, `paper`, or a file.
    All(String),
    /// One for each task named; the official one for the others.
    PerTask(BTreeMap<Task, String>),
}

impl Default for Templates {
    fn default() -> Self {
        Self::All("official".to_owned())
    }
}

/// How prompts are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PromptSettings {
    /// The wording.
    pub template: Templates,
    /// Who decides what is cut.
    pub mode: PromptMode,
    /// Tokens that a prompt may have.
    pub max_length: usize,
}

impl Default for PromptSettings {
    fn default() -> Self {
        Self { template: Templates::default(), mode: PromptMode::Official, max_length: 512 }
    }
}

/// What of a profile the models get to see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RetrievalSettings {
    /// Retrievers by their short forms. May be empty where the experiment only tunes.
    pub retrievers: Vec<String>,
    /// Entries that a prompt carries at most; 0 is the same as `none`.
    pub k: Vec<usize>,
    /// Whether documents carry their dates.
    #[serde(skip_serializing_if = "is_false")]
    pub use_date: bool,
}

impl Default for RetrievalSettings {
    fn default() -> Self {
        Self { retrievers: vec!["none".to_owned()], k: vec![1], use_date: false }
    }
}

/// What is chosen on one split for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TuneSettings {
    /// The split on which it is chosen.
    pub on: Split,
    /// The numbers of entries that are tried.
    pub k: Vec<usize>,
    /// The retrievers that are tried; those of the retrieval settings if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retrievers: Vec<String>,
}

impl Default for TuneSettings {
    fn default() -> Self {
        Self { on: Split::Dev, k: vec![0, 1, 2, 4], retrievers: Vec::new() }
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

/// An experiment cannot be written as TOML.
#[derive(Debug, thiserror::Error)]
#[error("the experiment {name} cannot be written as TOML: {source}")]
pub struct WriteError {
    name: String,
    source: Box<toml::ser::Error>,
}

impl Experiment {
    /// Reads a file; paths in it are relative to its folder.
    ///
    /// # Errors
    /// All that is wrong with the file by itself.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        strict(Self::draft(path))
    }

    /// Reads a text; `origin` names it in problems, and paths stay as they are.
    ///
    /// # Errors
    /// All that is wrong with the text by itself.
    pub fn from_toml(text: &str, origin: &Path) -> Result<Self, Problems> {
        strict(parse::parse(text, origin))
    }

    /// Reads a file with what is good in it, and what is wrong, so that [`super::plan_draft`] may find what else is.
    pub fn draft(path: &Path) -> (Self, Vec<Problem>) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let source = Source::new(path, "");
                let problem = Problem::at(KeyPath::default(), ProblemKind::Read(error), &source);
                return (Self::default(), vec![problem]);
            }
        };
        let (mut experiment, problems) = parse::parse(&text, path);
        let folder = std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_owned));
        if let Some(folder) = folder {
            experiment.make_absolute(&folder);
        }
        (experiment, problems)
    }

    /// Reads a text with what is good in it, and what is wrong; paths stay as they are.
    pub fn draft_from_toml(text: &str, origin: &Path) -> (Self, Vec<Problem>) {
        parse::parse(text, origin)
    }

    /// The experiment as a file; reading it gives an equal one.
    ///
    /// # Errors
    /// A path that is no Unicode, a seed that TOML has no number for.
    pub fn to_toml(&self) -> Result<String, WriteError> {
        toml::to_string(self)
            .map_err(|source| WriteError { name: self.name.clone(), source: Box::new(source) })
    }

    /// The part of it that chooses retriever and k and runs the winners: what `[tune]` does not name, `[retrieval]` does, and
    /// nothing else of the matrix is left.
    #[must_use]
    pub fn only_tuned(mut self) -> Self {
        let retrievers = std::mem::take(&mut self.retrieval.retrievers);
        let tune = self.tune.get_or_insert_default();
        if tune.retrievers.is_empty() {
            tune.retrievers = retrievers;
        }
        self
    }

    /// The experiment with what is wrong with it by itself, where it was not read from a file.
    ///
    /// # Errors
    /// As [`Experiment::to_toml`].
    pub fn checked(self) -> Result<(Self, Vec<Problem>), WriteError> {
        let (mut read, mut problems) = parse::parse(&self.to_toml()?, Path::new(""));
        read.source = Source::default();
        for problem in &mut problems {
            problem.place = read.source.place(&problem.path);
        }
        Ok((read, problems))
    }

    /// Makes paths that are relative to a folder absolute, so that the experiment means the same wherever it is planned.
    /// A model's name is a path where something lies there.
    pub fn make_absolute(&mut self, folder: &Path) {
        let there = |name: &mut String| {
            if name.parse::<Preset>().is_ok() {
                return;
            }
            let path = folder.join(&*name);
            if !name.is_empty()
                && path.exists()
                && let Some(path) = path.to_str()
            {
                *name = path.to_owned();
            }
        };
        for path in self.data.iter_mut().flat_map(|data| &mut data.paths) {
            *path = folder.join(&*path);
        }
        for model in &mut self.models {
            there(&mut model.name);
            model.endpoint.iter_mut().filter_map(|endpoint| endpoint.tokenizer.as_mut()).for_each(there);
        }
        self.skip.iter_mut().flat_map(|skip| &mut skip.models).for_each(there);
        match &mut self.prompt.template {
            Templates::All(template) => there(template),
            Templates::PerTask(templates) => templates.values_mut().for_each(there),
        }
        let tuned = self.tune.iter_mut().flat_map(|tune| &mut tune.retrievers);
        let skipped = self.skip.iter_mut().flat_map(|skip| &mut skip.retrievers);
        for text in self.retrieval.retrievers.iter_mut().chain(tuned).chain(skipped) {
            if let Ok(mut config) = text.parse() {
                let mut changed = false;
                super::encoders::each(&mut config, &mut |dense| {
                    let before = dense.model.clone();
                    there(&mut dense.model);
                    changed |= before != dense.model;
                });
                if changed {
                    *text = config.to_string();
                }
            }
        }
    }
}

fn strict((experiment, problems): (Experiment, Vec<Problem>)) -> Result<Experiment, Problems> {
    if problems.is_empty() { Ok(experiment) } else { Err(Problems::sorted(problems)) }
}

#[cfg(test)]
mod tests;
