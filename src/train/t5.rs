//! Fine-tuning of T5 models: all of their weights, or an adapter beside them.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};

use super::examples::Examples;
use super::optimizer::{Gradients, Parameter, tensors};
use super::trainer::{DevScore, Trainable, learn_at_once};
use super::{LoraRecipe, TrainError, lora};
use crate::jobs::CancelToken;
use crate::metrics::{MeteorStages, ScoreSet, Scorer};
use crate::model::hub::BESIDE;
use crate::model::lora::{self as adapters, AdapterError};
use crate::model::t5::graph::IGNORED_LABEL;
use crate::model::t5::{Dropout, T5Graph, T5Model, T5Options, load_graph, load_variables, open};
use crate::model::weights::write_safetensors;
use crate::model::{DeviceChoice, GenerationConfig, Generator, ModelError, Precision, PromptInput};

/// How the dev split is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct DevOptions {
    /// Beams and lengths.
    pub generation: GenerationConfig,
    /// Prompts at once.
    pub batch: usize,
    /// Threads to compute with; 0 for as many as there are processors.
    pub threads: usize,
    /// Where it computes.
    pub device: DeviceChoice,
}

/// A T5 model under training with what it learns from.
pub struct T5FineTuning {
    graph: T5Graph,
    parameters: Vec<Parameter>,
    lengths: Vec<usize>,
    examples: Examples,
    dev: DevOptions,
    /// The folder of the model that was begun with.
    base: PathBuf,
    /// The adapter that is trained; all weights are if `None`.
    lora: Option<LoraRecipe>,
    /// Whether activations are computed again on the way back.
    checkpointing: bool,
    /// Whether each example counts the same.
    even: bool,
}

/// A batch as the model takes it.
struct Batch {
    ids: Tensor,
    mask: Tensor,
    labels: Vec<Vec<i64>>,
}

impl T5FineTuning {
    /// Loads a model all of whose weights are to be trained on examples.
    ///
    /// # Errors
    /// A model that cannot be loaded; examples with tokens that it does not know.
    pub fn load(base: &Path, examples: Examples, dev: DevOptions) -> Result<Self, TrainError> {
        let (config, checkpoint) = open(base)?;
        let (graph, variables) = load_variables(&config, &checkpoint, &dev.device.open()?)?;
        checkpoint.forget_pages();
        let parameters = variables.into_iter().map(|(name, var)| Parameter::new(&name, var)).collect();
        Self::new(base, graph, parameters, None, examples, dev)
    }

    /// Loads a model beside which an adapter is to be trained on examples; `seed` decides how the adapter begins.
    ///
    /// # Errors
    /// As [`T5FineTuning::load`]; a model that is an adapter itself; names of matrices that it does not have.
    pub fn load_adapter(
        base: &Path,
        examples: Examples,
        dev: DevOptions,
        recipe: &LoraRecipe,
        seed: u64,
    ) -> Result<Self, TrainError> {
        refuse_adapter(base)?;
        let (config, checkpoint) = open(base)?;
        let mut graph = load_graph(&config, &checkpoint, DType::F32, &dev.device.open()?)?;
        checkpoint.forget_pages();
        let parameters = lora::adapt(&mut graph, recipe, seed)?;
        Self::new(base, graph, parameters, Some(recipe.clone()), examples, dev)
    }

    fn new(
        base: &Path,
        graph: T5Graph,
        parameters: Vec<Parameter>,
        lora: Option<LoraRecipe>,
        examples: Examples,
        dev: DevOptions,
    ) -> Result<Self, TrainError> {
        let (base, lengths) = (base.to_owned(), Vec::new());
        let none = Examples::default();
        let mut model = Self {
            graph,
            parameters,
            lengths,
            examples: none,
            dev,
            base,
            lora,
            checkpointing: false,
            even: false,
        };
        model.set_examples(examples)?;
        Ok(model)
    }

