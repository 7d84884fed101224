//! Matrix products with weights packed once: `y = x · wᵀ`, in `f32` or with 8-bit weights.
//!
//! Weights lie in panels of two vectors' columns, each panel contiguous along the inner dimension, so that a product
//! with few rows streams them once and one with many reuses a panel from the nearest cache. Each output is summed in
//! one fixed order whatever the number of rows, tiles or threads: a batch equals its samples bit by bit.

use super::math::{quantize_bytes, quantize_row};
use super::memory::Buffer;
use super::pool::Pool;
use super::shared::SharedSlice;
use super::simd::Isa;
use super::tile::{Task, Whole, f32_task, pairs_task, quads_task};

/// What happens to a feed-forward layer's first product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// max(x, 0).
    Relu,
    /// GELU, tanh form.
    Gelu,
    /// GELU by the error function.
    GeluErf,
    /// x · sigmoid(x).
    Silu,
}

/// What a product does with its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// Writes it.
    Store,
    /// Adds it to what is there.
    Add,
    /// Writes a function of it.
    Apply(Function),
    /// Writes `f(first) · second`; the weights are packed by [`Weights::pack_gated`].
    Gate(Function),
}

/// Packed weights, `f32` or 8-bit.
pub struct Weights {
    isa: Isa,
    /// Outputs.
    pub columns: usize,
    /// Inputs.
    pub depth: usize,
    data: Packed,
    /// Added to each row of outputs before what [`Finish`] says; empty for none, else whole panels.
    bias: Vec<f32>,
}

enum Packed {
    F32(Buffer<f32>),
    /// Groups along the depth; a scale for each packed column.
    Int8 {
        values: Buffer<i8>,
        scales: Vec<f32>,
        activations: Activations,
    },
}

/// What an 8-bit product makes of its left-hand rows.
#[derive(Debug, Clone)]
enum Activations {
    /// 16-bit numbers up to a limit with which no sum overflows, two a step.
    Pairs { limit: f32 },
    /// Bytes above 128, four a step; each column's sum begins with -128 times the sum of its weights.
    Quads { offsets: Vec<i32> },
}

/// What a product is computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// 32-bit floats.
    F32,
    /// 8-bit weights, a scale for each column, and activations that keep 16 bits: the same on every processor.
    Int8,
    /// 8-bit weights, and 8-bit activations too where the processor is made for them (VNNI): twice as fast, coarser.
    Int8Fast,
}

/// How weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    F32,
    Pairs,
    Quads,
}

/// The deepest product whose bytes cannot overflow a sum: 127 · 255 for each step, and the offset.
const MOST_QUADS: usize = i32::MAX as usize / (127 * (255 + 128));

/// Bytes of left-hand rows that stay in the second-level cache.
const ROWS_BYTES: usize = 320 << 10;

impl Weights {
    /// Packs `w` of shape `[columns, depth]`; `row(n, out)` writes row n.
    pub fn pack(
        isa: Isa,
        columns: usize,
        depth: usize,
        numbers: Numbers,
        row: impl FnMut(usize, &mut [f32]),
    ) -> Self {
        let source = |column| Some(column).filter(|&c| c < columns);
        Self::pack_ordered(isa, columns, depth, Format::choose(isa, depth, numbers), source, row)
    }

    /// Packs two matrices of the same shape `[columns, depth]` so that a panel holds the same columns of both, for
    /// [`Finish::Gate`]; rows from `columns` on are the second's.
    pub fn pack_gated(
        isa: Isa,
        columns: usize,
        depth: usize,
        numbers: Numbers,
        row: impl FnMut(usize, &mut [f32]),
    ) -> Self {
        let half = isa.panel() / 2;
        let source = |packed: usize| {
            let column = packed / (2 * half) * half + packed % half;
            let second = packed % (2 * half) >= half;
            (column < columns).then_some(if second { columns + column } else { column })
        };
        Self::pack_ordered(isa, 2 * columns, depth, Format::choose(isa, depth, numbers), source, row)
    }

