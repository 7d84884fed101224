//! Endpoints on the screen Model: the form that adds and edits one, the panel of one that is saved, and the test of its connection.
//!
//! A key that is typed lives in its field alone until a thread has kept it; nothing here is remembered from one start to the next.

mod entries;
mod form;
mod preset;
mod secret_field;
mod trial;

use eframe::egui::{self, Label, Ui};

use super::stock::Card;
use crate::gui::command::{Command, Screen, Toast, Weight};
use crate::gui::kit;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, icons};
use crate::gui::views::Cx;
use crate::model::endpoint::{Endpoint, KeyPlace, Kind, PREFIX};
use form::{Form, Saved};
use secret_field::SecretField;
use trial::{Subject, Test, Wanted};

/// Which one's name, without what all such names begin with.
fn bare(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// What is at work with endpoints.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    form: Option<Box<Form>>,
    /// The endpoint that is tested in the panel.
    of: String,
    test: Test,
    passphrase: SecretField,
}

impl Endpoints {
    /// Takes what has arrived. Gives the full name of an endpoint that was saved.
    pub fn logic(&mut self, cx: &mut Cx<'_>) -> Option<String> {
        self.test.logic();
        let saved = self.form.as_mut()?.logic(cx)?;
        self.form = None;
        self.test.clear();
        let full = format!("{PREFIX}{}", saved.name);
        cx.commands.push(Command::ReloadModels);
        cx.commands.push(Command::Toast(told(&saved)));
        if let Some(before) = saved.renamed {
            let before = format!("{PREFIX}{before}");
            let mut changed = false;
            let experiment = cx.shared.edited(|experiment| {
                let own = |name: &str| name.trim() == before;
                for model in experiment.models.iter_mut().filter(|model| own(&model.name)) {
                    model.name.clone_from(&full);
                    changed = true;
                }
            });
            if changed {
                cx.commands.push(Command::Edit { what: "models", experiment });
            }
        }
        Some(full)
    }

    /// Opens the form for a new one. What is typed in one that is open stays.
    pub fn add(&mut self) {
        self.form.get_or_insert_with(|| Box::new(Form::new()));
    }

    /// Whether the form is open.
    pub const fn is_open(&self) -> bool {
        self.form.is_some()
    }

    /// Draws the form, if it is open.
    pub fn show_form(&mut self, ui: &mut Ui, shared: &Shared) {
        if self.form.as_mut().is_some_and(|form| form.show(ui, shared)) {
            self.form = None;
        }
    }

    /// Draws what is known of one, with what can be done with it. `saved` where it is a file of its own.
    pub fn panel(
        &mut self,
        ui: &mut Ui,
        card: &Card,
        endpoint: &Endpoint,
        saved: bool,
        commands: &mut Vec<Command>,
    ) {
        facts(ui, endpoint);
        if self.of != card.name {
            self.of.clone_from(&card.name);
            self.test.clear();
            self.passphrase.clear();
        }
        ui.add_space(8.0);
        let name = bare(&card.name).to_owned();
        if saved {
            ui.horizontal_wrapped(|ui| {
                if kit::button(ui, icons::PENCIL_SIMPLE, "Edit\u{2026}").clicked() {
                    self.form = Some(Box::new(Form::edit(&name, endpoint)));
                }
                if kit::button(ui, icons::COPY, "Duplicate\u{2026}").clicked() {
                    self.form = Some(Box::new(Form::duplicate(&name, endpoint)));
                }
            });
        } else {
            let words = "The experiment has its settings in its own file, where they are changed.";
            ui.add(Label::new(theme::caption(ui, words)).wrap());
        }
        ui.horizontal_wrapped(|ui| {
            let ready = !self.test.is_at_work();
            if kit::button_if(ui, ready, icons::PLAY, "Test connection").clicked() {
                self.begin(ui.ctx(), &name, endpoint, Wanted::Answer);
            }
            if kit::button_if(ui, ready, icons::FUNNEL, "Test as an encoder").clicked() {
                self.begin(ui.ctx(), &name, endpoint, Wanted::Vector);
            }
        });
        ui.add_space(4.0);
        self.test.show(ui, None);
        if self.test.is_locked() && !self.test.is_at_work() {
            kit::field(ui, "Passphrase", |ui, _| {
                let width = ui.available_width();
                self.passphrase.show(ui, "Passphrase", "of the sealed file", width)
            });
            if kit::button_if(ui, !self.passphrase.is_empty(), icons::CHECK, "Unlock and test").clicked() {
                self.begin(ui.ctx(), &name, endpoint, Wanted::Answer);
            }
        }
        ui.add_space(8.0);
        let words = format!(
            "It gives vectors, too, where its model is one for embeddings: {} on the screen Retriever.",
            format_args!("dense:{}", card.name)
        );
        ui.add(Label::new(theme::caption(ui, words)).wrap());
        if kit::quiet(ui, icons::FUNNEL, "Open the retrievers").clicked() {
            commands.push(Command::Go(Screen::Retriever));
        }
    }

