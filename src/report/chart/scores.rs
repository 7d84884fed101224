//! A result table as charts: bars by method, and curves over k.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    Method, MethodColumn, ModelBlock, ModelLabel, Note, ResultTable, Row, SampleSet, TableCell, words,
};
use super::scale::{count, decimal};
use super::spec::{
    About, Axis, Bar, BarPlot, BarRow, Better, ChartSpec, Line, LinePlot, Mark, Paint, Panel, Plot, Point,
    Tick,
};
use crate::lamp::{Metric, PublishedFigure, Setting, Split, Task};
use crate::record::Training;

/// A chart of more series than this is not read but deciphered.
pub const MOST_SERIES: usize = 7;

/// What to say where a table has no row.
const NO_RUNS: &str =
    "There is no finished run with scores to draw. Run an experiment, or choose other runs.";

/// A metric as an axis.
pub(super) fn metric_axis(metric: Metric) -> Axis {
    let unit = match metric {
        Metric::Accuracy | Metric::MacroF1 | Metric::Meteor => "0–1",
        Metric::Rouge1 | Metric::Rouge2 | Metric::RougeL | Metric::RougeLsum => "F1, 0–1",
        Metric::Mae | Metric::Rmse => "rating points",
        Metric::SacreBleu => "0–100",
    };
    let better = if metric.higher_is_better() { Better::Higher } else { Better::Lower };
    Axis { name: metric.name().to_owned(), unit: unit.to_owned(), better: Some(better) }
}

/// A metric's value as tables write it.
pub(super) fn metric_value(metric: Metric, value: f64) -> String {
    decimal(value, if metric == Metric::SacreBleu { 1 } else { 3 })
}

/// Which panel a row belongs to, but for its setting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    split: Split,
    task: Task,
    metric: Metric,
    mark: Option<String>,
}

/// A series of a chart: a column of a block.
#[derive(Debug, Clone, PartialEq)]
struct Series {
    model: ModelLabel,
    column: MethodColumn,
}

impl Series {
    fn cell<'a>(&self, table: &'a ResultTable, setting: Setting, place: &Place) -> Option<&'a TableCell> {
        cell(table, setting, place, &self.model, |column| *column == self.column)
    }
}

/// The cell of a model's first column that is meant.
fn cell<'a>(
    table: &'a ResultTable,
    setting: Setting,
    place: &Place,
    model: &ModelLabel,
    is_meant: impl Fn(&MethodColumn) -> bool,
) -> Option<&'a TableCell> {
    let mut blocks = blocks(table, setting, place.split).filter(|block| block.model == *model);
    blocks.find_map(|block| {
        let row = block.rows.iter().find(|row| place_of(place.split, row).as_ref() == Some(place))?;
        block
            .columns
            .iter()
            .zip(&row.cells)
            .find_map(|(column, cell)| cell.as_ref().filter(|_| is_meant(column)))
    })
}

fn blocks(table: &ResultTable, setting: Setting, split: Split) -> impl Iterator<Item = &ModelBlock> {
    let sections =
        table.sections.iter().filter(move |section| (section.setting, section.split) == (setting, split));
    sections.flat_map(|section| &section.blocks)
}

/// Where a row's panel is; judges have none.
fn place_of(split: Split, row: &Row) -> Option<Place> {
    Some(Place { split, task: row.task, metric: row.metric.metric()?, mark: row.mark.clone() })
}

/// The panels of a table, in order.
struct Grid {
    panels: Vec<(Place, Setting)>,
    settings: Vec<Setting>,
    splits: Vec<Split>,
    /// Whether each task has a panel for either setting, side by side, be it empty.
    paired: bool,
}

