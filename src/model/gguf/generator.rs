//! A GGUF model as a generator: prompts in, answers out, several at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::chat::ChatTemplate;
use super::choice::Choice;
use super::decoder::{self, Decoder, Sequence, Step};
use super::header::GgufFile;
use super::kernel::Level;
use super::shape::Shape;
use super::tokenizer::GgufTokenizer;
use super::{GgufError, GgufOptions, PromptStyle};
use crate::jobs::CancelToken;
use crate::model::{
    FinishReason, Generation, GenerationConfig, Generator, Hypothesis, MemoryEstimate, ModelError,
    PromptInput, TextTokenizer, free_memory,
};

/// Prompts are read in pieces of so many tokens, which bounds the memory of activations.
const CHUNK: usize = 256;

/// At most so many answers are written side by side.
const TOGETHER: usize = 16;

/// A GGUF language model.
pub struct GgufModel {
    path: PathBuf,
    decoder: Decoder,
    tokenizer: Arc<GgufTokenizer>,
    chat: Option<(ChatTemplate, Option<String>)>,
    context: usize,
    pool: ThreadPool,
}

/// One answer being written.
struct Answer {
    index: usize,
    prompt: Vec<u32>,
    sequence: Sequence,
    choice: Choice,
    tokens: Vec<u32>,
    /// What the tokens spell.
    bytes: Vec<u8>,
    sum: f32,
    finish: Option<FinishReason>,
}

