//! Tokens where a server has the tokenizer and this program has none.

use crate::model::{TextStart, TextTokenizer, TokenizerError};

/// Counts four bytes a token, as English text has on average. Each token is the very bytes that it stands for, so that cutting a
/// prompt loses nothing but its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EstimatingTokenizer;

impl EstimatingTokenizer {
    /// What a run's spec calls it.
    pub const NAME: &str = "four bytes a token";

    /// How many tokens a text has, by this estimate.
    pub fn count(text: &str) -> usize {
        text.len().div_ceil(4)
    }
}

/// The first token's bytes: up to four, whole characters. A null character is a token of its own, for bytes are padded with nulls.
fn first(text: &str) -> usize {
    let mut end = 0;
    for (at, char) in text.char_indices() {
        let next = at + char.len_utf8();
        if next > 4 || (char == '\0' && at > 0) {
            break;
        }
        end = next;
        if char == '\0' {
            break;
        }
    }
    end
}

fn id(bytes: &[u8]) -> u32 {
    let mut padded = [0; 4];
    padded.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    u32::from_le_bytes(padded)
}

impl TextTokenizer for EstimatingTokenizer {
    fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        Ok(self.encode_start(text, usize::MAX)?.ids)
    }

    fn encode_start(&self, text: &str, limit: usize) -> Result<TextStart, TokenizerError> {
        let (mut start, mut at) = (TextStart::default(), 0);
        while at < text.len() && start.ids.len() < limit {
            let length = first(&text[at..]);
            start.ids.push(id(&text.as_bytes()[at..at + length]));
            at += length;
            start.ends.push(at);
        }
        start.complete = at == text.len();
        Ok(start)
    }

    fn decode(&self, ids: &[u32]) -> Result<String, TokenizerError> {
        let mut bytes = Vec::with_capacity(4 * ids.len());
        for id in ids {
            let four = id.to_le_bytes();
            let length = four.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
            bytes.extend_from_slice(&four[..length]);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn special_tokens(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_its_beginning_is_that_of_the_whole() {
        for text in ["", "a", "abcd", "abcde", "der Löwe 獅子 🦁🦁 x", "a\0b\0\0cdefg", "\0"] {
            let whole = EstimatingTokenizer.encode_start(text, usize::MAX).unwrap();
            assert!(whole.complete);
            assert_eq!(EstimatingTokenizer.decode(&whole.ids).unwrap(), text);
            for limit in 0..=whole.ids.len() {
                let start = EstimatingTokenizer.encode_start(text, limit).unwrap();
                assert_eq!((&start.ids[..], &start.ends[..]), (&whole.ids[..limit], &whole.ends[..limit]));
                let end = start.ends.last().copied().unwrap_or(0);
                assert_eq!(EstimatingTokenizer.decode(&start.ids).unwrap(), text[..end]);
            }
        }
        assert_eq!(EstimatingTokenizer.encode("abcdefgh").unwrap().len(), 2);
    }
}
