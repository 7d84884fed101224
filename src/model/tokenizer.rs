//! Text to tokens and back, as the model sees them.

use std::path::{Path, PathBuf};

use tokenizers::{NormalizerWrapper, PreTokenizerWrapper};

/// Why a tokenizer could not be loaded or used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// The file is missing, unreadable or no tokenizer.
    #[error("cannot load the tokenizer {path}: {source}", path = path.display())]
    Load {
        /// The tokenizer's file.
        path: PathBuf,
        /// What the tokenizer library said.
        source: tokenizers::Error,
    },
    /// Bytes in memory are no tokenizer.
    #[error("cannot read {bytes} bytes as a tokenizer in the tokenizer.json format: {source}")]
    Parse {
        /// How many.
        bytes: usize,
        /// What the tokenizer library said.
        source: tokenizers::Error,
    },
    /// A text could not be tokenized.
    #[error("cannot tokenize a text of {chars} characters: {source}")]
    Encode {
        /// Its length.
        chars: usize,
        /// What the tokenizer library said.
        source: tokenizers::Error,
    },
    /// Token ids could not be turned into text.
    #[error("cannot decode {tokens} tokens: {source}")]
    Decode {
        /// How many.
        tokens: usize,
        /// What the tokenizer library said.
        source: tokenizers::Error,
    },
}

/// The tokens of a text's beginning, special tokens not among them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextStart {
    /// Token ids in order.
    pub ids: Vec<u32>,
    /// For each token, the byte of the text at which it ends: a character boundary, never falling.
    pub ends: Vec<usize>,
    /// Whether these are all the tokens of the text.
    pub complete: bool,
}

/// A model's view of text.
pub trait TextTokenizer: Send + Sync {
    /// The token ids of a text with the model's special tokens added (T5: end-of-sequence last). Never cut.
    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError>;

    /// The first `limit` tokens of a text without special tokens, and where in the text each ends. They are those
    /// of the whole text: `encode_start(text, n)` is `encode_start(text, m)` cut at n, for every m above n.
    fn encode_start(&self, text: &str, limit: usize) -> Result<TextStart, TokenizerError>;

    /// The text of token ids, special tokens skipped, nothing cleaned up.
    fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError>;

    /// How many special tokens [`TextTokenizer::encode`] adds to a text (T5: 1).
    fn special_tokens(&self) -> usize;
}

/// A tokenizer in Hugging Face's `tokenizer.json` format.
pub struct HfTokenizer {
    inner: tokenizers::Tokenizer,
    special_tokens: usize,
    /// Whether each word's tokens depend on that word alone, so that a long text need not be read to its end.
    splits_words: bool,
}

impl HfTokenizer {
    /// Loads `tokenizer.json`; truncation and padding that it may carry are switched off.
    pub fn from_file(path: &Path) -> Result<Self, TokenizerError> {
        let load = |source| TokenizerError::Load { path: path.to_owned(), source };
        Self::new(tokenizers::Tokenizer::from_file(path).map_err(load)?).map_err(load)
    }

    /// The same from the file's bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenizerError> {
        let parse = |source| TokenizerError::Parse { bytes: bytes.len(), source };
        Self::new(tokenizers::Tokenizer::from_bytes(bytes).map_err(parse)?).map_err(parse)
    }

    fn new(mut inner: tokenizers::Tokenizer) -> Result<Self, tokenizers::Error> {
        inner.with_padding(None).with_truncation(None)?;
        let special_tokens = inner.encode("", true)?.len();
        let splits_words = splits_words(&inner);
        Ok(Self { inner, special_tokens, splits_words })
    }
}

impl TextTokenizer for HfTokenizer {
    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self
            .inner
            .encode_fast(text, true)
            .map_err(|source| TokenizerError::Encode { chars: text.chars().count(), source })?;
        Ok(encoding.get_ids().to_vec())
    }

    fn encode_start(&self, text: &str, limit: usize) -> Result<TextStart, TokenizerError> {
        // About four bytes a token in English: a first window that is seldom too short.
        let mut window = limit.saturating_mul(5).saturating_add(64);
        loop {
            let cut = if self.splits_words { word_boundary(text, window) } else { text.len() };
            let encoding = self
                .inner
                .encode(&text[..cut], false)
                .map_err(|source| TokenizerError::Encode { chars: text.chars().count(), source })?;
            let whole = cut == text.len();
            if !whole && encoding.len() < limit {
                window = window.saturating_mul(2);
                continue;
            }
            let kept = encoding.len().min(limit);
            let mut end = 0;
            let ends = encoding.get_offsets()[..kept].iter().map(|&(_, token_end)| {
                end = text.ceil_char_boundary(token_end.max(end));
                end
            });
            return Ok(TextStart {
                ends: ends.collect(),
                ids: encoding.get_ids()[..kept].to_vec(),
                complete: whole && encoding.len() <= limit,
            });
        }
    }

    fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        self.inner.decode(ids, true).map_err(|source| TokenizerError::Decode { tokens: ids.len(), source })
    }

    fn special_tokens(&self) -> usize {
        self.special_tokens
    }
}

