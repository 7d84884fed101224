//! `lamplight completions`: what a shell needs to complete commands and options.

use std::io::Write as _;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, CliError, Outcome};

/// Print what lets a shell complete commands and options.
///
/// Packages bring it along. Elsewhere, write it where your shell looks for it, or run it at each start.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamplight completions bash > ~/.local/share/bash-completion/completions/lamplight
  lamplight completions zsh > ~/.zfunc/_lamplight
  lamplight completions fish > ~/.config/fish/completions/lamplight.fish
  lamplight completions powershell >> $PROFILE")]
pub(super) struct CompletionsArgs {
    /// For which shell.
    shell: Shell,
}

pub(super) fn run(arguments: &CompletionsArgs) -> Result<Outcome, CliError> {
    // Gathered first: a reader that has gone away is an error to tell, and the generator would panic on it.
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "lamplight", &mut text);
    std::io::stdout().lock().write_all(&text)?;
    Ok(Outcome::Done)
}
