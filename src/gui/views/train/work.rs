//! The training at work, what waits behind it, and what ended just now otherwise than as meant.

use eframe::egui::{Align, Layout, Ui};

use crate::gui::command::{Command, Screen};
use crate::gui::kit::{self, Notice};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, icons};
use crate::gui::trainings::{AtWork, End};
use crate::train::{Phase, TrainProgress};

/// The training at work.
pub(super) fn at_work(ui: &mut Ui, work: &AtWork, commands: &mut Vec<Command>) {
    let progress = work.progress();
    kit::card(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 6.0;
        let wide = ui.available_width() > 500.0;
        ui.horizontal(|ui| {
            ui.scope(|ui| {
                let room = if wide { ui.available_width() - 390.0 } else { ui.available_width() };
                ui.set_max_width(room);
                kit::cut(ui, theme::section(work.name.as_str()));
            });
            if wide {
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    controls(ui, work, progress.is_some(), commands);
                });
            }
        });
        if !wide {
            ui.horizontal_wrapped(|ui| controls(ui, work, progress.is_some(), commands));
        }
        let part = match &progress {
            Some(_) => work.part(),
            None => {
                let reading = work.preparing();
                (reading.total > 0).then(|| reading.done as f32 / reading.total as f32)
            }
        };
        kit::progress(ui, part, ui.available_width(), "Progress of the training");
        ui.label(theme::weak(ui, doing(work, progress.as_deref())));
        if let Some(progress) = progress.as_deref().filter(|progress| progress.loss.is_finite()) {
            figures(ui, progress);
        }
    });
}

fn controls(ui: &mut Ui, work: &AtWork, learning: bool, commands: &mut Vec<Command>) {
    let ending = work.is_canceled() || work.is_finishing();
    let stop = kit::button_if(ui, !work.is_canceled(), icons::STOP, "Save and stop");
    if stop.clicked() {
        commands.push(Command::CancelTraining(work.id));
    }
    stop.on_hover_text("It can be resumed, to the same weights as if nothing had happened");
    let finish = kit::button_if(ui, learning && !ending, icons::CHECK, "End and keep the best");
    if finish.clicked() {
        commands.push(Command::FinishTraining);
    }
    finish.on_hover_text("Ends for good: the best weights so far become the model");
    let (icon, words) = match work.is_paused() {
        true => (icons::PLAY, "Go on with it"),
        false => (icons::PAUSE, "Pause it"),
    };
    if kit::button_if(ui, learning && !ending, icon, words).clicked() {
        commands.push(Command::PauseTraining(!work.is_paused()));
    }
}

/// What it does, and how far it is.
fn doing(work: &AtWork, progress: Option<&TrainProgress>) -> String {
    let mut parts = Vec::new();
    let Some(progress) = progress else {
        let reading = work.preparing();
        let step = if reading.step.is_empty() { "looking at data and model" } else { &reading.step };
        parts.push(if work.is_canceled() { "Stopping".to_owned() } else { format!("Preparing: {step}") });
        if reading.total > 0 {
            parts.push(format!("{} of {}", kit::count(reading.done), kit::count(reading.total)));
        }
        return parts.join("  \u{b7}  ");
    };
    parts.push(match progress.phase {
        _ if work.is_canceled() => "Saving, then stopping".to_owned(),
        Phase::Evaluating { done, total } => format!("Answering the dev split: {done} of {total}"),
        Phase::Paused if !work.is_finishing() => "Paused".to_owned(),
        Phase::Saving => "Saving".to_owned(),
        _ if work.is_finishing() => "Ending with the best".to_owned(),
        Phase::Training | Phase::Paused | Phase::Done => "Learning".to_owned(),
    });
    parts.push(format!("step {} of {}", kit::count(progress.step), kit::count(progress.steps)));
    parts.push(format!("epoch {:.2} of {}", progress.epoch, progress.epochs));
    if let Some(eta) = progress.eta.filter(|_| !work.is_paused() && !work.is_canceled()) {
        parts.push(format!("about {} left", kit::clock(eta)));
    }
    parts.push(format!("for {}", kit::clock(work.began().elapsed())));
    parts.join("  \u{b7}  ")
}

fn figures(ui: &mut Ui, progress: &TrainProgress) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 16.0;
        let mut figure = |name: &str, value: String| {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 5.0;
                ui.label(theme::caption(ui, name));
                ui.label(value);
            });
        };
        figure("Loss", format!("{:.3}", progress.loss));
        figure("lately", format!("{:.3}", progress.smooth_loss));
        figure("Rate", format!("{:.2e}", progress.rate));
        figure("Gradient", format!("{:.2}", progress.gradient_norm));
        figure("Tokens/s", kit::count(progress.tokens_per_s.round() as u64));
    });
}

/// What waits, with what it waits for.
pub(super) fn queue(ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
    for queued in shared.trainings.queue() {
        ui.horizontal(|ui| {
            ui.label(theme::weak(ui, icons::QUEUE));
            if kit::icon_button(ui, icons::X, &format!("Take {} from the queue", queued.name)).clicked() {
                commands.push(Command::CancelTraining(queued.id));
            }
            let (after, screen) = match (shared.runner.active(), shared.trainings.at_work()) {
                (Some(active), _) => (
                    format!("when the runs of \u{201c}{}\u{201d} have ended", active.name),
                    Some(Screen::Runs),
                ),
                (None, Some(work)) => (format!("when \u{201c}{}\u{201d} has ended", work.name), None),
                (None, None) => ("now".to_owned(), None),
            };
            let words = format!("\u{201c}{}\u{201d} begins {after}: one at a time computes.", queued.name);
            if let Some(screen) = screen
                && kit::quiet(ui, icons::CARET_RIGHT, "Go to Runs").clicked()
            {
                commands.push(Command::Go(screen));
            }
            kit::cut(ui, words);
        });
    }
}

/// Why the training that ended last could not go on, until it is closed.
pub(super) fn failed(ui: &mut Ui, shared: &Shared, closed: &mut u64) {
    let Some(ended) = shared.trainings.ended().last().filter(|ended| ended.id > *closed) else { return };
    let End::Failed(trouble) = &ended.end else { return };
    let text = format!("\u{201c}{}\u{201d} could not go on. {}", ended.name, trouble.0);
    if kit::notice(ui, Notice::Error, &text, Some("Close the error")) {
        *closed = ended.id;
    }
}
