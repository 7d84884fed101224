//! Rows of training: what is thrown away by chance, softmax and its way back, norms backward, activations with their
//! slopes, the loss of a token.
//!
//! Chance is a function of a key and a place, so that the way back finds the same places without storing them.

use super::math::exp;
use super::simd::{Lanes, dispatch};

/// Which places of an operation's output are dropped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mask {
    /// What the choice depends on beside the place.
    pub key: (u32, u32),
    /// Places whose hash is below this are dropped.
    pub threshold: u32,
    /// What the others are multiplied by.
    pub scale: f32,
}

impl Mask {
    /// Drops nothing.
    pub const NONE: Self = Self { key: (0, 0), threshold: 0, scale: 1.0 };

    /// What the number at a place is multiplied by: 0 or [`Mask::scale`].
    #[inline(always)]
    pub fn factor(self, place: u32) -> f32 {
        // Two rounds of a mix whose bits are as good as independent, the second half of the key between them.
        let mix = |mut x: u32| {
            x ^= x >> 16;
            x = x.wrapping_mul(0x7feb_352d);
            x ^= x >> 15;
            x = x.wrapping_mul(0x846c_a68b);
            x ^ x >> 16
        };
        let hash = mix(mix(place.wrapping_add(self.key.0)) ^ self.key.1);
        if hash < self.threshold { 0.0 } else { self.scale }
    }
}

dispatch! {
    /// `out = x · factor + y` at places from `first` on; `y` may be null for nothing, and `out` may be `x` or `y`.
    ///
    /// # Safety
    /// All pointers but a null one must be valid for `len` numbers.
    drop_row => drop_row_generic(
        x: *const f32, y: *const f32, out: *mut f32, len: usize, mask: Mask, first: u32,
    )
}

#[inline(always)]
unsafe fn drop_row_generic<L: Lanes>(
    x: *const f32,
    y: *const f32,
    out: *mut f32,
    len: usize,
    mask: Mask,
    first: u32,
) {
    // SAFETY: as the caller vouches; each place is read before it is written.
    unsafe {
        if y.is_null() {
            for i in 0..len {
                *out.add(i) = *x.add(i) * mask.factor(first.wrapping_add(i as u32));
            }
        } else {
            for i in 0..len {
                *out.add(i) = *x.add(i) * mask.factor(first.wrapping_add(i as u32)) + *y.add(i);
            }
        }
    }
}

dispatch! {
    /// Softmax of `scores + bias + padding` in place; null pointers for nothing.
    ///
    /// # Safety
    /// All pointers but null ones must be valid for `len` numbers.
    softmax_row => softmax_row_generic(scores: *mut f32, bias: *const f32, padding: *const f32, len: usize)
}

#[inline(always)]
unsafe fn softmax_row_generic<L: Lanes>(scores: *mut f32, bias: *const f32, padding: *const f32, len: usize) {
    // SAFETY: as the caller vouches.
    unsafe {
        for added in [bias, padding] {
            if !added.is_null() {
                for i in 0..len {
                    *scores.add(i) += *added.add(i);
                }
            }
        }
        let whole = len / L::N * L::N;
        let mut greatest = f32::NEG_INFINITY;
        if whole > 0 {
            let mut most = L::load(scores);
            for i in (L::N..whole).step_by(L::N) {
                most = L::max(most, L::load(scores.add(i)));
            }
            greatest = L::greatest(most);
        }
        for i in whole..len {
            greatest = greatest.max(*scores.add(i));
        }
        let mut sums = L::splat(0.0);
        for i in (0..whole).step_by(L::N) {
            let e = exp::<L>(L::sub(L::load(scores.add(i)), L::splat(greatest)));
            L::store(scores.add(i), e);
            sums = L::add(sums, e);
        }
        let mut sum = L::sum(sums);
        for i in whole..len {
            let e = (*scores.add(i) - greatest).exp();
            *scores.add(i) = e;
            sum += e;
        }
        let inverse = 1.0 / sum;
        for i in 0..len {
            *scores.add(i) *= inverse;
        }
    }
}

