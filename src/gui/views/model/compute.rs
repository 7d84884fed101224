//! How a model computes: its training, device, kind of numbers, batch, and what a GGUF model makes of a prompt; with the memory
//! that this takes.

use std::path::PathBuf;
use std::time::Instant;

use eframe::egui::{self, TextEdit, Ui, WidgetInfo};

use super::memory_bar::memory_bar;
use super::stock::{Card, Facts, What};
use super::words;
use crate::gui::command::Command;
use crate::gui::kit::fields::{Field, Fields, said};
use crate::gui::kit::{self, Notice};
use crate::gui::loadable::Loadable;
use crate::gui::shared::Shared;
use crate::gui::theme;
use crate::gui::views::Cx;
use crate::model::t5::T5Options;
use crate::model::{
    Description, DeviceChoice, DeviceInfo, GenerationConfig, Load, MemoryEstimate, ModelError, ModelKind,
    Precision, describe, free_memory,
};
use crate::record::Training;
use crate::run::experiment::{ModelSettings, ProblemKind};

/// What memory is asked for.
#[derive(Debug, Clone, PartialEq)]
struct Subject {
    path: PathBuf,
    load: Load,
    generation: GenerationConfig,
}

/// What was found out about a model.
#[derive(Debug)]
struct Measured {
    path: PathBuf,
    description: Description,
    needs: MemoryEstimate,
    free: Option<u64>,
}

/// The form's own state.
#[derive(Debug, Default)]
pub(super) struct ComputeForm {
    fields: Fields,
    system: Option<(usize, String)>,
    devices: Loadable<(), Vec<DeviceInfo>>,
    measured: Loadable<Subject, Measured>,
    began: Option<Instant>,
}

/// Prompts at once where nothing is said.
const fn usual_batch(kind: ModelKind) -> usize {
    match kind {
        ModelKind::T5 | ModelKind::Bert => 8,
        ModelKind::Gguf => 16,
    }
}

/// Free memory is looked at again after so many seconds.
const AGAIN: u64 = 10;

impl ComputeForm {
    /// Asks for what is shown of a model.
    pub fn logic(&mut self, cx: &mut Cx<'_>, card: &Card, settings: &ModelSettings) {
        self.devices.want(cx.ctx, "devices", (), 0, |_, _| Ok(DeviceChoice::list()));
        let Some(facts) = card.facts() else { return };
        let experiment = cx.shared.experiment();
        let generation = settings.generation.over(&experiment.generation).config(card.is_greedy(), 0);
        let load = Load {
            batch: settings.batch.unwrap_or(usual_batch(facts.kind)).clamp(1, 1 << 20),
            tokens: experiment.prompt.max_length.min(1 << 24),
            new_tokens: generation.max_new_tokens,
            precision: settings.precision.unwrap_or_default(),
        };
        let subject = Subject { path: facts.path.clone(), load, generation };
        let began = *self.began.get_or_insert_with(Instant::now);
        let version = began.elapsed().as_secs() / AGAIN;
        self.measured.want(cx.ctx, "memory", subject.clone(), version, move |_, _| {
            let description = describe(&subject.path)?;
            let needs = description.memory_with(&subject.path, &subject.load, &subject.generation)?;
            Ok(Measured { path: subject.path, description, needs, free: free_memory() })
        });
    }

