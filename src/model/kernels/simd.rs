//! Vectors of the processor behind one trait, so that each kernel is written once and compiled for each instruction
//! set; [`Isa::detect`] chooses at run time. The portable twin is plain arrays, and tests compare the others with it.

/// The instruction sets that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// Plain arrays, which the compiler vectorizes for the target's baseline.
    Portable,
    /// AVX2 with FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 F and BW.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// The best that this processor has.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self::Avx2;
            }
        }
        Self::Portable
    }

    /// Its name for a person.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "AVX2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "AVX-512",
        }
    }

    /// All that this processor has, for tests.
    #[cfg(test)]
    pub fn all() -> Vec<Self> {
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        if Self::detect() != Self::Portable {
            all.push(Self::Avx2);
            if Self::detect() == Self::Avx512 {
                all.push(Self::Avx512);
            }
        }
        all
    }

    /// Whether the processor multiplies whole numbers and adds them to a sum in one instruction (VNNI).
    pub fn has_vnni(self) -> bool {
        match self {
            Self::Portable => false,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avxvnni"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512vnni"),
        }
    }

    /// Columns in a panel of packed weights: two vectors.
    pub fn panel(self) -> usize {
        match self {
            Self::Portable => 2 * Portable::N,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 2 * Avx2::N,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 2 * Avx512::N,
        }
    }
}

/// A vector type of `N` numbers.
///
/// # Safety
/// Every method may only be called on a processor that has the instruction set; pointers must be valid for `N`
/// numbers (unaligned).
pub trait Lanes: Copy {
    /// Numbers in a vector.
    const N: usize;
    /// Rows of the largest tile of a matrix product: as many as the registers hold.
    const ROWS: usize;
    /// A vector of `f32`.
    type F: Copy;
    /// A vector of `i32`.
    type I: Copy;

    unsafe fn splat(x: f32) -> Self::F;
    unsafe fn load(from: *const f32) -> Self::F;
    unsafe fn store(to: *mut f32, x: Self::F);
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F;
    /// a · b + c.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// To the nearest whole number.
    unsafe fn round(x: Self::F) -> Self::F;
    /// 2^x of whole numbers from -126 to 127.
    unsafe fn exp2_whole(x: Self::F) -> Self::F;
    /// Whether any number of `a` is above that of `b`.
    unsafe fn any_above(a: Self::F, b: Self::F) -> bool;

    unsafe fn zero_i() -> Self::I;
    unsafe fn load_i(from: *const i32) -> Self::I;
    unsafe fn store_i(to: *mut i32, x: Self::I);
    /// To the nearest.
    unsafe fn to_f(x: Self::I) -> Self::F;
    /// `N` pairs of 8-bit numbers, widened; `from` must be valid for 2·N bytes.
    unsafe fn load_pairs(from: *const i8) -> Self::I;
    /// One pair of 16-bit numbers in all places; `from` must be valid for two.
    unsafe fn splat_pair(from: *const i16) -> Self::I;
    /// sum + a₀·b₀ + a₁·b₁ for each pair, exact.
    unsafe fn dot_pairs(sum: Self::I, a: Self::I, b: Self::I) -> Self::I;

    /// The numbers of a vector; at most 16.
    #[inline(always)]
    unsafe fn array(x: Self::F) -> [f32; 16] {
        let mut out = [0.0; 16];
        // SAFETY: 16 places are enough for any N; the caller vouches for the instruction set.
        unsafe { Self::store(out.as_mut_ptr(), x) };
        out
    }

    /// The sum of a vector's numbers.
    #[inline(always)]
    unsafe fn sum(x: Self::F) -> f32 {
        // SAFETY: as the caller vouches.
        let values = unsafe { Self::array(x) };
        values[..Self::N].iter().sum()
    }

    /// The greatest of a vector's numbers.
    #[inline(always)]
    unsafe fn greatest(x: Self::F) -> f32 {
        // SAFETY: as the caller vouches.
        let values = unsafe { Self::array(x) };
        values[..Self::N].iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }
}

/// Arrays of eight.
#[derive(Debug, Clone, Copy)]
pub struct Portable;

/// Applies `f` to each place.
#[inline(always)]
fn each<T: Copy, const N: usize>(f: impl FnMut(usize) -> T) -> [T; N] {
    std::array::from_fn(f)
}

impl Lanes for Portable {
    const N: usize = 8;
    const ROWS: usize = 4;
    type F = [f32; 8];
    type I = [i32; 8];