    fn pack_ordered(
        isa: Isa,
        columns: usize,
        depth: usize,
        format: Format,
        source: impl Fn(usize) -> Option<usize>,
        mut row: impl FnMut(usize, &mut [f32]),
    ) -> Self {
        let width = isa.panel();
        let panels = columns.div_ceil(width);
        let mut line = vec![0f32; depth];
        let mut read = |packed: usize, line: &mut [f32]| match source(packed) {
            Some(number) => row(number, line),
            None => line.fill(0.0),
        };
        let data = if format != Format::F32 {
            let group = if format == Format::Quads { 4 } else { 2 };
            let groups = depth.div_ceil(group);
            let mut values = Buffer::<i8>::new(panels * width * groups * group);
            let mut scales = vec![0f32; panels * width];
            let mut offsets = vec![0i32; panels * width];
            for (packed, scale) in scales.iter_mut().enumerate() {
                read(packed, &mut line);
                let greatest = line.iter().fold(0f32, |m, x| m.max(x.abs()));
                *scale = greatest / 127.0;
                let inverse = if greatest > 0.0 { 127.0 / greatest } else { 0.0 };
                let base = packed / width * width * groups * group + packed % width * group;
                for (k, x) in line.iter().enumerate() {
                    let value = (x * inverse).round() as i8;
                    values[base + k / group * width * group + k % group] = value;
                    offsets[packed] = offsets[packed].wrapping_sub(128 * i32::from(value));
                }
            }
            let activations = match format {
                Format::Quads => Activations::Quads { offsets },
                // The largest whole number with which no sum of `depth` products overflows.
                _ => {
                    Activations::Pairs { limit: (i32::MAX as usize / (127 * depth.max(1))).min(32767) as f32 }
                }
            };
            Packed::Int8 { values, scales, activations }
        } else {
            let mut values = Buffer::<f32>::new(panels * width * depth);
            for packed in 0..panels * width {
                read(packed, &mut line);
                let base = packed / width * width * depth + packed % width;
                for (k, x) in line.iter().enumerate() {
                    values[base + k * width] = *x;
                }
            }
            Packed::F32(values)
        };
        Self { isa, columns, depth, data, bias: Vec::new() }
    }

    /// The same with a number for each output (of weights packed by [`Weights::pack`]) that is added to it first.
    pub fn with_bias(mut self, mut bias: Vec<f32>) -> Self {
        bias.resize(self.columns.next_multiple_of(self.isa.panel()), 0.0);
        self.bias = bias;
        self
    }

    /// Bytes that the packed weights take.
    pub fn bytes(&self) -> usize {
        match &self.data {
            Packed::F32(values) => 4 * values.len(),
            Packed::Int8 { values, scales, .. } => values.len() + 4 * scales.len(),
        }
    }

    /// `out = finish(x · wᵀ)` for `rows` rows; `x` and `out` have `x_stride` and `out_stride` numbers a row.
    pub fn multiply(
        &self,
        pool: &mut Pool,
        scratch: &mut Scratch,
        rows: usize,
        x: &[f32],
        x_stride: usize,
        out: &mut [f32],
        out_stride: usize,
        finish: Finish,
    ) {
        let width = self.isa.panel();
        let out_columns = if matches!(finish, Finish::Gate(_)) { self.columns / 2 } else { self.columns };
        if rows == 0 || self.columns == 0 {
            return;
        }
        assert!((rows - 1) * x_stride + self.depth <= x.len(), "too few inputs");
        assert!(out_columns <= out_stride, "rows of outputs overlap");
        assert!((rows - 1) * out_stride + out_columns <= out.len(), "too little room");
        let panels = self.columns.div_ceil(width);
        let threads = pool.threads();
        let bytes = if matches!(self.data, Packed::F32(_)) { 4 } else { 2 };
        let fitting = (ROWS_BYTES / (bytes * self.depth)).clamp(12, 192);
        // Blocks of rows of equal size, as many as threads where there are enough rows.
        let mut blocks = rows.div_ceil(fitting);
        if rows >= 24 * threads {
            blocks = blocks.next_multiple_of(threads);
        }
        let block = rows.div_ceil(blocks).next_multiple_of(if rows > 24 { 6 } else { 1 });
        let blocks = rows.div_ceil(block);
        // Few blocks are cut along the columns too, for balance.
        let cuts = if threads == 1 { 1 } else { (4 * threads).div_ceil(blocks).min(panels.div_ceil(2)) };
        let chunk = panels.div_ceil(cuts);
        let cuts = panels.div_ceil(chunk);
        scratch.fit(threads, block * width);
        if let Packed::Int8 { activations, .. } = &self.data {
            scratch.quantize(self.isa, pool, rows, x, x_stride, self.depth, activations);
        }
        let (tiles, quantized, row_scales) = scratch.parts();
        let out = SharedSlice::new(out);
        pool.each(blocks * cuts, |task, thread| {
            let (first_row, first_panel) = (task / cuts * block, task % cuts * chunk);
            let task = Task {
                rows: first_row..rows.min(first_row + block),
                panels: first_panel..panels.min(first_panel + chunk),
                columns: out_columns,
                out_stride,
                finish,
                bias: if self.bias.is_empty() { std::ptr::null() } else { self.bias.as_ptr() },
            };
            // SAFETY: each thread has its own part of the tiles, and tasks write disjoint rectangles of `out`,
            // whose extent was checked above.
            unsafe {
                let tile = tiles.pointer(thread * block * width);
                match &self.data {
                    Packed::F32(values) => f32_task(
                        self.isa,
                        &task,
                        self.depth,
                        x.as_ptr(),
                        x_stride,
                        values.as_ptr(),
                        out.pointer(0),
                        tile,
                    ),
                    Packed::Int8 { values, scales, activations } => {
                        let group = if matches!(activations, Activations::Pairs { .. }) { 2 } else { 4 };
                        let whole = Whole {
                            groups: self.depth.div_ceil(group),
                            x: quantized.as_ptr().cast(),
                            row_scales: row_scales.as_ptr(),
                            w: values.as_ptr(),
                            column_scales: scales.as_ptr(),
                            offsets: match activations {
                                Activations::Pairs { .. } => std::ptr::null(),
                                Activations::Quads { offsets } => offsets.as_ptr(),
                            },
                        };
                        match activations {
                            Activations::Pairs { .. } => {
                                pairs_task(self.isa, &task, whole, out.pointer(0), tile)
                            }
                            Activations::Quads { .. } => {
                                quads_task(self.isa, &task, whole, out.pointer(0), tile)
                            }
                        }
                    }
                }
            }
        });
    }
}

