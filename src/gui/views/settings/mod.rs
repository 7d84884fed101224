//! Settings: how the window looks, how it computes, where files lie, and what the program is made of.

mod about;
mod storage;

use eframe::egui::{self, DragValue};

use super::{Action, Cx, View};
use crate::gui::command::{Command, ThemeChoice};
use crate::gui::kit;
use crate::gui::memory::Memory;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, FORM, icons};
use storage::Storage;

/// The screen.
#[derive(Default)]
pub struct SettingsView {
    storage: Storage,
    licenses_open: bool,
}

impl SettingsView {
    /// The screen as it was left.
    pub fn new(_memory: &Memory) -> Self {
        Self::default()
    }
}

impl View for SettingsView {
    fn logic(&mut self, cx: &mut Cx<'_>) {
        self.storage.logic(cx);
    }

    fn ui(&mut self, ui: &mut egui::Ui, shared: &Shared, commands: &mut Vec<Command>) {
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.set_max_width(FORM);
            group(ui, "Appearance", |ui| appearance(ui, shared, commands));
            group(ui, "Computing", |ui| computing(ui, shared, commands));
            group(ui, "Store", |ui| self.storage.store(ui, shared, commands));
            group(ui, "Folders", |ui| self.storage.folders(ui, shared, commands));
            group(ui, "Keys", about::keys);
            group(ui, "About", |ui| about::about(ui, &mut self.licenses_open, commands));
        });
    }

    fn actions(&self, _shared: &Shared) -> Vec<Action> {
        let mut actions = Vec::new();
        for percent in [100_u16, 125, 150, 200] {
            let command = Command::SetZoom(f32::from(percent) / 100.0);
            actions.push(Action { words: format!("Size: {percent} %"), command });
        }
        actions
    }
}

fn group(ui: &mut egui::Ui, title: &str, content: impl FnOnce(&mut egui::Ui)) {
    ui.label(theme::section(title));
    kit::card(ui, |ui| {
        ui.set_width(ui.available_width());
        content(ui);
    });
    ui.add_space(8.0);
}

fn appearance(ui: &mut egui::Ui, shared: &Shared, commands: &mut Vec<Command>) {
    kit::field(ui, "Theme", |ui, _| {
        let mut theme = shared.theme;
        let choices = [
            (ThemeChoice::Light, "Light", None),
            (ThemeChoice::Dark, "Dark", None),
            (ThemeChoice::System, "As the system", None),
        ];
        if kit::segmented(ui, &mut theme, &choices) {
            commands.push(Command::SetTheme(theme));
        }
    });
    kit::field(ui, "Size", |ui, _| {
        let mut percent = (shared.zoom * 100.0).round() as u16;
        let choices = [80_u16, 100, 125, 150, 200].map(|size| (size, format!("{size} %")));
        let choices: Vec<(u16, &str, Option<&str>)> =
            choices.iter().map(|(size, words)| (*size, words.as_str(), None)).collect();
        if kit::segmented(ui, &mut percent, &choices) {
            commands.push(Command::SetZoom(f32::from(percent) / 100.0));
        }
    });
}

fn computing(ui: &mut egui::Ui, shared: &Shared, commands: &mut Vec<Command>) {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    kit::field(ui, "Threads", |ui, name| {
        let mut all = shared.threads == 0;
        if ui.checkbox(&mut all, format!("All {processors} processors")).changed() {
            commands.push(Command::SetThreads(if all { 0 } else { processors }));
        }
        if shared.threads != 0 {
            let mut threads = shared.threads;
            let response = ui.add(DragValue::new(&mut threads).range(1..=processors.max(1) * 2));
            if response.labelled_by(name).changed() {
                commands.push(Command::SetThreads(threads));
            }
        }
    });
    ui.label(theme::caption(ui, format!("{}  Holds from the next experiment that is started.", icons::INFO)));
}
