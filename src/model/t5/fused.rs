//! The loss of a T5 model on the processor, for training: the same model over operations that do in one pass what candle
//! takes many for, and that keep little for the way back.

use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::config::Activation;
use super::graph::{Attention, FeedForward, IGNORED_LABEL, MASKED, Stack, T5Graph};
use crate::model::ModelError;
use crate::model::dropout::Dropout;
use crate::model::kernels::train::Curve;
use crate::model::ops::{self, Feed};

type Result<T> = std::result::Result<T, ModelError>;

impl T5Graph {
    /// Whether [`T5Graph::fused_losses`] can be had here.
    pub(super) fn is_fused(&self) -> bool {
        self.device().is_cpu() && self.embedding.dtype() == DType::F32
    }

    /// The negative log-likelihood of each label, `[batch, length]`; 0 where it is ignored. `inputs` is what the decoder
    /// reads.
    ///
    /// # Errors
    /// What candle says.
    pub(super) fn fused_losses(
        &self,
        ids: &Tensor,
        mask: &Tensor,
        inputs: &Tensor,
        labels: &[Vec<i64>],
        dropout: &mut Dropout,
    ) -> Result<Tensor> {
        let (batch, length) = inputs.dims2()?;
        let padding = mask.flatten_all()?.to_vec1::<f32>()?;
        let padding =
            Arc::new(padding.into_iter().map(|real| (1.0 - real) * MASKED as f32).collect::<Vec<f32>>());
        let bias = self.bias(&self.encoder, ids.dim(1)?, ids.dim(1)?, 0, true)?;
        let encoded = self.fused_stack(&self.encoder, ids, (&bias, &padding), None, dropout)?;
        let bias = self.bias(&self.decoder, length, length, 0, false)?;
        let future = (0..length * length).map(|i| if i % length > i / length { MASKED as f32 } else { 0.0 });
        let future = Tensor::from_iter(future, self.device())?.reshape((1, 1, length, length))?;
        let bias = bias.broadcast_add(&future)?;
        let nothing = Arc::new(vec![0f32; batch * length]);
        let cross = Some((&encoded, &padding));
        let mut x = self.fused_stack(&self.decoder, inputs, (&bias, &nothing), cross, dropout)?;
        if self.config().scale_outputs {
            x = (x * (self.config().d_model as f64).powf(-0.5))?;
        }
        let logits = ops::linear(&x.reshape((batch * length, ()))?, &self.head)?;
        let label = |label: &i64| (*label != IGNORED_LABEL).then_some(*label as u32);
        let losses = ops::token_losses(&logits, labels.iter().flatten().map(label).collect())?;
        Ok(losses.reshape((batch, length))?)
    }

    /// A stack's outputs `[batch, length, d_model]`; `cross` is what it attends to beside itself, with its padding.
    fn fused_stack(
        &self,
        stack: &Stack,
        ids: &Tensor,
        (bias, padding): (&Tensor, &Arc<Vec<f32>>),
        cross: Option<(&Tensor, &Arc<Vec<f32>>)>,
        dropout: &mut Dropout,
    ) -> Result<Tensor> {
        let epsilon = self.config().epsilon;
        let mut x = ops::drop_some(&self.embed(ids)?, dropout.draw())?;
        for block in &stack.blocks {
            let n = ops::norm(&x, &block.own.norm, epsilon)?;
            let attended = self.fused_attention(&block.own, &n, &n, Some(bias), padding, dropout)?;
            x = ops::add_dropped(&x, &attended, dropout.draw())?;
            if let (Some(attention), Some((encoded, padding))) = (&block.cross, cross) {
                let n = ops::norm(&x, &attention.norm, epsilon)?;
                let attended = self.fused_attention(attention, &n, encoded, None, padding, dropout)?;
                x = ops::add_dropped(&x, &attended, dropout.draw())?;
            }
            let fed = self.fused_feed(&block.feed, &x, dropout)?;
            x = ops::add_dropped(&x, &fed, dropout.draw())?;
        }
        Ok(ops::drop_some(&ops::norm(&x, &stack.norm, epsilon)?, dropout.draw())?)
    }

    fn fused_attention(
        &self,
        a: &Attention,
        x: &Tensor,
        attended: &Tensor,
        bias: Option<&Tensor>,
        padding: &Arc<Vec<f32>>,
        dropout: &mut Dropout,
    ) -> Result<Tensor> {
        let queries = a.q.fused(x, dropout)?;
        let keys_values = [a.k.fused(attended, dropout)?, a.v.fused(attended, dropout)?];
        let keys_values = Tensor::cat(&keys_values, 2)?;
        let heads = self.config().num_heads;
        let mixed = ops::attention(&queries, &keys_values, bias, padding.clone(), heads, dropout.draw())?;
        a.o.fused(&mixed, dropout)
    }

    fn fused_feed(&self, feed: &FeedForward, x: &Tensor, dropout: &mut Dropout) -> Result<Tensor> {
        let n = ops::norm(x, &feed.norm, self.config().epsilon)?;
        let curve = match self.config().activation {
            Activation::Relu => Curve::Relu,
            Activation::Gelu => Curve::Gelu,
            Activation::Silu => Curve::Silu,
        };
        let first = feed.inputs[0].fused(&n, dropout)?;
        let gate = feed.inputs.get(1).map(|gate| gate.fused(&n, dropout)).transpose()?;
        let middle = ops::activate(&first, gate.as_ref(), Feed { curve, mask: dropout.draw() })?;
        feed.output.fused(&middle, dropout)
    }
}
