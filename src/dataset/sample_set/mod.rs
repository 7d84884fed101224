//! The sample set: invented data in the official layout, for all tasks and both settings.
//!
//! Every person in it has lasting habits that differ by theme (which category an article between two belongs to,
//! how many stars a mixed review makes, which form a headline takes), and the input alone does not tell them. So a
//! profile truly helps, by design and by a known amount. `datasets/README.md` describes the design.
//!
//! The set depends on the seed alone: a record is drawn from a stream that belongs to its task, setting and number,
//! so that a larger set of the same seed begins with the smaller one. This module knows no retriever and no model.

mod dice;
mod grammar;
mod person;
mod tasks;
mod write;

use crate::lamp::{ProfileEntry, Sample, Setting, Split, Task};

use person::History;
use tasks::Item;

pub(super) use dice::Dice;
pub(super) use write::{Growing, official_path, write_split};
pub use write::{Options, SampleSetError, Summary, write};

/// The seed of the set that ships with the program.
pub const SHIPPED_SEED: u64 = 7;

/// How many records a split of the shipped set has: 100 train, 60 dev, 120 test.
pub const fn shipped_records(split: Split) -> usize {
    match split {
        Split::Train => 100,
        Split::Dev => 60,
        Split::Test => 120,
    }
}

/// A sample together with what it was made from: what a perfect reader of habits would know.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// The sample, reference included.
    pub sample: Sample,
    /// The theme and the habit behind each profile entry, in the profile's order.
    pub entries: Vec<Trace>,
    task: Task,
    item: Item,
}

/// The theme of an item and the habit it was written by, as numbers that mean something within one task only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trace {
    /// What it is about.
    pub theme: usize,
    /// How its person wrote it.
    pub habit: usize,
}

impl Drawn {
    /// The theme of the input and the habit that the reference follows.
    pub fn trace(&self) -> Trace {
        Trace { theme: self.item.theme, habit: self.item.habit }
    }

    /// What the theme of the input is called.
    pub fn theme_name(&self) -> &'static str {
        &tasks::grammar(self.task).themes[self.item.theme].name
    }

    /// How many habits there are for this input's theme; they are numbered from 0.
    pub fn habits(&self) -> usize {
        tasks::habits(self.task, self.item.theme)
    }

    /// The reference this input would have if its person had `habit`.
    pub fn answer(&self, habit: usize) -> String {
        tasks::answer(self.task, &self.item, habit)
    }
}

/// The samples of one split, in order, references filled. Each is made when it is asked for.
pub fn generate(
    task: Task,
    setting: Setting,
    split: Split,
    records: usize,
    seed: u64,
) -> impl Iterator<Item = Sample> {
    draw(task, setting, split, records, seed).map(|drawn| drawn.sample)
}

/// [`generate`] with what each sample was made from.
pub fn draw(
    task: Task,
    setting: Setting,
    split: Split,
    records: usize,
    seed: u64,
) -> impl Iterator<Item = Drawn> {
    (0..records).map(move |number| record(task, setting, split, number, seed))
}

fn record(task: Task, setting: Setting, split: Split, number: usize, seed: u64) -> Drawn {
    // Users are disjoint between splits in the user setting, and the same in the time setting.
    let life = match setting {
        Setting::User => 1 + split as u64,
        Setting::Time => 0,
    };
    let mut dice = Dice::of([seed, task as u64, life, number as u64]);
    let History { mut items, days, asked } = person::live(task, setting, split as usize, &mut dice);
    let at = asked[split as usize];
    let item = items.swap_remove(at); // the last one
    let (id, user_id) = match setting {
        Setting::User => (format!("{}{}{number}", official_digit(task), split as usize), None),
        Setting::Time => (format!("{}{number:04}", split as usize), Some(9_000_011 + number as i64 * 37)),
    };
    let entry_id = |position: usize| match setting {
        Setting::User => format!("{id}{position}"),
        // The same entry has the same id in every profile of its person.
        Setting::Time => format!("{number:04}{position:02}"),
    };
    let entries = items.iter().map(|item| Trace { theme: item.theme, habit: item.habit }).collect();
    let profile = items
        .into_iter()
        .enumerate()
        .map(|(position, item)| ProfileEntry {
            id: entry_id(position),
            text: item.text,
            title: item.title,
            label: item.label,
            date: (setting == Setting::Time).then(|| calendar_day(days[position])),
        })
        .collect();
    let sample = Sample {
        input: item.question.clone(),
        profile,
        reference: Some(tasks::answer(task, &item, item.habit)),
        user_id,
        id,
    };
    Drawn { sample, entries, task, item }
}

/// The first digit of a record's id in the official files of the user setting.
const fn official_digit(task: Task) -> usize {
    match task {
        Task::Lamp1 => 0,
        Task::Lamp2N | Task::Lamp2M => 1,
        Task::Lamp3 => 2,
        Task::Lamp4 => 3,
        Task::Lamp5 => 4,
        Task::Lamp6 => 5,
        Task::Lamp7 => 6,
    }
}

/// `YYYY-MM-DD` of a day counted from 1970-01-01.
fn calendar_day(day: usize) -> String {
    let is_leap =
        |year: usize| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut left, mut year) = (day, 1970);
    while left >= 365 + usize::from(is_leap(year)) {
        left -= 365 + usize::from(is_leap(year));
        year += 1;
    }
    let february = 28 + usize::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", left + 1)
}

#[cfg(test)]
mod tests;
