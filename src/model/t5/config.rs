//! `config.json` of a T5 model: 1.0, 1.1, Flan-T5, mT5.

use std::path::Path;

use serde::Deserialize;

use crate::model::ModelError;

/// The activation of the feed-forward layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// GELU in its tanh form (`gelu_new`).
    Gelu,
    /// `x · sigmoid(x)`.
    Silu,
}

/// The shape and the rules of a T5 model, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct T5Config {
    /// Tokens that have an embedding.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Width of an attention head.
    pub d_kv: usize,
    /// Width of the feed-forward layers.
    pub d_ff: usize,
    /// Encoder blocks.
    pub num_layers: usize,
    /// Decoder blocks.
    pub num_decoder_layers: usize,
    /// Attention heads.
    pub num_heads: usize,
    /// Relative position buckets.
    pub buckets: usize,
    /// The distance from which on all share the last bucket.
    pub max_distance: usize,
    /// Added to the mean square in RMS norm.
    pub epsilon: f32,
    /// Of the feed-forward layers.
    pub activation: Activation,
    /// Whether the activation gates a second projection (1.1, Flan, mT5).
    pub gated: bool,
    /// Whether the output projection is the embedding, even where a file holds a copy of it.
    pub tied: bool,
    /// Whether the decoder's output is scaled by d_model^−½ before the output projection.
    pub scale_outputs: bool,
    /// The padding token.
    pub pad_token: u32,
    /// Tokens that end a sequence.
    pub eos_tokens: Vec<u32>,
    /// What the decoder begins with.
    pub start_token: u32,
    /// Dropout in training.
    pub dropout: f32,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(u32),
    More(Vec<u32>),
}

#[derive(Deserialize)]
struct Raw {
    vocab_size: usize,
    d_model: usize,
    d_kv: usize,
    d_ff: usize,
    num_layers: usize,
    num_decoder_layers: Option<usize>,
    num_heads: usize,
    relative_attention_num_buckets: Option<usize>,
    relative_attention_max_distance: Option<usize>,
    layer_norm_epsilon: Option<f32>,
    feed_forward_proj: Option<String>,
    tie_word_embeddings: Option<bool>,
    scale_decoder_outputs: Option<bool>,
    pad_token_id: Option<u32>,
    eos_token_id: Option<OneOrMore>,
    decoder_start_token_id: Option<u32>,
    dropout_rate: Option<f32>,
}

impl T5Config {
    /// Reads `config.json` and checks every dimension, so that nothing absurd is ever allocated.
    ///
    /// # Errors
    /// [`ModelError::Read`], [`ModelError::ConfigSyntax`] or [`ModelError::ConfigValue`] with the field.
    pub fn from_file(path: &Path) -> Result<Self, ModelError> {
        let text =
            std::fs::read(path).map_err(|source| ModelError::Read { path: path.to_owned(), source })?;
        let raw: Raw = serde_json::from_slice(&text)
            .map_err(|source| ModelError::ConfigSyntax { path: path.to_owned(), source })?;
        raw.check(path)
    }

    /// The width of all heads side by side.
    pub fn inner(&self) -> usize {
        self.num_heads * self.d_kv
    }
}

