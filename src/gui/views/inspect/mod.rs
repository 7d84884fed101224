//! The screen Inspect: a run's samples in a list to filter, sort and search, and one of them whole, alone or beside the same sample
//! of another run.
//!
//! Rows, searches and orders are made in jobs (`rows`, `filter`), as are the sample (`sample`) and the search for its data
//! (`source`); drawing (`list`, `reading`, `detail`) only looks at what they delivered.

mod detail;
mod diff;
mod filter;
mod keys;
mod layout;
mod list;
mod pick;
mod reading;
mod rows;
mod said;
mod sample;
mod source;
mod text;

use std::sync::Arc;

use eframe::egui;
use serde::{Deserialize, Serialize};

use self::filter::{Form, Matches, Order, Search};
use self::list::ListState;
use self::pick::{Picker, RunLine};
use self::reading::Reading;
use self::rows::Rows;
use self::sample::Shown;
use self::source::Found;
use super::{Action, Cx, View};
use crate::dataset::Dataset;
use crate::gui::command::{Command, Inspection, Screen};
use crate::gui::kit;
use crate::gui::loadable::Loadable;
use crate::gui::memory::Memory;
use crate::gui::shared::Shared;
use crate::gui::theme::icons;
use crate::record::{RunId, RunRecord, RunStatus};

pub use self::filter::Sort;
pub use self::rows::Mark;

/// Datasets that are kept open at most.
const DATASETS: usize = 24;

/// The run, and the one beside it.
type Pair = (RunId, Option<RunId>);

/// What is remembered.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    run: Option<String>,
    against: Option<String>,
    form: Form,
    beside: bool,
    folded: std::collections::BTreeSet<String>,
}

/// The screen.
#[derive(Debug, Default)]
pub struct InspectView {
    /// What was shown when the program ended, by keys, until the store is there.
    kept: Option<(Option<String>, Option<String>)>,
    run: Option<RunId>,
    against: Option<RunId>,
    form: Form,
    /// Whether the other run stands beside, instead of its figures alone.
    beside: bool,
    selected: Option<u32>,

    /// The store's version that the fields below are of, and of which pair.
    seen: (u64, Option<Pair>),
    lines: Vec<RunLine>,
    others: Vec<RunLine>,
    record: Option<Arc<RunRecord>>,
    other_record: Option<Arc<RunRecord>>,
    experiments: Vec<String>,
    /// Grows when one of the two runs has changed.
    revision: u64,
    serial: u64,

    rows: Loadable<Pair, Rows>,
    matches: Loadable<(RunId, String, bool), Matches>,
    order: Loadable<(Pair, Form), Listed>,
    source: Loadable<String, Found>,
    known: Vec<(String, Dataset)>,
    sample: Loadable<(Pair, u32, bool), Option<Shown>>,

    picker: Picker,
    other_picker: Picker,
    list: ListState,
    reading: Reading,
}

/// The list as it is shown: rows, and which of them in which order.
#[derive(Debug)]
struct Listed {
    of: Pair,
    rows: Arc<Rows>,
    order: Order,
    /// The main score's metric and what is right or wrong depend on it.
    task: crate::lamp::Task,
}

impl Listed {
    /// Where a position stands in the list.
    fn place(&self, position: Option<u32>) -> Option<usize> {
        self.order.place(self.rows.row_of(position?)?)
    }
}

impl InspectView {
    /// The screen as it was left.
    pub fn new(memory: &Memory) -> Self {
        let Kept { run, against, form, beside, folded } = memory.screen("inspect");
        Self { kept: Some((run, against)), form, beside, reading: Reading::new(folded), ..Self::default() }
    }

    /// Shows samples of a run.
    pub fn open(&mut self, inspection: Inspection) {
        let Inspection { run, position, against } = inspection;
        self.kept = None;
        if self.run != Some(run) || position.is_some() {
            // What is asked for must not be hidden by an old filter.
            self.form.marks.clear();
            self.form.search.clear();
        }
        self.choose(Some(run));
        self.against = against.filter(|against| *against != run);
        if self.against.is_some() {
            self.beside = true;
        }
        self.selected = position.or(self.selected);
        self.list.bring = true;
    }

