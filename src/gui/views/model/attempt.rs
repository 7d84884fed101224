//! *Try it*: a prompt of one's own and what the model answers. The model is loaded once and kept while prompts go on with the
//! same settings; a run that begins, or a button, lets it go.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use eframe::egui::{self, ScrollArea, TextEdit, Ui, WidgetInfo};

use super::arrivals::progressing;
use super::stock::{Card, What};
use super::words::{self, many};
use crate::gui::command::{ChosenSample, Command, Screen};
use crate::gui::kit::{self, Notice};
use crate::gui::loadable::Trouble;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, icons};
use crate::gui::views::Cx;
use crate::jobs::{CancelToken, Job, Progress};
use crate::model::{FinishReason, GenerationConfig, LoadOptions, LoadedModel, PromptInput, load};
use crate::retrieval::{Problem, RetrieverConfig};
use crate::run::experiment::ModelSettings;
use crate::run::{Baseline, Workplace, commonest_label};

/// The form's own state.
#[derive(Default)]
pub(super) struct Attempt {
    prompt: String,
    kept: Arc<Mutex<Option<Kept>>>,
    job: Option<(String, Job<Result<Answer, Trouble>>)>,
    canceled: bool,
    /// Of which model, and what.
    outcome: Option<(String, Result<Answer, Trouble>)>,
    /// The model that is kept.
    loaded: Option<String>,
}

/// What a kept model is known by: where it is, when it was written, how it was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    path: PathBuf,
    written: Option<SystemTime>,
    options: LoadOptions,
}

struct Kept {
    name: String,
    key: Key,
    model: LoadedModel,
}

/// What came of it.
#[derive(Debug)]
struct Answer {
    text: String,
    finish: Option<FinishReason>,
    tokens: Option<(usize, usize)>,
    /// `None` where the model was there already.
    load_seconds: Option<f64>,
    seconds: f64,
    notices: Vec<String>,
}

/// What is asked.
enum Question {
    Model { name: String, options: LoadOptions, config: GenerationConfig, prompt: String },
    Rule { rule: Baseline, sample: ChosenSample, retriever: Option<(RetrieverConfig, usize)>, use_date: bool },
}

impl Attempt {
    /// Takes what has arrived; lets a kept model go when a run needs the memory.
    pub fn logic(&mut self, cx: &mut Cx<'_>) {
        if let Some((name, outcome)) =
            self.job.as_mut().and_then(|(name, job)| Some((name.clone(), job.poll()?)))
        {
            self.job = None;
            let outcome = outcome.map_err(Trouble::from).and_then(|outcome| outcome);
            // Nobody holds it now but one who lets a model go.
            let kept = self.kept.try_lock().ok();
            self.loaded = kept.and_then(|kept| kept.as_ref().map(|kept| kept.name.clone()));
            self.outcome = match outcome {
                Err(_) if self.canceled => None,
                outcome => Some((name, outcome)),
            };
            self.canceled = false;
        }
        if self.job.is_none() && self.loaded.is_some() && cx.shared.runner.active().is_some() {
            self.unload();
        }
    }

    fn unload(&mut self) {
        self.loaded = None;
        let kept = self.kept.clone();
        // Giving much memory back takes its time.
        let _ = std::thread::Builder::new().name("unload".to_owned()).spawn(move || {
            let model = locked(&kept).take();
            drop(model);
        });
    }

