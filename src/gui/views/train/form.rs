//! The recipe as a form: what is learned, what the model reads, how it learns. What is rarely changed is folded.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use eframe::egui::{self, ComboBox, TextEdit, Ui, WidgetInfo};

use super::look::Wrong;
use crate::dataset::DatasetId;
use crate::gui::command::{Command, Screen};
use crate::gui::kit::fields::{Field, Fields, said};
use crate::gui::kit::{self, PathField, PathKind};
use crate::gui::preview::choose;
use crate::gui::retrievers::{Kind, installed_encoders, options};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, colors, icons};
use crate::model::ModelKind;
use crate::model::registry::{Entry, Source};
use crate::retrieval::RetrieverConfig;
use crate::train::{LoraRecipe, Preset, TrainRecipe};

/// The model that someone without one is shown: small, and what the papers trained.
const SMALL: &str = "google/flan-t5-small";
/// What a field for a whole number wants.
pub(super) const WHOLE: &str = "A whole number is needed here.";
/// What a field for a number wants.
pub(super) const NUMBER: &str = "A number is needed here.";

/// The form.
#[derive(Default)]
pub(super) struct Form {
    /// The recipe as it stands; without paths it learns from the open data.
    pub recipe: TrainRecipe,
    pub(super) fields: Fields,
    /// Whether what is rarely changed is shown.
    pub advanced: bool,
    folder: Option<PathField>,
    template: Option<PathField>,
    /// Whether the retriever's options are shown.
    options: bool,
    /// The adapter that was written before all weights were chosen.
    adapter: Option<LoraRecipe>,
}

/// What the form is drawn beside.
pub(super) struct Around<'a> {
    pub shared: &'a Shared,
    /// What is wrong with the recipe.
    pub wrong: &'a [Wrong],
    /// The datasets that are open below its paths.
    pub found: &'a [DatasetId],
}

impl Around<'_> {
    /// What is wrong with a setting.
    pub fn wrong(&self, field: &str) -> Option<&str> {
        self.wrong.iter().find(|wrong| wrong.field == field).map(|wrong| wrong.text.as_str())
    }

    pub fn said(&self, ui: &mut Ui, field: &str) {
        for wrong in self.wrong.iter().filter(|wrong| wrong.field == field) {
            said(ui, &wrong.text);
        }
    }
}

/// A number of the recipe: its name in the file, for people, what holds while it is empty, and what it must look like.
pub(super) struct Number {
    pub id: &'static str,
    pub words: &'static str,
    /// `None` where it may not be empty.
    pub hint: Option<&'static str>,
    pub form: &'static str,
}

impl Form {
    /// The recipe that would be trained: with the open data where it names none.
    pub fn whole(&self, shared: &Shared) -> TrainRecipe {
        let mut recipe = self.recipe.clone();
        if recipe.data.paths.is_empty() {
            recipe.data.paths.clone_from(&shared.data_paths);
        }
        recipe
    }

    /// Puts another recipe in its place.
    pub fn take(&mut self, recipe: TrainRecipe) {
        self.recipe = recipe;
        self.fields.clear();
        (self.folder, self.template, self.adapter) = (None, None, None);
    }

    /// Whether something is typed that does not count.
    pub fn has_errors(&self) -> bool {
        self.fields.errors().next().is_some()
    }

    /// Draws it.
    pub fn show(&mut self, ui: &mut Ui, around: &Around<'_>, commands: &mut Vec<Command>) {
        ui.spacing_mut().item_spacing.y = 6.0;
        ui.label(theme::section("What is learned"));
        self.preset(ui);
        self.model(ui, around, commands);
        self.data(ui, around, commands);
        ui.add_space(8.0);
        ui.label(theme::section("What the model reads"));
        self.retriever(ui, around);
        self.prompt(ui, around, commands);
        ui.add_space(8.0);
        ui.label(theme::section("How it learns"));
        self.weights(ui, around);
        self.learning(ui, around);
        let words = if self.advanced { "Fewer settings" } else { "More settings" };
        let icon = if self.advanced { icons::CARET_DOWN } else { icons::CARET_RIGHT };
        if kit::quiet(ui, icon, words).clicked() {
            self.advanced = !self.advanced;
        }
        // What is wrong is seen.
        self.advanced |= around.wrong.iter().any(|wrong| is_more(&wrong.field));
        self.advanced |= self.fields.errors().any(is_more);
        if self.advanced {
            self.more(ui, around);
        }
        ui.add_space(8.0);
    }

