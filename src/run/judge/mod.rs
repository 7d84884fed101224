//! A language model as judge of finished runs: how good an answer is, or which of two is better.
//!
//! A [`Judge`] is a model with a template; it is asked as a run's model is asked, so that kept answers, many requests at once,
//! spending limits and cancellation are the same. What it says is stored verdict by verdict, and only what is missing is asked.
//! Figures are computed from stored verdicts alone (see [`RubricFigures`](crate::record::RubricFigures) and
//! [`PairFigures`](crate::record::PairFigures)). A pair is asked about in both orders, and a judge that changes its mind with
//! the order has said that neither is better.

mod cases;
mod error;
mod reading;
mod template;
mod work;

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

pub use cases::Cases;
pub use error::JudgeError;
pub use template::{JudgeTemplate, JudgeTemplateError};
pub use work::Judged;

use super::experiment::{GenerationSettings, ModelSettings};
use super::plan::plan_model;
use super::{CellModel, Estimate, PlanError, Workplace};
use crate::jobs::CancelToken;
use crate::jobs::Progress;
use crate::model::endpoint::EstimatingTokenizer;
use crate::model::{GenerationConfig, LoadOptions, LoadedModel, TextTokenizer};
use crate::record::{JudgeMethod, JudgeSpec, JudgingId, JudgingRecord, ModelSpec, RunRecord, Training};
use crate::store::Reader;

/// The most new tokens of a verdict where nothing else is said.
pub const MOST_NEW_TOKENS: usize = 256;

/// Prompts that are made to count tokens; more tell little more.
const COUNTED: usize = 200;

/// Who judges, and how it is asked.
#[derive(Debug, Clone)]
pub struct JudgeSettings {
    /// The model and how it is loaded; what it says of generation counts.
    pub model: ModelSettings,
    /// The wording, which is of one method.
    pub template: JudgeTemplate,
}

impl JudgeSettings {
    /// A model by its name, asked in the program's own words.
    pub fn new(name: &str, method: JudgeMethod) -> Self {
        let model = ModelSettings { name: name.to_owned(), ..ModelSettings::default() };
        Self { model, template: JudgeTemplate::built_in(method) }
    }
}

/// A model that judges, ready to be asked. It is loaded when it is first needed, and stays.
pub struct Judge {
    template: JudgeTemplate,
    spec: ModelSpec,
    generation: GenerationConfig,
    model: CellModel,
    batch: Option<usize>,
    tokenizer: Arc<dyn TextTokenizer>,
    loaded: Option<LoadedModel>,
    /// The judgings that share a spending limit: those that this judge was asked for.
    together: Vec<JudgingId>,
}

