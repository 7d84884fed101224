//! Retrievers made of others: recency beside another, and reciprocal rank fusion.
//!
//! They take their members boxed, so that any retriever can be one.

use super::{Problem, RankedEntry, Ranking, Recency, RetrievalError, Retriever};
use crate::jobs::{CancelToken, Progress};
use crate::lamp::{Document, Query};

/// Half of the entries from another retriever, then the newest ones (arXiv 2404.05970 has it with Contriever).
///
/// Each half is taken by itself, so that an entry that both choose stands twice, as in the official code. Of an odd
/// `k` the other retriever gets the larger half. A `k` larger than the profile gives each entry once.
pub struct RecencyPlus {
    other: Box<dyn Retriever>,
}

impl RecencyPlus {
    /// Puts recency beside `other`.
    pub fn new(other: Box<dyn Retriever>) -> Self {
        Self { other }
    }
}

impl Retriever for RecencyPlus {
    fn rank(
        &self,
        cancel: &CancelToken,
        query: &Query,
        documents: &[Document],
        k: usize,
    ) -> Result<Ranking, RetrievalError> {
        let count = documents.len();
        let places = k.min(count);
        let newest = if k > count { count } else { places / 2 };
        let newest = Recency.rank(cancel, query, documents, newest)?;
        let mut ranking = self.other.rank(cancel, query, documents, places.div_ceil(2))?;
        ranking.entries.extend(newest.entries);
        if k > count {
            let mut taken = vec![false; count];
            ranking.entries.retain(|entry| !std::mem::replace(&mut taken[entry.index], true));
        }
        for entry in &mut ranking.entries {
            entry.score = None; // the halves have no common scale
        }
        Ok(ranking)
    }

    fn preparations(&self) -> usize {
        self.other.preparations()
    }

    fn prepare(
        &self,
        cancel: &CancelToken,
        progress: &Progress,
        problems: &[Problem],
    ) -> Result<(), RetrievalError> {
        Recency.prepare(cancel, progress, problems)?;
        self.other.prepare(cancel, progress, problems)
    }

    fn id(&self) -> String {
        format!("recency+{}", self.other.id())
    }

    fn describe(&self) -> String {
        format!("Half {}, half recency", self.other.describe())
    }
}

/// Reciprocal rank fusion: an entry's score is the sum over members of 1 / (c + its place), places counted from 1
/// (Cormack, Clarke and Büttcher 2009).
///
/// Members rank the whole profile. An entry that a member does not rank gets nothing from it, one that no member ranks is
/// not retrieved, and one that a member ranks twice counts at its first place. Equal scores: the later entry first.
/// The order of the members does not matter.
pub struct Fusion {
    members: Vec<Box<dyn Retriever>>,
    c: f64,
}

impl Fusion {
    /// The constant of the original paper.
    pub const DEFAULT_C: f64 = 60.0;

    /// Fuses `members`; `c`, 0 or more, says how little the first places stand out.
    pub fn new(members: Vec<Box<dyn Retriever>>, c: f64) -> Self {
        Self { members, c }
    }
}

impl Retriever for Fusion {
    fn rank(
        &self,
        cancel: &CancelToken,
        query: &Query,
        documents: &[Document],
        k: usize,
    ) -> Result<Ranking, RetrievalError> {
        let mut places: Vec<Vec<usize>> = vec![Vec::new(); documents.len()];
        for member in &self.members {
            let ranking = member.rank(cancel, query, documents, usize::MAX)?;
            let mut seen = vec![false; documents.len()];
            for (place, index) in ranking.indices().enumerate() {
                if !std::mem::replace(&mut seen[index], true) {
                    places[index].push(place + 1);
                }
            }
        }
        let scores = places.iter_mut().map(|places| {
            places.sort_unstable(); // rounding must not depend on the order of the members
            places.iter().map(|place| 1.0 / (self.c + *place as f64)).sum::<f64>()
        });
        let mut ranking = Ranking::by_score(scores.collect::<Vec<_>>(), k);
        ranking.entries.retain(|RankedEntry { index, .. }| !places[*index].is_empty());
        Ok(ranking)
    }

    fn preparations(&self) -> usize {
        self.members.iter().map(|member| member.preparations()).sum()
    }

    fn prepare(
        &self,
        cancel: &CancelToken,
        progress: &Progress,
        problems: &[Problem],
    ) -> Result<(), RetrievalError> {
        // What costs little may refuse at once.
        let (dear, cheap): (Vec<_>, Vec<_>) =
            self.members.iter().partition(|member| member.preparations() > 0);
        cheap.into_iter().chain(dear).try_for_each(|member| member.prepare(cancel, progress, problems))
    }

    fn id(&self) -> String {
        let members: Vec<String> = self.members.iter().map(|member| member.id()).collect();
        let c = if self.c == Self::DEFAULT_C { String::new() } else { format!(":{}", self.c) };
        format!("rrf{c}({})", members.join(","))
    }

