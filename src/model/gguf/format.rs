//! The ways in which GGUF files store numbers, and how each is unpacked.
//!
//! Whatever the format, a row becomes small integers in groups of 16 or 32, a scale for each group and, where the
//! format has one, an offset: number = scale × integer + offset. Kernels know only this common form.

use half::{bf16, f16};

/// How a tensor's numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, non_camel_case_types)] // the names are those of the files
pub enum Format {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    IQ4_NL,
    IQ4_XS,
    /// A format that is not computed with, by its code.
    Other(u32),
}

/// What the integers of a format look like to a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Integers {
    /// None: the numbers are floats.
    None,
    /// 0 to 15.
    Nibble,
    /// 0 to 63.
    Unsigned,
    /// -127 to 127.
    Signed,
}

/// The formats that are computed with, for messages.
pub const SUPPORTED: &str =
    "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL and IQ4_XS";

/// The sixteen values of the IQ4 formats (a table of the format's definition).
const IQ4: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

impl Format {
    /// The format of a code in a file.
    pub const fn from_code(code: u32) -> Self {
        match code {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            10 => Self::Q2_K,
            11 => Self::Q3_K,
            12 => Self::Q4_K,
            13 => Self::Q5_K,
            14 => Self::Q6_K,
            20 => Self::IQ4_NL,
            23 => Self::IQ4_XS,
            30 => Self::BF16,
            code => Self::Other(code),
        }
    }

