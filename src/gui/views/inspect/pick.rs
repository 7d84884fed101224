//! The choice of a run: a button that shows the chosen one, and beneath it a list to search in.

use eframe::egui::{
    self, Align, Button, Key, Layout, Popup, PopupCloseBehavior, Role, ScrollArea, Sense, Ui, UiBuilder,
    WidgetInfo, vec2,
};

use crate::gui::kit;
use crate::gui::theme::{self, CONTROL, colors, icons};
use crate::lamp::Task;
use crate::record::{RunId, RunRecord, RunStatus};
use crate::report::{method_name, words};

/// A run in a line.
#[derive(Debug, Clone, Default)]
pub(super) struct RunLine {
    /// Its number.
    pub id: Option<RunId>,
    /// Task, setting and split.
    pub data: String,
    /// Retriever and k.
    pub method: String,
    /// The model's name.
    pub model: String,
    /// Its figure, or where it stands.
    pub figure: String,
    /// The line in small letters, to be searched.
    lower: String,
}

impl RunLine {
    /// The line that takes no run.
    pub(super) fn none(words: &str) -> Self {
        Self { data: words.to_owned(), ..Self::default() }
    }

    /// The line of a run.
    pub(super) fn of(run: &RunRecord) -> Self {
        let spec = &run.spec;
        let dataset = &spec.dataset;
        let data = format!("{} {} {}", dataset.task, dataset.setting, dataset.split);
        let method = method(run);
        let figure = figure(run);
        let lower = format!("{data} {method} {} {figure} {} {}", spec.model.name, run.id.0, run.short_key());
        Self {
            id: Some(run.id),
            data,
            method,
            model: spec.model.name.clone(),
            figure,
            lower: lower.to_lowercase(),
        }
    }

    /// All of it in one text.
    pub(super) fn words(&self) -> String {
        match self.id {
            None => self.data.clone(),
            Some(_) => format!("{}, {}, {}, {}", self.data, self.method, self.model, self.figure),
        }
    }
}

/// Retriever and k: `BM25, k 4`.
pub(super) fn method(run: &RunRecord) -> String {
    let retriever = &run.spec.retriever;
    let name = method_name(retriever);
    if retriever.is_none() { name } else { format!("{name}, k {}", retriever.k) }
}

fn figure(run: &RunRecord) -> String {
    let metric = run.spec.dataset.task.primary_metric();
    let figures = run.aggregate.as_ref().map(|aggregate| &aggregate.figures);
    let found = figures.and_then(|figures| figures.iter().find(|figure| figure.metric == metric));
    match (found, run.status) {
        (Some(found), _) => format!("{} {}", metric.name(), words::figure(metric, found.value)),
        (None, RunStatus::Done) => format!("{} answered", run.totals.done),
        (None, status) => format!("{}, {} of {}", status.id(), run.totals.done, run.samples),
    }
}

/// The runs that may stand beside a run: of the same task; those over the same data first.
pub(super) fn beside(runs: &[RunRecord], run: &RunRecord) -> Vec<RunId> {
    let task = |run: &RunRecord| -> Task { run.spec.dataset.task };
    let mut found: Vec<&RunRecord> =
        runs.iter().filter(|other| other.id != run.id && task(other) == task(run)).collect();
    let distance = |other: &RunRecord| {
        let (one, other) = (&run.spec, &other.spec);
        (one.dataset.fingerprint != other.dataset.fingerprint, one.model.name != other.model.name)
    };
    found.sort_by_key(|other| (distance(other), other.id));
    found.into_iter().map(|run| run.id).collect()
}

/// The state of one choice.
#[derive(Debug, Default)]
pub(super) struct Picker {
    query: String,
    chosen: usize,
    open: bool,
}

impl Picker {
    /// Shows it; gives the number of the line that was taken.
    pub(super) fn show(
        &mut self,
        ui: &mut Ui,
        name: &str,
        lines: &[RunLine],
        current: Option<&RunLine>,
        width: f32,
    ) -> Option<usize> {
        let response = button(ui, name, current, width);
        let was_open = self.open;
        let mut taken = None;
        let size = (ui.ctx().content_rect().width() - 80.0).clamp(320.0, 680.0);
        let shown = Popup::from_toggle_button_response(&response)
            .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
            .width(size)
            .show(|ui| {
                ui.set_width(size);
                taken = self.list(ui, name, lines, current, !was_open);
            });
        self.open = shown.is_some();
        if taken.is_some() {
            Popup::close_all(ui.ctx());
            self.open = false;
        }
        if !self.open && was_open {
            self.query.clear();
            self.chosen = 0;
        }
        taken
    }

