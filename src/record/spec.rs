//! The whole of what a run depends on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::lamp::{Setting, Split, Task};
use crate::metrics::{Parsing, UnknownParsing};

/// Everything that a run's answers depend on. Two runs with equal specs are the same run; a [`super::diff`] of two specs
/// explains two scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// The program's version.
    pub program: String,
    /// Which samples are answered.
    pub dataset: DatasetSpec,
    /// What answers them.
    pub model: ModelSpec,
    /// What of a profile the model gets to see.
    pub retriever: RetrieverSpec,
    /// How the prompt is made; `None` for baselines, which read no prompt.
    pub prompt: Option<PromptSpec>,
    /// The generation config as the model room writes it; `None` for baselines.
    pub generation: Option<Value>,
    /// How raw text becomes an answer: `official` or `chatty`; see [`RunSpec::reading`].
    pub parsing: String,
}

/// Which samples of which files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetSpec {
    /// The task.
    pub task: Task,
    /// The setting.
    pub setting: Setting,
    /// The split.
    pub split: Split,
    /// Hash of the files' content.
    pub fingerprint: String,
    /// At most so many samples; all if `None`.
    pub limit: Option<usize>,
    /// Draws the limited samples at random; the first ones if `None`.
    pub sample_seed: Option<u64>,
    /// Whether broken records were passed over.
    pub skip_broken: bool,
}

/// What answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// As it is called: a registered name, a path's last part, `baseline:nearest`, `scripted:echo`.
    pub name: String,
    /// Hash of its files, or of its script or rule.
    pub fingerprint: String,
    /// How it came to its weights.
    pub training: Training,
    /// Where it computes: `cpu`, `cuda:0`, `metal`.
    pub device: String,
    /// The kind of numbers: `f32`, `int8`.
    pub precision: String,
    /// What else changes its answers: a chat template's system text, a shorter context.
    #[serde(default)]
    pub options: Map<String, Value>,
}

/// How a model came to its weights, as tables and charts tell models apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Training {
    /// Used as it was published.
    ZeroShot,
    /// Trained on the benchmark.
    FineTuned,
    /// With an adapter of low rank that was trained, beside weights as they were.
    Lora,
    /// With such an adapter for each user, trained on that user's own profile.
    PerUserLora,
    /// No language model: a rule.
    Baseline,
}

impl Training {
    /// `zero-shot`, `fine-tuned`, `lora`, `per-user-lora` or `baseline`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::ZeroShot => "zero-shot",
            Self::FineTuned => "fine-tuned",
            Self::Lora => "lora",
            Self::PerUserLora => "per-user-lora",
            Self::Baseline => "baseline",
        }
    }
}

/// The retriever and how much of its ranking is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrieverSpec {
    /// The retriever's short form: `none`, `bm25`, `random:7`, `dense:all-MiniLM-L6-v2`.
    pub config: String,
    /// Entries that the prompt carries at most; 0 with `none`.
    pub k: usize,
    /// Whether documents carry their dates.
    pub use_date: bool,
    /// Hashes of the identities of the encoders it uses, in the order of the short form.
    pub encoders: Vec<String>,
}

impl RetrieverSpec {
    /// The non-personalized one.
    pub fn none() -> Self {
        Self { config: "none".to_owned(), k: 0, use_date: false, encoders: Vec::new() }
    }

    /// Whether no entry of the profile reaches the model.
    pub fn is_none(&self) -> bool {
        self.k == 0 || self.config == "none"
    }
}

/// The template and the budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptSpec {
    /// The template's name.
    pub template: String,
    /// The template itself, as TOML.
    pub template_toml: String,
    /// `official` or `clean`.
    pub mode: String,
    /// Tokens that a prompt may have.
    pub max_length: usize,
}

impl RunSpec {
    /// A hash of the spec, 64 hexadecimal digits; the same wherever and whenever it is computed.
    pub fn key(&self) -> String {
        hex::encode(Sha256::digest(self.to_json()))
    }

    /// How raw text becomes an answer.
    ///
    /// # Errors
    /// A way that only another version of this program knows.
    pub fn reading(&self) -> Result<Parsing, UnknownParsing> {
        self.parsing.parse()
    }

    /// The spec of the run that reads the same answers in a given way.
    pub fn read_as(&self, parsing: Parsing) -> Self {
        Self { parsing: parsing.id().to_owned(), ..self.clone() }
    }

