//! Messages: they pass by on lines above the bar beneath, where they cover nothing, and stay in a list that the bar opens.

use std::time::{Duration, Instant};

use eframe::egui::{self, Align, Frame, Layout, Margin, RichText, ScrollArea, Ui};

use crate::gui::command::{Command, Screen, Toast, Weight};
use crate::gui::kit;
use crate::gui::runner::Finished;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, Colors, colors, icons};
use crate::gui::trainings::{End, Ended};

/// How long a message stays.
const STAY: Duration = Duration::from_secs(7);
/// Messages at once.
const AT_ONCE: usize = 3;

/// The messages that pass by.
#[derive(Default)]
pub(super) struct Toasts {
    shown: Vec<(Toast, Instant, bool)>,
}

impl Toasts {
    pub(super) fn push(&mut self, toast: Toast) {
        self.shown.retain(|(shown, ..)| shown.text != toast.text);
        self.shown.push((toast, Instant::now() + STAY, false));
        if self.shown.len() > AT_ONCE {
            self.shown.remove(0);
        }
    }

    pub(super) fn show(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        let now = Instant::now();
        // One whose details are open stays, and so does an error.
        self.shown.retain(|(toast, until, open)| *open || toast.weight == Weight::Error || *until > now);
        let next = self.shown.iter().filter(|(toast, _, open)| !open && toast.weight != Weight::Error);
        if let Some(next) = next.map(|(_, until, _)| *until).min() {
            ui.ctx().request_repaint_after(next.saturating_duration_since(now));
        }
        if self.shown.is_empty() {
            return;
        }
        let mut closed = None;
        egui::Panel::bottom("toasts")
            .frame(Frame::new().fill(colors(ui).raised).inner_margin(Margin::symmetric(12, 4)))
            .show(ui, |ui| {
                for (number, (toast, _, open)) in self.shown.iter_mut().enumerate() {
                    if passing(ui, toast, open, commands) {
                        closed = Some(number);
                    }
                }
            });
        if let Some(number) = closed {
            self.shown.remove(number);
        }
    }
}

/// A message on one line, its details beneath; tells whether it is to go.
fn passing(ui: &mut Ui, toast: &Toast, open: &mut bool, commands: &mut Vec<Command>) -> bool {
    let mut gone = false;
    let (icon, color) = sign(toast.weight, colors(ui));
    ui.horizontal(|ui| {
        ui.label(RichText::new(icon).size(16.0).color(color));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            gone = kit::icon_button(ui, icons::X, "Close the message").clicked();
            if toast.details.is_some() {
                let words = if *open { "Hide details" } else { "Details" };
                if kit::quiet(ui, "", words).clicked() {
                    *open = !*open;
                }
            }
            if let Some((words, command)) = &toast.action
                && kit::button(ui, "", words).clicked()
            {
                commands.push((**command).clone());
                gone = true;
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| kit::cut(ui, toast.text.as_str()));
        });
    });
    if let Some(details) = toast.details.as_ref().filter(|_| *open) {
        ScrollArea::vertical().max_height(120.0).show(ui, |ui| {
            ui.add(egui::Label::new(theme::weak(ui, details.as_str())).wrap().selectable(true));
        });
    }
    gone
}

const fn sign(weight: Weight, colors: &Colors) -> (&'static str, egui::Color32) {
    match weight {
        Weight::Info => (icons::INFO, colors.weak),
        Weight::Success => (icons::CHECK_CIRCLE, colors.good),
        Weight::Warning => (icons::WARNING, colors.warning),
        Weight::Error => (icons::WARNING_CIRCLE, colors.danger),
    }
}

/// A message of the list, whole.
fn message(ui: &mut Ui, toast: &Toast, commands: &mut Vec<Command>) {
    let (icon, color) = sign(toast.weight, colors(ui));
    ui.horizontal_top(|ui| {
        ui.label(RichText::new(icon).size(16.0).color(color));
        ui.vertical(|ui| {
            ui.add(egui::Label::new(&toast.text).wrap().selectable(true));
            if let Some((words, command)) = &toast.action
                && kit::button(ui, "", words).clicked()
            {
                commands.push((**command).clone());
            }
            if let Some(details) = &toast.details {
                ScrollArea::vertical().max_height(160.0).show(ui, |ui| {
                    ui.add(egui::Label::new(theme::weak(ui, details.as_str())).wrap().selectable(true));
                });
            }
        });
    });
}

/// The list of messages.
pub(super) fn messages(ui: &mut Ui, shared: &Shared, open: &mut bool, commands: &mut Vec<Command>) {
    kit::section(ui, "Messages", |ui| {
        if kit::icon_button(ui, icons::X, "Close the messages").clicked() {
            *open = false;
        }
    });
    if shared.messages.is_empty() {
        ui.label(theme::weak(ui, "Nothing has happened yet."));
        return;
    }
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        for toast in shared.messages.iter().rev() {
            message(ui, toast, commands);
            ui.separator();
        }
    });
}

/// What to say about an experiment that ended.
pub(in crate::gui) fn told_end(finished: &Finished) -> Toast {
    let name = &finished.name;
    let show = Command::Go(Screen::Results);
    match &finished.outcome {
        Err(trouble) => Toast::new(Weight::Error, format!("\u{201c}{name}\u{201d} could not be run."))
            .with_details(trouble.0.clone())
            .with_action("Show the runs", Command::Go(Screen::Runs)),
        Ok(outcome) if outcome.canceled => Toast::new(
            Weight::Info,
            format!("\u{201c}{name}\u{201d} was stopped. What was answered is stored."),
        )
        .with_action("Show the runs", Command::Go(Screen::Runs)),
        Ok(outcome) if !outcome.failures.is_empty() => {
            let (failed, all) = (outcome.failures.len(), outcome.failures.len() + outcome.runs.len());
            let lines: Vec<String> =
                outcome.failures.iter().map(|failure| crate::run::in_full(&failure.error)).collect();
            Toast::new(
                Weight::Warning,
                format!("{failed} of {all} runs of \u{201c}{name}\u{201d} could not be run."),
            )
            .with_details(lines.join("\n"))
            .with_action("Show the runs", Command::Go(Screen::Runs))
        }
        Ok(_) => Toast::new(Weight::Success, format!("\u{201c}{name}\u{201d} is done."))
            .with_action("Show results", show),
    }
}

/// What to say about a training that ended.
pub(in crate::gui) fn told_training(ended: &Ended) -> Toast {
    let name = &ended.name;
    let toast = match &ended.end {
        End::Failed(trouble) => {
            Toast::new(Weight::Error, format!("The training of \u{201c}{name}\u{201d} could not go on."))
                .with_details(trouble.0.clone())
        }
        End::Stopped => Toast::new(
            Weight::Info,
            format!("The training of \u{201c}{name}\u{201d} was stopped. What it has learned is saved."),
        ),
        End::Done(outcome) => {
            let epoch = outcome.best.epoch;
            let text =
                format!("\u{201c}{name}\u{201d} is trained and registered, as it was after epoch {epoch}.");
            Toast::new(Weight::Success, text)
        }
    };
    toast.with_action("Show the training", Command::Go(Screen::Train))
}