    #[inline(always)]
    unsafe fn splat(x: f32) -> [f32; 8] {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 8] {
        // SAFETY: valid for eight, as the caller vouches.
        unsafe { from.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, x: [f32; 8]) {
        // SAFETY: valid for eight, as the caller vouches.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(x) }
    }
    #[inline(always)]
    unsafe fn add(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn div(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(|i| a[i] / b[i])
    }
    #[inline(always)]
    unsafe fn max(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn min(a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        each(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn fma(a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        // One instruction where the baseline has it; elsewhere `mul_add` would be a slow call.
        if cfg!(target_arch = "aarch64") {
            each(|i| a[i].mul_add(b[i], c[i]))
        } else {
            each(|i| a[i] * b[i] + c[i])
        }
    }
    #[inline(always)]
    unsafe fn round(x: [f32; 8]) -> [f32; 8] {
        each(|i| x[i].round_ties_even())
    }
    #[inline(always)]
    unsafe fn exp2_whole(x: [f32; 8]) -> [f32; 8] {
        each(|i| f32::from_bits(((x[i] as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    unsafe fn any_above(a: [f32; 8], b: [f32; 8]) -> bool {
        (0..8).any(|i| a[i] > b[i])
    }
    #[inline(always)]
    unsafe fn zero_i() -> [i32; 8] {
        [0; 8]
    }
    #[inline(always)]
    unsafe fn load_i(from: *const i32) -> [i32; 8] {
        // SAFETY: valid for eight, as the caller vouches.
        unsafe { from.cast::<[i32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_i(to: *mut i32, x: [i32; 8]) {
        // SAFETY: valid for eight, as the caller vouches.
        unsafe { to.cast::<[i32; 8]>().write_unaligned(x) }
    }
    #[inline(always)]
    unsafe fn to_f(x: [i32; 8]) -> [f32; 8] {
        each(|i| x[i] as f32)
    }
    #[inline(always)]
    unsafe fn load_pairs(from: *const i8) -> [i32; 8] {
        // SAFETY: valid for sixteen bytes, as the caller vouches.
        let bytes = unsafe { from.cast::<[[i8; 2]; 8]>().read_unaligned() };
        each(|i| i32::from(bytes[i][0]) & 0xffff | i32::from(bytes[i][1]) << 16)
    }
    #[inline(always)]
    unsafe fn splat_pair(from: *const i16) -> [i32; 8] {
        // SAFETY: valid for two, as the caller vouches.
        let [low, high] = unsafe { from.cast::<[i16; 2]>().read_unaligned() };
        [i32::from(low) & 0xffff | i32::from(high) << 16; 8]
    }
    #[inline(always)]
    unsafe fn dot_pairs(sum: [i32; 8], a: [i32; 8], b: [i32; 8]) -> [i32; 8] {
        let low = |x: i32| i32::from(x as i16);
        each(|i| sum[i] + low(a[i]) * low(b[i]) + (a[i] >> 16) * (b[i] >> 16))
    }
}

#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    /// Forwards each operation to its instruction.
    macro_rules! forward {
        ($($name:ident($($arg:ident: $kind:ty),*) -> $out:ty = $body:expr;)*) => {
            $(#[inline(always)]
            unsafe fn $name($($arg: $kind),*) -> $out {
                // SAFETY: the caller vouches for the instruction set, and for pointers.
                unsafe { $body }
            })*
        };
    }

    /// 256-bit vectors.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx2;

    impl Lanes for Avx2 {
        const N: usize = 8;
        const ROWS: usize = 6;
        type F = __m256;
        type I = __m256i;

        forward! {
            splat(x: f32) -> __m256 = _mm256_set1_ps(x);
            load(from: *const f32) -> __m256 = _mm256_loadu_ps(from);
            store(to: *mut f32, x: __m256) -> () = _mm256_storeu_ps(to, x);
            add(a: __m256, b: __m256) -> __m256 = _mm256_add_ps(a, b);
            sub(a: __m256, b: __m256) -> __m256 = _mm256_sub_ps(a, b);
            mul(a: __m256, b: __m256) -> __m256 = _mm256_mul_ps(a, b);
            div(a: __m256, b: __m256) -> __m256 = _mm256_div_ps(a, b);
            max(a: __m256, b: __m256) -> __m256 = _mm256_max_ps(a, b);
            min(a: __m256, b: __m256) -> __m256 = _mm256_min_ps(a, b);
            fma(a: __m256, b: __m256, c: __m256) -> __m256 = _mm256_fmadd_ps(a, b, c);
            round(x: __m256) -> __m256 = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
            exp2_whole(x: __m256) -> __m256 = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(
                _mm256_add_epi32(_mm256_cvtps_epi32(x), _mm256_set1_epi32(127))
            ));
            any_above(a: __m256, b: __m256) -> bool =
                _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a, b)) != 0;
            zero_i() -> __m256i = _mm256_setzero_si256();
            load_i(from: *const i32) -> __m256i = _mm256_loadu_si256(from.cast());
            store_i(to: *mut i32, x: __m256i) -> () = _mm256_storeu_si256(to.cast(), x);
            to_f(x: __m256i) -> __m256 = _mm256_cvtepi32_ps(x);
            load_pairs(from: *const i8) -> __m256i = _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast()));
            splat_pair(from: *const i16) -> __m256i = _mm256_set1_epi32(from.cast::<i32>().read_unaligned());
            dot_pairs(sum: __m256i, a: __m256i, b: __m256i) -> __m256i =
                _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
        }
    }

    /// 512-bit vectors.
    #[derive(Debug, Clone, Copy)]
    pub struct Avx512;

    impl Lanes for Avx512 {
        const N: usize = 16;
        const ROWS: usize = 12;
        type F = __m512;
        type I = __m512i;

        forward! {
            splat(x: f32) -> __m512 = _mm512_set1_ps(x);
            load(from: *const f32) -> __m512 = _mm512_loadu_ps(from);
            store(to: *mut f32, x: __m512) -> () = _mm512_storeu_ps(to, x);
            add(a: __m512, b: __m512) -> __m512 = _mm512_add_ps(a, b);
            sub(a: __m512, b: __m512) -> __m512 = _mm512_sub_ps(a, b);
            mul(a: __m512, b: __m512) -> __m512 = _mm512_mul_ps(a, b);
            div(a: __m512, b: __m512) -> __m512 = _mm512_div_ps(a, b);
            max(a: __m512, b: __m512) -> __m512 = _mm512_max_ps(a, b);
            min(a: __m512, b: __m512) -> __m512 = _mm512_min_ps(a, b);
            fma(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fmadd_ps(a, b, c);
            round(x: __m512) -> __m512 =
                _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
            exp2_whole(x: __m512) -> __m512 = _mm512_castsi512_ps(_mm512_slli_epi32::<23>(
                _mm512_add_epi32(_mm512_cvtps_epi32(x), _mm512_set1_epi32(127))
            ));
            any_above(a: __m512, b: __m512) -> bool = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) != 0;
            zero_i() -> __m512i = _mm512_setzero_si512();
            load_i(from: *const i32) -> __m512i = _mm512_loadu_si512(from.cast());
            store_i(to: *mut i32, x: __m512i) -> () = _mm512_storeu_si512(to.cast(), x);
            to_f(x: __m512i) -> __m512 = _mm512_cvtepi32_ps(x);
            load_pairs(from: *const i8) -> __m512i = _mm512_cvtepi8_epi16(_mm256_loadu_si256(from.cast()));
            splat_pair(from: *const i16) -> __m512i = _mm512_set1_epi32(from.cast::<i32>().read_unaligned());
            dot_pairs(sum: __m512i, a: __m512i, b: __m512i) -> __m512i =
                _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
        }
    }
}

/// Makes a safe-to-choose entry point of a generic kernel: compiled once for each instruction set, chosen by `isa`.
macro_rules! dispatch {
    ($(#[$doc:meta])* $name:ident => $generic:ident($($arg:ident: $kind:ty),* $(,)?) $(-> $out:ty)?) => {
        $(#[$doc])*
        pub(in crate::model) unsafe fn $name(isa: $crate::model::kernels::simd::Isa, $($arg: $kind),*) $(-> $out)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            unsafe fn avx2($($arg: $kind),*) $(-> $out)? {
                // SAFETY: as the caller of the outer function vouches.
                unsafe { $generic::<$crate::model::kernels::simd::Avx2>($($arg),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw")]
            unsafe fn avx512($($arg: $kind),*) $(-> $out)? {
                // SAFETY: as the caller of the outer function vouches.
                unsafe { $generic::<$crate::model::kernels::simd::Avx512>($($arg),*) }
            }
            // SAFETY: an `Isa` other than the portable one comes from detection; the rest as the caller vouches.
            unsafe {
                match isa {
                    $crate::model::kernels::simd::Isa::Portable => {
                        $generic::<$crate::model::kernels::simd::Portable>($($arg),*)
                    }
                    #[cfg(target_arch = "x86_64")]
                    $crate::model::kernels::simd::Isa::Avx2 => avx2($($arg),*),
                    #[cfg(target_arch = "x86_64")]
                    $crate::model::kernels::simd::Isa::Avx512 => avx512($($arg),*),
                }
            }
        }
    };
}
pub(crate) use dispatch;
