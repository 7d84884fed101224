//! A model without weights that answers by a rule: for tests, and for trying the program before a model is there.
//!
//! Its tokens are characters, so that whoever counts or cuts tokens finds them as in any other model.

mod words;

use std::time::{Duration, Instant};

pub use words::WordEncoder;

use super::{
    FinishReason, Generation, GenerationConfig, Generator, Hypothesis, ModelError, PromptInput, TextStart,
    TextTokenizer, TokenizerError,
};
use crate::jobs::CancelToken;

/// How a scripted model comes to its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// The prompt itself.
    Echo,
    /// A word of the prompt, from 1; from the end if negative. Empty where there is none.
    Word(isize),
    /// Always the same.
    Answer(String),
    /// The answer of the first entry whose first text occurs in the prompt, else nothing.
    Table(Vec<(String, String)>),
}

/// A deterministic generator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scripted {
    rule: Rule,
    delay: Duration,
    fails_at: Option<usize>,
    answered: usize,
}

/// What model names of this kind begin with.
pub const PREFIX: &str = "scripted:";

impl Scripted {
    /// A model that follows a rule at once and never fails.
    pub const fn new(rule: Rule) -> Self {
        Self { rule, delay: Duration::ZERO, fails_at: None, answered: 0 }
    }

    /// Waits so long before each answer.
    #[must_use]
    pub const fn with_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Fails at the answer of this number, from 1, and answers again after it.
    #[must_use]
    pub const fn failing_at(mut self, number: usize) -> Self {
        self.fails_at = Some(number);
        self
    }

    /// Reads a name: `scripted:echo`, `scripted:word=-1`, `scripted:answer=TEXT`, with `,delay=MILLISECONDS` and
    /// `,fail=NUMBER` after the rule.
    ///
    /// # Errors
    /// [`ModelError::Script`] with the part that is not understood.
    pub fn parse(name: &str) -> Result<Self, ModelError> {
        let script = name.strip_prefix(PREFIX).unwrap_or(name);
        let refuse = |part: &str| ModelError::Script { name: name.to_owned(), part: part.to_owned() };
        let mut parts = script.split(',');
        let rule = parts.next().unwrap_or_default();
        let rule = match rule.split_once('=') {
            None if rule == "echo" => Rule::Echo,
            Some(("word", number)) => Rule::Word(number.parse().map_err(|_| refuse(rule))?),
            Some(("answer", text)) => Rule::Answer(text.to_owned()),
            _ => return Err(refuse(rule)),
        };
        let mut model = Self::new(rule);
        for part in parts {
            match part.split_once('=').map(|(key, value)| (key, value.parse::<u32>())) {
                Some(("delay", Ok(value))) => model.delay = Duration::from_millis(u64::from(value)),
                Some(("fail", Ok(value))) if value > 0 => model.fails_at = Some(value as usize),
                _ => return Err(refuse(part)),
            }
        }
        Ok(model)
    }

    fn answer(&self, prompt: &str) -> String {
        match &self.rule {
            Rule::Echo => prompt.to_owned(),
            Rule::Word(number) => {
                let words: Vec<&str> = prompt.split_whitespace().collect();
                let place = match *number {
                    number if number > 0 => usize::try_from(number - 1).ok(),
                    number => words.len().checked_sub(number.unsigned_abs()),
                };
                place.and_then(|place| words.get(place)).map_or_else(String::new, |word| (*word).to_owned())
            }
            Rule::Answer(text) => text.clone(),
            Rule::Table(entries) => {
                let entry = entries.iter().find(|(text, _)| prompt.contains(text));
                entry.map_or_else(String::new, |(_, answer)| answer.clone())
            }
        }
    }
}

impl Generator for Scripted {
    fn generate(
        &mut self,
        cancel: &CancelToken,
        prompts: &[PromptInput<'_>],
        config: &GenerationConfig,
    ) -> Result<Vec<Generation>, ModelError> {
        config.validate()?;
        let mut generations = Vec::with_capacity(prompts.len());
        for (index, prompt) in prompts.iter().enumerate() {
            let start = Instant::now();
            cancel.check()?;
            while let Some(left) = self.delay.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
                std::thread::sleep(left.min(Duration::from_millis(10)));
                cancel.check()?;
            }
            self.answered += 1;
            if self.fails_at == Some(self.answered) {
                return Err(ModelError::ScriptedFailure { index });
            }
            let own =
                if prompt.tokens.is_empty() { CharacterTokenizer.encode(prompt.text)? } else { Vec::new() };
            let tokens = if prompt.tokens.is_empty() { &own } else { prompt.tokens };
            let answer = self.answer(&CharacterTokenizer.decode(tokens)?);
            let mut new = CharacterTokenizer.encode(&answer)?;
            let finish = if new.len() >= config.max_new_tokens {
                new.truncate(config.max_new_tokens);
                FinishReason::Length
            } else {
                FinishReason::EndOfSequence
            };
            let text = CharacterTokenizer.decode(&new)?;
            let hypothesis = Hypothesis { tokens: new, score: 0.0, finish };
            let prompt_tokens = tokens.len();
            let hypotheses = vec![hypothesis; config.beams];
            generations.push(Generation { text, hypotheses, prompt_tokens, counted: None });
        }
        generations.iter_mut().for_each(|generation| generation.cut_at_stop(config));
        Ok(generations)
    }
}

