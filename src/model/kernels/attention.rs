//! Attention over packed keys and values, a few queries at a time: scores, softmax and mixing stay in the nearest
//! caches, and no matrix of all scores is ever made.

use super::math::exp_row_generic;
use super::simd::{Isa, Lanes, dispatch};
use super::tile::panel_product;

/// Queries handled together.
pub const QUERIES: usize = 24;

/// Sizes of one head's packed keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadShape {
    /// Keys.
    pub len: usize,
    /// Numbers a key.
    pub width: usize,
}

impl HeadShape {
    /// Numbers that the packed keys take.
    pub fn keys(self, isa: Isa) -> usize {
        self.len.next_multiple_of(isa.panel()) * self.width
    }

    /// Numbers that the packed values take.
    pub fn values(self, isa: Isa) -> usize {
        self.len * self.width.next_multiple_of(isa.panel())
    }

    /// Numbers that [`attend`] needs as scratch.
    pub fn scratch(self, isa: Isa) -> usize {
        QUERIES * (self.len.next_multiple_of(isa.panel()) + isa.panel())
    }
}

/// Packs a head's keys: panels of keys, each key's numbers a panel's width apart. `keys` points at the first key's numbers
/// of this head, `stride` numbers a key.
///
/// # Safety
/// `keys` must be valid for all keys, `out` for [`HeadShape::keys`] numbers.
pub unsafe fn pack_keys(isa: Isa, shape: HeadShape, keys: *const f32, stride: usize, out: *mut f32) {
    let panel = isa.panel();
    // SAFETY: all places lie inside, as the caller vouches.
    unsafe {
        for key in 0..shape.len.next_multiple_of(panel) {
            let to = out.add(key / panel * panel * shape.width + key % panel);
            for i in 0..shape.width {
                let value = if key < shape.len { *keys.add(key * stride + i) } else { 0.0 };
                to.add(i * panel).write(value);
            }
        }
    }
}

/// Packs a head's values: panels of a value's numbers, one key after the other.
///
/// # Safety
/// As [`pack_keys`], with [`HeadShape::values`].
pub unsafe fn pack_values(isa: Isa, shape: HeadShape, values: *const f32, stride: usize, out: *mut f32) {
    let panel = isa.panel();
    // SAFETY: all places lie inside, as the caller vouches.
    unsafe {
        for first in (0..shape.width).step_by(panel) {
            let real = panel.min(shape.width - first);
            for key in 0..shape.len {
                let to = out.add(first * shape.len + key * panel);
                std::ptr::copy_nonoverlapping(values.add(key * stride + first), to, real);
                for i in real..panel {
                    to.add(i).write(0.0);
                }
            }
        }
    }
}

dispatch! {
    /// One head's attention for up to [`QUERIES`] queries: `out = softmax(q · kᵀ + bias) · v`. The bias of query i and key j
    /// is at `bias[j − i]` (null: none).
    ///
    /// # Safety
    /// Pointers must be valid for the shapes: `rows` queries and outputs of `shape.width` numbers, the packed keys and
    /// values, `HeadShape::scratch` numbers, and `bias` from `1 − rows` to `len − 1`.
    attend => attend_generic(
        shape: HeadShape, rows: usize, q: *const f32, q_stride: usize, keys: *const f32, values: *const f32,
        bias: *const f32, out: *mut f32, out_stride: usize, scratch: *mut f32,
    )
}

#[inline(always)]
unsafe fn attend_generic<L: Lanes>(
    shape: HeadShape,
    rows: usize,
    q: *const f32,
    q_stride: usize,
    keys: *const f32,
    values: *const f32,
    bias: *const f32,
    out: *mut f32,
    out_stride: usize,
    scratch: *mut f32,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        let panel = 2 * L::N;
        let padded = shape.len.next_multiple_of(panel);
        let (scores, tile) = (scratch, scratch.add(QUERIES * padded));
        for first in (0..shape.len).step_by(panel) {
            let keys = keys.add(first * shape.width);
            panel_product::<L>(rows, shape.width, q, q_stride, keys, scores.add(first), padded);
        }
        let mut inverse = [0f32; QUERIES];
        for (row, inverse) in inverse.iter_mut().enumerate().take(rows) {
            let bias = if bias.is_null() { bias } else { bias.sub(row) };
            *inverse = 1.0 / exp_row_generic::<L>(scores.add(row * padded), bias, shape.len, padded);
        }
        for first in (0..shape.width).step_by(panel) {
            let values = values.add(first * shape.len);
            panel_product::<L>(rows, shape.len, scores, padded, values, tile, panel);
            let real = panel.min(shape.width - first);
            for (row, inverse) in inverse.iter().enumerate().take(rows) {
                let (from, to) = (tile.add(row * panel), out.add(row * out_stride + first));
                let parts = [0, L::N].map(|v| L::mul(L::load(from.add(v)), L::splat(*inverse)));
                if real == panel {
                    L::store(to, parts[0]);
                    L::store(to.add(L::N), parts[1]);
                } else {
                    L::store(from, parts[0]);
                    L::store(from.add(L::N), parts[1]);
                    std::ptr::copy_nonoverlapping(from, to, real);
                }
            }
        }
    }
}

dispatch! {
    /// One head's attention of one query to keys and values that lie scattered: entry t of `places` is the row (of `stride`
    /// numbers) of key and value t; `bias` has one number a key.
    ///
    /// # Safety
    /// Pointers must be valid: `q` and `out` for `width` numbers, `places` and `bias` for `len`, `keys` and `values` for
    /// all rows named, `scores` for `len` rounded up to a panel.
    attend_scattered => attend_scattered_generic(
        len: usize, width: usize, q: *const f32, keys: *const f32, values: *const f32, stride: usize,
        places: *const u32, bias: *const f32, out: *mut f32, scores: *mut f32,
    )
}

