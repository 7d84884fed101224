//! A job from recipe to registered model.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::batching::step_seed;
use super::control::Control;
use super::estimate::Estimate;
use super::examples::{Examples, collect, plan_split};
use super::t5::{DevOptions, T5FineTuning, refuse_adapter};
use super::trainer::{Ended, Evaluation, Plan, Trainable, Trainer};
use super::{TrainError, TrainRecipe};
use crate::jobs::{CancelToken, Progress};
use crate::model::lora::home;
use crate::model::registry::EncoderDefaults;
use crate::model::t5::{open, parameters};
use crate::model::{DeviceChoice, GenerationConfig, HfTokenizer, ModelError, RECIPE, free_memory};
use crate::run::{CellModel, Workplace};
use crate::whole_file::WholeFile;

/// The form of jobs that this program writes.
pub(super) const VERSION: u32 = 1;
pub(super) const RECORD: &str = "job.json";
pub(super) const DONE: &str = "done.json";
pub(super) const MODEL: &str = "model";

/// What does not change the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobOptions {
    /// The job's folder.
    pub folder: PathBuf,
    /// What the result is registered as; it is not if `None`.
    pub name: Option<String>,
    /// A checkpoint whenever so much time has passed.
    pub checkpoint_every: Duration,
    /// A checkpoint after each so many steps, too.
    pub checkpoint_steps: Option<u64>,
}

impl JobOptions {
    /// Checkpoints every ten minutes and after each epoch.
    pub const fn new(folder: PathBuf, name: Option<String>) -> Self {
        Self { folder, name, checkpoint_every: Duration::from_secs(600), checkpoint_steps: None }
    }
}

/// What is written down of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// The form of it.
    pub version: u32,
    /// The program's version.
    pub program: String,
    /// What the result is registered as.
    pub name: Option<String>,
    /// All that decides the result.
    pub recipe: TrainRecipe,
    /// What identifies the model that was begun with.
    pub model_fingerprint: String,
    /// What identifies every token of the examples.
    pub examples: String,
    /// Examples to learn from.
    pub train_examples: usize,
    /// Samples to be judged by.
    pub dev_samples: usize,
    /// Steps in all.
    pub steps: u64,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The job's folder.
    pub job: PathBuf,
    /// The folder of the result.
    pub model: PathBuf,
    /// What it is registered as.
    pub name: Option<String>,
    /// Why no more steps were taken.
    pub ended: Ended,
    /// Steps taken.
    pub steps: u64,
    /// The evaluation whose weights were kept.
    pub best: Evaluation,
    /// All evaluations.
    pub evaluations: Vec<Evaluation>,
}

/// A recipe with its data and model found, ready to be trained.
pub struct Prepared {
    /// What is written down of it.
    pub record: JobRecord,
    /// What is learned from.
    pub examples: Examples,
    /// What it takes.
    pub estimate: Estimate,
    /// What should be known before it begins.
    pub notes: Vec<String>,
    /// The model's folder.
    base: PathBuf,
    generation: GenerationConfig,
    dropout: f32,
}

