//! Runs to a table: grouping, then figures, differences and tests.

use std::collections::{BTreeMap, BTreeSet};

use super::against::{Rank, adjust, has_test, mark_best, set_oracle_difference, test};
use super::judge::{JudgeKey, Judges};
use super::label::{differing, of_model, of_variant, short_hash};
use super::oracle::Oracle;
use super::{
    Choice, Endings, MethodColumn, ModelBlock, ModelLabel, Note, ResultTable, Row, RunRef, SampleSet,
    Section, Spread, TableCell, TableOptions, improvement_percent,
};
use crate::lamp::{Metric, Setting, Split, Task};
use crate::metrics::{Figure, ScoreSet, judged_test, paired_test};
use crate::record::{Column, RunId, RunRecord, RunStatus, Totals, Training, Tuning};
use crate::report::method::{method_name, run_method_name, without_seed};
use crate::report::published::{is_of_column, published_beside};
use crate::report::{Measure, Method};

/// Supplies a run's values by a metric.
type Columns<'a, E> = dyn FnMut(RunId, Metric) -> Result<Option<Column>, E> + 'a;

impl ResultTable {
    /// Makes a table of finished runs; runs that are not done (unless they are asked for), or have no figure, are counted in the
    /// notes. `columns` gives a run's values by a metric, which tests and the oracle need; where it has none there is no test.
    ///
    /// # Errors
    /// The first error of `columns`.
    pub fn build<E>(
        runs: &[RunRecord],
        tunings: &[Tuning],
        options: &TableOptions,
        mut columns: impl FnMut(RunId, Metric) -> Result<Option<Column>, E>,
    ) -> Result<Self, E> {
        let mut notes = Vec::new();
        let done: Vec<&RunRecord> = runs.iter().filter(|run| run.status == RunStatus::Done).collect();
        let scored = done.iter().filter(|run| has_figures(run)).count();
        let mut count = |runs: usize, note: fn(usize) -> Note| {
            if runs > 0 {
                notes.push(note(runs));
            }
        };
        if !options.unfinished {
            count(runs.len() - done.len(), |runs| Note::Unfinished { runs });
        }
        count(done.len() - scored, |runs| Note::Unscored { runs });
        let shown = runs.iter().filter(|run| match run.status {
            RunStatus::Done => has_figures(run),
            _ => options.unfinished,
        });
        let mut by_section: BTreeMap<(Setting, Split), Vec<&RunRecord>> = BTreeMap::new();
        for run in shown {
            by_section.entry((run.spec.dataset.setting, run.spec.dataset.split)).or_default().push(run);
        }
        let mut superseded = 0;
        let mut sections = Vec::new();
        let judges = Judges::new(&options.judged);
        for ((setting, split), runs) in by_section {
            let marks = marks(&runs);
            for ((task, samples), mark) in &marks {
                let (task, mark, samples) = (*task, mark.clone(), samples.clone());
                notes.push(Note::Samples { setting, split, task, mark, samples });
            }
            let mut builder = Builder {
                setting,
                split,
                tunings,
                options,
                marks: &marks,
                judges: &judges,
                columns: &mut columns,
                notes: &mut notes,
                superseded: 0,
            };
            sections.push(Section { setting, split, blocks: builder.blocks(&runs)? });
            superseded += builder.superseded;
        }
        if superseded > 0 {
            notes.push(Note::Superseded { runs: superseded });
        }
        notes.extend(judges.notes(&shown_runs(&sections, runs)));
        Ok(Self { sections, notes })
    }
}

/// The runs that have a place in any row.
fn shown_runs<'r>(sections: &[Section], runs: &'r [RunRecord]) -> Vec<&'r RunRecord> {
    let blocks = sections.iter().flat_map(|section| &section.blocks);
    let cells = blocks.flat_map(|block| &block.rows).flat_map(|row| row.cells.iter().flatten());
    let ids: BTreeSet<RunId> = cells.flat_map(|cell| &cell.runs).map(|run| run.id).collect();
    runs.iter().filter(|run| ids.contains(&run.id)).collect()
}

fn has_figures(run: &RunRecord) -> bool {
    run.aggregate.as_ref().is_some_and(|aggregate| !aggregate.figures.is_empty())
}

