//! The retrievers that read no text: none, random and recency.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use super::{Problem, Ranking, RetrievalError, Retriever};
use crate::jobs::{CancelToken, Progress};
use crate::lamp::{Document, Query};

/// Retrieves nothing: the non-personalized column of every table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoEntries;

impl Retriever for NoEntries {
    fn rank(&self, _: &CancelToken, _: &Query, _: &[Document], _: usize) -> Result<Ranking, RetrievalError> {
        Ok(Ranking::default())
    }

    fn id(&self) -> String {
        "none".to_owned()
    }

    fn describe(&self) -> String {
        "No entries".to_owned()
    }
}

/// The most draws with replacement that are made for one record.
pub const MAX_DRAWS: usize = 1 << 20;

/// Draws entries at random, from a stream of its own for each seed and sample id.
///
/// With replacement (as the official code draws) there are exactly `k` draws, however small the profile, and an entry
/// may come twice; `usize::MAX`, the whole ranking, means as many draws as there are entries. Without replacement the
/// ranking is a shuffle of the profile, and a larger `k` gives all of it. Either way the first draws do not depend on
/// `k`, nor on the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Random {
    /// Chooses the stream, together with the sample id.
    pub seed: u64,
    /// Whether an entry may be drawn again.
    pub replacement: bool,
}

impl Random {
    fn stream(&self, sample_id: &str) -> ChaCha8Rng {
        let seed = Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(sample_id).finalize();
        ChaCha8Rng::from_seed(seed.into())
    }
}

/// A number below `bound` (which is not 0), evenly but for 1 part in 2⁶⁴ / `bound`.
fn below(stream: &mut ChaCha8Rng, bound: usize) -> usize {
    ((u128::from(stream.next_u64()) * bound as u128) >> 64) as usize
}

impl Retriever for Random {
    fn rank(
        &self,
        cancel: &CancelToken,
        query: &Query,
        documents: &[Document],
        k: usize,
    ) -> Result<Ranking, RetrievalError> {
        cancel.check()?;
        let count = documents.len();
        if count == 0 {
            return Ok(Ranking::default());
        }
        let mut stream = self.stream(&query.sample_id);
        if self.replacement {
            let draws = if k == usize::MAX { count } else { k };
            if draws > MAX_DRAWS.max(count) {
                return Err(RetrievalError::TooManyDraws { sample_id: query.sample_id.clone(), k });
            }
            return Ok(Ranking::of_indices((0..draws).map(|_| below(&mut stream, count))));
        }
        let mut order: Vec<usize> = (0..count).collect();
        let wanted = k.min(count);
        for place in 0..wanted {
            order.swap(place, place + below(&mut stream, count - place));
        }
        order.truncate(wanted);
        Ok(Ranking::of_indices(order))
    }

    fn id(&self) -> String {
        let suffix = if self.replacement { "" } else { ":distinct" };
        format!("random:{}{suffix}", self.seed)
    }

    fn describe(&self) -> String {
        let how = if self.replacement { "with" } else { "without" };
        format!("Random (seed {}, {how} replacement)", self.seed)
    }
}

/// The newest entries first; of equal dates, the later entry in the file.
///
/// Needs a date for every entry, which the user setting does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recency;

impl Retriever for Recency {
    fn rank(
        &self,
        cancel: &CancelToken,
        query: &Query,
        documents: &[Document],
        k: usize,
    ) -> Result<Ranking, RetrievalError> {
        cancel.check()?;
        let mut dated = Vec::with_capacity(documents.len());
        let mut undated = Vec::new();
        for (index, document) in documents.iter().enumerate() {
            match document.date {
                Some(date) => dated.push((date, index)),
                None => undated.push(document),
            }
        }
        if let Some(first) = undated.first() {
            let (sample_id, entry_id) = (query.sample_id.clone(), first.id.clone());
            return Err(if dated.is_empty() {
                RetrievalError::Undated { sample_id, entry_id }
            } else {
                RetrievalError::PartlyUndated {
                    sample_id,
                    entry_id,
                    count: undated.len(),
                    of: documents.len(),
                }
            });
        }
        dated.sort_unstable_by(|a, b| b.cmp(a));
        dated.truncate(k);
        Ok(Ranking::of_indices(dated.into_iter().map(|(_, index)| index)))
    }

