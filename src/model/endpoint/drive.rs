//! Many requests side by side: sent as the pace allows, tried again where that helps, and dropped at once when canceled.
//!
//! All of it happens on the caller's thread, which waits for the network between two looks at who hands out work.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Url;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::client::{Client, Fault};
use super::pace::{Limits, Pace, Turn, backoff};
use super::wire::NoAnswer;
use super::{Endpoint, EndpointError, Secret};
use crate::jobs::{CancelToken, Canceled};
use crate::model::{Held, Traffic};

/// The longest wait between two looks at new work and at whether to go on.
const LOOK: Duration = Duration::from_millis(15);
/// How often the traffic is shown.
const SHOW: Duration = Duration::from_millis(100);
/// Kinds of failures that are counted one by one; those beyond are counted together.
const KINDS: usize = 8;

/// One question, to be asked until it is answered.
pub(super) struct Question {
    pub number: u64,
    pub body: Vec<u8>,
    /// About how many tokens it takes, those of the answer included.
    pub tokens: usize,
}

/// What work there is.
pub(super) enum Work {
    Ask(Question),
    NothingYet,
    NoMore,
}

/// Hands out questions and takes answers.
pub(super) trait Counter<T> {
    fn next(&mut self) -> Work;
    fn take(&mut self, number: u64, answer: Result<T, EndpointError>, took: Duration) -> ControlFlow<()>;
    /// Tokens that an answer took.
    fn tokens(&self, answer: &T) -> Option<usize>;
    fn rests(&self) -> bool;
    fn show(&mut self, traffic: &Traffic);
    fn tell(&mut self, notice: String);
}

/// Why no more is asked.
pub(super) enum Ended {
    Canceled(Canceled),
    Failed(EndpointError),
}

/// Asks one endpoint, with one pace for all that is asked of it.
pub(super) struct Driver {
    /// `None` only while it goes.
    runtime: Option<Runtime>,
    client: Client,
    pace: Pace,
    begun: Instant,
    attempts: u32,
    traffic: Traffic,
    /// What came of the last request that failed.
    last: String,
}

/// A question on its way.
struct Asked {
    question: Question,
    failures: u32,
    /// Answers to others when it was first sent.
    answers: Option<u64>,
}

impl Driver {
    pub(super) fn new(name: &str, endpoint: &Endpoint) -> Result<Self, EndpointError> {
        Self::with_key(name, endpoint, None)
    }

    /// With a key in the place of the one that the settings name.
    pub(super) fn with_key(
        name: &str,
        endpoint: &Endpoint,
        key: Option<&Secret>,
    ) -> Result<Self, EndpointError> {
        let client = Client::new(name, endpoint, key)?;
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| EndpointError::Client {
            endpoint: name.to_owned(),
            reason: error.to_string(),
        })?;
        let pace = Pace::new(Limits {
            concurrency: endpoint.concurrency,
            requests_per_minute: endpoint.requests_per_minute,
            tokens_per_minute: endpoint.tokens_per_minute,
            give_up_after: Duration::from_secs(endpoint.give_up_after),
        });
        let (begun, attempts) = (Instant::now(), endpoint.attempts);
        Ok(Self {
            runtime: Some(runtime),
            client,
            pace,
            begun,
            attempts,
            traffic: Traffic::default(),
            last: String::new(),
        })
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Waits for one future, or until canceled.
    pub(super) fn wait<T>(
        &self,
        cancel: &CancelToken,
        future: impl Future<Output = T>,
    ) -> Result<T, Canceled> {
        let Some(runtime) = &self.runtime else { return Err(Canceled) };
        runtime.block_on(async {
            let mut future = std::pin::pin!(future);
            loop {
                match tokio::time::timeout(LOOK, &mut future).await {
                    Ok(value) => return Ok(value),
                    Err(_) => cancel.check()?,
                }
            }
        })
    }

