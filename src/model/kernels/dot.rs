//! How products of whole numbers proceed along the depth: pairs of 16-bit activations and 8-bit weights everywhere, or
//! four bytes at once where the processor has an instruction for that.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    _mm256_dpbusd_avx_epi32, _mm256_dpwssd_avx_epi32, _mm512_dpbusd_epi32, _mm512_dpwssd_epi32,
};

#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Lanes, Portable};

/// One step along the depth for a vector of columns.
///
/// # Safety
/// Methods may only be called on a processor that has the instructions; pointers must be valid for what is read.
pub trait Dot<L: Lanes> {
    /// Numbers of the depth that a step takes.
    const GROUP: usize;
    /// The weights of `N` columns, each column's `GROUP` side by side; `from` must be valid for `GROUP · N` bytes.
    unsafe fn weights(from: *const i8) -> L::I;
    /// sum + Σ activation · weight over the group, exact. The activations are the same in all places.
    unsafe fn dot(sum: L::I, activations: L::I, weights: L::I) -> L::I;
}

/// Two 16-bit activations with a sign, and two 8-bit weights, widened.
pub struct Pairs;

impl<L: Lanes> Dot<L> for Pairs {
    const GROUP: usize = 2;

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> L::I {
        // SAFETY: as the caller vouches.
        unsafe { L::load_pairs(from) }
    }

    #[inline(always)]
    unsafe fn dot(sum: L::I, activations: L::I, weights: L::I) -> L::I {
        // SAFETY: as the caller vouches.
        unsafe { L::dot_pairs(sum, activations, weights) }
    }
}

/// [`Pairs`] where the processor multiplies and adds them in one instruction (VNNI).
pub struct FusedPairs;

#[cfg(target_arch = "x86_64")]
impl Dot<Avx2> for FusedPairs {
    const GROUP: usize = 2;

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> <Avx2 as Lanes>::I {
        // SAFETY: as the caller vouches.
        unsafe { Avx2::load_pairs(from) }
    }

    #[inline(always)]
    unsafe fn dot(
        sum: <Avx2 as Lanes>::I,
        activations: <Avx2 as Lanes>::I,
        weights: <Avx2 as Lanes>::I,
    ) -> <Avx2 as Lanes>::I {
        // SAFETY: as the caller vouches.
        unsafe { _mm256_dpwssd_avx_epi32(sum, activations, weights) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Dot<Avx512> for FusedPairs {
    const GROUP: usize = 2;

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> <Avx512 as Lanes>::I {
        // SAFETY: as the caller vouches.
        unsafe { Avx512::load_pairs(from) }
    }

    #[inline(always)]
    unsafe fn dot(
        sum: <Avx512 as Lanes>::I,
        activations: <Avx512 as Lanes>::I,
        weights: <Avx512 as Lanes>::I,
    ) -> <Avx512 as Lanes>::I {
        // SAFETY: as the caller vouches.
        unsafe { _mm512_dpwssd_epi32(sum, activations, weights) }
    }
}

/// Four 8-bit activations without and four 8-bit weights with a sign. On plain arrays it is for tests.
pub struct Quads;

impl Dot<Portable> for Quads {
    const GROUP: usize = 4;

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> [i32; 8] {
        // SAFETY: as the caller vouches.
        unsafe { Portable::load_i(from.cast()) }
    }

    #[inline(always)]
    unsafe fn dot(sum: [i32; 8], activations: [i32; 8], weights: [i32; 8]) -> [i32; 8] {
        std::array::from_fn(|i| {
            let bytes = activations[i].to_le_bytes().into_iter().zip(weights[i].to_le_bytes());
            sum[i] + bytes.map(|(a, w)| i32::from(a) * i32::from(w as i8)).sum::<i32>()
        })
    }
}

#[cfg(target_arch = "x86_64")]
impl Dot<Avx2> for Quads {
    const GROUP: usize = 4;

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> <Avx2 as Lanes>::I {
        // SAFETY: as the caller vouches.
        unsafe { Avx2::load_i(from.cast()) }
    }

    #[inline(always)]
    unsafe fn dot(
        sum: <Avx2 as Lanes>::I,
        activations: <Avx2 as Lanes>::I,
        weights: <Avx2 as Lanes>::I,
    ) -> <Avx2 as Lanes>::I {
        // SAFETY: as the caller vouches.
        unsafe { _mm256_dpbusd_avx_epi32(sum, activations, weights) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Dot<Avx512> for Quads {
    const GROUP: usize = 4;

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> <Avx512 as Lanes>::I {
        // SAFETY: as the caller vouches.
        unsafe { Avx512::load_i(from.cast()) }
    }

    #[inline(always)]
    unsafe fn dot(
        sum: <Avx512 as Lanes>::I,
        activations: <Avx512 as Lanes>::I,
        weights: <Avx512 as Lanes>::I,
    ) -> <Avx512 as Lanes>::I {
        // SAFETY: as the caller vouches.
        unsafe { _mm512_dpbusd_epi32(sum, activations, weights) }
    }
}
