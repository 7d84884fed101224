//! Tasks, settings, splits and metrics: the names of things.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name that is no task, setting, split or metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a {what}; use one of {expected}")]
pub struct UnknownName {
    what: &'static str,
    given: String,
    expected: String,
}

/// One of LaMP's tasks (arXiv 2304.11406, section 3). LaMP-2 exists twice: news
/// categories in the first release (2N) and movie tags in the current one (2M).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Task {
    /// Citation identification: which of two papers does the author cite.
    Lamp1,
    /// News categorization, 15 categories (first release).
    Lamp2N,
    /// Movie tagging, 15 tags (current release).
    Lamp2M,
    /// Product rating, 1 to 5.
    Lamp3,
    /// News headline generation.
    Lamp4,
    /// Scholarly title generation.
    Lamp5,
    /// Email subject generation.
    Lamp6,
    /// Tweet paraphrasing.
    Lamp7,
}

/// What kind of answer a task asks for; it decides parsing and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// One label of a closed list.
    Classification,
    /// A number from 1 to 5, where being close counts.
    Rating,
    /// Free text.
    Generation,
}

/// A whole-run figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metric {
    /// Share of predictions equal to their reference.
    Accuracy,
    /// F1 averaged over the whole label list.
    MacroF1,
    /// Mean absolute error of ratings.
    Mae,
    /// Root mean squared error of ratings.
    Rmse,
    /// Unigram overlap, F-measure.
    Rouge1,
    /// Bigram overlap, F-measure.
    Rouge2,
    /// Longest common subsequence, F-measure.
    RougeL,
    /// Longest common subsequence over sentences, F-measure.
    RougeLsum,
    /// Corpus BLEU as sacreBLEU computes it, 0 to 100.
    SacreBleu,
    /// METEOR.
    Meteor,
}

impl Task {
    /// All tasks in the benchmark's order.
    pub const ALL: [Task; 8] = [
        Task::Lamp1,
        Task::Lamp2N,
        Task::Lamp2M,
        Task::Lamp3,
        Task::Lamp4,
        Task::Lamp5,
        Task::Lamp6,
        Task::Lamp7,
    ];

