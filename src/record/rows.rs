//! What became of a run: its record, its predictions, its events, and what was tuned.

use serde::{Deserialize, Serialize};

use super::RunSpec;
use crate::lamp::{Metric, Setting, Split, Task, TaskKind};
use crate::metrics::{Aggregate, SampleScore};

/// A run's number in its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub i64);

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Nothing was begun.
    Planned,
    /// Begun and not ended: at work, or broken off by a kill or a power loss where nobody works on it.
    Running,
    /// Ended before its last sample by a person or a scheduler; it can be resumed.
    Interrupted,
    /// Ended by too many failures; it can be resumed when the cause is gone.
    Failed,
    /// Every sample is answered or recorded as failed.
    Done,
}

impl RunStatus {
    /// All, in the order of a run's life.
    pub const ALL: [Self; 5] = [Self::Planned, Self::Running, Self::Interrupted, Self::Failed, Self::Done];

    /// The word for it, as it is stored and shown.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }

    /// The status of that word.
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.id() == id)
    }
}

/// Sums over a run's stored predictions.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Predictions, failed ones included.
    pub done: u64,
    /// Samples that could not be answered.
    pub failed: u64,
    /// Answers taken from other runs, or from equal prompts of this one.
    pub cached: u64,
    /// Prompts without any entry though entries were retrieved.
    pub fell_back: u64,
    /// Prompts that lost the end of the task's input.
    pub input_cut: u64,
    /// Answers that are none of the task's kind.
    pub unparsed: u64,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written, those of answers from other runs included.
    pub new_tokens: u64,
    /// Tokens read for answers that the model gave for this run: what a hosted model is paid for.
    #[serde(default)]
    pub asked_prompt_tokens: u64,
    /// Tokens written for them.
    #[serde(default)]
    pub asked_new_tokens: u64,
    /// Answers that the limit of new tokens ended.
    #[serde(default)]
    pub at_limit: u64,
    /// Answers that a filter at the endpoint kept back, whole or in part.
    #[serde(default)]
    pub filtered: u64,
    /// Answers that the endpoint says are refusals.
    #[serde(default)]
    pub refused: u64,
    /// Answers without any text.
    #[serde(default)]
    pub empty: u64,
    /// Answers whose tokens the endpoint did not count, so that they are an estimate.
    #[serde(default)]
    pub estimated: u64,
}

/// What a hosted model's tokens cost.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Prices {
    /// A million tokens read.
    pub input: f64,
    /// A million tokens written.
    pub output: f64,
}

impl Prices {
    /// What so many tokens cost.
    pub fn cost(&self, read: u64, written: u64) -> f64 {
        read as f64 / 1e6 * self.input + written as f64 / 1e6 * self.output
    }
}

/// A run as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRecord {
    /// Its number in this store.
    pub id: RunId,
    /// [`RunSpec::key`], which is the same in every store.
    pub key: String,
    /// What it depends on.
    pub spec: RunSpec,
    /// Where it stands.
    pub status: RunStatus,
    /// Why it ended early.
    pub reason: Option<String>,
    /// Samples that it answers in all.
    pub samples: u64,
    /// What is stored of it.
    pub totals: Totals,
    /// What its model's tokens cost when it was last at work; `None` where no price is known.
    pub prices: Option<Prices>,
    /// When it was first planned, in milliseconds since 1970 by the clock of the machine. For people only: nothing
    /// depends on it, since clocks go wrong.
    pub created_ms: i64,
    /// When its last sample was stored.
    pub finished_ms: Option<i64>,
    /// Time it was at work, in milliseconds, over all resumptions.
    pub active_ms: u64,
    /// Its figures; `None` until it is done.
    pub aggregate: Option<Aggregate>,
}

impl RunRecord {
    /// What its answers cost so far, those from other runs not among them; `None` where no price is known.
    pub fn cost(&self) -> Option<f64> {
        let totals = &self.totals;
        Some(self.prices?.cost(totals.asked_prompt_tokens, totals.asked_new_tokens))
    }

    /// Share of the answers so far that are none of the task's kind, 0 to 1; `None` where any text is an answer, and where there
    /// is none yet.
    pub fn parse_failure_rate(&self) -> Option<f64> {
        let answers = self.totals.done.saturating_sub(self.totals.failed);
        let parses = self.spec.dataset.task.kind() != TaskKind::Generation;
        (parses && answers > 0).then(|| self.totals.unparsed as f64 / answers as f64)
    }

    /// The first digits of the key, by which people name the run.
    pub fn short_key(&self) -> &str {
        self.key.get(..8).unwrap_or(&self.key)
    }
}

/// An entry that a retriever chose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retrieved {
    /// Its place in the profile, from 0.
    pub index: usize,
    /// Its id, unique within the profile only.
    pub id: String,
    /// What the retriever gave it; `None` where it scores nothing.
    pub score: Option<f64>,
}

/// What a model read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptText {
    /// The whole text, the part that the length limit cut off included.
    pub text: String,
    /// What was done to make it fit, as the prompt room writes it in JSON, without the text.
    pub report: String,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// The model ended it, or a rule gave it.
    End,
    /// The limit of new tokens was reached.
    Length,
    /// A stop text was reached.
    Stop,
    /// A filter at the endpoint kept it back, or the rest of it.
    ContentFilter,
    /// The model refused, as the endpoint says.
    Refusal,
}

impl Finish {
    /// All ways.
    pub const ALL: [Self; 5] = [Self::End, Self::Length, Self::Stop, Self::ContentFilter, Self::Refusal];

