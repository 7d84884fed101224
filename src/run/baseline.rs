//! Answers without a language model: cheap controls, and a way to try everything with no weights at hand.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use rayon::prelude::*;

use crate::dataset::Dataset;
use crate::jobs::{CancelToken, Canceled, Progress};
use crate::lamp::{ProfileEntry, Query, Sample, Task, TaskKind, python_strip, quoted_strings};

/// A rule that answers in a model's place. See [`Baseline::supports`] for which tasks each answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Baseline {
    /// The commonest label: among the retrieved entries, of equally common ones the one whose entry ranks better; with no
    /// retriever among all profiles of the dataset. LaMP-1, whose profiles have no labels, is always answered `[1]`.
    Majority,
    /// The text that the task's input asks about.
    Copy,
    /// What the best retrieved entry says: its label, its title or its text. In LaMP-1, the option whose title shares more
    /// words with that entry. With no retriever it answers as the rule that needs no profile, the commonest label or a
    /// copy, so that the table shows what the entries are worth to it.
    Nearest,
}

/// A text that names no baseline, or a baseline that cannot answer a task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// No baseline is called that.
    #[error("`{given}` is no baseline; use baseline:majority, baseline:copy or baseline:nearest")]
    Unknown {
        /// What was given.
        given: String,
    },
    /// The rule has no answer of the task's kind.
    #[error("{baseline} cannot answer {task}: {reason}")]
    Unsupported {
        /// The rule.
        baseline: Baseline,
        /// The task.
        task: Task,
        /// Why, and what can.
        reason: &'static str,
    },
}

impl Baseline {
    /// All rules.
    pub const ALL: [Self; 3] = [Self::Majority, Self::Copy, Self::Nearest];

    /// What names of this kind begin with.
    pub const PREFIX: &'static str = "baseline:";

    /// `baseline:majority`, `baseline:copy` or `baseline:nearest`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Majority => "baseline:majority",
            Self::Copy => "baseline:copy",
            Self::Nearest => "baseline:nearest",
        }
    }

    /// Whether it can answer a task.
    ///
    /// # Errors
    /// [`BaselineError::Unsupported`] with the reason.
    pub fn supports(self, task: Task) -> Result<(), BaselineError> {
        let reason = match (self, task.kind()) {
            (Self::Majority, TaskKind::Generation) => {
                "its profiles have no labels of which one could be the commonest; use baseline:copy or baseline:nearest"
            }
            (Self::Copy, TaskKind::Classification | TaskKind::Rating) => {
                "a copy of the input is none of its labels; use baseline:majority or baseline:nearest"
            }
            _ => return Ok(()),
        };
        Err(BaselineError::Unsupported { baseline: self, task, reason })
    }

    /// Answers a sample, given the entries retrieved for it, best first. `commonest` is what [`commonest_label`] found in the
    /// dataset. Empty where the rule comes to no answer: no entry that was retrieved has what it looks for, or a profile is
    /// empty where the commonest label was not looked for.
    pub fn answer(self, task: Task, sample: &Sample, retrieved: &[usize], commonest: Option<&str>) -> String {
        let entries = retrieved.iter().filter_map(|&index| sample.profile.get(index));
        let answer = match (self, task) {
            (Self::Copy, _) => return Query::of(task, sample).text,
            (Self::Majority, Task::Lamp1) => Some("[1]"),
            (Self::Majority, _) => majority(task, entries).or(commonest),
            (Self::Nearest, _) => match entries.take(1).next() {
                Some(entry) => nearest(task, sample, entry),
                None => return Self::without_profile(task).answer(task, sample, &[], commonest),
            },
        };
        answer.unwrap_or_default().to_owned()
    }

    /// Whether answers depend on all profiles of the dataset: a majority where nothing is retrieved.
    pub fn reads_all_profiles(self, task: Task, no_retriever: bool) -> bool {
        self != Self::Copy && no_retriever && task.kind() != TaskKind::Generation && task != Task::Lamp1
    }

    /// The rule that answers a task without a look at the sample's profile.
    const fn without_profile(task: Task) -> Self {
        match task.kind() {
            TaskKind::Classification | TaskKind::Rating => Self::Majority,
            TaskKind::Generation => Self::Copy,
        }
    }
}

