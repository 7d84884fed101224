//! The leaderboard's submission: a zip with one file of outputs a task.
//!
//! Each file is `{"task": "LaMP_4", "golds": [{"id": …, "output": …}]}`, with the ids in the order of the questions. Nothing is written
//! unless every question of every task has exactly one output.

use std::collections::{HashMap, HashSet};
use std::io::{self, Cursor, Write};

use serde::Serialize;
use zip::write::SimpleFileOptions;

use crate::lamp::{Setting, Split, Task};
use crate::record::RunRecord;

/// How many ids an error names.
const NAMED_IDS: usize = 5;

/// Why a submission cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SubmissionError {
    /// No run at all.
    #[error("a submission needs at least one run; name one for each task")]
    NoRuns,
    /// Runs of several splits or settings.
    #[error(
        "run {first} is of the {first_setting} setting's {first_split} split and run {second} of the {second_setting} setting's \
         {second_split} split; a submission is of one setting and split"
    )]
    Mixed {
        /// One run.
        first: String,
        /// Its setting.
        first_setting: Setting,
        /// Its split.
        first_split: Split,
        /// Another.
        second: String,
        /// Its setting.
        second_setting: Setting,
        /// Its split.
        second_split: Split,
    },
    /// Two runs of one task.
    #[error("runs {first} and {second} are both of {task}; choose one of them")]
    SameTask {
        /// One run.
        first: String,
        /// Another.
        second: String,
        /// Their task.
        task: Task,
    },
    /// Both tasks that the leaderboard calls LaMP_2.
    #[error(
        "run {first} is of {first_task} and run {second} of {second_task}, which are both LaMP_2 to the leaderboard; choose one of \
         them"
    )]
    SameName {
        /// One run.
        first: String,
        /// Its task.
        first_task: Task,
        /// Another.
        second: String,
        /// Its task.
        second_task: Task,
    },
    /// The questions have one id more than once.
    #[error("{task}: the questions have the id `{id}` more than once; check the questions' file")]
    DuplicateQuestion {
        /// The task.
        task: Task,
        /// The id.
        id: String,
    },
    /// A run has two outputs for one id.
    #[error(
        "{task}: run {run} has more than one output for the id `{id}`; check the questions' file that it was made from"
    )]
    DuplicateOutput {
        /// The task.
        task: Task,
        /// The run.
        run: String,
        /// The id.
        id: String,
    },
    /// Outputs and questions do not have the same ids.
    #[error(
        "{task}: run {run} lacks outputs for {missing} of the questions{missing_ids} and has {extra} for none of \
         them{extra_ids}; resume the run, or run it over all of these questions"
    )]
    Ids {
        /// The task.
        task: Task,
        /// The run.
        run: String,
        /// How many are missing.
        missing: usize,
        /// The first of them, in parentheses.
        missing_ids: String,
        /// How many are too many.
        extra: usize,
        /// The first of them, in parentheses.
        extra_ids: String,
    },
    /// The zip could not be made.
    #[error("the zip could not be made: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// The zip could not be made.
    #[error("the zip could not be made: {0}")]
    Write(#[from] io::Error),
}

/// Checks that runs may be submitted together: of one setting and split, and each of another task in the leaderboard's sense.
///
/// # Errors
/// The first two runs that may not.
pub fn check_runs(runs: &[RunRecord]) -> Result<(), SubmissionError> {
    let Some(first) = runs.first() else { return Err(SubmissionError::NoRuns) };
    let mut seen: HashMap<&str, &RunRecord> = HashMap::new();
    for run in runs {
        let (one, other) = (&first.spec.dataset, &run.spec.dataset);
        if (one.setting, one.split) != (other.setting, other.split) {
            return Err(SubmissionError::Mixed {
                first: first.short_key().to_owned(),
                first_setting: one.setting,
                first_split: one.split,
                second: run.short_key().to_owned(),
                second_setting: other.setting,
                second_split: other.split,
            });
        }
        if let Some(earlier) = seen.insert(other.task.official_id(), run) {
            let (first, second) = (earlier.short_key().to_owned(), run.short_key().to_owned());
            let (first_task, second_task) = (earlier.spec.dataset.task, other.task);
            return Err(if first_task == second_task {
                SubmissionError::SameTask { first, second, task: first_task }
            } else {
                SubmissionError::SameName { first, first_task, second, second_task }
            });
        }
    }
    Ok(())
}

