//! A small experiment from options instead of a file.

use std::path::PathBuf;

use clap::Args;

use super::RunCommandError;
use crate::cli::model_choice::PrecisionName;
use crate::lamp::{Setting, Split, Task};
use crate::metrics::Parsing;
use crate::model::DeviceChoice;
use crate::prompt::PromptMode;
use crate::run::experiment::{
    DataSettings, Experiment, GenerationSettings, ModelSettings, Problem, PromptSettings, RetrievalSettings,
    Templates,
};

/// What is run where no file says so.
#[derive(Debug, Args)]
#[command(next_help_heading = "Without a file")]
pub(super) struct Quick {
    /// Dataset files or folders; may be given several times.
    #[arg(long, value_name = "PATH", conflicts_with = "file", requires = "model")]
    data: Vec<PathBuf>,
    /// The tasks, such as LaMP-1,LaMP-3; all that are found if not given.
    #[arg(long, value_delimiter = ',', requires = "data")]
    task: Vec<Task>,
    /// The settings, user or time; all that are found if not given.
    #[arg(long, value_delimiter = ',', requires = "data")]
    setting: Vec<Setting>,
    /// The split [default: dev].
    #[arg(long, requires = "data")]
    split: Option<Split>,
    /// At most so many samples of each dataset.
    #[arg(long, value_name = "N", requires = "data")]
    limit: Option<usize>,
    /// Draws the limited samples at random.
    #[arg(long, requires = "limit")]
    seed: Option<u64>,
    /// Use the good records of files that have broken ones.
    #[arg(long, requires = "data")]
    skip_broken: bool,
    /// Answer samples without references too; they have no figures.
    #[arg(long, requires = "data")]
    unscored: bool,
    /// A model: a registered name, a path, endpoint:NAME, baseline:majority, baseline:copy, baseline:nearest or scripted:…; may be given
    /// several times.
    #[arg(long, value_name = "MODEL", requires = "data")]
    model: Vec<String>,
    /// Where the models compute (T5).
    #[arg(long, requires = "data")]
    device: Option<DeviceChoice>,
    /// The kind of numbers (T5).
    #[arg(long, requires = "data")]
    precision: Option<PrecisionName>,
    /// Put prompts into the models' chat templates (GGUF).
    #[arg(long, requires = "data")]
    chat: bool,
    /// A retriever, such as none, bm25, random:7, recency or dense:MODEL; may be given several times [default: none].
    #[arg(long, value_name = "RETRIEVER", requires = "data")]
    retriever: Vec<String>,
    /// Entries that a prompt carries, such as 1,4 [default: 1].
    #[arg(long, value_delimiter = ',', requires = "data")]
    k: Vec<usize>,
    /// The template: official, paper, or a file [default: official].
    #[arg(long, requires = "data")]
    template: Option<String>,
    /// Who decides what is cut: official or clean [default: official].
    #[arg(long, value_parser = mode, requires = "data")]
    mode: Option<PromptMode>,
    /// Tokens that a prompt may have [default: 512].
    #[arg(long, value_name = "N", requires = "data")]
    max_length: Option<usize>,
    /// Hypotheses side by side [default: 4, or 1 for GGUF models].
    #[arg(long, value_name = "N", requires = "data")]
    beams: Option<usize>,
    /// The most new tokens [default: 128].
    #[arg(long, value_name = "N", requires = "data")]
    max_new_tokens: Option<usize>,
    /// How text becomes an answer: official, or chatty for models that talk around it [default: official].
    #[arg(long, value_name = "HOW", requires = "data")]
    answers: Option<Parsing>,
}

fn mode(text: &str) -> Result<PromptMode, &'static str> {
    match text {
        "official" => Ok(PromptMode::Official),
        "clean" => Ok(PromptMode::Clean),
        _ => Err("official or clean"),
    }
}

impl Quick {
    /// The experiment, and what is wrong with it by itself.
    pub(super) fn experiment(self) -> Result<(Experiment, Vec<Problem>), RunCommandError> {
        let retrieval = RetrievalSettings::default();
        let prompt = PromptSettings::default();
        let mut experiment = Experiment {
            name: self.model.join(", "),
            data: vec![DataSettings {
                paths: self.data,
                tasks: self.task,
                settings: self.setting,
                split: self.split,
                limit: self.limit,
                seed: self.seed,
                skip_broken: self.skip_broken,
                unscored: self.unscored,
            }],
            models: self
                .model
                .into_iter()
                .map(|name| ModelSettings {
                    name,
                    device: self.device,
                    precision: self.precision.map(Into::into),
                    chat: self.chat,
                    ..ModelSettings::default()
                })
                .collect(),
            prompt: PromptSettings {
                template: self.template.map_or(prompt.template, Templates::All),
                mode: self.mode.unwrap_or(prompt.mode),
                max_length: self.max_length.unwrap_or(prompt.max_length),
            },
            retrieval: RetrievalSettings {
                retrievers: if self.retriever.is_empty() { retrieval.retrievers } else { self.retriever },
                k: if self.k.is_empty() { retrieval.k } else { self.k },
                use_date: false,
            },
            generation: GenerationSettings {
                beams: self.beams,
                max_new_tokens: self.max_new_tokens,
                answers: self.answers,
                ..GenerationSettings::default()
            },
            ..Experiment::default()
        };
        if let Ok(folder) = std::env::current_dir() {
            experiment.make_absolute(&folder);
        }
        Ok(experiment.checked()?)
    }
}
