//! `config.json` of a BERT-shaped model: BERT itself, RoBERTa, XLM-RoBERTa, CamemBERT.

use std::path::Path;

use serde::Deserialize;

use super::BertError;
use crate::model::ModelError;

/// The activation of the feed-forward layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// GELU by the error function.
    Gelu,
    /// GELU in its tanh form (`gelu_new`).
    GeluTanh,
}

/// The shape and the rules of a BERT-shaped model, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct BertConfig {
    /// Tokens that have an embedding.
    pub vocab_size: usize,
    /// Width of the residual stream, and length of a vector.
    pub hidden_size: usize,
    /// Blocks.
    pub layers: usize,
    /// Attention heads; [`BertConfig::hidden_size`] is a multiple.
    pub heads: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Of the feed-forward layers.
    pub activation: Activation,
    /// Added to the variance in layer norms.
    pub epsilon: f32,
    /// Positions that have an embedding.
    pub positions: usize,
    /// Kinds of tokens; a text is all of the first.
    pub token_types: usize,
    /// The padding token where positions are counted from the one after it (RoBERTa); `None` where they are counted from 0.
    pub position_padding: Option<u32>,
    /// Dropout of the residual stream in training.
    pub dropout: f32,
    /// Dropout of the attention in training.
    pub attention_dropout: f32,
}

#[derive(Deserialize)]
struct Raw {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    hidden_act: Option<String>,
    layer_norm_eps: Option<f32>,
    max_position_embeddings: Option<usize>,
    type_vocab_size: Option<usize>,
    position_embedding_type: Option<String>,
    pad_token_id: Option<u32>,
    hidden_dropout_prob: Option<f32>,
    attention_probs_dropout_prob: Option<f32>,
    #[serde(default)]
    is_decoder: bool,
}

#[derive(Deserialize)]
struct Kind {
    model_type: Option<String>,
}

impl BertConfig {
    /// Reads `config.json` and checks every dimension, so that nothing absurd is ever allocated.
    ///
    /// # Errors
    /// [`ModelError::Read`], [`ModelError::ConfigSyntax`], [`ModelError::ConfigValue`] with the field, or
    /// [`BertError::ModelType`].
    pub fn from_file(path: &Path) -> Result<Self, ModelError> {
        let text =
            std::fs::read(path).map_err(|source| ModelError::Read { path: path.to_owned(), source })?;
        let syntax = |source| ModelError::ConfigSyntax { path: path.to_owned(), source };
        // First of all the kind: another's fields have other names, which would hide the reason.
        let kind: Kind = serde_json::from_slice(&text).map_err(syntax)?;
        let counted_from_padding = match kind.model_type.as_deref() {
            None | Some("bert") => false,
            Some("roberta" | "xlm-roberta" | "camembert") => true,
            Some(other) => {
                let model_type = other.chars().take(64).collect();
                return Err(BertError::ModelType { path: path.to_owned(), model_type }.into());
            }
        };
        let raw: Raw = serde_json::from_slice(&text).map_err(syntax)?;
        raw.check(path, counted_from_padding)
    }

    /// The width of an attention head.
    pub fn head_width(&self) -> usize {
        self.hidden_size / self.heads
    }

    /// The longest text in tokens, special ones included.
    pub fn most_tokens(&self) -> usize {
        self.positions - self.position_padding.map_or(0, |padding| padding as usize + 1)
    }

    /// The position of each token of a text.
    pub fn positions_of<'a>(&self, tokens: &'a [u32]) -> impl Iterator<Item = usize> + use<'a> {
        let padding = self.position_padding;
        let mut next = padding.map_or(0, |padding| padding as usize + 1);
        tokens.iter().map(move |&token| match padding {
            // RoBERTa's rule: what looks like padding has the padding's position, and does not count.
            Some(padding) if token == padding => padding as usize,
            _ => {
                next += 1;
                next - 1
            }
        })
    }
}