/// One task's outputs, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskOutputs {
    #[serde(rename = "task")]
    official_id: &'static str,
    golds: Vec<Output>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Output {
    id: String,
    output: String,
}

impl TaskOutputs {
    /// Puts a run's outputs (id and answer; none for samples that failed) in the order of the questions' ids.
    ///
    /// # Errors
    /// Where an id stands twice on a side, or the sides do not have the same ids.
    pub fn new(
        run: &RunRecord,
        questions: &[String],
        outputs: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SubmissionError> {
        let (task, name) = (run.spec.dataset.task, run.short_key());
        let mut known = HashSet::with_capacity(questions.len());
        if let Some(id) = questions.iter().find(|id| !known.insert(id.as_str())) {
            return Err(SubmissionError::DuplicateQuestion { task, id: id.clone() });
        }
        let mut answers: HashMap<String, String> = HashMap::with_capacity(questions.len());
        let mut extra = Vec::new();
        for (id, output) in outputs {
            if !known.contains(id.as_str()) {
                extra.push(id);
            } else if answers.contains_key(&id) {
                return Err(SubmissionError::DuplicateOutput { task, run: name.to_owned(), id });
            } else {
                answers.insert(id, output);
            }
        }
        let mut golds = Vec::with_capacity(questions.len());
        let mut missing = Vec::new();
        for id in questions {
            match answers.remove(id) {
                Some(output) => golds.push(Output { id: id.clone(), output }),
                None => missing.push(id.clone()),
            }
        }
        if !missing.is_empty() || !extra.is_empty() {
            return Err(SubmissionError::Ids {
                task,
                run: name.to_owned(),
                missing: missing.len(),
                missing_ids: first_ids(&missing),
                extra: extra.len(),
                extra_ids: first_ids(&extra),
            });
        }
        Ok(Self { official_id: task.official_id(), golds })
    }

    /// The file's name within the zip.
    pub fn file_name(&self) -> String {
        format!("{}.json", self.official_id)
    }

    /// How many outputs there are.
    pub fn len(&self) -> usize {
        self.golds.len()
    }

    /// Whether there are no questions.
    pub fn is_empty(&self) -> bool {
        self.golds.is_empty()
    }
}

/// The first few ids in parentheses, or nothing.
fn first_ids(ids: &[String]) -> String {
    if ids.is_empty() {
        return String::new();
    }
    let named: Vec<&str> = ids.iter().take(NAMED_IDS).map(String::as_str).collect();
    let more = if ids.len() > NAMED_IDS { ", …" } else { "" };
    format!(" ({}{more})", named.join(", "))
}

/// The zip: files in the order of the tasks' names, all with the same fixed time, so that equal outputs are equal bytes.
///
/// # Errors
/// Where the zip cannot be made.
pub fn zip(tasks: &[TaskOutputs]) -> Result<Vec<u8>, SubmissionError> {
    let mut order: Vec<&TaskOutputs> = tasks.iter().collect();
    order.sort_by_key(|task| task.official_id);
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .compression_level(Some(6))
        .last_modified_time(zip::DateTime::default())
        .unix_permissions(0o644);
    for task in order {
        zip.start_file(task.file_name(), options)?;
        let json = serde_json::to_vec(task).map_err(io::Error::from)?;
        zip.write_all(&json)?;
    }
    Ok(zip.finish()?.into_inner())
}
