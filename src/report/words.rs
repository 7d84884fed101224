//! Numbers and remarks as all formats write them: three decimals for scores, one for percent, a real minus sign.

use std::collections::BTreeSet;

use super::{CellTest, Endings, Measure, ResultTable, Row, TableCell};
use crate::lamp::{Metric, PublishedFigure, Task, TaskKind};

/// A figure by a metric: three decimals; one for sacreBLEU, which goes to 100.
pub fn figure(metric: impl Into<Measure>, value: f64) -> String {
    minus(match metric.into() {
        Measure::Metric(Metric::SacreBleu) => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    })
}

/// A difference in percent with its sign and one decimal: `+3.2 %`, `−0.4 %`, `0.0 %`.
pub fn percent(value: f64) -> String {
    let text = signed(format!("{value:+.1}"));
    format!("{text} %")
}

/// A difference by a metric, with its sign.
pub fn difference(metric: impl Into<Measure>, value: f64) -> String {
    signed(match metric.into() {
        Measure::Metric(Metric::SacreBleu) => format!("{value:+.1}"),
        _ => format!("{value:+.3}"),
    })
}

/// A share of 0 to 1 in percent, with one decimal.
pub fn share(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// The share of a cell's outputs that are no answer of the task's kind, where not any text is one.
pub fn unparsed(task: Task, cell: &TableCell) -> Option<String> {
    cell.parse_failure_rate.filter(|_| task.kind() != TaskKind::Generation).map(share)
}

/// A p-value: three decimals, `< 0.001` below that.
pub fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

/// What follows a cell's figure: half its interval's width or its runs' standard deviation, and the star; empty without.
pub fn spread(metric: impl Into<Measure>, cell: &TableCell) -> String {
    let metric = metric.into();
    let around = match (&cell.interval, &cell.spread) {
        (Some(interval), _) => Some(figure(&metric, (interval.high - interval.low) / 2.0)),
        (None, Some(spread)) => Some(figure(&metric, spread.deviation)),
        (None, None) => None,
    };
    around.map(|around| format!("±{around}")).unwrap_or_default()
}

/// `*` where the cell differs from the non-personalized one by more than luck explains.
pub fn star(cell: &TableCell) -> &'static str {
    if cell.test.as_ref().is_some_and(CellTest::significant) { "*" } else { "" }
}

/// How many runs a cell's mean is of: `2 seeds`.
pub fn seeds(cell: &TableCell) -> Option<String> {
    cell.spread.map(|spread| format!("{} seeds", spread.runs))
}

/// What a tuning chose for a cell: `BM25, k 4`.
pub fn choice(cell: &TableCell) -> Option<String> {
    cell.choice.as_ref().map(|choice| match choice.k {
        0 => choice.name.clone(),
        k => format!("{}, k {k}", choice.name),
    })
}

/// A published figure with where it is from: `0.183 (FlanT5-xxl, zero-shot, bm25, k 4; Salemi et al. 2024, Table 3)`.
pub fn published(metric: impl Into<Measure>, figure: &PublishedFigure) -> String {
    let k = figure.k.map(|k| format!(", k {k}")).unwrap_or_default();
    format!(
        "{} ({}, {}, {}{k}; {}, {})",
        self::figure(metric, figure.value),
        figure.model,
        figure.training,
        figure.retriever,
        figure.source,
        figure.table
    )
}

/// The table's published figures in words, each with the cell beside which it stands.
pub fn published_lines(table: &ResultTable) -> Vec<String> {
    let mut lines = Vec::new();
    for section in &table.sections {
        for block in &section.blocks {
            for row in &block.rows {
                for (column, cell) in block.columns.iter().zip(&row.cells) {
                    for figure in cell.iter().flat_map(|cell| &cell.published) {
                        let line = format!(
                            "{}, {}, {}, beside {}: {}",
                            section.title(),
                            row.task,
                            row.metric.name(),
                            column.label(),
                            published(&row.metric, figure)
                        );
                        // Models share their published neighbors.
                        if !lines.contains(&line) {
                            lines.push(line);
                        }
                    }
                }
            }
        }
    }
    lines
}

/// A row's scored samples: `60`, or `58–60` where cells differ.
pub fn n(row: &Row) -> String {
    match row.n() {
        Some((fewest, most)) if fewest != most => format!("{fewest}–{most}"),
        Some((n, _)) => n.to_string(),
        None => String::new(),
    }
}