dispatch! {
    /// The way back through dropped softmax: `d = p · (factor · d − dot)`, where `p` is what softmax gave and `dot` the sum of
    /// the row's outputs times their gradients.
    ///
    /// # Safety
    /// Both pointers must be valid for `len` numbers.
    softmax_back_row => softmax_back_row_generic(
        p: *const f32, d: *mut f32, len: usize, mask: Mask, first: u32, dot: f32,
    )
}

#[inline(always)]
unsafe fn softmax_back_row_generic<L: Lanes>(
    p: *const f32,
    d: *mut f32,
    len: usize,
    mask: Mask,
    first: u32,
    dot: f32,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        for i in 0..len {
            let factor = mask.factor(first.wrapping_add(i as u32));
            *d.add(i) = *p.add(i) * (factor * *d.add(i) - dot);
        }
    }
}

dispatch! {
    /// The way back through a root mean square norm: the gradient of `x`, and that of the weight added to `weights`.
    ///
    /// # Safety
    /// All pointers must be valid for `len` numbers.
    norm_back_row => norm_back_row_generic(
        x: *const f32, weight: *const f32, gradient: *const f32, out: *mut f32, weights: *mut f32, len: usize, epsilon: f32,
    )
}

#[inline(always)]
unsafe fn norm_back_row_generic<L: Lanes>(
    x: *const f32,
    weight: *const f32,
    gradient: *const f32,
    out: *mut f32,
    weights: *mut f32,
    len: usize,
    epsilon: f32,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        let whole = len / L::N * L::N;
        let (mut squares, mut dots) = (L::splat(0.0), L::splat(0.0));
        for i in (0..whole).step_by(L::N) {
            let (v, g) = (L::load(x.add(i)), L::mul(L::load(gradient.add(i)), L::load(weight.add(i))));
            squares = L::fma(v, v, squares);
            dots = L::fma(v, g, dots);
        }
        let (mut square, mut dot) = (L::sum(squares), L::sum(dots));
        for i in whole..len {
            square += *x.add(i) * *x.add(i);
            dot += *x.add(i) * *gradient.add(i) * *weight.add(i);
        }
        let inverse = 1.0 / (square / len as f32 + epsilon).sqrt();
        let back = dot * inverse * inverse * inverse / len as f32;
        for i in 0..len {
            let (v, g) = (*x.add(i), *gradient.add(i));
            *out.add(i) = g * *weight.add(i) * inverse - v * back;
            *weights.add(i) += g * v * inverse;
        }
    }
}

/// An activation of a feed-forward layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// max(x, 0).
    Relu,
    /// GELU, tanh form.
    Gelu,
    /// x · sigmoid(x).
    Silu,
}

/// An activation and its slope.
#[inline(always)]
unsafe fn curve<L: Lanes>(curve: Curve, x: L::F) -> (L::F, L::F) {
    // SAFETY: as the caller vouches for the instruction set.
    unsafe {
        let (zero, one) = (L::splat(0.0), L::splat(1.0));
        match curve {
            Curve::Relu => {
                let positive = L::max(x, zero);
                // 1 where x is above 0: even the smallest normal number divided by itself.
                let tiny = L::splat(f32::MIN_POSITIVE);
                (positive, L::div(L::min(positive, tiny), tiny))
            }
            Curve::Silu => {
                let share = L::div(one, L::add(one, exp::<L>(L::sub(zero, x))));
                let rise = L::mul(L::mul(x, share), L::sub(one, share));
                (L::mul(x, share), L::add(share, rise))
            }
            Curve::Gelu => {
                const FACTOR: f32 = 2.0 * 0.797_884_6;
                let square = L::mul(x, x);
                let u = L::mul(L::mul(L::fma(square, L::splat(0.044_715), one), x), L::splat(FACTOR));
                let share = L::div(one, L::add(one, exp::<L>(L::sub(zero, u))));
                let slope = L::mul(L::fma(square, L::splat(3.0 * 0.044_715), one), L::splat(FACTOR));
                let rise = L::mul(L::mul(L::mul(x, share), L::sub(one, share)), slope);
                (L::mul(x, share), L::add(share, rise))
            }
        }
    }
}