/// Where the last word ends that lies within the first `window` bytes and is followed by another, or the text's
/// end. Only plain ASCII counts as a boundary, since no normalizer joins it with what follows.
fn word_boundary(text: &str, window: usize) -> usize {
    let bytes = text.as_bytes();
    if window >= bytes.len() {
        return bytes.len();
    }
    let boundary = |&at: &usize| {
        bytes[at] == b' '
            && bytes[at - 1].is_ascii_graphic()
            && bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric)
    };
    (1..=window).rev().find(boundary).unwrap_or(bytes.len())
}

/// Whether a tokenizer surely cuts its text into words at spaces before all else and treats each alone, as T5's
/// does. Unsure means no: then a text is always read whole.
fn splits_words(tokenizer: &tokenizers::Tokenizer) -> bool {
    let pre_tokenizer = match tokenizer.get_pre_tokenizer() {
        Some(PreTokenizerWrapper::Metaspace(metaspace)) => metaspace.get_split(),
        _ => false,
    };
    let added = tokenizer.get_added_tokens_decoder();
    pre_tokenizer
        && tokenizer.get_normalizer().is_none_or(normalizes_words_alone)
        && !added.values().any(|token| token.content.contains(char::is_whitespace))
}

fn normalizes_words_alone(normalizer: &NormalizerWrapper) -> bool {
    match normalizer {
        NormalizerWrapper::Sequence(all) => all.as_ref().iter().all(normalizes_words_alone),
        NormalizerWrapper::Precompiled(_)
        | NormalizerWrapper::Nmt(_)
        | NormalizerWrapper::NFC(_)
        | NormalizerWrapper::NFKC(_)
        | NormalizerWrapper::Lowercase(_) => true,
        // Any pattern could be in there; SentencePiece models carry this one, which collapses spaces.
        NormalizerWrapper::Replace(replace) => serde_json::to_value(replace).is_ok_and(|json| {
            json["pattern"] == serde_json::json!({ "Regex": " {2,}" }) && json["content"] == " "
        }),
        _ => false,
    }
}

/// Removes the spaces that decoding leaves before punctuation and English contractions, as Hugging Face's
/// `clean_up_tokenization_spaces` does, which is on for T5 in the reference.
pub fn clean_up_spaces(text: String) -> String {
    const RULES: [(&str, &str); 10] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    // One after the other: what a rule leaves may be another's business.
    RULES
        .iter()
        .fold(text, |text, (from, to)| if text.contains(from) { text.replace(from, to) } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_go_before_punctuation_and_contractions() {
        let clean = |text: &str| clean_up_spaces(text.to_owned());
        assert_eq!(clean("Hello , world ! does n't it 's"), "Hello, world! doesn't it's");
        assert_eq!(clean("a ' b . . ? !"), "a'b..?!");
        assert_eq!(clean("we 've , they 're , I 'm"), "we've, they're, I'm");
        assert_eq!(clean("x  ."), "x .");
        assert_eq!(clean(""), "");
    }

    #[test]
    fn a_word_boundary_lies_between_plain_words() {
        assert_eq!(word_boundary("one two three", 5), 3);
        assert_eq!(word_boundary("one two three", 7), 7);
        assert_eq!(word_boundary("one two", 7), 7);
        assert_eq!(word_boundary("one  two x", 6), "one  two x".len(), "two spaces are no safe boundary");
        assert_eq!(word_boundary("onetwothree", 5), 11);
        assert_eq!(word_boundary("é é", 1), 5);
        assert_eq!(word_boundary("", 0), 0);
    }

    #[test]
    fn what_is_no_tokenizer_is_refused() {
        assert!(matches!(HfTokenizer::from_bytes(b"{}"), Err(TokenizerError::Parse { bytes: 2, .. })));
        let missing = Path::new("no-such-folder/tokenizer.json");
        assert!(HfTokenizer::from_file(missing).err().unwrap().to_string().contains("no-such-folder"));
    }
}
