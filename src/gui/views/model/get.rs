//! More models: downloads from a hub, and models that lie on this machine; each a job that can be canceled and goes on where it
//! was broken off.

use std::path::PathBuf;

use eframe::egui::{self, TextEdit, Ui, WidgetInfo, vec2};

use super::stock::Stock;
use super::words::{self, size};
use crate::gui::command::{Command, Screen, Toast, Weight};
use crate::gui::kit::{self, Notice, PathField, PathKind};
use crate::gui::loadable::{Loadable, Trouble};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, colors, icons};
use crate::gui::views::Cx;
use crate::jobs::Job;
use crate::model::hub::{Hub, Wanted};
use crate::model::known::{self, Known, Role};
use crate::model::registry::{EncoderDefaults, Manifest, Registry, RegistryError};

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
    arrivals: Vec<Arrival>,
    numbers: u64,
    shown: Shown,
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

/// A model on its way.
#[derive(Debug)]
struct Arrival {
    number: u64,
    what: Arriving,
    job: Option<Job<Result<Arrived, Failed>>>,
    canceled: bool,
    trouble: Option<Trouble>,
}

/// What arrives.
#[derive(Debug, Clone)]
enum Arriving {
    /// From a hub; what to ask for, and the name if one is given.
    Hub { wanted: String, name: Option<String>, address: String },
    /// From this machine.
    Here { path: PathBuf, name: Option<String>, copy: bool },
}

#[derive(Debug)]
struct Arrived {
    manifest: Box<Manifest>,
    /// What came over the network.
    downloaded: u64,
    already: bool,
}

#[derive(Debug)]
enum Failed {
    Canceled,
    For(Trouble),
}

impl From<RegistryError> for Failed {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Canceled(_) => Self::Canceled,
            error => Self::For(words::trouble(&error)),
        }
    }
}

impl Arriving {
    fn called(&self) -> String {
        match self {
            Self::Hub { wanted, .. } => wanted.clone(),
            Self::Here { path, .. } => path.display().to_string(),
        }
    }

