//! Ranking by a real search engine: BM25 over words as English has them (lower case, stemmed, without stop words).

use super::{Ranking, RetrievalError, Retriever};
use crate::jobs::CancelToken;
use crate::lamp::{Document, Query};
use crate::search::match_scores;

/// Ranks by [`match_scores`]: the search engine's BM25 over an index of the record's profile.
///
/// Equal scores, and with them the entries that share no word with the query (score 0, after all others), stand with the
/// later entry first, as under [`super::Bm25`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FullText;

impl Retriever for FullText {
    fn rank(
        &self,
        cancel: &CancelToken,
        query: &Query,
        documents: &[Document],
        k: usize,
    ) -> Result<Ranking, RetrievalError> {
        cancel.check()?;
        let texts = documents.iter().map(|document| document.text.as_str());
        let scores = match_scores(texts, &query.text)
            .map_err(|source| RetrievalError::Search { sample_id: query.sample_id.clone(), source })?;
        Ok(Ranking::by_score(scores.into_iter().map(f64::from), k))
    }

    fn id(&self) -> String {
        "fulltext".to_owned()
    }

    fn describe(&self) -> String {
        "Full-text search (English stems, BM25)".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_support::{documents, query};
    use super::*;

    fn rank(texts: &[&str], asked: &str, k: usize) -> Ranking {
        FullText.rank(&CancelToken::new(), &query("1", asked), &documents(texts), k).unwrap()
    }

    #[test]
    fn stems_meet_and_stop_words_do_not_count() {
        let ranking =
            rank(&["the cat", "Dogs RUNNING fast", "a dog", "the the the"], "the running dog", usize::MAX);
        assert_eq!(ranking.indices().collect::<Vec<_>>(), [1, 2, 3, 0]);
        assert!(ranking.entries[1].score.unwrap() > 0.0);
        assert_eq!(ranking.entries[2].score, Some(0.0));
    }

    #[test]
    fn equal_scores_put_the_later_entry_first() {
        assert_eq!(
            rank(&["apple pie", "plum", "apple pie"], "apple", 9).indices().collect::<Vec<_>>(),
            [2, 0, 1]
        );
    }

    #[test]
    fn a_query_is_text_and_no_syntax() {
        for asked in
            ["apple -plum", "plum:apple AND", "\"apple", "[apple TO", "apple^9 *", "NOT apple", "/apple/"]
        {
            let ranking = rank(&["pie", "apple pie", "pear"], asked, 1);
            assert_eq!(ranking.indices().collect::<Vec<_>>(), [1], "{asked}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn the_best_k_begin_the_whole_ranking_on_any_text(
            texts in proptest::collection::vec("[a-c\\PC]{0,20}", 0..6), asked in "[a-c\\PC]{0,20}", k in 0usize..8,
        ) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let whole = rank(&texts, &asked, usize::MAX);
            let mut seen: Vec<_> = whole.indices().collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..texts.len()).collect::<Vec<_>>());
            prop_assert_eq!(&rank(&texts, &asked, k).entries[..], &whole.entries[..k.min(texts.len())]);
        }
    }
}
