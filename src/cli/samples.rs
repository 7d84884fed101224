//! Work on every sample of a dataset, many at once and in order, in bounded memory.

use rayon::prelude::*;

use super::{CliError, Console, Unit};
use crate::dataset::Dataset;
use crate::jobs::Progress;
use crate::lamp::Sample;
use crate::retrieval::{Problem, Retriever};
use crate::run::Window;

/// Samples that a thread works on before the results are taken: enough that threads seldom wait for the slowest.
const BATCH_A_THREAD: usize = 32;

/// What preparing is to whoever watches.
const ENCODING: &str = "Encoding";

/// A retriever that the work will ask, and what it will be given.
#[derive(Clone, Copy)]
pub struct Ahead<'a> {
    /// What may prepare for many samples at once.
    pub retriever: &'a dyn Retriever,
    /// Whether documents carry their dates.
    pub use_date: bool,
}

/// Lets the retriever prepare for a single sample, showing how far it is.
pub fn prepare_one(
    dataset: &Dataset,
    console: &Console,
    Ahead { retriever, use_date }: Ahead<'_>,
    sample: &Sample,
) -> Result<(), CliError> {
    if retriever.preparations() == 0 {
        return Ok(());
    }
    let problem = Problem::of(dataset.id().task, sample, use_date);
    console.with_progress(Unit::Items, |progress| {
        progress.start(ENCODING, ((problem.documents.len() + 1) * retriever.preparations()) as u64);
        Ok(retriever.prepare(console.cancel(), progress, &[problem])?)
    })
}

/// Does `work` to every sample on all threads, and hands the results to `take` in the order of the dataset. Ends at the
/// first error in that order, and soon after Ctrl-C.
pub fn in_order<T: Send>(
    dataset: &Dataset,
    console: &Console,
    step: &str,
    ahead: Option<Ahead<'_>>,
    work: impl Fn(usize, &Sample) -> Result<T, CliError> + Sync,
    mut take: impl FnMut(T) -> Result<(), CliError>,
) -> Result<(), CliError> {
    console.with_progress(Unit::Items, |progress| {
        if let Some(ahead) = ahead.filter(|ahead| ahead.retriever.preparations() > 0) {
            prepared(dataset, console, ahead, progress, work, take)?;
        } else {
            progress.start(step, dataset.len() as u64);
            let batch = BATCH_A_THREAD * rayon::current_num_threads();
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
        }
        Ok(console.cancel().check()?)
    })
}

/// The same, but gathers samples, lets the retriever prepare for them together, and only then works on each.
fn prepared<T: Send>(
    dataset: &Dataset,
    console: &Console,
    ahead: Ahead<'_>,
    progress: &Progress,
    work: impl Fn(usize, &Sample) -> Result<T, CliError> + Sync,
    mut take: impl FnMut(T) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let Ahead { retriever, use_date } = ahead;
    let texts: usize = dataset.summaries().map(|record| record.profile_entries + 1).sum();
    // Nearly all of the time goes into this; the work itself passes unseen.
    progress.start(ENCODING, (texts * retriever.preparations()) as u64);
    let mut start = 0;
    while start < dataset.len() {
        let indices = start..start + Window::PREPARED.fitting(dataset, start..dataset.len());
        start = indices.end;
        let read = |index| {
            console.cancel().check()?;
            let sample = dataset.sample(index)?;
            Ok((Problem::of(dataset.id().task, &sample, use_date), sample))
        };
        let read: Result<Vec<(Problem, Sample)>, CliError> =
            indices.clone().into_par_iter().map(read).collect();
        let (problems, samples): (Vec<Problem>, Vec<Sample>) = read?.into_iter().unzip();
        retriever.prepare(console.cancel(), progress, &problems)?;
        drop(problems);
        let one = |(index, sample)| {
            console.cancel().check()?;
            work(index, sample)
        };
        let results: Vec<Result<T, CliError>> = indices.into_par_iter().zip(&samples).map(one).collect();
        for result in results {
            take(result?)?;
        }
    }
    Ok(())
}