    /// Has it learn from other examples.
    ///
    /// # Errors
    /// Examples with tokens that it does not know.
    pub(super) fn set_examples(&mut self, examples: Examples) -> Result<(), TrainError> {
        let tokens = |example: &super::Example| example.prompt.iter().chain(&example.labels).copied().max();
        let vocabulary = self.graph.config().vocab_size;
        let most = examples.train.iter().filter_map(tokens).max();
        if let Some(token) = most.filter(|&token| token as usize >= vocabulary) {
            let model = self.base.clone();
            return Err(ModelError::ForeignTokenizer { model, token, vocabulary }.into());
        }
        // Prompts are what costs; labels are short beside them.
        self.lengths =
            examples.train.iter().map(|example| example.prompt.len() + example.labels.len()).collect();
        self.examples = examples;
        Ok(())
    }

    /// Whether each example counts the same, however long its answer is; else each token of an answer does.
    #[must_use]
    pub fn even(mut self, even: bool) -> Self {
        self.even = even;
        self
    }

    /// Computes products in numbers of that kind, and activations again on the way back if `checkpointing`.
    #[must_use]
    pub fn computing(mut self, precision: Precision, checkpointing: bool) -> Self {
        let numbers = if precision == Precision::Bf16 { DType::BF16 } else { DType::F32 };
        self.graph = self.graph.computing_in(numbers);
        self.checkpointing = checkpointing;
        self
    }

    /// The model.
    pub const fn graph(&self) -> &T5Graph {
        &self.graph
    }

    /// The mean loss of a batch as evaluation would see it, with nothing dropped; differentiable to the parameters.
    ///
    /// # Errors
    /// What the arithmetic gives.
    pub fn loss_without_dropout(&self, examples: &[u32]) -> Result<Tensor, TrainError> {
        let Batch { ids, mask, labels } = self.batch(examples)?;
        Ok(self.graph.loss(&ids, &mask, &labels, &mut Dropout::off())?.0)
    }

    fn set_adapter_dropout(&self, dropout: &mut Dropout) {
        if let Some(lora) = &self.lora {
            dropout.set_adapter_rate(lora.dropout);
        }
    }

    fn batch(&self, examples: &[u32]) -> Result<Batch, TrainError> {
        let all = &self.examples.train;
        let pad = self.graph.config().pad_token;
        let (ids, length) = self.rows(examples, |example| all[example].prompt.clone(), pad);
        let (mask, _) = self.rows(examples, |example| vec![1f32; all[example].prompt.len()], 0.0);
        let label = |example: usize| all[example].labels.iter().map(|&token| i64::from(token)).collect();
        let (labels, _) = self.rows(examples, label, IGNORED_LABEL);
        let shape = (examples.len(), length);
        let device = self.graph.device();
        let ids = Tensor::from_vec(ids.concat(), shape, device)?;
        let mask = Tensor::from_vec(mask.concat(), shape, device)?;
        Ok(Batch { ids, mask, labels })
    }

    fn rows<T: Copy>(
        &self,
        examples: &[u32],
        row: impl Fn(usize) -> Vec<T>,
        padding: T,
    ) -> (Vec<Vec<T>>, usize) {
        let mut rows: Vec<Vec<T>> = examples.iter().map(|&example| row(example as usize)).collect();
        let length = rows.iter().map(Vec::len).max().unwrap_or(0);
        rows.iter_mut().for_each(|row| row.resize(length, padding));
        (rows, length)
    }
}

impl Trainable for T5FineTuning {
    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    fn tokens(&self, example: usize) -> usize {
        self.lengths[example]
    }

    fn weight(&self, example: usize) -> f64 {
        if self.even { 1.0 } else { self.examples.train[example].labels.len() as f64 }
    }

    fn id(&self, example: usize) -> &str {
        &self.examples.train[example].id
    }

    fn loss(&self, examples: &[u32], dropout: &mut Dropout) -> Result<Tensor, TrainError> {
        self.set_adapter_dropout(dropout);
        let Batch { ids, mask, labels } = self.batch(examples)?;
        let (mean, each) = self.graph.loss(&ids, &mask, &labels, dropout)?;
        if !self.even {
            return Ok(mean);
        }
        let length = |&example: &u32| self.examples.train[example as usize].labels.len() as f32;
        let shares: Vec<f32> = examples.iter().map(|example| 1.0 / length(example)).collect();
        let shares = Tensor::from_vec(shares, (examples.len(), 1), self.graph.device())?;
        Ok((each.broadcast_mul(&shares)?.sum_all()? / examples.len() as f64)?)
    }

