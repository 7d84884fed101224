//! The queue of trainings: one at a time on a thread of its own, whatever screen is shown. What a training has is in its job's
//! folder; this keeps only what the window shows of it. Runs and trainings take turns: two at once would both be slow.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use eframe::egui;

use super::loadable::Trouble;
use super::words::capital;
use crate::jobs::{CancelToken, Job, Progress, ProgressReading};
use crate::run::{Places, Workplace, in_full};
use crate::train::{self, Control, JobOptions, Outcome, TrainError, TrainProgress, TrainRecipe, jobs_folder};

/// What is to be done.
#[derive(Debug)]
enum Wanted {
    /// A new job.
    New(Box<TrainRecipe>),
    /// A job that is there goes on.
    GoOn,
}

/// A training that waits.
#[derive(Debug)]
pub struct Queued {
    /// Its number in the window.
    pub id: u64,
    /// What the result is to be called.
    pub name: String,
    /// The job's folder.
    pub folder: PathBuf,
    wanted: Wanted,
    since: Instant,
}

/// The training at work.
#[derive(Debug)]
pub struct AtWork {
    /// Its number in the window.
    pub id: u64,
    /// What the result is to be called.
    pub name: String,
    /// The job's folder.
    pub folder: PathBuf,
    began: Instant,
    control: Control,
    job: Job<Result<Outcome, TrainError>>,
}

impl AtWork {
    /// How far it is; nothing while prompts are made.
    pub fn progress(&self) -> Option<std::sync::Arc<TrainProgress>> {
        self.control.latest().get()
    }

    /// How far the making of prompts is.
    pub fn preparing(&self) -> ProgressReading {
        self.job.progress().read()
    }

    /// How much of its steps is done; `None` before the first.
    pub fn part(&self) -> Option<f32> {
        let progress = self.progress()?;
        (progress.steps > 0).then(|| progress.step as f32 / progress.steps as f32)
    }

    /// Whether it rests.
    pub fn is_paused(&self) -> bool {
        self.control.is_paused()
    }

    /// Whether it was told to save and stop.
    pub fn is_canceled(&self) -> bool {
        self.control.cancel().is_canceled()
    }

    /// Whether it was told to end with what it has.
    pub fn is_finishing(&self) -> bool {
        self.control.is_finishing()
    }

    /// Since when it is at work.
    pub const fn began(&self) -> Instant {
        self.began
    }
}

/// How a training ended.
#[derive(Debug)]
pub enum End {
    /// Its model is registered.
    Done(Box<Outcome>),
    /// Someone stopped it; what it has learned is saved, if it had begun to learn.
    Stopped,
    /// It could not go on.
    Failed(Trouble),
}

/// A training that ended.
#[derive(Debug)]
pub struct Ended {
    /// Its number in the window.
    pub id: u64,
    /// What the result is called.
    pub name: String,
    /// The job's folder.
    pub folder: PathBuf,
    /// How.
    pub end: End,
}

/// The queue.
#[derive(Debug, Default)]
pub struct Trainings {
    queue: VecDeque<Queued>,
    at_work: Option<AtWork>,
    ended: Vec<Ended>,
    numbers: u64,
}

impl Trainings {
    /// What waits.
    pub fn queue(&self) -> impl Iterator<Item = &Queued> {
        self.queue.iter()
    }

    /// What is at work.
    pub const fn at_work(&self) -> Option<&AtWork> {
        self.at_work.as_ref()
    }

    /// What ended since the window opened, the latest last.
    pub fn ended(&self) -> &[Ended] {
        &self.ended
    }

    /// Whether a job waits or is at work.
    pub fn has(&self, folder: &Path) -> bool {
        self.queue.iter().any(|queued| queued.folder == folder)
            || self.at_work.as_ref().is_some_and(|work| work.folder == folder)
    }

    /// Since when the first of the queue waits.
    pub fn waits_since(&self) -> Option<Instant> {
        self.queue.front().map(|queued| queued.since)
    }

    pub(super) fn begin(&mut self, name: String, recipe: Box<TrainRecipe>, workplace: &Workplace) {
        let folder = jobs_folder(workplace.registry()).join(&name);
        self.enqueue(name, folder, Wanted::New(recipe));
    }

    pub(super) fn go_on(&mut self, name: String, folder: PathBuf) {
        self.enqueue(name, folder, Wanted::GoOn);
    }

    fn enqueue(&mut self, name: String, folder: PathBuf, wanted: Wanted) {
        if self.has(&folder) {
            return;
        }
        self.numbers += 1;
        self.queue.push_back(Queued { id: self.numbers, name, folder, wanted, since: Instant::now() });
    }

