//! An adapter for each of many users as one job, each trained on that user's own profile and nothing else.
//!
//! A sample's adapter knows the profile that the sample carries: two samples of one person have two, so that none knows more
//! than its sample may. Each adapter begins alike, learns for so many epochs, and appears as a whole file; its seeds follow
//! from the recipe's and the sample, so that neither order nor interruption changes it. A job that was killed goes on with
//! those that are missing. The result is a collection ([`crate::model::lora::Collection`]), which is a model like others.

mod pairs;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::batching::batches;
use super::control::Steering;
use super::estimate::Estimate;
use super::examples::plan_split;
use super::job::{DONE, MODEL, VERSION, get, in_threads, lock, put, register};
use super::optimizer::{AdamW, tensors};
use super::t5::{DevOptions, T5FineTuning, refuse_adapter};
use super::trainer::{Plan, Trainable, learn_batch};
use super::{Example, Examples, LoraRecipe, TrainError, TrainRecipe, lora};
use crate::jobs::{CancelToken, Progress};
use crate::lamp::Sample;
use crate::model::lora::{self as adapters, Collection, USERS, user_file, user_key};
use crate::model::t5::{open, parameters};
use crate::model::weights::write_safetensors;
use crate::model::{GenerationConfig, HfTokenizer, ModelError, RECIPE, TextTokenizer};
use crate::prompt::PromptBuilder;
use crate::run::{Cell, CellModel, Workplace, in_full};
use crate::whole_file::WholeFile;

const RECORD: &str = "users-job.json";

/// What is written down of a job for many users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsersRecord {
    /// The form of it.
    pub version: u32,
    /// The program's version.
    pub program: String,
    /// What the result is registered as.
    pub name: Option<String>,
    /// All that decides the result.
    pub recipe: TrainRecipe,
    /// What identifies the model that all adapters are for.
    pub model_fingerprint: String,
    /// What identifies the datasets.
    pub data: Vec<String>,
    /// Users who get an adapter.
    pub users: usize,
    /// Bytes of an adapter's numbers.
    pub bytes_each: u64,
}

/// How such a job ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsersOutcome {
    /// The job's folder.
    pub job: PathBuf,
    /// The folder of the collection.
    pub model: PathBuf,
    /// What it is registered as.
    pub name: Option<String>,
    /// Users who have an adapter.
    pub users: usize,
    /// Those whose profile had nothing to learn from: their adapter changes nothing.
    pub without_examples: usize,
    /// Bytes of all adapters.
    pub bytes: u64,
}

/// How far such a job is.
#[derive(Debug, Clone, PartialEq)]
pub struct UsersProgress {
    /// Users who have an adapter.
    pub done: usize,
    /// Users in all.
    pub total: usize,
    /// Whose adapter is being trained.
    pub user: String,
    /// Steps taken for that one.
    pub step: u64,
    /// Steps for that one in all.
    pub steps: u64,
    /// The last step's loss; NaN before the first.
    pub loss: f64,
    /// Whether someone let it rest.
    pub paused: bool,
    /// How long an adapter takes, so far; `None` until there is one.
    pub seconds_per_user: Option<f64>,
    /// How long the rest will take at that rate.
    pub eta: Option<Duration>,
}

/// Steers a job for many users.
pub type UsersControl = Steering<UsersProgress>;

/// A recipe with its users and its model found, ready to be trained.
pub struct PreparedUsers {
    /// What is written down of it.
    pub record: UsersRecord,
    /// What training one of them takes.
    pub estimate: Estimate,
    /// What should be known before it begins.
    pub notes: Vec<String>,
    base: PathBuf,
    cells: Vec<Cell>,
    lora: LoraRecipe,
    dropout: f32,
}

