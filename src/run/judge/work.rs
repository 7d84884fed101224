//! Verdicts asked for and stored: prompts are made ahead, the judge answers, and each verdict is stored as it comes.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::cases::Cases;
use super::{Judge, JudgeError, reading};
use crate::jobs::{CancelToken, Progress};
use crate::model::{LoadOptions, LoadedModel, ModelError, TextTokenizer};
use crate::record::{
    CacheKey, CachedAnswer, EventKind, JudgeMethod, JudgingRecord, Prediction, Prices, PromptText, RunId,
    RunRecord, Verdict, answers_key,
};
use crate::run::execute::ask::{Answered, Asker, Message, Stop, Watch};
use crate::run::execute::board::Board;
use crate::run::execute::budget::Budget;
use crate::run::execute::prepare::{Item, Question, Work, key};
use crate::run::execute::{CancelOnDrop, load_or_leave};
use crate::run::{CellModel, Control, Phase, RunError, Settings, in_full};
use crate::store::{Reader, Store, StoreError};

/// Prompts that are made together.
const WINDOW: usize = 64;
/// Messages that wait for whoever stores.
const MESSAGES: usize = 64;
/// How long verdicts of a model of this machine wait for others before they are stored.
const WAIT: Duration = Duration::from_millis(100);
/// Failures that are told as events; all are told in their rows.
const TOLD: usize = 20;

/// What became of a judging.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// As it is stored now.
    pub judging: JudgingRecord,
    /// Why it ended early, if it did.
    pub reason: Option<String>,
    /// Whether someone canceled it.
    pub canceled: bool,
}

/// What steers the asking, and where it shows.
struct How<'a> {
    settings: Settings,
    control: &'a Control,
    board: &'a Board<'a>,
}

/// How asking ended, if nothing broke.
enum Ended {
    Answered,
    Canceled,
    Early(String),
}

impl Judge {
    /// Asks for what is missing of the cases and stores it. What is stored is not asked again, so that doing it again goes on.
    ///
    /// # Errors
    /// Where another program works on it, the judge cannot be asked, or the store cannot be used. What was stored before stays.
    pub fn judge(
        &mut self,
        store: &mut Store,
        cases: &Cases,
        settings: Settings,
        control: &Control,
    ) -> Result<Judged, JudgeError> {
        let runs: Vec<RunId> = cases.runs.iter().map(|run| run.id).collect();
        let judging = store.plan_judging(&self.spec(&cases.runs), &runs, cases.len() as u64)?;
        let _claim = store.claim_judging(&judging)?;
        if !self.together.contains(&judging.id) {
            self.together.push(judging.id);
        }
        store.save_verdicts(judging.id, &cases.without_asking(), &[])?;
        let missing = self.missing(&store.reader()?, cases, Some(&judging), settings.retry_failed)?;
        let of = cases.len() as u64 * self.template.method().turns();
        let first = cases.runs.first().map_or(RunId(0), |run| run.id);
        let task = cases.runs.first().map_or(crate::lamp::Task::Lamp4, |run| run.spec.dataset.task);
        let board = Board::new(control.latest(), first, task, of);
        (0..of.saturating_sub(missing.len() as u64))
            .for_each(|_| board.add_earlier(&Prediction::unanswered(0, String::new(), 0)));
        let mut ended = Ended::Answered;
        if !missing.is_empty() {
            let begun = format!(
                "{} judging by {}, template {}: begun with {} of {of} verdicts stored",
                self.template.method().id(),
                self.name(),
                self.template.prompt().name,
                of - missing.len() as u64,
            );
            cases.runs.iter().try_for_each(|run| store.log(Some(run.id), EventKind::Life, &begun))?;
            ended = self.ask(store, cases, &judging, &missing, How { settings, control, board: &board })?;
        }
        let (reason, canceled) = match ended {
            Ended::Answered => (None, false),
            Ended::Canceled => (None, true),
            Ended::Early(reason) => (Some(reason), false),
        };
        if let Some(reason) = &reason {
            let text = format!("Judging by {} ended: {reason}", self.name());
            store.log(Some(first), EventKind::Failure, &text)?;
        }
        let now = store.reader()?.judging_of_key(&judging.key)?;
        Ok(Judged { judging: now.unwrap_or(judging), reason, canceled })
    }

