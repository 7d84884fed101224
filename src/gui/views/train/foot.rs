//! The foot: what training would take, what the result is called, and the button that starts it.

use std::sync::Arc;

use eframe::egui::{self, Ui};

use super::TrainView;
use super::form::{danger, text_row};
use super::look::Look;
use crate::gui::command::Command;
use crate::gui::kit::{self, Notice};
use crate::gui::loadable::{Loadable, Trouble};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, icons};
use crate::gui::trainings::in_words;
use crate::gui::views::Cx;
use crate::jobs::Job;
use crate::model::DeviceChoice;
use crate::train::{Expected, Sketch, TrainRecipe, jobs_folder};

/// How long it will take, timed when someone asks.
#[derive(Default)]
pub(super) struct Timing {
    job: Option<(TrainRecipe, Job<Result<Expected, Trouble>>)>,
    known: Option<(TrainRecipe, Expected)>,
    trouble: Option<Trouble>,
}

/// A recipe without what changes no pace, and with one epoch.
fn paced(recipe: &TrainRecipe) -> TrainRecipe {
    let mut bare = TrainRecipe { optimizer: Default::default(), ..recipe.clone() };
    (bare.training.epochs, bare.training.seed, bare.training.patience) = (1, 0, None);
    bare
}

impl Timing {
    /// Takes what was timed.
    pub fn logic(&mut self) {
        let Some((_, job)) = &mut self.job else { return };
        let Some(outcome) = job.poll() else { return };
        let Some((recipe, _)) = self.job.take() else { return };
        match outcome.map_err(Trouble::from).and_then(|expected| expected) {
            Ok(expected) => {
                let epochs = recipe.training.epochs.max(1) as f64;
                let (training_s, evaluation_s) =
                    (expected.training_s / epochs, expected.evaluation_s / epochs);
                self.known = Some((paced(&recipe), Expected { training_s, evaluation_s, ..expected }));
            }
            Err(trouble) => self.trouble = Some(trouble),
        }
    }

    /// What a recipe is expected to take.
    fn of(&self, recipe: &TrainRecipe) -> Option<Expected> {
        let (of, expected) = self.known.as_ref()?;
        let epochs = recipe.training.epochs as f64;
        (*of == paced(recipe)).then_some(Expected {
            training_s: expected.training_s * epochs,
            evaluation_s: expected.evaluation_s * epochs,
            ..*expected
        })
    }

    fn show(
        &mut self,
        ui: &mut Ui,
        shared: &Shared,
        recipe: &TrainRecipe,
        sketch: &Arc<Sketch>,
        possible: bool,
    ) {
        if let Some((_, job)) = &self.job {
            if kit::working(ui, &job.progress().read(), "Timing a few steps") {
                job.cancel();
            }
            return;
        }
        if let Some(expected) = self.of(recipe) {
            let mut text = format!("About {}", kit::span(expected.seconds()));
            if expected.evaluation_s >= 1.0 {
                text.push_str(&format!(
                    ": {} to learn, {} to answer {}",
                    kit::span(expected.training_s),
                    kit::span(expected.evaluation_s),
                    recipe.data.dev.map_or("", |dev| dev.id()),
                ));
            }
            text.push_str(", by a few steps timed just now.");
            ui.label(theme::weak(ui, format!("{}  {text}", icons::CLOCK)));
            return;
        }
        ui.label(theme::weak(ui, format!("{}  How long it takes is not known yet.", icons::CLOCK)));
        let idle = shared.runner.active().is_none() && shared.trainings.at_work().is_none();
        let response = kit::button_if(ui, idle && possible, icons::CLOCK, "Time a few steps");
        if response.clicked() {
            self.begin(ui, shared, recipe, sketch);
        }
        response
            .on_hover_text("Loads the model, learns from a few examples and throws that away")
            .on_disabled_hover_text(match idle {
                true => "There is too little memory for it",
                false => "Something is running, which would be timed with it",
            });
    }

