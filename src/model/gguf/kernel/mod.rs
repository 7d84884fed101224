//! The inner loops: eight outputs at a time for a few rows of activations, by whatever the processor offers.
//!
//! Each result is a fixed sequence of operations on its own row, whichever rows are computed beside it, so that
//! a batch gives bit for bit what its members give alone.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;
#[cfg(target_arch = "x86_64")]
mod vnni;

use half::f16;

/// Outputs computed together: a panel of the matrix.
pub const LANES: usize = 8;

/// Which instructions are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Those of every processor.
    Portable,
    /// AVX2, FMA and F16C.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// The same and AVX-512's dot products of bytes.
    #[cfg(target_arch = "x86_64")]
    Vnni,
}

impl Level {
    /// The best that this processor has.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
        {
            let dots = is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512vl");
            return if dots { Self::Vnni } else { Self::Avx2 };
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
            Self::Vnni => "AVX-512 VNNI",
        }
    }
}

/// Eight rows of a matrix of integers, interleaved. Nibbles: for every 8 columns, 4 bytes of each row, the low
/// halves being the first 4 columns. Else: for every 4 columns, 4 bytes of each row.
#[derive(Debug, Clone, Copy)]
pub struct IntegerPanel<'a> {
    /// The integers, 4 or 8 bytes a column.
    pub integers: &'a [u8],
    /// Whether two integers share a byte.
    pub nibbles: bool,
    /// Whether the integers are signed.
    pub signed: bool,
    /// Columns that share a scale: 16 or 32.
    pub group: usize,
    /// What is subtracted from each integer.
    pub center: i32,
    /// Eight a group.
    pub scales: &'a [f32],
    /// Eight a group, or none.
    pub offsets: &'a [f32],
}

/// A row of activations as integers from -127 to 127.
#[derive(Debug, Clone, Copy)]
pub struct IntegerRow<'a> {
    /// The integers.
    pub integers: &'a [i8],
    /// One for every 32 columns.
    pub scales: &'a [f32],
    /// The sum of the integers of every 16 columns.
    pub sums: &'a [i32],
}

/// The products of a panel with `R` rows.
pub fn integer_tile<const R: usize>(
    level: Level,
    panel: &IntegerPanel<'_>,
    rows: [IntegerRow<'_>; R],
) -> [[f32; LANES]; R] {
    let columns = rows.first().map_or(0, |row| row.integers.len());
    let bytes = columns * if panel.nibbles { 4 } else { 8 };
    let scales = columns / panel.group * LANES;
    // The loops below read through pointers, so lengths are settled here once.
    assert!(panel.integers.len() >= bytes && panel.scales.len() >= scales);
    assert!(panel.offsets.is_empty() || panel.offsets.len() >= scales);
    assert!(columns.is_multiple_of(32) && matches!(panel.group, 16 | 32));
    for row in &rows {
        assert!(
            row.integers.len() == columns
                && row.scales.len() * 32 >= columns
                && row.sums.len() * 16 >= columns
        );
    }
    match level {
        Level::Portable => portable::integer_tile(panel, rows),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level was detected on this processor; lengths are asserted above.
        Level::Avx2 => unsafe { avx2::integer_tile(panel, rows) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Vnni => unsafe { vnni::integer_tile(panel, rows) },
    }
}

/// Adds to `R` rows of eight outputs the products of `R` rows of `depth` floats with `depth` steps of eight
/// weights, `stride` apart.
pub fn float_tile<const R: usize, T: Weight>(
    level: Level,
    weights: &[T],
    stride: usize,
    rows: [&[f32]; R],
) -> [[f32; LANES]; R] {
    let depth = rows.first().map_or(0, |row| row.len());
    assert!(depth == 0 || weights.len() >= (depth - 1) * stride + LANES);
    for row in &rows {
        assert!(row.len() == depth);
    }
    match level {
        Level::Portable => portable::float_tile(weights, stride, rows),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx2 | Level::Vnni => unsafe { avx2::float_tile(weights, stride, rows) },
    }
}

/// A kind of float that weights, keys or values are kept in.
pub trait Weight: Copy + Send + Sync + 'static {
    /// The number.
    fn number(self) -> f32;
    /// Eight numbers.
    ///
    /// # Safety
    /// Eight of them can be read at `at`, and the processor has AVX2 and F16C.
    #[cfg(target_arch = "x86_64")]
    unsafe fn load(at: *const Self) -> std::arch::x86_64::__m256;
}

impl Weight for f32 {
    fn number(self) -> f32 {
        self
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load(at: *const Self) -> std::arch::x86_64::__m256 {
        // SAFETY: the caller's promise.
        unsafe { std::arch::x86_64::_mm256_loadu_ps(at) }
    }
}

impl Weight for f16 {
    fn number(self) -> f32 {
        self.to_f32()
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn load(at: *const Self) -> std::arch::x86_64::__m256 {
        // SAFETY: the caller's promise.
        unsafe { std::arch::x86_64::_mm256_cvtph_ps(std::arch::x86_64::_mm_loadu_si128(at.cast())) }
    }
}

/// Quantizes a row in groups of 32 or 256 the way llama.cpp does, so that both round alike: groups of 32 to a
/// half-precision scale, groups of 256 to a single-precision one whose sign makes the largest number -127.
pub fn quantize(row: &[f32], group: usize, integers: &mut [i8], scales: &mut [f32], sums: &mut [i32]) {
    for (index, (values, out)) in row.chunks_exact(group).zip(integers.chunks_exact_mut(group)).enumerate() {
        let mut largest = 0.0_f32;
        for &value in values {
            if value.abs() > largest.abs() {
                largest = value;
            }
        }
        let (scale, inverse) = match group {
            _ if largest == 0.0 || !largest.is_finite() => (0.0, 0.0),
            256 => {
                let inverse = -127.0 / largest;
                (1.0 / inverse, inverse)
            }
            _ => {
                let scale = largest.abs() / 127.0;
                (f16::from_f32(scale).to_f32(), 1.0 / scale)
            }
        };
        // A row with infinities has no sense left; let it be seen as such.
        let scale = if largest.is_finite() { scale } else { f32::NAN };
        for (value, out) in values.iter().zip(out.iter_mut()) {
            *out = round(value * inverse) as i8;
        }
        scales[index * group / 32..(index + 1) * group / 32].fill(scale);
    }
    for (sum, values) in sums.iter_mut().zip(integers.chunks_exact(16)) {
        *sum = values.iter().map(|&value| i32::from(value)).sum();
    }
}

/// To the nearest integer, halves to even, of numbers below 2^22; without a call, so that loops of it are vectorized.
#[inline(always)]
fn round(value: f32) -> i32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 × 2^23: its unit in the last place is 1
    ((value + SHIFT).to_bits() & 0x007f_ffff) as i32 - 0x0040_0000
}

#[cfg(test)]
mod tests;
