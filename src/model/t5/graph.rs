//! T5 on candle tensors: differentiable from the losses to every weight, on any device. The reference for the faster
//! path on the processor, and what training and GPUs use.

use candle_core::backprop::GradStore;
use candle_core::{D, DType, Device, Tensor};
use candle_nn::ops::softmax;

use super::config::{Activation, T5Config};
use super::names::{self, Side};
use super::pass::Pass;
use super::position::bucket;
use super::projection::{Added, Projection, linear};
use crate::model::dropout::Dropout;
use crate::model::{ModelError, ops};

type Result<T> = std::result::Result<T, ModelError>;

/// Labels of this value count for nothing in the loss.
pub const IGNORED_LABEL: i64 = -100;
/// What a masked score becomes: far below any real one, and finite in every precision.
pub(super) const MASKED: f64 = -1e9;

pub(super) struct Attention {
    pub(super) q: Projection,
    pub(super) k: Projection,
    pub(super) v: Projection,
    pub(super) o: Projection,
    pub(super) norm: Tensor,
}

pub(super) struct FeedForward {
    pub(super) inputs: Vec<Projection>,
    pub(super) output: Projection,
    pub(super) norm: Tensor,
}

pub(super) struct Block {
    pub(super) own: Attention,
    pub(super) cross: Option<Attention>,
    pub(super) feed: FeedForward,
}

pub(super) struct Stack {
    pub(super) blocks: Vec<Block>,
    pub(super) bias: Tensor,
    pub(super) norm: Tensor,
}

/// A T5 model as candle tensors.
pub struct T5Graph {
    config: T5Config,
    pub(super) embedding: Tensor,
    pub(super) head: Tensor,
    pub(super) encoder: Stack,
    pub(super) decoder: Stack,
    /// What products are computed in.
    numbers: DType,
    device: Device,
}

/// Keys and values of what the decoder has read, for decoding step by step.
pub struct GraphCache {
    own: Vec<Option<(Tensor, Tensor)>>,
    cross: Vec<(Tensor, Tensor)>,
    /// `[rows, 1, 1, keys]`, added to the scores.
    mask: Tensor,
    read: usize,
}

impl T5Graph {
    /// Builds the model from its tensors; `get` gives each by name and shape (`names` lists them), and `tied` says
    /// that the output projection is the embedding.
    ///
    /// # Errors
    /// What `get` gives.
    pub fn new(
        config: &T5Config,
        tied: bool,
        device: &Device,
        mut get: impl FnMut(&str, &[usize]) -> Result<Tensor>,
    ) -> Result<Self> {
        let embedding_shape = [config.vocab_size, config.d_model];
        let embedding = get(names::EMBEDDING, &embedding_shape)?;
        let head = if tied { embedding.clone() } else { get(names::HEAD, &embedding_shape)? };
        let encoder = Stack::new(config, Side::Encoder, &mut get)?;
        let decoder = Stack::new(config, Side::Decoder, &mut get)?;
        let (numbers, device) = (embedding.dtype(), device.clone());
        Ok(Self { config: config.clone(), embedding, head, encoder, decoder, numbers, device })
    }

    /// The model with its products computed in other numbers than its weights are kept in (mixed precision, arXiv 1710.03740): what
    /// is added up from layer to layer, and the losses, keep the weights' numbers.
    #[must_use]
    pub const fn computing_in(mut self, numbers: DType) -> Self {
        self.numbers = numbers;
        self
    }

    /// What products are computed in.
    pub(super) const fn numbers(&self) -> DType {
        self.numbers
    }

    /// The configuration.
    pub fn config(&self) -> &T5Config {
        &self.config
    }

    /// Where the tensors are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Has an adapter add to the matrices that it is for: `get` gives what is added by a matrix's name and shape, if
    /// anything is; what was added before goes.
    ///
    /// # Errors
    /// What `get` gives.
    pub fn adapt(&mut self, mut get: impl FnMut(&str, [usize; 2]) -> Result<Option<Added>>) -> Result<()> {
        for block in self.encoder.blocks.iter_mut().chain(&mut self.decoder.blocks) {
            let attentions = std::iter::once(&mut block.own).chain(&mut block.cross);
            let attentions = attentions.flat_map(|Attention { q, k, v, o, .. }| [q, k, v, o]);
            let feed = block.feed.inputs.iter_mut().chain([&mut block.feed.output]);
            for projection in attentions.chain(feed) {
                projection.added = get(&projection.name, projection.weight.dims2()?.into())?;
            }
        }
        Ok(())
    }

