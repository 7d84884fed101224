//! `lamplight import-avocado`: the licensed mails into LaMP-6's public files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::{CliError, Console, Outcome, Unit};
use crate::dataset::avocado::{Archives, ImportError, ImportPlan, Imported, MissingMail, import};

/// How many missing mails are named where all are counted.
const NAMED: usize = 10;

/// Put the Avocado collection's mails (LDC2015T03) into LaMP-6's files.
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The collection's folder of zip archives (`data/text`), a folder above it, or one archive.
    #[arg(long)]
    mails: PathBuf,
    /// Questions files (`.json`, `.json.gz`); merged files with their outputs are as good.
    #[arg(long, num_args = 1.., required = true)]
    questions: Vec<PathBuf>,
    /// Outputs files.
    #[arg(long, num_args = 1..)]
    outputs: Vec<PathBuf>,
    /// The folder for the results.
    #[arg(long)]
    out: PathBuf,
    /// Write all missing mails to this file, as CSV.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Leave out records and profile entries whose mail is missing, instead of keeping the mail's name in them.
    #[arg(long)]
    drop_missing: bool,
    /// Replace results that exist.
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Summary<'a> {
    archives: usize,
    mails: usize,
    mails_twice_with_other_content: u64,
    files: Vec<Row<'a>>,
    missing: u64,
    first_missing: &'a BTreeSet<String>,
}

#[derive(Serialize)]
struct Row<'a> {
    path: &'a Path,
    records: u64,
    dropped: u64,
    filled: u64,
    missing: u64,
}

/// Missing mails to a CSV file.
struct Report(Option<csv::Writer<File>>);

impl Report {
    fn create(path: Option<&Path>) -> Result<Self, ImportError> {
        let Some(path) = path else { return Ok(Self(None)) };
        let create = || {
            let mut writer = csv::Writer::from_path(path)?;
            writer.write_record(["file", "record", "field", "mail", "reason"])?;
            Ok(Self(Some(writer)))
        };
        create()
            .map_err(|error: csv::Error| ImportError::File { path: path.to_owned(), source: error.into() })
    }

    fn add(&mut self, missing: &MissingMail) -> io::Result<()> {
        let Some(writer) = &mut self.0 else { return Ok(()) };
        let file = missing.file.to_string_lossy();
        let row = [&*file, &missing.record, missing.field, &missing.mail, missing.reason.word()];
        writer.write_record(row).map_err(io::Error::from)
    }
}

pub(super) fn run(arguments: ImportArgs, console: &Console) -> Result<Outcome, CliError> {
    let plan =
        ImportPlan { folder: arguments.out, drop_missing: arguments.drop_missing, force: arguments.force };
    let files: Vec<PathBuf> = arguments.questions.into_iter().chain(arguments.outputs).collect();
    plan.check(&files)?;
    let archives = console.with_progress(Unit::Items, |progress| {
        Archives::open(&arguments.mails, console.cancel(), progress)
    })?;
    let mut report = Report::create(arguments.report.as_deref())?;
    let mut first = BTreeSet::new();
    let mut done = Vec::with_capacity(files.len());
    for file in &files {
        let mut tell = |missing: MissingMail| {
            report.add(&missing)?;
            if first.len() < NAMED {
                first.insert(missing.mail);
            }
            Ok(())
        };
        let imported = console.with_progress(Unit::Bytes, |progress| {
            import(&plan, file, &archives, &mut tell, console.cancel(), progress)
        })?;
        say(&imported, console);
        done.push(imported);
    }
    if let Some(writer) = &mut report.0 {
        writer.flush()?;
    }
    let missing = done.iter().map(|file| file.missing).sum();
    if archives.differing() > 0 {
        console.note(&format!(
            "{} mails stand in several archives with different content; the first archive by name counts",
            archives.differing()
        ));
    }
    if missing > 0 {
        let names = first.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if arguments.report.is_some() { "" } else { "; `--report FILE` lists all" };
        console.note(&format!(
            "mails that cannot be read are named in {missing} of the places, {names} among them{more}"
        ));
    }
    if console.is_json() {
        let files = done
            .iter()
            .map(|Imported { path, records, dropped, filled, missing }| Row {
                path,
                records: *records,
                dropped: *dropped,
                filled: *filled,
                missing: *missing,
            })
            .collect();
        console.print_json(&Summary {
            archives: archives.count(),
            mails: archives.mails(),
            mails_twice_with_other_content: archives.differing(),
            files,
            missing,
            first_missing: &first,
        })?;
    }
    Ok(if missing > 0 { Outcome::DataHasErrors } else { Outcome::Done })
}

fn say(file: &Imported, console: &Console) {
    let dropped = if file.dropped > 0 { format!(" ({} left out)", file.dropped) } else { String::new() };
    console.note(&format!(
        "{}: records {}{dropped}, mails put in {}, missing {}",
        file.path.display(),
        file.records,
        file.filled,
        file.missing
    ));
}
