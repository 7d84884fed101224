//! The loop: batches to gradients to weights, an evaluation each epoch, checkpoints. Knows no kind of model.

use std::path::Path;
use std::time::{Duration, Instant};

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::TrainError;
use super::batching::{batches, step_seed};
use super::checkpoint::{Folder, State};
use super::control::{Control, LOOK, Phase, TrainProgress};
use super::curve::{Curve, CurvePoint};
use super::optimizer::{AdamW, AdamWOptions, Gradients, Parameter};
use super::schedule::Schedule;
use crate::jobs::CancelToken;
use crate::lamp::{Metric, Setting, Task};
use crate::model::Dropout;

/// How much of the mean of recent losses, rates and times an older one keeps.
const MEMORY: f64 = 0.95;

/// A model under training with what it learns from.
pub trait Trainable {
    /// What is trained; the same ones in the same order at each call.
    fn parameters(&self) -> &[Parameter];

    /// For each example, how long it is: examples of like length are learned from together.
    fn lengths(&self) -> &[usize];

    /// Tokens of an example that are read and written.
    fn tokens(&self, example: usize) -> usize;

    /// How much an example counts in the mean loss of a batch: the number of its labels, say.
    fn weight(&self, example: usize) -> f64;

    /// The id of an example, for messages.
    fn id(&self, example: usize) -> &str;

    /// The mean loss of a batch, differentiable to the parameters.
    ///
    /// # Errors
    /// What the arithmetic gives.
    fn loss(&self, examples: &[u32], dropout: &mut Dropout) -> Result<Tensor, TrainError>;

    /// Adds the gradients of `share` times the mean loss of a batch, and gives that loss.
    ///
    /// # Errors
    /// What the arithmetic gives.
    fn learn(
        &self,
        examples: &[u32],
        share: f64,
        dropout: &mut Dropout,
        gradients: &mut Gradients,
    ) -> Result<f64, TrainError> {
        learn_at_once(self, examples, share, dropout, gradients)
    }

    /// Writes what was trained into an empty folder, in the form in which others load it.
    ///
    /// # Errors
    /// What cannot be written.
    fn write(&self, folder: &Path) -> Result<(), TrainError>;

    /// Scores the model that [`Trainable::write`] wrote into a folder; nothing if there is no dev split. `progress` is
    /// told how many samples of how many are answered.
    ///
    /// # Errors
    /// Canceled; what the model gives.
    fn evaluate(
        &mut self,
        folder: &Path,
        cancel: &CancelToken,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<DevScore>, TrainError>;
}

/// The gradients of a loss all of whose activations are kept.
pub(super) fn learn_at_once(
    model: &(impl Trainable + ?Sized),
    examples: &[u32],
    share: f64,
    dropout: &mut Dropout,
    gradients: &mut Gradients,
) -> Result<f64, TrainError> {
    let mean = model.loss(examples, dropout)?;
    let value = f64::from(mean.to_scalar::<f32>()?);
    if value.is_finite() {
        let store = if share == 1.0 { mean.backward()? } else { (mean * share)?.backward()? };
        gradients.add(model.parameters(), store)?;
    }
    Ok(value)
}

/// The figure of one dataset of the dev split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DevScore {
    /// The task.
    pub task: Task,
    /// The setting.
    pub setting: Setting,
    /// The metric that decides for the task.
    pub metric: Metric,
    /// Its value.
    pub value: f64,
    /// Samples that were scored.
    pub samples: usize,
}

impl DevScore {
    /// The value such that more is better and datasets can be averaged: errors of ratings as a share of the scale's length,
    /// taken from 1.
    fn goodness(&self) -> f64 {
        if self.metric.higher_is_better() { self.value } else { 1.0 - self.value / 4.0 }
    }
}

/// What an epoch was worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Steps taken.
    pub step: u64,
    /// Epochs seen; the last one may have been cut short.
    pub epoch: u64,
    /// The figure of each dataset; none without a dev split.
    pub scores: Vec<DevScore>,
    /// What decides: the mean over the datasets, more is better. Without a dev split the later one is better.
    pub value: f64,
}

