//! What steers a run from outside, and what it tells while it is at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::jobs::{CancelToken, Latest};
use crate::lamp::Metric;
use crate::model::Traffic;
use crate::record::RunId;

/// Steers an executor and shows how far it is. Clones share everything, so that one may stay with a window.
#[derive(Debug, Clone, Default)]
pub struct Control {
    cancel: CancelToken,
    paused: Arc<AtomicBool>,
    latest: Latest<RunProgress>,
}

impl Control {
    /// Steers by a token that may cancel other work as well.
    pub fn new(cancel: CancelToken) -> Self {
        Self { cancel, ..Self::default() }
    }

    /// The token that ends the work; what is finished stays stored.
    pub const fn cancel(&self) -> &CancelToken {
        &self.cancel
    }

    /// Lets the model rest after its present batch, or go on.
    pub fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Release);
    }

    /// Whether the model is to rest.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    /// Where the executor leaves its progress, several times a second.
    pub const fn latest(&self) -> &Latest<RunProgress> {
        &self.latest
    }
}

/// What an executor is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The model and the retriever's encoders are loaded.
    Loading,
    /// The first samples are prepared: texts encoded so far by the retriever, and how many there are in all.
    Preparing {
        /// Encoded.
        done: u64,
        /// In all.
        total: u64,
    },
    /// The model answers.
    Answering,
    /// Someone let it rest.
    Paused,
    /// Every sample is answered; figures and intervals are computed.
    Finishing,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq)]
pub struct RunProgress {
    /// Which run.
    pub run: RunId,
    /// What is being done.
    pub phase: Phase,
    /// Samples that this executor is to answer, those stored before included; fewer than the run's where it has a part only.
    pub total: u64,
    /// Those of them that are stored.
    pub done: u64,
    /// Stored without an answer.
    pub failed: u64,
    /// Answers taken from other runs, or from equal prompts of this one.
    pub cached: u64,
    /// Samples stored a second, lately.
    pub samples_per_s: f64,
    /// Tokens that the model wrote a second, lately.
    pub new_tokens_per_s: f64,
    /// How long the rest will take at the recent rate; `None` until there is one.
    pub eta: Option<Duration>,
    /// The benchmark's metrics over what is stored so far; those that only a whole run has (macro-F1) are there too.
    pub live: Vec<(Metric, f64)>,
    /// The requests to an endpoint; `None` for models that compute here.
    pub endpoint: Option<EndpointProgress>,
}

/// How a run stands with the endpoint that it asks.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointProgress {
    /// Its requests.
    pub traffic: Traffic,
    /// What the run has cost so far; `None` where no price is known.
    pub cost: Option<Cost>,
    /// Tokens read for the run's answers that the endpoint gave, before and since.
    pub prompt_tokens: u64,
    /// Tokens written for them.
    pub new_tokens: u64,
}

/// What a run at an endpoint costs, in the unit of its prices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// What the run has cost, before and since.
    pub run: f64,
    /// What its experiment has cost at this endpoint.
    pub experiment: f64,
    /// What the experiment may cost, if there is a limit.
    pub limit: Option<f64>,
}

/// What an executor does beyond the cells' specs; none of it changes an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// So many samples that fail one after the other end a run.
    pub max_failures_in_a_row: usize,
    /// Whether samples that are stored as failed are tried again.
    pub retry_failed: bool,
    /// Whether answers of other runs of the same model are used for equal prompts.
    pub use_cache: bool,
    /// What the runs of an experiment may cost together at an endpoint, in place of what the endpoint's settings say.
    pub spending_limit: Option<f64>,
}

/// Equal settings are equal in every field; a limit is a number.
impl Eq for Settings {}

impl Default for Settings {
    fn default() -> Self {
        Self { max_failures_in_a_row: 10, retry_failed: false, use_cache: true, spending_limit: None }
    }
}