    fn begin(&mut self, ui: &Ui, shared: &Shared, recipe: &TrainRecipe, sketch: &Arc<Sketch>) {
        self.trouble = None;
        let (wake, sketch) = (ui.ctx().clone(), sketch.clone());
        let workplace = shared.places.workplace().with_threads(shared.threads);
        let job = Job::start(
            "timing",
            move || wake.request_repaint(),
            move |cancel, progress| {
                sketch.measure(&workplace, cancel, progress).map_err(|error| in_words(&error))
            },
        );
        self.job = Some((recipe.clone(), job));
    }

    /// Why it could not be timed.
    fn told(&mut self, ui: &mut Ui) {
        if let Some(trouble) = self.trouble.clone()
            && kit::trouble(ui, &trouble, Some("Close"))
        {
            self.trouble = None;
        }
    }
}

/// The name of the result, looked at while it is typed.
#[derive(Default)]
pub(super) struct Name {
    /// As it is typed.
    pub text: String,
    checked: Loadable<String, Option<String>>,
}

impl Name {
    /// The name that is meant.
    pub fn name(&self) -> &str {
        self.text.trim()
    }

    /// Looks whether the name can be taken. One under which a training has begun is taken from the field.
    pub fn logic(&mut self, cx: &Cx<'_>, version: u64) {
        let folder = jobs_folder(cx.shared.workplace.registry()).join(self.name());
        if !self.name().is_empty() && cx.shared.trainings.has(&folder) {
            self.text.clear();
        }
        let name = self.name().to_owned();
        if name.is_empty() {
            return;
        }
        let registry = cx.shared.workplace.registry().clone();
        self.checked.want(cx.ctx, "name", name.clone(), version, move |_, _| {
            let folder = jobs_folder(&registry).join(&name);
            if let Err(error) = registry.check_name(&name, &folder.join("model")) {
                return Ok(Some(crate::gui::words::trouble(&error).0));
            }
            let taken = ["job.json", "users-job.json"].into_iter().any(|job| folder.join(job).exists());
            Ok(taken.then(|| {
                format!(
                    "There is a training called {name} already. Resume it, delete it, or give this one another name."
                )
            }))
        });
    }

    /// Why the name cannot be taken; `None` if it can, or that is not known yet.
    fn wrong(&self) -> Option<String> {
        let checked = self.checked.value_of(&self.name().to_owned())?;
        (**checked).clone()
    }

    fn is_good(&self) -> bool {
        self.checked.value_of(&self.name().to_owned()).is_some_and(|wrong| wrong.is_none())
    }
}

