//! What is asked of a generating model and what it answers.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{ModelError, Notice};
use crate::jobs::CancelToken;

/// One prompt: its text and, where the caller has encoded it already, its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptInput<'a> {
    /// The text.
    pub text: &'a str,
    /// The tokens of the model's tokenizer, special tokens included and already cut to length; where empty,
    /// the model encodes `text` itself, uncut.
    pub tokens: &'a [u32],
}

/// A model that answers prompts with text.
pub trait Generator {
    /// Answers each prompt; the results are in the prompts' order, and none depends on which others are in the batch.
    ///
    /// # Errors
    /// [`ModelError::Canceled`] soon after the token is canceled; else what is wrong with a prompt, a setting or the model.
    fn generate(
        &mut self,
        cancel: &CancelToken,
        prompts: &[PromptInput<'_>],
        config: &GenerationConfig,
    ) -> Result<Vec<Generation>, ModelError>;

    /// Answers each prompt as for the user whose it is: `users` has their keys, one for each prompt. A model that does not know
    /// users answers as ever.
    ///
    /// # Errors
    /// As [`Generator::generate`]; a user whom a model should know and does not.
    fn generate_for(
        &mut self,
        cancel: &CancelToken,
        prompts: &[PromptInput<'_>],
        users: &[&str],
        config: &GenerationConfig,
    ) -> Result<Vec<Generation>, ModelError> {
        let _ = users;
        self.generate(cancel, prompts, config)
    }

    /// Whether it answers each user differently.
    fn knows_users(&self) -> bool {
        false
    }

    /// Whether it answers many prompts side by side, each in its own time, so that [`Generator::answer_all`] is the way to ask it.
    fn answers_side_by_side(&self) -> bool {
        false
    }

    /// Answers what a desk hands out until it has no more, and hands each answer back as soon as it is there, in any order.
    ///
    /// # Errors
    /// [`ModelError::Canceled`] soon after the token is canceled; what would keep every other prompt from an answer. What is wrong with
    /// one prompt is handed back like an answer.
    fn answer_all(
        &mut self,
        cancel: &CancelToken,
        config: &GenerationConfig,
        desk: &mut dyn Desk,
    ) -> Result<(), ModelError> {
        loop {
            cancel.check()?;
            match desk.next() {
                Handed::Prompt(OwnedPrompt { number, text, tokens }) => {
                    let start = Instant::now();
                    let prompt = PromptInput { text: &text, tokens: &tokens };
                    let answer = match self.generate(cancel, &[prompt], config) {
                        Err(ModelError::Canceled(canceled)) => return Err(canceled.into()),
                        answer => answer.map(|mut answers| answers.remove(0)),
                    };
                    if desk.take(number, answer, start.elapsed()).is_break() {
                        return Ok(());
                    }
                }
                Handed::NothingYet => std::thread::sleep(Duration::from_millis(5)),
                Handed::NoMore => return Ok(()),
            }
        }
    }

    /// What happened since this was last asked that a person should know; none of a model that has nothing to say.
    fn take_notices(&mut self) -> Vec<Notice> {
        Vec::new()
    }
}

/// Hands out prompts to a model that answers many side by side, and takes its answers.
pub trait Desk {
    /// The next prompt. Never waits.
    fn next(&mut self) -> Handed;

    /// Takes the answer to a prompt and the time it took; breaks where no more are wanted.
    fn take(
        &mut self,
        number: u64,
        answer: Result<Generation, ModelError>,
        took: Duration,
    ) -> ControlFlow<()>;

    /// Whether nothing new is to be begun for now.
    fn rests(&self) -> bool {
        false
    }

    /// Takes a look at the requests under way, several times a second.
    fn show(&mut self, _traffic: &Traffic) {}

    /// Takes something that a person should know.
    fn tell(&mut self, _notice: String) {}
}

/// What a [`Desk`] hands out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handed {
    /// A prompt.
    Prompt(OwnedPrompt),
    /// Nothing now, and perhaps something later.
    NothingYet,
    /// Nothing any more.
    NoMore,
}

/// A prompt that is asked while others are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedPrompt {
    /// What its answer is handed back by.
    pub number: u64,
    /// The text, cut to what the model reads.
    pub text: String,
    /// Its tokens, as in [`PromptInput`].
    pub tokens: Vec<u32>,
}

/// Requests under way to a model behind an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Under way.
    pub under_way: usize,
    /// Allowed at most, just now.
    pub allowed: usize,
    /// Sent so far, those that failed included.
    pub sent: u64,
    /// Of those, sent again after a failure.
    pub retries: u64,
    /// What came instead of an answer, in a few words, and how often.
    pub failures: Vec<(String, u64)>,
    /// Why everything is held back, where it is.
    pub held: Option<Held>,
}

