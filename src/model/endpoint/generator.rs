//! A generator whose model is served elsewhere.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::drive::{Counter, Driver, Ended, Question, Work};
use super::wire::{self, Answer, NoAnswer};
use super::{Endpoint, EndpointError};
use crate::jobs::CancelToken;
use crate::model::{
    Counted, Desk, Generation, GenerationConfig, Generator, Handed, Hypothesis, ModelError, OwnedPrompt,
    PromptInput, TextTokenizer, Traffic,
};

/// A model behind an endpoint.
pub struct EndpointGenerator {
    endpoint: Endpoint,
    driver: Driver,
    tokenizer: Arc<dyn TextTokenizer>,
}

impl EndpointGenerator {
    /// The model of an endpoint; `name` is what errors call it, `tokenizer` counts tokens where the server does not. Nothing is sent yet.
    ///
    /// # Errors
    /// Settings that make no sense, a key that is not there.
    pub fn new(
        name: &str,
        endpoint: Endpoint,
        tokenizer: Arc<dyn TextTokenizer>,
    ) -> Result<Self, EndpointError> {
        let driver = Driver::new(name, &endpoint)?;
        Ok(Self { endpoint, driver, tokenizer })
    }
}

impl Generator for EndpointGenerator {
    fn generate(
        &mut self,
        cancel: &CancelToken,
        prompts: &[PromptInput<'_>],
        config: &GenerationConfig,
    ) -> Result<Vec<Generation>, ModelError> {
        let mut desk =
            Listed { prompts, next: 0, answers: prompts.iter().map(|_| None).collect(), failed: None };
        self.answer_all(cancel, config, &mut desk)?;
        match desk.failed {
            Some(error) => Err(error),
            None => Ok(desk.answers.into_iter().flatten().collect()),
        }
    }

    fn answers_side_by_side(&self) -> bool {
        true
    }

    fn answer_all(
        &mut self,
        cancel: &CancelToken,
        config: &GenerationConfig,
        desk: &mut dyn Desk,
    ) -> Result<(), ModelError> {
        config.validate()?;
        let endpoint = || self.driver.client().name().to_owned();
        if config.beams != 1 {
            return Err(EndpointError::Beams { endpoint: endpoint() }.into());
        }
        let url = self.endpoint.address(wire::service(self.endpoint.kind))?;
        let client = self.driver.client().clone();
        let read = move |_: &Question, body: &[u8]| match wire::answer(body) {
            Err(NoAnswer::Error(error)) if error.is_filter() => Ok(Answer::filtered()),
            Ok(answer) => Ok(Answer { text: client.redact(answer.text), ..answer }),
            other => other,
        };
        let mut counter = AtDesk {
            endpoint: &self.endpoint,
            config,
            tokenizer: &*self.tokenizer,
            desk,
            asked: HashMap::new(),
        };
        match self.driver.run(cancel, &url, read, &mut counter) {
            Ok(()) => Ok(()),
            Err(Ended::Canceled(canceled)) => Err(canceled.into()),
            Err(Ended::Failed(error)) => Err(error.into()),
        }
    }
}

/// The prompts of a desk as questions.
struct AtDesk<'a> {
    endpoint: &'a Endpoint,
    config: &'a GenerationConfig,
    tokenizer: &'a dyn TextTokenizer,
    desk: &'a mut dyn Desk,
    /// Tokens of the prompts under way, by this side's count.
    asked: HashMap<u64, usize>,
}

impl Counter<Answer> for AtDesk<'_> {
    fn next(&mut self) -> Work {
        match self.desk.next() {
            Handed::Prompt(OwnedPrompt { number, text, tokens }) => {
                let read =
                    if tokens.is_empty() { super::EstimatingTokenizer::count(&text) } else { tokens.len() };
                self.asked.insert(number, read);
                let body = wire::question(self.endpoint, self.config, &text);
                Work::Ask(Question { number, body, tokens: read + self.config.max_new_tokens })
            }
            Handed::NothingYet => Work::NothingYet,
            Handed::NoMore => Work::NoMore,
        }
    }

    fn take(
        &mut self,
        number: u64,
        answer: Result<Answer, EndpointError>,
        took: Duration,
    ) -> ControlFlow<()> {
        let read_here = self.asked.remove(&number).unwrap_or(0);
        let answer = answer.map_err(ModelError::from).map(|answer| {
            let estimated = answer.read.is_none() || answer.written.is_none();
            let written_here = || self.tokenizer.encode(&answer.text).map_or(0, |tokens| tokens.len());
            let new_tokens = answer.written.map_or_else(written_here, |written| written as usize);
            let prompt_tokens = answer.read.map_or(read_here, |read| read as usize);
            let hypothesis = Hypothesis { tokens: Vec::new(), score: 0.0, finish: answer.finish };
            let mut generation = Generation {
                text: answer.text,
                hypotheses: vec![hypothesis],
                prompt_tokens,
                counted: Some(Counted { new_tokens, estimated }),
            };
            // Servers that do not know stop texts, or leave them in, answer as all others.
            generation.cut_at_stop(self.config);
            generation
        });
        self.desk.take(number, answer, took)
    }

    fn tokens(&self, answer: &Answer) -> Option<usize> {
        Some((answer.read? + answer.written?) as usize)
    }

    fn rests(&self) -> bool {
        self.desk.rests()
    }

    fn show(&mut self, traffic: &Traffic) {
        self.desk.show(traffic);
    }

    fn tell(&mut self, notice: String) {
        self.desk.tell(notice);
    }
}

/// Prompts that are all there already.
struct Listed<'a> {
    prompts: &'a [PromptInput<'a>],
    next: usize,
    answers: Vec<Option<Generation>>,
    failed: Option<ModelError>,
}

impl Desk for Listed<'_> {
    fn next(&mut self) -> Handed {
        let Some(prompt) = self.prompts.get(self.next) else { return Handed::NoMore };
        let number = self.next as u64;
        self.next += 1;
        Handed::Prompt(OwnedPrompt { number, text: prompt.text.to_owned(), tokens: prompt.tokens.to_vec() })
    }

    fn take(&mut self, number: u64, answer: Result<Generation, ModelError>, _: Duration) -> ControlFlow<()> {
        match answer {
            Ok(answer) => {
                if let Some(place) = self.answers.get_mut(number as usize) {
                    *place = Some(answer);
                }
            }
            Err(error) => {
                self.failed.get_or_insert(error);
            }
        }
        ControlFlow::Continue(())
    }
}
