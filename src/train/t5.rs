//! Full fine-tuning of T5 models.

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Tensor;

use super::TrainError;
use super::examples::Examples;
use super::optimizer::Parameter;
use super::trainer::{DevScore, Trainable};
use crate::jobs::CancelToken;
use crate::metrics::{MeteorStages, ScoreSet, Scorer};
use crate::model::hub::BESIDE;
use crate::model::t5::graph::IGNORED_LABEL;
use crate::model::t5::{Dropout, T5Config, T5Graph, T5Model, T5Options, load_variables};
use crate::model::weights::{Checkpoint, NamedTensor, Values, write_safetensors};
use crate::model::{DeviceChoice, GenerationConfig, Generator, ModelError, PromptInput};

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

/// A T5 model all of whose weights are trained.
pub struct T5FineTuning {
    graph: T5Graph,
    parameters: Vec<Parameter>,
    lengths: Vec<usize>,
    examples: Examples,
    dev: DevOptions,
    /// The folder of the model that was begun with.
    base: PathBuf,
    even: bool,
}

impl T5FineTuning {
    /// Loads a model to be trained on examples.
    ///
    /// # Errors
    /// A model that cannot be loaded; examples with tokens that it does not know.
    pub fn load(base: &Path, examples: Examples, dev: DevOptions) -> Result<Self, TrainError> {
        let config = T5Config::from_file(&base.join("config.json"))?;
        let prompts = examples.train.iter().map(|example| &example.prompt);
        let tokens = prompts.chain(examples.train.iter().map(|example| &example.labels)).flatten();
        if let Some(&token) = tokens.max().filter(|&&token| token as usize >= config.vocab_size) {
            let (model, vocabulary) = (base.to_owned(), config.vocab_size);
            return Err(ModelError::ForeignTokenizer { model, token, vocabulary }.into());
        }
        let checkpoint = Checkpoint::open(base).map_err(ModelError::from)?;
        let (graph, variables) = load_variables(&config, &checkpoint, &dev.device.open()?)?;
        checkpoint.forget_pages();
        let parameters = variables.into_iter().map(|(name, var)| Parameter::new(&name, var)).collect();
        // Prompts are what costs; labels are short beside them.
        let lengths =
            examples.train.iter().map(|example| example.prompt.len() + example.labels.len()).collect();
        Ok(Self { graph, parameters, lengths, examples, dev, base: base.to_owned(), even: false })
    }

    /// Whether each example counts the same, however long its answer is; else each token of an answer does.
    pub fn even(mut self, even: bool) -> Self {
        self.even = even;
        self
    }

    /// The model.
    pub const fn graph(&self) -> &T5Graph {
        &self.graph
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
        let (mean, each) = self.graph.loss(&ids, &mask, &labels, dropout)?;
        if !self.even {
            return Ok(mean);
        }
        let shares: Vec<f32> =
            examples.iter().map(|&example| 1.0 / all[example as usize].labels.len() as f32).collect();
        let shares = Tensor::from_vec(shares, (examples.len(), 1), device)?;
        Ok((each.broadcast_mul(&shares)?.sum_all()? / examples.len() as f64)?)
    }

    fn write(&self, folder: &Path) -> Result<(), TrainError> {
        // The slow tokenizer's file is of use to Python alone.
        for name in BESIDE.into_iter().chain(["spiece.model"]) {
            let (from, to) = (self.base.join(name), folder.join(name));
            if from.is_file() && !name.contains('/') {
                fs::copy(&from, &to).map_err(|source| TrainError::write(&to, source))?;
            }
        }
        let path = folder.join("model.safetensors");
        let tensors: Vec<NamedTensor<'_>> = self
            .parameters
            .iter()
            .map(|parameter| NamedTensor {
                name: parameter.name.clone(),
                shape: parameter.var.dims().to_vec(),
                values: Values::Tensor(parameter.var.as_tensor()),
            })
            .collect();
        write_safetensors(&path, &tensors).map_err(|source| TrainError::write(&path, source))
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