/// The commonest label of some entries, the best first; of equally common ones that whose first entry comes first.
fn majority<'s>(task: Task, entries: impl Iterator<Item = &'s ProfileEntry>) -> Option<&'static str> {
    let mut counts: Vec<(&'static str, usize)> = Vec::new();
    for label in entries.filter_map(|entry| label(task, entry)) {
        match counts.iter_mut().find(|(known, _)| *known == label) {
            Some((_, count)) => *count += 1,
            None => counts.push((label, 1)),
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(label, _)| label)
}

/// An entry's label, where it is one of the task's.
fn label(task: Task, entry: &ProfileEntry) -> Option<&'static str> {
    let label = python_strip(entry.label.as_deref()?);
    task.labels().iter().copied().find(|known| *known == label)
}

/// What the nearest entry says in the task's terms.
fn nearest<'s>(task: Task, sample: &'s Sample, entry: &'s ProfileEntry) -> Option<&'s str> {
    match task {
        Task::Lamp1 => Some(nearer_option(sample, entry)),
        Task::Lamp2N | Task::Lamp2M | Task::Lamp3 => entry.label.as_deref(),
        Task::Lamp4 | Task::Lamp5 | Task::Lamp6 => entry.title.as_deref(),
        Task::Lamp7 => Some(&entry.text),
    }
}

/// Which of LaMP-1's two titles shares more words with an entry; the first if they share as many.
fn nearer_option(sample: &Sample, entry: &ProfileEntry) -> &'static str {
    let words = |text: &str| -> HashSet<String> {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let mut of_entry = words(&entry.text);
    of_entry.extend(words(entry.title.as_deref().unwrap_or_default()));
    let titles = quoted_strings(&sample.input);
    let shared =
        |number: usize| titles.get(number).map_or(0, |title| words(title).intersection(&of_entry).count());
    // The first quoted title is the citing paper's own.
    if shared(2) > shared(1) { "[2]" } else { "[1]" }
}

