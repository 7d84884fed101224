//! Samples to examples: the prompts that evaluation would ask, and the right answers as labels.

use sha2::{Digest, Sha256};

use super::{TrainError, TrainRecipe};
use crate::dataset::DatasetId;
use crate::jobs::{CancelToken, Progress};
use crate::lamp::Split;
use crate::model::TextTokenizer;
use crate::run::plan::refused_in_words;
use crate::run::{AskedPrompt, Cell, CellModel, Plan, Workplace, plan_draft, prompts};

/// A prompt with its right answer, as tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The sample's id; with its dataset where there are several.
    pub id: String,
    /// What the model reads.
    pub prompt: Vec<u32>,
    /// What it should write, end-of-sequence included.
    pub labels: Vec<u32>,
}

/// A prompt of the dev split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevSample {
    /// The sample's id.
    pub id: String,
    /// What the model reads.
    pub prompt: Vec<u32>,
    /// The right answer.
    pub reference: String,
}

/// All that a job learns from and is judged by.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Examples {
    /// To learn from, in the order of the files.
    pub train: Vec<Example>,
    /// To be judged by, for each dataset.
    pub dev: Vec<(DatasetId, Vec<DevSample>)>,
    /// Prompts to learn from in which no retrieved entry found room.
    pub fell_back: usize,
    /// Prompts to learn from that lost the end of the input.
    pub input_cut: usize,
    /// Labels that were cut.
    pub labels_cut: usize,
}

impl Examples {
    /// What identifies every token of it.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut tokens = |tokens: &[u32]| {
            hash.update((tokens.len() as u64).to_le_bytes());
            let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
            hash.update(bytes);
        };
        for example in &self.train {
            tokens(&example.prompt);
            tokens(&example.labels);
        }
        for sample in self.dev.iter().flat_map(|(_, samples)| samples) {
            tokens(&sample.prompt);
            tokens(&sample.reference.bytes().map(u32::from).collect::<Vec<_>>());
        }
        hex::encode(hash.finalize())
    }

    /// Samples of the dev split.
    pub fn dev_samples(&self) -> usize {
        self.dev.iter().map(|(_, samples)| samples.len()).sum()
    }
}

/// The cells of one split, and the model that they share.
pub(super) fn plan_split(
    recipe: &TrainRecipe,
    split: Split,
    limit: Option<usize>,
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Plan, TrainError> {
    let (experiment, problems) = recipe.experiment(split, limit).checked()?;
    let plan = plan_draft(&experiment, problems, workplace, cancel, progress)?;
    if !plan.refused.is_empty() {
        return Err(TrainError::Refused { reasons: refused_in_words(&plan.refused).join("; ") });
    }
    match plan.cells.iter().find(|cell| !matches!(cell.model, CellModel::Load { .. })) {
        Some(cell) => Err(TrainError::Family { model: cell.spec.model.name.clone() }),
        None => Ok(plan),
    }
}

/// Makes the examples of planned splits.
pub(super) fn collect(
    recipe: &TrainRecipe,
    train: &[Cell],
    dev: &[Cell],
    tokenizer: &dyn TextTokenizer,
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Examples, TrainError> {
    let mut examples = Examples::default();
    for cell in train {
        let dataset = cell.dataset.id();
        let prefix = if train.len() == 1 { String::new() } else { format!("{dataset} ") };
        let mut failed = None;
        let mut take = |asked: AskedPrompt| -> Result<(), TrainError> {
            let (prompt, reference) = usable(dataset, &asked)?;
            let broken = |reason: String| sample_error(dataset, &asked.id, reason);
            let whole = tokenizer.encode(reference).map_err(|error| broken(error.to_string()))?;
            examples.labels_cut += usize::from(whole.len() > recipe.prompt.max_label_length);
            let labels = tokenizer
                .encode_cut(reference, recipe.prompt.max_label_length)
                .map_err(|error| broken(error.to_string()))?;
            examples.fell_back += usize::from(asked.fell_back);
            examples.input_cut += usize::from(asked.input_cut);
            let (prompt, id) = (prompt.to_vec(), format!("{prefix}{}", asked.id));
            examples.train.push(Example { id, prompt, labels });
            Ok(())
        };
        prompts(cell, tokenizer, workplace, cancel, progress, &mut |asked| {
            if failed.is_none() {
                failed = take(asked).err();
            }
        })?;
        failed.map_or(Ok(()), Err)?;
    }
    for cell in dev {
        let dataset = cell.dataset.id();
        let mut samples = Vec::with_capacity(cell.positions.len());
        let mut failed = None;
        prompts(cell, tokenizer, workplace, cancel, progress, &mut |asked| match usable(dataset, &asked) {
            Ok((prompt, reference)) => {
                let (prompt, reference) = (prompt.to_vec(), reference.to_owned());
                samples.push(DevSample { id: asked.id, prompt, reference });
            }
            Err(error) => failed = failed.take().or(Some(error)),
        })?;
        failed.map_or(Ok(()), Err)?;
        examples.dev.push((dataset, samples));
    }
    Ok(examples)
}

fn usable(dataset: DatasetId, asked: &AskedPrompt) -> Result<(&[u32], &str), TrainError> {
    let wrong = |reason: &str| sample_error(dataset, &asked.id, reason.to_owned());
    let tokens = asked.tokens.as_deref().map_err(|reason| wrong(reason))?;
    let reference = asked.reference.as_deref().ok_or_else(|| wrong("it has no reference"))?;
    if reference.trim().is_empty() {
        return Err(wrong("its reference is empty"));
    }
    if tokens.is_empty() {
        return Err(wrong("its prompt is empty"));
    }
    Ok((tokens, reference))
}

fn sample_error(dataset: DatasetId, id: &str, reason: String) -> TrainError {
    TrainError::Sample { dataset: dataset.to_string(), id: id.to_owned(), reason }
}
