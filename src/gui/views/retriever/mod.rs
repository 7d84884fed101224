//! The screen Retriever: which retrievers take part, and what they find for a sample of one's choosing.

mod form;
mod list;
mod live;

use std::path::PathBuf;

use eframe::egui::{self, Frame, Margin, Panel};
use serde::{Deserialize, Serialize};

use self::form::{Dates, Form};
use self::live::Live;
use super::{Cx, View};
use crate::gui::command::{ChosenSample, Command};
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
    sample: Option<KeptSample>,
}

/// The sample that previews show, to be found again: its questions file, what dataset that is, and its place there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptSample {
    file: PathBuf,
    dataset: String,
    index: usize,
}

impl KeptSample {
    fn of(chosen: &ChosenSample) -> Option<Self> {
        let file = chosen.dataset.files().into_iter().next()?.location.path();
        Some(Self { file, dataset: chosen.dataset.id().to_string(), index: chosen.index })
    }
}

/// The screen.
#[derive(Debug, Default)]
pub struct RetrieverView {
    form: Form,
    live: Live,
    dates: Loadable<usize, Dates>,
    /// The sample of the start before, until the data are there.
    before: Option<KeptSample>,
    sample: Option<KeptSample>,
}

impl RetrieverView {
    /// The screen as it was left.
    pub fn new(memory: &Memory) -> Self {
        let Kept { shown, against, k, sample } = memory.screen("retriever");
        Self { live: Live::new(shown, against, k), before: sample.clone(), sample, ..Self::default() }
    }

    /// Keeps in mind which sample is shown, and chooses that of the start before once its data are there.
    fn keep_sample(&mut self, cx: &mut Cx<'_>) {
        let (Some(catalog), Some(chosen)) = (cx.shared.catalog(), &cx.shared.sample) else { return };
        let Some(before) = self.before.take() else {
            self.sample = KeptSample::of(chosen);
            return;
        };
        let same = catalog.datasets.iter().find(|&dataset| {
            let chosen = ChosenSample { dataset: dataset.clone(), index: before.index };
            before.index < dataset.len() && KeptSample::of(&chosen).as_ref() == Some(&before)
        });
        if let Some(dataset) = same.cloned() {
            cx.commands.push(Command::ChooseSample(ChosenSample { dataset, index: before.index }));
        }
    }
}

impl View for RetrieverView {
    fn logic(&mut self, cx: &mut Cx<'_>) {
        self.keep_sample(cx);
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
        crate::gui::retrievers::summary(&shared.experiment().retrieval)
    }

    fn remember(&self, memory: &mut Memory) {
        let Live { shown, against, k, .. } = &self.live;
        let (shown, against, sample) = (shown.clone(), against.clone(), self.sample.clone());
        memory.set_screen("retriever", &Kept { shown, against, k: *k, sample });
    }
}
