//! Files of golds and of outputs: one file, a zip, or a folder with one file a task.
//!
//! Knows the official outputs format and the tasks; nothing of metrics. Reading is bounded, whatever a zip claims.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::lamp::Task;

/// The most bytes that one file may hold, unpacked.
const MAX_BYTES: u64 = 1 << 30;
/// The most entries that a zip may list, and the deepest folder that is looked into.
const MAX_ENTRIES: usize = 10_000;
const MAX_DEPTH: usize = 4;

/// A file of golds or outputs could not be used.
#[derive(Debug, thiserror::Error)]
pub enum AnswersError {
    /// It could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A zip is damaged.
    #[error("cannot read the zip {}", path.display())]
    Zip {
        /// The file.
        path: PathBuf,
        /// Why.
        source: zip::result::ZipError,
    },
    /// It is larger than any real file of outputs.
    #[error("{} holds more than 1 GiB, unpacked; give a file in the outputs format", path.display())]
    TooLarge {
        /// The file, with the entry of a zip.
        path: PathBuf,
    },
    /// A zip lists too many entries, or a folder lies too deep.
    #[error("{} holds too many files or folders; give one with a file a task", path.display())]
    TooMany {
        /// The zip or folder.
        path: PathBuf,
    },
    /// A zip or folder without any JSON file.
    #[error("{} holds no .json file of outputs", path.display())]
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
    pub fn read(path: &Path) -> Result<Vec<Self>, AnswersError> {
        let failed = |source| AnswersError::Read { path: path.to_owned(), source };
        if path.is_dir() {
            let mut files = Vec::new();
            list(path, 0, &mut files)?;
            files.sort();
            if files.is_empty() {
                return Err(AnswersError::Empty { path: path.to_owned() });
            }
            return files.iter().map(|file| parse(file, &read_bounded(File::open(file), file)?)).collect();
        }
        let is_zip = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"));
        if !is_zip {
            return Ok(vec![parse(path, &read_bounded(File::open(path), path)?)?]);
        }
        let broken = |source| AnswersError::Zip { path: path.to_owned(), source };
        let mut archive = zip::ZipArchive::new(File::open(path).map_err(failed)?).map_err(broken)?;
        if archive.len() > MAX_ENTRIES {
            return Err(AnswersError::TooMany { path: path.to_owned() });
        }
        let names: Result<Vec<String>, _> = archive.file_names().map(|name| Ok(name?.into_owned())).collect();
        let mut names = names.map_err(broken)?;
        names.retain(|name| is_answers(name));
        names.sort();
        if names.is_empty() {
            return Err(AnswersError::Empty { path: path.to_owned() });
        }
        // All entries together may hold as much as one file: a small zip must not fill the memory.
        let mut left = MAX_BYTES;
        let mut found = Vec::new();
        for name in names {
            let inner = path.join(&name);
            let mut bytes = Vec::new();
            let entry = archive.by_name(&name).map_err(broken)?;
            let failed = |source| AnswersError::Read { path: inner.clone(), source };
            entry.take(left + 1).read_to_end(&mut bytes).map_err(failed)?;
            left =
                left.checked_sub(bytes.len() as u64).ok_or(AnswersError::TooLarge { path: inner.clone() })?;
            found.push(parse(&inner, &bytes)?);
        }
        Ok(found)
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
    lower.ends_with(".json") && !lower.contains("questions") && !lower.starts_with("__macosx")
}

fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), AnswersError> {
    let failed = |source| AnswersError::Read { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if files.len() >= MAX_ENTRIES || depth > MAX_DEPTH {
            return Err(AnswersError::TooMany { path: folder.to_owned() });
        }
        // Links are not followed: they may lead in circles.
        if entry.file_type().map_err(failed)?.is_dir() {
            list(&path, depth + 1, files)?;
        } else if is_answers(&entry.file_name().to_string_lossy()) {
            files.push(path);
        }
    }
    Ok(())
}

fn read_bounded(file: io::Result<File>, path: &Path) -> Result<Vec<u8>, AnswersError> {
    let mut bytes = Vec::new();
    let read = file.and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(|source| AnswersError::Read { path: path.to_owned(), source })?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(AnswersError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
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
        None | Some(Value::Null) => path
            .iter()
            .rev()
            .filter_map(|part| part.to_str())
            .find_map(|part| official(part.trim_end_matches(".json").get(..6)?)),
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
