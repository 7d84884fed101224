//! The words of paper titles, and records in which they are exchanged for others.
//!
//! Which of two papers is related is told by the words that titles share, whatever words they are. So a record stays true when each
//! word becomes another one everywhere in it, and a model that learns from many such records can know none of them by heart.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::sample_set::Dice;
use crate::lamp::{ProfileEntry, Sample, quoted_strings};

/// The words of the titles of LaMP-1 records, profiles and questions, each as it is written within a sentence and within a title.
pub(super) struct TitleWords {
    forms: Vec<[String; 2]>,
    /// Places of words, by the word in small letters.
    places: HashMap<String, usize>,
    /// Words that at most half of the people use: those that say what a paper is about.
    telling: Vec<usize>,
}

/// What is known of a word.
#[derive(Default)]
struct Found {
    forms: [Option<String>; 2],
    people: usize,
}

impl TitleWords {
    pub(super) fn of<'a>(samples: impl Iterator<Item = &'a Sample>) -> Self {
        let mut found: BTreeMap<String, Found> = BTreeMap::new();
        let mut people = 0;
        for sample in samples {
            people += 1;
            let mut seen = BTreeSet::new();
            let titles = sample.profile.iter().filter_map(|entry| entry.title.as_deref());
            for title in titles.chain(quoted_strings(&sample.input)) {
                for word in runs(title).filter(|word| is_word(word)) {
                    let known = found.entry(word.to_lowercase()).or_default();
                    let form = &mut known.forms[form(word)];
                    // The first in order, so that the order of records decides nothing.
                    if form.as_deref().is_none_or(|known| word < known) {
                        *form = Some(word.to_owned());
                    }
                    if seen.insert(word.to_lowercase()) {
                        known.people += 1;
                    }
                }
            }
        }
        let telling: Vec<usize> = found
            .values()
            .enumerate()
            .filter(|(_, found)| 2 * found.people <= people)
            .map(|(place, _)| place)
            .collect();
        let places = found.keys().enumerate().map(|(place, word)| (word.clone(), place)).collect();
        let forms = found
            .into_values()
            .map(|Found { forms: [low, high], .. }| {
                let either = low.clone().or_else(|| high.clone()).unwrap_or_default();
                [low.unwrap_or_else(|| either.clone()), high.unwrap_or(either)]
            })
            .collect();
        Self { forms, places, telling }
    }

    /// How many words there are.
    pub(super) fn count(&self) -> usize {
        self.forms.len()
    }

    /// Words by their places, as in a sentence (0) or in a title (1).
    pub(super) fn written(&self, words: &[usize], form: usize) -> String {
        words.iter().map(|&word| self.forms[word][form].as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The record with each telling word exchanged for another one, the same everywhere.
    pub(super) fn exchanged(&self, sample: &Sample, dice: &mut Dice) -> Sample {
        let drawn = dice.distinct(self.telling.len(), self.telling.len());
        let becomes: HashMap<usize, usize> =
            self.telling.iter().zip(drawn).map(|(&word, other)| (word, self.telling[other])).collect();
        let text = |text: &str| -> String {
            runs(text)
                .map(|run| {
                    let place = self.places.get(&run.to_lowercase());
                    let other = place.and_then(|place| becomes.get(place));
                    other.map_or(run, |&other| self.forms[other][form(run)].as_str())
                })
                .collect()
        };
        // What stands between quotes are titles; the question around them stays.
        let quoted = sample.input.split('"').enumerate();
        let input: Vec<String> =
            quoted.map(|(at, part)| if at % 2 == 1 { text(part) } else { part.to_owned() }).collect();
        let entry = |entry: &ProfileEntry| ProfileEntry {
            text: text(&entry.text),
            title: entry.title.as_deref().map(text),
            ..entry.clone()
        };
        Sample {
            input: input.join("\""),
            profile: sample.profile.iter().map(entry).collect(),
            ..sample.clone()
        }
    }
}

/// A text in runs of letters and digits and what lies between them; together they are the text.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?.is_alphanumeric();
        let end = rest.find(|c: char| c.is_alphanumeric() != first).unwrap_or(rest.len());
        let (run, left) = rest.split_at(end);
        rest = left;
        Some(run)
    })
}

fn is_word(run: &str) -> bool {
    run.starts_with(char::is_alphanumeric)
}

/// Which form a word has: 1 with capitals, 0 without.
fn form(word: &str) -> usize {
    usize::from(word.chars().any(char::is_uppercase))
}
