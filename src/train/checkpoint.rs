//! What a job keeps on disk so that it survives being killed at any moment: folders that appear whole under their final
//! name, the newest of which counts.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use candle_core::DType;
use serde::{Deserialize, Serialize};

use super::TrainError;
use super::optimizer::{AdamW, Parameter, tensors};
use super::trainer::Evaluation;
use crate::model::weights::{Checkpoint, write_safetensors};
use crate::whole_file::WholeFile;

const STATE: &str = "state.json";
const WEIGHTS: &str = "weights.safetensors";
const MOMENTS: &str = "moments.safetensors";
const BEFORE_STEP: &str = "state-";
const BEFORE_BEST: &str = "best-";
const UNFINISHED: &str = ".partial";

/// Where a job stands. Order and dropout are functions of seed and step, so that no other random state is needed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct State {
    /// Steps taken.
    pub step: u64,
    /// Whole epochs, each evaluated.
    pub epoch: u64,
    /// Steps of the present epoch.
    pub position: u64,
    /// The evaluations so far.
    pub evaluations: Vec<Evaluation>,
    /// Which is the best; its weights are kept.
    pub best: Option<usize>,
    /// Why no more steps are taken, once that is so.
    pub ended: Option<super::trainer::Ended>,
}

/// The folder of a job.
#[derive(Debug)]
pub(super) struct Folder(pub PathBuf);

impl Folder {
    /// Writes a checkpoint and removes those before it.
    pub(super) fn save(
        &self,
        state: &State,
        parameters: &[Parameter],
        optimizer: &AdamW,
    ) -> Result<(), TrainError> {
        let name = format!("{BEFORE_STEP}{:010}", state.step);
        self.whole(&name, |folder| {
            let path = folder.join(WEIGHTS);
            write_safetensors(&path, &tensors(parameters))
                .map_err(|source| TrainError::write(&path, source))?;
            optimizer.write(parameters, &folder.join(MOMENTS))?;
            let path = folder.join(STATE);
            let json = serde_json::to_vec_pretty(state).map_err(io::Error::from);
            json.and_then(|json| WholeFile::put(&path, &json))
                .map_err(|source| TrainError::write(&path, source))
        })?;
        let best = state.best.and_then(|best| state.evaluations.get(best)).map(|best| best_name(best.step));
        self.clear(|other| other != name && Some(other) != best.as_deref());
        Ok(())
    }

    /// The newest checkpoint, loaded into parameters and optimizer; `None` where there is none yet.
    pub(super) fn load(
        &self,
        parameters: &[Parameter],
        optimizer: &mut AdamW,
    ) -> Result<Option<State>, TrainError> {
        let newest = self.names().into_iter().filter(|name| is_whole(name, BEFORE_STEP)).max();
        let Some(folder) = newest.map(|name| self.0.join(name)) else { return Ok(None) };
        let path = folder.join(STATE);
        let bytes = fs::read(&path).map_err(|source| TrainError::read(&path, source))?;
        let state: State = serde_json::from_slice(&bytes)
            .map_err(|error| TrainError::Damaged { path: path.clone(), reason: error.to_string() })?;
        let path = folder.join(WEIGHTS);
        let damaged = |source| TrainError::weights(&path, source);
        let weights = Checkpoint::open(&path).map_err(damaged)?;
        for parameter in parameters {
            let (shape, device) = (parameter.var.dims(), parameter.var.device());
            let value = weights.tensor(&parameter.name, shape, DType::F32, device).map_err(damaged)?;
            parameter.var.set(&value)?;
        }
        optimizer.read(parameters, &folder.join(MOMENTS), state.step)?;
        Ok(Some(state))
    }

    /// Makes a folder that is there whole or not at all; one of that name is replaced.
    pub(super) fn whole(
        &self,
        name: &str,
        fill: impl FnOnce(&Path) -> Result<(), TrainError>,
    ) -> Result<PathBuf, TrainError> {
        let partial = self.0.join(format!("{name}{UNFINISHED}"));
        let done = self.0.join(name);
        let failed = |source| TrainError::write(&partial, source);
        remove(&partial).map_err(failed)?;
        fs::create_dir_all(&partial).map_err(failed)?;
        let filled = fill(&partial).and_then(|()| self.rename(&partial, &done));
        if filled.is_err() {
            let _ = remove(&partial); // half a folder is of no use, and takes room
        }
        filled.map(|()| done)
    }

    /// Gives a folder the name that says that it is the best after so many steps.
    pub(super) fn keep_best(&self, folder: &Path, step: u64) -> Result<(), TrainError> {
        self.rename(folder, &self.0.join(best_name(step)))
    }

    /// Where the best weights after so many steps are.
    pub(super) fn best(&self, step: u64) -> PathBuf {
        self.0.join(best_name(step))
    }

    /// Moves a whole folder to its final name, in the place of what was there.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<(), TrainError> {
        let failed = |source| TrainError::write(to, source);
        remove(to).map_err(failed)?;
        fs::rename(from, to).map_err(failed)?;
        sync_folder(&self.0);
        Ok(())
    }

    /// Removes checkpoints, kept weights and unfinished folders whose name is unwanted. What cannot be removed stays.
    pub(super) fn clear(&self, unwanted: impl Fn(&str) -> bool) {
        for name in self.names() {
            let ours =
                is_whole(&name, BEFORE_STEP) || is_whole(&name, BEFORE_BEST) || name.ends_with(UNFINISHED);
            if ours && unwanted(&name) {
                let _ = remove(&self.0.join(name));
            }
        }
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }
}

fn best_name(step: u64) -> String {
    format!("{BEFORE_BEST}{step:010}")
}

fn is_whole(name: &str, before: &str) -> bool {
    name.strip_prefix(before)
        .is_some_and(|step| step.len() == 10 && step.bytes().all(|byte| byte.is_ascii_digit()))
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Has a renaming reach the disk, where the system can be asked for that.
fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}