    /// The id used throughout: `LaMP-1`, `LaMP-2N`, `LaMP-2M`, … `LaMP-7`.
    pub const fn id(self) -> &'static str {
        match self {
            Task::Lamp1 => "LaMP-1",
            Task::Lamp2N => "LaMP-2N",
            Task::Lamp2M => "LaMP-2M",
            Task::Lamp3 => "LaMP-3",
            Task::Lamp4 => "LaMP-4",
            Task::Lamp5 => "LaMP-5",
            Task::Lamp6 => "LaMP-6",
            Task::Lamp7 => "LaMP-7",
        }
    }

    /// The value of `task` in official output files; 2N and 2M share `LaMP_2`.
    pub const fn official_id(self) -> &'static str {
        match self {
            Task::Lamp1 => "LaMP_1",
            Task::Lamp2N | Task::Lamp2M => "LaMP_2",
            Task::Lamp3 => "LaMP_3",
            Task::Lamp4 => "LaMP_4",
            Task::Lamp5 => "LaMP_5",
            Task::Lamp6 => "LaMP_6",
            Task::Lamp7 => "LaMP_7",
        }
    }

    /// The task's folder in the official layout, with `/` between parts.
    pub const fn official_folder(self) -> &'static str {
        match self {
            Task::Lamp2M => "LaMP_2/new",
            other => other.official_id(),
        }
    }

    /// What the task is called in the paper.
    pub const fn name(self) -> &'static str {
        match self {
            Task::Lamp1 => "Citation identification",
            Task::Lamp2N => "News categorization",
            Task::Lamp2M => "Movie tagging",
            Task::Lamp3 => "Product rating",
            Task::Lamp4 => "News headline generation",
            Task::Lamp5 => "Scholarly title generation",
            Task::Lamp6 => "Email subject generation",
            Task::Lamp7 => "Tweet paraphrasing",
        }
    }

    /// What kind of answer the task asks for.
    pub const fn kind(self) -> TaskKind {
        match self {
            Task::Lamp1 | Task::Lamp2N | Task::Lamp2M => TaskKind::Classification,
            Task::Lamp3 => TaskKind::Rating,
            Task::Lamp4 | Task::Lamp5 | Task::Lamp6 | Task::Lamp7 => TaskKind::Generation,
        }
    }

    /// The closed list of labels, case-sensitive and in the official order; empty for generation.
    pub const fn labels(self) -> &'static [&'static str] {
        match self {
            Task::Lamp1 => &["[1]", "[2]"],
            Task::Lamp2N => &[
                "food & drink",
                "sports",
                "education",
                "parents",
                "religion",
                "travel",
                "business",
                "crime",
                "science & technology",
                "culture & arts",
                "entertainment",
                "politics",
                "women",
                "style & beauty",
                "healthy living",
            ],
            Task::Lamp2M => &[
                "sci-fi",
                "based on a book",
                "comedy",
                "action",
                "twist ending",
                "dystopia",
                "dark comedy",
                "classic",
                "psychology",
                "fantasy",
                "romance",
                "thought-provoking",
                "social commentary",
                "violence",
                "true story",
            ],
            Task::Lamp3 => &["1", "2", "3", "4", "5"],
            Task::Lamp4 | Task::Lamp5 | Task::Lamp6 | Task::Lamp7 => &[],
        }
    }

    /// The metrics the benchmark reports, the primary one first.
    pub const fn metrics(self) -> &'static [Metric] {
        match self.kind() {
            TaskKind::Classification => &[Metric::Accuracy, Metric::MacroF1],
            TaskKind::Rating => &[Metric::Mae, Metric::Rmse],
            TaskKind::Generation => &[Metric::Rouge1, Metric::RougeL],
        }
    }

    /// The metric by which a task is tuned and ranked.
    pub const fn primary_metric(self) -> Metric {
        self.metrics()[0]
    }

    /// The JSON field of a profile entry that holds its long text.
    pub const fn text_field(self) -> &'static str {
        match self {
            Task::Lamp1 | Task::Lamp5 => "abstract",
            Task::Lamp2M => "description",
            Task::Lamp2N | Task::Lamp3 | Task::Lamp4 | Task::Lamp6 | Task::Lamp7 => "text",
        }
    }

    /// The JSON field of a profile entry that holds its title, where the task has one.
    pub const fn title_field(self) -> Option<&'static str> {
        match self {
            Task::Lamp1 | Task::Lamp2N | Task::Lamp4 | Task::Lamp5 | Task::Lamp6 => Some("title"),
            Task::Lamp2M | Task::Lamp3 | Task::Lamp7 => None,
        }
    }

    /// The JSON field of a profile entry that holds what its owner answered (category, tag or score),
    /// where the task has one.
    pub const fn label_field(self) -> Option<&'static str> {
        match self {
            Task::Lamp2N => Some("category"),
            Task::Lamp2M => Some("tag"),
            Task::Lamp3 => Some("score"),
            Task::Lamp1 | Task::Lamp4 | Task::Lamp5 | Task::Lamp6 | Task::Lamp7 => None,
        }
    }
}

impl Metric {
    /// All metrics.
    pub const ALL: [Metric; 10] = [
        Metric::Accuracy,
        Metric::MacroF1,
        Metric::Mae,
        Metric::Rmse,
        Metric::Rouge1,
        Metric::Rouge2,
        Metric::RougeL,
        Metric::RougeLsum,
        Metric::SacreBleu,
        Metric::Meteor,
    ];

    /// The id used in files: `accuracy`, `macro-f1`, `mae`, `rmse`, `rouge-1`, …
    pub const fn id(self) -> &'static str {
        match self {
            Metric::Accuracy => "accuracy",
            Metric::MacroF1 => "macro-f1",
            Metric::Mae => "mae",
            Metric::Rmse => "rmse",
            Metric::Rouge1 => "rouge-1",
            Metric::Rouge2 => "rouge-2",
            Metric::RougeL => "rouge-l",
            Metric::RougeLsum => "rouge-lsum",
            Metric::SacreBleu => "sacrebleu",
            Metric::Meteor => "meteor",
        }
    }

    /// The name to print in tables and on axes.
    pub const fn name(self) -> &'static str {
        match self {
            Metric::Accuracy => "Accuracy",
            Metric::MacroF1 => "Macro-F1",
            Metric::Mae => "MAE",
            Metric::Rmse => "RMSE",
            Metric::Rouge1 => "ROUGE-1",
            Metric::Rouge2 => "ROUGE-2",
            Metric::RougeL => "ROUGE-L",
            Metric::RougeLsum => "ROUGE-Lsum",
            Metric::SacreBleu => "sacreBLEU",
            Metric::Meteor => "METEOR",
        }
    }

    /// Whether a higher figure is the better one (not so for errors).
    pub const fn higher_is_better(self) -> bool {
        !matches!(self, Metric::Mae | Metric::Rmse)
    }
}

