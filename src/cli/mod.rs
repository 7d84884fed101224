//! The engine from a terminal: one file a command, and the proof that the engine needs no window.
//!
//! A command parses its arguments into meaning once, calls the library, and prints through [`Console`].
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but the data has errors, 130 canceled.

mod console;
mod generate;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use console::{Console, Unit};

/// Measures how well a language model uses a person's history, on the LaMP benchmark.
#[derive(Debug, Parser)]
#[command(name = "lamplight", version, propagate_version = true)]
struct Cli {
    /// Print JSON for machines instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// Print no progress.
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer one prompt with a model.
    Generate(generate::Generate),
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
    Prompt {
        /// A file, or standard input.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A model could not be loaded or used.
    #[error(transparent)]
    Model(crate::model::ModelError),
    /// Someone pressed Ctrl-C.
    #[error(transparent)]
    Canceled(#[from] crate::jobs::Canceled),
}

impl From<crate::model::ModelError> for CliError {
    fn from(error: crate::model::ModelError) -> Self {
        match error {
            crate::model::ModelError::Canceled(canceled) => Self::Canceled(canceled),
            error => Self::Model(error),
        }
    }
}

/// Runs the command line and says how the program should end.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come as errors too; clap prints each where it belongs.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return if error.print().is_ok() { ExitCode::from(code) } else { ExitCode::FAILURE };
        }
    };
    let console = Console::new(cli.json, cli.quiet);
    match execute(cli.command, &console) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::DataHasErrors) => ExitCode::from(3),
        Err(CliError::Canceled(_)) => ExitCode::from(130),
        // Whoever read our output has seen enough.
        Err(CliError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            console.error(&error);
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command, console: &Console) -> Result<Outcome, CliError> {
    match command {
        Command::Generate(generate) => generate.run(console),
    }
}
