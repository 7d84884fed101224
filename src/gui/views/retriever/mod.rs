//! The screen Retriever: which retrievers take part, and what they find for a sample of one's choosing.

mod form;
mod kinds;
mod list;
mod live;
mod options;

use eframe::egui::{self, Frame, Margin, Panel};
use serde::{Deserialize, Serialize};

use self::form::{Dates, Form};
use self::live::Live;
use super::{Action, Cx, View};
use crate::gui::command::{Command, Screen};
use crate::gui::loadable::Loadable;
use crate::gui::memory::Memory;
use crate::gui::shared::Shared;

/// What is remembered for the next start.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    shown: Option<String>,
    against: Option<String>,
    k: Option<usize>,
}

/// The screen.
#[derive(Debug, Default)]
pub struct RetrieverView {
    form: Form,
    live: Live,
    dates: Loadable<usize, Dates>,
}

impl RetrieverView {
    /// The screen as it was left.
    pub fn new(memory: &Memory) -> Self {
        let Kept { shown, against, k } = memory.screen("retriever");
        Self { live: Live::new(shown, against, k), ..Self::default() }
    }
}

impl View for RetrieverView {
    fn logic(&mut self, cx: &mut Cx<'_>) {
        self.live.logic(cx);
        self.dates.poll();
        if let Some(catalog) = cx.shared.catalog().filter(|_| cx.shown) {
            let (opened, catalog) = (std::sync::Arc::as_ptr(catalog) as usize, catalog.clone());
            self.dates.want(cx.ctx, "dates", opened, 0, move |cancel, _| {
                let mut dates = Dates::default();
                for dataset in catalog.datasets.iter().filter(|dataset| !dataset.is_empty()) {
                    cancel.check()?;
                    dates.datasets += 1;
                    dates.dated += usize::from(dataset.summaries().any(|record| record.dated_entries > 0));
                }
                Ok(dates)
            });
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, shared: &Shared, commands: &mut Vec<Command>) {
        let width = (ui.available_width() * 0.34).clamp(270.0, 400.0);
        let dates = shared.catalog().and_then(|_| self.dates.value()).cloned();
        let frame = Frame::new().inner_margin(Margin { right: 12, ..Margin::ZERO });
        let asked = Panel::left("retrievers")
            .frame(frame)
            .exact_size(width)
            .resizable(false)
            .show(ui, |ui| self.form.ui(ui, shared, dates.as_deref(), commands))
            .inner;
        if asked.show.is_some() {
            self.live.shown = asked.show;
        }
        let frame = Frame::new().inner_margin(Margin { left: 12, ..Margin::ZERO });
        egui::CentralPanel::default().frame(frame).show(ui, |ui| self.live.ui(ui, shared, commands));
    }

    fn summary(&self, shared: &Shared) -> String {
        kinds::summary(&shared.experiment().retrieval)
    }

    fn actions(&self, _shared: &Shared) -> Vec<Action> {
        let words = "Compare what two retrievers find".to_owned();
        vec![Action { words, command: Command::Go(Screen::Retriever) }]
    }

    fn remember(&self, memory: &mut Memory) {
        let Live { shown, against, k, .. } = &self.live;
        memory.set_screen("retriever", &Kept { shown: shown.clone(), against: against.clone(), k: *k });
    }
}
