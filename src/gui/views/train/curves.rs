//! The curves of a job: read on by jobs, thinned to what a chart has room for.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::gui::loadable::{Loadable, Trouble};
use crate::gui::views::Cx;
use crate::train::{CurvePoint, CurveReader, Evaluation, newest_step};

/// Pieces that a curve is drawn of at most.
const MOST: usize = 480;
/// A mean of recent losses is of about so many steps at most; of fewer where there are few.
const SMOOTHED: usize = 50;

/// Steps that are drawn as one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Piece {
    /// The last of its steps.
    pub step: u64,
    /// Epochs seen then.
    pub epoch: f64,
    /// Its lowest loss.
    pub low: f64,
    /// Its highest loss.
    pub high: f64,
    /// The mean of its losses.
    pub mean: f64,
    /// The mean of recent losses at its end.
    pub smooth: f64,
    /// The last learning rate.
    pub rate: f64,
    /// The last norm of gradients.
    pub norm: f64,
    /// Tokens a second.
    pub tokens_per_s: f64,
}

/// A job's curves, as they are drawn.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Curve {
    /// The loss by step.
    pub pieces: Vec<Piece>,
    /// Steps that a piece has.
    pub each: usize,
    /// The evaluations.
    pub evaluations: Vec<Evaluation>,
    /// Which of them is the best.
    pub best: Option<usize>,
    /// The step of the newest checkpoint; 0 without one.
    pub saved: u64,
}

/// The curves of the job that is looked at.
#[derive(Default)]
pub(super) struct Curves {
    drawn: Loadable<PathBuf, Curve>,
    reader: Arc<Mutex<Option<(PathBuf, CurveReader)>>>,
}

impl Curves {
    /// Reads a job's curve on where it has grown to another version.
    pub fn want(&mut self, cx: &Cx<'_>, job: &Path, version: u64) {
        let (reader, folder) = (self.reader.clone(), job.to_owned());
        self.drawn.want(cx.ctx, "curve", job.to_owned(), version, move |_, _| {
            let mut reader = reader.lock().unwrap_or_else(PoisonError::into_inner);
            if reader.as_ref().is_none_or(|(of, _)| *of != folder) {
                *reader = Some((folder.clone(), CurveReader::new(&folder)));
            }
            let Some((_, reader)) = reader.as_mut() else { return Ok(Curve::default()) };
            reader.read_on().map_err(Trouble::from)?;
            Ok(Curve { saved: newest_step(&folder), ..thinned(reader.points()) })
        });
    }

    /// Takes what has arrived while it is not shown.
    pub fn poll(&mut self) {
        self.drawn.poll();
    }

    /// The curve of a job.
    pub fn of(&self, job: &Path) -> Option<&Arc<Curve>> {
        self.drawn.value_of(&job.to_owned())
    }

    /// Why it cannot be read.
    pub const fn trouble(&self) -> Option<&Trouble> {
        self.drawn.trouble()
    }
}

/// A curve of few pieces, whose lowest and highest losses are those of all steps.
pub(super) fn thinned(points: &[CurvePoint]) -> Curve {
    let steps = points.iter().filter(|point| matches!(point, CurvePoint::Step { .. })).count();
    let each = steps.div_ceil(MOST).max(1);
    let mut curve = Curve { each, pieces: Vec::with_capacity(steps.div_ceil(each)), ..Curve::default() };
    let memory = 1.0 - 1.0 / (steps / 40).clamp(1, SMOOTHED) as f64;
    let mut smooth: Option<f64> = None;
    let (mut count, mut tokens_sum, mut seconds_sum) = (0, 0.0, 0.0);
    for point in points {
        match point {
            CurvePoint::Dev(evaluation) => {
                let best = curve.best.and_then(|best| curve.evaluations.get(best));
                if best.is_none_or(|best: &Evaluation| evaluation.value > best.value) {
                    curve.best = Some(curve.evaluations.len());
                }
                curve.evaluations.push(evaluation.clone());
            }
            CurvePoint::Step { step, epoch, loss, rate, gradient_norm, tokens, seconds } => {
                let mean = smooth.map_or(*loss, |smooth| memory * smooth + (1.0 - memory) * loss);
                smooth = Some(mean);
                if count == 0 {
                    (tokens_sum, seconds_sum) = (0.0, 0.0);
                    curve.pieces.push(Piece {
                        step: 0,
                        epoch: 0.0,
                        low: *loss,
                        high: *loss,
                        mean: 0.0,
                        smooth: 0.0,
                        rate: 0.0,
                        norm: 0.0,
                        tokens_per_s: 0.0,
                    });
                }
                count += 1;
                tokens_sum += *tokens as f64;
                seconds_sum += seconds;
                if let Some(piece) = curve.pieces.last_mut() {
                    piece.low = piece.low.min(*loss);
                    piece.high = piece.high.max(*loss);
                    piece.mean += (loss - piece.mean) / count as f64;
                    (piece.step, piece.epoch, piece.smooth) = (*step, *epoch, mean);
                    (piece.rate, piece.norm) = (*rate, *gradient_norm);
                    piece.tokens_per_s = tokens_sum / seconds_sum.max(1e-9);
                }
                if count == each {
                    count = 0;
                }
            }
        }
    }
    curve
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_is_drawn_of_few_pieces_that_hide_no_peak() {
        let step = |step: u64| CurvePoint::Step {
            step,
            epoch: step as f64 / 1000.0,
            loss: if step == 7_777 { 90.0 } else { 2.0 },
            rate: 1e-4,
            gradient_norm: 1.0,
            tokens: 10,
            seconds: 0.1,
        };
        let dev = |epoch, value| {
            CurvePoint::Dev(Evaluation { step: epoch * 1000, epoch, scores: Vec::new(), value })
        };
        let mut points: Vec<CurvePoint> = (1..=20_000).map(step).collect();
        points.extend([dev(1, 0.2), dev(2, 0.4), dev(3, 0.4)]);
        let curve = thinned(&points);
        assert!(curve.pieces.len() <= MOST && curve.pieces.len() > MOST / 2, "{}", curve.pieces.len());
        assert_eq!(curve.pieces.last().unwrap().step, 20_000);
        assert_eq!(curve.pieces.iter().map(|piece| piece.high).fold(0.0, f64::max), 90.0);
        assert!(
            curve.pieces.iter().all(|piece| piece.low == 2.0 && (piece.tokens_per_s - 100.0).abs() < 1e-6)
        );
        assert_eq!(curve.best, Some(1), "the first of equals is kept");
        assert_eq!(thinned(&points[..3]).pieces.len(), 3);
        assert_eq!(thinned(&[]), Curve { each: 1, ..Curve::default() });
    }
}