impl Grid {
    fn of(table: &ResultTable) -> Self {
        let mut there = BTreeSet::new();
        for section in &table.sections {
            for row in section.blocks.iter().flat_map(|block| &block.rows) {
                there.extend(place_of(section.split, row).map(|place| (place, section.setting)));
            }
        }
        let settings: BTreeSet<Setting> = there.iter().map(|panel| panel.1).collect();
        let splits: BTreeSet<Split> = there.iter().map(|panel| panel.0.split).collect();
        let places: BTreeSet<&Place> = there.iter().map(|panel| &panel.0).collect();
        // Where no task was run in both settings there is nothing to compare side by side.
        let paired = places.len() < there.len();
        let panels = if paired {
            places
                .into_iter()
                .flat_map(|place| settings.iter().map(|&setting| (place.clone(), setting)))
                .collect()
        } else {
            there.iter().cloned().collect()
        };
        Self {
            panels,
            settings: settings.into_iter().collect(),
            splits: splits.into_iter().collect(),
            paired,
        }
    }

    const fn abreast(&self) -> usize {
        if self.paired { 2 } else { 1 }
    }

    /// What a panel's title says beside the task: whatever differs among panels.
    fn suffix(&self, place: &Place, setting: Setting) -> String {
        let mut parts = Vec::new();
        if self.settings.len() > 1 {
            parts.push(setting.id());
        }
        if self.splits.len() > 1 {
            parts.push(place.split.id());
        }
        if parts.is_empty() { String::new() } else { format!(" · {}", parts.join(", ")) }
    }

    /// `Scores by method, user setting, dev split`.
    fn title(&self, what: &str) -> String {
        let mut title = what.to_owned();
        match self.settings[..] {
            [] => {}
            [one] => title.push_str(&format!(", {one} setting")),
            _ => title.push_str(", user and time setting"),
        }
        let splits: Vec<&str> = self.splits.iter().map(|split| split.id()).collect();
        if !splits.is_empty() {
            title.push_str(&format!(", {} split", splits.join(" and ")));
        }
        title
    }
}

/// All columns of all blocks, each once, in the table's order.
fn all_series(table: &ResultTable) -> Vec<Series> {
    let mut models: Vec<(ModelLabel, Vec<MethodColumn>)> = Vec::new();
    for block in table.sections.iter().flat_map(|section| &section.blocks) {
        let at = models.iter().position(|(model, _)| *model == block.model);
        let at = at.unwrap_or_else(|| {
            models.push((block.model.clone(), Vec::new()));
            models.len() - 1
        });
        for column in &block.columns {
            if !models[at].1.contains(column) {
                models[at].1.push(column.clone());
            }
        }
    }
    for (_, columns) in &mut models {
        columns
            .sort_by(|one, other| (one.method, &one.name, one.k).cmp(&(other.method, &other.name, other.k)));
    }
    let each = |(model, columns): (ModelLabel, Vec<MethodColumn>)| {
        columns.into_iter().map(move |column| Series { model: model.clone(), column })
    };
    models.into_iter().flat_map(each).collect()
}

/// At most [`MOST_SERIES`] of the series, and the others: first those go of which there is one with a larger k, then of each model
/// in turn the one with the fewest cells, of equals the last, what was tuned and what is compared with aside. `cells` counts a
/// series' cells.
fn choose(all: Vec<Series>, cells: impl Fn(&Series) -> usize) -> (Vec<Series>, Vec<Series>) {
    let mut kept = all.clone();
    if kept.len() > MOST_SERIES {
        let smaller = |one: &Series| {
            let alike = |other: &&Series| {
                other.model == one.model
                    && (other.column.method, &other.column.name, &other.column.variant)
                        == (one.column.method, &one.column.name, &one.column.variant)
            };
            all.iter().filter(alike).any(|other| other.column.k > one.column.k)
        };
        kept.retain(|series| !smaller(series));
    }
    while kept.len() > MOST_SERIES {
        let count = |series: &Series| kept.iter().filter(|other| other.model == series.model).count();
        let most = kept.iter().map(count).max().unwrap_or(0);
        let crowded = |series: &Series| count(series) == most;
        let ordinary =
            |series: &Series| !matches!(series.column.method, Method::Tuned | Method::NonPersonalized);
        let places = || kept.iter().enumerate().rev().filter(|(_, series)| crowded(series));
        let emptiest =
            places().filter(|(_, series)| ordinary(series)).min_by_key(|(_, series)| cells(series));
        let Some((at, _)) = emptiest.or_else(|| places().next()) else { break };
        kept.remove(at);
    }
    let left_out = all.into_iter().filter(|series| !kept.contains(series)).collect();
    (kept, left_out)
}

