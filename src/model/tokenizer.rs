//! Text to tokens and back, as the model sees them.

use std::path::{Path, PathBuf};

use super::words::{Words, cuts_at_words, special_tokens_around, word_boundary};

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
    /// A model's folder has its tokenizer only in a form that is not read.
    #[error(
        "{folder} has no tokenizer.json, only spiece.model, which is not read; put the tokenizer.json of the same model \
         beside it (google/flan-t5-small publishes the one of all Flan-T5 models), or write it with transformers: \
         AutoTokenizer.from_pretrained(folder).save_pretrained(folder)", folder = folder.display()
    )]
    OnlySentencePiece {
        /// The model's folder.
        folder: PathBuf,
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

    /// The same, but at most `max_length` tokens: the text loses its end, and the special tokens stay in their places.
    fn encode_cut(&self, text: &str, max_length: usize) -> Result<Vec<u32>, TokenizerError> {
        let whole = self.encode(text)?;
        if whole.len() <= max_length {
            return Ok(whole);
        }
        let special = self.special_tokens().min(whole.len());
        let kept = self.encode_start(text, max_length.saturating_sub(special))?.ids;
        let begins = |&at: &usize| whole[at..].starts_with(&kept);
        let before = (0..=special).find(begins).unwrap_or(0);
        let after = whole.len() - (special - before);
        Ok([&whole[..before], &kept, &whole[after..]].concat())
    }

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
    /// Whether the beginning of a text can be read alone.
    cuts_at_words: bool,
    /// The shorter way, where each word's tokens depend on that word alone: no more of a text is read than is asked.
    words: Option<Words>,
}

impl HfTokenizer {
    /// Loads `tokenizer.json` of a model's folder.
    ///
    /// # Errors
    /// [`TokenizerError`] for a file that is missing, unreadable or no tokenizer.
    pub fn from_folder(folder: &Path) -> Result<Self, TokenizerError> {
        let file = folder.join("tokenizer.json");
        if !file.exists() && folder.join("spiece.model").is_file() {
            return Err(TokenizerError::OnlySentencePiece { folder: folder.to_owned() });
        }
        Self::from_file(&file)
    }

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
        let words = Words::of(&inner);
        let cuts_at_words = words.is_some() || cuts_at_words(&inner);
        Ok(Self { inner, special_tokens, cuts_at_words, words })
    }

    /// One that was put together from a vocabulary in the file `path`.
    pub(super) fn from_tokenizer(inner: tokenizers::Tokenizer, path: &Path) -> Result<Self, TokenizerError> {
        Self::new(inner).map_err(|source| TokenizerError::Load { path: path.to_owned(), source })
    }

    /// The greatest id of a token.
    pub fn greatest_id(&self) -> u32 {
        self.inner.get_vocab(true).into_values().max().unwrap_or(0)
    }

    /// The special tokens before a text and after it; none where that cannot be told.
    pub(super) fn special_tokens_around(&self) -> (Vec<u32>, Vec<u32>) {
        special_tokens_around(&self.inner).unwrap_or_default()
    }

    /// The first `limit` tokens as the tokenizer library finds them.
    fn library_start(&self, text: &str, limit: usize) -> Result<TextStart, tokenizers::Error> {
        let encoding = self.inner.encode(text, false)?;
        let kept = encoding.len().min(limit);
        let mut end = 0;
        let ends = encoding.get_offsets()[..kept].iter().map(|&(_, token_end)| {
            end = text.ceil_char_boundary(token_end.max(end));
            end
        });
        Ok(TextStart {
            ends: ends.collect(),
            ids: encoding.get_ids()[..kept].to_vec(),
            complete: encoding.len() <= limit,
        })
    }
}

impl TextTokenizer for HfTokenizer {
    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        let failed = |source| TokenizerError::Encode { chars: text.chars().count(), source };
        if let Some(words) = &self.words
            && let Some(start) = words.start(&self.inner, text, usize::MAX).map_err(failed)?
        {
            return Ok([&words.before[..], &start.ids, &words.after].concat());
        }
        Ok(self.inner.encode_fast(text, true).map_err(failed)?.get_ids().to_vec())
    }

    fn encode_start(&self, text: &str, limit: usize) -> Result<TextStart, TokenizerError> {
        let failed = |source| TokenizerError::Encode { chars: text.chars().count(), source };
        if !self.cuts_at_words {
            return self.library_start(text, limit).map_err(failed);
        }
        // About four bytes a token in English: a first window that is seldom too short.
        let mut window = limit.saturating_mul(5).saturating_add(64);
        loop {
            let cut = word_boundary(text, window);
            let part = &text[..cut];
            let short = match &self.words {
                Some(words) => words.start(&self.inner, part, limit).map_err(failed)?,
                None => None,
            };
            let mut start = match short {
                Some(start) => start,
                None => self.library_start(part, limit).map_err(failed)?,
            };
            if cut < text.len() && start.ids.len() < limit {
                window = window.saturating_mul(2);
                continue;
            }
            start.complete &= cut == text.len();
            return Ok(start);
        }
    }

    fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        self.inner.decode(ids, true).map_err(|source| TokenizerError::Decode { tokens: ids.len(), source })
    }

    fn special_tokens(&self) -> usize {
        self.special_tokens
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
    fn what_is_no_tokenizer_is_refused() {
        assert!(matches!(HfTokenizer::from_bytes(b"{}"), Err(TokenizerError::Parse { bytes: 2, .. })));
        let missing = Path::new("no-such-folder/tokenizer.json");
        assert!(HfTokenizer::from_file(missing).err().unwrap().to_string().contains("no-such-folder"));
    }
}
