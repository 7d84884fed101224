//! A tensor's bytes in a mapped file, read as `f32`.

use candle_core::DType;
use half::{bf16, f16};

use super::low_rank::LowRank;

/// A floating-point tensor inside a mapped file. Its extent was checked when the file was opened.
#[derive(Debug, Clone, Copy)]
pub struct TensorView<'a> {
    dtype: DType,
    shape: &'a [usize],
    strides: &'a [usize],
    bytes: &'a [u8],
    added: Option<&'a LowRank>,
}

impl<'a> TensorView<'a> {
    pub(super) fn new(dtype: DType, shape: &'a [usize], strides: &'a [usize], bytes: &'a [u8]) -> Self {
        Self { dtype, shape, strides, bytes, added: None }
    }

    /// The same matrix with another one added.
    pub(super) fn with(self, added: Option<&'a LowRank>) -> Self {
        Self { added, ..self }
    }

    /// How many elements there are.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// What the file stores.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Reads all elements in row-major order; `out` has [`TensorView::elements`] places.
    pub fn read(&self, out: &mut [f32]) {
        self.read_rows(0, out);
    }

    /// Reads whole rows (of all dimensions but the first) from row `first` on, as many as `out` holds.
    pub fn read_rows(&self, first: usize, out: &mut [f32]) {
        self.read_stored(first, out);
        if let Some(added) = self.added {
            added.add_rows(first, out);
        }
    }

    fn read_stored(&self, first: usize, out: &mut [f32]) {
        let row: usize = self.shape.iter().skip(1).product();
        if row == 0 || out.is_empty() {
            return;
        }
        let mut contiguous = true;
        let mut expected = 1;
        for (&size, &stride) in self.shape.iter().zip(self.strides).rev() {
            contiguous &= stride == expected || size == 1;
            expected *= size;
        }
        if contiguous {
            self.convert(first * row, out);
            return;
        }
        // Transposed or sliced storages are rare: element by element.
        for (i, value) in out.iter_mut().enumerate() {
            let mut rest = first * row + i;
            let mut at = 0;
            for (&size, &stride) in self.shape.iter().zip(self.strides).rev() {
                at += rest % size * stride;
                rest /= size;
            }
            self.convert(at, std::slice::from_mut(value));
        }
    }

    /// Converts the storage's elements from `first` on.
    fn convert(&self, first: usize, out: &mut [f32]) {
        fn fill<const W: usize>(bytes: &[u8], out: &mut [f32], value: impl Fn([u8; W]) -> f32) {
            for (to, from) in out.iter_mut().zip(bytes.as_chunks::<W>().0) {
                *to = value(*from);
            }
        }
        let bytes = self.bytes.get(first * self.dtype.size_in_bytes()..).unwrap_or_default();
        match self.dtype {
            DType::F32 => fill(bytes, out, f32::from_le_bytes),
            DType::F16 => fill(bytes, out, |b| f16::from_le_bytes(b).to_f32()),
            DType::BF16 => fill(bytes, out, |b| bf16::from_le_bytes(b).to_f32()),
            DType::F64 => fill(bytes, out, |b| f64::from_le_bytes(b) as f32),
            // Refused by `Checkpoint::view`.
            _ => out.fill(f32::NAN),
        }
    }
}
