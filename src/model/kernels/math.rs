//! Row by row: exponentials, norms, softmax, quantization, the best of a row.

use super::simd::{Isa, Lanes, dispatch};

/// e^x, within a few units in the last place; no less than e^-87.3 (about 1e-38) and no more than e^88.
#[inline(always)]
pub(super) unsafe fn exp<L: Lanes>(x: L::F) -> L::F {
    // SAFETY: as the caller vouches for the instruction set.
    unsafe {
        let low = L::splat(-87.3);
        let x = L::min(L::max(x, low), L::splat(88.0));
        let n = L::round(L::mul(x, L::splat(std::f32::consts::LOG2_E)));
        // ln 2 in two parts, so that the remainder keeps its digits.
        let r = L::fma(n, L::splat(-0.693_359_4), x);
        let r = L::fma(n, L::splat(2.121_944_4e-4), r);
        let mut p = L::splat(1.987_569_1e-4);
        for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_6e-1, 0.5] {
            p = L::fma(p, r, L::splat(c));
        }
        let p = L::fma(L::mul(p, r), r, L::add(r, L::splat(1.0)));
        L::mul(p, L::exp2_whole(n))
    }
}

/// GELU in its tanh form, as x · sigmoid(2u).
#[inline(always)]
pub(super) unsafe fn gelu<L: Lanes>(x: L::F) -> L::F {
    // SAFETY: as the caller vouches for the instruction set.
    unsafe {
        let cube = L::mul(L::mul(x, x), x);
        let u = L::mul(L::fma(cube, L::splat(0.044_715), x), L::splat(-2.0 * 0.797_884_6));
        L::div(x, L::add(L::splat(1.0), exp::<L>(u)))
    }
}

/// GELU as x · Φ(x), the normal distribution within 2e-7.
///
/// Φ(x) − ½ is x · p(x²) / q(x²), fitted to least greatest error up to 5.45, beyond which Φ is 0 or 1 in `f32`.
#[inline(always)]
pub(super) unsafe fn gelu_erf<L: Lanes>(x: L::F) -> L::F {
    // SAFETY: as the caller vouches for the instruction set.
    unsafe {
        let near = L::min(L::max(x, L::splat(-5.45)), L::splat(5.45));
        let t = L::mul(near, near);
        let mut p = L::splat(2.310_355_7e-8);
        for c in [6.342_654e-6, 1.655_462_5e-4, 4.657_845e-3, 3.351_820_3e-2, 3.989_422_6e-1] {
            p = L::fma(p, t, L::splat(c));
        }
        let mut q = L::splat(1.207_083e-6);
        for c in [7.265_93e-5, 1.865_989e-3, 2.845_715_5e-2, 2.506_838_5e-1, 1.0] {
            q = L::fma(q, t, L::splat(c));
        }
        let share = L::fma(near, L::div(p, q), L::splat(0.5));
        L::mul(x, L::max(share, L::splat(0.0)))
    }
}

/// x · sigmoid(x).
#[inline(always)]
pub(super) unsafe fn silu<L: Lanes>(x: L::F) -> L::F {
    // SAFETY: as the caller vouches for the instruction set.
    unsafe { L::div(x, L::add(L::splat(1.0), exp::<L>(L::sub(L::splat(0.0), x)))) }
}

dispatch! {
    /// `out = x / sqrt(mean(x²) + epsilon) · weight · factor` over one row.
    ///
    /// # Safety
    /// All three pointers must be valid for `len` numbers.
    norm_row => norm_row_generic(
        x: *const f32, weight: *const f32, out: *mut f32, len: usize, epsilon: f32, factor: f32,
    )
}

#[inline(always)]
unsafe fn norm_row_generic<L: Lanes>(
    x: *const f32,
    weight: *const f32,
    out: *mut f32,
    len: usize,
    epsilon: f32,
    factor: f32,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        let whole = len / L::N * L::N;
        let mut sums = [L::splat(0.0); 4];
        for (turn, i) in (0..whole).step_by(L::N).enumerate() {
            let v = L::load(x.add(i));
            sums[turn % 4] = L::fma(v, v, sums[turn % 4]);
        }
        let mut square = L::sum(L::add(L::add(sums[0], sums[1]), L::add(sums[2], sums[3])));
        for i in whole..len {
            square += *x.add(i) * *x.add(i);
        }
        let scale = factor / (square / len as f32 + epsilon).sqrt();
        for i in (0..whole).step_by(L::N) {
            let v = L::mul(L::load(x.add(i)), L::splat(scale));
            L::store(out.add(i), L::mul(v, L::load(weight.add(i))));
        }
        for i in whole..len {
            *out.add(i) = *x.add(i) * scale * *weight.add(i);
        }
    }
}