/// How a chart tells series apart: what all share is said once.
struct Naming {
    several_models: bool,
    /// The k of every series that has one.
    k: Option<usize>,
}

impl Naming {
    fn of(series: &[Series]) -> Self {
        let ks: BTreeSet<usize> =
            series.iter().filter_map(|series| series.column.k).filter(|&k| k > 0).collect();
        let several_models = series.iter().any(|other| other.model != series[0].model);
        Self { several_models, k: ks.first().copied().filter(|_| ks.len() == 1) }
    }

    fn label(&self, column: &MethodColumn) -> String {
        let shared = MethodColumn { k: column.k.filter(|_| self.k.is_none()), ..column.clone() };
        shared.label()
    }
}

/// Bars by method: a panel a task and metric of the table, the two settings side by side where it has both.
pub fn scores_chart(table: &ResultTable) -> ChartSpec {
    let grid = Grid::of(table);
    let filled = |series: &Series| {
        grid.panels.iter().filter(|(place, setting)| series.cell(table, *setting, place).is_some()).count()
    };
    let (series, left_out) = choose(all_series(table), filled);
    let naming = Naming::of(&series);
    let mut panels = Vec::new();
    for (place, setting) in &grid.panels {
        let rows = series.iter().map(|series| bar_row(table, *setting, place, series, &naming)).collect();
        let plot = Plot::Bars(BarPlot { axis: metric_axis(place.metric), rows });
        panels.push(panel(table, *setting, place, &grid, plot));
    }
    let bars = panels.iter().filter_map(|panel| match &panel.plot {
        Plot::Bars(plot) => Some(plot),
        _ => None,
    });
    let bars: Vec<&BarRow> = bars.flat_map(|plot| &plot.rows).collect();
    let mut notes = opening_notes(&series, &naming);
    if bars.iter().any(|row| row.bar.as_ref().is_some_and(|bar| bar.interval.is_some())) {
        notes.push("Whiskers: 95\u{a0}% bootstrap intervals.".to_owned());
    }
    if bars.iter().any(|row| row.reference.is_some() && row.bar.is_some()) {
        notes.push("Dashed: non-personalized.".to_owned());
    }
    let painted =
        bars.iter().filter(|row| row.bar.is_some()).map(|row| row.paint.filled).collect::<BTreeSet<_>>();
    notes.extend(surfaces_note(&painted, &series, "bars"));
    notes.extend(seeds_note(table));
    notes.extend(published_note(table, &grid, &series));
    notes.extend(closing_notes(table, &left_out, &naming));
    ChartSpec {
        title: grid.title("Scores by method"),
        panels,
        abreast: grid.abreast(),
        notes: vec![notes.join(" ")],
        empty: NO_RUNS.to_owned(),
    }
}

fn bar_row(table: &ResultTable, setting: Setting, place: &Place, series: &Series, naming: &Naming) -> BarRow {
    let bar = series.cell(table, setting, place).map(|cell| Bar {
        value: cell.value,
        text: metric_value(place.metric, cell.value),
        interval: whisker(cell),
        published: cell.published.iter().map(|figure| mark(place, figure)).collect(),
        about: about(table, setting, place, series, naming.several_models, cell),
    });
    BarRow {
        group: if naming.several_models { series.model.label() } else { String::new() },
        label: naming.label(&series.column),
        paint: Paint::of(series.column.method, series.model.training),
        bar,
        reference: plain(table, setting, place, &series.model).map(|cell| cell.value),
    }
}

fn mark(place: &Place, figure: &PublishedFigure) -> Mark {
    let words = format!("{}, published: {}", place.task, words::published(place.metric, figure));
    Mark { value: figure.value, words }
}

