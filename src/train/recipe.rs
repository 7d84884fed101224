//! All that decides what training makes of a model: plain data, shown, kept with the result, and read back.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::optimizer::AdamWOptions;
use super::schedule::{Decline, Schedule};
use crate::lamp::{Setting, Split, Task};
use crate::model::{DeviceChoice, Precision};
use crate::prompt::PromptMode;
use crate::run::experiment::{
    DataSettings, Experiment, GenerationSettings, ModelSettings, PromptSettings, RetrievalSettings, Templates,
};

/// How a model is fine-tuned.
///
/// The defaults are those of the preset `official`: the constants of the benchmark's own training script.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainRecipe {
    /// The model that is begun with: a registered name or a path.
    pub model: String,
    /// What is learned from.
    pub data: DataRecipe,
    /// What of a profile the model gets to see.
    pub retrieval: RetrievalRecipe,
    /// How prompts and labels are made.
    pub prompt: PromptRecipe,
    /// How weights move.
    pub optimizer: OptimizerRecipe,
    /// How long, and in which portions.
    pub training: LoopRecipe,
    /// How the dev split is answered.
    pub evaluation: EvaluationRecipe,
    /// Trains an adapter of low rank beside the model's weights, which stay as they are; the weights themselves if `None`.
    pub lora: Option<LoraRecipe>,
}

/// What is learned from, and what is held out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataRecipe {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Tasks; all that are found if empty.
    pub tasks: Vec<Task>,
    /// Settings; all that are found if empty.
    pub settings: Vec<Setting>,
    /// The split that is learned from.
    pub split: Split,
    /// The split that decides which epoch is kept; the last one is if `None`.
    pub dev: Option<Split>,
    /// At most so many samples of each dataset to learn from.
    pub limit: Option<usize>,
    /// At most so many samples of each dataset to decide by.
    pub dev_limit: Option<usize>,
    /// Draws limited samples at random; the first ones if `None`.
    pub seed: Option<u64>,
    /// Whether the good records of files that have broken ones are used.
    pub skip_broken: bool,
}

impl Default for DataRecipe {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            tasks: Vec::new(),
            settings: Vec::new(),
            split: Split::Train,
            dev: Some(Split::Dev),
            limit: None,
            dev_limit: None,
            seed: None,
            skip_broken: false,
        }
    }
}

/// What of a profile the model gets to see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrievalRecipe {
    /// A retriever's short form.
    pub retriever: String,
    /// Entries that a prompt carries at most.
    pub k: usize,
    /// Whether documents carry their dates.
    pub use_date: bool,
    /// Where given, each sample to learn from has one of these instead, drawn by the seed; name one twice to draw it twice as
    /// often. The dev split has what stands above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mix: Vec<RetrievalChoice>,
}

/// One way of choosing entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrievalChoice {
    /// A retriever's short form.
    pub retriever: String,
    /// Entries that a prompt carries at most.
    pub k: usize,
}

impl Default for RetrievalRecipe {
    fn default() -> Self {
        Self { retriever: "none".to_owned(), k: 1, use_date: false, mix: Vec::new() }
    }
}

/// How prompts and labels are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptRecipe {
    /// The wording: `official`, `paper`, or a template's file.
    pub template: String,
    /// Who decides what is cut.
    pub mode: PromptMode,
    /// The most tokens of a prompt.
    pub max_length: usize,
    /// The most tokens of a label, end-of-sequence included.
    pub max_label_length: usize,
}

impl Default for PromptRecipe {
    fn default() -> Self {
        Self {
            template: "official".to_owned(),
            mode: PromptMode::Official,
            max_length: 256,
            max_label_length: 128,
        }
    }
}

/// How weights move.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerRecipe {
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay; norms and biases have none.
    pub weight_decay: f64,
    /// The share of all steps over which the rate rises from zero.
    pub warmup: f64,
    /// How the rate goes on.
    pub decline: Decline,
    /// How slowly the mean of gradients follows.
    pub beta1: f64,
    /// How slowly the mean of their squares follows.
    pub beta2: f64,
    /// Added to the root of the squares.
    pub epsilon: f64,
    /// The most that all gradients' norm may be; larger ones are scaled down. 0 for no limit.
    pub clip: f64,
}

