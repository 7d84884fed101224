//! The inner loops with AVX2, FMA and F16C.
//!
//! Bytes of weights are multiplied with bytes of activations by `maddubs`, which wants one side unsigned: weights
//! are, or their signs move over to the activations. Its 16-bit sums of two products are added up only as often as
//! cannot overflow: |activation| is at most 127, so 8 times for weights up to 15, 4 times up to 31, twice up to 63.

use std::arch::x86_64::*;

use super::{IntegerPanel, IntegerRow, LANES, Weight};

/// # Safety
/// The processor has AVX2, FMA and F16C; the slices are as long as [`super::integer_tile`] asserts.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn integer_tile<const R: usize>(
    panel: &IntegerPanel<'_>,
    rows: [IntegerRow<'_>; R],
) -> [[f32; LANES]; R] {
    // SAFETY: the caller's promises, handed on; each kind reads what its layout has.
    unsafe {
        match (panel.nibbles, panel.signed, panel.group) {
            (true, ..) => tile::<R, NIBBLES>(panel, rows),
            (_, true, _) => tile::<R, SIGNED>(panel, rows),
            (.., 16) => tile::<R, SIX_BITS>(panel, rows),
            _ => tile::<R, FIVE_BITS>(panel, rows),
        }
    }
}

const NIBBLES: u8 = 0;
const SIGNED: u8 = 1;
const FIVE_BITS: u8 = 2;
const SIX_BITS: u8 = 3;

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn tile<const R: usize, const KIND: u8>(
    panel: &IntegerPanel<'_>,
    rows: [IntegerRow<'_>; R],
) -> [[f32; LANES]; R] {
    let group = if KIND == SIX_BITS { 16 } else { 32 };
    let columns = rows[0].integers.len();
    let ones = _mm256_set1_epi16(1);
    let low = _mm256_set1_epi8(15);
    let mut weights = panel.integers.as_ptr();
    let mut totals = [_mm256_setzero_ps(); R];
    for index in 0..columns / group {
        let at = index * group;
        let mut products = [_mm256_setzero_si256(); R];
        // SAFETY: `at + group` is at most the columns, and lengths were asserted for them.
        unsafe {
            match KIND {
                NIBBLES => {
                    let mut pairs = [_mm256_setzero_si256(); R];
                    for step in 0..4 {
                        let both = _mm256_loadu_si256(weights.cast());
                        weights = weights.add(32);
                        let first = _mm256_and_si256(both, low);
                        let second = _mm256_and_si256(_mm256_srli_epi16::<4>(both), low);
                        for row in 0..R {
                            let values = rows[row].integers.as_ptr().add(at + 8 * step);
                            pairs[row] =
                                _mm256_add_epi16(pairs[row], _mm256_maddubs_epi16(first, four(values)));
                            let values = values.add(4);
                            pairs[row] =
                                _mm256_add_epi16(pairs[row], _mm256_maddubs_epi16(second, four(values)));
                        }
                    }
                    for row in 0..R {
                        products[row] = _mm256_madd_epi16(pairs[row], ones);
                    }
                }
                SIGNED => {
                    for step in 0..8 {
                        let signed = _mm256_loadu_si256(weights.cast());
                        weights = weights.add(32);
                        let positive = _mm256_abs_epi8(signed);
                        for row in 0..R {
                            let values = four(rows[row].integers.as_ptr().add(at + 4 * step));
                            let pairs = _mm256_maddubs_epi16(positive, _mm256_sign_epi8(values, signed));
                            products[row] = _mm256_add_epi32(products[row], _mm256_madd_epi16(pairs, ones));
                        }
                    }
                }
                _ => {
                    let (rounds, steps) = if KIND == SIX_BITS { (2, 2) } else { (2, 4) };
                    for round in 0..rounds {
                        let mut pairs = [_mm256_setzero_si256(); R];
                        for step in 0..steps {
                            let unsigned = _mm256_loadu_si256(weights.cast());
                            weights = weights.add(32);
                            for row in 0..R {
                                let values = rows[row].integers.as_ptr().add(at + 4 * (round * steps + step));
                                let product = _mm256_maddubs_epi16(unsigned, four(values));
                                pairs[row] = _mm256_add_epi16(pairs[row], product);
                            }
                        }
                        for row in 0..R {
                            products[row] =
                                _mm256_add_epi32(products[row], _mm256_madd_epi16(pairs[row], ones));
                        }
                    }
                }
            }
            let scales = _mm256_loadu_ps(panel.scales.as_ptr().add(index * LANES));
            for row in 0..R {
                let scale = _mm256_set1_ps(*rows[row].scales.get_unchecked(at / 32));
                let sums = &rows[row].sums;
                let sum = if group == 16 {
                    *sums.get_unchecked(at / 16)
                } else {
                    *sums.get_unchecked(at / 16) + *sums.get_unchecked(at / 16 + 1)
                };
                if panel.center != 0 {
                    products[row] = _mm256_sub_epi32(products[row], _mm256_set1_epi32(panel.center * sum));
                }
                let product = _mm256_mul_ps(_mm256_cvtepi32_ps(products[row]), scale);
                totals[row] = _mm256_fmadd_ps(product, scales, totals[row]);
                if !panel.offsets.is_empty() {
                    let offsets = _mm256_loadu_ps(panel.offsets.as_ptr().add(index * LANES));
                    let sum = _mm256_mul_ps(scale, _mm256_set1_ps(sum as f32));
                    totals[row] = _mm256_fmadd_ps(offsets, sum, totals[row]);
                }
            }
        }
    }
    totals.map(|total| array(total))
}

/// # Safety
/// The processor has AVX2, FMA and F16C; the slices are as long as [`super::float_tile`] asserts.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn float_tile<const R: usize, T: Weight>(
    weights: &[T],
    stride: usize,
    rows: [&[f32]; R],
) -> [[f32; LANES]; R] {
    let mut totals = [_mm256_setzero_ps(); R];
    for index in 0..rows[0].len() {
        // SAFETY: the caller asserted that `depth` steps of eight weights are there, and `depth` floats a row.
        unsafe {
            let step = T::load(weights.as_ptr().add(index * stride));
            for row in 0..R {
                totals[row] =
                    _mm256_fmadd_ps(_mm256_set1_ps(*rows[row].get_unchecked(index)), step, totals[row]);
            }
        }
    }
    totals.map(|total| array(total))
}

/// The same four activations beside each of eight rows of weights.
#[inline]
#[target_feature(enable = "avx2")]
pub unsafe fn four(values: *const i8) -> __m256i {
    // SAFETY: the caller has four values there.
    _mm256_set1_epi32(unsafe { values.cast::<i32>().read_unaligned() })
}

#[inline]
#[target_feature(enable = "avx2")]
pub fn array(lanes: __m256) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    // SAFETY: there is room for eight.
    unsafe { _mm256_storeu_ps(out.as_mut_ptr(), lanes) };
    out
}
