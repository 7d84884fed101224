//! What a person types: words, "phrases" and -exclusions. Nothing typed is an error.

use std::collections::HashSet;
use std::ops::Range;

use tantivy::Term;
use tantivy::query::{BooleanQuery, Occur, PhraseQuery, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::tokenizer::TextAnalyzer;

use super::analyzer;

/// What is read of a query, in bytes; more is no question that a person asks.
const LONGEST_QUERY: usize = 4096;

/// A query as it was understood.
pub(super) struct Understood {
    /// All wanted parts must occur, no excluded one may.
    pub(super) query: Box<dyn Query>,
    /// The terms of the wanted parts.
    pub(super) terms: Vec<String>,
}

/// Understands a query over one field; `None` where it wants nothing (empty, only stop words, only exclusions).
pub(super) fn understand(field: Field, typed: &str) -> Option<Understood> {
    let mut analyzer = analyzer::english();
    let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
    let mut wanted = Vec::new();
    for (excluded, text) in parts(&typed[..typed.floor_char_boundary(LONGEST_QUERY)]) {
        let found = analyzer::terms(&mut analyzer, text);
        let term_of = |term: &str| Term::from_field_text(field, term);
        let query: Box<dyn Query> = match found.as_slice() {
            [] => continue,
            [(_, only)] => Box::new(TermQuery::new(term_of(only), IndexRecordOption::WithFreqs)),
            several => Box::new(PhraseQuery::new_with_offset(
                several.iter().map(|(position, term)| (*position, term_of(term))).collect(),
            )),
        };
        if excluded {
            clauses.push((Occur::MustNot, query));
        } else {
            clauses.push((Occur::Must, query));
            wanted.extend(found.into_iter().map(|(_, term)| term));
        }
    }
    if wanted.is_empty() {
        return None;
    }
    Some(Understood { query: Box::new(BooleanQuery::new(clauses)), terms: wanted })
}

/// Finds the words of a query in whole texts, as the index understands both.
pub struct Marker {
    analyzer: TextAnalyzer,
    wanted: HashSet<String>,
}

impl Marker {
    /// For what a person typed; a query that wants nothing marks nothing.
    pub fn new(typed: &str) -> Self {
        let wanted = understand(Field::from_field_id(0), typed).map(|understood| understood.terms);
        Self { analyzer: analyzer::english(), wanted: wanted.into_iter().flatten().collect() }
    }

    /// The words of a text that the query wants, as byte ranges, in order and apart. Words of a phrase are marked wherever
    /// they stand.
    pub fn marks(&mut self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if self.wanted.is_empty() {
            return found;
        }
        let mut stream = self.analyzer.token_stream(text);
        while stream.advance() {
            let token = stream.token();
            if self.wanted.contains(&token.text) {
                found.push(token.offset_from..token.offset_to);
            }
        }
        found
    }
}

/// The words and quoted phrases, and whether a `-` before them excludes them. A quote left open ends with the text.
fn parts(typed: &str) -> Vec<(bool, &str)> {
    let mut parts = Vec::new();
    let mut rest = typed.trim_start();
    while !rest.is_empty() {
        let (excluded, after_sign) = match rest.strip_prefix('-') {
            Some(after) => (true, after),
            None => (false, rest),
        };
        let (part, after) = match after_sign.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after_sign.split_at(
                after_sign.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(after_sign.len()),
            ),
        };
        if !part.is_empty() {
            parts.push((excluded, part));
        }
        rest = after.trim_start();
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_phrases_and_exclusions_are_told_apart() {
        assert_eq!(
            parts(r#" red "old house" -blue -"big dog" "#),
            [(false, "red"), (false, "old house"), (true, "blue"), (true, "big dog")]
        );
        assert_eq!(parts(r#"well-known "open"#), [(false, "well-known"), (false, "open")]);
        assert_eq!(parts(r#"a"b"c - -- """#), [(false, "a"), (false, "b"), (false, "c"), (true, "-")]);
        assert_eq!(parts(""), []);
    }

    #[test]
    fn words_are_marked_in_every_form_that_is_found() {
        let text = "Old Houses, old dogs and a house\u{e9}";
        let marked = |typed| -> Vec<&str> {
            Marker::new(typed).marks(text).into_iter().map(|range| &text[range]).collect()
        };
        assert_eq!(marked("house -dogs"), ["Houses"]);
        assert_eq!(marked("\"old house\""), ["Old", "Houses", "old"]);
        assert!(marked("-house").is_empty() && marked("").is_empty());
    }

    #[test]
    fn a_query_that_wants_nothing_is_none() {
        let field = Field::from_field_id(0);
        for typed in ["", "  ", "the of", "-house", "\"\"", "- - --", "***", "\"", "-\""] {
            assert!(understand(field, typed).is_none(), "{typed:?}");
        }
        assert!(understand(field, &"\u{e9}".repeat(LONGEST_QUERY)).is_none()); // one word too long to be a term
        assert_eq!(understand(field, "Houses -blue").unwrap().terms, ["hous"]);
    }
}
