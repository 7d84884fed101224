//! The model's turn: prepared samples in batches of like length, equal prompts once.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use super::board::Board;
use super::budget::Budget;
use super::prepare::{Item, Question, Work};
use super::{Control, Phase, RunError, in_full};
use crate::jobs::{CancelToken, Progress};
use crate::model::gguf::GgufError;
use crate::model::{FinishReason, Generation, GenerationConfig, Generator, ModelError, PromptInput};
use crate::record::{CacheKey, CachedAnswer, EventKind, Finish, Prediction};

/// Prompts in a batch where the cell does not say.
pub(super) const BATCH: usize = 16;
/// How often whoever waits looks whether to go on.
const LOOK: Duration = Duration::from_millis(50);

/// What goes to the thread that stores.
pub(in crate::run) enum Message {
    /// Rows to be scored and stored together, with answers to be kept.
    Rows(Vec<Answered>),
    /// Something that a person should know.
    Event(EventKind, String),
}

/// A row with everything but its score, and the answer to be kept where the model just gave it.
pub(in crate::run) struct Answered {
    pub row: Prediction,
    pub keep: Option<(CacheKey, CachedAnswer)>,
}

/// Why no more is asked.
pub(in crate::run) enum Stop {
    /// Canceled, or nobody stores any more.
    Told,
    /// What the rest would cost is more than may be spent.
    Spent(String),
    /// The model cannot answer any prompt.
    Fatal(Box<ModelError>),
    /// The model panicked and cannot be trusted any more.
    Panicked(RunError),
}

pub(super) type Open = (Prediction, Question);

/// Answers that may not have reached the store when equal prompts were looked up there: the latest ones.
pub(super) struct Recent {
    answers: HashMap<CacheKey, CachedAnswer>,
    order: VecDeque<CacheKey>,
    bytes: usize,
    most: usize,
}

impl Recent {
    const MOST_BYTES: usize = 1 << 26;

    pub(super) fn get(&self, key: &CacheKey) -> Option<&CachedAnswer> {
        self.answers.get(key)
    }

    pub(super) fn put(&mut self, key: CacheKey, answer: CachedAnswer) {
        self.bytes += answer.raw.len();
        if self.answers.insert(key, answer).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > self.most || self.bytes > Self::MOST_BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.answers.remove(&oldest).map_or(0, |answer| answer.raw.len());
        }
    }
}

/// What the model's thread looks at between batches.
#[derive(Clone, Copy)]
pub(in crate::run) struct Watch<'a> {
    pub control: &'a Control,
    /// Canceled with the control's token, or when nobody stores any more.
    pub stop: &'a CancelToken,
    pub board: &'a Board<'a>,
}

/// Asks the model.
pub(in crate::run) struct Asker<'a> {
    /// `None` where a rule has answered already.
    pub(super) generator: Option<&'a mut (dyn Generator + Send + 'static)>,
    pub(super) config: &'a GenerationConfig,
    batch: usize,
    pub(super) watch: Watch<'a>,
    out: SyncSender<Message>,
    pub(super) recent: Recent,
    pub(super) budget: Option<Budget>,
}

