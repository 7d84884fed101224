//! What can be wrong with a template, and with building a prompt.

use std::fmt;
use std::path::PathBuf;

use super::wording::nearest;
use crate::lamp::Task;
use crate::model::TokenizerError;

/// Where in a template something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The template's file or name.
    pub template: String,
    /// The line, counted from 1, where it comes from a file.
    pub line: Option<usize>,
    /// The key.
    pub key: &'static str,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "template {}", self.template)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ", `{}`", self.key)
    }
}

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Its file cannot be read.
    #[error("cannot read the template {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no TOML, or has other keys than a template has.
    #[error("template {template}: {source}")]
    Syntax {
        /// The file.
        template: String,
        /// Line and cause.
        source: Box<toml::de::Error>,
    },
    /// It cannot be written as TOML.
    #[error("cannot write the template {template} as TOML: {source}")]
    Write {
        /// Its name.
        template: String,
        /// The cause.
        source: Box<toml::ser::Error>,
    },
    /// It is well formed, but makes no prompt.
    #[error("{place}: {problem}")]
    Invalid {
        /// Where.
        place: Place,
        /// What.
        problem: TemplateProblem,
    },
}

/// What is wrong within a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateProblem {
    /// A placeholder that the task does not have.
    #[error("{{{placeholder}}} is unknown here; {}use one of {}", question(.meant), listed(.known))]
    Unknown {
        /// As written.
        placeholder: String,
        /// What it most likely means.
        meant: Option<&'static str>,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// A brace that neither opens nor closes a placeholder.
    #[error("the brace at `{near}` belongs to no placeholder; write {{{{ or }}}} for a brace itself")]
    LoneBrace {
        /// The text from there on.
        near: String,
    },
    /// A placeholder that has to be there is not.
    #[error("{{{placeholder}}} is missing; it has to stand there exactly once")]
    Missing {
        /// Its name.
        placeholder: String,
    },
    /// A placeholder that has to be there once is there more often.
    #[error("{{{placeholder}}} stands there more than once; it has to stand there exactly once")]
    Repeated {
        /// Its name.
        placeholder: String,
    },
    /// Nothing says where the input goes.
    #[error("the input has no place; write {{input}} here, or give `position`")]
    InputNowhere,
    /// Two things say where the input goes.
    #[error("`aggregate` already places {{input}}; remove one of the two")]
    InputTwice,
    /// Only LaMP-1's inputs have the word to insert after.
    #[error("\"after-title\" is for LaMP-1 and not for {task}; use \"before-input\" or \"after-input\"")]
    TitleOnlyInLamp1 {
        /// The template's task.
        task: Task,
    },
    /// Two costs for one thing.
    #[error("`entry_tokens` and `entry_text` both say what an entry costs; remove one of the two")]
    TwoEntryCosts,
}

fn question(name: &Option<&str>) -> String {
    name.map(|name| format!("did you mean {{{name}}}? Otherwise ")).unwrap_or_default()
}

fn listed(known: &[&str]) -> String {
    known.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(", ")
}

impl TemplateProblem {
    pub(super) fn unknown<P>(placeholder: &str, known: &[(&'static str, P)]) -> Self {
        let known: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        Self::Unknown { placeholder: placeholder.to_owned(), meant: nearest(placeholder, &known), known }
    }

    /// What to look for in the file to find the line.
    fn written(&self) -> Option<String> {
        match self {
            Self::Unknown { placeholder, .. } => Some(format!("{{{placeholder}}}")),
            Self::Repeated { placeholder } => Some(format!("{{{placeholder}}}")),
            Self::LoneBrace { near } => Some(near.clone()),
            _ => None,
        }
    }
}

impl TemplateError {
    /// Names the file and line of something wrong in a template read from TOML.
    pub(super) fn located(self, toml: &str, origin: &str) -> Self {
        match self {
            Self::Invalid { place, problem } => {
                let line = line_of(toml, place.key, problem.written().as_deref());
                Self::Invalid { place: Place { template: origin.to_owned(), line, key: place.key }, problem }
            }
            other => other,
        }
    }
}

/// The line of a key's value, or of the text within it that is meant.
fn line_of(text: &str, key: &str, within: Option<&str>) -> Option<usize> {
    let document = toml::de::DeTable::parse(text).ok()?;
    let table = document.get_ref();
    let budget = || table.get("budget")?.get_ref().as_table()?.get(key);
    let span = table.get(key).or_else(budget)?.span();
    let value = text.get(span.clone())?;
    let inner = within.and_then(|words| value.find(words)).unwrap_or(0);
    Some(1 + text.get(..span.start + inner)?.matches('\n').count())
}

/// Why no prompt could be built.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// The tokenizer failed.
    #[error("record {sample}: {source}")]
    Tokenizer {
        /// The record.
        sample: String,
        /// What it said.
        source: TokenizerError,
    },
    /// The tokenizer failed on the template's own words.
    #[error("template {template}: {source}")]
    TokenizerOnTemplate {
        /// The template.
        template: String,
        /// What it said.
        source: TokenizerError,
    },
    /// A template of another task.
    #[error("template {template} is for {made_for} and not for {task}; choose one for {task}")]
    WrongTask {
        /// The template.
        template: String,
        /// Its task.
        made_for: Task,
        /// The task asked for.
        task: Task,
    },
    /// A length in which no text has room.
    #[error("a prompt of at most {max_length} tokens has no room for text; give more than {special_tokens}")]
    MaxLength {
        /// What was asked for.
        max_length: usize,
        /// What special tokens alone take.
        special_tokens: usize,
    },
    /// A ranking that does not belong to the record.
    #[error(
        "record {sample} has {entries} profile entries and none with index {index}; rank its own profile"
    )]
    NoSuchEntry {
        /// The record.
        sample: String,
        /// The index asked for.
        index: usize,
        /// How many there are.
        entries: usize,
    },
}