/// Why a job takes no more steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// All epochs are done.
    AllEpochs,
    /// So many epochs in a row were no better that its recipe's patience was at an end.
    NoBetter,
    /// Someone ended it with what it had.
    Finished,
}

/// The constants of a loop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Times that every example is seen.
    pub epochs: u64,
    /// Examples of a step.
    pub batch: usize,
    /// Examples computed at once.
    pub micro_batch: usize,
    /// The share of activations that is dropped.
    pub dropout: f32,
    /// Decides order and dropout.
    pub seed: u64,
    /// Ends after so many epochs in a row that were no better.
    pub patience: Option<u64>,
    /// The most that the gradients' norm may be.
    pub clip: Option<f64>,
    /// The optimizer's constants.
    pub adamw: AdamWOptions,
    /// The learning rates.
    pub schedule: Schedule,
    /// A checkpoint whenever so much time has passed.
    pub checkpoint_every: Duration,
    /// A checkpoint after each so many steps, too.
    pub checkpoint_steps: Option<u64>,
}

/// What a step came to.
pub(super) struct Step {
    pub loss: f64,
    pub norm: f64,
    pub rate: f64,
    pub tokens: u64,
}

/// Recent means, for those who watch.
#[derive(Default)]
struct Recent {
    loss: Option<f64>,
    seconds: Option<f64>,
    tokens_per_s: Option<f64>,
    evaluation: Duration,
}

/// Trains a model in a job's folder.
pub struct Trainer<'a, M> {
    model: M,
    plan: Plan,
    folder: Folder,
    optimizer: AdamW,
    state: State,
    curve: Curve,
    control: &'a Control,
    /// The present epoch's batches.
    order: Vec<Vec<u32>>,
    per_epoch: u64,
    recent: Recent,
    last: Option<Step>,
    saved: Instant,
}

impl<'a, M: Trainable> Trainer<'a, M> {
    /// A trainer that goes on where the folder's newest checkpoint stands, or begins.
    ///
    /// # Errors
    /// A checkpoint that cannot be used; what cannot be written.
    pub fn new(model: M, plan: Plan, folder: &Path, control: &'a Control) -> Result<Self, TrainError> {
        let folder = Folder(folder.to_owned());
        let mut optimizer = AdamW::new(model.parameters(), plan.adamw)?;
        let state = folder.load(model.parameters(), &mut optimizer)?.unwrap_or_default();
        let curve = Curve::open(folder.0.join("curve.jsonl"), state.step)?;
        let per_epoch = model.lengths().len().div_ceil(plan.batch.max(1)) as u64;
        Ok(Self {
            model,
            plan,
            folder,
            optimizer,
            state,
            curve,
            control,
            order: Vec::new(),
            per_epoch,
            recent: Recent::default(),
            last: None,
            saved: Instant::now(),
        })
    }

    /// Steps taken so far.
    pub const fn step(&self) -> u64 {
        self.state.step
    }

    /// The evaluations, which of them is the best, and the folder that holds its weights.
    pub fn best(&self) -> Option<(&Evaluation, std::path::PathBuf)> {
        let best = self.state.evaluations.get(self.state.best?)?;
        Some((best, self.folder.best(best.step)))
    }

    /// Moves a kept folder to where it belongs.
    ///
    /// # Errors
    /// What cannot be moved.
    pub fn place(&self, kept: &Path, to: &Path) -> Result<(), TrainError> {
        self.folder.rename(kept, to)
    }

    /// Removes checkpoints and kept weights.
    pub fn clear(&self) {
        self.folder.clear(|_| true);
    }

    /// All evaluations.
    pub fn evaluations(&self) -> &[Evaluation] {
        &self.state.evaluations
    }

    /// The model.
    pub const fn model(&self) -> &M {
        &self.model
    }

