//! Adapters beside packed weights: what one user's adapter adds to the products of a model that all users share. A batch may
//! have another adapter for each of its prompts, and most of the work is still done for all together.

use std::sync::Arc;

use super::config::T5Config;
use super::cpu::{room, stride};
use super::names::{self, Side};
use crate::model::ModelError;
use crate::model::kernels::gemm::{Finish, Numbers, Scratch, Weights};
use crate::model::kernels::pool::Pool;
use crate::model::kernels::simd::Isa;
use crate::model::lora::{AdapterError, Additions};
use crate::model::weights::LowRank;

/// What is added to the product of a layer's matrices, which lie below each other as one.
pub(super) struct Low {
    /// All A, below each other: `[matrices · rank, inputs]`.
    down: Weights,
    /// All B with their scales, each in its own corner: `[matrices · outputs, matrices · rank]`.
    up: Weights,
}

/// What is added in a block's attention, to its own tokens or to the prompt, and in its feed-forward layer.
#[derive(Default)]
pub(super) struct EncoderLow {
    pub qkv: Option<Low>,
    pub output: Option<Low>,
    pub feed: Option<Low>,
}

#[derive(Default)]
pub(super) struct DecoderLow {
    pub qkv: Option<Low>,
    pub output: Option<Low>,
    pub query: Option<Low>,
    pub keys_values: Option<Low>,
    pub cross: Option<Low>,
    pub feed: Option<Low>,
}

/// An adapter, packed.
pub(super) struct PackedAdapter {
    pub encoder: Vec<EncoderLow>,
    pub decoder: Vec<DecoderLow>,
}

/// The adapters of a batch's prompts.
pub(super) type Adapters = [Option<Arc<PackedAdapter>>];

impl PackedAdapter {
    /// Packs an adapter.
    ///
    /// # Errors
    /// One for matrices whose products are not seen before they are activated (`wi`, `wi_0`, `wi_1`).
    pub fn new(isa: Isa, config: &T5Config, additions: &Additions) -> Result<Self, ModelError> {
        let first = names::feed_inputs(config.gated);
        if let Some(name) = additions
            .keys()
            .find(|name| first.iter().any(|which| name.ends_with(&format!(".{which}.weight"))))
        {
            return Err(AdapterError::Inner { matrix: name.clone() }.into());
        }
        let low =
            |names: &[String]| Low::new(isa, &names.iter().map(|n| additions.get(n)).collect::<Vec<_>>());
        let attention = |side, layer, sub, kind, which: &[&str]| {
            low(&which.iter().map(|w| names::attention(side, layer, sub, kind, w)).collect::<Vec<_>>())
        };
        let feed = |side, layer, sub| low(&[names::feed(side, layer, sub, "wo")]);
        let encoder = (0..config.num_layers).map(|layer| EncoderLow {
            qkv: attention(Side::Encoder, layer, 0, names::SELF, &["q", "k", "v"]),
            output: attention(Side::Encoder, layer, 0, names::SELF, &["o"]),
            feed: feed(Side::Encoder, layer, 1),
        });
        let decoder = (0..config.num_decoder_layers).map(|layer| DecoderLow {
            qkv: attention(Side::Decoder, layer, 0, names::SELF, &["q", "k", "v"]),
            output: attention(Side::Decoder, layer, 0, names::SELF, &["o"]),
            query: attention(Side::Decoder, layer, 1, names::CROSS, &["q"]),
            keys_values: attention(Side::Decoder, layer, 1, names::CROSS, &["k", "v"]),
            cross: attention(Side::Decoder, layer, 1, names::CROSS, &["o"]),
            feed: feed(Side::Decoder, layer, 2),
        });
        Ok(Self { encoder: encoder.collect(), decoder: decoder.collect() })
    }
}

impl Low {
    /// What is added to matrices of one shape; nothing if it is nothing to any of them.
    fn new(isa: Isa, parts: &[Option<&LowRank>]) -> Option<Self> {
        let &LowRank { rank, inputs, outputs, .. } = parts.iter().find_map(|part| *part)?;
        let down = Weights::pack(isa, parts.len() * rank, inputs, Numbers::F32, |row, out| {
            match parts[row / rank] {
                Some(part) => out.copy_from_slice(&part.a[row % rank * inputs..][..inputs]),
                None => out.fill(0.0),
            }
        });
        let up = Weights::pack(isa, parts.len() * outputs, parts.len() * rank, Numbers::F32, |row, out| {
            out.fill(0.0);
            let number = row / outputs;
            if let Some(part) = parts[number] {
                let factors = &part.b[row % outputs * rank..][..rank];
                let own = out[number * rank..].iter_mut();
                own.zip(factors).for_each(|(to, factor)| *to = part.scale * factor);
            }
        });
        Some(Self { down, up })
    }

    /// Adds to `rows` rows of `out` what belongs to as many rows of `x`.
    #[allow(clippy::too_many_arguments, reason = "two matrices with their strides")]
    pub fn add(
        &self,
        pool: &mut Pool,
        scratch: &mut Scratch,
        buffer: &mut Vec<f32>,
        rows: usize,
        x: &[f32],
        x_stride: usize,
        out: &mut [f32],
        out_stride: usize,
    ) {
        let width = stride(self.down.columns);
        let low = room(buffer, rows * width);
        self.down.multiply(pool, scratch, rows, x, x_stride, low, width, Finish::Store);
        self.up.multiply(pool, scratch, rows, low, width, out, out_stride, Finish::Add);
    }
}
