//! Weight matrices, packed when they are loaded for the kernels, and their products with rows of activations.
//!
//! Eight rows of the matrix are interleaved into a panel whose integers, scales and offsets the kernel reads in
//! order. Packing costs a pass over the weights, and some room: a nibble stays half a byte, 5 and 6 bits take one.

use std::ops::Range;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::format::{Format, Integers};
use super::kernel::{self, IntegerPanel, IntegerRow, LANES, Level};

/// A matrix of `rows` outputs by `columns` inputs.
#[derive(Debug)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    format: Format,
    level: Level,
    integers: Vec<u8>,
    scales: Vec<f32>,
    offsets: Vec<f32>,
    floats: Vec<f32>,
}

/// Bytes that a matrix takes once packed.
pub fn packed_bytes(format: Format, rows: usize, columns: usize) -> u64 {
    let padded = (rows.next_multiple_of(LANES) as u64).saturating_mul(columns as u64);
    let groups = padded / format.group() as u64 * 4;
    match format.integers() {
        Integers::None => padded.saturating_mul(4),
        Integers::Nibble => padded / 2 + groups * (1 + u64::from(format.has_offsets())),
        _ => padded + groups * (1 + u64::from(format.has_offsets())),
    }
}

impl Matrix {
    /// Packs a matrix from the bytes of a file, which must be as many as `rows` × `columns` take in that format.
    pub fn pack(format: Format, rows: usize, columns: usize, bytes: &[u8], level: Level) -> Self {
        let panels = rows.div_ceil(LANES);
        let row_bytes = bytes.len() / rows.max(1);
        let mut matrix = Self {
            rows,
            columns,
            format,
            level,
            integers: Vec::new(),
            scales: Vec::new(),
            offsets: Vec::new(),
            floats: Vec::new(),
        };
        let row = |panel: usize, lane: usize| {
            let row = panel * LANES + lane;
            (row < rows).then(|| &bytes[row * row_bytes..(row + 1) * row_bytes])
        };
        if format.integers() == Integers::None {
            matrix.floats = vec![0.0; panels * columns * LANES];
            matrix.floats.par_chunks_exact_mut(columns * LANES).enumerate().for_each(|(panel, out)| {
                let mut numbers = vec![0.0; columns];
                for lane in 0..LANES {
                    let Some(row) = row(panel, lane) else { continue };
                    format.dequantize(row, &mut numbers);
                    for (number, out) in numbers.iter().zip(out.chunks_exact_mut(LANES)) {
                        out[lane] = *number;
                    }
                }
            });
            return matrix;
        }
        let (groups, nibbles) = (columns / format.group(), format.integers() == Integers::Nibble);
        let panel_bytes = columns * if nibbles { 4 } else { 8 };
        let panel_offsets = if format.has_offsets() { groups * LANES } else { 0 };
        matrix.integers = vec![0; panels * panel_bytes];
        matrix.scales = vec![0.0; panels * groups * LANES];
        matrix.offsets = vec![0.0; panels * panel_offsets];
        let mut no_offsets = vec![[0.0_f32; 0]; panels];
        let offsets: Vec<&mut [f32]> = if format.has_offsets() {
            matrix.offsets.chunks_exact_mut(panel_offsets).collect()
        } else {
            no_offsets.iter_mut().map(|none| none.as_mut_slice()).collect()
        };
        let parts = matrix.integers.par_chunks_exact_mut(panel_bytes);
        let parts = parts.zip(matrix.scales.par_chunks_exact_mut(groups * LANES)).zip(offsets);
        parts.enumerate().for_each(|(panel, ((integers, scales), offsets))| {
            let mut q = vec![0; columns];
            let (mut row_scales, mut row_offsets) = (vec![0.0; groups], vec![0.0; groups]);
            for lane in 0..LANES {
                let Some(row) = row(panel, lane) else { continue };
                format.unpack(row, &mut q, &mut row_scales, &mut row_offsets);
                for (group, (&scale, &offset)) in row_scales.iter().zip(&row_offsets).enumerate() {
                    scales[group * LANES + lane] = scale;
                    if let Some(out) = offsets.get_mut(group * LANES + lane) {
                        *out = offset;
                    }
                }
                if nibbles {
                    for (q, out) in q.chunks_exact(8).zip(integers.chunks_exact_mut(32)) {
                        for byte in 0..4 {
                            out[lane * 4 + byte] = q[byte] | q[byte + 4] << 4;
                        }
                    }
                } else {
                    for (q, out) in q.chunks_exact(4).zip(integers.chunks_exact_mut(32)) {
                        out[lane * 4..lane * 4 + 4].copy_from_slice(q);
                    }
                }
            }
        });
        matrix
    }

