//! The engine from a terminal: one file a command, and the proof that the engine needs no window.
//!
//! A command parses its arguments into meaning once, calls the library, and prints through [`Console`].
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but something failed or the data has errors, 130 canceled.

pub mod answers;
mod chart;
mod check;
mod compare;
mod completions;
mod console;
mod delete;
mod devices;
mod embed;
mod embeddings;
mod encoders;
mod endpoints;
mod export;
mod generate;
mod get;
mod import_avocado;
pub mod judge;
mod keys;
mod list;
mod manual;
mod merge;
pub mod model_choice;
pub mod models;
mod prompt;
mod rank;
mod rescore;
mod run;
mod run_choice;
mod run_words;
mod sample_data;
mod samples;
pub mod score;
mod search;
mod selection;
mod show;
mod show_run;
mod store;
pub mod store_choice;
mod table;
mod table_text;
mod text;
mod train;
mod window;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use chart::ChartCommandError;
pub use console::{Console, Unit};
pub use embed::EmbedError;
pub use embeddings::EmbeddingsError;
pub use get::GetCommandError;
pub use prompt::ShowPromptError;
pub use run::RunCommandError;
pub use run_choice::RunChoiceError;
pub use score::ScoreError;
pub use selection::{DatasetSelection, NoSuchId, SampleChoice, SelectionError};

use crate::dataset::DatasetError;
use crate::dataset::avocado::ImportError;
use crate::dataset::histories::HistoryError;
use crate::dataset::sample_set::SampleSetError;
use crate::model::ModelError;
use crate::model::hub::HubError;
use crate::model::registry::RegistryError;
use crate::report::compare::CompareError;
use crate::report::files::FileError;
use crate::retrieval::{BuildError, RankingFileError, RetrievalError};
use crate::run::judge::JudgeError;
use crate::run::{Places, RunError, experiment};
use crate::search::SearchError;
use crate::store::StoreError;

/// Measures how well a language model uses a person's history, on the LaMP benchmark.
#[derive(Debug, Parser)]
#[command(name = "lamplight", version, long_version = crate::version::WHOLE, propagate_version = true)]
struct Cli {
    /// Print JSON for machines instead of text.
    #[arg(long, global = true, help_heading = "Output")]
    json: bool,
    /// Print no progress.
    #[arg(long, short, global = true, help_heading = "Output")]
    quiet: bool,
    /// Print no bold or struck-out text.
    #[arg(long, global = true, help_heading = "Output")]
    no_color: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    // In the order in which a person meets them: run, read, look after, look closer, models.
    Window(window::WindowArgs),
    Demo(run::DemoArgs),
    Run(Box<run::RunArgs>),
    Resume(run::ResumeArgs),
    Tune(run::TuneArgs),
    List(list::ListArgs),
    /// Show a run, one prediction of it, or one sample of a dataset with its profile.
    Show(show::Show),
    Table(table::TableArgs),
    Compare(compare::CompareArgs),
    Judge(judge::JudgeArgs),
    Export(export::ExportArgs),
    Chart(chart::ChartArgs),
    Rescore(rescore::RescoreArgs),
    Merge(merge::MergeArgs),
    Delete(delete::DeleteArgs),
    Store(store::StoreArgs),
    /// List the datasets under files and folders, and report what is wrong with them.
    Check(check::Check),
    Search(search::SearchArgs),
    Rank(rank::RankArgs),
    Prompt(prompt::ShowPrompt),
    /// Score outputs against golds, as the official evaluation does.
    Score(score::ScoreArgs),
    Get(get::GetArgs),
    ImportAvocado(import_avocado::ImportArgs),
    SampleData(sample_data::SampleData),
    Models(models::Models),
    Endpoints(endpoints::EndpointsArgs),
    Train(Box<train::TrainArgs>),
    Lora(train::lora::LoraArgs),
    Devices(devices::Devices),
    /// Answer one prompt with a model.
    Generate(generate::Generate),
    /// Turn texts into vectors with an encoder, or show how like they are.
    Embed(embed::Embed),
    /// Show and clear the vectors that dense retrievers have kept.
    Embeddings(embeddings::EmbeddingsArgs),
    Completions(completions::CompletionsArgs),
    Manual(manual::ManualArgs),
}

/// How a command that did its work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is as asked.
    Done,
    /// The work was done, and what it looked at has errors.
    DataHasErrors,
}