    pub(super) fn pause(&mut self, paused: bool) {
        if let Some(work) = &self.at_work {
            work.control.set_paused(paused);
        }
    }

    pub(super) fn finish(&mut self) {
        if let Some(work) = &self.at_work {
            work.control.finish();
        }
    }

    pub(super) fn cancel(&mut self, id: u64) {
        self.queue.retain(|queued| queued.id != id);
        if let Some(work) = self.at_work.as_ref().filter(|work| work.id == id) {
            work.control.cancel().cancel();
        }
    }

    /// Takes what ended and begins what is next, if it is its turn; gives what ended.
    pub(super) fn logic(
        &mut self,
        ctx: &egui::Context,
        places: &Places,
        threads: usize,
        may_begin: bool,
    ) -> Option<&Ended> {
        let mut ended = false;
        if let Some(outcome) = self.at_work.as_mut().and_then(|work| work.job.poll())
            && let Some(work) = self.at_work.take()
        {
            let end = match outcome {
                Ok(Ok(outcome)) => End::Done(Box::new(outcome)),
                Ok(Err(TrainError::Canceled(_))) => End::Stopped,
                Ok(Err(error)) => End::Failed(in_words(&error)),
                Err(error) => End::Failed(Trouble::from(error)),
            };
            self.ended.push(Ended { id: work.id, name: work.name, folder: work.folder, end });
            ended = true;
        }
        if may_begin
            && self.at_work.is_none()
            && let Some(queued) = self.queue.pop_front()
        {
            self.at_work = Some(start(queued, ctx, places, threads));
        }
        if self.at_work.is_some() {
            ctx.request_repaint_after(super::AT_WORK);
        }
        if ended { self.ended.last() } else { None }
    }

    /// Has what is at work save itself, and waits for that so long at most.
    pub(super) fn close(&mut self, limit: Duration) {
        self.queue.clear();
        if let Some(mut work) = self.at_work.take() {
            work.control.cancel().cancel();
            work.job.wait(limit);
        }
    }
}

fn start(queued: Queued, ctx: &egui::Context, places: &Places, threads: usize) -> AtWork {
    let Queued { id, name, folder, wanted, .. } = queued;
    let cancel = CancelToken::new();
    let control = Control::new(cancel.clone());
    let workplace = places.workplace().with_threads(threads).with_cancel(cancel);
    let (wake, steered) = (ctx.clone(), control.clone());
    let (called, place) = (name.clone(), folder.clone());
    let job = Job::start(
        "training",
        move || wake.request_repaint(),
        move |_, progress| work(wanted, called, place, &workplace, &steered, progress),
    );
    AtWork { id, name, folder, began: Instant::now(), control, job }
}

fn work(
    wanted: Wanted,
    name: String,
    folder: PathBuf,
    workplace: &Workplace,
    control: &Control,
    progress: &Progress,
) -> Result<Outcome, TrainError> {
    match wanted {
        Wanted::New(recipe) => {
            let prepared = train::prepare(&recipe, workplace, control.cancel(), progress)?;
            train::start(prepared, &JobOptions::new(folder, Some(name)), workplace, control)
        }
        Wanted::GoOn => train::resume(&JobOptions::new(folder, None), workplace, control, progress),
    }
}

/// An error of a training, with advice that names what the window has instead of options of the command line.
pub fn in_words(error: &TrainError) -> Trouble {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Trouble(match error {
        TrainError::JobExists { path } => format!(
            "There is a training called {} already. Resume it, delete it, or give this one another name.",
            name(path)
        ),
        TrainError::NoJob { path } => format!("The training in {} is gone.", path.display()),
        TrainError::Busy { path } => {
            format!("Another Lamplight works on {} at the moment. Resume it when that has ended.", name(path))
        }
        TrainError::Write { path, source, advice } if !advice.contains("untouched. Free") => {
            format!("Cannot write {}: {source}.{advice}.", path.display())
        }
        TrainError::Write { path, .. } => format!(
            "The disk is full: {} cannot be written. What was saved before is untouched. Free some space, then resume.",
            path.display()
        ),
        TrainError::Family { model } => format!(
            "{model} is no T5 model, and only those are trained. Choose a folder with config.json, tokenizer.json and weights."
        ),
        other => {
            let sentence = capital(&in_full(other));
            if sentence.ends_with(['.', '?']) { sentence } else { format!("{sentence}.") }
        }
    })
}
