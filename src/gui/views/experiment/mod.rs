//! The screen Experiment: the draft as a whole. Which cells there are is found by planning it on a thread; ticking them, naming it and
//! choosing samples change the draft; what stands beneath tells what starting it would cost.

mod cost;
mod file;
mod foot;
mod form;
mod grid;
mod measure;
mod served;
mod survey;
mod ticks;

use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui::{self, Frame, Margin, Rect, ScrollArea, Stroke, Ui, UiBuilder};

use super::{Action, Cx, View};
use crate::dataset::DatasetId;
use crate::gui::command::{Command, Screen};
use crate::gui::kit;
use crate::gui::loadable::Loadable;
use crate::gui::memory::Memory;
use crate::gui::shared::{Shared, Snapshot};
use crate::gui::theme::{self, colors, icons};
use crate::record::RunStatus;
use crate::run::{Experiment, Settings};
use cost::Cost;
use foot::{last_part, start_words};
use grid::{Drag, Grid};
use survey::{Survey, Told};
use ticks::Ticks;

/// The form at the right, points wide.
const FORM: f32 = 290.0;

/// The screen.
#[derive(Debug, Default)]
pub struct ExperimentView {
    survey: Loadable<Arc<Experiment>, Survey>,
    /// What the survey is wanted of, and of which version of the draft that was made.
    subject: Option<(u64, Arc<Experiment>)>,
    form: form::Form,
    files: file::Files,
    measuring: measure::Measuring,
    served: served::Served,
    drag: Drag,
    known: Known,
    /// How series are run, as it is remembered, and whether it was told to the runner.
    kept: Kept,
    told: bool,
    found: Vec<DatasetId>,
}

/// What is computed when something of it has changed.
#[derive(Debug, Default)]
struct Known {
    of: Option<(u64, u64, usize, usize)>,
    ticks: Ticks,
    cost: Cost,
    stored: Vec<Option<(RunStatus, f32)>>,
    /// Problems of the skips, which are not planned with.
    own: Vec<Told>,
}

/// What the screen remembers.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Kept {
    use_cache: bool,
    retry_failed: bool,
    max_failures: usize,
    spending_limit: Option<f64>,
}

impl Default for Kept {
    fn default() -> Self {
        Self::of(Settings::default())
    }
}

impl Kept {
    const fn of(settings: Settings) -> Self {
        Self {
            use_cache: settings.use_cache,
            retry_failed: settings.retry_failed,
            max_failures: settings.max_failures_in_a_row,
            spending_limit: settings.spending_limit,
        }
    }
}

impl ExperimentView {
    /// The screen as it was left.
    pub fn new(memory: &Memory) -> Self {
        Self { kept: memory.screen("experiment"), ..Self::default() }
    }

    /// Opens an experiment's file.
    pub fn open(&mut self, path: PathBuf) {
        self.files.ask_for(path);
    }
}

impl View for ExperimentView {
    fn logic(&mut self, cx: &mut Cx<'_>) {
        if !std::mem::replace(&mut self.told, true) {
            let settings = Settings {
                max_failures_in_a_row: self.kept.max_failures.max(1),
                retry_failed: self.kept.retry_failed,
                use_cache: self.kept.use_cache,
                // What was written by hand may be anything.
                spending_limit: self.kept.spending_limit.filter(|limit| limit.is_finite() && *limit >= 0.0),
            };
            if settings != cx.shared.runner.settings() {
                cx.commands.push(Command::SetSeries(settings));
            }
        } else {
            self.kept = Kept::of(cx.shared.runner.settings());
        }
        self.files.logic(cx.ctx, cx.shared, cx.commands);
        self.measuring.logic();
        if !cx.shown {
            self.survey.poll();
            return;
        }
        let shared = cx.shared;
        self.found = found(shared);
        let version = shared.draft.version();
        let subject = self.subject(shared, version);
        let made_of = shared.data_version + shared.models_version + u64::from(shared.catalog().is_some());
        let spare = spare(shared);
        let workplace = shared.workplace.clone();
        let experiment = (*subject).clone();
        self.survey.want(cx.ctx, "plan", subject, made_of, move |cancel, progress| {
            survey::look(experiment, spare, &workplace, cancel, progress)
        });
        self.compute(shared, version);
        if let Some(survey) = self.survey.value() {
            self.served.logic(cx.ctx, shared, survey);
        }
    }

