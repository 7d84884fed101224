//! The screen Results: what was measured, as the papers' table and as charts; which runs of it are compared, tuned and written
//! to files.

mod bar;
mod charts;
mod choice;
mod compare;
mod data;
mod export;
mod grid;
mod judge;
mod judge_order;
mod notes;
mod picks;
mod sheet;
mod tune;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::egui::{self, Align, Frame, Layout, Margin, ScrollArea, Ui};
use serde::{Deserialize, Serialize};

use self::charts::{Charts, KINDS};
use self::choice::{Choice, Metrics};
use self::compare::Comparing;
use self::data::judged;
use self::export::{Clip, Export, What};
use self::grid::Widths;
use self::judge::{Judging, can_be_judged};
use self::judge_order::Meant;
use self::notes::{cited, notes};
use self::picks::Picks;
use self::sheet::Sheet;
use self::tune::Tune;
use super::{Action, Cx, View};
use crate::gui::command::{Command, Part, Screen};
use crate::gui::kit;
use crate::gui::loadable::{Loadable, Trouble};
use crate::gui::memory::Memory;
use crate::gui::shared::{Shared, Snapshot};
use crate::gui::theme::{self, icons};
use crate::record::{RunId, RunStatus};
use crate::report::chart::ChartKind;
use crate::report::{ResultTable, TableOptions};
use crate::store::Reader;

/// The panel at the right, points wide.
const SIDE: f32 = 340.0;

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
    chart: ChartKind,
    chart_metrics: Metrics,
    notes: bool,
    files: export::Options,
}

impl Default for Kept {
    fn default() -> Self {
        let choice = Choice { published: true, ..Choice::default() };
        Self {
            tab: Tab::default(),
            choice,
            chart: ChartKind::default(),
            chart_metrics: Metrics::First,
            notes: true,
            files: export::Options::default(),
        }
    }
}

/// What is open at the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Runs,
    Tune,
    Judge,
    Cite,
    Export,
}

impl Side {
    const fn title(self) -> &'static str {
        match self {
            Self::Runs => "Pick runs",
            Self::Tune => "Tune",
            Self::Judge => "Judge",
            Self::Cite => "Cite",
            Self::Export => "Export",
        }
    }
}

/// The screen.
#[derive(Debug, Default)]
pub struct ResultsView {
    kept: Kept,
    sheet: Loadable<(PathBuf, Choice), Sheet>,
    widths: Option<Widths>,
    charts: Charts,
    side: Option<Side>,
    picks: Picks,
    tune: Tune,
    judging: Judging,
    export: Export,
    comparing: Option<Comparing>,
    /// The version of the store that the choice was held against.
    looked_at: Option<u64>,
}

impl ResultsView {
    /// The screen as it was left.
    pub fn new(memory: &Memory) -> Self {
        let kept: Kept = memory.screen("results");
        Self { export: Export::new(kept.files.clone()), kept, ..Self::default() }
    }

    /// Shows these runs alone.
    pub fn show(&mut self, runs: Vec<RunId>) {
        let Choice { metrics, published, oracle, .. } = self.kept.choice;
        self.kept.choice = Choice { runs, metrics, published, oracle, ..Choice::default() };
        self.comparing = None;
        self.looked_at = None;
    }

    /// What the store no longer has cannot be chosen.
    fn keep_choice(&mut self, store: &Snapshot) {
        if store.version == 0 || store.trouble.is_some() || self.looked_at == Some(store.version) {
            return;
        }
        self.looked_at = Some(store.version);
        let choice = &mut self.kept.choice;
        if choice.experiment.is_some() && choice.stored(&store.experiments).is_none() {
            choice.experiment = None;
        }
        choice.runs.retain(|run| store.runs.iter().any(|known| known.id == *run));
        choice.models.retain(|name| store.runs.iter().any(|run| run.spec.model.name == *name));
    }

    /// The runs that a judge would judge: the two that are compared, else those that are shown.
    fn meant(&self, shared: &Shared) -> Meant {
        if let Some(comparing) = &self.comparing {
            let (first, second) = comparing.runs();
            return Meant::Pair(first, second);
        }
        let store = &shared.store;
        let runs: Vec<_> = self.kept.choice.fitting(&store.runs, &store.experiments).cloned().collect();
        Meant::Shown(can_be_judged(&runs))
    }

