//! What an experiment's matrix holds, found by planning it on a thread: which cells there are, which cannot be and why, what is
//! wrong, and what memory its models take.
//!
//! Planned without its skips: which cells are ticked changes nothing of what is possible, so that a click waits for nothing.

use std::collections::HashMap;

use crate::dataset::DatasetId;
use crate::gui::command::Screen;
use crate::gui::loadable::Trouble;
use crate::jobs::{CancelToken, Progress};
use crate::model::{Load, ModelKind, Precision, describe, free_memory};
use crate::report::Method;
use crate::run::experiment::skip::{Way, canonical};
use crate::run::experiment::{Experiment, Problem};
use crate::run::plan::Fate;
use crate::run::{Cell, CellModel, Plan, Workplace, survey};

/// A column of the matrix: a model with a way to its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// Which of the experiment's models.
    pub model: usize,
    /// The retriever as the experiment names it; `none` and `tuned` for the two that are no retrievers.
    pub retriever: String,
    /// Entries a prompt.
    pub k: usize,
    /// What it is.
    pub kind: Kind,
}

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// No profile.
    None,
    /// A retriever.
    Retriever,
    /// What is chosen on another split.
    Tuned,
}

impl Column {
    /// How it comes to its entries.
    pub fn way(&self) -> Way<'_> {
        match self.kind {
            Kind::None => Way::None,
            Kind::Tuned => Way::Tuned,
            Kind::Retriever => Way::Retriever(&self.retriever, self.k),
        }
    }

    /// The method, for its color.
    pub fn method(&self) -> Method {
        match self.kind {
            Kind::Tuned => Method::Tuned,
            _ => Method::of(&self.spec()),
        }
    }

    /// As tables name it.
    pub fn name(&self) -> String {
        match self.kind {
            Kind::Tuned => Method::Tuned.name().to_owned(),
            _ => crate::report::method_name(&self.spec()),
        }
    }

    /// The name with its k, for who does not see the heads.
    pub fn full_name(&self) -> String {
        if self.kind == Kind::Retriever { format!("{} k {}", self.name(), self.k) } else { self.name() }
    }

    fn spec(&self) -> crate::record::RetrieverSpec {
        match self.kind {
            Kind::Retriever => crate::record::RetrieverSpec {
                config: self.retriever.clone(),
                k: self.k.max(1),
                use_date: false,
                encoders: Vec::new(),
            },
            _ => crate::record::RetrieverSpec::none(),
        }
    }
}

/// The columns of an experiment, those of a model side by side.
pub(super) fn columns(experiment: &Experiment) -> Vec<Column> {
    let retrieval = &experiment.retrieval;
    let mut retrievers: Vec<(String, &String)> = Vec::new();
    for text in &retrieval.retrievers {
        let form = canonical(text);
        if !retrievers.iter().any(|(known, _)| *known == form) {
            retrievers.push((form, text));
        }
    }
    let none = "none".to_owned();
    let without = retrieval.k.contains(&0) || retrievers.iter().any(|(form, _)| *form == none);
    let mut ks = retrieval.k.clone();
    ks.retain(|&k| k > 0);
    ks.sort_unstable();
    ks.dedup();
    let mut all = Vec::new();
    for model in 0..experiment.models.len() {
        if without && !retrieval.retrievers.is_empty() {
            all.push(Column { model, retriever: none.clone(), k: 0, kind: Kind::None });
        }
        for (_, text) in retrievers.iter().filter(|(form, _)| *form != none) {
            for &k in &ks {
                all.push(Column { model, retriever: (*text).clone(), k, kind: Kind::Retriever });
            }
        }
        if experiment.tune.is_some() {
            all.push(Column { model, retriever: "tuned".to_owned(), k: 0, kind: Kind::Tuned });
        }
    }
    all
}

/// What a place of the matrix is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Something is wrong with its data or model, which is said elsewhere.
    Missing,
    /// It cannot be.
    Refused(String),
    /// Cells: one, or one for each seed; of a choice those of its grid.
    Cells(Vec<usize>),
}

/// A problem as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// In words, with its key.
    pub text: String,
    /// The screen that mends it; `None` for this one.
    pub screen: Option<Screen>,
}

impl Told {
    /// A problem of the draft.
    pub fn of(problem: &Problem) -> Self {
        let key = problem.place.key.clone();
        let section = key.split(['.', '[']).next().unwrap_or_default();
        let screen = match section {
            "data" => Some(Screen::Data),
            "models" | "generation" => Some(Screen::Model),
            "prompt" => Some(Screen::Prompt),
            "retrieval" => Some(Screen::Retriever),
            _ => None,
        };
        Self { text: problem.to_string(), screen }
    }
}

/// The memory that a model takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Memory {
    /// Its name.
    pub model: String,
    /// Bytes.
    pub needed: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The data, and how many samples of it are answered.
    pub rows: Vec<(DatasetId, usize)>,
    /// The columns.
    pub columns: Vec<Column>,
    /// By row, then column.
    pub places: Vec<Vec<Place>>,
    /// Every cell that the matrix could have, each once.
    pub cells: Vec<Cell>,
    /// Their keys.
    pub keys: Vec<String>,
    /// What is wrong.
    pub problems: Vec<Told>,
    /// What to know.
    pub notes: Vec<String>,
    /// Of the models that are loaded, the one that takes most.
    pub memory: Option<Memory>,
    /// Memory that is free.
    pub free: Option<u64>,
}

