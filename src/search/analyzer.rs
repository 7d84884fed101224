//! How text becomes terms.

use std::sync::LazyLock;

use tantivy::schema::{IndexRecordOption, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{
    Language, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer, StopWordFilter, TextAnalyzer,
    TokenizerManager,
};

/// The analyzer's name within an index.
const NAME: &str = "lamplight_english";

/// Words of this many bytes or more are not terms: nobody looks for them, and they would bloat an index.
const TOO_LONG: usize = 100;

/// Words (runs of letters and digits) in lower case, without English stop words, stemmed.
pub(super) fn english() -> TextAnalyzer {
    let words = TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(TOO_LONG))
        .filter(LowerCaser);
    let stemmer = Stemmer::new(Language::English);
    match StopWordFilter::new(Language::English) {
        Some(stop_words) => words.filter(stop_words).filter(stemmer).build(),
        None => words.filter(stemmer).build(),
    }
}

/// What gives an index the analyzer that its fields name.
pub(super) fn tokenizers() -> TokenizerManager {
    static MANAGER: LazyLock<TokenizerManager> = LazyLock::new(|| {
        let manager = TokenizerManager::default(); // the engine wants its own even for fields without text
        manager.register(NAME, english());
        manager
    });
    MANAGER.clone()
}

/// A field of analyzed text that keeps as much about occurrences as `record` says.
pub(super) fn analyzed(record: IndexRecordOption) -> TextOptions {
    TextOptions::default()
        .set_indexing_options(TextFieldIndexing::default().set_tokenizer(NAME).set_index_option(record))
}

/// The terms of a text with their positions, in order.
pub(super) fn terms(analyzer: &mut TextAnalyzer, text: &str) -> Vec<(usize, String)> {
    let mut terms = Vec::new();
    let mut stream = analyzer.token_stream(text);
    while stream.advance() {
        let token = stream.token();
        terms.push((token.position, token.text.clone()));
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_folded_stemmed_and_stop_words_leave_a_gap() {
        let found = terms(&mut english(), "The Runners' house of CARDS, 2012");
        let expected = [(1, "runner"), (2, "hous"), (4, "card"), (5, "2012")];
        assert_eq!(found, expected.map(|(position, term)| (position, term.to_owned())));
    }
}
