//! What judges said, into its rows and out of them.

use rusqlite::{OptionalExtension, Row};

use super::rows::{self, bad};
use super::save::put_answers;
use super::{Claim, Fault, Reader, Store, StoreError, add_event, claim, now_ms};
use crate::record::{
    CacheKey, CachedAnswer, EventKind, Finish, JudgeSpec, JudgeTotals, JudgingId, JudgingRecord, Prices,
    Reading, RunId, Verdict,
};

/// The columns that [`judging`] reads, of `judgings j` with its verdicts' sums.
const JUDGING: &str = "SELECT j.id, j.key, j.spec, j.first_run, j.second_run, j.samples, j.created_ms, j.price_in, \
    j.price_out, count(v.id), coalesce(sum(v.error IS NOT NULL), 0), \
    coalesce(sum(v.error IS NULL AND v.reading IS NULL), 0), \
    coalesce(sum(v.finish IN ('refusal', 'content-filter')), 0), coalesce(sum(v.cached), 0), \
    coalesce(sum(v.prompt_tokens * (v.error IS NULL AND NOT v.cached)), 0), \
    coalesce(sum(v.new_tokens * (v.error IS NULL AND NOT v.cached)), 0), coalesce(sum(v.estimated), 0) \
    FROM judgings j LEFT JOIN verdicts v ON v.judging = j.id";

const VERDICT: &str = "SELECT position, turn, sample_id, raw, reading, finish, prompt_tokens, new_tokens, estimated, \
    cached, error FROM verdicts";

impl Store {
    /// The judging of a spec over these runs, added if it is new. `samples` is how many it judges in all; one that was to judge
    /// more before still is.
    ///
    /// # Errors
    /// No such runs; a store that cannot be written.
    pub fn plan_judging(
        &mut self,
        spec: &JudgeSpec,
        runs: &[RunId],
        samples: u64,
    ) -> Result<JudgingRecord, StoreError> {
        let key = spec.key();
        self.write(|step| {
            for run in runs {
                let found =
                    step.query_row("SELECT 1 FROM runs WHERE id = ?1", [run.0], |_| Ok(())).optional()?;
                found.ok_or(Fault::Store(StoreError::GoneRun { run: *run }))?;
            }
            step.execute(
                "INSERT INTO judgings (key, spec, first_run, second_run, samples, created_ms) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                 ON CONFLICT (key) DO UPDATE SET samples = max(samples, excluded.samples)",
                (
                    &key,
                    spec.to_json(),
                    runs.first().map(|run| run.0),
                    runs.get(1).map(|run| run.0),
                    rows::count(samples),
                    now_ms(),
                ),
            )?;
            Ok(())
        })?;
        let found = self.reader()?.judging_of_key(&key)?;
        found.ok_or(StoreError::UnknownJudging { given: key })
    }

    /// Takes a judging for this program alone, until the claim is dropped or the program ends in whatever way.
    ///
    /// # Errors
    /// [`StoreError::JudgingInUse`] if another has it; a folder that cannot be written.
    pub fn claim_judging(&self, judging: &JudgingRecord) -> Result<Claim, StoreError> {
        let in_use = || StoreError::JudgingInUse { judging: judging.short_key().to_owned() };
        claim::claim(&self.path, &judging.key)?.ok_or_else(in_use)
    }