    fn describe(&self) -> String {
        let members: Vec<String> = self.members.iter().map(|member| member.describe()).collect();
        format!("Reciprocal rank fusion (c {}) of {}", self.c, members.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_support::{dated, query};
    use super::super::{Bm25, NoEntries, Random};
    use super::*;

    /// Ranks as it is told.
    #[derive(Clone)]
    struct Told(Vec<usize>);

    impl Retriever for Told {
        fn rank(
            &self,
            _: &CancelToken,
            _: &Query,
            _: &[Document],
            k: usize,
        ) -> Result<Ranking, RetrievalError> {
            Ok(Ranking::of_indices(self.0.iter().copied().take(k)))
        }

        fn id(&self) -> String {
            "told".into()
        }

        fn describe(&self) -> String {
            "As told".into()
        }
    }

    fn rank(retriever: &dyn Retriever, documents: &[Document], k: usize) -> Vec<usize> {
        retriever.rank(&CancelToken::new(), &query("1", "x"), documents, k).unwrap().indices().collect()
    }

    #[test]
    fn recency_plus_takes_half_from_each_and_the_other_first() {
        // Newest first: 3, 2, 1, 0.
        let documents = dated(&["2001", "2002", "2003", "2004"]);
        let both = RecencyPlus::new(Box::new(Told(vec![0, 3, 1, 2])));
        assert_eq!(rank(&both, &documents, 0), [0usize; 0]);
        assert_eq!(rank(&both, &documents, 1), [0]);
        assert_eq!(rank(&both, &documents, 2), [0, 3]);
        assert_eq!(rank(&both, &documents, 3), [0, 3, 3]);
        assert_eq!(rank(&both, &documents, 4), [0, 3, 3, 2]);
        assert_eq!(rank(&both, &documents, 5), [0, 3, 2, 1]);
        assert_eq!(rank(&both, &documents, usize::MAX), [0, 3, 2, 1]);
        assert_eq!(rank(&both, &[], 4), [0usize; 0]);
    }

    #[test]
    fn fusion_adds_reciprocal_places() {
        let documents = dated(&["2001", "2002", "2003"]);
        let fused = Fusion::new(vec![Box::new(Told(vec![0, 1, 2])), Box::new(Told(vec![2, 0]))], 60.0);
        let ranking = fused.rank(&CancelToken::new(), &query("1", ""), &documents, 2).unwrap();
        let expected = [(0, 1.0 / 61.0 + 1.0 / 62.0), (2, 1.0 / 61.0 + 1.0 / 63.0)];
        for (entry, (index, score)) in ranking.entries.iter().zip(expected) {
            assert_eq!(entry.index, index);
            assert!((entry.score.unwrap() - score).abs() < 1e-15);
        }
        assert_eq!(rank(&fused, &documents, usize::MAX), [0, 2, 1]);
    }

    #[test]
    fn what_no_member_ranks_is_not_retrieved() {
        let documents = dated(&["2001", "2002"]);
        assert_eq!(rank(&Fusion::new(vec![Box::new(NoEntries)], 60.0), &documents, 5), [0usize; 0]);
        assert_eq!(rank(&Fusion::new(vec![Box::new(Told(vec![1, 1]))], 60.0), &documents, 5), [1]);
        assert_eq!(rank(&Fusion::new(Vec::new(), 60.0), &documents, 5), [0usize; 0]);
    }

    #[test]
    fn an_error_of_a_member_is_an_error() {
        let fused = Fusion::new(vec![Box::new(Bm25::default()), Box::new(Recency)], 60.0);
        assert!(fused.rank(&CancelToken::new(), &query("1", "x"), &dated(&[""]), 1).is_err());
    }

    #[test]
    fn ids_name_every_member() {
        let members: Vec<Box<dyn Retriever>> = vec![
            Box::new(RecencyPlus::new(Box::new(Bm25::default()))),
            Box::new(Random { seed: 1, replacement: false }),
        ];
        assert_eq!(Fusion::new(members, 60.0).id(), "rrf(recency+bm25,random:1:distinct)");
    }

    proptest! {
        #[test]
        fn one_member_alone_decides(order in Just((0..9).collect::<Vec<usize>>()).prop_shuffle(), k in 0usize..12) {
            let documents = dated(&["2001"; 9]);
            let alone = Fusion::new(vec![Box::new(Told(order.clone()))], 60.0);
            prop_assert_eq!(rank(&alone, &documents, k), &order[..k.min(9)]);
        }

        #[test]
        fn members_in_any_order_give_the_same(
            orders in proptest::collection::vec(Just((0..7).collect::<Vec<usize>>()).prop_shuffle(), 4),
            shuffle in Just(vec![0usize, 1, 2, 3]).prop_shuffle(),
        ) {
            let documents = dated(&["2001"; 7]);
            let boxed = |orders: Vec<Vec<usize>>| -> Vec<Box<dyn Retriever>> {
                orders.into_iter().map(|order| Box::new(Told(order)) as Box<dyn Retriever>).collect()
            };
            let other = shuffle.iter().map(|i| orders[*i].clone()).collect();
            let (a, b) = (Fusion::new(boxed(orders), 60.0), Fusion::new(boxed(other), 60.0));
            prop_assert_eq!(
                a.rank(&CancelToken::new(), &query("1", ""), &documents, usize::MAX).unwrap(),
                b.rank(&CancelToken::new(), &query("1", ""), &documents, usize::MAX).unwrap()
            );
        }
    }
}
