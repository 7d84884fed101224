//! All runs of the store: found, resumed, tried again, deleted.

use std::collections::{BTreeSet, HashMap, HashSet};

use eframe::egui::{self, Ui};
use egui_extras::Column;

use super::cells::{dense, mark, method, of_id};
use crate::gui::command::{Command, Inspection, Toast, Weight};
use crate::gui::kit::{self, Notice};
use crate::gui::loadable::Trouble;
use crate::gui::runner::CellState;
use crate::gui::shared::{Shared, Snapshot};
use crate::gui::theme::{self, ROW, colors, icons};
use crate::jobs::Job;
use crate::record::{RunId, RunRecord, RunStatus};
use crate::run::series::Purpose;
use crate::store::{Store, StoreError};

/// Which runs are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(super) enum Filter {
    /// All.
    #[default]
    All,
    /// Those that are not done.
    Open,
    /// Those with samples that could not be answered.
    Failed,
}

/// The list.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub filter: Filter,
    search: String,
    /// What the rows are of.
    of: Option<(u64, Filter, String)>,
    /// Places in the store's list, the latest run first.
    rows: Vec<usize>,
    /// The experiment of each run, the latest that has it.
    experiments: HashMap<RunId, i64>,
    claimed: HashSet<RunId>,
    marked: BTreeSet<RunId>,
    asked: Option<Vec<RunId>>,
    job: Option<Job<Result<Deleted, Trouble>>>,
}

#[derive(Debug)]
struct Deleted {
    runs: usize,
    refused: Vec<String>,
}

/// An experiment with runs that can be gone on with.
pub(super) struct Offer {
    pub experiment: i64,
    pub name: String,
    pub runs: usize,
    pub left: u64,
}

impl Stored {
    /// Asks whether runs are to be deleted.
    pub fn ask(&mut self, runs: Vec<RunId>) {
        if !runs.is_empty() {
            self.asked = Some(runs);
        }
    }

    /// Takes what was deleted, and lists anew what has changed.
    pub fn logic(&mut self, store: &Snapshot, commands: &mut Vec<Command>) {
        if let Some(outcome) = self.job.as_mut().and_then(Job::poll) {
            self.job = None;
            commands.push(Command::Toast(told(outcome.map_err(Trouble::from).and_then(|deleted| deleted))));
        }
        let of = (store.version, self.filter, self.search.clone());
        if self.of.as_ref() == Some(&of) {
            return;
        }
        if self.of.as_ref().is_none_or(|known| known.0 != store.version) {
            self.claimed = store.claimed.iter().copied().collect();
            self.experiments.clear();
            for experiment in &store.experiments {
                self.experiments.extend(experiment.runs.iter().map(|run| (*run, experiment.id)));
            }
            self.marked.retain(|run| of_id(&store.runs, *run).is_some());
        }
        let words: Vec<String> =
            self.search.to_lowercase().split_whitespace().map(ToOwned::to_owned).collect();
        let wanted = |run: &RunRecord| match self.filter {
            Filter::All => true,
            Filter::Open => run.status != RunStatus::Done,
            Filter::Failed => run.totals.failed > 0,
        };
        let fits = |run: &RunRecord| {
            if words.is_empty() {
                return true;
            }
            let text = text_of(run).to_lowercase();
            words.iter().all(|word| text.contains(word))
        };
        let all = store.runs.iter().enumerate().rev();
        self.rows = all.filter(|(_, run)| wanted(run) && fits(run)).map(|(place, _)| place).collect();
        self.of = Some(of);
    }

    /// Experiments that were broken off and that nobody works on.
    pub fn offers(&self, store: &Snapshot) -> Vec<Offer> {
        let mut offers: Vec<Offer> = Vec::new();
        for run in store.runs.iter().filter(|run| is_broken_off(run) && !self.claimed.contains(&run.id)) {
            let Some(&experiment) = self.experiments.get(&run.id) else { continue };
            let left = run.samples.saturating_sub(run.totals.done);
            match offers.iter_mut().find(|offer| offer.experiment == experiment) {
                Some(offer) => {
                    offer.runs += 1;
                    offer.left += left;
                }
                None => {
                    let stored = store.experiments.iter().find(|stored| stored.id == experiment);
                    let name = stored.map_or_else(String::new, |stored| stored.name.clone());
                    offers.push(Offer { experiment, name, runs: 1, left });
                }
            }
        }
        offers.reverse();
        offers
    }

