//! What a file's path and content say about its task, setting and split.
//!
//! Content decides the task (the wording of the inputs, then the fields of the entries) and the setting (dates,
//! user ids); the path decides the split and which files belong together.

use std::path::{Path, PathBuf};

use super::index::Index;
use super::record::{Field, Fields};
use super::source::Location;
use crate::lamp::{Setting, Split, Task};

/// How many parts at the end of a path are looked at.
const PARTS: usize = 5;

/// `LaMP_N` with what may stand behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TaskHint {
    number: u8,
    /// Known where a letter or the folder `new` tells 2N from 2M.
    task: Option<Task>,
}

impl TaskHint {
    pub fn allows(self, task: Task) -> bool {
        self.task.map_or(number(task) == self.number, |only| only == task)
    }

    pub fn allows_hint(self, other: TaskHint) -> bool {
        self.number == other.number
            && (self.task.is_none() || other.task.is_none() || self.task == other.task)
    }

    /// From a golds file's `task`.
    pub fn named(name: &str) -> Option<Self> {
        task_hint(&tokens(name))
    }
}

fn number(task: Task) -> u8 {
    match task {
        Task::Lamp1 => 1,
        Task::Lamp2N | Task::Lamp2M => 2,
        Task::Lamp3 => 3,
        Task::Lamp4 => 4,
        Task::Lamp5 => 5,
        Task::Lamp6 => 6,
        Task::Lamp7 => 7,
    }
}

/// What a path tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Hints {
    pub task: Option<TaskHint>,
    pub time: bool,
    pub split: Option<Split>,
    /// The name says that it holds golds, or on the contrary predictions.
    pub golds: bool,
    pub predictions: bool,
    pub folder: PathBuf,
    /// The file's name without what tells split and role.
    pub stem: String,
}

impl Hints {
    pub fn of(location: &Location) -> Self {
        let path = location.path();
        // Relative paths (`.`) tell as much as whole ones once they are whole.
        let whole = if location.entry.is_none() { std::path::absolute(&path).unwrap_or(path) } else { path };
        let parts: Vec<Vec<String>> = whole
            .components()
            .rev()
            .take(PARTS)
            .map(|part| tokens(&part.as_os_str().to_string_lossy()))
            .collect();
        let name = parts.first().cloned().unwrap_or_default();
        let mut hints =
            Hints { folder: whole.parent().unwrap_or(Path::new("")).to_owned(), ..Hints::default() };
        // Of folders only whole names count: `test_data` or `time series` say nothing about their files.
        let telling = || {
            parts
                .iter()
                .enumerate()
                .filter(|(place, part)| *place == 0 || part.len() == 1 || task_hint(part).is_some())
        };
        hints.split = telling().find_map(|(_, part)| part.iter().find_map(|token| split(token)));
        hints.time = telling().any(|(_, part)| part.iter().any(|token| token == "time"));
        hints.task = parts.iter().find_map(|part| task_hint(part));
        let is_new = parts.iter().take(3).any(|part| part.len() == 1 && part[0] == "new");
        if let Some(hint) = &mut hints.task
            && hint.number == 2
            && hint.task.is_none()
            && is_new
        {
            hint.task = Some(Task::Lamp2M);
        }
        hints.golds = name
            .iter()
            .any(|token| matches!(token.as_str(), "outputs" | "output" | "golds" | "gold" | "answers"));
        hints.predictions = name.iter().any(|token| token.starts_with("pred") || token == "submission");
        let is_role = |token: &str| {
            split(token).is_some()
                || matches!(
                    token,
                    "questions"
                        | "question"
                        | "inputs"
                        | "outputs"
                        | "output"
                        | "golds"
                        | "gold"
                        | "answers"
                        | "merged"
                        | "json"
                        | "gz"
                        | "rank"
                        | "ranking"
                        | "rankings"
                        | "ranked"
                )
        };
        hints.stem = name.into_iter().filter(|token| !is_role(token)).collect::<Vec<_>>().join("_");
        hints
    }
}

fn tokens(part: &str) -> Vec<String> {
    part.split(|c: char| !c.is_alphanumeric())
        .filter(|token| !token.is_empty())
        .map(str::to_lowercase)
        .collect()
}

fn split(token: &str) -> Option<Split> {
    match token {
        "train" | "training" => Some(Split::Train),
        "dev" | "val" | "valid" | "validation" => Some(Split::Dev),
        "test" => Some(Split::Test),
        _ => None,
    }
}

