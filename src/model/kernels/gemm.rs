//! Matrix products with weights packed once: `y = x · wᵀ`, in `f32` or with 8-bit weights.
//!
//! Weights lie in panels of two vectors' columns, each panel contiguous along the inner dimension, so that a product
//! with few rows streams them once and one with many reuses a panel from the nearest cache. Each output is summed in
//! one fixed order whatever the number of rows, tiles or threads: a batch equals its samples bit by bit.

use super::memory::Buffer;
use super::pool::Pool;
use super::shared::SharedSlice;
use super::simd::{Isa, Lanes, dispatch};

/// What happens to a feed-forward layer's first product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// max(x, 0).
    Relu,
    /// GELU, tanh form.
    Gelu,
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
}

enum Packed {
    F32(Buffer<f32>),
    /// Pairs along the depth; a scale for each packed column.
    Int8 {
        values: Buffer<i8>,
        scales: Vec<f32>,
        limit: f32,
    },
}

/// Inner-dimension steps per pass over a panel: half of the nearest cache.
const DEPTH_BLOCK: usize = 256;
/// Bytes of left-hand rows that stay in the second-level cache.
const ROWS_BYTES: usize = 320 << 10;

impl Weights {
    /// Packs `w` of shape `[columns, depth]`; `row(n, out)` writes row n.
    pub fn pack(
        isa: Isa,
        columns: usize,
        depth: usize,
        int8: bool,
        row: impl FnMut(usize, &mut [f32]),
    ) -> Self {
        Self::pack_ordered(isa, columns, depth, int8, |column| Some(column).filter(|&c| c < columns), row)
    }

    /// Packs two matrices of the same shape `[columns, depth]` so that a panel holds the same columns of both, for
    /// [`Finish::Gate`]; rows from `columns` on are the second's.
    pub fn pack_gated(
        isa: Isa,
        columns: usize,
        depth: usize,
        int8: bool,
        row: impl FnMut(usize, &mut [f32]),
    ) -> Self {
        let half = isa.panel() / 2;
        let source = |packed: usize| {
            let column = packed / (2 * half) * half + packed % half;
            let second = packed % (2 * half) >= half;
            (column < columns).then_some(if second { columns + column } else { column })
        };
        Self::pack_ordered(isa, 2 * columns, depth, int8, source, row)
    }

    fn pack_ordered(
        isa: Isa,
        columns: usize,
        depth: usize,
        int8: bool,
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
        let data = if int8 {
            let pairs = depth.div_ceil(2);
            let mut values = Buffer::<i8>::new(panels * width * pairs * 2);
            let mut scales = vec![0f32; panels * width];
            for (packed, scale) in scales.iter_mut().enumerate() {
                read(packed, &mut line);
                let greatest = line.iter().fold(0f32, |m, x| m.max(x.abs()));
                *scale = greatest / 127.0;
                let inverse = if greatest > 0.0 { 127.0 / greatest } else { 0.0 };
                let base = packed / width * width * pairs * 2 + packed % width * 2;
                for (k, x) in line.iter().enumerate() {
                    values[base + k / 2 * width * 2 + k % 2] = (x * inverse).round() as i8;
                }
            }
            // The largest whole number for an activation with which no sum of `depth` products overflows.
            let limit = (i32::MAX as usize / (127 * depth.max(1))).min(32767) as f32;
            Packed::Int8 { values, scales, limit }
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
        Self { isa, columns, depth, data }
    }

    /// Bytes that the packed weights take.
    pub fn bytes(&self) -> usize {
        match &self.data {
            Packed::F32(values) => 4 * values.len(),
            Packed::Int8 { values, scales, .. } => values.len() + 4 * scales.len(),
        }
    }

    /// `out = finish(x · wᵀ)` for `rows` rows; `x` and `out` have `x_stride` and `out_stride` numbers a row.
    #[allow(clippy::too_many_arguments, reason = "two matrices with their strides")]
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
        if let Packed::Int8 { limit, .. } = self.data {
            scratch.quantize(self.isa, pool, rows, x, x_stride, self.depth, limit);
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
                    Packed::Int8 { values, scales, .. } => int8_task(
                        self.isa,
                        &task,
                        self.depth.div_ceil(2),
                        quantized.as_ptr(),
                        row_scales.as_ptr(),
                        values.as_ptr(),
                        scales.as_ptr(),
                        out.pointer(0),
                        tile,
                    ),
                }
            }
        });
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

    /// Each row to whole numbers up to `limit`, with its own scale; an odd depth is padded by zero.
    #[allow(clippy::too_many_arguments, reason = "a matrix and its stride")]
    fn quantize(
        &mut self,
        isa: Isa,
        pool: &mut Pool,
        rows: usize,
        x: &[f32],
        stride: usize,
        depth: usize,
        limit: f32,
    ) {
        let even = depth.next_multiple_of(2);
        if self.quantized.len() < rows * even {
            self.quantized.resize(rows * even, 0);
        }
        if self.row_scales.len() < rows {
            self.row_scales.resize(rows, 0.0);
        }
        let (out, scales) = (SharedSlice::new(&mut self.quantized), SharedSlice::new(&mut self.row_scales));
        pool.each(rows.div_ceil(32), |task, _| {
            for row in task * 32..rows.min(task * 32 + 32) {
                // SAFETY: rows are disjoint, and lie inside of `x` (checked by the caller) and the vectors made above.
                unsafe {
                    let from = x.as_ptr().add(row * stride);
                    let to = out.pointer(row * even);
                    scales.pointer(row).write(super::math::quantize_row(isa, from, depth, limit, to));
                    if even > depth {
                        to.add(depth).write(0);
                    }
                }
            }
        });
    }
}

