//! Which samples are listed, and in which order. Knows no window.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rows::{LOOK, Mark, Rows};
use crate::dataset::Dataset;
use crate::gui::loadable::Trouble;
use crate::jobs::{CancelToken, Progress};
use crate::prompt::Prompt;
use crate::record::{Prediction, RunId};
use crate::store::Reader;

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// The place in the dataset.
    #[default]
    Position,
    /// The sample's id, numbers as numbers.
    Id,
    /// The main score.
    Score,
    /// The main score less the other run's.
    Difference,
    /// Entries of the profile.
    Profile,
}

impl Sort {
    /// All.
    pub const ALL: [Self; 5] = [Self::Position, Self::Id, Self::Score, Self::Difference, Self::Profile];

    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Position => "Position",
            Self::Id => "Id",
            Self::Score => "Score",
            Self::Difference => "Difference",
            Self::Profile => "Profile size",
        }
    }
}

/// What a person chose of the list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Form {
    /// Marks that are wanted.
    pub marks: BTreeSet<Mark>,
    /// What it is sorted by.
    pub sort: Sort,
    /// The largest first.
    pub descending: bool,
    /// Texts that samples must have in their ids, answers or inputs.
    pub search: String,
}

impl Form {
    /// Whether all samples are listed.
    pub fn is_open(&self) -> bool {
        self.marks.is_empty() && self.search.trim().is_empty()
    }

    /// What counts where no other run is shown.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.marks.retain(|mark| !mark.compares());
        if self.sort == Sort::Difference {
            self.sort = Sort::Position;
        }
        self
    }
}

/// Which samples hold a text.
#[derive(Debug, Default)]
pub(super) struct Matches {
    /// Another one for each search.
    pub serial: u64,
    /// Their positions, ascending.
    pub positions: Vec<u32>,
}

/// What is searched.
#[derive(Debug, Clone)]
pub(super) struct Search {
    /// The store.
    pub store: PathBuf,
    /// The run.
    pub run: RunId,
    /// Its rows, for the progress.
    pub done: u64,
    /// The text.
    pub text: String,
    /// The samples, for runs that read no prompt.
    pub dataset: Option<Dataset>,
    /// Told apart by this.
    pub serial: u64,
}

impl Search {
    /// Looks through ids, answers, references and inputs.
    pub(super) fn run(&self, cancel: &CancelToken, progress: &Progress) -> Result<Matches, Trouble> {
        let needle = Needle::new(&self.text);
        let reader = Reader::open(&self.store)?;
        progress.start("Searching", self.done);
        let (mut positions, mut seen) = (Vec::new(), 0_u32);
        reader.predictions(self.run, true, &mut |prediction| {
            seen = seen.wrapping_add(1);
            if seen.is_multiple_of(LOOK) {
                progress.add(u64::from(LOOK));
            }
            if cancel.is_canceled() {
                return ControlFlow::Break(());
            }
            if needle.is_in_prediction(&prediction, self.dataset.as_ref()) {
                positions.push(prediction.position);
            }
            ControlFlow::Continue(())
        })?;
        cancel.check()?;
        Ok(Matches { serial: self.serial, positions })
    }
}

/// A text to be found whatever its case.
struct Needle {
    lower: String,
    ascii: bool,
}

impl Needle {
    fn new(text: &str) -> Self {
        let lower = text.trim().to_lowercase();
        Self { ascii: lower.is_ascii(), lower }
    }

    fn is_in(&self, text: &str) -> bool {
        if !self.ascii {
            return text.to_lowercase().contains(&self.lower);
        }
        let needle = self.lower.as_bytes();
        let Some((&first, rest)) = needle.split_first() else { return true };
        let upper = first.to_ascii_uppercase();
        let mut bytes = text.as_bytes();
        while bytes.len() >= needle.len() {
            let last = bytes.len() - needle.len();
            let Some(at) = bytes[..=last].iter().position(|&byte| byte == first || byte == upper) else {
                return false;
            };
            let after = at + 1;
            if bytes[after..after + rest.len()].eq_ignore_ascii_case(rest) {
                return true;
            }
            bytes = &bytes[after..];
        }
        false
    }

    fn is_in_prediction(&self, prediction: &Prediction, dataset: Option<&Dataset>) -> bool {
        let texts = [&prediction.sample_id, &prediction.raw, &prediction.answer];
        let more = [prediction.reference.as_ref(), prediction.error.as_ref()];
        if texts.into_iter().chain(more.into_iter().flatten()).any(|text| self.is_in(text)) {
            return true;
        }
        match &prediction.prompt {
            // Taken apart only where the text is somewhere in it: most are not.
            Some(prompt) => {
                self.is_in(&prompt.text)
                    && Prompt::from_parts(prompt.text.clone(), &prompt.report).is_ok_and(|prompt| {
                        let input = prompt.input.iter().filter_map(|range| prompt.text.get(range.clone()));
                        self.is_in(&input.collect::<String>())
                    })
            }
            None => dataset.is_some_and(|dataset| {
                let sample = dataset.sample(prediction.position as usize);
                sample.is_ok_and(|sample| sample.id == prediction.sample_id && self.is_in(&sample.input))
            }),
        }
    }
}