    /// Trains to the end, which may have been reached already.
    ///
    /// # Errors
    /// [`TrainError::Canceled`] after a checkpoint from which it goes on; a loss that is no number; what cannot be written.
    pub fn run(&mut self) -> Result<Ended, TrainError> {
        let total = self.plan.epochs * self.per_epoch;
        loop {
            if let Some(ended) = self.state.ended {
                self.tell(Phase::Done);
                return Ok(ended);
            }
            self.control.rest(|| self.tell(Phase::Paused));
            if self.control.cancel().is_canceled() {
                return Err(self.leave());
            }
            let finishing = self.control.is_finishing();
            let due = self.state.position == self.per_epoch;
            if due || (finishing && self.state.evaluations.is_empty()) {
                match self.evaluate() {
                    Err(TrainError::Canceled(_)) => return Err(self.leave()),
                    done => done?,
                }
            } else if !finishing && self.state.step < total {
                self.take_step()?;
                continue;
            }
            self.state.ended = self.reason(total, finishing);
            self.save()?;
        }
    }

    /// Why it ends here, if it does.
    fn reason(&self, total: u64, finishing: bool) -> Option<Ended> {
        let best = self.state.best.unwrap_or_default();
        let since = self.state.evaluations.len().saturating_sub(best + 1) as u64;
        if self.state.step >= total {
            Some(Ended::AllEpochs)
        } else if self.plan.patience.is_some_and(|patience| since >= patience) {
            Some(Ended::NoBetter)
        } else {
            finishing.then_some(Ended::Finished)
        }
    }

    /// Saves where it stands and says that it was canceled; if that cannot be saved, why not.
    fn leave(&mut self) -> TrainError {
        match self.save() {
            Ok(()) => TrainError::Canceled(crate::jobs::Canceled),
            Err(error) => error,
        }
    }

    fn save(&mut self) -> Result<(), TrainError> {
        self.tell(Phase::Saving);
        self.folder.save(&self.state, self.model.parameters(), &self.optimizer)?;
        self.saved = Instant::now();
        Ok(())
    }

    fn take_step(&mut self) -> Result<(), TrainError> {
        if self.order.is_empty() {
            self.order = batches(self.model.lengths(), self.plan.batch, self.plan.seed, self.state.epoch);
        }
        let begun = Instant::now();
        let batch = self.order.get(self.state.position as usize).cloned().unwrap_or_default();
        let step = learn_batch(&self.model, &self.plan, &mut self.optimizer, self.state.step, &batch)?;
        self.state.step += 1;
        self.state.position += 1;
        let seconds = begun.elapsed().as_secs_f64();
        let mix = |old: &mut Option<f64>, new: f64| {
            *old = Some(old.map_or(new, |old| MEMORY * old + (1.0 - MEMORY) * new));
        };
        mix(&mut self.recent.loss, step.loss);
        mix(&mut self.recent.seconds, seconds);
        mix(&mut self.recent.tokens_per_s, step.tokens as f64 / seconds.max(1e-9));
        self.curve.add(&CurvePoint::Step {
            step: self.state.step,
            epoch: self.epoch(),
            loss: step.loss,
            rate: step.rate,
            gradient_norm: step.norm,
            tokens: step.tokens,
            seconds,
        })?;
        self.last = Some(step);
        self.tell(Phase::Training);
        let by_steps =
            self.plan.checkpoint_steps.is_some_and(|each| self.state.step.is_multiple_of(each.max(1)));
        if by_steps || self.saved.elapsed() >= self.plan.checkpoint_every {
            self.save()?;
        }
        Ok(())
    }

    /// Ends an epoch: scores the weights, and keeps them if they are the best so far.
    fn evaluate(&mut self) -> Result<(), TrainError> {
        let begun = Instant::now();
        self.tell(Phase::Saving);
        let candidate = self.folder.whole("candidate.partial", |folder| self.model.write(folder))?;
        let cancel = self.control.cancel().clone();
        let mut told: Option<Instant> = None;
        let base = self.progress(Phase::Training);
        let latest = self.control.latest();
        let mut progress = |done: usize, total: usize| {
            if done == total || told.is_none_or(|told| told.elapsed() >= LOOK) {
                told = Some(Instant::now());
                latest.set(TrainProgress { phase: Phase::Evaluating { done, total }, ..base.clone() });
            }
        };
        let scores = self.model.evaluate(&candidate, &cancel, &mut progress)?;
        let value = match scores.len() {
            0 => self.state.step as f64,
            count => scores.iter().map(DevScore::goodness).sum::<f64>() / count as f64,
        };
        let evaluation = Evaluation { step: self.state.step, epoch: self.state.epoch + 1, scores, value };
        let best = self.state.best.and_then(|best| self.state.evaluations.get(best));
        if best.is_none_or(|best| evaluation.value > best.value) {
            self.folder.keep_best(&candidate, evaluation.step)?;
            self.state.best = Some(self.state.evaluations.len());
        }
        self.curve.add(&CurvePoint::Dev(evaluation.clone()))?;
        self.state.evaluations.push(evaluation);
        self.state.epoch += 1;
        self.state.position = 0;
        self.order.clear();
        self.recent.evaluation = begun.elapsed();
        Ok(())
    }

