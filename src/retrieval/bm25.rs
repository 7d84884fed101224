//! BM25 Okapi as the benchmark uses it: white-space tokens, case kept, scores equal to those of the Python package
//! `rank_bm25` 0.2.2.
//!
//! Floating-point sums are taken in the reference's order (the mean idf over terms as they first occur, a score
//! over query terms as they stand), since rounding decides between entries that nearly tie.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::tokens::{Token, Tokens};
use super::{Ranking, RetrievalError, Retriever};
use crate::jobs::{CancelToken, Canceled};
use crate::lamp::{Document, Query};

/// The parameters of BM25; the defaults are the reference's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bm25Options {
    /// How slowly repeated occurrences stop to count; 0 or more.
    pub k1: f64,
    /// How much long documents are held back, 0 to 1.
    pub b: f64,
    /// The share of the mean idf that stands in for a negative one.
    pub epsilon: f64,
}

impl Default for Bm25Options {
    fn default() -> Self {
        Self { k1: 1.5, b: 0.75, epsilon: 0.25 }
    }
}

/// A distinct token of the indexed texts.
#[derive(Debug, Clone, Copy)]
struct Term {
    /// Its first eight bytes, see [`Token::first`].
    first: u64,
    /// Where it first occurs: the text, and the bytes within.
    text: u32,
    start: u32,
    length: u32,
    hash: u32,
    /// The number of texts it occurs in, and the last of them.
    documents: u32,
    last: u32,
}

/// The tables of an index. They hold no text, so that the next index on the same thread takes them over: fresh memory for
/// each record would cost a third of the time.
#[derive(Debug, Default)]
struct Tables {
    /// In the order of their first occurrence.
    terms: Vec<Term>,
    /// Open addressing, a power of two of slots: a term's number plus one; 0 is free.
    slots: Vec<u32>,
    /// The term numbers of all tokens, text after text.
    tokens: Vec<u32>,
}

/// Tables with room for more than this many tokens are not kept for the next index.
const LARGEST_KEPT: usize = 1 << 20;

thread_local! {
    static SPARE: Cell<Option<Tables>> = const { Cell::new(None) };
}

/// The terms of some texts, ready to score queries against them.
///
/// Holds no copy of a token: it borrows the texts. A query is scored in time proportional to the number of all tokens.
#[derive(Debug)]
pub struct Bm25Index<'a> {
    options: Bm25Options,
    seed: u64,
    texts: Vec<&'a str>,
    tables: Tables,
    /// The number of tokens in each text.
    lengths: Vec<u32>,
    /// The idf of terms by the number of texts they occur in, negative ones replaced; NaN where none does.
    idf: Vec<f64>,
    average_idf: f64,
}

/// Why an index could not be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Bm25IndexError {
    /// The work was canceled.
    #[error(transparent)]
    Canceled(#[from] Canceled),
    /// More text than an index can number.
    #[error("{bytes} bytes of text are more than can be indexed (4 GiB)")]
    TooLarge {
        /// The bytes of all texts.
        bytes: usize,
    },
}

impl<'a> Bm25Index<'a> {
    /// Indexes texts.
    ///
    /// # Errors
    /// Cancellation, and texts of together 4 GiB or more.
    pub fn build(
        options: Bm25Options,
        cancel: &CancelToken,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Bm25IndexError> {
        // Differs from run to run so that no file can be written to make hashes collide; no result depends on it.
        static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("bm25"));
        let texts: Vec<&'a str> = texts.into_iter().collect();
        let bytes = texts.iter().map(|text| text.len()).sum();
        if bytes >= u32::MAX as usize || texts.len() >= u32::MAX as usize {
            return Err(Bm25IndexError::TooLarge { bytes });
        }
        let mut tables = SPARE.take().unwrap_or_default();
        tables.terms.clear();
        tables.tokens.clear();
        tables.slots.clear();
        tables.slots.resize((bytes / 6).next_power_of_two().max(64), 0); // twice the words of usual text
        let (lengths, idf) = (Vec::with_capacity(texts.len()), vec![f64::NAN; texts.len() + 1]);
        let mut index = Self { options, seed: *SEED, texts, tables, lengths, idf, average_idf: 0.0 };
        for text in 0..index.texts.len() {
            cancel.check()?;
            index.add(text);
        }
        index.weigh();
        Ok(index)
    }

