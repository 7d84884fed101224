//! What came of it: output, answer against reference, scores, and why it is as it is; also for two runs side by side.

use eframe::egui::{self, Align, Label, Layout, RichText, Ui};

use super::InspectView;
use super::rows::{Mark, marks_of};
use super::sample::{Shown, Side};
use super::text::{self, Compared};
use crate::gui::command::Command;
use crate::gui::kit::{self, Notice};
use crate::gui::theme::{self, colors, icons};
use crate::lamp::{Metric, TaskKind};
use crate::metrics::ScoreSet;
use crate::record::{Finish, RunRecord};
use crate::report::{Method, words};

impl InspectView {
    /// Output, answer and reference.
    pub(super) fn answer(
        &mut self,
        ui: &mut Ui,
        shown: &Shown,
        run: &RunRecord,
        commands: &mut Vec<Command>,
    ) {
        self.answer_of(ui, &shown.side, run, "answer", commands);
        self.reference(ui, &shown.side);
    }

    fn reference(&mut self, ui: &mut Ui, side: &Side) {
        caption(ui, "Reference", |_| {});
        match &side.prediction.reference {
            None => {
                ui.label(theme::weak(ui, "None is known, so that the sample has no score."));
            }
            Some(reference) if reference.is_empty() => {
                ui.label(theme::weak(ui, "Empty."));
            }
            Some(reference) => {
                let most = self.reading.most("reference");
                let job = text::compared(ui, reference, side.diff.as_ref(), Compared::Reference, most);
                text::read(ui, job);
                self.reading.rest(ui, "reference", reference.len());
            }
        }
        if let Some(diff) = &side.diff {
            let alone = |stretches: &[super::diff::Stretch]| stretches.iter().any(|stretch| !stretch.shared);
            let key = match (alone(&diff.first), alone(&diff.second)) {
                (true, true) => "Struck out: not in the reference. Underlined: missing in the answer.",
                (true, false) => "Struck out: not in the reference.",
                (false, true) => "Underlined: missing in the answer.",
                (false, false) => "Word for word the same.",
            };
            ui.label(theme::caption(ui, key));
        }
    }

    /// What a run wrote.
    fn answer_of(
        &mut self,
        ui: &mut Ui,
        side: &Side,
        run: &RunRecord,
        place: &'static str,
        commands: &mut Vec<Command>,
    ) {
        let prediction = &side.prediction;
        if let Some(error) = &prediction.error {
            caption(ui, "Failed", |_| {});
            kit::notice(ui, Notice::Error, text::start(error, 8000), None);
            return;
        }
        caption(ui, "Answer", |ui| {
            if kit::icon_button(ui, icons::COPY, "Copy the output").clicked() {
                let text = prediction.raw.clone();
                commands.push(Command::Copy { text, said: "Copied the output".to_owned() });
            }
            marks(ui, side, run);
        });
        if prediction.answer.is_empty() {
            ui.label(theme::weak(ui, "Empty: nothing was written."));
        } else {
            let most = self.reading.most(place);
            let job = text::compared(ui, &prediction.answer, side.diff.as_ref(), Compared::Answer, most);
            text::read(ui, job);
            self.reading.rest(ui, place, prediction.answer.len());
        }
        if !prediction.parsed {
            let kind = match run.spec.dataset.task.kind() {
                TaskKind::Classification => "It is none of the task's labels, and counts as wrong.",
                TaskKind::Rating => "It is no rating; the end farther from the reference counts for it.",
                TaskKind::Generation => "It is no answer of the task's kind.",
            };
            kit::notice(ui, Notice::Warning, kind, None);
        }
        if prediction.raw == prediction.answer {
            ui.label(theme::caption(ui, "The raw output is the same."));
        } else {
            caption(ui, "Raw output", |_| {});
            let place = if place == "answer" { "raw" } else { "raw beside" };
            let most = self.reading.most(place);
            let text = text::start(&prediction.raw, most);
            ui.add(Label::new(RichText::new(text).monospace()).wrap().selectable(true));
            self.reading.rest(ui, place, prediction.raw.len());
        }
    }