#[inline(always)]
unsafe fn attend_scattered_generic<L: Lanes>(
    len: usize,
    width: usize,
    q: *const f32,
    keys: *const f32,
    values: *const f32,
    stride: usize,
    places: *const u32,
    bias: *const f32,
    out: *mut f32,
    scores: *mut f32,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        let whole = width / L::N * L::N;
        for t in 0..len {
            let key = keys.add(*places.add(t) as usize * stride);
            let mut sum = L::splat(0.0);
            for i in (0..whole).step_by(L::N) {
                sum = L::fma(L::load(q.add(i)), L::load(key.add(i)), sum);
            }
            let mut score = L::sum(sum);
            for i in whole..width {
                score += *q.add(i) * *key.add(i);
            }
            scores.add(t).write(score);
        }
        let inverse = 1.0 / exp_row_generic::<L>(scores, bias, len, len.next_multiple_of(2 * L::N));
        for i in (0..whole).step_by(L::N) {
            let mut sum = L::splat(0.0);
            for t in 0..len {
                let value = values.add(*places.add(t) as usize * stride + i);
                sum = L::fma(L::splat(*scores.add(t)), L::load(value), sum);
            }
            L::store(out.add(i), L::mul(sum, L::splat(inverse)));
        }
        for i in whole..width {
            let mut sum = 0.0;
            for t in 0..len {
                sum += *scores.add(t) * *values.add(*places.add(t) as usize * stride + i);
            }
            out.add(i).write(sum * inverse);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| (((i * 7919 + seed * 104_729) % 1000) as f32 / 500.0 - 1.0) * 1.3).collect()
    }

    fn exact(q: &[f32], keys: &[&[f32]], values: &[&[f32]], bias: &[f32]) -> Vec<f64> {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let scores: Vec<f64> =
            keys.iter().zip(bias).map(|(k, b)| (dot(q, k) + f64::from(*b)).exp()).collect();
        let sum: f64 = scores.iter().sum();
        (0..q.len())
            .map(|i| scores.iter().zip(values).map(|(s, v)| s / sum * f64::from(v[i])).sum())
            .collect()
    }

    #[test]
    fn both_forms_agree_with_plain_arithmetic_on_every_instruction_set() {
        for isa in Isa::all() {
            for (rows, len, width) in [(1, 1, 8), (5, 9, 12), (24, 40, 64), (7, 100, 20), (3, 65, 33)] {
                let stride = 2 * width + 3;
                let (q, kv) = (noise(rows * stride, 1), noise(len * stride, 2));
                let bias = noise(rows + len, 3);
                let shape = HeadShape { len, width };
                let mut keys = vec![f32::NAN; shape.keys(isa)];
                let mut values = vec![f32::NAN; shape.values(isa)];
                let mut scratch = vec![f32::NAN; shape.scratch(isa)];
                let mut out = vec![9.0; rows * stride];
                // SAFETY: all sizes as made above.
                unsafe {
                    pack_keys(isa, shape, kv.as_ptr(), stride, keys.as_mut_ptr());
                    pack_values(isa, shape, kv.as_ptr().add(width), stride, values.as_mut_ptr());
                    let bias = bias.as_ptr().add(rows - 1);
                    let (keys, values) = (keys.as_ptr(), values.as_ptr());
                    let scratch = scratch.as_mut_ptr();
                    attend(
                        isa,
                        shape,
                        rows,
                        q.as_ptr(),
                        stride,
                        keys,
                        values,
                        bias,
                        out.as_mut_ptr(),
                        stride,
                        scratch,
                    );
                }
                let key_rows: Vec<&[f32]> = (0..len).map(|t| &kv[t * stride..][..width]).collect();
                let value_rows: Vec<&[f32]> = (0..len).map(|t| &kv[t * stride + width..][..width]).collect();
                for row in 0..rows {
                    let want =
                        exact(&q[row * stride..][..width], &key_rows, &value_rows, &bias[rows - 1 - row..]);
                    for (got, want) in out[row * stride..].iter().zip(&want) {
                        assert!(
                            (f64::from(*got) - want).abs() < 1e-5,
                            "{isa:?} {rows} {len} {width}: {got} {want}"
                        );
                    }
                    assert!(out[row * stride + width..(row + 1) * stride].iter().all(|v| *v == 9.0));
                }
                let places: Vec<u32> = (0..len as u32).rev().collect();
                let mut single = vec![0.0; width];
                // SAFETY: all sizes as made above.
                unsafe {
                    let (k, v) = (kv.as_ptr(), kv.as_ptr().add(width));
                    let scores = scratch.as_mut_ptr();
                    let single = single.as_mut_ptr();
                    attend_scattered(
                        isa,
                        len,
                        width,
                        q.as_ptr(),
                        k,
                        v,
                        stride,
                        places.as_ptr(),
                        bias.as_ptr(),
                        single,
                        scores,
                    );
                }
                let keys: Vec<&[f32]> = key_rows.iter().rev().copied().collect();
                let values: Vec<&[f32]> = value_rows.iter().rev().copied().collect();
                for (got, want) in single.iter().zip(exact(&q[..width], &keys, &values, &bias)) {
                    assert!((f64::from(*got) - want).abs() < 1e-5, "{isa:?} scattered {len} {width}");
                }
            }
        }
    }
}
