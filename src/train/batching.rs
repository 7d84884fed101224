//! The order in which examples are learned from: shuffled anew each epoch, examples of like length side by side.
//!
//! A pure function of seed and epoch, so that a resumed job goes on in the order of an uninterrupted one.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Batches among which examples are sorted by length: enough to waste little on padding, few enough to stay mixed.
const GROUP: usize = 50;

/// The batches of one epoch: numbers of examples, each once. `lengths` has one for each example. The first batch holds the
/// longest example, so that want of memory shows at once.
pub fn batches(lengths: &[usize], batch: usize, seed: u64, epoch: u64) -> Vec<Vec<u32>> {
    let batch = batch.max(1);
    let mut stream = stream(seed, epoch, 0);
    let mut order: Vec<u32> = (0..lengths.len() as u32).collect();
    shuffle(&mut order, &mut stream);
    for group in order.chunks_mut(GROUP * batch) {
        group.sort_by_key(|&number| std::cmp::Reverse(lengths[number as usize]));
    }
    let mut batches: Vec<Vec<u32>> = order.chunks(batch).map(<[u32]>::to_vec).collect();
    shuffle(&mut batches, &mut stream);
    let longest = |batch: &Vec<u32>| batch.iter().map(|&number| lengths[number as usize]).max();
    if let Some(place) =
        (0..batches.len()).max_by_key(|&place| (longest(&batches[place]), batches.len() - place))
    {
        batches.swap(0, place);
    }
    batches
}

/// A seed for what is drawn in one part of one step.
pub fn step_seed(seed: u64, step: u64, part: u64) -> u64 {
    stream(seed, step, part + 1).next_u64()
}

/// Random numbers for a purpose: the three numbers are the key.
fn stream(seed: u64, first: u64, second: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (place, number) in key.chunks_exact_mut(8).zip([seed, first, second]) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

fn shuffle<T>(items: &mut [T], stream: &mut ChaCha8Rng) {
    for place in 0..items.len() {
        let left = (items.len() - place) as u128;
        items.swap(place, place + ((u128::from(stream.next_u64()) * left) >> 64) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_comes_once_an_epoch_in_batches_of_like_length() {
        let lengths: Vec<usize> = (0..1003).map(|i| 10 + i * 7919 % 500).collect();
        let made = batches(&lengths, 16, 3, 0);
        assert_eq!(made.len(), 63);
        let mut seen: Vec<u32> = made.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..1003).collect::<Vec<_>>());
        let longest = |batch: &[u32]| batch.iter().map(|&n| lengths[n as usize]).max().unwrap();
        assert_eq!(longest(&made[0]), *lengths.iter().max().unwrap());
        let padded: usize = made.iter().map(|batch| batch.len() * longest(batch)).sum();
        assert!(padded as f64 / (lengths.iter().sum::<usize>() as f64) < 1.05);
        assert_eq!(made, batches(&lengths, 16, 3, 0));
        assert_ne!(made, batches(&lengths, 16, 3, 1));
        assert_ne!(made, batches(&lengths, 16, 4, 0));
    }

    #[test]
    fn edges_are_no_trouble() {
        assert!(batches(&[], 8, 0, 0).is_empty());
        assert_eq!(batches(&[5], 8, 0, 0), [[0]]);
        assert_eq!(batches(&[5, 6], 0, 0, 0).len(), 2);
        assert_ne!(step_seed(1, 2, 0), step_seed(1, 2, 1));
        assert_ne!(step_seed(1, 2, 0), step_seed(1, 3, 0));
    }
}
