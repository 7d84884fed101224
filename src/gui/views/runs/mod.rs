//! The screen Runs: what is at work and what waits, what ended in this session, all runs of the store, and the log beneath.

mod cells;
mod log;
mod stored;
mod traffic;

use eframe::egui::{self, Frame, Margin, ScrollArea, Ui};

use super::{Action, Cx, View};
use crate::gui::command::{Command, Screen};
use crate::gui::kit::{self, Notice};
use crate::gui::memory::Memory;
use crate::gui::shared::Shared;
use crate::gui::theme::{self, ROW, icons};
use crate::record::RunId;
use log::Log;
use stored::{Filter, Stored};

/// Experiments that are offered at once.
const OFFERS: usize = 3;

/// The screen.
#[derive(Debug, Default)]
pub struct RunsView {
    stored: Stored,
    log: Log,
}

#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct Kept {
    filter: Filter,
    log: bool,
}

impl RunsView {
    /// The screen as it was left.
    pub fn new(memory: &Memory) -> Self {
        let kept: Kept = memory.screen("runs");
        let mut view = Self::default();
        view.stored.filter = kept.filter;
        view.log.open = kept.log;
        view
    }

    /// Asks whether runs are to be deleted from the store, and deletes them if so.
    pub fn delete(&mut self, runs: Vec<RunId>) {
        self.stored.ask(runs);
    }
}

impl View for RunsView {
    fn logic(&mut self, cx: &mut Cx<'_>) {
        self.stored.logic(&cx.shared.store, cx.commands);
        if cx.shown {
            self.log.logic(cx.ctx, cx.shared);
        }
    }

    fn ui(&mut self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        let store = &shared.store;
        if let Some(trouble) = &store.trouble {
            kit::trouble(ui, trouble, None);
        }
        let nothing = store.runs.is_empty() && store.unreadable.is_empty();
        if nothing && shared.runner.is_idle() && shared.runner.finished().is_empty() {
            if store.trouble.is_none()
                && kit::empty(
                    ui,
                    icons::QUEUE,
                    "Nothing has been run yet",
                    "An experiment that is started is shown here with all its runs, and goes on while you read elsewhere.",
                    Some("Go to Experiment"),
                )
            {
                commands.push(Command::Go(Screen::Experiment));
            }
            return;
        }
        let panel = egui::Panel::bottom("log").resizable(false).show_separator_line(true);
        let panel = if self.log.open { panel.exact_size(180.0) } else { panel.exact_size(36.0) };
        panel
            .frame(Frame::new().inner_margin(Margin { left: 0, right: 0, top: 4, bottom: 0 }))
            .show(ui, |ui| self.log.show(ui));
        let height = ui.available_height();
        ScrollArea::vertical().id_salt("runs").auto_shrink(false).show(ui, |ui| {
            let above = ui.cursor().top();
            self.offers(ui, shared, commands);
            if let Some(active) = shared.runner.active() {
                let cells = active.board().cells.len() as f32 * ROW;
                let own = if nothing { height * 0.7 } else { height * 0.42 };
                cells::active(ui, active, shared, cells.min(own).max(2.0 * ROW), commands);
            }
            cells::queue(ui, shared, commands);
            cells::finished(ui, shared, commands);
            if nothing {
                return;
            }
            ui.add_space(4.0);
            self.stored.head(ui, shared);
            let left = height - (ui.cursor().top() - above) - 4.0;
            ui.scope(|ui| self.stored.table(ui, shared, left.max(6.0 * ROW), commands));
        });
    }

    fn summary(&self, shared: &Shared) -> String {
        let runner = &shared.runner;
        match runner.active() {
            Some(active) => {
                let board = active.board();
                match board.planned {
                    true => format!("{} of {}", board.ended(), board.cells.len()),
                    false => "preparing".to_owned(),
                }
            }
            None => match shared.store.runs.len() {
                0 => String::new(),
                1 => "1 run".to_owned(),
                runs => format!("{runs} runs"),
            },
        }
    }

    fn actions(&self, shared: &Shared) -> Vec<Action> {
        let mut all = Vec::new();
        let mut add = |words: &str, command| all.push(Action { words: words.to_owned(), command });
        if let Some(active) = shared.runner.active().filter(|active| !active.is_canceled()) {
            match active.is_paused() {
                true => add("Go on with the running experiment", Command::Pause(false)),
                false => add("Pause the running experiment", Command::Pause(true)),
            }
            add("Cancel the running experiment", Command::Cancel(active.id));
        } else {
            for offer in self.stored.offers(&shared.store).into_iter().take(OFFERS) {
                add(&format!("Resume {}", offer.name), Command::Resume { experiment: offer.experiment });
            }
        }
        all
    }

    fn remember(&self, memory: &mut Memory) {
        memory.set_screen("runs", &Kept { filter: self.stored.filter, log: self.log.open });
    }
}

impl RunsView {
    /// What was broken off, to be gone on with, as long as nothing is at work.
    fn offers(&self, ui: &mut Ui, shared: &Shared, commands: &mut Vec<Command>) {
        if !shared.runner.is_idle() {
            return;
        }
        let offers = self.stored.offers(&shared.store);
        for offer in offers.iter().take(OFFERS) {
            let runs = if offer.runs == 1 { "One run".to_owned() } else { format!("{} runs", offer.runs) };
            let verb = if offer.runs == 1 { "is" } else { "are" };
            let text = format!(
                "{runs} of \u{201c}{}\u{201d} {verb} not done; {} samples are left. What was answered is stored.",
                offer.name, offer.left
            );
            if kit::notice(ui, Notice::Info, &text, Some(&format!("Resume {}", offer.name))) {
                commands.push(Command::Resume { experiment: offer.experiment });
            }
        }
        if offers.len() > OFFERS {
            ui.label(theme::caption(ui, format!("{} more below.", offers.len() - OFFERS)));
        }
    }
}
