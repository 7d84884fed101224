//! CSV for spreadsheets and other programs: RFC 4180 (CRLF, quotes where needed), UTF-8.
//!
//! A text cell that a spreadsheet would take for a formula gets an apostrophe before it; numbers never do. NUL, on which readers
//! of CSV do not agree, becomes U+2400. All else stands as it is, line breaks included.

use std::io::{self, Write};

use super::{Method, MethodColumn, ResultTable, SampleColumn, TableCell, run_method_name, words};
use crate::lamp::{Metric, PublishedFigure};
use crate::metrics::PairedTest;
use crate::record::{Prediction, RunRecord};

/// A CSV writer with the line ends of RFC 4180.
pub fn writer<W: Write>(out: W) -> csv::Writer<W> {
    csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out)
}

/// A text as a cell that no spreadsheet takes for a formula.
pub fn text_cell(text: &str) -> String {
    // The wide forms are what the same keys give where Chinese and Japanese are typed.
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let text = text.replace('\0', "\u{2400}");
    if formula { format!("'{text}") } else { text }
}

fn number<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// The columns of [`summary`].
const SUMMARY: [&str; 35] = [
    "kind",
    "setting",
    "split",
    "task",
    "metric",
    "model",
    "training",
    "model_variant",
    "method",
    "column",
    "k",
    "column_variant",
    "value",
    "low",
    "high",
    "seeds",
    "deviation",
    "n",
    "failed",
    "parse_failure_rate",
    "difference_percent",
    "test",
    "test_samples",
    "p",
    "p_holm",
    "best",
    "chosen",
    "tuned_on",
    "tuned_on_same_data",
    "data",
    "limit",
    "sample_seed",
    "skip_broken",
    "runs",
    "source",
];

/// A table as one line a cell, with a header; published figures, where the table has them, are lines of the kind `published`.
/// Numbers have all their digits.
///
/// # Errors
/// Where `out` cannot be written.
pub fn summary(table: &ResultTable, out: impl Write) -> io::Result<()> {
    let mut csv = writer(out);
    csv.write_record(SUMMARY)?;
    for section in &table.sections {
        // A figure stands once, however many models it is beside.
        let mut written: Vec<&PublishedFigure> = Vec::new();
        for block in &section.blocks {
            for row in &block.rows {
                for (column, cell) in block.columns.iter().zip(&row.cells) {
                    let Some(cell) = cell else { continue };
                    let model = &block.model;
                    let mut line = vec![
                        "result".to_owned(),
                        section.setting.to_string(),
                        section.split.to_string(),
                        row.task.to_string(),
                        row.metric.to_string(),
                        text_cell(&model.name),
                        model.training.id().to_owned(),
                        text_cell(&model.variant),
                        column.method.id().to_owned(),
                        text_cell(&column.name),
                        number(column.k),
                        text_cell(&column.variant),
                    ];
                    line.extend(figures(cell));
                    let samples = &row.samples;
                    line.extend([
                        text_cell(&samples.fingerprint),
                        number(samples.limit),
                        number(samples.sample_seed),
                        samples.skip_broken.to_string(),
                        cell.runs.iter().map(|run| run.key.as_str()).collect::<Vec<_>>().join(" "),
                        String::new(),
                    ]);
                    csv.write_record(&line)?;
                }
                for figure in &row.published {
                    if !written.contains(figure) {
                        written.push(figure);
                        csv.write_record(published(figure))?;
                    }
                }
            }
        }
    }
    csv.flush()
}

/// A table for the clipboard and a spreadsheet: each block beneath its title, a column a method, parted by tabs; figures as they are
/// shown, with a plain minus.
pub fn tabs(table: &ResultTable) -> String {
    let clean = |text: &str| text.replace(['\t', '\n', '\r'], " ");
    let mut out = String::new();
    let mut line = |cells: Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| text_cell(&clean(cell))).collect();
        out.push_str(&cells.join("\t"));
        out.push('\n');
    };
    for section in &table.sections {
        for block in &section.blocks {
            line(vec![format!("{}, {}", section.title(), block.model.label())]);
            let mut head = vec!["Task".to_owned(), "Metric".to_owned(), "n".to_owned()];
            head.extend(block.columns.iter().map(MethodColumn::label));
            line(head);
            for row in &block.rows {
                let mut cells = vec![row.task_label(), row.metric.name(), words::n(row)];
                cells.extend(row.cells.iter().map(|cell| {
                    let figure = cell.as_ref().map(|cell| words::figure(&row.metric, cell.value));
                    figure.unwrap_or_default().replace('−', "-")
                }));
                line(cells);
            }
            line(Vec::new());
        }
    }
    out
}

/// A cell's part of a line: from `value` to `tuned_on_same_data`.
fn figures(cell: &TableCell) -> [String; 17] {
    let TableCell { value, interval, spread, n, failed, test, choice, .. } = cell;
    let chosen = choice.as_ref();
    [
        value.to_string(),
        number(interval.map(|interval| interval.low)),
        number(interval.map(|interval| interval.high)),
        number(spread.map(|spread| spread.runs)),
        number(spread.map(|spread| spread.deviation)),
        n.to_string(),
        failed.to_string(),
        number(cell.parse_failure_rate),
        number(cell.difference_percent),
        test.map_or("", |test| test_name(&test.result)).to_owned(),
        number(test.map(|test| test.samples)),
        number(test.map(|test| test.result.p())),
        number(test.map(|test| test.p_holm)),
        cell.best.to_string(),
        words::choice(cell).map(|choice| text_cell(&choice)).unwrap_or_default(),
        number(chosen.map(|choice| choice.tuned_on)),
        number(chosen.map(|choice| choice.same_data)),
    ]
}

