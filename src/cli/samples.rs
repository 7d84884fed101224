//! Work on every sample of a dataset, many at once and in order, in bounded memory.

use rayon::prelude::*;

use super::{CliError, Console, Unit};
use crate::dataset::Dataset;
use crate::lamp::Sample;

/// Samples that a thread works on before the results are taken: enough that threads seldom wait for the slowest.
const BATCH_A_THREAD: usize = 32;

/// Does `work` to every sample on all threads, and hands the results to `take` in the order of the dataset. Ends at the
/// first error in that order, and soon after Ctrl-C.
pub fn in_order<T: Send>(
    dataset: &Dataset,
    console: &Console,
    step: &str,
    work: impl Fn(usize, &Sample) -> Result<T, CliError> + Sync,
    mut take: impl FnMut(T) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let batch = BATCH_A_THREAD * rayon::current_num_threads();
    console.with_progress(Unit::Items, |progress| {
        progress.start(step, dataset.len() as u64);
        for start in (0..dataset.len()).step_by(batch) {
            let indices = start..dataset.len().min(start + batch);
            let one = |index| {
                console.cancel().check()?;
                let result = work(index, &dataset.sample(index)?)?;
                progress.add(1);
                Ok(result)
            };
            let results: Vec<Result<T, CliError>> = indices.into_par_iter().map(one).collect();
            for result in results {
                take(result?)?;
            }
        }
        Ok(console.cancel().check()?)
    })
}
