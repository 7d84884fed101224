//! What a cell's samples would cost at an endpoint, before any is asked.

use std::sync::Arc;

use super::{Cell, CellModel, RunError, Workplace, prompts};
use crate::jobs::{CancelToken, Progress};
use crate::model::endpoint::EstimatingTokenizer;
use crate::model::{EndpointOptions, LoadOptions, TextTokenizer, load_tokenizer};

/// Prompts that are made to count tokens; more tell little more.
const COUNTED: usize = 400;

/// What asking would take, by the tokens of some prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Samples that are to be asked.
    pub samples: u64,
    /// Prompts whose tokens were counted; the others are taken to be alike.
    pub counted: u64,
    /// Tokens read, in all.
    pub prompt_tokens: u64,
    /// Tokens written at most, in all.
    pub most_new_tokens: u64,
    /// What counts tokens: a model's name, or how they are estimated.
    pub tokenizer: String,
    /// The cost if nothing were written, and if every answer were as long as it may be; `None` where no price is known.
    pub cost: Option<(f64, f64)>,
}

/// Estimates what is left of a cell, of which `stored` samples are answered; `None` for models that compute here.
///
/// # Errors
/// Where the retriever or the tokenizer cannot be had; canceled.
pub fn estimate(
    cell: &Cell,
    stored: u64,
    workplace: &Workplace,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Option<Estimate>, RunError> {
    let CellModel::Load { options: LoadOptions { endpoint: Some(endpoint), .. }, .. } = &cell.model else {
        return Ok(None);
    };
    let EndpointOptions { settings, tokenizer: file } = &**endpoint;
    let tokenizer: Arc<dyn TextTokenizer> = match file {
        Some(file) => load_tokenizer(file).map_err(|source| RunError::Model {
            model: cell.spec.model.name.clone(),
            source: Box::new(source),
        })?,
        None => Arc::new(EstimatingTokenizer),
    };
    let every = cell.positions.len().div_ceil(COUNTED).max(1);
    let some = Cell { positions: cell.positions.iter().copied().step_by(every).collect(), ..cell.clone() };
    let (mut counted, mut tokens) = (0_u64, 0_u64);
    prompts(&some, &*tokenizer, workplace, cancel, progress, &mut |prompt| {
        if let Ok(read) = &prompt.tokens {
            counted += 1;
            tokens += read.len() as u64;
        }
    })?;
    let samples = (cell.positions.len() as u64).saturating_sub(stored);
    let prompt_tokens = (samples as f64 * tokens as f64 / counted.max(1) as f64).round() as u64;
    let most_new_tokens = samples * cell.generation.max_new_tokens as u64;
    let cost = settings.cost(prompt_tokens, 0).zip(settings.cost(prompt_tokens, most_new_tokens));
    let tokenizer = settings.tokenizer.clone().unwrap_or_else(|| EstimatingTokenizer::NAME.to_owned());
    Ok(Some(Estimate { samples, counted, prompt_tokens, most_new_tokens, tokenizer, cost }))
}
