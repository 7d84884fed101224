//! The panel at the right: the model that was clicked, or how to get more.

use eframe::egui::{self, ScrollArea, Ui};

use super::generation::Of;
use super::stock::{Card, What};
use super::{ModelView, Tab, last, used};
use crate::gui::command::{Command, Screen};
use crate::gui::kit;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, icons};
use crate::run::experiment::ModelSettings;

impl ModelView {
    /// The panel.
    pub(super) fn right(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        let served = self.shown().is_some_and(|card| card.served().is_some());
        kit::segmented(
            ui,
            &mut self.tab,
            &[
                (Tab::Compute, if served { "Connection" } else { "Compute" }, None),
                (Tab::Generate, "Generate", None),
                (Tab::Try, "Try it", None),
                (Tab::Get, "Get more", None),
            ],
        );
        ui.add_space(4.0);
        let id = (self.tab as u8, self.focus.clone());
        ScrollArea::vertical().id_salt(id).auto_shrink(false).show(ui, |ui| {
            // Room for the bar at the right.
            ui.set_max_width(ui.available_width() - 8.0);
            let stock = self.stock.value().cloned();
            let card = self.shown();
            match (self.tab, card) {
                (Tab::Get, _) => self.get.show(ui, stock.as_deref(), shared),
                (Tab::Generate, card) => self.generate(ui, card, shared, commands),
                (_, None) => {
                    if stock.is_some() {
                        ui.label(theme::weak(
                            ui,
                            "Click a model at the left to see how it computes and to try it.",
                        ));
                    }
                }
                (tab, Some(card)) => {
                    self.header(ui, &card, shared, commands);
                    let placed = self.placed(&card, shared);
                    if tab == Tab::Compute && card.served().is_some() {
                        self.served(ui, &card, commands);
                    } else if tab == Tab::Compute {
                        let place = placed.map(|(index, _)| index);
                        self.compute.show(ui, &card, place, shared, commands);
                    } else if card.facts().is_some_and(|facts| facts.kind.is_encoder()) {
                        ui.label(theme::weak(ui, "An encoder makes vectors of texts; it gives no answers."));
                    } else {
                        let usual = ModelSettings { name: card.name.clone(), ..ModelSettings::default() };
                        let settings = placed.map_or(&usual, |(_, settings)| settings);
                        self.attempt.show(ui, &card, settings, shared, commands);
                    }
                }
            }
        });
    }

    /// The model's name, and whether it is in the experiment.
    fn header(&mut self, ui: &mut Ui, card: &Card, shared: &Shared, commands: &mut Vec<Command>) {
        kit::cut(ui, theme::section(card.name.as_str()));
        if let Some(facts) = card.facts() {
            kit::cut(ui, theme::weak(ui, facts.line()));
        }
        if let Some(trouble) = &card.trouble {
            kit::trouble(ui, trouble, None);
        }
        if card.facts().is_some_and(|facts| facts.kind.is_encoder()) {
            if kit::button(ui, icons::FUNNEL, "Open the retrievers").clicked() {
                commands.push(Command::Go(Screen::Retriever));
            }
            return;
        }
        if self.tab != Tab::Compute {
            return;
        }
        let places = card.in_draft(shared.experiment());
        if places.is_empty() {
            if kit::primary(ui, "Use in the experiment").clicked() {
                commands.push(used(card, shared));
            }
            return;
        }
        ui.horizontal_wrapped(|ui| {
            ui.label(theme::weak(ui, format!("{}  In the experiment", icons::CHECK)));
            let computes = card.facts().is_some() || card.served().is_some();
            if computes && kit::quiet(ui, icons::PLUS, "Once more, with other settings").clicked() {
                let copy = self.placed(card, shared).map(|(_, settings)| settings.clone());
                let experiment = shared.edited(|experiment| experiment.models.extend(copy));
                commands.push(Command::Edit { what: "models", experiment });
                self.place = places.len();
            }
        });
        if places.len() > 1 {
            self.place = self.place.min(places.len() - 1);
            ui.horizontal(|ui| {
                let names: Vec<String> =
                    (1..=places.len()).map(|number| format!("Settings {number}")).collect();
                let choices: Vec<(usize, &str, Option<&str>)> =
                    names.iter().enumerate().map(|(number, name)| (number, name.as_str(), None)).collect();
                kit::segmented(ui, &mut self.place, &choices);
                let index = places.get(self.place).map(|(index, _)| *index);
                if let Some(index) = index
                    && kit::icon_button(ui, icons::TRASH, "Remove these settings").clicked()
                {
                    let experiment = shared.edited(|experiment| {
                        experiment.models.remove(index);
                    });
                    commands.push(Command::Edit { what: "models", experiment });
                }
            });
        }
    }

    /// The endpoint in the panel.
    fn served(&mut self, ui: &mut Ui, card: &Card, commands: &mut Vec<Command>) {
        let Some(served) = card.served() else { return };
        ui.add_space(4.0);
        match &served.endpoint {
            Some(endpoint) => self.endpoints.panel(ui, card, endpoint, served.saved, commands),
            None if !served.saved => {
                if kit::button(ui, icons::PLUS, "Add endpoint\u{2026}").clicked() {
                    self.endpoints.add();
                }
            }
            None => {}
        }
    }

    /// How models answer, all of them or the one in the panel.
    fn generate(&mut self, ui: &mut Ui, card: Option<Card>, shared: &Shared, commands: &mut Vec<Command>) {
        let placed = card.as_ref().filter(|card| {
            card.facts().is_some() || card.served().is_some() || matches!(card.what, What::Script)
        });
        let placed = placed.and_then(|card| Some((card, self.placed(card, shared)?.0)));
        let refusal = match (&card, &placed) {
            (_, Some(_)) => None,
            (Some(_), None) => Some("A model can differ from the others once it is in the experiment."),
            (None, None) => Some("Click a model to let it differ from the others."),
        };
        if refusal.is_some() {
            self.alone = false;
        }
        let name = card.as_ref().map_or_else(|| "One model".to_owned(), |card| last(&card.name).to_owned());
        let name: String = if name.chars().count() > 28 {
            name.chars().take(27).chain(['\u{2026}']).collect()
        } else {
            name
        };
        kit::segmented(ui, &mut self.alone, &[(false, "All models", None), (true, &name, refusal)]);
        if let Some(refusal) = refusal {
            ui.label(theme::caption(ui, refusal));
        }
        let of = match placed.filter(|_| self.alone) {
            Some((card, index)) => Of { model: Some(index), name: &card.name, greedy: card.is_greedy() },
            None => Of { model: None, name: "", greedy: false },
        };
        let words = match of.model {
            Some(_) => "What is empty is as for all models.",
            None => {
                "What is empty is the benchmark\u{2019}s own. GGUF models and endpoints follow one beam in any case."
            }
        };
        ui.add(egui::Label::new(theme::weak(ui, words)).wrap());
        ui.add_space(4.0);
        self.generation.show(ui, &of, shared, commands);
    }
}
