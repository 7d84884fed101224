//! The form of an endpoint: how it is drawn, what its buttons do, and the thread that keeps a key and writes the settings.

use eframe::egui::{self, Label, ScrollArea, TextEdit, Ui, WidgetInfo};

use super::entries::{At, Entries, Number, Wrong, placed};
use super::preset::{Place, Preset};
use super::secret_field::SecretField;
use super::trial::{Subject, Test, Wanted};
use crate::gui::kit;
use crate::gui::kit::fields::said;
use crate::gui::loadable::{Loadable, Trouble};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, icons};
use crate::gui::views::Cx;
use crate::gui::words::key_words;
use crate::jobs::Job;
use crate::model::endpoint::{Endpoint, EndpointError, KeyFile, KeyPlace, Kind, SavedEndpoints, Secret};

/// The form at most, points wide.
const WIDTH: f32 = 640.0;

/// Where keys can be kept here.
#[derive(Debug)]
struct Places {
    /// Why there is no keyring.
    no_keyring: Option<String>,
    file: Option<FileFacts>,
}

#[derive(Debug)]
struct FileFacts {
    path: String,
    there: bool,
    locked: bool,
}

impl Places {
    /// Asks the system; not for a thread that draws.
    fn look() -> Self {
        let file = KeyFile::default_file().ok().map(|file| FileFacts {
            path: file.path().display().to_string(),
            there: file.exists(),
            locked: file.is_locked(),
        });
        Self { no_keyring: KeyPlace::Keyring.is_available().err().map(|error| key_words(&error)), file }
    }
}

/// What is to be written.
struct Saving {
    saved: SavedEndpoints,
    name: String,
    endpoint: Endpoint,
    /// The name that it had.
    before: Option<String>,
    key: Option<Secret>,
    passphrase: Option<Secret>,
}

/// An endpoint was saved.
#[derive(Debug, Clone)]
pub(super) struct Saved {
    pub name: String,
    /// The name that it had, where that was another.
    pub renamed: Option<String>,
    pub is_new: bool,
}

/// The form, and what it is at work with.
#[derive(Debug)]
pub(super) struct Form {
    entries: Entries,
    /// The endpoint that is edited.
    before: Option<String>,
    key: SecretField,
    passphrase: SecretField,
    more: bool,
    wanted: Wanted,
    wrong: Wrong,
    places: Loadable<(), Places>,
    looked: u64,
    /// Whether the place of the key is still the program's choice.
    unchosen: bool,
    test: Test,
    saving: Option<Job<Result<Saved, (At, String)>>>,
    shown: bool,
}

impl Form {
    /// For a new endpoint.
    pub fn new() -> Self {
        Self::with(Entries::new(), None)
    }

    /// For a saved one.
    pub fn edit(name: &str, endpoint: &Endpoint) -> Self {
        Self { unchosen: false, ..Self::with(Entries::of(name, endpoint), Some(name.to_owned())) }
    }

    /// For a new one that begins as another.
    pub fn duplicate(name: &str, endpoint: &Endpoint) -> Self {
        let mut entries = Entries::of(name, endpoint);
        entries.name = format!("{name}-2");
        Self { unchosen: false, ..Self::with(entries, None) }
    }

    fn with(entries: Entries, before: Option<String>) -> Self {
        Self {
            entries,
            before,
            key: SecretField::default(),
            passphrase: SecretField::default(),
            more: false,
            wanted: Wanted::Answer,
            wrong: Wrong::new(),
            places: Loadable::default(),
            looked: 0,
            unchosen: true,
            test: Test::default(),
            saving: None,
            shown: false,
        }
    }

    /// Takes what has arrived. Gives the endpoint once it is saved.
    pub fn logic(&mut self, cx: &mut Cx<'_>) -> Option<Saved> {
        if cx.shown {
            self.places.want(cx.ctx, "places of keys", (), self.looked, |_, _| Ok(Places::look()));
        }
        let at_work = self.test.is_at_work();
        self.test.logic();
        if at_work && !self.test.is_at_work() {
            self.looked += 1;
        }
        let outcome = self.saving.as_mut().and_then(Job::poll)?;
        self.saving = None;
        let failed = |error| Err((At::Form, Trouble::from(error).0));
        match outcome.unwrap_or_else(failed) {
            Ok(saved) => {
                self.key.clear();
                self.passphrase.clear();
                Some(saved)
            }
            Err((at, text)) => {
                self.looked += 1;
                self.wrong.insert(at, text);
                self.more |= is_more(at);
                None
            }
        }
    }

