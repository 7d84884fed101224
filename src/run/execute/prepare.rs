//! Ahead of the model, on all processors: samples are read, their profiles ranked, their prompts made and looked up among kept
//! answers.

use std::sync::mpsc::SyncSender;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::jobs::{CancelToken, Progress};
use crate::lamp::{Sample, Task};
use crate::model::TextTokenizer;
use crate::model::lora::user_key;
use crate::prompt::PromptBuilder;
use crate::record::{CacheKey, CachedAnswer, Prediction, PromptText, Retrieved};
use crate::retrieval::{Problem, RetrievalError, Retriever, RetrieverConfig};
use crate::run::{Baseline, Cell, Window, in_full};
use crate::store::{Reader, StoreError};

/// Samples prepared together where nothing is gained by more: enough to keep threads busy and to form batches of like length.
const WINDOW: Window = Window { samples: 256, texts: usize::MAX, bytes: 1 << 23 };

/// A sample on its way: its row as far as it is known, and what is left to do for it.
pub(in crate::run) struct Item {
    pub row: Prediction,
    pub work: Work,
}

/// What is left to do for a sample before its row is scored.
pub(in crate::run) enum Work {
    /// A model is asked.
    Ask(Question),
    /// Nothing: there is an answer, or an error.
    Nothing,
}

/// A prompt as the model reads it. Its text is that of the row.
pub(in crate::run) struct Question {
    /// How many bytes of the text the model reads.
    pub read: usize,
    /// The tokens of that, cut to length.
    pub tokens: Vec<u32>,
    /// Whose prompt it is, for models that answer each user differently.
    pub user: String,
    /// What its answer is kept by; `None` where answers are not used again.
    pub key: Option<CacheKey>,
    /// The answer, where it was kept.
    pub found: Option<CachedAnswer>,
}

/// What prepares a cell's samples.
pub(super) struct Preparer<'a> {
    cell: &'a Cell,
    task: Task,
    retriever: Option<Box<dyn Retriever>>,
    how: How<'a>,
    cancel: CancelToken,
    progress: Progress,
}

/// How samples get their answers.
pub(super) enum How<'a> {
    /// By a rule, given the commonest label of the dataset where the rule wants it.
    Rule(Baseline, Option<&'static str>),
    /// By a model's answer to a prompt.
    Prompt {
        builder: PromptBuilder<'a>,
        tokenizer: &'a dyn TextTokenizer,
        max_length: usize,
        /// Whether the model answers each user differently.
        by_user: bool,
        /// A hash that has taken in what answers depend on beside the prompt; `None` where answers are not used again.
        keys: Option<Sha256>,
    },
}

impl Cell {
    /// Whether nothing of the profile reaches what answers.
    pub(in crate::run) fn retrieves_nothing(&self) -> bool {
        self.k == 0 || matches!(self.retriever, RetrieverConfig::None {})
    }
}

impl<'a> Preparer<'a> {
    /// `retriever` is `None` where nothing is retrieved. `progress` counts texts that the retriever encodes.
    pub(super) fn new(
        cell: &'a Cell,
        retriever: Option<Box<dyn Retriever>>,
        how: How<'a>,
        cancel: CancelToken,
        progress: Progress,
    ) -> Self {
        Self { cell, task: cell.dataset.id().task, retriever, how, cancel, progress }
    }

    /// Prepares the samples in this order, window by window, until all are handed over, nobody takes them any more, or the
    /// work is canceled. Kept answers are looked up with `kept`; gives why that was given up, if it was.
    pub(super) fn run(
        self,
        positions: &[u32],
        mut kept: Option<Reader>,
        out: &SyncSender<Vec<Item>>,
    ) -> Option<StoreError> {
        let mut trouble = None;
        let preparations = self.retriever.as_ref().map_or(0, |retriever| retriever.preparations());
        let window = if preparations > 0 { Window::PREPARED } else { WINDOW };
        if preparations > 0 {
            let entries = |&position: &u32| {
                self.cell.dataset.summary(position as usize).map_or(0, |record| record.profile_entries + 1)
            };
            let texts: usize = positions.iter().map(entries).sum();
            self.progress.start("Encoding", (texts * preparations) as u64);
        }
        let mut rest = positions;
        while !rest.is_empty() && !self.cancel.is_canceled() {
            let fitting = window.fitting(&self.cell.dataset, rest.iter().map(|&position| position as usize));
            let (now, later) = rest.split_at(fitting);
            rest = later;
            let Some(mut items) = self.window(now, preparations > 0) else { break };
            if let Some(reader) = &kept
                && let Err(error) = look_up(reader, &mut items)
            {
                // Without them everything is asked anew, and the answers are the same.
                trouble = Some(error);
                kept = None;
            }
            if out.send(items).is_err() {
                break;
            }
        }
        trouble
    }

    /// The samples of one window; `None` if canceled.
    fn window(&self, positions: &[u32], gather: bool) -> Option<Vec<Item>> {
        let read = |&position: &u32| self.read(position);
        if !gather {
            return positions.par_iter().map(|position| self.item(read(position))).collect();
        }
        let read: Vec<Read> = positions.par_iter().map(read).collect();
        if let Some(retriever) = &self.retriever {
            let problems: Vec<Problem> =
                read.par_iter().filter_map(|read| self.problem(read.sample.as_ref().ok()?)).collect();
            // What fails here fails again when its sample is ranked, and is that sample's failure alone.
            if let Err(RetrievalError::Canceled(_)) =
                retriever.prepare(&self.cancel, &self.progress, &problems)
            {
                return None;
            }
        }
        read.into_par_iter().map(|read| self.item(read)).collect()
    }

