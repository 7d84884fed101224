//! What a person types: words, "phrases" and -exclusions. Nothing typed is an error.

use tantivy::Term;
use tantivy::query::{BooleanQuery, Occur, PhraseQuery, Query, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};

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
    fn a_query_that_wants_nothing_is_none() {
        let field = Field::from_field_id(0);
        for typed in ["", "  ", "the of", "-house", "\"\"", "- - --", "***", "\"", "-\""] {
            assert!(understand(field, typed).is_none(), "{typed:?}");
        }
        assert!(understand(field, &"\u{e9}".repeat(LONGEST_QUERY)).is_none()); // one word too long to be a term
        assert_eq!(understand(field, "Houses -blue").unwrap().terms, ["hous"]);
    }
}
