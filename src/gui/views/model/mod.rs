//! The screen Model: what can answer, how it computes and generates, a try of it, and how to get more.
//!
//! Left the cards, right the panel of the one that was clicked. The draft's models and generation are changed here and
//! nowhere else.

mod arrivals;
mod attempt;
mod cards;
mod compute;
mod endpoint;
mod generation;
mod get;
mod memory_bar;
mod panel;
mod removal;
mod stock;
mod words;

use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui::{self, Frame, Margin, ScrollArea, Ui};
use serde::{Deserialize, Serialize};

use super::{Action, Cx, View};
use crate::gui::command::{Command, Screen};
use crate::gui::kit;
use crate::gui::loadable::Loadable;
use crate::gui::memory::Memory;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, icons};
use crate::model::registry::{Entry, Registry};
use crate::run::experiment::ModelSettings;
use attempt::Attempt;
use cards::{Asked, State};
use compute::ComputeForm;
use endpoint::Endpoints;
use generation::GenerationForm;
use get::GetForm;
use removal::Removing;
use stock::{Card, Named, Rest, Stock};

/// What the panel shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum Tab {
    #[default]
    Compute,
    Generate,
    Try,
    Get,
}

/// What the screen remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    focus: Option<String>,
    tab: Tab,
    address: String,
}

/// The screen.
#[derive(Default)]
pub struct ModelView {
    /// The model in the panel, by its name.
    focus: Option<String>,
    /// Which of its places in the draft, where it has several.
    place: usize,
    tab: Tab,
    /// Whether generation is shown for the model alone.
    alone: bool,
    stock: Loadable<(PathBuf, Vec<Named>), Stock>,
    /// The list of models that was looked at.
    seen: Option<Arc<Vec<Entry>>>,
    version: u64,
    compute: ComputeForm,
    generation: GenerationForm,
    attempt: Attempt,
    get: GetForm,
    removing: Removing,
    endpoints: Endpoints,
}

impl ModelView {
    /// The screen as it was left.
    pub fn new(memory: &Memory) -> Self {
        let Kept { focus, tab, address } = memory.screen("model");
        let mut view = Self { focus, tab, ..Self::default() };
        view.get.address = address;
        view
    }

    /// Shows how to get a model, with this repository in the field.
    pub fn offer(&mut self, repository: &str) {
        self.tab = Tab::Get;
        self.get.ask(repository);
    }

    /// Opens the form of a new endpoint.
    pub fn add_endpoint(&mut self) {
        self.endpoints.add();
    }

    /// The model in the panel.
    fn shown(&self) -> Option<Card> {
        self.stock.value()?.find(self.focus.as_deref()?)
    }

