//! BM25 Okapi as the benchmark uses it: white-space tokens, case kept, scores equal to those of the Python package
//! `rank_bm25` 0.2.2.
//!
//! Floating-point sums are taken in the reference's order (the mean idf over terms as they first occur, a score
//! over query terms as they stand), since rounding decides between entries that nearly tie.

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

/// One occurrence list entry: a term in a document.
#[derive(Debug, Clone, Copy)]
struct Posting {
    document: u32,
    count: u32,
    /// The term's posting in an earlier document, or [`NONE`].
    previous: u32,
}

const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Term<'a> {
    token: Token<'a>,
    /// The number of documents it occurs in.
    documents: u32,
    /// Its posting in the last document that has it.
    last: u32,
}

/// The terms of some texts, ready to score queries against them.
///
/// Holds no copy of a token: it borrows the texts.
#[derive(Debug)]
pub struct Bm25Index<'a> {
    options: Bm25Options,
    seed: u64,
    /// In the order of their first occurrence.
    terms: Vec<Term<'a>>,
    /// Open addressing, a power of two of slots: the upper half of a term's hash above its number plus one; 0 is free.
    slots: Vec<u64>,
    postings: Vec<Posting>,
    /// The idf of terms by the number of documents they occur in, negative ones replaced; NaN where none does.
    idf: Vec<f64>,
    average_idf: f64,
    /// Each document's part of the denominator: k1 · (1 − b + b · length / mean length).
    length_parts: Vec<f64>,
}

impl<'a> Bm25Index<'a> {
    /// Indexes texts of together less than 4 GiB.
    ///
    /// # Errors
    /// Only cancellation.
    pub fn build<I>(options: Bm25Options, cancel: &CancelToken, texts: I) -> Result<Self, Canceled>
    where
        I: IntoIterator<Item = &'a str>,
    {
        // Differs from run to run so that no file can be written to make hashes collide; no result depends on it.
        static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("bm25"));
        let mut index = Self {
            options,
            seed: *SEED,
            terms: Vec::with_capacity(1 << 12),
            slots: vec![0; 1 << 13],
            postings: Vec::with_capacity(1 << 13),
            idf: Vec::new(),
            average_idf: 0.0,
            length_parts: Vec::new(),
        };
        for (document, text) in texts.into_iter().enumerate() {
            cancel.check()?;
            let length = index.add(document as u32, text);
            index.length_parts.push(f64::from(length));
        }
        index.weigh();
        Ok(index)
    }

    /// Adds a text's tokens and counts them.
    fn add(&mut self, document: u32, text: &'a str) -> u32 {
        let mut length = 0;
        for token in Tokens::new(text, self.seed) {
            length += 1;
            let number = self.number_of(token);
            let term = &mut self.terms[number];
            match self.postings.get_mut(term.last as usize) {
                Some(posting) if posting.document == document => posting.count += 1,
                _ => {
                    let posting = Posting { document, count: 1, previous: term.last };
                    term.last = self.postings.len() as u32;
                    term.documents += 1;
                    self.postings.push(posting);
                }
            }
        }
        length
    }

    /// The slot that holds the token's term, or the free one where it belongs.
    #[inline]
    fn slot_of(&self, token: &Token<'_>) -> usize {
        let mask = self.slots.len() - 1;
        let tag = token.hash >> 32;
        let mut at = tag as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 || (slot >> 32 == tag && self.terms[slot as u32 as usize - 1].token == *token) {
                return at;
            }
            at = (at + 1) & mask;
        }
    }

    /// The number of the token's term, a new one if it is the first of its kind.
    #[inline]
    fn number_of(&mut self, token: Token<'a>) -> usize {
        let at = self.slot_of(&token);
        match self.slots[at] {
            0 => {
                self.terms.push(Term { token, documents: 0, last: NONE });
                self.slots[at] = (token.hash >> 32 << 32) | self.terms.len() as u64;
                if self.terms.len() * 2 > self.slots.len() {
                    self.grow();
                }
                self.terms.len() - 1
            }
            slot => slot as u32 as usize - 1,
        }
    }

    #[cold]
    fn grow(&mut self) {
        let size = self.slots.len() * 4;
        let old = std::mem::replace(&mut self.slots, vec![0; size]);
        for slot in old.into_iter().filter(|slot| *slot != 0) {
            let mut at = (slot >> 32) as usize & (size - 1);
            while self.slots[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            self.slots[at] = slot;
        }
    }

    /// Turns counts into weights, once all texts are in.
    fn weigh(&mut self) {
        let count = self.length_parts.len() as f64;
        self.idf = vec![f64::NAN; self.length_parts.len() + 1];
        let mut sum = 0.0;
        for term in &self.terms {
            // Terms in equally many documents share their idf, and logarithms are dear.
            let idf = &mut self.idf[term.documents as usize];
            if idf.is_nan() {
                let documents = f64::from(term.documents);
                *idf = (count - documents + 0.5).ln() - (documents + 0.5).ln();
            }
            sum += *idf;
        }
        if !self.terms.is_empty() {
            self.average_idf = sum / self.terms.len() as f64;
        }
        let floor = self.options.epsilon * self.average_idf;
        for idf in &mut self.idf {
            if *idf < 0.0 {
                *idf = floor;
            }
        }
        let Bm25Options { k1, b, .. } = self.options;
        let mean_length = self.length_parts.iter().sum::<f64>() / count;
        for part in &mut self.length_parts {
            *part = k1 * (1.0 - b + b * *part / mean_length);
        }
    }

    /// The mean idf over all distinct terms, before negative ones are replaced; 0 where there is no term.
    pub const fn average_idf(&self) -> f64 {
        self.average_idf
    }

    /// One score for each text, in their order.
    pub fn scores(&self, query: &str) -> Vec<f64> {
        let mut scores = vec![0.0; self.length_parts.len()];
        let k1 = self.options.k1;
        for token in Tokens::new(query, self.seed) {
            let slot = self.slots[self.slot_of(&token)];
            if slot == 0 {
                continue;
            }
            let term = &self.terms[slot as u32 as usize - 1];
            let idf = self.idf[term.documents as usize];
            let mut next = term.last;
            while let Some(posting) = self.postings.get(next as usize) {
                let document = posting.document as usize;
                let count = f64::from(posting.count);
                scores[document] += idf * (count * (k1 + 1.0) / (count + self.length_parts[document]));
                next = posting.previous;
            }
        }
        scores
    }

    /// The `k` texts with the highest scores.
    pub fn rank(&self, query: &str, k: usize) -> Ranking {
        Ranking::by_score(self.scores(query), k)
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
        let bytes = documents.iter().map(|document| document.text.len()).sum();
        if bytes >= NONE as usize || documents.len() >= NONE as usize {
            return Err(RetrievalError::ProfileTooLarge { sample_id: query.sample_id.clone(), bytes });
        }
        let texts = documents.iter().map(|document| document.text.as_str());
        let index = Bm25Index::build(self.options, cancel, texts)?;
        Ok(index.rank(&query.text, k))
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
        assert_eq!(index.terms.len(), 199 * 150 + 200);
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