    fn ask(
        &mut self,
        store: &mut Store,
        cases: &Cases,
        judging: &JudgingRecord,
        missing: &[(u32, u8)],
        How { settings, control, board }: How<'_>,
    ) -> Result<Ended, JudgeError> {
        let stop = &control.cancel().child();
        let budget = self.budget(store, judging, settings)?;
        let mut loaded = match self.load(stop) {
            Err(RunError::Canceled(_)) => return Ok(Ended::Canceled),
            other => other?,
        };
        let tokenizer = loaded.tokenizer.clone();
        let generation = serde_json::to_value(&self.generation).unwrap_or_default();
        let keys = settings.use_cache.then(|| {
            Sha256::new_with_prefix(answers_key(env!("CARGO_PKG_VERSION"), &self.spec, &generation))
        });
        let makers = Maker { judge: &self.template, cases, tokenizer: &*tokenizer, keys, stop };
        let reader = store.reader()?;
        let side_by_side = loaded.generator.answers_side_by_side();
        let (windows, to_ask) = sync_channel(1);
        let (answered, to_store) = sync_channel(MESSAGES);
        let watch = Watch { control, stop, board };
        let asker = Asker::new(
            Some(&mut *loaded.generator),
            &self.generation,
            self.batch,
            watch,
            answered,
            MESSAGES,
            budget,
        );
        let storing = Storing {
            store,
            judging,
            runs: &cases.runs,
            method: self.template.method(),
            places: missing,
            wait: if side_by_side { Duration::ZERO } else { WAIT },
            most_failures: settings.max_failures_in_a_row,
            board,
            next: Next::default(),
        };
        let (asked, made, stored) = thread::scope(|scope| {
            let making = thread::Builder::new()
                .name("prepare".into())
                .spawn_scoped(scope, move || makers.run(&reader, missing, &windows));
            let storing = thread::Builder::new().name("store".into()).spawn_scoped(scope, move || {
                let _ended = CancelOnDrop(stop);
                storing.run(&to_store)
            });
            let (making, storing) = match (making, storing) {
                (Ok(making), Ok(storing)) => (making, storing),
                (Err(source), _) | (_, Err(source)) => {
                    stop.cancel();
                    return Err(RunError::Threads { source });
                }
            };
            let asked = asker.run(to_ask, &Progress::new());
            Ok((asked, making.join(), storing.join()))
        })?;
        let stored = stored.map_err(|payload| RunError::of_panic("storing", &*payload))??;
        made.map_err(|payload| RunError::of_panic("making prompts", &*payload))??;
        // One that panicked cannot be trusted any more.
        if !matches!(asked, ControlFlow::Break(Stop::Panicked(_))) {
            self.loaded = Some(loaded);
        }
        if let Some(reason) = stored {
            return Ok(Ended::Early(reason));
        }
        match asked {
            ControlFlow::Break(Stop::Fatal(source)) => {
                Err(RunError::Model { model: self.spec.name.clone(), source }.into())
            }
            ControlFlow::Break(Stop::Panicked(error)) => Err(error.into()),
            ControlFlow::Break(Stop::Spent(reason)) => Ok(Ended::Early(reason)),
            ControlFlow::Break(Stop::Told) | ControlFlow::Continue(()) => {
                Ok(if control.cancel().is_canceled() { Ended::Canceled } else { Ended::Answered })
            }
        }
    }