    /// Refuses problems without dates, before others begin long work on them.
    fn prepare(
        &self,
        cancel: &CancelToken,
        _: &Progress,
        problems: &[Problem],
    ) -> Result<(), RetrievalError> {
        let refuse = |problem: &Problem| self.rank(cancel, &problem.query, &problem.documents, 0);
        problems.iter().try_for_each(|problem| refuse(problem).map(drop))
    }

    fn id(&self) -> String {
        "recency".to_owned()
    }

    fn describe(&self) -> String {
        "Recency (newest first)".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{dated, documents, query};
    use super::*;

    fn draws(retriever: Random, sample_id: &str, count: usize, k: usize) -> Vec<usize> {
        let documents = documents(&vec![""; count]);
        retriever.rank(&CancelToken::new(), &query(sample_id, ""), &documents, k).unwrap().indices().collect()
    }

    const WITH: Random = Random { seed: 7, replacement: true };
    const WITHOUT: Random = Random { seed: 7, replacement: false };

    #[test]
    fn draws_are_the_same_on_every_platform_and_in_every_version() {
        // Computed by a separate ChaCha8 over the SHA-256 of the seed and the id.
        assert_eq!(draws(WITH, "010", 10, 8), [1, 6, 7, 7, 8, 6, 3, 6]);
        assert_eq!(draws(WITHOUT, "010", 10, 8), [1, 6, 8, 2, 3, 4, 7, 5]);
    }

    #[test]
    fn more_draws_begin_with_the_fewer() {
        for retriever in [WITH, WITHOUT] {
            let many = draws(retriever, "1", 30, 30);
            for k in 0..30 {
                assert_eq!(draws(retriever, "1", 30, k), many[..k]);
            }
            assert_ne!(many, draws(retriever, "2", 30, 30));
            assert_ne!(many, draws(Random { seed: 8, ..retriever }, "1", 30, 30));
        }
    }

    #[test]
    fn replacement_decides_whether_entries_come_again() {
        let mut all = draws(WITHOUT, "1", 50, 1000);
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
        assert_eq!(draws(WITH, "1", 3, 16).len(), 16);
        assert_eq!(draws(WITH, "1", 3, usize::MAX).len(), 3);
        assert_eq!(draws(WITH, "1", 0, 4), [0usize; 0]);
        let mut counts = [0; 5];
        for index in draws(WITH, "1", 5, 10_000) {
            counts[index] += 1;
        }
        assert!(counts.iter().all(|count| (1800..2200).contains(count)), "{counts:?}");
    }

    #[test]
    fn absurdly_many_draws_are_refused() {
        let error = WITH.rank(&CancelToken::new(), &query("9", ""), &documents(&["a"]), MAX_DRAWS + 1);
        assert!(matches!(error, Err(RetrievalError::TooManyDraws { .. })));
    }

    #[test]
    fn recency_puts_the_newest_and_of_equal_dates_the_later_first() {
        let documents = dated(&["2012-03-06", "2013", "2012-11-01", "2013", "2013-01-01"]);
        let ranking = Recency.rank(&CancelToken::new(), &query("1", ""), &documents, usize::MAX).unwrap();
        assert_eq!(ranking.entry_ids(&documents), ["e4", "e3", "e1", "e2", "e0"]);
        assert_eq!(Recency.rank(&CancelToken::new(), &query("1", ""), &documents, 1).unwrap().len(), 1);
    }

    #[test]
    fn recency_refuses_entries_without_a_date_and_names_them() {
        let refuse = |dates: &[&str]| {
            Recency.rank(&CancelToken::new(), &query("007", ""), &dated(dates), 1).unwrap_err().to_string()
        };
        let none = refuse(&["", ""]);
        assert!(none.contains("recency is undefined there") && none.contains("`007`"), "{none}");
        let some = refuse(&["2012", "soon", ""]);
        assert!(some.contains("`007`") && some.contains("`e1`") && some.contains("2 of 3"), "{some}");
    }

    #[test]
    fn none_retrieves_nothing() {
        let ranking = NoEntries.rank(&CancelToken::new(), &query("1", "x"), &documents(&["x"]), 5).unwrap();
        assert!(ranking.is_empty());
    }
}
