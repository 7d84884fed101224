//! *Test connection*: an endpoint asked for its models and for one answer, on a thread that can be canceled, and what came of it.

use std::time::Duration;

use eframe::egui::{self, Label, Ui};

use super::super::arrivals::progressing;
use super::super::words::many;
use crate::gui::kit::{self, Notice};
use crate::gui::loadable::Trouble;
use crate::gui::theme::{self, icons};
use crate::gui::words::{endpoint_words, model_trouble};
use crate::jobs::{CancelToken, Job, Progress};
use crate::model::endpoint::{
    Endpoint, EndpointError, KeyError, KeyFile, PREFIX, Secret, Trial, TriedAnswer, try_embedding,
    try_models, try_out,
};
use crate::model::{FinishReason, GenerationConfig, ModelError};

/// What an endpoint is asked.
const PROMPT: &str = "Answer with one word: what color is the sky on a clear day?";
/// Models that are listed; a hosted service has hundreds, and the rest is found by typing.
const LISTED: usize = 60;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Wanted {
    /// An answer.
    #[default]
    Answer,
    /// A vector, for retrieval.
    Vector,
    /// The list of models alone.
    Models,
}

/// What is to be tried.
pub(super) struct Subject {
    pub name: String,
    pub endpoint: Endpoint,
    pub wanted: Wanted,
    /// A key that is kept nowhere yet.
    pub key: Option<Secret>,
    /// The passphrase of the sealed file.
    pub passphrase: Option<Secret>,
}

/// What came of it.
#[derive(Debug)]
struct Tried {
    models: Option<Result<(Vec<String>, Duration), Trouble>>,
    answer: Option<Result<Answered, Trouble>>,
    model: String,
}

#[derive(Debug)]
enum Answered {
    Text(TriedAnswer),
    Vector(usize, Duration),
}

/// Why nothing could be tried.
#[derive(Debug)]
pub(super) enum Untried {
    Canceled,
    /// The sealed file is locked, or the passphrase given is not its own.
    Locked(Trouble),
    Other(Trouble),
}

/// A test and its outcome.
#[derive(Debug, Default)]
pub(super) struct Test {
    job: Option<Job<Result<Tried, Untried>>>,
    canceled: bool,
    outcome: Option<Result<Tried, Untried>>,
    /// What is listed narrows to what holds this.
    filter: String,
}

impl Test {
    /// Takes what has arrived.
    pub fn logic(&mut self) {
        let Some(outcome) = self.job.as_mut().and_then(Job::poll) else { return };
        self.job = None;
        let outcome = outcome.unwrap_or_else(|error| Err(Untried::Other(error.into())));
        self.outcome = match outcome {
            Err(Untried::Canceled) => None,
            _ if self.canceled => None,
            outcome => Some(outcome),
        };
        self.canceled = false;
    }

    /// Begins, in the place of a test before.
    pub fn begin(&mut self, ctx: &egui::Context, subject: Subject) {
        self.cancel();
        let wake = ctx.clone();
        self.outcome = None;
        self.canceled = false;
        self.job = Some(Job::start(
            "test connection",
            move || wake.request_repaint(),
            move |cancel, progress| tried(&subject, cancel, progress),
        ));
    }

    fn cancel(&mut self) {
        if let Some(job) = &self.job {
            job.cancel();
            self.canceled = true;
        }
    }

    pub const fn is_at_work(&self) -> bool {
        self.job.is_some()
    }

    /// Forgets what came of the last one.
    pub fn clear(&mut self) {
        self.cancel();
        self.job = None;
        self.outcome = None;
        self.filter.clear();
    }

    /// Whether the sealed file was found locked.
    pub const fn is_locked(&self) -> bool {
        matches!(self.outcome, Some(Err(Untried::Locked(_))))
    }

    /// Draws how far it is, or what came of it. Where one of the models is to be chosen, `now` is the one that is; gives
    /// another that was clicked.
    pub fn show(&mut self, ui: &mut Ui, now: Option<&str>) -> Option<String> {
        if let Some(job) = &self.job {
            let reading = job.progress().read();
            if progressing(ui, &reading, "Testing the connection", self.canceled, "") {
                self.cancel();
            }
            return None;
        }
        match &self.outcome {
            None => None,
            Some(Err(Untried::Canceled)) => None,
            Some(Err(Untried::Locked(trouble) | Untried::Other(trouble))) => {
                kit::trouble(ui, trouble, None);
                None
            }
            Some(Ok(tried)) => {
                answered(ui, tried);
                listed(ui, tried, now, &mut self.filter)
            }
        }
    }
}

