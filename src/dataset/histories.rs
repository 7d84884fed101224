//! Histories as records: what a person wrote before the question is asked about like the question, so that a small
//! dataset teaches as much as it can.
//!
//! An entry becomes a record whose profile is the rest of its person's (what is older, where entries have dates), worded as
//! the person's own question is. Nothing but the given records is used, and no test of what made them: what an entry does
//! not say is not made up. Two tasks ask for what entries do not have, and get the nearest thing:
//!
//! - LaMP-1, where entries cite nothing: of two titles, which is by this person? One is the entry of the profile that shares most words
//!   with the title in question, the other that of someone else.
//! - LaMP-7, where entries have no plain wording: the tweet's words that questions of the dataset use, too.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::sample_set::{Dice, Growing, SampleSetError, Summary, official_path, write_split};
use super::{Dataset, DatasetError};
use crate::jobs::{CancelToken, Progress};
use crate::lamp::{ProfileEntry, Query, Sample, Setting, Split, Task, input_marker, quoted_strings};

/// What is made of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryOptions {
    /// At most so many entries of a profile become records, drawn at random.
    pub entries: usize,
    /// How often each record itself is written, so that it is not drowned.
    pub repeats: usize,
    /// Decides what is drawn.
    pub seed: u64,
}

impl Default for HistoryOptions {
    fn default() -> Self {
        Self { entries: 10, repeats: 4, seed: 0 }
    }
}

/// Why histories could not be written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The given records cannot be read.
    #[error(transparent)]
    Read(#[from] DatasetError),
    /// The titles of the given records have too few different words to make comparisons of.
    #[error(
        "the titles have {found} different words, and comparisons need {least}; give LaMP-1 data with more records"
    )]
    FewWords {
        /// Those there are.
        found: usize,
        /// Those needed.
        least: usize,
    },
    /// The new ones cannot be written.
    #[error(transparent)]
    Write(#[from] SampleSetError),
}

/// The fewest entries that a made record's profile has.
const LEAST: usize = 3;

/// The records that a dataset's histories make, those of the dataset among them.
///
/// # Errors
/// A record that cannot be read.
pub fn histories(dataset: &Dataset, options: HistoryOptions) -> Result<Vec<Sample>, DatasetError> {
    let samples: Vec<Sample> = dataset.samples().collect::<Result<_, _>>()?;
    let task = dataset.id().task;
    let known = Known::of(task, &samples);
    let mut made = Vec::new();
    for (number, sample) in samples.iter().enumerate() {
        let mut draws = Dice::of([options.seed, task as u64, dataset.id().setting as u64, number as u64]);
        let mut add = |kind: char, count: usize, mut new: Sample| {
            new.id = format!("{}{kind}{count}", sample.id);
            made.push(new);
        };
        for count in 0..options.repeats {
            let turned = (task == Task::Lamp1 && count % 2 == 1).then(|| turned(sample)).flatten();
            add('r', count, turned.unwrap_or_else(|| sample.clone()));
        }
        let mut places = draws.distinct(sample.profile.len(), options.entries);
        places.sort_unstable();
        for place in places {
            if let Some(new) = known.ask(task, number, sample, place, dataset.id().setting, &mut draws) {
                add('e', place, new);
            }
        }
    }
    Ok(made)
}

/// Writes the histories of train splits into a folder, in the official layout, and dev splits as they are beside them, so that the
/// folder is all that training needs. Test splits are left out.
///
/// # Errors
/// As [`histories`]; what cannot be written; canceled.
pub fn write_histories(
    datasets: &[Dataset],
    folder: &Path,
    options: HistoryOptions,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Summary, HistoryError> {
    progress.start("writing records", datasets.iter().map(|dataset| dataset.len() as u64).sum());
    let mut summary = Summary::default();
    for dataset in datasets {
        let id = dataset.id();
        let made = match id.split {
            Split::Train => histories(dataset, options)?,
            Split::Dev => dataset.samples().collect::<Result<_, _>>()?,
            Split::Test => continue,
        };
        put_split(folder, (id.task, id.setting, id.split), made.into_iter(), cancel, &mut summary)?;
        progress.add(dataset.len() as u64);
    }
    Ok(summary)
}

/// Writes one split in the official layout and adds it to the summary.
pub(super) fn put_split(
    folder: &Path,
    (task, setting, split): (Task, Setting, Split),
    samples: impl Iterator<Item = Sample>,
    cancel: &CancelToken,
    summary: &mut Summary,
) -> Result<(), HistoryError> {
    let part = folder.join(official_path(task, setting, split));
    std::fs::create_dir_all(&part).map_err(|source| SampleSetError::Io { path: part.clone(), source })?;
    let file = |kind: &str| -> PathBuf { part.join(format!("{split}_{kind}.json.gz")) };
    let mut questions = Growing::create(&file("questions"), true)?;
    let mut outputs = Growing::create(&file("outputs"), true)?;
    let counted = samples.inspect(|sample| {
        summary.records += 1;
        summary.entries += sample.profile.len();
    });
    write_split(task, counted, &mut questions, &mut outputs, cancel)?;
    summary.files.push(questions.finish()?);
    summary.files.push(outputs.finish()?);
    Ok(())
}

/// What all records of a dataset say together.
struct Known<'a> {
    samples: &'a [Sample],
    /// Words of the questions.
    asked: HashSet<String>,
    /// How many entries of the dataset have a word.
    spread: HashMap<String, usize>,
}

