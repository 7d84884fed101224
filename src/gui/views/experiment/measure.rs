//! How long a model takes for an answer, where no stored run tells: a few samples answered on a thread, stored nowhere.

use std::sync::Arc;
use std::time::Instant;

use eframe::egui::{self, Ui};

use super::cost::{Measured, chosen};
use super::survey::Survey;
use super::ticks::Ticks;
use crate::gui::kit;
use crate::gui::loadable::Trouble;
use crate::gui::shared::Shared;
use crate::gui::theme::icons;
use crate::jobs::{CancelToken, Job, Progress};
use crate::record::Shard;
use crate::run::{Cell, Control, Executor, Settings, Workplace};
use crate::store::Store;

/// Samples that are answered after the first, which loads the model.
const SAMPLES: usize = 8;

/// Seconds an answer, by the model's fingerprint.
type Seconds = Vec<(String, f64)>;

/// A measurement and what came of those before.
#[derive(Debug, Default)]
pub(super) struct Measuring {
    job: Option<Job<Result<Seconds, Trouble>>>,
    known: Measured,
    trouble: Option<Trouble>,
}

impl Measuring {
    /// What is known: seconds an answer, by the model's fingerprint.
    pub const fn known(&self) -> &Measured {
        &self.known
    }

    /// Takes what was measured.
    pub fn logic(&mut self) {
        let Some(outcome) = self.job.as_mut().and_then(Job::poll) else { return };
        self.job = None;
        match outcome.map_err(Trouble::from).and_then(|measured| measured) {
            Ok(measured) => self.known.extend(measured),
            Err(trouble) => self.trouble = Some(trouble),
        }
    }

    /// The button, or how far it is.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        shared: &Shared,
        survey: &Survey,
        ticks: &Ticks,
        unknown: &[(String, u64)],
    ) {
        if let Some(job) = &self.job {
            if kit::working(ui, &job.progress().read(), "Measuring") {
                job.cancel();
            }
            return;
        }
        let idle = shared.runner.is_idle() && shared.trainings.at_work().is_none();
        let response = kit::button_if(ui, idle, icons::CLOCK, "Measure");
        if response.clicked() {
            let of = |name: &String| {
                chosen(survey, ticks)
                    .into_iter()
                    .filter_map(|number| survey.cells.get(number))
                    .find(|cell| cell.spec.model.name == *name)
                    .cloned()
            };
            let cells = unknown.iter().filter_map(|(name, _)| of(name)).collect();
            self.begin(ui.ctx(), shared, cells);
        }
        response
            .on_hover_text("Loads the model, answers a few samples and stores nothing")
            .on_disabled_hover_text("Something is running, which would be measured with it");
    }

    /// Why the last one failed.
    pub fn trouble(&mut self, ui: &mut Ui) {
        if let Some(trouble) = self.trouble.clone()
            && kit::trouble(ui, &trouble, Some("Close"))
        {
            self.trouble = None;
        }
    }

    fn begin(&mut self, ctx: &egui::Context, shared: &Shared, cells: Vec<Cell>) {
        self.trouble = None;
        let wake = ctx.clone();
        let workplace = shared.workplace.clone();
        self.job = Some(Job::start(
            "measure",
            move || wake.request_repaint(),
            move |cancel, progress| {
                let folder = Folder::new()?;
                cells.iter().map(|cell| measured(cell, &folder, &workplace, cancel, progress)).collect()
            },
        ));
    }
}

/// A folder that goes with what it holds.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Result<Self, Trouble> {
        let name = format!("lamplight-measure-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies where the system cleans up.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn measured(
    cell: &Cell,
    folder: &Folder,
    workplace: &Arc<Workplace>,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<(String, f64), Trouble> {
    let store = Store::open(&folder.0.join(format!("{}.db", cell.spec.model.fingerprint)))?;
    let settings = Settings { use_cache: false, ..Settings::default() };
    let mut executor = Executor::new(&**workplace, store, settings);
    let control = Control::new(cancel.clone());
    let name = cell.spec.model.name.clone();
    progress.start(&format!("loading {name}"), 0);
    let part = |range: std::ops::Range<usize>| {
        let positions: Vec<u32> =
            cell.positions.iter().copied().skip(range.start).take(range.len()).collect();
        let mut part = Cell { positions: positions.into(), ..cell.clone() };
        // Another spec, so that it is a run of its own.
        part.spec.dataset.limit = Some(range.end);
        part
    };
    let count = cell.positions.len();
    executor.run(&part(0..1.min(count)), Shard::WHOLE, &control)?;
    let more = if count > 1 { part(1..(1 + SAMPLES).min(count)) } else { part(0..1) };
    progress.start(&format!("asking {name}"), 0);
    let began = Instant::now();
    let record = executor.run(&more, Shard::WHOLE, &control)?;
    cancel.check()?;
    let answered = record.totals.done.saturating_sub(record.totals.failed).max(1);
    if record.totals.failed == record.totals.done {
        let why = record.reason.unwrap_or_else(|| "none of a few samples could be answered".to_owned());
        return Err(Trouble(format!("{name} cannot be measured: {why}")));
    }
    Ok((cell.spec.model.fingerprint.clone(), began.elapsed().as_secs_f64() / answered as f64))
}
