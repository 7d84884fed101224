//! The head of the screen (which run, beside which, which filters) and its keys.

use eframe::egui::{self, Key, Modifiers, Popup, Ui};

use super::InspectView;
use super::filter::{Form, Sort};
use super::rows::Mark;
use crate::gui::kit;
use crate::gui::theme::{self, icons};
use crate::lamp::TaskKind;

/// How far a page is.
const PAGE: isize = 15;

impl InspectView {
    /// Moves by keys, unless someone types.
    pub(super) fn keys(&mut self, ui: &Ui) {
        let ctx = ui.ctx();
        // Escape has taken the keys from whatever had them before anything is drawn: what counts is who had them last.
        let focused = ctx.memory(|memory| memory.focused().is_some());
        let had_focus = std::mem::replace(&mut self.list.had_focus, focused);
        if std::mem::take(&mut self.list.typing) && ctx.input(|input| input.key_pressed(Key::Escape)) {
            self.form.search.clear();
            return;
        }
        if ctx.text_edit_focused() || Popup::is_any_open(ctx) {
            return;
        }
        let pressed = |key| ctx.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        // Arrows and Enter belong to the control that has the keys, if one has.
        let free = |key| !focused && !had_focus && pressed(key);
        let mut step = 0;
        if pressed(Key::J) || free(Key::ArrowDown) {
            step = 1;
        }
        if pressed(Key::K) || free(Key::ArrowUp) {
            step = -1;
        }
        if pressed(Key::PageDown) {
            step = PAGE;
        }
        if pressed(Key::PageUp) {
            step = -PAGE;
        }
        if pressed(Key::Home) {
            step = isize::MIN;
        }
        if pressed(Key::End) {
            step = isize::MAX;
        }
        if step != 0 {
            self.step(step);
        }
        if pressed(Key::F) || pressed(Key::Slash) {
            self.list.focus_search = true;
        }
        if (pressed(Key::P) || free(Key::Enter)) && self.against.is_some() {
            self.beside = !self.beside;
        }
        if free(Key::Escape) {
            if self.reading.open_entry.take().is_some() {
            } else if self.beside && self.against.is_some() {
                self.beside = false;
            } else if !self.form.is_open() {
                self.clear_filters();
            }
        }
    }

    /// Goes so many samples on in the list.
    pub(super) fn step(&mut self, by: isize) {
        let Some(listed) = self.listed().cloned() else { return };
        let count = listed.order.rows.len();
        if count == 0 {
            return;
        }
        let place = match listed.place(self.selected) {
            Some(place) => place.saturating_add_signed(by).min(count - 1),
            None => 0,
        };
        let row = listed.order.rows.get(place).copied().unwrap_or_default();
        self.select(listed.rows.position(row as usize));
    }

    pub(super) fn select(&mut self, position: u32) {
        if self.selected != Some(position) {
            self.selected = Some(position);
            self.reading.turn();
        }
        self.list.bring = true;
    }

    pub(super) fn clear_filters(&mut self) {
        self.form = Form { sort: self.form.sort, descending: self.form.descending, ..Form::default() };
        self.list.bring = true;
    }

    /// The runs and the filters.
    pub(super) fn head(&mut self, ui: &mut Ui) {
        let find = |id| self.lines.iter().find(|line| line.id == id && id.is_some()).cloned();
        let (current, other) = (find(self.run), find(self.against));
        let width = ui.available_width();
        ui.horizontal(|ui| {
            let pin = if self.against.is_some() { 132.0 } else { 0.0 };
            let half = (width - pin - 8.0) * 0.5;
            if let Some(line) = self
                .picker
                .show(ui, "Run", &self.lines, current.as_ref(), half)
                .and_then(|at| self.lines.get(at))
            {
                let chosen = line.id;
                self.choose(chosen);
            }
            let none = self.others.first().cloned();
            let shown = other.as_ref().or(none.as_ref());
            if let Some(line) = self
                .other_picker
                .show(ui, "Beside", &self.others, shown, half)
                .and_then(|at| self.others.get(at))
            {
                self.against = line.id;
            }
            if self.against.is_some() {
                let words = "Side by side";
                let text = format!("{}  {words}", icons::PUSH_PIN);
                let button = egui::Button::new(text)
                    .selected(self.beside)
                    .min_size(egui::vec2(pin - 8.0, theme::CONTROL));
                let response = ui.add(button);
                let on = self.beside;
                response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, on, words));
                if response.on_hover_text("Both runs' prompts and answers in two columns (p)").clicked() {
                    self.beside = !self.beside;
                }
            }
        });
        if self.record.as_ref().is_some_and(|run| run.totals.done > 0) {
            self.chips(ui);
        }
    }

    fn chips(&mut self, ui: &mut Ui) {
        let kind = self.record.as_ref().map_or(TaskKind::Generation, |run| run.spec.dataset.task.kind());
        let Some(pair) = self.pair() else { return };
        let rows = self.rows.value_of(&pair).cloned();
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = egui::vec2(6.0, 6.0);
            for mark in Mark::ALL {
                if mark.compares() && self.against.is_none() {
                    continue;
                }
                let mut on = self.form.marks.contains(&mark);
                let count = rows.as_ref().map(|rows| rows.count(mark));
                let words = match count {
                    Some(count) => format!("{} {}", mark.words(), kit::count(u64::from(count))),
                    None => mark.words().to_owned(),
                };
                let font = egui::TextStyle::Button.resolve(ui.style());
                let size =
                    ui.painter().layout_no_wrap(words.clone(), font, egui::Color32::PLACEHOLDER).size();
                if size.x + 22.0 > ui.available_size_before_wrap().x {
                    ui.end_row();
                }
                let response = ui.scope(|ui| {
                    if count == Some(0) && !on {
                        ui.set_opacity(0.6);
                    }
                    kit::chip(ui, &mut on, &words)
                });
                response.response.on_hover_text(mark.meaning(kind));
                if response.inner {
                    if on {
                        self.form.marks.insert(mark);
                    } else {
                        self.form.marks.remove(&mark);
                    }
                    self.list.bring = true;
                }
            }
            if !self.form.is_open() && kit::quiet(ui, icons::X, "Clear filters").clicked() {
                self.clear_filters();
            }
        });
    }

    /// What the list is sorted by.
    pub(super) fn sorting(&mut self, ui: &mut Ui) {
        let compared = self.against.is_some();
        let chosen = self.form().sort;
        let combo = egui::ComboBox::from_id_salt("inspect-sort")
            .selected_text(chosen.words())
            .width(116.0)
            .icon(|ui, rect, visuals, _open| {
                let font = egui::FontId::proportional(12.0);
                let align = egui::Align2::CENTER_CENTER;
                ui.painter().text(rect.center(), align, icons::CARET_DOWN, font, visuals.text_color());
            })
            .show_ui(ui, |ui| {
                for sort in Sort::ALL {
                    if (sort != Sort::Difference || compared)
                        && ui.selectable_label(chosen == sort, sort.words()).clicked()
                    {
                        self.form.sort = sort;
                        self.list.bring = true;
                    }
                }
            });
        combo.response.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::ComboBox, true, format!("Sort by: {}", chosen.words()))
        });
        let (icon, words) = match self.form.descending {
            true => (icons::CARET_DOWN, "Largest first"),
            false => (icons::CARET_UP, "Smallest first"),
        };
        if kit::icon_button(ui, icon, words).clicked() {
            self.form.descending = !self.form.descending;
            self.list.bring = true;
        }
    }
}