    /// Whether the two runs that are compared can be judged, and are not being so at the right.
    fn can_judge_pair(&self, shared: &Shared) -> bool {
        let Some(comparing) = &self.comparing else { return false };
        let (first, second) = comparing.runs();
        let two: Vec<_> = [first, second].iter().filter_map(|id| grid::find(shared, *id)).cloned().collect();
        self.side != Some(Side::Judge) && can_be_judged(&two).len() == 2
    }

    fn subject(&self, shared: &Shared) -> (PathBuf, Choice) {
        (shared.places.store.clone(), self.kept.choice.clone())
    }
}

/// The table of what is chosen.
fn make_sheet(store: &Snapshot, path: &Path, choice: &Choice) -> Result<Sheet, Trouble> {
    let chosen = choice.chosen(&store.runs, &store.experiments, &store.tunings);
    let reader = Reader::open(path)?;
    let options = TableOptions {
        metrics: chosen.metrics(choice.metrics),
        oracle: choice.oracle,
        published: choice.published,
        unfinished: true,
        judged: judged(&reader, &chosen.runs)?,
    };
    let table = ResultTable::build(&chosen.runs, &chosen.tunings, &options, |run, metric| {
        reader.column(run, metric)
    })?;
    Ok(Sheet::new(table))
}

impl View for ResultsView {
    fn logic(&mut self, cx: &mut Cx<'_>) {
        self.keep_choice(&cx.shared.store);
        self.sheet.poll();
        self.export.logic(cx.commands);
        let meant = (cx.shown && self.side == Some(Side::Judge)).then(|| self.meant(cx.shared));
        self.judging.logic(cx, meant.as_ref());
        let store = &cx.shared.store;
        if !cx.shown || store.runs.is_empty() || store.trouble.is_some() {
            return;
        }
        if let Some(comparing) = &mut self.comparing {
            comparing.want(cx, self.judging.ended());
            return;
        }
        match self.kept.tab {
            Tab::Table => {
                let subject = self.subject(cx.shared);
                let (snapshot, (path, choice)) = (Arc::clone(store), subject.clone());
                self.sheet.want(cx.ctx, "result table", subject, store.version, move |_, _| {
                    make_sheet(&snapshot, &path, &choice)
                });
            }
            Tab::Charts => {
                self.charts.want(cx, &self.kept.choice, self.kept.chart_metrics, self.kept.chart);
            }
        }
    }

    fn ui(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        if nothing_yet(ui, shared, commands) {
            return;
        }
        if let Some(side) = self.side {
            egui::Panel::right("results side")
                .exact_size(SIDE)
                .resizable(false)
                .frame(Frame::new().inner_margin(Margin { left: 16, right: 0, top: 0, bottom: 0 }))
                .show(ui, |ui| self.aside(ui, side, shared, commands));
        }
        let right = if self.side.is_some() { 16 } else { 0 };
        let frame = Frame::new().inner_margin(Margin { right, ..Margin::ZERO });
        egui::CentralPanel::default().frame(frame).show(ui, |ui| self.main(ui, shared, commands));
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
        vec![Action { words: "Show all results".to_owned(), command: Command::ShowResults(Vec::new()) }]
    }

    fn show_part(&mut self, part: Part) {
        match part {
            Part::Table => self.kept.tab = Tab::Table,
            Part::Charts => self.kept.tab = Tab::Charts,
            Part::Export => {
                self.side = Some(Side::Export);
                self.export.focus();
            }
            Part::OpenData => {}
        }
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
    fn main(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        let judges = self.can_judge_pair(shared);
        if let Some(comparing) = &mut self.comparing {
            match comparing.show(ui, judges, commands) {
                compare::Asked::Nothing => {}
                compare::Asked::Back => self.comparing = None,
                compare::Asked::Judge => self.side = Some(Side::Judge),
            }
            return;
        }
        self.top(ui, commands);
        let charts = self.kept.tab == Tab::Charts;
        let mut metrics = if charts { self.kept.chart_metrics } else { self.kept.choice.metrics };
        bar::show(ui, &mut self.kept.choice, &mut metrics, !charts, shared);
        if charts {
            self.kept.chart_metrics = metrics;
        } else {
            self.kept.choice.metrics = metrics;
        }
        ui.add_space(4.0);
        match self.kept.tab {
            Tab::Table => self.table(ui, shared, commands),
            Tab::Charts => match self.charts.show(ui, self.kept.chart, commands) {
                charts::Asked::Nothing => {}
                charts::Asked::Tune => self.side = Some(Side::Tune),
                charts::Asked::All => self.show(Vec::new()),
            },
        }
    }

    /// Tabs at the left, what can be done at the right.
    fn top(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        ui.horizontal(|ui| {
            let tabs = [(Tab::Table, "Table", None), (Tab::Charts, "Charts", None)];
            kit::segmented(ui, &mut self.kept.tab, &tabs);
            if self.kept.tab == Tab::Charts {
                let kinds = KINDS.map(|(kind, words)| (kind, words, None));
                kit::segmented(ui, &mut self.kept.chart, &kinds);
            }
            // Beside a panel there is no room for what the panel could be.
            if self.side.is_none() {
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| self.doings(ui, commands));
            }
        });
    }

