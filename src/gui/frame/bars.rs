//! The bar above (where am I, the palette, the running work) and the one beneath (state, never news).

use eframe::egui::{self, Align, Button, Layout, RichText, Role, Ui};

use super::{Drawing, at_work, training_words};
use crate::gui::command::{Command, Screen};
use crate::gui::kit;
use crate::gui::theme::{self, CONTROL, colors, icons};
use crate::gui::trainings::AtWork;

/// The bar above.
pub(super) fn top(ui: &mut Ui, drawing: &Drawing<'_>, commands: &mut Vec<Command>) {
    ui.horizontal_centered(|ui| {
        ui.label(RichText::new(icons::LAMP).size(18.0).color(colors(ui).accent));
        ui.label(theme::strong("Lamplight"));
        ui.add_space(8.0);
        let draft = drawing.shared.experiment();
        let place = match drawing.screen {
            Screen::Welcome | Screen::Settings => String::new(),
            _ if draft.name.is_empty() => "Untitled experiment".to_owned(),
            _ => draft.name.clone(),
        };
        let changed = drawing.shared.draft.file().is_some() && drawing.shared.draft.is_changed();
        let place = if changed { format!("{place} (changed)") } else { place };
        ui.scope(|ui| {
            ui.set_max_width(260.0);
            kit::cut(ui, theme::weak(ui, place));
        });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            work(ui, drawing, commands);
            let keys = ui.ctx().format_shortcut(&super::shortcuts()[0].0);
            let words = format!("{}  Search or run\u{2026}   {keys}", icons::MAGNIFYING_GLASS);
            let button = Button::new(theme::weak(ui, words)).min_size(egui::vec2(220.0, CONTROL));
            let response = ui.add(button);
            kit::named(&response, Role::Button, true, "Search or run a command");
            if response.clicked() {
                commands.push(Command::OpenPalette);
            }
        });
    });
}

/// The running work; a click shows it.
fn work(ui: &mut Ui, drawing: &Drawing<'_>, commands: &mut Vec<Command>) {
    let runner = &drawing.shared.runner;
    if let Some(at_work) = drawing.shared.trainings.at_work() {
        training(ui, drawing, at_work, commands);
    }
    let Some(active) = runner.active() else { return };
    let stopping = active.is_canceled();
    if kit::icon_button_if(ui, !stopping, icons::STOP, "Cancel the running experiment").clicked() {
        commands.push(Command::Cancel(active.id));
    }
    let (icon, words) = match active.is_paused() {
        true => (icons::PLAY, "Go on"),
        false => (icons::PAUSE, "Pause"),
    };
    if kit::icon_button_if(ui, !stopping, icon, words).clicked() {
        commands.push(Command::Pause(!active.is_paused()));
    }
    let (part, words) = at_work(active);
    let words = if stopping { "stopping".to_owned() } else { words };
    let percent = part.map_or_else(String::new, |part| format!("{:.0} %  ", part * 100.0));
    let waiting = runner.queue().count() + drawing.shared.trainings.queue().count();
    let more = if waiting > 0 { format!(", {waiting} waiting") } else { String::new() };
    let text = format!("{percent}{words}{more}");
    let response = ui.add(Button::new(text.clone()).frame(false));
    kit::named(&response, Role::Button, true, &format!("Running: {text}"));
    if response.on_hover_text("Show the runs").clicked() {
        commands.push(Command::Go(Screen::Runs));
    }
    kit::progress(ui, part, 90.0, "Progress of the running experiment");
}

/// The training; a click shows it.
fn training(ui: &mut Ui, drawing: &Drawing<'_>, at_work: &AtWork, commands: &mut Vec<Command>) {
    let stopping = at_work.is_canceled();
    if kit::icon_button_if(ui, !stopping, icons::STOP, "Save and stop the training").clicked() {
        commands.push(Command::CancelTraining(at_work.id));
    }
    let (icon, words) = match at_work.is_paused() {
        true => (icons::PLAY, "Let the training go on"),
        false => (icons::PAUSE, "Pause the training"),
    };
    if kit::icon_button_if(ui, !stopping, icon, words).clicked() {
        commands.push(Command::PauseTraining(!at_work.is_paused()));
    }
    let part = at_work.part();
    let percent = part.map_or_else(String::new, |part| format!("{:.0} %  ", part * 100.0));
    let shared = drawing.shared;
    let waiting = shared.runner.queue().count() + shared.trainings.queue().count();
    let more = if waiting > 0 { format!(", {waiting} waiting") } else { String::new() };
    let text = format!("{percent}{}{more}", training_words(at_work));
    let response = ui.add(Button::new(text.clone()).frame(false));
    kit::named(&response, Role::Button, true, &format!("Training: {text}"));
    if response.on_hover_text("Show the training").clicked() {
        commands.push(Command::Go(Screen::Train));
    }
    kit::progress(ui, part, 90.0, "Progress of the training");
}

/// The bar beneath.
pub(super) fn status(ui: &mut Ui, drawing: &Drawing<'_>, messages_open: &mut bool) {
    let shared = drawing.shared;
    // Rows are as high as a control otherwise, which is more than this bar.
    ui.spacing_mut().interact_size.y = 16.0;
    ui.spacing_mut().button_padding.y = 0.0;
    ui.horizontal_centered(|ui| {
        ui.spacing_mut().item_spacing.x = 12.0;
        let threads = match shared.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        };
        let plural = if threads == 1 { "" } else { "s" };
        ui.label(theme::caption(ui, format!("{}  {threads} thread{plural}", icons::CPU)));
        let models = &shared.experiment().models;
        if let Some(model) = models.first() {
            let more =
                if models.len() > 1 { format!(" and {} more", models.len() - 1) } else { String::new() };
            ui.label(theme::caption(ui, format!("{}  {}{more}", icons::CUBE, model.name)));
        }
        let runs = shared.store.runs.len();
        let store = match &shared.store.trouble {
            Some(_) => "store cannot be read".to_owned(),
            None if runs == 0 => "store empty".to_owned(),
            None => format!("{runs} runs, {}", kit::bytes(shared.store.bytes)),
        };
        let response = ui.label(theme::caption(ui, format!("{}  {store}", icons::HARD_DRIVES)));
        let path = drawing.path.display().to_string();
        response.on_hover_text(match &shared.store.trouble {
            Some(trouble) => trouble.0.clone(),
            None => path,
        });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let count = shared.messages.len();
            let words = if count == 1 { "1 message".to_owned() } else { format!("{count} messages") };
            let button = Button::new(theme::caption(ui, words)).frame(false).selected(*messages_open);
            if ui.add(button).clicked() {
                *messages_open = !*messages_open;
            }
        });
    });
}
