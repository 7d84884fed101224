//! A result table in LaTeX with booktabs, to `\input` into a paper or to typeset by itself.
//!
//! The part to `\input` needs the package `booktabs` and nothing else; it is ASCII, so that any engine and encoding reads it.

use std::fmt::Write;

use super::{ModelBlock, ResultTable, Row, Section, words};

/// Columns of methods that a page's width holds; more go into a further tabular beneath.
const METHODS_ACROSS: usize = 5;

/// Letters that a method's heading is broken to.
const HEADING: usize = 18;

/// The table: a `table` environment for each setting, split and model, with its caption. `standalone` makes it a document of its
/// own.
pub fn latex(table: &ResultTable, standalone: bool) -> String {
    let mut out = String::new();
    if standalone {
        out.push_str(
            "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\usepackage{booktabs}\n\
             \\setlength{\\textwidth}{170mm}\n\\setlength{\\oddsidemargin}{-5mm}\n\\begin{document}\n",
        );
    } else {
        out.push_str("% Needs \\usepackage{booktabs}.\n");
    }
    let mut remarks: Vec<String> =
        words::legend(table, "Bold").into_iter().chain(words::remarks(table)).collect();
    let published = words::published_lines(table);
    remarks.extend(published.into_iter().map(|line| format!("Published, {line}")));
    for section in &table.sections {
        for block in &section.blocks {
            environment(section, block, &mut out);
        }
        if standalone {
            out.push_str("\\clearpage\n"); // LaTeX keeps a few floats only
        }
    }
    if !remarks.is_empty() {
        out.push_str("\\begin{itemize}\\footnotesize\n");
        remarks.iter().for_each(|line| {
            let _ = writeln!(out, "\\item {}", escaped(line)); // a `String` takes all that is written into it
        });
        out.push_str("\\end{itemize}\n");
    }
    if standalone {
        out.push_str("\\end{document}\n");
    }
    out
}

fn environment(section: &Section, block: &ModelBlock, out: &mut String) {
    out.push_str("\\begin{table}[htbp]\n\\centering\\small\\setlength{\\tabcolsep}{4pt}\n");
    let (title, model) = (section.title(), block.model.label());
    let _ = writeln!(out, "\\caption{{{}: {}}}", escaped(&title), escaped(&model));
    let label: String = format!("{}-{}-{model}", section.setting, section.split)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let _ = writeln!(out, "\\label{{tab:{label}}}");
    let count = block.columns.len();
    for start in (0..count.max(1)).step_by(METHODS_ACROSS) {
        if start > 0 {
            out.push_str("\n\\medskip\n\n");
        }
        tabular(block, start..count.min(start + METHODS_ACROSS), out);
    }
    out.push_str("\\end{table}\n\n");
}

fn tabular(block: &ModelBlock, shown: std::ops::Range<usize>, out: &mut String) {
    let columns = block.columns.get(shown.clone()).unwrap_or_default();
    let _ = writeln!(out, "\\begin{{tabular}}{{@{{}}llr{}@{{}}}}", "r".repeat(columns.len()));
    out.push_str("\\toprule\n");
    let broken = |line: &String| words::broken(line, HEADING, |text| text.chars().count());
    let heads: Vec<Vec<String>> =
        columns.iter().map(|column| column.lines().iter().flat_map(broken).collect()).collect();
    for line in 0..heads.iter().map(Vec::len).max().unwrap_or(1) {
        let first = if line == 0 { "Task & Metric & $n$" } else { " & & " };
        out.push_str(first);
        for head in &heads {
            let _ = write!(out, " & {}", head.get(line).map(|text| escaped(text)).unwrap_or_default());
        }
        out.push_str(" \\\\\n");
    }
    out.push_str("\\midrule\n");
    // Further methods repeat no task that none of them was tried on.
    let tried = |row: &&Row| {
        shown.start == 0
            || row.cells.get(shown.clone()).is_some_and(|cells| cells.iter().any(Option::is_some))
    };
    let mut before = None;
    for row in block.rows.iter().filter(tried) {
        let task = row.task_label();
        let named = if before.as_ref() == Some(&task) { "" } else { task.as_str() };
        lines(named, row, shown.clone(), out);
        before = Some(task);
    }
    out.push_str("\\bottomrule\n\\end{tabular}\n");
}

/// A row's lines, with the task where it is a new one: the figures; beneath them the differences, how many seeds, and what tunings
/// chose.
fn lines(task: &str, row: &Row, shown: std::ops::Range<usize>, out: &mut String) {
    let cells = row.cells.get(shown).unwrap_or_default();
    let n = escaped(&words::n(row));
    let _ = write!(out, "{} & {} & {n}", escaped(task), escaped(&row.metric_label()));
    for cell in cells {
        let Some(cell) = cell else {
            out.push_str(" & --");
            continue;
        };
        let figure = escaped(&words::figure(&row.metric, cell.value));
        let figure = if cell.best { format!("\\textbf{{{figure}}}") } else { figure };
        let spread = words::spread(&row.metric, cell);
        let around =
            if spread.is_empty() { String::new() } else { format!(" {{\\scriptsize {}}}", escaped(&spread)) };
        let star = if words::star(cell).is_empty() { "" } else { "$^{*}$" };
        let _ = write!(out, " & {figure}{star}{around}");
    }
    out.push_str(" \\\\\n");
    let beneath: [Vec<Option<String>>; 3] = [
        cells.iter().map(|cell| cell.as_ref()?.difference_percent.map(words::percent)).collect(),
        cells.iter().map(|cell| words::seeds(cell.as_ref()?)).collect(),
        cells.iter().map(|cell| words::choice(cell.as_ref()?)).collect(),
    ];
    for texts in beneath.iter().filter(|texts| texts.iter().any(Option::is_some)) {
        out.push_str(" & & ");
        for text in texts {
            match text {
                Some(text) => {
                    let _ = write!(out, " & {{\\scriptsize {}}}", escaped(text));
                }
                None => out.push_str(" & "),
            }
        }
        out.push_str(" \\\\\n");
    }
}

/// A text that means nothing to LaTeX, in ASCII; letters that no font of every installation has are given by their code.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\textbackslash{}"),
            '{' | '}' | '$' | '&' | '#' | '%' | '_' => out.extend(['\\', c]),
            '^' => out.push_str("\\textasciicircum{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '<' => out.push_str("$<$"),
            '>' => out.push_str("$>$"),
            '|' => out.push_str("$|$"),
            '"' => out.push_str("''"),
            '[' => out.push_str("{[}"), // after a line break it would begin an argument
            '*' => out.push_str("{*}"), // the same
            '±' => out.push_str("$\\pm$"),
            '−' => out.push_str("$-$"),
            '+' => out.push_str("$+$"),
            '↑' => out.push_str("$\\uparrow$"),
            '↓' => out.push_str("$\\downarrow$"),
            '–' => out.push_str("--"),
            '…' => out.push_str("\\dots{}"),
            ' '..='\u{7e}' => out.push(c),
            '\n' | '\r' | '\t' | '\u{a0}' => out.push(' '),
            other => {
                let _ = write!(out, "\\texttt{{U+{:04X}}}", u32::from(other));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_mean_nothing_to_latex() {
        assert_eq!(
            escaped("50% & {a}_b \\x #1 $^~ é\u{202e}[*"),
            "50\\% \\& \\{a\\}\\_b \\textbackslash{}x \\#1 \\$\\textasciicircum{}\\textasciitilde{} \
             \\texttt{U+00E9}\\texttt{U+202E}{[}{*}"
        );
        assert!(escaped("emoji 🎉\0 \u{9b}").is_ascii());
    }
}
