//! Rows to records and back.

use rusqlite::Row;
use rusqlite::types::Type;

use super::UnreadableRun;
use crate::lamp::TaskKind;
use crate::metrics::SampleScore;
use crate::record::{Finish, Prediction, Prices, PromptText, Retrieved, RunId, RunRecord, RunStatus, Totals};

/// A row that was written otherwise than by this program, as an error of the reader of rows.
pub(super) fn bad(column: usize, what: impl std::fmt::Display) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Null, what.to_string().into())
}

/// The number of a prediction's row.
pub(super) fn row_id(run: RunId, position: u32) -> i64 {
    (run.0 << 32) | i64::from(position)
}

/// The numbers of all rows that a run may have, first and last.
pub(super) fn row_ids(run: RunId) -> (i64, i64) {
    (row_id(run, 0), row_id(run, u32::MAX))
}

/// The position in a row's number.
pub(super) fn position_of(id: i64) -> u32 {
    (id & 0xffff_ffff) as u32
}

/// A count as SQLite keeps it; none of ours comes near the limit.
pub(super) fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

fn small(row: &Row<'_>, column: usize) -> rusqlite::Result<u32> {
    Ok(u32::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

/// Floats as bytes.
pub(super) fn to_bytes(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Bytes as floats; a rest of fewer than 8 bytes is none.
pub(super) fn to_numbers(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
}

const KINDS: [TaskKind; 3] = [TaskKind::Classification, TaskKind::Rating, TaskKind::Generation];

/// A score as the bytes of its row.
pub(super) fn score_bytes(score: &SampleScore) -> Vec<u8> {
    let kind = match score {
        SampleScore::Classification { .. } => 0,
        SampleScore::Rating { .. } => 1,
        SampleScore::Generation(_) => 2,
    };
    let mut bytes = Vec::with_capacity(1 + 8 * SampleScore::WIDTH);
    bytes.push(kind);
    for number in score.to_numbers() {
        bytes.extend(number.to_le_bytes());
    }
    bytes
}

/// The score of a row.
pub(super) fn score_of(bytes: &[u8]) -> Option<SampleScore> {
    let (&kind, numbers) = bytes.split_first()?;
    SampleScore::from_numbers(*KINDS.get(usize::from(kind))?, &to_numbers(numbers))
}

/// Reads the score in a column that may be empty.
pub(super) fn score_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<SampleScore>> {
    match row.get_ref(column)?.as_blob_or_null().map_err(|error| bad(column, error))? {
        None => Ok(None),
        Some(bytes) => score_of(bytes).map(Some).ok_or_else(|| bad(column, "these bytes are no score")),
    }
}

/// Ascending positions as pairs of first and length.
pub(super) fn positions_to_bytes(positions: &[u32]) -> Vec<u8> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &position in positions {
        match runs.last_mut() {
            Some((first, length)) if first.checked_add(*length) == Some(position) => *length += 1,
            _ => runs.push((position, 1)),
        }
    }
    runs.iter().flat_map(|(first, length)| [first.to_le_bytes(), length.to_le_bytes()]).flatten().collect()
}

/// Positions of such pairs; `None` unless there are `wanted` of them.
pub(super) fn positions_of(bytes: &[u8], wanted: usize) -> Option<Vec<u32>> {
    let mut positions = Vec::with_capacity(wanted);
    for pair in bytes.as_chunks::<8>().0 {
        let [a, b, c, d, e, f, g, h] = *pair;
        let (first, length) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        if positions.len() + length as usize > wanted {
            return None; // before memory is given to what a broken row claims
        }
        positions.extend(first..first.checked_add(length)?);
    }
    (positions.len() == wanted).then_some(positions)
}

/// The columns that [`run`] reads.
pub(super) const RUN: &str = "id, key, spec, status, reason, samples, done, failed, cached, fell_back, input_cut, \
                              unparsed, prompt_tokens, new_tokens, created_ms, finished_ms, active_ms, aggregate, \
                              asked_prompt_tokens, asked_new_tokens, at_limit, filtered, refused, empty, estimated, \
                              price_in, price_out";

/// Reads a run.
pub(super) fn run(row: &Row<'_>) -> rusqlite::Result<Result<RunRecord, UnreadableRun>> {
    let (id, key) = (RunId(row.get(0)?), row.get::<_, String>(1)?);
    let because = |what: &str, why: &dyn std::fmt::Display| UnreadableRun {
        id,
        key: key.clone(),
        reason: format!("its {what}: {why}"),
    };
    let spec = match serde_json::from_str(row.get_ref(2)?.as_str()?) {
        Ok(spec) => spec,
        Err(error) => return Ok(Err(because("spec", &error))),
    };
    let word = row.get_ref(3)?.as_str()?;
    let Some(status) = RunStatus::of(word) else {
        return Ok(Err(because("status", &format!("`{word}` is none"))));
    };
    let aggregate = match row.get_ref(17)?.as_str_or_null()?.map(serde_json::from_str).transpose() {
        Ok(aggregate) => aggregate,
        Err(error) => return Ok(Err(because("figures", &error))),
    };
    Ok(Ok(RunRecord {
        id,
        key: key.clone(),
        spec,
        status,
        reason: row.get(4)?,
        samples: unsigned(row, 5)?,
        totals: Totals {
            done: unsigned(row, 6)?,
            failed: unsigned(row, 7)?,
            cached: unsigned(row, 8)?,
            fell_back: unsigned(row, 9)?,
            input_cut: unsigned(row, 10)?,
            unparsed: unsigned(row, 11)?,
            prompt_tokens: unsigned(row, 12)?,
            new_tokens: unsigned(row, 13)?,
            asked_prompt_tokens: unsigned(row, 18)?,
            asked_new_tokens: unsigned(row, 19)?,
            at_limit: unsigned(row, 20)?,
            filtered: unsigned(row, 21)?,
            refused: unsigned(row, 22)?,
            empty: unsigned(row, 23)?,
            estimated: unsigned(row, 24)?,
        },
        prices: match (row.get::<_, Option<f64>>(25)?, row.get::<_, Option<f64>>(26)?) {
            (None, None) => None,
            (input, output) => {
                Some(Prices { input: input.unwrap_or_default(), output: output.unwrap_or_default() })
            }
        },
        created_ms: row.get(14)?,
        finished_ms: row.get(15)?,
        active_ms: unsigned(row, 16)?,
        aggregate,
    }))
}

/// What a prediction adds to its run's totals.
pub(super) fn totals_of(prediction: &Prediction) -> Totals {
    let failed = prediction.error.is_some();
    let ended = |finish| u64::from(!failed && prediction.finish == finish);
    let asked = |tokens: u32| if failed || prediction.cached { 0 } else { u64::from(tokens) };
    Totals {
        done: 1,
        failed: failed.into(),
        cached: prediction.cached.into(),
        fell_back: prediction.fell_back.into(),
        input_cut: prediction.input_cut.into(),
        unparsed: (!failed && !prediction.parsed).into(),
        prompt_tokens: prediction.prompt_tokens.into(),
        new_tokens: prediction.new_tokens.into(),
        asked_prompt_tokens: asked(prediction.prompt_tokens),
        asked_new_tokens: asked(prediction.new_tokens),
        at_limit: ended(Finish::Length),
        filtered: ended(Finish::ContentFilter),
        refused: ended(Finish::Refusal),
        empty: (!failed && prediction.raw.is_empty()).into(),
        estimated: (!failed && prediction.estimated).into(),
    }
}

/// What was retrieved, as a row keeps it: places and ids as JSON, and the scores, to the bit.
pub(super) fn retrieved_columns(retrieved: &[Retrieved]) -> (String, Option<Vec<u8>>) {
    let pairs: Vec<(usize, &str)> = retrieved.iter().map(|entry| (entry.index, entry.id.as_str())).collect();
    let scored = retrieved.iter().any(|entry| entry.score.is_some());
    let numbers =
        || to_bytes(&retrieved.iter().map(|entry| entry.score.unwrap_or(f64::NAN)).collect::<Vec<_>>());
    // Numbers and texts: there is nothing that could fail to be written.
    (serde_json::to_string(&pairs).unwrap_or_default(), scored.then(numbers))
}

fn retrieved_of(pairs: &str, scores: Option<&[u8]>) -> serde_json::Result<Vec<Retrieved>> {
    let pairs: Vec<(usize, String)> = serde_json::from_str(pairs)?;
    let scores = scores.map(to_numbers).unwrap_or_default();
    let entry = |(at, (index, id)): (usize, (usize, String))| Retrieved {
        index,
        id,
        score: scores.get(at).copied().filter(|score| !score.is_nan()),
    };
    Ok(pairs.into_iter().enumerate().map(entry).collect())
}

/// The columns that [`prediction`] reads, of `predictions p`, `scores s` and, if asked for, `prompts t`.
pub(super) fn prediction_columns(prompts: bool) -> String {
    let prompt = if prompts { "t.text, t.report" } else { "NULL, NULL" };
    let join = if prompts { "LEFT JOIN prompts t ON t.id = p.id" } else { "" };
    format!(
        "SELECT p.id, p.sample_id, p.profile_entries, p.retrieved, p.retrieved_scores, {prompt}, p.raw, p.answer, \
         p.reference, s.score, p.parsed, p.finish, p.prompt_tokens, p.new_tokens, p.model_ms, p.cached, \
         p.fell_back, p.input_cut, p.error, p.estimated FROM predictions p LEFT JOIN scores s ON s.id = p.id {join}"
    )
}

/// Reads a prediction.
pub(super) fn prediction(row: &Row<'_>) -> rusqlite::Result<Prediction> {
    let finish = row.get_ref(12)?.as_str()?;
    let prompt = match row.get_ref(5)?.as_str_or_null()? {
        Some(text) => Some(PromptText { text: text.to_owned(), report: row.get(6)? }),
        None => None,
    };
    let retrieved = retrieved_of(row.get_ref(3)?.as_str()?, row.get_ref(4)?.as_blob_or_null()?);
    Ok(Prediction {
        position: position_of(row.get(0)?),
        sample_id: row.get(1)?,
        profile_entries: small(row, 2)?,
        retrieved: retrieved.map_err(|error| bad(3, error))?,
        prompt,
        raw: row.get(7)?,
        answer: row.get(8)?,
        reference: row.get(9)?,
        score: score_at(row, 10)?,
        parsed: row.get(11)?,
        finish: Finish::of(finish).ok_or_else(|| bad(12, format_args!("`{finish}` is no way to end")))?,
        prompt_tokens: small(row, 13)?,
        new_tokens: small(row, 14)?,
        model_ms: row.get(15)?,
        cached: row.get(16)?,
        fell_back: row.get(17)?,
        input_cut: row.get(18)?,
        error: row.get(19)?,
        estimated: row.get(20)?,
    })
}