impl Raw {
    fn check(self, path: &Path, counted_from_padding: bool) -> Result<BertConfig, ModelError> {
        let wrong = |field, value: String, allowed| {
            Err(ModelError::ConfigValue { path: path.to_owned(), field, value, allowed })
        };
        let positions = self.max_position_embeddings.unwrap_or(512);
        let token_types = self.type_vocab_size.unwrap_or(2);
        // The largest in use (XLM-RoBERTa XL) has 250880, 2560, 36, 32, 10240, 514 and 1.
        for (field, value, limit, allowed) in [
            ("vocab_size", self.vocab_size, 1 << 21, "between 1 and 2097152"),
            ("hidden_size", self.hidden_size, 1 << 16, "between 1 and 65536"),
            ("num_hidden_layers", self.num_hidden_layers, 512, "between 1 and 512"),
            ("num_attention_heads", self.num_attention_heads, 1 << 12, "between 1 and 4096"),
            ("intermediate_size", self.intermediate_size, 1 << 20, "between 1 and 1048576"),
            ("max_position_embeddings", positions, 1 << 16, "between 1 and 65536"),
            ("type_vocab_size", token_types, 1 << 12, "between 1 and 4096"),
        ] {
            if value == 0 || value > limit {
                return wrong(field, value.to_string(), allowed);
            }
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return wrong(
                "num_attention_heads",
                self.num_attention_heads.to_string(),
                "a divisor of hidden_size",
            );
        }
        let epsilon = self.layer_norm_eps.unwrap_or(1e-12);
        if !(epsilon.is_finite() && epsilon >= 0.0) {
            return wrong("layer_norm_eps", epsilon.to_string(), "a small positive number");
        }
        let name = self.hidden_act.unwrap_or_else(|| "gelu".to_owned());
        let activation = match name.as_str() {
            "gelu" => Activation::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" => Activation::GeluTanh,
            "relu" => Activation::Relu,
            _ => return wrong("hidden_act", name, "gelu, gelu_new, gelu_pytorch_tanh or relu"),
        };
        match self.position_embedding_type {
            Some(kind) if kind != "absolute" => return wrong("position_embedding_type", kind, "absolute"),
            _ => {}
        }
        if self.is_decoder {
            return wrong("is_decoder", "true".to_owned(), "false: an encoder reads a text from both sides");
        }
        let padding = self.pad_token_id.unwrap_or(1);
        // At least two special tokens and one of the text.
        let room = if counted_from_padding { padding as usize + 4 } else { 3 };
        if positions < room {
            return wrong(
                "max_position_embeddings",
                positions.to_string(),
                "enough for a text of three tokens",
            );
        }
        let (dropout, attention_dropout) =
            (self.hidden_dropout_prob.unwrap_or(0.1), self.attention_probs_dropout_prob.unwrap_or(0.1));
        for (field, rate) in
            [("hidden_dropout_prob", dropout), ("attention_probs_dropout_prob", attention_dropout)]
        {
            if !(0.0..1.0).contains(&rate) {
                return wrong(field, rate.to_string(), "at least 0 and below 1");
            }
        }
        Ok(BertConfig {
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            intermediate_size: self.intermediate_size,
            activation,
            epsilon,
            positions,
            token_types,
            position_padding: counted_from_padding.then_some(padding),
            dropout,
            attention_dropout,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = r#""vocab_size": 384, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64"#;

    fn read(extra: &str) -> Result<BertConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, format!("{{{BASE}{extra}}}")).unwrap();
        BertConfig::from_file(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_is_as_in_bert() {
        let config = read("").unwrap();
        assert_eq!((config.positions, config.token_types, config.epsilon), (512, 2, 1e-12));
        assert_eq!((config.activation, config.most_tokens()), (Activation::Gelu, 512));
        assert_eq!(config.positions_of(&[7, 1, 0]).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn roberta_counts_positions_from_the_padding_on() {
        let config = read(r#", "model_type": "xlm-roberta", "max_position_embeddings": 514"#).unwrap();
        assert_eq!(config.most_tokens(), 512);
        assert_eq!(config.positions_of(&[0, 9, 1, 9, 2]).collect::<Vec<_>>(), [2, 3, 1, 4, 5]);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_field() {
        for (extra, field) in [
            (r#", "model_type": "mpnet""#, "mpnet"),
            (r#", "max_position_embeddings": 0"#, "max_position_embeddings"),
            (r#", "max_position_embeddings": 99999999999"#, "max_position_embeddings"),
            (r#", "model_type": "roberta", "pad_token_id": 4294967295"#, "max_position_embeddings"),
            (r#", "type_vocab_size": 0"#, "type_vocab_size"),
            (r#", "hidden_act": "silu""#, "hidden_act"),
            (r#", "layer_norm_eps": -1"#, "layer_norm_eps"),
            (r#", "position_embedding_type": "relative_key""#, "position_embedding_type"),
            (r#", "is_decoder": true"#, "is_decoder"),
            (r#", "hidden_dropout_prob": 1.0"#, "hidden_dropout_prob"),
        ] {
            let error = read(extra).unwrap_err();
            assert!(error.contains(field), "{error}");
        }
        let path = Path::new("no-such-folder/config.json");
        assert!(BertConfig::from_file(path).unwrap_err().to_string().contains("no-such-folder"));
    }
}
