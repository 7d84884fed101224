//! The palette: everything that can be done, found by a few letters of its name.

use eframe::egui::{
    self, Align, Align2, Frame, Key, Layout, Margin, Modifiers, ScrollArea, TextEdit, Ui, WidgetInfo, vec2,
};

use super::shortcuts;
use crate::gui::app::Views;
use crate::gui::command::{Command, Part, Screen, ThemeChoice};
use crate::gui::kit;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, colors};

/// The palette between two frames.
#[derive(Default)]
pub(super) struct Palette {
    open: bool,
    fresh: bool,
    text: String,
    chosen: usize,
}

struct Entry {
    words: String,
    keys: String,
    command: Command,
}

impl Palette {
    pub(super) fn open(&mut self) {
        *self = Self { open: true, fresh: true, ..Self::default() };
    }

    pub(super) fn show(&mut self, ui: &mut Ui, shared: &Shared, views: &Views, commands: &mut Vec<Command>) {
        if !self.open {
            return;
        }
        let (up, down, enter, escape) = ui.input_mut(|input| {
            (
                input.consume_key(Modifiers::NONE, Key::ArrowUp),
                input.consume_key(Modifiers::NONE, Key::ArrowDown),
                input.consume_key(Modifiers::NONE, Key::Enter),
                input.consume_key(Modifiers::NONE, Key::Escape),
            )
        });
        let mut found: Vec<Entry> = entries(ui, shared, views)
            .into_iter()
            .filter(|entry| rank(&entry.words, &self.text).is_some())
            .collect();
        found.sort_by_key(|entry| rank(&entry.words, &self.text));
        if down {
            self.chosen += 1;
        }
        if up {
            self.chosen = self.chosen.saturating_sub(1);
        }
        self.chosen = self.chosen.min(found.len().saturating_sub(1));
        let mut done = escape.then_some(None);
        if enter {
            done = Some(found.get(self.chosen).map(|entry| entry.command.clone()));
        }
        let colors = colors(ui);
        let area = egui::Area::new(egui::Id::unique("palette"))
            .order(egui::Order::Foreground)
            .anchor(Align2::CENTER_TOP, vec2(0.0, 64.0))
            .show(ui.ctx(), |ui| {
                Frame::new()
                    .fill(colors.raised)
                    .stroke((1.0, colors.line))
                    .corner_radius(8)
                    .shadow(ui.visuals().popup_shadow)
                    .inner_margin(Margin::same(8))
                    .show(ui, |ui| {
                        ui.set_width(520.0);
                        let edit = TextEdit::singleline(&mut self.text)
                            .hint_text("Search or run\u{2026}")
                            .margin(Margin::symmetric(8, 6))
                            .desired_width(f32::INFINITY);
                        let response = ui.add(edit);
                        let value = self.text.clone();
                        response.widget_info(|| {
                            let mut info = WidgetInfo::text_edit(true, "", &value, "");
                            info.label = Some("Command".to_owned());
                            info
                        });
                        if std::mem::take(&mut self.fresh) {
                            response.request_focus();
                        }
                        if response.changed() {
                            self.chosen = 0;
                        }
                        ui.spacing_mut().item_spacing.y = 0.0;
                        // As high as its lines at once, not as it was for the words before.
                        let list = ScrollArea::vertical().max_height(360.0).min_scrolled_height(360.0);
                        list.auto_shrink([false, true]).show(ui, |ui| {
                            for (number, entry) in found.iter().enumerate() {
                                let response = line(ui, entry, number == self.chosen);
                                if number == self.chosen && (up || down) {
                                    response.scroll_to_me(None);
                                }
                                if response.clicked() {
                                    done = Some(Some(entry.command.clone()));
                                }
                            }
                            if found.is_empty() {
                                ui.add_space(8.0);
                                ui.label(theme::weak(ui, "Nothing is called that."));
                            }
                        });
                    });
            });
        if area.response.clicked_elsewhere() && !self.fresh {
            done = done.or(Some(None));
        }
        if let Some(command) = done {
            self.open = false;
            commands.extend(command);
        }
    }
}

fn line(ui: &mut Ui, entry: &Entry, chosen: bool) -> egui::Response {
    let colors = colors(ui);
    let size = vec2(ui.available_width(), 28.0);
    let (rect, response) = ui.allocate_exact_size(size, egui::Sense::click());
    if chosen || response.hovered() {
        ui.painter().rect_filled(rect, 4.0, if chosen { colors.selected } else { colors.hover });
    }
    let mut inner = ui.new_child(
        egui::UiBuilder::new()
            .max_rect(rect.shrink2(vec2(8.0, 2.0)))
            .layout(Layout::left_to_right(Align::Center)),
    );
    kit::cut(&mut inner, entry.words.as_str());
    if !entry.keys.is_empty() {
        inner.with_layout(Layout::right_to_left(Align::Center), |ui| kit::key(ui, &entry.keys));
    }
    kit::named(&response, egui::Role::Button, true, &entry.words);
    response
}