/// Does something for each vector of a row; the rest goes through a padded copy.
macro_rules! each_vector {
    ($lanes:ident, $len:expr, [$($input:ident),*], [$($output:ident),*], |$($value:ident),*| $body:block) => {{
        let len: usize = $len;
        let whole = len / $lanes::N * $lanes::N;
        for i in (0..whole).step_by($lanes::N) {
            $(let $value = $lanes::load($input.add(i));)*
            let results = $body;
            let mut number = 0;
            $($lanes::store($output.add(i), results[number]); number += 1;)*
            let _ = number;
        }
        if whole < len {
            let rest = len - whole;
            $(
                let mut padded = [0f32; 16];
                std::ptr::copy_nonoverlapping($input.add(whole), padded.as_mut_ptr(), rest);
                let $value = $lanes::load(padded.as_ptr());
            )*
            let results = $body;
            let mut number = 0;
            $(
                let values = $lanes::array(results[number]);
                std::ptr::copy_nonoverlapping(values.as_ptr(), $output.add(whole), rest);
                number += 1;
            )*
            let _ = number;
        }
    }};
}

dispatch! {
    /// `out = curve(x)`, times `gate` unless that is null.
    ///
    /// # Safety
    /// All pointers but a null one must be valid for `len` numbers.
    activate_row => activate_row_generic(kind: Curve, x: *const f32, gate: *const f32, out: *mut f32, len: usize)
}

#[inline(always)]
unsafe fn activate_row_generic<L: Lanes>(
    kind: Curve,
    x: *const f32,
    gate: *const f32,
    out: *mut f32,
    len: usize,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        if gate.is_null() {
            each_vector!(L, len, [x], [out], |v| { [curve::<L>(kind, v).0] });
        } else {
            each_vector!(L, len, [x, gate], [out], |v, g| { [L::mul(curve::<L>(kind, v).0, g)] });
        }
    }
}

dispatch! {
    /// The way back through [`activate_row`]: gradients of `x`, and of `gate` unless that is null.
    ///
    /// # Safety
    /// All pointers but null ones must be valid for `len` numbers.
    activate_back_row => activate_back_row_generic(
        kind: Curve, x: *const f32, gate: *const f32, gradient: *const f32, of_x: *mut f32, of_gate: *mut f32, len: usize,
    )
}

#[inline(always)]
unsafe fn activate_back_row_generic<L: Lanes>(
    kind: Curve,
    x: *const f32,
    gate: *const f32,
    gradient: *const f32,
    of_x: *mut f32,
    of_gate: *mut f32,
    len: usize,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        if gate.is_null() {
            each_vector!(L, len, [x, gradient], [of_x], |v, d| { [L::mul(curve::<L>(kind, v).1, d)] });
        } else {
            each_vector!(L, len, [x, gate, gradient], [of_x, of_gate], |v, g, d| {
                let (value, slope) = curve::<L>(kind, v);
                [L::mul(L::mul(slope, g), d), L::mul(value, d)]
            });
        }
    }
}

dispatch! {
    /// `out = (softmax(logits) − 1 at the label) · factor`.
    ///
    /// # Safety
    /// Both pointers must be valid for `len` numbers, and `label` below `len`.
    loss_back_row => loss_back_row_generic(
        logits: *const f32, out: *mut f32, len: usize, label: usize, factor: f32,
    )
}

#[inline(always)]
unsafe fn loss_back_row_generic<L: Lanes>(
    logits: *const f32,
    out: *mut f32,
    len: usize,
    label: usize,
    factor: f32,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        std::ptr::copy_nonoverlapping(logits, out, len);
        softmax_row_generic::<L>(out, std::ptr::null(), std::ptr::null(), len);
        *out.add(label) -= 1.0;
        for i in 0..len {
            *out.add(i) *= factor;
        }
    }
}
