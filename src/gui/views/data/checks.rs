//! The checks of datasets, one after the other in the background; what was found stays while the files are the same.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use eframe::egui;

use super::rows::Row;
use crate::dataset::{Finding, Severity};
use crate::gui::loadable::Trouble;
use crate::jobs::{Canceled, Job, ProgressReading};

/// Larger datasets are checked when someone asks for it.
const BY_ITSELF: u64 = 256 << 20;

/// How many findings of each weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Notes.
    pub notes: usize,
}

/// What a check found.
#[derive(Debug)]
pub(super) struct Checked {
    /// What was found, the gravest first.
    pub findings: Vec<Finding>,
    /// How many of each weight.
    pub counts: Counts,
}

/// Where the check of a dataset is.
#[derive(Debug)]
pub(super) enum CheckState<'a> {
    /// Nobody has asked for it.
    NotAsked,
    /// Others come first.
    Waiting,
    /// It reads.
    Running(ProgressReading),
    /// It was canceled.
    Canceled,
    /// It ended.
    Done(&'a Arc<Checked>),
    /// It broke off.
    Failed(&'a Trouble),
}

type CheckJob = Job<Result<Vec<Finding>, Canceled>>;

#[derive(Debug)]
enum Ended {
    Done(Arc<Checked>),
    Canceled,
    Failed(Trouble),
}

/// All checks.
#[derive(Debug, Default)]
pub(super) struct Checks {
    ended: HashMap<String, Ended>,
    /// Asked for by a person.
    asked: VecDeque<String>,
    /// To be checked by itself.
    waiting: VecDeque<String>,
    running: Option<(String, CheckJob)>,
}

impl Checks {
    /// Where one is, by [`Row::key`].
    pub fn state(&self, key: &str) -> CheckState<'_> {
        if let Some((_, job)) = self.running.as_ref().filter(|(running, _)| running == key) {
            return CheckState::Running(job.progress().read());
        }
        match self.ended.get(key) {
            Some(Ended::Done(checked)) => CheckState::Done(checked),
            Some(Ended::Canceled) => CheckState::Canceled,
            Some(Ended::Failed(trouble)) => CheckState::Failed(trouble),
            None if self.asked.iter().chain(&self.waiting).any(|waiting| waiting == key) => {
                CheckState::Waiting
            }
            None => CheckState::NotAsked,
        }
    }

    /// What a finished one found.
    pub fn checked(&self, key: &str) -> Option<&Arc<Checked>> {
        match self.ended.get(key) {
            Some(Ended::Done(checked)) => Some(checked),
            _ => None,
        }
    }

    /// Checks what is open now and was not checked yet; forgets what is no longer open, and with `again` all.
    pub fn follow(&mut self, rows: &[Row], again: bool) {
        if again {
            self.ended.clear();
        }
        let open = |key: &str| rows.iter().any(|row| row.key == key);
        self.ended.retain(|key, _| open(key));
        if self.running.as_ref().is_some_and(|(key, _)| again || !open(key)) {
            self.running = None;
        }
        let known = |checks: &Self, key: &String| {
            checks.ended.contains_key(key) || checks.running.as_ref().is_some_and(|(k, _)| k == key)
        };
        self.waiting = rows
            .iter()
            .filter(|row| row.bytes <= BY_ITSELF && !known(self, &row.key))
            .map(|row| row.key.clone())
            .collect();
    }

    /// Checks a dataset before all that wait.
    pub fn ask(&mut self, key: &str) {
        self.ended.remove(key);
        self.waiting.retain(|waiting| waiting != key);
        self.asked.push_back(key.to_owned());
    }

    /// Ends the check of a dataset, or takes it from those that wait.
    pub fn cancel(&mut self, key: &str) {
        self.waiting.retain(|waiting| waiting != key);
        self.asked.retain(|waiting| waiting != key);
        match &self.running {
            Some((running, job)) if running == key => job.cancel(),
            _ => {
                self.ended.insert(key.to_owned(), Ended::Canceled);
            }
        }
    }

    /// Takes what ended and begins the next; what nobody asked for only if `by_itself`.
    pub fn logic(&mut self, ctx: &egui::Context, rows: &[Row], by_itself: bool) {
        if let Some(outcome) = self.running.as_mut().and_then(|(_, job)| job.poll())
            && let Some((key, _)) = self.running.take()
        {
            let ended = match outcome {
                Ok(Ok(findings)) => Ended::Done(Arc::new(checked(findings))),
                Ok(Err(Canceled)) => Ended::Canceled,
                Err(error) => Ended::Failed(error.into()),
            };
            self.ended.insert(key, ended);
        }
        while self.running.is_none() {
            let next = self.asked.pop_front();
            let Some(key) = next.or_else(|| if by_itself { self.waiting.pop_front() } else { None }) else {
                return;
            };
            let Some(row) = rows.iter().find(|row| row.key == key) else { continue };
            let (dataset, wake) = (row.dataset.clone(), ctx.clone());
            let check = move |cancel: &_, progress: &_| dataset.check(cancel, progress);
            self.running = Some((key, Job::start("check", move || wake.request_repaint(), check)));
        }
    }
}

fn checked(findings: Vec<Finding>) -> Checked {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let counts = Counts {
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        notes: count(Severity::Note),
    };
    Checked { findings, counts }
}
