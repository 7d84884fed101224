//! What the tensors of a BERT-shaped checkpoint are called.

use crate::model::weights::{Checkpoint, WeightsError};

use super::config::BertConfig;

/// The token embedding, after the checkpoint's own prefix.
const WORDS: &str = "embeddings.word_embeddings.weight";

/// The names in one checkpoint: some put the whole model's name before each (`bert.`), and old ones call the parts of a norm
/// gamma and beta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    prefix: String,
    gain: &'static str,
    shift: &'static str,
}

impl Default for Names {
    fn default() -> Self {
        Self { prefix: String::new(), gain: "weight", shift: "bias" }
    }
}

impl Names {
    /// The names that a checkpoint uses.
    pub fn of(checkpoint: &Checkpoint) -> Self {
        let mut found = checkpoint.names().filter_map(|name| name.strip_suffix(WORDS));
        let prefix = match (found.next(), found.next()) {
            (Some(only), None) => only,
            // Several models in one file: the one that is called as usual.
            (Some(_), Some(_)) => {
                let known = ["", "bert.", "roberta."];
                known
                    .into_iter()
                    .find(|prefix| checkpoint.has(&format!("{prefix}{WORDS}")))
                    .unwrap_or_default()
            }
            (None, _) => "",
        };
        let old = checkpoint.has(&format!("{prefix}embeddings.LayerNorm.gamma"));
        let (gain, shift) = if old { ("gamma", "beta") } else { ("weight", "bias") };
        Self { prefix: prefix.to_owned(), gain, shift }
    }

    /// The embedding of tokens, `[vocabulary, hidden]`.
    pub fn words(&self) -> String {
        format!("{}{WORDS}", self.prefix)
    }

    /// The embedding of positions, `[positions, hidden]`.
    pub fn positions(&self) -> String {
        format!("{}embeddings.position_embeddings.weight", self.prefix)
    }

    /// The embedding of kinds of tokens, `[kinds, hidden]`.
    pub fn token_types(&self) -> String {
        format!("{}embeddings.token_type_embeddings.weight", self.prefix)
    }

    /// Gain and shift of the norm after the embeddings, `[hidden]` each.
    pub fn embedding_norm(&self) -> [String; 2] {
        self.norm("embeddings")
    }

    /// Weight and bias of a block's query, key or value, `[hidden, hidden]` and `[hidden]`; or of its output projection,
    /// called `output`.
    pub fn attention(&self, layer: usize, which: &str) -> [String; 2] {
        let part = if which == "output" { "output.dense".to_owned() } else { format!("self.{which}") };
        self.linear(&format!("encoder.layer.{layer}.attention.{part}"))
    }

    /// Gain and shift of the norm after a block's attention.
    pub fn attention_norm(&self, layer: usize) -> [String; 2] {
        self.norm(&format!("encoder.layer.{layer}.attention.output"))
    }

    /// Weight and bias of a block's first feed-forward matrix, `[intermediate, hidden]` and `[intermediate]`.
    pub fn feed_input(&self, layer: usize) -> [String; 2] {
        self.linear(&format!("encoder.layer.{layer}.intermediate.dense"))
    }

    /// Weight and bias of the second, `[hidden, intermediate]` and `[hidden]`.
    pub fn feed_output(&self, layer: usize) -> [String; 2] {
        self.linear(&format!("encoder.layer.{layer}.output.dense"))
    }

    /// Gain and shift of the norm after a block's feed-forward layer.
    pub fn feed_norm(&self, layer: usize) -> [String; 2] {
        self.norm(&format!("encoder.layer.{layer}.output"))
    }

    /// Every tensor of the encoder with its shape; a pooler or head is not needed.
    pub fn all(&self, config: &BertConfig) -> Vec<(String, Vec<usize>)> {
        let (d, ff) = (config.hidden_size, config.intermediate_size);
        let mut all = vec![
            (self.words(), vec![config.vocab_size, d]),
            (self.positions(), vec![config.positions, d]),
            (self.token_types(), vec![config.token_types, d]),
        ];
        let mut pair = |[first, second]: [String; 2], shape: Vec<usize>| {
            all.push((second, shape[..1].to_vec()));
            all.push((first, shape));
        };
        pair(self.embedding_norm(), vec![d]);
        for layer in 0..config.layers {
            for which in ["query", "key", "value", "output"] {
                pair(self.attention(layer, which), vec![d, d]);
            }
            pair(self.attention_norm(layer), vec![d]);
            pair(self.feed_input(layer), vec![ff, d]);
            pair(self.feed_output(layer), vec![d, ff]);
            pair(self.feed_norm(layer), vec![d]);
        }
        all
    }

    /// Checks that every tensor is there with its shape, before memory is taken for any.
    ///
    /// # Errors
    /// [`WeightsError`] naming the first that is not.
    pub fn check(&self, config: &BertConfig, checkpoint: &Checkpoint) -> Result<(), WeightsError> {
        self.all(config).iter().try_for_each(|(name, shape)| checkpoint.view(name, shape).map(drop))
    }

    fn linear(&self, part: &str) -> [String; 2] {
        ["weight", "bias"].map(|which| format!("{}{part}.{which}", self.prefix))
    }

    fn norm(&self, part: &str) -> [String; 2] {
        [self.gain, self.shift].map(|which| format!("{}{part}.LayerNorm.{which}", self.prefix))
    }
}
