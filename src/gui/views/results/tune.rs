//! The panel that chooses retriever and k on one split for another, and shows what was chosen.

use eframe::egui::{self, ScrollArea, TextEdit, Ui, WidgetInfo};

use crate::gui::command::{Command, Screen};
use crate::gui::kit::{self, Notice};
use crate::gui::shared::Shared;
use crate::gui::theme::{self, icons};
use crate::lamp::Split;
use crate::record::{RetrieverSpec, Tuning};
use crate::report::{method_name, words};
use crate::run::Experiment;

/// The panel's state.
#[derive(Debug)]
pub struct Tune {
    k: String,
    on: Split,
}

impl Default for Tune {
    fn default() -> Self {
        Self { k: "0, 1, 2, 4".to_owned(), on: Split::Dev }
    }
}

impl Tune {
    /// The numbers that are typed; `None` where something else is.
    fn ks(&self) -> Option<Vec<usize>> {
        let parts = self.k.split([',', ' ', ';']).filter(|part| !part.is_empty());
        let ks: Option<Vec<usize>> = parts.map(|part| part.parse().ok()).collect();
        ks.filter(|ks| !ks.is_empty())
    }

    /// The experiment that tunes the draft.
    fn experiment(&self, draft: &Experiment, ks: Vec<usize>) -> Experiment {
        let mut experiment = draft.clone().only_tuned();
        let tune = experiment.tune.get_or_insert_default();
        tune.on = self.on;
        tune.k = ks;
        experiment.name = format!("{} (tuning)", draft.name);
        experiment
    }

    /// Draws the panel; tells whether the grids are to be shown.
    pub fn show(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) -> bool {
        ui.label(theme::weak(
            ui,
            "Tries every retriever with every k on one split, and runs the best of each task on the split that is reported.",
        ));
        let draft = shared.experiment();
        let tried = draft.clone().only_tuned().tune.map(|tune| tune.retrievers).unwrap_or_default();
        let ready = !draft.data.is_empty() && !draft.models.is_empty() && !tried.is_empty();
        if !ready {
            let lacks = match (draft.data.is_empty(), draft.models.is_empty()) {
                (true, true) => "The experiment has no data and no model yet.",
                (true, false) => "The experiment has no data yet.",
                (false, true) => "The experiment has no model yet.",
                (false, false) => "The experiment has no retriever to try.",
            };
            if kit::notice(ui, Notice::Info, lacks, Some("Set up the experiment")) {
                commands.push(Command::Go(Screen::Experiment));
            }
        }
        kit::label(ui, "Choose on");
        kit::segmented(ui, &mut self.on, &[(Split::Dev, "Dev", None), (Split::Train, "Train", None)]);
        kit::label(ui, "Entries to try (k)");
        let field = ui.add(TextEdit::singleline(&mut self.k).desired_width(180.0));
        let value = self.k.clone();
        field.widget_info(|| {
            let mut info = WidgetInfo::text_edit(true, "", &value, "0, 1, 2, 4");
            info.label = Some("Entries to try".to_owned());
            info
        });
        let ks = self.ks();
        if ks.is_none() {
            ui.label(
                egui::RichText::new("Numbers parted by commas, such as 0, 1, 2, 4.")
                    .color(theme::colors(ui).danger),
            );
        }
        if !tried.is_empty() {
            kit::label(ui, "Retrievers to try");
            ui.add(egui::Label::new(tried.join(", ")).wrap());
        }
        let same = draft.data.iter().any(|data| data.split() == self.on);
        if ready && same {
            let text = format!(
                "The experiment reports the {} split too. Figures of what is chosen on the very data that is reported are too good.",
                self.on
            );
            kit::notice(ui, Notice::Warning, &text, None);
        }
        ui.add_space(4.0);
        if kit::primary_if(ui, ready && ks.is_some(), "Start tuning").clicked()
            && let Some(ks) = ks
        {
            commands.push(Command::Start(Box::new(self.experiment(draft, ks))));
        }
        ui.separator();
        chosen(ui, &shared.store.tunings)
    }
}

/// What was chosen so far.
fn chosen(ui: &mut Ui, tunings: &[Tuning]) -> bool {
    let mut grids = false;
    ui.label(theme::strong("Chosen so far"));
    if tunings.is_empty() {
        ui.label(theme::weak(ui, "Nothing was tuned yet."));
        return false;
    }
    if kit::button(ui, icons::GRID_FOUR, "See the grids").clicked() {
        grids = true;
    }
    const ROW: f32 = 36.0;
    ScrollArea::vertical().id_salt("tunings").auto_shrink(false).show_rows(
        ui,
        ROW,
        tunings.len(),
        |ui, rows| {
            for tuning in tunings.get(rows).into_iter().flatten() {
                ui.vertical(|ui| {
                    ui.set_min_height(ROW);
                    ui.spacing_mut().item_spacing.y = 0.0;
                    let Some(winner) = tuning.grid.get(tuning.winner) else { return };
                    let spec = RetrieverSpec {
                        config: winner.retriever.clone(),
                        k: winner.k,
                        ..RetrieverSpec::none()
                    };
                    let k = if winner.k == 0 { String::new() } else { format!(", k {}", winner.k) };
                    kit::cut(ui, format!("{} {}: {}{k}", tuning.task, tuning.setting, method_name(&spec)));
                    let value = words::figure(tuning.metric, winner.value);
                    let text = format!(
                        "{} {value} on {}, best of {}; {}",
                        tuning.metric.name(),
                        tuning.tuned_on,
                        tuning.grid.len(),
                        tuning.model
                    );
                    kit::cut(ui, theme::caption(ui, text));
                });
            }
        },
    );
    grids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_type_them() {
        let ks = |text: &str| Tune { k: text.to_owned(), on: Split::Dev }.ks();
        assert_eq!(ks("0,1, 2 ;4"), Some(vec![0, 1, 2, 4]));
        assert_eq!(ks(""), None);
        assert_eq!(ks("1, two"), None);
        assert_eq!(ks("-1"), None);
    }

    #[test]
    fn a_tuning_has_nothing_else_of_the_draft() {
        let mut draft = Experiment { name: "E".into(), ..Experiment::default() };
        draft.retrieval.retrievers = vec!["bm25".into(), "random".into()];
        let tuned = Tune::default().experiment(&draft, vec![1, 4]);
        assert!(tuned.retrieval.retrievers.is_empty());
        let tune = tuned.tune.unwrap();
        assert_eq!((tune.retrievers, tune.k, tune.on), (draft.retrieval.retrievers, vec![1, 4], Split::Dev));
    }
}
