//! What steers a job from outside, and what it tells while it is at work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::trainer::Evaluation;
use crate::jobs::{CancelToken, Latest};

/// How often whoever waits looks whether to go on.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// Steers a job and shows how far it is. Clones share everything, so that one may stay with a window.
#[derive(Debug)]
pub struct Steering<P> {
    cancel: CancelToken,
    paused: Arc<AtomicBool>,
    finish: Arc<AtomicBool>,
    latest: Latest<P>,
}

impl<P> Clone for Steering<P> {
    fn clone(&self) -> Self {
        let (cancel, latest) = (self.cancel.clone(), self.latest.clone());
        Self { cancel, paused: Arc::clone(&self.paused), finish: Arc::clone(&self.finish), latest }
    }
}

impl<P> Default for Steering<P> {
    fn default() -> Self {
        Self::new(CancelToken::new())
    }
}

impl<P> Steering<P> {
    /// Steers by a token that may cancel other work as well.
    pub fn new(cancel: CancelToken) -> Self {
        Self { cancel, paused: Arc::default(), finish: Arc::default(), latest: Latest::new() }
    }

    /// The token that ends the work after a checkpoint, to be resumed.
    pub const fn cancel(&self) -> &CancelToken {
        &self.cancel
    }

    /// Lets the job rest after its present step, or go on.
    pub fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Release);
    }

    /// Whether the job is to rest.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    /// Ends the job for good with the best weights so far; those of now, if none have been evaluated.
    pub fn finish(&self) {
        self.finish.store(true, Ordering::Release);
    }

    /// Whether the job is to end with what it has.
    pub fn is_finishing(&self) -> bool {
        self.finish.load(Ordering::Acquire)
    }

    /// Waits while paused, after having told so.
    pub(super) fn rest(&self, tell: impl FnOnce()) {
        let waits = || self.is_paused() && !self.cancel.is_canceled() && !self.is_finishing();
        if waits() {
            tell();
        }
        while waits() {
            std::thread::sleep(LOOK);
        }
    }

    /// Where the job leaves its progress, after each step.
    pub const fn latest(&self) -> &Latest<P> {
        &self.latest
    }
}

/// Steers a job that trains one model.
pub type Control = Steering<TrainProgress>;

/// What a job is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Weights move.
    Training,
    /// Someone let it rest.
    Paused,
    /// The dev split is answered.
    Evaluating {
        /// Answered samples.
        done: usize,
        /// Samples in all.
        total: usize,
    },
    /// A checkpoint or a model is written.
    Saving,
    /// It is over.
    Done,
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainProgress {
    /// What is being done.
    pub phase: Phase,
    /// Steps taken.
    pub step: u64,
    /// Steps in all, if nothing ends it early.
    pub steps: u64,
    /// Epochs seen, with the share of the present one.
    pub epoch: f64,
    /// Epochs in all.
    pub epochs: u64,
    /// The last step's loss; NaN before the first.
    pub loss: f64,
    /// The mean of recent losses; NaN before the first.
    pub smooth_loss: f64,
    /// The last step's learning rate.
    pub rate: f64,
    /// The norm of the last step's gradients before they were clipped.
    pub gradient_norm: f64,
    /// Tokens read and written a second, padding not counted, lately.
    pub tokens_per_s: f64,
    /// Every evaluation so far.
    pub evaluations: Vec<Evaluation>,
    /// Which of them is the best.
    pub best: Option<usize>,
    /// How long the rest will take at the recent rate; `None` until there is one.
    pub eta: Option<Duration>,
}
