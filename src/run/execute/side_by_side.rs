//! A model that answers many prompts side by side: what one window asks is under way while the next is prepared, each answer is stored
//! when it is there, and a slow one holds up no other.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use super::ask::{Answered, Asker, BATCH, Open, Stop, answer_of, chunks, failed, fill, followed};
use super::prepare::{Item, Work};
use super::{Phase, RunError};
use crate::jobs::Progress;
use crate::model::{Desk, Generation, Handed, ModelError, OwnedPrompt, Traffic};
use crate::record::{CacheKey, EventKind};

/// The most samples that wait for the answer to an equal prompt before no more are taken on.
const MOST_FOLLOWERS: usize = 2048;
/// The most events of the endpoint's that are told of a run.
const TOLD: usize = 100;

impl Asker<'_> {
    /// Answers window after window until there are no more, many at once.
    pub(super) fn side_by_side(
        mut self,
        windows: &Receiver<Vec<Item>>,
        progress: &Progress,
    ) -> ControlFlow<Stop> {
        let Some(generator) = self.generator.take() else { return ControlFlow::Break(Stop::Told) };
        let (config, stop) = (self.config, self.watch.stop);
        let mut at = AtWork {
            asker: self,
            windows,
            progress,
            begun: false,
            rested: false,
            waiting: VecDeque::new(),
            under_way: HashMap::new(),
            followers: HashMap::new(),
            following: 0,
            number: 0,
            told: 0,
            ended: None,
        };
        let result = catch_unwind(AssertUnwindSafe(|| generator.answer_all(stop, config, &mut at)));
        if let Some(ended) = at.ended {
            return ControlFlow::Break(ended);
        }
        match result {
            Ok(Ok(())) => ControlFlow::Continue(()),
            Ok(Err(ModelError::Canceled(_))) => ControlFlow::Break(Stop::Told),
            Ok(Err(error)) => ControlFlow::Break(Stop::Fatal(Box::new(error))),
            Err(payload) => ControlFlow::Break(Stop::Panicked(RunError::of_panic("the model", &*payload))),
        }
    }
}

/// The samples between preparation and store.
struct AtWork<'a, 'w> {
    asker: Asker<'a>,
    windows: &'w Receiver<Vec<Item>>,
    progress: &'w Progress,
    begun: bool,
    /// Whether someone lets it rest, and that was told.
    rested: bool,
    /// Prepared and not asked yet.
    waiting: VecDeque<Open>,
    /// Asked, with what each may cost.
    under_way: HashMap<u64, (Open, f64)>,
    /// By the key of a prompt that is under way or waits: others that are equal to it.
    followers: HashMap<CacheKey, Vec<Open>>,
    following: usize,
    number: u64,
    told: usize,
    ended: Option<Stop>,
}

impl AtWork<'_, '_> {
    fn end(&mut self, stop: Stop) -> Handed {
        self.ended.get_or_insert(stop);
        Handed::NoMore
    }

    /// Takes on a window: what has its answer goes to the store, of equal prompts the first is asked.
    fn take_on(&mut self, items: Vec<Item>) -> ControlFlow<Stop> {
        let mut ready = Vec::new();
        for Item { row, work } in items {
            match work {
                Work::Nothing => ready.push(Answered { row, keep: None }),
                Work::Ask(question) => self.sort_in((row, question), &mut ready),
            }
        }
        chunks(ready, 4 * BATCH).try_for_each(|part| self.asker.send(super::ask::Message::Rows(part)))
    }

    fn sort_in(&mut self, (row, mut question): Open, ready: &mut Vec<Answered>) {
        let found = question.found.take();
        let known = found.as_ref().or_else(|| self.asker.recent.get(question.key.as_ref()?));
        match (known, question.key) {
            (Some(answer), _) => ready.push(followed(row, answer)),
            (None, Some(key)) => match self.followers.get_mut(&key) {
                Some(others) => {
                    others.push((row, question));
                    self.following += 1;
                }
                None => {
                    self.followers.insert(key, Vec::new());
                    self.waiting.push_back((row, question));
                }
            },
            (None, None) => self.waiting.push_back((row, question)),
        }
    }

    /// What a question may cost at most; nothing where no price is known.
    fn most(&self, (_, question): &Open) -> f64 {
        let written = self.asker.config.max_new_tokens as u64;
        self.asker.budget.as_ref().map_or(0.0, |budget| budget.most(question.tokens.len() as u64, written))
    }