    fn list(
        &mut self,
        ui: &mut Ui,
        name: &str,
        lines: &[RunLine],
        current: Option<&RunLine>,
        fresh: bool,
    ) -> Option<usize> {
        let width = ui.available_width();
        let field =
            kit::search_field(ui, &mut self.query, &format!("Search: {}", name.to_lowercase()), width);
        if fresh {
            field.request_focus();
        }
        if field.changed() {
            self.chosen = 0;
        }
        let query = self.query.trim().to_lowercase();
        let fits = |line: &RunLine| {
            query.is_empty()
                || line.id.is_some() && query.split_whitespace().all(|word| line.lower.contains(word))
        };
        let found: Vec<usize> = (0..lines.len()).filter(|&at| fits(&lines[at])).collect();
        let (up, down, enter) = ui.input_mut(|input| {
            let none = egui::Modifiers::NONE;
            (
                input.consume_key(none, Key::ArrowUp),
                input.consume_key(none, Key::ArrowDown),
                input.consume_key(none, Key::Enter),
            )
        });
        if down {
            self.chosen = (self.chosen + 1).min(found.len().saturating_sub(1));
        }
        if up {
            self.chosen = self.chosen.saturating_sub(1);
        }
        if enter && let Some(&at) = found.get(self.chosen) {
            return Some(at);
        }
        let mut taken = None;
        ui.spacing_mut().item_spacing.y = 0.0;
        let mut area =
            ScrollArea::vertical().max_height(340.0).min_scrolled_height(340.0).auto_shrink([false, true]);
        if fresh
            && let Some(at) = found.iter().position(|&at| lines[at].id == current.and_then(|line| line.id))
        {
            self.chosen = at;
            area = area.vertical_scroll_offset((at as f32 - 5.0).max(0.0) * CONTROL);
        } else if up || down {
            area = area.vertical_scroll_offset((self.chosen as f32 - 5.0).max(0.0) * CONTROL);
        }
        area.show_rows(ui, CONTROL, found.len(), |ui, range| {
            for at in range {
                let Some(line) = found.get(at).map(|&at| &lines[at]) else { continue };
                if row(ui, line, at == self.chosen).clicked() {
                    taken = Some(found[at]);
                }
            }
        });
        if found.is_empty() {
            ui.add_space(8.0);
            ui.label(theme::weak(ui, "No run is like that."));
        }
        taken
    }
}

fn button(ui: &mut Ui, name: &str, current: Option<&RunLine>, width: f32) -> egui::Response {
    let words = current.map_or_else(|| "Choose a run".to_owned(), RunLine::words);
    let response = ui.add(Button::new("").min_size(vec2(width, CONTROL)));
    let rect = response.rect.shrink2(vec2(10.0, 0.0));
    let mut inner =
        ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::right_to_left(Align::Center)));
    inner.label(theme::weak(&inner, icons::CARET_DOWN));
    inner.with_layout(Layout::left_to_right(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 10.0;
        match current {
            Some(line) if line.id.is_some() => {
                ui.label(theme::strong(&line.data));
                ui.add(egui::Label::new(format!("{}  \u{b7}  {}", line.method, line.model)).truncate());
            }
            Some(line) => {
                ui.add(egui::Label::new(theme::weak(ui, &line.data)).truncate());
            }
            None => {
                ui.label(theme::weak(ui, words.as_str()));
            }
        }
    });
    let label = format!("{name}: {words}");
    response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, label.clone()));
    response.on_hover_text(words)
}

fn row(ui: &mut Ui, line: &RunLine, chosen: bool) -> egui::Response {
    let colors = colors(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), CONTROL), Sense::click());
    if chosen || response.hovered() {
        ui.painter().rect_filled(rect, 4.0, if chosen { colors.selected } else { colors.hover });
    }
    let rect = rect.shrink2(vec2(8.0, 0.0));
    let mut left = rect.left();
    let mut cell = |ui: &mut Ui, part: f32, text: egui::RichText, at_right: bool| {
        let width = rect.width() * part;
        let place = egui::Rect::from_min_size(egui::pos2(left, rect.top()), vec2(width - 8.0, rect.height()));
        left += width;
        let layout = if at_right {
            Layout::right_to_left(Align::Center)
        } else {
            Layout::left_to_right(Align::Center)
        };
        let mut inner = ui.new_child(UiBuilder::new().max_rect(place).layout(layout));
        inner.add(egui::Label::new(text).truncate().selectable(false).sense(Sense::empty()));
    };
    if line.id.is_none() {
        let text = theme::weak(ui, &line.data);
        cell(ui, 1.0, text, false);
    } else {
        cell(ui, 0.25, egui::RichText::new(&line.data), false);
        cell(ui, 0.26, egui::RichText::new(&line.method), false);
        cell(ui, 0.27, egui::RichText::new(&line.model), false);
        let figure = theme::weak(ui, &line.figure);
        cell(ui, 0.22, figure, true);
    }
    let words = line.words();
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, chosen, words.clone()));
    response
}
