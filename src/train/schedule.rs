//! Learning rates over a job's steps: a rise from zero, then a fall in a line, or none.

use serde::{Deserialize, Serialize};

/// How the learning rate goes on after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decline {
    /// In a line, to zero after the last step.
    #[default]
    Linear,
    /// Not at all.
    Constant,
}

/// A learning rate for each step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The highest rate.
    pub peak: f64,
    /// Steps of the rise.
    pub warmup: u64,
    /// Steps in all.
    pub steps: u64,
    /// What follows the rise.
    pub decline: Decline,
}

impl Schedule {
    /// The rate of a step, counted from 0. With a warm-up the first step's is 0, as in the reference's trainer.
    pub fn rate(&self, step: u64) -> f64 {
        let share = if step < self.warmup {
            step as f64 / self.warmup as f64
        } else {
            match self.decline {
                Decline::Constant => 1.0,
                Decline::Linear => {
                    let left = self.steps.saturating_sub(step) as f64;
                    left / self.steps.saturating_sub(self.warmup).max(1) as f64
                }
            }
        };
        self.peak * share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_and_fall_in_lines() {
        let schedule = Schedule { peak: 2.0, warmup: 4, steps: 12, decline: Decline::Linear };
        let rates: Vec<f64> = (0..14).map(|step| schedule.rate(step)).collect();
        assert_eq!(rates, [0.0, 0.5, 1.0, 1.5, 2.0, 1.75, 1.5, 1.25, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]);
        let constant = Schedule { decline: Decline::Constant, warmup: 0, ..schedule };
        assert!((0..20).all(|step| constant.rate(step) == 2.0));
        let all_warm = Schedule { warmup: 12, ..schedule };
        assert_eq!((all_warm.rate(11), all_warm.rate(12)), (2.0 * 11.0 / 12.0, 0.0));
    }
}
