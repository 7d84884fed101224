//! Reading: connections that never wait for the writer.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::check::TABLES;
use super::claim;
use super::connect;
use super::rows::{self, bad};
use super::{StoreError, StoreInfo, StoredExperiment, UnreadableRun};
use crate::lamp::Metric;
use crate::metrics::SampleScore;
use crate::record::{
    CacheKey, CachedAnswer, Column, Event, EventKind, Finish, Prediction, RunId, RunRecord, Tuning,
};

/// A store opened for reading. Each call sees the store as it is at that moment; the writer waits for no reader.
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

impl Reader {
    /// Opens a store, also on a read-only disk.
    ///
    /// # Errors
    /// No file there, none of ours, one of a newer program, or one that the system does not let be read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = connect::absolute(path)?;
        Ok(Self { connection: connect::open_reader(&path)?, path })
    }

    /// Where the store is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// A number that changes when another connection has changed the store.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        self.one("PRAGMA data_version", [], |row| row.get(0)).map(Option::unwrap_or_default)
    }

    /// All runs that this program can read, in the order in which they were planned.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn runs(&self) -> Result<Vec<RunRecord>, StoreError> {
        Ok(self.all_runs()?.into_iter().filter_map(Result::ok).collect())
    }

    /// The runs that this program cannot read, since a newer one wrote them or they are broken.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn unreadable_runs(&self) -> Result<Vec<UnreadableRun>, StoreError> {
        Ok(self.all_runs()?.into_iter().filter_map(Result::err).collect())
    }

    fn all_runs(&self) -> Result<Vec<Result<RunRecord, UnreadableRun>>, StoreError> {
        self.all(&format!("SELECT {} FROM runs ORDER BY id", rows::RUN), [], rows::run)
    }

    /// A run by its number.
    ///
    /// # Errors
    /// A store or a run that cannot be read.
    pub fn run(&self, id: RunId) -> Result<Option<RunRecord>, StoreError> {
        let found = self.one(&format!("SELECT {} FROM runs WHERE id = ?1", rows::RUN), [id.0], rows::run)?;
        found.transpose().map_err(|run| self.unreadable(run))
    }

    /// The run of a spec's key.
    ///
    /// # Errors
    /// A store or a run that cannot be read.
    pub fn run_of_key(&self, key: &str) -> Result<Option<RunRecord>, StoreError> {
        let found = self.one(&format!("SELECT {} FROM runs WHERE key = ?1", rows::RUN), [key], rows::run)?;
        found.transpose().map_err(|run| self.unreadable(run))
    }

    /// The run that a person means by a number or by the beginning of a key.
    ///
    /// # Errors
    /// No such run, or several; a store or a run that cannot be read.
    pub fn find(&self, text: &str) -> Result<RunRecord, StoreError> {
        let given = text.trim().to_ascii_lowercase();
        let mut fitting = Vec::new();
        let mut alike = Vec::new();
        for run in self.all_runs()? {
            let (id, key) = match &run {
                Ok(run) => (run.id, run.key.as_str()),
                Err(run) => (run.id, run.key.as_str()),
            };
            // A number is a number, unless it is long enough to be the beginning of a key that happens to have no letter.
            if given.len() < 8 && given == id.0.to_string() {
                return run.map_err(|run| self.unreadable(run));
            }
            let short = key.get(..8).unwrap_or(key).to_owned();
            if !given.is_empty() && key.starts_with(&given) {
                fitting.push((short, run));
            } else if alike_keys(&given, key) {
                alike.push(short);
            }
        }
        if fitting.len() > 1 {
            let found = fitting.iter().take(8).map(|(short, _)| short.clone()).collect();
            return Err(StoreError::SeveralRuns { given: text.to_owned(), found });
        }
        if let Some((_, run)) = fitting.pop() {
            return run.map_err(|run| self.unreadable(run));
        }
        alike.truncate(3);
        let near = match alike.is_empty() {
            true => String::new(),
            false => format!("; did you mean {}?", alike.join(" or ")),
        };
        Err(StoreError::UnknownRun { given: text.to_owned(), near })
    }

    fn unreadable(&self, run: UnreadableRun) -> StoreError {
        let short = run.key.get(..8).unwrap_or(&run.key);
        StoreError::Unreadable { path: self.path.clone(), what: format!("run {short}"), reason: run.reason }
    }

    /// Whether a program works on the run now.
    pub fn is_claimed(&self, run: &RunRecord) -> bool {
        claim::is_held(&self.path, &run.key)
    }

    /// The positions that have a prediction, ascending, and whether it is a failure.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn positions(&self, run: RunId) -> Result<Vec<(u32, bool)>, StoreError> {
        let sql = "SELECT id, failed FROM scores WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
        self.all(sql, rows::row_ids(run), |row| Ok((rows::position_of(row.get(0)?), row.get(1)?)))
    }

    /// One prediction, whole.
    ///
    /// # Errors
    /// A store or a row that cannot be read.
    pub fn prediction(&self, run: RunId, position: u32) -> Result<Option<Prediction>, StoreError> {
        let sql = format!("{} WHERE p.id = ?1", rows::prediction_columns(true));
        self.one(&sql, [rows::row_id(run, position)], rows::prediction)
    }

    /// A run's predictions by position, one at a time, with or without what the model read.
    ///
    /// # Errors
    /// A store or a row that cannot be read.
    pub fn predictions(
        &self,
        run: RunId,
        prompts: bool,
        each: &mut dyn FnMut(Prediction) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let sql = format!("{} WHERE p.id BETWEEN ?1 AND ?2 ORDER BY p.id", rows::prediction_columns(prompts));
        self.stream(&sql, rows::row_ids(run), rows::prediction, each)
    }

    /// The scores of a run's scored samples, by position.
    ///
    /// # Errors
    /// A store or a row that cannot be read.
    pub fn scores(&self, run: RunId) -> Result<Vec<(u32, SampleScore)>, StoreError> {
        let sql = "SELECT id, score FROM scores WHERE id BETWEEN ?1 AND ?2 AND score IS NOT NULL ORDER BY id";
        self.all(sql, rows::row_ids(run), |row| {
            let score = rows::score_at(row, 1)?.ok_or_else(|| bad(1, "there is no score"))?;
            Ok((rows::position_of(row.get(0)?), score))
        })
    }

    /// One metric's values over a finished run.
    ///
    /// # Errors
    /// A store or a column that cannot be read.
    pub fn column(&self, run: RunId, metric: Metric) -> Result<Option<Column>, StoreError> {
        let sql = "SELECT positions, numbers FROM metric_columns WHERE run = ?1 AND metric = ?2";
        self.one(sql, (run.0, metric.id()), |row| {
            let values = rows::to_numbers(row.get_ref(1)?.as_blob()?);
            let positions = rows::positions_of(row.get_ref(0)?.as_blob()?, values.len());
            let positions = positions.ok_or_else(|| bad(0, "positions and values differ in number"))?;
            Ok(Column { metric, positions, values })
        })
    }

    /// The kept answer to a prompt.
    ///
    /// # Errors
    /// A store or a row that cannot be read.
    pub fn answer(&self, key: &CacheKey) -> Result<Option<CachedAnswer>, StoreError> {
        let sql = "SELECT raw, finish, prompt_tokens, new_tokens, estimated FROM answers WHERE key = ?1";
        self.one(sql, [&key.0[..]], answer)
    }

    /// All kept answers with their keys, in no order.
    pub(super) fn answers(
        &self,
        each: &mut dyn FnMut((CacheKey, CachedAnswer)) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let sql = "SELECT raw, finish, prompt_tokens, new_tokens, estimated, key FROM answers ORDER BY id";
        let read = |row: &Row<'_>| {
            let key = row.get_ref(5)?.as_blob()?.try_into().map_err(|_| bad(5, "a key has 32 bytes"))?;
            Ok((CacheKey(key), answer(row)?))
        };
        self.stream(sql, [], read, each)
    }

    /// What the store holds.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn info(&self) -> Result<StoreInfo, StoreError> {
        let number = |sql: &str| {
            let found = self.one(sql, [], |row| row.get::<_, i64>(0))?;
            Ok::<_, StoreError>(u64::try_from(found.unwrap_or(0)).unwrap_or(0))
        };
        let mut tables = Vec::new();
        for table in TABLES {
            tables.push((table.to_owned(), number(&format!("SELECT count(*) FROM {table}"))?));
        }
        let free = number("PRAGMA freelist_count")? * number("PRAGMA page_size")?;
        let (path, bytes) = (self.path.clone(), connect::size(&self.path));
        Ok(StoreInfo { path, version: connect::VERSION, bytes, free_bytes: free, tables })
    }

    /// The position of the prediction of a sample's id, the first one if several have it.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn position_of(&self, run: RunId, sample_id: &str) -> Result<Option<u32>, StoreError> {
        let (first, last) = rows::row_ids(run);
        let sql =
            "SELECT id FROM predictions WHERE id BETWEEN ?1 AND ?2 AND sample_id = ?3 ORDER BY id LIMIT 1";
        self.one(sql, (first, last, sample_id), |row| row.get(0).map(rows::position_of))
    }

    /// How many answers are kept for other runs.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn answers_count(&self) -> Result<u64, StoreError> {
        let found = self.one("SELECT count(*) FROM answers", [], |row| row.get::<_, i64>(0))?;
        Ok(u64::try_from(found.unwrap_or(0)).unwrap_or(0))
    }

    /// What happened after the event of a number: to a run, or altogether.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn events(&self, run: Option<RunId>, after: i64) -> Result<Vec<Event>, StoreError> {
        let sql = "SELECT id, run, at_ms, kind, text FROM events WHERE id > ?1";
        match run {
            Some(run) => self.all(&format!("{sql} AND run = ?2 ORDER BY id"), (after, run.0), event),
            None => self.all(&format!("{sql} ORDER BY id"), [after], event),
        }
    }

    /// All experiments with their runs, in the order in which they were added.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn experiments(&self) -> Result<Vec<StoredExperiment>, StoreError> {
        let mut experiments = self.all("SELECT id, name, toml FROM experiments ORDER BY id", [], |row| {
            Ok(StoredExperiment { id: row.get(0)?, name: row.get(1)?, toml: row.get(2)?, runs: Vec::new() })
        })?;
        let links: Vec<(i64, i64)> =
            self.all("SELECT experiment, run FROM links ORDER BY id", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        for (experiment, run) in links {
            if let Ok(at) = experiments.binary_search_by_key(&experiment, |experiment| experiment.id) {
                experiments[at].runs.push(RunId(run));
            }
        }
        Ok(experiments)
    }

    /// All tunings, in the order in which they were first saved; those of a form that this program does not know are left
    /// out.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn tunings(&self) -> Result<Vec<Tuning>, StoreError> {
        let texts: Vec<String> = self.all("SELECT tuning FROM tunings ORDER BY id", [], |row| row.get(0))?;
        Ok(texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let found = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(params, read).optional());
        found.map_err(|error| self.error(error))
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let found = self.connection.prepare_cached(sql).and_then(|mut statement| {
            let rows = statement.query_map(params, read)?;
            rows.collect()
        });
        found.map_err(|error| self.error(error))
    }

    fn stream<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        each: &mut dyn FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let found = self.connection.prepare_cached(sql).and_then(|mut statement| {
            let mut rows = statement.query(params)?;
            while let Some(row) = rows.next()? {
                if each(read(row)?).is_break() {
                    break;
                }
            }
            Ok(())
        });
        found.map_err(|error| self.error(error))
    }

    fn error(&self, error: rusqlite::Error) -> StoreError {
        match error {
            rusqlite::Error::FromSqlConversionFailure(_, _, source) => StoreError::Unreadable {
                path: self.path.clone(),
                what: "a row".to_owned(),
                reason: source.to_string(),
            },
            other => StoreError::sql(&self.path, other),
        }
    }
}

fn answer(row: &Row<'_>) -> rusqlite::Result<CachedAnswer> {
    let finish = row.get_ref(1)?.as_str()?;
    Ok(CachedAnswer {
        raw: row.get(0)?,
        finish: Finish::of(finish).ok_or_else(|| bad(1, format_args!("`{finish}` is no way to end")))?,
        prompt_tokens: row.get(2)?,
        new_tokens: row.get(3)?,
        estimated: row.get(4)?,
    })
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let kind = row.get_ref(3)?.as_str()?;
    Ok(Event {
        id: row.get(0)?,
        run: row.get::<_, Option<i64>>(1)?.map(RunId),
        at_ms: row.get(2)?,
        // A kind of a newer program is still something to know.
        kind: EventKind::of(kind).unwrap_or(EventKind::Notice),
        text: row.get(4)?,
    })
}

/// Whether a key begins as the text but for one character.
fn alike_keys(given: &str, key: &str) -> bool {
    given.len() >= 4
        && given.len() <= key.len()
        && given.bytes().zip(key.bytes()).filter(|(one, other)| one != other).count() == 1
}
