//! How long a job will take: a few of its own steps and answers, timed. Nothing is written.

use std::time::Instant;

use super::TrainError;
use super::batching::{batches, step_seed};
use super::examples::Examples;
use super::job::{Prepared, in_threads, load, look};
use super::optimizer::{AdamW, Gradients};
use super::t5::{DevOptions, T5FineTuning};
use super::trainer::Trainable;
use super::{Estimate, TrainRecipe};
use crate::jobs::{CancelToken, Progress};
use crate::model::Dropout;
use crate::run::Workplace;

/// Portions that are timed, after one that is not: it meets memory that no one has touched.
const PORTIONS: usize = 3;
/// No further portion is begun after so many seconds.
const ENOUGH_S: f64 = 8.0;

/// How long a job takes if nothing ends it early and nothing else computes beside it.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Expected {
    /// Tokens read and written a second while it learns, padding not counted.
    pub tokens_per_s: f64,
    /// Seconds in which it learns, over all epochs.
    pub training_s: f64,
    /// Seconds in which the dev split is answered, after all epochs together.
    pub evaluation_s: f64,
}

impl Expected {
    /// Seconds from beginning to end.
    pub fn seconds(&self) -> f64 {
        self.training_s + self.evaluation_s
    }
}

/// What a recipe would take, from the prompts of a part of its samples.
pub struct Sketch(Prepared);

