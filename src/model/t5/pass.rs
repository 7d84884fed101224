//! One batch through a model that is trained, in stages: what each layer keeps for the way back may be kept at once, or
//! layer after layer (gradient checkpointing, arXiv 1604.06174), which takes a third more time and little memory.
//!
//! A stage is computed by fused operations on the processor and by candle's elsewhere; both draw the same dropout.

use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::{D, DType, Tensor, Var};

use super::graph::{Block, IGNORED_LABEL, MASKED, Stack, T5Graph, future_mask, score_mask};
use super::names::Side;
use crate::model::dropout::Dropout;
use crate::model::{ModelError, ops};

type Result<T> = std::result::Result<T, ModelError>;

/// A batch, with what all its layers share.
pub(super) struct Pass<'a> {
    graph: &'a T5Graph,
    /// What the encoder and the decoder read, `[batch, length]`.
    ids: &'a Tensor,
    inputs: Tensor,
    labels: &'a [Vec<i64>],
    /// 1 where a label counts, `[batch, length]`.
    counts: Tensor,
    masks: Masks,
}

/// What keeps padding from being attended to.
enum Masks {
    /// Numbers to be added, for the tokens of the encoder and of the decoder.
    Fused(Arc<Vec<f32>>, Arc<Vec<f32>>),
    /// `[batch, 1, 1, length]`, added to the scores of what is read.
    Plain(Tensor),
}

