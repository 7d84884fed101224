//! What is around every screen: the rail, the bar above with the palette and the running work, the bar beneath, messages.

mod bars;
mod palette;
mod rail;
mod toasts;

use std::path::Path;

use eframe::egui::{self, Frame, Key, KeyboardShortcut, Margin, Modifiers, Ui};

use super::app::Views;
use super::command::{Command, Screen, Toast};
use super::shared::Shared;
use super::theme::{self, colors};
use super::{kit, runner, trainings};
use crate::train::Phase;

pub(super) use toasts::{told_end, told_training};

/// Shortcuts that hold everywhere, with what they do and their words.
pub(in crate::gui) fn shortcuts() -> Vec<(KeyboardShortcut, Command, &'static str)> {
    const DIGITS: [Key; 9] =
        [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9];
    let command = |key| KeyboardShortcut::new(Modifiers::COMMAND, key);
    let mut all = vec![
        (command(Key::K), Command::OpenPalette, "Search or run a command"),
        (command(Key::Z), Command::Undo, "Undo the last change of the experiment"),
        (KeyboardShortcut::new(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z), Command::Redo, "Redo it"),
        (command(Key::Q), Command::Quit, "Quit"),
        (command(Key::Comma), Command::Go(Screen::Settings), Screen::Settings.name()),
    ];
    for (key, screen) in DIGITS.into_iter().zip(Screen::RAIL) {
        all.push((command(key), Command::Go(screen), screen.name()));
    }
    all
}

/// What the frame remembers between two frames.
#[derive(Default)]
pub(super) struct FrameState {
    palette: palette::Palette,
    toasts: toasts::Toasts,
    messages_open: bool,
}

/// What is drawn around the screen.
pub(super) struct Drawing<'a> {
    /// The screen within.
    pub screen: Screen,
    /// What all screens see.
    pub shared: &'a Shared,
    /// The screens, for their summaries.
    pub views: &'a Views,
    /// The store's file.
    pub path: &'a Path,
}

impl FrameState {
    pub(super) fn open_palette(&mut self) {
        self.palette.open();
    }

    pub(super) fn toast(&mut self, toast: Toast) {
        self.toasts.push(toast);
    }

    /// Takes shortcuts; those of the text field that has the keys come first.
    pub(super) fn shortcuts(&self, ctx: &egui::Context, _shared: &Shared, commands: &mut Vec<Command>) {
        let typing = ctx.egui_wants_keyboard_input();
        for (shortcut, command, _) in shortcuts() {
            // A text field has an undo of its own.
            if typing && matches!(command, Command::Undo | Command::Redo) {
                continue;
            }
            if ctx.input_mut(|input| input.consume_shortcut(&shortcut)) {
                commands.push(command);
            }
        }
    }

    /// Rail and bars.
    pub(super) fn around(&mut self, ui: &mut Ui, drawing: &Drawing<'_>, commands: &mut Vec<Command>) {
        let bar = |ui: &Ui, margin| Frame::new().fill(colors(ui).ground).inner_margin(margin);
        egui::Panel::top("bar")
            .exact_size(40.0)
            .frame(bar(ui, Margin::symmetric(12, 4)))
            .show(ui, |ui| bars::top(ui, drawing, commands));
        egui::Panel::bottom("status")
            .exact_size(24.0)
            .frame(bar(ui, Margin::symmetric(12, 2)))
            .show(ui, |ui| bars::status(ui, drawing, &mut self.messages_open));
        self.toasts.show(ui, commands);
        let narrow = ui.ctx().content_rect().width() < 1100.0;
        egui::Panel::left("rail")
            .exact_size(if narrow { 56.0 } else { 196.0 })
            .resizable(false)
            .frame(Frame::new().fill(colors(ui).raised).inner_margin(Margin::symmetric(8, 8)))
            .show(ui, |ui| rail::rail(ui, drawing, narrow, commands));
        if self.messages_open {
            egui::Panel::right("messages")
                .exact_size(340.0)
                .frame(Frame::new().fill(colors(ui).raised).inner_margin(Margin::same(12)))
                .show(ui, |ui| toasts::messages(ui, drawing.shared, &mut self.messages_open, commands));
        }
    }

    /// What floats over everything.
    pub(super) fn above(&mut self, ui: &mut Ui, shared: &Shared, views: &Views, commands: &mut Vec<Command>) {
        self.palette.show(ui, shared, views, commands);
        let hovering = ui.input(|input| !input.raw.hovered_files.is_empty());
        if hovering {
            kit::overlay(ui, ui.ctx().content_rect(), "Open as data");
        }
    }
}

/// The place of the screen, with its title.
pub(super) fn central(ui: &mut Ui, screen: Screen, content: impl FnOnce(&mut Ui)) {
    egui::CentralPanel::default()
        .frame(Frame::new().fill(colors(ui).ground).inner_margin(Margin::symmetric(24, 16)))
        .show(ui, |ui| {
            if screen != Screen::Welcome {
                ui.label(theme::title(screen.name()));
                ui.add_space(4.0);
            }
            content(ui);
        });
}

/// What the training is doing, in a few words.
fn training_words(work: &trainings::AtWork) -> String {
    let Some(progress) = work.progress() else { return "preparing".to_owned() };
    match progress.phase {
        _ if work.is_canceled() => "stopping".to_owned(),
        _ if work.is_finishing() => "ending".to_owned(),
        Phase::Paused => "paused".to_owned(),
        Phase::Evaluating { .. } => "answering dev".to_owned(),
        Phase::Saving => "saving".to_owned(),
        Phase::Training | Phase::Done => {
            format!(
                "epoch {} of {}",
                (progress.epoch.floor() as u64 + 1).min(progress.epochs),
                progress.epochs
            )
        }
    }
}

/// What is at work, as one part and a few words.
fn at_work(active: &runner::Active) -> (Option<f32>, String) {
    let board = active.board();
    if !board.planned {
        return (None, "preparing".to_owned());
    }
    let progress = active.progress();
    let part = board.part(progress.as_deref());
    let words = match active.is_paused() {
        true => "paused".to_owned(),
        false => format!("{} of {} runs", board.ended(), board.cells.len()),
    };
    (Some(part), words)
}
