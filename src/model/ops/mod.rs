//! Differentiable operations on the processor: each does in one pass what would take candle many, keeps nothing for the
//! way back that can be computed again, and sums in one order whatever the threads.
//!
//! All take and give 32-bit numbers that lie in one piece. Knows nothing of models.

mod attention;
mod rows;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Storage, Tensor, bail};

pub(in crate::model) use attention::attention;
pub(in crate::model) use rows::{Feed, activate, add_dropped, drop_some, norm, token_losses};

use super::kernels::simd::Isa;

/// The numbers of a storage that lie in one piece.
fn numbers<'s>(storage: &'s CpuStorage, layout: &Layout) -> Result<&'s [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((from, to))) => Ok(&values[from..to]),
        _ => bail!("fused operations take 32-bit numbers in one piece"),
    }
}

/// Does something with the numbers of tensors, copied first where they do not lie in one piece.
fn with_numbers<const N: usize, T>(tensors: [&Tensor; N], work: impl FnOnce([&[f32]; N]) -> T) -> Result<T> {
    let mut held = Vec::with_capacity(N);
    for tensor in tensors {
        held.push(tensor.contiguous()?);
    }
    let guards: Vec<_> = held.iter().map(Tensor::storage_and_layout).collect();
    let mut slices: [&[f32]; N] = [&[]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&guards) {
        let Storage::Cpu(storage) = &**storage else { bail!("fused operations are for the processor") };
        *slice = numbers(storage, layout)?;
    }
    Ok(work(slices))
}

fn tensor(values: Vec<f32>, shape: &Shape) -> Result<Tensor> {
    Tensor::from_vec(values, shape, &Device::Cpu)
}

fn isa() -> Isa {
    static FOUND: std::sync::OnceLock<Isa> = std::sync::OnceLock::new();
    *FOUND.get_or_init(Isa::detect)
}

/// `x · wᵀ` over the last dimension of `x`; `w` is `[outputs, inputs]`.
pub(in crate::model) fn linear(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op2(w, Linear)
}

struct Linear;

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n, k) = w_layout.shape().dims2()?;
        let mut shape = x_layout.shape().dims().to_vec();
        if shape.pop() != Some(k) {
            bail!("a product of {:?} with {:?}", x_layout.shape(), w_layout.shape());
        }
        let m = shape.iter().product();
        shape.push(n);
        let left = Layout::contiguous_with_offset((1, m, k), x_layout.start_offset());
        let right = w_layout.transpose(0, 1)?;
        let right = Layout::new(
            (1, k, n).into(),
            vec![k * n, right.stride()[0], right.stride()[1]],
            right.start_offset(),
        );
        Ok((x.matmul(w, (1, m, n, k), &left, &right)?, shape.into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?.flatten_to(candle_core::D::Minus2)?;
        let needed = |tensor: &Tensor| tensor.is_variable() || tensor.track_op();
        let of_x = needed(x).then(|| gradient.matmul(w)?.reshape(x.shape()));
        let of_w = needed(w).then(|| gradient.t()?.matmul(&x.flatten_to(candle_core::D::Minus2)?));
        Ok((of_x.transpose()?, of_w.transpose()?))
    }
}

#[cfg(test)]
mod tests;
