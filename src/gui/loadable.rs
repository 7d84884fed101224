//! Values that a job loads, as a screen sees them: not wanted yet, on their way (with the value before), there, or failed.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui;

use crate::jobs::{CancelToken, Job, Progress, ProgressReading};
use crate::run::in_full;

/// The least time between two loads of the same thing in a newer version.
const PAUSE: Duration = Duration::from_millis(400);

/// Something went wrong, in words for a person: what happened, to what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble(pub String);

impl<E: Error> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self(in_full(&error))
    }
}

/// A value of a subject `K` (what it is loaded for), in a version (how often what it is made of has changed).
#[derive(Debug)]
pub struct Loadable<K, T> {
    value: Option<(K, Arc<T>)>,
    trouble: Option<Trouble>,
    /// What was loaded last, or is being loaded.
    wanted: Option<(K, u64)>,
    job: Option<Job<Result<T, Trouble>>>,
    began: Option<Instant>,
    /// When a newer version may be loaded.
    next: Option<Instant>,
}

impl<K, T> Default for Loadable<K, T> {
    fn default() -> Self {
        Self { value: None, trouble: None, wanted: None, job: None, began: None, next: None }
    }
}

impl<K: PartialEq + Clone, T: Send + Sync + 'static> Loadable<K, T> {
    /// Says, each frame, what is wanted; takes what has arrived. Another subject cancels the load under way and begins at once. A
    /// newer version of the same subject lets it end, and begins after a pause that grows with the time a load takes, so that a
    /// run that writes without end costs a screen little. Call it from `logic`, never from `ui`.
    pub fn want(
        &mut self,
        ctx: &egui::Context,
        name: &str,
        subject: K,
        version: u64,
        load: impl FnOnce(&CancelToken, &Progress) -> Result<T, Trouble> + Send + 'static,
    ) {
        self.poll();
        let same_subject = self.wanted.as_ref().is_some_and(|(wanted, _)| *wanted == subject);
        let same_version = self.wanted.as_ref().is_some_and(|(_, loaded)| *loaded == version);
        if same_subject {
            if same_version || self.job.is_some() {
                return;
            }
            if let Some(next) = self.next {
                let now = Instant::now();
                if now < next {
                    ctx.request_repaint_after(next - now);
                    return;
                }
            }
        }
        let wake = ctx.clone();
        self.job = Some(Job::start(name, move || wake.request_repaint(), load));
        self.began = Some(Instant::now());
        self.wanted = Some((subject, version));
        if !same_subject {
            self.trouble = None;
        }
    }

    /// Takes what has arrived; tells whether something has.
    pub fn poll(&mut self) -> bool {
        let Some(outcome) = self.job.as_mut().and_then(Job::poll) else { return false };
        self.job = None;
        let took = self.began.take().map_or(Duration::ZERO, |began| began.elapsed());
        self.next = Some(Instant::now() + PAUSE.max(took * 3));
        let subject = self.wanted.as_ref().map(|(subject, _)| subject.clone());
        match outcome.map_err(Trouble::from).and_then(|result| result) {
            Ok(value) => {
                self.trouble = None;
                self.value = subject.map(|subject| (subject, Arc::new(value)));
            }
            Err(trouble) => {
                self.trouble = Some(trouble);
                // What was shown for another subject would now be taken for this one's.
                self.value = self.value.take().filter(|(shown, _)| Some(shown) == subject.as_ref());
            }
        }
        true
    }

    /// Lets the next [`Loadable::want`] load again; the value stays until then.
    pub fn forget(&mut self) {
        self.wanted = None;
    }

    /// Drops value, trouble and the load under way.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The latest value, be it for the subject before the one that is on its way.
    pub fn value(&self) -> Option<&Arc<T>> {
        self.value.as_ref().map(|(_, value)| value)
    }

    /// The value, if it is that of a subject.
    pub fn value_of(&self, subject: &K) -> Option<&Arc<T>> {
        self.value.as_ref().filter(|(shown, _)| shown == subject).map(|(_, value)| value)
    }

    /// Why the latest load failed.
    pub const fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// How far the load under way is; `None` if there is none.
    pub fn pending(&self) -> Option<ProgressReading> {
        self.job.as_ref().map(|job| job.progress().read())
    }

    /// Whether a load is under way.
    pub const fn is_pending(&self) -> bool {
        self.job.is_some()
    }

    /// Cancels the load under way, if there is one; what is wanted counts as failed by canceling.
    pub fn cancel(&mut self) {
        if let Some(job) = &self.job {
            job.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived<T: Send + Sync + 'static>(loadable: &mut Loadable<u8, T>) {
        let until = Instant::now() + Duration::from_secs(60);
        while loadable.is_pending() {
            assert!(Instant::now() < until, "nothing arrived");
            loadable.poll();
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_value_before_stays_until_the_next_is_there() {
        let (ctx, mut loadable) = (egui::Context::default(), Loadable::default());
        loadable.want(&ctx, "test", 1_u8, 0, |_, _| Ok("one"));
        arrived(&mut loadable);
        let (go, wait) = std::sync::mpsc::channel::<()>();
        loadable.want(&ctx, "test", 2, 0, move |_, _| {
            wait.recv().map_err(Trouble::from)?;
            Ok("two")
        });
        assert_eq!(loadable.value().map(|value| **value), Some("one"));
        assert_eq!(loadable.value_of(&2), None);
        go.send(()).unwrap();
        arrived(&mut loadable);
        assert_eq!(loadable.value_of(&2).map(|value| **value), Some("two"));
    }

    #[test]
    fn a_failure_does_not_show_another_subjects_value() {
        let (ctx, mut loadable) = (egui::Context::default(), Loadable::default());
        loadable.want(&ctx, "test", 1_u8, 0, |_, _| Ok(1));
        arrived(&mut loadable);
        loadable.want(&ctx, "test", 2, 0, |_, _| Err(Trouble("no two".to_owned())));
        arrived(&mut loadable);
        assert_eq!(loadable.value(), None);
        assert_eq!(loadable.trouble(), Some(&Trouble("no two".to_owned())));
    }

    #[test]
    fn a_newer_version_waits_its_turn() {
        let (ctx, mut loadable) = (egui::Context::default(), Loadable::default());
        loadable.want(&ctx, "test", 1_u8, 0, |_, _| Ok(0));
        arrived(&mut loadable);
        loadable.want(&ctx, "test", 1, 1, |_, _| Ok(1));
        assert!(!loadable.is_pending(), "loaded again without a pause");
        std::thread::sleep(PAUSE);
        loadable.want(&ctx, "test", 1, 1, |_, _| Ok(1));
        arrived(&mut loadable);
        assert_eq!(loadable.value().map(|value| **value), Some(1));
    }
}