    /// Draws the form for a model at a place of the draft, or what is known of one that is not in it.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        card: &Card,
        place: Option<usize>,
        shared: &Shared,
        commands: &mut Vec<Command>,
    ) {
        match &card.what {
            What::Rule(rule) => {
                let (does, tasks) = super::stock::explained(*rule);
                ui.label(does);
                ui.label(theme::weak(ui, format!("Answers: {tasks}.")));
                ui.label(theme::weak(
                    ui,
                    "A rule has no weights and no settings. It is a floor that a model should be above.",
                ));
            }
            What::Script => {
                ui.label("A model without weights that answers by a script, to try things out.");
                ui.label(theme::weak(ui, "It has no settings."));
            }
            What::Unknown | What::Endpoint(_) => {}
            What::Model(facts) => {
                self.facts(ui, facts);
                let settings = place.and_then(|index| Some((index, shared.experiment().models.get(index)?)));
                match settings {
                    Some((index, settings)) => {
                        let mut edit = Edit { index, shared, commands };
                        self.settings(ui, facts, settings, &mut edit);
                    }
                    None => {
                        ui.add_space(4.0);
                        ui.label(theme::weak(
                            ui,
                            "Take the model into the experiment to choose how it computes.",
                        ));
                    }
                }
                ui.add_space(8.0);
                ui.label(theme::strong("Memory"));
                self.memory(ui, facts, shared);
            }
        }
    }

    fn facts(&self, ui: &mut Ui, facts: &Facts) {
        let mut rows: Vec<(&str, String)> =
            vec![("License", facts.license.clone().unwrap_or_else(|| "not named".to_owned()))];
        if let Some(measured) = self.measured(facts) {
            let description = &measured.description;
            let layers = if description.kind == ModelKind::T5 { "layers a side" } else { "layers" };
            let shape = format!(
                "{} wide, {} {layers}, {} heads",
                description.width, description.layers, description.heads
            );
            rows.push(("Shape", shape));
            let context =
                description.context.map_or_else(|| "not named".to_owned(), |n| format!("{n} tokens"));
            rows.push(("Context", context));
            rows.push(("Vocabulary", format!("{} tokens", description.vocabulary)));
        }
        rows.push(("Files", facts.path.display().to_string()));
        egui::Grid::new("facts")
            .min_row_height(18.0)
            .num_columns(2)
            .min_col_width(80.0)
            .spacing([12.0, 4.0])
            .show(ui, |ui| {
                for (what, value) in rows {
                    ui.label(theme::weak(ui, what));
                    kit::cut(ui, value);
                    ui.end_row();
                }
            });
        let foreign = self.measured(facts).filter(|m| m.description.tokenizer > m.description.vocabulary);
        if let Some(measured) = foreign {
            let words = format!(
                "The tokenizer knows {} tokens, more than the model: it is of another model.",
                measured.description.tokenizer
            );
            kit::notice(ui, Notice::Warning, &words, None);
        }
    }

    fn measured(&self, facts: &Facts) -> Option<&Measured> {
        self.measured.value().map(AsRef::as_ref).filter(|measured| measured.path == facts.path)
    }

    fn memory(&self, ui: &mut Ui, facts: &Facts, shared: &Shared) {
        match (self.measured(facts), self.measured.trouble()) {
            (Some(measured), _) => {
                memory_bar(ui, &measured.needs, measured.free);
                let length = shared.experiment().prompt.max_length;
                let words = format!("Estimated from its files, for prompts of {length} tokens.");
                ui.label(theme::caption(ui, words));
            }
            (None, Some(trouble)) => {
                kit::trouble(ui, trouble, None);
            }
            (None, None) => {
                ui.label(theme::weak(ui, "Being estimated\u{2026}"));
            }
        }
    }

    fn settings(&mut self, ui: &mut Ui, facts: &Facts, settings: &ModelSettings, edit: &mut Edit<'_>) {
        ui.add_space(8.0);
        let mut training = settings.training.unwrap_or(Training::ZeroShot);
        let trained = kit::field(ui, "Training", |ui, _| {
            kit::segmented(
                ui,
                &mut training,
                &[(Training::ZeroShot, "Zero-shot", None), (Training::FineTuned, "Fine-tuned", None)],
            )
        });
        if trained {
            edit.put("training", |model| {
                model.training = Some(training).filter(|&t| t != Training::ZeroShot)
            });
        }
        self.device(ui, facts, settings, edit);
        match facts.kind {
            ModelKind::T5 | ModelKind::Bert => precision(ui, settings, edit),
            ModelKind::Gguf => {
                kit::field(ui, "Numbers", |ui, _| {
                    ui.label(theme::weak(ui, format!("{}, as in its file", facts.stored.to_uppercase())));
                });
            }
        }
        let hint = usual_batch(facts.kind).to_string();
        let field = Field {
            of: Some(edit.index),
            id: "batch",
            words: "Prompts at once",
            hint: &hint,
            empty: "",
            form: "A whole number is needed here.",
            wrong: None,
        };
        let check = |batch: &Option<usize>| match batch {
            Some(batch) if !(1..=4096).contains(batch) => Err("This must be between 1 and 4096.".to_owned()),
            _ => Ok(()),
        };
        if let Some(batch) = self.fields.number(ui, &field, settings.batch, check) {
            edit.put("batch", |model| model.batch = batch);
        }
        if facts.kind == ModelKind::Gguf {
            self.gguf(ui, facts, settings, edit);
        }
    }

    fn device(&self, ui: &mut Ui, facts: &Facts, settings: &ModelSettings, edit: &mut Edit<'_>) {
        let now = settings.device.unwrap_or_default();
        let mut device = now;
        let gguf = facts.kind == ModelKind::Gguf;
        let Some(devices) = self.devices.value() else {
            kit::field(ui, "Device", |ui, _| ui.label(theme::weak(ui, "Being looked for\u{2026}")));
            return;
        };
        let many = devices.iter().filter(|device| matches!(device.choice, DeviceChoice::Cuda(_))).count() > 1;
        let choices: Vec<(DeviceChoice, String, Option<String>)> = devices
            .iter()
            .map(|info| {
                let only_processor = gguf && info.choice != DeviceChoice::Cpu;
                let refusal = if only_processor {
                    Some("GGUF models compute on the processor".to_owned())
                } else {
                    info.missing.clone()
                };
                (info.choice, called(info.choice, many), refusal)
            })
            .collect();
        let mut shown: Vec<(DeviceChoice, &str, Option<&str>)> = choices
            .iter()
            .map(|(choice, words, refusal)| (*choice, words.as_str(), refusal.as_deref()))
            .collect();
        let strange = called(now, true);
        if !shown.iter().any(|(choice, ..)| *choice == now) {
            shown.push((now, &strange, Some("It is not here")));
        }
        let changed = kit::field(ui, "Device", |ui, _| kit::segmented(ui, &mut device, &shown));
        let mut told: Vec<(&str, String)> = Vec::new();
        for (_, words, refusal) in &shown {
            let Some(refusal) = refusal else { continue };
            match told.iter_mut().find(|(known, _)| known == refusal) {
                Some((_, names)) => *names = format!("{names}, {words}"),
                None => told.push((refusal, (*words).to_owned())),
            }
        }
        for (refusal, names) in told {
            hint(ui, &format!("{names}: {}", short(refusal)));
        }
        if changed {
            edit.put("device", |model| {
                model.device = Some(device).filter(|&device| device != DeviceChoice::Cpu);
                let precision = model.precision.unwrap_or_default();
                if refusal(device, precision).is_some() {
                    model.precision = None;
                }
            });
        }
    }

    fn gguf(&mut self, ui: &mut Ui, facts: &Facts, settings: &ModelSettings, edit: &mut Edit<'_>) {
        let now = settings.chat || settings.system.is_some();
        let mut chat = now;
        let changed = kit::field(ui, "Prompt", |ui, _| {
            kit::segmented(ui, &mut chat, &[(false, "As it is", None), (true, "In its chat template", None)])
        });
        if changed {
            edit.put("chat template", |model| {
                model.chat = chat;
                model.system = model.system.take().filter(|_| chat);
            });
        }
        if now {
            self.system(ui, settings, edit);
        }
        let context =
            facts.context.map_or_else(|| "the model\u{2019}s".to_owned(), |context| context.to_string());
        let experiment = edit.shared.experiment();
        let new_tokens = settings.generation.over(&experiment.generation).config(true, 0).max_new_tokens;
        let max_length = experiment.prompt.max_length;
        let most = match (settings.context, facts.context) {
            (Some(own), Some(model)) => Some(own.min(model)),
            (own, model) => own.or(model),
        };
        let short = most.filter(|&context| max_length + new_tokens > context).map(|context| {
            let name = settings.name.clone();
            ProblemKind::Context { name, max_length, new_tokens, context }.to_string()
        });
        let field = Field {
            of: Some(edit.index),
            id: "context",
            words: "Context, tokens",
            hint: &context,
            empty: "",
            form: "A whole number is needed here.",
            wrong: short.as_deref(),
        };
        let check = |context: &Option<usize>| match context {
            Some(0) => Err("This must be at least 1.".to_owned()),
            Some(context) if *context > 1 << 24 => Err("This must be at most 16777216.".to_owned()),
            _ => Ok(()),
        };
        if let Some(context) = self.fields.number(ui, &field, settings.context, check) {
            edit.put("context", |model| model.context = context);
        }
        let mut beside = settings.tokenizer_beside;
        if ui.checkbox(&mut beside, "Read the tokenizer.json beside the file").changed() {
            edit.put("tokenizer beside", |model| model.tokenizer_beside = beside);
        }
    }

    fn system(&mut self, ui: &mut Ui, settings: &ModelSettings, edit: &mut Edit<'_>) {
        let now = settings.system.clone().unwrap_or_default();
        let kept = self.system.take().filter(|(index, text)| *index == edit.index && *text == now);
        let (_, mut text) = kept.unwrap_or((edit.index, now));
        let name = ui.label(theme::weak(ui, "System prompt")).id;
        let field =
            TextEdit::multiline(&mut text).hint_text("None").desired_rows(2).desired_width(f32::INFINITY);
        let response = ui.add(field).labelled_by(name);
        let value = text.clone();
        response.widget_info(|| {
            let mut info = WidgetInfo::text_edit(true, "", &value, "");
            info.label = Some("System prompt".to_owned());
            info
        });
        if response.changed() {
            let system = Some(text.clone()).filter(|text| !text.is_empty());
            edit.put("system prompt", |model| {
                model.chat = true;
                model.system = system;
            });
        }
        self.system = Some((edit.index, text));
    }
}

