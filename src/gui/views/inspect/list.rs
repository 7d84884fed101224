//! The list of samples: search, order, counts, and rows of which only the visible ones are drawn.

use std::sync::Arc;

use eframe::egui::{
    self, Align, Label, Layout, Rect, RichText, Role, ScrollArea, Sense, Ui, UiBuilder, WidgetInfo, pos2,
    vec2,
};

use super::filter::Sort;
use super::rows::{Mark, Rows};
use super::{InspectView, Listed, text};
use crate::gui::kit;
use crate::gui::theme::{self, ROW, colors, icons};
use crate::lamp::{Metric, TaskKind};
use crate::report::words;

/// What the list remembers between frames.
#[derive(Debug, Default)]
pub(super) struct ListState {
    /// The selected row is to be brought into view.
    pub bring: bool,
    /// The search is to have the keys.
    pub focus_search: bool,
    /// The search has the keys.
    pub typing: bool,
    /// Something had the keys when the last frame was drawn.
    pub had_focus: bool,
    offset: f32,
    height: f32,
}

impl InspectView {
    /// The whole column.
    pub(super) fn list(&mut self, ui: &mut Ui) {
        let width = ui.available_width();
        let field = kit::search_field(ui, &mut self.form.search, "Search ids, answers, inputs", width + 14.0);
        if std::mem::take(&mut self.list.focus_search) {
            field.request_focus();
        }
        if field.changed() {
            self.list.bring = true;
        }
        self.list.typing = field.has_focus();
        let listed = self.listed().cloned();
        self.count_and_order(ui, listed.as_deref());
        self.pending(ui);
        let hints = 42.0;
        let height = (ui.available_height() - hints).max(60.0);
        ui.allocate_ui(vec2(width, height), |ui| {
            ui.set_min_height(height);
            match listed {
                Some(listed) if listed.order.rows.is_empty() => self.none_left(ui),
                Some(listed) => self.rows_ui(ui, &listed),
                None => {}
            }
        });
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            for (keys, words) in [(&["j", "k"][..], "next, previous"), (&["f"], "search")] {
                keys.iter().for_each(|keys| kit::key(ui, keys));
                ui.label(theme::caption(ui, words));
                ui.add_space(4.0);
            }
            if self.against.is_some() && ui.available_width() > 60.0 {
                kit::key(ui, "p");
                ui.label(theme::caption(ui, "pin"));
            }
        });
    }

    /// How many samples are listed, and in which order.
    fn count_and_order(&mut self, ui: &mut Ui, listed: Option<&Listed>) {
        let words = match (listed, &self.record) {
            (Some(listed), Some(run)) => {
                let (shown, all) = (listed.order.rows.len() as u64, listed.rows.len() as u64);
                let of = if shown == all { String::new() } else { format!("{} of ", kit::count(shown)) };
                let left = run.samples.saturating_sub(run.totals.done);
                let left = if left == 0 { String::new() } else { format!(", {} to come", kit::count(left)) };
                let plural = if all == 1 { "" } else { "s" };
                format!("{of}{} sample{plural}{left}", kit::count(all))
            }
            _ => String::new(),
        };
        ui.add(Label::new(theme::weak(ui, words)).truncate());
        if let Some((run, rate)) = self.record.as_ref().and_then(|run| Some((run, run.parse_failure_rate()?)))
        {
            let words = format!("{} not parsed ({})", words::share(rate), kit::count(run.totals.unparsed));
            ui.add(Label::new(theme::caption(ui, words)).truncate());
        }
        ui.horizontal(|ui| {
            ui.label(theme::caption(ui, "Sorted by"));
            self.sorting(ui);
        });
    }

    /// What is being read or looked for, and what went wrong with it.
    fn pending(&mut self, ui: &mut Ui) {
        if let Some(trouble) =
            self.rows.trouble().or(self.matches.trouble()).or(self.order.trouble()).cloned()
        {
            if kit::trouble(ui, &trouble, Some("Try again")) {
                self.rows.forget();
                self.matches.forget();
                self.order.forget();
            }
            return;
        }
        let pair = self.pair();
        let loaded = pair.is_some_and(|pair| self.rows.value_of(&pair).is_some());
        if !loaded && let Some(reading) = self.rows.pending() {
            waiting(ui, &reading, "Reading the samples");
        } else if !self.form.search.trim().is_empty()
            && let Some(reading) = self.matches.pending()
        {
            waiting(ui, &reading, "Searching");
        }
    }

    fn none_left(&mut self, ui: &mut Ui) {
        ui.add_space(24.0);
        ui.vertical_centered(|ui| {
            ui.label(theme::weak(ui, "No sample is like that."));
            if kit::button(ui, "", "Show all samples").clicked() {
                self.clear_filters();
            }
        });
    }

    fn rows_ui(&mut self, ui: &mut Ui, listed: &Arc<Listed>) {
        let metric = listed.task.primary_metric();
        let form = self.form();
        let third = match (form.sort, self.against) {
            (Sort::Profile, _) => Third::Profile,
            (_, Some(_)) => Third::Difference,
            (_, None) => Third::Nothing,
        };
        heads(ui, metric, third);
        let rows = &listed.order.rows;
        let total = rows.len() as f64 * f64::from(ROW);
        let place = listed.place(self.selected);
        let mut area = ScrollArea::vertical().auto_shrink(false).id_salt("inspect-samples");
        if std::mem::take(&mut self.list.bring)
            && let Some(place) = place
        {
            let top = place as f32 * ROW;
            let height = self.list.height.max(ROW);
            if top < self.list.offset {
                area = area.vertical_scroll_offset(top);
            } else if top + ROW > self.list.offset + height {
                area = area.vertical_scroll_offset((top + ROW - height).max(0.0));
            }
        }
        let mut clicked = None;
        let output = area.show_viewport(ui, |ui, viewport| {
            ui.set_height(total as f32);
            ui.set_width(ui.available_width());
            // Rows are placed from the top of what is visible, since a million rows below the first one a float is too coarse.
            let clip = Rect::from_min_size(ui.clip_rect().min, viewport.size());
            let first = (viewport.min.y / ROW).floor().max(0.0) as usize;
            let above = (f64::from(viewport.min.y) - first as f64 * f64::from(ROW)) as f32;
            let count = (viewport.height() / ROW).ceil() as usize + 1;
            let left = ui.max_rect().left();
            for at in first..(first + count).min(rows.len()) {
                let Some(&row) = rows.get(at) else { break };
                let top = clip.top() - above + (at - first) as f32 * ROW;
                let rect = Rect::from_min_size(pos2(left, top), vec2(ui.max_rect().width(), ROW));
                let position = listed.rows.position(row as usize);
                let id = ui.scope_id().with(("sample", position));
                let response = ui.interact(rect, id, Sense::click());
                let line =
                    Line { rows: &listed.rows, row: row as usize, metric, third, kind: listed.task.kind() };
                line.draw(ui, rect, &response, self.selected == Some(position));
                if response.clicked() {
                    clicked = Some(position);
                }
            }
        });
        self.list.offset = output.state.clamped_offset().y;
        self.list.height = output.inner_rect.height();
        if let Some(position) = clicked {
            self.select(position);
            self.list.bring = false;
        }
    }
}

