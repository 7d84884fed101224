//! What stands beneath the list: the open paths, and files that are no part of a dataset.

use std::path::PathBuf;

use eframe::egui::{Button, Label, RichText, Role, ScrollArea, Ui, vec2};

use super::Opened;
use crate::dataset::{Reason, Unrecognized};
use crate::gui::command::Command;
use crate::gui::kit;
use crate::gui::loadable::{Loadable, Trouble};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, CONTROL, colors, icons};

/// A heading that folds what follows; tells whether that is open.
pub(super) fn fold(ui: &mut Ui, open: &mut bool, words: &str) -> bool {
    let icon = if *open { icons::CARET_DOWN } else { icons::CARET_RIGHT };
    let text = theme::strong(format!("{icon}  {words}"));
    let response = ui.add(Button::new(text).frame(false).min_size(vec2(0.0, CONTROL)));
    let now = *open;
    response.widget_info(|| eframe::egui::WidgetInfo::selected(Role::DisclosureTriangle, true, now, words));
    if response.clicked() {
        *open = !*open;
    }
    *open
}

/// The paths that were opened, each to be closed.
pub(super) fn paths(
    ui: &mut Ui,
    shared: &Shared,
    standing: &Loadable<Vec<PathBuf>, Vec<Option<Trouble>>>,
    commands: &mut Vec<Command>,
) {
    let standing = standing.value_of(&shared.data_paths).filter(|_| shared.catalog.trouble().is_some());
    ui.add_space(4.0);
    ui.label(theme::caption(ui, "Opened from"));
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        for (number, path) in shared.data_paths.iter().enumerate() {
            let trouble = standing.and_then(|standing| standing.get(number)?.as_ref());
            let shown = path.display().to_string();
            ui.horizontal(|ui| {
                if kit::icon_button(ui, icons::X, &format!("Close {shown}")).clicked() {
                    close(shared, path, commands);
                }
                if let Some(trouble) = trouble {
                    let text = format!("{}  {}", icons::WARNING_CIRCLE, trouble.0);
                    ui.label(RichText::new(text).color(colors(ui).danger));
                }
                kit::cut(ui, &shown);
            });
        }
    });
}

/// Closes a path, and takes it out of the experiment.
fn close(shared: &Shared, path: &PathBuf, commands: &mut Vec<Command>) {
    let experiment = shared.edited(|experiment| {
        for table in &mut experiment.data {
            table.paths.retain(|used| !used.starts_with(path));
        }
        experiment.data.retain(|table| !table.paths.is_empty());
    });
    commands.push(Command::Edit { what: "data", experiment });
    commands.push(Command::CloseData(path.clone()));
}

/// Files that are no part of a dataset: those that were meant to be, and folded those that merely lie there.
pub(super) fn unrecognized(ui: &mut Ui, opened: &Opened, others_open: &mut bool) {
    let Some(catalog) = &opened.catalog else { return };
    let errors = catalog.unrecognized.iter().filter(|file| file.is_error()).count();
    let others = catalog.unrecognized.len() - errors;
    if errors > 0 {
        ui.add_space(4.0);
        let words = kit::counted(errors, "file that cannot be used", "files that cannot be used");
        ui.label(theme::strong(words));
        files(ui, catalog.unrecognized.iter().filter(|file| file.is_error()), errors, true);
    }
    if others > 0 {
        let words = kit::counted(others, "other file", "other files");
        if fold(ui, others_open, &format!("{words} beside the data")) {
            files(ui, catalog.unrecognized.iter().filter(|file| !file.is_error()), others, false);
        }
    }
}

fn files<'a>(ui: &mut Ui, all: impl Iterator<Item = &'a Unrecognized>, count: usize, wrong: bool) {
    const LINE: f32 = 40.0;
    ui.spacing_mut().item_spacing.y = 4.0;
    let shown = ScrollArea::vertical()
        .id_salt(("unrecognized", wrong))
        .max_height(LINE * 6.0)
        .auto_shrink([false, true]);
    shown.show_rows(ui, LINE, count, |ui, range| {
        for file in all.skip(range.start).take(range.len()) {
            ui.allocate_ui(vec2(ui.available_width(), LINE), |ui| {
                ui.horizontal_top(|ui| {
                    let color = if wrong { colors(ui).danger } else { colors(ui).weak };
                    let icon = if wrong { icons::WARNING_CIRCLE } else { icons::FILE_TEXT };
                    ui.label(RichText::new(icon).size(15.0).color(color));
                    ui.vertical(|ui| {
                        ui.spacing_mut().item_spacing.y = 1.0;
                        kit::cut(ui, file.location.path().display().to_string());
                        let reason = reason(file);
                        let text = if wrong {
                            RichText::new(&reason).color(color)
                        } else {
                            theme::weak(ui, &reason)
                        };
                        ui.add(Label::new(text).truncate());
                    });
                });
            });
        }
    });
}

/// Why a file is no part of a dataset, with what to do in the window.
fn reason(file: &Unrecognized) -> String {
    match &file.reason {
        Reason::UnknownTask => {
            "LaMP records, but of which task shows neither in their wording nor in their fields; put the file into a \
             folder named after its task, such as LaMP_4"
                .to_owned()
        }
        other => other.to_string(),
    }
}