const fn test_name(test: &PairedTest) -> &'static str {
    match test {
        PairedTest::McNemar { .. } => "mcnemar",
        PairedTest::PairedT { .. } => "paired-t",
    }
}

fn published(figure: &PublishedFigure) -> Vec<String> {
    let mut line = vec![String::new(); SUMMARY.len()];
    let mut set = |column: &str, text: String| {
        if let Some(cell) = SUMMARY.iter().position(|name| *name == column).and_then(|at| line.get_mut(at)) {
            *cell = text;
        }
    };
    set("kind", "published".to_owned());
    set("setting", number(figure.setting));
    set("split", number(figure.split));
    set("task", number(figure.task));
    set("metric", number(figure.metric));
    set("model", text_cell(figure.model));
    set("training", text_cell(figure.training));
    set("column", text_cell(figure.retriever));
    set("k", number(figure.k));
    set("value", figure.value.to_string());
    set("source", text_cell(&format!("{}, {}", figure.source, figure.table)));
    line
}

/// Writes predictions one by one, a line each, so that any number of them needs no more memory than one.
pub struct SampleLines<W: Write> {
    csv: csv::Writer<W>,
    metrics: Vec<Metric>,
    judges: Vec<SampleColumn>,
    prompts: bool,
}

impl<W: Write> SampleLines<W> {
    /// Begins with the header. `metrics` and `judges` have a column each, empty where there is nothing; `prompts` adds what the model
    /// read.
    ///
    /// # Errors
    /// Where `out` cannot be written.
    pub fn new(out: W, metrics: &[Metric], judges: Vec<SampleColumn>, prompts: bool) -> io::Result<Self> {
        let mut csv = writer(out);
        let before = [
            "run",
            "setting",
            "split",
            "task",
            "model",
            "training",
            "method",
            "retriever",
            "k",
            "position",
            "sample_id",
            "profile_entries",
            "retrieved_ids",
            "retrieved_scores",
            "parsed",
        ];
        let after = [
            "output",
            "answer",
            "reference",
            "finish",
            "prompt_tokens",
            "new_tokens",
            "tokens_estimated",
            "model_ms",
            "cached",
            "fell_back",
            "input_cut",
            "error",
        ];
        let judged: Vec<String> = judges.iter().map(|judge| text_cell(&judge.name)).collect();
        let names = metrics.iter().map(|metric| metric.id()).chain(judged.iter().map(String::as_str));
        let prompt = prompts.then_some(["prompt", "prompt_report"]).into_iter().flatten();
        csv.write_record(before.into_iter().chain(names).chain(after).chain(prompt))?;
        Ok(Self { csv, metrics: metrics.to_vec(), judges, prompts })
    }

    /// Adds one prediction of a run. Numbers of tokens are estimated (four bytes a token) where an endpoint did not count them.
    /// Retrieved ids and scores are JSON arrays, best first; a failed sample has no scores and
    /// its error.
    ///
    /// # Errors
    /// Where the line cannot be written.
    pub fn write(&mut self, run: &RunRecord, prediction: &Prediction) -> io::Result<()> {
        let spec = &run.spec;
        let ids: Vec<&str> = prediction.retrieved.iter().map(|entry| entry.id.as_str()).collect();
        let scores: Vec<Option<f64>> = prediction.retrieved.iter().map(|entry| entry.score).collect();
        let mut line = vec![
            run.key.clone(),
            spec.dataset.setting.to_string(),
            spec.dataset.split.to_string(),
            spec.dataset.task.to_string(),
            text_cell(&spec.model.name),
            spec.model.training.id().to_owned(),
            Method::of_run(spec).id().to_owned(),
            text_cell(&run_method_name(spec)),
            spec.retriever.k.to_string(),
            prediction.position.to_string(),
            text_cell(&prediction.sample_id),
            prediction.profile_entries.to_string(),
            serde_json::to_string(&ids)?,
            serde_json::to_string(&scores)?,
            prediction.parsed.to_string(),
        ];
        line.extend(
            self.metrics.iter().map(|&metric| number(prediction.score.and_then(|score| score.value(metric)))),
        );
        line.extend(self.judges.iter().map(|judge| judge.cell(run.id, prediction.position).to_owned()));
        line.extend([
            text_cell(&prediction.raw),
            text_cell(&prediction.answer),
            text_cell(prediction.reference.as_deref().unwrap_or_default()),
            prediction.finish.id().to_owned(),
            prediction.prompt_tokens.to_string(),
            prediction.new_tokens.to_string(),
            prediction.estimated.to_string(),
            prediction.model_ms.to_string(),
            prediction.cached.to_string(),
            prediction.fell_back.to_string(),
            prediction.input_cut.to_string(),
            text_cell(prediction.error.as_deref().unwrap_or_default()),
        ]);
        if self.prompts {
            let prompt = prediction.prompt.as_ref();
            line.push(prompt.map(|prompt| text_cell(&prompt.text)).unwrap_or_default());
            line.push(prompt.map(|prompt| text_cell(&prompt.report)).unwrap_or_default());
        }
        Ok(self.csv.write_record(&line)?)
    }

    /// Ends the file and gives back what it was written to.
    ///
    /// # Errors
    /// Where the rest cannot be written.
    pub fn finish(self) -> io::Result<W> {
        self.csv.into_inner().map_err(|error| error.into_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_no_formulas_and_numbers_stay_numbers() {
        for (text, cell) in [
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@x", "'@x"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\r=1"),
            ("\n=1", "'\n=1"),
            ("＝1", "'＝1"),
            ("a=1", "a=1"),
            ("", ""),
            ("a\0b", "a\u{2400}b"),
            ("010", "010"),
        ] {
            assert_eq!(text_cell(text), cell);
        }
        assert_eq!(number(Some(-1.5)), "-1.5");
    }
}
