//! The screen Data: what is open, what is wrong with it, which of it the experiment answers; a browser over samples, and a page
//! to download the benchmark. Every count, check, search and download is a job; a frame draws what they have delivered.

mod about;
mod browser;
mod checks;
mod download;
mod findings;
mod list;
mod rows;
mod table;
mod take;
mod taken;
mod words;

use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui;
use serde::{Deserialize, Serialize};

use super::{Action, Cx, View};
use crate::dataset::Catalog;
use crate::gui::command::{Command, Part};
use crate::gui::kit;
use crate::gui::loadable::{Loadable, Trouble};
use crate::gui::memory::Memory;
use crate::gui::shared::{Shared, same_questions};
use crate::jobs::Job;
use crate::lamp::Split;
use crate::run::experiment::DataSettings;
use crate::run::sample_set;
use browser::Browser;
use checks::Checks;
use download::{Choice, DownloadPage};
use list::ListState;
use rows::{Facts, Row};
use taken::Taking;

/// What of the screen is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Page {
    /// The datasets.
    #[default]
    List,
    /// The samples of one.
    Browse,
    /// What can be downloaded.
    Download,
}

/// What is remembered for the next start.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    download: Choice,
    /// The questions of the dataset that was browsed, and the sample.
    browsed: Option<(PathBuf, usize)>,
    /// Paths whose datasets were offered to the experiment.
    handled: Vec<PathBuf>,
}

/// What is open, as it was last read.
#[derive(Default)]
struct Opened {
    catalog: Option<Arc<Catalog>>,
    /// Counts how often something else was read.
    generation: u64,
    /// The paths it was read from.
    roots: Vec<PathBuf>,
    rows: Arc<[Row]>,
    /// The tables of data that `taken` tells of.
    data: Vec<DataSettings>,
    /// How the experiment takes each row.
    taken: Vec<Option<Taking>>,
    /// Paths of the experiment that are not open.
    elsewhere: Vec<PathBuf>,
}

/// The screen.
#[derive(Default)]
pub struct DataView {
    page: Page,
    opened: Opened,
    facts: Loadable<u64, Vec<Facts>>,
    checks: Checks,
    /// Why each open path cannot be read; looked at once something went wrong.
    standing: Loadable<Vec<PathBuf>, Vec<Option<Trouble>>>,
    list: ListState,
    browser: Option<Browser>,
    download: DownloadPage,
    sample_set: Option<Job<Result<PathBuf, Trouble>>>,
    sample_set_trouble: Option<Trouble>,
    /// Paths whose datasets need not be offered to the experiment any more.
    handled: Vec<PathBuf>,
    /// What was browsed when the program was left, until it is there again.
    browsed: Option<(PathBuf, usize)>,
}

/// What the pages ask the screen for.
enum Ask {
    /// Shows the samples of a row, and one of them.
    Browse { row: usize, sample: usize },
    /// Shows the list.
    List,
    /// Shows what can be downloaded.
    Download,
    /// Makes the sample set and opens it.
    SampleSet,
    /// Stops making it.
    CancelSampleSet,
    /// Checks a row.
    Check(usize),
    /// Stops checking it.
    CancelCheck(usize),
}

impl DataView {
    /// The screen as it was left.
    pub fn new(memory: &Memory) -> Self {
        let kept: Kept = memory.screen("data");
        Self {
            download: DownloadPage::new(kept.download),
            handled: kept.handled,
            browsed: kept.browsed,
            ..Self::default()
        }
    }

    /// Takes what was read anew.
    fn follow(&mut self, cx: &mut Cx<'_>) {
        let shared = cx.shared;
        let catalog = shared.catalog();
        let same = match (&self.opened.catalog, catalog) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        if !same {
            let again = self.opened.catalog.is_some() && self.opened.roots == shared.data_paths;
            self.opened.rows =
                catalog.map(|catalog| rows::rows(catalog, &shared.data_paths)).unwrap_or_default();
            self.opened.catalog = catalog.cloned();
            self.opened.generation += 1;
            self.opened.roots.clone_from(&shared.data_paths);
            self.opened.taken.clear();
            self.opened.data.clear();
            self.checks.follow(&self.opened.rows, again);
            self.list.forget_folds();
            self.keep_browsing();
            self.offer(cx);
        }
        let data = &shared.experiment().data;
        if self.opened.data != *data || self.opened.taken.len() != self.opened.rows.len() {
            let open: Vec<_> = self.opened.rows.iter().map(|row| row.open.clone()).collect();
            self.opened.taken = taken::taken(data, &open);
            self.opened.data.clone_from(data);
        }
        self.opened.elsewhere = taken::elsewhere(data, &shared.data_paths);
    }

