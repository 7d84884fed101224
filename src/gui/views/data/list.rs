//! The page with the datasets that are open.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use eframe::egui::text::{LayoutJob, TextFormat};
use eframe::egui::{
    self, Align, Button, FontFamily, FontId, RichText, Role, ScrollArea, Sense, TextStyle, Ui, vec2,
};
use egui_extras::{Column, TableRow};

use super::checks::{CheckState, Checks, Counts};
use super::download::DownloadPage;
use super::rows::{Facts, Row};
use super::{Ask, Opened, about, findings, take, words};
use crate::dataset::FindingKind;
use crate::gui::command::Command;
use crate::gui::kit::{self, PathField, PathKind};
use crate::gui::loadable::{Loadable, Trouble};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, ROW, colors, icons};
use crate::jobs::ProgressReading;

/// Narrower than this, the list leaves out the files' places.
const WITH_PATHS: f32 = 930.0;

/// What the page itself remembers.
#[derive(Default)]
pub(super) struct ListState {
    /// Open once files are asked for.
    pub path: Option<PathField>,
    /// The one that is there while nothing is open.
    pub first: PathField,
    /// Datasets whose findings are open, by their keys.
    pub open: HashSet<String>,
    /// Whose findings are to be brought into view.
    pub shown: Option<String>,
    pub findings_open: bool,
    pub others_open: bool,
}

impl ListState {
    /// Forgets what was folded open of data that are gone.
    pub fn forget_folds(&mut self) {
        self.open.clear();
        self.shown = None;
    }
}

/// Why a path cannot be read; `None` where it can.
pub(super) fn standing(path: &Path) -> Option<Trouble> {
    let read = std::fs::metadata(path).and_then(|there| {
        if there.is_dir() { std::fs::read_dir(path).map(drop) } else { std::fs::File::open(path).map(drop) }
    });
    read.err().map(Trouble::from)
}

/// What the page draws from.
pub(super) struct ListPage<'a> {
    pub opened: &'a Opened,
    pub facts: Option<&'a [Facts]>,
    pub checks: &'a Checks,
    pub standing: &'a Loadable<Vec<PathBuf>, Vec<Option<Trouble>>>,
    pub sample_set: Option<ProgressReading>,
    pub sample_set_trouble: Option<&'a Trouble>,
    pub download: &'a DownloadPage,
    pub shared: &'a Shared,
    pub commands: &'a mut Vec<Command>,
    pub asks: &'a mut Vec<Ask>,
}

