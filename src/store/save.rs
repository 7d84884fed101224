//! Predictions into their rows and out of them, with their run's totals in step.

use rusqlite::{CachedStatement, Connection, OptionalExtension};

use super::rows::{self, count, row_id};
use super::{Fault, Store, StoreError, now_ms, there_is};
use crate::metrics::SampleScore;
use crate::record::{CacheKey, CachedAnswer, Finish, Prediction, RunId, RunStatus, Totals};

/// What became of predictions that were to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Saved {
    /// Stored at a position that had none, or instead of a failure.
    pub new: u64,
    /// There already, and equal.
    pub known: u64,
    /// There already, with another answer, which stays.
    pub conflicts: u64,
}

impl Store {
    /// Stores predictions, answers for other runs to use, and the time that was spent on them, in one transaction. A stored
    /// prediction is never overwritten, unless it is a failure.
    ///
    /// # Errors
    /// No such run; a store that cannot be written: then nothing of this call is stored, and all of earlier ones is.
    pub fn save(
        &mut self,
        run: RunId,
        predictions: &[Prediction],
        answers: &[(CacheKey, CachedAnswer)],
        active_ms: u64,
    ) -> Result<(), StoreError> {
        self.put(run, predictions, answers, active_ms).map(drop)
    }

    /// [`Store::save`], telling what became of the predictions.
    pub(super) fn put(
        &mut self,
        run: RunId,
        predictions: &[Prediction],
        answers: &[(CacheKey, CachedAnswer)],
        active_ms: u64,
    ) -> Result<Saved, StoreError> {
        self.write(|step| {
            let mut saved = Saved::default();
            let mut change = Change::default();
            let mut statements = Statements::new(step)?;
            for prediction in predictions {
                statements.put(run, prediction, &mut saved, &mut change)?;
            }
            drop(statements);
            put_answers(step, answers)?;
            if saved.new > 0 {
                unfinish(step, run)?;
            }
            change.apply(step, run, active_ms)?;
            Ok(saved)
        })
    }

    /// Replaces what was made of the raw texts: answers, whether they are of the task's kind, and scores. The run's figures
    /// and columns go, since they are of the old ones: [`Store::finish`] brings new ones.
    ///
    /// # Errors
    /// No such run; a store that cannot be written.
    pub fn rescore(
        &mut self,
        run: RunId,
        rescored: &[(u32, String, bool, Option<SampleScore>)],
    ) -> Result<(), StoreError> {
        self.write(|step| {
            let mut change = Change::default();
            let mut answer =
                step.prepare_cached("UPDATE predictions SET answer = ?2, parsed = ?3 WHERE id = ?1")?;
            let mut new_score = step.prepare_cached("UPDATE scores SET score = ?2 WHERE id = ?1")?;
            for (position, text, parsed, score) in rescored {
                let id = row_id(run, *position);
                let Some(old) = stored(step, id)? else { continue };
                let unparsed = u64::from(old.totals.failed == 0 && !parsed);
                change.less(&Totals { unparsed: old.totals.unparsed, ..Totals::default() });
                change.more(&Totals { unparsed, ..Totals::default() });
                answer.execute((id, text, parsed))?;
                new_score.execute((id, score.as_ref().map(rows::score_bytes)))?;
            }
            step.execute("DELETE FROM metric_columns WHERE run = ?1", [run.0])?;
            step.execute("UPDATE runs SET aggregate = NULL WHERE id = ?1", [run.0])?;
            change.apply(step, run, 0)
        })
    }
}

/// What a prediction's row holds that later ones are compared with.
struct Stored {
    raw: String,
    totals: Totals,
}

fn stored(step: &Connection, id: i64) -> rusqlite::Result<Option<Stored>> {
    let mut find = step.prepare_cached(
        "SELECT raw, error IS NOT NULL, cached, fell_back, input_cut, parsed, prompt_tokens, new_tokens, finish, \
         estimated FROM predictions WHERE id = ?1",
    )?;
    find.query_row([id], |row| {
        // As a prediction with all that totals are made of.
        let mut old = Prediction::unanswered(0, String::new(), 0);
        old.raw = row.get(0)?;
        old.error = row.get::<_, bool>(1)?.then(String::new);
        (old.cached, old.fell_back, old.input_cut) = (row.get(2)?, row.get(3)?, row.get(4)?);
        (old.parsed, old.prompt_tokens, old.new_tokens) = (row.get(5)?, row.get(6)?, row.get(7)?);
        old.finish = Finish::of(row.get_ref(8)?.as_str()?).unwrap_or(Finish::End);
        old.estimated = row.get(9)?;
        Ok(Stored { totals: rows::totals_of(&old), raw: old.raw })
    })
    .optional()
}