    fn ui(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        ui.horizontal_wrapped(|ui| {
            self.form.name(ui, shared, commands);
            self.files.buttons(ui, shared, commands);
        });
        file::Files::whereabouts(ui, shared);
        self.files.beneath(ui, shared, commands);
        ui.add_space(4.0);
        let draft = shared.experiment();
        if draft.data.iter().all(|data| data.paths.is_empty()) {
            let (words, command) = match shared.data_paths.is_empty() {
                true => ("Go to Data", Command::Go(Screen::Data)),
                false => ("Use the open data", use_open(shared)),
            };
            let text = "An experiment answers samples. Open LaMP files, or begin with New from sample above.";
            if kit::empty(ui, icons::GRID_FOUR, "No data yet", text, Some(words)) {
                commands.push(command);
            }
            return;
        }
        egui::Panel::bottom("experiment cost")
            .show_separator_line(true)
            .frame(Frame::new().inner_margin(Margin { left: 0, right: 0, top: 10, bottom: 0 }))
            .show(ui, |ui| self.foot(ui, shared, commands));
        // By hand, so that nothing within one part can push the other.
        let area = ui.available_rect_before_wrap();
        let (left, right) = area.split_left_right_at_x(area.right() - FORM);
        let part = |ui: &mut Ui, rect: Rect| {
            let mut part = ui.new_child(UiBuilder::new().max_rect(rect));
            part.shrink_clip_rect(rect);
            part
        };
        let mut ui_left = part(ui, left);
        ScrollArea::vertical().id_salt("matrix page").auto_shrink(false).show(&mut ui_left, |ui| {
            self.matrix(ui, shared, commands);
        });
        let mut ui_right = part(ui, right.with_min_x(right.left() + 16.0));
        ScrollArea::vertical().id_salt("form").auto_shrink(false).show(&mut ui_right, |ui| {
            ui.set_max_width(FORM - 28.0);
            self.form.show(ui, shared, &self.found, commands);
        });
        let line = Stroke::new(1.0, colors(ui).line);
        ui.painter().vline(right.left() + 4.0, right.y_range(), line);
    }

    fn summary(&self, shared: &Shared) -> String {
        if shared.experiment().data.is_empty() {
            return String::new();
        }
        match self.known.cost.runs {
            0 => String::new(),
            1 => "1 run".to_owned(),
            runs => format!("{runs} runs"),
        }
    }

    fn actions(&self, shared: &Shared) -> Vec<Action> {
        let mut all = Vec::new();
        if self.can_start() {
            let experiment = Box::new(shared.experiment().clone());
            all.push(Action { words: start_words(&self.known.cost), command: Command::Start(experiment) });
        }
        all
    }

    fn remember(&self, memory: &mut Memory) {
        memory.set_screen("experiment", &self.kept);
    }
}

/// The datasets among those that are open that the draft takes its samples from.
fn found(shared: &Shared) -> Vec<DatasetId> {
    shared.datasets_under(shared.experiment().data.iter().flat_map(|data| &data.paths))
}

/// What the matrix would be of, where nothing could be planned.
fn spare(shared: &Shared) -> Vec<(DatasetId, usize)> {
    let draft = shared.experiment();
    let wanted = |id: &DatasetId| {
        draft.data.iter().any(|data| {
            id.split == data.split()
                && (data.tasks.is_empty() || data.tasks.contains(&id.task))
                && (data.settings.is_empty() || data.settings.contains(&id.setting))
        })
    };
    let ids = found(shared);
    ids.into_iter().filter(wanted).map(|id| (id, 0)).collect()
}

fn use_open(shared: &Shared) -> Command {
    let paths = shared.data_paths.clone();
    let experiment = shared.edited(|experiment| match experiment.data.first_mut() {
        Some(data) => data.paths = paths,
        None => experiment.data.push(crate::run::experiment::DataSettings { paths, ..Default::default() }),
    });
    Command::Edit { what: "data", experiment }
}

