//! What a recipe would take, found on a thread while it is written: how much there is to learn from, steps, memory, and what is
//! wrong with it, by the field where it is wrong.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::gui::loadable::{Loadable, Trouble};
use crate::gui::trainings::in_words;
use crate::gui::views::Cx;
use crate::gui::words;
use crate::jobs::ProgressReading;
use crate::model::free_memory;
use crate::run::PlanError;
use crate::run::experiment::ProblemKind;
use crate::train::{self, OptimizerRecipe, Sketch, TrainError, TrainRecipe};

/// Samples of a dataset that are looked at; their prompts tell what the others' are like.
const LOOKED_AT: usize = 200;
/// A recipe is looked at when nothing of it has changed for so long.
const REST: Duration = Duration::from_millis(350);
/// Free memory is looked at again after so many seconds.
const AGAIN: u64 = 5;

/// Something wrong with a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The setting, as the recipe's file names it; empty where it is none of them.
    pub field: String,
    /// What, as a sentence.
    pub text: String,
}

/// What was seen.
pub(super) struct Seen {
    /// What it would take, where nothing is wrong.
    pub sketch: Option<Arc<Sketch>>,
    /// What is wrong.
    pub wrong: Vec<Wrong>,
}

/// The look at the recipe of the form.
#[derive(Default)]
pub(super) struct Look {
    seen: Loadable<Arc<TrainRecipe>, Seen>,
    free: Loadable<(), Option<u64>>,
    /// The recipe as it is, and since when.
    latest: Option<(Arc<TrainRecipe>, Instant)>,
    settled: Option<Arc<TrainRecipe>>,
    began: Option<Instant>,
}

impl Look {
    /// Looks at a recipe that has rested a while.
    pub fn logic(&mut self, cx: &Cx<'_>, recipe: &TrainRecipe) {
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        self.free.want(cx.ctx, "memory", (), began.elapsed().as_secs() / AGAIN, |_, _| Ok(free_memory()));
        let same = self.latest.as_ref().is_some_and(|(latest, _)| same(latest, recipe));
        if !same {
            // How weights move changes nothing of what it takes.
            let bare = TrainRecipe { optimizer: OptimizerRecipe::default(), ..recipe.clone() };
            let first = self.latest.is_none();
            self.latest = Some((Arc::new(bare), if first { now - REST } else { now }));
        }
        let Some((latest, since)) = &self.latest else { return };
        if self.settled.as_ref().is_none_or(|settled| !Arc::ptr_eq(settled, latest)) {
            let rested = since.elapsed();
            if rested < REST {
                cx.ctx.request_repaint_after(REST - rested);
                self.seen.poll();
                return;
            }
            self.settled = Some(latest.clone());
        }
        if recipe.model.trim().is_empty() || recipe.data.paths.is_empty() {
            self.seen.clear();
            return;
        }
        let (shared, recipe) = (cx.shared, latest.clone());
        let version = shared.data_version + shared.models_version;
        let workplace = shared.workplace.clone();
        self.seen.want(
            cx.ctx,
            "sketch",
            latest.clone(),
            version,
            move |cancel, progress| match train::sketch(&recipe, LOOKED_AT, &workplace, cancel, progress) {
                Ok(sketch) => Ok(Seen { sketch: Some(Arc::new(sketch)), wrong: Vec::new() }),
                Err(TrainError::Canceled(_)) => {
                    Err(Trouble("The look at the recipe was canceled.".to_owned()))
                }
                Err(error) => Ok(Seen { sketch: None, wrong: wrong(&error) }),
            },
        );
    }

    /// Takes what has arrived while the screen is not shown.
    pub fn poll(&mut self) {
        self.seen.poll();
    }

    /// What was seen of the recipe as it is now.
    pub fn now(&self) -> Option<&Arc<Seen>> {
        let ((latest, _), settled) = (self.latest.as_ref()?, self.settled.as_ref()?);
        if Arc::ptr_eq(latest, settled) { self.seen.value_of(settled) } else { None }
    }

