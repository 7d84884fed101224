//! A cell's samples to stored predictions: prepared ahead, answered in batches, scored and stored beside.

mod control;

pub use control::{Control, Phase, RunProgress, Settings};