    /// Encoder outputs `[batch, length, d_model]` of token ids (`u32`, `[batch, length]`); `mask` is 1 for real tokens
    /// and 0 for padding (`f32`, the same shape).
    ///
    /// # Errors
    /// What candle says.
    pub fn encode(&self, ids: &Tensor, mask: &Tensor, dropout: &mut Dropout) -> Result<Tensor> {
        let (batch, length) = ids.dims2()?;
        let mut x = self.embed(ids)?;
        let bias = self.bias(&self.encoder, length, length, 0, true)?;
        let scores = bias.broadcast_add(&score_mask(mask, bias.dtype())?)?;
        debug_assert_eq!(scores.dims4()?.0, batch);
        x = dropout.apply(&x)?;
        for block in &self.encoder.blocks {
            x = self.plain_block(block, &x, &scores, None, dropout)?;
        }
        dropout.apply(&self.norm(&x, &self.encoder.norm)?)
    }

    /// Logits `[batch, length, vocabulary]` after each of the decoder's tokens (`u32`, `[batch, length]`).
    ///
    /// # Errors
    /// What candle says.
    pub fn decode(
        &self,
        ids: &Tensor,
        encoded: &Tensor,
        mask: &Tensor,
        dropout: &mut Dropout,
    ) -> Result<Tensor> {
        let mut cache = self.dropped_cache(encoded, mask, dropout)?;
        self.decode_step(ids, &mut cache, dropout)
    }

    /// The cache before the first step; `encoded` and `mask` as in [`T5Graph::encode`].
    ///
    /// # Errors
    /// What candle says.
    pub fn cache(&self, encoded: &Tensor, mask: &Tensor) -> Result<GraphCache> {
        self.dropped_cache(encoded, mask, &mut Dropout::off())
    }

    fn dropped_cache(&self, encoded: &Tensor, mask: &Tensor, dropout: &mut Dropout) -> Result<GraphCache> {
        let cross = self.decoder.blocks.iter().filter_map(|block| block.cross.as_ref());
        let keys_values = |attention| self.keys_values(attention, encoded, dropout);
        let cross = cross.map(keys_values).collect::<Result<_>>()?;
        let own = self.decoder.blocks.iter().map(|_| None).collect();
        Ok(GraphCache { own, cross, mask: score_mask(mask, encoded.dtype())?, read: 0 })
    }

    /// Logits after each of the next tokens, which attend to all read before.
    ///
    /// # Errors
    /// What candle says.
    pub fn decode_step(&self, ids: &Tensor, cache: &mut GraphCache, dropout: &mut Dropout) -> Result<Tensor> {
        let (_, length) = ids.dims2()?;
        let mut x = self.embed(ids)?;
        let keys = cache.read + length;
        let mut scores = self.bias(&self.decoder, length, keys, cache.read, false)?;
        if length > 1 {
            scores = scores.broadcast_add(&future_mask(length, cache.read, scores.dtype(), &self.device)?)?;
        }
        x = dropout.apply(&x)?;
        for (layer, block) in self.decoder.blocks.iter().enumerate() {
            let n = self.norm(&x, &block.own.norm)?;
            let (mut k, mut v) = self.keys_values(&block.own, &n, dropout)?;
            if let Some((old_k, old_v)) = &cache.own[layer] {
                k = Tensor::cat(&[old_k, &k], 2)?;
                v = Tensor::cat(&[old_v, &v], 2)?;
            }
            let attended = self.attend(&block.own, &n, &k, &v, &scores, dropout)?;
            x = add(&x, &dropout.apply(&attended)?)?;
            cache.own[layer] = Some((k, v));
            if let (Some(cross), Some((k, v))) = (&block.cross, cache.cross.get(layer)) {
                let n = self.norm(&x, &cross.norm)?;
                let attended = self.attend(cross, &n, k, v, &cache.mask, dropout)?;
                x = add(&x, &dropout.apply(&attended)?)?;
            }
            x = self.feed(&block.feed, x, dropout)?;
        }
        cache.read += length;
        self.logits(&dropout.apply(&self.norm(&x, &self.decoder.norm)?)?, false)
    }

    /// Mean negative log-likelihood of the labels that count, and each label's own (0 where ignored,
    /// `[batch, length]`). The decoder reads the labels shifted right by one.
    ///
    /// # Errors
    /// What candle says; a batch without any label that counts divides by zero and gives NaN.
    pub fn loss(
        &self,
        ids: &Tensor,
        mask: &Tensor,
        labels: &[Vec<i64>],
        dropout: &mut Dropout,
    ) -> Result<(Tensor, Tensor)> {
        Pass::new(self, ids, mask, labels)?.loss(dropout)
    }