impl Judge {
    /// Finds and describes the model; nothing is loaded or sent.
    ///
    /// # Errors
    /// What is wrong with the model or its settings; canceled.
    pub fn new(
        settings: JudgeSettings,
        workplace: &Workplace,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Self, JudgeError> {
        let JudgeSettings { mut model, template } = settings;
        let name = model.name.trim().to_owned();
        model.system = model.system.or_else(|| template.system().map(str::to_owned));
        let own = GenerationSettings {
            beams: Some(1),
            max_new_tokens: Some(MOST_NEW_TOKENS),
            ..GenerationSettings::default()
        };
        model.generation = model.generation.over(&own);
        let no_judge = || JudgeError::NoJudge { name: name.clone() };
        if name.is_empty() {
            return Err(no_judge());
        }
        let planned = plan_model(model, workplace, cancel, progress).map_err(|error| match error {
            PlanError::Canceled(canceled) => JudgeError::Canceled(canceled),
            PlanError::Problems(problems) => JudgeError::Model { name: name.clone(), problems },
        })?;
        let tokenizer = planned.tokenizer.ok_or_else(no_judge)?;
        if planned.spec.training == Training::PerUserLora {
            return Err(JudgeError::NoJudge { name: planned.spec.name });
        }
        Ok(Self {
            template,
            spec: planned.spec,
            generation: planned.generation,
            model: planned.model,
            batch: planned.batch,
            tokenizer,
            loaded: None,
            together: Vec::new(),
        })
    }

    /// The model's name, as tables show it.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// How it is asked.
    pub const fn template(&self) -> &JudgeTemplate {
        &self.template
    }

    /// The spec of a judging of these runs.
    pub fn spec(&self, runs: &[RunRecord]) -> JudgeSpec {
        JudgeSpec {
            method: self.template.method(),
            model: self.spec.clone(),
            generation: self.generation_value(),
            prompt: self.template.prompt().clone(),
            runs: runs.iter().map(|run| run.key.clone()).collect(),
        }
    }

    /// What can be judged of the runs: of each sample once, the first `limit` samples or all.
    ///
    /// # Errors
    /// Runs of other tasks, over other data or without answers; a store that cannot be read; canceled.
    pub fn cases(
        &self,
        reader: &Reader,
        runs: &[RunRecord],
        limit: Option<usize>,
        cancel: &CancelToken,
    ) -> Result<Cases, JudgeError> {
        Cases::find(reader, self, runs, limit, cancel)
    }

    /// What the missing verdicts would take, by the tokens of some prompts. For a model of this machine there is no cost.
    ///
    /// # Errors
    /// A store that cannot be read; a tokenizer that fails; canceled.
    pub fn estimate(
        &self,
        reader: &Reader,
        cases: &Cases,
        cancel: &CancelToken,
        progress: &Progress,
    ) -> Result<Estimate, JudgeError> {
        let judging = reader.judging_of_key(&self.spec(&cases.runs).key())?;
        let places = self.missing(reader, cases, judging.as_ref(), false)?;
        let every = places.len().div_ceil(COUNTED).max(1);
        let some: Vec<(u32, u8)> = places.iter().copied().step_by(every).collect();
        progress.start("Counting tokens", some.len() as u64);
        let (mut counted, mut tokens) = (0_u64, 0_u64);
        for (position, turn) in some {
            cancel.check()?;
            progress.add(1);
            let (_, text) = cases.text(reader, &self.template, position, turn)?;
            if let Some(read) = text.ok().and_then(|text| self.tokenizer.encode(&text).ok()) {
                counted += 1;
                tokens += read.len() as u64;
            }
        }
        let samples = places.len() as u64;
        let prompt_tokens = (samples as f64 * tokens as f64 / counted.max(1) as f64).round() as u64;
        let most_new_tokens = samples * self.generation.max_new_tokens as u64;
        let (mut cost, mut tokenizer) = (None, self.spec.name.clone());
        if let CellModel::Load { options: LoadOptions { endpoint: Some(endpoint), .. }, .. } = &self.model {
            let settings = &endpoint.settings;
            cost = settings.cost(prompt_tokens, 0).zip(settings.cost(prompt_tokens, most_new_tokens));
            tokenizer = settings.tokenizer.clone().unwrap_or_else(|| EstimatingTokenizer::NAME.to_owned());
        }
        Ok(Estimate { samples, counted, prompt_tokens, most_new_tokens, tokenizer, cost })
    }

    /// Position and turn of what is still to be asked.
    fn missing(
        &self,
        reader: &Reader,
        cases: &Cases,
        judging: Option<&JudgingRecord>,
        retry_failed: bool,
    ) -> Result<Vec<(u32, u8)>, JudgeError> {
        let mut stored = match judging {
            Some(judging) => reader.verdict_places(judging.id)?,
            None => Vec::new(),
        };
        stored.retain(|(_, _, failed)| !(*failed && retry_failed));
        let turns = self.template.method().turns() as u8;
        let is_missing = |place: &(u32, u8)| {
            let same = || cases.same.binary_search_by_key(&place.0, |(position, _)| *position).is_ok();
            let known = stored.binary_search_by_key(place, |(position, turn, _)| (*position, *turn)).is_ok();
            !known && !same()
        };
        let all = cases.positions.iter().flat_map(|&position| (0..turns).map(move |turn| (position, turn)));
        Ok(all.filter(is_missing).collect())
    }

    fn generation_value(&self) -> Value {
        serde_json::to_value(&self.generation).unwrap_or_default()
    }
}

/// A template of a file where one is named, else the program's own wording.
///
/// # Errors
/// What is wrong with the file.
pub fn template(method: JudgeMethod, file: Option<&Path>) -> Result<JudgeTemplate, JudgeTemplateError> {
    match file {
        Some(file) => JudgeTemplate::read(method, file),
        None => Ok(JudgeTemplate::built_in(method)),
    }
}
