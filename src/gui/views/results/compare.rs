//! Two runs beside each other: figures, tests on their common samples, and what their settings differ in; over all tasks for which
//! the store has both.

use std::path::{Path, PathBuf};

use eframe::egui::{self, Align, Layout, ScrollArea, Ui};

use super::data::judged;
use crate::gui::command::{Command, Inspection};
use crate::gui::kit;
use crate::gui::loadable::{Loadable, Trouble};
use crate::gui::theme::{self, icons};
use crate::gui::views::Cx;
use crate::jobs::{CancelToken, Progress};
use crate::metrics::Bootstrap;
use crate::record::{RunId, RunRecord};
use crate::report::MetricChoice;
use crate::report::compare::{
    RunComparison, adjust_over_tasks, compare_runs, difference_words, over_tasks, text,
};
use crate::store::Reader;

/// What is compared.
#[derive(Debug, Clone, PartialEq)]
struct Subject {
    store: PathBuf,
    first: RunId,
    second: RunId,
    metrics: MetricChoice,
}

/// A comparison in texts.
#[derive(Debug)]
struct Compared {
    /// The given pair's task and all others for which there are both.
    tasks: Vec<TaskLines>,
    differences: Vec<String>,
    legend: Vec<String>,
}

#[derive(Debug)]
struct TaskLines {
    title: String,
    sides: [String; 2],
    samples: String,
    head: Vec<&'static str>,
    lines: Vec<Vec<String>>,
    beneath: Vec<String>,
    inspection: Inspection,
}

/// What the comparison asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    Nothing,
    /// To go back to the table.
    Back,
    /// To let a model judge the two.
    Judge,
}

/// The state of a comparison.
#[derive(Debug)]
pub struct Comparing {
    first: RunId,
    second: RunId,
    metrics: MetricChoice,
    loaded: Loadable<Subject, Compared>,
}

impl Comparing {
    /// Compares the second run with the first by these metrics.
    pub fn new(first: RunId, second: RunId, metrics: MetricChoice) -> Self {
        Self { first, second, metrics, loaded: Loadable::default() }
    }

    /// The two runs.
    pub const fn runs(&self) -> (RunId, RunId) {
        (self.first, self.second)
    }

    /// Asks for the comparison; `version` is how often something was said of runs.
    pub fn want(&mut self, cx: &Cx<'_>, version: u64) {
        let store = cx.shared.places.store.clone();
        let (first, second, metrics) = (self.first, self.second, self.metrics.clone());
        let subject = Subject { store: store.clone(), first, second, metrics };
        let own = subject.clone();
        self.loaded.want(cx.ctx, "comparison", subject, version, move |cancel, progress| {
            compare(&store, &own, cancel, progress)
        });
    }

    /// Draws it; `judges` tells whether a model can judge the two, and is not doing so beside it already.
    pub fn show(&mut self, ui: &mut Ui, judges: bool, commands: &mut Vec<Command>) -> Asked {
        let (mut back, mut judge) = (false, false);
        let mut swap = false;
        ui.horizontal(|ui| {
            back = kit::button(ui, icons::CARET_LEFT, "Back to the table").clicked();
            ui.label(theme::section("Two runs compared"));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                swap = kit::quiet(ui, icons::ARROWS_LEFT_RIGHT, "Swap").clicked();
                judge = judges && kit::quiet(ui, icons::CHAT_TEXT, "Judge").clicked();
            });
        });
        if swap {
            (self.first, self.second) = (self.second, self.first);
        }
        if let Some(trouble) = self.loaded.trouble()
            && kit::trouble(ui, trouble, Some("Compare again"))
        {
            self.loaded.forget();
        }
        let Some(compared) = self.loaded.value() else {
            if let Some(reading) = self.loaded.pending()
                && kit::working(ui, &reading, "Comparing")
            {
                back = true;
            }
            return asked(back, judge);
        };
        ScrollArea::vertical().id_salt("comparison").auto_shrink(false).show(ui, |ui| {
            for task in &compared.tasks {
                task.show(ui, commands);
            }
            kit::card(ui, |ui| {
                ui.set_width(ui.available_width().min(900.0));
                ui.label(theme::strong("Settings that differ, first \u{2192} second"));
                if compared.differences.is_empty() {
                    ui.label("None: the runs\u{2019} settings are the same.");
                }
                for line in &compared.differences {
                    ui.add(egui::Label::new(line).wrap());
                }
            });
            ui.add_space(4.0);
            ui.spacing_mut().item_spacing.y = 2.0;
            for line in &compared.legend {
                ui.label(theme::caption(ui, line));
            }
        });
        asked(back, judge)
    }
}

const fn asked(back: bool, judge: bool) -> Asked {
    match (back, judge) {
        (true, _) => Asked::Back,
        (false, true) => Asked::Judge,
        (false, false) => Asked::Nothing,
    }
}

