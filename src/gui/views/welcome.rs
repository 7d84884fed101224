//! The first thing to see while nothing was ever run: what the program is for, and one obvious next step.

use eframe::egui::{self, Align, Layout, RichText, vec2};

use super::{Cx, View};
use crate::gui::command::{Command, Screen};
use crate::gui::kit::{self, PathField, PathKind};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, colors, icons};

/// The screen.
#[derive(Debug, Default)]
pub struct WelcomeView {
    /// Open once LaMP files are asked for.
    path: Option<PathField>,
}

impl View for WelcomeView {
    fn logic(&mut self, _cx: &mut Cx<'_>) {}

    fn ui(&mut self, ui: &mut egui::Ui, shared: &Shared, commands: &mut Vec<Command>) {
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            ui.with_layout(Layout::top_down(Align::Center), |ui| {
                ui.add_space((ui.available_height() * 0.12).clamp(12.0, 110.0));
                ui.label(RichText::new(icons::LAMP).size(52.0).color(colors(ui).accent));
                ui.label(theme::title("Lamplight").size(34.0));
                let sentence = "Measures how well a language model uses a person\u{2019}s history.";
                ui.label(theme::weak(ui, sentence).size(15.0));
                ui.add_space(20.0);
                self.buttons(ui, shared, commands);
                ui.add_space(28.0);
                steps(ui);
            });
        });
    }
}

impl WelcomeView {
    fn buttons(&mut self, ui: &mut egui::Ui, shared: &Shared, commands: &mut Vec<Command>) {
        let width = 340.0;
        ui.allocate_ui_with_layout(vec2(width, 0.0), Layout::top_down_justified(Align::Center), |ui| {
            ui.spacing_mut().button_padding.y = 10.0;
            let idle = shared.runner.is_idle();
            if kit::primary_if(ui, idle, "Run the sample benchmark").clicked() {
                commands.push(Command::RunSample);
            }
            if !idle {
                ui.label(theme::caption(ui, "It is running already."));
                if kit::button(ui, icons::CHART_BAR, "See its results").clicked() {
                    commands.push(Command::Go(Screen::Results));
                }
            }
            if kit::button(ui, icons::FOLDER_OPEN, "Open LaMP files\u{2026}").clicked() {
                self.path = match self.path.take() {
                    Some(_) => None,
                    None => Some(PathField::default()),
                };
            }
        });
        if let Some(path) = &mut self.path {
            ui.allocate_ui_with_layout(vec2(640.0, 0.0), Layout::top_down(Align::Min), |ui| {
                kit::card(ui, |ui| {
                    ui.label(theme::weak(
                        ui,
                        "A file or folder with LaMP questions and outputs, or drop it anywhere.",
                    ));
                    let settled =
                        path.show(ui, PathKind::OpenFolder, "Path of LaMP files", "/data/LaMP", None);
                    let open = kit::button_if(ui, path.path().is_some(), icons::CHECK, "Open").clicked();
                    if (settled || open)
                        && let Some(path) = path.path()
                    {
                        commands.push(Command::OpenData(vec![path]));
                    }
                });
            });
        }
    }
}

fn steps(ui: &mut egui::Ui) {
    const STEPS: [(&str, &str, &str); 3] = [
        (icons::DATABASE, "Choose", "Data, a model, a retriever and a prompt. The sample brings its own."),
        (icons::PLAY, "Run", "Every answer is stored at once; stop and go on whenever you like."),
        (icons::CHART_BAR, "Read", "Tables and charts with intervals, down to each single sample."),
    ];
    let width = ui.available_width().min(760.0);
    ui.allocate_ui_with_layout(vec2(width, 90.0), Layout::left_to_right(Align::Min), |ui| {
        ui.spacing_mut().item_spacing.x = 16.0;
        for (number, (icon, title, text)) in STEPS.iter().enumerate() {
            let width = (width - 32.0) / 3.0;
            ui.allocate_ui_with_layout(vec2(width, 90.0), Layout::top_down(Align::Min), |ui| {
                ui.label(theme::strong(format!("{icon}  {}. {title}", number + 1)));
                ui.label(theme::weak(ui, *text));
            });
        }
    });
}
