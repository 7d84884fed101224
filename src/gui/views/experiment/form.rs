//! The parts of an experiment that are no cells: samples, seeds, metrics, tuning, and how the series is run.

use std::path::Path;

use eframe::egui::{self, DragValue, TextEdit, Ui, WidgetInfo};

use crate::dataset::DatasetId;
use crate::gui::command::Command;
use crate::gui::kit;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, colors};
use crate::lamp::{Metric, Setting, Split, Task};
use crate::model::endpoint::PREFIX;
use crate::run::Experiment;
use crate::run::experiment::{DataSettings, ModelSettings, TuneSettings};

/// A list of whole numbers as one types it, beside what the draft has.
#[derive(Debug, Default)]
struct Numbers {
    text: String,
    meant: Vec<u64>,
    begun: bool,
}

impl Numbers {
    /// A field for a list; gives the new list where another was typed.
    fn show(&mut self, ui: &mut Ui, words: &str, hint: &str, now: &[u64]) -> Option<Vec<u64>> {
        if !self.begun || self.meant != now {
            self.begun = true;
            self.meant = now.to_vec();
            self.text = now.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        }
        let edit = TextEdit::singleline(&mut self.text).hint_text(hint).desired_width(f32::INFINITY);
        let response = ui.add(edit);
        name_field(&response, words, &self.text, hint);
        let mut read = Vec::new();
        let mut wrong = None;
        for part in self.text.split([',', ' ', ';']).map(str::trim).filter(|part| !part.is_empty()) {
            match part.parse::<u64>() {
                Ok(number) if i64::try_from(number).is_ok() => read.push(number),
                _ => wrong = Some(part.to_owned()),
            }
        }
        if let Some(wrong) = wrong {
            let wrong: String = wrong.chars().take(24).collect();
            let text = format!("\u{201c}{wrong}\u{201d} is no whole number; write some with commas between.");
            ui.label(egui::RichText::new(text).color(colors(ui).danger));
            return None;
        }
        if response.changed() && read != now {
            self.meant.clone_from(&read);
            return Some(read);
        }
        None
    }
}

fn name_field(response: &egui::Response, words: &str, value: &str, hint: &str) {
    response.widget_info(|| {
        let mut info = WidgetInfo::text_edit(true, "", value, hint);
        info.label = Some(words.to_owned());
        info
    });
}

/// The form's own state.
#[derive(Debug, Default)]
pub(super) struct Form {
    name: String,
    named: Option<String>,
    seeds: Numbers,
    tune_k: Numbers,
}

impl Form {
    /// The field for the name.
    pub fn name(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        let now = &shared.experiment().name;
        if self.named.as_ref() != Some(now) {
            self.named = Some(now.clone());
            self.name.clone_from(now);
        }
        let edit = TextEdit::singleline(&mut self.name)
            .hint_text("What the experiment is called")
            .desired_width(280.0)
            .char_limit(200);
        let response = ui.add(edit);
        name_field(&response, "Name of the experiment", &self.name, "");
        if response.changed() {
            self.named = Some(self.name.clone());
            let name = self.name.clone();
            edit_draft(shared, commands, "name", |experiment| experiment.name = name);
        }
    }

    /// Everything else, above each other.
    pub fn show(&mut self, ui: &mut Ui, shared: &Shared, found: &[DatasetId], commands: &mut Vec<Command>) {
        ui.spacing_mut().item_spacing.y = 6.0;
        let draft = shared.experiment();
        for (number, data) in draft.data.iter().enumerate() {
            self.samples(ui, shared, number, data, found, commands);
            ui.add_space(10.0);
        }
        ui.label(theme::section("Seeds"));
        let hint = "Such as 1, 2, 3";
        if let Some(seeds) = self.seeds.show(ui, "Seeds", hint, &draft.seeds) {
            edit_draft(shared, commands, "seeds", |experiment| experiment.seeds = seeds);
        }
        caption(ui, "Whatever draws at random is run once for each: a random retriever, sampling.");
        ui.add_space(10.0);
        metrics(ui, shared, found, commands);
        ui.add_space(10.0);
        self.tuning(ui, shared, found, commands);
        ui.add_space(10.0);
        series(ui, shared, commands);
    }

