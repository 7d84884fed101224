//! The T5 family: T5 1.0 and 1.1, Flan-T5, mT5. [`graph`] is the model on candle tensors, differentiable and for any
//! device; `cpu` is the same model with packed weights, for fast inference on the processor; `search` chooses tokens.
//!
//! Knows nothing of prompts or tasks.

mod beside;
pub mod config;
mod cpu;
mod cpu_steps;
mod drive;
mod fused;
pub mod graph;
mod graph_steps;
mod memory;
pub mod names;
mod pass;
mod position;
mod projection;
mod search;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Tensor, Var};

pub use super::dropout::Dropout;
pub use config::{Activation, T5Config};
pub use cpu::CpuT5;
pub use graph::T5Graph;
pub use memory::{check_tensors as check, estimate, matrices, parameters};
pub use position::bucket;
pub use projection::Added;

use super::batches::in_batches;
use super::lora::{self, Additions, Collection};
use super::weights::{Checkpoint, LowRank};
use super::{
    DeviceChoice, Generation, GenerationConfig, Generator, HfTokenizer, Hypothesis, MemoryEstimate,
    ModelError, Notice, Precision, PromptInput, TextTokenizer, free_memory,
};
use crate::jobs::CancelToken;
use beside::PackedAdapter;
use search::Search;

/// How to load and run a T5 model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct T5Options {
    /// Where.
    pub device: DeviceChoice,
    /// With which numbers.
    pub precision: Precision,
    /// Samples decoded together.
    pub batch: usize,
    /// Threads on the processor; 0 for as many as it has cores.
    pub threads: usize,
}

impl Default for T5Options {
    fn default() -> Self {
        Self { device: DeviceChoice::Cpu, precision: Precision::F32, batch: 8, threads: 0 }
    }
}

impl T5Options {
    /// Whether the device computes in the kind of numbers.
    ///
    /// # Errors
    /// [`ModelError::Precision`] with the reason.
    pub fn check(&self) -> Result<(), ModelError> {
        let on_processor = self.device == DeviceChoice::Cpu;
        let reason = match self.precision {
            Precision::F16 => "T5's feed-forward layers overflow it; use f32, or bf16 on a GPU",
            Precision::Bf16 if on_processor => {
                "the processor computes in f32 or int8, whatever the file holds"
            }
            Precision::Int8 if !on_processor => "8-bit weights are for the processor; use bf16 or f32",
            _ => return Ok(()),
        };
        let device = self.device.to_string();
        Err(ModelError::Precision { dtype: self.precision.name(), device, reason })
    }
}

enum Backend {
    Cpu(Box<CpuT5>),
    Graph(Box<T5Graph>),
}

/// A T5 model that continues tokens with tokens.
pub struct T5Engine {
    config: T5Config,
    options: T5Options,
    backend: Backend,
    /// Prompts at once: as the options say until memory runs out.
    batch: usize,
    notices: Vec<Notice>,
    /// Bytes of memory that are free, where the system tells.
    free: Box<dyn Fn() -> Option<u64> + Send>,
}

impl T5Engine {
    fn new(config: T5Config, options: T5Options, backend: Backend) -> Self {
        Self {
            config,
            options,
            backend,
            batch: options.batch.max(1),
            notices: Vec::new(),
            free: Box::new(free_memory),
        }
    }

    /// Loads `config.json` and the weights of a folder.
    ///
    /// # Errors
    /// [`ModelError`] for files that are absent, damaged or do not fit each other, for a precision that the device does
    /// not have, and for weights that do not fit into memory; before memory is taken.
    pub fn load(folder: &Path, options: T5Options) -> Result<Self, ModelError> {
        options.check()?;
        let (config, checkpoint) = open(folder)?;
        let backend = if options.device == DeviceChoice::Cpu {
            memory::check_tensors(&config, &checkpoint)?;
            let least = estimate(&config, options.precision, 1, 1, &GenerationConfig::default());
            least.check(1, free_memory())?;
            let cores = || std::thread::available_parallelism().map_or(1, usize::from);
            let threads = if options.threads == 0 { cores() } else { options.threads.min(256) };
            Backend::Cpu(Box::new(CpuT5::new(
                &config,
                checkpoint,
                options.precision == Precision::Int8,
                threads,
            )?))
        } else {
            let dtype = if options.precision == Precision::Bf16 { DType::BF16 } else { DType::F32 };
            Backend::Graph(Box::new(load_graph(&config, &checkpoint, dtype, &options.device.open()?)?))
        };
        Ok(Self::new(config, options, backend))
    }

    /// Loads the candle model instead, on the processor too: the reference that the fast path is compared with.
    ///
    /// # Errors
    /// As [`T5Engine::load`].
    pub fn load_reference(folder: &Path, options: T5Options) -> Result<Self, ModelError> {
        let (config, checkpoint) = open(folder)?;
        let graph = load_graph(&config, &checkpoint, DType::F32, &options.device.open()?)?;
        Ok(Self::new(config, options, Backend::Graph(Box::new(graph))))
    }