fn waiting(ui: &mut Ui, reading: &crate::jobs::ProgressReading, words: &str) {
    let part = (reading.total > 0).then(|| reading.done as f32 / reading.total as f32);
    let width = ui.available_width();
    kit::progress(ui, part, width, words);
    ui.label(theme::caption(ui, format!("{words}\u{2026}")));
    ui.ctx().request_repaint_after(std::time::Duration::from_millis(100));
}

/// What the last column shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Third {
    Nothing,
    Difference,
    Profile,
}

const FIGURE: f32 = 56.0;
/// What `fell back` and `input cut` take.
const TAG: f32 = 58.0;

fn heads(ui: &mut Ui, metric: Metric, third: Third) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 18.0), Sense::hover());
    let columns = columns(rect, third);
    let mut cell = |rect: Rect, text: &str, at_right: bool| {
        let layout = if at_right {
            Layout::right_to_left(Align::Center)
        } else {
            Layout::left_to_right(Align::Center)
        };
        let mut ui = ui.new_child(UiBuilder::new().max_rect(rect).layout(layout));
        let text = theme::caption(&ui, text);
        ui.add(Label::new(text).truncate());
    };
    cell(columns[0], "Sample", false);
    cell(columns[1], metric.name(), true);
    match third {
        Third::Nothing => {}
        Third::Difference => cell(columns[2], "Difference", true),
        Third::Profile => cell(columns[2], "Entries", true),
    }
    let colors = colors(ui);
    ui.painter().hline(rect.x_range(), rect.bottom(), (1.0, colors.line));
    ui.add_space(2.0);
}

fn columns(rect: Rect, third: Third) -> [Rect; 3] {
    let rect = rect.shrink2(vec2(8.0, 0.0));
    let last = if third == Third::Nothing { 0.0 } else { FIGURE + 2.0 };
    let cut =
        |from: f32, to: f32| Rect::from_min_max(pos2(from, rect.top()), pos2(to.max(from), rect.bottom()));
    let (a, b) = (rect.right() - last - FIGURE - 4.0, rect.right() - last);
    [cut(rect.left(), a - 4.0), cut(a, b), cut(b, rect.right())]
}

struct Line<'a> {
    rows: &'a Rows,
    row: usize,
    metric: Metric,
    third: Third,
    kind: TaskKind,
}

