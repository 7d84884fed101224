//! Operations that go row by row.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, D, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::{isa, numbers, tensor, with_numbers};
use crate::model::kernels::math::{log_sum_exp, norm_row};
use crate::model::kernels::train::{
    Curve, Mask, activate_back_row, activate_row, drop_row, loss_back_row, norm_back_row,
};

/// Numbers that one task takes, about.
const PART: usize = 1 << 15;
/// Rows whose gradients of a norm's weight are added up together.
const NORM_ROWS: usize = 64;

/// `x` with some of its numbers dropped.
pub(in crate::model) fn drop_some(x: &Tensor, mask: Mask) -> Result<Tensor> {
    if mask == Mask::NONE { Ok(x.clone()) } else { x.contiguous()?.apply_op1(Drop(mask)) }
}

struct Drop(Mask);

impl CustomOp1 for Drop {
    fn name(&self) -> &'static str {
        "drop"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(dropped(numbers(x, layout)?, None, self.0)), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let values = with_numbers([gradient], |[gradient]| dropped(gradient, None, self.0))?;
        Ok(Some(tensor(values, x.shape())?))
    }
}

/// `x + y`, where some of the numbers of `y` are dropped.
pub(in crate::model) fn add_dropped(x: &Tensor, y: &Tensor, mask: Mask) -> Result<Tensor> {
    if mask == Mask::NONE { x + y } else { x.contiguous()?.apply_op2(&y.contiguous()?, AddDropped(mask)) }
}

struct AddDropped(Mask);

impl CustomOp2 for AddDropped {
    fn name(&self) -> &'static str {
        "add dropped"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        y: &CpuStorage,
        y_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, y) = (numbers(x, x_layout)?, numbers(y, y_layout)?);
        if x.len() != y.len() {
            bail!("a sum of {:?} and {:?}", x_layout.shape(), y_layout.shape());
        }
        Ok((CpuStorage::F32(dropped(y, Some(x), self.0)), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let values = with_numbers([gradient], |[gradient]| dropped(gradient, None, self.0))?;
        Ok((Some(gradient.clone()), Some(tensor(values, x.shape())?)))
    }
}

fn dropped(x: &[f32], added: Option<&[f32]>, mask: Mask) -> Vec<f32> {
    let isa = isa();
    let mut out = vec![0f32; x.len()];
    out.par_chunks_mut(PART).enumerate().for_each(|(part, out)| {
        let range = part * PART..part * PART + out.len();
        let added = added.map_or(std::ptr::null(), |added| added[range.clone()].as_ptr());
        let x = &x[range.clone()];
        // SAFETY: all slices are of the length of this part.
        unsafe { drop_row(isa, x.as_ptr(), added, out.as_mut_ptr(), out.len(), mask, range.start as u32) };
    });
    out
}

/// Root mean square normalization of each row: `x / √(mean(x²) + epsilon) · weight`.
pub(in crate::model) fn norm(x: &Tensor, weight: &Tensor, epsilon: f32) -> Result<Tensor> {
    x.contiguous()?.apply_op2(weight, Norm(epsilon))
}

struct Norm(f32);

impl CustomOp2 for Norm {
    fn name(&self) -> &'static str {
        "norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, w) = (numbers(x, x_layout)?, numbers(w, w_layout)?);
        let width = w.len();
        if width == 0 || x_layout.shape().dims().last() != Some(&width) {
            bail!("a norm of {:?} with {:?}", x_layout.shape(), w_layout.shape());
        }
        let isa = isa();
        let mut out = vec![0f32; x.len()];
        let rows = NORM_ROWS * width;
        out.par_chunks_mut(rows).zip(x.par_chunks(rows)).for_each(|(out, x)| {
            for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                // SAFETY: the three slices are of one length.
                unsafe { norm_row(isa, x.as_ptr(), w.as_ptr(), out.as_mut_ptr(), width, self.0, 1.0) };
            }
        });
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let isa = isa();
        let (of_x, of_w) = with_numbers([x, w, gradient], |[x, w, gradient]| {
            let width = w.len();
            let rows = NORM_ROWS * width;
            let mut of_x = vec![0f32; x.len()];
            let parts = of_x.par_chunks_mut(rows).zip(x.par_chunks(rows)).zip(gradient.par_chunks(rows));
            let sums: Vec<Vec<f32>> = parts
                .map(|((of_x, x), gradient)| {
                    let mut of_w = vec![0f32; width];
                    let rows = of_x.chunks_exact_mut(width).zip(x.chunks_exact(width));
                    for ((of_x, x), gradient) in rows.zip(gradient.chunks_exact(width)) {
                        let (of_x, of_w) = (of_x.as_mut_ptr(), of_w.as_mut_ptr());
                        // SAFETY: all slices are of one length.
                        unsafe {
                            let (x, w, gradient) = (x.as_ptr(), w.as_ptr(), gradient.as_ptr());
                            norm_back_row(isa, x, w, gradient, of_x, of_w, width, self.0);
                        }
                    }
                    of_w
                })
                .collect();
            let mut of_w = vec![0f32; width];
            for sum in sums {
                of_w.iter_mut().zip(sum).for_each(|(all, one)| *all += one);
            }
            (of_x, of_w)
        })?;
        Ok((Some(tensor(of_x, x.shape())?), Some(tensor(of_w, w.shape())?)))
    }
}

/// The middle of a feed-forward layer.
#[derive(Debug, Clone, Copy)]
pub(in crate::model) struct Feed {
    /// The activation.
    pub curve: Curve,
    /// What is dropped of its output.
    pub mask: Mask,
}