/// Characters as tokens, by their Unicode number.
#[derive(Debug, Clone, Copy, Default)]
pub struct CharacterTokenizer;

impl TextTokenizer for CharacterTokenizer {
    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        Ok(text.chars().map(u32::from).collect())
    }

    fn encode_start(&self, text: &str, limit: usize) -> Result<TextStart, TokenizerError> {
        let mut start = TextStart::default();
        for (at, char) in text.char_indices().take(limit) {
            start.ids.push(u32::from(char));
            start.ends.push(at + char.len_utf8());
        }
        start.complete = start.ends.last().copied().unwrap_or(0) == text.len();
        Ok(start)
    }

    fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        Ok(ids.iter().map(|&id| char::from_u32(id).unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
    }

    fn special_tokens(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(model: &mut Scripted, text: &str) -> Result<Generation, ModelError> {
        let config = GenerationConfig { max_new_tokens: 20, ..Default::default() };
        let mut all = model.generate(&CancelToken::new(), &[PromptInput { text, tokens: &[] }], &config)?;
        Ok(all.remove(0))
    }

    #[test]
    fn rules_answer_as_they_say() {
        for (name, answer) in [
            ("scripted:echo", "the red lämp"),
            ("scripted:word=2", "red"),
            ("scripted:word=-1", "lämp"),
            ("scripted:word=9", ""),
            ("scripted:word=-9", ""),
            ("scripted:answer=a: b=c", "a: b=c"),
        ] {
            let generation = ask(&mut Scripted::parse(name).unwrap(), "the red lämp").unwrap();
            assert_eq!(generation.text, answer, "{name}");
            assert_eq!((generation.prompt_tokens, generation.hypotheses.len()), (12, 4));
        }
        let table = Rule::Table(vec![("red".into(), "1".into()), ("the".into(), "2".into())]);
        let mut model = Scripted::new(table);
        assert_eq!(ask(&mut model, "the red lamp").unwrap().text, "1");
        assert_eq!(ask(&mut model, "the lamp").unwrap().text, "2");
        assert_eq!(ask(&mut model, "a lamp").unwrap().text, "");
    }

    #[test]
    fn answers_are_cut_at_the_limit() {
        let generation = ask(&mut Scripted::new(Rule::Echo), &"ab".repeat(20)).unwrap();
        assert_eq!((generation.new_tokens(), generation.best().unwrap().finish), (20, FinishReason::Length));
    }

    #[test]
    fn failures_come_when_they_are_due() {
        let mut model = Scripted::parse("scripted:echo,fail=2").unwrap();
        assert!(ask(&mut model, "a").is_ok());
        assert!(matches!(ask(&mut model, "b"), Err(ModelError::ScriptedFailure { index: 0 })));
        assert!(ask(&mut model, "c").is_ok());
    }

    #[test]
    fn waiting_ends_when_canceled() {
        let mut model = Scripted::parse("scripted:echo,delay=60000").unwrap();
        let cancel = CancelToken::new();
        let later = cancel.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            later.cancel();
        });
        let prompt = PromptInput { text: "a", tokens: &[] };
        let start = Instant::now();
        let result = model.generate(&cancel, &[prompt], &GenerationConfig::default());
        assert!(matches!(result, Err(ModelError::Canceled(_))));
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn nonsense_is_refused_with_the_part_that_is() {
        for (name, part) in [
            ("scripted:", ""),
            ("scripted:shout", "shout"),
            ("scripted:word=x", "word=x"),
            ("scripted:echo,fail=0", "fail=0"),
            ("scripted:echo,delay=-1", "delay=-1"),
        ] {
            match Scripted::parse(name) {
                Err(ModelError::Script { part: found, .. }) => assert_eq!(found, part, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}
