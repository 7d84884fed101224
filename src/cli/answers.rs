//! Files of golds and of outputs: one file, plain or gzipped, a zip, or a folder with one file a task.
//!
//! Knows the official outputs format and the tasks; nothing of metrics, nor of how files are packed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::dataset::{self, DatasetError, Reason};
use crate::jobs::CancelToken;
use crate::lamp::Task;

/// A file of golds or outputs could not be used.
#[derive(Debug, thiserror::Error)]
pub enum AnswersError {
    /// Nothing could be read at all, or the work was canceled.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// A file, or the entry of a zip, could not be read.
    #[error("cannot read {}: {reason}", path.display())]
    Read {
        /// The file, with the entry of a zip.
        path: PathBuf,
        /// Why.
        reason: Reason,
    },
    /// A zip or folder without any JSON file.
    #[error("{} holds no .json or .json.gz file of outputs", path.display())]
    Empty {
        /// The zip or folder.
        path: PathBuf,
    },
    /// Broken JSON.
    #[error("{} is no JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where it breaks.
        source: serde_json::Error,
    },
    /// JSON of another shape.
    #[error("{} is not in the outputs format; it must be an array, or an object with `golds`, of objects with `id` and `output`", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
    },
    /// One record of another shape.
    #[error("record {record} of {} (counted from 1): `{field}` must be a text", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        record: usize,
        /// `id` or `output`.
        field: &'static str,
    },
    /// Two records with one id.
    #[error("id `{id}` stands in {} more than once; keep one of its records", path.display())]
    DuplicateId {
        /// The file.
        path: PathBuf,
        /// The id.
        id: String,
    },
    /// `task` names no task.
    #[error("{} gives its task as {given}; use LaMP_1 to LaMP_7, or say it with --task", path.display())]
    UnknownTask {
        /// The file.
        path: PathBuf,
        /// What it says, as JSON.
        given: String,
    },
}

/// The answers of one file, golds or outputs alike.
#[derive(Debug)]
pub struct Answers {
    /// The file, with the entry of a zip.
    pub path: PathBuf,
    /// The official id (`LaMP_2` for either of its tasks), where the file or its path says it.
    pub official_id: Option<&'static str>,
    /// Ids and texts, in file order.
    pub records: Vec<(String, String)>,
}

impl Answers {
    /// Reads a file, or every JSON file of a zip or folder, in order of their names.
    pub fn read(path: &Path, cancel: &CancelToken) -> Result<Vec<Self>, AnswersError> {
        let files = dataset::read_whole(path, &is_answers, cancel)?;
        if files.is_empty() {
            return Err(AnswersError::Empty { path: path.to_owned() });
        }
        let read = |(location, bytes): dataset::ReadFile| {
            let path = location.path();
            match bytes {
                Ok(bytes) => parse(&path, &bytes),
                Err(reason) => Err(AnswersError::Read { path, reason }),
            }
        };
        files.into_iter().map(read).collect()
    }

    /// Which of the tasks with the file's official id this is; `LaMP_2` is decided by whose labels occur more.
    pub fn task(&self) -> Option<Task> {
        let official_id = self.official_id?;
        let labels = |task: &Task| {
            let known = |text: &str| task.labels().contains(&crate::lamp::python_strip(text));
            self.records.iter().filter(|(_, text)| known(text)).count()
        };
        let mut candidates = Task::ALL.into_iter().filter(|task| task.official_id() == official_id);
        let first = candidates.next()?;
        match candidates.next() {
            None => Some(first),
            Some(second) => match labels(&first).cmp(&labels(&second)) {
                std::cmp::Ordering::Greater => Some(first),
                std::cmp::Ordering::Less => Some(second),
                std::cmp::Ordering::Equal => None,
            },
        }
    }
}

/// Whether a file of a zip or folder may hold outputs.
fn is_answers(name: &str) -> bool {
    let lower = name.to_lowercase();
    let is_json = lower.ends_with(".json") || lower.ends_with(".json.gz");
    is_json && !lower.contains("questions") && !lower.starts_with("__macosx")
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Answers, AnswersError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|source| AnswersError::Json { path: path.to_owned(), source })?;
    let (records, task) = match &value {
        Value::Array(records) => (records, None),
        Value::Object(object) => match object.get("golds") {
            Some(Value::Array(records)) => (records, object.get("task")),
            _ => return Err(AnswersError::Shape { path: path.to_owned() }),
        },
        _ => return Err(AnswersError::Shape { path: path.to_owned() }),
    };
    let official = |name: &str| {
        Task::ALL
            .into_iter()
            .map(Task::official_id)
            .find(|id| id.eq_ignore_ascii_case(&name.replace('-', "_")))
    };
    let official_id = match task {
        None | Some(Value::Null) => {
            path.iter().rev().filter_map(|part| part.to_str()).find_map(|part| official(part.get(..6)?))
        }
        Some(given) => {
            let unknown = || AnswersError::UnknownTask { path: path.to_owned(), given: given.to_string() };
            Some(given.as_str().and_then(official).ok_or_else(unknown)?)
        }
    };
    let mut seen: HashMap<&str, ()> = HashMap::with_capacity(records.len());
    let mut answers = Vec::with_capacity(records.len());
    for (at, record) in records.iter().enumerate() {
        let text = |field: &'static str| {
            let wrong = || AnswersError::Field { path: path.to_owned(), record: at + 1, field };
            record.get(field).and_then(Value::as_str).ok_or_else(wrong)
        };
        let (id, output) = (text("id")?, text("output")?);
        if seen.insert(id, ()).is_some() {
            return Err(AnswersError::DuplicateId { path: path.to_owned(), id: id.to_owned() });
        }
        answers.push((id.to_owned(), output.to_owned()));
    }
    Ok(Answers { path: path.to_owned(), official_id, records: answers })
}
