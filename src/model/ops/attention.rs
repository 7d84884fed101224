//! Attention of many heads in one operation: scores, bias, padding, softmax, dropout and the mix of values, a head of a
//! sample at a time. Nothing of the size of the scores is kept: the way back computes them again.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};
use gemm::{Parallelism, gemm};
use rayon::prelude::*;

use super::{isa, numbers, tensor, with_numbers};
use crate::model::kernels::shared::SharedSlice;
use crate::model::kernels::train::{Mask, drop_row, softmax_back_row, softmax_row};

/// Groups of samples whose gradients of the bias are added up apart: a constant, so that sums do not depend on threads.
const GROUPS: usize = 4;

/// Mixes values: queries `[batch, queries, heads · width]`, keys and values side by side `[batch, keys, 2 · heads · width]`,
/// a bias `[1, heads, queries, keys]` where there is one, and what is added to the scores of each key `[batch · keys]`.
pub(in crate::model) fn attention(
    queries: &Tensor,
    keys_values: &Tensor,
    bias: Option<&Tensor>,
    padding: Arc<Vec<f32>>,
    heads: usize,
    mask: Mask,
) -> Result<Tensor> {
    let (batch, length, inner) = queries.dims3()?;
    let (other, keys, both) = keys_values.dims3()?;
    let fits = bias.is_none_or(|bias| bias.dims() == [1, heads, length, keys]);
    if heads == 0
        || inner % heads != 0
        || other != batch
        || both != 2 * inner
        || padding.len() != batch * keys
        || !fits
    {
        bail!("attention of {:?} over {:?}", queries.shape(), keys_values.shape());
    }
    let op = Heads { batch, heads, width: inner / heads, queries: length, keys, padding, mask };
    let (queries, keys_values) = (queries.contiguous()?, keys_values.contiguous()?);
    match bias {
        Some(bias) => queries.apply_op3(&keys_values, &bias.contiguous()?, op),
        None => queries.apply_op2(&keys_values, op),
    }
}

struct Heads {
    batch: usize,
    heads: usize,
    width: usize,
    queries: usize,
    keys: usize,
    padding: Arc<Vec<f32>>,
    mask: Mask,
}

/// Gradients of queries, of keys and values, and of the bias.
struct Back {
    queries: Vec<f32>,
    keys_values: Vec<f32>,
    bias: Vec<f32>,
}

impl Heads {
    const fn inner(&self) -> usize {
        self.heads * self.width
    }

    /// What softmax gives for a head of a sample, into `scores`.
    ///
    /// # Safety
    /// `scores` must be valid for queries · keys numbers.
    unsafe fn weigh(
        &self,
        q: &[f32],
        kv: &[f32],
        bias: Option<&[f32]>,
        sample: usize,
        head: usize,
        scores: *mut f32,
    ) {
        let (isa, inner) = (isa(), self.inner());
        let q = &q[sample * self.queries * inner + head * self.width..];
        let k = &kv[sample * self.keys * 2 * inner + head * self.width..];
        // SAFETY: a head's part of each row lies within its slice, the last row's included; the scores as the caller vouches.
        unsafe {
            product(
                [self.queries, self.keys, self.width],
                (scores, self.keys as isize, 1),
                (q.as_ptr(), inner as isize, 1),
                (k.as_ptr(), 1, 2 * inner as isize),
                false,
            );
            let padding = self.padding[sample * self.keys..].as_ptr();
            for row in 0..self.queries {
                let bias = bias.map_or(std::ptr::null(), |bias| {
                    bias[(head * self.queries + row) * self.keys..].as_ptr()
                });
                softmax_row(isa, scores.add(row * self.keys), bias, padding, self.keys);
            }
        }
    }

    /// The first place of a head's scores, as the mask counts.
    fn place(&self, sample: usize, head: usize) -> u32 {
        ((sample * self.heads + head) * self.queries * self.keys) as u32
    }

    fn forward(&self, q: &[f32], kv: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let (isa, inner, scores) = (isa(), self.inner(), self.queries * self.keys);
        let mut out = vec![0f32; self.batch * self.queries * inner];
        let shared = SharedSlice::new(&mut out);
        (0..self.batch * self.heads).into_par_iter().for_each_init(
            || vec![0f32; scores],
            |room, task| {
                let (sample, head) = (task / self.heads, task % self.heads);
                let weights = room.as_mut_ptr();
                let v = &kv[sample * self.keys * 2 * inner + inner + head * self.width..];
                let out = shared.pointer(sample * self.queries * inner + head * self.width);
                // SAFETY: the room is as large as the scores; each task writes the columns of its head in the rows of its
                // sample, which no other does.
                unsafe {
                    self.weigh(q, kv, bias, sample, head, weights);
                    if self.mask != Mask::NONE {
                        let first = self.place(sample, head);
                        drop_row(isa, weights, std::ptr::null(), weights, scores, self.mask, first);
                    }
                    product(
                        [self.queries, self.width, self.keys],
                        (out, inner as isize, 1),
                        (weights, self.keys as isize, 1),
                        (v.as_ptr(), 2 * inner as isize, 1),
                        false,
                    );
                }
            },
        );
        out
    }