/// How users fall into splits (arXiv 2304.11406, section 3; 2404.05970, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Setting {
    /// Users are disjoint between splits; profile entries carry no date.
    User,
    /// The same users, split chronologically; profile entries carry a date.
    Time,
}

impl Setting {
    /// Both settings.
    pub const ALL: [Setting; 2] = [Setting::User, Setting::Time];

    /// `user` or `time`.
    pub const fn id(self) -> &'static str {
        match self {
            Setting::User => "user",
            Setting::Time => "time",
        }
    }
}

/// A part of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Split {
    /// For training.
    Train,
    /// For tuning (the papers' validation set).
    Dev,
    /// For reporting; its references are withheld officially.
    Test,
}

impl Split {
    /// All splits.
    pub const ALL: [Split; 3] = [Split::Train, Split::Dev, Split::Test];

    /// `train`, `dev` or `test`.
    pub const fn id(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Dev => "dev",
            Split::Test => "test",
        }
    }
}

/// Folds a name so that `LaMP-2M`, `lamp_2m` and `2M` meet.
fn folded(text: &str) -> String {
    text.trim().chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

impl FromStr for Task {
    type Err = UnknownName;

    /// Reads `LaMP-2M`, `LaMP_2M`, `lamp2m` or `2M`. A bare `2` is refused, since it may be either task.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = folded(text);
        let wanted = wanted.strip_prefix("lamp").unwrap_or(&wanted);
        Task::ALL
            .into_iter()
            .find(|task| folded(task.id()).strip_prefix("lamp") == Some(wanted))
            .ok_or_else(|| unknown("task", text, Task::ALL.map(Task::id)))
    }
}

fn unknown<const N: usize>(what: &'static str, given: &str, expected: [&'static str; N]) -> UnknownName {
    UnknownName { what, given: given.to_owned(), expected: expected.join(", ") }
}

macro_rules! named {
    ($type:ty, $what:literal) => {
        impl FromStr for $type {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let wanted = folded(text);
                <$type>::ALL
                    .into_iter()
                    .find(|item| folded(item.id()) == wanted)
                    .ok_or_else(|| unknown($what, text, <$type>::ALL.map(<$type>::id)))
            }
        }
    };
}
named!(Setting, "setting");
named!(Split, "split");
named!(Metric, "metric");

macro_rules! as_id {
    ($($type:ty),+) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.id())
            }
        }
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.id())
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}
as_id!(Task, Setting, Split, Metric);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_every_spelling_people_use() {
        for task in Task::ALL {
            assert_eq!(task.id().parse::<Task>(), Ok(task));
            assert_eq!(task.id().replace('-', "_").to_uppercase().parse::<Task>(), Ok(task));
            assert_eq!(task.id().trim_start_matches("LaMP-").parse::<Task>(), Ok(task));
        }
        for metric in Metric::ALL {
            assert_eq!(metric.id().parse::<Metric>(), Ok(metric));
            assert_eq!(metric.name().parse::<Metric>(), Ok(metric));
        }
        let error = "LaMP-2".parse::<Task>().unwrap_err().to_string();
        assert!(error.contains("`LaMP-2`") && error.contains("LaMP-2N"), "{error}");
        assert!("".parse::<Setting>().is_err());
    }

    #[test]
    fn ids_survive_serialization() {
        let json = serde_json::to_string(&(Task::Lamp2M, Setting::Time, Split::Dev, Metric::RougeL)).unwrap();
        assert_eq!(json, r#"["LaMP-2M","time","dev","rouge-l"]"#);
        let back: (Task, Setting, Split, Metric) = serde_json::from_str(&json).unwrap();
        assert_eq!(back, (Task::Lamp2M, Setting::Time, Split::Dev, Metric::RougeL));
    }
}