/// The activation of `x`, times `gate` if there is one, with some numbers dropped.
pub(in crate::model) fn activate(x: &Tensor, gate: Option<&Tensor>, feed: Feed) -> Result<Tensor> {
    match gate {
        None => x.contiguous()?.apply_op1(feed),
        Some(gate) => x.contiguous()?.apply_op2(&gate.contiguous()?, feed),
    }
}

impl Feed {
    fn forward(self, x: &[f32], gate: Option<&[f32]>) -> Vec<f32> {
        let isa = isa();
        let mut out = vec![0f32; x.len()];
        out.par_chunks_mut(PART).enumerate().for_each(|(part, out)| {
            let (begin, len) = (part * PART, out.len());
            let x = &x[begin..begin + len];
            let gate = gate.map_or(std::ptr::null(), |gate| gate[begin..begin + len].as_ptr());
            let out = out.as_mut_ptr();
            // SAFETY: all slices are of the length of this part.
            unsafe {
                activate_row(isa, self.curve, x.as_ptr(), gate, out, len);
                if self.mask != Mask::NONE {
                    drop_row(isa, out, std::ptr::null(), out, len, self.mask, begin as u32);
                }
            }
        });
        out
    }

    fn back(self, x: &[f32], gate: Option<&[f32]>, gradient: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let isa = isa();
        let mut of_x = vec![0f32; x.len()];
        let mut of_gate = vec![0f32; gate.map_or(0, <[f32]>::len)];
        // Parts of nothing where there is no gate.
        let gates: Vec<&mut [f32]> = match gate {
            Some(_) => of_gate.chunks_mut(PART).collect(),
            None => (0..x.len().div_ceil(PART)).map(|_| Default::default()).collect(),
        };
        of_x.par_chunks_mut(PART).zip(gates).enumerate().for_each(|(part, (of_x, of_gate))| {
            let (begin, len) = (part * PART, of_x.len());
            let (x, gradient) = (&x[begin..begin + len], &gradient[begin..begin + len]);
            let gate = gate.map_or(std::ptr::null(), |gate| gate[begin..begin + len].as_ptr());
            let mut passed = vec![0f32; len];
            // SAFETY: all slices are of the length of this part, but those of gates where there are none.
            unsafe {
                let (from, passed) = (gradient.as_ptr(), passed.as_mut_ptr());
                drop_row(isa, from, std::ptr::null(), passed, len, self.mask, begin as u32);
                let (of_x, of_gate) = (of_x.as_mut_ptr(), of_gate.as_mut_ptr());
                activate_back_row(isa, self.curve, x.as_ptr(), gate, passed, of_x, of_gate, len);
            }
        });
        (of_x, of_gate)
    }
}

impl CustomOp1 for Feed {
    fn name(&self) -> &'static str {
        "activate"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(self.forward(numbers(x, layout)?, None)), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (of_x, _) = with_numbers([x, gradient], |[x, gradient]| self.back(x, None, gradient))?;
        Ok(Some(tensor(of_x, x.shape())?))
    }
}

impl CustomOp2 for Feed {
    fn name(&self) -> &'static str {
        "activate and gate"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        g: &CpuStorage,
        g_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, gate) = (numbers(x, x_layout)?, numbers(g, g_layout)?);
        if x.len() != gate.len() {
            bail!("an activation of {:?} with a gate of {:?}", x_layout.shape(), g_layout.shape());
        }
        Ok((CpuStorage::F32(self.forward(x, Some(gate))), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gate: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let back = |[x, gate, gradient]: [&[f32]; 3]| self.back(x, Some(gate), gradient);
        let (of_x, of_gate) = with_numbers([x, gate, gradient], back)?;
        Ok((Some(tensor(of_x, x.shape())?), Some(tensor(of_gate, gate.shape())?)))
    }
}

/// The negative log-likelihood of each row's label, `[rows]`; 0 where there is none.
pub(in crate::model) fn token_losses(logits: &Tensor, labels: Vec<Option<u32>>) -> Result<Tensor> {
    logits.contiguous()?.apply_op1(TokenLosses(labels))
}

struct TokenLosses(Vec<Option<u32>>);

impl CustomOp1 for TokenLosses {
    fn name(&self) -> &'static str {
        "token losses"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = layout.shape().dims2()?;
        let logits = numbers(logits, layout)?;
        if rows != self.0.len() || self.0.iter().flatten().any(|&label| label as usize >= width) {
            bail!("{} labels for logits of {:?}", self.0.len(), layout.shape());
        }
        let isa = isa();
        let loss = |(row, label): (&[f32], &Option<u32>)| {
            label.map_or(0.0, |label| log_sum_exp(isa, row) - row[label as usize])
        };
        let losses: Vec<f32> = logits.par_chunks(width.max(1)).zip(&self.0).map(loss).collect();
        Ok((CpuStorage::F32(losses), rows.into()))
    }

    fn bwd(&self, logits: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (isa, width) = (isa(), logits.dim(D::Minus1)?);
        let values = with_numbers([logits, gradient], |[logits, gradient]| {
            let mut out = vec![0f32; logits.len()];
            let rows = out.par_chunks_mut(width).zip(logits.par_chunks(width));
            rows.zip(&self.0).zip(gradient).for_each(|(((out, row), label), &factor)| {
                if let Some(label) = label {
                    // SAFETY: both slices are a row; labels were checked on the way forward.
                    unsafe {
                        loss_back_row(isa, row.as_ptr(), out.as_mut_ptr(), width, *label as usize, factor);
                    }
                }
            });
            out
        })?;
        Ok(Some(tensor(values, logits.shape())?))
    }
}
