//! The inner loops in plain Rust.

use super::{IntegerPanel, IntegerRow, LANES, Weight};

pub fn integer_tile<const R: usize>(
    panel: &IntegerPanel<'_>,
    rows: [IntegerRow<'_>; R],
) -> [[f32; LANES]; R] {
    rows.map(|row| {
        let mut totals = [0.0_f32; LANES];
        for (group, values) in row.integers.chunks_exact(panel.group).enumerate() {
            let sum: i32 = row.sums[group * panel.group / 16..(group + 1) * panel.group / 16].iter().sum();
            let mut products = [-panel.center * sum; LANES];
            for (step, values) in values.chunks_exact(4).enumerate() {
                let step = group * panel.group / 4 + step;
                let (at, shift) = if panel.nibbles { (step / 2 * 32, step % 2 * 4) } else { (step * 32, 0) };
                for (product, bytes) in products.iter_mut().zip(panel.integers[at..at + 32].chunks_exact(4)) {
                    for (&byte, &value) in bytes.iter().zip(values) {
                        let weight = match (panel.nibbles, panel.signed) {
                            (true, _) => i32::from(byte >> shift & 15),
                            (_, true) => i32::from(byte.cast_signed()),
                            _ => i32::from(byte),
                        };
                        *product += weight * i32::from(value);
                    }
                }
            }
            let scale = row.scales[group * panel.group / 32];
            for lane in 0..LANES {
                totals[lane] += products[lane] as f32 * scale * panel.scales[group * LANES + lane];
                if !panel.offsets.is_empty() {
                    totals[lane] += panel.offsets[group * LANES + lane] * (scale * sum as f32);
                }
            }
        }
        totals
    })
}

pub fn float_tile<const R: usize, T: Weight>(
    weights: &[T],
    stride: usize,
    rows: [&[f32]; R],
) -> [[f32; LANES]; R] {
    let mut totals = [[0.0; LANES]; R];
    let depth = rows.first().map_or(0, |row| row.len());
    for index in 0..depth {
        let step: [f32; LANES] = std::array::from_fn(|lane| weights[index * stride + lane].number());
        for (total, row) in totals.iter_mut().zip(&rows) {
            for lane in 0..LANES {
                total[lane] += row[index] * step[lane];
            }
        }
    }
    totals
}
