//! Fields for numbers that may be left empty: what is typed stays while it is typed, and what it cannot be is said beneath it.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use eframe::egui::{self, TextEdit, Ui, WidgetInfo, vec2};

use super::field as row;
use super::theme::{self, colors};

/// What is typed in the fields of a form, by a number (of the model, or none) and a word.
#[derive(Debug, Default)]
pub struct Fields(HashMap<(Option<usize>, &'static str), Kept>);

#[derive(Debug, Default)]
struct Kept {
    text: String,
    /// What the draft had when text and draft were last the same; `None` before the first look.
    value: Option<String>,
    error: Option<String>,
}

/// What a field is.
pub struct Field<'a> {
    /// Which model's, or that of all.
    pub of: Option<usize>,
    /// Its name in settings.
    pub id: &'static str,
    /// Its name for people.
    pub words: &'a str,
    /// What holds while it is empty.
    pub hint: &'a str,
    /// What the draft has while it is empty, as a text.
    pub empty: &'a str,
    /// What it must look like.
    pub form: &'static str,
    /// What is wrong with it as the draft stands, beside what is typed.
    pub wrong: Option<&'a str>,
}

impl Fields {
    /// Draws a field. Gives the new value when another good one was typed; an empty field is `None`. `check` tells what a value
    /// cannot be.
    pub fn number<T: FromStr + Display>(
        &mut self,
        ui: &mut Ui,
        field: &Field<'_>,
        value: Option<T>,
        check: impl FnOnce(&Option<T>) -> Result<(), String>,
    ) -> Option<Option<T>> {
        let kept = self.0.entry((field.of, field.id)).or_default();
        let now = value.map_or_else(String::new, |value| value.to_string());
        if kept.value.as_ref() != Some(&now) {
            *kept = Kept { text: now.clone(), value: Some(now), error: None };
        }
        let response = row(ui, field.words, |ui, name| {
            let width = ui.available_width().min(120.0);
            let edit = TextEdit::singleline(&mut kept.text).hint_text(field.hint).desired_width(width);
            ui.add(edit).labelled_by(name)
        });
        let text = kept.text.clone();
        response.widget_info(|| {
            let mut info = WidgetInfo::text_edit(true, "", &text, field.hint);
            info.label = Some(field.words.to_owned());
            info
        });
        let mut changed = None;
        if response.changed() {
            let text = kept.text.trim();
            let parsed = match text {
                "" => Ok(None),
                _ => text.parse().map(Some).map_err(|_| field.form.to_owned()),
            };
            match parsed.and_then(|value| check(&value).map(|()| value)) {
                Ok(value) => {
                    kept.value =
                        Some(value.as_ref().map_or_else(|| field.empty.to_owned(), ToString::to_string));
                    kept.error = None;
                    changed = Some(value);
                }
                Err(error) => kept.error = Some(error),
            }
        }
        if let Some(error) = kept.error.as_deref().or(field.wrong) {
            said(ui, error);
        }
        changed
    }

    /// The names in settings of fields in which something is typed that does not count.
    pub fn errors(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter(|(_, kept)| kept.error.is_some()).map(|((_, id), _)| *id)
    }

    /// Forgets what is typed: another form is shown.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// What is wrong with the control above, in its column.
pub fn said(ui: &mut Ui, error: &str) {
    ui.horizontal_top(|ui| {
        ui.add_space(158.0);
        let text = theme::caption(ui, error).color(colors(ui).danger);
        let width = ui.available_width();
        ui.allocate_ui(vec2(width, 0.0), |ui| ui.add(egui::Label::new(text).wrap()));
    });
}