    /// A field for a number, which is taken when it makes sense.
    pub(super) fn number<T: FromStr + Display + Copy>(
        &mut self,
        ui: &mut Ui,
        around: &Around<'_>,
        number: &Number,
        get: impl Fn(&TrainRecipe) -> Option<T>,
        set: impl Fn(&mut TrainRecipe, Option<T>),
    ) {
        let recipe = &self.recipe;
        let field = Field {
            of: None,
            id: number.id,
            words: number.words,
            hint: number.hint.unwrap_or_default(),
            empty: "",
            form: number.form,
            wrong: around.wrong(number.id),
        };
        let check = |value: &Option<T>| {
            if value.is_none() && number.hint.is_none() {
                return Err(number.form.to_owned());
            }
            let mut other = recipe.clone();
            set(&mut other, *value);
            let told = other.check().err().map(|error| super::look::wrong(&error)).unwrap_or_default();
            let own = told.into_iter().find(|wrong| wrong.field == number.id);
            own.map_or(Ok(()), |wrong| Err(wrong.text))
        };
        if let Some(value) = self.fields.number(ui, &field, get(recipe), check) {
            set(&mut self.recipe, value);
        }
    }

    fn preset(&mut self, ui: &mut Ui) {
        let now = [Preset::Official, Preset::Paper].into_iter().find(|preset| is_of(&self.recipe, *preset));
        let mut chosen = now;
        let choices = [(Some(Preset::Official), "Official", None), (Some(Preset::Paper), "Paper", None)];
        kit::field(ui, "Constants", |ui, _| {
            if kit::segmented(ui, &mut chosen, &choices)
                && let Some(preset) = chosen
            {
                let recipe = with_preset(&self.recipe, preset);
                self.take(recipe);
            }
            if chosen.is_none() {
                ui.label(theme::caption(ui, "your own"));
            }
        })
    }

    fn model(&mut self, ui: &mut Ui, around: &Around<'_>, commands: &mut Vec<Command>) {
        let entries = around.shared.models.value().map(|entries| entries.as_slice()).unwrap_or_default();
        let now = self.recipe.model.clone();
        let mut folder = false;
        kit::field(ui, "Begin with", |ui, _| {
            let width = ui.available_width().min(210.0);
            let shown = if now.is_empty() { "Choose one".to_owned() } else { short(&now) };
            let combo = ComboBox::from_id_salt("model to train").selected_text(shown).width(width).truncate();
            let response = combo.show_ui(ui, |ui| {
                ui.set_min_width(280.0);
                for entry in entries {
                    let (name, refusal) = match entry {
                        Entry::Installed(manifest) => (&manifest.name, refusal(manifest.kind)),
                        Entry::Broken { name, .. } => (name, Some("its files cannot be used")),
                        Entry::Unfinished { name, .. } => (name, Some("its download has not ended")),
                    };
                    let words = match refusal {
                        None => name.clone(),
                        Some(refusal) => format!("{name}: {refusal}"),
                    };
                    let label = egui::Button::selectable(*name == now, words);
                    if ui.add_enabled(refusal.is_none(), label).clicked() {
                        self.recipe.model.clone_from(name);
                        self.folder = None;
                    }
                }
                folder = ui.selectable_label(false, "A folder\u{2026}").clicked();
            });
            let value = now.clone();
            response.response.on_hover_text(&now).widget_info(|| {
                let mut info = WidgetInfo::labeled(egui::Role::ComboBox, true, "Model to begin with");
                info.current_text_value = Some(value.clone());
                info
            });
        });
        if folder {
            let field =
                PathField::with(if std::path::Path::new(&now).is_absolute() { now.as_str() } else { "" });
            self.folder = Some(field);
        }
        if let Some(field) = &mut self.folder {
            let hint = "A folder with config.json";
            let settled = field.show(ui, PathKind::OpenFolder, "Folder of the model", hint, None);
            let used = kit::button_if(ui, field.path().is_some(), icons::CHECK, "Use this folder").clicked();
            if let Some(path) = field.path().filter(|_| settled || used) {
                let path = std::path::absolute(&path).unwrap_or(path);
                self.recipe.model = path.display().to_string();
                self.folder = None;
            }
        }
        around.said(ui, "model");
        // What is part of the program is there to try things with.
        let any = entries.iter().any(|entry| match entry {
            Entry::Installed(manifest) => {
                manifest.kind == ModelKind::T5 && manifest.source != Source::Program
            }
            _ => false,
        });
        if !any && self.recipe.model.is_empty() && around.shared.models.value().is_some() {
            let text = "No T5 model is installed, and only those are trained. The small one takes 311 MB.";
            if kit::notice(ui, kit::Notice::Info, text, Some("Get flan-t5-small\u{2026}")) {
                commands.push(Command::GetModel(SMALL.to_owned()));
            }
        }
    }