/// What a cell is, in words and by its run.
fn about(
    table: &ResultTable,
    setting: Setting,
    place: &Place,
    series: &Series,
    several_models: bool,
    cell: &TableCell,
) -> About {
    let label = |column: &MethodColumn| {
        if several_models { format!("{}, {}", series.model.label(), column.label()) } else { column.label() }
    };
    let task =
        place.mark.as_ref().map_or_else(|| place.task.to_string(), |mark| format!("{} ({mark})", place.task));
    let ends = whisker(cell).map(|(low, high)| {
        format!(" [{}, {}]", metric_value(place.metric, low), metric_value(place.metric, high))
    });
    let words = format!(
        "{task} {setting}, {}: {} {}{}, n {}",
        label(&series.column),
        place.metric.name(),
        metric_value(place.metric, cell.value),
        ends.unwrap_or_default(),
        count(cell.n as u64)
    );
    let first = |cell: &TableCell| cell.runs.first().map(|run| run.id);
    let run = first(cell).filter(|_| series.column.method != Method::Oracle);
    let against = plain(table, setting, place, &series.model).and_then(first);
    About { words, run, against: against.filter(|against| Some(*against) != run) }
}

/// A model's non-personalized cell.
fn plain<'a>(
    table: &'a ResultTable,
    setting: Setting,
    place: &Place,
    model: &ModelLabel,
) -> Option<&'a TableCell> {
    cell(table, setting, place, model, |column| column.method == Method::NonPersonalized)
}

fn whisker(cell: &TableCell) -> Option<(f64, f64)> {
    let interval = cell.interval.map(|interval| (interval.low, interval.high));
    interval.or(cell.spread.map(|spread| (spread.low, spread.high)))
}

fn panel(table: &ResultTable, setting: Setting, place: &Place, grid: &Grid, plot: Plot) -> Panel {
    let rows = blocks(table, setting, place.split).flat_map(|block| &block.rows);
    let rows: Vec<&Row> = rows.filter(|row| place_of(place.split, row).as_ref() == Some(place)).collect();
    let counts: Vec<(usize, usize)> = rows.iter().filter_map(|row| row.n()).collect();
    let fewest = counts.iter().map(|count| count.0).min();
    let most = counts.iter().map(|count| count.1).max();
    let corner = match (fewest, most) {
        (Some(fewest), Some(most)) => samples(fewest as u64, most as u64),
        _ => "not run".to_owned(),
    };
    let label = rows.first().map_or_else(|| place.task.id().to_owned(), |row| row.task_label());
    Panel {
        title: format!("{label}{}", grid.suffix(place, setting)),
        subtitle: place.task.name().to_owned(),
        corner,
        plot,
    }
}

/// `n = 1,500`, or `n = 1,498–1,500` where not all are of equal many samples.
pub(super) fn samples(fewest: u64, most: u64) -> String {
    if fewest == most {
        format!("n = {}", count(most))
    } else {
        format!("n = {}–{}", count(fewest), count(most))
    }
}

