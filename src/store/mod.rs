//! The single truth about runs: one SQLite file with their specs, predictions, figures, events, experiments and tunings,
//! with what judges said of them, and with answers that any run may use again.
//!
//! A program has one [`Store`], its writer; every [`Reader`] has a connection of its own and never waits. Other programs
//! may write other runs to the same file: a transaction waits for its turn, and a [`Claim`] keeps two programs off one run.
//! Whatever a call has returned from is kept, come a kill, a power loss or a full disk. Knows no model, no dataset and no
//! way to run anything; no other room names SQLite.

mod check;
mod claim;
mod connect;
mod error;
mod judging;
mod merge;
mod reader;
mod repair;
mod rescue;
mod rows;
mod save;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

pub use check::{CheckReport, Problem, ProblemKind, check};
pub use claim::Claim;
pub use error::StoreError;
pub use merge::{Merged, MergedRun};
pub use reader::Reader;
pub use repair::{RepairReport, RepairedTable, repair};

use crate::jobs::{CancelToken, Progress};
use crate::metrics::Aggregate;
use crate::record::{Column, EventKind, Prices, RunId, RunRecord, RunSpec, RunStatus, Tuning};

/// A run that is in the store and cannot be read by this program.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct UnreadableRun {
    /// Its number.
    pub id: RunId,
    /// Its key.
    pub key: String,
    /// What of it cannot be read, and why.
    pub reason: String,
}

/// An experiment as it was written, and the runs that came of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StoredExperiment {
    /// Its number in this store.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its file's text.
    pub toml: String,
    /// Its runs, in the order in which they were planned.
    pub runs: Vec<RunId>,
}

/// What a store holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StoreInfo {
    /// The store.
    pub path: PathBuf,
    /// The form it is written in.
    pub version: i64,
    /// Its size with its log, in bytes.
    pub bytes: u64,
    /// Room in it that is free for new rows, in bytes.
    pub free_bytes: u64,
    /// Rows a table.
    pub tables: Vec<(String, u64)>,
}

/// The writer of a store; a program opens one.
pub struct Store {
    connection: Connection,
    path: PathBuf,
    /// The file that is open, which may come to be another than the one at the path.
    file: connect::FileId,
}

/// What ends a transaction: SQLite's word, or ours.
enum Fault {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Store {
    /// The store that is used if nothing else is said: `lamplight.db` in the platform's folder for data.
    ///
    /// # Errors
    /// [`StoreError::NoFolder`] where the system names no such folder.
    pub fn default_path() -> Result<PathBuf, StoreError> {
        let dirs = directories::ProjectDirs::from("", "", "lamplight").ok_or(StoreError::NoFolder)?;
        Ok(dirs.data_dir().join("lamplight.db"))
    }

    /// Opens a store for writing; makes the file and the folders above it if they are not there, and brings a store of an
    /// older program to the present form.
    ///
    /// # Errors
    /// A file of another kind or of a newer program, which is left as it is; a place that cannot be written.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = connect::absolute(path)?;
        let connection = connect::open_writer(&path)?;
        let file = connect::FileId::at(&path)?;
        Ok(Self { connection, path, file })
    }

