//! The layers of a T5 model on the processor, for training: the same model over operations that do in one pass what candle
//! takes many for, and that keep little for the way back.

use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::config::Activation;
use super::graph::{Attention, Block, FeedForward, T5Graph};
use crate::model::ModelError;
use crate::model::dropout::Dropout;
use crate::model::kernels::train::Curve;
use crate::model::ops::{self, Feed};

type Result<T> = std::result::Result<T, ModelError>;

impl T5Graph {
    /// Whether [`T5Graph::fused_block`] can be had here.
    pub(super) fn is_fused(&self) -> bool {
        self.device().is_cpu() && self.numbers() == DType::F32
    }

    /// A layer's outputs `[batch, length, d_model]`; `cross` is what it attends to beside itself, with its padding.
    ///
    /// # Errors
    /// What candle says.
    pub(super) fn fused_block(
        &self,
        block: &Block,
        x: &Tensor,
        (bias, padding): (&Tensor, &Arc<Vec<f32>>),
        cross: Option<(&Tensor, &Arc<Vec<f32>>)>,
        dropout: &mut Dropout,
    ) -> Result<Tensor> {
        let epsilon = self.config().epsilon;
        let n = ops::norm(x, &block.own.norm, epsilon)?;
        let attended = self.fused_attention(&block.own, &n, &n, Some(bias), padding, dropout)?;
        let mut x = ops::add_dropped(x, &attended, dropout.draw())?;
        if let (Some(attention), Some((encoded, padding))) = (&block.cross, cross) {
            let n = ops::norm(&x, &attention.norm, epsilon)?;
            let attended = self.fused_attention(attention, &n, encoded, None, padding, dropout)?;
            x = ops::add_dropped(&x, &attended, dropout.draw())?;
        }
        let fed = self.fused_feed(&block.feed, &x, dropout)?;
        Ok(ops::add_dropped(&x, &fed, dropout.draw())?)
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
