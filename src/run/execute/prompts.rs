//! The prompts of a cell's samples without a model that answers them: exactly those that a run would ask.

use std::sync::mpsc::sync_channel;
use std::thread;

use super::prepare::{How, Item, Preparer, Work};
use super::{RunError, WINDOWS};
use crate::jobs::{CancelToken, Progress};
use crate::model::TextTokenizer;
use crate::prompt::PromptBuilder;
use crate::retrieval::EncoderSource;
use crate::run::Cell;

/// A sample's prompt as a run asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedPrompt {
    /// The sample's place in the dataset.
    pub position: u32,
    /// Its id.
    pub id: String,
    /// The tokens that the model reads, special ones included, cut to length; or why there is no prompt.
    pub tokens: Result<Vec<u32>, String>,
    /// The right answer, where it is known.
    pub reference: Option<String>,
    /// Whether entries were retrieved and none found room.
    pub fell_back: bool,
    /// Whether the model does not read the end of the input.
    pub input_cut: bool,
}

/// Ranks, words and encodes the samples of a cell on all processors, and hands the prompts over in the cell's order.
/// `progress` counts samples.
///
/// # Errors
/// Where the retriever cannot be had or the cell has no prompt; canceled.
pub fn prompts(
    cell: &Cell,
    tokenizer: &dyn TextTokenizer,
    encoders: &dyn EncoderSource,
    cancel: &CancelToken,
    progress: &Progress,
    each: &mut dyn FnMut(AskedPrompt),
) -> Result<(), RunError> {
    cell.dataset.ensure_usable()?;
    let retriever = match cell.retrieves_nothing() {
        true => None,
        false => Some(cell.retriever.build(encoders)?),
    };
    let no_prompt = || RunError::NoPrompt { model: cell.spec.model.name.clone() };
    let (template, options) = cell.prompt.as_ref().ok_or_else(no_prompt)?;
    let builder = PromptBuilder::new(cell.dataset.id().task, template, *options, tokenizer)?;
    let how = How::Prompt { builder, tokenizer, max_length: options.max_length, by_user: false, keys: None };
    // Encoding has a count of its own, which is not shown here.
    let preparer = Preparer::new(cell, retriever, how, cancel.clone(), Progress::new());
    progress.start("Making prompts", cell.positions.len() as u64);
    let (windows, prepared) = sync_channel::<Vec<Item>>(WINDOWS);
    thread::scope(|scope| {
        let preparing = thread::Builder::new()
            .name("prepare".into())
            .spawn_scoped(scope, move || preparer.run(&cell.positions, None, &windows))
            .map_err(|source| RunError::Threads { source })?;
        for item in prepared.into_iter().flatten() {
            progress.add(1);
            each(asked(item));
        }
        preparing.join().map_err(|payload| RunError::of_panic("preparing samples", &*payload))?;
        Ok::<(), RunError>(())
    })?;
    Ok(cancel.check()?)
}

fn asked(Item { row, work }: Item) -> AskedPrompt {
    let tokens = match work {
        Work::Ask(question) => Ok(question.tokens),
        Work::Nothing => Err(row.error.unwrap_or_default()),
    };
    AskedPrompt {
        position: row.position,
        id: row.sample_id,
        tokens,
        reference: row.reference,
        fell_back: row.fell_back,
        input_cut: row.input_cut,
    }
}