/// Marks of the sample sets of tasks that have several, in the order of tasks and sets.
type Marks = BTreeMap<(Task, SampleSet), String>;

fn marks(runs: &[&RunRecord]) -> Marks {
    let mut sets: BTreeMap<Task, BTreeSet<SampleSet>> = BTreeMap::new();
    for run in runs {
        sets.entry(run.spec.dataset.task).or_default().insert(sample_set(run));
    }
    let several = sets.into_iter().filter(|(_, sets)| sets.len() > 1);
    several
        .flat_map(|(task, sets)| {
            sets.into_iter().enumerate().map(move |(number, set)| ((task, set), letters(number)))
        })
        .collect()
}

/// a, b, … z, aa, ab, …
fn letters(mut number: usize) -> String {
    let mut out = Vec::new();
    loop {
        out.push(char::from(b'a' + (number % 26) as u8));
        match (number / 26).checked_sub(1) {
            Some(rest) => number = rest,
            None => break,
        }
    }
    out.iter().rev().collect()
}

fn sample_set(run: &RunRecord) -> SampleSet {
    let dataset = &run.spec.dataset;
    SampleSet {
        fingerprint: dataset.fingerprint.clone(),
        limit: dataset.limit,
        sample_seed: dataset.sample_seed,
        skip_broken: dataset.skip_broken,
        count: run.samples,
    }
}

/// What makes two runs those of one model; ordered as blocks are: language models before rules, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ModelKey {
    training: u8,
    name: String,
    fingerprint: String,
    rest: String,
}

fn model_key(run: &RunRecord) -> ModelKey {
    let model = &run.spec.model;
    ModelKey {
        training: match model.training {
            Training::ZeroShot => 0,
            Training::FineTuned => 1,
            Training::Lora => 2,
            Training::PerUserLora => 3,
            Training::Baseline => 4,
        },
        name: model.name.clone(),
        fingerprint: model.fingerprint.clone(),
        rest: json(&of_model(model)),
    }
}

/// What makes two runs of a model those of one column; ordered as columns are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ColumnKey {
    method: Method,
    name: String,
    k: Option<usize>,
    config: String,
    encoders: Vec<String>,
    /// The prompt and the generation, as JSON, and a hash of the template where a task has several of one name.
    variant: String,
    template: Option<String>,
}

/// The runs of a cell, and what a tuning chose where the cell is a tuned one.
#[derive(Debug, Clone)]
struct Members<'r> {
    runs: Vec<&'r RunRecord>,
    choice: Option<Choice>,
}

type RowKey = (Task, SampleSet);
type Grid<'r> = BTreeMap<ColumnKey, BTreeMap<RowKey, Members<'r>>>;

fn json(map: &serde_json::Map<String, serde_json::Value>) -> String {
    // Maps with text keys are always written.
    serde_json::to_string(map).unwrap_or_default()
}

struct Builder<'a, E> {
    setting: Setting,
    split: Split,
    tunings: &'a [Tuning],
    options: &'a TableOptions,
    marks: &'a Marks,
    judges: &'a Judges<'a>,
    columns: &'a mut Columns<'a, E>,
    notes: &'a mut Vec<Note>,
    superseded: usize,
}

