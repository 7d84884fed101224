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
use crate::model::endpoint::{KeyPlace, PREFIX};
use crate::model::registry::{Registry, Removal};

/// The model that is to be removed, if one is.
#[derive(Debug, Default)]
pub(super) struct Removing {
    name: Option<String>,
    /// What it takes, in words.
    asked: Loadable<String, String>,
    /// Gives what was done, in words.
    job: Option<Job<Result<String, Trouble>>>,
    trouble: Option<Trouble>,
}

impl Removing {
    /// Takes what has arrived. Gives the name of a model that is gone.
    pub fn logic(&mut self, cx: &mut Cx<'_>) -> Option<String> {
        let name = self.name.clone()?;
        let registry = cx.shared.workplace.registry().clone();
        let subject = name.clone();
        self.asked.want(cx.ctx, "removal", subject.clone(), 0, move |_, _| asked(&registry, &subject));
        let outcome = self.job.as_mut().and_then(Job::poll)?;
        self.job = None;
        cx.commands.push(Command::ReloadModels);
        match outcome.map_err(Trouble::from).and_then(|outcome| outcome) {
            Ok(words) => {
                self.stop();
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
                Some(words) => words.as_str(),
                None => "Looking at what it takes\u{2026}",
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
                    move |_, _| removed(&registry, &name),
                ));
            }
            if kit::quiet(ui, "", "Keep it").clicked() {
                self.stop();
            }
        });
    }
}

/// What removing it would take.
fn asked(registry: &Registry, name: &str) -> Result<String, Trouble> {
    if !name.starts_with(PREFIX) {
        return Ok(told(&registry.removal(name).map_err(|error| words::trouble(&error))?));
    }
    // One that cannot be read can be removed all the same.
    let key = registry.endpoints().find(name).ok().and_then(|endpoint| endpoint.key);
    let key = match key {
        Some(key) if key.place() == KeyPlace::Keyring => {
            format!(" Its key stays in the keyring as {}.", key.name())
        }
        Some(key) if key.place() == KeyPlace::File => {
            format!(" Its key stays in the sealed file as {}.", key.name())
        }
        _ => String::new(),
    };
    Ok(format!("Its settings are deleted.{key} Runs and their answers stay in the store."))
}

/// Removes it; gives what was done.
fn removed(registry: &Registry, name: &str) -> Result<String, Trouble> {
    if name.starts_with(PREFIX) {
        let gone = registry.endpoints().remove(name);
        gone.map_err(|error| Trouble(crate::gui::words::endpoint_words(&error)))?;
        return Ok(format!("Removed {name}."));
    }
    let removal = registry.remove(name).map_err(|error| words::trouble(&error))?;
    let freed = match removal.files {
        Some(_) => format!("; {} are free", size(removal.bytes)),
        None => String::new(),
    };
    Ok(format!("Removed {}{freed}.", removal.name))
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