/// Finds data and model of a recipe and makes the prompts. Nothing is written.
///
/// # Errors
/// Whatever is wrong with the recipe, the data or the model; canceled.
pub fn prepare(
    recipe: &TrainRecipe,
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Prepared, TrainError> {
    recipe.check()?;
    let data = &recipe.data;
    let train = plan_train(recipe, workplace, cancel, progress)?;
    let dev = data.dev.map(|split| plan_split(recipe, split, data.dev_limit, workplace, cancel, progress));
    let dev = dev.transpose()?;
    let mut notes: Vec<String> = train.notes.iter().map(ToString::to_string).collect();
    notes.extend(dev.iter().flat_map(|plan| &plan.notes).map(ToString::to_string));
    notes.dedup();
    let dev = dev.map(|plan| plan.cells).unwrap_or_default();
    let family = || TrainError::Family { model: recipe.model.clone() };
    let first = train.cells.first().ok_or_else(family)?;
    let CellModel::Load { path: base, .. } = &first.model else { return Err(family()) };
    if !base.is_dir() {
        return Err(family());
    }
    let (config, checkpoint) = open(base)?;
    let count = parameters(&config, &checkpoint);
    if let Some(lora) = &recipe.lora {
        refuse_adapter(base)?;
        lora.matrices(&config)?;
    }
    let tokenizer = HfTokenizer::from_folder(&home(base)?).map_err(ModelError::from)?;
    let examples = collect(recipe, &train.cells, &dev, &tokenizer, workplace, cancel, progress)?;
    let longest = |length: fn(&super::Example) -> usize| examples.train.iter().map(length).max().unwrap_or(0);
    let (prompt, label) = (longest(|example| example.prompt.len()), longest(|example| example.labels.len()));
    let training = &recipe.training;
    let micro = recipe.micro_batch();
    let estimate = |checkpointing| {
        let whole = Estimate::of(&config, count, training.batch, micro, prompt, label, checkpointing);
        match &recipe.lora {
            Some(lora) => lora.estimate(whole, &config, (prompt, label), micro, checkpointing),
            None => Ok(whole),
        }
    };
    let needed = estimate(false)?.needed();
    let checkpointing = training.gradient_checkpointing.unwrap_or_else(|| {
        let short = free_memory().is_some_and(|free| needed > free);
        !training.even && training.device == DeviceChoice::Cpu && short
    });
    if checkpointing && training.gradient_checkpointing.is_none() {
        notes.push("Activations are computed again on the way back, since memory is short".to_owned());
    }
    let estimate = estimate(checkpointing)?;
    // Decided once, so that a resumed job computes as it began.
    let mut recipe = recipe.clone();
    recipe.training.gradient_checkpointing = Some(checkpointing);
    for (number, what) in [
        (examples.fell_back, "prompts carry no entry, for none found room"),
        (examples.input_cut, "prompts lose the end of their input"),
        (examples.labels_cut, "answers are longer than max_label_length and are cut"),
    ] {
        if number > 0 {
            notes.push(format!("{number} of {} {what}", examples.train.len()));
        }
    }
    let steps = training.epochs * examples.train.len().div_ceil(training.batch) as u64;
    Ok(Prepared {
        record: JobRecord {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            name: None,
            recipe,
            model_fingerprint: first.spec.model.fingerprint.clone(),
            examples: examples.digest(),
            train_examples: examples.train.len(),
            dev_samples: examples.dev_samples(),
            steps,
        },
        estimate,
        notes,
        base: base.clone(),
        generation: first.generation.clone(),
        dropout: training.dropout.unwrap_or(config.dropout),
        examples,
    })
}

impl Prepared {
    /// Refuses what does not fit into memory, on the processor.
    ///
    /// # Errors
    /// [`TrainError::Memory`].
    pub fn check_memory(&self) -> Result<(), TrainError> {
        self.estimate.check(&self.record.recipe)
    }
}

/// Begins a job and works on it to its end.
///
/// # Errors
/// A folder that holds a job, a name that is taken; [`TrainError::Canceled`] after a checkpoint; whatever ends a job.
pub fn start(
    mut prepared: Prepared,
    options: &JobOptions,
    workplace: &Workplace,
    control: &Control,
) -> Result<Outcome, TrainError> {
    let folder = &options.folder;
    prepared.check_memory()?;
    if let Some(name) = &options.name {
        workplace.registry().check_name(name, &folder.join(MODEL))?;
    }
    fs::create_dir_all(folder).map_err(|source| TrainError::write(folder, source))?;
    let _lock = lock(folder)?;
    let path = folder.join(RECORD);
    if path.exists() {
        return Err(TrainError::JobExists { path: folder.clone() });
    }
    prepared.record.name.clone_from(&options.name);
    put(&path, &prepared.record)?;
    work(prepared, options, workplace, control)
}

/// The cells to learn from: where entries are chosen in several ways, those of each way with the samples drawn for it.
fn plan_train(
    recipe: &TrainRecipe,
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<crate::run::Plan, TrainError> {
    let data = &recipe.data;
    let plan = |recipe: &TrainRecipe| plan_split(recipe, data.split, data.limit, workplace, cancel, progress);
    let mut ways = recipe.mixed().iter().map(plan).collect::<Result<Vec<_>, _>>()?;
    let count = ways.len() as u64;
    for (way, plan) in ways.iter_mut().enumerate().filter(|_| count > 1) {
        for (number, cell) in plan.cells.iter_mut().enumerate() {
            let drawn = |&place: &u32| {
                step_seed(recipe.training.seed, number as u64, u64::from(place)) % count == way as u64
            };
            cell.positions = cell.positions.iter().copied().filter(drawn).collect();
        }
    }
    let mut all = ways.remove(0);
    for plan in ways {
        all.cells.extend(plan.cells);
        all.notes.extend(plan.notes);
    }
    Ok(all)
}

/// Goes on with a job where its newest checkpoint stands; one that is done is registered, if it is not yet.
///
/// # Errors
/// No job there; data or model that are not what they were; as [`start`].
pub fn resume(
    options: &JobOptions,
    workplace: &Workplace,
    control: &Control,
    progress: &Progress,
) -> Result<Outcome, TrainError> {
    let folder = &options.folder;
    let record: JobRecord = match get(&folder.join(RECORD)) {
        Err(TrainError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(TrainError::NoJob { path: folder.clone() });
        }
        record => record?,
    };
    if record.version > VERSION {
        let reason = "it was written by a newer Lamplight".to_owned();
        return Err(TrainError::Damaged { path: folder.join(RECORD), reason });
    }
    let _lock = lock(folder)?;
    let options = JobOptions { name: record.name.clone(), ..options.clone() };
    if folder.join(DONE).exists() {
        let outcome: Outcome = get(&folder.join(DONE))?;
        register(&outcome.model, outcome.name.as_deref(), workplace, control.cancel())?;
        return Ok(outcome);
    }
    let mut prepared = prepare(&record.recipe, workplace, control.cancel(), progress)?;
    let changed = |what| Err(TrainError::Changed { path: folder.clone(), what });
    if prepared.record.model_fingerprint != record.model_fingerprint {
        return changed("the model that it began with");
    }
    if prepared.record.examples != record.examples {
        return changed("what it learns from (data, template, retriever or tokenizer)");
    }
    prepared.check_memory()?;
    prepared.record = record;
    work(prepared, &options, workplace, control)
}

fn work(
    prepared: Prepared,
    options: &JobOptions,
    workplace: &Workplace,
    control: &Control,
) -> Result<Outcome, TrainError> {
    let Prepared { record, examples, base, generation, dropout, .. } = prepared;
    let recipe = &record.recipe;
    let training = &recipe.training;
    let dev = DevOptions {
        generation,
        batch: recipe.evaluation.batch,
        threads: workplace.threads(),
        device: training.device,
    };
    let plan = Plan {
        epochs: training.epochs,
        batch: training.batch,
        micro_batch: recipe.micro_batch(),
        dropout,
        seed: training.seed,
        patience: training.patience,
        clip: Some(recipe.optimizer.clip).filter(|clip| *clip > 0.0),
        adamw: recipe.adamw(),
        schedule: recipe.schedule(record.steps),
        checkpoint_every: options.checkpoint_every,
        checkpoint_steps: options.checkpoint_steps,
    };
    let folder = &options.folder;
    let train = || -> Result<Outcome, TrainError> {
        let model = match &recipe.lora {
            None => T5FineTuning::load(&base, examples, dev)?,
            Some(lora) => T5FineTuning::load_adapter(&base, examples, dev, lora, training.seed)?,
        };
        let model = model
            .computing(training.precision, training.gradient_checkpointing.unwrap_or_default())
            .even(training.even);
        let mut trainer = Trainer::new(model, plan, folder, control)?;
        let ended = trainer.run()?;
        conclude(&trainer, ended, &record, folder)
    };
    let outcome = in_threads(workplace, train)?;
    register(&outcome.model, outcome.name.as_deref(), workplace, control.cancel())?;
    Ok(outcome)
}

/// Does something with as many threads as a workplace has.
pub(super) fn in_threads<T: Send>(
    workplace: &Workplace,
    work: impl FnOnce() -> Result<T, TrainError> + Send,
) -> Result<T, TrainError> {
    match workplace.threads() {
        0 => work(),
        threads => {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let failed = |error: rayon::ThreadPoolBuildError| ModelError::Threads {
                source: std::io::Error::other(error),
            };
            pool.map_err(failed)?.install(work)
        }
    }
}

/// Puts the best weights where the result belongs, and clears what only a resumed job would need. May be broken off and
/// done again.
fn conclude<M: Trainable>(
    trainer: &Trainer<'_, M>,
    ended: Ended,
    record: &JobRecord,
    folder: &Path,
) -> Result<Outcome, TrainError> {
    let model = folder.join(MODEL);
    let lost =
        || TrainError::Damaged { path: folder.to_owned(), reason: "the best weights are gone".to_owned() };
    let (best, kept) = trainer.best().ok_or_else(lost)?;
    let outcome = Outcome {
        job: folder.to_owned(),
        model: model.clone(),
        name: record.name.clone(),
        ended,
        steps: trainer.step(),
        best: best.clone(),
        evaluations: trainer.evaluations().to_vec(),
    };
    if kept.is_dir() {
        put(&kept.join(RECIPE), &serde_json::json!({ "job": record, "outcome": outcome }))?;
        trainer.place(&kept, &model)?;
    } else if !model.is_dir() {
        return Err(lost());
    }
    put(&folder.join(DONE), &outcome)?;
    trainer.clear();
    Ok(outcome)
}

/// Registers what a job made, if it has a name.
pub(super) fn register(
    model: &Path,
    name: Option<&str>,
    workplace: &Workplace,
    cancel: &CancelToken,
) -> Result<(), TrainError> {
    if name.is_some() {
        let encoder = EncoderDefaults::default();
        workplace.registry().add(model, name, false, encoder, cancel, &Progress::new())?;
    }
    Ok(())
}

pub(super) fn put<T: Serialize>(path: &Path, value: &T) -> Result<(), TrainError> {
    let json = serde_json::to_vec_pretty(value).map_err(std::io::Error::from);
    json.and_then(|json| WholeFile::put(path, &json)).map_err(|source| TrainError::write(path, source))
}

pub(super) fn get<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, TrainError> {
    let bytes = fs::read(path).map_err(|source| TrainError::read(path, source))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| TrainError::Damaged { path: path.to_owned(), reason: error.to_string() })
}

/// Keeps other programs from the same job while the lock is held.
pub(super) fn lock(folder: &Path) -> Result<File, TrainError> {
    let path = folder.join("lock");
    let failed = |source| TrainError::write(&path, source);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(TrainError::Busy { path: folder.to_owned() }),
        // Some network file systems have no locks; jobs run there all the same.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}
