//! The screen Prompt.

use eframe::egui;

use super::{Cx, View};
use crate::gui::command::Command;
use crate::gui::kit;
use crate::gui::memory::Memory;
use crate::gui::shared::Shared;
use crate::gui::theme::icons;

/// The screen.
#[derive(Debug, Default)]
pub struct PromptView {}

impl PromptView {
    /// The screen as it was left.
    pub fn new(_memory: &Memory) -> Self {
        Self::default()
    }
}

impl View for PromptView {
    fn logic(&mut self, _cx: &mut Cx<'_>) {}

    fn ui(&mut self, ui: &mut egui::Ui, _shared: &Shared, _commands: &mut Vec<Command>) {
        kit::empty(ui, icons::INFO, "To be built", "", None);
    }
}
