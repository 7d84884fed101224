//! The screens, a file or folder each. They know the shared state and the kit, and not each other: what leads from one to
//! another is a command.

pub mod data;
pub mod experiment;
pub mod inspect;
pub mod model;
pub mod prompt;
pub mod results;
pub mod retriever;
pub mod runs;
pub mod settings;
pub mod train;
pub mod welcome;

use eframe::egui;

use super::command::{Command, Part};
use super::memory::Memory;
use super::shared::Shared;

/// What a screen's `logic` works with.
pub struct Cx<'a> {
    /// To wake the window.
    pub ctx: &'a egui::Context,
    /// What all screens see.
    pub shared: &'a Shared,
    /// What the screen asks for.
    pub commands: &'a mut Vec<Command>,
    /// Whether the screen is shown now: what nobody sees need not be loaded.
    pub shown: bool,
}

/// Something a screen offers to the palette.
#[derive(Debug, Clone)]
pub struct Action {
    /// What it is called there.
    pub words: String,
    /// What it does.
    pub command: Command,
}

/// A screen.
pub trait View {
    /// Takes what jobs delivered and starts those that are wanted. Draws nothing.
    fn logic(&mut self, cx: &mut Cx<'_>);

    /// Draws, and changes nothing but the screen's own form. The title is drawn already.
    fn ui(&mut self, ui: &mut egui::Ui, shared: &Shared, commands: &mut Vec<Command>);

    /// What the rail says beneath the screen's name: its result in a few words, or nothing.
    fn summary(&self, _shared: &Shared) -> String {
        String::new()
    }

    /// What it offers to the palette.
    fn actions(&self, _shared: &Shared) -> Vec<Action> {
        Vec::new()
    }

    /// Shows a part of itself; only its own are asked for.
    fn show_part(&mut self, _part: Part) {}

    /// Puts what it remembers for the next start.
    fn remember(&self, _memory: &mut Memory) {}
}
