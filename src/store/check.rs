//! Whether a store is sound: the file's structure, and whether its tables agree with each other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::{Reader, Store, StoreError, connect};
use crate::jobs::{CancelToken, Canceled, Progress};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CheckReport {
    /// The store.
    pub path: PathBuf,
    /// Its size with its log, in bytes.
    pub bytes: u64,
    /// Rows a table, in the order in which the tables were made; those that could be counted.
    pub tables: Vec<(String, u64)>,
    /// What is wrong; nothing if the store is sound.
    pub problems: Vec<Problem>,
}

/// Something that is wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Of what kind.
    pub kind: ProblemKind,
    /// In words.
    pub text: String,
}

/// Kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The file's structure is broken: rows may be lost.
    Damaged,
    /// Tables that should agree do not.
    Inconsistent,
    /// A run that this program cannot read.
    Unreadable,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn add(&mut self, kind: ProblemKind, text: impl Into<String>) {
        self.problems.push(Problem { kind, text: text.into() });
    }
}

/// The tables that hold something, in the order in which they refer to each other.
pub(super) const TABLES: [&str; 12] = [
    "runs",
    "predictions",
    "scores",
    "prompts",
    "metric_columns",
    "answers",
    "events",
    "experiments",
    "links",
    "tunings",
    "judgings",
    "verdicts",
];

/// Sums over a run's rows, and what the run's record says they are.
const TOTALS: &str = "SELECT r.id, r.key, r.done, r.failed, r.cached, r.fell_back, r.input_cut, r.unparsed, \
    r.prompt_tokens, r.new_tokens, r.asked_prompt_tokens, r.asked_new_tokens, r.at_limit, r.filtered, r.refused, \
    r.empty, r.estimated, count(p.id), coalesce(sum(p.error IS NOT NULL), 0), coalesce(sum(p.cached), 0), \
    coalesce(sum(p.fell_back), 0), coalesce(sum(p.input_cut), 0), \
    coalesce(sum(p.error IS NULL AND NOT p.parsed), 0), coalesce(sum(p.prompt_tokens), 0), \
    coalesce(sum(p.new_tokens), 0), coalesce(sum(p.prompt_tokens * (p.error IS NULL AND NOT p.cached)), 0), \
    coalesce(sum(p.new_tokens * (p.error IS NULL AND NOT p.cached)), 0), \
    coalesce(sum(p.error IS NULL AND p.finish = 'length'), 0), \
    coalesce(sum(p.error IS NULL AND p.finish = 'content-filter'), 0), \
    coalesce(sum(p.error IS NULL AND p.finish = 'refusal'), 0), coalesce(sum(p.error IS NULL AND p.raw = ''), 0), \
    coalesce(sum(p.error IS NULL AND p.estimated), 0) \
    FROM runs r LEFT JOIN predictions p ON p.id BETWEEN r.id << 32 AND (r.id << 32) + 4294967295 GROUP BY r.id";

/// Rows that stand alone: how many, and what they are. Each takes nothing that a sound store has.
const STRAYS: [(&str, &str); 5] = [
    (
        "SELECT count(*) FROM predictions p WHERE NOT EXISTS (SELECT 1 FROM runs WHERE id = p.id >> 32)",
        "predictions belong to no run",
    ),
    (
        "SELECT count(*) FROM predictions p WHERE NOT EXISTS (SELECT 1 FROM scores WHERE id = p.id)",
        "predictions have no row of scores",
    ),
    (
        "SELECT count(*) FROM scores s WHERE NOT EXISTS (SELECT 1 FROM predictions WHERE id = s.id)",
        "rows of scores have no prediction",
    ),
    (
        "SELECT count(*) FROM prompts t WHERE NOT EXISTS (SELECT 1 FROM predictions WHERE id = t.id)",
        "prompts have no prediction",
    ),
    (
        "SELECT count(*) FROM verdicts v JOIN judgings j ON j.id = v.judging WHERE NOT EXISTS \
         (SELECT 1 FROM predictions WHERE id = (j.first_run << 32) | v.position) OR (j.second_run IS NOT NULL AND \
         NOT EXISTS (SELECT 1 FROM predictions WHERE id = (j.second_run << 32) | v.position))",
        "verdicts are of no prediction",
    ),
];