    /// The model's configuration.
    pub fn config(&self) -> &T5Config {
        &self.config
    }

    /// Encoder outputs of one prompt, `[tokens, d_model]`.
    ///
    /// # Errors
    /// [`ModelError`] for an empty prompt or a foreign token, and when canceled.
    pub fn encode(&mut self, cancel: &CancelToken, prompt: &[u32]) -> Result<Vec<f32>, ModelError> {
        self.check_prompts(&[prompt])?;
        match &mut self.backend {
            Backend::Cpu(model) => model.encode(cancel, prompt),
            Backend::Graph(graph) => {
                let (ids, mask) = graph_steps::padded(graph, &[prompt])?;
                let encoded = graph.encode(&ids, &mask, &mut Dropout::off())?.to_dtype(DType::F32)?;
                Ok(encoded.flatten_all()?.to_vec1()?)
            }
        }
    }

    /// Continues each prompt (special tokens included); hypotheses best first, in the prompts' order. Prompts are decoded in
    /// batches of like length, and none depends on its batch; where one does not fit into memory, smaller ones are taken
    /// from there on ([`T5Engine::take_notices`]).
    ///
    /// # Errors
    /// [`ModelError`] for bad settings, an empty prompt or a foreign token, too little memory for a single prompt, and when
    /// canceled.
    pub fn generate(
        &mut self,
        cancel: &CancelToken,
        prompts: &[&[u32]],
        config: &GenerationConfig,
    ) -> Result<Vec<Vec<Hypothesis>>, ModelError> {
        self.generate_with(cancel, prompts, &[], config)
    }

    /// The same, each prompt with an adapter beside the model's weights; with none at all if there are none.
    ///
    /// # Errors
    /// As [`T5Engine::generate`]; an adapter that cannot be applied beside the weights.
    pub fn generate_with(
        &mut self,
        cancel: &CancelToken,
        prompts: &[&[u32]],
        adapters: &[Arc<Additions>],
        config: &GenerationConfig,
    ) -> Result<Vec<Vec<Hypothesis>>, ModelError> {
        config.validate()?;
        self.check_prompts(prompts)?;
        let mut order: Vec<usize> = (0..prompts.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(prompts[i].len()));
        let mut results: Vec<Vec<Hypothesis>> = vec![Vec::new(); prompts.len()];
        let (mut most, mut notices) = (self.batch, std::mem::take(&mut self.notices));
        let done = in_batches(cancel, &order, &mut most, &mut notices, |numbers| {
            let batch: Vec<&[u32]> = numbers.iter().map(|&i| prompts[i]).collect();
            let own: Vec<&Additions> = numbers.iter().filter_map(|&i| Some(&**adapters.get(i)?)).collect();
            let found = self.generate_together(cancel, &batch, &own, config)?;
            for (&number, hypotheses) in numbers.iter().zip(found) {
                if hypotheses.is_empty() {
                    return Err(ModelError::NoScores);
                }
                results[number] = hypotheses;
            }
            Ok(())
        });
        (self.batch, self.notices) = (most, notices);
        done.map(|()| results)
    }

    /// What happened since this was last asked that a person should know: smaller batches for want of memory.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Continues the prompts of one batch, the longest first.
    fn generate_together(
        &mut self,
        cancel: &CancelToken,
        batch: &[&[u32]],
        adapters: &[&Additions],
        config: &GenerationConfig,
    ) -> Result<Vec<Vec<Hypothesis>>, ModelError> {
        let longest = batch.first().map_or(0, |prompt| prompt.len());
        let needs = estimate(&self.config, self.options.precision, batch.len(), longest, config);
        if self.options.device == DeviceChoice::Cpu {
            MemoryEstimate { weights: 0, ..needs }.check(batch.len(), (self.free)())?;
        }
        let eos = &self.config.eos_tokens;
        let search = |prompt: &&[u32]| Search::new(config, eos, prompt);
        let start = self.config.start_token;
        match &mut self.backend {
            Backend::Cpu(model) => {
                let pack = |added: &&Additions| PackedAdapter::new(model.isa, &self.config, added);
                let pack = |added| pack(added).map(Arc::new).map(Some);
                let adapters = adapters.iter().map(pack).collect::<Result<Vec<_>, _>>()?;
                let mut steps = cpu_steps::CpuSteps::new(model, cancel, batch, &adapters, config)?;
                drive::drive(cancel, &mut steps, batch.iter().map(search).collect(), start)
            }
            Backend::Graph(graph) if adapters.is_empty() => {
                let mut steps = graph_steps::GraphSteps::new(graph, batch, config)?;
                drive::drive(cancel, &mut steps, batch.iter().map(search).collect(), start)
            }
            Backend::Graph(graph) => {
                // One after the other: a product of tensors has one adapter for all of its rows.
                let mut all = Vec::new();
                for (prompt, added) in batch.iter().zip(adapters) {
                    adapt(graph, added)?;
                    let mut steps = graph_steps::GraphSteps::new(graph, &[prompt], config)?;
                    all.extend(drive::drive(cancel, &mut steps, vec![search(prompt)], start)?);
                }
                adapt(graph, &Additions::new())?;
                Ok(all)
            }
        }
    }