    /// The mean loss as of [`T5Graph::loss`], with gradient checkpointing: the gradients of `share` times it go to `take` a part at
    /// a time, and their sums are those of the loss.
    ///
    /// # Errors
    /// What candle says, and `take`.
    pub fn gradients(
        &self,
        ids: &Tensor,
        mask: &Tensor,
        labels: &[Vec<i64>],
        share: f64,
        dropout: &mut Dropout,
        take: &mut dyn FnMut(GradStore) -> Result<()>,
    ) -> Result<f64> {
        Pass::new(self, ids, mask, labels)?.gradients(share, dropout, take)
    }

    /// The token that a label stands for in the decoder's input.
    pub(super) const fn real(&self, label: i64) -> u32 {
        if label < 0 { self.config.pad_token } else { label as u32 }
    }

    /// Logits over the vocabulary of what the decoder gave.
    pub(super) fn logits(&self, decoded: &Tensor, fused: bool) -> Result<Tensor> {
        let scaled = if self.config.scale_outputs {
            (decoded * (self.config.d_model as f64).powf(-0.5))?
        } else {
            decoded.clone()
        };
        if fused { Ok(ops::linear(&scaled, &self.head)?) } else { linear(&scaled, &self.head) }
    }

    pub(super) fn embed(&self, ids: &Tensor) -> Result<Tensor> {
        let (batch, length) = ids.dims2()?;
        let rows = self.embedding.index_select(&ids.flatten_all()?, 0)?;
        Ok(rows.reshape((batch, length, self.config.d_model))?)
    }

    /// Root mean square normalization, computed in `f32` in any precision, given in that of products.
    pub(super) fn norm(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let wide = x.to_dtype(DType::F32)?;
        let mean = wide.sqr()?.mean_keepdim(D::Minus1)?;
        let scaled = wide.broadcast_div(&(mean + f64::from(self.config.epsilon))?.sqrt()?)?;
        Ok(scaled.to_dtype(self.numbers)?.broadcast_mul(&weight.to_dtype(self.numbers)?)?)
    }

    /// `[1, heads, queries, keys]`.
    pub(super) fn bias(
        &self,
        stack: &Stack,
        queries: usize,
        keys: usize,
        offset: usize,
        both: bool,
    ) -> Result<Tensor> {
        let config = &self.config;
        let of = |i: usize| {
            let distance = (i % keys) as i64 - (i / keys + offset) as i64;
            bucket(distance, both, config.buckets, config.max_distance) as u32
        };
        let buckets = Tensor::from_iter((0..queries * keys).map(of), &self.device)?;
        let rows = stack.bias.index_select(&buckets, 0)?;
        let bias = rows.reshape((queries, keys, config.num_heads))?.permute((2, 0, 1))?.unsqueeze(0)?;
        Ok(bias.contiguous()?.to_dtype(self.numbers)?)
    }

    fn split(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, length, _) = x.dims3()?;
        let heads = x.reshape((batch, length, self.config.num_heads, self.config.d_kv))?;
        Ok(heads.transpose(1, 2)?.contiguous()?)
    }

    fn keys_values(
        &self,
        attention: &Attention,
        x: &Tensor,
        dropout: &mut Dropout,
    ) -> Result<(Tensor, Tensor)> {
        Ok((self.split(&attention.k.of(x, dropout)?)?, self.split(&attention.v.of(x, dropout)?)?))
    }

    fn attend(
        &self,
        a: &Attention,
        x: &Tensor,
        k: &Tensor,
        v: &Tensor,
        added: &Tensor,
        dropout: &mut Dropout,
    ) -> Result<Tensor> {
        let (batch, length, _) = x.dims3()?;
        let q = self.split(&a.q.of(x, dropout)?)?;
        let scores = q.matmul(&k.transpose(2, 3)?.contiguous()?)?.broadcast_add(added)?;
        let weights = dropout.apply(&softmax(&scores, D::Minus1)?)?;
        let mixed = weights.matmul(v)?.transpose(1, 2)?.contiguous()?;
        a.o.of(&mixed.reshape((batch, length, self.config.inner()))?, dropout)
    }

    /// A layer's outputs `[batch, length, d_model]`; `scores` is added to those of its own attention, `cross` is what it attends to
    /// beside itself, with what is added to those scores.
    pub(super) fn plain_block(
        &self,
        block: &Block,
        x: &Tensor,
        scores: &Tensor,
        cross: Option<(&Tensor, &Tensor)>,
        dropout: &mut Dropout,
    ) -> Result<Tensor> {
        let n = self.norm(x, &block.own.norm)?;
        let (k, v) = self.keys_values(&block.own, &n, dropout)?;
        let attended = self.attend(&block.own, &n, &k, &v, scores, dropout)?;
        let mut x = add(x, &dropout.apply(&attended)?)?;
        if let (Some(attention), Some((encoded, mask))) = (&block.cross, cross) {
            let n = self.norm(&x, &attention.norm)?;
            let (k, v) = self.keys_values(attention, encoded, dropout)?;
            let attended = self.attend(attention, &n, &k, &v, mask, dropout)?;
            x = add(&x, &dropout.apply(&attended)?)?;
        }
        self.feed(&block.feed, x, dropout)
    }

    fn feed(&self, feed: &FeedForward, x: Tensor, dropout: &mut Dropout) -> Result<Tensor> {
        let n = self.norm(&x, &feed.norm)?;
        let first = feed.inputs[0].of(&n, dropout)?;
        let mut h = match self.config.activation {
            Activation::Relu => first.relu()?,
            Activation::Gelu => first.gelu()?,
            Activation::Silu => first.silu()?,
        };
        if let Some(gate) = feed.inputs.get(1) {
            h = (h * gate.of(&n, dropout)?)?;
        }
        let out = feed.output.of(&dropout.apply(&h)?, dropout)?;
        add(&x, &dropout.apply(&out)?)
    }
}

