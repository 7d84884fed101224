//! The result table made ready to be drawn: texts, columns of all models and settings side by side, what each cell tells.
//! Made by a job; knows no widget.

use std::ops::Range;

use crate::lamp::{Setting, Split};
use crate::metrics::PairedTest;
use crate::record::RunId;
use crate::report::{
    CellTest, Method, MethodColumn, ModelLabel, ResultTable, Row, Section, TableCell, words,
};

/// Letters that a heading is broken to.
const HEADING: usize = 18;

/// A table to be drawn.
#[derive(Debug, PartialEq)]
pub struct Sheet {
    /// The table.
    pub table: ResultTable,
    /// What stands over columns together: the settings, where there are several.
    pub groups: Vec<(String, Range<usize>)>,
    /// The columns.
    pub heads: Vec<Head>,
    /// The rows, by what they are of.
    pub blocks: Vec<Block>,
    /// How the table is to be read, and what else is to be known.
    pub notes: Vec<String>,
    /// Published figures with their places.
    pub published: Vec<String>,
    /// Whether a place waits for its figure.
    pub waits: bool,
}

/// A column's heading.
#[derive(Debug, PartialEq)]
pub struct Head {
    /// Its lines.
    pub lines: Vec<String>,
    /// The whole of it.
    pub label: String,
    /// The method.
    pub method: Method,
}

/// Rows of one model on one split.
#[derive(Debug, PartialEq)]
pub struct Block {
    /// `User setting, dev split · flan-t5-base (fine-tuned)`.
    pub title: String,
    /// A task with a metric each.
    pub lines: Vec<Line>,
}

/// A task with a metric.
#[derive(Debug, PartialEq)]
pub struct Line {
    /// `LaMP-4`, or with a mark.
    pub task: String,
    /// The task's name.
    pub name: &'static str,
    /// Whether the line before is of the same task.
    pub again: bool,
    /// `ROUGE-1 ↑`.
    pub metric: String,
    /// `n 60`.
    pub n: String,
    /// A cell a column.
    pub cells: Vec<Slot>,
    /// Lines of text that its highest cell has beneath the figure.
    pub beneath: usize,
}

/// A place of the table.
#[derive(Debug, PartialEq)]
pub enum Slot {
    /// No such run.
    Empty,
    /// Runs that are not done.
    Waiting(Vec<RunId>),
    /// A figure.
    Figure(Box<Shown>),
}