/// A text broken at spaces to lines of so many columns, as `width` counts them; a longer word stands by itself.
pub fn broken(text: &str, columns: usize, width: impl Fn(&str) -> usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut().filter(|line| width(line) + 1 + width(word) <= columns) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Never `-0.000`, and U+2212 for minus.
fn minus(text: String) -> String {
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|byte| matches!(byte, b'0' | b'.')) => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// The same for a text with a sign; 0 has none.
fn signed(text: String) -> String {
    match text.strip_prefix('+') {
        Some(rest) if rest.bytes().all(|byte| matches!(byte, b'0' | b'.')) => rest.to_owned(),
        Some(_) => text,
        None => minus(text),
    }
}

/// How a table is to be read: what its marks and second lines mean, as far as they occur. `best` is how the format marks the best
/// cell of a row.
pub fn legend(table: &ResultTable, best: &str) -> Vec<String> {
    let rows = || table.sections.iter().flat_map(|section| &section.blocks).flat_map(|block| &block.rows);
    let cells = || rows().flat_map(|row| row.cells.iter().flatten());
    let mut lines = Vec::new();
    if rows().next().is_some() {
        lines.push("↑ higher is better, ↓ lower is better. n: scored samples.".to_owned());
    }
    if cells().any(|cell| cell.best) {
        lines
            .push(format!("{best}: best of its row among the model's methods (the oracle, a bound, aside)."));
    }
    if cells().any(|cell| cell.interval.is_some()) {
        lines.push(
            "±: half the width of the 95 % bootstrap interval over samples (percentile method).".to_owned(),
        );
    }
    if cells().any(|cell| cell.spread.is_some()) {
        lines.push(
            "Seeds: a mean over runs that differ in their seed alone, and ± their standard deviation; not tested."
                .to_owned(),
        );
    }
    if cells().any(|cell| cell.difference_percent.is_some()) {
        lines.push(
            "Percent: difference to the non-personalized figure of the same model; + is better, for errors too, where it is \
             the share by which the error is lower."
                .to_owned(),
        );
    }
    if cells().any(|cell| cell.test.is_some()) {
        let kinds: BTreeSet<u8> = rows()
            .filter(|row| row.cells.iter().flatten().any(|cell| cell.test.is_some()))
            .map(|row| match row.task.kind() {
                TaskKind::Classification => 0,
                TaskKind::Rating => 1,
                TaskKind::Generation => 2,
            })
            .collect();
        let mut tests = Vec::new();
        if kinds.contains(&0) {
            tests.push("McNemar's exact test for accuracy");
        }
        if kinds.contains(&1) || kinds.contains(&2) {
            tests.push("paired t-test for means over samples");
        }
        lines.push(format!(
            "*: p < {} against non-personalized on the samples that both scored ({}; two-sided, adjusted by Holm's method over \
             the tasks of a column). Macro-F1 and sacreBLEU, which are no means over samples, have no test here.",
            CellTest::LEVEL,
            tests.join(", ")
        ));
    }
    lines
}

/// What else is to be known: the table's notes, samples that failed and outputs that were no answers.
pub fn remarks(table: &ResultTable) -> Vec<String> {
    let mut lines: Vec<String> = table.notes.iter().map(ToString::to_string).collect();
    for section in &table.sections {
        for block in &section.blocks {
            let mut all_parsed = Vec::new();
            // Each metric of a task tells the same.
            for row in block.rows.iter().filter(|row| row.metric == row.task.primary_metric()) {
                let place = || {
                    let section = format!("{} setting, {} split", section.setting, section.split);
                    format!("{}, {section}, {}", row.task_label(), block.model.label())
                };
                let of_cells = |text: &dyn Fn(&TableCell) -> Option<String>| {
                    let named = block.columns.iter().zip(&row.cells);
                    let texts = named.filter_map(|(column, cell)| {
                        Some(format!("{}: {}", column.label(), text(cell.as_ref()?)?))
                    });
                    texts.collect::<Vec<_>>().join("; ")
                };
                let failed = of_cells(&|cell| (cell.failed > 0).then(|| cell.failed.to_string()));
                if !failed.is_empty() {
                    lines.push(format!("{}, failed samples (in no figure): {failed}.", place()));
                }
                let unparsed = of_cells(&|cell| unparsed(row.task, cell));
                if row
                    .cells
                    .iter()
                    .flatten()
                    .all(|cell| cell.parse_failure_rate.is_none_or(|rate| rate == 0.0))
                {
                    all_parsed.extend((!unparsed.is_empty()).then(|| row.task_label()));
                } else if !unparsed.is_empty() {
                    lines.push(format!("{}, outputs not parsed: {unparsed}.", place()));
                }
                type Count = fn(&Endings) -> u64;
                let ended: [(&str, Count); 4] = [
                    ("answers ended at the limit of new tokens", |endings| endings.at_limit),
                    ("answers kept back by a filter", |endings| endings.filtered),
                    ("refusals", |endings| endings.refused),
                    ("empty answers", |endings| endings.empty),
                ];
                for (what, count) in ended {
                    let rates = of_cells(&|cell| {
                        let endings = cell.endings.as_ref().filter(|endings| count(endings) > 0)?;
                        Some(share(count(endings) as f64 / endings.answers.max(1) as f64))
                    });
                    if !rates.is_empty() {
                        lines.push(format!("{}, {what}: {rates}.", place()));
                    }
                }
                let costs = of_cells(&|cell| Some(format!("{:.4}", cell.endings.as_ref()?.cost?)));
                if !costs.is_empty() {
                    lines.push(format!("{}, cost: {costs}.", place()));
                }
            }
            // The rate is told where it is nothing, too: in one line.
            if !all_parsed.is_empty() {
                lines.push(format!(
                    "{} setting, {} split, {}, outputs not parsed: {} in {}.",
                    section.setting,
                    section.split,
                    block.model.label(),
                    share(0.0),
                    all_parsed.join(", ")
                ));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_fixed_decimals_and_a_real_minus() {
        assert_eq!(figure(Metric::Rouge1, 0.12345), "0.123");
        assert_eq!(figure(Metric::SacreBleu, 12.345), "12.3");
        assert_eq!(figure(Metric::Mae, -0.0001), "0.000");
        for (value, text) in
            [(3.24, "+3.2 %"), (-12.0, "−12.0 %"), (0.04, "0.0 %"), (-0.04, "0.0 %"), (0.0, "0.0 %")]
        {
            assert_eq!(percent(value), text);
        }
        assert_eq!(difference(Metric::Accuracy, -0.25), "−0.250");
        assert_eq!((p_value(0.0004).as_str(), p_value(0.04).as_str()), ("< 0.001", "0.040"));
    }
}
