//! A shorter way to the tokens of tokenizers that treat every word by itself, as T5's does.
//!
//! The tokenizer library keeps for every word its text, its alignments and an encoding of its own; where only ids
//! and their places are wanted, that costs more than finding the tokens. Here a text is normalized once and its
//! words go straight to the model. Where it cannot be sure to give the library's tokens, this module steps aside.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use tokenizers::normalizer::Range;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::{Model, NormalizedString, Normalizer, NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

use super::tokenizer::TextStart;

/// What SentencePiece writes for the space before a word.
const MARK: char = '▁';

/// A tokenizer of which it is sure that it cuts its text at spaces before all else and treats each word alone.
pub(super) struct Words {
    /// The characters with which tokens that are matched in raw text begin; a text with one goes the long way.
    guards: Vec<char>,
    /// Special tokens before a text.
    pub(super) before: Vec<u32>,
    /// Special tokens after it.
    pub(super) after: Vec<u32>,
    /// Words seen before. The parts of a prompt are measured alone and again within the whole.
    known: RwLock<HashMap<Box<str>, Pieces>>,
}

/// A word's tokens, each with the byte of the marked word at which it ends.
type Pieces = Box<[(u32, usize)]>;

/// The most words that are remembered, and the longest of them in bytes: a few MB in all.
const MOST_WORDS: usize = 30_000;
const LONGEST_WORD: usize = 48;

impl Words {
    /// Whether a tokenizer is of that kind. Unsure means no.
    pub(super) fn of(tokenizer: &Tokenizer) -> Option<Self> {
        let PreTokenizerWrapper::Metaspace(space) = tokenizer.get_pre_tokenizer()? else {
            return None;
        };
        let alike = space.get_split()
            && space.get_replacement() == MARK
            && space.get_prepend_scheme() == PrependScheme::Always
            && tokenizer.get_normalizer().is_none_or(normalizes_words_alone);
        let added = tokenizer.get_added_tokens_decoder();
        if !alike || added.values().any(|token| token.content.contains(char::is_whitespace)) {
            return None;
        }
        let mut guards: Vec<char> = added.values().filter_map(|token| token.content.chars().next()).collect();
        guards.sort_unstable();
        guards.dedup();
        let (before, after) = special_tokens_around(tokenizer)?;
        Some(Self { guards, before, after, known: RwLock::default() })
    }

    /// The first `limit` tokens, and whether there are no more; `None` where the long way has to be gone.
    pub(super) fn start(
        &self,
        tokenizer: &Tokenizer,
        text: &str,
        limit: usize,
    ) -> Result<Option<TextStart>, tokenizers::Error> {
        if text.contains(&self.guards[..]) {
            return Ok(None);
        }
        let mut normalized = NormalizedString::from(text);
        if let Some(normalizer) = tokenizer.get_normalizer() {
            normalizer.normalize(&mut normalized)?;
        }
        let words = normalized.get();
        if words.contains(&self.guards[..]) {
            return Ok(None);
        }
        let mut out = TextStart { complete: true, ..TextStart::default() };
        let mut fresh: Vec<(Box<str>, Pieces)> = Vec::new();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let (mut start, mut end) = (0, 0);
        'words: while start < words.len() {
            let first = words[start..].chars().next().unwrap_or(MARK);
            let lead = if matches!(first, ' ' | MARK) { first.len_utf8() } else { 0 };
            let inside = start + lead;
            let next = words[inside..].find([' ', MARK]).map_or(words.len(), |at| inside + at);
            let word = &words[inside..next];
            let found;
            let pieces = match known.get(word) {
                Some(pieces) => pieces,
                None => {
                    let tokens = tokenizer.get_model().tokenize(&format!("{MARK}{word}"))?;
                    found = tokens.into_iter().map(|token| (token.id, token.offsets.1)).collect::<Pieces>();
                    if known.len() + fresh.len() < MOST_WORDS && word.len() <= LONGEST_WORD {
                        fresh.push((word.into(), found.clone()));
                    }
                    &found
                }
            };
            for &(id, piece_end) in pieces {
                if out.ids.len() == limit {
                    out.complete = false;
                    break 'words;
                }
                // From the word with its mark to the normalized text, and from there to the text as it stands.
                // A mark that stands for no space counts as the first character, as in the library.
                let least = if lead == 0 { start + first.len_utf8() } else { inside };
                let place = least.max(inside + piece_end.saturating_sub(MARK.len_utf8()));
                let original = normalized.convert_offsets(Range::Normalized(start..place));
                end = text.ceil_char_boundary(original.map_or(end, |range| range.end).max(end));
                out.ids.push(id);
                out.ends.push(end);
            }
            start = next;
        }
        drop(known);
        if !fresh.is_empty() {
            self.known.write().unwrap_or_else(PoisonError::into_inner).extend(fresh);
        }
        Ok(Some(out))
    }
}

/// The special tokens before a text and after it; `None` where that cannot be told.
pub(super) fn special_tokens_around(tokenizer: &Tokenizer) -> Option<(Vec<u32>, Vec<u32>)> {
    let empty = tokenizer.encode("", true).ok()?;
    let one = tokenizer.encode("a", true).ok()?;
    let is_special = |mask: &&u32| **mask == 1;
    let before = one.get_special_tokens_mask().iter().take_while(is_special).count();
    let after = one.get_special_tokens_mask().iter().rev().take_while(is_special).count();
    let ids = one.get_ids();
    (before + after == empty.len()).then(|| (ids[..before].to_vec(), ids[ids.len() - after..].to_vec()))
}

/// Whether a text may be cut at a [`word_boundary`] so that the tokens of its beginning are those of the whole text.
/// Unsure means no.
pub(super) fn cuts_at_words(tokenizer: &Tokenizer) -> bool {
    let normalizer = |normalizer: &NormalizerWrapper| match normalizer {
        NormalizerWrapper::BertNormalizer(_) => true,
        other => normalizes_words_alone(other),
    };
    let added = tokenizer.get_added_tokens_decoder();
    tokenizer.get_normalizer().is_none_or(normalizer)
        && matches!(tokenizer.get_pre_tokenizer(), Some(PreTokenizerWrapper::BertPreTokenizer(_)))
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

/// Where the last word ends that lies within the first `window` bytes and is followed by another, or the text's
/// end. Only plain ASCII counts as a boundary, since no normalizer joins it with what follows.
pub(super) fn word_boundary(text: &str, window: usize) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
