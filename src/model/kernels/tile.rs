//! The inner loops of matrix products: tiles that stay in registers, panel by panel, and what becomes of them.

#[cfg(target_arch = "x86_64")]
use super::dot::FusedPairs;
use super::dot::{Dot, Pairs, Quads};
use super::gemm::{Finish, Function};
#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Isa, Lanes, Portable, dispatch};

/// Bytes of a panel that a pass goes over: half of the nearest cache, which rows of activations share.
const PASS_BYTES: usize = 16 << 10;
/// A rectangle of outputs.
pub(in crate::model) struct Task {
    pub rows: std::ops::Range<usize>,
    pub panels: std::ops::Range<usize>,
    pub columns: usize,
    pub out_stride: usize,
    pub finish: Finish,
    /// A number for each packed column, or null.
    pub bias: *const f32,
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

/// The operands of an 8-bit product.
#[derive(Clone, Copy)]
pub(in crate::model) struct Whole {
    /// Steps along the depth.
    pub groups: usize,
    /// Rows of activations: for each step two 16-bit numbers, or four bytes.
    pub x: *const u8,
    /// What one of a row's whole numbers stands for.
    pub row_scales: *const f32,
    /// Packed weights.
    pub w: *const i8,
    /// What one of a column's whole numbers stands for.
    pub column_scales: *const f32,
    /// What each column's sum begins with; null for nothing.
    pub offsets: *const i32,
}

/// One task of an 8-bit product by [`Pairs`], as [`f32_task`].
///
/// # Safety
/// As [`f32_task`]; scales and offsets must be valid for all rows and packed columns.
pub(in crate::model) unsafe fn pairs_task(
    isa: Isa,
    task: &Task,
    whole: Whole,
    out: *mut f32,
    tile: *mut f32,
) {
    dispatch! {
        /// Without VNNI.
        ///
        /// # Safety
        /// As the outer function.
        plain => plain_generic(task: &Task, whole: Whole, out: *mut f32, tile: *mut f32)
    }
    #[inline(always)]
    unsafe fn plain_generic<L: Lanes>(task: &Task, whole: Whole, out: *mut f32, tile: *mut f32) {
        // SAFETY: as the caller vouches.
        unsafe { whole_task::<L, Pairs>(task, whole, out, tile) }
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,avxvnni")]
    unsafe fn avx2(task: &Task, whole: Whole, out: *mut f32, tile: *mut f32) {
        // SAFETY: as the caller of the outer function vouches.
        unsafe { whole_task::<Avx2, FusedPairs>(task, whole, out, tile) }
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    unsafe fn avx512(task: &Task, whole: Whole, out: *mut f32, tile: *mut f32) {
        // SAFETY: as the caller of the outer function vouches.
        unsafe { whole_task::<Avx512, FusedPairs>(task, whole, out, tile) }
    }
    // SAFETY: the instructions were detected; the rest as the caller vouches.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 if isa.has_vnni() => avx2(task, whole, out, tile),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if isa.has_vnni() => avx512(task, whole, out, tile),
            _ => plain(isa, task, whole, out, tile),
        }
    }
}

/// One task of an 8-bit product by [`Quads`], as [`pairs_task`]. Where [`Isa::has_vnni`] is false it is slow, and needs
/// panels as wide as the portable ones.
///
/// # Safety
/// As [`pairs_task`].
pub(in crate::model) unsafe fn quads_task(
    isa: Isa,
    task: &Task,
    whole: Whole,
    out: *mut f32,
    tile: *mut f32,
) {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,avxvnni")]
    unsafe fn avx2(task: &Task, whole: Whole, out: *mut f32, tile: *mut f32) {
        // SAFETY: as the caller of the outer function vouches.
        unsafe { whole_task::<Avx2, Quads>(task, whole, out, tile) }
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    unsafe fn avx512(task: &Task, whole: Whole, out: *mut f32, tile: *mut f32) {
        // SAFETY: as the caller of the outer function vouches.
        unsafe { whole_task::<Avx512, Quads>(task, whole, out, tile) }
    }
    // SAFETY: the instructions were detected; the rest as the caller vouches.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 if isa.has_vnni() => avx2(task, whole, out, tile),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 if isa.has_vnni() => avx512(task, whole, out, tile),
            _ => whole_task::<Portable, Quads>(task, whole, out, tile),
        }
    }
}

/// Calls a tile of `rows` rows at most `L::ROWS`, as near to equal heights as possible.
macro_rules! tiles {
    ($lanes:ident$(; $dot:ident)?, $total:expr, |$row:ident, $rows:ident| $call:ident($($arg:expr),*)) => {
        let total = $total;
        let count = usize::div_ceil(total, $lanes::ROWS);
        let mut $row = 0;
        for tile in 0..count {
            let $rows = (total - $row) / (count - tile);
            match $rows {
                1 => $call::<$lanes, $($dot,)? 1>($($arg),*),
                2 => $call::<$lanes, $($dot,)? 2>($($arg),*),
                3 => $call::<$lanes, $($dot,)? 3>($($arg),*),
                4 => $call::<$lanes, $($dot,)? 4>($($arg),*),
                5 => $call::<$lanes, $($dot,)? 5>($($arg),*),
                6 => $call::<$lanes, $($dot,)? 6>($($arg),*),
                7 => $call::<$lanes, $($dot,)? 7>($($arg),*),
                8 => $call::<$lanes, $($dot,)? 8>($($arg),*),
                9 => $call::<$lanes, $($dot,)? 9>($($arg),*),
                10 => $call::<$lanes, $($dot,)? 10>($($arg),*),
                11 => $call::<$lanes, $($dot,)? 11>($($arg),*),
                _ => $call::<$lanes, $($dot,)? 12>($($arg),*),
            }
            $row += $rows;
        }
    };
}