dispatch! {
    /// `out = (x − mean(x)) / sqrt(variance(x) + epsilon) · weight + bias` over one row; `out` may be `x`.
    ///
    /// # Safety
    /// All four pointers must be valid for `len` numbers.
    layer_norm_row => layer_norm_row_generic(
        x: *const f32, weight: *const f32, bias: *const f32, out: *mut f32, len: usize, epsilon: f32,
    )
}

#[inline(always)]
unsafe fn layer_norm_row_generic<L: Lanes>(
    x: *const f32,
    weight: *const f32,
    bias: *const f32,
    out: *mut f32,
    len: usize,
    epsilon: f32,
) {
    // SAFETY: as the caller vouches; `out` is written only where `x` has been read.
    unsafe {
        let whole = len / L::N * L::N;
        let mut sums = [L::splat(0.0); 4];
        for (turn, i) in (0..whole).step_by(L::N).enumerate() {
            sums[turn % 4] = L::add(L::load(x.add(i)), sums[turn % 4]);
        }
        let mut sum = L::sum(L::add(L::add(sums[0], sums[1]), L::add(sums[2], sums[3])));
        for i in whole..len {
            sum += *x.add(i);
        }
        let mean = sum / len as f32;
        // The squares of differences in a second pass: those of the numbers themselves would lose digits.
        let mut squares = [L::splat(0.0); 4];
        for (turn, i) in (0..whole).step_by(L::N).enumerate() {
            let v = L::sub(L::load(x.add(i)), L::splat(mean));
            squares[turn % 4] = L::fma(v, v, squares[turn % 4]);
        }
        let mut square = L::sum(L::add(L::add(squares[0], squares[1]), L::add(squares[2], squares[3])));
        for i in whole..len {
            square += (*x.add(i) - mean) * (*x.add(i) - mean);
        }
        let scale = 1.0 / (square / len as f32 + epsilon).sqrt();
        for i in (0..whole).step_by(L::N) {
            let v = L::mul(L::sub(L::load(x.add(i)), L::splat(mean)), L::splat(scale));
            L::store(out.add(i), L::fma(v, L::load(weight.add(i)), L::load(bias.add(i))));
        }
        for i in whole..len {
            *out.add(i) = (*x.add(i) - mean) * scale * *weight.add(i) + *bias.add(i);
        }
    }
}

dispatch! {
    /// Rounds a row to whole numbers from `-limit` to `limit`; what one of them stands for.
    ///
    /// # Safety
    /// Both pointers must be valid for `len` numbers.
    quantize_row => quantize_row_generic(x: *const f32, len: usize, limit: f32, out: *mut i16) -> f32
}

#[inline(always)]
unsafe fn quantize_row_generic<L: Lanes>(x: *const f32, len: usize, limit: f32, out: *mut i16) -> f32 {
    // SAFETY: as the caller vouches.
    unsafe {
        let row = std::slice::from_raw_parts(x, len);
        let out = std::slice::from_raw_parts_mut(out, len);
        let greatest = greatest_magnitude(row);
        let inverse = if greatest > 0.0 { limit / greatest } else { 0.0 };
        for (o, x) in out.iter_mut().zip(row) {
            // Adding 1.5 · 2²³ rounds to a whole number in the lowest bits.
            let bits = (x * inverse + 12_582_912.0).to_bits();
            *o = bits as i16;
        }
        greatest / limit
    }
}

dispatch! {
    /// Rounds a row to bytes: whole numbers from -127 to 127, plus 128; what one of them stands for.
    ///
    /// # Safety
    /// Both pointers must be valid for `len` numbers.
    quantize_bytes => quantize_bytes_generic(x: *const f32, len: usize, out: *mut u8) -> f32
}

#[inline(always)]
unsafe fn quantize_bytes_generic<L: Lanes>(x: *const f32, len: usize, out: *mut u8) -> f32 {
    // SAFETY: as the caller vouches.
    unsafe {
        let row = std::slice::from_raw_parts(x, len);
        let greatest = greatest_magnitude(row);
        let inverse = if greatest > 0.0 { 127.0 / greatest } else { 0.0 };
        for (i, x) in row.iter().enumerate() {
            // As above; the lowest byte of the sum with 128 is never below 1.
            let bits = (x * inverse + (12_582_912.0 + 128.0)).to_bits();
            out.add(i).write(bits as u8);
        }
        greatest / 127.0
    }
}

