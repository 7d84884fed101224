//! An encoder without weights: a text is the words in it.

use super::PREFIX;
use crate::jobs::CancelToken;
use crate::model::{Encoder, Matrix, ModelError, Prefixes};

/// The most dimensions of a scripted encoder.
const MAX_DIMENSIONS: usize = 65_536;

/// An encoder that counts words: each word, in lower case, belongs to a dimension and to a sign by its hash, and the
/// vector has length 1, or 0 without words. Texts that share words lie close to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordEncoder {
    dimensions: usize,
    identity: String,
    prefixes: Prefixes,
}

impl WordEncoder {
    /// Reads a name: `scripted:words=256`, where the number is that of dimensions.
    ///
    /// # Errors
    /// [`ModelError::EncoderScript`] for anything else.
    pub fn parse(name: &str) -> Result<Self, ModelError> {
        let script = name.strip_prefix(PREFIX).unwrap_or(name);
        let dimensions = script.strip_prefix("words=").and_then(|number| number.parse().ok());
        match dimensions {
            Some(dimensions) if (1..=MAX_DIMENSIONS).contains(&dimensions) => Ok(Self {
                dimensions,
                identity: format!("{PREFIX}words={dimensions}"),
                prefixes: Prefixes::default(),
            }),
            _ => Err(ModelError::EncoderScript { name: name.to_owned(), most: MAX_DIMENSIONS }),
        }
    }
}

impl Encoder for WordEncoder {
    fn encode(&mut self, cancel: &CancelToken, texts: &[&str]) -> Result<Matrix, ModelError> {
        let mut matrix =
            Matrix { values: Vec::with_capacity(texts.len() * self.dimensions), columns: self.dimensions };
        for text in texts {
            cancel.check()?;
            let mut row = vec![0.0f32; self.dimensions];
            for word in
                text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
            {
                let hash = hash(word.as_bytes());
                let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
                row[(hash % self.dimensions as u64) as usize] += sign;
            }
            let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
            if length > 0.0 {
                row.iter_mut().for_each(|value| *value /= length);
            }
            matrix.values.extend(row);
        }
        Ok(matrix)
    }

    fn identity(&self) -> &str {
        &self.identity
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn prefixes(&self) -> &Prefixes {
        &self.prefixes
    }
}

/// FNV-1a with a last mixing step, so that high and low bits are equally good; the same everywhere.
fn hash(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_share_words_are_close() {
        let mut encoder = WordEncoder::parse("scripted:words=256").unwrap();
        let texts = ["a red car", "A  red, car!", "a red house", "quite another thing", ""];
        let matrix = encoder.encode(&CancelToken::new(), &texts).unwrap();
        assert_eq!((matrix.rows(), matrix.columns), (5, encoder.dimensions()));
        let product =
            |a: usize, b: usize| -> f32 { matrix.row(a).iter().zip(matrix.row(b)).map(|(a, b)| a * b).sum() };
        assert!((product(0, 1) - 1.0).abs() < 1e-6);
        assert!(product(0, 2) > 0.5 && product(0, 3) < 0.4 && product(4, 4) == 0.0);
    }

    #[test]
    fn other_names_are_refused() {
        for name in ["scripted:words", "scripted:words=0", "scripted:words=65537", "scripted:echo"] {
            let error = WordEncoder::parse(name).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("scripted:words=256"), "{error}");
        }
    }
}
