//! What a T5 model learns before any task: to write a short text again of which some tokens are hidden. From this it has
//! the attention that copies (arXiv 1910.13461 trains the same way); from a few thousand prompts alone it would not.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::TrainError;
use super::batching::step_seed;
use super::control::Control;
use super::examples::{Example, Examples};
use super::job::{DONE, MODEL, RECORD, get, lock, put};
use super::optimizer::AdamWOptions;
use super::schedule::{Decline, Schedule};
use super::t5::{DevOptions, T5FineTuning};
use super::trainer::{Plan, Trainable, Trainer};
use crate::dataset::Dataset;
use crate::jobs::Progress;
use crate::lamp::Query;
use crate::model::{DeviceChoice, GenerationConfig, HfTokenizer, ModelError, TextTokenizer, fingerprint};

/// The token that stands for a hidden one: that of unknown text, which nothing else needs where bytes are tokens.
const HIDDEN: u32 = 2;

/// How a model is trained to write texts again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DenoiseRecipe {
    /// The fewest and the most tokens of a text.
    pub span: [usize; 2],
    /// The share of tokens that is hidden.
    pub hidden: f64,
    /// Times that every text is seen.
    pub epochs: u64,
    /// Texts of a step.
    pub batch: usize,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// The share of steps over which it rises.
    pub warmup: f64,
    /// Decides what is drawn, order and dropout.
    pub seed: u64,
}

impl Default for DenoiseRecipe {
    fn default() -> Self {
        Self { span: [4, 16], hidden: 0.15, epochs: 2, batch: 32, learning_rate: 2e-3, warmup: 0.05, seed: 0 }
    }
}

impl DenoiseRecipe {
    /// Reads a recipe written as TOML; what it does not say is as in the default.
    ///
    /// # Errors
    /// [`TrainError::Read`], [`TrainError::Recipe`] with line and key, [`TrainError::Setting`].
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = fs::read_to_string(path).map_err(|source| TrainError::read(path, source))?;
        let recipe: Self = toml::from_str(&text).map_err(|error| TrainError::Recipe {
            path: path.to_owned(),
            reason: error.to_string().trim().to_owned(),
        })?;
        recipe.check()?;
        Ok(recipe)
    }

    fn check(&self) -> Result<(), TrainError> {
        let wrong = |field, value: &dyn std::fmt::Display, rule| {
            Err(TrainError::Setting { field, value: value.to_string(), rule })
        };
        if self.span[0] == 0 || self.span[0] > self.span[1] {
            return wrong("span", &format!("{:?}", self.span), "must be two rising numbers of tokens");
        }
        if !(0.0..1.0).contains(&self.hidden) {
            return wrong("hidden", &self.hidden, "must be a share of at least 0 and below 1");
        }
        if self.epochs == 0 || self.batch == 0 {
            return wrong("epochs or batch", &0, "must be at least 1");
        }
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return wrong("learning_rate", &self.learning_rate, "must be a number above 0");
        }
        if !(0.0..=1.0).contains(&self.warmup) {
            return wrong("warmup", &self.warmup, "must be a share between 0 and 1");
        }
        Ok(())
    }
}

/// Trains a T5 model to write the texts of datasets again, in a job's folder; gives the folder of the result and the steps taken.
///
/// # Errors
/// A model or records that cannot be used; [`TrainError::Canceled`] after a checkpoint from which the same call goes on.
pub fn denoise(
    base: &Path,
    datasets: &[Dataset],
    recipe: &DenoiseRecipe,
    folder: &Path,
    control: &Control,
    progress: &Progress,
) -> Result<(PathBuf, u64), TrainError> {
    recipe.check()?;
    let tokenizer = HfTokenizer::from_folder(base).map_err(ModelError::from)?;
    let mut train = Vec::new();
    progress.start("Reading texts", datasets.iter().map(|dataset| dataset.len() as u64).sum());
    for dataset in datasets {
        let id = dataset.id();
        for sample in dataset.samples() {
            control.cancel().check()?;
            let wrong = |name: &str, reason: String| TrainError::Sample {
                dataset: id.to_string(),
                id: name.to_owned(),
                reason,
            };
            let sample = sample.map_err(|error| wrong("", error.to_string()))?;
            let asked = Query::of(id.task, &sample).text;
            let entries = sample.profile.iter().flat_map(|entry| [Some(&entry.text), entry.title.as_ref()]);
            for text in entries.flatten().chain([&asked]) {
                let whole = tokenizer.encode(text).map_err(|error| wrong(&sample.id, error.to_string()))?;
                let name = || format!("{id} {} {}", sample.id, train.len());
                let drawn = drawn(&whole, tokenizer.special_tokens(), recipe, train.len() as u64);
                if let Some((prompt, labels)) = drawn {
                    let id = name();
                    train.push(Example { id, prompt, labels });
                }
            }
            progress.add(1);
        }
    }
    let texts = train.iter().flat_map(|example| [&example.prompt, &example.labels]);
    let begun = Begun::with(recipe, base, texts, control)?;
    let steps = recipe.epochs * train.len().div_ceil(recipe.batch) as u64;
    let dev = DevOptions {
        generation: GenerationConfig::default(),
        batch: 1,
        threads: 0,
        device: DeviceChoice::Cpu,
    };
    let model = T5FineTuning::load(base, Examples { train, ..Examples::default() }, dev)?;
    let plan = Plan {
        epochs: recipe.epochs,
        batch: recipe.batch,
        micro_batch: recipe.batch,
        dropout: model.graph().config().dropout,
        seed: recipe.seed,
        patience: None,
        clip: Some(1.0),
        adamw: AdamWOptions::default(),
        schedule: Schedule {
            peak: recipe.learning_rate,
            warmup: (steps as f64 * recipe.warmup).ceil() as u64,
            steps,
            decline: Decline::Linear,
        },
        checkpoint_every: Duration::from_secs(600),
        checkpoint_steps: None,
    };
    unjudged(model, plan, folder, control, &begun)
}

