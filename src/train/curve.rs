//! A job's curves: a file with a line of JSON for each step and each evaluation.

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::trainer::Evaluation;
use crate::whole_file::WholeFile;

/// The curve's file in a job's folder.
pub(super) const FILE: &str = "curve.jsonl";

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

/// Reads a curve that grows: each time only what is new. Where the file was cut back, from its beginning.
#[derive(Debug)]
pub struct CurveReader {
    path: PathBuf,
    points: Vec<CurvePoint>,
    /// Bytes before the last line that was read.
    before: u64,
    /// That line: it tells whether the file is still the same.
    last: Vec<u8>,
}

impl CurveReader {
    /// The curve of a job's folder. Nothing is read yet.
    pub fn new(job: &Path) -> Self {
        Self { path: job.join(FILE), points: Vec::new(), before: 0, last: Vec::new() }
    }

    /// The points so far.
    pub fn points(&self) -> &[CurvePoint] {
        &self.points
    }

    /// Reads what is new; tells whether there was anything. No file is an empty curve.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read_on(&mut self) -> Result<bool, TrainError> {
        let before = self.points.len();
        if self.take()? {
            return Ok(self.points.len() != before);
        }
        // The job went on from a checkpoint before what is known.
        *self =
            Self { path: std::mem::take(&mut self.path), points: Vec::new(), before: 0, last: Vec::new() };
        self.take()?;
        Ok(true)
    }

    /// Takes new lines; tells whether they follow the ones before.
    fn take(&mut self) -> Result<bool, TrainError> {
        let failed = |source| TrainError::read(&self.path, source);
        let mut file = match fs::File::open(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(self.points.is_empty()),
            file => file.map_err(failed)?,
        };
        file.seek(SeekFrom::Start(self.before)).map_err(failed)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        // The last line may be half written.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let Some(new) = text[..whole].strip_prefix(self.last.as_slice()) else { return Ok(false) };
        let lines = new.split_inclusive(|byte| *byte == b'\n');
        self.points.extend(lines.filter_map(|line| serde_json::from_slice::<CurvePoint>(line).ok()));
        if let Some(last) = new.split_inclusive(|byte| *byte == b'\n').next_back() {
            self.before += (whole - last.len()) as u64;
            self.last = last.to_vec();
        }
        Ok(true)
    }
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

    #[test]
    fn a_growing_curve_is_read_on_and_a_cut_one_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let mut reader = CurveReader::new(folder.path());
        assert!(!reader.read_on().unwrap());
        let step = |step, loss| CurvePoint::Step {
            step,
            epoch: 0.5,
            loss,
            rate: 1e-4,
            gradient_norm: 1.0,
            tokens: 9,
            seconds: 0.1,
        };
        let curve = Curve::open(path.clone(), 0).unwrap();
        for number in 1..=3 {
            curve.add(&step(number, 2.0)).unwrap();
        }
        assert!(reader.read_on().unwrap());
        assert!(!reader.read_on().unwrap());
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"step\": 4, \"lo").unwrap();
        assert!(!reader.read_on().unwrap());
        assert_eq!(reader.points().len(), 3);
        // The job goes on from its second step, with other losses, and gets further than before.
        let curve = Curve::open(path, 2).unwrap();
        for number in 3..=6 {
            curve.add(&step(number, 1.0)).unwrap();
        }
        assert!(reader.read_on().unwrap());
        let expected: Vec<CurvePoint> =
            (1..=6).map(|number| step(number, if number > 2 { 1.0 } else { 2.0 })).collect();
        assert_eq!(reader.points(), expected);
    }
}