    /// Adds the tokens of a text.
    fn add(&mut self, text: usize) {
        let before = self.tables.tokens.len();
        let number = text as u32;
        for token in Tokens::new(self.texts[text], self.seed) {
            let slot = self.slot_of(&token, self.texts[text]);
            let mut found = self.tables.slots[slot];
            if found == 0 {
                found = self.insert(slot, &token, number);
            }
            let term = &mut self.tables.terms[found as usize - 1];
            term.documents += u32::from(term.last != number);
            term.last = number;
            self.tables.tokens.push(found - 1);
        }
        self.lengths.push((self.tables.tokens.len() - before) as u32);
    }

    /// The slot that holds the term of a token of `text`, or the free one where it belongs.
    #[inline]
    fn slot_of(&self, token: &Token, text: &str) -> usize {
        let mask = self.tables.slots.len() - 1;
        let mut at = token.hash as u32 as usize & mask;
        loop {
            let slot = self.tables.slots[at];
            if slot == 0 || self.is(&self.tables.terms[slot as usize - 1], token, text) {
                return at;
            }
            at = (at + 1) & mask;
        }
    }

    /// Whether a token of `text` is an occurrence of a term.
    #[inline]
    fn is(&self, term: &Term, token: &Token, text: &str) -> bool {
        if term.first != token.first || term.length as usize != token.length {
            return false;
        }
        if token.length <= 8 {
            return true;
        }
        let (start, known) = (term.start as usize, self.texts[term.text as usize].as_bytes());
        known[start + 8..start + token.length] == text.as_bytes()[token.start + 8..token.start + token.length]
    }

    /// Makes the token a new term at a free slot; gives what the slot then holds.
    #[inline]
    fn insert(&mut self, slot: usize, token: &Token, text: u32) -> u32 {
        self.tables.terms.push(Term {
            first: token.first,
            text,
            start: token.start as u32,
            length: token.length as u32,
            hash: token.hash as u32,
            documents: 0,
            last: u32::MAX,
        });
        let number = self.tables.terms.len() as u32;
        self.tables.slots[slot] = number;
        if self.tables.terms.len() * 2 > self.tables.slots.len() {
            self.grow();
        }
        number
    }

