//! How list, sample and details share the room: three columns where there is room, two where there is not, and the sample in two
//! columns where another run stands beside.

use eframe::egui::{self, Align, Frame, Layout, Margin, ScrollArea, Ui};

use super::InspectView;
use super::sample::Shown;
use super::text;
use crate::gui::command::Command;
use crate::gui::kit;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, colors, icons};
use crate::record::RunRecord;

/// Lines of text are so long at most, one text or two beside each other.
const LINES: [f32; 2] = [900.0, 1500.0];
/// Below so many points the details stand above the prompt instead of beside it.
const THREE_COLUMNS: f32 = 860.0;

impl InspectView {
    /// Everything beneath the filters.
    pub(super) fn body(
        &mut self,
        ui: &mut Ui,
        shared: &Shared,
        run: &RunRecord,
        commands: &mut Vec<Command>,
    ) {
        let width = ui.available_width();
        let beside = self.beside && self.against.is_some();
        let side = |right: i8, left: i8| Frame::new().inner_margin(Margin { left, right, top: 8, bottom: 0 });
        egui::Panel::left("inspect-list")
            .exact_size((width * 0.25).clamp(224.0, 360.0))
            .resizable(false)
            .frame(side(12, 0))
            .show(ui, |ui| self.list(ui));
        let details = !beside && width >= THREE_COLUMNS;
        // Cloned for a moment: it is drawn while the form changes.
        let sample = self.sample.value().cloned();
        let shown = sample.as_deref().and_then(Option::as_ref).filter(|shown| self.is_of(shown));
        if let Some(shown) = shown.filter(|_| details) {
            egui::Panel::right("inspect-details")
                .exact_size((width * 0.32).clamp(320.0, 420.0))
                .resizable(false)
                .frame(side(0, 12))
                .show(ui, |ui| {
                    scroll("inspect-details", shown).show(ui, |ui| {
                        ui.set_width(ui.available_width() - 6.0);
                        self.answer(ui, shown, run, commands);
                        self.scores(ui, shown, run);
                        self.why(ui, shown, run);
                    });
                });
        }
        egui::CentralPanel::default().frame(side(0, 12)).show(ui, |ui| {
            let Some(shown) = shown else {
                self.no_sample(ui);
                return;
            };
            self.title(ui, shown, shared, commands);
            scroll("inspect-sample", shown).show(ui, |ui| {
                ui.set_width((ui.available_width() - 6.0).min(LINES[usize::from(beside)]));
                if beside {
                    self.side_by_side(ui, shown, run, commands);
                } else {
                    if !details {
                        self.answer(ui, shown, run, commands);
                        self.scores(ui, shown, run);
                    }
                    self.input(ui, shown, run);
                    self.prompt(ui, shown, run, commands);
                }
                self.profile(ui, shown, run, shared, commands);
                if !details {
                    self.why(ui, shown, run);
                }
                ui.add_space(12.0);
            });
        });
    }

    fn is_of(&self, shown: &Shown) -> bool {
        self.shown().is_some_and(|other| std::ptr::eq(other, shown))
    }

    fn no_sample(&mut self, ui: &mut Ui) {
        if let Some(trouble) = self.sample.trouble().cloned() {
            if kit::trouble(ui, &trouble, Some("Try again")) {
                self.sample.forget();
            }
        } else if self.selected.is_some() && !self.sample.is_pending() && self.sample.value().is_some() {
            ui.add_space(24.0);
            ui.label(theme::weak(ui, "This run has not answered that sample. Choose one in the list."));
        }
    }

    /// Which sample it is, and what one can do with it.
    fn title(&mut self, ui: &mut Ui, shown: &Shown, shared: &Shared, commands: &mut Vec<Command>) {
        let prediction = &shown.side.prediction;
        let listed = self.listed().cloned();
        let place = listed.as_ref().and_then(|listed| listed.place(Some(shown.position)));
        let count = listed.as_ref().map_or(0, |listed| listed.order.rows.len());
        ui.horizontal(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = 2.0;
                let more = place.is_some_and(|place| place + 1 < count);
                if kit::icon_button_if(ui, more, icons::CARET_RIGHT, "Next sample (j)").clicked() {
                    self.step(1);
                }
                let less = place.is_some_and(|place| place > 0);
                if kit::icon_button_if(ui, less, icons::CARET_LEFT, "Previous sample (k)").clicked() {
                    self.step(-1);
                }
                self.use_it(ui, shown, shared, commands);
                if kit::icon_button(ui, icons::COPY, "Copy the sample's id").clicked() {
                    let text = prediction.sample_id.clone();
                    commands.push(Command::Copy { text, said: "Copied the id".to_owned() });
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    let id = text::one_line(&prediction.sample_id);
                    ui.add(egui::Label::new(theme::section(format!("Sample {id}"))).truncate());
                });
            });
        });
        let mut facts = Vec::new();
        if let Some(place) = place {
            facts.push(format!(
                "{} of {} in the list",
                kit::count(place as u64 + 1),
                kit::count(count as u64)
            ));
        }
        facts.push(format!("place {} in its data", kit::count(u64::from(shown.position) + 1)));
        facts.push(match prediction.profile_entries {
            1 => "1 profile entry".to_owned(),
            entries => format!("{} profile entries", kit::count(u64::from(entries))),
        });
        ui.add(egui::Label::new(theme::caption(ui, facts.join("  \u{b7}  "))).truncate());
        let colors = colors(ui);
        let rect = ui.available_rect_before_wrap();
        ui.painter().hline(rect.x_range(), rect.top() + 2.0, (1.0, colors.line));
        ui.add_space(6.0);
    }

    /// The sample for previews, or its data to be opened.
    fn use_it(&self, ui: &mut Ui, shown: &Shown, shared: &Shared, commands: &mut Vec<Command>) {
        let Some(found) = self.dataset().filter(|_| shown.whole) else { return };
        let same = |other: &&crate::dataset::Dataset| crate::gui::shared::same_questions(other, found);
        let open = shared.catalog().and_then(|catalog| catalog.datasets.iter().find(same));
        match open {
            Some(dataset) => {
                let chosen = shared.sample.as_ref().is_some_and(|sample| {
                    sample.index == shown.position as usize
                        && crate::gui::shared::same_questions(&sample.dataset, dataset)
                });
                let words = if chosen { "Previews show it" } else { "Use for previews" };
                let response = kit::button_if(ui, !chosen, icons::TARGET, words);
                let response = response.on_hover_text("Retriever and Prompt show this sample");
                if response.clicked() {
                    let index = shown.position as usize;
                    let sample = crate::gui::command::ChosenSample { dataset: dataset.clone(), index };
                    commands.push(Command::ChooseSample(sample));
                }
            }
            None => {
                let response = kit::button(ui, icons::FOLDER_OPEN, "Open its data");
                let files = found.files();
                let mut paths: Vec<_> = files.into_iter().map(|file| file.location.file).collect();
                paths.dedup();
                let place = paths.first().map(|path| path.display().to_string()).unwrap_or_default();
                if response.on_hover_text(place).clicked() {
                    commands.push(Command::OpenData(paths));
                }
            }
        }
    }
}

/// A sample begins at its top.
fn scroll(name: &str, shown: &Shown) -> ScrollArea {
    ScrollArea::vertical().auto_shrink(false).id_salt((name.to_owned(), shown.position, shown.side.run.0))
}