    /// Draws the form for a model, with its settings in the draft or the usual ones.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        card: &Card,
        settings: &ModelSettings,
        shared: &Shared,
        commands: &mut Vec<Command>,
    ) {
        let rule = match &card.what {
            What::Rule(rule) => Some(*rule),
            What::Unknown => {
                ui.label(theme::weak(ui, "It has to be there before it can be tried."));
                return;
            }
            _ => None,
        };
        // Taken before the field takes it for a new line.
        let entered = rule.is_none()
            && ui.input_mut(|input| input.consume_key(egui::Modifiers::COMMAND, egui::Key::Enter));
        match rule {
            None => self.prompt(ui),
            Some(_) => sample(ui, shared, commands),
        }
        let ready = match rule {
            None => !self.prompt.trim().is_empty(),
            Some(_) => shared.sample.is_some(),
        };
        if let Some((_, job)) = &self.job {
            let reading = job.progress().read();
            if progressing(ui, &reading, "Answering", self.canceled, "") {
                job.cancel();
                self.canceled = true;
            }
        } else {
            ui.horizontal(|ui| {
                let run = kit::primary_if(ui, ready, "Run").clicked();
                if run || (entered && ready) {
                    self.start(ui.ctx(), card, settings, shared);
                }
                if let Some(loaded) = self.loaded.clone() {
                    let words = format!("Let {loaded} go");
                    let response = kit::quiet(ui, icons::X, "Free its memory");
                    if response.on_hover_text(words).clicked() {
                        self.unload();
                    }
                }
            });
        }
        ui.add_space(4.0);
        match self.outcome.as_ref().filter(|(name, _)| card.is(name)) {
            Some((_, Ok(answer))) => answer.show(ui, commands),
            Some((_, Err(trouble))) => {
                kit::trouble(ui, trouble, None);
            }
            None if self.job.is_none() => {
                let words = match rule {
                    None => "The answer comes here, with its tokens and the time it took.",
                    Some(_) => "The answer comes here.",
                };
                ui.label(theme::weak(ui, words));
            }
            None => {}
        }
    }

    fn prompt(&mut self, ui: &mut Ui) {
        let name = ui.label(theme::weak(ui, "Prompt")).id;
        ScrollArea::vertical().id_salt("prompt").max_height(150.0).show(ui, |ui| {
            let field = TextEdit::multiline(&mut self.prompt)
                .hint_text("Write a prompt. Ctrl or Cmd with Enter runs it.")
                .desired_rows(5)
                .desired_width(f32::INFINITY);
            let response = ui.add(field).labelled_by(name);
            let value = self.prompt.clone();
            response.widget_info(|| {
                let mut info = WidgetInfo::text_edit(true, "", &value, "");
                info.label = Some("Prompt to try".to_owned());
                info
            });
        });
    }

    fn start(&mut self, ctx: &egui::Context, card: &Card, settings: &ModelSettings, shared: &Shared) {
        let experiment = shared.experiment();
        let question = match (&card.what, &shared.sample) {
            (What::Rule(rule), Some(sample)) => {
                let k = experiment.retrieval.k.iter().copied().find(|&k| k > 0);
                let configs = experiment.retrieval.retrievers.iter().filter_map(|text| text.parse().ok());
                let mut configs = configs.filter(|config| !matches!(config, RetrieverConfig::None {}));
                Question::Rule {
                    rule: *rule,
                    sample: sample.clone(),
                    retriever: configs.next().zip(k),
                    use_date: experiment.retrieval.use_date,
                }
            }
            (What::Rule(_), None) => return,
            _ => Question::Model {
                name: card.name.clone(),
                options: settings.load_options(shared.threads),
                config: settings
                    .generation
                    .over(&experiment.generation)
                    .config(card.is_greedy(), experiment.seeds.first().copied().unwrap_or(0)),
                prompt: self.prompt.clone(),
            },
        };
        let (wake, kept, workplace) = (ctx.clone(), self.kept.clone(), shared.workplace.clone());
        let job = Job::start(
            "answer",
            move || wake.request_repaint(),
            move |cancel, progress| match question {
                Question::Model { name, options, config, prompt } => {
                    asked(&kept, &workplace, (&name, options), &config, &prompt, cancel, progress)
                }
                Question::Rule { rule, sample, retriever, use_date } => {
                    ruled(rule, &sample, retriever, use_date, &workplace, cancel, progress)
                }
            },
        );
        self.job = Some((card.name.clone(), job));
        self.outcome = None;
        self.canceled = false;
    }
}

/// The sample that a rule answers.
fn sample(ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
    match &shared.sample {
        Some(ChosenSample { dataset, index }) => {
            let record = dataset.summary(*index).map_or_else(String::new, |record| record.id.to_owned());
            ui.label(format!("Answers the sample {record} of {}.", dataset.id()));
            ui.label(theme::weak(ui, "Choose another on the screen Data. What it retrieves comes from the draft\u{2019}s retriever."));
        }
        None => {
            let words = "A rule answers samples of a dataset, not prompts.";
            if kit::notice(ui, Notice::Info, words, Some("Open data")) {
                commands.push(Command::Go(Screen::Data));
            }
        }
    }
}

