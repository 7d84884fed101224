//! What the tensors of a T5 checkpoint are called.

/// Which half of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Reads the prompt.
    Encoder,
    /// Writes the answer.
    Decoder,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Decoder => "decoder",
        }
    }
}

/// The embedding, `[vocabulary, d_model]`.
pub const EMBEDDING: &str = "shared.weight";
/// Where a checkpoint without [`EMBEDDING`] may have it.
pub const EMBEDDING_TWINS: [&str; 2] = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"];
/// The output projection, `[vocabulary, d_model]`; absent where the embedding serves.
pub const HEAD: &str = "lm_head.weight";
/// A block's attention to its own tokens.
pub const SELF: &str = "SelfAttention";
/// A decoder block's attention to the prompt.
pub const CROSS: &str = "EncDecAttention";

/// An attention matrix: `which` is q, k, v (`[heads · d_kv, d_model]`) or o (its transpose's shape).
pub fn attention(side: Side, layer: usize, sub: usize, kind: &str, which: &str) -> String {
    format!("{}.block.{layer}.layer.{sub}.{kind}.{which}.weight", side.name())
}

/// The bias of relative positions, `[buckets, heads]`; the first block's serves all.
pub fn bias(side: Side) -> String {
    format!("{}.block.0.layer.0.SelfAttention.relative_attention_bias.weight", side.name())
}

/// A matrix of a feed-forward layer: `which` is wi, wi_0, wi_1 (`[d_ff, d_model]`) or wo (`[d_model, d_ff]`).
pub fn feed(side: Side, layer: usize, sub: usize, which: &str) -> String {
    format!("{}.block.{layer}.layer.{sub}.DenseReluDense.{which}.weight", side.name())
}

/// The first matrices of a feed-forward layer: the activated one, then the gate.
pub fn feed_inputs(gated: bool) -> &'static [&'static str] {
    if gated { &["wi_0", "wi_1"] } else { &["wi"] }
}

/// A layer's norm, `[d_model]`.
pub fn norm(side: Side, layer: usize, sub: usize) -> String {
    format!("{}.block.{layer}.layer.{sub}.layer_norm.weight", side.name())
}

/// The norm after the last block, `[d_model]`.
pub fn final_norm(side: Side) -> String {
    format!("{}.final_layer_norm.weight", side.name())
}
