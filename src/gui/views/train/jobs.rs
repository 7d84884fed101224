//! The trainings that lie among the models: how each stands, what came of it, and what can be done with it.

use std::path::{Path, PathBuf};
use std::time::{Instant, UNIX_EPOCH};

use eframe::egui::{self, Sense, Ui};
use egui_extras::Column;

use super::charts::scores;
use super::form::short;
use crate::gui::command::{Command, Screen, Toast, Weight};
use crate::gui::kit::{self, Notice};
use crate::gui::loadable::{Loadable, Trouble};
use crate::gui::preview::retriever_name;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, ROW, colors, icons};
use crate::gui::trainings::in_words;
use crate::gui::views::Cx;
use crate::jobs::Job;
use crate::run::experiment::ModelSettings;
use crate::train::{self, Ended, KeptJob, Standing, TrainRecipe, jobs_folder};

/// Jobs of other programs are looked at again after so many seconds.
const AGAIN: u64 = 2;

/// A job as it is listed.
pub(super) struct Line {
    pub job: KeptJob,
    /// The name of the registered model that came of it.
    pub model: Option<String>,
}

/// What lies among the models.
#[derive(Default)]
pub(super) struct Listed {
    pub lines: Vec<Line>,
    broken: Vec<String>,
}

/// The list.
#[derive(Default)]
pub(super) struct Jobs {
    listed: Loadable<PathBuf, Listed>,
    /// The job that is looked at; the latest if `None`.
    selected: Option<PathBuf>,
    asked: Option<PathBuf>,
    deleting: Option<Job<Result<String, Trouble>>>,
    /// Grows when a job was thrown away.
    deleted: u64,
    began: Option<Instant>,
    told: bool,
}

impl Jobs {
    /// Lists them, and tells once of those that were broken off.
    pub fn logic(&mut self, cx: &mut Cx<'_>) {
        if let Some(outcome) = self.deleting.as_mut().and_then(Job::poll) {
            self.deleting = None;
            self.deleted += 1;
            let toast = match outcome.map_err(Trouble::from).and_then(|name| name) {
                Ok(name) => {
                    Toast::new(Weight::Success, format!("The training \u{201c}{name}\u{201d} is deleted."))
                }
                Err(trouble) => {
                    Toast::new(Weight::Error, "The training could not be deleted.").with_details(trouble.0)
                }
            };
            cx.commands.push(Command::Toast(toast));
            cx.commands.push(Command::ReloadModels);
        }
        if !cx.shown && self.told {
            self.listed.poll();
            return;
        }
        let shared = cx.shared;
        let registry = shared.workplace.registry().clone();
        let folder = jobs_folder(&registry);
        let began = *self.began.get_or_insert_with(Instant::now);
        let trainings = &shared.trainings;
        let version = [
            began.elapsed().as_secs() / AGAIN,
            shared.models_version,
            self.deleted,
            trainings.ended().len() as u64,
            u64::from(trainings.at_work().is_some_and(|work| work.progress().is_some())),
        ];
        let version =
            version.into_iter().fold(0, |all: u64, one| all.wrapping_mul(1_000_003).wrapping_add(one));
        if cx.shown {
            cx.ctx.request_repaint_after(std::time::Duration::from_secs(AGAIN));
        }
        self.listed.want(cx.ctx, "trainings", folder.clone(), version, move |_, _| {
            let (jobs, broken) = train::kept_jobs(&folder).map_err(|error| in_words(&error))?;
            let line = |job: KeptJob| {
                let model = train::registered(&job.record, &job.folder, &registry).ok().flatten();
                Line { job, model }
            };
            Ok(Listed {
                lines: jobs.into_iter().map(line).collect(),
                broken: broken.iter().map(|error| in_words(error).0).collect(),
            })
        });
        if let Some(listed) = self.listed.value().filter(|_| !self.told) {
            self.told = true;
            let open = listed.lines.iter().filter(|line| is_open(line, shared)).count();
            if open > 0 && !cx.shown {
                let words = match open {
                    1 => "One training was broken off".to_owned(),
                    open => format!("{open} trainings were broken off"),
                };
                let toast = Toast::new(Weight::Info, format!("{words}. What was learned is saved."))
                    .with_action("Show the trainings", Command::Go(Screen::Train));
                cx.commands.push(Command::Toast(toast));
            }
        }
    }