    fn check_prompts(&self, prompts: &[&[u32]]) -> Result<(), ModelError> {
        let vocabulary = self.config.vocab_size;
        for (index, prompt) in prompts.iter().enumerate() {
            if prompt.is_empty() {
                return Err(ModelError::EmptyPrompt { index });
            }
            if let Some(&token) = prompt.iter().find(|&&token| token as usize >= vocabulary) {
                return Err(ModelError::ForeignToken { index, token, vocabulary });
            }
        }
        Ok(())
    }
}

/// Has an adapter add to a model on candle tensors, or none.
fn adapt(graph: &mut T5Graph, additions: &Additions) -> Result<(), ModelError> {
    let (device, dtype) = (graph.device().clone(), graph.embedding.dtype());
    graph.adapt(|name, _| {
        let Some(LowRank { rank, inputs, outputs, a, b, scale }) = additions.get(name) else {
            return Ok(None);
        };
        let place = |values: &[f32], shape: (usize, usize)| -> Result<_, ModelError> {
            Ok(Tensor::from_slice(values, shape, &device)?.to_dtype(dtype)?)
        };
        let (a, b) = (place(a, (*rank, *inputs))?, place(b, (*outputs, *rank))?);
        Ok(Some(Added { a, b, scale: f64::from(*scale) }))
    })
}

/// Configuration and weights of a folder: a model's, or an adapter's with those of its base.
///
/// # Errors
/// [`ModelError`] for files that are absent or damaged, and an adapter that does not fit its base.
pub fn open(folder: &Path) -> Result<(T5Config, Checkpoint), ModelError> {
    let home = lora::home(folder)?;
    let config = T5Config::from_file(&home.join("config.json"))?;
    let checkpoint =
        if home == folder { Checkpoint::open(folder)? } else { lora::open(folder, &home, &config)? };
    Ok((config, checkpoint))
}

/// The candle model of a checkpoint.
///
/// # Errors
/// [`ModelError`] for tensors that are missing or misshapen, before any is placed; and what the device says.
pub fn load_graph(
    config: &T5Config,
    checkpoint: &Checkpoint,
    dtype: DType,
    device: &candle_core::Device,
) -> Result<T5Graph, ModelError> {
    memory::check_tensors(config, checkpoint)?;
    let embedding = memory::embedding_name(checkpoint);
    T5Graph::new(config, !checkpoint.has(names::HEAD), device, |name, shape| {
        let name = if name == names::EMBEDDING { embedding } else { name };
        Ok(checkpoint.tensor(name, shape, dtype, device)?)
    })
}

/// The candle model of a checkpoint over variables of 32-bit numbers, to be trained; the variables by their names, in the
/// model's order. Where embedding and output projection are one they are one variable.
///
/// # Errors
/// As [`load_graph`].
pub fn load_variables(
    config: &T5Config,
    checkpoint: &Checkpoint,
    device: &candle_core::Device,
) -> Result<(T5Graph, Vec<(String, Var)>), ModelError> {
    memory::check_tensors(config, checkpoint)?;
    let embedding = memory::embedding_name(checkpoint);
    let mut variables = Vec::new();
    let tied = config.tied || !checkpoint.has(names::HEAD);
    let graph = T5Graph::new(config, tied, device, |name, shape| {
        let stored = if name == names::EMBEDDING { embedding } else { name };
        let var = Var::from_tensor(&checkpoint.tensor(stored, shape, DType::F32, device)?)?;
        variables.push((name.to_owned(), var.clone()));
        Ok(var.as_tensor().clone())
    })?;
    Ok((graph, variables))
}

/// A T5 model with its tokenizer.
pub struct T5Model {
    engine: T5Engine,
    tokenizer: Arc<HfTokenizer>,
    /// An adapter for each user, if the model is that.
    users: Option<Collection>,
}