/// Plans the draft but for its skips. `spare` are the data to show where nothing could be planned.
pub(super) fn look(
    experiment: Experiment,
    spare: Vec<(DatasetId, usize)>,
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Survey, Trouble> {
    let columns = columns(&experiment);
    let whole = Experiment { skip: Vec::new(), ..experiment };
    let (whole, problems) = whole.checked()?;
    let (plan, problems) = survey(&whole, problems, workplace, cancel, progress)?;
    let mut found = Survey {
        columns,
        problems: problems.0.iter().map(Told::of).collect(),
        free: free_memory(),
        ..Survey::default()
    };
    if let Some(plan) = plan {
        found.fill(&whole, plan);
    }
    for (id, samples) in spare {
        let same = |known: &(DatasetId, usize)| (known.0.task, known.0.setting) == (id.task, id.setting);
        if found.cells.is_empty() && !found.rows.iter().any(same) {
            found.rows.push((id, samples));
            found.places.push(vec![Place::Missing; found.columns.len()]);
        }
    }
    Ok(found)
}

impl Survey {
    fn fill(&mut self, experiment: &Experiment, plan: Plan) {
        self.notes = plan.notes.iter().map(ToString::to_string).collect();
        for slot in &plan.slots {
            if !self.rows.iter().any(|(id, _)| *id == slot.dataset) {
                self.rows.push((slot.dataset, 0));
            }
        }
        self.rows.sort_unstable();
        self.places = vec![vec![Place::Missing; self.columns.len()]; self.rows.len()];
        let index: HashMap<(usize, String, usize), usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(number, column)| ((column.model, canonical(&column.retriever), column.k), number))
            .collect();
        for slot in &plan.slots {
            let Some(row) = self.rows.iter().position(|(id, _)| *id == slot.dataset) else { continue };
            let Some(text) = experiment.retrieval.retrievers.get(slot.retriever) else { continue };
            let (form, k) = match Way::of(text, slot.k) {
                Way::None => ("none".to_owned(), 0),
                _ => (canonical(text), slot.k),
            };
            let Some(&column) = index.get(&(slot.model, form, k)) else { continue };
            let place = &mut self.places[row][column];
            match slot.fate {
                Fate::Cell(cell) => {
                    if let Some(found) = plan.cells.get(cell) {
                        self.rows[row].1 = found.positions.len();
                    }
                    match place {
                        Place::Cells(cells) if !cells.contains(&cell) => cells.push(cell),
                        Place::Cells(_) => {}
                        _ => *place = Place::Cells(vec![cell]),
                    }
                }
                Fate::Refused(number) if *place == Place::Missing => {
                    let reason = plan.refused.get(number).map(|refused| refused.reason.clone());
                    *place = Place::Refused(reason.unwrap_or_default());
                }
                Fate::Refused(_) | Fate::Skipped => {}
            }
        }
        self.cells = plan.cells;
        self.keys = self.cells.iter().map(|cell| cell.spec.key()).collect();
        for tuning in plan.tunings {
            let own = |column: &Column| column.kind == Kind::Tuned && column.model == tuning.model_number;
            let same = |(id, _): &(DatasetId, usize)| (id.task, id.setting) == (tuning.task, tuning.setting);
            let (Some(row), Some(column)) =
                (self.rows.iter().position(same), self.columns.iter().position(own))
            else {
                continue;
            };
            let grid = tuning.grid.into_iter().map(|cell| self.add(cell)).collect();
            self.places[row][column] = Place::Cells(grid);
        }
        // A choice without a cell of its own has nothing to choose from there.
        for places in &mut self.places {
            for (column, place) in self.columns.iter().zip(places) {
                if column.kind == Kind::Tuned && *place == Place::Missing {
                    *place = Place::Refused("there is nothing to choose from here".to_owned());
                }
            }
        }
        self.measure_memory();
    }

    /// The number of a cell, which may be there already.
    fn add(&mut self, cell: Cell) -> usize {
        let key = cell.spec.key();
        self.keys.iter().position(|known| *known == key).unwrap_or_else(|| {
            self.keys.push(key);
            self.cells.push(cell);
            self.cells.len() - 1
        })
    }

    /// The memory of the largest model. One is loaded at a time.
    fn measure_memory(&mut self) {
        let mut seen: Vec<&CellModel> = Vec::new();
        let mut most: Option<Memory> = None;
        for cell in &self.cells {
            let CellModel::Load { path, options } = &cell.model else { continue };
            if seen.contains(&&cell.model) {
                continue;
            }
            seen.push(&cell.model);
            let Ok(description) = describe(path) else { continue };
            let is_t5 = description.kind == ModelKind::T5;
            let load = Load {
                batch: cell.batch.unwrap_or(options.t5.batch),
                tokens: cell.prompt.as_ref().map_or(0, |(_, prompt)| prompt.max_length),
                new_tokens: cell.generation.max_new_tokens,
                precision: if is_t5 { options.t5.precision } else { Precision::F32 },
            };
            let Ok(estimate) = description.memory(path, &load) else { continue };
            let needed = estimate.needed();
            if most.as_ref().is_none_or(|most| needed > most.needed) {
                most = Some(Memory { model: cell.spec.model.name.clone(), needed });
            }
        }
        self.memory = most;
    }
}