    /// What is listed.
    pub fn lines(&self) -> &[Line] {
        self.listed.value().map(|listed| listed.lines.as_slice()).unwrap_or_default()
    }

    /// Trainings that can be gone on with.
    pub fn open(&self, shared: &Shared) -> impl Iterator<Item = &Line> {
        self.lines().iter().filter(move |line| is_open(line, shared))
    }

    /// Looks at a job.
    pub fn select(&mut self, folder: Option<PathBuf>) {
        self.selected = folder;
    }

    /// The job that is looked at: the chosen one, the one at work, or the latest.
    pub fn folder(&self, shared: &Shared) -> Option<PathBuf> {
        let there = |folder: &&PathBuf| self.lines().iter().any(|line| line.job.folder == **folder);
        let at_work = || shared.trainings.at_work().map(|work| work.folder.clone());
        let latest = || self.lines().first().map(|line| line.job.folder.clone());
        self.selected.as_ref().filter(there).cloned().or_else(at_work).or_else(latest)
    }

    /// Its line.
    pub fn line(&self, folder: &Path) -> Option<&Line> {
        self.lines().iter().find(|line| line.job.folder == folder)
    }

    /// The head of a job that is not at work here: what it was, how it stands, and what can be done. Gives a recipe that is to
    /// be written on.
    pub fn head(
        &mut self,
        ui: &mut Ui,
        folder: &Path,
        shared: &Shared,
        commands: &mut Vec<Command>,
    ) -> Option<TrainRecipe> {
        let listed = self.listed.value().cloned()?;
        let line = listed.lines.iter().find(|line| line.job.folder == *folder)?;
        let name = called(line);
        let mut recipe = None;
        kit::card(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = 4.0;
            ui.horizontal(|ui| {
                let (icon, color, words) = standing(ui, line, shared);
                ui.label(egui::RichText::new(icon).color(color));
                ui.scope(|ui| {
                    ui.set_max_width((ui.available_width() - 190.0).max(90.0));
                    kit::cut(ui, theme::section(name.as_str()));
                });
                kit::cut(ui, theme::weak(ui, words));
            });
            let all = in_a_line(&line.job.record.recipe);
            kit::cut(ui, theme::caption(ui, all.as_str())).on_hover_text(&all);
            ui.horizontal_wrapped(|ui| {
                let lost = matches!(line.job.standing, Standing::Done(_)) && line.model.is_none();
                if is_open(line, shared) || (lost && !shared.trainings.has(folder)) {
                    let words = if lost { format!("Register {name}") } else { format!("Resume {name}") };
                    if kit::button(ui, icons::PLAY, &words).clicked() {
                        commands
                            .push(Command::ResumeTraining { name: name.clone(), folder: folder.to_owned() });
                    }
                }
                if let Some(model) = &line.model
                    && kit::button(ui, icons::GRID_FOUR, "Use in an experiment").clicked()
                {
                    use_model(model, &line.job.record.recipe, shared, commands);
                }
                if kit::button(ui, icons::COPY, "Use this recipe").clicked() {
                    recipe = Some(line.job.record.recipe.clone());
                }
                let free = !matches!(line.job.standing, Standing::AtWork) && !shared.trainings.has(folder);
                if kit::button_if(ui, free && self.deleting.is_none(), icons::TRASH, "Delete\u{2026}")
                    .clicked()
                {
                    self.asked = Some(folder.to_owned());
                }
            });
            if self.asked.as_deref() == Some(folder) {
                self.question(ui, line, shared);
            }
        });
        recipe
    }

    fn question(&mut self, ui: &mut Ui, line: &Line, shared: &Shared) {
        let name = called(line);
        let what = match (&line.job.standing, &line.model) {
            (_, Some(model)) => format!("Delete the training {name} with its curve and the model {model}?"),
            (Standing::Done(_), None) => format!("Delete the training {name} with its curve and its model?"),
            _ => format!("Delete the training {name} with what it has learned?"),
        };
        ui.horizontal_wrapped(|ui| {
            ui.label(theme::strong(what));
            ui.label(theme::weak(ui, "That cannot be taken back."));
            if kit::button(ui, icons::TRASH, "Delete it").clicked() {
                self.asked = None;
                let (folder, wake) = (line.job.folder.clone(), ui.ctx().clone());
                let registry = shared.workplace.registry().clone();
                self.deleting = Some(Job::start(
                    "delete training",
                    move || wake.request_repaint(),
                    move |_, _| match train::throw_away(&folder, &registry) {
                        Ok(()) => Ok(name),
                        Err(error) => Err(in_words(&error)),
                    },
                ));
            }
            if kit::quiet(ui, "", "Keep").clicked() {
                self.asked = None;
            }
        });
    }

    /// All of them, a line each.
    pub fn table(&mut self, ui: &mut Ui, shown: Option<&Path>, shared: &Shared, height: f32) {
        for text in self.listed.value().iter().flat_map(|listed| &listed.broken) {
            kit::notice(ui, Notice::Warning, text, None);
        }
        if let Some(trouble) = self.listed.trouble() {
            kit::trouble(ui, trouble, None);
        }
        let Some(listed) = self.listed.value().filter(|listed| !listed.lines.is_empty()).cloned() else {
            return;
        };
        ui.label(theme::overline(ui, "Trainings"));
        ui.spacing_mut().item_spacing.y = 0.0;
        ui.spacing_mut().interact_size.y = ROW - 4.0;
        let wide = ui.available_width() > 560.0;
        let mut table = kit::table(ui, "trainings")
            .sense(Sense::click())
            .min_scrolled_height(ROW)
            .max_scroll_height(height)
            .auto_shrink([false, true])
            .column(Column::remainder().at_least(80.0).clip(true))
            .column(Column::exact(if wide { 130.0 } else { 84.0 }).clip(true))
            .column(Column::exact(if wide { 124.0 } else { 90.0 }).clip(true));
        if wide {
            table = table.column(Column::exact(104.0).clip(true));
        }
        let mut chosen = None;
        let heads: &[&str] = if wide {
            &["Result", "Learned from", "Best", "Worked on (UTC)", "Standing"]
        } else {
            &["Result", "Learned from", "Best", "Standing"]
        };
        table
            .column(Column::exact(124.0).clip(true))
            .header(ROW, |mut header| {
                for head in heads {
                    header.col(|ui| {
                        ui.label(theme::caption(ui, *head));
                    });
                }
            })
            .body(|body| {
                body.rows(ROW, listed.lines.len(), |mut row| {
                    let Some(line) = listed.lines.get(row.index()) else { return };
                    row.set_selected(Some(line.job.folder.as_path()) == shown);
                    row.col(|ui| {
                        let response = kit::cut(ui, called(line));
                        response.on_hover_text(line.job.folder.display().to_string());
                    });
                    row.col(|ui| {
                        kit::cut(ui, theme::weak(ui, learned(&line.job.record.recipe)));
                    });
                    row.col(|ui| {
                        if let Standing::Done(outcome) = &line.job.standing {
                            let text = scores(&outcome.best);
                            let text = text.rsplit("; ").next().unwrap_or_default().to_owned();
                            kit::cut(ui, text).on_hover_text(scores(&outcome.best));
                        }
                    });
                    if wide {
                        row.col(|ui| {
                            let at = line.job.changed.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                            let text = at.map(|at| kit::moment(at.as_millis() as i64)).unwrap_or_default();
                            kit::cut(ui, theme::caption(ui, text));
                        });
                    }
                    row.col(|ui| {
                        let (icon, color, words) = standing(ui, line, shared);
                        ui.spacing_mut().item_spacing.x = 6.0;
                        ui.label(egui::RichText::new(icon).color(color));
                        // The head tells the rest.
                        let short = words.split_once(", saved").map_or(words.as_str(), |(short, _)| short);
                        kit::cut(ui, short);
                    });
                    let response = row.response();
                    let words = format!("Look at {}", called(line));
                    // A row that has no place yet is nothing to look at.
                    if response.rect.is_positive() {
                        kit::named(&response, egui::Role::Button, true, &words);
                    }
                    if response.clicked() {
                        chosen = Some(line.job.folder.clone());
                    }
                });
            });
        if chosen.is_some() {
            self.selected = chosen;
        }
    }
}