    /// The word for it, as it is stored and shown.
    pub const fn id(self) -> &'static str {
        match self {
            Self::End => "end",
            Self::Length => "length",
            Self::Stop => "stop",
            Self::ContentFilter => "content-filter",
            Self::Refusal => "refusal",
        }
    }

    /// The way of that word.
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|finish| finish.id() == id)
    }
}

/// One sample's way through a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prediction {
    /// The sample's place in its dataset, from 0; unique within a run.
    pub position: u32,
    /// The sample's id.
    pub sample_id: String,
    /// Entries of its profile.
    pub profile_entries: u32,
    /// What the retriever chose, best first.
    pub retrieved: Vec<Retrieved>,
    /// What the model read; `None` for baselines and where the prompt could not be made.
    pub prompt: Option<PromptText>,
    /// The raw text that the model wrote.
    pub raw: String,
    /// The parsed answer as text.
    pub answer: String,
    /// The right answer, where the data has it.
    pub reference: Option<String>,
    /// How it was scored; `None` without a reference and for failed samples.
    pub score: Option<SampleScore>,
    /// Whether the answer is one of the task's kind.
    pub parsed: bool,
    /// Why the answer ended.
    pub finish: Finish,
    /// Tokens read.
    pub prompt_tokens: u32,
    /// Tokens written.
    pub new_tokens: u32,
    /// Time the model took, its batch's divided by its samples, in milliseconds; 0 if cached.
    pub model_ms: f64,
    /// Whether the answer was taken from another run, or from an equal prompt of this one.
    pub cached: bool,
    /// Whether entries were retrieved and none is in the prompt.
    pub fell_back: bool,
    /// Whether the prompt lost the end of the task's input.
    pub input_cut: bool,
    /// Whether the numbers of tokens are an estimate, since the endpoint does not count them.
    pub estimated: bool,
    /// Why there is no answer; all that could be had of the rest is there.
    pub error: Option<String>,
}

impl Prediction {
    /// A sample of which nothing is known yet but itself.
    pub fn unanswered(position: u32, sample_id: String, profile_entries: u32) -> Self {
        Self {
            position,
            sample_id,
            profile_entries,
            retrieved: Vec::new(),
            prompt: None,
            raw: String::new(),
            answer: String::new(),
            reference: None,
            score: None,
            parsed: false,
            finish: Finish::End,
            prompt_tokens: 0,
            new_tokens: 0,
            model_ms: 0.0,
            cached: false,
            fell_back: false,
            input_cut: false,
            estimated: false,
            error: None,
        }
    }
}

/// What a kept answer is found by: 32 bytes of a hash over [`RunSpec::answers_key`] and the prompt as the model reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheKey(pub [u8; 32]);

/// An answer that any run may use again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedAnswer {
    /// The raw text.
    pub raw: String,
    /// Why it ended.
    pub finish: Finish,
    /// Tokens read.
    pub prompt_tokens: u32,
    /// Tokens written.
    pub new_tokens: u32,
    /// Whether these numbers are an estimate.
    pub estimated: bool,
}

/// One metric's values over the samples of a finished run, for tests between runs without reading every prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Which metric.
    pub metric: Metric,
    /// Places of the scored samples in their dataset, ascending.
    pub positions: Vec<u32>,
    /// The values, one a position; see [`SampleScore::value`].
    pub values: Vec<f64>,
}

/// Something that a person who looks after a run should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// Its number in the store, ascending in the order in which things happened.
    pub id: i64,
    /// The run, where it is about one.
    pub run: Option<RunId>,
    /// When, in milliseconds since 1970 by the machine's clock.
    pub at_ms: i64,
    /// Of what kind.
    pub kind: EventKind,
    /// In words.
    pub text: String,
}

/// Kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A run was begun, paused, resumed, ended.
    Life,
    /// Something to know that changes no result.
    Notice,
    /// A sample or a run failed.
    Failure,
    /// The store was repaired or changed by hand.
    Store,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Life, Self::Notice, Self::Failure, Self::Store];

    /// The word for it, as it is stored and shown.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Life => "life",
            Self::Notice => "notice",
            Self::Failure => "failure",
            Self::Store => "store",
        }
    }

    /// The kind of that word.
    pub fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.id() == id)
    }
}

/// A choice of retriever and k on one split, and the run of the winner on another (PROTOCOL, section 4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// The task.
    pub task: Task,
    /// The setting.
    pub setting: Setting,
    /// The model's name.
    pub model: String,
    /// The metric by which the winner was chosen.
    pub metric: Metric,
    /// The split on which it was chosen.
    pub tuned_on: Split,
    /// The whole grid, in the order tried.
    pub grid: Vec<TuningCell>,
    /// Which cell of the grid won.
    pub winner: usize,
    /// [`RunSpec::key`] of the winner's run on the reported data.
    pub applied: String,
    /// Whether choice and report are of the same data, so that the figure is too good.
    pub same_data: bool,
}

/// One retriever with one k, tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TuningCell {
    /// The retriever's short form.
    pub retriever: String,
    /// Entries that the prompt carries at most.
    pub k: usize,
    /// [`RunSpec::key`] of its run.
    pub run: String,
    /// What it reached by the metric.
    pub value: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_words_are_read_back() {
        assert!(RunStatus::ALL.into_iter().all(|status| RunStatus::of(status.id()) == Some(status)));
        assert!(Finish::ALL.into_iter().all(|finish| Finish::of(finish.id()) == Some(finish)));
        assert!(EventKind::ALL.into_iter().all(|kind| EventKind::of(kind.id()) == Some(kind)));
        assert_eq!(RunStatus::of("lost"), None);
    }
}