    fn samples(
        &self,
        ui: &mut Ui,
        shared: &Shared,
        number: usize,
        data: &DataSettings,
        found: &[DatasetId],
        commands: &mut Vec<Command>,
    ) {
        let of = shared.experiment().data.len();
        let (title, suffix) = match of {
            1 => ("Samples".to_owned(), String::new()),
            _ => (format!("Samples, table {}", number + 1), format!(" of table {}", number + 1)),
        };
        ui.label(theme::section(title));
        let names: Vec<String> = data.paths.iter().map(|path| short(path)).collect();
        kit::cut(ui, theme::caption(ui, names.join(", ")));
        let mut change = |what: &'static str, change: &dyn Fn(&mut DataSettings)| {
            edit_draft(shared, commands, what, |experiment| {
                if let Some(data) = experiment.data.get_mut(number) {
                    change(data);
                }
            });
        };
        let mut tasks: Vec<Task> = found.iter().map(|id| id.task).chain(data.tasks.iter().copied()).collect();
        tasks.sort_unstable();
        tasks.dedup();
        if tasks.len() > 1 {
            let on = |task: Task| data.tasks.is_empty() || data.tasks.contains(&task);
            if let Some(chosen) = kit::chips(ui, &tasks, on, |task| format!("{}{suffix}", task.id())) {
                change("tasks", &|data| data.tasks.clone_from(&chosen));
            }
        }
        let mut settings: Vec<Setting> =
            found.iter().map(|id| id.setting).chain(data.settings.iter().copied()).collect();
        settings.sort_unstable();
        settings.dedup();
        if settings.len() > 1 {
            let on = |setting: Setting| data.settings.is_empty() || data.settings.contains(&setting);
            let words = |setting: Setting| format!("{} setting{suffix}", capital(setting.id()));
            if let Some(chosen) = kit::chips(ui, &settings, on, words) {
                change("settings", &|data| data.settings.clone_from(&chosen));
            }
        }
        let mut split = data.split();
        let has = |split: Split| found.is_empty() || found.iter().any(|id| id.split == split);
        let choices = Split::ALL.map(|choice| {
            (
                choice,
                choice.id(),
                (!has(choice) && choice != split).then_some("The open data have no such split"),
            )
        });
        if kit::segmented(ui, &mut split, &choices) {
            change("split", &|data| data.split = Some(split));
        }
        ui.horizontal(|ui| {
            let mut limited = data.limit.is_some();
            if ui.checkbox(&mut limited, format!("At most{suffix}")).changed() {
                change("limit", &|data| {
                    data.limit = limited.then_some(100);
                    data.seed = data.seed.filter(|_| limited);
                });
            }
            if let Some(limit) = data.limit {
                let mut value = limit;
                let drag = DragValue::new(&mut value).range(1..=10_000_000_usize).speed(1.0);
                let response = ui.add(drag);
                kit::named(&response, egui::Role::SpinButton, true, &format!("Samples a dataset{suffix}"));
                if response.changed() && value != limit {
                    change("limit", &|data| data.limit = Some(value));
                }
                ui.label("samples each");
            }
        });
        if data.limit.is_some() {
            ui.horizontal(|ui| {
                let mut drawn = data.seed.is_some();
                if ui.checkbox(&mut drawn, format!("Drawn at random{suffix}")).changed() {
                    change("limit", &|data| data.seed = drawn.then_some(1));
                }
                if let Some(seed) = data.seed {
                    let mut value = seed;
                    let response = ui.add(DragValue::new(&mut value).prefix("seed ").speed(0.1));
                    kit::named(&response, egui::Role::SpinButton, true, &format!("Seed of the draw{suffix}"));
                    if response.changed() && value != seed {
                        change("limit", &|data| data.seed = Some(value));
                    }
                }
            });
        }
    }

    fn tuning(&mut self, ui: &mut Ui, shared: &Shared, found: &[DatasetId], commands: &mut Vec<Command>) {
        let draft = shared.experiment();
        ui.label(theme::section("Tuning"));
        let mut tuned = draft.tune.is_some();
        if ui.checkbox(&mut tuned, "Choose retriever and k on a split").changed() {
            edit_draft(shared, commands, "tuning", |experiment| {
                experiment.tune = tuned.then(TuneSettings::default);
            });
        }
        let Some(tune) = &draft.tune else {
            caption(ui, "For each task and model the best of a grid, reported as one more column.");
            return;
        };
        let mut change = |change: &dyn Fn(&mut TuneSettings)| {
            edit_draft(shared, commands, "tuning", |experiment| {
                if let Some(tune) = &mut experiment.tune {
                    change(tune);
                }
            });
        };
        let mut on = tune.on;
        let has = |split: Split| found.is_empty() || found.iter().any(|id| id.split == split);
        let words = ["on train", "on dev", "on test"];
        let mut number = 0;
        let choices = Split::ALL.map(|choice| {
            number += 1;
            let refusal = (!has(choice) && choice != on).then_some("The open data have no such split");
            (choice, words[number - 1], refusal)
        });
        if kit::segmented(ui, &mut on, &choices) {
            change(&|tune| tune.on = on);
        }
        if draft.data.iter().any(|data| data.split() == tune.on) {
            caption(ui, "That is the split that is reported, so tuned figures will be too good.");
        }
        kit::label(ui, "Every k of");
        let now: Vec<u64> = tune.k.iter().map(|&k| k as u64).collect();
        if let Some(k) = self.tune_k.show(ui, "Tuned k", "Such as 0, 1, 2, 4", &now) {
            let k: Vec<usize> = k.into_iter().filter_map(|k| usize::try_from(k).ok()).collect();
            change(&|tune| tune.k.clone_from(&k));
        }
        let mut retrievers: Vec<String> = draft.retrieval.retrievers.clone();
        retrievers.extend(
            tune.retrievers.iter().filter(|text| !draft.retrieval.retrievers.contains(text)).cloned(),
        );
        retrievers.retain(|text| text.trim() != "none");
        if retrievers.len() > 1 {
            kit::label(ui, "With");
            let on = |text: &String| tune.retrievers.is_empty() || tune.retrievers.contains(text);
            let marked: Vec<bool> = retrievers.iter().map(on).collect();
            if let Some(chosen) = kit::chips_of(ui, &retrievers, &marked, |text| format!("Tune {text}")) {
                change(&|tune| tune.retrievers.clone_from(&chosen));
            }
        }
    }
}