impl<E> Builder<'_, E> {
    fn blocks(&mut self, runs: &[&RunRecord]) -> Result<Vec<ModelBlock>, E> {
        let mut by_model: BTreeMap<ModelKey, Vec<&RunRecord>> = BTreeMap::new();
        for run in runs {
            by_model.entry(model_key(run)).or_default().push(run);
        }
        let keys: Vec<ModelKey> = by_model.keys().cloned().collect();
        let specs: Vec<_> = by_model.values().map(|runs| of_model(&runs[0].spec.model)).collect();
        let mut blocks = Vec::with_capacity(by_model.len());
        for (at, runs) in by_model.into_values().enumerate() {
            let namesake = |&other: &usize| {
                (keys[other].training, &keys[other].name) == (keys[at].training, &keys[at].name)
            };
            let namesakes: Vec<usize> = (0..keys.len()).filter(namesake).collect();
            let variants = differing(&namesakes.iter().map(|&at| specs[at].clone()).collect::<Vec<_>>());
            let own = namesakes.iter().position(|&other| other == at);
            let model = &runs[0].spec.model;
            let label = ModelLabel {
                name: model.name.clone(),
                training: model.training,
                variant: own.and_then(|own| variants.get(own).cloned()).unwrap_or_default(),
            };
            blocks.push(self.block(label, &runs)?);
        }
        Ok(blocks)
    }

    fn block(&mut self, model: ModelLabel, runs: &[&RunRecord]) -> Result<ModelBlock, E> {
        let grid = self.grid(runs, &model.name);
        let mut columns = headings(&grid);
        let row_keys: BTreeSet<RowKey> = grid.values().flat_map(|cells| cells.keys().cloned()).collect();
        if self.options.oracle {
            let name = Method::Oracle.name().to_owned();
            columns.push(MethodColumn { method: Method::Oracle, name, k: None, variant: String::new() });
        }
        let mut rows = Vec::new();
        // For Holm's method: which place a row's metric has among its task's.
        let mut ranks = Vec::new();
        for (task, samples) in row_keys {
            let key = (task, samples);
            let wanted = self.options.metrics.of(task);
            let oracle = match self.options.oracle {
                true => Oracle::new(task, &row_runs(&grid, &key), &mut *self.columns)?,
                false => None,
            };
            for &metric in &wanted {
                let mut cells = self.cells(&grid, &key, metric)?;
                if self.options.oracle {
                    cells.push(match &oracle {
                        Some(oracle) => oracle.cell(metric, &mut *self.columns)?,
                        None => None,
                    });
                    set_oracle_difference(metric, &columns, &mut cells);
                }
                let waiting = waiting(&grid, &key, columns.len());
                if cells.iter().all(Option::is_none) && waiting.iter().all(Vec::is_empty) {
                    continue;
                }
                mark_best(&metric.into(), &columns, &mut cells);
                let published: Vec<_> = match self.options.published {
                    true => published_beside(task, self.setting, self.split, metric).collect(),
                    false => Vec::new(),
                };
                for (cell, column) in cells.iter_mut().zip(&columns) {
                    if let Some(cell) = cell {
                        let own = published.iter().copied().filter(|figure| is_of_column(figure, column));
                        cell.published = own.collect();
                    }
                }
                let mark = self.marks.get(&key).cloned();
                let place = ScoreSet::all_metrics(task).iter().position(|&other| other == metric);
                let (metric, samples) = (metric.into(), key.1.clone());
                rows.push(Row { task, metric, samples, mark, cells, published, waiting });
                ranks.push(Rank::Metric(place));
            }
            for judge in self.judges.of(&row_runs(&grid, &key)) {
                let mut cells = self.judged_cells(&grid, &key, &judge);
                cells.resize(columns.len(), None); // no judge is asked what the best of all answers would be
                let measure = Measure::Judge(judge.1.clone());
                mark_best(&measure, &columns, &mut cells);
                rows.push(Row {
                    task,
                    metric: measure,
                    samples: key.1.clone(),
                    mark: self.marks.get(&key).cloned(),
                    cells,
                    published: Vec::new(),
                    waiting: vec![Vec::new(); columns.len()],
                });
                ranks.push(Rank::Judge(judge.0));
            }
        }
        adjust(&mut rows, &ranks, columns.len());
        Ok(ModelBlock { model, columns, rows })
    }

    /// A row's cells by a judge, in the order of the grid's columns.
    fn judged_cells(&self, grid: &Grid<'_>, row: &RowKey, (key, name): &JudgeKey) -> Vec<Option<TableCell>> {
        let bases = bases(grid, row);
        let mut out = Vec::with_capacity(grid.len());
        for (column, cells) in grid {
            let found =
                cells.get(row).and_then(|members| Some((members, self.judges.cell(key, &members.runs)?)));
            let Some((members, mut cell)) = found else {
                out.push(None);
                continue;
            };
            cell.choice.clone_from(&members.choice);
            if let Some(base) = base_of(&bases, column)
                && let Some(base_cell) = self.judges.cell(key, &base.runs)
            {
                let measure = Measure::Judge(name.clone());
                cell.difference_percent = improvement_percent(&measure, base_cell.value, cell.value);
                if let ([first], [second]) = (&base.runs[..], &members.runs[..])
                    && first.id != second.id
                    && let (Some(base), Some(own)) =
                        (self.judges.values(key, first), self.judges.values(key, second))
                {
                    cell.test = test(judged_test, &base, &own);
                }
            }
            out.push(Some(cell));
        }
        out
    }

    /// The runs by column and row, tuned ones in their own column too.
    fn grid<'r>(&mut self, runs: &[&'r RunRecord], model: &str) -> Grid<'r> {
        let templates = templates(runs);
        let mut grid: Grid<'r> = BTreeMap::new();
        for &run in runs {
            let row = (run.spec.dataset.task, sample_set(run));
            let cell = grid.entry(column_key(run, &templates)).or_default().entry(row);
            cell.or_insert(Members { runs: Vec::new(), choice: None }).runs.push(run);
        }
        let mut chosen: BTreeSet<RunId> = BTreeSet::new();
        for tuning in self.tunings {
            let Some(&run) = runs.iter().find(|run| run.key == tuning.applied) else { continue };
            let key = column_key(run, &templates);
            let tuned = ColumnKey {
                method: Method::Tuned,
                name: Method::Tuned.name().to_owned(),
                k: None,
                config: String::new(),
                encoders: Vec::new(),
                ..key
            };
            let choice = Choice {
                name: key.name,
                k: run.spec.retriever.k,
                tuned_on: tuning.tuned_on,
                same_data: tuning.same_data,
            };
            let row = (run.spec.dataset.task, sample_set(run));
            let members = Members { runs: vec![run], choice: Some(choice) };
            // Of several tunings of a task the one whose run is the latest counts.
            let newer = |old: &Members<'_>| old.runs.iter().all(|old| old.id < run.id);
            let cells = grid.entry(tuned).or_default();
            if cells.get(&row).is_none_or(newer) {
                cells.insert(row, members);
            }
            chosen.insert(run.id);
            if tuning.same_data {
                let (task, setting, split) = (tuning.task, self.setting, self.split);
                self.notes.push(Note::SameData { task, setting, split, model: model.to_owned() });
            }
        }
        grid.retain(|key, cells| {
            let only_chosen =
                || cells.values().flat_map(|cell| &cell.runs).all(|run| chosen.contains(&run.id));
            matches!(key.method, Method::Tuned | Method::NonPersonalized) || !only_chosen()
        });
        for cell in grid.values_mut().flat_map(BTreeMap::values_mut) {
            self.superseded += keep_latest(&mut cell.runs);
        }
        grid
    }

    /// A row's cells, in the order of the grid's columns.
    fn cells(&mut self, grid: &Grid<'_>, row: &RowKey, metric: Metric) -> Result<Vec<Option<TableCell>>, E> {
        let bases = bases(grid, row);
        let mut kept: Option<(RunId, Option<Column>)> = None;
        let mut out = Vec::with_capacity(grid.len());
        for (key, cells) in grid {
            let Some((members, mut cell)) =
                cells.get(row).and_then(|members| Some((members, cell_of(members, metric)?)))
            else {
                out.push(None);
                continue;
            };
            if let Some(base) = base_of(&bases, key)
                && let Some(base_cell) = cell_of(base, metric)
            {
                cell.difference_percent = improvement_percent(metric, base_cell.value, cell.value);
                if let ([first], [second]) = (&base.runs[..], &members.runs[..])
                    && first.id != second.id
                    && has_test(metric)
                {
                    if kept.as_ref().is_none_or(|(id, _)| *id != first.id) {
                        kept = Some((first.id, (self.columns)(first.id, metric)?));
                    }
                    if let Some((_, Some(base))) = &kept
                        && let Some(own) = (self.columns)(second.id, metric)?
                    {
                        cell.test = test(|one, other| paired_test(metric, one, other), base, &own);
                    }
                }
            }
            out.push(Some(cell));
        }
        Ok(out)
    }
}

