//! One template, one length and one tokenizer over many samples.

use super::error::PromptError;
use super::report::{FallBack, LostTail, Prompt, PromptEntry, PromptStatus};
use super::template::{Assembled, Template};
use super::{PromptMode, PromptOptions, clean, official};
use crate::lamp::{ProfileEntry, Sample, Task};
use crate::model::{TextStart, TextTokenizer, TokenizerError};

/// Builds prompts; what depends on the template alone is measured once. Shared between threads as it is.
pub struct PromptBuilder<'a> {
    pub(super) template: &'a Template,
    pub(super) options: PromptOptions,
    tokenizer: &'a dyn TextTokenizer,
    /// `official`: tokens set aside once a prompt.
    pub(super) reserve: i64,
    /// Tokens of a joiner, as the mode reckons them.
    pub(super) joiner: usize,
}

/// A retrieved entry, and its place in the profile.
pub(super) type Retrieved<'s> = (usize, &'s ProfileEntry);

impl<'a> PromptBuilder<'a> {
    /// A builder for one task. Refuses a template of another task, and a length without room for text.
    pub fn new(
        task: Task,
        template: &'a Template,
        options: PromptOptions,
        tokenizer: &'a dyn TextTokenizer,
    ) -> Result<Self, PromptError> {
        let special_tokens = tokenizer.special_tokens();
        if template.task() != task {
            let made_for = template.task();
            return Err(PromptError::WrongTask { template: template.name().to_owned(), made_for, task });
        }
        if options.max_length <= special_tokens {
            return Err(PromptError::MaxLength { max_length: options.max_length, special_tokens });
        }
        let count = |text: &str| match tokenizer.encode(text) {
            Ok(ids) => Ok(ids.len()),
            Err(source) => {
                Err(PromptError::TokenizerOnTemplate { template: template.name().to_owned(), source })
            }
        };
        let file = template.file();
        let joiner = count(&file.joiner)?.saturating_sub(special_tokens);
        let (reserve, joiner) = match (&file.budget, options.mode) {
            (Some(budget), PromptMode::Official) => {
                let text = budget.reserve_for.as_deref().map(count).transpose()?;
                (budget.reserve + text.unwrap_or(0), budget.per_joiner)
            }
            (None, PromptMode::Official) => {
                (count(&template.assemble(&[], "", 0, "").text)?.saturating_sub(special_tokens), joiner)
            }
            (_, PromptMode::Clean) => (0, joiner),
        };
        Ok(Self { template, options, tokenizer, reserve: reserve as i64, joiner })
    }

    /// The prompt of a sample with the entries retrieved for it, given by their places in its profile, best first.
    ///
    /// With none retrieved it is the bare input: a counted fall-back if the profile is empty, else as asked.
    pub fn build(&self, sample: &Sample, retrieved: &[usize]) -> Result<Prompt, PromptError> {
        if retrieved.is_empty() {
            return match sample.profile.is_empty() {
                true => self.fall_back(sample, FallBack::EmptyProfile),
                false => self.plain(sample),
            };
        }
        let entry = |&index: &usize| match sample.profile.get(index) {
            Some(entry) => Ok((index, entry)),
            None => Err(PromptError::NoSuchEntry {
                sample: sample.id.clone(),
                index,
                entries: sample.profile.len(),
            }),
        };
        let entries = retrieved.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        match self.options.mode {
            PromptMode::Official => official::build(self, sample, &entries),
            PromptMode::Clean => clean::build(self, sample, &entries),
        }
    }

    /// The bare input of a sample: the column without a profile (k = 0).
    pub fn plain(&self, sample: &Sample) -> Result<Prompt, PromptError> {
        self.bare(sample, PromptStatus::Plain)
    }

    /// One prompt for each retrieved entry, with the input in each: what a fusion-in-decoder model encodes side
    /// by side (arXiv 2304.11406, section 4). With none retrieved, the bare input.
    pub fn build_each(&self, sample: &Sample, retrieved: &[usize]) -> Result<Vec<Prompt>, PromptError> {
        if retrieved.is_empty() {
            return Ok(vec![self.build(sample, retrieved)?]);
        }
        retrieved.iter().map(|&index| self.build(sample, &[index])).collect()
    }

    pub(super) fn fall_back(&self, sample: &Sample, reason: FallBack) -> Result<Prompt, PromptError> {
        self.bare(sample, PromptStatus::FellBack { reason })
    }

    fn bare(&self, sample: &Sample, status: PromptStatus) -> Result<Prompt, PromptError> {
        let input = (!sample.input.is_empty()).then_some(0..sample.input.len());
        let bare =
            Assembled { text: sample.input.clone(), entries: Vec::new(), input: input.into_iter().collect() };
        let mut prompt = self.finish(sample, bare, Vec::new(), status)?;
        if self.options.mode == PromptMode::Clean && prompt.tokens > prompt.max_length {
            prompt.status = PromptStatus::InputTooLong { over: prompt.tokens - prompt.max_length };
        }
        Ok(prompt)
    }

    /// Counts the tokens of an assembled prompt, and finds what of it the encoder will cut.
    pub(super) fn finish(
        &self,
        sample: &Sample,
        assembled: Assembled,
        mut entries: Vec<PromptEntry>,
        status: PromptStatus,
    ) -> Result<Prompt, PromptError> {
        let whole = self.start(sample, &assembled.text, usize::MAX)?;
        let tokens = whole.ids.len() + self.special_tokens();
        let max_length = self.options.max_length;
        let lost = (tokens > max_length).then(|| {
            let read = max_length - self.special_tokens();
            let start = read.checked_sub(1).and_then(|last| whole.ends.get(last)).copied().unwrap_or(0);
            LostTail { start, tokens: tokens - max_length }
        });
        for (entry, (span, long)) in entries.iter_mut().zip(assembled.entries) {
            (entry.span, entry.long) = (span, long);
        }
        Ok(Prompt {
            sample_id: sample.id.clone(),
            text: assembled.text,
            tokens,
            max_length,
            mode: self.options.mode,
            status,
            entries,
            dropped: Vec::new(),
            input: assembled.input,
            lost,
            attempts: 0,
            factor: None,
        })
    }

    pub(super) fn special_tokens(&self) -> usize {
        self.tokenizer.special_tokens()
    }

    /// Tokens of a text, special ones counted.
    pub(super) fn count(&self, sample: &Sample, text: &str) -> Result<usize, PromptError> {
        Ok(self.of(sample, self.tokenizer.encode(text))?.len())
    }

    /// The first `limit` tokens of a text.
    pub(super) fn start(&self, sample: &Sample, text: &str, limit: usize) -> Result<TextStart, PromptError> {
        self.of(sample, self.tokenizer.encode_start(text, limit))
    }

    pub(super) fn decode(&self, sample: &Sample, ids: &[u32]) -> Result<String, PromptError> {
        self.of(sample, self.tokenizer.decode(ids))
    }

    fn of<T>(&self, sample: &Sample, result: Result<T, TokenizerError>) -> Result<T, PromptError> {
        result.map_err(|source| PromptError::Tokenizer { sample: sample.id.clone(), source })
    }
}
