//! What a recipe learns from and is judged by: open datasets, their tasks, settings and splits.

use eframe::egui::Ui;

use super::form::{Around, Form, Number, WHOLE, caption, short};
use crate::gui::command::{Command, Part};
use crate::gui::kit;
use crate::gui::theme::icons;
use crate::lamp::{Setting, Split, Task};

impl Form {
    pub(super) fn data(&mut self, ui: &mut Ui, around: &Around<'_>, commands: &mut Vec<Command>) {
        let shared = around.shared;
        let own = !self.recipe.data.paths.is_empty();
        let paths = if own { &self.recipe.data.paths } else { &shared.data_paths };
        if paths.is_empty() {
            let text = "No data are open. A model learns from the train split of LaMP files.";
            if kit::notice(ui, kit::Notice::Info, text, Some("Open files or folders\u{2026}")) {
                commands.push(Command::Show(Part::OpenData));
            }
            return;
        }
        let names: Vec<String> = paths.iter().map(|path| short(&path.display().to_string())).collect();
        let names = names.join(", ");
        let mut open = false;
        kit::field(ui, "Data", |ui, _| {
            let room = if own { ui.available_width() - 36.0 } else { ui.available_width() };
            ui.scope(|ui| {
                ui.set_max_width(room);
                kit::cut(ui, names.as_str());
            });
            open = own && kit::icon_button(ui, icons::DATABASE, "Learn from the open data").clicked();
        });
        if open {
            self.recipe.data.paths.clear();
        }
        let data = &mut self.recipe.data;
        let mut tasks: Vec<Task> =
            around.found.iter().map(|id| id.task).chain(data.tasks.iter().copied()).collect();
        tasks.sort_unstable();
        tasks.dedup();
        if tasks.len() > 1 {
            let on = |task: Task| data.tasks.is_empty() || data.tasks.contains(&task);
            if let Some(chosen) = kit::chips(ui, &tasks, on, |task| task.id().to_owned()) {
                data.tasks = chosen;
            }
        }
        let mut settings: Vec<Setting> =
            around.found.iter().map(|id| id.setting).chain(data.settings.iter().copied()).collect();
        settings.sort_unstable();
        settings.dedup();
        if settings.len() > 1 {
            let on = |setting: Setting| data.settings.is_empty() || data.settings.contains(&setting);
            let words = |setting: Setting| match setting {
                Setting::User => "User setting".to_owned(),
                Setting::Time => "Time setting".to_owned(),
            };
            if let Some(chosen) = kit::chips(ui, &settings, on, words) {
                data.settings = chosen;
            }
        }
        let has = |split: Split| around.found.is_empty() || around.found.iter().any(|id| id.split == split);
        const NONE: &str = "The open data have no such split";
        let learned = Split::ALL.map(|split| {
            let refusal = (!has(split) && split != data.split).then_some(NONE);
            (split, split.id(), refusal)
        });
        kit::field(ui, "Learn from", |ui, _| kit::segmented(ui, &mut data.split, &learned));
        let mut judged: Vec<(Option<Split>, String, Option<&str>)> = Split::ALL
            .into_iter()
            .map(|split| {
                let refusal = match split {
                    _ if Some(split) == data.dev => None,
                    _ if split == data.split => Some("It is what is learned from"),
                    _ if !has(split) => Some(NONE),
                    _ => None,
                };
                (Some(split), format!("by {}", split.id()), refusal)
            })
            .filter(|(split, ..)| *split != Some(data.split) || data.dev == *split)
            .collect();
        judged.push((None, "no".to_owned(), None));
        let judged: Vec<(Option<Split>, &str, Option<&str>)> =
            judged.iter().map(|(split, words, refusal)| (*split, words.as_str(), *refusal)).collect();
        kit::field(ui, "Choose the best", |ui, _| kit::segmented(ui, &mut data.dev, &judged));
        around.said(ui, "data.dev");
        if data.dev.is_none() {
            caption(ui, "The last epoch is kept, however good it is.");
        }
        around.said(ui, "data.paths");
        let limit =
            Number { id: "data.limit", words: "At most, samples each", hint: Some("all"), form: WHOLE };
        self.number(
            ui,
            around,
            &limit,
            |recipe| recipe.data.limit,
            |recipe, limit| recipe.data.limit = limit,
        );
    }
}