impl<'a> Asker<'a> {
    /// `queue` is how many messages may wait for the thread that stores.
    pub(in crate::run) fn new(
        generator: Option<&'a mut (dyn Generator + Send + 'static)>,
        config: &'a GenerationConfig,
        batch: Option<usize>,
        watch: Watch<'a>,
        out: SyncSender<Message>,
        queue: usize,
        budget: Option<Budget>,
    ) -> Self {
        let batch = batch.unwrap_or(BATCH).max(1);
        // As many as can be asked between a look into the store and the turn of what was looked up: the windows and messages
        // under way.
        let most = 8192 + (queue + 2) * batch;
        let recent = Recent { answers: HashMap::new(), order: VecDeque::new(), bytes: 0, most };
        Self { generator, config, batch, watch, out, recent, budget }
    }

    /// Answers window after window until there are no more.
    pub(in crate::run) fn run(
        mut self,
        windows: Receiver<Vec<Item>>,
        progress: &Progress,
    ) -> ControlFlow<Stop> {
        if self.generator.as_ref().is_some_and(|generator| generator.answers_side_by_side()) {
            return self.side_by_side(&windows, progress);
        }
        let mut begun = false;
        loop {
            let items = match windows.recv_timeout(LOOK) {
                Ok(items) => items,
                Err(RecvTimeoutError::Disconnected) => return ControlFlow::Continue(()),
                Err(RecvTimeoutError::Timeout) => {
                    self.go_on()?;
                    if !begun {
                        self.show_preparing(progress);
                    }
                    continue;
                }
            };
            if !begun {
                begun = true;
                self.watch.board.set_phase(Phase::Answering);
            }
            self.window(items)?;
        }
    }

    /// Shows how much is encoded before the first samples are ready.
    pub(super) fn show_preparing(&self, progress: &Progress) {
        let reading = progress.read();
        if reading.total > 0 {
            self.watch.board.set_phase(Phase::Preparing { done: reading.done, total: reading.total });
        }
    }

    /// Waits while paused; breaks off if told to.
    fn go_on(&self) -> ControlFlow<Stop> {
        if self.watch.control.is_paused() && !self.watch.stop.is_canceled() {
            self.watch.board.set_phase(Phase::Paused);
            self.event(EventKind::Life, "Paused".to_owned())?;
            while self.watch.control.is_paused() && !self.watch.stop.is_canceled() {
                std::thread::sleep(LOOK);
            }
            self.watch.board.set_phase(Phase::Answering);
            self.event(EventKind::Life, "Went on after a pause".to_owned())?;
        }
        if self.watch.stop.is_canceled() { ControlFlow::Break(Stop::Told) } else { ControlFlow::Continue(()) }
    }

    pub(super) fn event(&self, kind: EventKind, text: String) -> ControlFlow<Stop> {
        self.send(Message::Event(kind, text))
    }

    pub(super) fn send(&self, message: Message) -> ControlFlow<Stop> {
        match self.out.send(message) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(Stop::Told),
        }
    }

    /// Answers the samples of one window. Of equal prompts the first is asked and the others follow it; should it fail, the
    /// next is asked.
    fn window(&mut self, items: Vec<Item>) -> ControlFlow<Stop> {
        let mut ready = Vec::new();
        let mut open = Vec::new();
        for Item { row, work } in items {
            match work {
                Work::Nothing => ready.push(Answered { row, keep: None }),
                Work::Ask(question) => open.push((row, question)),
            }
        }
        loop {
            let mut asked: Vec<(Prediction, Question)> = Vec::new();
            let mut followers: HashMap<CacheKey, Vec<(Prediction, Question)>> = HashMap::new();
            let mut leading = HashSet::new();
            for (row, mut question) in open {
                let found = question.found.take();
                let known = found.as_ref().or_else(|| self.recent.answers.get(question.key.as_ref()?));
                match (known, question.key) {
                    (Some(answer), _) => ready.push(followed(row, answer)),
                    (None, Some(key)) if !leading.insert(key) => {
                        followers.entry(key).or_default().push((row, question));
                    }
                    (None, _) => asked.push((row, question)),
                }
            }
            for part in chunks(ready, 4 * BATCH) {
                self.go_on()?;
                self.send(Message::Rows(part))?;
            }
            ready = Vec::new();
            // The longest first: want of memory shows at once.
            asked.sort_by_key(|(row, question)| (Reverse(question.tokens.len()), row.position));
            for batch in chunks(asked, self.batch) {
                self.go_on()?;
                self.batch(batch, &mut followers)?;
            }
            open = followers.into_values().flatten().collect();
            if open.is_empty() {
                return ControlFlow::Continue(());
            }
            open.sort_by_key(|(row, _)| row.position);
        }
    }

    /// Asks a batch; if it fails, each of its prompts alone.
    fn batch(
        &mut self,
        mut batch: Vec<(Prediction, Question)>,
        followers: &mut HashMap<CacheKey, Vec<(Prediction, Question)>>,
    ) -> ControlFlow<Stop> {
        let mut answered = Vec::with_capacity(batch.len());
        match self.ask(&batch)? {
            Ok((generations, model_ms)) => {
                for ((row, question), generation) in batch.into_iter().zip(generations) {
                    self.take(row, question, generation, model_ms, followers, &mut answered);
                }
            }
            Err(error) if batch.len() == 1 => {
                answered.extend(batch.pop().map(|(row, _)| failed(row, &error)));
            }
            Err(_) => {
                // One prompt may have spoiled it for the others.
                for one in batch {
                    self.go_on()?;
                    self.batch(vec![one], followers)?;
                }
            }
        }
        if !answered.is_empty() {
            self.send(Message::Rows(answered))?;
        }
        let notices = self.generator.as_mut().map_or_else(Vec::new, |generator| generator.take_notices());
        notices.iter().try_for_each(|notice| self.event(EventKind::Notice, notice.to_string()))
    }

    /// The model's answers, and the time each took, in milliseconds.
    fn ask(
        &mut self,
        batch: &[(Prediction, Question)],
    ) -> ControlFlow<Stop, Result<(Vec<Generation>, f64), ModelError>> {
        let prompts: Vec<PromptInput<'_>> = batch
            .iter()
            .map(|(row, question)| {
                let text = row.prompt.as_ref().and_then(|prompt| prompt.text.get(..question.read));
                PromptInput { text: text.unwrap_or_default(), tokens: &question.tokens }
            })
            .collect();
        let users: Vec<&str> = batch.iter().map(|(_, question)| question.user.as_str()).collect();
        let Some(generator) = &mut self.generator else { return ControlFlow::Break(Stop::Told) };
        let stop = self.watch.stop;
        let start = Instant::now();
        let result =
            catch_unwind(AssertUnwindSafe(|| generator.generate_for(stop, &prompts, &users, self.config)));
        let ms = start.elapsed().as_secs_f64() * 1e3 / batch.len() as f64;
        match result {
            Ok(Ok(generations)) if generations.len() == prompts.len() => {
                ControlFlow::Continue(Ok((generations, ms)))
            }
            Ok(Ok(generations)) => {
                let message = format!("{} answers to {} prompts", generations.len(), prompts.len());
                ControlFlow::Break(Stop::Panicked(RunError::Panicked { part: "the model", message }))
            }
            Ok(Err(ModelError::Canceled(_))) => ControlFlow::Break(Stop::Told),
            Ok(Err(error)) if is_fatal(&error) => ControlFlow::Break(Stop::Fatal(Box::new(error))),
            Ok(Err(error)) => ControlFlow::Continue(Err(error)),
            Err(payload) => ControlFlow::Break(Stop::Panicked(RunError::of_panic("the model", &*payload))),
        }
    }

    /// Puts an answer into its row, and into those of equal prompts.
    fn take(
        &mut self,
        mut row: Prediction,
        question: Question,
        generation: Generation,
        model_ms: f64,
        followers: &mut HashMap<CacheKey, Vec<(Prediction, Question)>>,
        answered: &mut Vec<Answered>,
    ) {
        let answer = answer_of(generation);
        row.model_ms = model_ms;
        fill(&mut row, &answer);
        let Some(key) = question.key else {
            answered.push(Answered { row, keep: None });
            return;
        };
        let others = followers.remove(&key).unwrap_or_default();
        self.recent.put(key, answer.clone());
        let others: Vec<Answered> = others.into_iter().map(|(row, _)| followed(row, &answer)).collect();
        answered.push(Answered { row, keep: Some((key, answer)) });
        answered.extend(others);
    }
}

