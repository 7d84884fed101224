//! Keeps an eye on the store: a thread asks it now and then whether anything was written, by this program or another, reads the
//! list of runs anew where it was, and wakes the window.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eframe::egui;

use super::loadable::Trouble;
use crate::jobs::{Job, Latest};
use crate::record::{RunRecord, Tuning};
use crate::store::{Reader, StoreError, StoredExperiment};

/// How often the store is asked.
const LOOK: Duration = Duration::from_millis(400);
/// How often a sleeping thread looks whether it is still wanted.
const NAP: Duration = Duration::from_millis(50);

/// What the store holds, but for predictions.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Grows with every change of the store: the version of whatever is loaded from it.
    pub version: u64,
    /// Every run, in the order of their numbers.
    pub runs: Vec<RunRecord>,
    /// The runs that another program, or this one, is at work on.
    pub claimed: Vec<crate::record::RunId>,
    /// Experiments that were begun.
    pub experiments: Vec<StoredExperiment>,
    /// What was chosen.
    pub tunings: Vec<Tuning>,
    /// Runs whose records cannot be read, in words.
    pub unreadable: Vec<String>,
    /// Bytes of the store with its log.
    pub bytes: u64,
    /// Why the store cannot be read.
    pub trouble: Option<Trouble>,
}

/// The watching thread; ends when dropped.
#[derive(Debug)]
pub struct StoreWatch {
    path: PathBuf,
    latest: Latest<Snapshot>,
    empty: Arc<Snapshot>,
    _job: Job<()>,
}

impl StoreWatch {
    /// Watches a file, which need not exist yet.
    pub fn new(path: PathBuf, ctx: &egui::Context) -> Self {
        let latest = Latest::new();
        let (slot, file, wake) = (latest.clone(), path.clone(), ctx.clone());
        let job = Job::start(
            "store-watch",
            || {},
            move |cancel, _| {
                let mut watching = Watching::new(file);
                while !cancel.is_canceled() {
                    if let Some(snapshot) = watching.look() {
                        slot.set(snapshot);
                        wake.request_repaint();
                    }
                    let mut slept = Duration::ZERO;
                    while slept < LOOK && !cancel.is_canceled() {
                        std::thread::sleep(NAP);
                        slept += NAP;
                    }
                }
            },
        );
        Self { path, latest, empty: Arc::default(), _job: job }
    }

    /// The store's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The latest that is known; version 0 before the first look.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.latest.get().unwrap_or_else(|| Arc::clone(&self.empty))
    }
}

struct Watching {
    path: PathBuf,
    reader: Option<Reader>,
    seen: Option<i64>,
    version: u64,
    trouble: Option<Trouble>,
    missing: bool,
}

impl Watching {
    fn new(path: PathBuf) -> Self {
        Self { path, reader: None, seen: None, version: 0, trouble: None, missing: false }
    }

    /// A new snapshot, if there is anything new.
    fn look(&mut self) -> Option<Snapshot> {
        if !self.path.exists() {
            self.reader = None;
            self.seen = None;
            // Said once: an empty store.
            return (!std::mem::replace(&mut self.missing, true)).then(|| self.snapshot(Snapshot::default()));
        }
        self.missing = false;
        match self.read() {
            Ok(Some(snapshot)) => {
                self.trouble = None;
                Some(self.snapshot(snapshot))
            }
            Ok(None) => None,
            Err(error) => {
                self.reader = None;
                self.seen = None;
                let trouble = Trouble::from(error);
                if self.trouble.as_ref() == Some(&trouble) {
                    return None;
                }
                self.trouble = Some(trouble.clone());
                Some(self.snapshot(Snapshot { trouble: Some(trouble), ..Snapshot::default() }))
            }
        }
    }

    fn snapshot(&mut self, snapshot: Snapshot) -> Snapshot {
        self.version += 1;
        Snapshot { version: self.version, ..snapshot }
    }

    fn read(&mut self) -> Result<Option<Snapshot>, StoreError> {
        let reader = match &self.reader {
            Some(reader) => reader,
            None => self.reader.insert(Reader::open(&self.path)?),
        };
        let now = reader.data_version()?;
        if self.seen == Some(now) {
            return Ok(None);
        }
        let runs = reader.runs()?;
        let claimed = runs.iter().filter(|run| reader.is_claimed(run)).map(|run| run.id).collect();
        let snapshot = Snapshot {
            version: 0,
            claimed,
            experiments: reader.experiments()?,
            tunings: reader.tunings()?,
            unreadable: reader
                .unreadable_runs()?
                .iter()
                .map(|run| format!("Run {}: {}", run.id.0, run.reason))
                .collect(),
            bytes: std::fs::metadata(&self.path).map_or(0, |file| file.len()),
            trouble: None,
            runs,
        };
        self.seen = Some(now);
        Ok(Some(snapshot))
    }
}
