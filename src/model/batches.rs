//! Prompts in batches, and smaller ones where memory runs out. Knows no model.

use std::fmt;

use super::ModelError;
use crate::jobs::CancelToken;

/// What happened while a model answered that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A batch did not fit into memory; from then on smaller ones were taken. The answers are the same.
    SmallerBatches {
        /// Prompts in the batch that did not fit.
        from: usize,
        /// Prompts in a batch afterwards.
        to: usize,
        /// What was said of the memory.
        reason: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::SmallerBatches { from, to, reason } = self;
        let prompts = if *to == 1 { "prompt" } else { "prompts" };
        write!(
            f,
            "a batch of {from} prompts did not fit into memory, so {to} {prompts} at once were taken from there on; \
             answers are the same ({reason})"
        )
    }
}

/// Has `answer` answer the prompts of these numbers, at most `most` at once and in this order. Where one batch runs out
/// of memory it is halved, down to one prompt, and `most` stays as small; each time a notice is left.
///
/// # Errors
/// [`ModelError::Canceled`] between two batches; what `answer` gives, want of memory for a single prompt included.
pub(crate) fn in_batches(
    cancel: &CancelToken,
    numbers: &[usize],
    most: &mut usize,
    notices: &mut Vec<Notice>,
    mut answer: impl FnMut(&[usize]) -> Result<(), ModelError>,
) -> Result<(), ModelError> {
    let mut rest = numbers;
    while !rest.is_empty() {
        cancel.check()?;
        let (now, later) = rest.split_at(rest.len().min((*most).max(1)));
        match answer(now) {
            Ok(()) => rest = later,
            Err(error) if now.len() > 1 && error.is_out_of_memory() => {
                *most = now.len() / 2;
                notices.push(Notice::SmallerBatches {
                    from: now.len(),
                    to: *most,
                    reason: error.to_string(),
                });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> ModelError {
        ModelError::Memory { needed_mb: 9, weights_mb: 0, work_mb: 9, batch: 8, free_mb: 1 }
    }

    fn device() -> ModelError {
        let driver = "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")";
        ModelError::Tensor(candle_core::Error::Cuda(driver.into()).bt())
    }

    /// Answers numbers below 20 on a machine that holds `fits` at once.
    fn run(fits: usize, most: &mut usize, error: fn() -> ModelError) -> (Vec<usize>, Vec<Notice>, bool) {
        let (mut answered, mut notices) = (Vec::new(), Vec::new());
        let numbers: Vec<usize> = (0..20).collect();
        let done = in_batches(&CancelToken::new(), &numbers, most, &mut notices, |batch| {
            if batch.len() > fits {
                return Err(error());
            }
            answered.extend_from_slice(batch);
            Ok(())
        });
        (answered, notices, done.is_ok())
    }

    #[test]
    fn every_prompt_is_answered_once_in_batches_that_fit() {
        for error in [memory, device] {
            for (most, fits, halvings) in [(8, 8, 0), (8, 5, 1), (8, 3, 2), (7, 1, 2), (100, 4, 3)] {
                let mut batch = most;
                let (answered, notices, done) = run(fits, &mut batch, error);
                assert!(done && answered == (0..20).collect::<Vec<_>>());
                assert_eq!(notices.len(), halvings, "{most} {fits}: {notices:?}");
                assert!(batch <= fits.max(most.min(fits)));
            }
        }
        let (_, notices, _) = run(5, &mut 8, memory);
        let text = notices[0].to_string();
        assert!(
            text.starts_with("a batch of 8 prompts did not fit into memory, so 4 prompts at once"),
            "{text}"
        );
    }

    #[test]
    fn a_single_prompt_without_memory_and_any_other_failure_are_errors() {
        let (answered, notices, done) = run(0, &mut 8, memory);
        assert!(!done && answered.is_empty() && notices.len() == 3);
        let (_, notices, done) = run(5, &mut 8, || ModelError::NoScores);
        assert!(!done && notices.is_empty());
    }
}