fn remove(step: &Connection, id: i64) -> rusqlite::Result<()> {
    for table in ["predictions", "scores", "prompts"] {
        step.prepare_cached(&format!("DELETE FROM {table} WHERE id = ?1"))?.execute([id])?;
    }
    Ok(())
}

/// Removes all rows of a run.
pub(super) fn remove_rows(step: &Connection, run: RunId) -> rusqlite::Result<()> {
    for table in ["predictions", "scores", "prompts"] {
        step.execute(&format!("DELETE FROM {table} WHERE id BETWEEN ?1 AND ?2"), rows::row_ids(run))?;
    }
    Ok(())
}

/// The statements that put a prediction, prepared once a call.
struct Statements<'a> {
    step: &'a Connection,
    prediction: CachedStatement<'a>,
    score: CachedStatement<'a>,
    prompt: CachedStatement<'a>,
}

impl<'a> Statements<'a> {
    fn new(step: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            step,
            prediction: step.prepare_cached(
                "INSERT INTO predictions (id, sample_id, profile_entries, retrieved, retrieved_scores, raw, answer, \
                 reference, parsed, finish, prompt_tokens, new_tokens, model_ms, cached, fell_back, input_cut, error, estimated) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) \
                 ON CONFLICT (id) DO NOTHING",
            )?,
            score: step.prepare_cached("INSERT OR REPLACE INTO scores (id, failed, score) VALUES (?1, ?2, ?3)")?,
            prompt: step.prepare_cached("INSERT OR REPLACE INTO prompts (id, text, report) VALUES (?1, ?2, ?3)")?,
        })
    }

    fn put(
        &mut self,
        run: RunId,
        prediction: &Prediction,
        saved: &mut Saved,
        change: &mut Change,
    ) -> Result<(), Fault> {
        let id = row_id(run, prediction.position);
        if !self.insert(id, prediction)? {
            if let Some(old) = stored(self.step, id)? {
                // A failure gives way to any later attempt; an answer to none.
                if old.totals.failed == 0 {
                    let same = prediction.error.is_some() || old.raw == prediction.raw;
                    *(if same { &mut saved.known } else { &mut saved.conflicts }) += 1;
                    return Ok(());
                }
                change.less(&old.totals);
            }
            remove(self.step, id)?;
            self.insert(id, prediction)?;
        }
        let score = prediction.score.as_ref().map(rows::score_bytes);
        self.score.execute((id, prediction.error.is_some(), score))?;
        if let Some(prompt) = &prediction.prompt {
            self.prompt.execute((id, &prompt.text, &prompt.report))?;
        }
        change.more(&rows::totals_of(prediction));
        saved.new += 1;
        Ok(())
    }

    /// Adds the row unless there is one.
    fn insert(&mut self, id: i64, prediction: &Prediction) -> rusqlite::Result<bool> {
        let (retrieved, scores) = rows::retrieved_columns(&prediction.retrieved);
        // A float that is none cannot be kept as a number.
        let model_ms = if prediction.model_ms.is_finite() { prediction.model_ms } else { 0.0 };
        let added = self.prediction.execute(rusqlite::params![
            id,
            prediction.sample_id,
            prediction.profile_entries,
            retrieved,
            scores,
            prediction.raw,
            prediction.answer,
            prediction.reference,
            prediction.parsed,
            prediction.finish.id(),
            prediction.prompt_tokens,
            prediction.new_tokens,
            model_ms,
            prediction.cached,
            prediction.fell_back,
            prediction.input_cut,
            prediction.error,
            prediction.estimated,
        ])?;
        Ok(added == 1)
    }
}