fn precision(ui: &mut Ui, settings: &ModelSettings, edit: &mut Edit<'_>) {
    let device = settings.device.unwrap_or_default();
    let now = settings.precision.unwrap_or_default();
    let mut precision = now;
    let refusals =
        [Precision::F32, Precision::Bf16, Precision::Int8].map(|precision| refusal(device, precision));
    let [f32, bf16, int8] = &refusals;
    let mut choices = vec![
        (Precision::F32, "f32", f32.as_deref()),
        (Precision::Bf16, "bf16", bf16.as_deref()),
        (Precision::Int8, "int8", int8.as_deref()),
    ];
    let half = refusal(device, Precision::F16);
    if now == Precision::F16 {
        choices.push((Precision::F16, "f16", half.as_deref()));
    }
    let changed = kit::field(ui, "Precision", |ui, _| kit::segmented(ui, &mut precision, &choices));
    for (_, words, refusal) in &choices {
        if let Some(refusal) = refusal {
            hint(ui, &format!("{words}: {refusal}"));
        }
    }
    if let Some(refusal) = refusal(device, now) {
        said(ui, &format!("{} cannot be computed so: {refusal}.", now.name()));
    }
    if changed {
        edit.put("precision", |model| model.precision = Some(precision).filter(|&p| p != Precision::F32));
    }
}

