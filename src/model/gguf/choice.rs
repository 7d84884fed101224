//! The choice of the next token from logits: the most probable one, or one drawn at random.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::kernel::Level;
use super::math;
use crate::model::Sampling;

/// How the tokens of one answer are chosen.
pub enum Choice {
    /// The most probable token; of equal ones the first.
    Greedy,
    /// Drawn at random.
    Random(Sampling, Box<ChaCha8Rng>),
}

impl Choice {
    /// A way to choose; a random one depends on the seed and the prompt alone, so that an answer is the same
    /// whatever else is in the batch.
    pub fn new(sampling: Option<Sampling>, prompt: &[u32]) -> Self {
        let Some(sampling) = sampling else { return Self::Greedy };
        let mut hash = Sha256::new();
        hash.update(sampling.seed.to_le_bytes());
        for token in prompt {
            hash.update(token.to_le_bytes());
        }
        Self::Random(sampling, Box::new(ChaCha8Rng::from_seed(hash.finalize().into())))
    }

    /// A token and its log-probability (before any temperature); `None` if the logits are no numbers. Tokens with
    /// a logit of minus infinity are never chosen.
    pub fn next(&mut self, level: Level, logits: &[f32]) -> Option<(u32, f32)> {
        let (best, largest) = largest(logits)?;
        let total = math::log_sum_exp(level, logits, largest);
        let chosen = match self {
            Self::Greedy => best,
            Self::Random(sampling, random) => draw(logits, largest, *sampling, random.random::<f64>()),
        };
        let log_probability = logits[chosen as usize] - total;
        log_probability.is_finite().then_some((chosen, log_probability))
    }
}

fn largest(logits: &[f32]) -> Option<(u32, f32)> {
    let mut best = (0, f32::NEG_INFINITY);
    for (token, &logit) in logits.iter().enumerate() {
        if logit > best.1 {
            best = (token as u32, logit);
        }
    }
    best.1.is_finite().then_some(best)
}

/// The token at a point between 0 and 1 of the probabilities that are left after top-k and top-p.
fn draw(logits: &[f32], largest: f32, sampling: Sampling, point: f64) -> u32 {
    let weight = |logit: f32| f64::from((logit - largest) / sampling.temperature).exp();
    let mut candidates: Vec<(f64, u32)> = (0..)
        .zip(logits)
        .map(|(token, &logit)| (weight(logit), token))
        .filter(|(weight, _)| *weight > 0.0)
        .collect();
    let order = |a: &(f64, u32), b: &(f64, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if sampling.top_k > 0 && sampling.top_k < candidates.len() {
        candidates.select_nth_unstable_by(sampling.top_k - 1, order);
        candidates.truncate(sampling.top_k);
    }
    candidates.sort_unstable_by(order);
    let mut total: f64 = candidates.iter().map(|(weight, _)| weight).sum();
    if sampling.top_p < 1.0 {
        let wanted = f64::from(sampling.top_p) * total;
        let mut sum = 0.0;
        let kept = candidates.iter().position(|(weight, _)| {
            sum += weight;
            sum >= wanted
        });
        candidates.truncate(kept.map_or(candidates.len(), |last| last + 1));
        total = candidates.iter().map(|(weight, _)| weight).sum();
    }
    let mut left = point * total;
    for &(weight, token) in &candidates {
        left -= weight;
        if left < 0.0 {
            return token;
        }
    }
    candidates.last().map_or(0, |&(_, token)| token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [1.0, 3.0, 2.0, 3.0, f32::NEG_INFINITY];

    fn sampling(temperature: f32, top_k: usize, top_p: f32) -> Sampling {
        Sampling { temperature, top_k, top_p, seed: 7 }
    }

    #[test]
    fn greedy_takes_the_first_of_the_largest() {
        let (token, log_probability) = Choice::Greedy.next(Level::detect(), &LOGITS).unwrap();
        assert_eq!(token, 1);
        let exact = 3.0 - (1_f64.exp() + 2.0 * 3_f64.exp() + 2_f64.exp()).ln();
        assert!((f64::from(log_probability) - exact).abs() < 1e-6);
    }

    #[test]
    fn what_is_no_number_is_no_choice() {
        assert!(Choice::Greedy.next(Level::detect(), &[f32::NAN; 3]).is_none());
        assert!(Choice::Greedy.next(Level::detect(), &[f32::NEG_INFINITY; 3]).is_none());
        assert!(Choice::Greedy.next(Level::detect(), &[1.0, f32::NAN]).is_none());
    }

    #[test]
    fn limits_leave_out_the_improbable() {
        for step in 0..100 {
            let point = f64::from(step) / 100.0;
            assert!([1, 3].contains(&draw(&LOGITS, 3.0, sampling(1.0, 2, 1.0), point)));
            assert!([1, 3].contains(&draw(&LOGITS, 3.0, sampling(1.0, 0, 0.7), point)));
            assert_eq!(draw(&LOGITS, 3.0, sampling(1.0, 1, 1.0), point), 1);
            assert_ne!(draw(&LOGITS, 3.0, sampling(100.0, 0, 1.0), point), 4);
        }
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let mut choice = Choice::new(Some(sampling(1.0, 0, 1.0)), &[1, 2, 3]);
        let mut counts = [0_u32; 5];
        for _ in 0..20_000 {
            counts[choice.next(Level::detect(), &LOGITS).unwrap().0 as usize] += 1;
        }
        let total: f64 = LOGITS.iter().map(|&logit| f64::from(logit).exp()).sum();
        for (count, logit) in counts.iter().zip(LOGITS) {
            let expected = f64::from(logit).exp() / total;
            assert!((f64::from(*count) / 20_000.0 - expected).abs() < 0.02, "{counts:?}");
        }
    }

    #[test]
    fn the_seed_and_the_prompt_decide() {
        let draws = |seed, prompt: &[u32]| {
            let mut choice = Choice::new(Some(Sampling { seed, ..sampling(5.0, 0, 1.0) }), prompt);
            (0..20).map(|_| choice.next(Level::detect(), &LOGITS).unwrap().0).collect::<Vec<_>>()
        };
        assert_eq!(draws(1, &[5]), draws(1, &[5]));
        assert_ne!(draws(1, &[5]), draws(2, &[5]));
        assert_ne!(draws(1, &[5]), draws(1, &[6]));
    }
}