/// Why nothing is sent to an endpoint for a while.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Held {
    /// Seconds until it is asked again.
    pub seconds: u64,
    /// Whether nothing but failures came, so that one request at a time looks whether the server is there again; else the server
    /// asked for the wait.
    pub broken: bool,
    /// What it said last.
    pub said: String,
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seconds, said, .. } = self;
        match self.broken {
            true => write!(f, "the endpoint does not answer; a look in {seconds} s; last: {said}"),
            false => write!(f, "the endpoint asked for a wait, {seconds} s more; last: {said}"),
        }
    }
}

/// When beam search stops looking for something better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EarlyStopping {
    /// When the best running hypothesis, at its present length, scores below the worst finished one.
    #[default]
    Heuristic,
    /// As soon as there are as many finished hypotheses as beams.
    WhenFull,
    /// Only when no running hypothesis could win at any length up to the limit (where longer is favored).
    Never,
}

/// Random choice of tokens, the same for the same seed and prompt whatever the batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Logits are divided by this; above 0.
    pub temperature: f32,
    /// Only the most probable tokens, so many; 0 for all.
    pub top_k: usize,
    /// Only the most probable tokens that together reach this probability; 1 for all.
    pub top_p: f32,
    /// The seed.
    pub seed: u64,
}

/// How to generate. The default is the benchmark's: 4 beams, at most 128 new tokens (PROTOCOL, section 6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GenerationConfig {
    /// Hypotheses followed side by side; 1 is greedy search.
    pub beams: usize,
    /// At most so many tokens are generated, end-of-sequence included.
    pub max_new_tokens: usize,
    /// End-of-sequence is forbidden before so many tokens.
    pub min_new_tokens: usize,
    /// A finished hypothesis scores its sum of log-probabilities divided by its new tokens to this power.
    pub length_penalty: f32,
    /// When beam search stops.
    pub early_stopping: EarlyStopping,
    /// Tokens are drawn at random instead; needs one beam.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// Texts that end an answer: it is cut before the first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

impl Default for GenerationConfig {
    fn default() -> Self {
        Self {
            beams: 4,
            max_new_tokens: 128,
            min_new_tokens: 0,
            length_penalty: 1.0,
            early_stopping: EarlyStopping::Heuristic,
            sampling: None,
            stop: Vec::new(),
        }
    }
}

impl GenerationConfig {
    /// The most beams that are accepted.
    pub const MAX_BEAMS: usize = 64;
    /// The most new tokens that are accepted.
    pub const MAX_NEW_TOKENS: usize = 1 << 16;

    /// The most stop texts that are accepted.
    pub const MAX_STOPS: usize = 16;

    /// Where the first stop text begins in an answer, in bytes.
    pub fn stop_in(&self, answer: &str) -> Option<usize> {
        self.stop.iter().filter_map(|stop| answer.find(stop.as_str())).min()
    }

    /// Checks the settings against each other.
    ///
    /// # Errors
    /// [`ModelError::GenerationSetting`] with the first rule broken.
    pub fn validate(&self) -> Result<(), ModelError> {
        let broken = |field, rule| Err(ModelError::GenerationSetting { field, rule });
        if self.beams == 0 || self.beams > Self::MAX_BEAMS {
            return broken("beams", "must be between 1 and 64");
        }
        if self.max_new_tokens == 0 || self.max_new_tokens > Self::MAX_NEW_TOKENS {
            return broken("max_new_tokens", "must be between 1 and 65536");
        }
        if self.min_new_tokens > self.max_new_tokens {
            return broken("min_new_tokens", "must not be above max_new_tokens");
        }
        if !self.length_penalty.is_finite() || self.length_penalty.abs() > 100.0 {
            return broken("length_penalty", "must be a number between -100 and 100");
        }
        if self.stop.len() > Self::MAX_STOPS || self.stop.iter().any(String::is_empty) {
            return broken("stop", "must be at most 16 texts, none of them empty");
        }
        let Some(sampling) = self.sampling else { return Ok(()) };
        if self.beams != 1 {
            return broken("sampling", "needs one beam; set beams to 1");
        }
        if !(sampling.temperature.is_finite() && sampling.temperature > 0.0) {
            return broken("temperature", "must be above 0; leave sampling out for greedy search");
        }
        if !(sampling.top_p > 0.0 && sampling.top_p <= 1.0) {
            return broken("top_p", "must be above 0 and at most 1");
        }
        Ok(())
    }
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model produced end-of-sequence.
    EndOfSequence,
    /// The limit of new tokens was reached.
    Length,
    /// A stop text was reached; the answer ends before it.
    Stop,
    /// A filter at the endpoint kept the answer back, or the rest of it.
    ContentFilter,
    /// The model refused, as the endpoint says; the text is its refusal.
    Refusal,
}

