//! What the model reads: template, retrieved entries and a token budget to a prompt.
//!
//! A [`Template`] words the entries, [`PromptOptions`] say how long the prompt may be and who decides what is cut,
//! and a [`PromptBuilder`] makes a [`Prompt`] of each sample, which tells all that was done to it. Pure but for the
//! tokenizer handed in; knows no file format of samples, no retriever and no model.
//!
//! # Two modes
//!
//! [`PromptMode::Official`] does as the benchmark's code does, to the character and the token, with what that
//! brings along: rare characters vanish from the profile, a long input loses its end when it is encoded, and a
//! record whose entries do not fit becomes a plain one. Each of these is recorded in the prompt.
//!
//! [`PromptMode::Clean`] never cuts the input, keeps every character of what it carries, and shares the length by
//! need. An entry that does not fit is dropped, lowest rank first, and listed; an input that is too long by itself
//! is left as it is and reported as [`PromptStatus::InputTooLong`]. No prompt with entries is longer than allowed.
//! The same template gives different prompts in the two modes, so results of one are not results of the other.
//!
//! # Templates
//!
//! ```toml
//! name = "Reviews with their stars"
//! task = "LaMP-3"
//! entry = 'Review: "{text}" Stars: {score}'
//! joiner = "\n"
//! aggregate = "{profile}\n\n{input}"
//! clean_system = "These are reviews by one person.\n"
//! ```
//!
//! `entry` names the fields of the task's profile entries, and one of them, `cut` (else the long text), gives way
//! when room is short. `aggregate` places `{profile}` and `{input}`; without `{input}`, `position` says where it
//! stands: `before-input`, `after-input`, or `after-title` (LaMP-1, after the input's first word `title`).
//! `clean_system` stands before everything else in `clean` mode, where there are entries. `[budget]` is for
//! `official` mode, see [`Budget`]. Braces are doubled to stand for themselves.

mod builder;
mod clean;
mod error;
mod official;
mod presets;
mod report;
mod template;
mod wording;

use serde::{Deserialize, Serialize};

pub use builder::PromptBuilder;
pub use error::{Place, PromptError, TemplateError, TemplateProblem};
pub use presets::{Preset, UnknownPreset};
pub use report::{DroppedEntry, FallBack, LostTail, Mark, Marked, Prompt, PromptEntry, PromptStatus};
pub use template::{Budget, Position, Template, TemplateFile};

use crate::lamp::{Sample, Task};
use crate::model::TextTokenizer;

/// Who decides what is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptMode {
    /// As the official code does, bit for bit.
    #[default]
    Official,
    /// Without its defects; see the [module's page](self).
    Clean,
}

/// How long a prompt may be, and who decides what is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptOptions {
    /// Who decides what is cut.
    pub mode: PromptMode,
    /// The most tokens the model reads, special tokens counted: 512 in the papers, 256 in the official scripts.
    pub max_length: usize,
}

impl Default for PromptOptions {
    fn default() -> Self {
        Self { mode: PromptMode::Official, max_length: 512 }
    }
}

/// Builds one prompt; for many, keep a [`PromptBuilder`]. See [`PromptBuilder::build`].
pub fn build(
    task: Task,
    sample: &Sample,
    retrieved: &[usize],
    template: &Template,
    options: PromptOptions,
    tokenizer: &dyn TextTokenizer,
) -> Result<Prompt, PromptError> {
    PromptBuilder::new(task, template, options, tokenizer)?.build(sample, retrieved)
}