impl<'a> Known<'a> {
    fn of(task: Task, samples: &'a [Sample]) -> Self {
        let asked = samples.iter().flat_map(|sample| words(&Query::of(task, sample).text)).collect();
        let mut spread = HashMap::new();
        if task == Task::Lamp1 {
            for entry in samples.iter().flat_map(|sample| &sample.profile) {
                for word in words(title(entry)).into_iter().collect::<HashSet<_>>() {
                    *spread.entry(word).or_default() += 1;
                }
            }
        }
        Self { samples, asked, spread }
    }

    /// An entry as a record; `None` where it lacks what the task asks for, or too little remains.
    fn ask(
        &self,
        task: Task,
        number: usize,
        sample: &Sample,
        place: usize,
        setting: Setting,
        draws: &mut Dice,
    ) -> Option<Sample> {
        let entry = &sample.profile[place];
        let mut profile: Vec<ProfileEntry> = match setting {
            Setting::User => {
                let others = sample.profile.iter().enumerate().filter(|&(other, _)| other != place);
                others.map(|(_, entry)| entry.clone()).collect()
            }
            Setting::Time => sample.profile[..place].to_vec(),
        };
        let (input, reference) = match task {
            Task::Lamp1 => self.cite(number, sample, entry, &mut profile, draws)?,
            Task::Lamp7 => {
                let kept: Vec<&str> =
                    entry.text.split_whitespace().filter(|word| self.asked.contains(&bare(word))).collect();
                (worded(task, sample, &kept.join(" "))?, entry.text.clone())
            }
            _ if task.label_field().is_some() && task != Task::Lamp4 => {
                (worded(task, sample, &entry.text)?, entry.label.clone()?)
            }
            _ => (worded(task, sample, &entry.text)?, entry.title.clone()?),
        };
        let empty = reference.trim().is_empty() || entry.text.trim().is_empty();
        (!empty && profile.len() >= LEAST).then(|| Sample {
            input,
            profile,
            reference: Some(reference),
            ..sample.clone()
        })
    }

    /// Which of two titles is this person's: the one that is nearest to the entry's, or someone else's nearest. It leaves the profile.
    fn cite(
        &self,
        number: usize,
        sample: &Sample,
        entry: &ProfileEntry,
        profile: &mut Vec<ProfileEntry>,
        draws: &mut Dice,
    ) -> Option<(String, String)> {
        let wanted: HashSet<String> = words(title(entry)).into_iter().collect();
        let own = (0..profile.len()).filter(|&at| title(&profile[at]) != title(entry)).max_by(|&a, &b| {
            self.nearness(&wanted, &profile[a]).total_cmp(&self.nearness(&wanted, &profile[b]))
        })?;
        let own = profile.remove(own);
        let own_words: HashSet<String> = words(title(&own)).into_iter().collect();
        // Among many people someone writes on the same matter; a few are enough.
        let rival = (0..40)
            .filter_map(|_| {
                let other = draws.below(self.samples.len());
                let entries = &self.samples[other].profile;
                (other != number && !entries.is_empty()).then(|| &entries[draws.below(entries.len())])
            })
            .filter(|rival| title(rival) != title(&own))
            .max_by(|a, b| self.nearness(&own_words, a).total_cmp(&self.nearness(&own_words, b)))?;
        let first = draws.below(2) == 0;
        let offered = if first { [title(&own), title(rival)] } else { [title(rival), title(&own)] };
        let input = requoted(&sample.input, [title(entry), offered[0], offered[1]])?;
        Some((input, if first { "[1]" } else { "[2]" }.to_owned()))
    }

    /// How much of rare words an entry's title shares.
    fn nearness(&self, wanted: &HashSet<String>, entry: &ProfileEntry) -> f64 {
        let shared: HashSet<String> =
            words(title(entry)).into_iter().filter(|word| wanted.contains(word)).collect();
        // In a fixed order, so that the sum has one.
        let mut shared: Vec<String> = shared.into_iter().collect();
        shared.sort_unstable();
        shared.iter().map(|word| 1.0 / (1.0 + self.spread.get(word).copied().unwrap_or(0) as f64)).sum()
    }
}

/// The question of a person with another text in it.
fn worded(task: Task, sample: &Sample, text: &str) -> Option<String> {
    let marker = input_marker(task)?;
    let end = sample.input.find(marker)? + marker.len();
    Some(format!("{} {}", &sample.input[..end], text.trim()))
}

/// The question with its two references in the other order, and the other answer.
fn turned(sample: &Sample) -> Option<Sample> {
    let quoted = quoted_strings(&sample.input);
    let &[title, first, second] = quoted.as_slice() else { return None };
    let answer = match sample.reference.as_deref()? {
        "[1]" => "[2]",
        "[2]" => "[1]",
        _ => return None,
    };
    let input = requoted(&sample.input, [title, second, first])?;
    Some(Sample { input, reference: Some(answer.to_owned()), ..sample.clone() })
}

/// A text with other strings between its quotes.
fn requoted(text: &str, strings: [&str; 3]) -> Option<String> {
    let parts: Vec<&str> = text.split('"').collect();
    let &[start, _, second, _, third, _, end] = parts.as_slice() else { return None };
    let [a, b, c] = strings.map(|string| string.replace('"', ""));
    Some(format!("{start}\"{a}\"{second}\"{b}\"{third}\"{c}\"{end}"))
}

fn title(entry: &ProfileEntry) -> &str {
    entry.title.as_deref().unwrap_or_default()
}

fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(bare).filter(|word| !word.is_empty()).collect()
}