    fn choose(&mut self, run: Option<RunId>) {
        if self.run != run {
            self.run = run;
            self.against = None;
            self.selected = None;
            self.list.bring = true;
        }
    }

    fn pair(&self) -> Option<Pair> {
        self.run.map(|run| (run, self.against))
    }

    /// What counts of the form now.
    fn form(&self) -> Form {
        let mut form = self.form.clone();
        form.search = form.search.trim().to_owned();
        if self.against.is_none() { form.alone() } else { form }
    }

    /// Finds the runs in the store as it is now.
    fn refresh(&mut self, shared: &Shared) {
        let store = &shared.store;
        if let Some((run, against)) = self.kept.take_if(|_| store.version > 0) {
            let of_key = |key: Option<String>| {
                let key = key?;
                store.runs.iter().find(|run| run.key == key).map(|run| run.id)
            };
            self.run = of_key(run);
            self.against = of_key(against).filter(|_| self.run.is_some());
        }
        if self.run.is_none() {
            // The latest that has something to show.
            let latest = store.runs.iter().rev().find(|run| run.totals.done > 0);
            self.run = latest.or(store.runs.last()).map(|run| run.id);
        }
        if self.seen == (store.version, self.pair()) {
            return;
        }
        self.seen = (store.version, self.pair());
        self.lines = store.runs.iter().map(RunLine::of).collect();
        let find = |id: Option<RunId>| id.and_then(|id| store.runs.iter().find(|run| run.id == id).cloned());
        let (run, other) = (find(self.run), find(self.against));
        if other.is_none() {
            self.against = None;
            self.seen.1 = self.pair();
        }
        if run.as_ref() != self.record.as_deref() || other.as_ref() != self.other_record.as_deref() {
            self.revision += 1;
            self.record = run.map(Arc::new);
            self.other_record = other.map(Arc::new);
        }
        self.others.clear();
        self.experiments.clear();
        if let Some(run) = &self.record {
            self.others.push(RunLine::none("No other run beside"));
            let at = |id| store.runs.binary_search_by_key(&id, |run: &RunRecord| run.id).ok();
            let beside = pick::beside(&store.runs, run);
            self.others.extend(beside.into_iter().filter_map(at).map(|at| self.lines[at].clone()));
            let of_run = store.experiments.iter().filter(|experiment| experiment.runs.contains(&run.id));
            self.experiments.extend(of_run.map(|experiment| experiment.toml.clone()));
        }
    }

    fn dataset(&self) -> Option<&Dataset> {
        let fingerprint = &self.record.as_ref()?.spec.dataset.fingerprint;
        self.known.iter().find(|(known, _)| known == fingerprint).map(|(_, dataset)| dataset)
    }

    fn want_rows(&mut self, cx: &Cx<'_>, pair: Pair, run: &Arc<RunRecord>) {
        let wanted = rows::Wanted {
            store: cx.shared.places.store.clone(),
            run: Arc::clone(run),
            against: self.other_record.clone(),
            serial: self.serial + 1,
        };
        let begun = self.rows.is_pending();
        self.rows.want(cx.ctx, "samples", pair, self.revision, move |cancel, progress| {
            Rows::read(&wanted, cancel, progress)
        });
        if !begun && self.rows.is_pending() {
            self.serial += 1;
        }
    }