    fn answered(
        &mut self,
        (mut row, question): Open,
        generation: Generation,
        took: Duration,
    ) -> Vec<Answered> {
        let answer = answer_of(generation);
        row.model_ms = took.as_secs_f64() * 1e3;
        fill(&mut row, &answer);
        let Some(key) = question.key else { return vec![Answered { row, keep: None }] };
        let others = self.followers.remove(&key).unwrap_or_default();
        self.following -= others.len();
        self.asker.recent.put(key, answer.clone());
        let others: Vec<Answered> = others.into_iter().map(|(row, _)| followed(row, &answer)).collect();
        let mut rows = vec![Answered { row, keep: Some((key, answer)) }];
        rows.extend(others);
        rows
    }
}

impl Desk for AtWork<'_, '_> {
    fn next(&mut self) -> Handed {
        if self.asker.watch.stop.is_canceled() {
            return self.end(Stop::Told);
        }
        while self.waiting.is_empty() && self.following < MOST_FOLLOWERS {
            match self.windows.try_recv() {
                Ok(items) => {
                    if !self.begun {
                        self.begun = true;
                        self.asker.watch.board.set_phase(Phase::Answering);
                    }
                    if let ControlFlow::Break(stop) = self.take_on(items) {
                        return self.end(stop);
                    }
                }
                // One that failed leaves its followers to be asked.
                Err(TryRecvError::Disconnected) if self.under_way.is_empty() => return Handed::NoMore,
                Err(_) => return Handed::NothingYet,
            }
        }
        let Some(open) = self.waiting.pop_front() else { return Handed::NothingYet };
        let most = self.most(&open);
        if let Some(budget) = &mut self.asker.budget {
            if !budget.allows(most) {
                let reason = budget.reason(most);
                self.waiting.push_front(open);
                // What is under way may cost less than was set aside for it.
                return if self.under_way.is_empty() {
                    self.end(Stop::Spent(reason))
                } else {
                    Handed::NothingYet
                };
            }
            budget.reserve(most);
        }
        let (row, question) = &open;
        let text = row.prompt.as_ref().and_then(|prompt| prompt.text.get(..question.read));
        let (text, tokens) = (text.unwrap_or_default().to_owned(), question.tokens.clone());
        self.number += 1;
        let number = self.number;
        self.under_way.insert(number, (open, most));
        Handed::Prompt(OwnedPrompt { number, text, tokens })
    }

    fn take(
        &mut self,
        number: u64,
        answer: Result<Generation, ModelError>,
        took: Duration,
    ) -> ControlFlow<()> {
        let Some((open, most)) = self.under_way.remove(&number) else { return ControlFlow::Continue(()) };
        if let Some(budget) = &mut self.asker.budget {
            let (read, written) = answer
                .as_ref()
                .map_or((0, 0), |answer| (answer.prompt_tokens as u64, answer.new_tokens() as u64));
            budget.settle(most, read, written);
        }
        let rows = match answer {
            Ok(generation) => self.answered(open, generation, took),
            Err(error) => {
                let (row, question) = open;
                // What failed for one may succeed for the next that is equal.
                if let Some(others) = question.key.and_then(|key| self.followers.remove(&key)) {
                    self.following -= others.len();
                    let mut ready = Vec::new();
                    others.into_iter().for_each(|other| self.sort_in(other, &mut ready));
                }
                vec![failed(row, &error)]
            }
        };
        match self.asker.send(super::ask::Message::Rows(rows)) {
            ControlFlow::Continue(()) => ControlFlow::Continue(()),
            ControlFlow::Break(stop) => {
                self.ended.get_or_insert(stop);
                ControlFlow::Break(())
            }
        }
    }

    fn rests(&self) -> bool {
        self.asker.watch.control.is_paused()
    }

    fn show(&mut self, traffic: &Traffic) {
        let board = self.asker.watch.board;
        if !self.begun {
            self.asker.show_preparing(self.progress);
        }
        let paused = self.rests();
        if paused != self.rested {
            self.rested = paused;
            board.set_phase(if paused { Phase::Paused } else { Phase::Answering });
            let text = if paused { "Paused" } else { "Went on after a pause" };
            // Whoever does not listen any more is noticed with the next answer.
            let _ = self.asker.event(EventKind::Life, text.to_owned());
        }
        board.set_traffic(traffic, self.asker.budget.as_ref().map(super::budget::Budget::cost));
    }

    fn tell(&mut self, notice: String) {
        self.told += 1;
        if self.told <= TOLD {
            let _ = self.asker.event(EventKind::Notice, notice);
        }
    }
}
