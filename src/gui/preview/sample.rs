//! The bar over a preview: which dataset, which of its samples. The choice holds for every preview.

use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui::{self, TextEdit, Ui, WidgetInfo};

use super::choose;
use crate::dataset::{Dataset, DatasetId};
use crate::gui::command::{ChosenSample, Command, Screen};
use crate::gui::kit::{self, Notice};
use crate::gui::loadable::Trouble;
use crate::gui::shared::{Shared, same_questions};
use crate::gui::theme::{self, icons};
use crate::gui::views::Cx;
use crate::jobs::Job;

/// Which sample a preview is of, to be compared cheaply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleKey {
    file: Option<PathBuf>,
    id: DatasetId,
    index: usize,
    /// The catalog it was opened in, by address: files that are opened anew may hold something else.
    opened: usize,
}

impl SampleKey {
    /// That of the chosen sample.
    pub fn of(shared: &Shared) -> Option<Self> {
        let chosen = shared.sample.as_ref()?;
        let file = chosen.dataset.files().into_iter().next().map(|file| file.location.path());
        let opened = shared.catalog().map_or(0, |catalog| Arc::as_ptr(catalog) as usize);
        Some(Self { file, id: chosen.dataset.id(), index: chosen.index, opened })
    }
}

/// The bar's own state.
#[derive(Debug, Default)]
pub struct SampleBar {
    jump: String,
    problem: Option<String>,
    /// The sample set on its way.
    making: Option<Job<Result<PathBuf, Trouble>>>,
    trouble: Option<Trouble>,
}

impl SampleBar {
    /// Opens the sample set once it is there, and stays on `screen`.
    pub fn logic(&mut self, cx: &mut Cx<'_>, screen: Screen) {
        let Some(outcome) = self.making.as_mut().and_then(Job::poll) else { return };
        self.making = None;
        match outcome.map_err(Trouble::from).and_then(|result| result) {
            Ok(folder) => {
                cx.commands.push(Command::OpenData(vec![folder]));
                if cx.shown {
                    cx.commands.push(Command::Go(screen));
                }
            }
            Err(trouble) => self.trouble = Some(trouble),
        }
    }

