//! What happened in the store: its events, the latest first, read on a thread while they are shown.

use std::collections::VecDeque;
use std::path::PathBuf;

use eframe::egui::{self, ScrollArea, Ui};

use crate::gui::kit;
use crate::gui::loadable::Loadable;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, ROW, colors, icons};
use crate::record::{Event, EventKind};
use crate::store::Reader;

/// Events that are shown at most; older ones are told by `lamplight show`.
const MOST: usize = 20_000;

/// The log.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub open: bool,
    events: Loadable<PathBuf, VecDeque<Event>>,
}

impl Log {
    /// Reads them anew where there are new ones.
    pub fn logic(&mut self, ctx: &egui::Context, shared: &Shared) {
        if !self.open {
            self.events.poll();
            return;
        }
        let path = shared.places.store.clone();
        if !self.events.is_pending()
            && shared.store.runs.is_empty()
            && self.events.value().is_none()
            && !path.exists()
        {
            return;
        }
        let store = path.clone();
        self.events.want(ctx, "events", path, shared.store.version, move |_, _| {
            let mut all: VecDeque<Event> = Reader::open(&store)?.events(None, 0)?.into();
            let more = all.len().saturating_sub(MOST);
            all.drain(..more);
            Ok(all)
        });
    }

    /// The line that opens it, and the events.
    pub fn show(&mut self, ui: &mut Ui) {
        let icon = if self.open { icons::CARET_DOWN } else { icons::CARET_RIGHT };
        let words = if self.open { "Close the log" } else { "Open the log" };
        ui.horizontal(|ui| {
            if kit::quiet(ui, icon, words).clicked() {
                self.open = !self.open;
            }
            if let Some(last) = self.events.value().and_then(|events| events.back()).filter(|_| !self.open) {
                kit::cut(ui, theme::caption(ui, last.text.as_str()));
            }
        });
        if !self.open {
            return;
        }
        if let Some(trouble) = self.events.trouble() {
            kit::trouble(ui, trouble, None);
        }
        let Some(events) = self.events.value().cloned() else {
            ui.label(theme::weak(ui, "Nothing has happened yet."));
            return;
        };
        ScrollArea::vertical().id_salt("log").auto_shrink(false).show_rows(
            ui,
            ROW,
            events.len(),
            |ui, rows| {
                ui.spacing_mut().item_spacing.y = 0.0;
                for number in rows {
                    let Some(event) =
                        events.len().checked_sub(number + 1).and_then(|place| events.get(place))
                    else {
                        continue;
                    };
                    ui.horizontal(|ui| {
                        ui.set_height(ROW);
                        let colors = colors(ui);
                        let (icon, color) = match event.kind {
                            EventKind::Life => (icons::CLOCK, colors.weak),
                            EventKind::Notice => (icons::INFO, colors.weak),
                            EventKind::Failure => (icons::WARNING_CIRCLE, colors.danger),
                            EventKind::Store => (icons::HARD_DRIVES, colors.weak),
                        };
                        ui.label(theme::caption(ui, kit::moment(event.at_ms)));
                        ui.label(egui::RichText::new(icon).color(color));
                        if let Some(run) = event.run {
                            ui.label(theme::weak(ui, format!("Run {}", run.0)));
                        }
                        kit::cut(ui, event.text.as_str());
                    });
                }
            },
        );
    }
}