impl TrainView {
    /// Why it cannot be started, or nothing.
    pub(super) fn hindered(&self, shared: &Shared) -> Option<&'static str> {
        let recipe = self.form.whole(shared);
        match self.look.now() {
            _ if recipe.model.trim().is_empty() => Some("Choose a model to begin with."),
            _ if recipe.data.paths.is_empty() => Some("Open the data to learn from."),
            _ if self.form.has_errors() || recipe.check().is_err() => {
                Some("Something is to be mended first.")
            }
            None => Some("The recipe is still being looked at."),
            Some(seen) if seen.sketch.is_none() => Some("Something is to be mended first."),
            _ if self.lacks_memory(&recipe) => Some("There is too little memory."),
            _ if self.name.name().is_empty() => Some("Give the result a name."),
            _ if !self.name.is_good() => Some("The name cannot be taken."),
            _ => None,
        }
    }

    fn lacks_memory(&self, recipe: &TrainRecipe) -> bool {
        let needed =
            self.look.now().and_then(|seen| seen.sketch.as_ref()).map(|sketch| sketch.estimate().needed());
        recipe.training.device == DeviceChoice::Cpu
            && needed.zip(self.look.free()).is_some_and(|(needed, free)| needed > free)
    }

    pub(super) fn start(&self, shared: &Shared) -> Command {
        Command::Train { recipe: Box::new(self.form.whole(shared)), name: self.name.name().to_owned() }
    }

    pub(super) fn foot(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        let recipe = self.form.whole(shared);
        ui.horizontal_top(|ui| {
            let room = (ui.available_width() - 300.0).max(220.0);
            ui.vertical(|ui| {
                ui.set_width(room);
                // As high as it is when all is told, so that the button stays where it is.
                ui.set_min_height(86.0);
                ui.spacing_mut().item_spacing.y = 2.0;
                self.amounts(ui, shared, &recipe);
            });
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 4.0;
                let hindered = self.hindered(shared);
                ui.horizontal(|ui| {
                    let words = "Name of the result";
                    text_row(ui, words, &mut self.name.text, words, 152.0);
                    let response = kit::primary_if(ui, hindered.is_none(), "Start training");
                    if response.clicked() {
                        commands.push(self.start(shared));
                    }
                    response.on_disabled_hover_text(hindered.unwrap_or_default());
                });
                let busy = !shared.runner.is_idle() || shared.trainings.at_work().is_some();
                match (self.name.wrong(), hindered) {
                    (Some(wrong), _) => danger(ui, &wrong),
                    (None, Some(hindered)) => {
                        ui.label(theme::caption(ui, hindered));
                    }
                    (None, None) if busy => {
                        ui.label(theme::caption(ui, "It begins when what is running has ended."));
                    }
                    (None, None) => {}
                }
            });
        });
        self.timing.told(ui);
    }

    fn amounts(&mut self, ui: &mut Ui, shared: &Shared, recipe: &TrainRecipe) {
        if let Some(trouble) = self.look.trouble().cloned()
            && kit::trouble(ui, &trouble, Some("Look again"))
        {
            self.look.again();
        }
        if let Some(reading) = self.look.pending().filter(|_| self.look.now().is_none()) {
            if kit::working(ui, &reading, "Looking at the recipe") {
                self.look.cancel();
            }
            return;
        }
        let seen = self.look.now().or_else(|| self.look.last()).cloned();
        let Some(sketch) = seen.as_ref().and_then(|seen| seen.sketch.clone()) else {
            let general =
                self.wrong.iter().find(|wrong| wrong.field.is_empty()).map(|wrong| wrong.text.clone());
            match general {
                Some(text) => {
                    kit::notice(ui, Notice::Error, &text, None);
                }
                None => {
                    let words = "What it takes is told here when the recipe is whole.";
                    ui.label(theme::weak(ui, words));
                }
            }
            return;
        };
        ui.add(egui::Label::new(theme::strong(amount(&sketch, recipe))).wrap());
        let possible = !self.lacks_memory(recipe);
        ui.horizontal_wrapped(|ui| self.timing.show(ui, shared, recipe, &sketch, possible));
        memory(ui, &sketch, &self.look, possible);
        if !sketch.notes().is_empty() {
            let notes = sketch.notes().join("; ");
            kit::cut(ui, theme::caption(ui, format!("Of the samples looked at: {notes}.")))
                .on_hover_text(&notes);
        }
    }
}

fn amount(sketch: &Sketch, recipe: &TrainRecipe) -> String {
    let mut text = kit::counted(sketch.train_examples(), "example to learn from", "examples to learn from");
    if sketch.dev_samples() > 0 {
        text.push_str(&format!(", {} to be judged by", kit::count(sketch.dev_samples())));
    }
    text.push_str(&format!("; {} steps of {}", kit::count(sketch.steps()), recipe.training.batch));
    text
}

fn memory(ui: &mut Ui, sketch: &Sketch, look: &Look, possible: bool) {
    let estimate = sketch.estimate();
    let parameters = estimate.parameters as f64 / 1e6;
    let free = look.free().map_or_else(String::new, |free| format!(", {} free", kit::bytes(free)));
    let text = format!(
        "{}  {parameters:.1}M numbers trained; about {} of memory{free}",
        icons::CPU,
        kit::bytes(estimate.needed())
    );
    if possible {
        ui.label(theme::weak(ui, text)).on_hover_text(format!(
            "{} for weights, gradients and moments, {} for the examples that are computed at once",
            kit::bytes(estimate.state),
            kit::bytes(estimate.work)
        ));
    } else {
        let text = format!(
            "{text}: too little. Compute fewer examples at once (it changes no more than rounding), or take a shorter prompt or a \
             smaller model."
        );
        kit::notice(ui, Notice::Warning, &text, None);
    }
}