/// Finds model and users of a recipe. Nothing is written.
///
/// # Errors
/// Whatever is wrong with the recipe, the data or the model; canceled.
pub fn prepare_users(
    recipe: &TrainRecipe,
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<PreparedUsers, TrainError> {
    recipe.check()?;
    let lora = recipe.lora.clone().unwrap_or_default();
    let wrong = |field, value: String, rule| Err(TrainError::Setting { field, value, rule });
    if recipe.retrieval.retriever != "none" {
        let rule = "an adapter for each user is trained on the profile itself; give none here, and a retriever to `lamplight run`";
        return wrong("retrieval.retriever", recipe.retrieval.retriever.clone(), rule);
    }
    if let Some(dev) = recipe.data.dev {
        let rule = "users are not held out from themselves: leave data.dev out, and the last epoch is kept";
        return wrong("data.dev", dev.id().to_owned(), rule);
    }
    if let Some(target) = lora.targets.iter().find(|target| target.starts_with("wi")) {
        let rule = "adapters for users are applied beside the base, which is done for q, k, v, o and wo";
        return wrong("lora.targets", target.clone(), rule);
    }
    let plan = plan_split(recipe, recipe.data.split, recipe.data.limit, workplace, cancel, progress)?;
    let family = || TrainError::Family { model: recipe.model.clone() };
    let first = plan.cells.first().ok_or_else(family)?;
    let CellModel::Load { path: base, .. } = &first.model else { return Err(family()) };
    if !base.is_dir() {
        return Err(family());
    }
    refuse_adapter(base)?;
    let (config, checkpoint) = open(base)?;
    let (micro, training) = (recipe.micro_batch(), &recipe.training);
    // Entries are read when their turn comes, so this is for the longest that there could be.
    let (prompt, label) = (recipe.prompt.max_length, recipe.prompt.max_label_length);
    let count = parameters(&config, &checkpoint);
    let checkpointing = training.gradient_checkpointing.unwrap_or_default();
    let whole = Estimate::of(&config, count, training.batch, micro, prompt, label, checkpointing);
    let estimate = lora.estimate(whole, &config, (prompt, label), micro, checkpointing)?;
    let mut notes: Vec<String> = plan.notes.iter().map(ToString::to_string).collect();
    notes.dedup();
    Ok(PreparedUsers {
        record: UsersRecord {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            name: None,
            recipe: TrainRecipe { lora: Some(lora.clone()), ..recipe.clone() },
            model_fingerprint: first.spec.model.fingerprint.clone(),
            data: plan.cells.iter().map(|cell| cell.spec.dataset.fingerprint.clone()).collect(),
            users: plan.cells.iter().map(|cell| cell.positions.len()).sum(),
            bytes_each: 4 * estimate.parameters,
        },
        estimate,
        notes,
        base: base.clone(),
        lora,
        dropout: training.dropout.unwrap_or(config.dropout),
        cells: plan.cells,
    })
}

/// Whether a folder holds a job for many users.
pub fn is_users_job(folder: &Path) -> bool {
    folder.join(RECORD).is_file()
}

/// Begins a job for many users in a folder and works on it to its end; the result is registered if it gets a name.
///
/// # Errors
/// A folder that holds a job, a name that is taken; [`TrainError::Canceled`], after which finished adapters stay; whatever ends
/// a job.
pub fn start_users(
    mut prepared: PreparedUsers,
    folder: &Path,
    name: Option<&str>,
    workplace: &Workplace,
    control: &UsersControl,
) -> Result<UsersOutcome, TrainError> {
    prepared.estimate.check(&prepared.record.recipe)?;
    if let Some(name) = name {
        workplace.registry().check_name(name, &folder.join(MODEL))?;
    }
    fs::create_dir_all(folder).map_err(|source| TrainError::write(folder, source))?;
    let _lock = lock(folder)?;
    let path = folder.join(RECORD);
    if path.exists() {
        return Err(TrainError::JobExists { path: folder.to_owned() });
    }
    prepared.record.name = name.map(str::to_owned);
    put(&path, &prepared.record)?;
    work(prepared, folder, workplace, control)
}

/// Goes on with those users who have no adapter yet; a job that is done is registered, if it is not yet.
///
/// # Errors
/// No job there; data or model that are not what they were; as [`start_users`].
pub fn resume_users(
    folder: &Path,
    workplace: &Workplace,
    control: &UsersControl,
    progress: &Progress,
) -> Result<UsersOutcome, TrainError> {
    let record: UsersRecord = get(&folder.join(RECORD))?;
    if record.version > VERSION {
        let reason = "it was written by a newer Lamplight".to_owned();
        return Err(TrainError::Damaged { path: folder.join(RECORD), reason });
    }
    let _lock = lock(folder)?;
    if folder.join(DONE).exists() {
        let outcome: UsersOutcome = get(&folder.join(DONE))?;
        register(&outcome.model, outcome.name.as_deref(), workplace, control.cancel())?;
        return Ok(outcome);
    }
    let mut prepared = prepare_users(&record.recipe, workplace, control.cancel(), progress)?;
    let changed = |what| Err(TrainError::Changed { path: folder.to_owned(), what });
    if prepared.record.model_fingerprint != record.model_fingerprint {
        return changed("the model that it began with");
    }
    if prepared.record.data != record.data {
        return changed("the data");
    }
    prepared.estimate.check(&record.recipe)?;
    prepared.record = record;
    work(prepared, folder, workplace, control)
}

fn work(
    prepared: PreparedUsers,
    folder: &Path,
    workplace: &Workplace,
    control: &UsersControl,
) -> Result<UsersOutcome, TrainError> {
    let name = prepared.record.name.clone();
    let outcome = in_threads(workplace, || train_all(&prepared, folder, control))?;
    register(&outcome.model, name.as_deref(), workplace, control.cancel())?;
    Ok(outcome)
}

/// Trains what is missing, and closes the collection.
fn train_all(
    prepared: &PreparedUsers,
    folder: &Path,
    control: &UsersControl,
) -> Result<UsersOutcome, TrainError> {
    let PreparedUsers { record, base, cells, lora, .. } = prepared;
    let (recipe, model_folder) = (&record.recipe, folder.join(MODEL));
    let written =
        |path: &Path, done: std::io::Result<()>| done.map_err(|source| TrainError::write(path, source));
    written(&model_folder, fs::create_dir_all(model_folder.join("users")))?;
    let tokenizer = HfTokenizer::from_folder(base).map_err(ModelError::from)?;
    let dev = DevOptions {
        generation: GenerationConfig::default(),
        batch: 1,
        threads: 0,
        device: recipe.training.device,
    };
    let checkpointing = recipe.training.gradient_checkpointing.unwrap_or_default();
    let model = T5FineTuning::load_adapter(base, Examples::default(), dev, lora, 0)?;
    let mut model = model.computing(recipe.training.precision, checkpointing);
    let mut watch = Watch::new(control, record.users);
    let (mut users, mut without_examples, mut bytes) = (Vec::new(), 0, 0);
    for cell in cells {
        let dataset = cell.dataset.id();
        let maker = Maker::new(cell, recipe, &tokenizer)?;
        for &position in cell.positions.iter() {
            let summary = cell.dataset.summary(position as usize);
            let id = summary.map_or_else(String::new, |record| record.id.to_owned());
            let user = user_key(&dataset.to_string(), &id);
            let path = model_folder.join(user_file(&user));
            watch.begin(&user, path.is_file());
            let broken = |reason| TrainError::Sample { dataset: dataset.to_string(), id: id.clone(), reason };
            let sample = cell.dataset.sample(position as usize).map_err(|error| broken(in_full(&error)))?;
            let seed = user_seed(recipe.training.seed, &user);
            let examples = maker.examples(&sample, seed).map_err(broken)?;
            without_examples += usize::from(examples.train.is_empty());
            if !path.is_file() {
                model.set_examples(examples)?;
                train_one(&model, prepared, seed, &mut watch)?;
                written(&path, write_safetensors(&path, &tensors(model.parameters())))?;
            }
            bytes += fs::metadata(&path).map_err(|source| TrainError::read(&path, source))?.len();
            users.push(user);
            watch.end();
        }
    }
    let outcome = UsersOutcome {
        job: folder.to_owned(),
        model: model_folder.clone(),
        name: record.name.clone(),
        users: users.len(),
        without_examples,
        bytes,
    };
    put(&model_folder.join(RECIPE), &serde_json::json!({ "job": record, "outcome": outcome }))?;
    written(&model_folder, adapters::write_config(&model_folder, &lora.config(base)))?;
    // Last: with its list, the folder is a collection.
    let path = model_folder.join(USERS);
    let list = Collection::list_json(users).map_err(std::io::Error::from);
    written(&path, list.and_then(|list| WholeFile::put(&path, &list)))?;
    put(&folder.join(DONE), &outcome)?;
    Ok(outcome)
}

/// Trains the adapter of one user from its beginning.
fn train_one(
    model: &T5FineTuning,
    prepared: &PreparedUsers,
    seed: u64,
    watch: &mut Watch<'_>,
) -> Result<(), TrainError> {
    let recipe = &prepared.record.recipe;
    let (batch, epochs) = (recipe.training.batch, recipe.training.epochs);
    let steps = epochs * model.lengths().len().div_ceil(batch) as u64;
    let plan = Plan {
        epochs,
        batch,
        micro_batch: recipe.micro_batch(),
        dropout: prepared.dropout,
        seed,
        patience: None,
        clip: Some(recipe.optimizer.clip).filter(|clip| *clip > 0.0),
        adamw: recipe.adamw(),
        schedule: recipe.schedule(steps),
        checkpoint_every: Duration::MAX,
        checkpoint_steps: None,
    };
    lora::begin(model.parameters(), seed)?;
    let mut optimizer = AdamW::new(model.parameters(), plan.adamw)?;
    let mut number = 0;
    for epoch in 0..epochs {
        for examples in batches(model.lengths(), batch, seed, epoch) {
            watch.control.rest(|| watch.tell(true));
            watch.control.cancel().check()?;
            let step = learn_batch(model, &plan, &mut optimizer, number, &examples)?;
            number += 1;
            watch.step(number, steps, step.loss);
        }
    }
    Ok(())
}

/// A seed for one user, whoever comes before.
fn user_seed(seed: u64, user: &str) -> u64 {
    let hash = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(user).finalize();
    hash.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

/// Makes examples of profiles, with the prompts that evaluation without retrieval would have.
struct Maker<'a> {
    cell: &'a Cell,
    builder: PromptBuilder<'a>,
    tokenizer: &'a HfTokenizer,
    max_length: usize,
    max_label_length: usize,
}

impl<'a> Maker<'a> {
    fn new(cell: &'a Cell, recipe: &TrainRecipe, tokenizer: &'a HfTokenizer) -> Result<Self, TrainError> {
        let family = || TrainError::Family { model: recipe.model.clone() };
        let (template, options) = cell.prompt.as_ref().ok_or_else(family)?;
        let builder = PromptBuilder::new(cell.dataset.id().task, template, *options, tokenizer);
        let builder = builder.map_err(crate::run::RunError::from)?;
        let (max_length, max_label_length) = (options.max_length, recipe.prompt.max_label_length);
        Ok(Self { cell, builder, tokenizer, max_length, max_label_length })
    }

    /// The examples of a sample's profile, or why there are none to be made.
    fn examples(&self, sample: &Sample, seed: u64) -> Result<Examples, String> {
        let mut train = Vec::new();
        for (place, input, output) in pairs::pairs(self.cell.dataset.id().task, sample, seed) {
            let id = format!("{} entry {}", sample.id, sample.profile[place].id);
            let asked = Sample { id: id.clone(), input, ..Sample::default() };
            let prompt = self.builder.plain(&asked).map_err(|error| in_full(&error))?;
            let encoded = |text: &str, length| {
                self.tokenizer.encode_cut(text, length).map_err(|error| error.to_string())
            };
            let labels = encoded(&output, self.max_label_length)?;
            train.push(Example { id, prompt: encoded(&prompt.text, self.max_length)?, labels });
        }
        Ok(Examples { train, ..Examples::default() })
    }
}

/// Tells how far the job is.
struct Watch<'a> {
    control: &'a UsersControl,
    progress: UsersProgress,
    /// Users whose adapters were trained now, and how long that took.
    trained: (usize, Duration),
    begun: Instant,
    found: bool,
}

