//! The screen Train: a recipe at the left with what it would take beneath, at the right the training at work or another one with
//! its curves, and all trainings. The work goes on whatever is shown; it is the window's, not the screen's.

mod charts;
mod curves;
mod data;
mod files;
mod foot;
mod form;
mod jobs;
mod look;
mod more;
mod plot;
mod work;

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use eframe::egui::{self, Frame, Margin, Rect, ScrollArea, Stroke, Ui, UiBuilder};
use serde::{Deserialize, Serialize};

use super::{Action, Cx, View};
use crate::dataset::DatasetId;
use crate::gui::command::Command;
use crate::gui::kit;
use crate::gui::memory::Memory;
use crate::gui::shared::Shared;
use crate::gui::theme::{ROW, colors, icons};
use crate::train::TrainRecipe;
use curves::Curves;
use files::Files;
use foot::{Name, Timing};
use form::{Around, Form};
use jobs::{Jobs, called};
use look::{Look, Wrong};

/// The form at the left, points wide.
const FORM: f32 = 388.0;
/// Trainings that are offered to the palette at once.
const OFFERS: usize = 3;

/// The screen.
#[derive(Default)]
pub struct TrainView {
    form: Form,
    files: Files,
    look: Look,
    timing: Timing,
    name: Name,
    jobs: Jobs,
    curves: Curves,
    /// Whether the loss is drawn on a logarithmic scale.
    log: bool,
    /// The last error that was closed.
    closed: u64,
    found: Vec<DatasetId>,
    wrong: Vec<Wrong>,
    /// The training that was at work when it was last looked.
    seen: u64,
}

/// What is remembered for the next start.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    recipe: Option<TrainRecipe>,
    name: String,
    file: Option<PathBuf>,
    log: bool,
    advanced: bool,
}

impl TrainView {
    /// The screen as it was left.
    pub fn new(memory: &Memory) -> Self {
        let kept: Kept = memory.screen("train");
        let mut view = Self { log: kept.log, ..Self::default() };
        view.form.recipe = kept.recipe.unwrap_or_default();
        view.form.advanced = kept.advanced;
        view.files.file = kept.file;
        view.name.text = kept.name;
        view
    }

    fn take(&mut self, recipe: TrainRecipe, shared: &Shared) {
        let mut recipe = recipe;
        // What is open stays open to change.
        if recipe.data.paths == shared.data_paths {
            recipe.data.paths.clear();
        }
        self.form.take(recipe);
    }
}

impl View for TrainView {
    fn logic(&mut self, cx: &mut Cx<'_>) {
        if let Some(recipe) = self.files.logic(cx.commands) {
            self.take(recipe, cx.shared);
        }
        self.timing.logic();
        self.jobs.logic(cx);
        if !cx.shown {
            self.look.poll();
            self.curves.poll();
            return;
        }
        let shared = cx.shared;
        if let Some(work) = shared.trainings.at_work().filter(|work| work.id != self.seen) {
            // One that begins is what one wants to see.
            self.seen = work.id;
            self.jobs.select(None);
        }
        let recipe = self.form.whole(shared);
        self.found = shared.datasets_under(&recipe.data.paths);
        self.look.logic(cx, &recipe);
        let ended = shared.trainings.ended().len() + shared.trainings.queue().count();
        self.name.logic(cx, shared.models_version + ended as u64 + self.jobs.lines().len() as u64);
        self.wrong = match recipe.check() {
            Err(error) => look::wrong(&error),
            Ok(()) => self.look.now().map(|seen| seen.wrong.clone()).unwrap_or_default(),
        };
        if let Some(folder) = self.jobs.folder(shared) {
            let work = shared.trainings.at_work().filter(|work| work.folder == folder);
            let version = match work.and_then(|work| work.progress()) {
                Some(progress) => progress.step + progress.evaluations.len() as u64 + 1,
                // What another program does is seen with the list.
                None => {
                    let changed = self.jobs.line(&folder).and_then(|line| line.job.changed);
                    let at = changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                    at.map_or(0, |at| at.as_millis() as u64) + ended as u64
                }
            };
            self.curves.want(cx, &folder, version);
        }
    }