/// A cell as it is shown.
#[derive(Debug, PartialEq)]
pub struct Shown {
    /// The figure.
    pub figure: String,
    /// `±0.012`.
    pub spread: String,
    /// Whether it differs from the non-personalized one by more than luck explains.
    pub star: bool,
    /// Whether it is the best of its row.
    pub best: bool,
    /// The difference to the non-personalized one, and whether it is a gain (`None`: none is to be seen).
    pub difference: Option<(String, Option<bool>)>,
    /// Further lines: seeds, what was chosen.
    pub beneath: Vec<String>,
    /// Published figures, short, and each with its source.
    pub published: Option<(String, Vec<String>)>,
    /// All that is known of it, a line each: what and its value.
    pub facts: Vec<(&'static str, String)>,
    /// All of it in a sentence.
    pub words: String,
    /// Its first run.
    pub run: Option<RunId>,
    /// The non-personalized run.
    pub against: Option<RunId>,
}

impl Sheet {
    /// Makes a table ready.
    pub fn new(table: ResultTable) -> Self {
        let mut settings: Vec<Setting> = table.sections.iter().map(|section| section.setting).collect();
        settings.sort_unstable();
        settings.dedup();
        let mut keys: Vec<(Setting, MethodColumn)> = Vec::new();
        for section in &table.sections {
            for column in section.blocks.iter().flat_map(|block| &block.columns) {
                let key = (section.setting, column.clone());
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        keys.sort_by(|one, other| order(one).cmp(&order(other)));
        let heads = keys.iter().map(|(_, column)| head(column)).collect();
        let group = |&setting: &Setting| {
            let first = keys.iter().position(|key| key.0 == setting).unwrap_or(0);
            let count = keys.iter().filter(|key| key.0 == setting).count();
            (setting_words(setting).to_owned(), first..first + count)
        };
        let several = settings.len() > 1;
        let groups = if several { settings.iter().map(group).collect() } else { Vec::new() };
        let (blocks, waits) = blocks(&table, &keys, several);
        let mut notes = words::legend(&table, "Heavy");
        notes.extend(words::remarks(&table));
        let published = words::published_lines(&table);
        Self { groups, heads, blocks, notes, published, waits, table }
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

fn order(key: &(Setting, MethodColumn)) -> (Setting, Method, &str, Option<usize>, &str) {
    (key.0, key.1.method, &key.1.name, key.1.k, &key.1.variant)
}

fn head(column: &MethodColumn) -> Head {
    let count = |text: &str| text.chars().count();
    let lines = column.lines().iter().flat_map(|line| words::broken(line, HEADING, count)).collect();
    Head { lines, label: column.label(), method: column.method }
}

/// `User setting`.
pub fn setting_words(setting: Setting) -> &'static str {
    match setting {
        Setting::User => "User setting",
        Setting::Time => "Time setting",
    }
}

/// Where a line belongs.
type Place = (Split, ModelLabel);

fn blocks(table: &ResultTable, keys: &[(Setting, MethodColumn)], several: bool) -> (Vec<Block>, bool) {
    // With the first of its runs: blocks stand in the order in which they were planned, so that they fill from the top.
    let mut places: Vec<(Place, Block, RunId)> = Vec::new();
    let mut waits = false;
    for section in &table.sections {
        for block in &section.blocks {
            let place = (section.split, block.model.clone());
            let at = places.iter().position(|(known, ..)| *known == place).unwrap_or_else(|| {
                let title = match several {
                    true => format!("{} split", capital(section.split.id())),
                    false => section.title(),
                };
                let title = format!("{title} \u{b7} {}", block.model.label());
                places.push((place, Block { title, lines: Vec::new() }, RunId(i64::MAX)));
                places.len() - 1
            });
            let (_, Block { lines, .. }, since) = &mut places[at];
            for row in &block.rows {
                let (task, metric) = (row.task_label(), row.metric_label());
                let known = lines.iter().position(|line| line.task == task && line.metric == metric);
                let at = known.unwrap_or_else(|| {
                    let cells = keys.iter().map(|_| Slot::Empty).collect();
                    let (name, n) = (row.task.name(), String::new());
                    lines.push(Line { task, name, again: false, metric, n, cells, beneath: 1 });
                    lines.len() - 1
                });
                let line = &mut lines[at];
                line.add_n(&words::n(row));
                let runs = row.cells.iter().flatten().flat_map(|cell| &cell.runs).map(|run| run.id);
                let first = runs.chain(row.waiting.iter().flatten().copied()).min();
                *since = (*since).min(first.unwrap_or(*since));
                for (number, column) in block.columns.iter().enumerate() {
                    let slot = slot(section, block.model.label(), row, &block.columns, number);
                    waits |= matches!(slot, Slot::Waiting(_));
                    let key = keys.iter().position(|key| key.0 == section.setting && key.1 == *column);
                    if let Some(place) = key.and_then(|key| line.cells.get_mut(key))
                        && *place == Slot::Empty
                    {
                        line.beneath = line.beneath.max(slot.beneath());
                        *place = slot;
                    }
                }
            }
        }
    }
    places.sort_by_key(|(_, _, since)| *since);
    let mut blocks: Vec<Block> = places.into_iter().map(|(_, block, _)| block).collect();
    for block in &mut blocks {
        let mut before = String::new();
        for line in &mut block.lines {
            line.again = line.task == before;
            before.clone_from(&line.task);
        }
    }
    (blocks, waits)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

impl Line {
    /// Settings may differ in their samples.
    fn add_n(&mut self, n: &str) {
        if self.n.is_empty() && !n.is_empty() {
            self.n = format!("n {n}");
        } else if !n.is_empty() && !self.n.split([' ', '\u{b7}']).any(|known| known == n) {
            self.n.push_str(&format!(" \u{b7} {n}"));
        }
    }
}

impl Slot {
    /// Lines of text beneath the figure.
    fn beneath(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Waiting(_) => 1,
            Self::Figure(shown) => {
                usize::from(shown.difference.is_some())
                    + shown.beneath.len()
                    + usize::from(shown.published.is_some())
            }
        }
    }
}

fn slot(section: &Section, model: String, row: &Row, columns: &[MethodColumn], at: usize) -> Slot {
    let waiting = row.waiting.get(at).cloned().unwrap_or_default();
    let Some(cell) = row.cells.get(at).and_then(Option::as_ref) else {
        return if waiting.is_empty() { Slot::Empty } else { Slot::Waiting(waiting) };
    };
    let metric = &row.metric;
    let figure = words::figure(metric, cell.value);
    let difference = cell.difference_percent.map(|percent| {
        let text = words::percent(percent);
        let gain = if text.starts_with('+') {
            Some(true)
        } else if text.starts_with('−') {
            Some(false)
        } else {
            None
        };
        (text, gain)
    });
    let mut beneath: Vec<String> = words::seeds(cell).into_iter().collect();
    if !waiting.is_empty() {
        beneath.push(format!("{} more to come", waiting.len()));
    }
    let count = |text: &str| text.chars().count();
    beneath.extend(words::choice(cell).into_iter().flat_map(|choice| words::broken(&choice, HEADING, count)));
    let published = published(row, cell);
    let label = columns.get(at).map(MethodColumn::label).unwrap_or_default();
    let place = format!("{} {}", row.task_label(), section.setting);
    let facts = facts(row, cell);
    let words = format!(
        "{place}, {model}, {label}: {} {figure}{}",
        metric.name(),
        facts.iter().map(|(what, value)| format!("; {what} {value}")).collect::<String>()
    );
    let base = columns.iter().zip(&row.cells).find_map(|(column, cell)| {
        let run = cell.as_ref()?.runs.first()?.id;
        (column.method == Method::NonPersonalized).then_some(run)
    });
    let run = cell
        .runs
        .first()
        .map(|run| run.id)
        .filter(|_| columns.get(at).is_some_and(|column| column.method != Method::Oracle));
    Slot::Figure(Box::new(Shown {
        figure,
        spread: words::spread(metric, cell),
        star: cell.test.as_ref().is_some_and(CellTest::significant),
        best: cell.best,
        difference,
        beneath,
        published,
        facts,
        words,
        run,
        against: base.filter(|base| Some(*base) != run),
    }))
}

fn published(row: &Row, cell: &TableCell) -> Option<(String, Vec<String>)> {
    let values = || cell.published.iter().map(|figure| figure.value);
    if cell.published.is_empty() {
        return None;
    }
    let low = words::figure(&row.metric, values().fold(f64::INFINITY, f64::min));
    let high = words::figure(&row.metric, values().fold(f64::NEG_INFINITY, f64::max));
    let short = if low == high { low } else { format!("{low}\u{2013}{high}") };
    Some((short, cell.published.iter().map(|figure| words::published(&row.metric, figure)).collect()))
}

/// What a cell is, in detail.
fn facts(row: &Row, cell: &TableCell) -> Vec<(&'static str, String)> {
    let metric = &row.metric;
    let figure = |value| words::figure(metric, value);
    let mut facts = vec![("n", cell.n.to_string())];
    if let Some(interval) = cell.interval {
        facts.push(("95 % interval", format!("[{}, {}]", figure(interval.low), figure(interval.high))));
    }
    if let Some(spread) = cell.spread {
        let range = format!(
            "mean of {}, standard deviation {}, {} to {}",
            spread.runs,
            figure(spread.deviation),
            figure(spread.low),
            figure(spread.high)
        );
        facts.push(("seeds", range));
    }
    if let Some((percent, _)) = cell.difference_percent.map(|percent| (words::percent(percent), ())) {
        facts.push(("to non-personalized", percent));
    }
    if let Some(test) = &cell.test {
        let name = match test.result {
            PairedTest::McNemar { only_first, only_second, .. } => {
                format!("McNemar\u{2019}s exact, right in one alone {only_first} and {only_second}")
            }
            PairedTest::PairedT { t, degrees, .. } => {
                format!("paired t({degrees}) = {}", words::difference(metric, t))
            }
        };
        facts.push(("test", format!("{name}, on {} common samples", test.samples)));
        facts.push((
            "p",
            format!("{}, Holm {}", words::p_value(test.result.p()), words::p_value(test.p_holm)),
        ));
    }
    if let Some(choice) = &cell.choice {
        let text = words::choice(cell).unwrap_or_default();
        let same = if choice.same_data { ", the very data that is reported" } else { "" };
        facts.push(("chosen", format!("{text}, on {}{same}", choice.tuned_on)));
    }
    if cell.failed > 0 {
        facts.push(("failed samples", cell.failed.to_string()));
    }
    if let Some(rate) = words::unparsed(row.task, cell) {
        facts.push(("outputs not parsed", rate));
    }
    facts
}
