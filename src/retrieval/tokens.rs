//! Python's `str.split()` and a hash of every token, in one pass over the bytes.
//!
//! Gives exactly the tokens of [`crate::lamp::python_split`]; it exists because splitting and hashing is
//! most of the work of BM25. Eight bytes are looked at together: only those up to space and those
//! above ASCII can be part of white space, and text has few of them.

/// A run of bytes without white space.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    /// Where it begins in its text, in bytes.
    pub(super) start: usize,
    /// How many bytes it has, at least 1.
    pub(super) length: usize,
    /// The first eight bytes, the later the more significant, missing ones 0.
    pub(super) first: u64,
    /// Depends on the bytes and the seed alone.
    pub(super) hash: u64,
}

/// The tokens of a text.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    bytes: &'a [u8],
    position: usize,
    seed: u64,
}

impl<'a> Tokens<'a> {
    /// `seed` goes into every hash, so that no text can be written to make hashes collide.
    pub(super) fn new(text: &'a str, seed: u64) -> Self {
        Self { bytes: text.as_bytes(), position: 0, seed }
    }

    /// The next eight bytes from `at`, little end first; past the end, spaces.
    #[inline]
    fn word(&self, at: usize) -> u64 {
        let rest = &self.bytes[at..];
        match rest.first_chunk::<8>() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => {
                let mut chunk = [b' '; 8];
                chunk[..rest.len()].copy_from_slice(rest);
                u64::from_le_bytes(chunk)
            }
        }
    }

    /// The length in bytes of the white space character that begins at `at`, 0 if none does. The end of the text counts
    /// as one.
    #[inline]
    fn space_at(&self, at: usize) -> usize {
        match self.bytes.get(at) {
            None | Some(b' ' | b'\t'..=b'\r' | 0x1c..=0x1f) => 1,
            Some(0xc2 | 0xe1..=0xe3) => wide_space(&self.bytes[at..]),
            Some(_) => 0,
        }
    }
}

/// The length of the non-ASCII white space character that `bytes` begin with, 0 if they begin with another.
fn wide_space(bytes: &[u8]) -> usize {
    match bytes {
        [0xc2, 0x85 | 0xa0, ..] => 2,
        [0xe1, 0x9a, 0x80, ..]
        | [0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf, ..]
        | [0xe2, 0x81, 0x9f, ..]
        | [0xe3, 0x80, 0x80, ..] => 3,
        _ => 0,
    }
}

const fn repeated(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The high bit of every byte that may begin white space: those up to space and those above ASCII. A few more may be
/// marked, after one that is rightly marked.
#[inline]
const fn candidates(word: u64) -> u64 {
    ((word.wrapping_sub(repeated(0x21)) & !word) | word) & repeated(0x80)
}

#[inline]
const fn mix(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word) as u128 * 0x9e37_79b9_7f4a_7c15;
    (product as u64) ^ ((product >> 64) as u64)
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    #[inline]
    fn next(&mut self) -> Option<Token> {
        // White space between tokens is one byte nearly always.
        loop {
            if self.position >= self.bytes.len() {
                return None;
            }
            match self.space_at(self.position) {
                0 => break,
                length => self.position += length,
            }
        }
        let start = self.position;
        let mut at = start;
        let mut hash = self.seed;
        let mut first = None;
        let end = 'token: loop {
            let word = self.word(at);
            let mut marked = candidates(word);
            while marked != 0 {
                let kept = marked.trailing_zeros() & !7; // bits before the marked byte
                let place = at + (kept / 8) as usize;
                let length = self.space_at(place);
                if length > 0 {
                    let last = word & ((1u64 << kept) - 1);
                    first.get_or_insert(last);
                    hash = mix(hash, last);
                    self.position = place + length;
                    break 'token place;
                }
                marked &= marked - 1;
            }
            first.get_or_insert(word);
            hash = mix(hash, word);
            at += 8; // at most to the end, where a word of spaces ends the token
        };
        // Lengths go in last: a token and the same one with zero bytes after it differ only there.
        let length = end - start;
        Some(Token { start, length, first: first.unwrap_or_default(), hash: mix(hash, length as u64) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lamp::python_split;

    fn split(text: &str) -> Vec<&str> {
        Tokens::new(text, 7).map(|token| &text[token.start..token.start + token.length]).collect()
    }

    #[test]
    fn every_white_space_character_splits_and_no_other() {
        for c in '\0'..=char::MAX {
            let text = format!("ab{c}cdefghijk{c}");
            assert_eq!(split(&text), python_split(&text).collect::<Vec<_>>(), "{:?}", c);
        }
    }

    #[test]
    fn equal_tokens_have_equal_hashes_and_others_do_not() {
        let text = "a a\0 a abcdefgh abcdefgh\0 abcdefgh abcdefghi abcdefghj abcdefghi 12345678 é e\u{301} é 12345678";
        let bytes = |token: &Token| &text.as_bytes()[token.start..token.start + token.length];
        let tokens: Vec<_> = Tokens::new(text, 3).collect();
        for a in &tokens {
            for b in &tokens {
                assert_eq!(a.hash == b.hash, bytes(a) == bytes(b), "{a:?} {b:?}");
                let short = a.length <= 8 && b.length <= 8;
                assert!(!short || ((a.first, a.length) == (b.first, b.length)) == (bytes(a) == bytes(b)));
            }
        }
    }

    proptest! {
        #[test]
        fn splits_as_python_does(text in "[ab\u{e9}\u{20ac}\u{4e00}\u{1f600} \t\n\u{1c}\u{a0}\u{85}\u{2003}\u{3000}\u{200b}\0\u{7f}]{0,60}") {
            prop_assert_eq!(split(&text), python_split(&text).collect::<Vec<_>>());
        }

        #[test]
        fn splits_any_text_as_python_does(text in any::<String>()) {
            prop_assert_eq!(split(&text), python_split(&text).collect::<Vec<_>>());
        }
    }
}