impl GgufModel {
    /// Loads a model: the header is checked, then the memory, and only then are weights read.
    ///
    /// # Errors
    /// What is wrong with the file; too little memory; a chat style for a file without a template.
    pub fn load(path: &Path, options: &GgufOptions) -> Result<Self, ModelError> {
        let file = GgufFile::open(path)?;
        let shape = Shape::read(&file)?;
        let read = if options.tokenizer_beside { GgufTokenizer::read_beside } else { GgufTokenizer::read };
        let tokenizer = read(&file)?;
        let known = tokenizer.vocabulary().tokens().len();
        if known > shape.vocabulary {
            let (model, token) = (path.to_owned(), known as u32 - 1);
            return Err(ModelError::ForeignTokenizer { model, token, vocabulary: shape.vocabulary });
        }
        let chat = match &options.style {
            PromptStyle::Bare => None,
            PromptStyle::Chat { system } => Some((ChatTemplate::read(&file, &tokenizer)?, system.clone())),
        };
        let context = options.context.map_or(shape.context, |context| context.clamp(1, shape.context));
        Decoder::check(&file, &shape)?;
        let work = work_bytes(&shape, 1, context.min(4096));
        MemoryEstimate { weights: decoder::weight_bytes(&file), work, ..MemoryEstimate::default() }
            .check(1, free_memory())?;
        let threads = options.threads.unwrap_or_else(default_threads);
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("gguf-{index}"))
            .build()
            .map_err(|source| GgufError::Threads { threads, source })?;
        let decoder = pool.install(|| Decoder::load(file, shape, context))?;
        Ok(Self { path: path.to_owned(), decoder, tokenizer: Arc::new(tokenizer), chat, context, pool })
    }

    /// The tokenizer; it may outlive the model.
    pub fn tokenizer(&self) -> Arc<GgufTokenizer> {
        self.tokenizer.clone()
    }

    /// Tokens that a prompt and its answer may have together.
    pub const fn context(&self) -> usize {
        self.context
    }

    /// The sizes and settings of the model.
    pub const fn shape(&self) -> &Shape {
        self.decoder.shape()
    }

    /// The tokens of a prompt as the model would read it, template and begin token included.
    ///
    /// # Errors
    /// The tokenizer's or the template's.
    pub fn prompt_tokens(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        match &self.chat {
            Some((template, system)) => template.encode(&self.tokenizer, system.as_deref(), text),
            None => Ok(self.tokenizer.encode(text)?),
        }
    }

    /// The logits after the last of some tokens, and after each of some further ones.
    ///
    /// # Errors
    /// Canceled.
    pub fn logits(
        &self,
        cancel: &CancelToken,
        prompt: &[u32],
        further: &[u32],
    ) -> Result<Vec<Vec<f32>>, ModelError> {
        let mut sequence = self.decoder.sequence();
        let mut all = vec![self.read(cancel, &mut sequence, prompt)?];
        for token in further {
            let step = Step { sequence: &mut sequence, tokens: std::slice::from_ref(token), logits: true };
            all.extend(self.pool.install(|| self.decoder.forward(cancel, &mut [step]))?);
        }
        Ok(all)
    }

    /// Reads a prompt piece by piece; the logits after its last token.
    fn read(
        &self,
        cancel: &CancelToken,
        sequence: &mut Sequence,
        prompt: &[u32],
    ) -> Result<Vec<f32>, ModelError> {
        let mut logits = Vec::new();
        let pieces = prompt.len().div_ceil(CHUNK);
        for (index, tokens) in prompt.chunks(CHUNK).enumerate() {
            let step = Step { sequence, tokens, logits: index + 1 == pieces };
            logits = self.pool.install(|| self.decoder.forward(cancel, &mut [step]))?;
        }
        Ok(logits.pop().unwrap_or_default())
    }

    fn prompt(&self, index: usize, prompt: &PromptInput<'_>) -> Result<Vec<u32>, ModelError> {
        // A template goes around the text, so tokens made without it are of no use.
        let tokens = if prompt.tokens.is_empty() || self.chat.is_some() {
            self.prompt_tokens(prompt.text)?
        } else {
            prompt.tokens.to_vec()
        };
        let vocabulary = self.shape().vocabulary;
        if tokens.is_empty() {
            return Err(ModelError::EmptyPrompt { index });
        }
        if let Some(&token) = tokens.iter().find(|&&token| token as usize >= vocabulary) {
            return Err(ModelError::ForeignTokenizer { model: self.path.clone(), token, vocabulary });
        }
        if tokens.len() >= self.context {
            let limit = self.context;
            return Err(GgufError::ContextOverflow { index, tokens: tokens.len(), limit }.into());
        }
        Ok(tokens)
    }

    /// Chooses an answer's next token and sees whether it is the last.
    fn extend(
        &self,
        answer: &mut Answer,
        mut logits: Vec<f32>,
        config: &GenerationConfig,
    ) -> Result<(), ModelError> {
        let stops = &self.tokenizer.vocabulary().stops;
        if answer.tokens.len() < config.min_new_tokens {
            for &stop in stops {
                logits[stop as usize] = f32::NEG_INFINITY;
            }
        }
        let Some((token, log_probability)) = answer.choice.next(Level::detect(), &logits) else {
            return Err(GgufError::NotANumber { path: self.path.clone() }.into());
        };
        answer.tokens.push(token);
        answer.sum += log_probability;
        let full = answer.tokens.len() >= config.max_new_tokens
            || answer.prompt.len() + answer.tokens.len() >= self.context;
        if stops.contains(&token) {
            answer.finish = Some(FinishReason::EndOfSequence);
            return Ok(());
        }
        let before = answer.bytes.len();
        answer.bytes.extend(self.tokenizer.bytes(token));
        answer.finish = if let Some(at) = reached(&answer.bytes, before, &config.stop) {
            answer.bytes.truncate(at);
            Some(FinishReason::Stop)
        } else {
            full.then_some(FinishReason::Length)
        };
        Ok(())
    }

    fn finished(answer: Answer, finish: FinishReason, config: &GenerationConfig) -> Generation {
        let text = String::from_utf8_lossy(&answer.bytes).into_owned();
        let score = answer.sum / (answer.tokens.len() as f32).powf(config.length_penalty);
        let prompt_tokens = answer.prompt.len();
        let hypotheses = vec![Hypothesis { tokens: answer.tokens, score, finish }];
        Generation { text, hypotheses, prompt_tokens, counted: None }
    }

    /// How many answers can be written side by side in the memory that is free.
    fn together(&self, prompts: &[Vec<u32>], config: &GenerationConfig) -> Result<usize, ModelError> {
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
        let length = (longest + config.max_new_tokens).min(self.context);
        let mut together = TOGETHER.min(prompts.len()).max(1);
        let needs = |together| MemoryEstimate {
            work: work_bytes(self.shape(), together, length),
            ..MemoryEstimate::default()
        };
        let free = free_memory();
        while together > 1 && needs(together).check(together, free).is_err() {
            together /= 2;
        }
        needs(together).check(together, free)?;
        Ok(together)
    }
}

