//! `lamplight manual`: the manual pages.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};

use super::{Cli, CliError, Outcome};

/// Write the manual pages, one for each command, into a folder.
#[derive(Debug, Args)]
pub(super) struct ManualArgs {
    /// The folder; it is made if it is not there.
    folder: PathBuf,
}

pub(super) fn run(arguments: &ManualArgs) -> Result<Outcome, CliError> {
    std::fs::create_dir_all(&arguments.folder)?;
    clap_mangen::generate_to(Cli::command(), &arguments.folder)?;
    Ok(Outcome::Done)
}