/// The cells of a row without entries, by column.
fn bases<'g, 'r>(grid: &'g Grid<'r>, row: &RowKey) -> Vec<(&'g ColumnKey, &'g Members<'r>)> {
    let without = grid.iter().filter(|(key, _)| key.method == Method::NonPersonalized);
    without.filter_map(|(key, cells)| Some((key, cells.get(row)?))).collect()
}

/// What a column's cell is compared with.
fn base_of<'g, 'r>(bases: &[(&'g ColumnKey, &'g Members<'r>)], key: &ColumnKey) -> Option<&'g Members<'r>> {
    if key.method == Method::NonPersonalized {
        return None;
    }
    let same_variant =
        bases.iter().find(|(base, _)| (&base.variant, &base.template) == (&key.variant, &key.template));
    // Where only one run has no entries, whatever its variant, that is the one to compare with; its column's label
    // says in what else it differs.
    let only = if let [only] = bases { Some(only) } else { None };
    same_variant.or(only).map(|(_, base)| *base)
}

/// Tasks that have several templates of one name, with which they need be told apart by more than the name.
fn templates(runs: &[&RunRecord]) -> BTreeSet<(Task, String)> {
    let mut texts: BTreeMap<(Task, String), BTreeSet<&str>> = BTreeMap::new();
    for run in runs {
        if let Some(prompt) = &run.spec.prompt {
            let name = (run.spec.dataset.task, prompt.template.clone());
            texts.entry(name).or_default().insert(&prompt.template_toml);
        }
    }
    texts.into_iter().filter(|(_, texts)| texts.len() > 1).map(|(name, _)| name).collect()
}

fn column_key(run: &RunRecord, templates: &BTreeSet<(Task, String)>) -> ColumnKey {
    let spec = &run.spec;
    let method = Method::of_run(spec);
    let personal = !spec.retriever.is_none();
    let prompt = spec.prompt.as_ref();
    let template = prompt
        .filter(|prompt| templates.contains(&(spec.dataset.task, prompt.template.clone())))
        .map(|prompt| short_hash(&prompt.template_toml));
    ColumnKey {
        method,
        name: if personal { method_name(&seedless(run)) } else { run_method_name(spec) },
        k: personal.then_some(spec.retriever.k),
        config: if personal { seedless(run).config } else { String::new() },
        encoders: if personal { spec.retriever.encoders.clone() } else { Vec::new() },
        variant: json(&of_variant(spec).0),
        template,
    }
}

fn seedless(run: &RunRecord) -> crate::record::RetrieverSpec {
    let mut retriever = run.spec.retriever.clone();
    retriever.config = without_seed(&retriever.config).0;
    retriever
}

/// The columns' headings: what tells them apart is said on each.
fn headings(grid: &Grid<'_>) -> Vec<MethodColumn> {
    let settings: Vec<_> = grid
        .keys()
        .map(|key| {
            let mut settings: serde_json::Map<_, _> = serde_json::from_str(&key.variant).unwrap_or_default();
            if let Some(template) = &key.template {
                settings.insert("template text".into(), template.clone().into());
            }
            settings
        })
        .collect();
    let mut columns: Vec<MethodColumn> = grid
        .keys()
        .zip(differing(&settings))
        .map(|(key, variant)| MethodColumn { method: key.method, name: key.name.clone(), k: key.k, variant })
        .collect();
    // Encoders may share a name.
    let twins: Vec<bool> =
        columns.iter().map(|column| columns.iter().filter(|other| *other == column).count() > 1).collect();
    for ((column, key), twin) in columns.iter_mut().zip(grid.keys()).zip(twins) {
        if twin {
            let apart = short_hash(&format!("{} {}", key.config, key.encoders.join(" ")));
            let joint = if column.variant.is_empty() { "" } else { ", " };
            column.variant.push_str(&format!("{joint}encoder {apart}"));
        }
    }
    columns
}

/// What tells runs of one cell apart: the seeds.
fn seeds(run: &RunRecord) -> (Option<String>, Option<String>) {
    (without_seed(&run.spec.retriever.config).1, of_variant(&run.spec).1)
}

/// Keeps the latest run for each seed, in the order of seeds; gives how many were left out.
fn keep_latest(runs: &mut Vec<&RunRecord>) -> usize {
    let before = runs.len();
    runs.sort_by_key(|run| (seeds(run), !has_figures(run), std::cmp::Reverse(run.id)));
    runs.dedup_by_key(|run| seeds(run));
    before - runs.len()
}

/// For each column the runs of a row's cell that have no figures yet.
fn waiting(grid: &Grid<'_>, row: &RowKey, columns: usize) -> Vec<Vec<RunId>> {
    let of_cell = |cells: &BTreeMap<RowKey, Members<'_>>| {
        let runs = cells.get(row).into_iter().flat_map(|cell| &cell.runs);
        runs.filter(|run| !has_figures(run)).map(|run| run.id).collect()
    };
    let mut waiting: Vec<Vec<RunId>> = grid.values().map(of_cell).collect();
    waiting.resize(columns, Vec::new());
    waiting
}

/// A row's runs that have figures, each once, in the order of columns.
fn row_runs<'r>(grid: &Grid<'r>, row: &RowKey) -> Vec<&'r RunRecord> {
    let mut out: Vec<&RunRecord> = Vec::new();
    for run in grid.values().filter_map(|cells| cells.get(row)).flat_map(|cell| &cell.runs) {
        if has_figures(run) && out.iter().all(|other| other.id != run.id) {
            out.push(run);
        }
    }
    out
}