impl TaskLines {
    fn show(&self, ui: &mut Ui, commands: &mut Vec<Command>) {
        ui.horizontal(|ui| {
            ui.label(theme::strong(&self.title));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if kit::quiet(ui, icons::LIST_MAGNIFYING_GLASS, "See the samples").clicked() {
                    commands.push(Command::Inspect(self.inspection));
                }
            });
        });
        ui.spacing_mut().item_spacing.y = 4.0;
        for (word, side) in ["First", "Second"].into_iter().zip(&self.sides) {
            ui.horizontal(|ui| {
                ui.label(theme::weak(ui, format!("{word}:")));
                kit::cut(ui, side);
            });
        }
        ui.label(theme::caption(ui, &self.samples));
        ScrollArea::horizontal().id_salt(&self.title).show(ui, |ui| {
            egui::Grid::new(&self.title).num_columns(self.head.len()).spacing([18.0, 6.0]).show(ui, |ui| {
                for (number, head) in self.head.iter().enumerate() {
                    place(ui, number, theme::weak(ui, *head));
                }
                ui.end_row();
                for line in &self.lines {
                    for (number, cell) in line.iter().enumerate() {
                        place(ui, number, egui::RichText::new(cell));
                    }
                    ui.end_row();
                }
            });
        });
        for line in &self.beneath {
            ui.label(theme::caption(ui, line));
        }
        ui.add_space(12.0);
    }
}

/// The first column at the left, numbers at the right.
fn place(ui: &mut Ui, number: usize, text: egui::RichText) {
    if number == 0 {
        ui.label(text);
    } else {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| ui.label(text));
    }
}

fn compare(
    path: &Path,
    subject: &Subject,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Compared, Trouble> {
    let reader = Reader::open(path)?;
    let runs = reader.runs()?;
    let of = |id: RunId| {
        let found = runs.iter().find(|run| run.id == id);
        found.ok_or_else(|| Trouble("One of the two runs is no longer in the store. Pick others.".to_owned()))
    };
    let (first, second) = (of(subject.first)?, of(subject.second)?);
    let bootstrap = Bootstrap::default();
    let pair = |first: &RunRecord, second: &RunRecord| -> Result<RunComparison, Trouble> {
        cancel.check()?;
        let metrics = subject.metrics.of(first.spec.dataset.task);
        let scores = (reader.scores(first.id)?, reader.scores(second.id)?);
        let mut comparison = compare_runs((first, scores.0), (second, scores.1), &metrics, &bootstrap)?;
        comparison.add_judged(&judged(&reader, &[first.clone(), second.clone()])?);
        Ok(comparison)
    };
    let pairs = over_tasks(&runs, first, second);
    progress.start("Comparing", pairs.len().max(1) as u64);
    let mut comparisons = Vec::with_capacity(pairs.len());
    for (one, other) in pairs {
        // A pair of another task that is not done yet is not missed.
        let own = one.id == first.id && other.id == second.id;
        match pair(one, other) {
            Ok(comparison) => comparisons.push(comparison),
            Err(trouble) if own || cancel.is_canceled() => return Err(trouble),
            Err(_) => {}
        }
        progress.add(1);
    }
    if comparisons.is_empty() {
        comparisons.push(pair(first, second)?);
    }
    adjust_over_tasks(&mut comparisons);
    let own = comparisons.iter().find(|comparison| comparison.first.id == first.id);
    let differences = own.map(|own| own.differences.iter().map(difference_words).collect());
    Ok(Compared {
        differences: differences.unwrap_or_default(),
        legend: text::legend(&bootstrap, comparisons.len() > 1),
        tasks: comparisons.iter().map(task_lines).collect(),
    })
}

fn task_lines(comparison: &RunComparison) -> TaskLines {
    let RunComparison { first, second, .. } = comparison;
    let holm = text::has_holm(comparison);
    let beneath = comparison.metrics.iter().filter_map(|line| {
        let paired = line.paired.as_ref()?;
        Some(format!("{}: {}.", line.first.metric.name(), text::paired(line.first.metric, paired)))
    });
    let judged = comparison.judged.iter();
    let judged = judged.map(|judged| format!("{}: {}.", judged.title(), judged.words.join("; ")));
    TaskLines {
        title: format!("{}, {} setting, {} split", first.task, first.setting, first.split),
        sides: [text::side(first), text::side(second)],
        samples: text::samples(comparison),
        head: text::header(holm),
        lines: comparison.metrics.iter().map(|line| text::cells(line, holm)).collect(),
        beneath: beneath.chain(judged).collect(),
        inspection: Inspection { run: second.id, position: None, against: Some(first.id) },
    }
}