impl Raw {
    fn check(self, path: &Path) -> Result<T5Config, ModelError> {
        let wrong = |field, value: String, allowed| {
            Err(ModelError::ConfigValue { path: path.to_owned(), field, value, allowed })
        };
        let decoder_layers = self.num_decoder_layers.unwrap_or(self.num_layers);
        let buckets = self.relative_attention_num_buckets.unwrap_or(32);
        let max_distance = self.relative_attention_max_distance.unwrap_or(128);
        // T5-XXL, the largest, has 4096, 64, 10240, 24 and 64.
        for (field, value, limit, allowed) in [
            ("vocab_size", self.vocab_size, 1 << 21, "between 1 and 2097152"),
            ("d_model", self.d_model, 1 << 16, "between 1 and 65536"),
            ("d_kv", self.d_kv, 1 << 12, "between 1 and 4096"),
            ("d_ff", self.d_ff, 1 << 20, "between 1 and 1048576"),
            ("num_layers", self.num_layers, 512, "between 1 and 512"),
            ("num_decoder_layers", decoder_layers, 512, "between 1 and 512"),
            ("num_heads", self.num_heads, 1 << 12, "between 1 and 4096"),
            ("relative_attention_num_buckets", buckets, 1 << 12, "between 1 and 4096"),
            ("relative_attention_max_distance", max_distance, 1 << 20, "between 1 and 1048576"),
        ] {
            if value == 0 || value > limit {
                return wrong(field, value.to_string(), allowed);
            }
        }
        if buckets < 4 || !buckets.is_multiple_of(2) {
            return wrong("relative_attention_num_buckets", buckets.to_string(), "even and at least 4");
        }
        if max_distance <= buckets / 2 {
            let allowed = "above half of relative_attention_num_buckets";
            return wrong("relative_attention_max_distance", max_distance.to_string(), allowed);
        }
        let epsilon = self.layer_norm_epsilon.unwrap_or(1e-6);
        if !(epsilon.is_finite() && epsilon >= 0.0) {
            return wrong("layer_norm_epsilon", epsilon.to_string(), "a small positive number");
        }
        let dropout = self.dropout_rate.unwrap_or(0.1);
        if !(0.0..1.0).contains(&dropout) {
            return wrong("dropout_rate", dropout.to_string(), "at least 0 and below 1");
        }
        let projection = self.feed_forward_proj.unwrap_or_else(|| "relu".to_owned());
        let (activation, gated) = match projection.as_str() {
            "relu" => (Activation::Relu, false),
            "gated-gelu" => (Activation::Gelu, true),
            "gated-silu" => (Activation::Silu, true),
            "gated-relu" => (Activation::Relu, true),
            _ => return wrong("feed_forward_proj", projection, "relu, gated-gelu, gated-silu or gated-relu"),
        };
        let tied = self.tie_word_embeddings.unwrap_or(true);
        let eos_tokens = match self.eos_token_id {
            None => vec![1],
            Some(OneOrMore::One(token)) => vec![token],
            Some(OneOrMore::More(tokens)) => tokens,
        };
        let pad_token = self.pad_token_id.unwrap_or(0);
        let start_token = self.decoder_start_token_id.unwrap_or(pad_token);
        for (field, token) in [("pad_token_id", pad_token), ("decoder_start_token_id", start_token)]
            .into_iter()
            .chain(eos_tokens.iter().map(|&token| ("eos_token_id", token)))
        {
            if token as usize >= self.vocab_size {
                return wrong(field, token.to_string(), "below vocab_size");
            }
        }
        if eos_tokens.is_empty() || eos_tokens.len() > 8 {
            return wrong("eos_token_id", format!("{eos_tokens:?}"), "one to eight tokens");
        }
        Ok(T5Config {
            vocab_size: self.vocab_size,
            d_model: self.d_model,
            d_kv: self.d_kv,
            d_ff: self.d_ff,
            num_layers: self.num_layers,
            num_decoder_layers: decoder_layers,
            num_heads: self.num_heads,
            buckets,
            max_distance,
            epsilon,
            activation,
            gated,
            tied,
            scale_outputs: self.scale_decoder_outputs.unwrap_or(tied),
            pad_token,
            eos_tokens,
            start_token,
            dropout,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<T5Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, json).unwrap();
        T5Config::from_file(&path).map_err(|error| error.to_string())
    }

    const BASE: &str = r#""vocab_size": 384, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4"#;

    #[test]
    fn output_scaling_follows_its_own_field_and_else_the_tying() {
        let scaled =
            |extra: &str| read(&format!(r#"{{{BASE}, "d_model": 32 {extra}}}"#)).unwrap().scale_outputs;
        assert!(scaled(""));
        assert!(!scaled(r#", "tie_word_embeddings": false"#));
        assert!(!scaled(r#", "tie_word_embeddings": true, "scale_decoder_outputs": false"#));
    }

    #[test]
    fn absurd_dimensions_are_refused_with_their_field() {
        for (extra, field) in [
            (r#""d_model": 0"#, "d_model"),
            (r#""d_model": 9999999999"#, "d_model"),
            (r#""d_model": 32, "relative_attention_num_buckets": 3"#, "relative_attention_num_buckets"),
            (r#""d_model": 32, "relative_attention_max_distance": 16"#, "relative_attention_max_distance"),
            (r#""d_model": 32, "feed_forward_proj": "swish""#, "feed_forward_proj"),
            (r#""d_model": 32, "eos_token_id": 384"#, "eos_token_id"),
            (r#""d_model": 32, "eos_token_id": []"#, "eos_token_id"),
        ] {
            let error = read(&format!("{{{BASE}, {extra}}}")).unwrap_err();
            assert!(error.contains(field) && error.contains("must be"), "{error}");
        }
        assert!(read(&format!("{{{BASE}}}")).unwrap_err().contains("d_model"));
        assert!(read(r#"{"d_model": -1}"#).unwrap_err().contains("not the configuration"));
    }
}
