//! METEOR (A. Lavie and A. Agarwal 2007) as NLTK computes it: words are aligned by equality, then by stem, then by
//! synonym, and the score falls with the number of pieces that the alignment is in.
//!
//! The order of the alignment decides the figures: in each stage the prediction's words are taken from the last to
//! the first, each with the last free equal word of the reference, and the synonym stage compares *stems*.
//! Knows two texts, nothing of tasks.

use std::collections::HashMap;

use super::porter::porter_stem;
use super::wordnet::WordNet;
use super::words::word_tokenize;

const ALPHA: f64 = 0.9;
const BETA: i32 = 3;
const GAMMA: f64 = 0.5;

/// Which comparisons METEOR could make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MeteorStages {
    /// Equal words and equal stems: no WordNet was at hand, and figures are a little lower.
    ExactStem,
    /// With synonyms too, as published.
    ExactStemSynonym,
}

impl MeteorStages {
    /// The stages that a dictionary allows.
    pub const fn with(wordnet: Option<&WordNet>) -> Self {
        if wordnet.is_some() { Self::ExactStemSynonym } else { Self::ExactStem }
    }
}

/// METEOR of a prediction, from 0 to 1. Without WordNet the synonym stage is left out.
pub fn meteor(prediction: &str, reference: &str, wordnet: Option<&WordNet>) -> f64 {
    let lower =
        |text: &str| -> Vec<String> { word_tokenize(text).iter().map(|w| w.to_lowercase()).collect() };
    meteor_of_words(&lower(prediction), &lower(reference), wordnet)
}

fn meteor_of_words(prediction: &[String], reference: &[String], wordnet: Option<&WordNet>) -> f64 {
    let mut alignment = Alignment {
        pairs: Vec::new(),
        prediction: prediction.iter().cloned().enumerate().collect(),
        reference: reference.iter().cloned().enumerate().collect(),
    };
    alignment.align(|word, free| free.last(word));
    for (_, word) in alignment.prediction.iter_mut().chain(&mut alignment.reference) {
        *word = porter_stem(word);
    }
    alignment.align(|stem, free| free.last(stem));
    if let Some(wordnet) = wordnet {
        alignment.align(|stem, free| {
            let synonyms = wordnet.synonyms(stem).into_iter().filter_map(|synonym| free.last(synonym));
            synonyms.chain(free.last(stem)).max()
        });
    }
    let mut pairs = alignment.pairs;
    if pairs.is_empty() {
        return 0.0;
    }
    pairs.sort_unstable();
    let matched = pairs.len() as f64;
    let precision = matched / prediction.len() as f64;
    let recall = matched / reference.len() as f64;
    let mean = precision * recall / (ALPHA * precision + (1.0 - ALPHA) * recall);
    let adjacent = |pair: &&[(usize, usize)]| pair[1] == (pair[0].0 + 1, pair[0].1 + 1);
    let chunks = pairs.len() - pairs.windows(2).filter(adjacent).count();
    let penalty = GAMMA * (chunks as f64 / matched).powi(BETA);
    (1.0 - penalty) * mean
}

/// Words aligned so far, and those still free, with their places.
struct Alignment {
    pairs: Vec<(usize, usize)>,
    prediction: Vec<(usize, String)>,
    reference: Vec<(usize, String)>,
}

/// Where each word stands among the free words of the reference, ascending.
struct Free<'a>(HashMap<&'a str, Vec<usize>>);

impl Free<'_> {
    fn last(&self, word: &str) -> Option<usize> {
        self.0.get(word)?.last().copied()
    }
}

impl Alignment {
    /// One stage: `find` gives the reference's free word to align a word with.
    fn align(&mut self, find: impl Fn(&str, &Free<'_>) -> Option<usize>) {
        let mut free = Free(HashMap::new());
        for (at, (_, word)) in self.reference.iter().enumerate() {
            free.0.entry(word).or_default().push(at);
        }
        let mut taken = vec![false; self.reference.len()];
        let mut kept = Vec::new();
        for (place, word) in std::mem::take(&mut self.prediction).into_iter().rev() {
            match find(&word, &free) {
                Some(at) => {
                    let (reference_place, reference_word) = &self.reference[at];
                    self.pairs.push((place, *reference_place));
                    taken[at] = true;
                    if let Some(places) = free.0.get_mut(reference_word.as_str()) {
                        places.pop();
                    }
                }
                None => kept.push((place, word)),
            }
        }
        kept.reverse();
        self.prediction = kept;
        let mut taken = taken.into_iter();
        self.reference.retain(|_| !taken.next().unwrap_or(false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_words_in_one_piece_score_almost_one() {
        assert_eq!(meteor("", "", None), 0.0);
        assert_eq!(meteor("a", "b", None), 0.0);
        assert!(
            (meteor("the cat sat on the mat", "the cat sat on the mat", None) - 0.997_685_185_185_185_2)
                .abs()
                < 1e-12
        );
    }

    #[test]
    fn long_texts_take_no_quadratic_time() {
        let text: String = (0..50_000u32).map(|i| format!("w{} ", i.wrapping_mul(7919) % 4_001)).collect();
        assert!(meteor(&text, &text, None) > 0.9);
    }
}
