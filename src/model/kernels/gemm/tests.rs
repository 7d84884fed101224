use super::*;

const KINDS: [Numbers; 3] = [Numbers::F32, Numbers::Int8, Numbers::Int8Fast];

fn noise(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..len).map(|_| next()).collect()
}

fn function(f: Function, x: f64) -> f64 {
    match f {
        Function::Relu => x.max(0.0),
        Function::Gelu => 0.5 * x * (1.0 + (0.797_884_560_8 * (x + 0.044_715 * x * x * x)).tanh()),
        Function::GeluErf => {
            // Φ by the trapezoid rule from −12 on.
            let density = |t: f64| (-0.5 * t * t).exp() * 0.398_942_280_401;
            let step = (x + 12.0) / 4000.0;
            let inner: f64 = (1..4000).map(|i| density(-12.0 + f64::from(i) * step)).sum();
            x * step * (inner + 0.5 * (density(-12.0) + density(x)))
        }
        Function::Silu => x / (1.0 + (-x).exp()),
    }
}

/// A row as whole numbers up to `limit`, with what one of them stands for.
fn rounded(values: &[f32], limit: f32) -> (Vec<i64>, f64) {
    let greatest = values.iter().fold(0f32, |m, v| m.max(v.abs()));
    let inverse = if greatest > 0.0 { limit / greatest } else { 0.0 };
    let whole = values.iter().map(|v| i64::from((v * inverse).round_ties_even() as i32)).collect();
    (whole, f64::from(greatest / limit))
}

/// Products as plain sums: of the numbers themselves, or of what rounding makes of both sides; and how far each may be off.
fn plain_sums(format: Format, depth: usize, x: &[f32], stride: usize, w: &[f32]) -> (Vec<Vec<f64>>, f64) {
    let rows: Vec<_> = x.chunks(stride).map(|row| &row[..depth]).collect();
    let limit = match format {
        Format::F32 => {
            let dot =
                |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            return (rows.iter().map(|row| w.chunks(depth).map(|c| dot(row, c)).collect()).collect(), 1e-5);
        }
        Format::Pairs => (i32::MAX as usize / (127 * depth)).min(32767) as f32,
        Format::Quads => 127.0,
    };
    let columns: Vec<_> = w.chunks(depth).map(|column| rounded(column, 127.0)).collect();
    let mut slack = 0f64;
    let sums = rows.iter().map(|row| {
        let (row, unit) = rounded(row, limit);
        let dots = columns.iter().map(|(column, scale)| {
            // A number that lies between two whole ones may be rounded either way.
            slack = slack.max(2.0 * f64::from(limit) * unit * scale);
            row.iter().zip(column).map(|(a, b)| a * b).sum::<i64>() as f64 * unit * scale
        });
        dots.collect()
    });
    let sums = sums.collect();
    (sums, slack + 1e-5)
}

/// Every instruction set, finish and thread count on ragged shapes, against plain sums.
#[test]
fn products_agree_with_plain_sums() {
    let shapes = [
        (1, 1, 1),
        (1, 40, 7),
        (3, 17, 300),
        (4, 33, 64),
        (7, 100, 5),
        (13, 64, 513),
        (50, 31, 33),
        (97, 48, 600),
    ];
    let finishes = [
        Finish::Store,
        Finish::Add,
        Finish::Apply(Function::Relu),
        Finish::Apply(Function::GeluErf),
        Finish::Gate(Function::Gelu),
        Finish::Gate(Function::Silu),
    ];
    for (rows, columns, depth) in shapes {
        let x = noise(rows * (depth + 3), 1);
        let w = noise(2 * columns * depth, 2);
        let start = noise(rows * (columns + 5), 3);
        let row = |n: usize, out: &mut [f32]| out.copy_from_slice(&w[n * depth..(n + 1) * depth]);
        for (isa, numbers) in Isa::all().into_iter().flat_map(|isa| KINDS.map(|kind| (isa, kind))) {
            let plain = Weights::pack(isa, columns, depth, numbers, row);
            let gated = Weights::pack_gated(isa, columns, depth, numbers, row);
            let format = Format::choose(isa, depth, numbers);
            let (dots, slack) = plain_sums(format, depth, &x, depth + 3, &w);
            for (finish, threads) in finishes.into_iter().flat_map(|finish| [(finish, 1), (finish, 3)]) {
                let weights = if matches!(finish, Finish::Gate(_)) { &gated } else { &plain };
                let mut out = start.clone();
                let (mut pool, mut scratch) = (Pool::new(threads), Scratch::default());
                weights.multiply(&mut pool, &mut scratch, rows, &x, depth + 3, &mut out, columns + 5, finish);
                for (r, n) in (0..rows).flat_map(|r| (0..columns + 5).map(move |n| (r, n))) {
                    let before = f64::from(start[r * (columns + 5) + n]);
                    // No function here is steeper than 1.2.
                    let (want, bound) = match finish {
                        _ if n >= columns => (before, 0.0),
                        Finish::Store => (dots[r][n], slack),
                        Finish::Add => (before + dots[r][n], slack),
                        Finish::Apply(f) => (function(f, dots[r][n]), 1.2 * slack),
                        Finish::Gate(f) => {
                            let (gate, up) = (dots[r][n], dots[r][columns + n]);
                            (function(f, gate) * up, slack * (1.2 * up.abs() + gate.abs() + 1.2 * slack))
                        }
                    };
                    let got = f64::from(out[r * (columns + 5) + n]);
                    assert!(
                        (got - want).abs() <= bound + 1e-5 * want.abs(),
                        "{isa:?} {rows}x{columns}x{depth} {numbers:?} {finish:?} [{r},{n}]: {got} {want}"
                    );
                }
            }
        }
    }
}

