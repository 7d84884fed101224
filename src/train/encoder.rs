//! Training of encoders without any judgments: two spans of one document belong together, spans of others in the batch do not
//! (contrastive, with in-batch negatives, as in arXiv 2112.09118).
//!
//! A document is an entry of a profile as the retriever reads it, or the query of a sample. Two spans are drawn of each, by
//! the seed; the same command in the same folder goes on where a job was broken off.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use candle_core::{D, DType, Device, Tensor, Var};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use super::TrainError;
use super::batching::step_seed;
use super::control::Control;
use super::denoise::{Begun, unjudged};
use super::fresh::{begin, normal, put};
use super::optimizer::{AdamWOptions, Parameter};
use super::schedule::{Decline, Schedule};
use super::trainer::{DevScore, Plan, Trainable};
use crate::dataset::Dataset;
use crate::jobs::{CancelToken, Progress};
use crate::lamp::{Query, document_text};
use crate::model::bert::graph::BertGraph;
use crate::model::bert::{BertConfig, Names};
use crate::model::weights::{Checkpoint, NamedTensor, Values, write_safetensors};
use crate::model::{Dropout, HfTokenizer, ModelError, Pooling, TextTokenizer};
use crate::whole_file::WholeFile;

/// What the result says of how vectors are made: means of tokens, of length 1.
const MODULES: &str = r#"[
  {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
  {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
  {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
]
"#;
const POOLING: &str = "{\"pooling_mode_mean_tokens\": true}\n";

/// How an encoder is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EncoderRecipe {
    /// Pairs of spans that are drawn of each document.
    pub pairs: usize,
    /// The fewest and the most tokens of a span.
    pub span: [usize; 2],
    /// Times that every pair is seen.
    pub epochs: u64,
    /// Pairs of a step; all but one are the negatives of each.
    pub batch: usize,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// The share of steps over which it rises.
    pub warmup: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// What similarities are divided by.
    pub temperature: f64,
    /// Decides spans, order and dropout.
    pub seed: u64,
}

impl Default for EncoderRecipe {
    fn default() -> Self {
        Self {
            pairs: 1,
            span: [6, 24],
            epochs: 1,
            batch: 64,
            learning_rate: 1e-3,
            warmup: 0.05,
            weight_decay: 0.01,
            temperature: 0.05,
            seed: 0,
        }
    }
}

impl EncoderRecipe {
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

    /// Checks what makes no sense.
    fn check(&self) -> Result<(), TrainError> {
        let wrong = |field, value: &dyn std::fmt::Display, rule| {
            Err(TrainError::Setting { field, value: value.to_string(), rule })
        };
        if self.batch < 2 {
            return wrong(
                "batch",
                &self.batch,
                "must be at least 2: the others of a batch are what a pair is told from",
            );
        }
        if self.pairs == 0 || self.epochs == 0 {
            return wrong("pairs or epochs", &0, "must be at least 1");
        }
        if self.span[0] == 0 || self.span[0] > self.span[1] {
            return wrong("span", &format!("{:?}", self.span), "must be two rising numbers of tokens");
        }
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return wrong("temperature", &self.temperature, "must be a number above 0");
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

/// Writes an untrained encoder into an empty folder, in Hugging Face's layout; gives the number of its parameters.
///
/// # Errors
/// As [`fresh_t5`](super::fresh_t5).
pub fn fresh_encoder(config: &Path, tokenizer: &Path, folder: &Path, seed: u64) -> Result<u64, TrainError> {
    let shape = BertConfig::from_file(config)?;
    let vocabulary = HfTokenizer::from_file(tokenizer).map_err(ModelError::from)?.greatest_id();
    if vocabulary as usize >= shape.vocab_size {
        let (token, vocabulary) = (vocabulary, shape.vocab_size);
        return Err(ModelError::ForeignTokenizer { model: tokenizer.to_owned(), token, vocabulary }.into());
    }
    begin(folder)?;
    let of = |(name, dims): (String, Vec<usize>)| {
        let count = dims.iter().product();
        let values = match name.as_str() {
            name if name.ends_with("bias") => vec![0.0; count],
            name if name.contains("LayerNorm") => vec![1.0; count],
            name => normal(seed, name, count, 0.02),
        };
        (name, dims, values)
    };
    let drawn: Vec<_> = Names::default().all(&shape).into_iter().map(of).collect();
    let count = put(folder, config, tokenizer, &drawn)?;
    describe(folder)?;
    Ok(count)
}

/// Writes what says how vectors are made.
fn describe(folder: &Path) -> Result<(), TrainError> {
    let pooling = folder.join("1_Pooling");
    fs::create_dir_all(&pooling).map_err(|source| TrainError::write(&pooling, source))?;
    for (path, text) in [(folder.join("modules.json"), MODULES), (pooling.join("config.json"), POOLING)] {
        WholeFile::put(&path, text.as_bytes()).map_err(|source| TrainError::write(&path, source))?;
    }
    Ok(())
}

/// Trains an encoder on the documents of datasets, in a job's folder; gives the folder of the result and the steps taken.
///
/// # Errors
/// A model or records that cannot be used; [`TrainError::Canceled`] after a checkpoint from which the same call goes on.
pub fn train_encoder(
    base: &Path,
    datasets: &[Dataset],
    recipe: &EncoderRecipe,
    folder: &Path,
    control: &Control,
    progress: &Progress,
) -> Result<(PathBuf, u64), TrainError> {
    recipe.check()?;
    let model = EncoderTraining::load(base, datasets, recipe, control.cancel(), progress)?;
    let begun = Begun::with(recipe, base, model.pairs.iter().flatten(), control)?;
    let steps = recipe.epochs * model.pairs.len().div_ceil(recipe.batch) as u64;
    let plan = Plan {
        epochs: recipe.epochs,
        batch: recipe.batch,
        micro_batch: recipe.batch,
        dropout: model.graph.config().dropout,
        seed: recipe.seed,
        patience: None,
        clip: Some(1.0),
        adamw: AdamWOptions { weight_decay: recipe.weight_decay, ..AdamWOptions::default() },
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

/// Two spans of one document, as the encoder reads them.
type Pair = [Vec<u32>; 2];

struct EncoderTraining {
    graph: BertGraph,
    parameters: Vec<Parameter>,
    pairs: Vec<Pair>,
    ids: Vec<String>,
    lengths: Vec<usize>,
    temperature: f64,
    base: PathBuf,
}

impl EncoderTraining {
    fn load(
        base: &Path,
        datasets: &[Dataset],
        recipe: &EncoderRecipe,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Self, TrainError> {
        let config = BertConfig::from_file(&base.join("config.json"))?;
        let tokenizer = HfTokenizer::from_folder(base).map_err(ModelError::from)?;
        let checkpoint = Checkpoint::open(base).map_err(ModelError::from)?;
        let names = Names::of(&checkpoint);
        names.check(&config, &checkpoint).map_err(ModelError::from)?;
        let mut parameters = Vec::new();
        let graph = BertGraph::new(&config, &names, &Device::Cpu, |name, shape| {
            let var = Var::from_tensor(&checkpoint.tensor(name, shape, DType::F32, &Device::Cpu)?)?;
            parameters.push(Parameter::new(name, var.clone()));
            Ok(var.as_tensor().clone())
        })?;
        let (mut pairs, mut ids) = (Vec::new(), Vec::new());
        progress.start("Reading documents", datasets.iter().map(|dataset| dataset.len() as u64).sum());
        for dataset in datasets {
            let task = dataset.id().task;
            for sample in dataset.samples() {
                cancel.check()?;
                let sample = sample.map_err(|error| wrong(dataset, "", &error))?;
                let entries =
                    sample.profile.iter().map(|entry| (&*entry.id, document_text(task, entry, false)));
                let asked = ("question", Query::of(task, &sample).text);
                for (id, text) in entries.chain([asked]) {
                    let whole =
                        tokenizer.encode(&text).map_err(|error| wrong(dataset, &sample.id, &error))?;
                    for number in 0..recipe.pairs {
                        let place = ids.len() as u64;
                        let drawn = pair(&whole, tokenizer.special_tokens(), recipe, place, number as u64);
                        pairs.extend(drawn);
                        ids.resize(pairs.len(), format!("{} {} {id}", dataset.id(), sample.id));
                    }
                }
                progress.add(1);
            }
        }
        let lengths = pairs.iter().map(|[a, b]| a.len() + b.len()).collect();
        let temperature = recipe.temperature;
        Ok(Self { graph, parameters, pairs, ids, lengths, temperature, base: base.to_owned() })
    }

    /// Vectors of length 1, `[texts, hidden]`.
    fn vectors(&self, texts: &[&[u32]], dropout: &mut Dropout) -> Result<Tensor, TrainError> {
        let batch = self.graph.batch(texts)?;
        let hidden = self.graph.hidden(&batch, dropout)?;
        let pooled = self.graph.pool(&hidden, &batch, Pooling::Mean)?;
        let norm = (pooled.sqr()?.sum_keepdim(D::Minus1)? + 1e-12)?.sqrt()?;
        Ok(pooled.broadcast_div(&norm)?)
    }
}

fn wrong(dataset: &Dataset, id: &str, reason: &dyn std::fmt::Display) -> TrainError {
    TrainError::Sample { dataset: dataset.id().to_string(), id: id.to_owned(), reason: reason.to_string() }
}

/// Two spans of a document's tokens, which may overlap; `None` where it is shorter than the shortest.
fn pair(whole: &[u32], special: usize, recipe: &EncoderRecipe, place: u64, number: u64) -> Option<Pair> {
    // Special tokens stand at the end, as in T5.
    let (text, end) = whole.split_at(whole.len().checked_sub(special)?);
    let [least, most] = recipe.span;
    if text.len() < least {
        return None;
    }
    let mut stream = ChaCha8Rng::seed_from_u64(step_seed(recipe.seed, place, number));
    let mut below = |n: usize| ((u128::from(stream.next_u64()) * n as u128) >> 64) as usize;
    let mut span = || {
        let length = least + below(most.min(text.len()).max(least) - least + 1);
        let from = below(text.len() - length + 1);
        [&text[from..from + length], end].concat()
    };
    Some([span(), span()])
}

impl Trainable for EncoderTraining {
    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    fn tokens(&self, example: usize) -> usize {
        self.lengths[example]
    }

    fn weight(&self, _: usize) -> f64 {
        1.0
    }

    fn id(&self, example: usize) -> &str {
        &self.ids[example]
    }

    fn loss(&self, examples: &[u32], dropout: &mut Dropout) -> Result<Tensor, TrainError> {
        let of = |which: usize| -> Vec<&[u32]> {
            examples.iter().map(|&example| &*self.pairs[example as usize][which]).collect()
        };
        let a = self.vectors(&of(0), dropout)?;
        let b = self.vectors(&of(1), dropout)?;
        let scores = (a.matmul(&b.t()?)? / self.temperature)?;
        let own = Tensor::from_iter(0..examples.len() as u32, &Device::Cpu)?.unsqueeze(1)?;
        let loss = |scores: &Tensor| -> candle_core::Result<Tensor> {
            candle_nn::ops::log_softmax(scores, D::Minus1)?.gather(&own, 1)?.mean_all()?.neg()
        };
        Ok(((loss(&scores)? + loss(&scores.t()?.contiguous()?)?)? * 0.5)?)
    }

    fn write(&self, folder: &Path) -> Result<(), TrainError> {
        for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
            let (from, to) = (self.base.join(name), folder.join(name));
            if from.is_file() {
                fs::copy(&from, &to).map_err(|source| TrainError::write(&to, source))?;
            }
        }
        describe(folder)?;
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

    /// Spans have no score of their own: retrieval is judged by what it does for answers.
    fn evaluate(
        &mut self,
        _: &Path,
        _: &CancelToken,
        _: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<DevScore>, TrainError> {
        Ok(Vec::new())
    }
}