    /// Where the store is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A reader of the same store.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.path)
    }

    /// The run of a spec, added as planned if it is new. `samples` is how many it answers in all.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn plan(&mut self, spec: &RunSpec, samples: u64) -> Result<RunRecord, StoreError> {
        let key = spec.key();
        let found = self.write(|step| {
            put_run(step, &key, spec, samples)?;
            Ok(step.query_row(
                &format!("SELECT {} FROM runs WHERE key = ?1", rows::RUN),
                [&key],
                rows::run,
            )?)
        })?;
        found.map_err(|run| StoreError::Unreadable {
            path: self.path.clone(),
            what: format!("run {}", run.key.get(..8).unwrap_or(&run.key)),
            reason: run.reason,
        })
    }

    /// Takes a run for this program alone, until the claim is dropped or the program ends in whatever way.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another has it, be it in this program; a folder that cannot be written.
    pub fn claim(&self, run: &RunRecord) -> Result<Claim, StoreError> {
        claim::claim(&self.path, &run.key)?
            .ok_or_else(|| StoreError::InUse { run: run.short_key().to_owned() })
    }

    /// Says where a run stands, and why if it ended early.
    ///
    /// # Errors
    /// No such run; a store that cannot be written.
    pub fn set_status(
        &mut self,
        run: RunId,
        status: RunStatus,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        self.write(|step| {
            let changed = step.execute(
                "UPDATE runs SET status = ?2, reason = ?3 WHERE id = ?1",
                (run.0, status.id(), reason),
            )?;
            there_is(run, changed)
        })
    }

    /// Says what the tokens of a run's model cost; `None` where that is not known.
    ///
    /// # Errors
    /// No such run; a store that cannot be written.
    pub fn set_prices(&mut self, run: RunId, prices: Option<Prices>) -> Result<(), StoreError> {
        self.write(|step| {
            let (input, output) = (prices.map(|prices| prices.input), prices.map(|prices| prices.output));
            let sql = "UPDATE runs SET price_in = ?2, price_out = ?3 WHERE id = ?1";
            there_is(run, step.execute(sql, (run.0, input, output))?)
        })
    }

    /// Keeps a run's figures and its columns; a run all of whose samples are stored is done by that. They are computed from
    /// what is stored and may be computed again.
    ///
    /// # Errors
    /// No such run; a store that cannot be written.
    pub fn finish(
        &mut self,
        run: RunId,
        aggregate: &Aggregate,
        columns: &[Column],
    ) -> Result<(), StoreError> {
        self.write(|step| {
            // Numbers and words: there is nothing that could fail to be written.
            let figures = serde_json::to_string(aggregate).unwrap_or_default();
            let changed = step.execute(
                "UPDATE runs SET aggregate = ?2, status = iif(done >= samples, ?3, status), \
                 reason = iif(done >= samples, NULL, reason) WHERE id = ?1",
                (run.0, figures, RunStatus::Done.id()),
            )?;
            there_is(run, changed)?;
            step.execute("DELETE FROM metric_columns WHERE run = ?1", [run.0])?;
            let mut add = step.prepare_cached(
                "INSERT INTO metric_columns (run, metric, positions, numbers) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for column in columns {
                let positions = rows::positions_to_bytes(&column.positions);
                add.execute((run.0, column.metric.id(), positions, rows::to_bytes(&column.values)))?;
            }
            Ok(())
        })
    }

    /// Adds an event, about a run or about the store.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn log(&mut self, run: Option<RunId>, kind: EventKind, text: &str) -> Result<(), StoreError> {
        self.write(|step| Ok(add_event(step, run, kind, text)?))
    }

    /// Removes a run with all that is stored of it. Answers kept for other runs stay.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while a program works on it; no such run; a store that cannot be written.
    pub fn delete(&mut self, run: RunId) -> Result<(), StoreError> {
        let sql = "SELECT key FROM runs WHERE id = ?1";
        let key: Option<String> = self
            .connection
            .query_row(sql, [run.0], |row| row.get(0))
            .optional()
            .map_err(|error| self.error(error))?;
        let key = key.ok_or(StoreError::GoneRun { run })?;
        let short = || key.get(..8).unwrap_or(&key).to_owned();
        let _claim = claim::claim(&self.path, &key)?.ok_or_else(|| StoreError::InUse { run: short() })?;
        self.write(|step| {
            save::remove_rows(step, run)?;
            step.execute("DELETE FROM tunings WHERE applied = ?1", [&key])?;
            let changed = step.execute("DELETE FROM runs WHERE id = ?1", [run.0])?;
            there_is(run, changed)?;
            Ok(add_event(step, None, EventKind::Store, &format!("Run {} was deleted", short()))?)
        })
    }

    /// The number of the experiment of this text, added if it is new.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn add_experiment(&mut self, name: &str, toml: &str) -> Result<i64, StoreError> {
        self.write(|step| Ok(put_experiment(step, name, toml)?))
    }

    /// Keeps an experiment with all its runs, or, where that cannot be, nothing of it.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn keep(&mut self, name: &str, toml: &str, runs: &[(&RunSpec, u64)]) -> Result<i64, StoreError> {
        self.write(|step| {
            let experiment = put_experiment(step, name, toml)?;
            for (spec, samples) in runs {
                let key = spec.key();
                put_run(step, &key, spec, *samples)?;
                let id = step.query_row("SELECT id FROM runs WHERE key = ?1", [&key], |row| row.get(0))?;
                put_link(step, experiment, RunId(id))?;
            }
            Ok(experiment)
        })
    }

    /// Says that a run is one of an experiment's; saying it twice changes nothing.
    ///
    /// # Errors
    /// No such run or experiment; a store that cannot be written.
    pub fn link(&mut self, experiment: i64, run: RunId) -> Result<(), StoreError> {
        self.write(|step| Ok(put_link(step, experiment, run)?))
    }

    /// Keeps a tuning, instead of an earlier one of the same run.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn save_tuning(&mut self, tuning: &Tuning) -> Result<(), StoreError> {
        let text = serde_json::to_string(tuning).unwrap_or_default();
        self.write(|step| {
            step.execute(
                "INSERT INTO tunings (applied, tuning) VALUES (?1, ?2) \
                 ON CONFLICT (applied) DO UPDATE SET tuning = excluded.tuning",
                [&tuning.applied, &text],
            )?;
            Ok(())
        })
    }

    /// Forgets the answers kept for other runs, and says how many there were. No run loses anything by it.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub fn clear_answers(&mut self) -> Result<u64, StoreError> {
        self.write(|step| Ok(step.execute("DELETE FROM answers", [])? as u64))
    }

    /// Gives the room that deleted rows left back to the disk, and says how many bytes. It is used again otherwise.
    ///
    /// # Errors
    /// A store that cannot be written; canceled, which keeps what was given back so far.
    pub fn give_back(&mut self, cancel: &CancelToken, progress: &Progress) -> Result<u64, StoreError> {
        const PAGES: u64 = 2000;
        let number = |store: &Self, of: &str| {
            let found = store.connection.query_row(&format!("PRAGMA {of}"), [], |row| row.get::<_, i64>(0));
            found.map(|n| u64::try_from(n).unwrap_or(0)).map_err(|error| store.error(error))
        };
        let (free, page) = (number(self, "freelist_count")?, number(self, "page_size")?);
        progress.start("Giving back room", free * page);
        let mut left = free;
        while left > 0 {
            cancel.check()?;
            let some = format!("PRAGMA incremental_vacuum({PAGES})");
            let taken = self.connection.prepare(&some).and_then(|mut step| {
                let mut rows = step.query([])?;
                while rows.next()?.is_some() {}
                Ok(())
            });
            taken.map_err(|error| self.error(error))?;
            let now = number(self, "freelist_count")?;
            if now >= left {
                break; // another program uses the room meanwhile
            }
            left = now;
            progress.set((free - left) * page);
        }
        // The file shrinks when the log is taken into it; a reader in the middle of something may put that off.
        let log = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        match log {
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {}
            other => other.map_err(|error| self.error(error))?,
        }
        Ok((free - left) * page)
    }

    /// Does work in one transaction, which is kept whole or not at all.
    fn write<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.rescue_if_gone()?;
        let result = (|| {
            let step = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&step)?;
            step.commit()?;
            Ok(result)
        })();
        result.map_err(|fault| match fault {
            Fault::Store(error) => error,
            Fault::Sql(error) => self.error(error),
        })
    }

    fn error(&self, error: rusqlite::Error) -> StoreError {
        StoreError::sql(&self.path, error)
    }
}