/// A rectangle of outputs.
pub(in crate::model) struct Task {
    rows: std::ops::Range<usize>,
    panels: std::ops::Range<usize>,
    columns: usize,
    out_stride: usize,
    finish: Finish,
}

dispatch! {
    /// One task of an `f32` product.
    ///
    /// # Safety
    /// Pointers must be valid for the task's rows and panels, and `tile` for its rows times a panel.
    f32_task => f32_task_generic(
        task: &Task, depth: usize, x: *const f32, x_stride: usize, w: *const f32, out: *mut f32, tile: *mut f32,
    )
}

dispatch! {
    /// One task of an 8-bit product, as [`f32_task`].
    ///
    /// # Safety
    /// As [`f32_task`]; scales must be valid for all rows and packed columns.
    int8_task => int8_task_generic(
        task: &Task, pairs: usize, x: *const i16, row_scales: *const f32, w: *const i8, column_scales: *const f32,
        out: *mut f32, tile: *mut f32,
    )
}

/// Calls a tile of `rows` rows at most `L::ROWS`, as near to equal heights as possible.
macro_rules! tiles {
    ($lanes:ident, $total:expr, |$row:ident, $rows:ident| $call:ident($($arg:expr),*)) => {
        let total = $total;
        let count = usize::div_ceil(total, $lanes::ROWS);
        let mut $row = 0;
        for tile in 0..count {
            let $rows = (total - $row) / (count - tile);
            match $rows {
                1 => $call::<$lanes, 1>($($arg),*),
                2 => $call::<$lanes, 2>($($arg),*),
                3 => $call::<$lanes, 3>($($arg),*),
                4 => $call::<$lanes, 4>($($arg),*),
                5 => $call::<$lanes, 5>($($arg),*),
                6 => $call::<$lanes, 6>($($arg),*),
                7 => $call::<$lanes, 7>($($arg),*),
                8 => $call::<$lanes, 8>($($arg),*),
                9 => $call::<$lanes, 9>($($arg),*),
                10 => $call::<$lanes, 10>($($arg),*),
                11 => $call::<$lanes, 11>($($arg),*),
                _ => $call::<$lanes, 12>($($arg),*),
            }
            $row += $rows;
        }
    };
}

#[inline(always)]
unsafe fn f32_task_generic<L: Lanes>(
    task: &Task,
    depth: usize,
    x: *const f32,
    x_stride: usize,
    w: *const f32,
    out: *mut f32,
    tile: *mut f32,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        for panel in task.panels.clone() {
            let w = w.add(panel * depth * 2 * L::N);
            let x = x.add(task.rows.start * x_stride);
            panel_product::<L>(task.rows.len(), depth, x, x_stride, w, tile, 2 * L::N);
            finish_panel::<L>(task, panel, tile, out);
        }
    }
}