    fn retriever(&mut self, ui: &mut Ui, around: &Around<'_>) {
        let encoders = installed_encoders(around.shared);
        let short = &mut self.recipe.retrieval.retriever;
        let config: Option<RetrieverConfig> = short.parse().ok();
        let now = config.as_ref().map(Kind::of);
        let shown = now.map_or_else(|| short.clone(), |kind| kind.name().to_owned());
        let mut toggled = false;
        kit::field(ui, "Retriever", |ui, _| {
            let listed = Kind::ALL.into_iter().map(|kind| (kind, kind.name().to_owned(), Some(kind) == now));
            if let Some(kind) = choose(ui, "Retriever to learn with", &shown, 174.0, listed) {
                // Drawn with a seed of its own: an experiment would leave it open.
                *short = kind.first(&encoders).to_string();
            }
            if now.is_some_and(Kind::has_options) {
                let (icon, words) = match self.options {
                    true => (icons::CARET_UP, "Hide the retriever\u{2019}s options"),
                    false => (icons::CARET_DOWN, "The retriever\u{2019}s options"),
                };
                toggled = kit::icon_button(ui, icon, words).clicked();
            }
        });
        self.options ^= toggled;
        if self.options
            && let Some(mut config) = config.clone()
            && now.is_some_and(Kind::has_options)
        {
            kit::card(ui, |ui| {
                ui.set_width(ui.available_width());
                if options(ui, &mut config, &encoders, "training", 0) {
                    *short = config.to_string();
                }
            });
        }
        around.said(ui, "retrieval.retriever");
        if now != Some(Kind::None) {
            let k = Number { id: "retrieval.k", words: "Entries a prompt, k", hint: None, form: WHOLE };
            self.number(
                ui,
                around,
                &k,
                |recipe| Some(recipe.retrieval.k),
                |recipe, k| recipe.retrieval.k = k.unwrap_or_default(),
            );
        }
    }

    fn prompt(&mut self, ui: &mut Ui, around: &Around<'_>, commands: &mut Vec<Command>) {
        let template = self.recipe.prompt.template.clone();
        let mut file = false;
        kit::field(ui, "Template", |ui, _| {
            let own = template.parse::<crate::prompt::Preset>().is_err();
            let mut listed = vec![
                (Some("official".to_owned()), "Official".to_owned(), template == "official"),
                (Some("paper".to_owned()), "Paper".to_owned(), template == "paper"),
            ];
            if own {
                listed.push((Some(template.clone()), short(&template), true));
            }
            listed.push((None, "A file\u{2026}".to_owned(), false));
            let shown = match template.as_str() {
                "official" => "Official".to_owned(),
                "paper" => "Paper".to_owned(),
                other => short(other),
            };
            match choose(ui, "Template to learn with", &shown, 174.0, listed) {
                Some(Some(name)) => self.recipe.prompt.template = name,
                Some(None) => file = true,
                None => {}
            }
            if kit::icon_button(ui, icons::CHAT_TEXT, "See the wording on the screen Prompt").clicked() {
                commands.push(Command::Go(Screen::Prompt));
            }
        });
        if file {
            self.template = Some(PathField::default());
        }
        if let Some(field) = &mut self.template {
            let settled = field.show(
                ui,
                PathKind::OpenFile,
                "File of the template",
                "template.toml",
                Some(("Templates", &["toml"])),
            );
            let used =
                kit::button_if(ui, field.path().is_some(), icons::CHECK, "Use this template").clicked();
            if let Some(path) = field.path().filter(|_| settled || used) {
                let path = std::path::absolute(&path).unwrap_or(path);
                self.recipe.prompt.template = path.display().to_string();
                self.template = None;
            }
        }
        around.said(ui, "prompt.template");
        let length = Number { id: "prompt.max_length", words: "Tokens a prompt", hint: None, form: WHOLE };
        self.number(
            ui,
            around,
            &length,
            |recipe| Some(recipe.prompt.max_length),
            |recipe, length| recipe.prompt.max_length = length.unwrap_or_default(),
        );
    }