impl Format {
    /// Bytes on both sides only where the processor is made for them and sums cannot overflow.
    fn choose(isa: Isa, depth: usize, numbers: Numbers) -> Self {
        match numbers {
            Numbers::F32 => Self::F32,
            Numbers::Int8Fast if isa.has_vnni() && depth <= MOST_QUADS => Self::Quads,
            Numbers::Int8 | Numbers::Int8Fast => Self::Pairs,
        }
    }
}

/// Room that products use again and again.
#[derive(Default)]
pub struct Scratch {
    tiles: Vec<f32>,
    quantized: Vec<i16>,
    row_scales: Vec<f32>,
}

impl Scratch {
    fn fit(&mut self, threads: usize, tile: usize) {
        if self.tiles.len() < threads * tile {
            self.tiles.resize(threads * tile, 0.0);
        }
    }

    fn parts(&mut self) -> (SharedSlice<'_, f32>, &[i16], &[f32]) {
        (SharedSlice::new(&mut self.tiles), &self.quantized, &self.row_scales)
    }

    /// Each row to whole numbers, with its own scale; the last group is padded by what meets weights of zero.
    fn quantize(
        &mut self,
        isa: Isa,
        pool: &mut Pool,
        rows: usize,
        x: &[f32],
        stride: usize,
        depth: usize,
        activations: &Activations,
    ) {
        let group = if matches!(activations, Activations::Pairs { .. }) { 2 } else { 4 };
        // A group takes four bytes, which are two places here.
        let wide = depth.div_ceil(group) * 2;
        if self.quantized.len() < rows * wide {
            self.quantized.resize(rows * wide, 0);
        }
        if self.row_scales.len() < rows {
            self.row_scales.resize(rows, 0.0);
        }
        let (out, scales) = (SharedSlice::new(&mut self.quantized), SharedSlice::new(&mut self.row_scales));
        pool.each(rows.div_ceil(32), |task, _| {
            for row in task * 32..rows.min(task * 32 + 32) {
                // SAFETY: rows are disjoint, and lie inside of `x` (checked by the caller) and the vectors made above.
                unsafe {
                    let (from, to) = (x.as_ptr().add(row * stride), out.pointer(row * wide));
                    let scale = match activations {
                        Activations::Pairs { limit } => quantize_row(isa, from, depth, *limit, to),
                        Activations::Quads { .. } => quantize_bytes(isa, from, depth, to.cast()),
                    };
                    scales.pointer(row).write(scale);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests;
