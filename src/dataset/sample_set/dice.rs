//! Seeded chance: the same draws from the same key on every platform.
//!
//! Draws are made from whole numbers of a ChaCha stream by multiplication, never by way of floats or of a
//! library's sampling rules, which may change between versions.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of draws.
#[derive(Debug, Clone)]
pub(in crate::dataset) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream that belongs to `key`; other keys give independent streams.
    pub(in crate::dataset) fn of(key: [u64; 4]) -> Self {
        let mut seed = [0; 32];
        for (bytes, part) in seed.chunks_exact_mut(8).zip(key) {
            bytes.copy_from_slice(&part.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(seed))
    }

    /// A number below `n`; 0 where `n` is 0.
    pub(in crate::dataset) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub(in crate::dataset) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high + 1 - low)
    }

    /// Whether something that happens `percent` times in a hundred happens now.
    pub(in crate::dataset) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// `count` different numbers below `n`, in random order; all of them where `count` is larger.
    pub(in crate::dataset) fn distinct(&mut self, n: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        for place in 0..count.min(n) {
            let other = self.between(place, n - 1);
            all.swap(place, other);
        }
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten(key: [u64; 4]) -> Vec<usize> {
        let mut dice = Dice::of(key);
        (0..10).map(|_| dice.below(1000)).collect()
    }

    #[test]
    fn draws_depend_on_the_whole_key_alone_and_stay_in_range() {
        assert_eq!(ten([1, 2, 3, 4]), ten([1, 2, 3, 4]));
        for other in [[0, 2, 3, 4], [1, 0, 3, 4], [1, 2, 0, 4], [1, 2, 3, 0]] {
            assert_ne!(ten([1, 2, 3, 4]), ten(other));
        }
        assert!(ten([1, 2, 3, 4]).iter().all(|&n| n < 1000));
        let mut dice = Dice::of([5; 4]);
        assert_eq!((dice.below(0), dice.below(1), dice.between(7, 7)), (0, 0, 7));
        assert!(!dice.chance(0) && dice.chance(100));
    }

    #[test]
    fn distinct_draws_are_a_permutation() {
        let mut drawn = Dice::of([9, 0, 0, 0]).distinct(12, 12);
        assert_ne!(drawn, (0..12).collect::<Vec<_>>());
        drawn.sort_unstable();
        assert_eq!(drawn, (0..12).collect::<Vec<_>>());
        assert_eq!(Dice::of([0; 4]).distinct(3, 9).len(), 3);
    }
}