impl Line<'_> {
    fn draw(&self, ui: &mut Ui, rect: Rect, response: &egui::Response, selected: bool) {
        let Self { rows, row, metric, third, kind } = *self;
        let colors = colors(ui);
        if selected || response.hovered() {
            ui.painter().rect_filled(rect, 4.0, if selected { colors.selected } else { colors.hover });
        }
        if response.has_focus() {
            let stroke = egui::Stroke::new(1.0, colors.accent);
            ui.painter().rect_stroke(rect, 4.0, stroke, egui::StrokeKind::Inside);
        }
        let cells = columns(rect, third);
        let figure = |ui: &mut Ui, rect: Rect, text: RichText| {
            let layout = Layout::right_to_left(Align::Center);
            let mut ui = ui.new_child(UiBuilder::new().max_rect(rect).layout(layout));
            ui.add(plain(text));
        };
        let value =
            rows.value(row).map_or_else(|| "\u{2013}".to_owned(), |value| words::figure(metric, value));
        figure(ui, cells[1], RichText::new(value));
        match third {
            Third::Nothing => {}
            Third::Difference => {
                let text = rows.difference(row);
                let color = match () {
                    () if rows.has(row, Mark::Improved) => colors.good,
                    () if rows.has(row, Mark::Worsened) => colors.danger,
                    () => colors.weak,
                };
                let text = text.map_or_else(|| "\u{2013}".to_owned(), |by| words::difference(metric, by));
                figure(ui, cells[2], RichText::new(text).color(color));
            }
            Third::Profile => {
                let text = theme::weak(ui, kit::count(u64::from(rows.profile(row))));
                figure(ui, cells[2], text);
            }
        }
        let layout = Layout::left_to_right(Align::Center);
        let mut cell = ui.new_child(UiBuilder::new().max_rect(cells[0]).layout(layout));
        cell.spacing_mut().item_spacing.x = 6.0;
        let (icon, color) = match () {
            () if rows.has(row, Mark::Failed) => (icons::WARNING_CIRCLE, colors.danger),
            () if rows.has(row, Mark::Unparsed) => (icons::WARNING, colors.warning),
            () if rows.has(row, Mark::Right) => (icons::CHECK, colors.weak),
            () if rows.has(row, Mark::Wrong) && kind != TaskKind::Generation => (icons::X, colors.weak),
            () => ("", colors.weak),
        };
        if kind != TaskKind::Generation || !icon.is_empty() {
            let (place, _) = cell.allocate_exact_size(vec2(14.0, ROW), Sense::empty());
            let font = egui::FontId::proportional(13.0);
            cell.painter().text(place.center(), egui::Align2::CENTER_CENTER, icon, font, color);
        }
        let tag = match () {
            () if rows.has(row, Mark::FellBack) => "fell back",
            () if rows.has(row, Mark::InputCut) => "input cut",
            () => "",
        };
        let id = text::one_line(text::start(rows.id(row), 80));
        let font = egui::TextStyle::Body.resolve(cell.style());
        let wide = cell.painter().layout_no_wrap(id.clone(), font, colors.text).size().x;
        // Which sample it is comes first; the tag is among the words of the row in any case.
        let tag = if wide + TAG > cell.available_width() { "" } else { tag };
        let room = if tag.is_empty() { 0.0 } else { TAG };
        let width = (cell.available_width() - room).max(24.0);
        cell.scope(|ui| {
            ui.set_max_width(width);
            ui.add(plain(RichText::new(id)));
        });
        if !tag.is_empty() {
            let text = theme::caption(&cell, tag);
            cell.add(plain(text));
        }
        let label = self.words();
        response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, selected, label.clone()));
        if response.hovered() {
            response.clone().on_hover_text(label);
        }
    }

    /// The row as one reads it aloud.
    fn words(&self) -> String {
        let Self { rows, row, metric, .. } = *self;
        let mut text = format!("Sample {}", text::start(rows.id(row), 300));
        if let Some(value) = rows.value(row) {
            text.push_str(&format!(", {} {}", metric.name(), words::figure(metric, value)));
        }
        if let Some(by) = rows.difference(row) {
            text.push_str(&format!(" ({})", words::difference(metric, by)));
        }
        for mark in Mark::ALL {
            if rows.has(row, mark) {
                text.push_str(", ");
                text.push_str(&mark.words().to_lowercase());
            }
        }
        text.push_str(&format!(", {} profile entries", kit::count(u64::from(rows.profile(row)))));
        text
    }
}

/// Words in a row: the row is what is clicked and what is read aloud.
fn plain(text: RichText) -> Label {
    Label::new(text).truncate().selectable(false).sense(Sense::empty()).show_tooltip_when_elided(false)
}