/// The rows that are listed, in their order.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Numbers of rows.
    pub rows: Vec<u32>,
    /// Where each row stands among them, `u32::MAX` where it is not listed.
    places: Vec<u32>,
}

impl Order {
    /// Where a row is listed.
    pub(super) fn place(&self, row: usize) -> Option<usize> {
        self.places.get(row).filter(|&&place| place != u32::MAX).map(|&place| place as usize)
    }

    /// Filters and sorts. `matches` are of the form's search, `None` where it is empty.
    pub(super) fn of(
        rows: &Rows,
        form: &Form,
        matches: Option<&Matches>,
        cancel: &CancelToken,
    ) -> Result<Self, Trouble> {
        let mut groups = [0_u16; 3];
        for mark in &form.marks {
            groups[mark.group()] |= mark.bit();
        }
        let mut found = matches.map(|matches| matches.positions.iter().copied().peekable());
        let mut kept = Vec::new();
        for row in 0..rows.len() {
            let bits = rows.bits(row);
            let wanted = groups.iter().all(|&group| group == 0 || bits & group != 0);
            let matching = found.as_mut().is_none_or(|found| {
                let position = rows.position(row);
                while found.next_if(|&other| other < position).is_some() {}
                found.peek() == Some(&position)
            });
            if wanted && matching {
                kept.push(row as u32);
            }
        }
        cancel.check()?;
        let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
        let by_number = |value: &dyn Fn(usize) -> f64, kept: &mut Vec<u32>| {
            let mut keyed: Vec<(f64, u32)> = kept.iter().map(|&row| (value(row as usize), row)).collect();
            keyed.sort_by(|(one, row), (other, next)| {
                // What has no figure comes last, whichever way.
                let order = match (one.is_nan(), other.is_nan()) {
                    (false, false) if form.descending => other.total_cmp(one),
                    (false, false) => one.total_cmp(other),
                    (one, other) => one.cmp(&other),
                };
                order.then(row.cmp(next))
            });
            *kept = keyed.into_iter().map(|(_, row)| row).collect();
        };
        match form.sort {
            Sort::Position if form.descending => kept.reverse(),
            Sort::Position => {}
            Sort::Id => {
                kept.sort_by(|&one, &other| {
                    let order = by_id(rows.id(one as usize), rows.id(other as usize));
                    let order = if form.descending { order.reverse() } else { order };
                    order.then(one.cmp(&other))
                });
            }
            Sort::Score => by_number(&|row| number(rows.value(row)), &mut kept),
            Sort::Difference => by_number(&|row| number(rows.difference(row)), &mut kept),
            Sort::Profile => by_number(&|row| f64::from(rows.profile(row)), &mut kept),
        }
        cancel.check()?;
        let mut places = vec![u32::MAX; rows.len()];
        for (place, &row) in kept.iter().enumerate() {
            if let Some(of_row) = places.get_mut(row as usize) {
                *of_row = place as u32;
            }
        }
        Ok(Self { rows: kept, places })
    }
}

/// Numbers before words, numbers by their size.
fn by_id(one: &str, other: &str) -> Ordering {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match (digits(one), digits(other)) {
        (true, true) => {
            let (short_one, short_other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
            let sizes = short_one.len().cmp(&short_other.len());
            sizes.then_with(|| short_one.cmp(short_other)).then_with(|| one.cmp(other))
        }
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => one.cmp(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_any_case_and_script() {
        for (text, needle, found) in [
            ("The Mayor", "mayor", true),
            ("The Mayor", " MAYOR ", true),
            ("The Mayor", "mayors", false),
            ("mmayor", "mayor", true),
            ("", "a", false),
            ("a", "", true),
            ("ÜBER Straße", "über", true),
            ("日本語の題", "語の", true),
            ("Привет мир", "ПРИВЕТ", true),
            ("naïve", "naive", false),
        ] {
            assert_eq!(Needle::new(needle).is_in(text), found, "{needle} in {text}");
        }
    }

    #[test]
    fn ids_that_are_numbers_are_sorted_as_numbers() {
        let mut ids = ["b", "10", "9", "010", "a", "100000000000000000000", "2"];
        ids.sort_by(|one, other| by_id(one, other));
        assert_eq!(ids, ["2", "9", "010", "10", "100000000000000000000", "a", "b"]);
    }
}