/// Why a command failed, in words for a person.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Standard output could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
    /// The prompt could not be read.
    #[error("cannot read the prompt from {name}: {source}")]
    PromptSource {
        /// A file, or standard input.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The window could not be opened.
    #[error("{0}")]
    Window(String),
    /// A model could not be loaded or used.
    #[error(transparent)]
    Model(ModelError),
    /// Texts could not be embedded.
    #[error(transparent)]
    Embed(EmbedError),
    /// A model could not be installed, found or removed.
    #[error(transparent)]
    Registry(Box<RegistryError>),
    /// A model could not be trained.
    #[error(transparent)]
    Train(Box<crate::train::TrainError>),
    /// A model was not removed.
    #[error(transparent)]
    NotRemoved(#[from] models::NotRemoved),
    /// Data could not be read.
    #[error(transparent)]
    Dataset(DatasetError),
    /// The arguments name no single dataset.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// A sample's id is unknown.
    #[error(transparent)]
    NoSuchId(#[from] NoSuchId),
    /// Someone pressed Ctrl-C.
    #[error(transparent)]
    Canceled(#[from] crate::jobs::Canceled),
    /// Outputs could not be scored.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// A profile could not be ranked.
    #[error(transparent)]
    Retrieval(RetrievalError),
    /// A retriever could not be made.
    #[error(transparent)]
    Retriever(BuildError),
    /// Kept vectors could not be shown or cleared.
    #[error(transparent)]
    Embeddings(#[from] EmbeddingsError),
    /// A ranking file could not be used or written.
    #[error(transparent)]
    RankingFile(#[from] RankingFileError),
    /// Searching, or building a search index, failed.
    #[error(transparent)]
    Search(SearchError),
    /// A run could not be executed or scored.
    #[error(transparent)]
    Run(Box<RunError>),
    /// Not every verdict is there.
    #[error(transparent)]
    NotJudged(#[from] judge::NotJudged),
    /// Runs could not be judged.
    #[error(transparent)]
    Judge(Box<JudgeError>),
    /// A prompt could not be built.
    #[error(transparent)]
    Prompt(#[from] ShowPromptError),
    /// The sample set could not be written.
    #[error(transparent)]
    SampleSet(#[from] SampleSetError),
    /// Records could not be made from given ones.
    #[error(transparent)]
    History(HistoryError),
    /// An experiment was not run, or not whole.
    #[error(transparent)]
    RunCommand(#[from] RunCommandError),
    /// Files could not be downloaded.
    #[error(transparent)]
    Get(GetCommandError),
    /// Mails could not be put in.
    #[error(transparent)]
    Import(ImportError),
    /// The arguments choose no runs.
    #[error(transparent)]
    RunChoice(#[from] RunChoiceError),
    /// Two runs could not be compared.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// A chart could not be drawn.
    #[error(transparent)]
    Chart(#[from] ChartCommandError),
    /// Results could not be written to a file.
    #[error(transparent)]
    Export(#[from] FileError),
    /// The arguments do not go together.
    #[error("{0}")]
    Usage(&'static str),
    /// No prediction of the run is of that sample.
    #[error(transparent)]
    NoPrediction(#[from] show_run::NoPrediction),
    /// The store of runs could not be used.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Canceled(canceled) => Self::Canceled(canceled),
            other => Self::Store(other),
        }
    }
}

impl From<RegistryError> for CliError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Canceled(canceled) => Self::Canceled(canceled),
            RegistryError::Model(error) => error.into(),
            other => Self::Registry(Box::new(other)),
        }
    }
}

impl From<HubError> for CliError {
    fn from(error: HubError) -> Self {
        RegistryError::from(error).into()
    }
}

impl From<ImportError> for CliError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Canceled(canceled) => Self::Canceled(canceled),
            other => Self::Import(other),
        }
    }
}

impl From<HistoryError> for CliError {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Read(error) => error.into(),
            HistoryError::Write(error) => error.into(),
            other => CliError::History(other),
        }
    }
}

impl From<DatasetError> for CliError {
    fn from(error: DatasetError) -> Self {
        match error {
            DatasetError::Canceled(canceled) => CliError::Canceled(canceled),
            other => CliError::Dataset(other),
        }
    }
}

impl From<RetrievalError> for CliError {
    fn from(error: RetrievalError) -> Self {
        match error {
            RetrievalError::Canceled(canceled) => Self::Canceled(canceled),
            other => Self::Retrieval(other),
        }
    }
}

impl From<BuildError> for CliError {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Encoder { source, .. } if matches!(*source, ModelError::Canceled(_)) => {
                Self::Canceled(crate::jobs::Canceled)
            }
            other => Self::Retriever(other),
        }
    }
}

impl From<crate::run::FullTextError> for CliError {
    fn from(error: crate::run::FullTextError) -> Self {
        match error {
            crate::run::FullTextError::Dataset(error) => error.into(),
            crate::run::FullTextError::Search(error) => error.into(),
            crate::run::FullTextError::Canceled(canceled) => Self::Canceled(canceled),
        }
    }
}

impl From<SearchError> for CliError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Canceled(canceled) => Self::Canceled(canceled),
            other => Self::Search(other),
        }
    }
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Canceled(canceled) => Self::Canceled(canceled),
            RunError::Store(error) => error.into(),
            other => Self::Run(Box::new(other)),
        }
    }
}

