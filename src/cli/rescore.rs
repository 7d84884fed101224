//! `lamplight rescore`: stored raw texts to answers and scores anew, without any model.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::score::load_wordnet;
use super::store_choice::StoreChoice;
use super::text::{plain, table};
use super::{CliError, Console, Outcome, Unit};
use crate::lamp::TaskKind;
use crate::metrics::{Aggregate, Figure, MeteorStages, Parsing};
use crate::record::{RunRecord, RunStatus};
use crate::report;
use crate::run::{Rescored, reread, rescore};

/// Parse and score the stored answers of runs again, with nothing generated.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["runs", "all"]))]
pub(super) struct RescoreArgs {
    /// The runs, by number or by the beginning of their key.
    #[arg(value_name = "RUN")]
    runs: Vec<String>,
    /// Every run of the store.
    #[arg(long)]
    all: bool,
    /// WordNet's dictionary folder, so that METEOR compares synonyms; without it equal words and stems only, as runs do.
    #[arg(long, value_name = "DIR")]
    wordnet: Option<PathBuf>,
    /// Read the answers in this way, official or chatty, and keep that as a run beside the first; with --all of every finished
    /// run of a model.
    #[arg(long, value_name = "HOW")]
    answers: Option<Parsing>,
    #[command(flatten)]
    store: StoreChoice,
}

/// Runs the command.
pub(super) fn run(arguments: &RescoreArgs, console: &Console) -> Result<Outcome, CliError> {
    let wordnet = arguments.wordnet.as_deref().map(load_wordnet).transpose()?;
    let reader = arguments.store.reader()?;
    let runs: Vec<RunRecord> = match arguments.all {
        true => {
            let all = reader.runs()?;
            all.iter().filter(|run| arguments.wants(run, &all)).cloned().collect()
        }
        false => arguments.runs.iter().map(|run| reader.find(run)).collect::<Result<_, _>>()?,
    };
    let mut store = arguments.store.open()?;
    let mut all = Vec::with_capacity(runs.len());
    for run in &runs {
        let rescored = console.with_progress(Unit::Items, |progress| {
            let (wordnet, cancel) = (wordnet.as_ref(), console.cancel());
            match arguments.answers {
                None => rescore(&mut store, run, wordnet, cancel, progress),
                Some(parsing) => reread(&mut store, run, parsing, wordnet, cancel, progress),
            }
        })?;
        if !console.is_json() {
            console.print(&words(run, &rescored))?;
        }
        all.push(rescored);
    }
    if console.is_json() {
        console.print_json(&all)?;
    } else if runs.is_empty() {
        console.print(match arguments.answers {
            None => "The store has no runs.\n",
            Some(_) => "There is no finished run whose answers are still to be read in this way.\n",
        })?;
    }
    Ok(Outcome::Done)
}

impl RescoreArgs {
    /// Whether `--all` means a run of those that there are. Those that have been read in the way asked for, or that have no other
    /// way, are left out, so that doing it again does nothing anew.
    fn wants(&self, run: &RunRecord, all: &[RunRecord]) -> bool {
        self.answers.is_none_or(|parsing| {
            let whole = run.totals.done >= run.samples && run.spec.prompt.is_some();
            let another = run.spec.reading().is_ok_and(|reading| reading != parsing);
            let key = run.spec.read_as(parsing).key();
            whole && another && !all.iter().any(|other| other.key == key && other.status == RunStatus::Done)
        })
    }
}

fn words(run: &RunRecord, rescored: &Rescored) -> String {
    let spec = &run.spec;
    let Rescored { rows, answers_changed, scores_changed, failed, before, after, .. } = rescored;
    let anew = match rescored.of {
        Some(_) => format!("answers read anew, kept as run {}; against the first", rescored.run.0),
        None => "answers scored anew;".to_owned(),
    };
    let mut out = format!(
        "Run {} ({}): {} {} {}, {}, {} k = {}\n  {rows} {anew} {answers_changed} answers and {scores_changed} \
         scores changed",
        run.id.0,
        run.short_key(),
        spec.dataset.task,
        spec.dataset.setting,
        spec.dataset.split,
        plain(&spec.model.name),
        plain(&spec.retriever.config),
        spec.retriever.k,
    );
    if *failed > 0 {
        out.push_str(&format!("; {failed} failed samples have no answer"));
    }
    out.push('\n');
    let Some(after) = after else {
        out.push_str("  The run is not done, so there are no figures yet.\n");
        return out;
    };
    let mut rows = after.figures.iter().map(|figure| figure_row(figure, before.as_ref())).collect::<Vec<_>>();
    if rows.is_empty() {
        out.push_str("  No sample has a reference, so there are no figures.\n");
        return out;
    }
    if spec.dataset.task.kind() != TaskKind::Generation {
        let rate = |aggregate: &Aggregate| report::words::share(aggregate.parse_failure_rate);
        let (now, old) = (rate(after), before.as_ref().map(rate));
        let mut row = vec!["  Not parsed".to_owned(), now.clone(), String::new(), String::new()];
        if let Some(old) = old.filter(|old| *old != now) {
            (row[2], row[3]) = ("was".to_owned(), old);
        }
        rows.push(row);
    }
    out.push_str(&table(&rows, &[1, 3]));
    if after.meteor_stages == Some(MeteorStages::ExactStemSynonym) {
        out.push_str("  METEOR compares synonyms, too.\n");
    }
    out
}

fn figure_row(figure: &Figure, before: Option<&Aggregate>) -> Vec<String> {
    let old = before.and_then(|before| before.figures.iter().find(|old| old.metric == figure.metric));
    let number = |figure: &Figure| format!("{:.4}", figure.value);
    let mut row = vec![format!("  {}", figure.metric.name()), number(figure), String::new(), String::new()];
    if let Some(old) = old.filter(|old| old.value != figure.value) {
        (row[2], row[3]) = ("was".to_owned(), number(old));
    }
    row
}