impl<'a> Watch<'a> {
    fn new(control: &'a UsersControl, total: usize) -> Self {
        let progress = UsersProgress {
            done: 0,
            total,
            user: String::new(),
            step: 0,
            steps: 0,
            loss: f64::NAN,
            paused: false,
            seconds_per_user: None,
            eta: None,
        };
        Self { control, progress, trained: (0, Duration::ZERO), begun: Instant::now(), found: false }
    }

    /// The next user; `found` says that the adapter is there already.
    fn begin(&mut self, user: &str, found: bool) {
        (self.begun, self.found) = (Instant::now(), found);
        user.clone_into(&mut self.progress.user);
        (self.progress.step, self.progress.steps, self.progress.loss) = (0, 0, f64::NAN);
        self.tell(false);
    }

    fn step(&mut self, step: u64, steps: u64, loss: f64) {
        (self.progress.step, self.progress.steps, self.progress.loss) = (step, steps, loss);
        self.tell(false);
    }

    fn end(&mut self) {
        self.progress.done += 1;
        if !self.found {
            self.trained.0 += 1;
            self.trained.1 += self.begun.elapsed();
        }
        if self.trained.0 > 0 {
            let each = self.trained.1.as_secs_f64() / self.trained.0 as f64;
            let left = self.progress.total.saturating_sub(self.progress.done);
            self.progress.seconds_per_user = Some(each);
            self.progress.eta = Some(Duration::from_secs_f64(each * left as f64));
        }
        self.tell(false);
    }

    fn tell(&self, paused: bool) {
        self.control.latest().set(UsersProgress { paused, ..self.progress.clone() });
    }
}
