//! The list of datasets as a table.

use eframe::egui::text::{LayoutJob, TextFormat};
use eframe::egui::{self, Button, FontFamily, FontId, RichText, Role, Sense, TextStyle, Ui, vec2};
use egui_extras::{Column, TableRow};

use super::checks::{CheckState, Counts};
use super::list::{ListPage, ListState};
use super::rows::Row;
use super::{Ask, take};
use crate::gui::kit;
use crate::gui::theme::{self, ROW, colors, icons};

/// Narrower than this, the list leaves out the files' places.
const WITH_PATHS: f32 = 930.0;

impl ListPage<'_> {
    /// Draws it; only the lines in view are laid out.
    pub(super) fn table(&mut self, ui: &mut Ui, state: &mut ListState) {
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
