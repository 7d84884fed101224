//! What long work shares with whoever waits for it: a token to cancel it, slots for its progress, and a thread of its own.
//!
//! Knows no domain and no window.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Asks running work to stop. Clones share one state; canceling is final.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<Cancel>);

#[derive(Debug, Default)]
struct Cancel {
    canceled: AtomicBool,
    parent: Option<CancelToken>,
}

/// Work ended because its token was canceled. A status more than an error: what was finished stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("canceled")]
pub struct Canceled;

impl CancelToken {
    /// A token that nobody has canceled.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token for a part of the work: canceled with this one, or alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(Arc::new(Cancel { parent: Some(self.clone()), ..Cancel::default() }))
    }

    /// Asks the work to stop.
    pub fn cancel(&self) {
        self.0.canceled.store(true, Ordering::Release);
    }

    /// Whether the work should stop.
    pub fn is_canceled(&self) -> bool {
        self.0.canceled.load(Ordering::Acquire) || self.0.parent.as_ref().is_some_and(Self::is_canceled)
    }

    /// `Err(Canceled)` once the token is canceled, to be used with `?` between steps.
    pub fn check(&self) -> Result<(), Canceled> {
        if self.is_canceled() { Err(Canceled) } else { Ok(()) }
    }
}

/// How far work has come: a slot that keeps the latest value only, so that neither side ever waits.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Slot>);

#[derive(Debug, Default)]
struct Slot {
    done: AtomicU64,
    total: AtomicU64,
    step: Mutex<Arc<str>>,
}

/// A reading of a [`Progress`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressReading {
    /// Units done (bytes, records, …).
    pub done: u64,
    /// Units in all, 0 while unknown.
    pub total: u64,
    /// What is being done now, a few words.
    pub step: Arc<str>,
}

impl Progress {
    /// A slot at zero of an unknown total.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a step of `total` units (0 if unknown); the count starts anew.
    pub fn start(&self, step: &str, total: u64) {
        *self.0.step.lock().unwrap_or_else(PoisonError::into_inner) = step.into();
        self.0.done.store(0, Ordering::Relaxed);
        self.0.total.store(total, Ordering::Relaxed);
    }

    /// Adds finished units.
    pub fn add(&self, units: u64) {
        self.0.done.fetch_add(units, Ordering::Relaxed);
    }

    /// Sets the finished units.
    pub fn set(&self, done: u64) {
        self.0.done.store(done, Ordering::Relaxed);
    }

    /// The latest value.
    pub fn read(&self) -> ProgressReading {
        ProgressReading {
            done: self.0.done.load(Ordering::Relaxed),
            total: self.0.total.load(Ordering::Relaxed),
            step: self.0.step.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// A slot that keeps the latest value only: who writes never waits for who reads, and nothing piles up. Clones share it.
#[derive(Debug)]
pub struct Latest<T>(Arc<Mutex<Option<Arc<T>>>>);

impl<T> Latest<T> {
    /// An empty slot.
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// Puts a value in the place of the one before.
    pub fn set(&self, value: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(value));
    }

    /// The latest value; `None` before the first.
    pub fn get(&self) -> Option<Arc<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Work on a thread of its own, whose outcome is fetched without waiting. Dropping it cancels it and leaves the thread to end
/// by itself.
#[derive(Debug)]
pub struct Job<T> {
    cancel: CancelToken,
    progress: Progress,
    outcome: Receiver<Result<T, JobError>>,
}

/// A job that came to no outcome of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// It panicked: an error of the program.
    #[error("the work on \u{201c}{job}\u{201d} broke off by an error of the program: {message}")]
    Panicked {
        /// Its name.
        job: String,
        /// What the panic said.
        message: String,
    },
    /// The system gave no thread.
    #[error("the work on \u{201c}{job}\u{201d} could not begin: {message}")]
    NoThread {
        /// Its name.
        job: String,
        /// What the system said.
        message: String,
    },
}

impl<T: Send + 'static> Job<T> {
    /// Starts work. The outcome is delivered first and `wake` called afterwards, so that whoever is woken finds it.
    pub fn start(
        name: &str,
        wake: impl Fn() + Send + 'static,
        work: impl FnOnce(&CancelToken, &Progress) -> T + Send + 'static,
    ) -> Self {
        let (cancel, progress) = (CancelToken::new(), Progress::new());
        let (sender, outcome) = sync_channel(1);
        let (token, slot, job, failed) = (cancel.clone(), progress.clone(), name.to_owned(), sender.clone());
        let body = move || {
            let result = catch_unwind(AssertUnwindSafe(|| work(&token, &slot)));
            // Nobody listens any more where the job was dropped.
            let _ =
                sender.send(result.map_err(|payload| JobError::Panicked { job, message: said(&*payload) }));
            wake();
        };
        if let Err(error) = thread::Builder::new().name(name.to_owned()).spawn(body) {
            let _ = failed.send(Err(JobError::NoThread { job: name.to_owned(), message: error.to_string() }));
        }
        Self { cancel, progress, outcome }
    }
}

impl<T> Job<T> {
    /// The outcome, once; `None` while the work goes on, and after it was fetched.
    pub fn poll(&mut self) -> Option<Result<T, JobError>> {
        self.outcome.try_recv().ok()
    }

