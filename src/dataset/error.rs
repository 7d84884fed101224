//! Why data could not be read, in words for a person.

use std::io;
use std::path::PathBuf;

use serde::Serialize;

use super::lexer::SyntaxProblem;
use super::record::RecordProblem;
use crate::jobs::Canceled;

/// Why a dataset, or one of its samples, could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// Nothing was named to read.
    #[error("no file or folder was given")]
    NothingGiven,
    /// A file or folder that was named cannot be read at all.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folders hold more files than the limit.
    #[error("{path} holds more than {limit} files; name a smaller folder", path = path.display())]
    TooManyFiles {
        /// The folder where the limit was met.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// Some records are broken, and nobody has said that the others are enough.
    #[error(
        "{path} has {broken} broken records among {total}; the first is record {position}: {problem}. \
         Repair or download the file again, or skip broken records to use the {good} good ones",
        path = path.display(), good = total - broken
    )]
    BrokenRecords {
        /// The file.
        path: PathBuf,
        /// How many records are broken.
        broken: usize,
        /// How many there are in all.
        total: usize,
        /// The first broken record, counted from 0.
        position: u64,
        /// What is wrong with that one.
        problem: RecordProblem,
    },
    /// The file as a whole is damaged, and nobody has said that its good records are enough.
    #[error(
        "{path} is damaged: {fault}. Download the file again, or skip broken records to use the {good} good ones",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: FileFault,
        /// How many records were read before.
        good: usize,
    },
    /// A record that was good when the file was opened is not what it was.
    #[error("{path} changed while it was open: record `{id}` is not where it was; open the file again", path = path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// The record's id.
        id: String,
    },
    /// A sample was asked for that the dataset does not have.
    #[error("there is no sample {index}: the dataset has {len}, counted from 0")]
    NoSuchSample {
        /// What was asked for.
        index: usize,
        /// How many samples there are.
        len: usize,
    },
    /// The work was canceled.
    #[error(transparent)]
    Canceled(#[from] Canceled),
}

/// Something wrong with a file as a whole, though it holds good records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFault {
    /// The file ends before its list does.
    #[error("it is truncated")]
    Truncated,
    /// More follows after the end of the JSON.
    #[error("something follows after the end of its list")]
    TrailingData,
    /// It begins with a UTF-8 byte order mark, which is skipped.
    #[error("it begins with a byte order mark")]
    ByteOrderMark,
}

/// Why a file is no part of a dataset.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// Neither JSON nor an archive by its name.
    #[error("not a .json, .json.gz or .zip file")]
    OtherFile,
    /// The file has no content.
    #[error("the file is empty; download it again")]
    Empty,
    /// A web page.
    #[error("a web page instead of data; the download address was wrong or asked for a login")]
    WebPage,
    /// UTF-16 or UTF-32 text.
    #[error("UTF-16 or UTF-32 text, or binary data; save it as UTF-8 JSON")]
    NotUtf8Text,
    /// Damaged before the first usable record.
    #[error("no usable record before the JSON breaks at byte {at}: {problem}; download it again")]
    Damaged {
        /// What is wrong.
        problem: SyntaxProblem,
        /// Where, in bytes from the start.
        at: u64,
    },
    /// A list without elements.
    #[error("an empty list")]
    EmptyList,
    /// One JSON value a line.
    #[error("records that are not in a list (JSON Lines?); put them into one JSON list")]
    NotAList,
    /// JSON of something else.
    #[error("JSON, but not LaMP records (no `id` with `input` and `profile`, nor with `output`)")]
    OtherJson,
    /// Records that cannot be used, each for its own reason.
    #[error("no record can be used; in the first, {0}")]
    NoGoodRecord(RecordProblem),
    /// More records than the limit.
    #[error("more than {0} records")]
    TooManyRecords(usize),
    /// The task shows in neither the inputs nor the fields nor the path.
    #[error(
        "LaMP records, but of which task shows neither in their wording nor in their fields; name the task"
    )]
    UnknownTask,
    /// References or predictions without their questions.
    #[error("answers (`id` with `output`) without a questions file they belong to")]
    AnswersAlone,
    /// A ranking without its questions.
    #[error("lists by id, perhaps a ranking, without a questions file they belong to")]
    RankingAlone,
    /// An encrypted archive entry.
    #[error("encrypted; unpack it first")]
    Encrypted,
    /// An archive entry whose name leads out of the archive.
    #[error("an archive entry whose name leads out of the archive; it is not unpacked")]
    UnsafeName,
    /// An archive inside an archive.
    #[error("an archive inside an archive; unpack the outer one first")]
    NestedArchive,
    /// Unpacked content larger than the limit.
    #[error("unpacks to more than {limit} bytes, the limit; unpack it yourself if you trust it")]
    UnpacksTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// A file larger than what may be read whole.
    #[error("more than {limit} bytes, the limit for a file of this kind; name one in the outputs format")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// Content that unpacks to implausibly much.
    #[error("unpacks to more than {ratio} times its size, like an archive made to fill disks; it is refused")]
    UnpackRatio {
        /// The limit as a factor.
        ratio: u64,
    },
    /// An archive with more entries than the limit.
    #[error("an archive of more than {0} files")]
    TooManyEntries(usize),
    /// A damaged archive.
    #[error("the archive is damaged: {0}; download it again")]
    BadArchive(io::Error),
    /// The unpacked content could not be written.
    #[error("cannot write what it unpacks to into {path}: {source}", path = path.display())]
    CacheWrite {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A link that leads back to a folder it is in.
    #[error("a link that leads in a circle")]
    Loop,
    /// Folders nested deeper than the limit.
    #[error("folders nested more than {0} deep")]
    TooDeep(usize),
    /// The system refuses to read it.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
}

impl Reason {
    /// Whether the file was probably meant to be read; what merely lies beside is not.
    pub const fn is_error(&self) -> bool {
        !matches!(
            self,
            Reason::OtherFile
                | Reason::OtherJson
                | Reason::EmptyList
                | Reason::AnswersAlone
                | Reason::RankingAlone
                | Reason::Loop
        )
    }
}