fn tried(subject: &Subject, cancel: &CancelToken, progress: &Progress) -> Result<Tried, Untried> {
    let failed = |error: ModelError| match &error {
        ModelError::Canceled(_) => Untried::Canceled,
        ModelError::Endpoint(inner) if is_locked(inner) => Untried::Locked(model_trouble(&error)),
        _ => Untried::Other(model_trouble(&error)),
    };
    if let Some(passphrase) = &subject.passphrase {
        progress.start("opening the sealed file", 0);
        let opened = KeyFile::default_file().and_then(|file| file.unlock(passphrase.clone()));
        opened.map_err(|error| Untried::Locked(Trouble(crate::gui::words::key_words(&error))))?;
    }
    let name = format!("{PREFIX}{}", subject.name);
    let trial = Trial { name: &name, endpoint: &subject.endpoint, key: subject.key.as_ref() };
    let model = subject.endpoint.model.clone();
    let told = |error: EndpointError| Trouble(endpoint_words(&error));
    match subject.wanted {
        Wanted::Answer => {
            let config = GenerationConfig { beams: 1, max_new_tokens: 32, ..GenerationConfig::default() };
            let tried = try_out(&trial, PROMPT, &config, cancel, progress).map_err(failed)?;
            let models = Some(tried.models.map_err(told));
            Ok(Tried { models, answer: Some(tried.answer.map(Answered::Text).map_err(told)), model })
        }
        Wanted::Vector => {
            progress.start("asking for a vector", 0);
            let answer = match try_embedding(&trial, PROMPT, cancel) {
                Ok((numbers, took)) => Ok(Answered::Vector(numbers, took)),
                Err(ModelError::Endpoint(error)) if !matches!(error.as_ref(), EndpointError::Key { .. }) => {
                    Err(Trouble(endpoint_words(&error)))
                }
                Err(error) => return Err(failed(error)),
            };
            Ok(Tried { models: None, answer: Some(answer), model })
        }
        Wanted::Models => {
            progress.start("asking for its models", 0);
            let models = try_models(&trial, cancel).map_err(failed)?.map_err(told);
            Ok(Tried { models: Some(models), answer: None, model: String::new() })
        }
    }
}

/// Whether it is the sealed file that cannot be read.
fn is_locked(error: &EndpointError) -> bool {
    let EndpointError::Key { source, .. } = error else { return false };
    matches!(**source, KeyError::Locked { .. } | KeyError::Passphrase { .. })
}

fn answered(ui: &mut Ui, tried: &Tried) {
    let Some(answer) = &tried.answer else { return };
    let text = match answer {
        Err(trouble) => {
            kit::trouble(ui, trouble, None);
            return;
        }
        Ok(Answered::Vector(numbers, took)) => {
            format!("It gives vectors of {} in {}.", many(*numbers, "number"), ms(*took))
        }
        Ok(Answered::Text(answer)) => format!("It answers in {}.", ms(answer.took)),
    };
    kit::notice(ui, Notice::Info, &text, None);
    let Ok(Answered::Text(answer)) = answer else { return };
    let shown: String = answer.text.trim().chars().take(200).collect();
    let shown = if shown.is_empty() { "(nothing)".to_owned() } else { format!("\u{201c}{shown}\u{201d}") };
    ui.add(Label::new(shown).wrap().selectable(true));
    let mut facts = vec![match answer.tokens {
        Some((read, written)) => format!("{read} tokens read, {written} written"),
        None => "the server does not count tokens, so they will be estimated".to_owned(),
    }];
    facts.extend(match answer.finish {
        FinishReason::EndOfSequence | FinishReason::Stop => None,
        FinishReason::Length => Some("cut at 32 tokens".to_owned()),
        FinishReason::ContentFilter => Some("kept back by a filter".to_owned()),
        FinishReason::Refusal => Some("a refusal".to_owned()),
    });
    ui.add(Label::new(theme::caption(ui, format!("{}.", facts.join("; ")))).wrap());
}

/// The models of the server, to be chosen where that is wanted.
fn listed(ui: &mut Ui, tried: &Tried, now: Option<&str>, filter: &mut String) -> Option<String> {
    let (models, took) = match tried.models.as_ref()? {
        Ok(listed) => listed,
        Err(trouble) if tried.answer.is_none() => {
            kit::trouble(ui, trouble, None);
            return None;
        }
        Err(trouble) => {
            let words = format!("It lists no models, which not every server does. {}", trouble.0);
            ui.add(Label::new(theme::caption(ui, words)).wrap());
            return None;
        }
    };
    ui.add_space(4.0);
    ui.label(theme::strong(format!("{}, listed in {}", many(models.len(), "model"), ms(*took))));
    let meant = now.unwrap_or(&tried.model);
    if !models.is_empty() && !meant.is_empty() && !models.iter().any(|model| model == meant) {
        let words = format!("{meant} is not among them.");
        kit::notice(ui, Notice::Warning, &words, None);
    }
    if models.len() > 12 {
        let width = ui.available_width();
        kit::search_field(ui, filter, "Find a model", width);
    }
    let low = filter.trim().to_lowercase();
    let found: Vec<&String> = models.iter().filter(|model| model.to_lowercase().contains(&low)).collect();
    let mut chosen = None;
    for model in found.iter().take(LISTED) {
        if let Some(now) = now {
            let own = model.as_str() == now;
            let text = if own { format!("{}  {model}", icons::CHECK) } else { (*model).clone() };
            let response = ui.add(egui::Button::selectable(own, text).truncate());
            kit::named(&response, egui::Role::Button, true, &format!("Choose {model}"));
            if response.clicked() {
                chosen = Some((*model).clone());
            }
        } else {
            kit::cut(ui, theme::weak(ui, model.as_str()));
        }
    }
    if found.len() > LISTED {
        ui.label(theme::caption(ui, format!("and {} more", found.len() - LISTED)));
    }
    chosen
}

/// A time as people read it.
fn ms(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 10.0 { format!("{:.0} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}