    /// Says what the tokens of a judge cost; `None` where that is not known.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn set_judging_prices(&mut self, id: JudgingId, prices: Option<Prices>) -> Result<(), StoreError> {
        self.write(|step| {
            let (input, output) = (prices.map(|prices| prices.input), prices.map(|prices| prices.output));
            step.execute(
                "UPDATE judgings SET price_in = ?2, price_out = ?3 WHERE id = ?1",
                (id.0, input, output),
            )?;
            Ok(())
        })
    }

    /// Stores verdicts, and texts for equal prompts to use, in one transaction. A stored verdict is never overwritten, unless
    /// it is a failure. Says how many were new.
    ///
    /// # Errors
    /// No such judging; a store that cannot be written: then nothing of this call is stored, and all of earlier ones is.
    pub fn save_verdicts(
        &mut self,
        id: JudgingId,
        verdicts: &[Verdict],
        answers: &[(CacheKey, CachedAnswer)],
    ) -> Result<u64, StoreError> {
        self.write(|step| {
            let mut put = step.prepare_cached(
                "INSERT INTO verdicts (judging, position, turn, sample_id, raw, reading, finish, prompt_tokens, \
                 new_tokens, estimated, cached, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
                 ON CONFLICT (judging, position, turn) DO UPDATE SET raw = excluded.raw, \
                 reading = excluded.reading, finish = excluded.finish, prompt_tokens = excluded.prompt_tokens, \
                 new_tokens = excluded.new_tokens, estimated = excluded.estimated, cached = excluded.cached, \
                 error = excluded.error WHERE verdicts.error IS NOT NULL",
            )?;
            let mut new = 0;
            for verdict in verdicts {
                new += put.execute(rusqlite::params![
                    id.0,
                    verdict.position,
                    verdict.turn,
                    verdict.sample_id,
                    verdict.raw,
                    verdict.reading.map(Reading::id),
                    verdict.finish.id(),
                    verdict.prompt_tokens,
                    verdict.new_tokens,
                    verdict.estimated,
                    verdict.cached,
                    verdict.error,
                ])? as u64;
            }
            put_answers(step, answers)?;
            Ok(new)
        })
    }

    /// Removes a judging with its verdicts. Texts kept for equal prompts stay.
    ///
    /// # Errors
    /// [`StoreError::JudgingInUse`] while a program works on it; a store that cannot be written.
    pub fn delete_judging(&mut self, judging: &JudgingRecord) -> Result<(), StoreError> {
        let _claim = self.claim_judging(judging)?;
        self.write(|step| {
            step.execute("DELETE FROM judgings WHERE id = ?1", [judging.id.0])?;
            let text = format!("Judging {} was deleted", judging.short_key());
            Ok(add_event(step, None, EventKind::Store, &text)?)
        })
    }

    /// Copies another store's judgings of runs that `own` finds here, given their keys. Where the two stores have other answers
    /// of a run (`differs`), what was said of them is left out, since it was said of other answers. Says how many verdicts were
    /// new, and how many judgings were left out.
    pub(super) fn merge_judgings(
        &mut self,
        other: &Reader,
        own: impl Fn(&str) -> Option<RunId>,
        differs: impl Fn(&str) -> bool,
    ) -> Result<(u64, u64), StoreError> {
        let (mut new, mut left_out) = (0, 0);
        for judging in other.judgings()? {
            let runs: Vec<RunId> = judging.spec.runs.iter().filter_map(|run| own(run)).collect();
            let other_answers = judging.spec.runs.iter().any(|run| differs(run));
            if other_answers || runs.len() < judging.spec.runs.len() {
                left_out += 1;
                continue;
            }
            let mine = self.plan_judging(&judging.spec, &runs, judging.samples)?;
            if mine.prices.is_none() {
                self.set_judging_prices(mine.id, judging.prices)?;
            }
            // Of two failures neither tells more than the other.
            let known = self.reader()?.verdict_places(mine.id)?;
            let mut verdicts = other.verdicts(judging.id)?;
            verdicts.retain(|verdict| {
                verdict.error.is_none()
                    || known
                        .binary_search_by_key(&(verdict.position, verdict.turn), |place| (place.0, place.1))
                        .is_err()
            });
            for part in verdicts.chunks(2000) {
                new += self.save_verdicts(mine.id, part, &[])?;
            }
        }
        Ok((new, left_out))
    }
}

impl Reader {
    /// All judgings that this program can read, in the order in which they were begun.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn judgings(&self) -> Result<Vec<JudgingRecord>, StoreError> {
        let found = self.all(&format!("{JUDGING} GROUP BY j.id ORDER BY j.id"), [], judging)?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Those of a run, be it the first or the second.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn judgings_of(&self, run: RunId) -> Result<Vec<JudgingRecord>, StoreError> {
        let sql =
            format!("{JUDGING} WHERE j.first_run = ?1 OR j.second_run = ?1 GROUP BY j.id ORDER BY j.id");
        Ok(self.all(&sql, [run.0], judging)?.into_iter().flatten().collect())
    }