    fn begin(&mut self, ctx: &egui::Context, name: &str, endpoint: &Endpoint, wanted: Wanted) {
        let passphrase = self.passphrase.secret();
        self.passphrase.clear();
        let (name, endpoint) = (name.to_owned(), endpoint.clone());
        self.test.begin(ctx, Subject { name, endpoint, wanted, key: None, passphrase });
    }
}

fn told(saved: &Saved) -> Toast {
    let words = match saved.is_new {
        true => format!("Added {PREFIX}{}.", saved.name),
        false => format!("Saved {PREFIX}{}.", saved.name),
    };
    Toast::new(Weight::Success, words)
}

/// Where its key is, in a few words; never the key.
pub(super) fn key_place(endpoint: &Endpoint) -> String {
    let Some(key) = &endpoint.key else { return "no key".to_owned() };
    match key.place() {
        KeyPlace::Environment => format!("key in the variable {}", key.name()),
        KeyPlace::Keyring => format!("key in the keyring as {}", key.name()),
        KeyPlace::File => format!("key in the sealed file as {}", key.name()),
    }
}

/// How it is asked, in a word.
pub(super) const fn kind(endpoint: &Endpoint) -> &'static str {
    match endpoint.kind {
        Kind::Chat => "chat",
        Kind::Completions => "completions",
    }
}

fn facts(ui: &mut Ui, endpoint: &Endpoint) {
    let mut rows = vec![
        ("Model", endpoint.model.clone()),
        ("Address", endpoint.shown_address()),
        ("Asked by", kind(endpoint).to_owned()),
        ("Key", key_place(endpoint)),
        ("At once", format!("{} requests at most", kit::count(endpoint.concurrency))),
    ];
    let mut limits = Vec::new();
    limits.extend(endpoint.requests_per_minute.map(|n| format!("{} requests", kit::count(n))));
    limits.extend(endpoint.tokens_per_minute.map(|n| format!("{} tokens", kit::count(n))));
    if !limits.is_empty() {
        rows.push(("A minute", limits.join(", ")));
    }
    rows.extend(endpoint.system.clone().map(|system| ("System", system)));
    if endpoint.price_in.is_some() || endpoint.price_out.is_some() {
        let price = |price: Option<f64>| price.unwrap_or_default();
        let words =
            format!("{} in, {} out a million tokens", price(endpoint.price_in), price(endpoint.price_out));
        rows.push(("Price", words));
    }
    rows.extend(endpoint.spending_limit.map(|limit| ("Limit", format!("{limit} an experiment"))));
    egui::Grid::new("endpoint facts")
        .min_row_height(18.0)
        .num_columns(2)
        .min_col_width(80.0)
        .spacing([12.0, 4.0])
        .show(ui, |ui| {
            for (what, value) in rows {
                ui.label(theme::weak(ui, what));
                kit::cut(ui, value.as_str()).on_hover_text(value.as_str());
                ui.end_row();
            }
        });
}
