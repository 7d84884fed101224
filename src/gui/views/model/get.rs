//! More models: downloads from a hub, and models that lie on this machine; each a job that can be canceled and goes on where it
//! was broken off.

use eframe::egui::{self, TextEdit, Ui, WidgetInfo, vec2};

use super::arrivals::{Arrivals, Arriving};
use super::stock::Stock;
use super::words::{self, size};
use crate::gui::kit::{self, Notice, PathField, PathKind};
use crate::gui::loadable::Loadable;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, colors, icons};
use crate::gui::views::Cx;
use crate::model::hub::{Hub, Wanted};
use crate::model::known::{self, Known, Role};
use crate::model::registry::Registry;

/// The form's own state, and what is under way.
#[derive(Debug, Default)]
pub(super) struct GetForm {
    repository: String,
    wrong: Option<String>,
    /// Another hub's address; empty for that of the environment.
    pub address: String,
    path: PathField,
    name: String,
    copy: bool,
    hub: Loadable<(), HubFacts>,
    /// What is under way.
    pub arrivals: Arrivals,
    shown: Shown,
    here: bool,
}

/// Which known models are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Shown {
    #[default]
    All,
    Generators,
    Chat,
    Encoders,
}

/// What the environment says about the hub; the token itself is never looked at.
#[derive(Debug)]
struct HubFacts {
    endpoint: String,
    token: bool,
    offline: bool,
}

impl GetForm {
    /// Takes what has arrived. Gives the names of models that are new.
    pub fn logic(&mut self, cx: &mut Cx<'_>) -> Vec<String> {
        if cx.shown {
            self.hub.want(cx.ctx, "hub", (), 0, |_, _| {
                let hub = Hub::from_environment()?;
                Ok(HubFacts { endpoint: hub.endpoint, token: hub.token.is_some(), offline: hub.offline })
            });
        }
        self.arrivals.logic(cx)
    }

    /// Asks for a repository in the field.
    pub fn ask(&mut self, repository: &str) {
        self.repository = repository.to_owned();
        self.wrong = None;
    }

    /// Begins to get a model, under a name of its own if one is given.
    pub fn get(&mut self, ctx: &egui::Context, shared: &Shared, wanted: &str, name: Option<String>) {
        let address = self.address.trim().to_owned();
        self.arrivals.begin(ctx, shared, Arriving::Hub { wanted: wanted.to_owned(), name, address });
    }

    /// Draws the form.
    pub fn show(&mut self, ui: &mut Ui, stock: Option<&Stock>, shared: &Shared) {
        kit::segmented(
            ui,
            &mut self.here,
            &[(false, "From Hugging Face", None), (true, "From this machine", None)],
        );
        ui.add_space(4.0);
        if self.here {
            return self.here(ui, shared);
        }
        let mut wanted = None;
        ui.horizontal(|ui| {
            ui.set_min_height(theme::CONTROL + 4.0);
            let width = (ui.available_width() - 52.0).max(120.0);
            let edit = TextEdit::singleline(&mut self.repository)
                .hint_text("OWNER/NAME or OWNER/NAME:FILE.gguf")
                .desired_width(width);
            let response = named_edit(ui.add(edit), &self.repository, "Repository");
            if response.changed() {
                self.wrong = None;
            }
            let entered = response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
            let ready = !self.repository.trim().is_empty();
            if (kit::primary_if(ui, ready, "Get").clicked() || entered) && ready {
                match self.repository.parse::<Wanted>() {
                    Ok(_) => wanted = Some(self.repository.trim().to_owned()),
                    Err(error) => self.wrong = Some(words::trouble(&error.into()).0),
                }
            }
        });
        if let Some(wrong) = &self.wrong {
            ui.add(egui::Label::new(theme::caption(ui, wrong.as_str()).color(colors(ui).danger)).wrap());
        }
        self.hub_facts(ui);
        ui.add_space(4.0);
        ui.horizontal_wrapped(|ui| {
            for (shown, words) in [
                (Shown::All, "All"),
                (Shown::Generators, "T5"),
                (Shown::Chat, "Chat (GGUF)"),
                (Shown::Encoders, "Encoders"),
            ] {
                let mut on = self.shown == shown;
                if kit::chip(ui, &mut on, words) {
                    self.shown = shown;
                }
            }
        });
        for known in &known::ALL {
            let fits = match self.shown {
                Shown::All => true,
                Shown::Generators => known.role == Role::Generator,
                Shown::Chat => known.role == Role::Chat,
                Shown::Encoders => known.role == Role::Encoder,
            };
            if fits && self.known(ui, known, stock) {
                wanted = Some(known.wanted());
            }
        }
        if let Some(wanted) = wanted {
            self.get(ui.ctx(), shared, &wanted, None);
        }
    }