    /// The model, loaded unless it is there.
    fn load(&mut self, stop: &CancelToken) -> Result<LoadedModel, RunError> {
        if let Some(loaded) = self.loaded.take() {
            return Ok(loaded);
        }
        let name = || self.spec.name.clone();
        let CellModel::Load { path, options } = &self.model else {
            return Err(RunError::NoPrompt { model: name() });
        };
        load_or_leave(path, options, stop)?.map_err(|source| match source {
            ModelError::Canceled(canceled) => RunError::Canceled(canceled),
            source => RunError::Model { model: name(), source: Box::new(source) },
        })
    }

    /// What may be spent, where the judge has a price; the store keeps the price.
    fn budget(
        &self,
        store: &mut Store,
        judging: &JudgingRecord,
        settings: Settings,
    ) -> Result<Option<Budget>, JudgeError> {
        let CellModel::Load { options: LoadOptions { endpoint: Some(endpoint), .. }, .. } = &self.model
        else {
            return Ok(None);
        };
        let endpoint = &endpoint.settings;
        if endpoint.price_in.is_none() && endpoint.price_out.is_none() {
            return Ok(None);
        }
        let input = endpoint.price_in.unwrap_or_default();
        let prices = Prices { input, output: endpoint.price_out.unwrap_or_default() };
        store.set_judging_prices(judging.id, Some(prices))?;
        let cost = |judging: &JudgingRecord| {
            prices.cost(judging.totals.asked_prompt_tokens, judging.totals.asked_new_tokens)
        };
        let all = store.reader()?.judgings()?;
        let spent = all.iter().filter(|other| self.together.contains(&other.id)).map(cost).sum();
        let limit = settings.spending_limit.or(endpoint.spending_limit);
        Ok(Some(Budget::new(prices, limit, spent, cost(judging))))
    }
}

/// Makes prompts ahead of the judge.
struct Maker<'a> {
    judge: &'a super::JudgeTemplate,
    cases: &'a Cases,
    tokenizer: &'a dyn TextTokenizer,
    keys: Option<Sha256>,
    stop: &'a CancelToken,
}

impl Maker<'_> {
    fn run(
        &self,
        reader: &Reader,
        places: &[(u32, u8)],
        out: &SyncSender<Vec<Item>>,
    ) -> Result<(), StoreError> {
        for (window, places) in places.chunks(WINDOW).enumerate() {
            let mut items = Vec::with_capacity(places.len());
            for (at, &(position, turn)) in places.iter().enumerate() {
                if self.stop.is_canceled() {
                    return Ok(());
                }
                // A row is known by its place among what is missing until it is a verdict.
                let number = (window * WINDOW + at) as u32;
                items.push(self.item(reader, number, position, turn)?);
            }
            if out.send(items).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn item(&self, reader: &Reader, number: u32, position: u32, turn: u8) -> Result<Item, StoreError> {
        let (id, text) = self.cases.text(reader, self.judge, position, turn)?;
        let mut row = Prediction::unanswered(number, id, 0);
        let encoded = text.and_then(|text| {
            let tokens = self.tokenizer.encode(&text).map_err(|error| in_full(&error))?;
            Ok((text, tokens))
        });
        let work = match encoded {
            Ok((text, tokens)) => {
                let key = self.keys.clone().map(|keys| key(keys, &tokens, &text));
                let found = match &key {
                    Some(key) => reader.answer(key)?,
                    None => None,
                };
                let read = text.len();
                row.prompt_tokens = tokens.len() as u32;
                row.prompt = Some(PromptText { text, report: String::new() });
                Work::Ask(Question { read, tokens, user: String::new(), key, found })
            }
            Err(error) => {
                row.error = Some(error);
                Work::Nothing
            }
        };
        Ok(Item { row, work })
    }
}

/// Reads and stores what comes in.
struct Storing<'a> {
    store: &'a mut Store,
    judging: &'a JudgingRecord,
    runs: &'a [RunRecord],
    method: JudgeMethod,
    places: &'a [(u32, u8)],
    wait: Duration,
    most_failures: usize,
    board: &'a Board<'a>,
    next: Next,
}