    fn learn(
        &self,
        examples: &[u32],
        share: f64,
        dropout: &mut Dropout,
        gradients: &mut Gradients,
    ) -> Result<f64, TrainError> {
        // What is computed again on the way back weighs tokens; a recipe that wants both is refused.
        if !self.checkpointing || self.even {
            return learn_at_once(self, examples, share, dropout, gradients);
        }
        self.set_adapter_dropout(dropout);
        let Batch { ids, mask, labels } = self.batch(examples)?;
        let mut take = |store| Ok(gradients.add(&self.parameters, store)?);
        Ok(self.graph.gradients(&ids, &mask, &labels, share, dropout, &mut take)?)
    }

    fn write(&self, folder: &Path) -> Result<(), TrainError> {
        if let Some(recipe) = &self.lora {
            let written = adapters::write(folder, &recipe.config(&self.base), &tensors(&self.parameters));
            return written.map_err(|source| TrainError::write(folder, source));
        }
        copy_beside(&self.base, folder)?;
        let path = folder.join("model.safetensors");
        write_safetensors(&path, &tensors(&self.parameters))
            .map_err(|source| TrainError::write(&path, source))
    }

    fn evaluate(
        &mut self,
        folder: &Path,
        cancel: &CancelToken,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<DevScore>, TrainError> {
        let total = self.examples.dev_samples();
        if total == 0 {
            return Ok(Vec::new());
        }
        let DevOptions { generation, batch, threads, device } = &self.dev;
        let options = T5Options { device: *device, batch: *batch, threads: *threads, ..T5Options::default() };
        let mut model = T5Model::load(folder, options)?;
        let mut done = 0;
        progress(done, total);
        let mut scores = Vec::new();
        for (dataset, samples) in &self.examples.dev {
            let mut scorer = Scorer::new(dataset.task, None);
            let mut order: Vec<usize> = (0..samples.len()).collect();
            order.sort_by_key(|&number| std::cmp::Reverse(samples[number].prompt.len()));
            let mut of_samples = vec![None; samples.len()];
            for numbers in order.chunks(*batch) {
                let tokens = |number: &usize| PromptInput { text: "", tokens: &samples[*number].prompt };
                let prompts: Vec<PromptInput<'_>> = numbers.iter().map(tokens).collect();
                let answers = model.generate(cancel, &prompts, generation)?;
                for (&number, answer) in numbers.iter().zip(answers) {
                    let sample = &samples[number];
                    let score = scorer.score(&answer.text, &sample.reference);
                    let failed = |source| TrainError::Score { id: sample.id.clone(), source };
                    of_samples[number] = Some(score.map_err(failed)?);
                }
                done += numbers.len();
                progress(done, total);
            }
            let (task, metric) = (dataset.task, dataset.task.primary_metric());
            let scored: Vec<_> = of_samples.into_iter().flatten().collect();
            let count = scored.len();
            let figure =
                ScoreSet::new(task, scored, MeteorStages::ExactStem).and_then(|set| set.figure(metric));
            let value = figure.unwrap_or(f64::NAN);
            scores.push(DevScore { task, setting: dataset.setting, metric, value, samples: count });
        }
        Ok(scores)
    }
}

/// Refuses a model that is an adapter already, for another adapter.
pub(super) fn refuse_adapter(base: &Path) -> Result<(), TrainError> {
    if adapters::is_adapter(base) {
        let what = "an adapter itself; merge it first with `lamplight lora merge`, then train an adapter for the result";
        return Err(ModelError::from(AdapterError::Other { folder: base.to_owned(), what }).into());
    }
    Ok(())
}

/// Copies what lies beside the weights of a model, or of an adapter's base, into a folder.
pub(super) fn copy_beside(model: &Path, folder: &Path) -> Result<(), TrainError> {
    let home = adapters::home(model)?;
    // The slow tokenizer's file is of use to Python alone.
    for name in BESIDE.into_iter().chain(["spiece.model"]) {
        let (from, to) = (home.join(name), folder.join(name));
        if from.is_file() && !name.contains('/') {
            fs::copy(&from, &to).map_err(|source| TrainError::write(&to, source))?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test asserts in the plainest way")]
mod tests {
    use super::*;
    use crate::train::{Example, Gradients};

    const MODELS: [&str; 3] = ["v10_micro", "v11_micro", "v11_v5tied_micro"];

    /// A tiny model with three examples of unlike lengths.
    fn tiny(which: &str, precision: Precision, checkpointing: bool) -> T5FineTuning {
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/t5").join(which);
        let tokens = |from: u32, count: u32| (from..from + count).chain([1]).collect();
        let example = |number: u32| Example {
            id: number.to_string(),
            prompt: tokens(4 + 7 * number, 5 + 6 * number),
            labels: tokens(40 + 3 * number, 2 + number),
        };
        let examples = Examples { train: (0..3).map(example).collect(), ..Examples::default() };
        let dev = DevOptions {
            generation: GenerationConfig::default(),
            batch: 1,
            threads: 1,
            device: DeviceChoice::Cpu,
        };
        T5FineTuning::load(&base, examples, dev).unwrap().computing(precision, checkpointing)
    }

    /// The loss, and the gradients of half of it.
    fn learned(model: &T5FineTuning, rate: f32) -> (f64, Vec<Vec<f32>>) {
        let mut gradients = Gradients::new(model.parameters());
        let loss = model.learn(&[0, 1, 2], 0.5, &mut Dropout::new(rate, 9), &mut gradients).unwrap();
        let values = |gradient: &Tensor| gradient.flatten_all().unwrap().to_vec1().unwrap();
        (loss, gradients.iter().map(|gradient| values(gradient.unwrap())).collect())
    }

    /// How far apart two lists are, as a share of the length of the first.
    fn apart(one: &[f32], other: &[f32]) -> f64 {
        let square =
            |values: &mut dyn Iterator<Item = f32>| -> f64 { values.map(|v| f64::from(v).powi(2)).sum() };
        let difference = square(&mut one.iter().zip(other).map(|(a, b)| a - b));
        (difference / square(&mut one.iter().copied()).max(1e-20)).sqrt()
    }

    #[test]
    fn activations_computed_again_give_the_same_gradients() {
        for which in MODELS {
            for (precision, tolerance) in [(Precision::F32, 1e-5), (Precision::Bf16, 0.02)] {
                for rate in [0.0, 0.2] {
                    let (loss, whole) = learned(&tiny(which, precision, false), rate);
                    let model = tiny(which, precision, true);
                    let (again, parts) = learned(&model, rate);
                    assert_eq!(loss, again, "{which}, {precision:?}, dropout {rate}");
                    for ((one, other), parameter) in whole.iter().zip(&parts).zip(model.parameters()) {
                        let apart = apart(one, other);
                        let name = &parameter.name;
                        assert!(apart < tolerance, "{which}, {precision:?}, dropout {rate}, {name}: {apart}");
                    }
                }
            }
        }
    }

    #[test]
    fn short_products_leave_weights_and_gradients_in_32_bits() {
        for which in MODELS {
            let (loss, wide) = learned(&tiny(which, Precision::F32, false), 0.0);
            let model = tiny(which, Precision::Bf16, false);
            let (short_loss, short) = learned(&model, 0.0);
            assert!(loss != short_loss, "{which}: the products were not computed in bf16");
            assert!((loss - short_loss).abs() < 0.02 * loss, "{which}: {loss} and {short_loss}");
            assert!(model.parameters().iter().all(|parameter| parameter.var.dtype() == DType::F32));
            let apart = apart(&wide.concat(), &short.concat());
            assert!(apart < 0.1, "{which}: {apart}");
        }
    }
}