/// Keeps answers; the first one of a key stays. Says how many were new.
pub(super) fn put_answers(step: &Connection, answers: &[(CacheKey, CachedAnswer)]) -> rusqlite::Result<u64> {
    let mut put = step.prepare_cached(
        "INSERT INTO answers (key, raw, finish, prompt_tokens, new_tokens, estimated) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (key) DO NOTHING",
    )?;
    let mut new = 0;
    for (key, answer) in answers {
        let CachedAnswer { raw, finish, prompt_tokens, new_tokens, estimated } = answer;
        new += put.execute((&key.0[..], raw, finish.id(), prompt_tokens, new_tokens, estimated))? as u64;
    }
    Ok(new)
}

/// Takes back what was derived from a run's rows, since they change; a run that was done is not any more.
fn unfinish(step: &Connection, run: RunId) -> rusqlite::Result<()> {
    let sql = "UPDATE runs SET aggregate = NULL, finished_ms = NULL, status = iif(status = ?2, ?3, status) \
               WHERE id = ?1 AND (aggregate IS NOT NULL OR finished_ms IS NOT NULL OR status = ?2)";
    let mut update = step.prepare_cached(sql)?;
    if update.execute((run.0, RunStatus::Done.id(), RunStatus::Interrupted.id()))? > 0 {
        step.execute("DELETE FROM metric_columns WHERE run = ?1", [run.0])?;
    }
    Ok(())
}

/// What a transaction adds to a run's totals and takes from them.
#[derive(Default)]
struct Change {
    more: Totals,
    less: Totals,
}

pub(super) fn add(sum: &mut Totals, totals: &Totals) {
    sum.done += totals.done;
    sum.failed += totals.failed;
    sum.cached += totals.cached;
    sum.fell_back += totals.fell_back;
    sum.input_cut += totals.input_cut;
    sum.unparsed += totals.unparsed;
    sum.prompt_tokens += totals.prompt_tokens;
    sum.new_tokens += totals.new_tokens;
    sum.asked_prompt_tokens += totals.asked_prompt_tokens;
    sum.asked_new_tokens += totals.asked_new_tokens;
    sum.at_limit += totals.at_limit;
    sum.filtered += totals.filtered;
    sum.refused += totals.refused;
    sum.empty += totals.empty;
    sum.estimated += totals.estimated;
}

impl Change {
    fn more(&mut self, totals: &Totals) {
        add(&mut self.more, totals);
    }

    fn less(&mut self, totals: &Totals) {
        add(&mut self.less, totals);
    }

    fn apply(&self, step: &Connection, run: RunId, active_ms: u64) -> Result<(), Fault> {
        let by = |of: fn(&Totals) -> u64| count(of(&self.more)) - count(of(&self.less));
        let mut update = step.prepare_cached(
            "UPDATE runs SET done = done + ?2, failed = failed + ?3, cached = cached + ?4, \
             fell_back = fell_back + ?5, input_cut = input_cut + ?6, unparsed = unparsed + ?7, \
             prompt_tokens = prompt_tokens + ?8, new_tokens = new_tokens + ?9, active_ms = active_ms + ?10, \
             finished_ms = iif(?2 > 0 AND done + ?2 >= samples, ?11, finished_ms), \
             asked_prompt_tokens = asked_prompt_tokens + ?12, asked_new_tokens = asked_new_tokens + ?13, \
             at_limit = at_limit + ?14, filtered = filtered + ?15, refused = refused + ?16, empty = empty + ?17, \
             estimated = estimated + ?18 WHERE id = ?1",
        )?;
        let changed = update.execute(rusqlite::params![
            run.0,
            by(|totals| totals.done),
            by(|totals| totals.failed),
            by(|totals| totals.cached),
            by(|totals| totals.fell_back),
            by(|totals| totals.input_cut),
            by(|totals| totals.unparsed),
            by(|totals| totals.prompt_tokens),
            by(|totals| totals.new_tokens),
            count(active_ms),
            now_ms(),
            by(|totals| totals.asked_prompt_tokens),
            by(|totals| totals.asked_new_tokens),
            by(|totals| totals.at_limit),
            by(|totals| totals.filtered),
            by(|totals| totals.refused),
            by(|totals| totals.empty),
            by(|totals| totals.estimated),
        ])?;
        there_is(run, changed)
    }
}
