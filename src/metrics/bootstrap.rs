//! Seeded bootstrap intervals (B. Efron 1979, percentile method) over anything that is computed from chosen samples.
//!
//! Each resample draws from its own ChaCha stream, so the result depends on the seed alone: neither on the platform nor
//! on how many threads work.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

/// How intervals are estimated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// How many times the samples are drawn anew.
    pub resamples: u32,
    /// Names the draws; equal seeds give equal intervals.
    pub seed: u64,
    /// How much of the resampled figures an interval holds, between 0 and 1.
    pub level: f64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 1_000, seed: 0, level: 0.95 }
    }
}

/// Where a figure lies in most resamples.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Bootstrap {
    /// Intervals of `figures` figures over `samples` samples; `compute` gets the samples' numbers drawn, with repeats,
    /// and gives the figures. Empty if there is nothing to draw from or to draw.
    pub(super) fn intervals(
        &self,
        samples: usize,
        figures: usize,
        compute: impl Fn(&[u32]) -> Vec<f64> + Sync,
    ) -> Vec<Interval> {
        let drawn = self.resampled(samples, |chosen| Some(compute(chosen)));
        (0..figures)
            .filter_map(|figure| {
                self.interval(drawn.iter().filter_map(|row| row.get(figure).copied()).collect())
            })
            .collect()
    }

    /// What `compute` makes of each resample's numbers, with repeats, of `samples` samples. Empty if there is nothing
    /// to draw from or to draw, or `compute` has no result.
    pub(super) fn resampled<T: Send>(
        &self,
        samples: usize,
        compute: impl Fn(&[u32]) -> Option<T> + Sync,
    ) -> Vec<T> {
        let Some(count) = u32::try_from(samples).ok().filter(|&count| count > 0) else { return Vec::new() };
        let drawn = (0..self.resamples).into_par_iter().map_init(Vec::new, |chosen, resample| {
            draw(self.seed, resample, count, chosen);
            compute(chosen)
        });
        drawn.collect::<Option<Vec<T>>>().unwrap_or_default()
    }

    /// Where resampled values mostly lie; `None` without values.
    pub(super) fn interval(&self, mut values: Vec<f64>) -> Option<Interval> {
        if values.is_empty() {
            return None;
        }
        values.sort_unstable_by(f64::total_cmp);
        let tail = (1.0 - self.level) / 2.0;
        Some(Interval { low: quantile(&values, tail), high: quantile(&values, 1.0 - tail) })
    }
}

/// Draws `count` numbers below `count`, each equally likely.
fn draw(seed: u64, resample: u32, count: u32, chosen: &mut Vec<u32>) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(u64::from(resample));
    chosen.clear();
    // Multiplication maps 32 random bits to the range; the few that would favor some numbers are drawn again.
    let unfair = count.wrapping_neg() % count;
    while chosen.len() < count as usize {
        let product = u64::from(random.next_u32()) * u64::from(count);
        if product as u32 >= unfair {
            chosen.push((product >> 32) as u32);
        }
    }
}

/// The quantile of sorted values, interpolated linearly (as numpy does).
fn quantile(sorted: &[f64], at: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = at.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_interval(bootstrap: &Bootstrap) -> Interval {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i % 20)).collect();
        bootstrap.intervals(values.len(), 1, |chosen| {
            vec![chosen.iter().map(|&at| values[at as usize]).sum::<f64>() / chosen.len() as f64]
        })[0]
    }

    #[test]
    fn the_same_on_any_number_of_threads() {
        let bootstrap = Bootstrap { seed: 7, ..Bootstrap::default() };
        let threads = |count| rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap();
        let one = threads(1).install(|| mean_interval(&bootstrap));
        assert_eq!(one, threads(5).install(|| mean_interval(&bootstrap)));
        assert_ne!(one, mean_interval(&Bootstrap { seed: 8, ..bootstrap }));
    }

    #[test]
    fn as_wide_as_the_normal_approximation() {
        // The mean of 400 values with a standard deviation of 5.766: 9.5 ± 1.96 × 5.766 / 20.
        let interval = mean_interval(&Bootstrap { resamples: 4_000, ..Bootstrap::default() });
        assert!((interval.low - 8.935).abs() < 0.05, "{interval:?}");
        assert!((interval.high - 10.065).abs() < 0.05, "{interval:?}");
    }

    #[test]
    fn draws_are_pinned() {
        let mut chosen = Vec::new();
        draw(42, 3, 10, &mut chosen);
        assert_eq!(chosen, [5, 3, 7, 5, 5, 7, 5, 4, 9, 2]);
    }

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[5.0], 0.025), 5.0);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