/// Does something for each of `R` rows, twelve at most, written out: so sums stay in registers however little is optimized.
macro_rules! each_row {
    ($rows:ident, |$row:ident| $body:block) => {
        each_row!($rows, |$row| $body, 0 1 2 3 4 5 6 7 8 9 10 11)
    };
    ($rows:ident, |$row:ident| $body:block, $($number:literal)*) => {
        $(
            if $number < $rows {
                let $row = $number;
                $body
            }
        )*
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
        let passes = (depth * 2 * L::N * size_of::<f32>()).div_ceil(PASS_BYTES).max(1);
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
            each_row!(R, |r| {
                sums[r] = [L::load(tile.add(r * tile_stride)), L::load(tile.add(r * tile_stride + L::N))];
            });
        }
        let mut w = w;
        let mut x = x;
        // No closure, which would be a function without the instructions that this one is compiled for.
        macro_rules! step {
            ($k:literal) => {
                let columns = [L::load(w.add(2 * $k * L::N)), L::load(w.add((2 * $k + 1) * L::N))];
                each_row!(R, |r| {
                    let value = L::splat(*x.add(r * x_stride + $k));
                    sums[r][0] = L::fma(value, columns[0], sums[r][0]);
                    sums[r][1] = L::fma(value, columns[1], sums[r][1]);
                });
            };
        }
        // Four steps a turn: what a turn costs besides its arithmetic is shared.
        for _ in 0..steps / 4 {
            step!(0);
            step!(1);
            step!(2);
            step!(3);
            w = w.add(8 * L::N);
            x = x.add(4);
        }
        for _ in 0..steps % 4 {
            step!(0);
            w = w.add(2 * L::N);
            x = x.add(1);
        }
        each_row!(R, |r| {
            L::store(tile.add(r * tile_stride), sums[r][0]);
            L::store(tile.add(r * tile_stride + L::N), sums[r][1]);
        });
    }
}

#[inline(always)]
unsafe fn whole_task<L: Lanes, D: Dot<L>>(task: &Task, whole: Whole, out: *mut f32, tile: *mut f32) {
    // SAFETY: as the caller vouches; the tile's numbers are first whole and then real, of the same size.
    unsafe {
        let Whole { groups, x, row_scales, w, column_scales, offsets } = whole;
        // A group is four bytes of a row, whether two numbers or four.
        let stride = groups * 4;
        let passes = (groups * D::GROUP * 2 * L::N).div_ceil(PASS_BYTES).max(1);
        let block = groups.div_ceil(passes).max(1);
        let sums = tile.cast::<i32>();
        for panel in task.panels.clone() {
            let w = w.add(panel * groups * D::GROUP * 2 * L::N);
            let begin = if offsets.is_null() { offsets } else { offsets.add(panel * 2 * L::N) };
            let mut k = 0;
            while k < groups {
                let steps = block.min(groups - k);
                let (w, x) = (w.add(k * D::GROUP * 2 * L::N), x.add(task.rows.start * stride + k * 4));
                tiles!(L; D, task.rows.len(), |row, height| whole_tile(
                    steps,
                    x.add(row * stride),
                    stride,
                    w,
                    sums.add(row * 2 * L::N),
                    k == 0,
                    begin
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
unsafe fn whole_tile<L: Lanes, D: Dot<L>, const R: usize>(
    steps: usize,
    x: *const u8,
    x_stride: usize,
    w: *const i8,
    tile: *mut i32,
    fresh: bool,
    offsets: *const i32,
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
        } else if !offsets.is_null() {
            sums = [[L::load_i(offsets), L::load_i(offsets.add(L::N))]; R];
        }
        let mut w = w;
        for k in 0..steps {
            let columns = [D::weights(w), D::weights(w.add(D::GROUP * L::N))];
            w = w.add(D::GROUP * 2 * L::N);
            for (r, sum) in sums.iter_mut().enumerate() {
                let activations = L::splat_pair(x.add(r * x_stride + 4 * k).cast());
                sum[0] = D::dot(sum[0], activations, columns[0]);
                sum[1] = D::dot(sum[1], activations, columns[1]);
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
            Function::GeluErf => super::math::gelu_erf::<L>(x),
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
        let bias = (!task.bias.is_null()).then(|| [0, L::N].map(|v| L::load(task.bias.add(first + v))));
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
            let (mut a, mut b) = (L::load(from), L::load(from.add(L::N)));
            if let Some(bias) = bias {
                (a, b) = (L::add(a, bias[0]), L::add(b, bias[1]));
            }
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
