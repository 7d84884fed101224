//! What memory is free, and whether something fits into it.

use crate::model::ModelError;
use crate::model::t5::free_memory;

/// Whether so many bytes can be taken. Where the system does not say, they are tried.
pub fn fits(bytes: u64) -> bool {
    free_memory().is_none_or(|free| bytes <= free)
}

/// Refuses what does not fit.
///
/// # Errors
/// [`ModelError::Memory`] with the figures.
pub fn require(weights: u64, work: u64, batch: usize) -> Result<(), ModelError> {
    const MB: u64 = 1_000_000;
    let needed = weights.saturating_add(work);
    match free_memory() {
        Some(free) if needed > free => Err(ModelError::Memory {
            needed_mb: needed.div_ceil(MB),
            weights_mb: weights.div_ceil(MB),
            work_mb: work.div_ceil(MB),
            batch,
            free_mb: free / MB,
        }),
        _ => Ok(()),
    }
}
