//! What is persisted: the spec of a run, the record of what became of it, and its rows.
//!
//! Plain data with names of the field. Settings of other rooms (a retriever, a way of generating) stand here as the text or
//! the JSON by which those rooms write them, so that a store written today is read by any later program. Knows no database,
//! no model and no file.

mod diff;
mod judge;
mod rows;
mod spec;

pub use diff::{Difference, diff};
pub use judge::{
    JudgeMethod, JudgePrompt, JudgeSpec, JudgeTotals, JudgingId, JudgingRecord, PairFigures, PairOutcome,
    Reading, RubricFigures, Verdict, answers_key, both_turns, pair_outcome,
};
pub use rows::{
    CacheKey, CachedAnswer, Column, Event, EventKind, Finish, Prediction, Prices, PromptText, Retrieved,
    RunId, RunRecord, RunStatus, Totals, Tuning, TuningCell,
};
pub use spec::{DatasetSpec, ModelSpec, PromptSpec, RetrieverSpec, RunSpec, Shard, Training};

/// A verdict for other rooms' tests.
#[cfg(test)]
pub(crate) use judge::tests::verdict as test_verdict;
/// A spec for other rooms' tests.
#[cfg(test)]
pub(crate) use spec::tests::spec as test_spec;