    /// All scores of the sample, and the other run's.
    pub(super) fn scores(&mut self, ui: &mut Ui, shown: &Shown, run: &RunRecord) {
        caption(ui, "Scores", |_| {});
        let task = run.spec.dataset.task;
        let of = |side: &Side, metric| side.prediction.score.as_ref().and_then(|score| score.value(metric));
        let metrics = ScoreSet::all_metrics(task);
        let other = shown.other.as_ref();
        let any = |side: &Side| side.prediction.score.is_some();
        if !any(&shown.side) && !other.is_some_and(any) {
            let words = match shown.side.prediction.error {
                Some(_) => "None: there is no answer.",
                None => "None: there is no reference.",
            };
            ui.label(theme::weak(ui, words));
        } else {
            if other.is_some() {
                let heads = ["This run", "Beside", "Difference"].map(|head| theme::caption(ui, head));
                score_row(ui, RichText::new(""), heads.into());
            }
            for &metric in metrics {
                let (one, beside) = (of(&shown.side, metric), other.and_then(|side| of(side, metric)));
                let none = || "\u{2013}".to_owned();
                let figure =
                    |value: Option<f64>| value.map_or_else(none, |value| words::figure(metric, value));
                let mut cells = vec![RichText::new(figure(one))];
                if other.is_some() {
                    let by = one.zip(beside).map(|(one, beside)| one - beside);
                    let text = by.map_or_else(none, |by| words::difference(metric, by));
                    cells.push(RichText::new(figure(beside)));
                    cells.push(RichText::new(text).color(turn_color(ui, metric, by)));
                }
                score_row(ui, RichText::new(metric.name()), cells).on_hover_text(part_of(metric));
            }
        }
        self.said(ui, shown);
        if self.against.is_some() && other.is_none() {
            ui.label(theme::caption(ui, "The other run has not answered this sample."));
        }
        if let Some(other) = other
            && !self.beside
        {
            caption(ui, "Answer of the other run", |_| {});
            match &other.prediction.error {
                Some(error) => {
                    kit::notice(ui, Notice::Error, text::start(error, 8000), None);
                }
                None => {
                    let answer = &other.prediction.answer;
                    let job = text::compared(ui, answer, other.diff.as_ref(), Compared::Answer, text::MOST);
                    text::read(ui, job);
                }
            }
        }
    }

    /// What made it so.
    pub(super) fn why(&mut self, ui: &mut Ui, shown: &Shown, run: &RunRecord) {
        caption(ui, "How it came about", |_| {});
        ui.scope(|ui| {
            ui.spacing_mut().item_spacing.y = 3.0;
            for (name, value) in facts(run, &shown.side) {
                fact(ui, name, &value);
            }
        });
        if !self.beside {
            self.differences(ui);
        }
    }

    /// In what the two runs differ.
    fn differences(&self, ui: &mut Ui) {
        let Some(pair) = self.pair() else { return };
        let Some(rows) = self.rows.value_of(&pair).filter(|_| self.against.is_some()) else { return };
        caption(ui, "From the other run to this one", |_| {});
        if !rows.same_data {
            ui.label(theme::caption(ui, "The runs are over other data; samples are matched by their ids."));
        }
        ui.scope(|ui| {
            ui.spacing_mut().item_spacing.y = 3.0;
            for difference in &rows.differences {
                ui.add(Label::new(difference.as_str()).wrap().selectable(true));
            }
        });
        if rows.differences.is_empty() {
            ui.label(theme::weak(ui, "Nothing."));
        }
    }