    fn want_order(&mut self, cx: &Cx<'_>, pair: Pair, run: &RunRecord) {
        let form = self.form();
        let mut matches = None;
        if !form.search.is_empty() {
            // What a prompt tells, the data need not be read for.
            let dataset = self.dataset().filter(|_| run.spec.prompt.is_none()).cloned();
            let subject = (run.id, form.search.to_lowercase(), dataset.is_some());
            let search = Search {
                store: cx.shared.places.store.clone(),
                run: run.id,
                done: run.totals.done,
                text: form.search.clone(),
                dataset,
                serial: self.serial + 1,
            };
            let begun = self.matches.is_pending();
            self.matches.want(cx.ctx, "search", subject.clone(), self.revision, move |cancel, progress| {
                search.run(cancel, progress)
            });
            if !begun && self.matches.is_pending() {
                self.serial += 1;
            }
            matches = self.matches.value_of(&subject).cloned();
            if matches.is_none() {
                self.order.poll();
                return;
            }
        }
        let Some(rows) = self.rows.value_of(&pair).cloned() else { return };
        let version = rows.serial << 32 | matches.as_ref().map_or(0, |matches| matches.serial);
        let task = run.spec.dataset.task;
        self.order.want(cx.ctx, "order", (pair, form.clone()), version, move |cancel, _| {
            let order = Order::of(&rows, &form, matches.as_deref(), cancel)?;
            Ok(Listed { of: pair, rows, order, task })
        });
    }

    fn want_source(&mut self, cx: &Cx<'_>, run: &RunRecord) {
        let fingerprint = run.spec.dataset.fingerprint.clone();
        self.source.poll();
        if let Some(Found::There(dataset)) = self.source.value_of(&fingerprint).map(|found| (**found).clone())
            && !self.known.iter().any(|(known, _)| *known == fingerprint)
        {
            if self.known.len() >= DATASETS {
                self.known.remove(0);
            }
            self.known.push((fingerprint.clone(), dataset));
        }
        if self.known.iter().any(|(known, _)| *known == fingerprint) {
            return;
        }
        let catalog = cx.shared.catalog();
        let wanted = source::Wanted {
            spec: run.spec.dataset.clone(),
            open: catalog.map(|catalog| catalog.datasets.clone()).unwrap_or_default(),
            experiments: self.experiments.clone(),
            cache: cx.shared.places.cache.clone(),
        };
        // Another catalog may have what this one has not.
        let version = catalog.map_or(0, |catalog| Arc::as_ptr(catalog) as u64);
        self.source.want(cx.ctx, "data of a run", fingerprint, version, move |cancel, progress| {
            wanted.find(cancel, progress)
        });
    }

    fn want_sample(&mut self, cx: &Cx<'_>, pair: Pair, run: &Arc<RunRecord>) {
        let Some(position) = self.selected else { return };
        let dataset = self.dataset().cloned();
        let wanted = sample::Wanted {
            store: cx.shared.places.store.clone(),
            run: Arc::clone(run),
            against: self.other_record.clone(),
            position,
            dataset: dataset.clone(),
        };
        let subject = (pair, position, dataset.is_some());
        self.sample.want(cx.ctx, "sample", subject, self.revision, move |_, _| wanted.read());
    }

    /// The list that belongs to what is chosen; that of the filters before, until the next is there.
    fn listed(&self) -> Option<&Arc<Listed>> {
        let pair = self.pair()?;
        self.order.value().filter(|listed| listed.of == pair)
    }

    /// The sample that belongs to the run; the one before, until the next is there.
    fn shown(&self) -> Option<&Shown> {
        let shown = self.sample.value()?.as_ref().as_ref()?;
        let against = shown.other.as_ref().map(|other| other.run);
        let same = Some(shown.side.run) == self.run && (against.is_none() || against == self.against);
        same.then_some(shown)
    }

    /// Selects the first listed sample where the selected one is not listed.
    fn keep_selection(&mut self) {
        let Some(pair) = self.pair() else { return };
        let form = self.form();
        let Some(listed) = self.order.value_of(&(pair, form)).cloned() else { return };
        let place = listed.place(self.selected);
        if place.is_none() && !listed.order.rows.is_empty() {
            self.selected = listed.order.rows.first().map(|&row| listed.rows.position(row as usize));
            self.list.bring = true;
        }
    }
}

impl View for InspectView {
    fn logic(&mut self, cx: &mut Cx<'_>) {
        if !cx.shown {
            return;
        }
        self.refresh(cx.shared);
        let (Some(pair), Some(run)) = (self.pair(), self.record.clone()) else { return };
        if run.totals.done == 0 {
            return;
        }
        self.want_rows(cx, pair, &run);
        self.want_order(cx, pair, &run);
        self.keep_selection();
        self.want_source(cx, &run);
        self.want_sample(cx, pair, &run);
    }