/// Curves over k: a panel a task and metric, a line a retriever, begun at the non-personalized value.
pub fn k_chart(table: &ResultTable) -> ChartSpec {
    let grid = Grid::of(table);
    let over_k = |series: &Series| {
        series.column.k.is_some_and(|k| k > 0)
            && !matches!(series.column.method, Method::Tuned | Method::Oracle)
    };
    let mut lines: Vec<(Series, Vec<Series>)> = Vec::new();
    for series in all_series(table).into_iter().filter(over_k) {
        let named = Series { column: MethodColumn { k: None, ..series.column.clone() }, ..series.clone() };
        match lines.iter_mut().find(|(name, _)| *name == named) {
            Some((_, points)) => points.push(series),
            None => lines.push((named, vec![series])),
        }
    }
    let points = |name: &Series| {
        let series = lines.iter().filter(|(known, _)| known == name).flat_map(|(_, series)| series);
        let filled = |series: &Series| {
            let panels = grid.panels.iter();
            panels.filter(|(place, setting)| series.cell(table, *setting, place).is_some()).count()
        };
        series.map(filled).sum()
    };
    let (names, left_out) = choose(lines.iter().map(|(name, _)| name.clone()).collect(), points);
    lines.retain(|(name, _)| names.contains(name));
    let naming = Naming { k: None, ..Naming::of(&names) };
    let paints = paints(&names);
    let series_ks: BTreeSet<usize> =
        lines.iter().flat_map(|(_, series)| series).filter_map(|series| series.column.k).chain([0]).collect();
    let mut panels = Vec::new();
    for &(ref place, setting) in &grid.panels {
        let drawn = lines.iter().zip(&paints).filter_map(|((name, series), paint)| {
            let mut points: Vec<Point> = series
                .iter()
                .filter_map(|series| {
                    let cell = series.cell(table, setting, place)?;
                    Some(Point {
                        at: place_of_k(series.column.k?),
                        value: cell.value,
                        interval: whisker(cell),
                        about: about(table, setting, place, series, naming.several_models, cell),
                    })
                })
                .collect();
            points.sort_by(|one, other| one.at.total_cmp(&other.at));
            let from = plain(table, setting, place, &name.model);
            let from = from.map(|cell| {
                let method = Method::NonPersonalized;
                let column =
                    MethodColumn { method, name: method.name().to_owned(), k: None, variant: String::new() };
                let series = Series { model: name.model.clone(), column };
                let about = about(table, setting, place, &series, naming.several_models, cell);
                Point { at: 0.0, value: cell.value, interval: whisker(cell), about }
            });
            let mut label = naming.label(&name.column);
            if naming.several_models {
                label = format!("{label}, {}", name.model.name);
            }
            (!points.is_empty()).then_some(Line { label, paint: *paint, from, points })
        });
        let drawn: Vec<Line> = drawn.collect();
        let places_across = drawn.iter().flat_map(|line| line.from.iter().chain(&line.points));
        let ends = places_across
            .fold((f64::INFINITY, 0.0_f64), |(first, last), point| (first.min(point.at), last.max(point.at)));
        let measured = series_ks.iter().filter(|&&k| (ends.0..=ends.1).contains(&place_of_k(k)));
        let tick = |&k: &usize| Tick { at: place_of_k(k), label: k.to_string(), beneath: String::new() };
        let plot = LinePlot {
            axis: metric_axis(place.metric),
            across: "k, retrieved entries (log scale)".to_owned(),
            ticks: measured.map(tick).collect(),
            zero: false,
            lines: drawn,
        };
        panels.push(panel(table, setting, place, &grid, Plot::Lines(plot)));
    }
    let has_lines = |panel: &Panel| matches!(&panel.plot, Plot::Lines(plot) if !plot.lines.is_empty());
    if !panels.iter().any(has_lines) {
        panels.clear();
    }
    let mut notes = opening_notes(&names, &naming);
    notes.push("Vertical axes do not start at zero. Whiskers: 95\u{a0}% bootstrap intervals. k\u{a0}=\u{a0}0: non-personalized.".to_owned());
    let painted = paints.iter().map(|paint| paint.filled).collect();
    notes.extend(surfaces_note(&painted, &names, "points"));
    notes.extend(seeds_note(table));
    notes.extend(closing_notes(table, &left_out, &naming));
    ChartSpec {
        title: grid.title("Scores over k"),
        abreast: grid.abreast(),
        notes: if panels.is_empty() { Vec::new() } else { vec![notes.join(" ")] },
        panels,
        empty: "There is no finished run with retrieved entries to draw over k. Run an experiment with several k, or choose \
                other runs."
            .to_owned(),
    }
}

/// Where a k stands: doubling it moves it by about the same, and 0 has a place too.
fn place_of_k(k: usize) -> f64 {
    (1.0 + k as f64).log2()
}

/// Paints that differ: lines of one color have dashes of their own.
fn paints(names: &[Series]) -> Vec<Paint> {
    let mut seen: BTreeMap<Method, usize> = BTreeMap::new();
    let each = names.iter().map(|name| {
        let dash = seen.entry(name.column.method).or_default();
        let paint = Paint { dash: *dash, ..Paint::of(name.column.method, name.model.training) };
        *dash += 1;
        paint
    });
    each.collect()
}