/// The commonest label over the entries of all profiles, the task's first of equally common ones. References are not looked at;
/// samples that cannot be read are passed over, since whoever answers them will say so. `None` without any label.
///
/// # Errors
/// Canceled.
pub fn commonest_label(
    dataset: &Dataset,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Option<&'static str>, Canceled> {
    let task = dataset.id().task;
    let labels = task.labels();
    progress.start("Counting labels", dataset.len() as u64);
    let count = |mut counts: Vec<u64>, index| {
        cancel.check()?;
        let entries = dataset.sample(index).map(|sample| sample.profile).unwrap_or_default();
        for label in entries.iter().filter_map(|entry| label(task, entry)) {
            if let Some(place) = labels.iter().position(|known| *known == label) {
                counts[place] += 1;
            }
        }
        progress.add(1);
        Ok(counts)
    };
    let none = || vec![0; labels.len()];
    let add = |mut one: Vec<u64>, other: Vec<u64>| {
        one.iter_mut().zip(other).for_each(|(sum, count)| *sum += count);
        Ok::<_, Canceled>(one)
    };
    let counts = (0..dataset.len()).into_par_iter().try_fold(none, count).try_reduce(none, add)?;
    let most = counts.iter().copied().max().filter(|&most| most > 0);
    Ok(most.and_then(|most| counts.iter().position(|&count| count == most)).map(|place| labels[place]))
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl FromStr for Baseline {
    type Err = BaselineError;

    /// Reads `baseline:majority`; case does not matter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || BaselineError::Unknown { given: text.to_owned() };
        let wanted = text.trim();
        Self::ALL.into_iter().find(|one| one.id().eq_ignore_ascii_case(wanted)).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(label: &str, title: &str, text: &str) -> ProfileEntry {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ProfileEntry { label: some(label), title: some(title), text: text.into(), ..ProfileEntry::default() }
    }

    fn sample(input: &str, profile: Vec<ProfileEntry>) -> Sample {
        Sample { id: "1".into(), input: input.into(), profile, ..Sample::default() }
    }

    #[test]
    fn names_are_read_back_and_others_refused() {
        for baseline in Baseline::ALL {
            assert_eq!(baseline.to_string().to_uppercase().parse(), Ok(baseline));
        }
        let error = "baseline:oracle".parse::<Baseline>().unwrap_err().to_string();
        assert!(error.contains("`baseline:oracle`") && error.contains("baseline:nearest"), "{error}");
    }

    #[test]
    fn each_rule_has_its_tasks() {
        use Baseline::{Copy, Majority, Nearest};
        for task in Task::ALL {
            let generation = task.kind() == TaskKind::Generation;
            assert_eq!(Majority.supports(task).is_ok(), !generation, "{task}");
            assert_eq!(Copy.supports(task).is_ok(), generation, "{task}");
            assert!(Nearest.supports(task).is_ok());
        }
    }

    #[test]
    fn the_commonest_label_wins_and_of_ties_the_better_ranked() {
        let labels = ["2", "5", "5", "2", "great"];
        let profile = labels.iter().map(|label| entry(label, "", "t")).collect();
        let sample = sample("review: x", profile);
        let answer =
            |retrieved: &[usize]| Baseline::Majority.answer(Task::Lamp3, &sample, retrieved, Some("4"));
        for (retrieved, expected) in [
            (&[0, 1, 2][..], "5"),
            (&[1, 0], "5"),
            (&[0, 1], "2"),
            (&[3, 2, 1, 0], "2"),
            (&[4, 1], "5"),
            (&[], "4"),
        ] {
            assert_eq!(answer(retrieved), expected, "{retrieved:?}");
        }
        assert_eq!(Baseline::Majority.answer(Task::Lamp3, &sample, &[4], None), "");
        assert_eq!(Baseline::Majority.answer(Task::Lamp1, &sample, &[0], None), "[1]");
    }

    #[test]
    fn the_nearest_entry_speaks_in_the_tasks_terms() {
        let profile = vec![entry("a", "A", "first"), entry("b", "B", "second")];
        let sample = sample("article: x", profile);
        for (task, expected) in [
            (Task::Lamp2N, "b"),
            (Task::Lamp3, "b"),
            (Task::Lamp4, "B"),
            (Task::Lamp6, "B"),
            (Task::Lamp7, "second"),
        ] {
            assert_eq!(Baseline::Nearest.answer(task, &sample, &[1, 0], None), expected, "{task}");
            let without = if task.kind() == TaskKind::Generation { "x" } else { "the commonest" };
            let answer = Baseline::Nearest.answer(task, &sample, &[], Some("the commonest"));
            assert_eq!(answer, without, "{task}");
        }
    }

    #[test]
    fn the_nearest_paper_decides_between_two_titles() {
        let paper = entry("", "Trees of graphs", "We count minors, and trees.");
        let ask = |one: &str, two: &str| {
            let input = format!("with the title \"Mine\", which? [1]: \"{one}\" [2]: \"{two}\"");
            Baseline::Nearest.answer(Task::Lamp1, &sample(&input, vec![paper.clone()]), &[0], None)
        };
        assert_eq!(ask("Deep nets", "Counting TREES in Graphs"), "[2]");
        assert_eq!(ask("Graphs and trees", "Trees"), "[1]");
        assert_eq!(ask("Mine", "Yours"), "[1]");
    }

    #[test]
    fn a_copy_is_what_follows_the_marker() {
        let sample = sample("Write a title. article:  The text. ", Vec::new());
        assert_eq!(Baseline::Copy.answer(Task::Lamp4, &sample, &[], None), "The text.");
    }
}
