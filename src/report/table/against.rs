//! The cells of a row and a column against each other: which is the best, and whether a difference is more than luck.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::{CellTest, MethodColumn, Row, TableCell, improvement_percent};
use crate::lamp::Metric;
use crate::metrics::{PairedTest, holm};
use crate::record::Column;
use crate::report::{Measure, Method};

/// Rows whose tests belong together: those of one place among their tasks' metrics, or of one judge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Metric(Option<usize>),
    Judge(String),
}

/// Whether a formula tests a difference by the metric.
pub(super) const fn has_test(metric: Metric) -> bool {
    !matches!(metric, Metric::MacroF1 | Metric::SacreBleu)
}

/// The test over the samples that both have; not adjusted yet.
pub(super) fn test(
    by_formula: impl Fn(&[f64], &[f64]) -> Option<PairedTest>,
    first: &Column,
    second: &Column,
) -> Option<CellTest> {
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let (mut at, mut by) = (0, 0);
    while let (Some(left), Some(right)) = (first.positions.get(at), second.positions.get(by)) {
        match left.cmp(right) {
            Ordering::Less => at += 1,
            Ordering::Greater => by += 1,
            Ordering::Equal => {
                if let (Some(&left), Some(&right)) = (first.values.get(at), second.values.get(by)) {
                    one.push(left);
                    other.push(right);
                }
                (at, by) = (at + 1, by + 1);
            }
        }
    }
    let result = by_formula(&one, &other)?;
    Some(CellTest { samples: one.len(), result, p_holm: result.p() })
}

/// The oracle's cell, the last, against the first non-personalized one.
pub(super) fn set_oracle_difference(
    metric: Metric,
    columns: &[MethodColumn],
    cells: &mut [Option<TableCell>],
) {
    let mut named = columns.iter().zip(cells.iter());
    let base = named.find(|(column, cell)| column.method == Method::NonPersonalized && cell.is_some());
    let base = base.and_then(|(_, cell)| cell.as_ref()).map(|cell| cell.value);
    if let (Some(base), Some(Some(oracle))) = (base, cells.last_mut()) {
        oracle.difference_percent = improvement_percent(metric, base, oracle.value);
    }
}

pub(super) fn mark_best(metric: &Measure, columns: &[MethodColumn], cells: &mut [Option<TableCell>]) {
    let sign = if metric.higher_is_better() { 1.0 } else { -1.0 };
    let mut rivals: Vec<&mut TableCell> = columns
        .iter()
        .zip(cells)
        .filter(|(column, _)| column.method != Method::Oracle)
        .filter_map(|(_, cell)| cell.as_mut())
        .collect();
    if rivals.len() < 2 {
        return; // nothing to be better than
    }
    let best = rivals.iter().map(|cell| sign * cell.value).fold(f64::NEG_INFINITY, f64::max);
    rivals.iter_mut().for_each(|cell| cell.best = sign * cell.value >= best);
}

/// Adjusts p-values over each column's rows whose metrics have the same place among their tasks' metrics.
pub(super) fn adjust(rows: &mut [Row], ranks: &[Rank], columns: usize) {
    let families: BTreeSet<&Rank> = ranks.iter().collect();
    for column in 0..columns {
        for family in &families {
            let mut tests: Vec<&mut CellTest> = rows
                .iter_mut()
                .zip(ranks)
                .filter(|(_, rank)| rank == family)
                .filter_map(|(row, _)| row.cells.get_mut(column)?.as_mut()?.test.as_mut())
                .collect();
            let adjusted = holm(&tests.iter().map(|test| test.result.p()).collect::<Vec<_>>());
            tests.iter_mut().zip(adjusted).for_each(|(test, p)| test.p_holm = p);
        }
    }
}
