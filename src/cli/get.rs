//! `lamplight get`: the benchmark's files from their official addresses.

use std::io::{self, BufRead, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{CliError, Console, Outcome, Unit};
use crate::dataset::download::{self, GetError, Got, NotOfficial, OFFICIAL, OfficialFile, Source};
use crate::fetch::Patience;
use crate::lamp::{Setting, Split, Task, UnknownName};

/// Download LaMP's files, resuming and checking them.
#[derive(Debug, Args)]
pub(super) struct GetArgs {
    /// Tasks such as LaMP-1,2M,7, or `all`.
    #[arg(long, required = true, value_delimiter = ',')]
    task: Vec<String>,
    /// `user`, `time`, or `all`.
    #[arg(long, required = true, value_delimiter = ',')]
    setting: Vec<String>,
    /// `train`, `dev`, `test`, or `all`.
    #[arg(long, default_value = "all", value_delimiter = ',')]
    split: Vec<String>,
    /// The folder to put them in, in the official layout.
    #[arg(long, default_value = "LaMP")]
    out: PathBuf,
    /// Accept the datasets' license, which is shown, without being asked.
    #[arg(long, visible_alias = "accept-licence")]
    accept_license: bool,
    /// Where the files are, if not at the official address.
    #[arg(long, env = "LAMPLIGHT_LAMP_URL", default_value = OFFICIAL)]
    base_url: String,
    /// Download again what is there.
    #[arg(long)]
    force: bool,
}

/// Why files could not be had.
#[derive(Debug, thiserror::Error)]
pub enum GetCommandError {
    /// A name is none.
    #[error(transparent)]
    Name(#[from] UnknownName),
    /// There is no such dataset.
    #[error(transparent)]
    NotOfficial(#[from] NotOfficial),
    /// The license was not accepted.
    #[error("nothing was downloaded: the license has to be accepted, here or with `--accept-license`")]
    License,
    /// A file could not be had.
    #[error(transparent)]
    Get(#[from] GetError),
    /// Some files could not be had; each was told of.
    #[error("{failed} of {all} files could not be downloaded")]
    Some {
        /// How many failed.
        failed: usize,
        /// How many were asked for.
        all: usize,
    },
}

#[derive(Serialize)]
struct Row {
    file: String,
    path: PathBuf,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_records: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) fn run(arguments: GetArgs, console: &Console) -> Result<Outcome, CliError> {
    let files = files(&arguments).map_err(CliError::Get)?;
    let mut terms = download::TERMS.to_owned();
    if files.iter().any(|file| file.task == Task::Lamp6) {
        terms.push_str(download::TERMS_LAMP_6);
    }
    if arguments.accept_license {
        console.note(&terms);
    } else if !accepted(&terms, console)? {
        return Err(CliError::Get(GetCommandError::License));
    }
    let source = Source {
        base: arguments.base_url,
        folder: arguments.out,
        force: arguments.force,
        patience: Patience::default(),
    };
    let mut rows = Vec::with_capacity(files.len());
    for file in &files {
        let got = console
            .with_progress(Unit::Bytes, |progress| download::get(&source, file, console.cancel(), progress));
        let mut row = Row {
            file: file.path(),
            path: file.target(&source.folder),
            status: "failed",
            bytes: None,
            records: None,
            published_records: file.published_records(),
            error: None,
        };
        match got {
            Ok(Got::Fetched { length, records, resumed_from }) => {
                (row.status, row.bytes, row.records) = ("downloaded", Some(length), Some(records));
                let resumed =
                    if resumed_from > 0 { format!(", resumed at {resumed_from}") } else { String::new() };
                let papers = match row.published_records {
                    Some(published) if published != records => format!(" (the papers say {published})"),
                    _ => String::new(),
                };
                console.note(&format!("{}: {records} records{papers}, {length} bytes{resumed}", row.file));
            }
            Ok(Got::Already) => {
                row.status = "already there";
                console.note(&format!("{}: already there", row.file));
            }
            Ok(Got::Foreign) => {
                row.status = "left alone";
                console.note(&format!(
                    "{}: left alone, as {} is not what this command downloaded; `--force` replaces it",
                    row.file,
                    row.path.display()
                ));
            }
            Err(GetError::Canceled(canceled)) => return Err(canceled.into()),
            Err(error) if error.is_about_this_file() => {
                console.error(&error);
                row.error = Some(error.to_string());
            }
            Err(error) => return Err(CliError::Get(error.into())),
        }
        rows.push(row);
    }
    if console.is_json() {
        console.print_json(&rows)?;
    }
    match rows.iter().filter(|row| row.error.is_some()).count() {
        0 => Ok(Outcome::Done),
        failed => Err(CliError::Get(GetCommandError::Some { failed, all: rows.len() })),
    }
}

/// The files asked for. What `all` stands for leaves out what does not exist; what is named must exist.
fn files(arguments: &GetArgs) -> Result<Vec<OfficialFile>, GetCommandError> {
    let (tasks, all_tasks) = named(&arguments.task, &Task::ALL)?;
    let (settings, all_settings) = named(&arguments.setting, &Setting::ALL)?;
    let (splits, _) = named(&arguments.split, &Split::ALL)?;
    let mut files = Vec::new();
    for setting in settings {
        for task in &tasks {
            for split in &splits {
                match OfficialFile::of(*task, setting, *split) {
                    Ok(more) => files.extend(more),
                    Err(_) if all_tasks || all_settings => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Ok(files)
}

/// Names to things, each once, and whether `all` was among them.
fn named<T: Copy + PartialEq + std::str::FromStr<Err = UnknownName>>(
    names: &[String],
    all: &[T],
) -> Result<(Vec<T>, bool), UnknownName> {
    if names.iter().any(|name| name.trim().eq_ignore_ascii_case("all")) {
        return Ok((all.to_vec(), true));
    }
    let mut found = Vec::new();
    for name in names {
        let thing = name.parse()?;
        if !found.contains(&thing) {
            found.push(thing);
        }
    }
    Ok((found, false))
}

/// Shows the terms and asks on a terminal whether they are accepted; elsewhere they are not.
fn accepted(terms: &str, console: &Console) -> io::Result<bool> {
    if console.is_json() || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        console.note(terms);
        return Ok(false);
    }
    console.ask(&format!("{terms}Accept these terms and download? [y/N] "))?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