    #[cold]
    fn grow(&mut self) {
        let Tables { terms, slots, .. } = &mut self.tables;
        let size = slots.len() * 4;
        slots.clear();
        slots.resize(size, 0);
        for (number, term) in terms.iter().enumerate() {
            let mut at = term.hash as usize & (size - 1);
            while slots[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            slots[at] = number as u32 + 1;
        }
    }

    /// Turns counts into weights, once all texts are in.
    fn weigh(&mut self) {
        let count = self.texts.len() as f64;
        let mut sum = 0.0;
        for term in &self.tables.terms {
            // Terms in equally many texts share their idf, and logarithms are dear.
            let idf = &mut self.idf[term.documents as usize];
            if idf.is_nan() {
                let documents = f64::from(term.documents);
                *idf = (count - documents + 0.5).ln() - (documents + 0.5).ln();
            }
            sum += *idf;
        }
        if !self.tables.terms.is_empty() {
            self.average_idf = sum / self.tables.terms.len() as f64;
        }
        let floor = self.options.epsilon * self.average_idf;
        for idf in &mut self.idf {
            if *idf < 0.0 {
                *idf = floor;
            }
        }
    }

    /// The mean idf over all distinct terms, before negative ones are replaced; 0 where there is no term.
    pub const fn average_idf(&self) -> f64 {
        self.average_idf
    }

    /// One score for each text, in their order.
    pub fn scores(&self, query: &str) -> Vec<f64> {
        // Each known term of the query gets a column to count it in; column 0 is for all other terms.
        let mut column_of = vec![0u32; self.tables.terms.len()];
        let mut columns = 1;
        let mut asked: Vec<(usize, f64)> = Vec::new();
        for token in Tokens::new(query, self.seed) {
            let slot = self.tables.slots[self.slot_of(&token, query)];
            if slot > 0 {
                let number = slot as usize - 1;
                if column_of[number] == 0 {
                    column_of[number] = columns;
                    columns += 1;
                }
                let documents = self.tables.terms[number].documents;
                asked.push((column_of[number] as usize, self.idf[documents as usize]));
            }
        }
        let Bm25Options { k1, b, .. } = self.options;
        let mean_length = self.tables.tokens.len() as f64 / self.texts.len() as f64;
        let mut counts = vec![0u32; columns as usize];
        let mut rest = self.tables.tokens.as_slice();
        let score = |length: &u32| {
            let (tokens, after) = rest.split_at(*length as usize);
            rest = after;
            counts.fill(0);
            for number in tokens {
                counts[column_of[*number as usize] as usize] += 1;
            }
            let length_part = k1 * (1.0 - b + b * f64::from(*length) / mean_length);
            let mut score = 0.0;
            for (column, idf) in &asked {
                if counts[*column] > 0 {
                    let count = f64::from(counts[*column]);
                    score += idf * (count * (k1 + 1.0) / (count + length_part));
                }
            }
            score
        };
        self.lengths.iter().map(score).collect()
    }

    /// The `k` texts with the highest scores.
    pub fn rank(&self, query: &str, k: usize) -> Ranking {
        Ranking::by_score(self.scores(query), k)
    }
}

impl Drop for Bm25Index<'_> {
    fn drop(&mut self) {
        if self.tables.tokens.capacity() <= LARGEST_KEPT {
            SPARE.set(Some(std::mem::take(&mut self.tables)));
        }
    }
}

/// Ranks by [`Bm25Index`], which it builds for each record.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bm25 {
    /// The parameters.
    pub options: Bm25Options,
}

impl Retriever for Bm25 {
    fn rank(
        &self,
        cancel: &CancelToken,
        query: &Query,
        documents: &[Document],
        k: usize,
    ) -> Result<Ranking, RetrievalError> {
        let texts = documents.iter().map(|document| document.text.as_str());
        match Bm25Index::build(self.options, cancel, texts) {
            Ok(index) => Ok(index.rank(&query.text, k)),
            Err(Bm25IndexError::Canceled(canceled)) => Err(canceled.into()),
            Err(Bm25IndexError::TooLarge { bytes }) => {
                Err(RetrievalError::ProfileTooLarge { sample_id: query.sample_id.clone(), bytes })
            }
        }
    }

    fn id(&self) -> String {
        let Bm25Options { k1, b, epsilon } = self.options;
        if self.options == Bm25Options::default() {
            "bm25".to_owned()
        } else {
            format!("bm25:k1={k1}:b={b}:epsilon={epsilon}")
        }
    }