/// Looks at so many samples of each dataset at most, so that even large data are judged at once. Nothing is written.
///
/// # Errors
/// Whatever is wrong with the recipe, the data, the model, or with the samples that were looked at; canceled.
pub fn sketch(
    recipe: &TrainRecipe,
    most: usize,
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Sketch, TrainError> {
    look(recipe, Some(most), workplace, cancel, progress).map(Sketch)
}

impl Sketch {
    /// All samples to learn from.
    pub const fn train_examples(&self) -> usize {
        self.0.record.train_examples
    }

    /// All samples to be judged by.
    pub const fn dev_samples(&self) -> usize {
        self.0.record.dev_samples
    }

    /// Steps in all.
    pub const fn steps(&self) -> u64 {
        self.0.record.steps
    }

    /// The examples that were looked at.
    pub const fn examples(&self) -> &Examples {
        &self.0.examples
    }

    /// What it takes, by the longest of the examples that were looked at.
    pub const fn estimate(&self) -> &Estimate {
        &self.0.estimate
    }

    /// What should be known before it begins.
    pub fn notes(&self) -> &[String] {
        &self.0.notes
    }

    /// As [`Prepared::check_memory`].
    ///
    /// # Errors
    /// [`TrainError::Memory`].
    pub fn check_memory(&self) -> Result<(), TrainError> {
        self.0.check_memory()
    }

    /// As [`Prepared::measure`].
    ///
    /// # Errors
    /// As [`Prepared::measure`].
    pub fn measure(
        &self,
        workplace: &Workplace,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Expected, TrainError> {
        self.0.measure(workplace, cancel, progress)
    }
}

impl Prepared {
    /// Times a few portions of what it would learn from, and a few answers, on weights that are thrown away: the rest is
    /// taken to be as fast, by tokens and by samples.
    ///
    /// # Errors
    /// Too little memory; a model that cannot be loaded; canceled.
    pub fn measure(
        &self,
        workplace: &Workplace,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Expected, TrainError> {
        self.check_memory()?;
        in_threads(workplace, || self.timed(workplace, cancel, progress))
    }

    fn timed(
        &self,
        workplace: &Workplace,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Expected, TrainError> {
        let (record, training) = (&self.record, &self.record.recipe.training);
        let dev = DevOptions {
            generation: self.generation.clone(),
            batch: record.recipe.evaluation.batch,
            threads: workplace.threads(),
            device: training.device,
        };
        progress.start("loading the model", 0);
        let train = Examples { train: self.examples.train.clone(), ..Examples::default() };
        let model = load(&record.recipe, &self.base, train, dev.clone())?;
        cancel.check()?;
        let pace = Pace::of(&model, &record.recipe, self.dropout, cancel, progress)?;
        let lengths = model.lengths();
        let mean = lengths.iter().sum::<usize>() as f64 / lengths.len().max(1) as f64;
        drop(model);
        let epoch_s = mean * record.train_examples as f64 * pace.token_s
            + record.train_examples.div_ceil(training.batch) as f64 * pace.step_s;
        let answer_s = self.answer_s(dev, cancel, progress)?;
        let epochs = training.epochs as f64;
        Ok(Expected {
            tokens_per_s: mean * record.train_examples as f64 / epoch_s,
            training_s: epochs * epoch_s,
            evaluation_s: epochs * answer_s * record.dev_samples as f64,
        })
    }

    /// Seconds that an answer takes; labels tell how long those of a trained model are.
    fn answer_s(
        &self,
        mut dev: DevOptions,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<f64, TrainError> {
        let train = &self.examples.train;
        let written: usize = train.iter().map(|example| example.labels.len()).sum();
        let mean = written.div_ceil(train.len().max(1));
        dev.generation.max_new_tokens = dev.generation.max_new_tokens.min(mean + 1);
        let mut some = Examples::default();
        for (dataset, samples) in &self.examples.dev {
            some.dev.push((*dataset, samples.iter().take(dev.batch).cloned().collect()));
        }
        let count = some.dev_samples();
        if count == 0 {
            return Ok(0.0);
        }
        progress.start("answering", count as u64);
        let mut model = T5FineTuning::load(&self.base, some, dev)?;
        let begun = Instant::now();
        let mut loaded = None;
        model.evaluate(&self.base, cancel, &mut |done, _| {
            loaded.get_or_insert_with(Instant::now);
            progress.set(done as u64);
        })?;
        Ok(loaded.unwrap_or(begun).elapsed().as_secs_f64() / count as f64)
    }
}

/// How fast a model learns.
struct Pace {
    /// Seconds a token, forth and back.
    token_s: f64,
    /// Seconds a step beside those of its tokens: the weights move.
    step_s: f64,
}

impl Pace {
    fn of<M: Trainable>(
        model: &M,
        recipe: &TrainRecipe,
        dropout: f32,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Self, TrainError> {
        let (training, parameters) = (&recipe.training, model.parameters());
        // The first batch has the longest example and tells least of the others.
        let mut order = batches(model.lengths(), training.batch, training.seed, 0);
        order.rotate_left(1);
        let portions: Vec<&[u32]> =
            order.iter().flat_map(|batch| batch.chunks(recipe.micro_batch().max(1))).collect();
        progress.start("learning", PORTIONS as u64 + 1);
        let mut gradients = Gradients::new(parameters);
        let (mut seconds, mut tokens) = (0.0, 0);
        for number in 0..=PORTIONS {
            cancel.check()?;
            let Some(examples) = portions.get(number * portions.len() / (PORTIONS + 1)) else { break };
            let begun = Instant::now();
            let mut dropout = Dropout::new(dropout, step_seed(training.seed, 0, number as u64));
            model.learn(examples, 1.0, &mut dropout, &mut gradients)?;
            progress.add(1);
            if number > 0 {
                seconds += begun.elapsed().as_secs_f64();
                tokens += examples.iter().map(|&example| model.tokens(example as usize)).sum::<usize>();
            }
            if seconds > ENOUGH_S {
                break;
            }
        }
        cancel.check()?;
        let mut optimizer = AdamW::new(parameters, recipe.adamw())?;
        let begun = Instant::now();
        let norm = gradients.norm()?;
        optimizer.step(parameters, &gradients, norm, 0.0, None)?;
        Ok(Self { token_s: seconds / tokens.max(1) as f64, step_s: begun.elapsed().as_secs_f64() })
    }
}