    /// Draws it; tells whether it is to be closed.
    pub fn show(&mut self, ui: &mut Ui, shared: &Shared) -> bool {
        let mut close = false;
        let width = if ui.available_width() < 900.0 { 320.0 } else { 372.0 };
        egui::Panel::right("endpoint test")
            .exact_size(width)
            .resizable(false)
            .frame(egui::Frame::new().inner_margin(egui::Margin { left: 16, right: 0, top: 0, bottom: 0 }))
            .show(ui, |ui| self.right(ui));
        egui::CentralPanel::default().frame(egui::Frame::new()).show(ui, |ui| {
            egui::Panel::bottom("endpoint foot")
                .frame(egui::Frame::new().inner_margin(egui::Margin { left: 0, right: 0, top: 8, bottom: 0 }))
                .show(ui, |ui| close = self.foot(ui, shared));
            ScrollArea::vertical().id_salt("endpoint form").auto_shrink(false).show(ui, |ui| {
                ui.set_max_width((ui.available_width() - 12.0).min(WIDTH));
                ui.spacing_mut().item_spacing.y = 6.0;
                match &self.before {
                    Some(name) => kit::cut(ui, theme::section(format!("Edit {name}"))),
                    None => ui.label(theme::section("Add an endpoint")),
                };
                self.place(ui);
                ui.add_space(8.0);
                self.key(ui);
                ui.add_space(8.0);
                self.more(ui);
            });
        });
        close
    }

    fn text(&mut self, ui: &mut Ui, at: At, words: &str, hint: &str, of: fn(&mut Entries) -> &mut String) {
        let text = of(&mut self.entries);
        let response = kit::field(ui, words, |ui, name| {
            let width = ui.available_width();
            ui.add(TextEdit::singleline(text).hint_text(hint).desired_width(width)).labelled_by(name)
        });
        name_field(&response, words, text, hint);
        if response.changed() {
            self.wrong.remove(&at);
        }
        // The first field is where one begins.
        if at == At::Name && !std::mem::replace(&mut self.shown, true) {
            response.request_focus();
        }
        self.say(ui, at);
    }

    fn say(&self, ui: &mut Ui, at: At) {
        if let Some(wrong) = self.wrong.get(&at) {
            said(ui, wrong);
        }
    }

    /// What it is and where.
    fn place(&mut self, ui: &mut Ui) {
        if self.before.is_none() {
            let mut preset = self.entries.preset;
            kit::field(ui, "Server", |ui, _| {
                kit::segmented(ui, &mut preset, &Preset::ALL.map(|preset| (preset, preset.words(), None)));
            });
            if preset != self.entries.preset {
                self.entries.begin_with(preset);
                if preset.variable().is_some() && self.entries.place == Place::None {
                    self.unchosen = true;
                    self.entries.place = self.usual_place();
                }
                self.wrong.clear();
            }
            hint(ui, self.entries.preset.note());
        }
        self.text(ui, At::Name, "Name", "my-server", |entries| &mut entries.name);
        self.text(ui, At::Url, "Base address", "http://localhost:8000/v1", |entries| &mut entries.url);
        self.text(ui, At::Model, "Model", "its name at the server", |entries| &mut entries.model);
        kit::field(ui, "Asked by", |ui, _| {
            let choices = [(Kind::Chat, "Chat", None), (Kind::Completions, "Completions", None)];
            kit::segmented(ui, &mut self.entries.kind, &choices);
        });
        match self.entries.kind {
            Kind::Chat => {
                hint(
                    ui,
                    "A prompt is a user\u{2019}s message; the server puts it into the model\u{2019}s chat template.",
                );
                self.text(ui, At::System, "System prompt", "none", |entries| &mut entries.system);
            }
            Kind::Completions => hint(ui, "The model goes on with the bare prompt."),
        }
    }