fn entries(ui: &Ui, shared: &Shared, views: &Views) -> Vec<Entry> {
    let keys = |command: &Command| {
        let same = |other: &Command| match (command, other) {
            (Command::Go(one), Command::Go(other)) => one == other,
            (Command::Undo, Command::Undo)
            | (Command::Redo, Command::Redo)
            | (Command::Quit, Command::Quit) => true,
            _ => false,
        };
        let found = shortcuts().into_iter().find(|(_, other, _)| same(other));
        found.map_or_else(String::new, |(shortcut, ..)| ui.ctx().format_shortcut(&shortcut))
    };
    let mut all = Vec::new();
    let mut add = |words: String, command: Command| {
        let keys = keys(&command);
        all.push(Entry { words, keys, command });
    };
    for screen in Screen::RAIL {
        add(format!("Go to {}", screen.name()), Command::Go(screen));
    }
    add("Show the welcome".to_owned(), Command::Go(Screen::Welcome));
    if shared.runner.is_idle() {
        add("Run the sample benchmark".to_owned(), Command::RunSample);
    }
    if shared.runner.is_idle() && shared.broken_off().next().is_some() {
        add("Resume what was broken off".to_owned(), Command::ResumeAll);
    }
    for (words, part) in [
        ("Open files or folders\u{2026}", Part::OpenData),
        ("Results: table", Part::Table),
        ("Results: charts", Part::Charts),
        ("Export the results\u{2026}", Part::Export),
    ] {
        add(words.to_owned(), Command::Show(part));
    }
    if let Some(active) = shared.runner.active() {
        let paused = active.is_paused();
        let words = if paused { "Go on with the running experiment" } else { "Pause the running experiment" };
        add(words.to_owned(), Command::Pause(!paused));
        add("Cancel the running experiment".to_owned(), Command::Cancel(active.id));
    }
    if let Some(work) = shared.trainings.at_work().filter(|work| !work.is_canceled()) {
        let words = if work.is_paused() { "Let the training go on" } else { "Pause the training" };
        add(words.to_owned(), Command::PauseTraining(!work.is_paused()));
        if work.progress().is_some() && !work.is_finishing() {
            add("End the training and keep the best".to_owned(), Command::FinishTraining);
        }
        add("Save and stop the training".to_owned(), Command::CancelTraining(work.id));
    }
    if let Some(what) = shared.draft.undoes() {
        add(format!("Undo: {what}"), Command::Undo);
    }
    if let Some(what) = shared.draft.redoes() {
        add(format!("Redo: {what}"), Command::Redo);
    }
    for screen in Screen::RAIL {
        for action in views.get(screen).actions(shared) {
            add(action.words, action.command);
        }
    }
    for (words, theme) in [
        ("Theme: light", ThemeChoice::Light),
        ("Theme: dark", ThemeChoice::Dark),
        ("Theme: as the system", ThemeChoice::System),
    ] {
        add(words.to_owned(), Command::SetTheme(theme));
    }
    add("Larger".to_owned(), Command::SetZoom(shared.zoom + 0.1));
    add("Smaller".to_owned(), Command::SetZoom(shared.zoom - 0.1));
    add("Quit".to_owned(), Command::Quit);
    all
}

/// How well words fit what was typed, 0 best; `None` where a letter is missing. Letters may lie apart, in their order.
fn rank(words: &str, typed: &str) -> Option<usize> {
    let (words, typed) = (words.to_lowercase(), typed.trim().to_lowercase());
    if let Some(at) = words.find(&typed) {
        let starts = at == 0 || words[..at].ends_with(' ');
        return Some(usize::from(!starts));
    }
    let mut rest = words.chars();
    let all = typed
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .all(|letter| rest.any(|other| other == letter));
    all.then_some(2)
}

#[cfg(test)]
mod tests {
    use super::rank;

    #[test]
    fn the_start_of_a_word_comes_first_and_letters_may_lie_apart() {
        assert_eq!(rank("Go to Results", "res"), Some(0));
        assert_eq!(rank("Go to Results", "ult"), Some(1));
        assert_eq!(rank("Go to Results", "gr"), Some(2));
        assert_eq!(rank("Go to Results", ""), Some(0));
        assert_eq!(rank("Go to Results", "xyz"), None);
    }
}
