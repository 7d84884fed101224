//! Dropout with a seed of its own, so that a training step can be repeated.

use candle_core::Tensor;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::model::ModelError;

/// Zeroes a share of the values and scales up the others, by seeded chance; or does nothing.
pub struct Dropout {
    rate: f32,
    rng: ChaCha8Rng,
}

impl Dropout {
    /// No dropout: inference and evaluation.
    pub fn off() -> Self {
        Self::new(0.0, 0)
    }

    /// Zeroes `rate` (0 to 1) of the values.
    pub fn new(rate: f32, seed: u64) -> Self {
        Self { rate: rate.clamp(0.0, 0.999), rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// A tensor with some of its values dropped.
    ///
    /// # Errors
    /// What candle says.
    pub fn apply(&mut self, x: &Tensor) -> Result<Tensor, ModelError> {
        if self.rate == 0.0 {
            return Ok(x.clone());
        }
        let keep = 1.0 / (1.0 - self.rate);
        let mask = (0..x.elem_count()).map(|_| if self.rng.random::<f32>() < self.rate { 0.0 } else { keep });
        let mask = Tensor::from_iter(mask, x.device())?.reshape(x.shape())?.to_dtype(x.dtype())?;
        Ok(x.mul(&mask)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn the_mean_is_kept_and_the_seed_repeats() {
        let ones = Tensor::ones((100, 100), candle_core::DType::F32, &Device::Cpu).unwrap();
        let run = |seed| {
            Dropout::new(0.1, seed).apply(&ones).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let values = run(5);
        let dropped = values.iter().filter(|v| **v == 0.0).count();
        assert!((900..1100).contains(&dropped), "{dropped}");
        assert!((values.iter().sum::<f32>() / 1e4 - 1.0).abs() < 0.02);
        assert_eq!(values, run(5));
        assert_ne!(values, run(6));
    }
}