    /// Where a typed key is kept where nobody chose: the keyring where one runs.
    fn usual_place(&self) -> Place {
        match self.places.value() {
            Some(places) if places.no_keyring.is_some() => Place::File,
            _ => Place::Keyring,
        }
    }

    fn key(&mut self, ui: &mut Ui) {
        ui.label(theme::strong("Key"));
        let places = self.places.value().cloned();
        let no_keyring = places.as_ref().and_then(|places| places.no_keyring.clone());
        if self.unchosen && self.entries.place == Place::Keyring && no_keyring.is_some() {
            self.entries.place = Place::File;
        }
        let file = places.as_ref().and_then(|places| places.file.as_ref());
        let no_file = (places.is_some() && file.is_none()).then_some("The system names no folder for it");
        let before = self.entries.place;
        kit::field(ui, "Kept in", |ui, _| {
            let choices = [
                (Place::None, "No key", None),
                (Place::Keyring, "System keyring", no_keyring.as_deref()),
                (Place::File, "Sealed file", no_file),
                (Place::Environment, "Environment", None),
            ];
            kit::segmented(ui, &mut self.entries.place, &choices);
        });
        if self.entries.place != before {
            self.unchosen = false;
            for at in [At::KeyName, At::Key, At::Passphrase] {
                self.wrong.remove(&at);
            }
        }
        match self.entries.place {
            Place::None => hint(ui, "Servers of your own mostly want none."),
            Place::Environment => {
                self.text(ui, At::KeyName, "Variable", "OPENAI_API_KEY", |entries| &mut entries.variable);
                hint(ui, "Its name alone. The key is read from there whenever the endpoint is asked.");
            }
            Place::Keyring | Place::File => {
                let kept = self.before.is_some() && self.entries.key_name.trim() == self.entries.kept_as();
                let words = if kept { "kept; type to replace it" } else { "paste it here" };
                let response =
                    kit::field(ui, "Key", |ui, _| self.key.show(ui, "Key", words, ui.available_width()));
                if response.changed() {
                    self.wrong.remove(&At::Key);
                }
                self.say(ui, At::Key);
                let usual = self.entries.name.trim().to_owned();
                self.text(ui, At::KeyName, "Kept as", &usual, |entries| &mut entries.key_name);
                if self.entries.place == Place::File {
                    self.file(ui, file);
                } else {
                    hint(
                        ui,
                        "The key goes into the system\u{2019}s keyring and into no file of this program.",
                    );
                }
            }
        }
    }

    /// The passphrase of the sealed file.
    fn file(&mut self, ui: &mut Ui, file: Option<&FileFacts>) {
        let Some(file) = file else { return };
        if file.locked || self.wrong.contains_key(&At::Passphrase) {
            let words = if file.there { "Passphrase" } else { "New passphrase" };
            let response = kit::field(ui, words, |ui, _| {
                self.passphrase.show(ui, words, "of the sealed file", ui.available_width())
            });
            if response.changed() {
                self.wrong.remove(&At::Passphrase);
            }
            self.say(ui, At::Passphrase);
        }
        let text = match (file.there, file.locked) {
            (false, _) => {
                format!("{} is made and sealed with it. It cannot be had back when it is lost.", file.path)
            }
            (true, true) => format!("{} is locked; its passphrase is asked for once a start.", file.path),
            (true, false) => format!("{} is open until the program ends.", file.path),
        };
        hint(ui, &text);
    }