/// Wide sums of both sides as they are: how coarse each kind may be.
#[test]
fn rounding_costs_what_it_should() {
    let (rows, columns, depth) = (40, 60, 600);
    let (x, w) = (noise(rows * depth, 6), noise(columns * depth, 7));
    let row = |n: usize, out: &mut [f32]| out.copy_from_slice(&w[n * depth..][..depth]);
    let (dots, _) = plain_sums(Format::F32, depth, &x, depth, &w);
    for (isa, numbers) in Isa::all().into_iter().flat_map(|isa| KINDS.map(|kind| (isa, kind))) {
        let mut out = vec![0.0; rows * columns];
        let weights = Weights::pack(isa, columns, depth, numbers, row);
        let (mut pool, mut scratch) = (Pool::new(1), Scratch::default());
        weights.multiply(&mut pool, &mut scratch, rows, &x, depth, &mut out, columns, Finish::Store);
        let squares =
            out.iter().zip(dots.iter().flatten()).map(|(got, want)| (f64::from(*got) - want).powi(2));
        let error = (squares.sum::<f64>() / out.len() as f64).sqrt();
        // A side that is rounded to units of 0.5/127 is off by a uniform error, times the other's 0.289, over 600 places.
        let side = 0.5 / 127.0 / 12f64.sqrt() * 0.289 * 600f64.sqrt();
        let bound = match Format::choose(isa, depth, numbers) {
            Format::F32 => 1e-5,
            Format::Pairs => 1.1 * side,
            Format::Quads => 1.1 * side * 2f64.sqrt(),
        };
        assert!(error < bound, "{isa:?} {numbers:?}: {error} {bound}");
    }
}

/// Weights in a format that the processor may have no instruction for.
fn packed(isa: Isa, columns: usize, depth: usize, format: Format, w: &[f32]) -> Weights {
    let source = |column| Some(column).filter(|&c| c < columns);
    let row = |n: usize, out: &mut [f32]| out.copy_from_slice(&w[n * depth..(n + 1) * depth]);
    Weights::pack_ordered(isa, columns, depth, format, source, row)
}

/// Products of bytes equal those of the rounded numbers, at the extremes too, with and without the instruction.
#[test]
fn quads_are_exact_sums_of_rounded_numbers() {
    let wide = |isa: &Isa| isa.has_vnni() || isa.panel() == Isa::Portable.panel();
    for isa in Isa::all().into_iter().filter(wide) {
        for (rows, columns, depth) in
            [(1, 1, 1), (3, 17, 7), (14, 40, 301), (5, 33, 1200), (2, 3, MOST_QUADS)]
        {
            let mut x = noise(rows * depth, 11);
            let mut w = noise(columns * depth, 12);
            // A row and a column at the greatest magnitudes, of one sign.
            x[..depth].fill(2.0);
            w[..depth].fill(-0.5);
            let weights = packed(isa, columns, depth, Format::Quads, &w);
            let mut out = vec![0.0; rows * columns];
            let (mut pool, mut scratch) = (Pool::new(2), Scratch::default());
            weights.multiply(&mut pool, &mut scratch, rows, &x, depth, &mut out, columns, Finish::Store);
            let columns_rounded: Vec<_> = w.chunks(depth).map(|column| rounded(column, 127.0)).collect();
            for (r, row) in x.chunks(depth).enumerate() {
                let (row, row_unit) = rounded(row, 127.0);
                for (n, (column, unit)) in columns_rounded.iter().enumerate() {
                    let sum: i64 = row.iter().zip(column).map(|(a, b)| a * b).sum();
                    let want = sum as f64 * row_unit * unit;
                    // A number that lies between two whole ones may be rounded either way.
                    let bound = 1e-6 * want.abs() + 3.0 * 127.0 * row_unit * unit;
                    let got = f64::from(out[r * columns + n]);
                    assert!(
                        (got - want).abs() <= bound,
                        "{isa:?} {rows}x{columns}x{depth} [{r},{n}]: {got} {want}"
                    );
                }
            }
            assert_eq!(out[0], -(depth as f32), "{isa:?} {depth}");
        }
    }
}

