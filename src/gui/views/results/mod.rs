//! The screen Results: what was measured, as the papers' table and as charts; which runs of it are compared, tuned and written
//! to files.

mod bar;
mod choice;
mod grid;
mod sheet;

use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui::{self, Align, Frame, Layout, Margin, ScrollArea, Ui};
use serde::{Deserialize, Serialize};

use self::choice::Choice;
use self::grid::Widths;
use self::sheet::Sheet;
use super::{Action, Cx, View};
use crate::gui::command::{Command, Screen};
use crate::gui::kit;
use crate::gui::loadable::{Loadable, Trouble};
use crate::gui::memory::Memory;
use crate::gui::shared::{Shared, Snapshot};
use crate::gui::theme::{self, colors, icons};
use crate::record::{RunId, RunStatus};
use crate::report::{ResultTable, TableOptions};
use crate::store::Reader;

/// The two ways to see results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum Tab {
    #[default]
    Table,
    Charts,
}

/// What the screen remembers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    tab: Tab,
    choice: Choice,
    notes: bool,
}

impl Default for Kept {
    fn default() -> Self {
        let choice = Choice { published: true, ..Choice::default() };
        Self { tab: Tab::default(), choice, notes: true }
    }
}

/// The screen.
#[derive(Debug, Default)]
pub struct ResultsView {
    kept: Kept,
    sheet: Loadable<(PathBuf, Choice), Sheet>,
    widths: Option<Widths>,
}

impl ResultsView {
    /// The screen as it was left.
    pub fn new(memory: &Memory) -> Self {
        Self { kept: memory.screen("results"), ..Self::default() }
    }

    /// Shows these runs alone.
    pub fn show(&mut self, runs: Vec<RunId>) {
        let Choice { metrics, published, oracle, .. } = self.kept.choice;
        self.kept.choice = Choice { runs, metrics, published, oracle, ..Choice::default() };
    }

    /// What the store no longer has cannot be chosen.
    fn keep_choice(&mut self, store: &Snapshot) {
        let choice = &mut self.kept.choice;
        if store.version == 0 || store.trouble.is_some() {
            return;
        }
        if choice.experiment.is_some() && choice.stored(&store.experiments).is_none() {
            choice.experiment = None;
        }
        choice.runs.retain(|run| store.runs.iter().any(|known| known.id == *run));
        choice.models.retain(|name| store.runs.iter().any(|run| run.spec.model.name == *name));
    }

    fn subject(&self, shared: &Shared) -> (PathBuf, Choice) {
        (shared.places.store.clone(), self.kept.choice.clone())
    }
}

/// The table of what is chosen.
fn make_sheet(store: &Snapshot, path: &std::path::Path, choice: &Choice) -> Result<Sheet, Trouble> {
    let chosen = choice.chosen(&store.runs, &store.experiments, &store.tunings);
    let options = TableOptions {
        metrics: chosen.metrics(choice.metrics),
        oracle: choice.oracle,
        published: choice.published,
        unfinished: true,
    };
    let reader = Reader::open(path)?;
    let table = ResultTable::build(&chosen.runs, &chosen.tunings, &options, |run, metric| {
        reader.column(run, metric)
    })?;
    Ok(Sheet::new(table))
}

impl View for ResultsView {
    fn logic(&mut self, cx: &mut Cx<'_>) {
        self.keep_choice(&cx.shared.store);
        self.sheet.poll();
        let store = &cx.shared.store;
        if !cx.shown || store.runs.is_empty() || store.trouble.is_some() {
            return;
        }
        let subject = self.subject(cx.shared);
        let (snapshot, (path, choice)) = (Arc::clone(store), subject.clone());
        self.sheet.want(cx.ctx, "result table", subject, store.version, move |_, _| {
            make_sheet(&snapshot, &path, &choice)
        });
    }

    fn ui(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        if nothing_yet(ui, shared, commands) {
            return;
        }
        self.top(ui);
        bar::show(ui, &mut self.kept.choice, shared);
        ui.add_space(4.0);
        match self.kept.tab {
            Tab::Table => self.table(ui, shared, commands),
            Tab::Charts => {}
        }
    }

