//! `lamplight table`: stored results as the papers show them.

use clap::{Args, ValueEnum};

use super::run_choice::{Chosen, RunChoice};
use super::store_choice::StoreChoice;
use super::table_text::table_text;
use super::{CliError, Console, Outcome};
use crate::lamp::Metric;
use crate::report::{Judged, MetricChoice, ResultTable, TableOptions, csv, json, latex, markdown};
use crate::store::Reader;

/// Which metrics are shown.
#[derive(Debug, Clone, Default, Args)]
#[group(skip)]
pub struct MetricArgs {
    /// The metrics: `all`, or one by name; may be repeated [default: those of the experiment chosen, else
    /// the benchmark's two a task].
    #[arg(long, value_name = "METRIC", value_parser = wanted)]
    metric: Vec<Wanted>,
}

/// What a table shall show.
#[derive(Debug, Clone, Default, Args)]
#[group(skip)]
pub struct TableContent {
    /// Which metrics.
    #[command(flatten)]
    pub metrics: MetricArgs,
    /// Add a column with what the best answer a sample of each row's runs would reach.
    #[arg(long)]
    oracle: bool,
    /// Show published figures of the same task, setting, split and metric beside results.
    #[arg(long)]
    published: bool,
}

#[derive(Debug, Clone, Copy)]
enum Wanted {
    All,
    One(Metric),
}

fn wanted(text: &str) -> Result<Wanted, String> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(Wanted::All);
    }
    text.parse().map(Wanted::One).map_err(|error: crate::lamp::UnknownName| format!("{error}, or all"))
}

impl MetricArgs {
    /// The metrics asked for.
    pub fn choice(&self) -> MetricChoice {
        let mut chosen = Vec::new();
        for metric in &self.metric {
            match metric {
                Wanted::All => return MetricChoice::All,
                Wanted::One(metric) => chosen.push(*metric),
            }
        }
        if chosen.is_empty() { MetricChoice::Benchmark } else { MetricChoice::These(chosen) }
    }
}

impl TableContent {
    /// The table of the runs.
    pub fn table(&self, reader: &Reader, chosen: &Chosen) -> Result<ResultTable, CliError> {
        let metrics = match self.metrics.choice() {
            MetricChoice::Benchmark if !chosen.metrics.is_empty() => {
                MetricChoice::These(chosen.metrics.clone())
            }
            asked => asked,
        };
        let judged = Judged::all(reader.judgings()?, &chosen.runs, |judging| reader.verdicts(judging))?;
        let options = TableOptions {
            metrics,
            oracle: self.oracle,
            published: self.published,
            unfinished: false,
            judged,
        };
        let columns = |run, metric| Ok(reader.column(run, metric)?);
        ResultTable::build(&chosen.runs, &chosen.tunings, &options, columns)
    }
}

/// Show results: tasks by methods, a table for each setting, split and model.
///
/// Shows the finished runs of the store, or those that fit all arguments.
#[derive(Debug, Args)]
pub struct TableArgs {
    #[command(flatten)]
    store: StoreChoice,
    /// This run, by its number or the beginning of its key; may be repeated.
    #[arg(long, value_name = "RUN")]
    run: Vec<String>,
    #[command(flatten)]
    choice: RunChoice,
    #[command(flatten)]
    content: TableContent,
    /// How to write it.
    #[arg(long, value_enum, default_value_t)]
    format: TableFormat,
}

impl TableArgs {
    /// The table of some runs, as it is shown where nothing else is asked for.
    pub(super) fn of(store: StoreChoice, choice: RunChoice) -> Self {
        Self {
            store,
            run: Vec::new(),
            choice,
            content: TableContent::default(),
            format: TableFormat::default(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum TableFormat {
    /// For the terminal.
    #[default]
    Text,
    /// For Markdown files.
    Markdown,
    /// For papers; needs booktabs.
    Latex,
    /// One line a cell.
    Csv,
    /// For programs.
    Json,
}

/// Runs the command.
pub fn run(args: &TableArgs, console: &Console) -> Result<Outcome, CliError> {
    let reader = args.store.reader()?;
    let chosen = args.choice.find(&reader, &args.run, console)?;
    let table = args.content.table(&reader, &chosen)?;
    match args.format {
        TableFormat::Text if !console.is_json() => {
            console.print(&table_text(&table, console.width(), console.is_styled()))?;
        }
        TableFormat::Text | TableFormat::Json => console.print_json(&json::document(&table))?,
        TableFormat::Markdown => console.print(&markdown::markdown(&table))?,
        TableFormat::Latex => console.print(&latex::latex(&table, false))?,
        TableFormat::Csv => {
            let mut text = Vec::new();
            csv::summary(&table, &mut text)?;
            console.print(&String::from_utf8_lossy(&text))?;
        }
    }
    Ok(Outcome::Done)
}