    fn more(&mut self, ui: &mut Ui) {
        let mut open = self.more;
        let icon = if open { icons::CARET_DOWN } else { icons::CARET_RIGHT };
        if kit::quiet(ui, icon, "More").clicked() {
            open = !open;
        }
        self.more = open;
        if !open {
            return;
        }
        for number in Number::ALL {
            self.number(ui, number);
        }
        self.lines(ui, At::Headers, "Headers", "X-Title: Lamplight\napi-key: env:AZURE_KEY", |entries| {
            &mut entries.headers
        });
        hint(ui, "One a line. A secret is named by where it is: env:NAME, keyring:NAME or file:NAME.");
        self.lines(ui, At::Extra, "Extra fields (JSON)", "{\"top_k\": 1}", |entries| &mut entries.extra);
        self.text(ui, At::Omit, "Fields left out", "temperature, seed", |entries| &mut entries.omit);
        self.text(ui, At::MaxTokensField, "Field of the limit", "max_tokens", |entries| {
            &mut entries.max_tokens_field
        });
        hint(ui, "max_tokens, or max_completion_tokens where a server wants that.");
        self.text(ui, At::Tokenizer, "Tokenizer", "four bytes a token", |entries| &mut entries.tokenizer);
        hint(
            ui,
            "A model here whose tokenizer counts and cuts prompts: a name, a path, or a tokenizer.json.",
        );
        hint(
            ui,
            "Temperature, top-p, seed, most new tokens and stop texts belong to the experiment: tab Generate, once the endpoint \
             is in it.",
        );
    }

    fn number(&mut self, ui: &mut Ui, number: Number) {
        let text = self.entries.numbers.entry(number).or_default();
        let words = number.words();
        let response = kit::field(ui, words, |ui, name| {
            let response = ui
                .add(TextEdit::singleline(text).hint_text(number.hint()).desired_width(96.0))
                .labelled_by(name);
            ui.label(theme::caption(ui, number.unit()));
            response
        });
        name_field(&response, words, text, number.hint());
        if response.changed() {
            self.wrong.remove(&At::Number(number));
        }
        self.say(ui, At::Number(number));
    }

    fn lines(&mut self, ui: &mut Ui, at: At, words: &str, hint: &str, of: fn(&mut Entries) -> &mut String) {
        let text = of(&mut self.entries);
        let response = kit::field(ui, words, |ui, name| {
            let width = ui.available_width();
            let edit = TextEdit::multiline(text).hint_text(hint).desired_rows(2).desired_width(width);
            ui.add(edit.code_editor()).labelled_by(name)
        });
        name_field(&response, words, text, hint);
        if response.changed() {
            self.wrong.remove(&at);
        }
        self.say(ui, at);
    }

    /// What can be tried before it is saved, and what came of that.
    fn right(&mut self, ui: &mut Ui) {
        ui.label(theme::section("Connection"));
        kit::field(ui, "It gives", |ui, _| {
            let choices = [(Wanted::Answer, "Answers", None), (Wanted::Vector, "Vectors", None)];
            kit::segmented(ui, &mut self.wanted, &choices);
        });
        let text = match self.wanted {
            Wanted::Answer | Wanted::Models => {
                "Lists the server\u{2019}s models and asks for one short answer."
            }
            Wanted::Vector => "Asks for one vector. As an encoder it is chosen on the screen Retriever.",
        };
        ui.add(Label::new(theme::caption(ui, text)).wrap());
        let ready = !self.test.is_at_work() && self.saving.is_none();
        if kit::button_if(ui, ready, icons::PLAY, "Test connection").clicked() {
            self.try_it(ui.ctx());
        }
        ui.add_space(4.0);
        ScrollArea::vertical().id_salt("tried").auto_shrink(false).show(ui, |ui| {
            ui.set_max_width(ui.available_width() - 8.0);
            if let Some(model) = self.test.show(ui, Some(self.entries.model.trim())) {
                self.entries.model = model;
                self.wrong.remove(&At::Model);
            }
        });
    }

    fn try_it(&mut self, ctx: &egui::Context) {
        let mut entries = self.entries.clone();
        // The list of models can be had before one of them is chosen, and before all has a name.
        let wanted = if entries.model.trim().is_empty() { Wanted::Models } else { self.wanted };
        for (text, stand_in) in [(&mut entries.model, "any"), (&mut entries.name, "new")] {
            if text.trim().is_empty() {
                stand_in.clone_into(text);
            }
        }
        let (name, endpoint) = match entries.read() {
            Ok(read) => read,
            Err(wrong) => return self.told(wrong),
        };
        self.wrong.clear();
        let kept = matches!(self.entries.place, Place::Keyring | Place::File);
        let key = self.key.secret().filter(|_| kept);
        let passphrase = self.passphrase.secret().filter(|_| self.entries.place == Place::File);
        self.test.begin(ctx, Subject { name, endpoint, wanted, key, passphrase });
    }

