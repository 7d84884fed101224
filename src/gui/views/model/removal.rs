//! Removing a model: what it takes away is said where its button was, and then it is done or left.

use eframe::egui::{self, Label, Ui};

use super::words::{self, size};
use crate::gui::command::{Command, Toast, Weight};
use crate::gui::kit;
use crate::gui::loadable::{Loadable, Trouble};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, colors, icons};
use crate::gui::views::Cx;
use crate::jobs::Job;
use crate::model::registry::Removal;

/// The model that is to be removed, if one is.
#[derive(Debug, Default)]
pub(super) struct Removing {
    name: Option<String>,
    asked: Loadable<String, Removal>,
    job: Option<Job<Result<Removal, Trouble>>>,
    trouble: Option<Trouble>,
}

impl Removing {
    /// Takes what has arrived. Gives the name of a model that is gone.
    pub fn logic(&mut self, cx: &mut Cx<'_>) -> Option<String> {
        let name = self.name.clone()?;
        let registry = cx.shared.workplace.registry().clone();
        let subject = name.clone();
        self.asked.want(cx.ctx, "removal", subject.clone(), 0, move |_, _| {
            registry.removal(&subject).map_err(|error| words::trouble(&error))
        });
        let outcome = self.job.as_mut().and_then(Job::poll)?;
        self.job = None;
        cx.commands.push(Command::ReloadModels);
        match outcome.map_err(Trouble::from).and_then(|outcome| outcome) {
            Ok(removal) => {
                self.stop();
                let freed = match removal.files {
                    Some(_) => format!("; {} are free", size(removal.bytes)),
                    None => String::new(),
                };
                let words = format!("Removed {}{freed}.", removal.name);
                cx.commands.push(Command::Toast(Toast::new(Weight::Success, words)));
                Some(name)
            }
            Err(trouble) => {
                self.trouble = Some(trouble);
                None
            }
        }
    }

    /// Asks about a model.
    pub fn ask(&mut self, name: &str) {
        if self.job.is_none() {
            self.stop();
            self.name = Some(name.to_owned());
        }
    }

    fn stop(&mut self) {
        self.name = None;
        self.trouble = None;
        self.asked.clear();
    }

    /// Whether this model is asked about.
    pub fn is_of(&self, name: &str) -> bool {
        self.name.as_deref() == Some(name)
    }

    /// Asks, in the model's card.
    pub fn show(&mut self, ui: &mut Ui, used: bool, shared: &Shared) {
        let Some(name) = self.name.clone() else { return };
        ui.add_space(4.0);
        if self.job.is_some() {
            ui.label(theme::weak(ui, "Being removed\u{2026}"));
            return;
        }
        let trouble = self.trouble.as_ref().or_else(|| self.asked.trouble());
        if let Some(trouble) = trouble {
            ui.add(Label::new(egui::RichText::new(trouble.0.as_str()).color(colors(ui).danger)).wrap());
        } else {
            let words = match self.asked.value() {
                Some(removal) => told(removal),
                None => "Looking at what it takes\u{2026}".to_owned(),
            };
            ui.add(Label::new(words).wrap());
            if used {
                ui.add(Label::new("It is taken out of the experiment.").wrap());
            }
        }
        let ready = self.asked.value().is_some();
        ui.horizontal(|ui| {
            let text = egui::RichText::new(format!("{}  Remove it", icons::TRASH)).color(colors(ui).danger);
            let response = ui.add_enabled(ready, egui::Button::new(text));
            kit::named(&response, egui::Role::Button, ready, "Remove it");
            if response.clicked() {
                let (registry, wake) = (shared.workplace.registry().clone(), ui.ctx().clone());
                self.trouble = None;
                self.job = Some(Job::start(
                    "remove",
                    move || wake.request_repaint(),
                    move |_, _| registry.remove(&name).map_err(|error| words::trouble(&error)),
                ));
            }
            if kit::quiet(ui, "", "Keep it").clicked() {
                self.stop();
            }
        });
    }
}

/// What goes and what stays.
fn told(removal: &Removal) -> String {
    let goes = match &removal.files {
        Some(_) => format!("Its files are deleted, which frees {}.", size(removal.bytes)),
        None => "It is taken from the list; nothing is deleted.".to_owned(),
    };
    match &removal.stays {
        Some(path) => format!("{goes} Its files stay in {}.", path.display()),
        None => goes,
    }
}
