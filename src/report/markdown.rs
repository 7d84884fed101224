//! A result table in Markdown, as GitHub and most others read it.

use std::fmt::Write;

use super::{ResultTable, Row, words};

/// The table: a heading a section, a table a model, and what its marks mean.
pub fn markdown(table: &ResultTable) -> String {
    let mut out = String::new();
    for section in &table.sections {
        let _ = writeln!(out, "## {}\n", section.title()); // a `String` takes all that is written into it
        for block in &section.blocks {
            let _ = writeln!(out, "### {}\n", escaped(&block.model.label()));
            let mut header = vec!["Task".to_owned(), "Metric".to_owned(), "n".to_owned()];
            header.extend(block.columns.iter().map(|column| escaped(&column.label())));
            let _ = writeln!(out, "| {} |", header.join(" | "));
            let _ = writeln!(out, "| --- | --- | ---: |{}", " ---: |".repeat(block.columns.len()));
            for row in &block.rows {
                let _ = writeln!(out, "| {} |", cells(row).join(" | "));
            }
            out.push('\n');
        }
    }
    for line in words::legend(table, "**Bold**").into_iter().chain(words::remarks(table)) {
        let line = if line.starts_with("**Bold**") { line } else { escaped(&line) };
        let _ = writeln!(out, "- {line}");
    }
    let published = words::published_lines(table);
    if !published.is_empty() {
        out.push_str("\nPublished figures of the same task, setting, split and metric:\n\n");
        for line in published {
            let _ = writeln!(out, "- {}", escaped(&line));
        }
    }
    out
}

fn cells(row: &Row) -> Vec<String> {
    let mut cells = vec![row.task_label(), row.metric_label(), words::n(row)];
    cells.extend(row.cells.iter().map(|cell| {
        let Some(cell) = cell else { return "–".to_owned() };
        let figure = words::figure(&row.metric, cell.value);
        let mut text = if cell.best { format!("**{figure}**") } else { figure };
        let spread = words::spread(&row.metric, cell);
        if !spread.is_empty() {
            let _ = write!(text, " {spread}");
        }
        if !words::star(cell).is_empty() {
            text.push_str("\\*");
        }
        let beneath = [cell.difference_percent.map(words::percent), words::seeds(cell), words::choice(cell)];
        for line in beneath.into_iter().flatten() {
            let _ = write!(text, "<br>{}", escaped(&line));
        }
        text
    }));
    cells
}

/// A text that means nothing to Markdown.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
