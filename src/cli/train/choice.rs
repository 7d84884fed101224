//! A recipe from a preset or a file, and what options change of it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::CliError;
use crate::cli::model_choice::PrecisionName;
use crate::lamp::{Setting, Split, Task};
use crate::model::DeviceChoice;
use crate::prompt::PromptMode;
use crate::train::{Decline, Preset, TrainRecipe};

/// The published constants.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum PresetName {
    /// Those of the benchmark's training script: prompts of 256 tokens, 16 examples a step.
    Official,
    /// Those of the papers: prompts of 512 tokens, 64 examples a step.
    Paper,
}

/// How the learning rate goes on after its rise.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum DeclineName {
    /// In a line, to zero.
    Linear,
    /// Not at all.
    Constant,
}

/// Who decides what is cut.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// The benchmark's own code.
    Official,
    /// Rules that never cut the input.
    Clean,
}

/// Every setting of a recipe.
#[derive(Debug, Args)]
#[command(next_help_heading = "Recipe")]
pub(super) struct RecipeArgs {
    /// A recipe's file (TOML); options change what it says.
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    recipe: Option<PathBuf>,
    /// Published constants to begin with [default: official].
    #[arg(long, value_enum)]
    preset: Option<PresetName>,
    /// The T5 model to begin with: a registered name or a folder.
    #[arg(long, value_name = "MODEL", required_unless_present_any = ["recipe", "print_recipe"])]
    model: Option<String>,
    /// Dataset files or folders; may be given several times.
    #[arg(long, value_name = "PATH", required_unless_present_any = ["recipe", "print_recipe"])]
    data: Vec<PathBuf>,
    /// The tasks, such as LaMP-1,LaMP-3; all that are found if not given.
    #[arg(long, value_delimiter = ',')]
    task: Vec<Task>,
    /// The settings, user or time; all that are found if not given.
    #[arg(long, value_delimiter = ',')]
    setting: Vec<Setting>,
    /// The split to learn from [default: train].
    #[arg(long)]
    split: Option<Split>,
    /// The split that decides which epoch is kept [default: dev].
    #[arg(long)]
    dev: Option<Split>,
    /// Judge by nothing, and keep the last epoch.
    #[arg(long, conflicts_with_all = ["dev", "dev_limit", "patience"])]
    no_dev: bool,
    /// At most so many samples of each dataset to learn from.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// At most so many samples of each dataset to be judged by.
    #[arg(long, value_name = "N")]
    dev_limit: Option<usize>,
    /// Draws limited samples at random; the first ones if not given.
    #[arg(long, value_name = "SEED")]
    sample_seed: Option<u64>,
    /// Use the good records of files that have broken ones.
    #[arg(long)]
    skip_broken: bool,
    /// A retriever, such as none, bm25, random:7, recency or dense:MODEL [default: none].
    #[arg(long, value_name = "RETRIEVER")]
    retriever: Option<String>,
    /// Entries that a prompt carries [default: 1].
    #[arg(long, value_name = "N")]
    k: Option<usize>,
    /// Let the retriever read each entry's date with its text.
    #[arg(long)]
    use_date: bool,
    /// The wording: official, paper, or a template's file [default: official].
    #[arg(long, value_name = "PRESET|FILE")]
    template: Option<String>,
    /// Who decides what is cut [default: official].
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// The most tokens of a prompt [default: 256, or 512 with --preset paper].
    #[arg(long, value_name = "N")]
    max_length: Option<usize>,
    /// The most tokens of an answer to learn [default: 128].
    #[arg(long, value_name = "N")]
    max_label_length: Option<usize>,
    /// The highest learning rate [default: 5e-5].
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Decoupled weight decay [default: 1e-4].
    #[arg(long, value_name = "DECAY")]
    weight_decay: Option<f64>,
    /// The share of all steps over which the rate rises from zero [default: 0.05].
    #[arg(long, value_name = "SHARE")]
    warmup: Option<f64>,
    /// How the rate goes on [default: linear].
    #[arg(long, value_enum)]
    decline: Option<DeclineName>,
    /// AdamW's first constant [default: 0.9].
    #[arg(long)]
    beta1: Option<f64>,
    /// AdamW's second constant [default: 0.999].
    #[arg(long)]
    beta2: Option<f64>,
    /// Added to the root of AdamW's squares [default: 1e-8].
    #[arg(long)]
    epsilon: Option<f64>,
    /// The most that the gradients' norm may be; 0 for no limit [default: 1].
    #[arg(long, value_name = "NORM")]
    clip: Option<f64>,
    /// Times that every example is seen [default: 10].
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Examples of a step [default: 16, or 64 with --preset paper].
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Examples computed at once, to save memory; their gradients are added [default: all of a step].
    #[arg(long, value_name = "N")]
    micro_batch: Option<usize>,
    /// The share of activations that is dropped [default: what the model's configuration says].
    #[arg(long, value_name = "SHARE")]
    dropout: Option<f32>,
    /// Decides order and dropout [default: 0].
    #[arg(long)]
    seed: Option<u64>,
    /// End after so many epochs in a row that were no better.
    #[arg(long, value_name = "N")]
    patience: Option<u64>,
    /// Where it computes: cpu, cuda, cuda:1 or metal [default: cpu].
    #[arg(long)]
    device: Option<DeviceChoice>,
    /// What products are computed in: f32, or bf16 on a GPU [default: f32].
    #[arg(long, value_enum)]
    precision: Option<PrecisionName>,
    /// Whether activations are computed again on the way back, for less memory and a third more time [default: where memory is
    /// short].
    #[arg(long, value_name = "YES", num_args = 0..=1, default_missing_value = "true")]
    gradient_checkpointing: Option<bool>,
    /// Hypotheses side by side when the dev split is answered [default: 4].
    #[arg(long, value_name = "N")]
    beams: Option<usize>,
    /// Train an adapter of low rank (LoRA) and leave the model's weights as they are; so does any option of the adapter.
    #[arg(long)]
    lora: bool,
    /// The adapter's rank [default: 8].
    #[arg(long, value_name = "R")]
    lora_r: Option<usize>,
    /// The adapter's weight, in parts of its rank [default: 32].
    #[arg(long, value_name = "ALPHA")]
    lora_alpha: Option<f64>,
    /// The share of what the adapter reads that is dropped [default: 0.1].
    #[arg(long, value_name = "SHARE")]
    lora_dropout: Option<f32>,
    /// The matrices that the adapter is for, of q, k, v, o, wi, wi_0, wi_1, wo [default: q,k,v].
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    lora_targets: Vec<String>,
    /// The most new tokens when the dev split is answered [default: 128].
    #[arg(long, value_name = "N")]
    max_new_tokens: Option<usize>,
    /// Prompts at once when the dev split is answered; changes no answer [default: 16].
    #[arg(long, value_name = "N")]
    dev_batch: Option<usize>,
}

