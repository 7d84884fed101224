//! A job's curves: a file with a line of JSON for each step and each evaluation.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::trainer::Evaluation;
use crate::whole_file::WholeFile;

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CurvePoint {
    /// After a step.
    Step {
        /// Steps taken.
        step: u64,
        /// Epochs seen.
        epoch: f64,
        /// The mean loss over the step's labels.
        loss: f64,
        /// The learning rate.
        rate: f64,
        /// The norm of the gradients before they were clipped.
        gradient_norm: f64,
        /// Tokens read and written, padding not counted.
        tokens: u64,
        /// How long it took.
        seconds: f64,
    },
    /// After an evaluation.
    Dev(Evaluation),
}

impl CurvePoint {
    /// Steps taken.
    pub const fn step(&self) -> u64 {
        match self {
            Self::Step { step, .. } | Self::Dev(Evaluation { step, .. }) => *step,
        }
    }
}

/// The points of a file; a line that was cut by a kill or a full disk, and what is no point, is left out.
///
/// # Errors
/// A file that cannot be read.
pub fn read_curve(path: &Path) -> Result<Vec<CurvePoint>, TrainError> {
    let text = fs::read(path).map_err(|source| TrainError::read(path, source))?;
    Ok(text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// Writes a curve line by line.
#[derive(Debug)]
pub(super) struct Curve {
    path: PathBuf,
}

impl Curve {
    /// The curve of a job that has taken so many steps: what a lost continuation left behind is taken away.
    pub(super) fn open(path: PathBuf, step: u64) -> Result<Self, TrainError> {
        let points = if path.exists() { read_curve(&path)? } else { Vec::new() };
        let mut text = Vec::new();
        for point in points.iter().filter(|point| point.step() <= step) {
            line(&mut text, point);
        }
        WholeFile::put(&path, &text).map_err(|source| TrainError::write(&path, source))?;
        Ok(Self { path })
    }

    pub(super) fn add(&self, point: &CurvePoint) -> Result<(), TrainError> {
        let mut text = Vec::new();
        line(&mut text, point);
        let write = || OpenOptions::new().append(true).create(true).open(&self.path)?.write_all(&text);
        write().map_err(|source| TrainError::write(&self.path, source))
    }
}

fn line(text: &mut Vec<u8>, point: &CurvePoint) {
    // Plain numbers and texts can always be written.
    if serde_json::to_writer(&mut *text, point).is_ok() {
        text.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_cut_back_to_where_a_job_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curve.jsonl");
        let curve = Curve::open(path.clone(), 0).unwrap();
        let step = |step| CurvePoint::Step {
            step,
            epoch: 0.5,
            loss: 2.0,
            rate: 1e-4,
            gradient_norm: 1.0,
            tokens: 9,
            seconds: 0.1,
        };
        let dev = CurvePoint::Dev(Evaluation { step: 2, epoch: 1, scores: Vec::new(), value: 0.5 });
        for point in [step(1), step(2), dev.clone(), step(3)] {
            curve.add(&point).unwrap();
        }
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"step\": 4, \"lo").unwrap();
        assert_eq!(read_curve(&path).unwrap().len(), 4);
        Curve::open(path.clone(), 2).unwrap().add(&step(3)).unwrap();
        assert_eq!(read_curve(&path).unwrap(), [step(1), step(2), dev, step(3)]);
    }
}