    fn epoch(&self) -> f64 {
        self.state.epoch as f64 + self.state.position as f64 / self.per_epoch.max(1) as f64
    }

    fn progress(&self, phase: Phase) -> TrainProgress {
        let total = self.plan.epochs * self.per_epoch;
        let of_last = |value: fn(&Step) -> f64| self.last.as_ref().map_or(f64::NAN, value);
        let left = self.recent.seconds.map(|seconds| {
            let steps = total.saturating_sub(self.state.step) as f64 * seconds;
            let evaluations = self.plan.epochs.saturating_sub(self.state.epoch) as f64;
            Duration::from_secs_f64(steps + evaluations * self.recent.evaluation.as_secs_f64())
        });
        TrainProgress {
            phase,
            step: self.state.step,
            steps: total,
            epoch: self.epoch(),
            epochs: self.plan.epochs,
            loss: of_last(|step| step.loss),
            smooth_loss: self.recent.loss.unwrap_or(f64::NAN),
            rate: of_last(|step| step.rate),
            gradient_norm: of_last(|step| step.norm),
            tokens_per_s: self.recent.tokens_per_s.unwrap_or_default(),
            evaluations: self.state.evaluations.clone(),
            best: self.state.best,
            eta: left,
        }
    }

    fn tell(&self, phase: Phase) {
        self.control.latest().set(self.progress(phase));
    }
}

/// Moves the weights by one batch; `number` counts the steps before.
pub(super) fn learn_batch<M: Trainable>(
    model: &M,
    plan: &Plan,
    optimizer: &mut AdamW,
    number: u64,
    batch: &[u32],
) -> Result<Step, TrainError> {
    let weigh = |examples: &[u32]| examples.iter().map(|&e| model.weight(e as usize)).sum::<f64>();
    let total = weigh(batch);
    let mut gradients = Gradients::new(model.parameters());
    let mut loss = 0.0;
    for (part, examples) in batch.chunks(plan.micro_batch.max(1)).enumerate() {
        let mut dropout = Dropout::new(plan.dropout, step_seed(plan.seed, number, part as u64));
        let share = weigh(examples) / total;
        let value = model.learn(examples, share, &mut dropout, &mut gradients)?;
        if !value.is_finite() {
            return Err(not_finite(model, "loss", number, examples));
        }
        loss += share * value;
    }
    let norm = gradients.norm()?;
    if !norm.is_finite() {
        return Err(not_finite(model, "gradient", number, batch));
    }
    let rate = plan.schedule.rate(number);
    optimizer.step(model.parameters(), &gradients, norm, rate, plan.clip)?;
    let tokens = batch.iter().map(|&example| model.tokens(example as usize) as u64).sum();
    Ok(Step { loss, norm, rate, tokens })
}

fn not_finite<M: Trainable>(model: &M, what: &'static str, number: u64, examples: &[u32]) -> TrainError {
    const SHOWN: usize = 32;
    let mut ids: Vec<&str> = examples.iter().take(SHOWN).map(|&e| model.id(e as usize)).collect();
    if examples.len() > SHOWN {
        ids.push("and more");
    }
    let advice = if number == 0 {
        "The weights that it began with are damaged or overflow; look at the model before at the recipe"
    } else {
        "The last checkpoint is sound. Begin a new job with a lower learning_rate, a longer warmup or a smaller clip, and \
         look at these examples for texts that are no language"
    };
    TrainError::NotFinite { what, step: number + 1, ids: ids.join(", "), advice }
}