    /// Its place in the draft, if it has one.
    fn placed<'s>(&self, card: &Card, shared: &'s Shared) -> Option<(usize, &'s ModelSettings)> {
        let places = card.in_draft(shared.experiment());
        places.get(self.place).or_else(|| places.first()).copied()
    }

    fn show(&mut self, name: &str) {
        if self.focus.as_deref() != Some(name) {
            self.focus = Some(name.to_owned());
            self.place = 0;
        }
        if self.tab == Tab::Get {
            self.tab = Tab::Compute;
        }
    }

    fn carry_out(
        &mut self,
        ui: &Ui,
        card: (&str, Option<&Card>),
        asked: Asked,
        shared: &Shared,
        commands: &mut Vec<Command>,
    ) {
        let (name, card) = card;
        match asked {
            Asked::Show => self.show(name),
            Asked::Use => {
                if let Some(card) = card {
                    commands.push(used(card, shared));
                    self.show(name);
                }
            }
            Asked::Remove => self.removing.ask(name),
            Asked::Get(wanted) => {
                // An unfinished model goes on under its name, where that is not the one it would get.
                let usual = wanted.parse().map(|wanted| Registry::name_for(&wanted)).unwrap_or_default();
                let own = card.is_none() && !usual.eq_ignore_ascii_case(name);
                self.get.get(ui.ctx(), shared, &wanted, own.then(|| name.to_owned()));
            }
        }
    }

    /// The cards.
    fn left(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        if self.get.arrivals.is_busy() {
            self.get.arrivals.show(ui, shared);
            ui.add_space(8.0);
        }
        if let Some(trouble) = shared.models.trouble()
            && kit::trouble(ui, trouble, Some("Look again"))
        {
            commands.push(Command::ReloadModels);
        }
        let stock = self.stock.value().cloned();
        let Some(stock) = stock else {
            if shared.models.trouble().is_none() {
                ui.label(theme::weak(ui, "Looking at the installed models\u{2026}"));
            }
            return;
        };
        let more =
            kit::section(ui, "Installed", |ui| kit::button(ui, icons::PLUS, "Get more\u{2026}").clicked());
        if more {
            self.tab = Tab::Get;
        }
        if stock.models.is_empty() {
            kit::card(ui, |ui| {
                ui.set_min_width(ui.available_width());
                ui.label("No language model can be used.");
                ui.add(
                    egui::Label::new(theme::weak(
                        ui,
                        "Get one at the right, from Hugging Face or from this machine. The rules below need none.",
                    ))
                    .wrap(),
                );
            });
            ui.add_space(12.0);
        }
        self.grid(ui, &stock.models, true, shared, commands);
        let coming = |rest: &&stock::Remains| match &rest.what {
            Rest::Unfinished { wanted, .. } => self.get.arrivals.is_coming(wanted.as_deref(), &rest.name),
            Rest::Broken(_) => false,
        };
        let remains: Vec<stock::Remains> =
            stock.remains.iter().filter(|rest| !coming(rest)).cloned().collect();
        cards::grid(ui, &remains, |ui, rest| {
            let asking = self.removing.is_of(&rest.name);
            let mut beneath = |ui: &mut Ui| self.removing.show(ui, false, shared);
            let asked = if asking {
                cards::remains(ui, rest, Some(&mut beneath))
            } else {
                cards::remains(ui, rest, None)
            };
            if let Some(asked) = asked {
                self.carry_out(ui, (&rest.name, None), asked, shared, commands);
            }
        });
        ui.add_space(8.0);
        let more = kit::section(ui, "Endpoints", |ui| {
            kit::button(ui, icons::PLUS, "Add endpoint\u{2026}").clicked()
        });
        if more {
            self.endpoints.add();
        }
        if stock.endpoints.is_empty() {
            let words = "Models that another program serves: OpenAI, vLLM, llama.cpp, Ollama, or anything that speaks their API.";
            ui.add(egui::Label::new(theme::weak(ui, words)).wrap());
        }
        self.grid(ui, &stock.endpoints, true, shared, commands);
        if !stock.others.is_empty() {
            ui.add_space(8.0);
            kit::section(ui, "In the experiment, not installed", |_| {});
            self.grid(ui, &stock.others, true, shared, commands);
        }
        ui.add_space(8.0);
        kit::section(ui, "Rules in a model\u{2019}s place", |_| {});
        self.grid(ui, &stock::rules(), true, shared, commands);
        if !stock.encoders.is_empty() {
            ui.add_space(8.0);
            let go = kit::section(ui, "Encoders", |ui| {
                kit::quiet(ui, icons::FUNNEL, "Choose on the screen Retriever").clicked()
            });
            if go {
                commands.push(Command::Go(Screen::Retriever));
            }
            self.grid(ui, &stock.encoders, false, shared, commands);
        }
    }

    fn grid(
        &mut self,
        ui: &mut Ui,
        all: &[Card],
        usable: bool,
        shared: &Shared,
        commands: &mut Vec<Command>,
    ) {
        cards::grid(ui, all, |ui, card| {
            let uses = card.in_draft(shared.experiment()).len();
            let shown = self.tab != Tab::Get && self.focus.as_deref().is_some_and(|name| card.is(name));
            let state = State { uses, shown, usable };
            let asking = self.removing.is_of(&card.name);
            let mut beneath = |ui: &mut Ui| self.removing.show(ui, uses > 0, shared);
            let asked = match asking {
                true => cards::model(ui, card, state, Some(&mut beneath)),
                false => cards::model(ui, card, state, None),
            };
            if let Some(asked) = asked {
                self.carry_out(ui, (&card.name, Some(card)), asked, shared, commands);
            }
        });
    }
}

/// Takes a model into the experiment, or out of it.
fn used(card: &Card, shared: &Shared) -> Command {
    let experiment = shared.edited(|experiment| {
        if card.in_draft(experiment).is_empty() {
            experiment.models.push(ModelSettings { name: card.name.clone(), ..ModelSettings::default() });
        } else {
            experiment.models.retain(|model| !card.is(&model.name));
        }
    });
    Command::Edit { what: "models", experiment }
}