    /// Draws the bar, or what to do while there is no sample. Gives the sample, where there is one.
    pub fn show<'s>(
        &mut self,
        ui: &mut Ui,
        shared: &'s Shared,
        what: &str,
        commands: &mut Vec<Command>,
    ) -> Option<&'s ChosenSample> {
        let (Some(chosen), Some(catalog)) = (&shared.sample, shared.catalog()) else {
            self.nothing(ui, shared, what, commands);
            return None;
        };
        let (dataset, length) = (&chosen.dataset, chosen.dataset.len());
        ui.horizontal_wrapped(|ui| {
            let choices = catalog.datasets.iter().filter(|dataset| !dataset.is_empty()).map(|other| {
                let words = format!("{} ({})", name(other), kit::count(other.len()));
                (other.clone(), words, same_questions(other, dataset))
            });
            if let Some(dataset) = choose(ui, "Dataset", &name(dataset), 190.0, choices) {
                self.problem = None;
                commands.push(Command::ChooseSample(ChosenSample { dataset, index: 0 }));
            }
            let mut go = |index: usize| {
                commands.push(Command::ChooseSample(ChosenSample { dataset: dataset.clone(), index }));
            };
            ui.scope(|ui| {
                ui.spacing_mut().item_spacing.x = 2.0;
                let before = chosen.index.checked_sub(1);
                if kit::icon_button_if(ui, before.is_some(), icons::CARET_LEFT, "Previous sample").clicked()
                    && let Some(before) = before
                {
                    go(before);
                }
                let id = dataset.summary(chosen.index).map_or("", |record| record.id);
                let place = format!("{} of {}", kit::count(chosen.index + 1), kit::count(length));
                ui.label(place).on_hover_text(format!("The sample\u{2019}s id is {id}."));
                let next = chosen.index + 1;
                if kit::icon_button_if(ui, next < length, icons::CARET_RIGHT, "Next sample").clicked() {
                    go(next);
                }
            });
            if let Some(index) = self.jump(ui, dataset) {
                go(index);
            }
        });
        if let Some(problem) = &self.problem {
            kit::notice(ui, Notice::Warning, problem, None);
        }
        Some(chosen)
    }

    /// A field for an id or a number; gives the sample that was asked for.
    fn jump(&mut self, ui: &mut Ui, dataset: &Dataset) -> Option<usize> {
        const NAME: &str = "Sample by id or number";
        let edit = TextEdit::singleline(&mut self.jump).hint_text("Id or number").desired_width(112.0);
        let response = ui.add(edit);
        let value = self.jump.clone();
        response.widget_info(|| {
            let mut info = WidgetInfo::text_edit(true, "", &value, "");
            info.label = Some(NAME.to_owned());
            info
        });
        if response.changed() {
            self.problem = None;
        }
        let entered = response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        let wanted = self.jump.trim().to_owned();
        if !entered || wanted.is_empty() {
            return None;
        }
        let found = find(dataset, &wanted);
        match found {
            Some(_) => self.jump.clear(),
            None => {
                self.problem = Some(format!(
                    "{} has no sample with the id or number {wanted}. Numbers go from 1 to {}.",
                    name(dataset),
                    kit::count(dataset.len())
                ));
            }
        }
        found
    }

    fn nothing(&mut self, ui: &mut Ui, shared: &Shared, what: &str, commands: &mut Vec<Command>) {
        if let Some(reading) = shared.catalog.pending() {
            ui.label(theme::weak(ui, "Reading the data\u{2026}"));
            let part = (reading.total > 0).then(|| reading.done as f32 / reading.total as f32);
            kit::progress(ui, part, 200.0, "Reading the data");
            return;
        }
        if let Some(trouble) = shared.catalog.trouble() {
            if kit::trouble(ui, trouble, Some("Go to Data")) {
                commands.push(Command::Go(Screen::Data));
            }
            return;
        }
        let text = format!(
            "Open LaMP files to see {what} for any of their samples, or look at the made-up sample set first."
        );
        if kit::empty(ui, icons::LIST_MAGNIFYING_GLASS, "No sample to show yet", &text, Some("Go to Data")) {
            commands.push(Command::Go(Screen::Data));
        }
        ui.vertical_centered(|ui| {
            if let Some(job) = &self.making {
                let reading = job.progress().read();
                ui.label(theme::weak(ui, "Making the sample set\u{2026}"));
                let part = (reading.total > 0).then(|| reading.done as f32 / reading.total as f32);
                kit::progress(ui, part, 200.0, "Making the sample set");
                ui.ctx().request_repaint_after(std::time::Duration::from_millis(100));
            } else if kit::quiet(ui, icons::DATABASE, "Open the sample set").clicked() {
                let (workplace, wake) = (shared.workplace.clone(), ui.ctx().clone());
                self.trouble = None;
                self.making = Some(Job::start(
                    "sample set",
                    move || wake.request_repaint(),
                    move |cancel, progress| Ok(crate::run::sample_set(&workplace, cancel, progress)?),
                ));
            }
        });
        if let Some(trouble) = &self.trouble {
            kit::trouble(ui, trouble, None);
        }
    }
}

/// A dataset in a few words.
fn name(dataset: &Dataset) -> String {
    let id = dataset.id();
    format!("{} \u{b7} {} \u{b7} {}", id.task, id.setting, id.split)
}

/// The sample of that id, else of that number, counted from 1; with `#` before it the number alone.
fn find(dataset: &Dataset, wanted: &str) -> Option<usize> {
    let number = |text: &str| {
        let number: usize = text.trim().parse().ok()?;
        number.checked_sub(1).filter(|&index| index < dataset.len())
    };
    match wanted.strip_prefix('#') {
        Some(rest) => number(rest),
        None => dataset.position(wanted).or_else(|| number(wanted)),
    }
}