/// What all series share.
fn opening_notes(series: &[Series], naming: &Naming) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(first) = series.first().filter(|_| !naming.several_models) {
        notes.push(format!("Model: {}.", first.model.label()));
    }
    notes.extend(naming.k.map(|k| format!("k\u{a0}=\u{a0}{k} retrieved entries.")));
    notes
}

/// What filled and outlined shapes mean, where a chart has shapes of models that were trained or could have been.
fn surfaces_note(filled: &BTreeSet<bool>, series: &[Series], shapes: &str) -> Option<String> {
    let has = |training| series.iter().any(|series| series.model.training == training);
    let outlined = match (has(Training::ZeroShot), has(Training::Baseline)) {
        (true, true) => "zero-shot, or a rule without a language model",
        (true, false) => "zero-shot",
        (false, true) => "a rule without a language model",
        (false, false) => return (filled.contains(&true)).then(|| format!("Filled {shapes}: fine-tuned.")),
    };
    Some(match filled.contains(&true) {
        true => format!("Filled {shapes}: fine-tuned; outlined: {outlined}."),
        false => format!("Outlined {shapes}: {outlined}."),
    })
}

fn cells(table: &ResultTable) -> impl Iterator<Item = (&Row, &TableCell)> {
    let rows = table.sections.iter().flat_map(|section| &section.blocks).flat_map(|block| &block.rows);
    rows.flat_map(|row| row.cells.iter().flatten().map(move |cell| (row, cell)))
}

fn seeds_note(table: &ResultTable) -> Option<String> {
    let averaged = cells(table).any(|(_, cell)| cell.spread.is_some());
    averaged.then(|| "Several seeds: their mean, whiskers from the lowest to the highest.".to_owned())
}

/// Where the diamonds come from, each source once.
fn published_note(table: &ResultTable, grid: &Grid, series: &[Series]) -> Option<String> {
    let mut sources: BTreeMap<(&str, &str), BTreeSet<(&str, &str)>> = BTreeMap::new();
    for (place, setting) in &grid.panels {
        let cells = series.iter().filter_map(|series| series.cell(table, *setting, place));
        for &PublishedFigure { source, table, model, training, .. } in
            cells.flat_map(|cell| cell.published.iter().copied())
        {
            sources.entry((source, table)).or_default().insert((model, training));
        }
    }
    let named: Vec<String> = sources
        .into_iter()
        .map(|((source, table), models)| {
            let models: Vec<String> =
                models.into_iter().map(|(model, training)| format!("{model}, {training}")).collect();
            format!("{source}, {table} ({})", models.join("; "))
        })
        .collect();
    (!named.is_empty()).then(|| format!("◇ published: {}.", named.join("; ")))
}

/// What a reader must know of single figures, and what is not shown.
fn closing_notes(table: &ResultTable, left_out: &[Series], naming: &Naming) -> Vec<String> {
    let known =
        table.notes.iter().filter(|note| matches!(note, Note::Samples { .. } | Note::SameData { .. }));
    let mut notes: Vec<String> = known.map(ToString::to_string).collect();
    let mut failed: BTreeMap<(Task, &SampleSet), u64> = BTreeMap::new();
    for (row, cell) in cells(table) {
        let most = failed.entry((row.task, &row.samples)).or_default();
        *most = (*most).max(cell.failed);
    }
    let failed: Vec<String> = failed
        .into_iter()
        .filter(|(_, failed)| *failed > 0)
        .map(|((task, _), failed)| {
            format!("{task}: up to {} samples failed and are in no figure.", count(failed))
        })
        .collect();
    notes.extend(failed);
    if !left_out.is_empty() {
        let name = |series: &Series| {
            let label = series.column.label().replace(", k ", ", k\u{a0}");
            if naming.several_models { format!("{label}, {}", series.model.name) } else { label }
        };
        let mut names: Vec<String> = left_out.iter().take(4).map(name).collect();
        if left_out.len() > names.len() {
            names.push(format!("and {} more", left_out.len() - names.len()));
        }
        notes.push(format!(
            "Not shown, since a chart has at most {MOST_SERIES} series: {}.",
            names.join("; ")
        ));
    }
    notes
}