    fn ui(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        egui::Panel::bottom("training cost")
            .show_separator_line(true)
            .frame(Frame::new().inner_margin(Margin { left: 0, right: 0, top: 10, bottom: 0 }))
            .show(ui, |ui| self.foot(ui, shared, commands));
        // By hand, so that nothing within one part can push the other.
        let area = ui.available_rect_before_wrap();
        let (left, right) = area.split_left_right_at_x(area.left() + FORM.min(area.width() * 0.5));
        let part = |ui: &mut Ui, rect: Rect| {
            let mut part = ui.new_child(UiBuilder::new().max_rect(rect));
            part.shrink_clip_rect(rect);
            part
        };
        let mut ui_left = part(ui, left.with_max_x(left.right() - 8.0));
        ScrollArea::vertical().id_salt("recipe").auto_shrink(false).show(&mut ui_left, |ui| {
            ui.set_max_width(left.width() - 22.0);
            self.recipe(ui, shared, commands);
        });
        let mut ui_right = part(ui, right.with_min_x(right.left() + 12.0));
        ScrollArea::vertical().id_salt("training").auto_shrink(false).show(&mut ui_right, |ui| {
            ui.set_max_width(right.width() - 20.0);
            self.watched(ui, shared, commands);
        });
        let line = Stroke::new(1.0, colors(ui).line);
        ui.painter().vline(right.left(), right.y_range(), line);
    }

    fn summary(&self, shared: &Shared) -> String {
        let trainings = &shared.trainings;
        if let Some(work) = trainings.at_work() {
            return match work.progress() {
                Some(_) if work.is_paused() => "paused".to_owned(),
                Some(progress) => {
                    format!("epoch {:.1} of {}", progress.epoch, progress.epochs)
                }
                None => "preparing".to_owned(),
            };
        }
        match (trainings.queue().count(), self.jobs.open(shared).count()) {
            (0, 0) => String::new(),
            (0, open) => format!("{open} broken off"),
            (1, _) => "1 waits".to_owned(),
            (waiting, _) => format!("{waiting} wait"),
        }
    }

    fn actions(&self, shared: &Shared) -> Vec<Action> {
        let mut all = Vec::new();
        if self.hindered(shared).is_none() {
            let words = format!("Start training {}", self.name.name());
            all.push(Action { words, command: self.start(shared) });
        }
        for line in self.jobs.open(shared).take(OFFERS) {
            let (name, folder) = (called(line), line.job.folder.clone());
            let words = format!("Resume the training {name}");
            all.push(Action { words, command: Command::ResumeTraining { name, folder } });
        }
        all
    }

    fn remember(&self, memory: &mut Memory) {
        let kept = Kept {
            recipe: Some(self.form.recipe.clone()),
            name: self.name.text.clone(),
            file: self.files.file.clone(),
            log: self.log,
            advanced: self.form.advanced,
        };
        memory.set_screen("train", &kept);
    }
}

impl TrainView {
    fn recipe(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        ui.horizontal(|ui| self.files.buttons(ui));
        let recipe = self.form.whole(shared);
        self.files.beneath(ui, &recipe);
        ui.add_space(2.0);
        let (wrong, found) = (std::mem::take(&mut self.wrong), std::mem::take(&mut self.found));
        self.form.show(ui, &Around { shared, wrong: &wrong, found: &found }, commands);
        (self.wrong, self.found) = (wrong, found);
    }

    /// The right side: what is at work, or the training that is looked at.
    fn watched(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        let above = ui.cursor().top();
        let height = ui.available_height();
        work::failed(ui, shared, &mut self.closed);
        let folder = self.jobs.folder(shared);
        if let Some(work) = shared.trainings.at_work() {
            work::at_work(ui, work, commands);
        }
        work::queue(ui, shared, commands);
        let Some(folder) = folder else {
            if shared.trainings.at_work().is_none() && shared.trainings.queue().next().is_none() {
                let text = "A model that is fine-tuned is watched here: its loss, what it scores on held-out samples, and what is \
                            kept. Write a recipe at the left and start it beneath.";
                kit::empty(ui, icons::GRADUATION_CAP, "Nothing has been trained yet", text, None);
            }
            return;
        };
        let here = shared.trainings.at_work().is_some_and(|work| work.folder == folder);
        if !here && let Some(recipe) = self.jobs.head(ui, &folder, shared, commands) {
            self.take(recipe, shared);
        }
        if let Some(trouble) = self.curves.trouble() {
            kit::trouble(ui, trouble, None);
        }
        let rows = self.jobs.lines().len().clamp(1, 5) as f32;
        let list = (rows + 1.0) * ROW + 20.0;
        if let Some(curve) = self.curves.of(&folder).cloned() {
            ui.add_space(2.0);
            // The charts share what is left, down to a height at which they can still be read.
            let left = height - (ui.cursor().top() - above) - list - 96.0;
            let has_dev = curve.evaluations.iter().any(|evaluation| !evaluation.scores.is_empty());
            let loss = if has_dev { left * 0.56 } else { left };
            charts::loss(ui, &curve, &mut self.log, loss.clamp(104.0, 420.0));
            if has_dev {
                charts::dev(ui, &curve, (left * 0.44).clamp(84.0, 320.0));
            }
        }
        ui.add_space(4.0);
        self.jobs.table(ui, Some(&folder), shared, rows * ROW);
    }
}