impl GraphCache {
    /// Keeps the rows of these numbers, in this order (rows may repeat or go).
    ///
    /// # Errors
    /// What candle says.
    pub fn select(&mut self, rows: &[u32]) -> Result<()> {
        let index = Tensor::from_slice(rows, rows.len(), self.mask.device())?;
        let pick = |t: &Tensor| t.index_select(&index, 0);
        self.mask = pick(&self.mask)?;
        for (k, v) in self.cross.iter_mut().chain(self.own.iter_mut().flatten()) {
            (*k, *v) = (pick(k)?, pick(v)?);
        }
        Ok(())
    }
}

impl Stack {
    fn new(
        config: &T5Config,
        side: Side,
        get: &mut impl FnMut(&str, &[usize]) -> Result<Tensor>,
    ) -> Result<Self> {
        let layers = if side == Side::Encoder { config.num_layers } else { config.num_decoder_layers };
        let (d, inner) = (config.d_model, config.inner());
        let mut blocks = Vec::with_capacity(layers);
        for layer in 0..layers {
            let mut attention = |sub: usize, kind: &str| {
                let mut matrix = |which: &str, shape: [usize; 2]| {
                    projection(get, names::attention(side, layer, sub, kind, which), shape)
                };
                Ok::<_, ModelError>(Attention {
                    q: matrix("q", [inner, d])?,
                    k: matrix("k", [inner, d])?,
                    v: matrix("v", [inner, d])?,
                    o: matrix("o", [d, inner])?,
                    norm: get(&names::norm(side, layer, sub), &[d])?,
                })
            };
            let own = attention(0, names::SELF)?;
            let cross = if side == Side::Decoder { Some(attention(1, names::CROSS)?) } else { None };
            let sub = if side == Side::Decoder { 2 } else { 1 };
            let inputs = names::feed_inputs(config.gated)
                .iter()
                .map(|which| projection(get, names::feed(side, layer, sub, which), [config.d_ff, d]))
                .collect::<Result<_>>()?;
            let output = projection(get, names::feed(side, layer, sub, "wo"), [d, config.d_ff])?;
            let feed = FeedForward { inputs, output, norm: get(&names::norm(side, layer, sub), &[d])? };
            blocks.push(Block { own, cross, feed });
        }
        let bias = get(&names::bias(side), &[config.buckets, config.num_heads])?;
        Ok(Self { blocks, bias, norm: get(&names::final_norm(side), &[d])? })
    }
}

fn projection(
    get: &mut impl FnMut(&str, &[usize]) -> Result<Tensor>,
    name: String,
    shape: [usize; 2],
) -> Result<Projection> {
    let weight = get(&name, &shape)?;
    Ok(Projection::new(name, weight))
}

/// What goes from layer to layer, with what a layer adds, which may be of other numbers.
fn add(x: &Tensor, more: &Tensor) -> Result<Tensor> {
    Ok((x + more.to_dtype(x.dtype())?)?)
}

/// `[1, 1, length, keys]`: far below where a key comes after the query; `read` keys come before the first query.
pub(super) fn future_mask(length: usize, read: usize, dtype: DType, device: &Device) -> Result<Tensor> {
    let keys = read + length;
    let added = (0..length * keys).map(|i| if i % keys > i / keys + read { MASKED as f32 } else { 0.0 });
    Ok(Tensor::from_iter(added, device)?.reshape((1, 1, length, keys))?.to_dtype(dtype)?)
}

/// `[batch, 1, 1, length]`: 0 for real tokens, far below for padding.
pub(super) fn score_mask(mask: &Tensor, dtype: DType) -> Result<Tensor> {
    let (batch, length) = mask.dims2()?;
    let added = ((mask.to_dtype(DType::F32)? - 1.0)? * -MASKED)?;
    Ok(added.reshape((batch, 1, 1, length))?.to_dtype(dtype)?)
}