    fn read(&self, position: u32) -> Read {
        let sample = self.cell.dataset.sample(position as usize).map_err(|error| in_full(&error));
        Read { position, sample }
    }

    fn problem(&self, sample: &Sample) -> Option<Problem> {
        self.retriever.as_ref().map(|_| Problem::of(self.task, sample, self.cell.use_date))
    }

    /// A sample with its entries chosen and its prompt made; `None` if canceled.
    fn item(&self, read: Read) -> Option<Item> {
        if self.cancel.is_canceled() {
            return None;
        }
        let Read { position, sample } = read;
        let sample = match sample {
            Ok(sample) => sample,
            Err(error) => {
                let record = self.cell.dataset.summary(position as usize);
                let id = record.map_or_else(String::new, |record| record.id.to_owned());
                let entries = record.map_or(0, |record| record.profile_entries);
                let mut row = Prediction::unanswered(position, id, entries as u32);
                row.error = Some(error);
                return Some(Item { row, work: Work::Nothing });
            }
        };
        let mut row = Prediction::unanswered(position, sample.id.clone(), sample.profile.len() as u32);
        let work = match self.fill(&sample, &mut row) {
            Ok(work) => work,
            Err(Unprepared::Canceled) => return None,
            Err(Unprepared::Failed(error)) => {
                row.error = Some(error);
                Work::Nothing
            }
        };
        row.reference = sample.reference;
        Some(Item { row, work })
    }

    fn fill(&self, sample: &Sample, row: &mut Prediction) -> Result<Work, Unprepared> {
        if let (Some(retriever), Some(Problem { query, documents })) = (&self.retriever, self.problem(sample))
        {
            let ranking = retriever.rank(&self.cancel, &query, &documents, self.cell.k)?;
            row.retrieved = ranking
                .entries
                .iter()
                .map(|entry| Retrieved {
                    index: entry.index,
                    id: sample.profile.get(entry.index).map_or_else(String::new, |entry| entry.id.clone()),
                    score: entry.score,
                })
                .collect();
        }
        let indices: Vec<usize> = row.retrieved.iter().map(|entry| entry.index).collect();
        let (builder, tokenizer, max_length, by_user, keys) = match &self.how {
            How::Rule(baseline, commonest) => {
                row.raw = baseline.answer(self.task, sample, &indices, *commonest);
                return Ok(Work::Nothing);
            }
            How::Prompt { builder, tokenizer, max_length, by_user, keys } => {
                (builder, tokenizer, *max_length, *by_user, keys)
            }
        };
        let prompt = match &self.retriever {
            Some(_) => builder.build(sample, &indices),
            None => builder.plain(sample),
        };
        let prompt = prompt.map_err(|error| Unprepared::Failed(in_full(&error)))?;
        row.fell_back = !indices.is_empty() && prompt.entries.is_empty();
        row.input_cut = prompt.input_cut();
        row.prompt_tokens = prompt.tokens_read() as u32;
        let read = prompt.lost.as_ref().map_or(prompt.text.len(), |lost| lost.start);
        let tokens = tokenizer.encode_cut(&prompt.text, max_length);
        let (text, report) = prompt.into_parts();
        let user = user_key(&self.cell.dataset.id().to_string(), &sample.id);
        let key = keys.as_ref().zip(tokens.as_ref().ok()).map(|(keys, tokens)| {
            let mut keys = keys.clone();
            if by_user {
                keys.update((user.len() as u64).to_le_bytes());
                keys.update(&user);
            }
            key(keys, tokens, &text[..read])
        });
        row.prompt = Some(PromptText { text, report });
        let tokens = tokens.map_err(|error| Unprepared::Failed(in_full(&error)))?;
        Ok(Work::Ask(Question { read, tokens, user, key, found: None }))
    }
}

/// A sample, or why it cannot be read.
struct Read {
    position: u32,
    sample: Result<Sample, String>,
}

/// Why a sample could not be prepared.
enum Unprepared {
    Canceled,
    Failed(String),
}

impl From<RetrievalError> for Unprepared {
    fn from(error: RetrievalError) -> Self {
        match error {
            RetrievalError::Canceled(_) => Self::Canceled,
            other => Self::Failed(in_full(&other)),
        }
    }
}

/// The key of an answer to a prompt: its tokens for most models, its text for those that put it into a template of their own.
pub(in crate::run) fn key(mut hash: Sha256, tokens: &[u32], text: &str) -> CacheKey {
    hash.update((tokens.len() as u64).to_le_bytes());
    let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
    hash.update(bytes);
    hash.update(text);
    CacheKey(hash.finalize().into())
}

fn look_up(kept: &Reader, items: &mut [Item]) -> Result<(), StoreError> {
    for item in items {
        if let Work::Ask(Question { key: Some(key), found, .. }) = &mut item.work {
            *found = kept.answer(key)?;
        }
    }
    Ok(())
}