/// Why a device does not compute in such numbers.
fn refusal(device: DeviceChoice, precision: Precision) -> Option<String> {
    match (T5Options { device, precision, ..T5Options::default() }).check() {
        Ok(()) => None,
        Err(ModelError::Precision { reason, .. }) => Some(reason.to_owned()),
        Err(other) => Some(words::model_trouble(&other).0),
    }
}

fn called(device: DeviceChoice, numbered: bool) -> String {
    match device {
        DeviceChoice::Cpu => "CPU".to_owned(),
        DeviceChoice::Cuda(number) if numbered => format!("CUDA {number}"),
        DeviceChoice::Cuda(_) => "CUDA".to_owned(),
        DeviceChoice::Metal(_) => "Metal".to_owned(),
    }
}

/// The reason of a refusal without the name of the device, which stands before it.
fn short(refusal: &str) -> &str {
    refusal.split_once(": ").map_or(refusal, |(_, reason)| reason)
}

/// A small line in the column of controls.
fn hint(ui: &mut Ui, words: &str) {
    ui.horizontal_top(|ui| {
        ui.add_space(158.0);
        ui.add(egui::Label::new(theme::caption(ui, words)).wrap());
    });
}

/// The model's settings being changed.
struct Edit<'a> {
    index: usize,
    shared: &'a Shared,
    commands: &'a mut Vec<Command>,
}

impl Edit<'_> {
    fn put(&mut self, what: &'static str, change: impl FnOnce(&mut ModelSettings)) {
        let index = self.index;
        let experiment = self.shared.edited(|experiment| {
            if let Some(model) = experiment.models.get_mut(index) {
                change(model);
            }
        });
        self.commands.push(Command::Edit { what, experiment });
    }
}
