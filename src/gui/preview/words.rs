//! Words in the place of tokens, for when no model's tokenizer is at hand.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::model::{TextStart, TextTokenizer, TokenizerError};

/// A tokenizer whose tokens are words, each with the white space before it. It adds no special tokens.
#[derive(Debug, Default)]
pub struct WordTokenizer(Mutex<Seen>);

/// The words that were met, by number.
#[derive(Debug, Default)]
struct Seen {
    words: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32>,
}

impl Seen {
    fn number(&mut self, word: &str) -> u32 {
        if let Some(&number) = self.numbers.get(word) {
            return number;
        }
        let number = self.words.len() as u32;
        self.words.push(word.into());
        self.numbers.insert(word.into(), number);
        number
    }
}

/// Where each word of a text ends; white space at the end belongs to the last.
fn ends(text: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut inside = false;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() && inside {
            ends.push(at);
        }
        inside = !c.is_whitespace();
    }
    match ends.last_mut() {
        Some(last) if !inside => *last = text.len(),
        _ if !text.is_empty() => ends.push(text.len()),
        _ => {}
    }
    ends
}

impl TextTokenizer for WordTokenizer {
    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        Ok(self.encode_start(text, usize::MAX)?.ids)
    }

    fn encode_start(&self, text: &str, limit: usize) -> Result<TextStart, TokenizerError> {
        let mut ends = ends(text);
        let complete = ends.len() <= limit;
        ends.truncate(limit);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut start = 0;
        let ids =
            ends.iter().map(|&end| seen.number(&text[std::mem::replace(&mut start, end)..end])).collect();
        Ok(TextStart { ids, ends, complete })
    }

    fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(ids.iter().filter_map(|&id| seen.words.get(id as usize)).map(|word| &**word).collect())
    }

    fn special_tokens(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_they_were() {
        let tokenizer = WordTokenizer::default();
        for (text, count) in
            [("", 0), (" ", 1), ("a", 1), ("a b  c", 3), (" a\nb ", 2), ("\u{e9}t\u{e9} \u{65e5}\u{672c}", 2)]
        {
            let ids = tokenizer.encode(text).unwrap();
            assert_eq!((ids.len(), tokenizer.decode(&ids).unwrap().as_str()), (count, text), "{text:?}");
        }
        let start = tokenizer.encode_start("one two three", 2).unwrap();
        assert_eq!((start.ends.as_slice(), start.complete), ([3, 7].as_slice(), false));
    }
}