impl ListPage<'_> {
    pub fn ui(&mut self, ui: &mut Ui, state: &mut ListState) {
        let shared = self.shared;
        ScrollArea::vertical().id_salt("data list").auto_shrink(false).show(ui, |ui| {
            // Beside the bar of the area.
            ui.set_max_width(ui.available_width() - 10.0);
            if shared.data_paths.is_empty() {
                self.nothing_open(ui, state);
                take::elsewhere(ui, self.opened, self.commands);
                return;
            }
            self.ways_in(ui, state);
            if let Some(reading) = shared.catalog.pending().map(in_bytes)
                && kit::working(ui, &reading, "Opening the data")
            {
                self.commands.push(Command::CancelData);
            }
            let refused = shared.catalog.trouble().filter(|_| !shared.catalog.is_pending());
            if let Some(trouble) = refused {
                self.refused(ui, trouble);
            }
            if self.opened.rows.is_empty() {
                if refused.is_none() && !shared.catalog.is_pending() && self.opened.catalog.is_some() {
                    let text = "There is no dataset under these paths. LaMP files are called \
                                dev_questions.json and dev_outputs.json, or the like.";
                    kit::notice(ui, kit::Notice::Info, text, None);
                }
            } else {
                take::choice(ui, self.opened, shared, self.commands);
                self.table(ui, state);
                take::samples(ui, self.opened, shared, self.commands);
                let damaged: Vec<bool> =
                    (0..self.opened.rows.len()).map(|place| self.is_damaged(place)).collect();
                take::obstacles(ui, self.opened, self.facts, &damaged, shared, self.commands);
            }
            take::elsewhere(ui, self.opened, self.commands);
            about::paths(ui, shared, self.standing, self.commands);
            self.findings(ui, state);
            about::unrecognized(ui, self.opened, &mut state.others_open);
        });
    }

    /// What stands where nothing is open yet.
    fn nothing_open(&mut self, ui: &mut Ui, state: &mut ListState) {
        ui.vertical_centered(|ui| {
            ui.add_space((ui.available_height() * 0.14).clamp(8.0, 120.0));
            ui.label(RichText::new(icons::DATABASE).size(36.0).color(colors(ui).weak));
            ui.label(theme::section("Open some data"));
            ui.scope(|ui| {
                ui.set_max_width(520.0);
                let text = "Drop LaMP files or folders anywhere in the window, name them here, download them, or begin \
                            with the sample set: small invented data that need no license.";
                ui.label(theme::weak(ui, text));
            });
            ui.add_space(8.0);
            let width = ui.available_width().min(640.0);
            ui.allocate_ui_with_layout(vec2(width, 0.0), egui::Layout::top_down(Align::Min), |ui| {
                kit::card(ui, |ui| {
                    open_path(ui, &mut state.first, self.commands);
                    // There is one field, and it is this.
                    state.path = None;
                });
                ui.add_space(4.0);
                ui.horizontal(|ui| {
                    if kit::button(ui, icons::DOWNLOAD_SIMPLE, "Download LaMP\u{2026}").clicked() {
                        self.asks.push(Ask::Download);
                    }
                    self.sample_button(ui);
                });
                self.background(ui);
            });
        });
    }

    /// The buttons above the list.
    fn ways_in(&mut self, ui: &mut Ui, state: &mut ListState) {
        ui.horizontal_wrapped(|ui| {
            if kit::button(ui, icons::FOLDER_OPEN, "Open files or folders\u{2026}").clicked() {
                state.path = match state.path.take() {
                    Some(_) => None,
                    None => Some(PathField::default()),
                };
            }
            if kit::button(ui, icons::DOWNLOAD_SIMPLE, "Download LaMP\u{2026}").clicked() {
                self.asks.push(Ask::Download);
            }
            self.sample_button(ui);
            if kit::quiet(ui, icons::ARROW_CLOCKWISE, "Read again").clicked() {
                self.commands.push(Command::ReloadData);
            }
        });
        self.background(ui);
        if let Some(path) = &mut state.path {
            let mut opened = false;
            kit::card(ui, |ui| opened = open_path(ui, path, self.commands));
            if opened {
                state.path = None;
            }
        }
    }

    fn sample_button(&mut self, ui: &mut Ui) {
        let idle = self.sample_set.is_none();
        if kit::button_if(ui, idle, icons::LAMP, "Open the sample set").clicked() {
            self.asks.push(Ask::SampleSet);
        }
    }

    /// What goes on in the background, and how it went.
    fn background(&mut self, ui: &mut Ui) {
        if let Some(reading) = &self.sample_set
            && kit::working(ui, reading, "Writing the sample set")
        {
            self.asks.push(Ask::CancelSampleSet);
        }
        if let Some(trouble) = self.sample_set_trouble
            && kit::trouble(ui, trouble, Some("Try again"))
        {
            self.asks.push(Ask::SampleSet);
        }
        if let Some(words) = self.download.in_short() {
            ui.horizontal(|ui| {
                kit::progress(ui, self.download.part(), 160.0, "Progress of the download");
                ui.label(theme::weak(ui, words));
                if kit::quiet(ui, "", "Show the download").clicked() {
                    self.asks.push(Ask::Download);
                }
            });
            ui.ctx().request_repaint_after(std::time::Duration::from_millis(200));
        }
    }

    /// The data could not be opened.
    fn refused(&mut self, ui: &mut Ui, trouble: &Trouble) {
        let canceled = trouble.0 == crate::jobs::Canceled.to_string();
        let (said, action) = if canceled {
            (Trouble("Opening the data was canceled.".to_owned()), "Open them after all")
        } else {
            (
                Trouble(format!("The data could not be opened: {}.", trouble.0.trim_end_matches('.'))),
                "Try again",
            )
        };
        if kit::trouble(ui, &said, Some(action)) {
            self.commands.push(Command::ReloadData);
        }
        let paths = &self.shared.data_paths;
        let Some(standing) = self.standing.value_of(paths) else { return };
        let lost: Vec<&PathBuf> = paths
            .iter()
            .zip(standing.iter())
            .filter(|(_, trouble)| trouble.is_some())
            .map(|(path, _)| path)
            .collect();
        if !lost.is_empty() && lost.len() < paths.len() {
            let words =
                if lost.len() == 1 { "Remove what cannot be read" } else { "Remove all that cannot be read" };
            if kit::button(ui, icons::X, words).clicked() {
                self.commands.extend(lost.into_iter().cloned().map(Command::CloseData));
                self.commands.push(Command::ReloadData);
            }
        }
    }

    fn is_damaged(&self, place: usize) -> bool {
        let Some(row) = self.opened.rows.get(place) else { return false };
        row.dataset.broken_count() > 0
            || self.checks.checked(&row.key).is_some_and(|checked| {
                let damage = [FindingKind::BrokenRecords, FindingKind::DamagedFile];
                checked.findings.iter().any(|finding| damage.contains(&finding.kind))
            })
    }

    fn table(&mut self, ui: &mut Ui, state: &mut ListState) {
        let width = ui.available_width();
        let (paths, roomy) = (width >= WITH_PATHS, width >= 820.0);
        let opened = self.opened;
        let all = opened.rows.len() as f32 * (ROW + 2.0) + ROW + 6.0;
        let most = all.min((ui.available_height() - 190.0).max(190.0));
        ui.scope(|ui| {
            ui.spacing_mut().item_spacing = vec2(8.0, 2.0);
            ui.spacing_mut().button_padding.y = 0.0;
            // No control is higher than its row.
            ui.spacing_mut().interact_size.y = 20.0;
            let mut table = kit::table(ui, "datasets")
                .sense(Sense::click())
                .column(Column::exact(20.0))
                .column(if paths {
                    Column::exact(if roomy { 236.0 } else { 190.0 })
                } else {
                    Column::remainder().clip(true)
                })
                .column(Column::exact(48.0))
                .column(Column::exact(42.0))
                .column(Column::exact(60.0))
                .column(Column::exact(84.0))
                .column(Column::exact(44.0))
                .column(Column::exact(64.0))
                .column(Column::exact(146.0));
            if paths {
                table = table.column(Column::remainder().clip(true));
            }
            table
                .min_scrolled_height(most)
                .max_scroll_height(most)
                .auto_shrink([false, true])
                .header(ROW, |mut header| {
                    let heads =
                        ["", "Task", "Setting", "Split", "Records", "Profiles", "Golds", "Size", "Check"];
                    for (place, head) in heads.into_iter().enumerate() {
                        header.col(|ui| {
                            let text = theme::caption(ui, head);
                            if matches!(place, 4 | 7) {
                                kit::number(ui, text)
                            } else {
                                ui.label(text)
                            };
                        });
                    }
                    if paths {
                        header.col(|ui| {
                            ui.label(theme::caption(ui, "Questions"));
                        });
                    }
                })
                .body(|body| {
                    body.rows(ROW, opened.rows.len(), |mut row| self.row(&mut row, paths, state));
                });
        });
    }

    fn row(&mut self, line: &mut TableRow<'_, '_>, paths: bool, state: &mut ListState) {
        let place = line.index();
        let opened = self.opened;
        let Some(row) = opened.rows.get(place) else { return };
        let facts = self.facts.and_then(|facts| facts.get(place));
        line.col(|ui| {
            let mut ticked = opened.taken.get(place).is_some_and(Option::is_some);
            if take::tick(ui, &mut ticked, &format!("Use {}", row.name)) {
                let mut chosen = opened.taken.clone();
                if let Some(taken) = chosen.get_mut(place) {
                    *taken = ticked.then(|| take::as_others(&opened.taken));
                }
                take::edit(opened, self.shared, &chosen, self.commands);
            }
        });
        line.col(|ui| {
            let button = Button::new(task_words(ui, row)).frame(false).truncate();
            let response = ui.add(button);
            kit::named(&response, Role::Button, true, &format!("Browse {}", row.name));
            if response.on_hover_text(format!("Browse its samples\n{}", row.files)).clicked() {
                self.asks.push(Ask::Browse { row: place, sample: 0 });
            }
        });
        line.col(|ui| {
            ui.label(row.open.id.setting.id());
        });
        line.col(|ui| {
            ui.label(row.open.id.split.id());
        });
        line.col(|ui| {
            kit::number(ui, row.records.as_str());
        });
        line.col(|ui| match facts {
            Some(facts) => {
                kit::histogram(ui, &facts.bins, vec2(80.0, 18.0), &facts.entries);
            }
            None => {
                ui.label(theme::caption(ui, "\u{2026}"));
            }
        });
        line.col(|ui| {
            if let Some(facts) = facts {
                let (word, said) = &facts.golds;
                let text = if *word == "yes" {
                    RichText::new(*word)
                } else {
                    RichText::new(*word).color(colors(ui).warning)
                };
                ui.label(text).on_hover_text(said);
            }
        });
        line.col(|ui| {
            kit::number(ui, row.size.as_str());
        });
        line.col(|ui| self.check(ui, place, row, state));
        if paths {
            line.col(|ui| {
                kit::cut(ui, theme::weak(ui, &row.place)).on_hover_text(&row.files);
            });
        }
        if line.response().clicked() {
            self.asks.push(Ask::Browse { row: place, sample: 0 });
        }
    }

    /// Where the check of a row is, or what it found.
    fn check(&mut self, ui: &mut Ui, place: usize, row: &Row, state: &mut ListState) {
        match self.checks.state(&row.key) {
            CheckState::NotAsked | CheckState::Canceled => {
                let response = ui.add(Button::new("Check").small());
                kit::named(&response, Role::Button, true, &format!("Check {}", row.name));
                if response.on_hover_text("Reads every record and says what is wrong").clicked() {
                    self.asks.push(Ask::Check(place));
                }
            }
            CheckState::Waiting => {
                ui.label(theme::weak(ui, "waits"));
            }
            CheckState::Running(reading) => {
                let part = (reading.total > 0).then(|| reading.done as f32 / reading.total as f32);
                kit::progress(ui, part, 96.0, &format!("Checking {}", row.name));
                if kit::icon_button(ui, icons::X, &format!("Cancel the check of {}", row.name)).clicked() {
                    self.asks.push(Ask::CancelCheck(place));
                }
                ui.ctx().request_repaint_after(std::time::Duration::from_millis(100));
            }
            CheckState::Failed(trouble) => {
                let text =
                    RichText::new(format!("{}  failed", icons::WARNING_CIRCLE)).color(colors(ui).danger);
                let response = ui.add(Button::new(text).frame(false));
                kit::named(&response, Role::Button, true, &format!("Check {} again", row.name));
                if response.on_hover_text(&trouble.0).clicked() {
                    self.asks.push(Ask::Check(place));
                }
            }
            CheckState::Done(checked) => {
                let (icon, color, words) = found_words(ui, checked.counts);
                let text = RichText::new(format!("{icon}  {words}")).color(color);
                let response = ui.add(Button::new(text).frame(false));
                kit::named(&response, Role::Button, true, &format!("Findings of {}: {words}", row.name));
                if response.clicked() && !checked.findings.is_empty() {
                    state.findings_open = true;
                    state.open.insert(row.key.clone());
                    state.shown = Some(row.key.clone());
                }
            }
        }
    }

    /// All findings, folded, by dataset.
    fn findings(&mut self, ui: &mut Ui, state: &mut ListState) {
        let checks = self.checks;
        let checked = self.opened.rows.iter().enumerate().filter_map(|(place, row)| {
            let checked = checks.checked(&row.key)?;
            (!checked.findings.is_empty()).then_some((place, row, checked))
        });
        let all: usize = checked.clone().map(|(.., checked)| checked.findings.len()).sum();
        if all == 0 || !about::fold(ui, &mut state.findings_open, &format!("Findings ({all})")) {
            return;
        }
        ui.indent("findings", |ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            for (place, row, checked) in checked {
                let mut open = state.open.contains(&row.key);
                let (_, _, words) = found_words(ui, checked.counts);
                let before = open;
                let top = ui.cursor().top();
                about::fold(ui, &mut open, &format!("{}: {words}", row.name));
                if open != before {
                    if open {
                        state.open.insert(row.key.clone())
                    } else {
                        state.open.remove(&row.key)
                    };
                }
                if open {
                    let jump = findings::list(ui, &checked.findings, |id| row.dataset.position(id));
                    if let Some(sample) = jump {
                        self.asks.push(Ask::Browse { row: place, sample });
                    }
                }
                if state.shown.as_deref() == Some(&row.key) {
                    state.shown = None;
                    let mut rect = ui.min_rect();
                    rect.min.y = top;
                    ui.scroll_to_rect(rect, Some(Align::Center));
                }
            }
        });
    }
}