/// The greatest of a row's magnitudes.
#[inline(always)]
fn greatest_magnitude(row: &[f32]) -> f32 {
    let (chunks, rest) = row.as_chunks::<16>();
    let mut greatest = [0f32; 16];
    for chunk in chunks {
        for (g, x) in greatest.iter_mut().zip(chunk) {
            let x = x.abs();
            *g = if x > *g { x } else { *g };
        }
    }
    greatest.iter().chain(rest).fold(0f32, |m, x| m.max(x.abs()))
}

#[cfg(test)]
dispatch! {
    /// [`exp_row_generic`] by itself, for tests.
    ///
    /// # Safety
    /// As there.
    exp_row => exp_row_generic(row: *mut f32, bias: *const f32, len: usize, padded: usize) -> f32
}

/// Turns a row of scores into e^(score − greatest), after adding `bias` where there is one; places from `len` to
/// `padded` become 0. Returns the sum.
///
/// # Safety
/// `row` must be valid for `padded` numbers, a multiple of a panel; `bias` null or valid for `len`.
#[inline(always)]
pub(super) unsafe fn exp_row_generic<L: Lanes>(
    row: *mut f32,
    bias: *const f32,
    len: usize,
    padded: usize,
) -> f32 {
    // SAFETY: as the caller vouches.
    unsafe {
        let whole = len / L::N * L::N;
        let mut greatest = L::splat(f32::NEG_INFINITY);
        for i in (0..whole).step_by(L::N) {
            let mut v = L::load(row.add(i));
            if !bias.is_null() {
                v = L::add(v, L::load(bias.add(i)));
                L::store(row.add(i), v);
            }
            greatest = L::max(v, greatest);
        }
        let mut top = L::greatest(greatest);
        for i in whole..len {
            if !bias.is_null() {
                *row.add(i) += *bias.add(i);
            }
            top = top.max(*row.add(i));
        }
        // Beyond the end: so low that their exponentials are written off below.
        for i in len..padded {
            *row.add(i) = top;
        }
        let top_all = L::splat(top);
        let mut sum = L::splat(0.0);
        for i in (0..whole).step_by(L::N) {
            let e = exp::<L>(L::sub(L::load(row.add(i)), top_all));
            L::store(row.add(i), e);
            sum = L::add(sum, e);
        }
        let mut total = L::sum(sum);
        if whole < len {
            let e = exp::<L>(L::sub(L::load(row.add(whole)), top_all));
            for (i, e) in L::array(e)[..L::N].iter().enumerate().take(len - whole) {
                *row.add(whole + i) = *e;
                total += e;
            }
        }
        for i in len..padded {
            *row.add(i) = 0.0;
        }
        total
    }
}

dispatch! {
    /// Σ e^(x − greatest) of a row, and the greatest.
    ///
    /// # Safety
    /// `row` must be valid for `len` numbers.
    sum_exp => sum_exp_generic(row: *const f32, len: usize) -> (f32, f32)
}

#[inline(always)]
unsafe fn sum_exp_generic<L: Lanes>(row: *const f32, len: usize) -> (f32, f32) {
    // SAFETY: as the caller vouches.
    unsafe {
        let whole = len / L::N * L::N;
        let mut greatest = L::splat(f32::NEG_INFINITY);
        for i in (0..whole).step_by(L::N) {
            greatest = L::max(L::load(row.add(i)), greatest);
        }
        let mut top = L::greatest(greatest);
        for i in whole..len {
            top = top.max(*row.add(i));
        }
        let all = L::splat(top);
        let mut sum = L::splat(0.0);
        for i in (0..whole).step_by(L::N) {
            sum = L::add(sum, exp::<L>(L::sub(L::load(row.add(i)), all)));
        }
        let mut total = L::sum(sum);
        for i in whole..len {
            total += (*row.add(i) - top).exp();
        }
        (total, top)
    }
}

dispatch! {
    /// Calls `found` with each place whose number is above `bound`, in order; `found` returns the new bound.
    ///
    /// # Safety
    /// `row` must be valid for `len` numbers.
    above => above_generic(row: *const f32, len: usize, bound: f32, found: &mut dyn FnMut(usize, f32) -> f32)
}