    /// Asks all that the counter hands out, at one address.
    pub(super) fn run<T: Send + 'static>(
        &mut self,
        cancel: &CancelToken,
        url: &Url,
        read: impl Fn(&Question, &[u8]) -> Result<T, NoAnswer> + Send + Sync + 'static,
        counter: &mut dyn Counter<T>,
    ) -> Result<(), Ended> {
        let Some(runtime) = self.runtime.take() else { return Err(Ended::Canceled(Canceled)) };
        let ended = runtime.block_on(self.all(cancel, url, Arc::new(read), counter));
        self.runtime = Some(runtime);
        // Whatever was under way has been dropped.
        self.pace.dropped();
        self.traffic.under_way = 0;
        self.traffic.held = None;
        counter.show(&self.traffic);
        ended
    }

    async fn all<T: Send + 'static>(
        &mut self,
        cancel: &CancelToken,
        url: &Url,
        read: Arc<impl Fn(&Question, &[u8]) -> Result<T, NoAnswer> + Send + Sync + 'static>,
        counter: &mut dyn Counter<T>,
    ) -> Result<(), Ended> {
        let mut under_way = JoinSet::new();
        // What is tried again, by when; the number tells apart what is due at once.
        let mut again: BTreeMap<(Duration, u64), Asked> = BTreeMap::new();
        let mut next: Option<Asked> = None;
        let mut no_more = false;
        let mut shown = Duration::ZERO;
        let mut told_broken = false;
        loop {
            cancel.check().map_err(Ended::Canceled)?;
            let mut look = LOOK;
            while !counter.rests() {
                let now = self.now();
                if next.is_none() && again.first_key_value().is_some_and(|((due, _), _)| *due <= now) {
                    next = again.pop_first().map(|(_, asked)| asked);
                }
                if next.is_none() && !no_more {
                    match counter.next() {
                        Work::Ask(question) => {
                            next = Some(Asked { question, failures: 0, answers: None });
                        }
                        Work::NothingYet => {}
                        Work::NoMore => no_more = true,
                    }
                }
                let Some(mut asked) = next.take() else {
                    if let Some(((due, _), _)) = again.first_key_value() {
                        look = look.min(due.saturating_sub(now));
                    }
                    break;
                };
                match self.pace.turn(now, asked.question.tokens) {
                    Turn::Now => {
                        self.pace.sent(now, asked.question.tokens);
                        self.traffic.sent += 1;
                        self.traffic.retries += u64::from(asked.answers.is_some());
                        asked.answers.get_or_insert(self.pace.answers());
                        let (client, url, read) = (self.client.clone(), url.clone(), Arc::clone(&read));
                        under_way.spawn(async move {
                            let start = Instant::now();
                            let body = asked.question.body.clone();
                            let answer = client.post(url, body, |body| read(&asked.question, body)).await;
                            (asked, now, start.elapsed(), answer)
                        });
                    }
                    Turn::At(at) => {
                        look = look.min(at.saturating_sub(now));
                        next = Some(asked);
                        break;
                    }
                    Turn::Later => {
                        next = Some(asked);
                        break;
                    }
                }
            }
            if no_more && under_way.is_empty() && again.is_empty() && next.is_none() {
                return Ok(());
            }
            // A wait of no time would turn in circles where a due one may not go.
            let look = look.max(Duration::from_millis(1));
            let mut came = match under_way.is_empty() {
                true => {
                    tokio::time::sleep(look).await;
                    None
                }
                false => tokio::time::timeout(look, under_way.join_next()).await.ok().flatten(),
            };
            while let Some(joined) = came {
                let (asked, sent, took, answer) = joined.map_err(|error| {
                    let endpoint = self.client.name().to_owned();
                    Ended::Failed(EndpointError::Client { endpoint, reason: error.to_string() })
                })?;
                self.back(asked, sent, took, answer, &mut again, counter)?;
                came = under_way.try_join_next();
            }
            let now = self.now();
            if self.pace.is_broken() != told_broken {
                told_broken = !told_broken;
                counter.tell(match told_broken {
                    true => format!(
                        "The endpoint {} answers no more, so that nothing is sent but a look now and then; last: {}",
                        self.client.name(),
                        self.last
                    ),
                    false => format!("The endpoint {} answers again", self.client.name()),
                });
            }
            if now >= shown + SHOW {
                shown = now;
                self.traffic.under_way = self.pace.under_way();
                self.traffic.allowed = self.pace.allowed();
                let held = self.pace.held_until(now);
                self.traffic.held = held.map(|until| Held {
                    seconds: until.saturating_sub(now).as_secs_f64().round() as u64,
                    broken: self.pace.is_broken(),
                    said: self.last.clone(),
                });
                counter.show(&self.traffic);
            }
        }
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// What follows when a request is back.
    fn back<T>(
        &mut self,
        mut asked: Asked,
        sent: Duration,
        took: Duration,
        answer: Result<T, Fault>,
        again: &mut BTreeMap<(Duration, u64), Asked>,
        counter: &mut dyn Counter<T>,
    ) -> Result<(), Ended> {
        let now = self.now();
        let endpoint = || self.client.name().to_owned();
        let number = asked.question.number;
        let (said, wait) = match answer {
            Ok(answer) => {
                let took_tokens = counter.tokens(&answer).unwrap_or(asked.question.tokens);
                self.pace.answered(now, asked.question.tokens as isize - took_tokens as isize);
                return handed(counter.take(number, Ok(answer), took));
            }
            Err(Fault::Lasting(error)) => {
                self.pace.heard();
                if error.is_for_all() {
                    return Err(Ended::Failed(error));
                }
                return handed(counter.take(number, Err(error), took));
            }
            Err(Fault::Limited { said, wait }) => {
                self.pace.limited(now, sent, wait);
                (said, wait)
            }
            Err(Fault::Passing { said, wait, overloaded }) => {
                asked.failures += 1;
                self.pace.failed(now, sent, overloaded, wait);
                // Where nobody else was answered either, it is not the prompt's fault. While there is an outage, the few looks are
                // shared by all that wait, so that none of them is given up for it.
                let others = asked.answers.is_some_and(|before| self.pace.answers() > before);
                if asked.failures >= self.attempts && others {
                    let error =
                        EndpointError::Exhausted { endpoint: endpoint(), attempts: asked.failures, said };
                    return handed(counter.take(number, Err(error), took));
                }
                (said, wait)
            }
        };
        self.last.clone_from(&said);
        count(&mut self.traffic.failures, kind(&said));
        if let Some(without) = self.pace.given_up(now) {
            let seconds = without.as_secs();
            let asks = wait.filter(|wait| wait.as_secs() >= 1);
            let said = match asks {
                Some(wait) => format!("{said} (it asks to be left alone for {} s)", wait.as_secs()),
                None => said,
            };
            return Err(Ended::Failed(EndpointError::GaveUp { endpoint: endpoint(), seconds, said }));
        }
        let pause = backoff(asked.failures.max(1), rand::random());
        again.insert((now + wait.unwrap_or_default().max(pause), number), asked);
        Ok(())
    }
}

/// Counts a failure by its kind.
fn count(failures: &mut Vec<(String, u64)>, kind: &str) {
    let known = failures.iter().any(|(name, _)| name == kind);
    let kind = if known || failures.len() < KINDS { kind } else { "others" };
    match failures.iter_mut().find(|(name, _)| name == kind) {
        Some((_, count)) => *count += 1,
        None => failures.push((kind.to_owned(), 1)),
    }
}

/// What a failure is counted as: what was said without its particulars.
fn kind(said: &str) -> &str {
    said.split([':', '(']).next().unwrap_or(said).trim()
}

/// Whoever takes no more answers has canceled.
fn handed(taken: ControlFlow<()>) -> Result<(), Ended> {
    match taken {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Ended::Canceled(Canceled)),
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A look-up of a name that takes long is not waited for.
            runtime.shutdown_background();
        }
    }
}