fn metrics(ui: &mut Ui, shared: &Shared, found: &[DatasetId], commands: &mut Vec<Command>) {
    ui.label(theme::section("Metrics shown"));
    let draft = shared.experiment();
    let of_tasks = |metric: &Metric| {
        found.is_empty()
            || found.iter().any(|id| id.task.metrics().contains(metric))
            || draft.metrics.contains(metric)
    };
    let all: Vec<Metric> = Metric::ALL.into_iter().filter(of_tasks).collect();
    let on = |metric: Metric| draft.metrics.is_empty() || draft.metrics.contains(&metric);
    if let Some(chosen) = kit::chips(ui, &all, on, |metric| metric.name().to_owned()) {
        edit_draft(shared, commands, "metrics", |experiment| experiment.metrics = chosen);
    }
    caption(ui, "For tables; every metric is computed in any case.");
}

/// How what is begun is run. None of it changes an answer, so none of it is in the experiment's file.
fn series(ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
    ui.label(theme::section("How it is run"));
    let now = shared.runner.settings();
    let mut settings = now;
    ui.checkbox(&mut settings.use_cache, "Take stored answers to equal prompts");
    ui.checkbox(&mut settings.retry_failed, "Try failed samples again");
    ui.horizontal(|ui| {
        ui.label("End a run after");
        let response =
            ui.add(DragValue::new(&mut settings.max_failures_in_a_row).range(1..=1_000_000_usize).speed(0.2));
        kit::named(&response, egui::Role::SpinButton, true, "Failures in a row that end a run");
        ui.label("failures in a row");
    });
    let served = |model: &ModelSettings| model.endpoint.is_some() || model.name.trim().starts_with(PREFIX);
    if settings.spending_limit.is_some() || shared.experiment().models.iter().any(served) {
        limit(ui, &mut settings.spending_limit);
    }
    if settings != now {
        commands.push(Command::SetSeries(settings));
    }
}

/// What may be spent at endpoints.
fn limit(ui: &mut Ui, limit: &mut Option<f64>) {
    ui.horizontal(|ui| {
        let mut limited = limit.is_some();
        if ui.checkbox(&mut limited, "Spend at most").changed() {
            *limit = limited.then_some(1.0);
        }
        if let Some(amount) = limit {
            let drag = DragValue::new(amount).range(0.0..=1e9).speed(0.05).max_decimals(4);
            let response = ui.add(drag);
            kit::named(&response, egui::Role::SpinButton, true, "Spending limit");
        }
    });
    caption(
        ui,
        "In the unit of the endpoints\u{2019} prices, for all runs of an experiment at an endpoint; in place of its own limit. A run \
         ends before it would cost more, and can be resumed.",
    );
}

fn edit_draft(
    shared: &Shared,
    commands: &mut Vec<Command>,
    what: &'static str,
    change: impl FnOnce(&mut Experiment),
) {
    commands.push(Command::Edit { what, experiment: shared.edited(change) });
}

fn caption(ui: &mut Ui, text: &str) {
    ui.add(egui::Label::new(theme::caption(ui, text)).wrap());
}

fn short(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