/// What a job without a dev split was begun with: all that decides its result.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Begun {
    /// Its recipe.
    pub(super) recipe: serde_json::Value,
    /// The fingerprint of the model that it began with.
    pub(super) model: String,
    /// What identifies the texts that it learns from.
    pub(super) texts: String,
}

impl Begun {
    pub(super) fn with(
        recipe: &impl Serialize,
        base: &Path,
        texts: impl Iterator<Item = impl AsRef<[u32]>>,
        control: &Control,
    ) -> Result<Self, TrainError> {
        let mut hash = Sha256::new();
        for tokens in texts {
            let tokens = tokens.as_ref();
            hash.update((tokens.len() as u64).to_le_bytes());
            tokens.iter().for_each(|token| hash.update(token.to_le_bytes()));
        }
        let recipe = serde_json::to_value(recipe)
            .map_err(|error| TrainError::write(Path::new(RECORD), std::io::Error::from(error)))?;
        let model = fingerprint(base, control.cancel(), &Progress::new())?;
        Ok(Self { recipe, model, texts: hex::encode(hash.finalize()) })
    }
}

/// Trains without a dev split: what stands at the end is the result, `model` in the job's folder. A job that was broken off goes
/// on, one that is done is left as it is.
pub(super) fn unjudged<M: Trainable>(
    model: M,
    plan: Plan,
    folder: &Path,
    control: &Control,
    begun: &Begun,
) -> Result<(PathBuf, u64), TrainError> {
    fs::create_dir_all(folder).map_err(|source| TrainError::write(folder, source))?;
    let _lock = lock(folder)?;
    let record = folder.join(RECORD);
    if !record.exists() {
        put(&record, begun)?;
    } else if get::<Begun>(&record)? != *begun {
        let what = "its recipe, its model or what it learns from";
        return Err(TrainError::Changed { path: folder.to_owned(), what });
    }
    let (result, done) = (folder.join(MODEL), folder.join(DONE));
    if done.exists() {
        return Ok((result, get(&done)?));
    }
    let mut trainer = Trainer::new(model, plan, folder, control)?;
    trainer.run()?;
    if let Some((_, kept)) = trainer.best().filter(|(_, kept)| kept.is_dir()) {
        trainer.place(&kept, &result)?;
        put(&done, &trainer.step())?;
        trainer.clear();
    }
    Ok((result, trainer.step()))
}

/// A part of a text with some tokens hidden, and whole; `None` where the text is too short.
fn drawn(whole: &[u32], special: usize, recipe: &DenoiseRecipe, place: u64) -> Option<(Vec<u32>, Vec<u32>)> {
    // Special tokens stand at the end, as in T5.
    let (text, end) = whole.split_at(whole.len().checked_sub(special)?);
    let [least, most] = recipe.span;
    if text.len() < least {
        return None;
    }
    let mut stream = ChaCha8Rng::seed_from_u64(step_seed(recipe.seed, place, 0));
    let mut below = |n: usize| ((u128::from(stream.next_u64()) * n as u128) >> 64) as usize;
    let length = least + below(most.min(text.len()) - least + 1);
    let from = below(text.len() - length + 1);
    let labels = [&text[from..from + length], end].concat();
    let mut prompt = labels.clone();
    for token in &mut prompt[..length] {
        if (below(1_000_000) as f64) < recipe.hidden * 1e6 {
            *token = HIDDEN;
        }
    }
    Some((prompt, labels))
}
