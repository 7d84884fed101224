//! BERT on candle tensors: differentiable from the vectors to every weight, on any device. The reference for the faster path
//! on the processor, and what training and GPUs use.

use candle_core::{D, DType, Device, Tensor};
use candle_nn::ops::softmax;

use super::config::{Activation, BertConfig};
use super::names::Names;
use crate::model::dropout::Dropout;
use crate::model::weights::Checkpoint;
use crate::model::{ModelError, Pooling};

type Result<T> = std::result::Result<T, ModelError>;

/// Gives a tensor by name and shape.
type Get<'a> = dyn FnMut(&str, &[usize]) -> Result<Tensor> + 'a;

/// What a masked score becomes: far below any real one.
const MASKED: f64 = -1e9;

struct Linear {
    weight: Tensor,
    bias: Tensor,
}

struct Norm {
    gain: Tensor,
    shift: Tensor,
}

struct Block {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    attention_norm: Norm,
    feed_input: Linear,
    feed_output: Linear,
    feed_norm: Norm,
}

/// A BERT-shaped model as candle tensors.
pub struct BertGraph {
    config: BertConfig,
    words: Tensor,
    positions: Tensor,
    token_types: Tensor,
    norm: Norm,
    blocks: Vec<Block>,
    device: Device,
}

impl BertGraph {
    /// Builds the model from its tensors; `get` gives each by name and shape ([`Names::all`] lists them).
    ///
    /// # Errors
    /// What `get` gives.
    pub fn new(
        config: &BertConfig,
        names: &Names,
        device: &Device,
        mut get: impl FnMut(&str, &[usize]) -> Result<Tensor>,
    ) -> Result<Self> {
        let (d, ff) = (config.hidden_size, config.intermediate_size);
        let words = get(&names.words(), &[config.vocab_size, d])?;
        let positions = get(&names.positions(), &[config.positions, d])?;
        let token_types = get(&names.token_types(), &[config.token_types, d])?;
        let norm = Norm::new(&mut get, names.embedding_norm(), d)?;
        let mut blocks = Vec::with_capacity(config.layers);
        for layer in 0..config.layers {
            let mut linear = |names, columns, depth| Linear::new(&mut get, names, columns, depth);
            blocks.push(Block {
                query: linear(names.attention(layer, "query"), d, d)?,
                key: linear(names.attention(layer, "key"), d, d)?,
                value: linear(names.attention(layer, "value"), d, d)?,
                output: linear(names.attention(layer, "output"), d, d)?,
                feed_input: linear(names.feed_input(layer), ff, d)?,
                feed_output: linear(names.feed_output(layer), d, ff)?,
                attention_norm: Norm::new(&mut get, names.attention_norm(layer), d)?,
                feed_norm: Norm::new(&mut get, names.feed_norm(layer), d)?,
            });
        }
        Ok(Self {
            config: config.clone(),
            words,
            positions,
            token_types,
            norm,
            blocks,
            device: device.clone(),
        })
    }

    /// The model of a checkpoint.
    ///
    /// # Errors
    /// [`ModelError`] for tensors that are missing or misshapen, before any is placed; and what the device says.
    pub fn load(config: &BertConfig, checkpoint: &Checkpoint, dtype: DType, device: &Device) -> Result<Self> {
        let names = Names::of(checkpoint);
        names.check(config, checkpoint)?;
        Self::new(config, &names, device, |name, shape| Ok(checkpoint.tensor(name, shape, dtype, device)?))
    }

    /// The configuration.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// Token ids and mask of texts, padded to the longest; as [`BertGraph::hidden`] takes them.
    ///
    /// # Errors
    /// What candle says.
    pub fn batch(&self, texts: &[&[u32]]) -> Result<Batch> {
        let length = texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let shape = (texts.len(), length);
        let mut ids = vec![0u32; texts.len() * length];
        let mut places = ids.clone();
        let mut mask = vec![0f32; ids.len()];
        for (row, text) in texts.iter().enumerate() {
            let at = row * length..row * length + text.len();
            ids[at.clone()].copy_from_slice(text);
            mask[at.clone()].fill(1.0);
            places[at].iter_mut().zip(self.config.positions_of(text)).for_each(|(to, p)| *to = p as u32);
        }
        Ok(Batch {
            ids: Tensor::from_vec(ids, shape, &self.device)?,
            places: Tensor::from_vec(places, shape, &self.device)?,
            mask: Tensor::from_vec(mask, shape, &self.device)?,
        })
    }

