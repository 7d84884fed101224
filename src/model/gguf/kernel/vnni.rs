//! The integer loop with the dot-product instruction of AVX-512 VNNI, on registers of 256 bits.
//!
//! It adds four products of an unsigned and a signed byte to a 32-bit sum at once, so that nothing overflows and
//! nothing has to be widened. Weights that have signs get 128 added, which the sum of the activations takes back.
//! Integers are exact and floats are added in the order of the AVX2 loop, so that both give the same bits.

use std::arch::x86_64::*;

use super::avx2::{array, four};
use super::{IntegerPanel, IntegerRow, LANES};

/// # Safety
/// The processor has AVX2, FMA, F16C and AVX-512 VNNI and VL; the slices are as long as [`super::integer_tile`]
/// asserts.
#[target_feature(enable = "avx2,fma,f16c,avx512vnni,avx512vl")]
pub unsafe fn integer_tile<const R: usize>(
    panel: &IntegerPanel<'_>,
    rows: [IntegerRow<'_>; R],
) -> [[f32; LANES]; R] {
    // SAFETY: the caller's promises, handed on.
    unsafe { by_kind::<R, false>(panel, rows) }
}

/// The same with the instruction put together from older ones, to test the loop on processors without it.
///
/// # Safety
/// The processor has AVX2, FMA and F16C; the slices are as long as [`super::integer_tile`] asserts.
#[cfg(test)]
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn emulated_tile<const R: usize>(
    panel: &IntegerPanel<'_>,
    rows: [IntegerRow<'_>; R],
) -> [[f32; LANES]; R] {
    // SAFETY: the caller's promises, handed on.
    unsafe { by_kind::<R, true>(panel, rows) }
}

/// # Safety
/// As [`integer_tile`]; emulated, without VNNI.
#[inline(always)]
unsafe fn by_kind<const R: usize, const EMULATED: bool>(
    panel: &IntegerPanel<'_>,
    rows: [IntegerRow<'_>; R],
) -> [[f32; LANES]; R] {
    // SAFETY: the caller's promises, handed on; each kind reads what its layout has.
    unsafe {
        match (panel.nibbles, panel.signed, panel.group) {
            (true, ..) => tile::<R, EMULATED, true, 32>(panel, rows, 0, panel.center),
            (_, true, _) => tile::<R, EMULATED, false, 32>(panel, rows, 0x80, 128),
            (.., 16) => tile::<R, EMULATED, false, 16>(panel, rows, 0, panel.center),
            _ => tile::<R, EMULATED, false, 32>(panel, rows, 0, panel.center),
        }
    }
}

/// `flip` is exclusive-ored into every byte of weights, and `center` subtracted from what comes of it.
///
/// # Safety
/// As [`by_kind`].
#[inline(always)]
unsafe fn tile<const R: usize, const EMULATED: bool, const NIBBLES: bool, const GROUP: usize>(
    panel: &IntegerPanel<'_>,
    rows: [IntegerRow<'_>; R],
    flip: u8,
    center: i32,
) -> [[f32; LANES]; R] {
    // SAFETY: `at + GROUP` is at most the columns, and lengths were asserted for them; the instructions are there.
    unsafe {
        let columns = rows[0].integers.len();
        let low = _mm256_set1_epi8(15);
        let flip = _mm256_set1_epi8(flip.cast_signed());
        let mut weights = panel.integers.as_ptr();
        let mut totals = [_mm256_setzero_ps(); R];
        for index in 0..columns / GROUP {
            let at = index * GROUP;
            let sums: [i32; R] = std::array::from_fn(|row| {
                let sums = rows[row].sums;
                match GROUP {
                    16 => *sums.get_unchecked(at / 16),
                    _ => *sums.get_unchecked(at / 16) + *sums.get_unchecked(at / 16 + 1),
                }
            });
            let mut products = sums.map(|sum| _mm256_set1_epi32(-center * sum));
            if NIBBLES {
                for step in 0..GROUP / 8 {
                    let both = _mm256_loadu_si256(weights.cast());
                    weights = weights.add(32);
                    let first = _mm256_and_si256(both, low);
                    let second = _mm256_and_si256(_mm256_srli_epi16::<4>(both), low);
                    for row in 0..R {
                        let values = rows[row].integers.as_ptr().add(at + 8 * step);
                        products[row] = dot::<EMULATED>(products[row], first, four(values));
                        products[row] = dot::<EMULATED>(products[row], second, four(values.add(4)));
                    }
                }
            } else {
                for step in 0..GROUP / 4 {
                    let unsigned = _mm256_xor_si256(_mm256_loadu_si256(weights.cast()), flip);
                    weights = weights.add(32);
                    for row in 0..R {
                        let values = four(rows[row].integers.as_ptr().add(at + 4 * step));
                        products[row] = dot::<EMULATED>(products[row], unsigned, values);
                    }
                }
            }
            let scales = _mm256_loadu_ps(panel.scales.as_ptr().add(index * LANES));
            for row in 0..R {
                let scale = _mm256_set1_ps(*rows[row].scales.get_unchecked(at / 32));
                let product = _mm256_mul_ps(_mm256_cvtepi32_ps(products[row]), scale);
                totals[row] = _mm256_fmadd_ps(product, scales, totals[row]);
                if !panel.offsets.is_empty() {
                    let offsets = _mm256_loadu_ps(panel.offsets.as_ptr().add(index * LANES));
                    let sum = _mm256_mul_ps(scale, _mm256_set1_ps(sums[row] as f32));
                    totals[row] = _mm256_fmadd_ps(offsets, sum, totals[row]);
                }
            }
        }
        totals.map(|total| array(total))
    }
}

/// Adds the products of four unsigned and four signed bytes to each of eight sums.
///
/// # Safety
/// As [`by_kind`].
#[inline(always)]
unsafe fn dot<const EMULATED: bool>(sums: __m256i, unsigned: __m256i, signed: __m256i) -> __m256i {
    // SAFETY: the caller's promise about instructions.
    unsafe {
        if !EMULATED {
            return _mm256_dpbusd_epi32(sums, unsigned, signed);
        }
        // Bytes widened to 16 bits, even and odd ones apart: products of pairs fit into 32 bits exactly.
        let mask = _mm256_set1_epi16(255);
        let low = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(signed));
        let even = _mm256_madd_epi16(_mm256_and_si256(unsigned, mask), low);
        let odd = _mm256_madd_epi16(_mm256_srli_epi16::<8>(unsigned), _mm256_srai_epi16::<8>(signed));
        _mm256_add_epi32(sums, _mm256_add_epi32(even, odd))
    }
}