    /// Which hub is asked, and as whom.
    fn hub_facts(&mut self, ui: &mut Ui) {
        match (self.hub.value(), self.hub.trouble()) {
            (Some(facts), _) => {
                let own = !self.address.trim().is_empty()
                    && self.address.trim().trim_end_matches('/') != facts.endpoint;
                let who = match (facts.token, own) {
                    (true, false) => "with your token",
                    (true, true) => "without your token, which is for the usual one",
                    (false, _) => "without a token; models with terms to accept need one (HF_TOKEN)",
                };
                ui.add(egui::Label::new(theme::caption(ui, format!("Asked {who}."))).wrap());
                if facts.offline {
                    let words = "HF_HUB_OFFLINE is set: only what was downloaded before can be had.";
                    kit::notice(ui, Notice::Warning, words, None);
                }
                let usual = facts.endpoint.clone();
                egui::CollapsingHeader::new(theme::caption(ui, "Another hub"))
                    .id_salt("hub")
                    .icon(kit::caret)
                    .default_open(own)
                    .show(ui, |ui| {
                        let edit = TextEdit::singleline(&mut self.address)
                            .hint_text(usual)
                            .desired_width(f32::INFINITY);
                        named_edit(ui.add(edit), &self.address, "Address of the hub");
                    });
            }
            (None, Some(trouble)) => {
                kit::trouble(ui, trouble, None);
            }
            (None, None) => {}
        }
    }

    /// A known model in a row; tells whether it is wanted.
    fn known(&self, ui: &mut Ui, known: &Known, stock: Option<&Stock>) -> bool {
        let wanted = known.wanted();
        let name = known.file.map_or(known.repository, |file| file.trim_end_matches(".gguf"));
        let coming = self.arrivals.is_at_work(&wanted);
        let there = stock.is_some_and(|stock| {
            let own = wanted.parse().map(|wanted| Registry::name_for(&wanted)).unwrap_or_default();
            let mut all = stock.models.iter().chain(&stock.encoders);
            all.any(|card| card.name.eq_ignore_ascii_case(&own) || (known.file.is_none() && card.is(&own)))
        });
        let mut clicked = false;
        ui.horizontal(|ui| {
            let width = (ui.available_width() - 84.0).max(80.0);
            ui.allocate_ui_with_layout(vec2(width, 34.0), egui::Layout::top_down(egui::Align::Min), |ui| {
                ui.set_min_width(width);
                ui.spacing_mut().item_spacing.y = 1.0;
                kit::cut(ui, name).on_hover_text(&wanted);
                let mut facts = vec![
                    words::count((known.parameters_millions * 1e6) as u64),
                    size(known.megabytes * 1_000_000),
                    known.license.to_owned(),
                ];
                facts.extend((!known.used_for.is_empty()).then(|| known.used_for.to_owned()));
                kit::cut(ui, theme::caption(ui, facts.join(" \u{b7} ")));
            });
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if there {
                    ui.label(theme::weak(ui, format!("{}  Here", icons::CHECK)));
                } else if coming {
                    ui.label(theme::weak(ui, "On its way"));
                } else {
                    let response = ui.add(egui::Button::new(format!("{}  Get", icons::DOWNLOAD_SIMPLE)));
                    kit::named(&response, egui::Role::Button, true, &format!("Get {wanted}"));
                    clicked = response.clicked();
                }
            });
        });
        clicked
    }

    /// A model that lies on this machine.
    fn here(&mut self, ui: &mut Ui, shared: &Shared) {
        ui.add(
            egui::Label::new(theme::weak(
                ui,
                "A GGUF file, or a folder with config.json, tokenizer.json and weights (T5, or a BERT encoder).",
            ))
            .wrap(),
        );
        let settled = self.path.show(
            ui,
            PathKind::OpenFile,
            "Path of a model",
            "/models/model.gguf",
            Some(("GGUF", &["gguf"])),
        );
        kit::field(ui, "Name (if not its own)", |ui, _| {
            let width = ui.available_width();
            let edit = TextEdit::singleline(&mut self.name).desired_width(width - 12.0);
            named_edit(ui.add(edit), &self.name, "Name of the model");
        });
        ui.checkbox(&mut self.copy, "Copy it, so that the original can go");
        let ready = self.path.path().is_some();
        let add = kit::button_if(ui, ready, icons::PLUS, "Add the model").clicked();
        if let Some(path) = self.path.path().filter(|_| add || settled) {
            let name = Some(self.name.trim().to_owned()).filter(|name| !name.is_empty());
            self.arrivals.begin(ui.ctx(), shared, Arriving::Here { path, name, copy: self.copy });
            self.name.clear();
        }
    }
}

fn named_edit(response: egui::Response, text: &str, words: &str) -> egui::Response {
    response.widget_info(|| {
        let mut info = WidgetInfo::text_edit(true, "", text, "");
        info.label = Some(words.to_owned());
        info
    });
    response
}