    /// The spec as the JSON from which [`RunSpec::key`] is computed and which is stored.
    pub fn to_json(&self) -> String {
        // Strings, numbers and maps with text keys: there is nothing that could fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What answers of this run may be taken from other runs: equal for runs whose model gives equal answers to equal
    /// prompts. `None` for baselines, which have no prompts.
    pub fn answers_key(&self) -> Option<String> {
        self.prompt.as_ref()?;
        let generation = self.generation.clone().unwrap_or_default();
        Some(super::answers_key(&self.program, &self.model, &generation))
    }
}

/// One of several equal parts of a run's samples, for schedulers that start a program a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which part, from 1.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

impl Shard {
    /// All samples.
    pub const WHOLE: Self = Self { index: 1, of: 1 };

    /// Whether the sample of this number in the run, from 0, belongs to the part.
    pub const fn has(self, number: usize) -> bool {
        number % self.of as usize == self.index as usize - 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = BadShard;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadShard { given: text.to_owned() };
        let (index, of) = text.split_once('/').ok_or_else(bad)?;
        let shard = Self { index: index.parse().map_err(|_| bad())?, of: of.parse().map_err(|_| bad())? };
        (shard.of <= 10_000 && (1..=shard.of).contains(&shard.index)).then_some(shard).ok_or_else(bad)
    }
}

/// A text that names no part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no part of a whole; write the part and how many there are, such as 2/8")]
pub struct BadShard {
    given: String,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn spec() -> RunSpec {
        RunSpec {
            program: "0.1.0".into(),
            dataset: DatasetSpec {
                task: Task::Lamp4,
                setting: Setting::User,
                split: Split::Dev,
                fingerprint: "d1".into(),
                limit: None,
                sample_seed: None,
                skip_broken: false,
            },
            model: ModelSpec {
                name: "tiny".into(),
                fingerprint: "m1".into(),
                training: Training::ZeroShot,
                device: "cpu".into(),
                precision: "f32".into(),
                options: Map::new(),
            },
            retriever: RetrieverSpec { config: "bm25".into(), k: 4, use_date: false, encoders: Vec::new() },
            prompt: Some(PromptSpec {
                template: "official".into(),
                template_toml: String::new(),
                mode: "official".into(),
                max_length: 512,
            }),
            generation: Some(serde_json::json!({"beams": 4})),
            parsing: "official".into(),
        }
    }

    #[test]
    fn equal_specs_have_equal_keys_and_any_change_another() {
        let one = spec();
        assert_eq!(one.key(), spec().key());
        assert_eq!(serde_json::from_str::<RunSpec>(&one.to_json()).unwrap(), one);
        let mut other = spec();
        other.retriever.k = 2;
        assert_ne!(one.key(), other.key());
        assert_eq!(one.answers_key(), other.answers_key());
        other.model.precision = "int8".into();
        assert_ne!(one.answers_key(), other.answers_key());
        // A name is no reason for another answer.
        let renamed =
            RunSpec { model: ModelSpec { name: "else".into(), ..one.model.clone() }, ..one.clone() };
        assert_eq!(one.answers_key(), renamed.answers_key());
        other.prompt = None;
        assert_eq!(other.answers_key(), None);
        // Another reading is another run of the same answers.
        let chatty = RunSpec { parsing: Parsing::Chatty.id().into(), ..one.clone() };
        assert_ne!(chatty.key(), one.key());
        assert_eq!(chatty.answers_key(), one.answers_key());
        assert_eq!((one.reading(), chatty.reading()), (Ok(Parsing::Official), Ok(Parsing::Chatty)));
        let later = RunSpec { parsing: "oracular".into(), ..one };
        assert!(later.reading().unwrap_err().to_string().contains("`oracular`"));
    }

    #[test]
    fn stored_keys_stay_what_they_are() {
        assert_eq!(spec().key(), "d90a8a9d1ac5dc13303927a9afcb4eb686b653429cf8d5cc998d76bf4110fa20");
        assert!(spec().to_json().ends_with(r#""parsing":"official"}"#));
    }

    #[test]
    fn shards_divide_all_samples_once() {
        let shards: Vec<Shard> = (1..=3).map(|index| Shard { index, of: 3 }).collect();
        for number in 0..10 {
            assert_eq!(shards.iter().filter(|shard| shard.has(number)).count(), 1);
        }
        assert_eq!("2/8".parse(), Ok(Shard { index: 2, of: 8 }));
        for bad in ["", "2", "0/3", "4/3", "1/0", "a/b", "1/2/3", "1/99999"] {
            assert!(bad.parse::<Shard>().unwrap_err().to_string().contains("2/8"), "{bad}");
        }
    }
}