    fn describe(&self) -> String {
        let Bm25Options { k1, b, epsilon } = self.options;
        format!("BM25 Okapi (k1 {k1}, b {b}, epsilon {epsilon})")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::super::test_support::{documents, query};
    use super::*;
    use crate::lamp::python_split;

    fn rank(texts: &[&str], asked: &str, k: usize) -> Vec<usize> {
        Bm25::default()
            .rank(&CancelToken::new(), &query("1", asked), &documents(texts), k)
            .unwrap()
            .indices()
            .collect()
    }

    /// The definition, with strings and maps.
    fn by_definition(options: Bm25Options, texts: &[String], asked: &str) -> Vec<f64> {
        let split: Vec<Vec<&str>> = texts.iter().map(|text| python_split(text).collect()).collect();
        let count = split.len() as f64;
        let mut terms: Vec<&str> = Vec::new();
        let mut idf: HashMap<&str, f64> = HashMap::new();
        for term in split.iter().flatten() {
            if !idf.contains_key(term) {
                let df = split.iter().filter(|text| text.contains(term)).count() as f64;
                idf.insert(term, (count - df + 0.5).ln() - (df + 0.5).ln());
                terms.push(term);
            }
        }
        let mean = terms.iter().map(|term| idf[term]).sum::<f64>() / terms.len() as f64;
        let mean_length = split.iter().map(|text| text.len() as f64).sum::<f64>() / count;
        let score = |text: &Vec<&str>| {
            python_split(asked)
                .filter(|term| text.contains(term))
                .map(|term| {
                    let tf = text.iter().filter(|other| *other == &term).count() as f64;
                    let weight = if idf[term] < 0.0 { options.epsilon * mean } else { idf[term] };
                    let length = 1.0 - options.b + options.b * text.len() as f64 / mean_length;
                    weight * tf * (options.k1 + 1.0) / (tf + options.k1 * length)
                })
                .sum()
        };
        split.iter().map(score).collect()
    }

    #[test]
    fn equal_scores_put_the_later_entry_first() {
        assert_eq!(rank(&["x y", "z", "x y", "w", "v"], "x", usize::MAX), [2, 0, 4, 3, 1]);
        assert_eq!(rank(&["a", "b", "c"], "nothing here", 2), [2, 1]);
    }

    #[test]
    fn empty_profiles_documents_and_queries_are_ranked() {
        assert_eq!(rank(&[], "x", 4), [0usize; 0]);
        assert_eq!(rank(&["", " "], "x", 4), [1, 0]);
        assert_eq!(rank(&["x", "y"], "", 1), [1]);
        assert_eq!(rank(&["x", "y"], "x", 0), [0usize; 0]);
    }

    #[test]
    fn cancellation_is_noticed() {
        let cancel = CancelToken::new();
        cancel.cancel();
        let result = Bm25::default().rank(&cancel, &query("1", "x"), &documents(&["x"]), 1);
        assert!(matches!(result, Err(RetrievalError::Canceled(_))));
    }

    #[test]
    fn many_terms_outgrow_the_first_table() {
        let texts: Vec<String> =
            (0..200).map(|d| (0..200).map(|w| format!("w{} ", d * 150 + w)).collect::<String>()).collect();
        let refs: Vec<&str> = texts.iter().map(String::as_str).collect();
        let index =
            Bm25Index::build(Bm25Options::default(), &CancelToken::new(), refs.iter().copied()).unwrap();
        assert_eq!(index.tables.terms.len(), 199 * 150 + 200);
        assert_eq!(index.rank("w29999", 1).entries[0].index, 199);
        assert_eq!(index.rank("w3", 1).entries[0].index, 0);
    }

    proptest! {
        #[test]
        fn scores_are_those_of_the_definition(
            texts in proptest::collection::vec("([a-d]{1,2}[ \n\u{a0}]){0,8}", 1..8),
            asked in "([a-d]{1,2} ){0,6}",
            k1 in 0.0..3.0f64, b in 0.0..1.0f64, epsilon in 0.0..1.0f64,
        ) {
            let options = Bm25Options { k1, b, epsilon };
            let index = Bm25Index::build(options, &CancelToken::new(), texts.iter().map(String::as_str)).unwrap();
            for (ours, theirs) in index.scores(&asked).into_iter().zip(by_definition(options, &texts, &asked)) {
                prop_assert!((ours - theirs).abs() < 1e-9, "{ours} {theirs}");
            }
        }

        #[test]
        fn the_best_k_begin_the_whole_ranking_on_any_text(
            texts in proptest::collection::vec(any::<String>(), 0..12), asked in any::<String>(), k in 0usize..14,
        ) {
            let index = Bm25Index::build(Bm25Options::default(), &CancelToken::new(), texts.iter().map(String::as_str)).unwrap();
            let whole = index.rank(&asked, usize::MAX);
            let mut seen: Vec<_> = whole.indices().collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..texts.len()).collect::<Vec<_>>());
            prop_assert_eq!(&index.rank(&asked, k).entries[..], &whole.entries[..k.min(texts.len())]);
        }
    }
}
