//! `lamplight judge`: finished runs before a language model that judges their answers.

mod ask;
mod words;

use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::model_choice::ModelsFolder;
use super::models::NotRemoved;
use super::store_choice::StoreChoice;
use super::text::plain;
use super::{CliError, Console, Outcome};
use crate::model::DeviceChoice;
use crate::record::{JudgeMethod, JudgingRecord};

/// Let a language model judge the answers of finished runs (LaMP-4 to LaMP-7), and show what it said.
#[derive(Debug, Args)]
pub(super) struct JudgeArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Score(ScoreArgs),
    Compare(CompareArgs),
    List(ListArgs),
    Delete(DeleteArgs),
}

/// Give each answer of runs points from 1 to 5 by a rubric, against its reference.
///
/// Each verdict is stored the moment it exists, and what is stored is not asked again: the same command goes on. Tables show
/// the means beside the other metrics, with the judge named.
///
/// A template is a text with {input}, {reference} and {answer}, or a TOML file with `prompt`, `rubric` (what the points mean),
/// `system` and `name`, of which each may be left out. The judge must end with `Score: N`.
///
/// Exit codes: 0 done; 1 not all could be judged; 2 wrong usage; 3 done, but some verdicts failed or are unclear; 130
/// interrupted.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lamplight judge score 12 13 --judge endpoint:gpt --dry-run
  lamplight judge score 12 13 --judge endpoint:gpt --spending-limit 2
  lamplight judge score 12 --judge models/qwen.gguf --chat --limit 100 --template strict.toml")]
struct ScoreArgs {
    /// The runs, by number or by the beginning of their key.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,
    #[command(flatten)]
    how: HowArgs,
}

/// Ask of each sample which of two runs' answers is better, once in each order.
///
/// A run wins a sample where both orders say so; a judge that contradicts itself has said that neither is better. Shown are wins,
/// ties and losses, the share with its interval, and how often the orders disagree.
///
/// A template is a text with {input}, {reference}, {answer_a} and {answer_b}, or a TOML file with `prompt`, `system` and `name`.
/// The judge must end with `Verdict: A`, `Verdict: B` or `Verdict: tie`.
///
/// Exit codes: 0 done; 1 not all could be judged; 2 wrong usage; 3 done, but some verdicts failed or are unclear; 130
/// interrupted.
#[derive(Debug, Args)]
struct CompareArgs {
    /// The first run, by its number or the beginning of its key.
    first: String,
    /// The second run.
    second: String,
    #[command(flatten)]
    how: HowArgs,
}

/// Who judges, and how.
#[derive(Debug, Args)]
struct HowArgs {
    /// The model that judges: endpoint:NAME, a registered name, a path, or scripted:….
    #[arg(long, value_name = "MODEL")]
    judge: String,
    /// A template in place of the program's own.
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Judge the first so many samples only; more later goes on from there.
    #[arg(long, value_name = "N")]
    limit: Option<NonZero<usize>>,
    /// The most new tokens of a verdict.
    #[arg(long, value_name = "N", default_value_t = NonZero::<usize>::MIN.saturating_add(crate::run::judge::MOST_NEW_TOKENS - 1))]
    max_new_tokens: NonZero<usize>,
    /// Put prompts into the model's chat template (GGUF).
    #[arg(long)]
    chat: bool,
    /// Where the model computes (T5): cpu, cuda, cuda:1 or metal.
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceChoice>,
    /// End before it costs more at an endpoint, in the unit of its prices; in place of its own limit.
    #[arg(long, value_name = "AMOUNT", value_parser = super::run::amount)]
    spending_limit: Option<f64>,
    /// Show how much would be asked and what it would cost, and ask nothing.
    #[arg(long)]
    dry_run: bool,
    /// Try verdicts again that are stored as failed.
    #[arg(long)]
    retry_failed: bool,
    /// Ask the model even where it has judged an equal prompt.
    #[arg(long)]
    no_cache: bool,
    /// End when so many verdicts fail one after the other.
    #[arg(long, value_name = "N", default_value = "10")]
    max_failures: NonZero<usize>,
    /// Threads that the model computes with; as many as processors if not given.
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
    #[command(flatten)]
    models: ModelsFolder,
    #[command(flatten)]
    store: StoreChoice,
}

/// List what judges said of the store's runs.
#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    store: StoreChoice,
}

/// Remove judgings with their verdicts. The runs stay, and so do texts kept for equal prompts.
#[derive(Debug, Args)]
struct DeleteArgs {
    /// The judgings, by number or by the beginning of their key.
    #[arg(required = true, value_name = "JUDGING")]
    judgings: Vec<String>,
    /// Delete without being asked.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    store: StoreChoice,
}

/// Not every verdict is there.
#[derive(Debug, thiserror::Error)]
#[error("{count} of {of} judgings are not done; the same command goes on when the cause is gone")]
pub struct NotJudged {
    count: usize,
    of: usize,
}

/// Runs the command.
pub(super) fn run(arguments: &JudgeArgs, console: &Console) -> Result<Outcome, CliError> {
    match &arguments.what {
        What::Score(args) => {
            let each = args.runs.iter().map(|run| vec![run.clone()]).collect();
            ask::run(JudgeMethod::Rubric, each, &args.how, console)
        }
        What::Compare(args) => {
            let pair = vec![vec![args.first.clone(), args.second.clone()]];
            ask::run(JudgeMethod::Pairwise, pair, &args.how, console)
        }
        What::List(args) => list(args, console),
        What::Delete(args) => delete(args, console),
    }
}

fn list(args: &ListArgs, console: &Console) -> Result<Outcome, CliError> {
    let reader = args.store.reader()?;
    let mut all = Vec::new();
    for judging in reader.judgings()? {
        console.cancel().check()?;
        all.push(words::shown(&reader, judging)?);
    }
    if console.is_json() {
        let shown: Vec<_> = all.iter().map(words::as_json).collect();
        console.print_json(&json!({ "store": reader.path(), "judgings": shown }))?;
    } else {
        console.print(&words::list(&all, &reader)?)?;
    }
    Ok(Outcome::Done)
}

fn delete(args: &DeleteArgs, console: &Console) -> Result<Outcome, CliError> {
    let reader = args.store.reader()?;
    let mut judgings: Vec<JudgingRecord> = Vec::new();
    for text in &args.judgings {
        let judging = reader.find_judging(text)?;
        if !judgings.iter().any(|other| other.id == judging.id) {
            judgings.push(judging);
        }
    }
    let verdicts: u64 = judgings.iter().map(|judging| judging.totals.done).sum();
    let keys: Vec<&str> = judgings.iter().map(JudgingRecord::short_key).collect();
    let keys = plain(&keys.join(", "));
    let question = format!("Delete {keys} with {verdicts} verdicts? [y/N] ");
    if !args.yes && !console.agrees(&question)? {
        return Err(NotRemoved.into());
    }
    let mut store = args.store.open()?;
    judgings.iter().try_for_each(|judging| store.delete_judging(judging))?;
    if console.is_json() {
        console.print_json(&json!({ "deleted": keys, "verdicts": verdicts }))?;
    } else {
        let noun = if judgings.len() == 1 { "Judging" } else { "Judgings" };
        console.print(&format!("{noun} {keys} deleted, {verdicts} verdicts\n"))?;
    }
    Ok(Outcome::Done)
}
