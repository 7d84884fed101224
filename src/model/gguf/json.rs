//! A `tokenizer.json` beside a GGUF file, for files without a vocabulary or where it is asked for.

use std::path::{Path, PathBuf};

use tokenizers::{DecoderWrapper, Tokenizer};

use super::GgufError;
use super::vocabulary::{Kind, Model};
use crate::model::{TextStart, TokenizerError};

/// A tokenizer of the Hugging Face format.
pub struct JsonTokenizer {
    /// Takes control tokens in text for text.
    plain: Tokenizer,
    /// Finds them.
    trusting: Tokenizer,
}

/// What a tokenizer's file says of its tokens.
pub struct JsonVocabulary {
    /// How tokens write text.
    pub model: Model,
    /// The tokens by number; empty for numbers that are not used.
    pub tokens: Vec<String>,
    /// What each is for.
    pub kinds: Vec<Kind>,
    /// The tokens put before and after a text.
    pub around: Vec<u32>,
}

/// Where the tokenizer of a GGUF file would lie.
pub fn beside(file: &Path) -> PathBuf {
    file.with_file_name("tokenizer.json")
}

impl JsonTokenizer {
    /// Loads a file.
    ///
    /// # Errors
    /// It is absent, or no tokenizer; or its numbers are absurd.
    pub fn load(path: &Path) -> Result<(Self, JsonVocabulary), GgufError> {
        let fail = |source| GgufError::Json(Box::new(TokenizerError::Load { path: path.to_owned(), source }));
        let mut plain = Tokenizer::from_file(path).map_err(fail)?;
        plain.with_padding(None).with_truncation(None).map_err(fail)?;
        let trusting = plain.clone();
        let around = plain.encode_fast("", true).map_err(fail)?.get_ids().to_vec();
        plain.set_encode_special_tokens(true);
        let listed = trusting.get_vocab(true);
        let most = listed.values().copied().max().map_or(0, |id| id as usize + 1);
        if most > 1 << 24 {
            return Err(fail(format!("it numbers tokens up to {most}").into()));
        }
        let bytes = writes_bytes(trusting.get_decoder());
        let (mut tokens, mut kinds) = (vec![String::new(); most], vec![Kind::Unused; most]);
        for (text, id) in listed {
            let byte = !bytes && super::sentencepiece::byte(&text).is_some();
            kinds[id as usize] = if byte { Kind::Byte } else { Kind::Normal };
            tokens[id as usize] = text;
        }
        for (id, added) in trusting.get_added_tokens_decoder() {
            if let Some(kind) = kinds.get_mut(id as usize) {
                *kind = if added.special { Kind::Control } else { Kind::UserDefined };
            }
        }
        let model = if bytes { Model::BytePair } else { Model::SentencePiece };
        Ok((Self { plain, trusting }, JsonVocabulary { model, tokens, kinds, around }))
    }

    /// The tokens of a text and where each ends; those of control are found where the text is trusted.
    ///
    /// # Errors
    /// The tokenizer library's.
    pub fn split(&self, text: &str, trusted: bool) -> Result<TextStart, TokenizerError> {
        let tokenizer = if trusted { &self.trusting } else { &self.plain };
        let failed = |source| TokenizerError::Encode { chars: text.chars().count(), source };
        let encoding = tokenizer.encode(text, false).map_err(failed)?;
        let mut end = 0;
        let ends = encoding.get_offsets().iter().map(|&(_, token_end)| {
            end = text.ceil_char_boundary(token_end.max(end));
            end
        });
        Ok(TextStart { ends: ends.collect(), ids: encoding.get_ids().to_vec(), complete: true })
    }
}

/// Whether tokens are written in characters that stand for bytes.
fn writes_bytes(decoder: Option<&DecoderWrapper>) -> bool {
    match decoder {
        Some(DecoderWrapper::ByteLevel(_)) => true,
        Some(DecoderWrapper::Sequence(steps)) => {
            steps.get_decoders().iter().any(|step| writes_bytes(Some(step)))
        }
        _ => false,
    }
}
