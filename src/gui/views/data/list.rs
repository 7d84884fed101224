//! The page with the datasets that are open.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use eframe::egui::{self, Align, RichText, ScrollArea, Ui, vec2};

use super::checks::Checks;
use super::download::DownloadPage;
use super::rows::Facts;
use super::table::found_words;
use super::{Ask, Opened, about, findings, take};
use crate::dataset::FindingKind;
use crate::gui::command::Command;
use crate::gui::kit::{self, PathField, PathKind};
use crate::gui::loadable::{Loadable, Trouble};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, colors, icons};
use crate::jobs::ProgressReading;

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
            let refused = shared.catalog.trouble().filter(|_| !shared.catalog.is_pending());
            ui.scope(|ui| {
                if let Some(reading) = shared.catalog.pending().map(in_bytes)
                    && kit::working(ui, &reading, "Opening the data")
                {
                    self.commands.push(Command::CancelData);
                }
                if let Some(trouble) = refused {
                    self.refused(ui, trouble);
                }
            });
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
        // In a place of its own: the field below keeps the keys whatever comes and goes here.
        ui.scope(|ui| self.background(ui));
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

/// A reading of bytes that says how many.
fn in_bytes(reading: ProgressReading) -> ProgressReading {
    if reading.total == 0 {
        return reading;
    }
    let (done, total) = (kit::bytes(reading.done), kit::bytes(reading.total));
    ProgressReading { step: format!("{}, {done} of {total}", reading.step).into(), ..reading }
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