impl Generator for GgufModel {
    fn generate(
        &mut self,
        cancel: &CancelToken,
        prompts: &[PromptInput<'_>],
        config: &GenerationConfig,
    ) -> Result<Vec<Generation>, ModelError> {
        config.validate()?;
        if config.beams != 1 {
            return Err(GgufError::Beams { beams: config.beams }.into());
        }
        let encode = |(index, prompt)| self.prompt(index, prompt);
        let tokens = prompts.iter().enumerate().map(encode).collect::<Result<Vec<_>, _>>()?;
        let together = self.together(&tokens, config)?;
        let mut waiting = tokens.into_iter().enumerate();
        let mut writing: Vec<Answer> = Vec::new();
        let mut done: Vec<(usize, Generation)> = Vec::new();
        loop {
            while writing.len() < together {
                let Some((index, prompt)) = waiting.next() else { break };
                let mut sequence = self.decoder.sequence();
                let logits = self.read(cancel, &mut sequence, &prompt)?;
                let choice = Choice::new(config.sampling, &prompt);
                let mut answer = Answer {
                    index,
                    prompt,
                    sequence,
                    choice,
                    tokens: Vec::new(),
                    bytes: Vec::new(),
                    sum: 0.0,
                    finish: None,
                };
                self.extend(&mut answer, logits, config)?;
                writing.push(answer);
            }
            let mut place = 0;
            while place < writing.len() {
                match writing[place].finish {
                    Some(finish) => {
                        let answer = writing.swap_remove(place);
                        done.push((answer.index, Self::finished(answer, finish, config)));
                    }
                    None => place += 1,
                }
            }
            if writing.is_empty() {
                if waiting.len() == 0 {
                    break;
                }
                continue;
            }
            let mut steps: Vec<Step<'_>> = writing
                .iter_mut()
                .map(|answer| {
                    let last = answer.tokens.len() - 1;
                    Step { sequence: &mut answer.sequence, tokens: &answer.tokens[last..], logits: true }
                })
                .collect();
            let logits = self.pool.install(|| self.decoder.forward(cancel, &mut steps))?;
            for (answer, logits) in writing.iter_mut().zip(logits) {
                self.extend(answer, logits, config)?;
            }
        }
        done.sort_by_key(|(index, _)| *index);
        Ok(done.into_iter().map(|(_, generation)| generation).collect())
    }
}

/// Where the first stop text begins in what is written, if the bytes past `before` have completed one.
fn reached(written: &[u8], before: usize, stops: &[String]) -> Option<usize> {
    let first = |stop: &String| {
        let start = before.saturating_sub(stop.len().saturating_sub(1));
        memchr::memmem::find(&written[start..], stop.as_bytes()).map(|at| start + at)
    };
    stops.iter().filter_map(first).min()
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// What the model takes for so many answers side by side, prompt and answer together so long.
pub fn estimate(file: &GgufFile, shape: &Shape, answers: usize, length: usize) -> MemoryEstimate {
    let length = length.min(shape.context);
    MemoryEstimate {
        weights: decoder::weight_bytes(file),
        work: work_bytes(shape, answers, length),
        caches: cache_bytes(shape, answers, length),
    }
}

/// Bytes of caches and activations for so many answers of such a length.
fn work_bytes(shape: &Shape, answers: usize, length: usize) -> u64 {
    let caches = cache_bytes(shape, answers, length);
    let row = 6 * shape.width + 3 * shape.feed_forward + 4 * (shape.heads + shape.kv_heads) * shape.head;
    let rows = CHUNK.max(answers) as u64 * row as u64 * 4;
    let scores = 32 * length as u64 * 4 * default_threads() as u64;
    let logits = 2 * answers as u64 * shape.vocabulary as u64 * 4;
    caches + rows + scores + logits
}

fn cache_bytes(shape: &Shape, answers: usize, length: usize) -> u64 {
    answers as u64 * length.next_multiple_of(8) as u64 * shape.cache_bytes()
}