    fn panel(&self, index: usize) -> IntegerPanel<'_> {
        let nibbles = self.format.integers() == Integers::Nibble;
        let bytes = self.columns * if nibbles { 4 } else { 8 };
        let scales = self.columns / self.format.group() * LANES;
        IntegerPanel {
            integers: &self.integers[index * bytes..(index + 1) * bytes],
            nibbles,
            signed: self.format.integers() == Integers::Signed,
            group: self.format.group(),
            center: self.format.center(),
            scales: &self.scales[index * scales..(index + 1) * scales],
            offsets: self.offsets.get(index * scales..(index + 1) * scales).unwrap_or_default(),
        }
    }

    /// The products of some panels with all rows of the input.
    fn multiply_panels(&self, panels: Range<usize>, input: &Input<'_>, out: Output) {
        // A block of rows stays in the second-level cache while the panels pass by.
        const BLOCK: usize = 64;
        for block in (0..input.rows).step_by(BLOCK) {
            let end = input.rows.min(block + BLOCK);
            for panel in panels.clone() {
                let mut row = block;
                while row < end {
                    row += match end - row {
                        4.. => self.tile::<4>(panel, row, input, out),
                        2.. => self.tile::<2>(panel, row, input, out),
                        _ => self.tile::<1>(panel, row, input, out),
                    };
                }
            }
        }
    }

    fn tile<const R: usize>(&self, panel: usize, row: usize, input: &Input<'_>, out: Output) -> usize {
        let products = if self.format.integers() == Integers::None {
            let weights = &self.floats[panel * self.columns * LANES..(panel + 1) * self.columns * LANES];
            let rows: [&[f32]; R] = std::array::from_fn(|index| input.float_row(row + index));
            kernel::float_tile(self.level, weights, LANES, rows)
        } else {
            let activations = input.activations(self.format.activation_group());
            let rows: [IntegerRow<'_>; R] = std::array::from_fn(|index| activations.row(row + index));
            kernel::integer_tile(self.level, &self.panel(panel), rows)
        };
        let lanes = LANES.min(self.rows - panel * LANES);
        for (index, products) in products.iter().enumerate() {
            // SAFETY: this panel's columns of this row belong to this task alone, and `out` has room for
            // `input.rows` × `self.rows` numbers.
            unsafe { out.write((row + index) * self.rows + panel * LANES, &products[..lanes]) };
        }
        R
    }
}

/// Where tasks write their own parts of one buffer.
#[derive(Clone, Copy)]
struct Output(*mut f32);

// SAFETY: tasks write disjoint parts only, and the buffer outlives them.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl Output {
    /// # Safety
    /// The buffer has room for `values` from `at` on, and nobody else touches that part now.
    unsafe fn write(self, at: usize, values: &[f32]) {
        // SAFETY: the caller's promise.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.0.add(at), values.len()) };
    }
}

/// Rows of activations, quantized once in each way that some matrix asks for.
pub struct Input<'a> {
    rows: usize,
    columns: usize,
    floats: &'a [f32],
    small: OnceLock<Activations>,
    large: OnceLock<Activations>,
}

struct Activations {
    columns: usize,
    integers: Vec<i8>,
    scales: Vec<f32>,
    sums: Vec<i32>,
}

impl Activations {
    fn row(&self, row: usize) -> IntegerRow<'_> {
        let columns = self.columns;
        IntegerRow {
            integers: &self.integers[row * columns..(row + 1) * columns],
            scales: &self.scales[row * columns / 32..(row + 1) * columns / 32],
            sums: &self.sums[row * columns / 16..(row + 1) * columns / 16],
        }
    }
}

impl<'a> Input<'a> {
    /// `floats` holds rows of `columns`.
    pub fn new(floats: &'a [f32], columns: usize) -> Self {
        Self { rows: floats.len() / columns, columns, floats, small: OnceLock::new(), large: OnceLock::new() }
    }

    fn float_row(&self, row: usize) -> &[f32] {
        &self.floats[row * self.columns..(row + 1) * self.columns]
    }

    fn activations(&self, group: usize) -> &Activations {
        let cell = if group == 256 { &self.large } else { &self.small };
        cell.get_or_init(|| {
            let (columns, length) = (self.columns, self.rows * self.columns);
            let mut made = Activations {
                columns,
                integers: vec![0; length],
                scales: vec![0.0; length / 32],
                sums: vec![0; length / 16],
            };
            let rows = self.floats.par_chunks_exact(columns).zip(made.integers.par_chunks_exact_mut(columns));
            let rows = rows.zip(made.scales.par_chunks_exact_mut(columns / 32));
            let rows = rows.zip(made.sums.par_chunks_exact_mut(columns / 16));
            rows.with_min_len(8).for_each(|(((row, integers), scales), sums)| {
                kernel::quantize(row, group, integers, scales, sums);
            });
            made
        })
    }
}

/// The products of one input with several matrices, as rows of as many outputs as each matrix has.
pub fn multiply<const N: usize>(matrices: [&Matrix; N], input: &Input<'_>) -> [Vec<f32>; N] {
    let mut results = matrices.map(|matrix| vec![0.0; input.rows * matrix.rows]);
    let work: usize = matrices.iter().map(|matrix| matrix.rows * matrix.columns).sum();
    // Some tasks a thread, for balance, but none so small that starting it costs more than it does.
    let share = (work / (rayon::current_num_threads() * 4)).max(1 << 15);
    let mut tasks = Vec::new();
    for (matrix, result) in matrices.iter().zip(&mut results) {
        assert!(matrix.columns == input.columns);
        if matrix.format.integers() != Integers::None {
            input.activations(matrix.format.activation_group());
        }
        let panels = matrix.rows.div_ceil(LANES);
        let step = (share / (matrix.columns * LANES)).max(1);
        let out = Output(result.as_mut_ptr());
        tasks.extend((0..panels).step_by(step).map(|first| (*matrix, first..panels.min(first + step), out)));
    }
    tasks.into_par_iter().with_max_len(1).for_each(|(matrix, panels, out)| {
        matrix.multiply_panels(panels, input, out);
    });
    results
}
