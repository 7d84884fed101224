//! The foot of the screen Experiment: what starting it would cost, and the button that starts it.

use eframe::egui::{self, Align, Layout, Ui};

use super::ExperimentView;
use super::cost::{self, Cost};
use super::survey::Survey;
use crate::gui::command::Command;
use crate::gui::kit::{self, Notice};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, icons};

impl ExperimentView {
    pub(super) fn foot(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        let cost = self.known.cost.clone();
        ui.horizontal_top(|ui| {
            let room = (ui.available_width() - 190.0).max(200.0);
            ui.vertical(|ui| {
                ui.set_width(room);
                ui.spacing_mut().item_spacing.y = 2.0;
                if let Some(reading) = self.survey.pending().filter(|_| !self.is_current()) {
                    if kit::working(ui, &reading, "Looking at the experiment") {
                        self.survey.cancel();
                    }
                } else {
                    ui.add(egui::Label::new(theme::strong(amount(&cost))).wrap());
                }
                self.time(ui, shared, &cost);
                self.served.show(ui);
                if let Some(survey) = self.survey.value() {
                    memory(ui, survey);
                }
            });
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let current = self.is_current();
                if current && self.problems().is_empty() && cost.runs > 0 && cost.left() == 0 {
                    if kit::primary(ui, "Show results").clicked() {
                        commands.push(Command::ShowResults(self.stored_runs(shared)));
                    }
                    return;
                }
                let response = kit::primary_if(ui, self.can_start(), &start_words(&cost));
                if response.clicked() {
                    commands.push(Command::Start(Box::new(shared.experiment().clone())));
                }
                let why = match () {
                    () if !current => "It is still being looked at.",
                    () if !self.problems().is_empty() => "Something is to be mended first; see above.",
                    () => "Tick at least one cell.",
                };
                response.on_disabled_hover_text(why);
            });
        });
    }

    fn stored_runs(&self, shared: &Shared) -> Vec<crate::record::RunId> {
        let Some(survey) = self.survey.value() else { return Vec::new() };
        let chosen = cost::chosen(survey, &self.known.ticks);
        let keys: std::collections::HashSet<&str> =
            chosen.iter().filter_map(|&cell| survey.keys.get(cell)).map(String::as_str).collect();
        shared.store.runs.iter().filter(|run| keys.contains(run.key.as_str())).map(|run| run.id).collect()
    }

    fn time(&mut self, ui: &mut Ui, shared: &Shared, cost: &Cost) {
        if cost.answers == 0 {
            return;
        }
        let mut parts = Vec::new();
        let source = match (cost.from_runs, cost.measured) {
            (0, true) => "measured just now".to_owned(),
            (1, _) => "as 1 stored run of the same models took".to_owned(),
            (runs, _) => format!("as {runs} stored runs of the same models took"),
        };
        if cost.from_runs > 0 || cost.measured {
            parts.push(format!("About {}, {source}.", kit::span(cost.seconds)));
        } else if cost.unknown.is_empty() {
            parts.push("Moments: only rules answer.".to_owned());
        }
        if let [(name, answers), more @ ..] = cost.unknown.as_slice() {
            let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
            parts.push(format!(
                "Time unknown for {}{more} ({} answers): not run yet.",
                last_part(name),
                kit::count(*answers)
            ));
        }
        ui.horizontal_wrapped(|ui| {
            ui.label(theme::weak(ui, format!("{}  {}", icons::CLOCK, parts.join(" "))));
            let Some(survey) = self.survey.value() else { return };
            if !cost.unknown.is_empty() {
                self.measuring.show(ui, shared, survey, &self.known.ticks, &cost.unknown);
            }
        });
        self.measuring.trouble(ui);
    }
}

/// How much is to be done.
fn amount(cost: &Cost) -> String {
    if cost.runs == 0 {
        return "Nothing is ticked".to_owned();
    }
    let plural = |count: u64, one: &str, more: &str| {
        if count == 1 { format!("1 {one}") } else { format!("{} {more}", kit::count(count)) }
    };
    let mut text = plural(cost.runs as u64, "run", "runs");
    if cost.winners > 0 {
        text.push_str(&format!(", then {} tuned", cost.winners));
    }
    if cost.stored > 0 {
        text.push_str(&format!("; {} stored already", kit::count(cost.stored as u64)));
    }
    if cost.answers == 0 {
        return text;
    }
    text.push_str("; ");
    match (cost.generations, cost.answers - cost.generations) {
        (0, rules) => text.push_str(&plural(rules, "answer by rule", "answers by rules")),
        (generations, 0) => text.push_str(&plural(generations, "generation", "generations")),
        (generations, rules) => {
            text.push_str(&plural(generations, "generation", "generations"));
            text.push_str(&format!(", {}", plural(rules, "answer by rule", "answers by rules")));
        }
    }
    text.push_str(" to make");
    text
}

fn memory(ui: &mut Ui, survey: &Survey) {
    let Some(memory) = &survey.memory else { return };
    let gb = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
    let free = survey.free.map_or_else(String::new, |free| format!(", {} is free", gb(free)));
    let text =
        format!("{}  {} of memory for {}{free}", icons::CPU, gb(memory.needed), last_part(&memory.model));
    if survey.free.is_some_and(|free| memory.needed > free) {
        let text = format!("{text}: too little. Choose a smaller model, batch or prompt length.");
        kit::notice(ui, Notice::Warning, &text, None);
    } else {
        ui.label(theme::weak(ui, text));
    }
}

/// What a path or a name is called.
pub(super) fn last_part(name: &str) -> String {
    let path = std::path::Path::new(name);
    match path.is_absolute() {
        true => path.file_name().map_or_else(|| name.to_owned(), |part| part.to_string_lossy().into_owned()),
        false => name.to_owned(),
    }
}

pub(super) fn start_words(cost: &Cost) -> String {
    match cost.left() {
        1 => "Start 1 run".to_owned(),
        runs => format!("Start {runs} runs"),
    }
}