    /// What was seen last, be it of the recipe before.
    pub fn last(&self) -> Option<&Arc<Seen>> {
        self.seen.value()
    }

    /// Why nothing could be seen.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.seen.trouble().filter(|_| !self.seen.is_pending())
    }

    /// How far the look is.
    pub fn pending(&self) -> Option<ProgressReading> {
        self.seen.pending()
    }

    /// Ends the look.
    pub fn cancel(&mut self) {
        self.seen.cancel();
    }

    /// Looks again.
    pub fn again(&mut self) {
        self.seen.forget();
    }

    /// Bytes of memory that are free.
    pub fn free(&self) -> Option<u64> {
        self.free.value().and_then(|free| **free)
    }
}

/// Whether a recipe is one that was looked at, but for how weights move.
fn same(one: &TrainRecipe, other: &TrainRecipe) -> bool {
    let TrainRecipe { model, data, retrieval, prompt, optimizer: _, training, evaluation, lora } = other;
    (&one.model, &one.data, &one.retrieval, &one.prompt) == (model, data, retrieval, prompt)
        && (&one.training, &one.evaluation, &one.lora) == (training, evaluation, lora)
}

/// What is wrong, by field.
pub(super) fn wrong(error: &TrainError) -> Vec<Wrong> {
    let one = |field: &str| vec![Wrong { field: field.to_owned(), text: in_words(error).0 }];
    match error {
        TrainError::Setting { field, rule, .. } => {
            vec![Wrong { field: (*field).to_owned(), text: format!("It {rule}.") }]
        }
        TrainError::Plan(PlanError::Problems(problems)) => {
            let told = problems.0.iter().map(|problem| {
                let (text, place) = (problem.to_string(), format!("{}: ", problem.place));
                let text = match &problem.kind {
                    ProblemKind::NoModel(error) => words::trouble(error).0,
                    _ => words::capital(text.strip_prefix(&place).unwrap_or(&text)),
                };
                let dot = if text.ends_with(['.', '?']) { "" } else { "." };
                Wrong { field: field_of(&problem.place.key).to_owned(), text: format!("{text}{dot}") }
            });
            let mut all: Vec<Wrong> = told.collect();
            all.dedup();
            all
        }
        TrainError::Family { .. } | TrainError::Model(_) | TrainError::Weights { .. } => one("model"),
        TrainError::Sample { .. } | TrainError::Refused { .. } | TrainError::Experiment(_) => {
            one("data.paths")
        }
        TrainError::Run(_) => one("retrieval.retriever"),
        _ => one(""),
    }
}

/// The recipe's name of what an experiment's file calls so.
fn field_of(key: &str) -> &'static str {
    let bare: String =
        key.chars().filter(|letter| !letter.is_ascii_digit() && !"[]".contains(*letter)).collect();
    match bare.as_str() {
        "retrieval.k" => "retrieval.k",
        "prompt.max_length" => "prompt.max_length",
        "data.limit" => "data.limit",
        "data.seed" => "data.seed",
        "generation.beams" => "evaluation.beams",
        "generation.max_new_tokens" => "evaluation.max_new_tokens",
        "models.device" => "training.device",
        other => match other.split('.').next() {
            Some("models") => "model",
            Some("data") => "data.paths",
            Some("retrieval") => "retrieval.retriever",
            Some("prompt") => "prompt.template",
            _ => "",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_at_its_field() {
        assert_eq!(field_of("data[0].paths[1]"), "data.paths");
        assert_eq!(field_of("retrieval.retrievers[0]"), "retrieval.retriever");
        assert_eq!(field_of("models[0].name"), "model");
        assert_eq!(field_of("retrieval.k[0]"), "retrieval.k");
        let mut recipe = TrainRecipe::default();
        recipe.training.epochs = 0;
        let told = wrong(&recipe.check().unwrap_err());
        assert_eq!(told[0].field, "training.epochs");
        assert_eq!(told[0].text, "It must be between 1 and 1000000.");
    }
}