fn task_hint(tokens: &[String]) -> Option<TaskHint> {
    tokens.iter().enumerate().find_map(|(place, token)| {
        let rest = token.strip_prefix("lamp")?;
        let rest = if rest.is_empty() { tokens.get(place + 1)?.as_str() } else { rest };
        let number = rest.bytes().next().filter(|digit| (b'1'..=b'7').contains(digit))? - b'0';
        let task = match &rest[1..] {
            "" => None,
            "n" if number == 2 => Some(Task::Lamp2N),
            "m" if number == 2 => Some(Task::Lamp2M),
            _ => return None,
        };
        Some(TaskHint { number, task })
    })
}

/// The task that the content is of: by the wording of most inputs, else by the fields of the entries, where the
/// path may decide between tasks that share them. `None` where nothing tells.
pub(super) fn task_of(index: &Index, hint: Option<TaskHint>) -> Option<Task> {
    let (place, &count) =
        index.wordings[..8].iter().enumerate().max_by_key(|&(place, count)| (*count, 8 - place))?;
    if count > 0 {
        return Task::ALL.get(place).copied();
    }
    let fields = index.rows.iter().fold(Fields::NONE, |fields, row| fields.union(row.any_entry));
    let candidates: &[Task] = if fields.has(Field::Tag) || fields.has(Field::Description) {
        &[Task::Lamp2M]
    } else if fields.has(Field::Category) {
        &[Task::Lamp2N]
    } else if fields.has(Field::Score) {
        &[Task::Lamp3]
    } else if fields.has(Field::Abstract) {
        &[Task::Lamp1, Task::Lamp5]
    } else if fields.has(Field::Title) {
        &[Task::Lamp4, Task::Lamp6]
    } else if fields.has(Field::Text) {
        &[Task::Lamp7, Task::Lamp6]
    } else {
        &Task::ALL
    };
    match (candidates, hint) {
        ([only], _) => Some(*only),
        (many, Some(hint)) => many.iter().copied().find(|&task| hint.allows(task)),
        _ => None,
    }
}

/// The setting that the content shows: dates and user ids exist in the time setting only.
pub(super) fn setting_of(index: &Index, hints: &Hints) -> Setting {
    let dated = index.rows.iter().any(|row| row.dated > 0 || row.fields.has(Field::UserId));
    if dated || hints.time { Setting::Time } else { Setting::User }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(path: &str) -> Hints {
        Hints::of(&Location { file: path.into(), entry: None })
    }

    #[test]
    fn paths_tell_task_setting_and_split() {
        use Task::*;
        for (path, allowed, refused, time, split) in [
            ("/d/LaMP_1/dev/dev_questions.json", Lamp1, Lamp5, false, Some(Split::Dev)),
            ("/d/LaMP_2/new/train/train_questions.json", Lamp2M, Lamp2N, false, Some(Split::Train)),
            ("/d/LaMP_2/test/test_questions.json", Lamp2N, Lamp3, false, Some(Split::Test)),
            ("/d/time/LaMP_3/test/test_questions.json", Lamp3, Lamp2M, true, Some(Split::Test)),
            ("/d/LaMP_3_dev_questions.json", Lamp3, Lamp4, false, Some(Split::Dev)),
            ("/d/lamp-2m_validation.json.gz", Lamp2M, Lamp2N, false, Some(Split::Dev)),
            ("/d/LaMP_7_time/train_merged.json", Lamp7, Lamp6, true, Some(Split::Train)),
            ("/d/lamp4/questions.json", Lamp4, Lamp6, false, None),
        ] {
            let found = hints(path);
            let task = found.task.unwrap();
            assert!(task.allows(allowed) && !task.allows(refused), "{path}: {task:?}");
            assert_eq!((found.time, found.split), (time, split), "{path}");
        }
        assert_eq!(hints("/d/lamplight/dev_questions.json").task, None);
        assert!(hints("/d/LaMP_2/dev.json").task.unwrap().allows(Lamp2M), "a bare 2 leaves both open");
    }

    #[test]
    fn names_of_one_pair_share_their_stem() {
        assert_eq!(hints("/d/LaMP_3_dev_questions.json").stem, hints("/d/LaMP_3_dev_outputs.json.gz").stem);
        assert_ne!(hints("/d/LaMP_3_dev_questions.json").stem, hints("/d/LaMP_4_dev_outputs.json").stem);
    }
}