impl ExperimentView {
    /// What the survey depends on: the draft without what changes nothing of it.
    fn subject(&mut self, shared: &Shared, version: u64) -> Arc<Experiment> {
        if let Some((of, subject)) = &self.subject
            && *of == version
            && subject.data.len() == shared.experiment().data.len()
        {
            // A draft that was replaced begins its versions anew.
            if self.known.of.is_some_and(|of| of.0 == version) && is_of(subject, shared.experiment()) {
                return subject.clone();
            }
        }
        let mut bare = shared.experiment().clone();
        bare.skip.clear();
        bare.metrics.clear();
        if !bare.name.trim().is_empty() {
            bare.name = "x".to_owned();
        }
        let subject = match &self.subject {
            Some((_, known)) if **known == bare => known.clone(),
            _ => Arc::new(bare),
        };
        self.subject = Some((version, subject.clone()));
        subject
    }

    /// Ticks, cost and what is stored, where any of what they are made of has changed.
    fn compute(&mut self, shared: &Shared, version: u64) {
        let Some(survey) = self.survey.value() else { return };
        let of = (version, shared.store.version, Arc::as_ptr(survey).addr(), self.measuring.known().len());
        if self.known.of == Some(of) {
            return;
        }
        let draft = shared.experiment();
        let ticks = Ticks::of(draft, &survey.rows, &survey.columns);
        let cost = cost::cost(survey, &ticks, &shared.store.runs, self.measuring.known());
        self.served.look(survey, &ticks, &shared.store.runs);
        self.known = Known {
            of: Some(of),
            stored: stored(survey, &shared.store),
            own: own_problems(draft),
            ticks,
            cost,
        };
    }

    fn problems(&self) -> Vec<&Told> {
        let planned = self.survey.value().map(|survey| survey.problems.as_slice()).unwrap_or_default();
        planned.iter().chain(&self.known.own).collect()
    }

    /// Whether what is shown is of the draft as it is.
    fn is_current(&self) -> bool {
        self.subject.as_ref().is_some_and(|(_, subject)| self.survey.value_of(subject).is_some())
    }

    fn can_start(&self) -> bool {
        self.is_current() && self.problems().is_empty() && self.known.cost.left() > 0
    }

    fn matrix(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        if let Some(trouble) = self.survey.trouble().filter(|_| !self.survey.is_pending()).cloned()
            && kit::trouble(ui, &trouble, Some("Look again"))
        {
            self.survey.forget();
        }
        let Some(survey) = self.survey.value().cloned() else { return };
        self.told(ui, commands);
        if survey.columns.is_empty() {
            let draft = shared.experiment();
            let (title, text, words, screen) = match draft.models.is_empty() {
                true => (
                    "No model yet",
                    "Choose what answers; rules need no download.",
                    "Go to Model",
                    Screen::Model,
                ),
                false => (
                    "No retriever yet",
                    "Choose what of a profile the model gets to see.",
                    "Go to Retriever",
                    Screen::Retriever,
                ),
            };
            if kit::empty(ui, icons::GRID_FOUR, title, text, Some(words)) {
                commands.push(Command::Go(screen));
            }
            return;
        }
        if survey.rows.is_empty() {
            if self.problems().is_empty() && !self.survey.is_pending() {
                kit::empty(ui, icons::GRID_FOUR, "No samples", "The data have nothing of this split.", None);
            }
            return;
        }
        let models = shared.experiment().models.iter().map(|model| last_part(&model.name)).collect();
        let drawn = Grid { survey: &survey, ticks: &self.known.ticks, models, stored: &self.known.stored };
        if let Some(switched) = drawn.show(ui, &mut self.drag) {
            let mut ticks = self.known.ticks.clone();
            for (row, column) in switched.cells {
                if let Some(tick) = ticks.0.get_mut(row).and_then(|row| row.get_mut(column)) {
                    *tick = switched.on;
                }
            }
            let experiment =
                shared.edited(|experiment| ticks.write(experiment, &survey.rows, &survey.columns));
            commands.push(Command::Edit { what: "cells", experiment });
        }
        ui.add_space(4.0);
        legend(ui);
        notes(ui, &survey);
    }