    /// Both runs' answers and prompts in two columns.
    pub(super) fn side_by_side(
        &mut self,
        ui: &mut Ui,
        shown: &Shown,
        run: &RunRecord,
        commands: &mut Vec<Command>,
    ) {
        let other_run = self.other_record.clone();
        let Some((other, other_run)) = shown.other.as_ref().zip(other_run) else {
            kit::notice(ui, Notice::Info, "The other run has not answered this sample.", None);
            self.answer(ui, shown, run, commands);
            self.scores(ui, shown, run);
            self.input(ui, shown, run);
            self.prompt(ui, shown, run, commands);
            return;
        };
        ui.add_space(4.0);
        ui.columns(2, |columns| {
            let sides = [(&shown.side, run, "answer"), (other, &*other_run, "answer beside")];
            for (ui, (side, run, place)) in columns.iter_mut().zip(sides) {
                ui.push_id(place, |ui| {
                    head(ui, run, if place == "answer" { "This run" } else { "Beside" });
                    self.answer_of(ui, side, run, place, commands);
                });
            }
        });
        self.reference_plain(ui, shown);
        self.scores(ui, shown, run);
        self.differences(ui);
        self.input(ui, shown, run);
        if self.reading.section(ui, "Prompt", "this run at the left, the other at the right", |_| {}) {
            ui.columns(2, |columns| {
                let sides = [(&shown.side, run, "prompt"), (other, &*other_run, "prompt beside")];
                for (ui, (side, run, place)) in columns.iter_mut().zip(sides) {
                    ui.push_id(place, |ui| self.prompt_text(ui, side, run, place));
                }
            });
        }
    }

    /// The reference between two answers, which differ from it in their own ways.
    fn reference_plain(&mut self, ui: &mut Ui, shown: &Shown) {
        caption(ui, "Reference", |_| {});
        match &shown.side.prediction.reference {
            Some(reference) => {
                let job = text::compared(ui, reference, None, Compared::Reference, text::MOST);
                text::read(ui, job);
                ui.label(theme::caption(ui, "Struck out in the answers: not in the reference."));
            }
            None => {
                ui.label(theme::weak(ui, "None is known, so that the sample has no score."));
            }
        }
    }
}

/// A run's name over its column.
fn head(ui: &mut Ui, run: &RunRecord, which: &str) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 8.0;
        let color = theme::method(ui, Method::of_run(&run.spec));
        let (dot, _) = ui.allocate_exact_size(egui::vec2(10.0, 18.0), egui::Sense::hover());
        ui.painter().circle_filled(dot.center(), 5.0, color);
        ui.add(Label::new(theme::strong(format!("{which}: {}", super::pick::method(run)))).truncate());
    });
    ui.add(Label::new(theme::caption(ui, &run.spec.model.name)).truncate());
}

/// A small title over a group, with what belongs to its right end.
pub(super) fn caption(ui: &mut Ui, words: &str, right: impl FnOnce(&mut Ui)) {
    ui.add_space(8.0);
    ui.horizontal(|ui| {
        ui.set_min_height(18.0);
        ui.label(theme::overline(ui, words));
        ui.with_layout(Layout::right_to_left(Align::Center), right);
    });
}

/// What is so of a prediction, as words with an icon each.
fn marks(ui: &mut Ui, side: &Side, run: &RunRecord) {
    let task = run.spec.dataset.task;
    let metric = task.primary_metric();
    let value = side.prediction.score.as_ref().and_then(|score| score.value(metric));
    let bits = marks_of(&side.prediction, value, metric);
    let colors = colors(ui);
    for mark in Mark::ALL.into_iter().rev().filter(|mark| bits & mark.bit() != 0) {
        let (icon, color) = match mark {
            Mark::Right => (icons::CHECK, colors.good),
            Mark::Wrong if task.kind() == TaskKind::Generation => continue,
            Mark::Wrong => (icons::X, colors.danger),
            _ => (icons::WARNING, colors.warning),
        };
        let text = RichText::new(format!("{icon} {}", mark.words())).color(color);
        ui.add(Label::new(text)).on_hover_text(mark.meaning(task.kind()));
    }
}

