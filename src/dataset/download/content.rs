//! Whether bytes are the JSON file of a task that they should be, looked at while they arrive.
//!
//! Every record must be a JSON object, the list around them must be whole, and the first records must be of the task.
//! That is enough to tell a wrong address, a wrong file or a broken one; the dataset check looks closer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::{FileKind, OfficialFile};
use crate::dataset::splitter::{SplitError, Splitter};
use crate::fetch::{Inspect, Rejection};
use crate::lamp::{Setting, Task};

/// How many records are looked into; of the others only the form is checked.
const LOOKED_INTO: u64 = 20;

/// Why content is not the file it should be.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// It is not a whole JSON list of records.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// A record is not JSON.
    #[error("record {record} is not valid JSON: {source}")]
    Record {
        /// Counted from 1.
        record: u64,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A record is not UTF-8.
    #[error("record {record} is not UTF-8: {source}")]
    Encoding {
        /// Counted from 1.
        record: u64,
        /// Where it is not.
        source: std::str::Utf8Error,
    },
    /// A record lacks a field, or holds something else there.
    #[error("record {record} has no usable `{field}`, which {task} ({setting}) needs")]
    Field {
        /// Counted from 1.
        record: u64,
        /// The field, or the profile entry's field.
        field: &'static str,
        /// The task asked for.
        task: Task,
        /// The setting asked for.
        setting: Setting,
    },
    /// It is of another task.
    #[error("it belongs to {found}, not to {expected}")]
    OtherTask {
        /// The task asked for.
        expected: Task,
        /// What it says it is.
        found: String,
    },
    /// It has no records at all.
    #[error("it has no records")]
    NoRecords,
}

/// How each task's input begins (arXiv 2304.11406, appendix), enough of it to tell them apart.
const fn opening(task: Task) -> &'static str {
    match task {
        Task::Lamp1 => "For an author who has written the paper with the title",
        Task::Lamp2N => "Which category does this article relate to",
        Task::Lamp2M => "Which tag does this movie relate to",
        Task::Lamp3 => "What is the score of the following review",
        Task::Lamp4 => "Generate a headline for the following article:",
        Task::Lamp5 => "Generate a title for the following abstract of a paper:",
        Task::Lamp6 => "Generate a subject for the following email:",
        Task::Lamp7 => "Paraphrase the following tweet",
    }
}

/// Looks at one official file's bytes.
pub(super) struct ContentCheck {
    file: OfficialFile,
    splitter: Splitter,
    /// Whether a record with a profile was looked into.
    profile_seen: bool,
    records: Arc<AtomicU64>,
}

impl ContentCheck {
    /// A check of a file whose count of records goes to `records`.
    pub(super) fn new(file: OfficialFile, records: Arc<AtomicU64>) -> Self {
        Self { file, splitter: Splitter::default(), profile_seen: false, records }
    }

    fn look(&mut self, bytes: &[u8]) -> Result<(), ContentError> {
        let mut number = self.splitter.records();
        let (file, profile_seen) = (self.file, &mut self.profile_seen);
        self.splitter.push(bytes, &mut |record| {
            number += 1;
            std::str::from_utf8(record)
                .map_err(|source| ContentError::Encoding { record: number, source })?;
            if number <= LOOKED_INTO || !*profile_seen {
                let value = serde_json::from_slice(record)
                    .map_err(|source| ContentError::Record { record: number, source })?;
                *profile_seen |= look_into(&file, number, &value)?;
            } else {
                serde_json::from_slice::<serde::de::IgnoredAny>(record)
                    .map_err(|source| ContentError::Record { record: number, source })?;
            }
            Ok(())
        })
    }

    fn end(&self) -> Result<(), ContentError> {
        self.splitter.finish()?;
        if self.splitter.records() == 0 {
            return Err(ContentError::NoRecords);
        }
        // That it is JSON is what the splitter has just said.
        let envelope: Value = serde_json::from_slice(&self.splitter.envelope()).unwrap_or_default();
        let expected = self.file.task;
        match envelope.get("task").and_then(Value::as_str) {
            Some(found) if found != expected.official_id() => {
                Err(ContentError::OtherTask { expected, found: found.to_owned() })
            }
            _ => Ok(()),
        }
    }
}

/// Looks into a record; returns whether it says all that can be known of its file.
fn look_into(file: &OfficialFile, record: u64, value: &Value) -> Result<bool, ContentError> {
    let (task, setting) = (file.task, file.setting);
    let lacks = |field| ContentError::Field { record, field, task, setting };
    let text = |of: &Value, field: &'static str| match of.get(field) {
        Some(Value::String(_)) => Ok(()),
        _ => Err(lacks(field)),
    };
    text(value, "id")?;
    if file.kind == FileKind::Outputs {
        text(value, "output")?;
        return Ok(true);
    }
    text(value, "input")?;
    let input = value.get("input").and_then(Value::as_str).unwrap_or_default();
    // Real inputs lack their instruction now and then, but none has another task's.
    if let Some(other) =
        Task::ALL.into_iter().find(|other| *other != task && input.starts_with(opening(*other)))
    {
        return Err(ContentError::OtherTask { expected: task, found: other.id().to_owned() });
    }
    let profile = value.get("profile").and_then(Value::as_array).ok_or_else(|| lacks("profile"))?;
    let Some(entry) = profile.first() else { return Ok(false) };
    text(entry, "id")?;
    text(entry, task.text_field())?;
    // LaMP-6 without its mails has no titles yet.
    if let Some(title) = task.title_field().filter(|_| task != Task::Lamp6) {
        text(entry, title)?;
    }
    if let Some(label) = task.label_field() {
        text(entry, label)?;
    }
    if setting == Setting::Time {
        text(entry, "date")?;
    }
    Ok(true)
}

impl Inspect for ContentCheck {
    fn update(&mut self, bytes: &[u8]) -> Result<(), Rejection> {
        Ok(self.look(bytes)?)
    }

    fn finish(&mut self) -> Result<(), Rejection> {
        self.end()?;
        self.records.store(self.splitter.records(), Ordering::Relaxed);
        Ok(())
    }
}
