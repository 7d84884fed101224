//! A result table for a terminal: as many methods side by side as fit, the others beneath.

use std::ops::Range;

use super::text::{plain, table, width};
use crate::report::{ModelBlock, ResultTable, Row, TableCell, words};

/// Columns that a method's heading is broken to.
const HEADING: usize = 16;

/// Columns between methods.
const GAP: usize = 2;

/// The table with its legend and remarks, in lines of at most `columns` where a single method is not wider.
pub fn table_text(results: &ResultTable, columns: usize, styled: bool) -> String {
    let mut out = String::new();
    for section in &results.sections {
        out.push_str(&heading(&section.title(), styled));
        for block in &section.blocks {
            out.push('\n');
            out.push_str(&heading(&plain(&block.model.label()), styled));
            for rows in parts(block, columns, styled) {
                let right: Vec<usize> = (2..rows.first().map_or(2, Vec::len)).collect();
                out.push('\n');
                out.push_str(&table(&rows, &right));
            }
        }
        out.push('\n');
    }
    if results.sections.is_empty() {
        out.push_str("No finished run has a figure yet.\n");
    }
    let best = if styled { "• and bold" } else { "•" };
    for line in words::legend(results, best).into_iter().chain(words::remarks(results)) {
        out.push_str(&wrapped(&plain(&line), columns));
    }
    let published = words::published_lines(results);
    if !published.is_empty() {
        out.push_str("◇ Published figures of the same task, setting, split and metric:\n");
        published.iter().for_each(|line| out.push_str(&wrapped(&format!("- {}", plain(line)), columns)));
    }
    out
}

fn heading(text: &str, styled: bool) -> String {
    if styled { format!("\u{1b}[1m{text}\u{1b}[0m\n") } else { format!("{text}\n") }
}

/// The block's lines as cells, in parts that are narrow enough.
fn parts(block: &ModelBlock, columns: usize, styled: bool) -> Vec<Vec<Vec<String>>> {
    let heads: Vec<Vec<String>> = block
        .columns
        .iter()
        .map(|column| {
            column.lines().iter().flat_map(|line| words::broken(&plain(line), HEADING, width)).collect()
        })
        .collect();
    let bodies: Vec<Vec<Vec<String>>> = block
        .rows
        .iter()
        .map(|row| row.cells.iter().map(|cell| lines(row, cell, styled)).collect())
        .collect();
    let widest = |column: usize| {
        let head = heads.get(column).into_iter().flatten();
        let cells = bodies.iter().filter_map(|row| row.get(column)).flatten();
        head.chain(cells).map(|line| width(line)).max().unwrap_or(0) + GAP
    };
    let label = |texts: &dyn Fn(&Row) -> String| block.rows.iter().map(|row| width(&texts(row))).max();
    let first = label(&|row| row.task_label()).unwrap_or(0).max(4)
        + GAP
        + label(&|row| row.metric_label()).unwrap_or(0).max(6);
    let mut shown: Vec<Range<usize>> = Vec::new();
    let mut taken = first;
    for column in 0..heads.len() {
        match shown.last_mut().filter(|_| taken + widest(column) <= columns) {
            Some(part) => {
                part.end = column + 1;
                taken += widest(column);
            }
            None => {
                shown.push(column..column + 1);
                taken = first + widest(column);
            }
        }
    }
    shown.into_iter().map(|part| part_lines(block, &heads, &bodies, part)).collect()
}

fn part_lines(
    block: &ModelBlock,
    heads: &[Vec<String>],
    bodies: &[Vec<Vec<String>>],
    shown: Range<usize>,
) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    let mut add = |left: [&[String]; 2], cells: &[Vec<String>]| {
        let height = cells.iter().map(Vec::len).chain(left.iter().map(|side| side.len())).max().unwrap_or(0);
        for line in 0..height {
            let at = |texts: &[String]| texts.get(line).cloned().unwrap_or_default();
            out.push(left.into_iter().map(at).chain(cells.iter().map(|cell| at(cell))).collect());
        }
    };
    let heads = heads.get(shown.clone()).unwrap_or_default();
    add([&["Task".to_owned()], &["Metric".to_owned()]], heads);
    let mut before = None;
    // Further methods repeat no task that none of them was tried on.
    let tried = |row: &Row| {
        shown.start == 0
            || row.cells.get(shown.clone()).is_some_and(|cells| cells.iter().any(Option::is_some))
    };
    for (row, cells) in block.rows.iter().zip(bodies).filter(|(row, _)| tried(row)) {
        let task = row.task_label();
        let first = if before.as_ref() == Some(&task) { String::new() } else { task.clone() };
        before = Some(task);
        let metric = [row.metric_label(), format!("n {}", words::n(row))];
        add([&[first], &metric], cells.get(shown.clone()).unwrap_or_default());
    }
    out
}

/// A cell's lines: the figure with its interval; the difference; how many seeds; what was chosen; what was published. Each ends with a star or
/// with its room, so that figures stand beneath figures.
fn lines(row: &Row, cell: &Option<TableCell>, styled: bool) -> Vec<String> {
    let Some(cell) = cell else { return vec!["– ".to_owned()] };
    let figure = words::figure(&row.metric, cell.value);
    let figure = match (cell.best, styled) {
        (true, true) => format!("•\u{1b}[1m{figure}\u{1b}[0m"),
        (true, false) => format!("•{figure}"),
        (false, _) => figure,
    };
    let spread = words::spread(&row.metric, cell);
    let spread = if spread.is_empty() { spread } else { format!(" {spread}") };
    let star = if words::star(cell).is_empty() { " " } else { "*" };
    let mut out = vec![format!("{figure}{spread}{star}")];
    out.extend(cell.difference_percent.map(|percent| format!("{} ", words::percent(percent))));
    out.extend(words::seeds(cell).map(|seeds| format!("{seeds} ")));
    out.extend(
        words::choice(cell).into_iter().flat_map(|choice| words::broken(&plain(&choice), HEADING, width)),
    );
    let values = || cell.published.iter().map(|figure| figure.value);
    if !cell.published.is_empty() {
        let low = words::figure(&row.metric, values().fold(f64::INFINITY, f64::min));
        let high = words::figure(&row.metric, values().fold(f64::NEG_INFINITY, f64::max));
        out.push(if low == high { format!("◇{low} ") } else { format!("◇{low}–{high} ") });
    }
    out
}

/// A remark, its further lines indented.
pub fn wrapped(text: &str, columns: usize) -> String {
    let mut out = String::new();
    for (number, line) in words::broken(text, columns.saturating_sub(2), width).iter().enumerate() {
        if number > 0 {
            out.push_str("  ");
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}
