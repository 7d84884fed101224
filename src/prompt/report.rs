//! A finished prompt, and all that was done to make it fit.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{PromptMode, Template};
use crate::lamp::Sample;

/// What the model is to read for one sample, and what it cost to fit it into the token budget.
///
/// All ranges are in bytes, on character boundaries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prompt {
    /// The record.
    pub sample_id: String,
    /// The whole text, before the encoder cuts it at `max_length`.
    pub text: String,
    /// Tokens of the whole text, special tokens counted.
    pub tokens: usize,
    /// The most tokens the model reads, special tokens counted.
    pub max_length: usize,
    /// How it was built.
    pub mode: PromptMode,
    /// Whether it is personalized, and if not, why.
    pub status: PromptStatus,
    /// The entries it carries, in the order in which they stand.
    pub entries: Vec<PromptEntry>,
    /// The retrieved entries that it does not carry. A prompt that fell back lists none: none was kept.
    pub dropped: Vec<DroppedEntry>,
    /// Where the task's input stands in `text`; two pieces where entries stand within it.
    pub input: Vec<Range<usize>>,
    /// What the encoder will cut off the end of `text`.
    pub lost: Option<LostTail>,
    /// `official` mode: how many shares of the length were tried for the input (7 and none fit, or fewer).
    pub attempts: u32,
    /// `official` mode: the last share tried.
    pub factor: Option<f64>,
}

/// Whether a prompt is personalized, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PromptStatus {
    /// It carries entries.
    Personalized,
    /// Nothing was retrieved, as asked: the bare input.
    Plain,
    /// Entries were to be carried and could not be: the bare input. To be counted and shown.
    FellBack {
        /// Why.
        reason: FallBack,
    },
    /// `clean` mode: the input alone is longer than the model reads; it is left as it is.
    InputTooLong {
        /// By how many tokens.
        over: usize,
    },
}

/// Why a prompt is not personalized though it was to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum FallBack {
    /// The profile has no entries.
    #[error("the profile has no entries")]
    EmptyProfile,
    /// The input lacks the word `title`, after which entries go.
    #[error("the input has no word `title` to put entries after")]
    NoPlace,
    /// The entries do not fit beside the input.
    #[error("the entries do not fit beside the input")]
    NoRoom,
    /// An entry lacks a field that the template names.
    #[error("profile entry {entry} has no `{field}`")]
    MissingField {
        /// The entry's id.
        entry: String,
        /// The field.
        field: String,
    },
}

/// One entry within a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptEntry {
    /// Its place in the sample's profile.
    pub index: usize,
    /// Its id.
    pub id: String,
    /// Tokens its words and short fields cost, as the mode reckons them (`official`: special tokens counted).
    pub fixed: usize,
    /// Tokens granted to its long text, special tokens not counted; `None`: no limit (the official code takes a
    /// budget of 0 for none).
    pub granted: Option<usize>,
    /// Tokens its long text has, of those granted.
    pub kept: usize,
    /// The part of its long text, as it stands in the profile, that was left out.
    pub cut: Option<Range<usize>>,
    /// Whether what was kept of the long text reads otherwise than in the profile (`official`: the tokenizer's
    /// round trip drops characters it does not know and changes white space).
    pub rewritten: bool,
    /// Where its words stand in the prompt.
    pub span: Range<usize>,
    /// Where its long text stands in the prompt.
    pub long: Range<usize>,
}

/// A retrieved entry that a prompt does not carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedEntry {
    /// Its place in the sample's profile.
    pub index: usize,
    /// Its id.
    pub id: String,
    /// Why.
    pub reason: FallBack,
}

/// The end of a prompt that the encoder cuts off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostTail {
    /// Where it begins in the prompt's text; it reaches to the end.
    pub start: usize,
    /// How many tokens.
    pub tokens: usize,
}

/// A piece of a prompt to be shown, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Marked<'a> {
    /// The text.
    pub text: &'a str,
    /// What became of it.
    pub mark: Mark,
}

/// What became of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// The model reads it.
    Read,
    /// Part of an entry's long text that was left out of the prompt.
    LeftOut,
    /// Part of the prompt that the encoder cuts off.
    CutOff,
}

impl Prompt {
    /// The prompt in pieces, with what was left out of its entries put back where it stood: what a preview shows.
    /// `sample` and `template` are those it was built from.
    pub fn marked<'a>(&'a self, sample: &'a Sample, template: &Template) -> Vec<Marked<'a>> {
        let lost = self.lost.as_ref().map_or(self.text.len(), |lost| lost.start);
        let mut pieces = Vec::with_capacity(2 * self.entries.len() + 2);
        let mut push = |text: Option<&'a str>, mark| {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                pieces.push(Marked { text, mark });
            }
        };
        let mut at = 0;
        for entry in &self.entries {
            let end = entry.long.end;
            push(self.text.get(at..end.min(lost)), Mark::Read);
            push(self.text.get(at.max(lost)..end), Mark::CutOff);
            let long = sample.profile.get(entry.index).and_then(|profile| template.cut_text(profile));
            push(entry.cut.clone().and_then(|cut| long?.get(cut)), Mark::LeftOut);
            at = end;
        }
        push(self.text.get(at..lost), Mark::Read);
        push(self.text.get(at.max(lost)..), Mark::CutOff);
        pieces
    }

    /// The text, and what was done to it as JSON without the text: how a prompt is stored.
    pub fn into_parts(mut self) -> (String, String) {
        let text = std::mem::take(&mut self.text);
        // Texts, numbers and ranges: there is nothing that could fail to be written.
        let report = serde_json::to_string(&self).unwrap_or_default();
        (text, report)
    }

    /// The prompt that [`Prompt::into_parts`] took apart.
    ///
    /// # Errors
    /// A report that is none.
    pub fn from_parts(text: String, report: &str) -> Result<Self, serde_json::Error> {
        Ok(Self { text, ..serde_json::from_str(report)? })
    }

    /// How many tokens the model reads: all of them, or as many as it can.
    pub fn tokens_read(&self) -> usize {
        self.tokens.min(self.max_length)
    }

    /// Why it is not personalized, if it was to be.
    pub const fn fell_back(&self) -> Option<&FallBack> {
        match &self.status {
            PromptStatus::FellBack { reason } => Some(reason),
            _ => None,
        }
    }

    /// Whether the model will not read all of the task's input.
    pub fn input_cut(&self) -> bool {
        let start = self.lost.as_ref().map(|lost| lost.start);
        start.is_some_and(|start| self.input.iter().any(|piece| piece.end > start))
    }

    /// The text that the encoder cuts off; empty if none.
    pub fn lost_text(&self) -> &str {
        self.lost.as_ref().and_then(|lost| self.text.get(lost.start..)).unwrap_or_default()
    }
}
