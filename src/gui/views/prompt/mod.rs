//! The screen Prompt: the template, and the final prompt of a sample of one's choosing.

mod editor;
mod files;
mod shown;
mod text;
mod wording;

use std::path::Path;

use eframe::egui::{self, Frame, Margin, Panel};
use serde::{Deserialize, Serialize};

use self::editor::Editor;
use self::shown::Shown;
use super::{Cx, View};
use crate::gui::command::Command;
use crate::gui::memory::Memory;
use crate::gui::preview::CounterChoice;
use crate::gui::shared::Shared;
use crate::lamp::Task;
use crate::prompt::{Preset, PromptMode};
use crate::run::experiment::Templates;

/// What is remembered for the next start.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    retriever: Option<String>,
    k: Option<usize>,
    counting: CounterChoice,
}

/// The screen.
#[derive(Default)]
pub struct PromptView {
    editor: Editor,
    shown: Shown,
}

impl PromptView {
    /// The screen as it was left.
    pub fn new(memory: &Memory) -> Self {
        let Kept { retriever, k, counting } = memory.screen("prompt");
        Self { shown: Shown::new(retriever, k, counting), ..Self::default() }
    }
}

/// The task whose template is edited: the sample's, else the first that the experiment names.
fn task(shared: &Shared) -> Task {
    let chosen = shared.sample.as_ref().map(|sample| sample.dataset.id().task);
    let named = || shared.experiment().data.iter().flat_map(|data| data.tasks.iter().copied()).next();
    chosen.or_else(named).unwrap_or(Task::Lamp4)
}

impl View for PromptView {
    fn logic(&mut self, cx: &mut Cx<'_>) {
        let task = task(cx.shared);
        if cx.shown {
            self.editor.logic(cx, task);
        }
        let sound = self.editor.is_ready(task) && self.editor.fault().is_none();
        self.shown.logic(cx, sound.then_some(self.editor.text.as_str()));
    }

    fn ui(&mut self, ui: &mut egui::Ui, shared: &Shared, commands: &mut Vec<Command>) {
        let width = (ui.available_width() * 0.38).clamp(290.0, 520.0);
        let frame = Frame::new().inner_margin(Margin { right: 12, ..Margin::ZERO });
        let task = task(shared);
        Panel::left("template")
            .frame(frame)
            .exact_size(width)
            .resizable(false)
            .show(ui, |ui| self.editor.ui(ui, shared, task, commands));
        let frame = Frame::new().inner_margin(Margin { left: 12, ..Margin::ZERO });
        let sound = self.editor.fault().is_none();
        egui::CentralPanel::default().frame(frame).show(ui, |ui| self.shown.ui(ui, shared, sound, commands));
    }

    fn summary(&self, shared: &Shared) -> String {
        let prompt = &shared.experiment().prompt;
        let name = |name: &str| {
            let file = || Path::new(name).file_name().map(|last| last.to_string_lossy().into_owned());
            if name.parse::<Preset>().is_ok() { name.to_owned() } else { file().unwrap_or_default() }
        };
        let template = match &prompt.template {
            Templates::All(all) => name(all),
            Templates::PerTask(all) if all.len() == 1 => all.values().map(|one| name(one)).collect(),
            Templates::PerTask(all) => format!("{} templates", all.len()),
        };
        let mode = if prompt.mode == PromptMode::Clean { ", clean" } else { "" };
        format!("{template}{mode}, {} tokens", prompt.max_length)
    }

    fn remember(&self, memory: &mut Memory) {
        let Shown { retriever, k, counting, .. } = &self.shown;
        let kept = Kept { retriever: retriever.clone(), k: *k, counting: counting.clone() };
        memory.set_screen("prompt", &kept);
    }
}