    /// The browser follows its dataset when the data are read anew.
    fn keep_browsing(&mut self) {
        if let Some((questions, sample)) = &self.browsed {
            let at = |row: &Row| row.open.files.first() == Some(questions);
            if let Some(row) = self.opened.rows.iter().position(at) {
                let sample = *sample;
                self.browsed = None;
                self.browse(row, sample);
                return;
            }
        }
        let Some(browser) = &self.browser else { return };
        let same = |row: &&Row| same_questions(&row.dataset, browser.dataset());
        match self.opened.rows.iter().find(same) {
            Some(row) => {
                let sample = browser.sample().min(row.dataset.len().saturating_sub(1));
                self.browser = Some(Browser::new(row, sample));
            }
            None => {
                self.browser = None;
                if self.page == Page::Browse {
                    self.page = Page::List;
                }
            }
        }
    }

    /// Puts what was just opened into an experiment that has no data.
    fn offer(&mut self, cx: &mut Cx<'_>) {
        let shared = cx.shared;
        let fresh = shared.data_paths.iter().any(|path| !self.handled.contains(path));
        self.handled.clone_from(&shared.data_paths);
        if fresh && self.page == Page::Browse {
            // Who opens something wants to see it.
            self.page = Page::List;
        }
        let has_data = shared.experiment().data.iter().any(|table| !table.paths.is_empty());
        if !fresh || has_data {
            return;
        }
        let has = |split: &Split| self.opened.rows.iter().any(|row| row.open.id.split == *split);
        let Some(split) = [Split::Dev, Split::Test, Split::Train].into_iter().find(has) else { return };
        let wanted = |row: &Row| (row.open.id.split == split).then(Taking::default);
        let chosen: Vec<_> = self.opened.rows.iter().map(wanted).collect();
        take::edit(&self.opened, shared, &chosen, cx.commands);
    }

    fn browse(&mut self, row: usize, sample: usize) {
        let Some(row) = self.opened.rows.get(row) else { return };
        match &mut self.browser {
            Some(browser) if same_questions(browser.dataset(), &row.dataset) => browser.choose(sample),
            _ => self.browser = Some(Browser::new(row, sample)),
        }
        self.page = Page::Browse;
    }

    fn carry_out(&mut self, ask: Ask, ctx: &egui::Context, shared: &Shared) {
        match ask {
            Ask::Browse { row, sample } => self.browse(row, sample),
            Ask::List => self.page = Page::List,
            Ask::Download => self.page = Page::Download,
            Ask::SampleSet => {
                self.sample_set_trouble = None;
                let (workplace, wake) = (shared.workplace.clone(), ctx.clone());
                let make = move |cancel: &_, progress: &_| Ok(sample_set(&workplace, cancel, progress)?);
                self.sample_set = Some(Job::start("sample set", move || wake.request_repaint(), make));
            }
            Ask::CancelSampleSet => {
                if let Some(job) = &self.sample_set {
                    job.cancel();
                }
            }
            Ask::Check(row) => {
                if let Some(row) = self.opened.rows.get(row) {
                    self.checks.ask(&row.key);
                    ctx.request_repaint();
                }
            }
            Ask::CancelCheck(row) => {
                if let Some(row) = self.opened.rows.get(row) {
                    self.checks.cancel(&row.key);
                }
            }
        }
    }

    fn take_sample_set(&mut self, commands: &mut Vec<Command>) {
        let Some(outcome) = self.sample_set.as_mut().and_then(Job::poll) else { return };
        self.sample_set = None;
        match outcome.map_err(Trouble::from).and_then(|made| made) {
            Ok(folder) => commands.push(Command::OpenData(vec![folder])),
            Err(trouble) => self.sample_set_trouble = Some(trouble),
        }
    }
}