/// `tile = x · w` for one panel; `tile` has `tile_stride` numbers a row.
///
/// # Safety
/// As [`f32_task`].
#[inline(always)]
pub(super) unsafe fn panel_product<L: Lanes>(
    rows: usize,
    depth: usize,
    x: *const f32,
    x_stride: usize,
    w: *const f32,
    tile: *mut f32,
    tile_stride: usize,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        let passes = depth.div_ceil(DEPTH_BLOCK).max(1);
        let block = depth.div_ceil(passes).max(1);
        let mut k = 0;
        loop {
            let steps = block.min(depth - k);
            let w = w.add(k * 2 * L::N);
            tiles!(L, rows, |row, height| f32_tile(
                steps,
                x.add(row * x_stride + k),
                x_stride,
                w,
                tile.add(row * tile_stride),
                tile_stride,
                k == 0
            ));
            k += steps;
            if k >= depth {
                return;
            }
        }
    }
}

#[inline(always)]
unsafe fn f32_tile<L: Lanes, const R: usize>(
    steps: usize,
    x: *const f32,
    x_stride: usize,
    w: *const f32,
    tile: *mut f32,
    tile_stride: usize,
    fresh: bool,
) {
    if R > L::ROWS {
        return;
    }
    // SAFETY: as the caller of the task vouches.
    unsafe {
        let mut sums = [[L::splat(0.0); 2]; R];
        if !fresh {
            for (r, sum) in sums.iter_mut().enumerate() {
                *sum = [L::load(tile.add(r * tile_stride)), L::load(tile.add(r * tile_stride + L::N))];
            }
        }
        let mut w = w;
        // Four steps a turn: what a turn costs besides its arithmetic is shared.
        const TURN: usize = 4;
        let mut x = x;
        for _ in 0..steps / TURN {
            for k in 0..TURN {
                let columns = [L::load(w.add(2 * k * L::N)), L::load(w.add((2 * k + 1) * L::N))];
                for (r, sum) in sums.iter_mut().enumerate() {
                    let value = L::splat(*x.add(r * x_stride + k));
                    sum[0] = L::fma(value, columns[0], sum[0]);
                    sum[1] = L::fma(value, columns[1], sum[1]);
                }
            }
            w = w.add(2 * TURN * L::N);
            x = x.add(TURN);
        }
        for k in 0..steps % TURN {
            let columns = [L::load(w), L::load(w.add(L::N))];
            w = w.add(2 * L::N);
            for (r, sum) in sums.iter_mut().enumerate() {
                let value = L::splat(*x.add(r * x_stride + k));
                sum[0] = L::fma(value, columns[0], sum[0]);
                sum[1] = L::fma(value, columns[1], sum[1]);
            }
        }
        for (r, sum) in sums.iter().enumerate() {
            L::store(tile.add(r * tile_stride), sum[0]);
            L::store(tile.add(r * tile_stride + L::N), sum[1]);
        }
    }
}

#[inline(always)]
unsafe fn int8_task_generic<L: Lanes>(
    task: &Task,
    pairs: usize,
    x: *const i16,
    row_scales: *const f32,
    w: *const i8,
    column_scales: *const f32,
    out: *mut f32,
    tile: *mut f32,
) {
    // SAFETY: as the caller vouches; the tile's numbers are first whole and then real, of the same size.
    unsafe {
        let passes = pairs.div_ceil(2 * DEPTH_BLOCK).max(1);
        let block = pairs.div_ceil(passes).max(1);
        let sums = tile.cast::<i32>();
        for panel in task.panels.clone() {
            let w = w.add(panel * pairs * 4 * L::N);
            let mut k = 0;
            while k < pairs {
                let steps = block.min(pairs - k);
                let (w, x) = (w.add(k * 4 * L::N), x.add(task.rows.start * pairs * 2 + k * 2));
                tiles!(L, task.rows.len(), |row, height| int8_tile(
                    steps,
                    x.add(row * pairs * 2),
                    pairs * 2,
                    w,
                    sums.add(row * 2 * L::N),
                    k == 0
                ));
                k += steps;
            }
            let scales = [0, 1].map(|v| L::load(column_scales.add((panel * 2 + v) * L::N)));
            for row in 0..task.rows.len() {
                let row_scale = L::splat(*row_scales.add(task.rows.start + row));
                for (v, scale) in scales.into_iter().enumerate() {
                    let place = (row * 2 + v) * L::N;
                    let sum = L::to_f(L::load_i(sums.add(place)));
                    L::store(tile.add(place), L::mul(sum, L::mul(row_scale, scale)));
                }
            }
            finish_panel::<L>(task, panel, tile, out);
        }
    }
}