    fn told(&mut self, wrong: Wrong) {
        self.more |= wrong.keys().any(|at| is_more(*at));
        self.wrong = wrong;
    }

    /// The form's buttons; tells whether it is to be closed.
    fn foot(&mut self, ui: &mut Ui, shared: &Shared) -> bool {
        let mut close = false;
        if let Some(wrong) = self.wrong.get(&At::Form) {
            kit::trouble(ui, &Trouble(wrong.clone()), None);
        }
        ui.horizontal(|ui| {
            let ready = self.saving.is_none();
            if kit::primary_if(ui, ready, "Save endpoint").clicked() {
                self.save(ui.ctx(), shared);
            }
            close = kit::quiet(ui, "", "Close without saving").clicked();
            if self.saving.is_some() {
                ui.label(theme::weak(ui, "Being saved\u{2026}"));
            } else if self.wrong.keys().any(|at| *at != At::Form) {
                let count = self.wrong.keys().filter(|at| **at != At::Form).count();
                let text = kit::counted(count, "field is to be mended", "fields are to be mended");
                ui.label(egui::RichText::new(text).color(theme::colors(ui).danger));
            }
        });
        close
    }

    fn save(&mut self, ctx: &egui::Context, shared: &Shared) {
        let (name, endpoint) = match self.entries.read() {
            Ok(read) => read,
            Err(wrong) => return self.told(wrong),
        };
        self.wrong.clear();
        let kept = matches!(self.entries.place, Place::Keyring | Place::File);
        let saving = Saving {
            saved: shared.workplace.registry().endpoints(),
            name,
            endpoint,
            before: self.before.clone(),
            key: self.key.secret().filter(|_| kept),
            passphrase: self.passphrase.secret().filter(|_| self.entries.place == Place::File),
        };
        let wake = ctx.clone();
        let job = Job::start("save endpoint", move || wake.request_repaint(), move |_, _| saving.save());
        self.saving = Some(job);
    }
}

impl Saving {
    /// Keeps the key, then writes the settings. What fails leaves no settings behind that name a key which is not there.
    fn save(self) -> Result<Saved, (At, String)> {
        let failed = |error: EndpointError| placed(&error);
        let Self { saved, name, endpoint, before, key, passphrase } = self;
        let path = saved.path(&name).map_err(failed)?;
        if before.as_ref() != Some(&name) && path.exists() {
            return Err(failed(EndpointError::Taken { name }));
        }
        if let Some(passphrase) = passphrase {
            let opened = KeyFile::default_file().and_then(|file| file.unlock(passphrase));
            opened.map_err(|error| failed(error.into()))?;
        }
        if let Some(place) = endpoint.key.as_ref().filter(|place| place.place() != KeyPlace::Environment) {
            match key {
                Some(key) => place.save(&key).map_err(|error| failed(error.into()))?,
                // One that is kept there already will do.
                None => drop(place.look_up(&name).map_err(failed)?),
            }
        }
        saved.save(&name, &endpoint, before.is_some()).map_err(failed)?;
        let renamed = before.clone().filter(|before| *before != name);
        if let Some(before) = &renamed {
            saved.remove(before).map_err(failed)?;
        }
        Ok(Saved { name, renamed, is_new: before.is_none() })
    }
}

/// Whether a field is among those that are folded away.
const fn is_more(at: At) -> bool {
    matches!(at, At::Headers | At::Extra | At::Omit | At::MaxTokensField | At::Tokenizer | At::Number(_))
}

/// A line beneath a control, in its column.
fn hint(ui: &mut Ui, text: &str) {
    ui.horizontal_top(|ui| {
        ui.add_space(158.0);
        ui.add(Label::new(theme::caption(ui, text)).wrap());
    });
}

fn name_field(response: &egui::Response, words: &str, text: &str, hint: &str) {
    response.widget_info(|| {
        let mut info = WidgetInfo::text_edit(true, "", text, hint);
        info.label = Some(words.to_owned());
        info
    });
}