    /// The judging of a spec's key.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn judging_of_key(&self, key: &str) -> Result<Option<JudgingRecord>, StoreError> {
        let sql = format!("{JUDGING} WHERE j.key = ?1 GROUP BY j.id");
        Ok(self.one(&sql, [key], judging)?.flatten())
    }

    /// The judging that a person means by a number or by the beginning of a key.
    ///
    /// # Errors
    /// No such judging, or several; a store that cannot be read.
    pub fn find_judging(&self, text: &str) -> Result<JudgingRecord, StoreError> {
        let given = text.trim().to_ascii_lowercase();
        let all = self.judgings()?;
        let by_number = |judging: &&JudgingRecord| given.len() < 8 && given == judging.id.0.to_string();
        if let Some(found) = all.iter().find(by_number) {
            return Ok(found.clone());
        }
        let by_key = |judging: &&JudgingRecord| !given.is_empty() && judging.key.starts_with(&given);
        let mut fitting = all.iter().filter(by_key);
        match (fitting.next(), fitting.next()) {
            (Some(found), None) => Ok(found.clone()),
            _ => Err(StoreError::UnknownJudging { given: text.to_owned() }),
        }
    }

    /// Whether a program works on the judging now.
    pub fn is_judging_claimed(&self, judging: &JudgingRecord) -> bool {
        claim::is_held(self.path(), &judging.key)
    }

    /// A judging's verdicts by position and turn.
    ///
    /// # Errors
    /// A store or a row that cannot be read.
    pub fn verdicts(&self, id: JudgingId) -> Result<Vec<Verdict>, StoreError> {
        self.all(&format!("{VERDICT} WHERE judging = ?1 ORDER BY position, turn"), [id.0], verdict)
    }

    /// A judging's verdicts on one sample, by turn.
    ///
    /// # Errors
    /// A store or a row that cannot be read.
    pub fn verdicts_on(&self, id: JudgingId, position: u32) -> Result<Vec<Verdict>, StoreError> {
        let sql = format!("{VERDICT} WHERE judging = ?1 AND position = ?2 ORDER BY turn");
        self.all(&sql, (id.0, position), verdict)
    }

    /// Position and turn of a judging's verdicts, ascending, and whether each is a failure.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn verdict_places(&self, id: JudgingId) -> Result<Vec<(u32, u8, bool)>, StoreError> {
        let sql = "SELECT position, turn, error IS NOT NULL FROM verdicts WHERE judging = ?1 ORDER BY position, turn";
        self.all(sql, [id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    }
}

/// Reads a judging; `None` of one that only another version of this program can read.
fn judging(row: &Row<'_>) -> rusqlite::Result<Option<JudgingRecord>> {
    let Ok(spec) = serde_json::from_str::<JudgeSpec>(row.get_ref(2)?.as_str()?) else { return Ok(None) };
    let count =
        |column: usize| Ok::<_, rusqlite::Error>(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0));
    let runs = [Some(row.get::<_, i64>(3)?), row.get(4)?].into_iter().flatten().map(RunId);
    Ok(Some(JudgingRecord {
        id: JudgingId(row.get(0)?),
        key: row.get(1)?,
        spec,
        runs: runs.collect(),
        samples: count(5)?,
        created_ms: row.get(6)?,
        prices: match (row.get::<_, Option<f64>>(7)?, row.get::<_, Option<f64>>(8)?) {
            (None, None) => None,
            (input, output) => {
                Some(Prices { input: input.unwrap_or_default(), output: output.unwrap_or_default() })
            }
        },
        totals: JudgeTotals {
            done: count(9)?,
            failed: count(10)?,
            unreadable: count(11)?,
            refused: count(12)?,
            cached: count(13)?,
            asked_prompt_tokens: count(14)?,
            asked_new_tokens: count(15)?,
            estimated: count(16)?,
        },
    }))
}

fn verdict(row: &Row<'_>) -> rusqlite::Result<Verdict> {
    let reading = row.get_ref(4)?.as_str_or_null()?;
    let finish = row.get_ref(5)?.as_str()?;
    Ok(Verdict {
        position: row.get(0)?,
        turn: row.get(1)?,
        sample_id: row.get(2)?,
        raw: row.get(3)?,
        reading: match reading {
            None => None,
            Some(word) => {
                Some(Reading::of(word).ok_or_else(|| bad(4, format_args!("`{word}` is no verdict")))?)
            }
        },
        finish: Finish::of(finish).ok_or_else(|| bad(5, format_args!("`{finish}` is no way to end")))?,
        prompt_tokens: row.get(6)?,
        new_tokens: row.get(7)?,
        estimated: row.get(8)?,
        cached: row.get(9)?,
        error: row.get(10)?,
    })
}