/// What a job's result is called.
pub(super) fn called(line: &Line) -> String {
    let folder = || short(&line.job.folder.display().to_string());
    line.job.record.name.clone().unwrap_or_else(folder)
}

/// Whether a training was broken off and can be gone on with.
fn is_open(line: &Line, shared: &Shared) -> bool {
    matches!(line.job.standing, Standing::BrokenOff { .. }) && !shared.trainings.has(&line.job.folder)
}

fn standing(ui: &Ui, line: &Line, shared: &Shared) -> (&'static str, egui::Color32, String) {
    let colors = colors(ui);
    let here = shared.trainings.at_work().is_some_and(|work| work.folder == line.job.folder);
    match &line.job.standing {
        _ if here => (icons::PLAY, colors.text, "at work".to_owned()),
        _ if shared.trainings.has(&line.job.folder) => (icons::CLOCK, colors.weak, "waiting".to_owned()),
        Standing::AtWork => (icons::PLAY, colors.text, "in another program".to_owned()),
        Standing::BrokenOff { step } => {
            let (step, steps) = (kit::count(*step), kit::count(line.job.record.steps));
            (icons::PAUSE, colors.warning, format!("broken off, saved at step {step} of {steps}"))
        }
        Standing::Done(_) if line.model.is_none() => {
            (icons::WARNING, colors.warning, "done, not registered".to_owned())
        }
        Standing::Done(outcome) => {
            let words = match outcome.ended {
                Ended::AllEpochs => "done",
                Ended::NoBetter => "done: no better",
                Ended::Finished => "ended early",
            };
            (icons::CHECK_CIRCLE, colors.good, words.to_owned())
        }
    }
}

