//! Scoring the texts of one profile with the search engine.

use std::collections::BTreeMap;

use tantivy::directory::RamDirectory;
use tantivy::query::{BooleanQuery, BoostQuery, EnableScoring, Occur, Query, TermQuery};
use tantivy::schema::{IndexRecordOption, Schema};
use tantivy::{IndexBuilder, ReloadPolicy, SingleSegmentIndexWriter, TantivyDocument, Term};

use super::{SearchError, analyzer};

/// The size hint for the writer's tables: the engine takes none below its minimum for a writer with threads, and this one
/// neither starts a thread nor sets the memory aside.
const ARENA_BYTES: usize = 3_000_000;

/// The search engine's BM25 score of each text for the words of `query`; 0 for texts with none of them.
///
/// Builds an index of the texts in memory, in one segment and on this thread. The query is plain text: its terms
/// are those of its words, each weighed by how often it stands there. The engine rounds document lengths, so that scores
/// differ a little from exact BM25.
///
/// # Errors
/// Only where the engine fails.
pub fn match_scores<'t>(
    texts: impl IntoIterator<Item = &'t str>,
    query: &str,
) -> Result<Vec<f32>, SearchError> {
    let mut schema = Schema::builder();
    let field = schema.add_text_field("text", analyzer::analyzed(IndexRecordOption::WithFreqs));
    // Hidden from the engine's documentation, but the one writer without threads, and this is done for every record.
    let mut writer: SingleSegmentIndexWriter = IndexBuilder::new()
        .schema(schema.build())
        .tokenizers(analyzer::tokenizers())
        .single_segment_index_writer(RamDirectory::create(), ARENA_BYTES)?;
    let mut count = 0;
    for text in texts {
        let mut document = TantivyDocument::new();
        document.add_text(field, text);
        writer.add_document(document)?;
        count += 1;
    }
    let mut scores = vec![0.0; count];
    let mut weights: BTreeMap<String, f32> = BTreeMap::new();
    for (_, term) in analyzer::terms(&mut analyzer::english(), query) {
        *weights.entry(term).or_default() += 1.0;
    }
    if count == 0 || weights.is_empty() {
        return Ok(scores);
    }
    let clauses = weights.into_iter().map(|(term, weight)| {
        let term = TermQuery::new(Term::from_field_text(field, &term), IndexRecordOption::WithFreqs);
        let clause: Box<dyn Query> = Box::new(BoostQuery::new(Box::new(term), weight));
        (Occur::Should, clause)
    });
    let query = BooleanQuery::new(clauses.collect());
    let reader = writer.finalize()?.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
    let searcher = reader.searcher();
    let weight = query.weight(EnableScoring::enabled_from_searcher(&searcher))?;
    for segment in searcher.segment_readers() {
        weight.for_each(segment, &mut |document, score| scores[document as usize] = score)?;
    }
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_query_words_weigh_more() {
        let texts = ["apple", "plum", "pear"];
        let once = match_scores(texts, "apple plum").unwrap();
        assert!((once[0] - once[1]).abs() < 1e-6 && once[2] == 0.0 && once[0] > 0.0);
        let twice = match_scores(texts, "apple plum Apples").unwrap();
        assert!((twice[0] - 2.0 * twice[1]).abs() < 1e-6);
    }

    #[test]
    fn nothing_to_find_scores_zero() {
        assert_eq!(match_scores([], "x").unwrap(), [0.0; 0]);
        assert_eq!(match_scores(["a b", ""], "").unwrap(), [0.0; 2]);
        assert_eq!(match_scores(["", ""], "the of").unwrap(), [0.0; 2]);
    }

    #[test]
    fn words_of_any_length_are_taken() {
        let long = "x".repeat(100_000);
        assert_eq!(match_scores([long.as_str(), "y"], &long).unwrap(), [0.0; 2]);
    }
}