    /// Numbers in a block, and the bytes it takes.
    pub const fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::BF16 => (1, 2),
            Self::Q4_0 | Self::IQ4_NL => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q2_K => (256, 84),
            Self::Q3_K => (256, 110),
            Self::Q4_K => (256, 144),
            Self::Q5_K => (256, 176),
            Self::Q6_K => (256, 210),
            Self::IQ4_XS => (256, 136),
            Self::Other(_) => (1, 0),
        }
    }

    /// The bytes of a tensor; `None` if they cannot be counted or its rows are not whole blocks.
    pub fn bytes_of(self, shape: &[usize]) -> Option<usize> {
        let (numbers, bytes) = self.block();
        let elements = shape.iter().try_fold(1_usize, |product, &length| product.checked_mul(length))?;
        let whole = shape.last()?.is_multiple_of(numbers);
        whole.then(|| (elements / numbers).checked_mul(bytes)).flatten()
    }

    /// What its integers look like.
    pub const fn integers(self) -> Integers {
        match self {
            Self::F32 | Self::F16 | Self::BF16 | Self::Other(_) => Integers::None,
            Self::Q4_0 | Self::Q4_1 | Self::Q4_K => Integers::Nibble,
            Self::Q8_0 | Self::IQ4_NL | Self::IQ4_XS => Integers::Signed,
            _ => Integers::Unsigned,
        }
    }

    /// Integers that share a scale.
    pub const fn group(self) -> usize {
        match self {
            Self::Q2_K | Self::Q3_K | Self::Q6_K => 16,
            _ => 32,
        }
    }

    /// What is subtracted from each integer before scaling; 0 for formats with offsets or signs of their own.
    pub const fn center(self) -> i32 {
        match self {
            Self::Q3_K => 4,
            Self::Q4_0 => 8,
            Self::Q5_0 => 16,
            Self::Q6_K => 32,
            _ => 0,
        }
    }

    /// Whether each group has an offset of its own.
    pub const fn has_offsets(self) -> bool {
        matches!(self, Self::Q4_1 | Self::Q5_1 | Self::Q2_K | Self::Q4_K | Self::Q5_K)
    }

    /// Activations that share a scale when they are multiplied with this format: as in llama.cpp, 256 for the
    /// formats with blocks of 256, else 32.
    pub const fn activation_group(self) -> usize {
        match self.block().0 {
            256 => 256,
            _ => 32,
        }
    }

    /// Unpacks a row of an integer format. Slices are as long as the row and its groups ask for; `offsets` is left
    /// as it is by formats without.
    pub fn unpack(self, row: &[u8], integers: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
        let (numbers, bytes) = self.block();
        let groups = numbers / self.group().min(numbers);
        let blocks = row.chunks_exact(bytes).zip(integers.chunks_exact_mut(numbers));
        for (index, (block, q)) in blocks.enumerate() {
            let at = index * groups..(index + 1) * groups;
            let none = at.start.min(offsets.len())..at.end.min(offsets.len());
            self.unpack_block(block, q, &mut scales[at], &mut offsets[none]);
        }
    }

    fn unpack_block(self, b: &[u8], q: &mut [u8], scales: &mut [f32], offsets: &mut [f32]) {
        match self {
            Self::Q4_0 => {
                scales[0] = half_at(b, 0);
                nibbles(&b[2..], q);
            }
            Self::Q4_1 => {
                (scales[0], offsets[0]) = (half_at(b, 0), half_at(b, 2));
                nibbles(&b[4..], q);
            }
            Self::Q5_0 => {
                scales[0] = half_at(b, 0);
                fifth_bits(&b[2..6], &b[6..], q);
            }
            Self::Q5_1 => {
                (scales[0], offsets[0]) = (half_at(b, 0), half_at(b, 2));
                fifth_bits(&b[4..8], &b[8..], q);
            }
            Self::Q8_0 => {
                scales[0] = half_at(b, 0);
                q.copy_from_slice(&b[2..34]);
            }
            Self::IQ4_NL => {
                scales[0] = half_at(b, 0);
                nibbles(&b[2..], q);
                q.iter_mut().for_each(|value| *value = IQ4[*value as usize].cast_unsigned());
            }
            Self::IQ4_XS => {
                let (scale, high) = (half_at(b, 0), u16::from_le_bytes([b[2], b[3]]));
                for group in 0..8 {
                    let low = b[4 + group / 2] >> (4 * (group % 2)) & 15;
                    let level = i32::from(low) | i32::from(high >> (2 * group) & 3) << 4;
                    scales[group] = scale * (level - 32) as f32;
                    nibbles(&b[8 + 16 * group..24 + 16 * group], &mut q[32 * group..32 * group + 32]);
                }
                q.iter_mut().for_each(|value| *value = IQ4[*value as usize].cast_unsigned());
            }
            Self::Q2_K => {
                let (scale, least) = (half_at(b, 80), half_at(b, 82));
                for group in 0..16 {
                    scales[group] = scale * f32::from(b[group] & 15);
                    offsets[group] = -least * f32::from(b[group] >> 4);
                }
                two_bits(&b[16..80], q);
            }
            Self::Q3_K => {
                let scale = half_at(b, 108);
                for (group, level) in six_bit_scales(&b[96..108]).into_iter().enumerate() {
                    scales[group] = scale * f32::from(i16::from(level) - 32);
                }
                two_bits(&b[32..96], q);
                for (index, value) in q.iter_mut().enumerate() {
                    *value |= (b[index % 32] >> (index / 32) & 1) << 2;
                }
            }
            Self::Q4_K => {
                k_scales(b, scales, offsets);
                for pair in 0..4 {
                    for (index, &byte) in b[16 + 32 * pair..48 + 32 * pair].iter().enumerate() {
                        q[64 * pair + index] = byte & 15;
                        q[64 * pair + 32 + index] = byte >> 4;
                    }
                }
            }
            Self::Q5_K => {
                k_scales(b, scales, offsets);
                for pair in 0..4 {
                    for index in 0..32 {
                        let (byte, high) = (b[48 + 32 * pair + index], b[16 + index] >> (2 * pair));
                        q[64 * pair + index] = byte & 15 | (high & 1) << 4;
                        q[64 * pair + 32 + index] = byte >> 4 | (high >> 1 & 1) << 4;
                    }
                }
            }
            Self::Q6_K => {
                let scale = half_at(b, 208);
                for group in 0..16 {
                    scales[group] = scale * f32::from(b[192 + group].cast_signed());
                }
                for half in 0..2 {
                    let (low, high, q) = (&b[64 * half..], &b[128 + 32 * half..], &mut q[128 * half..]);
                    for index in 0..32 {
                        q[index] = low[index] & 15 | (high[index] & 3) << 4;
                        q[index + 32] = low[index + 32] & 15 | (high[index] >> 2 & 3) << 4;
                        q[index + 64] = low[index] >> 4 | (high[index] >> 4 & 3) << 4;
                        q[index + 96] = low[index + 32] >> 4 | (high[index] >> 6) << 4;
                    }
                }
            }
            Self::F32 | Self::F16 | Self::BF16 | Self::Other(_) => {}
        }
    }

    /// The numbers of a row.
    pub fn dequantize(self, row: &[u8], out: &mut [f32]) {
        match self {
            Self::F32 => {
                for (out, bytes) in out.iter_mut().zip(row.chunks_exact(4)) {
                    *out = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                }
            }
            Self::F16 => {
                for (out, bytes) in out.iter_mut().zip(row.chunks_exact(2)) {
                    *out = f16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
                }
            }
            Self::BF16 => {
                for (out, bytes) in out.iter_mut().zip(row.chunks_exact(2)) {
                    *out = bf16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
                }
            }
            Self::Other(_) => {}
            _ => {
                let groups = out.len() / self.group();
                let (mut scales, mut offsets) = (vec![0.0; groups], vec![0.0; groups]);
                let mut integers = vec![0; out.len()];
                self.unpack(row, &mut integers, &mut scales, &mut offsets);
                for (index, (out, &q)) in out.iter_mut().zip(&integers).enumerate() {
                    let value = match self.integers() {
                        Integers::Signed => i32::from(q.cast_signed()),
                        _ => i32::from(q) - self.center(),
                    };
                    let group = index / self.group();
                    *out = scales[group] * value as f32 + offsets[group];
                }
            }
        }
    }
}

fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// 16 bytes to 32 numbers: the low halves, then the high ones.
fn nibbles(bytes: &[u8], q: &mut [u8]) {
    for index in 0..16 {
        (q[index], q[index + 16]) = (bytes[index] & 15, bytes[index] >> 4);
    }
}

/// As [`nibbles`], with a fifth bit from elsewhere.
fn fifth_bits(high: &[u8], bytes: &[u8], q: &mut [u8]) {
    nibbles(bytes, q);
    for (index, value) in q.iter_mut().enumerate() {
        *value |= (high[index / 8] >> (index % 8) & 1) << 4;
    }
}

/// 64 bytes to 256 numbers of two bits.
fn two_bits(bytes: &[u8], q: &mut [u8]) {
    for (index, value) in q.iter_mut().enumerate() {
        let (half, rest) = (index / 128, index % 128);
        *value = bytes[32 * half + rest % 32] >> (2 * (rest / 32)) & 3;
    }
}

/// The 16 scales of Q3_K: six bits each, the upper two of four scales in a byte.
fn six_bit_scales(bytes: &[u8]) -> [u8; 16] {
    std::array::from_fn(|group| {
        let low = bytes[group % 8] >> (4 * (group / 8)) & 15;
        low | (bytes[8 + group % 4] >> (2 * (group / 4)) & 3) << 4
    })
}

/// The 8 scales and offsets of Q4_K and Q5_K: six bits each, in 12 bytes after the two halves.
fn k_scales(block: &[u8], scales: &mut [f32], offsets: &mut [f32]) {
    let (scale, least, packed) = (half_at(block, 0), half_at(block, 2), &block[4..16]);
    for group in 0..8 {
        let (level, floor) = if group < 4 {
            (packed[group] & 63, packed[group + 4] & 63)
        } else {
            (
                packed[group + 4] & 15 | packed[group - 4] >> 6 << 4,
                packed[group + 4] >> 4 | packed[group] >> 6 << 4,
            )
        };
        scales[group] = scale * f32::from(level);
        offsets[group] = -least * f32::from(floor);
    }
}
