//! A matrix of the model on candle tensors, with what an adapter of low rank adds to its products.

use candle_core::Tensor;

use crate::model::ModelError;
use crate::model::dropout::Dropout;
use crate::model::ops;

type Result<T> = std::result::Result<T, ModelError>;

/// What an adapter adds to the products of a matrix: `scale · drop(x) · Aᵀ · Bᵀ`.
#[derive(Debug, Clone)]
pub struct Added {
    /// A, `[rank, inputs]`.
    pub a: Tensor,
    /// B, `[outputs, rank]`.
    pub b: Tensor,
    /// What is added is multiplied with this.
    pub scale: f64,
}

/// A matrix `[outputs, inputs]`.
pub(super) struct Projection {
    /// The name of its tensor.
    pub(super) name: String,
    pub(super) weight: Tensor,
    pub(super) added: Option<Added>,
}

impl Projection {
    pub(super) fn new(name: String, weight: Tensor) -> Self {
        Self { name, weight, added: None }
    }

    /// `x · wᵀ` over the last dimension.
    pub(super) fn of(&self, x: &Tensor, dropout: &mut Dropout) -> Result<Tensor> {
        let product = linear(x, &self.weight)?;
        let Some(Added { a, b, scale }) = &self.added else { return Ok(product) };
        let low = (linear(&dropout.apply_for_adapters(x)?, a)? * *scale)?;
        Ok((product + linear(&low, b)?)?)
    }

    /// The same in fused operations, on the processor.
    pub(super) fn fused(&self, x: &Tensor, dropout: &mut Dropout) -> Result<Tensor> {
        let product = ops::linear(x, &self.weight)?;
        let Some(Added { a, b, scale }) = &self.added else { return Ok(product) };
        let low = (ops::linear(&ops::drop_some(x, dropout.draw_for_adapters())?, a)? * *scale)?;
        Ok((product + ops::linear(&low, b)?)?)
    }
}

/// `x · wᵀ` over the last dimension.
pub(super) fn linear(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    let mut shape = x.dims().to_vec();
    let width = shape.pop().unwrap_or(1);
    shape.push(w.dim(0)?);
    Ok(x.reshape(((), width))?.matmul(&w.to_dtype(x.dtype())?.t()?)?.reshape(shape)?)
}
