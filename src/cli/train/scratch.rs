//! `lamplight train histories`, `comparisons`, `tokenizer`, `new`, `denoise` and `encoder`: models that begin from nothing, and encoders.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::progress::Bars;
use crate::cli::selection::DatasetSelection;
use crate::cli::text::plain;
use crate::cli::{CliError, Console, Outcome, Unit};
use crate::dataset::comparisons::write_comparisons;
use crate::dataset::histories::{HistoryOptions, write_histories};
use crate::dataset::sample_set::Summary;
use crate::jobs::Progress;
use crate::model::bert::BertConfig;
use crate::train::{
    Control, DenoiseRecipe, EncoderRecipe, TrainError, denoise, fresh_encoder, fresh_t5, train_encoder,
    train_tokenizer,
};

/// Write a dataset in which entries of the profiles are records, too.
///
/// An entry is asked about as its person's own question is, with the rest of the profile (what is older, where entries have
/// dates). So a small dataset teaches a small model more. Two tasks ask for what entries do not have: LaMP-1 gets the question which of
/// two titles is by the person, LaMP-7 the words of the tweet that questions use, too. Dev splits are copied, test splits left out.
#[derive(Debug, Args)]
pub(super) struct HistoriesArgs {
    #[command(flatten)]
    data: DatasetSelection,
    /// The folder to write into; made if need be.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// At most so many entries of each profile, drawn at random.
    #[arg(long, value_name = "N", default_value_t = HistoryOptions::default().entries)]
    entries: usize,
    /// How often each record itself is written.
    #[arg(long, value_name = "N", default_value_t = HistoryOptions::default().repeats)]
    repeats: usize,
    /// Decides what is drawn.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Write made-up records of LaMP-1: titles of random words, of which an earlier one shares some with the right reference.
///
/// They teach a model that knows nothing what the task's questions come down to. Three questions of four ask for the shared words
/// before the number. Words are those of the titles in the given LaMP-1 data.
#[derive(Debug, Args)]
pub(super) struct ComparisonsArgs {
    #[command(flatten)]
    data: DatasetSelection,
    /// The folder to write into; made if need be.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Records of the train split.
    #[arg(long, value_name = "N", default_value_t = 160_000)]
    records: usize,
    /// Decides what is drawn.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Train a tokenizer on the prompts and answers of datasets.
///
/// A unigram model in the form of T5's, written as tokenizer.json: padding is 0, the end of a sequence 1, and bytes stand for
/// characters never seen. Equal data give equal files.
#[derive(Debug, Args)]
pub(super) struct TokenizerArgs {
    #[command(flatten)]
    data: DatasetSelection,
    /// Where to write it.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Pieces, the 259 that are always there counted.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pieces: usize,
}

/// Write an untrained model: a configuration, a tokenizer and random weights.
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// The model's shape, a config.json of T5 or BERT as Hugging Face has it.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Its tokenizer, a tokenizer.json.
    #[arg(long, value_name = "FILE")]
    tokenizer: PathBuf,
    /// The folder of the model; made if need be.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Decides the weights.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Train a T5 model to write texts again of which some tokens are hidden, before it learns any task.
///
/// The same command in the same folder goes on where a job was broken off. The result is a folder for `lamplight train --model`.
#[derive(Debug, Args)]
pub(super) struct DenoiseArgs {
    #[command(flatten)]
    data: DatasetSelection,
    /// The T5 model to begin with: a folder.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The job's folder; the result is `model` in it.
    #[arg(long, value_name = "DIR")]
    job: PathBuf,
    /// A recipe's file (TOML).
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
}

/// Train an encoder: two spans of one document belong together, spans of different documents do not.
///
/// Documents are the entries of the profiles and the questions, as a retriever reads them. The same command in the same folder goes
/// on where a job was broken off. The result is a folder for `--retriever dense:FOLDER`.
#[derive(Debug, Args)]
pub(super) struct EncoderArgs {
    #[command(flatten)]
    data: DatasetSelection,
    /// The BERT-shaped encoder to begin with: a folder.
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// The job's folder; the result is `model` in it.
    #[arg(long, value_name = "DIR")]
    job: PathBuf,
    /// A recipe's file (TOML).
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
}

pub(super) fn histories(arguments: &HistoriesArgs, console: &Console) -> Result<Outcome, CliError> {
    let datasets = arguments.data.all(console)?;
    let HistoriesArgs { out, entries, repeats, seed, .. } = arguments;
    let options = HistoryOptions { entries: *entries, repeats: *repeats, seed: *seed };
    let written = console.with_progress(Unit::Items, |progress| {
        write_histories(&datasets, out, options, console.cancel(), progress)
    });
    said(&written?, out, console)
}

pub(super) fn comparisons(arguments: &ComparisonsArgs, console: &Console) -> Result<Outcome, CliError> {
    let datasets = arguments.data.all(console)?;
    let ComparisonsArgs { out, records, seed, .. } = arguments;
    let written = console.with_progress(Unit::Items, |progress| {
        write_comparisons(&datasets, out, *records, *seed, console.cancel(), progress)
    });
    said(&written?, out, console)
}

/// Says what was written.
fn said(summary: &Summary, out: &Path, console: &Console) -> Result<Outcome, CliError> {
    let folder = plain(&out.display().to_string());
    if console.is_json() {
        let files: Vec<_> = summary.files.iter().map(|file| file.to_string_lossy()).collect();
        console.print_json(&json!({ "folder": folder, "files": files, "records": summary.records }))?;
    } else {
        console.print(&format!(
            "{} records in {} files under {folder}\n",
            summary.records,
            summary.files.len()
        ))?;
    }
    Ok(Outcome::Done)
}

pub(super) fn tokenizer(arguments: &TokenizerArgs, console: &Console) -> Result<Outcome, CliError> {
    let datasets = arguments.data.all(console)?;
    let summary = console.with_progress(Unit::Items, |progress| {
        train_tokenizer(&datasets, arguments.pieces, &arguments.out, console.cancel(), progress)
    })?;
    if console.is_json() {
        console.print_json(&summary)?;
    } else {
        console.print(&format!(
            "{} pieces from {} words in {} prompts: {}\n",
            summary.pieces,
            summary.words,
            summary.prompts,
            plain(&arguments.out.display().to_string())
        ))?;
    }
    Ok(Outcome::Done)
}

pub(super) fn new(arguments: &NewArgs, console: &Console) -> Result<Outcome, CliError> {
    let NewArgs { config, tokenizer, out, seed } = arguments;
    let parameters = match BertConfig::from_file(config) {
        Ok(_) => fresh_encoder(config, tokenizer, out, *seed)?,
        Err(_) => fresh_t5(config, tokenizer, out, *seed)?,
    };
    let folder = plain(&out.display().to_string());
    if console.is_json() {
        console.print_json(&json!({ "folder": folder, "parameters": parameters }))?;
    } else {
        console.print(&format!("{:.2} million parameters: {folder}\n", parameters as f64 / 1e6))?;
    }
    Ok(Outcome::Done)
}

pub(super) fn write_again(arguments: &DenoiseArgs, console: &Console) -> Result<Outcome, CliError> {
    let datasets = arguments.data.all(console)?;
    let recipe =
        arguments.recipe.as_deref().map_or_else(|| Ok(DenoiseRecipe::default()), DenoiseRecipe::read)?;
    let DenoiseArgs { model, job, .. } = arguments;
    unjudged(console, |control| denoise(model, &datasets, &recipe, job, control, &Progress::new()))
}

pub(super) fn encoder(arguments: &EncoderArgs, console: &Console) -> Result<Outcome, CliError> {
    let datasets = arguments.data.all(console)?;
    let recipe =
        arguments.recipe.as_deref().map_or_else(|| Ok(EncoderRecipe::default()), EncoderRecipe::read)?;
    let EncoderArgs { model, job, .. } = arguments;
    unjudged(console, |control| train_encoder(model, &datasets, &recipe, job, control, &Progress::new()))
}

/// Shows how far a job is that no dev split judges, and what it made.
fn unjudged(
    console: &Console,
    work: impl FnOnce(&Control) -> Result<(PathBuf, u64), TrainError>,
) -> Result<Outcome, CliError> {
    let control = Control::new(console.cancel().clone());
    let bars = Bars::start(console, &control);
    let trained = work(&control);
    bars.end();
    let (model, steps) = trained?;
    let model = plain(&model.display().to_string());
    if console.is_json() {
        console.print_json(&json!({ "model": model, "steps": steps }))?;
    } else {
        console.print(&format!("Trained {steps} steps: {model}\n"))?;
    }
    Ok(Outcome::Done)
}