    fn doings(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        ui.spacing_mut().button_padding.x = 8.0;
        let charts = self.kept.tab == Tab::Charts;
        if kit::primary(ui, "Export\u{2026}").clicked() {
            self.export.open(charts);
            self.side = Some(Side::Export);
        }
        if charts {
            if kit::button_if(ui, self.charts.is_drawn(), icons::COPY, "Copy").clicked() {
                self.charts.copy(ui.ctx(), commands);
            }
        } else {
            self.copy_menu(ui, commands);
        }
        for (side, icon) in [
            (Side::Cite, icons::FILE_TEXT),
            (Side::Judge, icons::CHAT_TEXT),
            (Side::Tune, icons::TARGET),
            (Side::Runs, icons::LIST),
        ] {
            if kit::button(ui, icon, side.title()).clicked() {
                self.side = Some(side);
            }
        }
    }

    fn copy_menu(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        // It has its place before there is a table, or the buttons beside it would move away under the pointer.
        let sheet = self.sheet.value();
        let words = format!("{}  Copy", icons::COPY);
        let menu = ui.add_enabled_ui(sheet.is_some(), |ui| {
            ui.menu_button(words, |ui| {
                let kinds = [
                    ("As Markdown", Clip::Markdown),
                    ("As LaTeX", Clip::Latex),
                    ("For a spreadsheet", Clip::Tsv),
                ];
                for (words, kind) in kinds {
                    if ui.button(words).clicked()
                        && let Some(sheet) = sheet
                    {
                        let (text, said) = export::clip(&sheet.table, kind);
                        commands.push(Command::Copy { text, said: said.to_owned() });
                        ui.close();
                    }
                }
            })
        });
        kit::named(&menu.inner.response, egui::Role::Button, sheet.is_some(), "Copy the table");
    }

    /// The panel at the right.
    fn aside(&mut self, ui: &mut Ui, side: Side, shared: &Shared, commands: &mut Vec<Command>) {
        kit::section(ui, side.title(), |ui| {
            if kit::icon_button(ui, icons::X, "Close the panel").clicked() {
                self.side = None;
            }
        });
        match side {
            Side::Runs => match self.picks.show(ui, shared, &self.kept.choice) {
                picks::Asked::Nothing => {}
                picks::Asked::Show(runs) => {
                    self.kept.choice.runs = runs;
                    self.comparing = None;
                }
                picks::Asked::Compare(first, second) => {
                    let chosen = self.kept.choice.chosen(&[], &shared.store.experiments, &[]);
                    let metrics = chosen.metrics(self.kept.choice.metrics);
                    self.comparing = Some(Comparing::new(first, second, metrics));
                }
            },
            Side::Tune => {
                if self.tune.show(ui, shared, commands) {
                    (self.kept.tab, self.kept.chart) = (Tab::Charts, ChartKind::Tuning);
                    self.comparing = None;
                }
            }
            Side::Judge => {
                let meant = self.meant(shared);
                self.judging.show(ui, shared, &meant);
            }
            Side::Cite => cited(ui, commands),
            Side::Export => {
                let what = || What {
                    choice: self.kept.choice.clone(),
                    chart_metrics: self.kept.chart_metrics,
                    chart: self.kept.chart,
                };
                ScrollArea::vertical().id_salt("export").auto_shrink(false).show(ui, |ui| {
                    self.export.show(ui, shared, what);
                });
                self.kept.files.clone_from(&self.export.options);
            }
        }
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
        let strip = if self.kept.notes { 100.0 } else { 30.0 };
        let room = ui.available_height() - strip - 8.0;
        grid::show(ui, widths, shared, room, commands);
        notes(ui, &sheet, &mut self.kept.notes);
    }
}
