//! The loop of generation over a batch: asks each sample's search what to compute next, has it computed, and drops the
//! samples that are done. Knows no arithmetic.

use super::search::{Candidate, Continuation, RowScores, Search};
use crate::jobs::CancelToken;
use crate::model::{Hypothesis, ModelError};

/// A row of the decoder's batch at one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepRow {
    /// Which sample it belongs to; a sample's rows are side by side.
    pub sample: usize,
    /// The row of the previous step that it continues; its own number in the first step.
    pub parent: usize,
    /// The token to read.
    pub token: u32,
    /// Whether end-of-sequence is left out of its best tokens.
    pub forbid_eos: bool,
}

/// A decoder that has read its samples' prompts.
pub trait Steps {
    /// Reads one token a row.
    ///
    /// # Errors
    /// What the arithmetic gives.
    fn step(&mut self, rows: &[StepRow]) -> Result<(), ModelError>;

    /// What a row of the last step scored.
    fn scores(&self, row: usize) -> RowScores<'_>;
}

/// Runs all searches to their end; hypotheses in the searches' order.
///
/// # Errors
/// [`ModelError::Canceled`] between two steps; else what a step gives.
pub fn drive(
    cancel: &CancelToken,
    steps: &mut dyn Steps,
    mut searches: Vec<Search>,
    start_token: u32,
) -> Result<Vec<Vec<Hypothesis>>, ModelError> {
    let first = |(sample, search): (usize, &Search)| StepRow {
        sample,
        parent: sample,
        token: start_token,
        forbid_eos: search.forbids_eos(),
    };
    let mut rows: Vec<StepRow> = searches.iter().enumerate().map(first).collect();
    let mut next_rows = Vec::new();
    let mut next: Vec<Continuation> = Vec::new();
    while !rows.is_empty() {
        cancel.check()?;
        steps.step(&rows)?;
        next_rows.clear();
        let mut begin = 0;
        while let Some(row) = rows.get(begin) {
            let sample = row.sample;
            let search = &mut searches[sample];
            let count = search.rows();
            let scores: Vec<RowScores<'_>> = (begin..begin + count).map(|row| steps.scores(row)).collect();
            search.advance(&scores, &mut next);
            let forbid_eos = search.forbids_eos();
            next_rows.extend(next.iter().map(|c| StepRow {
                sample,
                parent: begin + c.parent,
                token: c.token,
                forbid_eos,
            }));
            begin += count;
        }
        std::mem::swap(&mut rows, &mut next_rows);
    }
    Ok(searches.into_iter().map(Search::finish).collect())
}

/// The best `count` tokens of a row of logits, best first and the lower token first among equals, without the
/// forbidden ones; and ln Σ exp(logit) over all.
pub fn scan_row(logits: &[f32], count: usize, forbidden: &[u32], best: &mut Vec<Candidate>) -> f32 {
    best.clear();
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0f64;
    for (token, &logit) in logits.iter().enumerate() {
        sum += f64::from((logit - top).exp());
        insert(best, count, forbidden, Candidate { token: token as u32, logit });
    }
    top + sum.ln() as f32
}

/// Puts a candidate that comes after all others in the order of tokens where it belongs.
pub fn insert(best: &mut Vec<Candidate>, count: usize, forbidden: &[u32], candidate: Candidate) {
    if best.len() == count && best.last().is_some_and(|worst| candidate.logit <= worst.logit) {
        return;
    }
    if forbidden.contains(&candidate.token) || candidate.logit.is_nan() {
        return;
    }
    let place = best.partition_point(|other| other.logit >= candidate.logit);
    best.truncate(count - 1);
    best.insert(place, candidate);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_found_in_order() {
        let logits = [1.0, 5.0, 3.0, 5.0, 4.0, f32::NEG_INFINITY];
        let mut best = Vec::new();
        let log_sum = scan_row(&logits, 3, &[], &mut best);
        let tokens: Vec<u32> = best.iter().map(|c| c.token).collect();
        assert_eq!(tokens, [1, 3, 4]);
        let direct = logits.iter().map(|l: &f32| f64::from(*l).exp()).sum::<f64>().ln();
        assert!((f64::from(log_sum) - direct).abs() < 1e-6);
        scan_row(&logits, 3, &[3, 1], &mut best);
        assert_eq!(best.iter().map(|c| c.token).collect::<Vec<_>>(), [4, 2, 0]);
    }
}