impl From<JudgeError> for CliError {
    fn from(error: JudgeError) -> Self {
        match error {
            JudgeError::Canceled(canceled) => Self::Canceled(canceled),
            JudgeError::Store(error) => error.into(),
            JudgeError::Run(error) => error.into(),
            other => Self::Judge(Box::new(other)),
        }
    }
}

impl From<ModelError> for CliError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Canceled(canceled) => Self::Canceled(canceled),
            error => Self::Model(error),
        }
    }
}

/// What opens the window, with an experiment's file where one is named, since this room knows none.
pub type OpenWindow = fn(Places, Option<PathBuf>) -> Result<(), Box<dyn std::error::Error>>;

/// Runs the command line and says how the program should end. Without any argument the window is meant, and with nothing but an
/// experiment's file, the window with that file: so file managers start programs.
pub fn run(arguments: impl IntoIterator<Item = OsString>, open_window: OpenWindow) -> ExitCode {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    match arguments.as_slice() {
        [] | [_] => arguments.push("window".into()),
        [_, file] if is_experiment(file) => arguments.insert(1, "window".into()),
        _ => {}
    }
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come as errors too; clap prints each where it belongs.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return if error.print().is_ok() { ExitCode::from(code) } else { ExitCode::FAILURE };
        }
    };
    let console = Console::new(cli.json, cli.quiet, !cli.no_color);
    // The window asks in its own way, on a screen.
    if !matches!(cli.command, Command::Window(_)) {
        keys::ask_here(&console);
    }
    match execute(cli.command, &console, open_window) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::DataHasErrors) => ExitCode::from(3),
        Err(CliError::Canceled(_)) => ExitCode::from(130),
        // Whoever read our output has seen enough.
        Err(CliError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            console.error(&error);
            if matches!(error, CliError::Usage(_)) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// Whether an argument is the name of an experiment's file; no command is called like one.
fn is_experiment(argument: &OsStr) -> bool {
    experiment::is_called_so(Path::new(argument)) && !argument.as_encoded_bytes().starts_with(b"-")
}

fn execute(command: Command, console: &Console, open_window: OpenWindow) -> Result<Outcome, CliError> {
    match command {
        Command::Window(arguments) => {
            open_window(arguments.places()?, arguments.file()?)
                .map_err(|error| CliError::Window(error.to_string()))?;
            Ok(Outcome::Done)
        }
        Command::Generate(generate) => generate.run(console),
        Command::Embed(embed) => embed.run(console),
        Command::Check(arguments) => arguments.run(console),
        Command::Show(arguments) => arguments.run(console),
        Command::List(arguments) => list::run(&arguments, console),
        Command::Delete(arguments) => delete::run(&arguments, console),
        Command::Merge(arguments) => merge::run(&arguments, console),
        Command::Store(arguments) => store::run(&arguments, console),
        Command::Search(arguments) => search::run(&arguments, console),
        Command::Rank(arguments) => rank::run(&arguments, console),
        Command::Prompt(arguments) => prompt::run(&arguments, console),
        Command::Embeddings(arguments) => embeddings::run(&arguments, console),
        Command::Score(arguments) => score::run(&arguments, console),
        Command::Demo(arguments) => run::demo(arguments, console),
        Command::Run(arguments) => run::run(*arguments, console),
        Command::Resume(arguments) => run::resume(&arguments, console),
        Command::Tune(arguments) => run::tune(arguments, console),
        Command::Rescore(arguments) => rescore::run(&arguments, console),
        Command::SampleData(arguments) => sample_data::run(arguments, console),
        Command::Get(arguments) => get::run(arguments, console),
        Command::Models(arguments) => models::run(arguments, console),
        Command::Endpoints(arguments) => endpoints::run(arguments, console),
        Command::Train(arguments) => train::run(*arguments, console),
        Command::Lora(arguments) => train::lora::run(arguments, console),
        Command::Devices(arguments) => devices::run(&arguments, console),
        Command::ImportAvocado(arguments) => import_avocado::run(arguments, console),
        Command::Table(arguments) => table::run(&arguments, console),
        Command::Compare(arguments) => compare::run(&arguments, console),
        Command::Judge(arguments) => judge::run(&arguments, console),
        Command::Export(arguments) => export::run(&arguments, console),
        Command::Chart(arguments) => chart::run(&arguments, console),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Manual(arguments) => manual::run(&arguments),
    }
}