fn figure(run: &RunRecord, metric: Metric) -> Option<&Figure> {
    let figures = &run.aggregate.as_ref()?.figures;
    figures.iter().find(|figure| figure.metric == metric && figure.value.is_finite())
}

/// A cell without what others are needed for; `None` where no run has the metric.
fn cell_of(members: &Members<'_>, metric: Metric) -> Option<TableCell> {
    let found: Vec<(&RunRecord, &Figure)> =
        members.runs.iter().filter_map(|&run| Some((run, figure(run, metric)?))).collect();
    let count = found.len();
    let aggregates = || found.iter().filter_map(|(run, _)| run.aggregate.as_ref());
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / count as f64;
    let value = mean(&mut found.iter().map(|(_, figure)| figure.value));
    let n = aggregates().map(|aggregate| aggregate.samples).min()?;
    let spread = (count > 1).then(|| {
        let values = || found.iter().map(|(_, figure)| figure.value);
        let squares: f64 = values().map(|one| (one - value).powi(2)).sum();
        Spread {
            runs: count,
            deviation: (squares / (count - 1) as f64).sqrt(),
            low: values().fold(f64::INFINITY, f64::min),
            high: values().fold(f64::NEG_INFINITY, f64::max),
        }
    });
    Some(TableCell {
        runs: found.iter().map(|(run, _)| RunRef { id: run.id, key: run.key.clone() }).collect(),
        value: if let [(_, only)] = &found[..] { only.value } else { value },
        interval: if let [(_, only)] = &found[..] { only.interval } else { None },
        spread,
        n,
        failed: found.iter().map(|(run, _)| run.totals.failed).sum(),
        parse_failure_rate: Some(mean(&mut aggregates().map(|aggregate| aggregate.parse_failure_rate))),
        endings: endings(&found.iter().map(|(run, _)| *run).collect::<Vec<_>>()),
        difference_percent: None,
        test: None,
        best: false,
        choice: members.choice.clone(),
        published: Vec::new(),
    })
}

/// How the answers of runs ended whose model is behind an endpoint.
fn endings(runs: &[&RunRecord]) -> Option<Endings> {
    let served = |run: &&&RunRecord| run.spec.model.device == "endpoint";
    let runs: Vec<&RunRecord> = runs.iter().filter(served).copied().collect();
    let sum = |of: fn(&Totals) -> u64| runs.iter().map(|run| of(&run.totals)).sum::<u64>();
    let cost = runs.iter().map(|run| run.cost()).sum::<Option<f64>>();
    (!runs.is_empty()).then(|| Endings {
        answers: sum(|totals| totals.done.saturating_sub(totals.failed)),
        at_limit: sum(|totals| totals.at_limit),
        filtered: sum(|totals| totals.filtered),
        refused: sum(|totals| totals.refused),
        empty: sum(|totals| totals.empty),
        cost,
    })
}

#[cfg(test)]
mod tests;