    /// The head: filters, search, what is done with those that are marked.
    pub fn head(&mut self, ui: &mut Ui, shared: &Shared) {
        let store = &shared.store;
        ui.horizontal(|ui| {
            ui.label(theme::section("In the store"));
            for (filter, words) in
                [(Filter::All, "All"), (Filter::Open, "Not done"), (Filter::Failed, "With failed samples")]
            {
                let mut on = self.filter == filter;
                ui.scope(|ui| {
                    if kit::chip(ui, &mut on, words) {
                        self.filter = filter;
                    }
                });
            }
            kit::search_field(ui, &mut self.search, "Find runs", 200.0);
            let shown = self.rows.len();
            let of = store.runs.len();
            let words = if shown == of { format!("{of} runs") } else { format!("{shown} of {of} runs") };
            ui.label(theme::caption(ui, words));
            if !self.marked.is_empty() {
                let count = self.marked.len();
                let words = if count == 1 {
                    "Delete 1 run\u{2026}".to_owned()
                } else {
                    format!("Delete {count} runs\u{2026}")
                };
                if kit::button_if(ui, self.job.is_none(), icons::TRASH, &words).clicked() {
                    self.asked = Some(self.marked.iter().copied().collect());
                }
            }
        });
        self.question(ui, shared);
        if let Some(job) = &self.job
            && kit::working(ui, &job.progress().read(), "Deleting")
        {
            job.cancel();
        }
        for text in &store.unreadable {
            kit::notice(ui, Notice::Warning, text, None);
        }
    }