impl T5Model {
    /// Loads a folder with `config.json`, `tokenizer.json` and weights, or with an adapter or a collection of them.
    ///
    /// # Errors
    /// As [`T5Engine::load`], and for a tokenizer that is absent, broken or of another model.
    pub fn load(folder: &Path, options: T5Options) -> Result<Self, ModelError> {
        let home = lora::home(folder)?;
        let tokenizer = Arc::new(HfTokenizer::from_folder(&home)?);
        let of_users = Collection::is_at(folder);
        let engine = T5Engine::load(if of_users { &home } else { folder }, options)?;
        let users = match of_users {
            true => Some(Collection::open(folder, &home, &engine.config)?),
            false => None,
        };
        // Text of every script: what the tokenizer makes of it must be within the vocabulary.
        for token in
            tokenizer.encode("A tokenizer of another model is noticed here: é Ж 中 🙂 <extra_id_0>")?
        {
            if token as usize >= engine.config.vocab_size {
                return Err(ModelError::ForeignTokenizer {
                    model: PathBuf::from(folder),
                    token,
                    vocabulary: engine.config.vocab_size,
                });
            }
        }
        Ok(Self { engine, tokenizer, users })
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> Arc<HfTokenizer> {
        self.tokenizer.clone()
    }

    /// The model without its tokenizer.
    pub fn engine(&mut self) -> &mut T5Engine {
        &mut self.engine
    }
}

impl T5Model {
    fn answer(
        &mut self,
        cancel: &CancelToken,
        prompts: &[PromptInput<'_>],
        adapters: &[Arc<Additions>],
        config: &GenerationConfig,
    ) -> Result<Vec<Generation>, ModelError> {
        let encode = |prompt: &PromptInput<'_>| match prompt.tokens {
            [] => self.tokenizer.encode(prompt.text),
            tokens => Ok(tokens.to_vec()),
        };
        let tokens = prompts.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        let views: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
        let found = self.engine.generate_with(cancel, &views, adapters, config)?;
        let finish = |(hypotheses, tokens): (Vec<Hypothesis>, &Vec<u32>)| {
            let best = hypotheses.first().map_or(&[][..], |best| &best.tokens);
            let text = self.tokenizer.decode(best)?;
            let mut generation = Generation { text, hypotheses, prompt_tokens: tokens.len(), counted: None };
            generation.cut_at_stop(config);
            Ok(generation)
        };
        found.into_iter().zip(&tokens).map(finish).collect()
    }
}

impl Generator for T5Model {
    fn generate(
        &mut self,
        cancel: &CancelToken,
        prompts: &[PromptInput<'_>],
        config: &GenerationConfig,
    ) -> Result<Vec<Generation>, ModelError> {
        match &self.users {
            Some(users) => Err(users.anonymous()),
            None => self.answer(cancel, prompts, &[], config),
        }
    }

    fn generate_for(
        &mut self,
        cancel: &CancelToken,
        prompts: &[PromptInput<'_>],
        users: &[&str],
        config: &GenerationConfig,
    ) -> Result<Vec<Generation>, ModelError> {
        let Some(known) = &self.users else { return self.generate(cancel, prompts, config) };
        let adapters =
            users.iter().map(|user| known.read(user).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        if adapters.len() != prompts.len() {
            return Err(known.anonymous());
        }
        self.answer(cancel, prompts, &adapters, config)
    }

    fn knows_users(&self) -> bool {
        self.users.is_some()
    }

    fn take_notices(&mut self) -> Vec<Notice> {
        self.engine.take_notices()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_does_not_fit_is_halved_and_answers_stay_the_same() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/t5/v11_micro");
        let prompts: Vec<Vec<u32>> =
            (1..30).map(|i| (0..i).map(|j| 5 + (i * j) % 300).chain([1]).collect()).collect();
        let views: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        let config = GenerationConfig { max_new_tokens: 8, ..Default::default() };
        let cancel = CancelToken::new();
        let mut engine = T5Engine::load(&folder, T5Options { batch: 16, ..Default::default() }).unwrap();
        let whole = engine.generate(&cancel, &views, &config).unwrap();
        assert_eq!(engine.take_notices(), []);

        let work = |batch| estimate(engine.config(), Precision::F32, batch, 30, &config).work;
        let fits_four = work(4);
        assert!(fits_four < work(5));
        engine.free = Box::new(move || Some(fits_four));
        assert_eq!(engine.generate(&cancel, &views, &config).unwrap(), whole);
        let halved = |from, to| {
            move |notice: &Notice| {
                let Notice::SmallerBatches { from: a, to: b, .. } = notice;
                (*a, *b) == (from, to)
            }
        };
        let notices = engine.take_notices();
        assert!(notices.len() == 2 && halved(16, 8)(&notices[0]) && halved(8, 4)(&notices[1]), "{notices:?}");
        assert_eq!(engine.generate(&cancel, &views, &config).unwrap(), whole);
        assert_eq!(engine.take_notices(), [], "it is not tried again");

        engine.free = Box::new(|| Some(1000));
        let error = engine.generate(&cancel, &views, &config).unwrap_err().to_string();
        assert!(error.contains("for a batch of 1"), "{error}");
    }
}