    /// What is wrong, each with the way to where it is mended.
    fn told(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        let problems = self.problems();
        if problems.is_empty() {
            return;
        }
        let head = match problems.len() {
            1 => "One thing is to be mended before it can start".to_owned(),
            count => format!("{count} things are to be mended before it can start"),
        };
        kit::card(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.label(theme::strong(format!("{}  {head}", icons::WARNING_CIRCLE)).color(colors(ui).danger));
            for told in problems {
                ui.horizontal_top(|ui| {
                    let room = ui.available_width() - 130.0;
                    ui.vertical(|ui| {
                        ui.set_width(room.max(120.0));
                        ui.add(egui::Label::new(told.text.as_str()).wrap().selectable(true));
                    });
                    if let Some(screen) = told.screen
                        && kit::quiet(ui, icons::CARET_RIGHT, &format!("Go to {}", screen.name())).clicked()
                    {
                        commands.push(Command::Go(screen));
                    }
                });
            }
        });
        ui.add_space(6.0);
    }
}

fn is_of(subject: &Experiment, draft: &Experiment) -> bool {
    subject.data == draft.data
        && subject.models == draft.models
        && subject.retrieval == draft.retrieval
        && subject.prompt == draft.prompt
        && subject.generation == draft.generation
        && subject.tune == draft.tune
        && subject.seeds == draft.seeds
        && subject.name.is_empty() == draft.name.trim().is_empty()
}

/// What is wrong with what the survey leaves out.
fn own_problems(draft: &Experiment) -> Vec<Told> {
    if draft.skip.is_empty() && draft.to_toml().is_ok() {
        return Vec::new();
    }
    match draft.clone().checked() {
        Ok((_, problems)) => {
            problems.iter().filter(|problem| problem.place.key.starts_with("skip")).map(Told::of).collect()
        }
        Err(error) => vec![Told { text: error.to_string(), screen: None }],
    }
}

/// Of every cell of the survey, how it is stored.
fn stored(survey: &Survey, store: &Snapshot) -> Vec<Option<(RunStatus, f32)>> {
    let by_key: std::collections::HashMap<&str, _> =
        store.runs.iter().map(|run| (run.key.as_str(), run)).collect();
    survey
        .keys
        .iter()
        .map(|key| {
            let run = by_key.get(key.as_str())?;
            Some((run.status, run.totals.done as f32 / run.samples.max(1) as f32))
        })
        .collect()
}

fn legend(ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        for (icon, words) in [
            (icons::CHECK, "to be run"),
            (icons::CHECK_CIRCLE, "stored already"),
            ("\u{25a2}", "left out"),
            ("\u{2013}", "impossible"),
        ] {
            ui.label(theme::caption(ui, format!("{icon}  {words}")));
            ui.add_space(4.0);
        }
        ui.label(theme::caption(ui, "Click a cell, drag over a block, or click a head."));
    });
}

/// What is impossible and why, in words, and what else there is to know.
fn notes(ui: &mut Ui, survey: &Survey) {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for ((id, _), places) in survey.rows.iter().zip(&survey.places) {
        for (column, place) in survey.columns.iter().zip(places) {
            let survey::Place::Refused(reason) = place else { continue };
            let words = format!("{} {}", id.task, id.setting);
            let head = format!("{}: {reason}", column.name());
            match reasons.iter_mut().find(|(known, _)| *known == head) {
                Some((_, rows)) if !rows.contains(&words) => rows.push(words),
                Some(_) => {}
                None => reasons.push((head, vec![words])),
            }
        }
    }
    if reasons.is_empty() && survey.notes.is_empty() {
        return;
    }
    ui.add_space(8.0);
    let told = |ui: &mut Ui, text: String| {
        ui.add(egui::Label::new(theme::caption(ui, text)).wrap().selectable(true));
    };
    // Columns that cannot be for the same reason, in one line.
    let mut lines: Vec<(String, Vec<String>, Vec<String>)> = Vec::new();
    for (head, rows) in reasons {
        let (name, reason) = head.split_once(": ").unwrap_or(("", head.as_str()));
        match lines.iter_mut().find(|(known, _, places)| known == reason && *places == rows) {
            Some((_, names, _)) => names.push(name.to_owned()),
            None => lines.push((reason.to_owned(), vec![name.to_owned()], rows)),
        }
    }
    for (reason, names, rows) in lines {
        let shown = rows.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        let more = if rows.len() > 3 { format!(" and {} more", rows.len() - 3) } else { String::new() };
        told(ui, format!("Impossible: {} on {shown}{more}: {reason}.", names.join(", ")));
    }
    for note in &survey.notes {
        told(ui, format!("{}.", note.trim_end_matches('.')));
    }
}
