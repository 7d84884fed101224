//! The leaderboard's submission: a zip with one file of outputs a task.
//!
//! Each file is `{"task": "LaMP_4", "golds": [{"id": …, "output": …}]}`, with the ids in the order of the questions. Nothing is written
//! unless every question of every task has exactly one output.

use std::collections::hash_map::Entry;
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
                continue;
            }
            match answers.entry(id) {
                Entry::Vacant(place) => {
                    place.insert(output);
                }
                Entry::Occupied(twice) => {
                    let id = twice.key().clone();
                    return Err(SubmissionError::DuplicateOutput { task, run: name.to_owned(), id });
                }
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

/// The first few ids in parentheses, after a space; nothing where there are none.
pub fn first_ids(ids: &[String]) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{RunId, RunStatus, Totals, test_spec};

    fn run(task: Task) -> RunRecord {
        let mut spec = test_spec();
        spec.dataset.task = task;
        RunRecord {
            id: RunId(1),
            key: spec.key(),
            spec,
            status: RunStatus::Done,
            reason: None,
            samples: 2,
            totals: Totals::default(),
            prices: None,
            created_ms: 0,
            finished_ms: None,
            active_ms: 0,
            aggregate: None,
        }
    }

    fn outputs(ids: &[&str]) -> Vec<(String, String)> {
        ids.iter().map(|id| ((*id).to_owned(), format!("output of {id}"))).collect()
    }

    fn checked(questions: &[&str], ids: &[&str]) -> Result<TaskOutputs, SubmissionError> {
        let questions: Vec<String> = questions.iter().map(|id| (*id).to_owned()).collect();
        TaskOutputs::new(&run(Task::Lamp4), &questions, outputs(ids))
    }

    #[test]
    fn outputs_stand_in_the_order_of_the_questions() {
        let task = checked(&["010", "10", "2"], &["2", "10", "010"]).unwrap();
        assert_eq!(
            serde_json::to_string(&task).unwrap(),
            r#"{"task":"LaMP_4","golds":[{"id":"010","output":"output of 010"},{"id":"10","output":"output of 10"},{"id":"2","output":"output of 2"}]}"#
        );
        assert_eq!((task.file_name().as_str(), task.len()), ("LaMP_4.json", 3));
    }

    #[test]
    fn ids_that_do_not_fit_are_named() {
        for (questions, ids, words) in [
            (&["1", "2"][..], &["1"][..], "lacks outputs for 1 of the questions (2) and has 0 for none"),
            (&["1"], &["1", "3"], "for none of them (3)"),
            (&["1"], &["01"], "(1) and has 1 for none of them (01)"),
            (&["1", "1"], &["1"], "the questions have the id `1` more than once"),
            (&["1", "2"], &["1", "2", "1"], "more than one output for the id `1`"),
            (&["1", "2", "3", "4", "5", "6", "7"], &[], "(1, 2, 3, 4, 5, …)"),
        ] {
            let error = checked(questions, ids).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn runs_of_one_name_or_of_several_splits_are_refused_together() {
        assert!(check_runs(&[]).unwrap_err().to_string().contains("at least one run"));
        assert!(check_runs(&[run(Task::Lamp2N), run(Task::Lamp3)]).is_ok());
        let error = check_runs(&[run(Task::Lamp2N), run(Task::Lamp2M)]).unwrap_err().to_string();
        assert!(
            error.contains("LaMP-2N") && error.contains("LaMP-2M") && error.contains("both LaMP_2"),
            "{error}"
        );
        let error = check_runs(&[run(Task::Lamp3), run(Task::Lamp3)]).unwrap_err().to_string();
        assert!(error.contains("both of LaMP-3"), "{error}");
        let mut test = run(Task::Lamp5);
        test.spec.dataset.split = Split::Test;
        let error = check_runs(&[run(Task::Lamp3), test]).unwrap_err().to_string();
        assert!(error.contains("dev split") && error.contains("test split"), "{error}");
    }

    #[test]
    fn files_stand_in_order_whatever_the_order_of_runs() {
        let of = |task| TaskOutputs::new(&run(task), &["1".to_owned()], outputs(&["1"])).unwrap();
        let (three, five) = (of(Task::Lamp3), of(Task::Lamp5));
        assert_eq!(zip(&[three.clone(), five.clone()]).unwrap(), zip(&[five, three]).unwrap());
    }
}