/// What is kept of a stack's way forward to go it again: what each layer read, and the dropout it drew from.
struct Kept {
    scores: Tensor,
    start: Dropout,
    /// One more than there are layers; the last is what the stack's end read.
    inputs: Vec<(Tensor, Dropout)>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        graph: &'a T5Graph,
        ids: &'a Tensor,
        mask: &Tensor,
        labels: &'a [Vec<i64>],
    ) -> Result<Self> {
        let length = labels.first().map_or(0, Vec::len);
        let config = graph.config();
        let shifted = labels.iter().flat_map(|row| {
            let read = row.iter().take(length.saturating_sub(1)).map(|&label| graph.real(label));
            std::iter::once(config.start_token).chain(read)
        });
        let shape = (labels.len(), length);
        let inputs = Tensor::from_iter(shifted, graph.device())?.reshape(shape)?;
        let counts = labels.iter().flatten().map(|&label| if label == IGNORED_LABEL { 0f32 } else { 1.0 });
        let counts = Tensor::from_iter(counts, graph.device())?.reshape(shape)?;
        let masks = if graph.is_fused() {
            let padding = mask.flatten_all()?.to_vec1::<f32>()?;
            let padding = padding.into_iter().map(|real| (1.0 - real) * MASKED as f32).collect();
            Masks::Fused(Arc::new(padding), Arc::new(vec![0.0; labels.len() * length]))
        } else {
            Masks::Plain(score_mask(mask, graph.numbers())?)
        };
        Ok(Self { graph, ids, inputs, labels, counts, masks })
    }

    /// The mean loss of the labels that count, and each one's own.
    pub(super) fn loss(&self, dropout: &mut Dropout) -> Result<(Tensor, Tensor)> {
        let encoded = self.run(Side::Encoder, None, dropout)?;
        let decoded = self.run(Side::Decoder, Some(&encoded), dropout)?;
        self.mean(&decoded)
    }

    /// The mean loss; the gradients of `share` times it go to `take`, a part at a time.
    pub(super) fn gradients(
        &self,
        share: f64,
        dropout: &mut Dropout,
        take: &mut dyn FnMut(GradStore) -> Result<()>,
    ) -> Result<f64> {
        let (encoder, encoded) = self.keep(Side::Encoder, None, dropout)?;
        let encoded = Var::from_tensor(&encoded)?;
        let (decoder, decoded) = self.keep(Side::Decoder, Some(encoded.as_tensor()), dropout)?;
        let decoded = Var::from_tensor(&decoded)?;
        let (mean, _) = self.mean(decoded.as_tensor())?;
        let value = f64::from(mean.to_scalar::<f32>()?);
        let mut store = (mean * share)?.backward()?;
        let of_decoded = gradient(&mut store, &decoded)?;
        take(store)?;
        let of_encoded = self.back(Side::Decoder, decoder, Some(&encoded), of_decoded, take)?;
        if let Some(of_encoded) = of_encoded {
            self.back(Side::Encoder, encoder, None, of_encoded, take)?;
        }
        Ok(value)
    }

    fn run(&self, side: Side, encoded: Option<&Tensor>, dropout: &mut Dropout) -> Result<Tensor> {
        let scores = self.scores(side)?;
        let mut x = self.begin(side, dropout)?;
        for block in &self.stack(side).blocks {
            x = self.block(side, block, &x, &scores, encoded, dropout)?;
        }
        self.end(side, &x, dropout)
    }

    /// As [`Pass::run`], with nothing kept but what each layer reads.
    fn keep(&self, side: Side, encoded: Option<&Tensor>, dropout: &mut Dropout) -> Result<(Kept, Tensor)> {
        let scores = self.scores(side)?.detach();
        let start = dropout.clone();
        let mut x = self.begin(side, dropout)?.detach();
        let mut inputs = Vec::with_capacity(self.stack(side).blocks.len() + 1);
        for block in &self.stack(side).blocks {
            inputs.push((x.clone(), dropout.clone()));
            x = self.block(side, block, &x, &scores, encoded, dropout)?.detach();
        }
        inputs.push((x.clone(), dropout.clone()));
        let out = self.end(side, &x, dropout)?.detach();
        Ok((Kept { scores, start, inputs }, out))
    }

    /// Goes through a stack's layers again, from the last to the first; gives the gradient of what the encoder gave.
    fn back(
        &self,
        side: Side,
        kept: Kept,
        encoded: Option<&Var>,
        mut of_x: Tensor,
        take: &mut dyn FnMut(GradStore) -> Result<()>,
    ) -> Result<Option<Tensor>> {
        let scores = Var::from_tensor(&kept.scores)?;
        let (mut of_scores, mut of_encoded) = (None, None);
        let mut blocks = self.stack(side).blocks.iter();
        let mut inputs = kept.inputs;
        let mut at_end = true;
        while let Some((input, mut dropout)) = inputs.pop() {
            let x = Var::from_tensor(&input)?;
            let y = if std::mem::take(&mut at_end) {
                self.end(side, &x, &mut dropout)?
            } else {
                let Some(block) = blocks.next_back() else { break };
                self.block(side, block, &x, &scores, encoded.map(Var::as_tensor), &mut dropout)?
            };
            let mut store = (y * &of_x)?.sum_all()?.backward()?;
            of_x = gradient(&mut store, &x)?;
            add(&mut of_scores, store.remove(&scores))?;
            if let Some(encoded) = encoded {
                add(&mut of_encoded, store.remove(encoded))?;
            }
            take(store)?;
        }
        let mut dropout = kept.start;
        take((self.begin(side, &mut dropout)? * of_x)?.sum_all()?.backward()?)?;
        if let Some(of_scores) = of_scores {
            take((self.scores(side)? * of_scores)?.sum_all()?.backward()?)?;
        }
        Ok(of_encoded)
    }

    fn stack(&self, side: Side) -> &'a Stack {
        match side {
            Side::Encoder => &self.graph.encoder,
            Side::Decoder => &self.graph.decoder,
        }
    }

    fn reads(&self, side: Side) -> &Tensor {
        match side {
            Side::Encoder => self.ids,
            Side::Decoder => &self.inputs,
        }
    }

    /// What is added to the scores of a stack's own attention.
    fn scores(&self, side: Side) -> Result<Tensor> {
        let length = self.reads(side).dim(1)?;
        let bias = self.graph.bias(self.stack(side), length, length, 0, side == Side::Encoder)?;
        match (side, &self.masks) {
            (Side::Encoder, Masks::Fused(..)) => Ok(bias),
            (Side::Encoder, Masks::Plain(mask)) => Ok(bias.broadcast_add(mask)?),
            (Side::Decoder, _) => {
                Ok(bias.broadcast_add(&future_mask(length, 0, bias.dtype(), self.graph.device())?)?)
            }
        }
    }

    /// What a stack's first layer reads, `[batch, length, d_model]`.
    fn begin(&self, side: Side, dropout: &mut Dropout) -> Result<Tensor> {
        let x = self.graph.embed(self.reads(side))?;
        match self.masks {
            Masks::Fused(..) => Ok(ops::drop_some(&x, dropout.draw())?),
            Masks::Plain(_) => dropout.apply(&x),
        }
    }

    fn block(
        &self,
        side: Side,
        block: &Block,
        x: &Tensor,
        scores: &Tensor,
        encoded: Option<&Tensor>,
        dropout: &mut Dropout,
    ) -> Result<Tensor> {
        match &self.masks {
            Masks::Fused(read, written) => {
                let own = if side == Side::Encoder { read } else { written };
                let cross = encoded.map(|encoded| (encoded, read));
                self.graph.fused_block(block, x, (scores, own), cross, dropout)
            }
            Masks::Plain(mask) => {
                let cross = encoded.map(|encoded| (encoded, mask));
                self.graph.plain_block(block, x, scores, cross, dropout)
            }
        }
    }

    /// What a stack gives, from what its last layer gave.
    fn end(&self, side: Side, x: &Tensor, dropout: &mut Dropout) -> Result<Tensor> {
        let norm = &self.stack(side).norm;
        match self.masks {
            Masks::Fused(..) => {
                let normed = ops::norm(x, norm, self.graph.config().epsilon)?;
                Ok(ops::drop_some(&normed, dropout.draw())?)
            }
            Masks::Plain(_) => dropout.apply(&self.graph.norm(x, norm)?),
        }
    }

    /// The mean negative log-likelihood of the labels that count, and each one's own, `[batch, length]`.
    fn mean(&self, decoded: &Tensor) -> Result<(Tensor, Tensor)> {
        let logits = self.graph.logits(decoded, matches!(self.masks, Masks::Fused(..)))?;
        let (batch, length) = self.counts.dims2()?;
        let each = if matches!(self.masks, Masks::Fused(..)) {
            let label = |label: &i64| (*label != IGNORED_LABEL).then_some(*label as u32);
            let logits = logits.reshape((batch * length, ()))?;
            let losses = ops::token_losses(&logits, self.labels.iter().flatten().map(label).collect())?;
            losses.reshape((batch, length))?
        } else {
            let targets = self.labels.iter().flatten().map(|&label| self.graph.real(label));
            let targets = Tensor::from_iter(targets, self.graph.device())?.reshape((batch, length, 1))?;
            let logits = logits.to_dtype(DType::F32)?;
            let likely = candle_nn::ops::log_softmax(&logits, D::Minus1)?;
            (likely.gather(&targets, 2)?.squeeze(2)?.neg()? * &self.counts)?
        };
        Ok(((each.sum_all()? / self.counts.sum_all()?)?, each))
    }
}

/// The gradient of a variable that everything after it hangs on.
fn gradient(store: &mut GradStore, of: &Var) -> Result<Tensor> {
    match store.remove(of) {
        Some(gradient) => Ok(gradient.detach()),
        None => Ok(of.zeros_like()?),
    }
}

fn add(sum: &mut Option<Tensor>, new: Option<Tensor>) -> Result<()> {
    if let Some(new) = new {
        *sum = Some(match sum.take() {
            Some(sum) => (sum + new)?.detach(),
            None => new.detach(),
        });
    }
    Ok(())
}