    /// Waits for the outcome for so long at most.
    pub fn wait(&mut self, limit: Duration) -> Option<Result<T, JobError>> {
        self.outcome.recv_timeout(limit).ok()
    }

    /// Asks the work to stop.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// How far it is.
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// What a panic said.
fn said(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_canceled_alone_or_with_the_whole() {
        let whole = CancelToken::new();
        let (one, other) = (whole.child(), whole.child());
        one.cancel();
        assert!(one.is_canceled() && !other.is_canceled() && !whole.is_canceled());
        whole.cancel();
        assert!(other.child().is_canceled());
    }

    #[test]
    fn an_outcome_is_there_when_its_owner_is_woken() {
        let (woken, wake) = std::sync::mpsc::channel();
        let mut job = Job::start(
            "adding",
            move || woken.send(()).unwrap(),
            |_, progress| {
                progress.start("adding", 2);
                1 + 1
            },
        );
        wake.recv().unwrap();
        assert_eq!(job.poll(), Some(Ok(2)));
        assert_eq!((job.poll(), job.progress().read().total), (None, 2));
    }

    #[test]
    fn a_dropped_job_is_canceled_and_a_panic_is_an_outcome() {
        let (seen, canceled) = std::sync::mpsc::channel();
        let work = move |cancel: &CancelToken, _: &Progress| {
            while !cancel.is_canceled() {
                thread::yield_now();
            }
            seen.send(()).unwrap();
        };
        drop(Job::start("waiting", || {}, work));
        canceled.recv().unwrap();

        let mut job = Job::start("breaking", || {}, |_, _| -> u8 { std::panic::panic_any("oh") });
        let outcome = job.wait(Duration::from_secs(60)).unwrap();
        let expected = JobError::Panicked { job: "breaking".to_owned(), message: "oh".to_owned() };
        assert_eq!(outcome, Err(expected));
    }

    #[test]
    fn a_slot_keeps_the_latest_value() {
        let slot = Latest::new();
        assert_eq!(slot.get(), None);
        let clone = slot.clone();
        clone.set(1);
        clone.set(2);
        assert_eq!(slot.get().as_deref(), Some(&2));
    }

    #[test]
    fn clones_share_one_state() {
        let token = CancelToken::new();
        let clone = token.clone();
        assert_eq!(clone.check(), Ok(()));
        token.cancel();
        assert_eq!(clone.check(), Err(Canceled));

        let progress = Progress::new();
        progress.clone().start("reading", 10);
        progress.clone().add(3);
        assert_eq!(progress.read(), ProgressReading { done: 3, total: 10, step: "reading".into() });
    }
}