    fn ui(&mut self, ui: &mut egui::Ui, shared: &Shared, commands: &mut Vec<Command>) {
        if let Some(trouble) = &shared.store.trouble {
            kit::trouble(ui, trouble, None);
            return;
        }
        if shared.store.version == 0 {
            return; // nobody has looked into the store yet
        }
        if shared.store.runs.is_empty() {
            nothing(ui, shared, commands);
            return;
        }
        self.keys(ui);
        self.head(ui);
        ui.add_space(4.0);
        let Some(run) = self.record.clone() else {
            let text = "It was deleted, or the store is another one. Choose a run above.";
            kit::empty(ui, icons::LIST_MAGNIFYING_GLASS, "That run is not in the store", text, None);
            return;
        };
        if run.totals.done == 0 {
            unanswered(ui, &run, shared, commands);
            return;
        }
        self.body(ui, shared, &run, commands);
    }

    fn summary(&self, _shared: &Shared) -> String {
        self.record.as_ref().map_or_else(String::new, |run| {
            format!("{} {}, {}", run.spec.dataset.task, run.spec.dataset.setting, pick::method(run))
        })
    }

    fn actions(&self, shared: &Shared) -> Vec<Action> {
        let latest = shared.store.runs.iter().rev().find(|run| run.totals.done > 0);
        latest
            .map(|run| Action {
                words: "Inspect the latest run".to_owned(),
                command: Command::Inspect(Inspection { run: run.id, position: None, against: None }),
            })
            .into_iter()
            .collect()
    }

    fn remember(&self, memory: &mut Memory) {
        let (run, against) = match &self.kept {
            // Never shown in this session: as it was.
            Some(kept) => kept.clone(),
            None => (
                self.record.as_ref().map(|run| run.key.clone()),
                self.other_record.as_ref().map(|run| run.key.clone()),
            ),
        };
        let kept = Kept {
            run,
            against,
            form: self.form.clone(),
            beside: self.beside,
            folded: self.reading.folded.clone(),
        };
        memory.set_screen("inspect", &kept);
    }
}

/// Before anything was run.
fn nothing(ui: &mut egui::Ui, shared: &Shared, commands: &mut Vec<Command>) {
    let idle = shared.runner.is_idle();
    let (text, action) = match idle {
        true => (
            "Here one looks at single samples: input, retrieved entries, prompt, answer, and how it was scored. Run something \
             first; the sample benchmark brings its own data and models.",
            "Run the sample benchmark",
        ),
        false => ("The first answers appear here as soon as they are stored.", "See the runs"),
    };
    if kit::empty(ui, icons::LIST_MAGNIFYING_GLASS, "No samples yet", text, Some(action)) {
        commands.push(if idle { Command::RunSample } else { Command::Go(Screen::Runs) });
    }
}

/// A run that has no row.
fn unanswered(ui: &mut egui::Ui, run: &RunRecord, shared: &Shared, commands: &mut Vec<Command>) {
    let claimed = shared.store.claimed.contains(&run.id);
    let reason = run.reason.as_deref().map(|reason| format!(" {reason}")).unwrap_or_default();
    let text = match run.status {
        RunStatus::Planned => {
            "It is planned and was not begun. Its samples appear here as they are answered.".to_owned()
        }
        RunStatus::Running if claimed => {
            "It has just begun. Its samples appear here as they are answered.".to_owned()
        }
        RunStatus::Running | RunStatus::Interrupted => {
            format!("It was broken off before its first answer was stored.{reason} Runs continues it.")
        }
        RunStatus::Failed => format!("It failed before its first answer was stored.{reason}"),
        RunStatus::Done => "It has no samples.".to_owned(),
    };
    if kit::empty(ui, icons::CLOCK, "Nothing is answered yet", &text, Some("See the runs")) {
        commands.push(Command::Go(Screen::Runs));
    }
}
