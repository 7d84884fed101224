//! What happens to rows between the large products: norms, gates, softmax.

use std::sync::OnceLock;

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::kernel::Level;

/// Divides a row by the root of its mean square and multiplies with weights.
pub fn normalize(row: &mut [f32], weights: &[f32], epsilon: f32) {
    // Eight partial sums in double precision: exact enough that their order does not matter, and quick.
    let mut sums = [0.0_f64; 8];
    for values in row.chunks(8) {
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum += f64::from(value * value);
        }
    }
    let mean = (sums.iter().sum::<f64>() / row.len() as f64) as f32;
    let scale = 1.0 / (mean + epsilon).sqrt();
    for (value, weight) in row.iter_mut().zip(weights) {
        *value = *value * scale * weight;
    }
}

/// `gate` becomes silu(gate) × up.
pub fn silu_gate(level: Level, gate: &mut [f32], up: &[f32]) {
    #[inline(always)]
    fn run(gate: &mut [f32], up: &[f32]) {
        for (gate, up) in gate.iter_mut().zip(up) {
            *gate = *gate / (1.0 + exp(-*gate)) * up;
        }
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn run_avx2(gate: &mut [f32], up: &[f32]) {
        run(gate, up);
    }
    match level {
        Level::Portable => run(gate, up),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level was detected on this processor.
        Level::Avx2 | Level::Vnni => unsafe { run_avx2(gate, up) },
    }
}

/// `gate` becomes gelu(gate) × up, by the tanh formula through a table in half precision, as llama.cpp has it.
pub fn gelu_gate(gate: &mut [f32], up: &[f32]) {
    static TABLE: OnceLock<Vec<f32>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let gelu = |bits: u16| {
            let x = f16::from_bits(bits).to_f32();
            let inner = (2.0 / std::f32::consts::PI).sqrt() * x * (1.0 + 0.044_715 * x * x);
            f16::from_f32(0.5 * x * (1.0 + inner.tanh())).to_f32()
        };
        (0..=u16::MAX).map(gelu).collect()
    });
    let mut halves = [f16::ZERO; 256];
    for (gate, up) in gate.chunks_mut(256).zip(up.chunks(256)) {
        let halves = &mut halves[..gate.len()];
        halves.convert_from_f32_slice(gate);
        for ((gate, up), half) in gate.iter_mut().zip(up).zip(halves) {
            let value = match *gate {
                value if value <= -10.0 => 0.0,
                value if value >= 10.0 => value,
                _ => table[half.to_bits() as usize],
            };
            *gate = value * up;
        }
    }
}

/// Scores × scale to probabilities.
pub fn softmax(level: Level, scores: &mut [f32], scale: f32) {
    #[inline(always)]
    fn run(scores: &mut [f32], scale: f32) {
        let mut largest = [f32::NEG_INFINITY; 8];
        for values in scores.chunks(8) {
            for (largest, &value) in largest.iter_mut().zip(values) {
                *largest = if value > *largest { value } else { *largest };
            }
        }
        let largest = largest.into_iter().fold(f32::NEG_INFINITY, f32::max) * scale;
        let mut sums = [0.0_f32; 8];
        for values in scores.chunks_mut(8) {
            for (value, sum) in values.iter_mut().zip(&mut sums) {
                *value = exp(*value * scale - largest);
                *sum += *value;
            }
        }
        let total = 1.0 / sums.iter().sum::<f32>();
        scores.iter_mut().for_each(|value| *value *= total);
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn run_avx2(scores: &mut [f32], scale: f32) {
        run(scores, scale);
    }
    match level {
        Level::Portable => run(scores, scale),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level was detected on this processor.
        Level::Avx2 | Level::Vnni => unsafe { run_avx2(scores, scale) },
    }
}

/// ln Σ e^logit.
pub fn log_sum_exp(level: Level, logits: &[f32], largest: f32) -> f32 {
    #[inline(always)]
    fn run(logits: &[f32], largest: f32) -> f32 {
        // Blocks are summed in single precision and added up in double, since vocabularies are long.
        let mut total = 0.0_f64;
        for block in logits.chunks(1024) {
            let mut sums = [0.0_f32; 8];
            for values in block.chunks(8) {
                for (sum, &value) in sums.iter_mut().zip(values) {
                    *sum += exp(value - largest);
                }
            }
            total += f64::from(sums.iter().sum::<f32>());
        }
        largest + total.ln() as f32
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn run_avx2(logits: &[f32], largest: f32) -> f32 {
        run(logits, largest)
    }
    match level {
        Level::Portable => run(logits, largest),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level was detected on this processor.
        Level::Avx2 | Level::Vnni => unsafe { run_avx2(logits, largest) },
    }
}

/// e^x within about two units in the last place, 0 below -87; without branches or calls, so that loops of it are
/// vectorized.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0; // 1.5 × 2^23
    let x = x.clamp(-87.3, 88.0);
    // x = whole × ln 2 + rest
    let shifted = x * std::f32::consts::LOG2_E + SHIFT;
    let whole = shifted - SHIFT;
    let rest = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let mut sum = 1.0 / 5040.0;
    for factor in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = sum * rest + factor;
    }
    // The low bits of `shifted` are the whole number; a power of two has it, plus 127, as its exponent.
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    sum * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_close_to_the_exact_one() {
        for step in -8700..8800 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= exact * 3e-7, "{x}: {} {exact}", exp(x));
        }
        assert!(exp(f32::NEG_INFINITY) < 1e-37);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn gates_follow_their_formulas() {
        let inputs: Vec<f32> = (-3000..3000).map(|step| step as f32 / 100.0).collect();
        let ups = vec![2.0; inputs.len()];
        let (mut silu, mut gelu) = (inputs.clone(), inputs.clone());
        silu_gate(Level::detect(), &mut silu, &ups);
        gelu_gate(&mut gelu, &ups);
        for ((&x, silu), gelu) in inputs.iter().zip(silu).zip(gelu) {
            let x = f64::from(x);
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            let silu_error = (f64::from(silu) - 2.0 * x / (1.0 + (-x).exp())).abs();
            assert!(silu_error <= x.abs() * 1e-5 + 1e-9, "{x}: {silu}");
            // The table's input and output are rounded to half precision.
            let gelu_error = (f64::from(gelu) - x * (1.0 + inner.tanh())).abs();
            assert!(gelu_error <= x.abs() * 2.5e-3 + 1e-6, "{x}: {gelu}");
        }
    }

    #[test]
    fn probabilities_add_up_whatever_the_length() {
        for length in 1..40 {
            let mut scores: Vec<f32> = (0..length).map(|index| (index * 7 % 11) as f32).collect();
            softmax(Level::detect(), &mut scores, 0.5);
            assert!((scores.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
    }
}
