use super::*;

/// A small generator of numbers (Marsaglia's xorshift), so that tests need no seed from outside.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn float(&mut self) -> f32 {
        (self.next() % 20_001) as f32 / 10_000.0 - 1.0
    }
}

#[test]
fn both_ways_of_computing_agree_at_the_extremes_of_every_kind() {
    let mut numbers = Numbers(9);
    let columns = 512;
    for (nibbles, signed, group, largest, center) in [
        (true, false, 32, 15, 8),
        (false, true, 32, 127, 0),
        (false, false, 32, 31, 16),
        (false, false, 16, 63, 32),
    ] {
        for extreme in [true, false] {
            let bytes = if nibbles { columns * 4 } else { columns * 8 };
            let mut byte = || match (extreme, nibbles, signed) {
                (true, true, _) => 0xff,
                (true, _, true) => {
                    if numbers.next().is_multiple_of(2) {
                        127
                    } else {
                        129
                    }
                }
                (true, ..) => largest,
                (_, true, _) => numbers.next() as u8,
                (_, _, true) => (numbers.next() % 255) as u8 ^ 0x80,
                _ => (numbers.next() % (u64::from(largest) + 1)) as u8,
            };
            let integers: Vec<u8> =
                (0..bytes).map(|_| byte()).map(|b| if signed && b == 128 { 0 } else { b }).collect();
            let scales: Vec<f32> = (0..columns / group * LANES).map(|_| numbers.float()).collect();
            let offsets: Vec<f32> = scales.iter().map(|_| numbers.float()).collect();
            let panel = IntegerPanel {
                integers: &integers,
                nibbles,
                signed,
                group,
                center,
                scales: &scales,
                offsets: &offsets,
            };
            let values: Vec<i8> = (0..columns)
                .map(|_| if extreme { 127 } else { (numbers.next() % 255) as i16 as i8 })
                .collect();
            let values: Vec<i8> = values.into_iter().map(|value| value.max(-127)).collect();
            let row_scales: Vec<f32> = (0..columns / 32).map(|_| numbers.float()).collect();
            let sums: Vec<i32> = values.chunks(16).map(|v| v.iter().map(|&x| i32::from(x)).sum()).collect();
            let row = IntegerRow { integers: &values, scales: &row_scales, sums: &sums };
            let plain = integer_tile(Level::Portable, &panel, [row; 2]);
            let best = integer_tile(Level::detect(), &panel, [row; 2]);
            let alone = integer_tile(Level::detect(), &panel, [row; 1]);
            #[cfg(target_arch = "x86_64")]
            if Level::detect() != Level::Portable {
                // SAFETY: the processor has what the loops need, and the lengths passed the checks above.
                let (emulated, older) =
                    unsafe { (vnni::emulated_tile(&panel, [row; 2]), avx2::integer_tile(&panel, [row; 2])) };
                assert_eq!(emulated, older, "the loop for VNNI: {nibbles} {signed} {group} {extreme}");
            }
            assert_eq!(best[0], best[1]);
            assert_eq!(best[0], alone[0], "rows side by side change nothing");
            let size: f32 = plain[0].iter().fold(1.0, |most, value| most.max(value.abs()));
            for (plain, best) in plain[0].iter().zip(best[0]) {
                assert!(
                    (plain - best).abs() <= size * 1e-4,
                    "{plain} {best} {nibbles} {signed} {group} {extreme}"
                );
            }
        }
    }
}

#[test]
fn floats_agree_with_a_plain_sum() {
    let mut numbers = Numbers(5);
    for depth in [0, 1, 7, 64] {
        let stride = 24;
        let weights: Vec<f32> = (0..depth * stride + LANES).map(|_| numbers.float()).collect();
        let halves: Vec<f16> = weights.iter().map(|&weight| f16::from_f32(weight)).collect();
        let row: Vec<f32> = (0..depth).map(|_| numbers.float()).collect();
        for level in [Level::Portable, Level::detect()] {
            let wide = float_tile(level, &weights, stride, [row.as_slice(); 4]);
            let half = float_tile(level, &halves, stride, [row.as_slice(); 1]);
            for lane in 0..LANES {
                let exact: f64 =
                    (0..depth).map(|i| f64::from(row[i]) * f64::from(weights[i * stride + lane])).sum();
                assert!((f64::from(wide[3][lane]) - exact).abs() < 1e-5);
                assert!((f64::from(half[0][lane]) - exact).abs() < 1e-2);
            }
        }
    }
}

#[test]
fn quantizing_loses_half_a_step_at_most() {
    let mut numbers = Numbers(77);
    for group in [32, 256] {
        let mut row: Vec<f32> = (0..512).map(|_| numbers.float() * 3.0).collect();
        row[256..].fill(0.0);
        let (mut integers, mut scales, mut sums) = (vec![0; 512], vec![0.0; 16], vec![0; 32]);
        quantize(&row, group, &mut integers, &mut scales, &mut sums);
        for (index, (&value, &integer)) in row.iter().zip(&integers).enumerate() {
            let scale = scales[index / 32];
            assert!(
                (value - scale * f32::from(integer)).abs() <= scale.abs() * 0.57,
                "{value} {integer} {scale}"
            );
        }
        assert_eq!(sums[3], integers[48..64].iter().map(|&i| i32::from(i)).sum::<i32>());
    }
    let mut infinite = vec![0.5; 32];
    infinite[3] = f32::INFINITY;
    let (mut integers, mut scales, mut sums) = (vec![0; 32], vec![0.0; 1], vec![0; 2]);
    quantize(&infinite, 32, &mut integers, &mut scales, &mut sums);
    assert!(scales[0].is_nan(), "a row that has lost its sense is seen as such");
}
