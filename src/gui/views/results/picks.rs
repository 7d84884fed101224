//! The panel of runs: to show some alone, and to compare two.

use std::collections::BTreeSet;

use eframe::egui::{self, ScrollArea, Ui, vec2};

use super::choice::Choice;
use super::grid::state_of;
use crate::gui::kit;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, icons};
use crate::record::{RunId, RunRecord, RunStatus};
use crate::report::run_method_name;

/// A row of the list.
const ROW: f32 = 40.0;

/// What the panel asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    Nothing,
    /// To show these alone.
    Show(Vec<RunId>),
    /// To compare the second with the first.
    Compare(RunId, RunId),
}

/// The panel's state.
#[derive(Debug, Default)]
pub struct Picks {
    picked: BTreeSet<RunId>,
    search: String,
    /// What the list was made for, and the places of its runs in the store.
    listed: Option<((u64, Choice, String), Vec<RunId>)>,
}

/// `LaMP-3 user, BM25, k 4`.
pub fn name(run: &RunRecord) -> String {
    let spec = &run.spec;
    let method = run_method_name(spec);
    let k = if spec.retriever.is_none() { String::new() } else { format!(", k {}", spec.retriever.k) };
    format!("{} {}, {method}{k}", spec.dataset.task, spec.dataset.setting)
}

fn details(run: &RunRecord) -> String {
    format!("{} \u{b7} {} \u{b7} run {}", run.spec.model.name, run.spec.dataset.split, run.id.0)
}

impl Picks {
    /// The list for a choice and a search, made anew only if they or the store have changed.
    fn list(&mut self, shared: &Shared, choice: &Choice) {
        // Runs that were picked before stay in the list.
        let choice = Choice { runs: Vec::new(), ..choice.clone() };
        let of = (shared.store.version, choice, self.search.to_lowercase());
        if self.listed.as_ref().is_some_and(|(listed, _)| *listed == of) {
            return;
        }
        let words: Vec<&str> = of.2.split_whitespace().collect();
        let fits = |run: &&RunRecord| {
            let text = format!("{} {}", name(run), details(run)).to_lowercase();
            words.iter().all(|word| text.contains(word))
        };
        let runs = of.1.fitting(&shared.store.runs, &shared.store.experiments);
        let ids: Vec<RunId> = runs.filter(fits).map(|run| run.id).collect();
        self.picked.retain(|run| super::grid::find(shared, *run).is_some());
        self.listed = Some((of, ids));
    }

    /// Draws the panel.
    pub fn show(&mut self, ui: &mut Ui, shared: &Shared, choice: &Choice) -> Asked {
        kit::search_field(ui, &mut self.search, "Search runs", ui.available_width());
        self.list(shared, choice);
        let mut asked = Asked::Nothing;
        let picked: Vec<&RunRecord> =
            self.picked.iter().filter_map(|run| super::grid::find(shared, *run)).collect();
        let refusal = match picked[..] {
            [one, other] if one.spec.dataset.task != other.spec.dataset.task => {
                Some("Two runs of one task can be compared.")
            }
            [_, _] => None,
            _ => Some("Pick two runs to compare them."),
        };
        ui.horizontal(|ui| {
            let compare = kit::button_if(ui, refusal.is_none(), icons::ARROWS_LEFT_RIGHT, "Compare");
            if let Some(refusal) = refusal {
                compare.clone().on_disabled_hover_text(refusal);
            }
            if compare.clicked()
                && let [one, other] = picked[..]
            {
                asked = Asked::Compare(one.id, other.id);
            }
            let words = format!("Show {} alone", self.picked.len());
            if kit::button_if(ui, !self.picked.is_empty(), icons::FUNNEL, &words).clicked() {
                asked = Asked::Show(self.picked.iter().copied().collect());
            }
            if !self.picked.is_empty() && kit::icon_button(ui, icons::X, "Pick none").clicked() {
                self.picked.clear();
            }
        });
        let ids = self.listed.as_ref().map_or(&[][..], |(_, ids)| ids);
        if ids.is_empty() {
            ui.label(theme::weak(ui, "No run fits. Search for less, or choose less above."));
            return asked;
        }
        ui.label(theme::caption(
            ui,
            if ids.len() == 1 { "1 run".to_owned() } else { format!("{} runs", ids.len()) },
        ));
        ui.spacing_mut().item_spacing.y = 0.0;
        ScrollArea::vertical().id_salt("picks").auto_shrink(false).show_rows(
            ui,
            ROW,
            ids.len(),
            |ui, rows| {
                for id in ids.get(rows).into_iter().flatten() {
                    let Some(run) = super::grid::find(shared, *id) else { continue };
                    row(ui, shared, run, &mut self.picked);
                }
            },
        );
        asked
    }
}

fn row(ui: &mut Ui, shared: &Shared, run: &RunRecord, picked: &mut BTreeSet<RunId>) {
    let mut on = picked.contains(&run.id);
    ui.push_id(run.id.0, |ui| {
        ui.allocate_ui(vec2(ui.available_width(), ROW), |ui| {
            ui.set_min_height(ROW);
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                ui.spacing_mut().interact_size.y = 20.0;
                let words = name(run);
                let shown = egui::Checkbox::new(&mut on, egui::RichText::new(&words));
                let response = ui.add(shown).on_hover_text(format!("{words}, {}", details(run)));
                if response.changed() {
                    if on {
                        picked.insert(run.id);
                    } else {
                        picked.remove(&run.id);
                    }
                }
                ui.horizontal(|ui| {
                    ui.add_space(24.0);
                    let state = (run.status != RunStatus::Done).then(|| state_of(run, shared).short);
                    let state = state.map(|state| format!(" \u{b7} {state}")).unwrap_or_default();
                    kit::cut(ui, theme::caption(ui, format!("{}{state}", details(run))));
                });
            });
        });
    });
}
