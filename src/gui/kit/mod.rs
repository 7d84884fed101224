//! The pieces that screens are built of, so that a button, a card or an error looks and behaves the same everywhere.
//!
//! Every control has words that tests and screen readers find it by. Knows no screen and no engine.

mod chips;
pub mod fields;
mod numbers;
mod path;
mod times;

use eframe::egui::{
    self, Align, Align2, Button, Color32, CornerRadius, Frame, Layout, Margin, Rect, Response, RichText,
    Role, Sense, Stroke, StrokeKind, TextEdit, TextStyle, Ui, UiBuilder, WidgetInfo, WidgetText, pos2, vec2,
};

use super::loadable::Trouble;
use super::theme::{self, CONTROL, CORNER, colors, icons};
use crate::jobs::ProgressReading;

pub use chips::{chips, chips_of};
pub use numbers::{bytes, count, counted};
pub use path::{PathField, PathKind};
pub use times::{clock, moment, span};

/// The one main action of a screen.
pub fn primary(ui: &mut Ui, words: &str) -> Response {
    primary_if(ui, true, words)
}

/// The main action, where it may be impossible; then say beside it why.
pub fn primary_if(ui: &mut Ui, enabled: bool, words: &str) -> Response {
    let colors = colors(ui);
    let text = theme::strong(words).color(if enabled { colors.on_accent } else { colors.weak });
    let fill = if enabled { colors.accent } else { colors.hover };
    let button = Button::new(text).fill(fill).stroke(Stroke::NONE).min_size(vec2(0.0, CONTROL + 4.0));
    ui.add_enabled(enabled, button)
}

/// A button with an icon before its words. Screen readers read the words alone.
pub fn button(ui: &mut Ui, icon: &str, words: &str) -> Response {
    button_if(ui, true, icon, words)
}

/// A button that may be impossible.
pub fn button_if(ui: &mut Ui, enabled: bool, icon: &str, words: &str) -> Response {
    let text = if icon.is_empty() { words.to_owned() } else { format!("{icon}  {words}") };
    let response = ui.add_enabled(enabled, Button::new(text).min_size(vec2(0.0, CONTROL)));
    named(&response, Role::Button, enabled, words);
    response
}

/// A button without a frame, for what matters less.
pub fn quiet(ui: &mut Ui, icon: &str, words: &str) -> Response {
    let text = if icon.is_empty() { words.to_owned() } else { format!("{icon}  {words}") };
    let text = RichText::new(text).color(colors(ui).weak);
    let response = ui.add(Button::new(text).frame(false).min_size(vec2(0.0, CONTROL)));
    named(&response, Role::Button, true, words);
    response
}

/// A button that is an icon alone; the words show when the pointer rests on it.
pub fn icon_button(ui: &mut Ui, icon: &str, words: &str) -> Response {
    icon_button_if(ui, true, icon, words)
}

/// An icon alone that may be impossible.
pub fn icon_button_if(ui: &mut Ui, enabled: bool, icon: &str, words: &str) -> Response {
    let button = Button::new(RichText::new(icon).size(16.0)).frame(false).min_size(vec2(24.0, 24.0));
    let response = ui.add_enabled(enabled, button).on_hover_text(words).on_disabled_hover_text(words);
    named(&response, Role::Button, enabled, words);
    response
}

/// Names a control for tests and screen readers.
pub fn named(response: &Response, kind: Role, enabled: bool, words: &str) {
    response.widget_info(|| WidgetInfo::labeled(kind, enabled, words));
}

/// Says what a picture or a drawing shows, for those who do not see it.
pub fn described(response: &Response, words: &str) {
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, words));
}