/// What was learned from.
fn learned(recipe: &TrainRecipe) -> String {
    let tasks: Vec<&str> = recipe.data.tasks.iter().map(|task| task.id()).collect();
    let settings: Vec<&str> = recipe.data.settings.iter().map(|setting| setting.id()).collect();
    let tasks = if tasks.is_empty() { "all tasks".to_owned() } else { tasks.join(", ") };
    format!("{tasks} {}", settings.join(" and ")).trim().to_owned()
}

/// A recipe in a line.
fn in_a_line(recipe: &TrainRecipe) -> String {
    let TrainRecipe { model, retrieval, prompt, optimizer, training, lora, .. } = recipe;
    let mut parts = vec![short(model), learned(recipe), reads(recipe)];
    parts.push(format!("prompts of {} tokens", prompt.max_length));
    parts.push(match lora {
        Some(lora) => format!("LoRA of rank {}", lora.r),
        None => "all weights".to_owned(),
    });
    let epochs = kit::counted(training.epochs as usize, "epoch", "epochs");
    parts.push(format!("{epochs}, {} examples a step", training.batch));
    parts.push(format!("rate {:e}", optimizer.learning_rate));
    parts.push(format!("seed {}", training.seed));
    if retrieval.use_date {
        parts.push("with dates".to_owned());
    }
    parts.join("  \u{b7}  ")
}

/// What its prompts carry.
fn reads(recipe: &TrainRecipe) -> String {
    match recipe.retrieval.retriever.trim() {
        "none" => "non-personalized".to_owned(),
        short => format!("{}, k {}", retriever_name(short), recipe.retrieval.k),
    }
}

/// Takes a model into the draft, and says what it was trained to read.
fn use_model(model: &str, recipe: &TrainRecipe, shared: &Shared, commands: &mut Vec<Command>) {
    let there = shared.experiment().models.iter().any(|other| other.name == model);
    if !there {
        let experiment = shared.edited(|experiment| {
            experiment.models.push(ModelSettings { name: model.to_owned(), ..ModelSettings::default() });
        });
        commands.push(Command::Edit { what: "models", experiment });
    }
    let text = format!(
        "{model} is in the experiment. It has learned from prompts of at most {} tokens, {}.",
        recipe.prompt.max_length,
        reads(recipe)
    );
    commands.push(Command::Toast(Toast::new(Weight::Info, text)));
    commands.push(Command::Go(Screen::Experiment));
}