fn set<T>(to: &mut T, given: Option<impl Into<T>>) {
    if let Some(given) = given {
        *to = given.into();
    }
}

fn list<T>(to: &mut Vec<T>, given: Vec<T>) {
    if !given.is_empty() {
        *to = given;
    }
}

impl RecipeArgs {
    /// The recipe that is meant: a file's, or what options change of a preset.
    pub(super) fn over_preset(self) -> Result<TrainRecipe, CliError> {
        let preset = match self.preset {
            Some(PresetName::Paper) => Preset::Paper,
            Some(PresetName::Official) | None => Preset::Official,
        };
        self.over(preset.recipe())
    }

    /// The same for adapters for each user, whose constants are others.
    pub(super) fn over_per_user(mut self) -> Result<TrainRecipe, CliError> {
        if self.preset.is_some() {
            return Err(CliError::Usage(
                "adapters for each user have one set of constants; leave out --preset",
            ));
        }
        self.lora = true;
        self.over(TrainRecipe::per_user())
    }

    fn over(self, begun: TrainRecipe) -> Result<TrainRecipe, CliError> {
        let mut recipe = match &self.recipe {
            Some(file) => TrainRecipe::read(file)?,
            None => begun,
        };
        let TrainRecipe { model, data, retrieval, prompt, optimizer, training, evaluation, lora } =
            &mut recipe;
        set(model, self.model);
        list(&mut data.paths, self.data);
        list(&mut data.tasks, self.task);
        list(&mut data.settings, self.setting);
        set(&mut data.split, self.split);
        data.dev = self.dev.or(data.dev).filter(|_| !self.no_dev);
        data.limit = self.limit.or(data.limit);
        data.dev_limit = self.dev_limit.or(data.dev_limit);
        data.seed = self.sample_seed.or(data.seed);
        data.skip_broken |= self.skip_broken;
        set(&mut retrieval.retriever, self.retriever);
        set(&mut retrieval.k, self.k);
        retrieval.use_date |= self.use_date;
        set(&mut prompt.template, self.template);
        let mode = |mode| match mode {
            Mode::Official => PromptMode::Official,
            Mode::Clean => PromptMode::Clean,
        };
        set(&mut prompt.mode, self.mode.map(mode));
        set(&mut prompt.max_length, self.max_length);
        set(&mut prompt.max_label_length, self.max_label_length);
        set(&mut optimizer.learning_rate, self.learning_rate);
        set(&mut optimizer.weight_decay, self.weight_decay);
        set(&mut optimizer.warmup, self.warmup);
        let decline = |decline| match decline {
            DeclineName::Linear => Decline::Linear,
            DeclineName::Constant => Decline::Constant,
        };
        set(&mut optimizer.decline, self.decline.map(decline));
        set(&mut optimizer.beta1, self.beta1);
        set(&mut optimizer.beta2, self.beta2);
        set(&mut optimizer.epsilon, self.epsilon);
        set(&mut optimizer.clip, self.clip);
        set(&mut training.epochs, self.epochs);
        set(&mut training.batch, self.batch);
        training.micro_batch = self.micro_batch.or(training.micro_batch);
        training.dropout = self.dropout.or(training.dropout);
        set(&mut training.seed, self.seed);
        training.patience = self.patience.or(training.patience);
        set(&mut training.device, self.device);
        set(&mut training.precision, self.precision);
        training.gradient_checkpointing = self.gradient_checkpointing.or(training.gradient_checkpointing);
        set(&mut evaluation.beams, self.beams);
        set(&mut evaluation.max_new_tokens, self.max_new_tokens);
        set(&mut evaluation.batch, self.dev_batch);
        let adapter = self.lora_r.is_some() || self.lora_alpha.is_some() || self.lora_dropout.is_some();
        if self.lora || adapter || !self.lora_targets.is_empty() {
            let lora = lora.get_or_insert_default();
            set(&mut lora.r, self.lora_r);
            set(&mut lora.alpha, self.lora_alpha);
            set(&mut lora.dropout, self.lora_dropout);
            list(&mut lora.targets, self.lora_targets);
        }
        if let Ok(folder) = std::env::current_dir() {
            recipe.make_absolute(&folder);
        }
        Ok(recipe)
    }
}