/// A row of choices, one of which is taken; tells whether another one was. `None` beside a choice: it can be taken; else why not.
pub fn segmented<T: PartialEq + Copy>(
    ui: &mut Ui,
    value: &mut T,
    choices: &[(T, &str, Option<&str>)],
) -> bool {
    let mut changed = false;
    let colors = colors(ui);
    Frame::new()
        .fill(colors.raised)
        .stroke(Stroke::new(1.0, colors.line))
        .corner_radius(CornerRadius::same(CORNER))
        .inner_margin(Margin::same(2))
        .show(ui, |ui| {
            // With its frame it is as high as other controls, so that names beside it stand on their line.
            let spacing = ui.spacing_mut();
            spacing.item_spacing.x = 2.0;
            spacing.button_padding.y = 2.0;
            spacing.interact_size.y = CONTROL - 6.0;
            ui.horizontal(|ui| {
                for (choice, words, refusal) in choices {
                    let selected = *value == *choice;
                    let color = if refusal.is_some() { colors.weak } else { colors.text };
                    let mut text = RichText::new(*words).color(color);
                    if selected {
                        text = theme::strong(*words).color(colors.text);
                    }
                    let button = Button::new(text)
                        .fill(if selected { colors.selected } else { Color32::TRANSPARENT })
                        .stroke(Stroke::NONE)
                        .min_size(vec2(0.0, CONTROL - 6.0));
                    let mut response = ui.add_enabled(refusal.is_none(), button);
                    if let Some(refusal) = refusal {
                        response = response.on_disabled_hover_text(*refusal);
                    }
                    response.widget_info(|| {
                        WidgetInfo::selected(Role::RadioButton, refusal.is_none(), selected, *words)
                    });
                    if response.clicked() && !selected {
                        *value = *choice;
                        changed = true;
                    }
                }
            });
        });
    changed
}

/// A small choice that is on or off, for filters; tells whether it was switched.
pub fn chip(ui: &mut Ui, on: &mut bool, words: &str) -> bool {
    let colors = colors(ui);
    let text = RichText::new(words).color(if *on { colors.text } else { colors.weak });
    let button = Button::new(text)
        .fill(if *on { colors.selected } else { Color32::TRANSPARENT })
        .stroke(Stroke::new(1.0, if *on { colors.accent } else { colors.line }))
        .corner_radius(CornerRadius::same(12))
        .min_size(vec2(0.0, 24.0));
    ui.spacing_mut().button_padding = vec2(10.0, 2.0);
    let response = ui.add(button);
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, *on, words));
    if response.clicked() {
        *on = !*on;
    }
    response.clicked()
}

/// A surface for things that belong together.
pub fn card<R>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> R {
    card_frame(ui, false).show(ui, content).inner
}

/// The frame of a card, lit where it is the chosen one.
pub fn card_frame(ui: &Ui, chosen: bool) -> Frame {
    let colors = colors(ui);
    Frame::new()
        .fill(if chosen { colors.selected } else { colors.raised })
        .stroke(Stroke::new(1.0, if chosen { colors.accent } else { colors.line }))
        .corner_radius(CornerRadius::same(CORNER))
        .inner_margin(Margin::same(12))
}

/// What stands where nothing is yet: what this place is for, and the next step as a button (`Some(words)`); tells whether it was
/// clicked.
pub fn empty(ui: &mut Ui, icon: &str, title: &str, text: &str, action: Option<&str>) -> bool {
    let mut clicked = false;
    ui.vertical_centered(|ui| {
        let space = (ui.available_height() * 0.25).clamp(16.0, 140.0);
        ui.add_space(space);
        ui.label(RichText::new(icon).size(36.0).color(colors(ui).weak));
        ui.label(theme::section(title));
        ui.scope(|ui| {
            ui.set_max_width(460.0);
            ui.label(theme::weak(ui, text));
        });
        if let Some(words) = action {
            ui.add_space(8.0);
            clicked = primary(ui, words).clicked();
        }
    });
    clicked
}

/// An error where it arose; tells whether its button was clicked.
pub fn trouble(ui: &mut Ui, trouble: &Trouble, action: Option<&str>) -> bool {
    notice(ui, Notice::Error, &trouble.0, action)
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Good to know.
    Info,
    /// To be looked at.
    Warning,
    /// It failed.
    Error,
}

