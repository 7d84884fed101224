//! Dropout with a seed of its own, so that a training step can be repeated.

use candle_core::Tensor;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::kernels::train::Mask;
use crate::model::ModelError;

/// Zeroes a share of the values and scales up the others, by seeded chance; or does nothing.
#[derive(Debug, Clone)]
pub struct Dropout {
    rate: f32,
    adapter_rate: f32,
    rng: ChaCha8Rng,
}

impl Dropout {
    /// No dropout: inference and evaluation.
    pub fn off() -> Self {
        Self::new(0.0, 0)
    }

    /// Zeroes `rate` (0 to 1) of the values.
    pub fn new(rate: f32, seed: u64) -> Self {
        Self { rate: clamped(rate), adapter_rate: 0.0, rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Zeroes another share of the values that adapters read.
    pub fn set_adapter_rate(&mut self, rate: f32) {
        self.adapter_rate = clamped(rate);
    }

    /// What the next operation drops.
    pub(in crate::model) fn draw(&mut self) -> Mask {
        self.draw_at(self.rate)
    }

    /// What the next adapter does not see.
    pub(in crate::model) fn draw_for_adapters(&mut self) -> Mask {
        self.draw_at(self.adapter_rate)
    }

    fn draw_at(&mut self, rate: f32) -> Mask {
        if rate == 0.0 {
            return Mask::NONE;
        }
        let threshold = (f64::from(rate) * f64::from(u32::MAX)) as u32;
        Mask { key: (self.rng.next_u32(), self.rng.next_u32()), threshold, scale: 1.0 / (1.0 - rate) }
    }

    /// A tensor with some of its values dropped.
    ///
    /// # Errors
    /// What candle says.
    pub fn apply(&mut self, x: &Tensor) -> Result<Tensor, ModelError> {
        apply(self.draw(), x)
    }

    /// A tensor as an adapter sees it.
    ///
    /// # Errors
    /// What candle says.
    pub(in crate::model) fn apply_for_adapters(&mut self, x: &Tensor) -> Result<Tensor, ModelError> {
        apply(self.draw_for_adapters(), x)
    }
}

fn clamped(rate: f32) -> f32 {
    rate.clamp(0.0, 0.999)
}

fn apply(mask: Mask, x: &Tensor) -> Result<Tensor, ModelError> {
    if mask == Mask::NONE {
        return Ok(x.clone());
    }
    let factors = (0..x.elem_count() as u32).map(|place| mask.factor(place));
    let factors = Tensor::from_iter(factors, x.device())?.reshape(x.shape())?.to_dtype(x.dtype())?;
    Ok(x.mul(&factors)?)
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

    #[test]
    fn neighbors_rows_and_operations_are_dropped_apart() {
        let mut dropout = Dropout::new(0.5, 1);
        let (one, other) = (dropout.draw(), dropout.draw());
        let kept = |mask: Mask, place: u32| f64::from(mask.factor(place) / 2.0) - 0.5;
        for (step, mask) in [(1, one), (2, one), (256, one), (65_536, one), (0, other)] {
            let pairs = (0..40_000).map(|place| kept(one, place) * kept(mask, place + step));
            let together = pairs.sum::<f64>() / 40_000.0 * 4.0;
            assert!(together.abs() < 0.03, "{step}: {together}");
        }
    }
}