    fn bring(
        self,
        registry: &Registry,
        cancel: &crate::jobs::CancelToken,
        progress: &crate::jobs::Progress,
    ) -> Result<Arrived, Failed> {
        let none = EncoderDefaults::default;
        match self {
            Self::Hub { wanted, name, address } => {
                let hub = Hub::from_environment().and_then(|hub| match address.trim() {
                    "" => Ok(hub),
                    address => hub.at(address),
                });
                let hub = hub.map_err(RegistryError::from)?;
                let wanted: Wanted = wanted.parse().map_err(RegistryError::from)?;
                let got = registry.get(&hub, &wanted, name.as_deref(), none(), cancel, progress)?;
                let manifest = Box::new(got.manifest);
                Ok(Arrived { manifest, downloaded: got.downloaded, already: got.already })
            }
            Self::Here { path, name, copy } => {
                let manifest = registry.add(&path, name.as_deref(), copy, none(), cancel, progress)?;
                Ok(Arrived { manifest: Box::new(manifest), downloaded: 0, already: false })
            }
        }
    }
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
        let mut new = Vec::new();
        let mut ended = Vec::new();
        for arrival in &mut self.arrivals {
            let Some(outcome) = arrival.job.as_mut().and_then(Job::poll) else { continue };
            arrival.job = None;
            cx.commands.push(Command::ReloadModels);
            match outcome.unwrap_or_else(|error| Err(Failed::For(Trouble::from(error)))) {
                Ok(arrived) => {
                    let name = arrived.manifest.name.clone();
                    cx.commands.push(Command::Toast(told(&arrived, cx.shown)));
                    new.push(name);
                    ended.push(arrival.number);
                }
                // What is there already shows as an unfinished model.
                Err(Failed::Canceled) => ended.push(arrival.number),
                Err(Failed::For(trouble)) => {
                    if !cx.shown {
                        let words = format!("{} could not be had.", arrival.what.called());
                        let toast = Toast::new(Weight::Error, words)
                            .with_details(trouble.0.clone())
                            .with_action("Show", Command::Go(Screen::Model));
                        cx.commands.push(Command::Toast(toast));
                    }
                    arrival.trouble = Some(trouble);
                }
            }
        }
        self.arrivals.retain(|arrival| !ended.contains(&arrival.number));
        new
    }

    /// Asks for a repository in the field.
    pub fn ask(&mut self, repository: &str) {
        self.repository = repository.to_owned();
        self.wrong = None;
    }

    /// Whether a model of this repository is on its way, so that its remains are no remains.
    pub fn is_coming(&self, wanted: Option<&str>, name: &str) -> bool {
        self.arrivals.iter().any(|arrival| match &arrival.what {
            Arriving::Hub { wanted: coming, name: called, .. } => {
                let repository =
                    |text: &str| text.split([':', '@']).next().unwrap_or_default().to_lowercase();
                called.as_deref().is_some_and(|called| called.eq_ignore_ascii_case(name))
                    || wanted.is_some_and(|wanted| repository(wanted) == repository(coming))
            }
            Arriving::Here { .. } => false,
        })
    }

    /// Begins to get a model, under a name of its own if one is given.
    pub fn get(&mut self, ctx: &egui::Context, shared: &Shared, wanted: &str, name: Option<String>) {
        let address = self.address.trim().to_owned();
        self.begin(ctx, shared, Arriving::Hub { wanted: wanted.to_owned(), name, address });
    }

    fn begin(&mut self, ctx: &egui::Context, shared: &Shared, what: Arriving) {
        // A failed attempt at the same makes room for this one.
        let called = what.called();
        self.arrivals.retain(|arrival| arrival.job.is_some() || arrival.what.called() != called);
        self.numbers += 1;
        let job = start(ctx, shared, what.clone());
        let arrival = Arrival { number: self.numbers, what, job: Some(job), canceled: false, trouble: None };
        self.arrivals.push(arrival);
    }

    /// Draws what is under way and what failed.
    pub fn arrivals(&mut self, ui: &mut Ui, shared: &Shared) {
        let mut gone = None;
        for arrival in &mut self.arrivals {
            ui.push_id(("arrival", arrival.number), |ui| {
                kit::card(ui, |ui| {
                    ui.set_min_width(ui.available_width());
                    kit::cut(ui, theme::strong(arrival.what.called()));
                    if let Some(job) = &arrival.job {
                        if arriving(ui, &job.progress().read(), arrival.canceled) {
                            job.cancel();
                            arrival.canceled = true;
                        }
                    } else if let Some(trouble) = &arrival.trouble {
                        ui.horizontal_top(|ui| {
                            ui.label(egui::RichText::new(icons::WARNING_CIRCLE).color(colors(ui).danger));
                            ui.add(egui::Label::new(trouble.0.as_str()).wrap().selectable(true));
                        });
                        ui.horizontal(|ui| {
                            if kit::button(ui, icons::ARROW_CLOCKWISE, "Try again").clicked() {
                                arrival.job = Some(start(ui.ctx(), shared, arrival.what.clone()));
                                arrival.trouble = None;
                                arrival.canceled = false;
                            }
                            if kit::quiet(ui, icons::X, "Dismiss").clicked() {
                                gone = Some(arrival.number);
                            }
                        });
                    }
                });
            });
        }
        if let Some(gone) = gone {
            self.arrivals.retain(|arrival| arrival.number != gone);
        }
    }

    /// Whether anything is under way or has failed.
    pub fn is_busy(&self) -> bool {
        !self.arrivals.is_empty()
    }

    /// Draws the form.
    pub fn show(&mut self, ui: &mut Ui, stock: Option<&Stock>, shared: &Shared) {
        ui.label(theme::section("From Hugging Face"));
        let mut wanted = None;
        ui.horizontal(|ui| {
            ui.set_min_height(theme::CONTROL + 4.0);
            let width = (ui.available_width() - 64.0).max(120.0);
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
        ui.add_space(16.0);
        self.here(ui, shared);
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
        let coming = self.is_coming(Some(&wanted), "")
            && self.arrivals.iter().any(|arrival| arrival.job.is_some() && arrival.what.called() == wanted);
        let there = stock.is_some_and(|stock| {
            let own = format!("{}/{name}", known.repository.split('/').next().unwrap_or_default());
            let mut all = stock.models.iter().chain(&stock.encoders);
            all.any(|card| {
                card.is(known.repository) || (known.file.is_some() && card.name.eq_ignore_ascii_case(&own))
            })
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
        ui.label(theme::section("From this machine"));
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
            self.begin(ui.ctx(), shared, Arriving::Here { path, name, copy: self.copy });
            self.name.clear();
        }
    }
}

fn start(ctx: &egui::Context, shared: &Shared, what: Arriving) -> Job<Result<Arrived, Failed>> {
    let (wake, registry) = (ctx.clone(), shared.workplace.registry().clone());
    Job::start(
        "model",
        move || wake.request_repaint(),
        move |cancel, progress| what.bring(&registry, cancel, progress),
    )
}

/// A download's step, bar, bytes and button to cancel; tells whether that was clicked.
fn arriving(ui: &mut Ui, reading: &crate::jobs::ProgressReading, canceled: bool) -> bool {
    let part = (reading.total > 0).then(|| reading.done as f32 / reading.total as f32);
    kit::progress(ui, part, ui.available_width(), "Progress of the download");
    let mut clicked = false;
    ui.horizontal(|ui| {
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if canceled {
                ui.label(theme::weak(ui, "Being canceled\u{2026}"));
            } else {
                clicked = kit::quiet(ui, icons::X, "Cancel").clicked();
            }
            ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                let bytes = if reading.total > 0 {
                    format!("  \u{b7}  {} of {}", size(reading.done), size(reading.total))
                } else {
                    String::new()
                };
                let step = if reading.step.is_empty() { "Beginning" } else { &reading.step };
                kit::cut(ui, theme::weak(ui, format!("{step}{bytes}")));
            });
        });
    });
    ui.ctx().request_repaint_after(std::time::Duration::from_millis(100));
    clicked
}

fn told(arrived: &Arrived, shown: bool) -> Toast {
    let name = &arrived.manifest.name;
    let words = if arrived.already {
        format!("{name} is here already.")
    } else if arrived.downloaded > 0 {
        format!("{name} is installed ({}).", size(arrived.downloaded))
    } else {
        format!("{name} is installed.")
    };
    let toast = Toast::new(Weight::Success, words);
    if shown { toast } else { toast.with_action("Show", Command::Go(Screen::Model)) }
}

fn named_edit(response: egui::Response, text: &str, words: &str) -> egui::Response {
    response.widget_info(|| {
        let mut info = WidgetInfo::text_edit(true, "", text, "");
        info.label = Some(words.to_owned());
        info
    });
    response
}