/// A sentence that stands out, with a button if `action`; tells whether that was clicked.
pub fn notice(ui: &mut Ui, kind: Notice, text: &str, action: Option<&str>) -> bool {
    let colors = colors(ui);
    let (icon, color) = match kind {
        Notice::Info => (icons::INFO, colors.weak),
        Notice::Warning => (icons::WARNING, colors.warning),
        Notice::Error => (icons::WARNING_CIRCLE, colors.danger),
    };
    let mut clicked = false;
    Frame::new()
        .fill(colors.raised)
        .stroke(Stroke::new(1.0, color.gamma_multiply(0.6)))
        .corner_radius(CornerRadius::same(CORNER))
        .inner_margin(Margin::symmetric(10, 8))
        .show(ui, |ui| {
            ui.horizontal_top(|ui| {
                ui.label(RichText::new(icon).size(16.0).color(color));
                ui.vertical(|ui| {
                    ui.add(egui::Label::new(text).wrap().selectable(true));
                    if let Some(words) = action {
                        clicked = button(ui, "", words).clicked();
                    }
                });
            });
        });
    clicked
}

/// A name above a control. Give the control the name with [`Response::labelled_by`] through the returned label.
pub fn label(ui: &mut Ui, words: &str) -> Response {
    ui.label(theme::weak(ui, words))
}

/// A row of a form: its name at the left, the control at the right.
pub fn field<R>(ui: &mut Ui, words: &str, control: impl FnOnce(&mut Ui, egui::Id) -> R) -> R {
    ui.horizontal(|ui| {
        let (rect, response) = ui.allocate_exact_size(vec2(150.0, CONTROL), Sense::hover());
        let mut cell =
            ui.new_child(UiBuilder::new().max_rect(rect).layout(Layout::left_to_right(Align::Center)));
        let name = cell.add(egui::Label::new(theme::weak(&cell, words)).truncate());
        let _ = response;
        control(ui, name.id)
    })
    .inner
}

/// A field to search in, with its icon and a cross to empty it.
pub fn search_field(ui: &mut Ui, text: &mut String, hint: &str, width: f32) -> Response {
    let colors = colors(ui);
    let response = Frame::new()
        .fill(colors.raised)
        .stroke(Stroke::new(1.0, colors.line))
        .corner_radius(CornerRadius::same(CORNER))
        .inner_margin(Margin::symmetric(8, 2))
        .show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.label(RichText::new(icons::MAGNIFYING_GLASS).color(colors.weak));
                let cross = if text.is_empty() { 0.0 } else { 28.0 };
                let edit = TextEdit::singleline(text)
                    .frame(Frame::NONE)
                    .align(Align2::LEFT_CENTER)
                    .hint_text(hint)
                    .align(Align2::LEFT_CENTER)
                    .desired_width((width - 56.0 - cross).max(40.0));
                let mut response = ui.add(edit);
                if !text.is_empty() && icon_button(ui, icons::X, "Clear the search").clicked() {
                    text.clear();
                    response.mark_changed();
                }
                response
            })
            .inner
        })
        .inner;
    let value = text.clone();
    response.widget_info(|| {
        let mut info = WidgetInfo::text_edit(true, "", &value, "");
        info.label = Some(hint.to_owned());
        info
    });
    response
}

/// A thin bar that tells how far something is; `None` while that is unknown.
pub fn progress(ui: &mut Ui, part: Option<f32>, width: f32, words: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(width, 6.0), Sense::hover());
    let colors = colors(ui);
    let painter = ui.painter();
    painter.rect_filled(rect, 3.0, colors.hover);
    match part {
        Some(part) => {
            let mut done = rect;
            done.set_width(rect.width() * part.clamp(0.0, 1.0));
            painter.rect_filled(done, 3.0, colors.accent);
        }
        None => {
            let at = (ui.input(|input| input.time) * 0.6).fract() as f32;
            let length = rect.width() * 0.3;
            let left = rect.left() + (rect.width() + length) * at - length;
            let moving = Rect::from_min_max(pos2(left, rect.top()), pos2(left + length, rect.bottom()));
            painter.rect_filled(moving.intersect(rect), 3.0, colors.accent);
        }
    }
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, words));
    response
}

/// How far a job is: what it does now, a bar, and a button to cancel it; tells whether that was clicked.
pub fn working(ui: &mut Ui, reading: &ProgressReading, words: &str) -> bool {
    let mut canceled = false;
    let part = (reading.total > 0).then(|| reading.done as f32 / reading.total as f32);
    let narrow = ui.available_width() < 360.0;
    if narrow {
        progress(ui, part, ui.available_width().min(160.0), words);
    }
    ui.horizontal(|ui| {
        if !narrow {
            progress(ui, part, 160.0, words);
        }
        let step = if reading.step.is_empty() { words } else { &reading.step };
        ui.label(theme::weak(ui, step));
        canceled = quiet(ui, icons::X, "Cancel").clicked();
    });
    // Progress comes without being waited for.
    ui.ctx().request_repaint_after(super::AT_WORK);
    canceled
}