/// What is stored next.
#[derive(Default)]
struct Next {
    rows: Vec<Prediction>,
    answers: Vec<(CacheKey, CachedAnswer)>,
    since: Option<Instant>,
    /// Failures that nothing but failures came after: what ends the work if they grow too many.
    held: Vec<Prediction>,
    told: usize,
}

impl Storing<'_> {
    /// Stores until nothing more comes. Gives why the work cannot go on where the judge failed too often in a row; those failures
    /// are not stored, so that they are tried again.
    fn run(mut self, messages: &Receiver<Message>) -> Result<Option<String>, StoreError> {
        loop {
            let wait = self.next.since.map_or(WAIT, |since| self.wait.saturating_sub(since.elapsed()));
            match messages.recv_timeout(wait) {
                Ok(Message::Event(kind, text)) => self.tell(kind, &text)?,
                Ok(Message::Rows(rows)) => {
                    for Answered { row, keep } in rows {
                        self.next.answers.extend(keep);
                        if row.error.is_some() && self.most_failures > 0 {
                            self.next.held.push(row);
                            if self.next.held.len() >= self.most_failures {
                                self.save()?;
                                return Ok(Some(self.failures()));
                            }
                            continue;
                        }
                        self.next.since.get_or_insert_with(Instant::now);
                        let Next { rows, held, .. } = &mut self.next;
                        rows.append(held);
                        rows.push(row);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let Next { rows, held, .. } = &mut self.next;
                    rows.append(held);
                    self.save()?;
                    self.board.set_phase(Phase::Finishing);
                    return Ok(None);
                }
            }
            if self.next.since.is_some_and(|since| since.elapsed() >= self.wait) {
                self.save()?;
            }
        }
    }

    fn save(&mut self) -> Result<(), StoreError> {
        let Next { rows, answers, since, told, .. } = &mut self.next;
        *since = None;
        if rows.is_empty() && answers.is_empty() {
            return Ok(());
        }
        let verdicts: Vec<Verdict> =
            rows.iter().filter_map(|row| verdict(self.method, row, self.places)).collect();
        self.store.save_verdicts(self.judging.id, &verdicts, answers)?;
        self.board.add(rows);
        let failed =
            rows.iter().filter_map(|row| Some(format!("Sample {}: {}", row.sample_id, row.error.as_ref()?)));
        let failed: Vec<String> = failed.take(TOLD.saturating_sub(*told)).collect();
        *told += failed.len();
        rows.clear();
        answers.clear();
        failed.iter().try_for_each(|text| self.tell(EventKind::Failure, text))
    }

    fn failures(&self) -> String {
        let count = self.next.held.len();
        let last = self.next.held.last().and_then(|row| row.error.as_deref()).unwrap_or_default();
        format!("the judge failed {count} times in a row, the last time because {last}")
    }

    fn tell(&mut self, kind: EventKind, text: &str) -> Result<(), StoreError> {
        let run = self.runs.first().map(|run| run.id);
        self.store.log(run, kind, &format!("Judging by {}: {text}", self.judging.spec.model.name))
    }
}

/// What an answered row says.
fn verdict(method: JudgeMethod, row: &Prediction, places: &[(u32, u8)]) -> Option<Verdict> {
    let &(position, turn) = places.get(row.position as usize)?;
    let read = || reading::read(method, &row.raw);
    Some(Verdict {
        position,
        turn,
        sample_id: row.sample_id.clone(),
        raw: row.raw.clone(),
        reading: if row.error.is_none() { read() } else { None },
        finish: row.finish,
        prompt_tokens: row.prompt_tokens,
        new_tokens: row.new_tokens,
        estimated: row.estimated,
        cached: row.cached,
        error: row.error.clone(),
    })
}
