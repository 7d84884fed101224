//! Models on their way: a job each, with its progress, a button to cancel it, and what went wrong where it was asked for.

use std::path::PathBuf;

use eframe::egui::{self, Ui};

use super::words::{self, size};
use crate::gui::command::{Command, Screen, Toast, Weight};
use crate::gui::kit;
use crate::gui::loadable::Trouble;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, colors, icons};
use crate::gui::views::Cx;
use crate::jobs::{CancelToken, Job, Progress, ProgressReading};
use crate::model::hub::{Hub, Wanted};
use crate::model::registry::{EncoderDefaults, Manifest, Registry, RegistryError};

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    list: Vec<Arrival>,
    numbers: u64,
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
pub(super) enum Arriving {
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
        cancel: &CancelToken,
        progress: &Progress,
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

impl Arrivals {
    /// Takes what has arrived. Gives the names of models that are new.
    pub fn logic(&mut self, cx: &mut Cx<'_>) -> Vec<String> {
        let mut new = Vec::new();
        let mut ended = Vec::new();
        for arrival in &mut self.list {
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
        self.list.retain(|arrival| !ended.contains(&arrival.number));
        new
    }

    /// Whether a model of this repository is on its way, so that its remains are no remains.
    pub fn is_coming(&self, wanted: Option<&str>, name: &str) -> bool {
        self.list.iter().any(|arrival| match &arrival.what {
            Arriving::Hub { wanted: coming, name: called, .. } => {
                let repository =
                    |text: &str| text.split([':', '@']).next().unwrap_or_default().to_lowercase();
                called.as_deref().is_some_and(|called| called.eq_ignore_ascii_case(name))
                    || wanted.is_some_and(|wanted| repository(wanted) == repository(coming))
            }
            Arriving::Here { .. } => false,
        })
    }

    /// Whether this is on its way now.
    pub fn is_at_work(&self, wanted: &str) -> bool {
        self.list.iter().any(|arrival| arrival.job.is_some() && arrival.what.called() == wanted)
    }

    /// Begins to get or add a model.
    pub fn begin(&mut self, ctx: &egui::Context, shared: &Shared, what: Arriving) {
        // A failed attempt at the same makes room for this one.
        let called = what.called();
        self.list.retain(|arrival| arrival.job.is_some() || arrival.what.called() != called);
        self.numbers += 1;
        let job = start(ctx, shared, what.clone());
        let arrival = Arrival { number: self.numbers, what, job: Some(job), canceled: false, trouble: None };
        self.list.push(arrival);
    }

    /// Draws what is under way and what failed.
    pub fn show(&mut self, ui: &mut Ui, shared: &Shared) {
        let mut gone = None;
        for arrival in &mut self.list {
            ui.push_id(("arrival", arrival.number), |ui| {
                kit::card(ui, |ui| {
                    ui.set_min_width(ui.available_width());
                    kit::cut(ui, theme::strong(arrival.what.called()));
                    if let Some(job) = &arrival.job {
                        let reading = job.progress().read();
                        let bytes = bytes(&reading);
                        if progressing(ui, &reading, "Beginning", arrival.canceled, &bytes) {
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
            self.list.retain(|arrival| arrival.number != gone);
        }
    }

    /// Whether anything is under way or has failed.
    pub fn is_busy(&self) -> bool {
        !self.list.is_empty()
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

/// A job's bar, and beneath it its step, what belongs to it and a button to cancel it; tells whether that was clicked. Takes the
/// room there is and no more.
pub(super) fn progressing(
    ui: &mut Ui,
    reading: &ProgressReading,
    words: &str,
    canceled: bool,
    more: &str,
) -> bool {
    let part = (reading.total > 0).then(|| reading.done as f32 / reading.total as f32);
    kit::progress(ui, part, ui.available_width(), words);
    let mut clicked = false;
    ui.horizontal(|ui| {
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if canceled {
                ui.label(theme::weak(ui, "Being canceled\u{2026}"));
            } else {
                clicked = kit::quiet(ui, icons::X, "Cancel").clicked();
            }
            ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                let step = if reading.step.is_empty() { words } else { &reading.step };
                kit::cut(ui, theme::weak(ui, format!("{step}{more}")));
            });
        });
    });
    // Progress comes without being waited for.
    ui.ctx().request_repaint_after(crate::gui::AT_WORK);
    clicked
}

/// How many bytes have come.
fn bytes(reading: &ProgressReading) -> String {
    match reading.total {
        0 => String::new(),
        total => format!("  \u{b7}  {} of {}", size(reading.done), size(total)),
    }
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