impl Default for OptimizerRecipe {
    fn default() -> Self {
        let AdamWOptions { beta1, beta2, epsilon, .. } = AdamWOptions::default();
        Self {
            learning_rate: 5e-5,
            weight_decay: 1e-4,
            warmup: 0.05,
            decline: Decline::Linear,
            beta1,
            beta2,
            epsilon,
            clip: 1.0,
        }
    }
}

/// How long a model learns, and in which portions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoopRecipe {
    /// Times that every example is seen.
    pub epochs: u64,
    /// Examples of one step.
    pub batch: usize,
    /// Examples computed at once; gradients of a step's parts are added. As many as `batch` if `None`.
    pub micro_batch: Option<usize>,
    /// The share of activations that is dropped; what the model's configuration says if `None`.
    pub dropout: Option<f32>,
    /// Whether each example counts the same, however long its answer is; else each token of an answer does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub even: bool,
    /// Decides order and dropout.
    pub seed: u64,
    /// Ends after so many epochs in a row that were no better; never if `None`.
    pub patience: Option<u64>,
    /// Where it computes.
    pub device: DeviceChoice,
    /// What products are computed in: `f32`, or `bf16` on a GPU (mixed precision: weights, moments and sums stay 32-bit numbers).
    pub precision: Precision,
    /// Whether activations are computed again on the way back, which takes a third more time and much less memory; only where
    /// memory is short if `None`.
    pub gradient_checkpointing: Option<bool>,
}

impl Default for LoopRecipe {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch: 16,
            micro_batch: None,
            dropout: None,
            even: false,
            seed: 0,
            patience: None,
            device: DeviceChoice::Cpu,
            precision: Precision::F32,
            gradient_checkpointing: None,
        }
    }
}

/// How the dev split is answered after each epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationRecipe {
    /// Hypotheses side by side.
    pub beams: usize,
    /// The most new tokens.
    pub max_new_tokens: usize,
    /// Prompts at once; changes no answer.
    pub batch: usize,
}

impl Default for EvaluationRecipe {
    fn default() -> Self {
        Self { beams: 4, max_new_tokens: 128, batch: 16 }
    }
}

/// Names of the matrices that an adapter can be trained for, as checkpoints have them: those of attention (`q`, `k`, `v`,
/// `o`), then those of the feed-forward layers; gated models have `wi_0` and `wi_1` in the place of `wi`.
pub const LORA_TARGETS: [&str; 8] = ["q", "k", "v", "o", "wi", "wi_0", "wi_1", "wo"];

/// An adapter of low rank (LoRA, arXiv 2106.09685): `W + (alpha / r) · B · A` takes the place of the matrix `W`.
///
/// The defaults are the constants of the benchmark's adapters for each user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoraRecipe {
    /// The rank: rows of A, columns of B.
    pub r: usize,
    /// The adapter's weight, in parts of the rank.
    pub alpha: f64,
    /// The share of what an adapter reads that is dropped, beside the dropout of the model itself.
    pub dropout: f32,
    /// The matrices that it is for, of [`LORA_TARGETS`].
    pub targets: Vec<String>,
}

impl Default for LoraRecipe {
    fn default() -> Self {
        let targets = ["q", "k", "v"].map(str::to_owned).to_vec();
        Self { r: 8, alpha: 32.0, dropout: 0.1, targets }
    }
}

impl LoraRecipe {
    fn check(&self) -> Result<(), TrainError> {
        let wrong = |field, value: &dyn std::fmt::Display, rule| {
            Err(TrainError::Setting { field, value: value.to_string(), rule })
        };
        if self.r == 0 || self.r > 1024 {
            return wrong("lora.r", &self.r, "must be between 1 and 1024");
        }
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            return wrong("lora.alpha", &self.alpha, "must be a number above 0");
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return wrong("lora.dropout", &self.dropout, "must be at least 0 and below 1");
        }
        if self.targets.is_empty() {
            return wrong(
                "lora.targets",
                &"empty",
                "must name at least one of q, k, v, o, wi, wi_0, wi_1, wo",
            );
        }
        match self.targets.iter().find(|target| !LORA_TARGETS.contains(&target.as_str())) {
            Some(target) => {
                wrong("lora.targets", target, "its names must be of q, k, v, o, wi, wi_0, wi_1, wo")
            }
            None => Ok(()),
        }
    }
}