/// Looks through a whole store. It may be in use meanwhile. A store of an older program is brought to the present form first.
///
/// # Errors
/// No file there, one of another kind, or of a newer program; canceled. Damage is no error but what the report tells.
pub fn check(path: &Path, cancel: &CancelToken, progress: &Progress) -> Result<CheckReport, StoreError> {
    let path = connect::absolute(path)?;
    let bytes = connect::size(&path);
    let mut report = CheckReport { path: path.clone(), bytes, tables: Vec::new(), problems: Vec::new() };
    progress.start("Checking", 0);
    let reader = match Reader::open(&path) {
        Err(StoreError::Older { .. }) => Store::open(&path).and_then(|store| store.reader()),
        other => other,
    };
    let reader = match reader {
        Err(StoreError::Damaged { detail, .. }) => {
            report.add(ProblemKind::Damaged, format!("it cannot be opened: {detail}"));
            return Ok(report);
        }
        other => other?,
    };
    interruptible(reader.connection(), cancel, || {
        if let Err(error) = look(&reader, &mut report) {
            report.add(ProblemKind::Damaged, error.to_string());
        }
    })?;
    Ok(report)
}

fn look(reader: &Reader, report: &mut CheckReport) -> Result<(), StoreError> {
    let connection = reader.connection();
    let sql = |error| StoreError::sql(&report.path.clone(), error);
    let found: Vec<String> = strings(connection, "PRAGMA integrity_check(50)").map_err(sql)?;
    for text in found.into_iter().filter(|text| text != "ok") {
        report.add(ProblemKind::Damaged, text);
    }
    for table in TABLES {
        match connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)) {
            Ok(rows) => report.tables.push((table.to_owned(), u64::try_from(rows).unwrap_or(0))),
            Err(error) => report.add(ProblemKind::Damaged, format!("{table} cannot be counted: {error}")),
        }
    }
    if !report.is_sound() {
        return Ok(()); // what does not agree is a consequence
    }
    let sql = |error| StoreError::sql(&report.path.clone(), error);
    let lone = strings(connection, "SELECT \"table\" || ' of no ' || parent FROM pragma_foreign_key_check")
        .map_err(sql)?;
    for text in lone.into_iter().take(50) {
        report.add(ProblemKind::Inconsistent, format!("a row of {text}"));
    }
    for (query, what) in STRAYS {
        let rows: i64 = connection
            .query_row(query, [], |row| row.get(0))
            .map_err(|error| StoreError::sql(&report.path, error))?;
        if rows > 0 {
            report.add(ProblemKind::Inconsistent, format!("{rows} {what}"));
        }
    }
    for text in wrong_totals(connection).map_err(|error| StoreError::sql(&report.path, error))? {
        report.add(ProblemKind::Inconsistent, text);
    }
    for run in reader.unreadable_runs()? {
        let short = run.key.get(..8).unwrap_or(&run.key);
        report.add(ProblemKind::Unreadable, format!("run {short}: {}", run.reason));
    }
    let mut specs = connection
        .prepare("SELECT key, spec, 'run' FROM runs UNION ALL SELECT key, spec, 'judging' FROM judgings")
        .map_err(|error| StoreError::sql(&report.path, error))?;
    let wrong = specs.query_map([], |row| {
        let (key, spec) = (row.get::<_, String>(0)?, row.get::<_, String>(1)?);
        let what = row.get::<_, String>(2)?;
        Ok((hex::encode(Sha256::digest(spec)) != key).then_some((what, key)))
    });
    let wrong: rusqlite::Result<Vec<Option<(String, String)>>> = wrong.and_then(Iterator::collect);
    for (what, key) in wrong.map_err(|error| StoreError::sql(&report.path, error))?.into_iter().flatten() {
        let short = key.get(..8).unwrap_or(&key);
        report.add(ProblemKind::Inconsistent, format!("{what} {short}: its spec is not the one of its key"));
    }
    Ok(())
}

fn strings(connection: &Connection, query: &str) -> rusqlite::Result<Vec<String>> {
    connection.prepare(query)?.query_map([], |row| row.get(0))?.collect()
}

fn wrong_totals(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut query = connection.prepare(TOTALS)?;
    let mut rows = query.query([])?;
    let mut wrong = Vec::new();
    while let Some(row) = rows.next()? {
        let key: String = row.get(1)?;
        let numbers =
            |from: usize| (from..from + 15).map(|at| row.get(at)).collect::<rusqlite::Result<Vec<i64>>>();
        let (said, found) = (numbers(2)?, numbers(17)?);
        if said != found {
            let short = key.get(..8).unwrap_or(&key);
            wrong.push(format!(
                "run {short}: its record says {} predictions and {} failures, or other sums, and its rows have {} and {}",
                said[0], said[1], found[0], found[1]
            ));
        }
    }
    Ok(wrong)
}

/// Does work on a connection that a cancellation breaks off, be it within one statement.
pub(super) fn interruptible<T>(
    connection: &Connection,
    cancel: &CancelToken,
    work: impl FnOnce() -> T,
) -> Result<T, Canceled> {
    let handle = connection.get_interrupt_handle();
    let done = CancelToken::new();
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.is_canceled() {
                if cancel.is_canceled() {
                    handle.interrupt(); // again and again, for the next statement too
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let result = work();
        done.cancel();
        result
    });
    cancel.check().map(|()| result)
}