impl View for DataView {
    fn logic(&mut self, cx: &mut Cx<'_>) {
        self.follow(cx);
        self.take_sample_set(cx.commands);
        self.download.logic(cx);
        let working = matches!(cx.shared.runner.active(), Some(active) if !active.is_paused());
        // What is being measured has the processors for itself, but for what someone asked for by a click.
        self.checks.logic(cx.ctx, &self.opened.rows, cx.shown && !working);
        if !cx.shown {
            return;
        }
        if !self.opened.rows.is_empty() {
            let rows = self.opened.rows.clone();
            self.facts.want(cx.ctx, "counts", self.opened.generation, 0, move |cancel, progress| {
                progress.start("Counting", rows.len() as u64);
                let count = |row: &Row| {
                    let facts = rows::facts(&row.dataset, cancel);
                    progress.add(1);
                    facts
                };
                Ok(rows.iter().map(count).collect::<Result<_, _>>()?)
            });
        }
        if cx.shared.catalog.trouble().is_some() {
            let paths = cx.shared.data_paths.clone();
            let look = move |_: &_, _: &_| Ok(paths.iter().map(|path| list::standing(path)).collect());
            self.standing.want(cx.ctx, "paths", cx.shared.data_paths.clone(), cx.shared.data_version, look);
        }
        if self.page == Page::Browse
            && let Some(browser) = &mut self.browser
        {
            browser.logic(cx);
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, shared: &Shared, commands: &mut Vec<Command>) {
        let mut asks = Vec::new();
        match (self.page, &mut self.browser) {
            (Page::Browse, Some(browser)) => {
                let place =
                    self.opened.rows.iter().position(|row| same_questions(&row.dataset, browser.dataset()));
                let checked = place.and_then(|place| self.checks.checked(&self.opened.rows[place].key));
                browser.ui(ui, shared, checked.map(|checked| &**checked), commands, &mut asks);
            }
            (Page::Download, _) => self.download.ui(ui, commands, &mut asks),
            _ => {
                let mut page = list::ListPage {
                    opened: &self.opened,
                    facts: self.facts.value_of(&self.opened.generation).map(|facts| facts.as_slice()),
                    checks: &self.checks,
                    standing: &self.standing,
                    sample_set: self.sample_set.as_ref().map(|job| job.progress().read()),
                    sample_set_trouble: self.sample_set_trouble.as_ref(),
                    download: &self.download,
                    shared,
                    commands,
                    asks: &mut asks,
                };
                page.ui(ui, &mut self.list);
            }
        }
        for ask in asks {
            self.carry_out(ask, ui.ctx(), shared);
        }
    }

    fn summary(&self, shared: &Shared) -> String {
        let here = self.opened.taken.iter().flatten().count();
        let elsewhere = self.opened.elsewhere.len();
        if here == 0 {
            return match (elsewhere, shared.data_paths.is_empty()) {
                (0, true) => "nothing open".to_owned(),
                (0, false) if shared.catalog.is_pending() => "opening".to_owned(),
                (0, false) => "none chosen".to_owned(),
                _ => kit::counted(elsewhere, "path, not open", "paths, not open"),
            };
        }
        let taken = |split: &Split| {
            self.opened
                .rows
                .iter()
                .zip(&self.opened.taken)
                .any(|(row, taken)| taken.is_some() && row.open.id.split == *split)
        };
        let splits: Vec<&str> = Split::ALL.into_iter().filter(taken).map(Split::id).collect();
        let more = if elsewhere > 0 { " and more" } else { "" };
        format!("{} \u{b7} {}{more}", kit::counted(here, "dataset", "datasets"), splits.join(", "))
    }

    fn show_part(&mut self, part: Part) {
        if part == Part::OpenData {
            self.page = Page::List;
            self.list.first.focus();
            self.list.path.get_or_insert_default().focus();
        }
    }

    fn actions(&self, shared: &Shared) -> Vec<Action> {
        let mut actions = Vec::new();
        if !shared.data_paths.is_empty() {
            actions.push(Action {
                words: "Read the data again from the disk".to_owned(),
                command: Command::ReloadData,
            });
        }
        actions
    }

    fn remember(&self, memory: &mut Memory) {
        let browsed = self.browser.as_ref().filter(|_| self.page == Page::Browse).and_then(|browser| {
            let questions = browser.dataset().files().first()?.location.file.clone();
            Some((questions, browser.sample()))
        });
        let browsed = browsed.or_else(|| self.browsed.clone());
        let handled = self.handled.clone();
        memory.set_screen("data", &Kept { download: self.download.choice(), browsed, handled });
    }
}