    fn back(&self, q: &[f32], kv: &[f32], bias: Option<&[f32]>, out: &[f32], gradient: &[f32]) -> Back {
        let (isa, inner, scores) = (isa(), self.inner(), self.queries * self.keys);
        let mut of_q = vec![0f32; q.len()];
        let mut of_kv = vec![0f32; kv.len()];
        let groups = GROUPS.min(self.batch.max(1));
        let mut of_bias = vec![0f32; if bias.is_some() { groups * self.heads * scores } else { 0 }];
        let (to_q, to_kv) = (SharedSlice::new(&mut of_q), SharedSlice::new(&mut of_kv));
        let to_bias = SharedSlice::new(&mut of_bias);
        (0..groups * self.heads).into_par_iter().for_each_init(
            || (vec![0f32; scores], vec![0f32; scores]),
            |(weights, slopes), task| {
                let (group, head) = (task / self.heads, task % self.heads);
                let (weights, slopes) = (weights.as_mut_ptr(), slopes.as_mut_ptr());
                for sample in (group..self.batch).step_by(groups) {
                    let row = sample * self.queries * inner + head * self.width;
                    let key = sample * self.keys * 2 * inner + head * self.width;
                    let (q_head, out, gradient) = (&q[row..], &out[row..], &gradient[row..]);
                    let (k, v) = (&kv[key..], &kv[key + inner..]);
                    let first = self.place(sample, head);
                    let (by_query, by_key) = (inner as isize, 2 * inner as isize);
                    let keys = self.keys as isize;
                    // SAFETY: both rooms are as large as the scores; each task writes the columns of its head in the rows of
                    // the samples of its group, and the bias of its group and head, which no other does.
                    unsafe {
                        self.weigh(q, kv, bias, sample, head, weights);
                        // Values: the dropped weights, turned over, times the gradient.
                        drop_row(isa, weights, std::ptr::null(), slopes, scores, self.mask, first);
                        product(
                            [self.keys, self.width, self.queries],
                            (to_kv.pointer(key + inner), by_key, 1),
                            (slopes, 1, keys),
                            (gradient.as_ptr(), by_query, 1),
                            false,
                        );
                        // The dropped weights' gradient, and from it that of the scores.
                        product(
                            [self.queries, self.keys, self.width],
                            (slopes, keys, 1),
                            (gradient.as_ptr(), by_query, 1),
                            (v.as_ptr(), 1, by_key),
                            false,
                        );
                        for query in 0..self.queries {
                            let place = query * inner..query * inner + self.width;
                            let dot =
                                out[place.clone()].iter().zip(&gradient[place]).map(|(o, g)| o * g).sum();
                            let offset = query * self.keys;
                            let first = first.wrapping_add(offset as u32);
                            let (p, d) = (weights.add(offset), slopes.add(offset));
                            softmax_back_row(isa, p, d, self.keys, self.mask, first, dot);
                        }
                        if bias.is_some() {
                            let sum = to_bias.pointer((group * self.heads + head) * scores);
                            drop_row(isa, slopes, sum, sum, scores, Mask::NONE, 0);
                        }
                        product(
                            [self.queries, self.width, self.keys],
                            (to_q.pointer(row), by_query, 1),
                            (slopes, keys, 1),
                            (k.as_ptr(), by_key, 1),
                            false,
                        );
                        product(
                            [self.keys, self.width, self.queries],
                            (to_kv.pointer(key), by_key, 1),
                            (slopes, 1, keys),
                            (q_head.as_ptr(), by_query, 1),
                            false,
                        );
                    }
                }
            },
        );
        let one = (self.heads * scores).min(of_bias.len());
        let (sum, others) = of_bias.split_at_mut(one);
        for other in others.chunks_exact(sum.len().max(1)) {
            sum.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
        }
        of_bias.truncate(one);
        Back { queries: of_q, keys_values: of_kv, bias: of_bias }
    }
}

/// `out = left · right` for sizes `[rows, columns, depth]`; each matrix with its steps from row to row and from column to
/// column, in numbers.
///
/// # Safety
/// All pointers must be valid for what sizes and steps reach, and `out` must not overlap the others.
unsafe fn product(
    [rows, columns, depth]: [usize; 3],
    (out, out_row, out_column): (*mut f32, isize, isize),
    (left, left_row, left_column): (*const f32, isize, isize),
    (right, right_row, right_column): (*const f32, isize, isize),
    add: bool,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        gemm(
            rows,
            columns,
            depth,
            out,
            out_column,
            out_row,
            add,
            left,
            left_column,
            left_row,
            right,
            right_column,
            right_row,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

impl CustomOp2 for Heads {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        kv: &CpuStorage,
        kv_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let out = self.forward(numbers(q, q_layout)?, numbers(kv, kv_layout)?, None);
        Ok((CpuStorage::F32(out), q_layout.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        kv: &Tensor,
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let back = |[q, kv, out, gradient]: [&[f32]; 4]| self.back(q, kv, None, out, gradient);
        let back = with_numbers([q, kv, out, gradient], back)?;
        Ok((Some(tensor(back.queries, q.shape())?), Some(tensor(back.keys_values, kv.shape())?)))
    }
}

impl CustomOp3 for Heads {
    fn name(&self) -> &'static str {
        "attention with bias"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        kv: &CpuStorage,
        kv_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let bias = numbers(bias, bias_layout)?;
        let out = self.forward(numbers(q, q_layout)?, numbers(kv, kv_layout)?, Some(bias));
        Ok((CpuStorage::F32(out), q_layout.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        kv: &Tensor,
        bias: &Tensor,
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let back = |[q, kv, bias, out, gradient]: [&[f32]; 5]| self.back(q, kv, Some(bias), out, gradient);
        let back = with_numbers([q, kv, bias, out, gradient], back)?;
        Ok((
            Some(tensor(back.queries, q.shape())?),
            Some(tensor(back.keys_values, kv.shape())?),
            Some(tensor(back.bias, bias.shape())?),
        ))
    }
}
