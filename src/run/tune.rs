//! Tuned profiles: the retriever and the k that do best on one split (PROTOCOL, section 4), for a task, a setting and a
//! model. Knows records, not how they came about.

use super::plan::TunePlan;
use crate::record::{RunRecord, RunStatus, Tuning, TuningCell};

/// Why nothing was chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unchosen {
    /// Some of the grid is not done.
    #[error("{undone} of {of} runs of the grid are not done")]
    Undone {
        /// How many.
        undone: usize,
        /// Of how many.
        of: usize,
    },
    /// No run of the grid has a figure.
    #[error("no run of the grid has a figure by which one could be chosen")]
    NoFigures,
}

/// Chooses the winner of a grid from its records, one for each cell: the best by the metric; of equals the one with the
/// smaller k, then with the earlier retriever, which is the grid's order. Runs without a figure, since none of their samples
/// could be answered, cannot win and are not among the cells.
///
/// # Errors
/// [`Unchosen`] where the grid is not done or has no figures.
pub fn choose(plan: &TunePlan, records: &[Option<RunRecord>]) -> Result<(usize, Tuning), Unchosen> {
    let done = |record: &&RunRecord| record.status == RunStatus::Done;
    let finished: Vec<Option<&RunRecord>> =
        records.iter().map(|record| record.as_ref().filter(done)).collect();
    let undone = plan.grid.len() - finished.iter().flatten().count();
    if undone > 0 {
        return Err(Unchosen::Undone { undone, of: plan.grid.len() });
    }
    let better =
        |one: f64, other: f64| if plan.metric.higher_is_better() { one > other } else { one < other };
    let mut grid: Vec<TuningCell> = Vec::new();
    let mut best: Option<(usize, usize)> = None;
    for (number, (cell, record)) in plan.grid.iter().zip(&finished).enumerate() {
        let figures = record.and_then(|record| record.aggregate.as_ref());
        let figure = figures.and_then(|all| all.figures.iter().find(|figure| figure.metric == plan.metric));
        let Some(figure) = figure.filter(|figure| figure.value.is_finite()) else { continue };
        if best.is_none_or(|(_, place)| better(figure.value, grid[place].value)) {
            best = Some((number, grid.len()));
        }
        grid.push(TuningCell {
            retriever: cell.spec.retriever.config.clone(),
            k: cell.spec.retriever.k,
            run: cell.spec.key(),
            value: figure.value,
        });
    }
    let (number, winner) = best.ok_or(Unchosen::NoFigures)?;
    let applied = plan.applied.get(number).ok_or(Unchosen::NoFigures)?.spec.key();
    let tuning = Tuning {
        task: plan.task,
        setting: plan.setting,
        model: plan.model.clone(),
        metric: plan.metric,
        tuned_on: plan.on,
        grid,
        winner,
        applied,
        same_data: plan.same_data,
    };
    Ok((number, tuning))
}