    fn weights(&mut self, ui: &mut Ui, around: &Around<'_>) {
        let mut adapter = self.recipe.lora.is_some();
        let choices = [(false, "All weights", None), (true, "LoRA adapter", None)];
        if kit::field(ui, "What is trained", |ui, _| kit::segmented(ui, &mut adapter, &choices)) {
            let kept = self.recipe.lora.take();
            if adapter {
                self.recipe.lora = Some(self.adapter.take().unwrap_or_default());
            } else {
                self.adapter = kept;
            }
        }
        if self.recipe.lora.is_some() {
            self.adapter(ui, around);
        }
    }

    fn learning(&mut self, ui: &mut Ui, around: &Around<'_>) {
        let epochs = Number { id: "training.epochs", words: "Epochs", hint: None, form: WHOLE };
        let set =
            |recipe: &mut TrainRecipe, epochs: Option<u64>| recipe.training.epochs = epochs.unwrap_or(0);
        self.number(ui, around, &epochs, |recipe| Some(recipe.training.epochs), set);
        let batch = Number { id: "training.batch", words: "Examples a step", hint: None, form: WHOLE };
        let set = |recipe: &mut TrainRecipe, batch: Option<usize>| recipe.training.batch = batch.unwrap_or(0);
        self.number(ui, around, &batch, |recipe| Some(recipe.training.batch), set);
        let micro =
            Number { id: "training.micro_batch", words: "Of them at once", hint: Some("all"), form: WHOLE };
        let set = |recipe: &mut TrainRecipe, micro| recipe.training.micro_batch = micro;
        self.number(ui, around, &micro, |recipe| recipe.training.micro_batch, set);
        let rate = Number { id: "optimizer.learning_rate", words: "Learning rate", hint: None, form: NUMBER };
        let set = |recipe: &mut TrainRecipe, rate: Option<f64>| {
            recipe.optimizer.learning_rate = rate.unwrap_or(0.0);
        };
        self.number(ui, around, &rate, |recipe| Some(recipe.optimizer.learning_rate), set);
    }
}

/// Whether a setting is among those that are folded.
fn is_more(field: &str) -> bool {
    const SHOWN: [&str; 11] = [
        "",
        "model",
        "data.paths",
        "data.dev",
        "data.limit",
        "prompt.template",
        "prompt.max_length",
        "training.epochs",
        "training.batch",
        "training.micro_batch",
        "optimizer.learning_rate",
    ];
    !SHOWN.contains(&field) && !field.starts_with("lora.") && !field.starts_with("retrieval.")
}

/// Why a kind of model is not trained.
const fn refusal(kind: ModelKind) -> Option<&'static str> {
    match kind {
        ModelKind::T5 => None,
        ModelKind::Gguf => Some("GGUF files answer, but are not trained"),
        ModelKind::Bert => Some("an encoder makes vectors, no answers"),
    }
}

/// The constants of a preset, with one's own model, data and retriever.
fn with_preset(recipe: &TrainRecipe, preset: Preset) -> TrainRecipe {
    let mut other = preset.recipe();
    other.model.clone_from(&recipe.model);
    other.data = recipe.data.clone();
    other.retrieval = recipe.retrieval.clone();
    other.lora.clone_from(&recipe.lora);
    other.training.device = recipe.training.device;
    other
}

fn is_of(recipe: &TrainRecipe, preset: Preset) -> bool {
    with_preset(recipe, preset) == *recipe
}

/// The last part of a path; any other name as it is.
pub(super) fn short(name: &str) -> String {
    let path = PathBuf::from(name);
    match path.file_name().filter(|_| path.is_absolute()) {
        Some(last) => last.to_string_lossy().into_owned(),
        None => name.to_owned(),
    }
}

pub(super) fn caption(ui: &mut Ui, text: &str) {
    ui.horizontal_top(|ui| {
        ui.add_space(158.0);
        let width = ui.available_width();
        let text = theme::caption(ui, text);
        ui.allocate_ui(egui::vec2(width, 0.0), |ui| ui.add(egui::Label::new(text).wrap()));
    });
}

/// A field for a text, in its row.
pub(super) fn text_row(
    ui: &mut Ui,
    words: &str,
    text: &mut String,
    hint: &str,
    width: f32,
) -> egui::Response {
    let edit = TextEdit::singleline(text).hint_text(hint).desired_width(width).char_limit(200);
    let response = ui.add(edit);
    let value = text.clone();
    response.widget_info(|| {
        let mut info = WidgetInfo::text_edit(true, "", &value, hint);
        info.label = Some(words.to_owned());
        info
    });
    response
}

/// What is wrong, in the color of danger.
pub(super) fn danger(ui: &mut Ui, text: &str) {
    let color = colors(ui).danger;
    ui.add(egui::Label::new(theme::caption(ui, text).color(color)).wrap());
}