/// One finished continuation.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// The new tokens, end-of-sequence included where it was produced.
    pub tokens: Vec<u32>,
    /// The sum of the tokens' log-probabilities divided by (their number)^length_penalty.
    pub score: f32,
    /// Why it ended.
    pub finish: FinishReason,
}

/// What a model answered to a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// The best hypothesis as text, special tokens skipped, cut before the first stop text.
    pub text: String,
    /// All hypotheses, best first; as many as beams.
    pub hypotheses: Vec<Hypothesis>,
    /// Tokens of the prompt as the model read them.
    pub prompt_tokens: usize,
    /// How many new tokens there are where the tokens themselves are not known; `None` where they are.
    pub counted: Option<Counted>,
}

/// A number of new tokens without the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// How many.
    pub new_tokens: usize,
    /// Whether they, or those of the prompt, are an estimate.
    pub estimated: bool,
}

impl Generation {
    /// The best hypothesis; `None` only of a generation without any.
    pub fn best(&self) -> Option<&Hypothesis> {
        self.hypotheses.first()
    }

    /// Cuts the text before the first stop text, and says so of the best hypothesis; for models that look for stop
    /// texts only once they have an answer.
    pub fn cut_at_stop(&mut self, config: &GenerationConfig) {
        if let Some(at) = config.stop_in(&self.text) {
            self.text.truncate(at);
            if let Some(best) = self.hypotheses.first_mut() {
                best.finish = FinishReason::Stop;
            }
        }
    }

    /// New tokens of the best hypothesis.
    pub fn new_tokens(&self) -> usize {
        match self.counted {
            Some(counted) => counted.new_tokens,
            None => self.best().map_or(0, |best| best.tokens.len()),
        }
    }

    /// Whether the numbers of tokens are an estimate.
    pub fn is_estimated(&self) -> bool {
        self.counted.is_some_and(|counted| counted.estimated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_before_work_begins() {
        assert!(GenerationConfig::default().validate().is_ok());
        let sampling = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, seed: 1 };
        let bad = |change: &dyn Fn(&mut GenerationConfig)| {
            let mut config = GenerationConfig::default();
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert_eq!(bad(&|c| c.beams = 0), "beams must be between 1 and 64");
        assert_eq!(bad(&|c| c.min_new_tokens = 129), "min_new_tokens must not be above max_new_tokens");
        assert!(bad(&|c| c.stop = vec!["a".into(), String::new()]).starts_with("stop must be"));
        assert_eq!(bad(&|c| c.sampling = Some(sampling)), "sampling needs one beam; set beams to 1");
        assert!(bad(&|c| c.length_penalty = f32::NAN).starts_with("length_penalty"));
        assert!(
            bad(&|c| {
                c.beams = 1;
                c.sampling = Some(Sampling { temperature: 0.0, ..sampling });
            })
            .starts_with("temperature")
        );
    }

    #[test]
    fn answers_are_cut_before_the_first_stop() {
        let config = GenerationConfig { stop: vec!["two".into(), "\n".into()], ..Default::default() };
        let hypothesis = Hypothesis { tokens: vec![1, 2], score: 0.0, finish: FinishReason::Length };
        let answer = |text: &str| {
            let hypotheses = vec![hypothesis.clone()];
            let mut answer = Generation { text: text.into(), hypotheses, prompt_tokens: 1, counted: None };
            answer.cut_at_stop(&config);
            (answer.text.clone(), answer.hypotheses[0].finish)
        };
        assert_eq!(answer("one\ntwo"), ("one".into(), FinishReason::Stop));
        assert_eq!(answer("two"), (String::new(), FinishReason::Stop));
        assert_eq!(answer("three"), ("three".into(), FinishReason::Length));
    }

    #[test]
    fn a_config_survives_json_and_unknown_fields_are_refused() {
        let config = GenerationConfig {
            early_stopping: EarlyStopping::WhenFull,
            stop: vec!["\n".into()],
            ..Default::default()
        };
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<GenerationConfig>(&json).unwrap(), config);
        assert!(serde_json::from_str::<GenerationConfig>(r#"{"beam": 3}"#).is_err());
    }
}
