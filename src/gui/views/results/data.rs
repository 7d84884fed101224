//! What jobs of the screen read of the store.

use std::ops::ControlFlow;

use crate::gui::loadable::Trouble;
use crate::jobs::{CancelToken, Progress};
use crate::lamp::Metric;
use crate::record::{Column, Prediction, RunId, RunRecord};
use crate::report::Judged;
use crate::report::chart::RunData;
use crate::store::Reader;

/// Values and predictions of a store, until the job is canceled.
pub struct StoreData<'a> {
    /// The store.
    pub reader: &'a Reader,
    /// Ends the job.
    pub cancel: &'a CancelToken,
    /// How far it is.
    pub progress: &'a Progress,
}

impl RunData for StoreData<'_> {
    type Error = Trouble;

    fn column(&mut self, run: RunId, metric: Metric) -> Result<Option<Column>, Trouble> {
        self.cancel.check()?;
        Ok(self.reader.column(run, metric)?)
    }

    fn predictions(&mut self, run: &RunRecord, each: &mut dyn FnMut(Prediction)) -> Result<(), Trouble> {
        self.progress.start("Reading predictions", run.totals.done);
        self.reader.predictions(run.id, false, &mut |prediction| {
            each(prediction);
            self.progress.add(1);
            if self.cancel.is_canceled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(self.cancel.check()?)
    }
}

/// What judges said of these runs.
pub fn judged(reader: &Reader, runs: &[RunRecord]) -> Result<Vec<Judged>, Trouble> {
    Ok(Judged::all(reader.judgings()?, runs, |judging| reader.verdicts(judging))?)
}