    fn question(&mut self, ui: &mut Ui, shared: &Shared) {
        let Some(runs) = self.asked.clone() else { return };
        let records: Vec<&RunRecord> =
            runs.iter().filter_map(|run| of_id(&shared.store.runs, *run)).collect();
        let predictions: u64 = records.iter().map(|run| run.totals.done).sum();
        let busy = records.iter().filter(|run| self.claimed.contains(&run.id)).count();
        let what = match records.as_slice() {
            [run] => format!("Delete run {} ({}) with {predictions} predictions?", run.id.0, label(run)),
            all => format!("Delete {} runs with {predictions} predictions?", all.len()),
        };
        let mut yes = false;
        let mut no = false;
        kit::card(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal_wrapped(|ui| {
                ui.label(theme::strong(what));
                ui.label(theme::weak(ui, "That cannot be taken back."));
                if busy > 0 {
                    let words = if busy == 1 {
                        "One is being worked on and stays.".to_owned()
                    } else {
                        format!("{busy} are being worked on and stay.")
                    };
                    ui.label(theme::weak(ui, words));
                }
                let all = if records.len() == 1 { "Delete it".to_owned() } else { "Delete them".to_owned() };
                yes = kit::button_if(ui, records.len() > busy, icons::TRASH, &all).clicked();
                no = kit::quiet(ui, "", "Keep").clicked();
            });
        });
        if yes {
            self.delete(ui.ctx(), shared, runs);
        }
        if yes || no {
            self.asked = None;
        }
    }

    fn delete(&mut self, ctx: &egui::Context, shared: &Shared, runs: Vec<RunId>) {
        for run in &runs {
            self.marked.remove(run);
        }
        let (path, wake) = (shared.places.store.clone(), ctx.clone());
        self.job = Some(Job::start(
            "delete runs",
            move || wake.request_repaint(),
            move |cancel, progress| {
                let mut store = Store::open(&path)?;
                let mut deleted = Deleted { runs: 0, refused: Vec::new() };
                progress.start("deleting", runs.len() as u64);
                for run in runs {
                    if cancel.is_canceled() {
                        break;
                    }
                    match store.delete(run) {
                        Ok(()) => deleted.runs += 1,
                        // Gone already is as good.
                        Err(StoreError::GoneRun { .. }) => {}
                        Err(error @ StoreError::InUse { .. }) => {
                            deleted.refused.push(format!("Run {}: {}", run.0, crate::run::in_full(&error)));
                        }
                        Err(error) => return Err(error.into()),
                    }
                    progress.add(1);
                }
                // Room that is not given back now is used by the next run.
                let _ = store.give_back(cancel, progress);
                Ok(deleted)
            },
        ));
    }

    /// The rows.
    pub fn table(&mut self, ui: &mut Ui, shared: &Shared, height: f32, commands: &mut Vec<Command>) {
        let store = &shared.store;
        dense(ui);
        let wide = ui.available_width() > 860.0;
        let mut table = kit::table(ui, "stored runs")
            .min_scrolled_height(ROW)
            .max_scroll_height((height - 24.0).max(3.0 * ROW))
            .auto_shrink([false, true])
            .column(Column::exact(20.0))
            .column(Column::exact(40.0))
            .column(Column::exact(if wide { 146.0 } else { 130.0 }).clip(true))
            .column(Column::remainder().at_least(80.0).clip(true))
            .column(Column::exact(if wide { 126.0 } else { 90.0 }).clip(true))
            .column(Column::exact(80.0).clip(true))
            .column(Column::exact(if wide { 116.0 } else { 96.0 }).clip(true));
        if wide {
            table = table.column(Column::exact(108.0)).column(Column::exact(62.0));
        }
        table
            .column(Column::exact(104.0))
            .header(ROW, |mut header| {
                let mut heads = vec!["", "Run", "Data", "Method", "Model", "Samples", "Status"];
                if wide {
                    heads.extend(["Begun (UTC)", "Key"]);
                }
                heads.push("");
                for (number, head) in heads.into_iter().enumerate() {
                    header.col(|ui| {
                        if number == 0 {
                            self.mark_all(ui, store);
                        } else if number == 1 || number == 5 {
                            kit::number(ui, theme::caption(ui, head));
                        } else {
                            ui.label(theme::caption(ui, head));
                        }
                    });
                }
            })
            .body(|body| {
                let rows = std::mem::take(&mut self.rows);
                body.rows(ROW, rows.len(), |mut row| {
                    let Some(run) = rows.get(row.index()).and_then(|place| store.runs.get(*place)) else {
                        return;
                    };
                    self.row(&mut row, run, shared, wide, commands);
                });
                self.rows = rows;
            });
    }

    fn mark_all(&mut self, ui: &mut Ui, store: &Snapshot) {
        let mut all = !self.rows.is_empty()
            && self.marked.len() >= self.rows.len()
            && self
                .rows
                .iter()
                .all(|place| store.runs.get(*place).is_some_and(|run| self.marked.contains(&run.id)));
        let response = ui.checkbox(&mut all, "");
        kit::named(&response, egui::Role::CheckBox, true, "Mark all that are listed");
        if response.changed() {
            self.marked.clear();
            if all {
                self.marked =
                    self.rows.iter().filter_map(|place| store.runs.get(*place)).map(|run| run.id).collect();
            }
        }
    }

    fn row(
        &mut self,
        row: &mut egui_extras::TableRow<'_, '_>,
        run: &RunRecord,
        shared: &Shared,
        wide: bool,
        commands: &mut Vec<Command>,
    ) {
        let spec = &run.spec;
        row.col(|ui| {
            let mut marked = self.marked.contains(&run.id);
            let response = ui.checkbox(&mut marked, "");
            response.widget_info(|| {
                egui::WidgetInfo::selected(
                    egui::Role::CheckBox,
                    true,
                    marked,
                    format!("Mark run {}", run.id.0),
                )
            });
            if response.changed() {
                if marked {
                    self.marked.insert(run.id);
                } else {
                    self.marked.remove(&run.id);
                }
            }
        });
        row.col(|ui| {
            kit::number(ui, run.id.0.to_string());
        });
        row.col(|ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            ui.label(theme::strong(spec.dataset.task.id()));
            kit::cut(ui, theme::weak(ui, format!("{} {}", spec.dataset.setting, spec.dataset.split)));
        });
        row.col(|ui| method(ui, &spec.retriever.config, spec.retriever.k, Purpose::Matrix));
        row.col(|ui| {
            kit::cut(ui, theme::weak(ui, spec.model.name.as_str())).on_hover_text(&spec.model.name);
        });
        row.col(|ui| {
            let text = match run.totals.done == run.samples {
                true => run.samples.to_string(),
                false => format!("{} of {}", run.totals.done, run.samples),
            };
            kit::number(ui, text);
        });
        let here = is_here(run, shared);
        let claimed = self.claimed.contains(&run.id);
        row.col(|ui| {
            let (status, words) = match run.status {
                RunStatus::Done if run.totals.failed > 0 => {
                    (RunStatus::Done, format!("{} failed", run.totals.failed))
                }
                status if here == Some("waiting") => (status, "waiting".to_owned()),
                _ if here.is_some() => (RunStatus::Running, "running".to_owned()),
                _ if claimed => (RunStatus::Running, "in another program".to_owned()),
                RunStatus::Running => (RunStatus::Interrupted, "broken off".to_owned()),
                other => (other, other.id().to_owned()),
            };
            let (icon, color) = mark(status, colors(ui));
            ui.spacing_mut().item_spacing.x = 6.0;
            ui.label(egui::RichText::new(icon).color(color));
            if let Some((troubled, text)) = super::traffic::answers(run) {
                let (sign, color) = match troubled {
                    true => (icons::WARNING, colors(ui).warning),
                    false => (icons::INFO, colors(ui).weak),
                };
                let response = ui.label(egui::RichText::new(sign).color(color));
                kit::named(
                    &response,
                    egui::Role::Label,
                    true,
                    &format!("Answers of run {}: {text}", run.id.0),
                );
                response.on_hover_text(text);
            }
            let response = kit::cut(ui, words);
            if let Some(reason) = &run.reason {
                response.on_hover_text(reason);
            } else if claimed && here.is_none() {
                response
                    .on_hover_text("Another program works on it; it can be resumed here when that has ended");
            }
        });
        if wide {
            row.col(|ui| {
                ui.label(theme::caption(ui, kit::moment(run.created_ms)));
            });
            row.col(|ui| {
                let key = ui.label(theme::caption(ui, run.short_key()));
                key.on_hover_text(&run.key);
            });
        }
        row.col(|ui| self.ways_on(ui, run, here.is_some() || claimed, commands));
    }

    fn ways_on(&self, ui: &mut Ui, run: &RunRecord, busy: bool, commands: &mut Vec<Command>) {
        ui.spacing_mut().item_spacing.x = 0.0;
        let number = run.id.0;
        if kit::icon_button(ui, icons::CHART_BAR, &format!("Show results of run {number}")).clicked() {
            commands.push(Command::ShowResults(vec![run.id]));
        }
        let some = run.totals.done > 0;
        if kit::icon_button_if(ui, some, icons::LIST_MAGNIFYING_GLASS, &format!("Inspect run {number}"))
            .clicked()
        {
            commands.push(Command::Inspect(Inspection { run: run.id, position: None, against: None }));
        }
        let experiment = self.experiments.get(&run.id).copied();
        let open = run.status != RunStatus::Done;
        let (icon, words) = match (open, run.totals.failed > 0) {
            (true, _) => (icons::PLAY, format!("Resume run {number} and the rest of its experiment")),
            (false, true) => (icons::ARROW_CLOCKWISE, format!("Try failed samples of run {number} again")),
            (false, false) => (icons::PLAY, String::new()),
        };
        if words.is_empty() {
            ui.add_space(24.0);
        } else if kit::icon_button_if(ui, experiment.is_some() && !busy, icon, &words).clicked()
            && let Some(experiment) = experiment
        {
            commands.push(match open {
                true => Command::Resume { experiment },
                false => Command::RetryFailed { experiment, runs: vec![run.id] },
            });
        }
        if kit::icon_button_if(ui, !busy && self.job.is_none(), icons::TRASH, &format!("Delete run {number}"))
            .clicked()
        {
            commands.push(Command::DeleteRuns(vec![run.id]));
        }
    }
}