#[inline(always)]
unsafe fn above_generic<L: Lanes>(
    row: *const f32,
    len: usize,
    mut bound: f32,
    found: &mut dyn FnMut(usize, f32) -> f32,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        let whole = len / L::N * L::N;
        for i in (0..whole).step_by(L::N) {
            if L::any_above(L::load(row.add(i)), L::splat(bound)) {
                for place in i..i + L::N {
                    if *row.add(place) > bound {
                        bound = found(place, *row.add(place));
                    }
                }
            }
        }
        for place in whole..len {
            if *row.add(place) > bound {
                bound = found(place, *row.add(place));
            }
        }
    }
}

/// Safe form of [`sum_exp`] as ln Σ e^x.
pub fn log_sum_exp(isa: Isa, row: &[f32]) -> f32 {
    // SAFETY: the slice is valid for its length.
    let (sum, top) = unsafe { sum_exp(isa, row.as_ptr(), row.len()) };
    top + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize, seed: u32, span: f32) -> Vec<f32> {
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state as f32 / u32::MAX as f32 - 0.5) * span
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn rows_agree_with_plain_arithmetic_on_every_instruction_set() {
        for isa in Isa::all() {
            for len in [1, 7, 8, 9, 16, 31, 100, 513] {
                let x = noise(len, len as u32, 40.0);
                let bias = noise(len, 99, 5.0);
                let padded = len.next_multiple_of(32);
                let mut row = x.clone();
                row.resize(padded, 7.0);
                // SAFETY: lengths as made above.
                let sum = unsafe { exp_row(isa, row.as_mut_ptr(), bias.as_ptr(), len, padded) };
                let scores: Vec<f64> = x.iter().zip(&bias).map(|(a, b)| f64::from(a + b)).collect();
                let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let exact: Vec<f64> = scores.iter().map(|s| (s - top).exp()).collect();
                for ((got, want), score) in row.iter().zip(&exact).zip(&scores) {
                    // The difference itself is rounded, the more the larger its parts are.
                    let relative = 4e-7 + 2e-7 * (top.abs() + score.abs());
                    let error = (f64::from(*got) - want).abs();
                    assert!(error <= relative * want + 2e-38, "{isa:?} {len}: {got} {want}");
                }
                assert!(row[len..].iter().all(|v| *v == 0.0));
                assert!((f64::from(sum) / exact.iter().sum::<f64>() - 1.0).abs() < 1e-5);

                let log = f64::from(log_sum_exp(isa, &x));
                let direct = x.iter().map(|v| f64::from(*v).exp()).sum::<f64>().ln();
                assert!((log - direct).abs() < 1e-5, "{log} {direct}");

                let mut normed = vec![0.0; len];
                // SAFETY: lengths as made above.
                unsafe { norm_row(isa, x.as_ptr(), bias.as_ptr(), normed.as_mut_ptr(), len, 1e-6, 0.5) };
                let mean = x.iter().map(|v| f64::from(v * v)).sum::<f64>() / len as f64;
                for i in 0..len {
                    let want = f64::from(x[i]) / (mean + 1e-6).sqrt() * f64::from(bias[i]) * 0.5;
                    assert!((f64::from(normed[i]) - want).abs() < 1e-5 * want.abs() + 1e-7);
                }

                let shift = noise(len, 5, 1.0);
                let mut rows = x.clone();
                let pointer = rows.as_mut_ptr();
                // SAFETY: lengths as made above; in place, as is allowed.
                unsafe { layer_norm_row(isa, pointer, bias.as_ptr(), shift.as_ptr(), pointer, len, 1e-6) };
                let mean = x.iter().copied().map(f64::from).sum::<f64>() / len as f64;
                let variance = x.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / len as f64;
                for i in 0..len {
                    let normed = (f64::from(x[i]) - mean) / (variance + 1e-6).sqrt();
                    let want = normed * f64::from(bias[i]) + f64::from(shift[i]);
                    assert!((f64::from(rows[i]) - want).abs() < 2e-5, "{isa:?} {len}: {} {want}", rows[i]);
                }

                let mut seen = Vec::new();
                // SAFETY: lengths as made above.
                unsafe {
                    above(isa, x.as_ptr(), len, 3.0, &mut |place, _| {
                        seen.push(place);
                        3.0
                    });
                }
                assert_eq!(seen, (0..len).filter(|&i| x[i] > 3.0).collect::<Vec<_>>());

                let mut whole = vec![0i16; len];
                // SAFETY: lengths as made above.
                let unit = unsafe { quantize_row(isa, x.as_ptr(), len, 8000.0, whole.as_mut_ptr()) };
                for (q, v) in whole.iter().zip(&x) {
                    assert!((f32::from(*q) * unit - v).abs() <= 0.51 * unit, "{q} {unit} {v}");
                }
            }
        }
    }
}
