//! What a judge is to look at: which samples, and the text for each.

use std::ops::ControlFlow;

use super::template::{Filling, JudgeTemplate};
use super::{Judge, JudgeError};
use crate::jobs::CancelToken;
use crate::lamp::TaskKind;
use crate::prompt::Prompt;
use crate::record::{JudgeMethod, Prediction, Reading, RunId, RunRecord, Verdict};
use crate::store::{Reader, StoreError};

/// Samples that can be judged of one run, or of two.
#[derive(Debug, Clone, PartialEq)]
pub struct Cases {
    /// The runs.
    pub(super) runs: Vec<RunRecord>,
    /// Where inputs are stored: one of the runs, or another over the same samples; `None` where none are wanted.
    inputs: Option<RunId>,
    /// Their places in the dataset, ascending.
    pub(super) positions: Vec<u32>,
    /// Those of them whose two answers are one text.
    pub(super) same: Vec<(u32, String)>,
}

/// What of an answered row decides whether it can be judged.
struct Answered {
    position: u32,
    sample_id: String,
    answer: String,
    /// Whether it has a reference.
    scored: bool,
}

impl Cases {
    /// The first `limit` samples of the runs that can be judged with the template, or all.
    ///
    /// # Errors
    /// Runs of other tasks, over other data or without answers; a store that cannot be read; canceled.
    pub(super) fn find(
        reader: &Reader,
        judge: &Judge,
        runs: &[RunRecord],
        limit: Option<usize>,
        cancel: &CancelToken,
    ) -> Result<Self, JudgeError> {
        let template = judge.template();
        let (first, second) = checked(template.method(), runs)?;
        let wants_reference = template.wants_reference();
        let mut answered = answered(reader, first.id, cancel)?;
        answered.retain(|row| row.scored || !wants_reference);
        let mut same = Vec::new();
        if let Some(second) = second {
            let mut others = self::answered(reader, second.id, cancel)?.into_iter().peekable();
            answered.retain(|row| {
                while others.next_if(|other| other.position < row.position).is_some() {}
                let other = others.next_if(|other| other.position == row.position);
                let Some(other) = other.filter(|other| other.sample_id == row.sample_id) else {
                    return false;
                };
                if other.answer == row.answer {
                    same.push((row.position, row.sample_id.clone()));
                }
                true
            });
        }
        answered.truncate(limit.unwrap_or(usize::MAX));
        let positions: Vec<u32> = answered.into_iter().map(|row| row.position).collect();
        same.retain(|(position, _)| positions.binary_search(position).is_ok());
        if positions.is_empty() {
            let names: Vec<String> = runs.iter().map(|run| format!("run {}", run.short_key())).collect();
            let also = if wants_reference { " and has a reference" } else { "" };
            return Err(JudgeError::NoSamples { runs: names.join(" with "), also });
        }
        let inputs = match template.wants_input() {
            true => Some(inputs(reader, runs, first)?),
            false => None,
        };
        Ok(Self { runs: runs.to_vec(), inputs, positions, same })
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether there are none, which [`Judge::cases`] never gives.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// The verdicts that need no judge.
    pub(super) fn without_asking(&self) -> Vec<Verdict> {
        let both = |(position, id): &(u32, String)| {
            [0, 1].map(|turn| Verdict {
                position: *position,
                turn,
                sample_id: id.clone(),
                raw: String::new(),
                reading: Some(Reading::Same),
                finish: crate::record::Finish::End,
                prompt_tokens: 0,
                new_tokens: 0,
                estimated: false,
                cached: true,
                error: None,
            })
        };
        self.same.iter().flat_map(both).collect()
    }

    /// The id of a sample and the text that the judge reads of it in an order; `Err` with the reason in words where there can be
    /// none.
    pub(super) fn text(
        &self,
        reader: &Reader,
        template: &JudgeTemplate,
        position: u32,
        turn: u8,
    ) -> Result<(String, Result<String, String>), StoreError> {
        let row = |run: RunId| reader.prediction(run, position);
        let mut rows: Vec<Prediction> = Vec::new();
        for run in &self.runs {
            rows.extend(row(run.id)?);
        }
        let Some(first) = rows.first() else {
            return Ok((String::new(), Err("its answer is not stored any more".to_owned())));
        };
        let id = first.sample_id.clone();
        let own = self.runs.iter().position(|run| Some(run.id) == self.inputs).and_then(|at| rows.get(at));
        let input = match (self.inputs, own) {
            (None, _) => Some(String::new()),
            (Some(_), Some(own)) => input_of(own),
            (Some(other), None) => {
                row(other)?.filter(|other| other.sample_id == id).as_ref().and_then(input_of)
            }
        };
        let Some(input) = input else {
            return Ok((id, Err("its input is not stored".to_owned())));
        };
        let answer = |at: usize| rows.get(at).map(|row| row.answer.as_str()).unwrap_or_default();
        let (one, other) = if turn == 0 { (0, 1) } else { (1, 0) };
        let filling = Filling {
            input: &input,
            reference: first.reference.as_deref().unwrap_or_default(),
            first: answer(one),
            second: answer(other),
        };
        Ok((id, Ok(template.fill(&filling))))
    }
}

/// The one run or the two, if they can be judged together.
fn checked(method: JudgeMethod, runs: &[RunRecord]) -> Result<(&RunRecord, Option<&RunRecord>), JudgeError> {
    let wanted = match method {
        JudgeMethod::Rubric => "one run",
        JudgeMethod::Pairwise => "two runs",
    };
    let wrong = || JudgeError::Runs { method: method.id(), wanted, given: runs.len() };
    let pair = match (method, runs) {
        (JudgeMethod::Rubric, [one]) => (one, None),
        (JudgeMethod::Pairwise, [one, other]) => (one, Some(other)),
        _ => return Err(wrong()),
    };
    let name = |run: &RunRecord| run.short_key().to_owned();
    for run in runs {
        let task = run.spec.dataset.task;
        if task.kind() != TaskKind::Generation {
            return Err(JudgeError::NotText { run: name(run), task });
        }
    }
    if let (first, Some(second)) = pair {
        if first.id == second.id {
            return Err(JudgeError::Itself { run: name(first) });
        }
        let data = |run: &RunRecord| {
            let dataset = &run.spec.dataset;
            (dataset.task, dataset.setting, dataset.split, dataset.fingerprint.clone())
        };
        if data(first) != data(second) {
            return Err(JudgeError::OtherData { first: name(first), second: name(second) });
        }
    }
    Ok(pair)
}

fn answered(reader: &Reader, run: RunId, cancel: &CancelToken) -> Result<Vec<Answered>, JudgeError> {
    let mut rows = Vec::new();
    reader.predictions(run, false, &mut |row| {
        if row.error.is_none() {
            let scored = row.reference.is_some();
            let (position, sample_id, answer) = (row.position, row.sample_id, row.answer);
            rows.push(Answered { position, sample_id, answer, scored });
        }
        if cancel.is_canceled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    cancel.check()?;
    Ok(rows)
}

/// A run that has the samples' inputs in its prompts: one of these, else the one with the most samples over the same data.
fn inputs(reader: &Reader, runs: &[RunRecord], first: &RunRecord) -> Result<RunId, JudgeError> {
    if let Some(run) = runs.iter().find(|run| run.spec.prompt.is_some()) {
        return Ok(run.id);
    }
    let data = &first.spec.dataset;
    let mut others = reader.runs()?;
    others.retain(|run| {
        let other = &run.spec.dataset;
        run.spec.prompt.is_some()
            && run.totals.done > 0
            && (other.task, other.setting, other.split, &other.fingerprint)
                == (data.task, data.setting, data.split, &data.fingerprint)
    });
    let most = others.iter().max_by_key(|run| run.totals.done);
    most.map(|run| run.id).ok_or_else(|| JudgeError::NoInput { run: first.short_key().to_owned() })
}

/// The sample's input in a stored prompt.
fn input_of(row: &Prediction) -> Option<String> {
    let prompt = row.prompt.as_ref()?;
    let prompt = Prompt::from_parts(prompt.text.clone(), &prompt.report).ok()?;
    let pieces = prompt.input.iter().map(|range| prompt.text.get(range.clone()));
    pieces.collect::<Option<Vec<&str>>>().map(|pieces| pieces.concat()).filter(|input| !input.is_empty())
}