/// Whether the run can be gone on with: begun and not done, whoever broke it off.
pub(super) fn is_broken_off(run: &RunRecord) -> bool {
    matches!(run.status, RunStatus::Interrupted | RunStatus::Running | RunStatus::Planned | RunStatus::Failed)
}

/// Whether this window works on the run, or will.
fn is_here(run: &RunRecord, shared: &Shared) -> Option<&'static str> {
    let board = shared.runner.active()?.board();
    let cell = board.cells.iter().find(|cell| cell.key == run.key)?;
    match cell.state {
        CellState::Running => Some("running"),
        CellState::Waiting => Some("waiting"),
        CellState::Ended { .. } | CellState::Failed(_) => None,
    }
}

fn told(outcome: Result<Deleted, Trouble>) -> Toast {
    let count = |runs: usize| if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
    match outcome {
        Err(trouble) => Toast::new(Weight::Error, "The runs could not be deleted.").with_details(trouble.0),
        Ok(deleted) if deleted.refused.is_empty() => {
            Toast::new(Weight::Success, format!("{} deleted.", count(deleted.runs)))
        }
        Ok(deleted) => {
            let refused = deleted.refused.len();
            let text = format!("{} deleted; {} being worked on stayed.", count(deleted.runs), count(refused));
            Toast::new(Weight::Warning, text).with_details(deleted.refused.join("\n"))
        }
    }
}

/// A run in a line.
fn label(run: &RunRecord) -> String {
    let dataset = &run.spec.dataset;
    let retriever = &run.spec.retriever;
    let method = crate::report::method_name(retriever);
    let k = if retriever.is_none() { String::new() } else { format!(", k {}", retriever.k) };
    format!("{} {} {}, {method}{k}, {}", dataset.task, dataset.setting, dataset.split, run.spec.model.name)
}

/// What a run is found by.
fn text_of(run: &RunRecord) -> String {
    let status = run.status.id();
    format!("{} {} {} {} {status}", run.id.0, label(run), run.spec.retriever.config, run.short_key())
}
