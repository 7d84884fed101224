//! Puts the mails of the Avocado collection (LDC2015T03) into LaMP-6's public files, which hold only their names.
//!
//! An input becomes [`INPUT_OPENING`] and the mail's body, an output its subject, a profile entry's `text` the body and its
//! `title` the subject; everything else in a record stays, in its order. Records are read, filled and written a few
//! at a time, and the archives are read in place, so memory does not grow with the files. Knows mails and records; what a mail says is
//! [`Mail::read`]'s business.

mod archives;
mod fill;
mod mail;
mod output;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

pub use archives::{Archives, LONGEST_MAIL};
pub use fill::INPUT_OPENING;
pub use mail::Mail;

use crate::dataset::splitter::{SplitError, Splitter};
use crate::jobs::{CancelToken, Canceled, Progress};
use fill::{Filler, Gap, mail_names};
use output::Output;

/// How many mails are looked up together, about.
const MAILS_AT_ONCE: usize = 8192;
/// How many bytes of records wait for their mails at most, about.
const BYTES_AT_ONCE: usize = 16 << 20;

/// Why an import failed.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Someone asked to stop.
    #[error(transparent)]
    Canceled(#[from] Canceled),
    /// There are no zip archives.
    #[error("{path} holds no zip archives; give the collection's folder `data/text`, or one above it")]
    NoArchives {
        /// The folder looked into.
        path: PathBuf,
    },
    /// An archive cannot be read.
    #[error("{path} cannot be read as a zip archive: {source}. Copy it anew from the collection")]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        source: zip::result::ZipError,
    },
    /// The mails that a few records need are larger than any real ones.
    #[error("the mails wanted from {path} are too large to be mails")]
    TooMuch {
        /// The archive.
        path: PathBuf,
    },
    /// A file or folder cannot be read or written.
    #[error("cannot read or write {path}: {source}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The report of missing mails cannot be written.
    #[error("cannot write the report of missing mails: {0}")]
    Report(io::Error),
    /// A file is not a list of records.
    #[error("{path} is not a LaMP file: {source}")]
    Split {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SplitError,
    },
    /// A record is not JSON.
    #[error("{path}: record {record} is not valid JSON: {source}")]
    Record {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        record: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A file names no mails.
    #[error("{path} names no mails; it is not a LaMP-6 file, or the mails are in it already")]
    NothingToFill {
        /// The file.
        path: PathBuf,
    },
    /// Something stands where a result should go.
    #[error("{path} exists; choose another folder, or `--force` to replace it")]
    Exists {
        /// The result's path.
        path: PathBuf,
    },
    /// Two results would have one name, or a result its source's.
    #[error("{path} would be written from {first} and {second}; import them into different folders")]
    SameName {
        /// The result's path.
        path: PathBuf,
        /// A source.
        first: PathBuf,
        /// Another, or the same.
        second: PathBuf,
    },
}

/// Why a mail is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Missing {
    /// No archive has it.
    NotFound,
    /// Its archive is damaged there, or encrypted.
    Unreadable,
    /// It is longer than [`LONGEST_MAIL`].
    TooLong,
}

impl Missing {
    /// The reason in a word or two.
    pub const fn word(self) -> &'static str {
        match self {
            Missing::NotFound => "not found",
            Missing::Unreadable => "unreadable",
            Missing::TooLong => "too long",
        }
    }
}

/// A place whose mail is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingMail {
    /// The file that names it.
    pub file: PathBuf,
    /// The record's id.
    pub record: String,
    /// `input`, `output` or `profile`.
    pub field: &'static str,
    /// The mail's name.
    pub mail: String,
    /// Why it is not there.
    pub reason: Missing,
}

/// What to do, and what to make of it.
#[derive(Debug, Clone)]
pub struct ImportPlan {
    /// The output folder.
    pub folder: PathBuf,
    /// Leave out records and profile entries whose mail is missing, instead of keeping the mail's name in them.
    pub drop_missing: bool,
    /// Replace results that exist.
    pub force: bool,
}

/// What became of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// The result.
    pub path: PathBuf,
    /// Records written.
    pub records: u64,
    /// Records left out.
    pub dropped: u64,
    /// Places filled with a mail.
    pub filled: u64,
    /// Places whose mail is missing.
    pub missing: u64,
}