#[inline(always)]
unsafe fn int8_tile<L: Lanes, const R: usize>(
    steps: usize,
    x: *const i16,
    x_stride: usize,
    w: *const i8,
    tile: *mut i32,
    fresh: bool,
) {
    if R > L::ROWS {
        return;
    }
    // SAFETY: as the caller of the task vouches.
    unsafe {
        let mut sums = [[L::zero_i(); 2]; R];
        if !fresh {
            for (r, sum) in sums.iter_mut().enumerate() {
                *sum = [L::load_i(tile.add(r * 2 * L::N)), L::load_i(tile.add(r * 2 * L::N + L::N))];
            }
        }
        let mut w = w;
        for k in 0..steps {
            let columns = [L::load_pairs(w), L::load_pairs(w.add(2 * L::N))];
            w = w.add(4 * L::N);
            for (r, sum) in sums.iter_mut().enumerate() {
                let pair = L::splat_pair(x.add(r * x_stride + 2 * k));
                sum[0] = L::dot_pairs(sum[0], pair, columns[0]);
                sum[1] = L::dot_pairs(sum[1], pair, columns[1]);
            }
        }
        for (r, sum) in sums.iter().enumerate() {
            L::store_i(tile.add(r * 2 * L::N), sum[0]);
            L::store_i(tile.add(r * 2 * L::N + L::N), sum[1]);
        }
    }
}

#[inline(always)]
unsafe fn apply<L: Lanes>(function: Function, x: L::F) -> L::F {
    // SAFETY: as the caller of the task vouches.
    unsafe {
        match function {
            Function::Relu => L::max(x, L::splat(0.0)),
            Function::Gelu => super::math::gelu::<L>(x),
            Function::Silu => super::math::silu::<L>(x),
        }
    }
}

/// Writes a finished panel's tile where it belongs.
#[inline(always)]
unsafe fn finish_panel<L: Lanes>(task: &Task, panel: usize, tile: *const f32, out: *mut f32) {
    // SAFETY: as the caller of the task vouches.
    unsafe {
        let gated = matches!(task.finish, Finish::Gate(_));
        let width = if gated { L::N } else { 2 * L::N };
        let first = panel * width;
        let room = task.columns.saturating_sub(first).min(width);
        for row in 0..task.rows.len() {
            let from = tile.add(row * 2 * L::N);
            let to = out.add((task.rows.start + row) * task.out_stride + first);
            // A panel that reaches beyond the last column goes through a row of its own.
            let mut ragged = [0f32; 32];
            let target = if room == width {
                to
            } else {
                std::ptr::copy_nonoverlapping(to, ragged.as_mut_ptr(), room);
                ragged.as_mut_ptr()
            };
            let (a, b) = (L::load(from), L::load(from.add(L::N)));
            match task.finish {
                Finish::Store => {
                    L::store(target, a);
                    L::store(target.add(L::N), b);
                }
                Finish::Add => {
                    L::store(target, L::add(L::load(target), a));
                    L::store(target.add(L::N), L::add(L::load(target.add(L::N)), b));
                }
                Finish::Apply(f) => {
                    L::store(target, apply::<L>(f, a));
                    L::store(target.add(L::N), apply::<L>(f, b));
                }
                Finish::Gate(f) => L::store(target, L::mul(apply::<L>(f, a), b)),
            }
            if room != width {
                std::ptr::copy_nonoverlapping(ragged.as_ptr(), to, room);
            }
        }
    }
}

#[cfg(test)]
mod tests;