/// A bias comes before everything else, on whole and ragged panels; GELU holds its accuracy far out.
#[test]
fn a_bias_is_added_first() {
    let (rows, columns, depth) = (9, 37, 20);
    let (x, w) = (noise(rows * depth, 7), noise(columns * depth, 8));
    let bias: Vec<f32> = (0..columns).map(|n| (n as f32 - 18.0) * 0.7).collect();
    let dot = |r: usize, n: usize| -> f64 {
        (0..depth).map(|k| f64::from(x[r * depth + k]) * f64::from(w[n * depth + k])).sum()
    };
    for isa in Isa::all() {
        let row = |n: usize, out: &mut [f32]| out.copy_from_slice(&w[n * depth..][..depth]);
        let weights = Weights::pack(isa, columns, depth, Numbers::F32, row).with_bias(bias.clone());
        for finish in [Finish::Store, Finish::Add, Finish::Apply(Function::GeluErf)] {
            let mut out = vec![0.25; rows * columns];
            let (mut pool, mut scratch) = (Pool::new(1), Scratch::default());
            weights.multiply(&mut pool, &mut scratch, rows, &x, depth, &mut out, columns, finish);
            for (place, got) in out.iter().enumerate() {
                let sum = dot(place / columns, place % columns) + f64::from(bias[place % columns]);
                let want = match finish {
                    Finish::Add => sum + 0.25,
                    Finish::Apply(f) => function(f, sum),
                    _ => sum,
                };
                let error = (f64::from(*got) - want).abs();
                assert!(error < 4e-6 + 4e-7 * want.abs(), "{isa:?} {finish:?} {place}: {got} {want}");
            }
        }
    }
}

/// Extreme values must not overflow: the sums of 8-bit products are exact.
#[test]
fn int8_sums_are_exact_at_the_extremes() {
    for (isa, numbers) in Isa::all().into_iter().flat_map(|isa| KINDS.map(|kind| (isa, kind))) {
        for depth in [1, 2, 63, 768, 10240] {
            let weights = Weights::pack(isa, 3, depth, numbers, |n, out| out.fill([1.0, -1.0, 0.5][n]));
            let mut out = [0.0; 3];
            let x = vec![-3.0; depth];
            weights.multiply(
                &mut Pool::new(1),
                &mut Scratch::default(),
                1,
                &x,
                depth,
                &mut out,
                3,
                Finish::Store,
            );
            for (got, want) in out.iter().zip([-3.0, 3.0, -1.5]) {
                let want = want * depth as f32;
                assert!((got - want).abs() <= 1e-5 * want.abs(), "{isa:?} {numbers:?} {depth}: {got} {want}");
            }
        }
    }
}

/// A row's result does not depend on its neighbors, nor on the threads.
#[test]
fn rows_are_independent_bit_by_bit() {
    for numbers in KINDS {
        let (rows, columns, depth) = (37, 50, 700);
        let (x, w) = (noise(rows * depth, 4), noise(columns * depth, 5));
        let weights = Weights::pack(Isa::detect(), columns, depth, numbers, |n, out| {
            out.copy_from_slice(&w[n * depth..][..depth])
        });
        let run = |threads: usize, rows: usize, x: &[f32]| {
            let mut out = vec![0.0; rows * columns];
            weights.multiply(
                &mut Pool::new(threads),
                &mut Scratch::default(),
                rows,
                x,
                depth,
                &mut out,
                columns,
                Finish::Store,
            );
            out
        };
        let all = run(2, rows, &x);
        for r in 0..rows {
            assert_eq!(run(1, 1, &x[r * depth..]), all[r * columns..(r + 1) * columns]);
        }
    }
}