/// Adds a run unless it is there. Looks first: an insertion that meets its key would use up a number.
fn put_run(step: &Connection, key: &str, spec: &RunSpec, samples: u64) -> rusqlite::Result<()> {
    if step.prepare_cached("SELECT 1 FROM runs WHERE key = ?1")?.exists([key])? {
        return Ok(());
    }
    step.execute(
        "INSERT INTO runs (key, spec, status, samples, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
        (key, spec.to_json(), RunStatus::Planned.id(), rows::count(samples), now_ms()),
    )?;
    add_event(step, Some(RunId(step.last_insert_rowid())), EventKind::Life, "Planned")
}

/// Adds an experiment unless it is there, and gives its number.
fn put_experiment(step: &Connection, name: &str, toml: &str) -> rusqlite::Result<i64> {
    let found =
        step.query_row("SELECT id FROM experiments WHERE toml = ?1", [toml], |row| row.get(0)).optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    step.execute("INSERT INTO experiments (name, toml) VALUES (?1, ?2)", [name, toml])?;
    Ok(step.last_insert_rowid())
}

fn put_link(step: &Connection, experiment: i64, run: RunId) -> rusqlite::Result<()> {
    let sql = "INSERT INTO links (experiment, run) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    step.execute(sql, [experiment, run.0]).map(drop)
}

fn there_is(run: RunId, changed: usize) -> Result<(), Fault> {
    if changed == 0 { Err(StoreError::GoneRun { run }.into()) } else { Ok(()) }
}

fn add_event(step: &Connection, run: Option<RunId>, kind: EventKind, text: &str) -> rusqlite::Result<()> {
    let mut add =
        step.prepare_cached("INSERT INTO events (run, at_ms, kind, text) VALUES (?1, ?2, ?3, ?4)")?;
    add.execute((run.map(|run| run.0), now_ms(), kind.id(), text))?;
    Ok(())
}

/// The machine's clock, for people to read; nothing is ordered or decided by it.
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;