/// What a sample's number is to the run's figure.
const fn part_of(metric: Metric) -> &'static str {
    match metric {
        Metric::Accuracy => "1 where the answer is the reference",
        Metric::MacroF1 => "1 where the answer is the reference; the run's figure is over labels",
        Metric::Mae => "How far the rating is from the reference",
        Metric::Rmse => "The square of how far the rating is from the reference",
        Metric::SacreBleu => "The sentence's own BLEU, up to 100",
        Metric::Meteor => "METEOR of the sample",
        _ => "The F-measure of the sample",
    }
}

/// A metric and its figures, at fixed places so that rows stand beneath each other.
fn score_row(ui: &mut Ui, name: RichText, cells: Vec<RichText>) -> egui::Response {
    let (rect, response) =
        ui.allocate_exact_size(egui::vec2(ui.available_width(), 18.0), egui::Sense::hover());
    let at = |left: f32, width: f32| {
        egui::Rect::from_min_size(
            egui::pos2(rect.left() + left, rect.top()),
            egui::vec2(width, rect.height()),
        )
    };
    let mut cell = |rect: egui::Rect, text: RichText, layout: Layout| {
        let mut ui = ui.new_child(egui::UiBuilder::new().max_rect(rect).layout(layout));
        ui.add(Label::new(text).truncate());
    };
    cell(at(0.0, 92.0), name, Layout::left_to_right(Align::Center));
    for (number, text) in cells.into_iter().enumerate() {
        cell(at(96.0 + 72.0 * number as f32, 64.0), text, Layout::right_to_left(Align::Center));
    }
    response
}

/// Gain and loss by color; the sign says it too.
fn turn_color(ui: &Ui, metric: Metric, by: Option<f64>) -> egui::Color32 {
    let colors = colors(ui);
    let gain = by.map_or(0.0, |by| if metric.higher_is_better() { by } else { -by });
    match gain {
        gain if gain > 0.0 => colors.good,
        gain if gain < 0.0 => colors.danger,
        _ => colors.weak,
    }
}

fn facts(run: &RunRecord, side: &Side) -> Vec<(&'static str, String)> {
    let spec = &run.spec;
    let prediction = &side.prediction;
    let mut facts = vec![("Retriever", super::pick::method(run)), ("Model", spec.model.name.clone())];
    if let Some(prompt) = &spec.prompt {
        facts.push(("Template", format!("{}, {} mode", prompt.template, prompt.mode)));
    }
    let tokens = format!("{} read, {} written", prediction.prompt_tokens, prediction.new_tokens);
    if spec.prompt.is_some() {
        facts.push(("Tokens", tokens));
    }
    if prediction.error.is_none() {
        let finish = match prediction.finish {
            Finish::End if spec.prompt.is_none() => "a rule gave it whole",
            Finish::End => "the model ended it",
            Finish::Length => "at the limit of new tokens",
            Finish::Stop => "at a stop text",
            Finish::ContentFilter => "a filter at the endpoint ended it",
            Finish::Refusal => "the model refused",
        };
        facts.push(("Finish", finish.to_owned()));
    }
    match (prediction.cached, spec.prompt.is_some()) {
        (true, _) => facts.push(("Time", "taken from the kept answers".to_owned())),
        (false, true) => facts.push(("Time", format!("{:.1} ms of the model", prediction.model_ms))),
        (false, false) => {}
    }
    facts.push(("Device", format!("{}, {}", spec.model.device, spec.model.precision)));
    facts.push(("Run", format!("{}, number {}", run.short_key(), run.id.0)));
    facts
}

fn fact(ui: &mut Ui, name: &str, value: &str) {
    ui.horizontal_top(|ui| {
        let (rect, _) = ui.allocate_exact_size(egui::vec2(76.0, 18.0), egui::Sense::hover());
        let layout = Layout::left_to_right(Align::Center);
        let mut cell = ui.new_child(egui::UiBuilder::new().max_rect(rect).layout(layout));
        let text = theme::weak(&cell, name);
        cell.add(Label::new(text).truncate());
        ui.add(Label::new(value).wrap().selectable(true));
    });
}
