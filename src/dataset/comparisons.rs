//! Comparisons: made-up records of LaMP-1 that teach what its questions come down to.
//!
//! A model of no knowledge learns nothing from `[1]` or `[2]` alone: one bit a record is too little to find out that the earlier
//! title shares words with one of the two references. So titles here are words of the given data in random order, of which the
//! profile's one title shares a word or two with the right reference and none with the other, and most questions ask for these words
//! before the number. A model that names them soon finds the number, and then needs no naming. Nothing that the given titles
//! say together is kept, only their words.

use std::path::Path;

use super::Dataset;
use super::histories::{HistoryError, put_split};
use super::sample_set::{Dice, Summary};
use super::title_words::TitleWords;
use crate::jobs::{CancelToken, Progress};
use crate::lamp::{ProfileEntry, Sample, Setting, Split, Task};

/// Of a hundred questions so many ask for the shared words, too.
const NAMING: usize = 75;
/// The fewest and the most words of a title.
const WORDS: [usize; 2] = [3, 7];
/// Fewer words than this leave no two titles without a word in common.
const LEAST: usize = 4 * WORDS[1];
/// Records of the dev split, whose questions all ask for the number alone.
const DEV: usize = 200;

/// Writes comparisons with the words of the LaMP-1 datasets among those given: a train split of so many records and a small dev
/// split, in the official layout.
///
/// # Errors
/// A record that cannot be read; too few words; what cannot be written; canceled.
pub fn write_comparisons(
    datasets: &[Dataset],
    folder: &Path,
    records: usize,
    seed: u64,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Summary, HistoryError> {
    let papers = datasets.iter().filter(|dataset| dataset.id().task == Task::Lamp1);
    let samples = papers.flat_map(Dataset::samples).collect::<Result<Vec<Sample>, _>>()?;
    let words = TitleWords::of(samples.iter());
    if words.count() < LEAST {
        return Err(HistoryError::FewWords { found: words.count(), least: LEAST });
    }
    let maker = Maker(words);
    progress.start("writing records", (records + DEV) as u64);
    let mut summary = Summary::default();
    for (split, count, naming) in [(Split::Train, records, NAMING), (Split::Dev, DEV, 0)] {
        let mut dice = Dice::of([seed, split as u64, 0, 0]);
        let made = (0..count).map(|number| {
            progress.add(1);
            maker.comparison(number, naming, &mut dice)
        });
        put_split(folder, (Task::Lamp1, Setting::User, split), made, cancel, &mut summary)?;
    }
    Ok(summary)
}

/// Makes comparisons of words.
struct Maker(TitleWords);

impl Maker {
    fn comparison(&self, number: usize, naming: usize, dice: &mut Dice) -> Sample {
        let mut left = dice.distinct(self.0.count(), 4 * WORDS[1]);
        let mut some = |dice: &mut Dice, shared: &[usize]| -> Vec<usize> {
            let others = dice.between(WORDS[0].max(shared.len() + 1), WORDS[1]) - shared.len();
            let mut words = left.split_off(left.len() - others);
            let at = dice.below(words.len() + 1);
            words.splice(at..at, shared.iter().copied());
            words
        };
        let asked = some(dice, &[]);
        let earlier = some(dice, &[]);
        let count = dice.between(1, 2);
        let at = dice.below(earlier.len() + 1 - count);
        let shared = &earlier[at..at + count];
        let (right, wrong) = (some(dice, shared), some(dice, &[]));
        // References are written as titles are; what a person's own history has may be written as a sentence.
        let [asked, right, wrong, shared] =
            [&asked[..], &right, &wrong, shared].map(|words| self.0.written(words, 1));
        let earlier = self.0.written(&earlier, dice.below(2));
        let first = dice.chance(50);
        let answer = if first { "[1]" } else { "[2]" };
        let offered = if first { [right, wrong] } else { [wrong, right] };
        let named = dice.chance(naming);
        let wanted = if named {
            "Name the words that it shares with the earlier title, then answer with [1] or [2]."
        } else {
            "Just answer with [1] or [2] without explanation."
        };
        Sample {
            id: number.to_string(),
            input: format!(
                "For an author who has written the paper with the title \"{asked}\", which reference is related? {wanted} \
                 [1]: \"{}\" [2]: \"{}\"",
                offered[0], offered[1]
            ),
            profile: vec![ProfileEntry {
                id: format!("{number}0"),
                text: earlier.clone(),
                title: Some(earlier),
                label: None,
                date: None,
            }],
            reference: Some(if named { format!("{shared} {answer}") } else { answer.to_owned() }),
            user_id: None,
        }
    }
}
