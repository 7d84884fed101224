//! What the endpoints of an experiment would be asked, before any is: requests, tokens and cost, counted on some of the prompts by a job.

use std::sync::Arc;

use eframe::egui::{self, Label, Ui};

use super::cost::chosen;
use super::survey::Survey;
use super::ticks::Ticks;
use crate::gui::kit;
use crate::gui::loadable::Loadable;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, icons};
use crate::record::{RunRecord, RunStatus};
use crate::run::{Cell, CellModel, Estimate, estimate};

/// Cells that are to be asked, by their keys, and how many of their samples are stored.
type Subject = Vec<(String, u64)>;

/// The estimate, and what it is of.
#[derive(Debug, Default)]
pub(super) struct Served {
    wanted: Subject,
    /// Requests that are left.
    requests: u64,
    /// Whether prompts can be made without a model that encodes, which may take long and cost.
    simple: bool,
    asked: Option<Subject>,
    estimates: Loadable<Subject, Vec<Estimate>>,
}

/// Whether a cell's answers come from an endpoint.
fn is_served(cell: &Cell) -> bool {
    matches!(&cell.model, CellModel::Load { options, .. } if options.endpoint.is_some())
}

impl Served {
    /// Finds what is to be asked; called when ticks or the store have changed.
    pub fn look(&mut self, survey: &Survey, ticks: &Ticks, runs: &[RunRecord]) {
        self.wanted.clear();
        self.requests = 0;
        self.simple = true;
        for number in chosen(survey, ticks) {
            let (Some(cell), Some(key)) = (survey.cells.get(number), survey.keys.get(number)) else {
                continue;
            };
            let run = runs.iter().find(|run| run.key == *key);
            if !is_served(cell) || run.is_some_and(|run| run.status == RunStatus::Done) {
                continue;
            }
            let stored = run.map_or(0, |run| run.totals.done);
            self.requests += (cell.positions.len() as u64).saturating_sub(stored);
            self.simple &= !cell.spec.retriever.config.contains("dense");
            self.wanted.push((key.clone(), stored));
        }
    }

    /// Has it counted, where that takes no model.
    pub fn logic(&mut self, ctx: &egui::Context, shared: &Shared, survey: &Arc<Survey>) {
        self.estimates.poll();
        let asked = self.asked.as_ref() == Some(&self.wanted);
        // A run that writes changes what is left with every row; it is counted again when it has ended.
        if self.wanted.is_empty() || !(self.simple || asked) || !shared.runner.is_idle() {
            return;
        }
        let (survey, workplace) = (survey.clone(), shared.workplace.clone());
        let subject = self.wanted.clone();
        self.estimates.want(ctx, "estimate", subject.clone(), 0, move |cancel, progress| {
            let mut all = Vec::new();
            for (key, stored) in &subject {
                let cell =
                    survey.keys.iter().position(|known| known == key).and_then(|at| survey.cells.get(at));
                let Some(cell) = cell else { continue };
                all.extend(estimate(cell, *stored, &workplace, cancel, progress)?);
            }
            Ok(all)
        });
    }

    /// Draws it, where something is to be asked.
    pub fn show(&mut self, ui: &mut Ui) {
        if self.wanted.is_empty() {
            return;
        }
        let requests = kit::count(self.requests);
        if let Some(reading) = self.estimates.pending() {
            ui.label(theme::weak(
                ui,
                format!("{}  At most {requests} requests to endpoints.", icons::HARD_DRIVES),
            ));
            if kit::working(ui, &reading, "Counting their tokens") {
                self.estimates.cancel();
            }
            return;
        }
        ui.horizontal_wrapped(|ui| {
            let text = match self.estimates.value_of(&self.wanted) {
                Some(estimates) => told(&requests, estimates),
                None => format!("At most {requests} requests to endpoints."),
            };
            ui.add(Label::new(theme::weak(ui, format!("{}  {text}", icons::HARD_DRIVES))).wrap());
            let counted = self.estimates.value_of(&self.wanted).is_some();
            if !counted && !self.simple {
                let response = kit::button(ui, icons::CLOCK, "Estimate tokens and cost");
                if response.on_hover_text("Makes some of the prompts, for which texts are encoded").clicked()
                {
                    self.asked = Some(self.wanted.clone());
                }
            }
        });
        if let Some(trouble) = self.estimates.trouble().cloned()
            && kit::trouble(ui, &trouble, Some("Estimate again"))
        {
            self.estimates.clear();
        }
    }
}

/// What is estimated, in a sentence or two.
fn told(requests: &str, estimates: &[Estimate]) -> String {
    let sum = |of: fn(&Estimate) -> u64| estimates.iter().map(of).sum::<u64>();
    let mut text = format!(
        "At most {requests} requests to endpoints; about {} tokens read, at most {} written",
        kit::count(sum(|estimate| estimate.prompt_tokens)),
        kit::count(sum(|estimate| estimate.most_new_tokens)),
    );
    let costs: Vec<(f64, f64)> = estimates.iter().filter_map(|estimate| estimate.cost).collect();
    if costs.is_empty() {
        text.push_str(". No price is known, so neither is the cost.");
    } else {
        let (least, most) = costs.iter().fold((0.0, 0.0), |(a, b), (least, most)| (a + least, b + most));
        text.push_str(&format!("; cost {} to {}.", amount(least), amount(most)));
        if costs.len() < estimates.len() {
            text.push_str(" Some have no price and are not counted.");
        }
    }
    text
}

fn amount(amount: f64) -> String {
    if amount != 0.0 && amount.abs() < 0.1 { format!("{amount:.4}") } else { format!("{amount:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_told_with_its_cost_or_without() {
        let one = Estimate {
            samples: 10,
            counted: 10,
            prompt_tokens: 12_000,
            most_new_tokens: 1_280,
            tokenizer: "four bytes a token".into(),
            cost: Some((0.001, 0.5)),
        };
        let text = told("20", &[one.clone(), one.clone()]);
        assert!(text.contains("24,000 tokens read, at most 2,560 written; cost 0.0020 to 1.00."), "{text}");
        let text = told("10", &[Estimate { cost: None, ..one }]);
        assert!(text.contains("No price is known"), "{text}");
    }
}