/// What is kept of an answer.
pub(super) fn answer_of(generation: Generation) -> CachedAnswer {
    let finish = match generation.best().map(|best| best.finish) {
        Some(FinishReason::Length) => Finish::Length,
        Some(FinishReason::Stop) => Finish::Stop,
        Some(FinishReason::ContentFilter) => Finish::ContentFilter,
        Some(FinishReason::Refusal) => Finish::Refusal,
        Some(FinishReason::EndOfSequence) | None => Finish::End,
    };
    CachedAnswer {
        finish,
        prompt_tokens: generation.prompt_tokens as u32,
        new_tokens: generation.new_tokens() as u32,
        estimated: generation.is_estimated(),
        raw: generation.text,
    }
}

pub(super) fn fill(row: &mut Prediction, answer: &CachedAnswer) {
    row.raw.clone_from(&answer.raw);
    row.finish = answer.finish;
    row.prompt_tokens = answer.prompt_tokens;
    row.new_tokens = answer.new_tokens;
    row.estimated = answer.estimated;
}

/// A row with an answer that the model gave to an equal prompt.
pub(super) fn followed(mut row: Prediction, answer: &CachedAnswer) -> Answered {
    fill(&mut row, answer);
    row.cached = true;
    Answered { row, keep: None }
}

pub(super) fn failed(mut row: Prediction, error: &ModelError) -> Answered {
    row.error = Some(in_full(error));
    Answered { row, keep: None }
}

/// Whether every prompt would fail in the same way.
pub(super) fn is_fatal(error: &ModelError) -> bool {
    match error {
        ModelError::GenerationSetting { .. } | ModelError::Device { .. } | ModelError::Precision { .. } => {
            true
        }
        ModelError::Gguf(error) => matches!(**error, GgufError::Beams { .. }),
        ModelError::Endpoint(error) => error.is_for_all(),
        _ => false,
    }
}

/// A list in parts of at most `most`.
pub(super) fn chunks<T>(list: Vec<T>, most: usize) -> impl Iterator<Item = Vec<T>> {
    let mut rest = list.into_iter();
    std::iter::from_fn(move || {
        let part: Vec<T> = rest.by_ref().take(most).collect();
        (!part.is_empty()).then_some(part)
    })
}