impl ImportPlan {
    /// Where a file's result goes: the file's place in the official layout (`time/LaMP_6/dev/…`) below the output
    /// folder where its path shows one, else its name alone.
    pub fn target(&self, file: &Path) -> PathBuf {
        let parts: Vec<_> = file.components().collect();
        let is = |at: usize, name: &str| {
            parts.get(at).is_some_and(|part: &std::path::Component<'_>| part.as_os_str() == name)
        };
        let start = match (0..parts.len()).rev().find(|at| is(*at, "LaMP_6")) {
            Some(at) if at > 0 && is(at - 1, "time") => at - 1,
            Some(at) => at,
            None => parts.len().saturating_sub(1),
        };
        parts[start..].iter().fold(self.folder.clone(), |path, part| path.join(part))
    }

    /// Looks whether all results can be written, before any is.
    ///
    /// # Errors
    /// [`ImportError::Exists`] and [`ImportError::SameName`].
    pub fn check(&self, files: &[PathBuf]) -> Result<(), ImportError> {
        for (number, file) in files.iter().enumerate() {
            let path = self.target(file);
            let earlier = files[..number].iter().find(|other| self.target(other) == path);
            let itself =
                path.canonicalize().is_ok_and(|there| file.canonicalize().is_ok_and(|own| own == there));
            if let Some(first) = earlier.or(itself.then_some(file)) {
                let (first, second) = (first.clone(), file.clone());
                return Err(ImportError::SameName { path, first, second });
            }
            if !self.force && path.exists() {
                return Err(ImportError::Exists { path });
            }
        }
        Ok(())
    }
}

/// Fills one file (`.json` or `.json.gz`, questions, outputs or merged) and tells `report` of every missing mail.
///
/// # Errors
/// [`ImportError`]; the result appears whole or not at all.
pub fn import(
    plan: &ImportPlan,
    file: &Path,
    archives: &Archives,
    report: &mut dyn FnMut(MissingMail) -> io::Result<()>,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Imported, ImportError> {
    let failed = |source| ImportError::File { path: file.to_owned(), source };
    let input = File::open(file).map_err(failed)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    progress.start(&name, input.metadata().map_err(failed)?.len());
    let mut reader = unpacked(Counting { inner: input, progress }).map_err(failed)?;
    let target = plan.target(file);
    let mut import = Import {
        plan,
        file,
        archives,
        report,
        cancel,
        output: Output::create(&target)?,
        waiting: Vec::new(),
        waiting_bytes: 0,
        waiting_mails: 0,
        done: Imported { path: target, ..Imported::default() },
    };
    let mut splitter = Splitter::default();
    let mut buffer = vec![0; 1 << 18];
    loop {
        cancel.check()?;
        let read = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(failed(source)),
        };
        let mut number = splitter.records();
        splitter
            .push(&buffer[..read], &mut |record| {
                number += 1;
                import.take(number, record).map_err(Failure::Import)
            })
            .map_err(|failure| failure.of(file))?;
        if import.waiting_mails >= MAILS_AT_ONCE || import.waiting_bytes >= BYTES_AT_ONCE {
            import.output.begin(splitter.head())?;
            import.flush()?;
        }
    }
    splitter.finish().map_err(|source| ImportError::Split { path: file.to_owned(), source })?;
    import.output.begin(splitter.head())?;
    import.flush()?;
    if import.done.filled + import.done.missing == 0 {
        return Err(ImportError::NothingToFill { path: file.to_owned() });
    }
    import.output.finish(splitter.tail())?;
    Ok(import.done)
}

/// What ends a split: its own errors, or the import's.
enum Failure {
    Split(SplitError),
    Import(ImportError),
}

impl From<SplitError> for Failure {
    fn from(error: SplitError) -> Self {
        Self::Split(error)
    }
}

impl Failure {
    fn of(self, file: &Path) -> ImportError {
        match self {
            Self::Split(source) => ImportError::Split { path: file.to_owned(), source },
            Self::Import(error) => error,
        }
    }
}

struct Import<'a> {
    plan: &'a ImportPlan,
    file: &'a Path,
    archives: &'a Archives,
    report: &'a mut dyn FnMut(MissingMail) -> io::Result<()>,
    cancel: &'a CancelToken,
    output: Output,
    /// Records that wait for their mails.
    waiting: Vec<Map<String, Value>>,
    waiting_bytes: usize,
    waiting_mails: usize,
    done: Imported,
}

impl Import<'_> {
    fn take(&mut self, number: u64, record: &[u8]) -> Result<(), ImportError> {
        self.waiting_bytes += record.len();
        let record: Map<String, Value> = serde_json::from_slice(record)
            .map_err(|source| ImportError::Record { path: self.file.to_owned(), record: number, source })?;
        self.waiting_mails += mail_names(&record).count();
        self.waiting.push(record);
        Ok(())
    }

    /// Fills and writes the records that wait.
    fn flush(&mut self) -> Result<(), ImportError> {
        let waiting = std::mem::take(&mut self.waiting);
        (self.waiting_bytes, self.waiting_mails) = (0, 0);
        let names = waiting.iter().flat_map(mail_names).collect();
        let mails = self.archives.read(&names, self.cancel)?;
        let drop_missing = self.plan.drop_missing;
        let mut filler = Filler { mails: &mails, drop_missing, filled: 0, gaps: Vec::new() };
        for record in &waiting {
            self.cancel.check()?;
            let filled = filler.fill(record);
            self.done.missing += filler.gaps.len() as u64;
            for Gap { field, mail, reason } in filler.gaps.drain(..) {
                let id = record.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
                let missing = MissingMail { file: self.file.to_owned(), record: id, field, mail, reason };
                (self.report)(missing).map_err(ImportError::Report)?;
            }
            match filled {
                Some(filled) => {
                    self.output.record(&filled)?;
                    self.done.records += 1;
                }
                None => self.done.dropped += 1,
            }
        }
        self.done.filled += filler.filled;
        Ok(())
    }
}

/// Counts what is read of a file.
struct Counting<'a> {
    inner: File,
    progress: &'a Progress,
}

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.progress.add(read as u64);
        Ok(read)
    }
}

/// The content of a file that may be compressed with gzip, which its first bytes tell.
fn unpacked<'a>(input: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    use std::io::BufRead;
    let mut input = BufReader::with_capacity(1 << 16, input);
    if input.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        Ok(Box::new(flate2::bufread::MultiGzDecoder::new(input)))
    } else {
        Ok(Box::new(input))
    }
}

/// Whether a text is the name of a mail of the collection: `147-000874-EM.txt`.
pub fn is_mail_name(text: &str) -> bool {
    let Some(stem) = text.strip_suffix(".txt").filter(|stem| stem.len() <= 64) else { return false };
    let parts: Vec<&str> = stem.split('-').collect();
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    matches!(parts[..], [user, number, kind] if digits(user) && digits(number)
        && !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric()))
}