    fn summary(&self, shared: &Shared) -> String {
        let runs = &shared.store.runs;
        let done = runs.iter().filter(|run| run.status == RunStatus::Done).count();
        match runs.len() {
            0 => String::new(),
            1 if done == 1 => "1 run".to_owned(),
            all if all == done => format!("{all} runs"),
            all => format!("{done} of {all} runs"),
        }
    }

    fn actions(&self, _shared: &Shared) -> Vec<Action> {
        Vec::new()
    }

    fn remember(&self, memory: &mut Memory) {
        memory.set_screen("results", &self.kept);
    }
}

/// What stands in place of the screen where there is no run; tells whether it does.
fn nothing_yet(ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) -> bool {
    let store = &shared.store;
    if let Some(trouble) = &store.trouble {
        ui.set_max_width(theme::FORM);
        if kit::trouble(ui, trouble, Some("Choose another store")) {
            commands.push(Command::Go(Screen::Settings));
        }
        return true;
    }
    if store.version == 0 {
        ui.label(theme::weak(ui, "Reading the store\u{2026}"));
        return true;
    }
    if !store.runs.is_empty() {
        return false;
    }
    if shared.runner.is_idle() {
        let text = "Every run stores its answers as it goes, and this screen fills while it does: a table with intervals and tests, \
                    charts, and files for papers.";
        if kit::empty(ui, icons::CHART_BAR, "No results yet", text, Some("Run the sample benchmark")) {
            commands.push(Command::RunSample);
        }
        ui.vertical_centered(|ui| {
            if kit::quiet(ui, icons::GRID_FOUR, "Set up an experiment of your own").clicked() {
                commands.push(Command::Go(Screen::Experiment));
            }
        });
    } else {
        let text = "The first figures stand here as soon as a run has ended.";
        if kit::empty(ui, icons::CLOCK, "The first run is being prepared", text, Some("See it run")) {
            commands.push(Command::Go(Screen::Runs));
        }
    }
    true
}

impl ResultsView {
    fn top(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            kit::segmented(
                ui,
                &mut self.kept.tab,
                &[(Tab::Table, "Table", None), (Tab::Charts, "Charts", None)],
            );
        });
    }

    fn table(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        if let Some(trouble) = self.sheet.trouble()
            && kit::trouble(ui, trouble, Some("Try again"))
        {
            self.sheet.forget();
        }
        let Some(sheet) = self.sheet.value().cloned() else {
            if self.sheet.is_pending() {
                ui.label(theme::weak(ui, "Reading the runs\u{2026}"));
            }
            return;
        };
        if sheet.is_empty() {
            let text = "No run of the store fits what is chosen above, or none that fits has a score.";
            if kit::empty(ui, icons::FUNNEL, "Nothing to show", text, Some("Show all runs")) {
                self.show(Vec::new());
            }
            return;
        }
        Widths::keep(&mut self.widths, ui.painter(), &sheet);
        let Some(widths) = &self.widths else { return };
        // Notes follow the table; where it is long they keep a strip at the lower edge.
        let strip = if self.kept.notes { 118.0 } else { 30.0 };
        let room = ui.available_height() - strip - 8.0;
        grid::show(ui, widths, shared, room, commands);
        notes(ui, &sheet, &mut self.kept.notes);
    }
}

/// How the table is to be read, and what is to be known of it.
fn notes(ui: &mut Ui, sheet: &Sheet, open: &mut bool) {
    ui.add_space(4.0);
    let count = sheet.notes.len() + sheet.published.len();
    ui.horizontal(|ui| {
        let icon = if *open { icons::CARET_DOWN } else { icons::CARET_RIGHT };
        if kit::quiet(ui, icon, &format!("Notes ({count})")).clicked() {
            *open = !*open;
        }
    });
    if !*open {
        return;
    }
    ScrollArea::vertical().id_salt("notes").auto_shrink([false, true]).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        ui.set_max_width(ui.available_width().min(960.0));
        for note in &sheet.notes {
            ui.label(theme::caption(ui, note));
        }
        if !sheet.published.is_empty() {
            ui.label(theme::caption(
                ui,
                "\u{25c7} Published figures of the same task, setting, split and metric:",
            ));
            for line in &sheet.published {
                ui.label(theme::caption(ui, line));
            }
        }
    });
    let _ = (Align::Center, Layout::default(), Frame::NONE, Margin::same(0), colors(ui));
    let _ = egui::Id::NULL;
}