/// The last part of a name: what tells it from others.
fn last(name: &str) -> &str {
    let name = name.trim_end_matches(['/', '\\']);
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

impl View for ModelView {
    fn logic(&mut self, cx: &mut Cx<'_>) {
        let shared = cx.shared;
        if let Some(entries) = shared.models.value_of(&shared.workplace.registry().folder().to_owned())
            && !self.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, entries))
        {
            self.seen = Some(entries.clone());
            self.version += 1;
        }
        if cx.shown
            && let Some(entries) = self.seen.clone()
        {
            let registry = shared.workplace.registry().clone();
            let named = stock::named(shared.experiment());
            let subject = (registry.folder().to_owned(), named.clone());
            self.stock.want(cx.ctx, "stock", subject, self.version, move |cancel, _| {
                Ok(Stock::look(&registry, &entries, &named, cancel))
            });
        }
        if self.focus.is_none()
            && let Some(stock) = self.stock.value()
        {
            let first = shared.experiment().models.first().map(|model| model.name.clone());
            self.focus = first.or_else(|| stock.models.first().map(|card| card.name.clone()));
            if self.focus.is_none() && stock.models.is_empty() {
                self.tab = Tab::Get;
                self.focus = stock::rules().first().map(|rule| rule.name.clone());
            }
        }
        for name in self.get.logic(cx) {
            // Whoever waits for a model wants to see it next.
            self.focus = Some(name);
            self.place = 0;
        }
        if let Some(name) = self.endpoints.logic(cx) {
            self.show(&name);
            self.tab = Tab::Compute;
        }
        if let Some(gone) = self.removing.logic(cx) {
            let named = |model: &ModelSettings| model.name.trim().eq_ignore_ascii_case(&gone);
            if shared.experiment().models.iter().any(named) {
                let experiment = shared.edited(|experiment| experiment.models.retain(|model| !named(model)));
                cx.commands.push(Command::Edit { what: "models", experiment });
            }
            if self.focus.as_deref() == Some(gone.as_str()) {
                self.focus = None;
            }
        }
        self.attempt.logic(cx);
        if cx.shown
            && self.tab == Tab::Compute
            && let Some(card) = self.shown()
        {
            let usual = ModelSettings::default();
            let settings = self.placed(&card, shared).map_or(&usual, |(_, settings)| settings);
            self.compute.logic(cx, &card, settings);
        }
    }

    fn ui(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        if self.endpoints.is_open() {
            self.endpoints.show_form(ui, shared);
            return;
        }
        let width = if ui.available_width() < 900.0 { 372.0 } else { 404.0 };
        egui::Panel::right("model panel")
            .exact_size(width)
            .resizable(false)
            .frame(Frame::new().inner_margin(Margin { left: 16, right: 0, top: 0, bottom: 0 }))
            .show(ui, |ui| self.right(ui, shared, commands));
        let frame = Frame::new().inner_margin(Margin { left: 0, right: 12, top: 0, bottom: 0 });
        egui::CentralPanel::default().frame(frame).show(ui, |ui| {
            ScrollArea::vertical().id_salt("models").auto_shrink(false).show(ui, |ui| {
                ui.set_max_width(ui.available_width() - 4.0);
                self.left(ui, shared, commands);
            });
        });
    }

    fn summary(&self, shared: &Shared) -> String {
        match shared.experiment().models.as_slice() {
            [] => "none chosen".to_owned(),
            [one] => last(&one.name).to_owned(),
            [first, rest @ ..] => format!("{} and {} more", last(&first.name), rest.len()),
        }
    }

    fn actions(&self, shared: &Shared) -> Vec<Action> {
        let installed = shared.models.value().map(|entries| entries.as_slice()).unwrap_or_default();
        let names = installed.iter().filter_map(|entry| match entry {
            Entry::Installed(manifest) if !manifest.kind.is_encoder() => Some(manifest.name.clone()),
            _ => None,
        });
        let rules = stock::rules().into_iter().map(|card| card.name);
        let endpoints = self.stock.value().map(|stock| stock.endpoints.as_slice()).unwrap_or_default();
        let mut actions: Vec<Action> = names
            .chain(endpoints.iter().map(|card| card.name.clone()))
            .chain(rules)
            .map(|name| {
                let named = |model: &ModelSettings| model.name.trim().eq_ignore_ascii_case(&name);
                let there = shared.experiment().models.iter().any(named);
                let experiment = shared.edited(|experiment| {
                    if there {
                        experiment.models.retain(|model| !named(model));
                    } else {
                        experiment
                            .models
                            .push(ModelSettings { name: name.clone(), ..ModelSettings::default() });
                    }
                });
                let words = match there {
                    true => format!("Take {name} out of the experiment"),
                    false => format!("Use {name} in the experiment"),
                };
                Action { words, command: Command::Edit { what: "models", experiment } }
            })
            .collect();
        let command = Command::AddEndpoint;
        actions.push(Action { words: "Add an endpoint\u{2026}".to_owned(), command });
        let command = Command::GetModel(String::new());
        actions.push(Action { words: "Get a model\u{2026}".to_owned(), command });
        actions
    }

    fn remember(&self, memory: &mut Memory) {
        let kept = Kept { focus: self.focus.clone(), tab: self.tab, address: self.get.address.clone() };
        memory.set_screen("model", &kept);
    }
}