/// The constants of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Those of the official training script: prompts of 256 tokens, 16 examples a step.
    Official,
    /// Those of the papers (arXiv 2304.11406, section 5): prompts of 512 tokens, 64 examples a step.
    Paper,
}

impl Preset {
    /// The recipe without model and data.
    pub fn recipe(self) -> TrainRecipe {
        let mut recipe = TrainRecipe::default();
        if self == Self::Paper {
            recipe.prompt.max_length = 512;
            recipe.training.batch = 64;
            recipe.training.micro_batch = Some(16);
        }
        recipe
    }
}

impl TrainRecipe {
    /// Reads a recipe written as TOML; what it does not say is as in the preset `official`. Paths are relative to its
    /// folder.
    ///
    /// # Errors
    /// [`TrainError::Read`], and [`TrainError::Recipe`] with line and key.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(|source| TrainError::read(path, source))?;
        let mut recipe: Self = toml::from_str(&text).map_err(|error| TrainError::Recipe {
            path: path.to_owned(),
            reason: error.to_string().trim().to_owned(),
        })?;
        if let Some(folder) = std::path::absolute(path).ok().as_deref().and_then(Path::parent) {
            recipe.make_absolute(folder);
        }
        Ok(recipe)
    }

    /// The recipe as TOML; reading it gives an equal one.
    ///
    /// # Errors
    /// A path that is no Unicode, a seed that TOML has no number for.
    pub fn to_toml(&self) -> Result<String, TrainError> {
        let failed = |error: toml::ser::Error| TrainError::Recipe {
            path: PathBuf::from("the recipe"),
            reason: error.to_string(),
        };
        toml::to_string(self).map_err(failed)
    }

    /// Makes paths that are relative to a folder absolute, so that a job can be resumed from anywhere.
    pub fn make_absolute(&mut self, folder: &Path) {
        let mut experiment = self.experiment(self.data.split, None);
        experiment.make_absolute(folder);
        self.data.paths = experiment.data.into_iter().flat_map(|data| data.paths).collect();
        self.model = experiment.models.into_iter().map(|model| model.name).collect();
        self.retrieval.retriever = experiment.retrieval.retrievers.into_iter().collect();
        for place in 0..self.retrieval.mix.len() {
            let mut experiment = self.mixed().swap_remove(place).experiment(self.data.split, None);
            experiment.make_absolute(folder);
            self.retrieval.mix[place].retriever = experiment.retrieval.retrievers.into_iter().collect();
        }
        if let Templates::All(template) = experiment.prompt.template {
            self.prompt.template = template;
        }
    }

    /// The recipe of adapters for each user without model and data, with the constants of the benchmark's own
    /// (arXiv 2409.09510): prompts and labels of 512 tokens, 30 epochs, the last one kept. The split is that whose samples'
    /// users get an adapter.
    pub fn per_user() -> Self {
        let mut recipe = Self { lora: Some(LoraRecipe::default()), ..Self::default() };
        (recipe.data.split, recipe.data.dev) = (Split::Dev, None);
        (recipe.prompt.max_length, recipe.prompt.max_label_length) = (512, 512);
        recipe.training.epochs = 30;
        recipe
    }

    /// Checks what can be checked without model and data.
    ///
    /// # Errors
    /// [`TrainError::Setting`] with the first that makes no sense.
    pub fn check(&self) -> Result<(), TrainError> {
        let wrong = |field, value: &dyn std::fmt::Display, rule| {
            Err(TrainError::Setting { field, value: value.to_string(), rule })
        };
        let (optimizer, training) = (&self.optimizer, &self.training);
        if self.data.dev == Some(self.data.split) {
            return wrong(
                "data.dev",
                &self.data.split.id(),
                "must be another split than data.split: a model is not judged by what it has learned from",
            );
        }
        for (field, value) in [
            ("training.epochs", training.epochs as usize),
            ("training.batch", training.batch),
            ("training.micro_batch", training.micro_batch.unwrap_or(1)),
            ("evaluation.batch", self.evaluation.batch),
        ] {
            if value == 0 || value > 1_000_000 {
                return wrong(field, &value, "must be between 1 and 1000000");
            }
        }
        if self.prompt.max_label_length < 2 || self.prompt.max_label_length > 4096 {
            return wrong(
                "prompt.max_label_length",
                &self.prompt.max_label_length,
                "must be between 2 and 4096",
            );
        }
        match (training.precision, training.device) {
            (Precision::F32, _) => {}
            (Precision::Bf16, DeviceChoice::Cpu) => {
                return wrong(
                    "training.precision",
                    &"bf16",
                    "is for GPUs: processors train in f32, which is faster there",
                );
            }
            (Precision::Bf16, _) => {}
            (other, _) => {
                return wrong("training.precision", &other.name(), "must be f32, or bf16 on a GPU");
            }
        }
        if training.even && training.gradient_checkpointing == Some(true) {
            return wrong(
                "training.even",
                &true,
                "cannot be had together with training.gradient_checkpointing",
            );
        }
        if training.patience == Some(0) {
            return wrong("training.patience", &0, "must be at least 1");
        }
        if self.data.dev.is_none() && training.patience.is_some() {
            return wrong("training.patience", &"given", "nothing tells better from worse without data.dev");
        }
        if let Some(dropout) = training.dropout.filter(|rate| !(0.0..1.0).contains(rate)) {
            return wrong("training.dropout", &dropout, "must be at least 0 and below 1");
        }
        for (field, value) in
            [("optimizer.learning_rate", optimizer.learning_rate), ("optimizer.epsilon", optimizer.epsilon)]
        {
            if !(value.is_finite() && value > 0.0) {
                return wrong(field, &value, "must be a number above 0");
            }
        }
        for (field, value) in
            [("optimizer.weight_decay", optimizer.weight_decay), ("optimizer.clip", optimizer.clip)]
        {
            if !(value.is_finite() && value >= 0.0) {
                return wrong(field, &value, "must be a number of at least 0");
            }
        }
        if !(0.0..=1.0).contains(&optimizer.warmup) {
            return wrong("optimizer.warmup", &optimizer.warmup, "must be a share between 0 and 1");
        }
        for (field, value) in [("optimizer.beta1", optimizer.beta1), ("optimizer.beta2", optimizer.beta2)] {
            if !(0.0..1.0).contains(&value) {
                return wrong(field, &value, "must be at least 0 and below 1");
            }
        }
        self.lora.as_ref().map_or(Ok(()), LoraRecipe::check)
    }

    /// Examples computed at once.
    pub fn micro_batch(&self) -> usize {
        self.training.micro_batch.unwrap_or(self.training.batch).min(self.training.batch)
    }

    /// The optimizer's constants.
    pub const fn adamw(&self) -> AdamWOptions {
        let OptimizerRecipe { beta1, beta2, epsilon, weight_decay, .. } = self.optimizer;
        AdamWOptions { beta1, beta2, epsilon, weight_decay }
    }

    /// The learning rates of so many steps.
    pub fn schedule(&self, steps: u64) -> Schedule {
        let OptimizerRecipe { learning_rate, warmup, decline, .. } = self.optimizer;
        let warmup = (steps as f64 * warmup).ceil() as u64;
        Schedule { peak: learning_rate, warmup, steps, decline }
    }

    /// The recipe for each way of choosing entries that samples are learned with.
    pub(super) fn mixed(&self) -> Vec<Self> {
        let of = |choice: &RetrievalChoice| {
            let RetrievalChoice { retriever, k } = choice.clone();
            let retrieval = RetrievalRecipe { retriever, k, mix: Vec::new(), ..self.retrieval.clone() };
            Self { retrieval, ..self.clone() }
        };
        match self.retrieval.mix.as_slice() {
            [] => vec![self.clone()],
            choices => choices.iter().map(of).collect(),
        }
    }

    /// The experiment whose cells have the prompts that the recipe asks for, on one split: so training sees what evaluation
    /// sees.
    pub fn experiment(&self, split: Split, limit: Option<usize>) -> Experiment {
        let data = &self.data;
        Experiment {
            name: self.model.clone(),
            data: vec![DataSettings {
                paths: data.paths.clone(),
                tasks: data.tasks.clone(),
                settings: data.settings.clone(),
                split: Some(split),
                limit,
                seed: data.seed.filter(|_| limit.is_some()),
                skip_broken: data.skip_broken,
                unscored: false,
            }],
            models: vec![ModelSettings {
                name: self.model.clone(),
                device: Some(self.training.device).filter(|device| *device != DeviceChoice::Cpu),
                ..ModelSettings::default()
            }],
            prompt: PromptSettings {
                template: Templates::All(self.prompt.template.clone()),
                mode: self.prompt.mode,
                max_length: self.prompt.max_length,
            },
            retrieval: RetrievalSettings {
                retrievers: vec![self.retrieval.retriever.clone()],
                k: vec![self.retrieval.k],
                use_date: self.retrieval.use_date,
            },
            generation: GenerationSettings {
                beams: Some(self.evaluation.beams),
                max_new_tokens: Some(self.evaluation.max_new_tokens),
                ..GenerationSettings::default()
            },
            ..Experiment::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_those_of_the_publications() {
        let official = Preset::Official.recipe();
        assert_eq!((official.prompt.max_length, official.training.batch), (256, 16));
        assert_eq!((official.training.epochs, official.optimizer.learning_rate), (10, 5e-5));
        assert_eq!((official.optimizer.weight_decay, official.optimizer.warmup), (1e-4, 0.05));
        assert_eq!((official.evaluation.beams, official.evaluation.max_new_tokens), (4, 128));
        let paper = Preset::Paper.recipe();
        assert_eq!((paper.prompt.max_length, paper.training.batch, paper.micro_batch()), (512, 64, 16));
        for preset in [official, paper] {
            preset.check().unwrap();
        }
    }

    #[test]
    fn a_recipe_comes_back_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.toml");
        let mut recipe = Preset::Paper.recipe();
        recipe.model = "t5".to_owned();
        recipe.data.paths = vec![folder.path().join("data")];
        recipe.data.tasks = vec![Task::Lamp3];
        recipe.training.patience = Some(2);
        recipe.retrieval.retriever = "bm25".to_owned();
        recipe.lora = Some(LoraRecipe { r: 4, ..LoraRecipe::default() });
        std::fs::write(&path, recipe.to_toml().unwrap()).unwrap();
        assert_eq!(TrainRecipe::read(&path).unwrap(), recipe);
        std::fs::write(&path, "model = \"t5\"\n[training]\nepoch = 3\n").unwrap();
        let error = TrainRecipe::read(&path).unwrap_err().to_string();
        assert!(error.contains("r.toml") && error.contains("epoch") && error.contains("line 3"), "{error}");
        std::fs::write(&path, "[data]\npaths = [\"x\"]\n").unwrap();
        assert_eq!(TrainRecipe::read(&path).unwrap().data.paths, [folder.path().join("x")]);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let check = |change: &dyn Fn(&mut TrainRecipe)| {
            let mut recipe = TrainRecipe::default();
            change(&mut recipe);
            recipe.check().unwrap_err().to_string()
        };
        assert!(check(&|r| r.training.epochs = 0).starts_with("training.epochs is 0"));
        assert!(check(&|r| r.optimizer.learning_rate = f64::NAN).contains("optimizer.learning_rate is NaN"));
        assert!(check(&|r| r.optimizer.warmup = 1.5).contains("warmup"));
        assert!(check(&|r| r.training.dropout = Some(1.0)).contains("dropout"));
        assert!(check(&|r| r.data.dev = Some(Split::Train)).contains("data.dev"));
        let lora = |change: &dyn Fn(&mut LoraRecipe)| check(&|r| change(r.lora.get_or_insert_default()));
        assert!(lora(&|l| l.r = 0).starts_with("lora.r is 0"));
        assert!(lora(&|l| l.alpha = -1.0).starts_with("lora.alpha is -1"));
        assert!(lora(&|l| l.dropout = 1.0).starts_with("lora.dropout is 1"));
        assert!(lora(&|l| l.targets.clear()).starts_with("lora.targets is empty"));
        let error = lora(&|l| l.targets.push("query".to_owned()));
        assert!(error.contains("query") && error.contains("q, k, v, o, wi"), "{error}");
    }
}