/// What a check found in a few words, the gravest first.
pub(super) fn found_words(ui: &Ui, counts: Counts) -> (&'static str, egui::Color32, String) {
    let colors = colors(ui);
    let words = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let mut parts = Vec::new();
    for (count, one) in [(counts.errors, "error"), (counts.warnings, "warning"), (counts.notes, "note")] {
        if count > 0 && parts.len() < 2 {
            parts.push(words(count, one));
        }
    }
    let said = parts.join(", ");
    match counts {
        Counts { errors: 1.., .. } => (icons::WARNING_CIRCLE, colors.danger, said),
        Counts { warnings: 1.., .. } => (icons::WARNING, colors.warning, said),
        Counts { notes: 1.., .. } => (icons::INFO, colors.weak, said),
        _ => (icons::CHECK, colors.weak, "nothing found".to_owned()),
    }
}

/// A reading of bytes that says how many.
fn in_bytes(reading: ProgressReading) -> ProgressReading {
    if reading.total == 0 {
        return reading;
    }
    let (done, total) = (words::bytes(reading.done), words::bytes(reading.total));
    ProgressReading { step: format!("{}, {done} of {total}", reading.step).into(), ..reading }
}

/// The task with its name.
fn task_words(ui: &Ui, row: &Row) -> LayoutJob {
    let colors = colors(ui);
    let task = row.open.id.task;
    let size = ui.style().text_styles.get(&TextStyle::Body).map_or(13.0, |font| font.size);
    let strong = FontId::new(size, FontFamily::Name("strong".into()));
    let plain = FontId::new(size, FontFamily::Proportional);
    let mut job = LayoutJob::default();
    job.append(task.id(), 0.0, TextFormat::simple(strong, colors.text));
    job.append(task.name(), 8.0, TextFormat::simple(plain, colors.weak));
    job
}

/// A path to be typed or browsed to; tells whether it was opened.
fn open_path(ui: &mut Ui, path: &mut PathField, commands: &mut Vec<Command>) -> bool {
    ui.label(theme::weak(
        ui,
        "A file (.json, .json.gz, .zip) or a folder that holds some; or drop it anywhere.",
    ));
    let settled = path.show(ui, PathKind::OpenFolder, "Path of the data", "/data/LaMP", None);
    let there = path.path();
    let open = kit::primary_if(ui, there.is_some(), "Open").clicked();
    if (settled || open)
        && let Some(there) = there
    {
        commands.push(Command::OpenData(vec![there]));
        path.text.clear();
        return true;
    }
    false
}