/// Asks a model, loaded now or before.
fn asked(
    kept: &Mutex<Option<Kept>>,
    workplace: &Workplace,
    (name, options): (&str, LoadOptions),
    config: &GenerationConfig,
    prompt: &str,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Answer, Trouble> {
    config.validate().map_err(|error| words::model_trouble(&error))?;
    let path = workplace.resolve(name).map_err(|error| words::trouble(&error))?.path;
    let written = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
    let key = Key { path, written, options };
    let mut place = locked(kept);
    // Taken out, so that a model that panics is not asked again.
    let mut load_seconds = None;
    let before = place.take().filter(|kept| kept.key == key);
    let mut now = match before {
        Some(kept) => kept,
        None => {
            progress.start(&format!("Loading {name}"), 0);
            let start = Instant::now();
            let model = load(&key.path, &key.options).map_err(|error| words::model_trouble(&error))?;
            load_seconds = Some(start.elapsed().as_secs_f64());
            Kept { name: name.to_owned(), key, model }
        }
    };
    progress.start("Answering", 0);
    let start = Instant::now();
    let input = PromptInput { text: prompt, tokens: &[] };
    let answered = now.model.generator.generate(cancel, &[input], config);
    let seconds = start.elapsed().as_secs_f64();
    let notices = now.model.generator.take_notices().iter().map(ToString::to_string).collect();
    *place = Some(now);
    let generation = answered.map_err(|error| words::model_trouble(&error))?.into_iter().next();
    let generation = generation.ok_or_else(|| Trouble("The model gave no answer.".to_owned()))?;
    Ok(Answer {
        finish: generation.best().map(|best| best.finish),
        tokens: Some((generation.prompt_tokens, generation.new_tokens())),
        text: generation.text,
        load_seconds,
        seconds,
        notices,
    })
}

/// Lets a rule answer a sample.
fn ruled(
    rule: Baseline,
    ChosenSample { dataset, index }: &ChosenSample,
    retriever: Option<(RetrieverConfig, usize)>,
    use_date: bool,
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Answer, Trouble> {
    let task = dataset.id().task;
    rule.supports(task)?;
    let start = Instant::now();
    let sample = dataset.sample(*index)?;
    let retrieved: Vec<usize> = match &retriever {
        Some((config, k)) => {
            let Problem { query, documents } = Problem::of(task, &sample, use_date);
            let ranking = config.build(workplace)?.rank(cancel, &query, &documents, *k)?;
            ranking.entries.iter().map(|entry| entry.index).collect()
        }
        None => Vec::new(),
    };
    let commonest = match rule.reads_all_profiles(task, retriever.is_none()) {
        true => commonest_label(dataset, cancel, progress)?,
        false => None,
    };
    let text = rule.answer(task, &sample, &retrieved, commonest);
    let how = match &retriever {
        Some((config, k)) => format!("With {config}, k {k}."),
        None => "Without a retriever.".to_owned(),
    };
    Ok(Answer {
        text,
        finish: None,
        tokens: None,
        load_seconds: None,
        seconds: start.elapsed().as_secs_f64(),
        notices: vec![how],
    })
}

impl Answer {
    fn show(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        kit::section(ui, "Answer", |ui| {
            if kit::icon_button_if(ui, !self.text.is_empty(), icons::COPY, "Copy the answer").clicked() {
                let said = "Copied the answer".to_owned();
                commands.push(Command::Copy { text: self.text.clone(), said });
            }
        });
        kit::card(ui, |ui| {
            ui.set_min_width(ui.available_width());
            if self.text.is_empty() {
                ui.label(theme::weak(ui, "The answer is empty."));
            } else {
                ScrollArea::vertical().id_salt("answer").max_height(260.0).show(ui, |ui| {
                    ui.add(egui::Label::new(self.text.as_str()).wrap().selectable(true));
                });
            }
        });
        let mut parts = Vec::new();
        if let Some((prompt, new)) = self.tokens {
            parts.push(format!("{} of prompt", many(prompt, "token")));
            let speed = new as f64 / self.seconds.max(1e-9);
            parts.push(format!("{new} new in {:.2} s ({speed:.1} a second)", self.seconds));
        } else {
            parts.push(format!("{:.2} s", self.seconds));
        }
        parts.extend(self.finish.map(|finish| finished(finish).to_owned()));
        parts.push(match (self.load_seconds, self.tokens) {
            (Some(seconds), _) => format!("loaded in {seconds:.2} s"),
            (None, Some(_)) => "loaded before".to_owned(),
            (None, None) => String::new(),
        });
        parts.retain(|part| !part.is_empty());
        ui.add(egui::Label::new(theme::weak(ui, parts.join("  \u{b7}  "))).wrap());
        for notice in &self.notices {
            ui.add(egui::Label::new(theme::weak(ui, notice.as_str())).wrap());
        }
    }
}

const fn finished(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::EndOfSequence => "ended by the model",
        FinishReason::Stop => "ended by a stop text",
        FinishReason::Length => "cut at the most new tokens",
        FinishReason::ContentFilter => "kept back by a filter at the endpoint",
        FinishReason::Refusal => "a refusal",
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