/// A number in a table: at the right, in figures of equal width.
pub fn number(ui: &mut Ui, text: impl Into<WidgetText>) -> Response {
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| ui.label(text)).inner
}

/// A section's title, with what belongs to its right end.
pub fn section<R>(ui: &mut Ui, title: &str, right: impl FnOnce(&mut Ui) -> R) -> R {
    ui.horizontal(|ui| {
        ui.label(theme::section(title));
        ui.with_layout(Layout::right_to_left(Align::Center), right).inner
    })
    .inner
}

/// A small title over a part of a card, with what belongs to its right end.
pub fn section_small<R>(ui: &mut Ui, title: &str, right: impl FnOnce(&mut Ui) -> R) -> R {
    ui.horizontal(|ui| {
        ui.label(theme::overline(ui, title));
        ui.with_layout(Layout::right_to_left(Align::Center), right).inner
    })
    .inner
}

/// Small bars side by side, the heights of a histogram.
pub fn histogram(ui: &mut Ui, counts: &[u64], size: egui::Vec2, words: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let most = counts.iter().copied().max().unwrap_or(0).max(1) as f32;
    let colors = colors(ui);
    let width = rect.width() / counts.len().max(1) as f32;
    for (number, &count) in counts.iter().enumerate() {
        let height = if count == 0 { 0.0 } else { (rect.height() * count as f32 / most).max(1.0) };
        let left = rect.left() + width * number as f32;
        let bar = Rect::from_min_max(
            pos2(left + 0.5, rect.bottom() - height),
            pos2(left + width - 0.5, rect.bottom()),
        );
        ui.painter().rect_filled(bar, 0.0, colors.weak);
    }
    described(&response, words);
    response.on_hover_text(words)
}

/// A table's frame: columns are yours, heights and lines the same everywhere.
pub fn table(ui: &mut Ui, id: impl egui::AsIdSalt) -> egui_extras::TableBuilder<'_> {
    egui_extras::TableBuilder::new(ui)
        .id_salt(id)
        .striped(false)
        .cell_layout(Layout::left_to_right(Align::Center))
}

/// A text that is cut where the room ends, and whole when the pointer rests on it.
pub fn cut(ui: &mut Ui, text: impl Into<WidgetText>) -> Response {
    ui.add(egui::Label::new(text).truncate())
}

/// A shape of a key, for shortcuts.
pub fn key(ui: &mut Ui, words: &str) {
    let colors = colors(ui);
    let text = RichText::new(words).text_style(TextStyle::Small).color(colors.weak);
    Frame::new()
        .stroke(Stroke::new(1.0, colors.line))
        .corner_radius(CornerRadius::same(4))
        .inner_margin(Margin::symmetric(4, 1))
        .show(ui, |ui| ui.label(text));
}

/// A line with words across an area, such as over a target for files.
pub fn overlay(ui: &Ui, rect: Rect, words: &str) {
    let colors = colors(ui);
    let painter =
        ui.ctx().layer_painter(egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("overlay")));
    painter.rect_filled(rect, 0.0, colors.ground.gamma_multiply(0.85));
    painter.rect_stroke(rect.shrink(4.0), 8.0, Stroke::new(3.0, colors.accent), StrokeKind::Inside);
    let font = egui::FontId::new(22.0, egui::FontFamily::Name("strong".into()));
    painter.text(rect.center(), Align2::CENTER_CENTER, words, font, colors.text);
}

/// The sign of what folds, in place of egui's triangle.
pub fn caret(ui: &mut Ui, openness: f32, response: &Response) {
    let icon = if openness > 0.5 { icons::CARET_DOWN } else { icons::CARET_RIGHT };
    let color = ui.style().interact(response).fg_stroke.color;
    ui.painter().text(
        response.rect.center(),
        Align2::CENTER_CENTER,
        icon,
        egui::FontId::proportional(14.0),
        color,
    );
}