    /// The last block's outputs, `[texts, length, hidden]`; what stands in the places of padding means nothing.
    ///
    /// # Errors
    /// What candle says.
    pub fn hidden(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Tensor> {
        let (texts, length) = batch.ids.dims2()?;
        let shape = (texts, length, self.config.hidden_size);
        let rows = |table: &Tensor, index: &Tensor| {
            Ok::<_, ModelError>(table.index_select(&index.flatten_all()?, 0)?.reshape(shape)?)
        };
        let sum = (rows(&self.words, &batch.ids)? + rows(&self.positions, &batch.places)?)?;
        let mut x = sum.broadcast_add(&self.token_types.narrow(0, 0, 1)?)?;
        x = dropout.apply(&self.norm.apply(&x, self.config.epsilon)?)?;
        let added = ((&batch.mask - 1.0)? * -MASKED)?.reshape((texts, 1, 1, length))?.to_dtype(x.dtype())?;
        for block in &self.blocks {
            let attended = self.attend(block, &x, &added, dropout)?;
            x = block.attention_norm.apply(&(x + dropout.apply(&attended)?)?, self.config.epsilon)?;
            let inner = block.feed_input.apply(&x)?;
            let inner = match self.config.activation {
                Activation::Relu => inner.relu()?,
                Activation::Gelu => inner.gelu_erf()?,
                Activation::GeluTanh => inner.gelu()?,
            };
            let fed = dropout.apply(&block.feed_output.apply(&inner)?)?;
            x = block.feed_norm.apply(&(x + fed)?, self.config.epsilon)?;
        }
        Ok(x)
    }

    /// A vector for each text, `[texts, hidden]` in `f32`, from [`BertGraph::hidden`].
    ///
    /// # Errors
    /// What candle says.
    pub fn pool(&self, hidden: &Tensor, batch: &Batch, pooling: Pooling) -> Result<Tensor> {
        let hidden = hidden.to_dtype(DType::F32)?;
        match pooling {
            Pooling::Cls => Ok(hidden.narrow(1, 0, 1)?.squeeze(1)?),
            Pooling::Mean => {
                let mask = batch.mask.unsqueeze(2)?;
                Ok(hidden.broadcast_mul(&mask)?.sum(1)?.broadcast_div(&mask.sum(1)?)?)
            }
        }
    }

    fn attend(&self, block: &Block, x: &Tensor, added: &Tensor, dropout: &mut Dropout) -> Result<Tensor> {
        let (texts, length, width) = x.dims3()?;
        let split = |linear: &Linear| {
            let rows =
                linear.apply(x)?.reshape((texts, length, self.config.heads, self.config.head_width()))?;
            Ok::<_, ModelError>(rows.transpose(1, 2)?.contiguous()?)
        };
        let q = (split(&block.query)? / (self.config.head_width() as f64).sqrt())?;
        let scores = q.matmul(&split(&block.key)?.transpose(2, 3)?.contiguous()?)?.broadcast_add(added)?;
        let weights = dropout.apply(&softmax(&scores, D::Minus1)?)?;
        let mixed = weights.matmul(&split(&block.value)?)?.transpose(1, 2)?.contiguous()?;
        block.output.apply(&mixed.reshape((texts, length, width))?)
    }
}

/// Texts as tensors.
pub struct Batch {
    /// Token ids, `u32`, `[texts, length]`.
    ids: Tensor,
    /// Positions, `u32`, the same shape.
    places: Tensor,
    /// 1 for tokens, 0 for padding, `f32`, the same shape.
    mask: Tensor,
}

impl Linear {
    fn new(get: &mut Get<'_>, names: [String; 2], columns: usize, depth: usize) -> Result<Self> {
        let [weight, bias] = names;
        Ok(Self { weight: get(&weight, &[columns, depth])?, bias: get(&bias, &[columns])? })
    }

    /// `x · wᵀ + b` over the last dimension.
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let mut shape = x.dims().to_vec();
        let width = shape.pop().unwrap_or(1);
        shape.push(self.weight.dim(0)?);
        let product = x.reshape(((), width))?.matmul(&self.weight.t()?)?;
        Ok(product.broadcast_add(&self.bias)?.reshape(shape)?)
    }
}

impl Norm {
    fn new(get: &mut Get<'_>, names: [String; 2], width: usize) -> Result<Self> {
        let [gain, shift] = names;
        Ok(Self { gain: get(&gain, &[width])?, shift: get(&shift, &[width])? })
    }

    /// Layer normalization, computed in `f32` in any precision.
    fn apply(&self, x: &Tensor, epsilon: f32) -> Result<Tensor> {
        let wide = x.to_dtype(DType::F32)?;
        let centered = wide.broadcast_sub(&wide.mean_keepdim(D::Minus1)?)?;
        let variance = centered.sqr()?.mean_keepdim(D::Minus1)?;
        let normed = centered.broadcast_div(&(variance + f64::from(epsilon))?.sqrt()?)?;
        Ok(normed.to_dtype(x.dtype())?.broadcast_mul(&self.gain)?.broadcast_add(&self.shift)?)
    }
}
