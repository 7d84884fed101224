//! What can be read of a damaged store, saved into a fresh one that takes its place. The damaged file stays beside it.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params_from_iter};

use super::check::{TABLES, interruptible};
use super::rescue::beside;
use super::{Reader, Store, StoreError, claim, connect};
use crate::jobs::{CancelToken, Progress};
use crate::record::EventKind;

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RepairReport {
    /// The store, fresh.
    pub path: PathBuf,
    /// Where the damaged file is now.
    pub kept: PathBuf,
    /// What was saved, a table each.
    pub tables: Vec<RepairedTable>,
    /// What else there is to know, in words.
    pub notes: Vec<String>,
}

/// What was saved of a table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RepairedTable {
    /// Its name.
    pub table: String,
    /// Rows that are in the fresh store.
    pub saved: u64,
    /// Rows that were read and had to be left out, since what they belong to is lost or they cannot be.
    pub left_out: u64,
    /// Places in the table where rows could not be read; how many rows is not known.
    pub gaps: u64,
}

/// Saves what can be read of a store into a fresh one and puts that in its place; the damaged file is kept beside it under
/// another name. Runs that lost predictions can be resumed.
///
/// # Errors
/// A program works on one of its runs; nothing of a store can be read in the file, which is then left as it is; a place that
/// cannot be written; canceled, which changes nothing.
pub fn repair(path: &Path, cancel: &CancelToken, progress: &Progress) -> Result<RepairReport, StoreError> {
    let path = connect::absolute(path)?;
    if !path.is_file() {
        return Err(match path.is_dir() {
            true => StoreError::IsFolder { path },
            false => StoreError::Missing { path },
        });
    }
    if let Some(run) = claim::any_held(&path) {
        return Err(StoreError::InUse { run });
    }
    let (fresh, patched) = (beside(&path, ".repairing"), beside(&path, ".repairing-head"));
    let clean = || {
        for file in [&fresh, &patched] {
            for end in ["", "-wal", "-shm", "-journal"] {
                let _ = fs::remove_file(beside(file, end));
            }
        }
    };
    clean();
    let result = fill(&path, &fresh, &patched, cancel, progress).and_then(|(tables, notes)| {
        let kept = swap(&path, &fresh)?;
        Ok(RepairReport { path: path.clone(), kept, tables, notes })
    });
    clean();
    let report = result?;
    let mut store = Store::open(&report.path)?;
    let kept = report.kept.file_name().unwrap_or_default().to_string_lossy();
    let saved: u64 = report.tables.iter().map(|table| table.saved).sum();
    store.log(
        None,
        EventKind::Store,
        &format!("Repaired: {saved} rows were saved; the damaged file is {kept}"),
    )?;
    Ok(report)
}

type Filled = (Vec<RepairedTable>, Vec<String>);

fn fill(
    path: &Path,
    fresh: &Path,
    patched: &Path,
    cancel: &CancelToken,
    progress: &Progress,
) -> Result<Filled, StoreError> {
    let mut target = connect::open_writer(fresh)?;
    let mut notes = Vec::new();
    let source = match open_damaged(path) {
        Some(source) => source,
        None => {
            let nothing = || StoreError::NotAStore { path: path.to_owned() };
            give_head(path, patched, &target, fresh)?;
            notes.push("The file's head was broken and was made anew".to_owned());
            open_damaged(patched).ok_or_else(nothing)?
        }
    };
    let sql = |error| StoreError::sql(fresh, error);
    target.execute_batch("PRAGMA foreign_keys = OFF").map_err(sql)?;
    let mut tables = Vec::new();
    for table in TABLES {
        progress.start(table, 0);
        tables.push(
            interruptible(&source, cancel, || salvage(&source, &mut target, table, cancel, progress))?
                .map_err(sql)?,
        );
    }
    cancel.check()?;
    if tables.iter().all(|table| table.saved == 0) {
        return Err(StoreError::NotAStore { path: path.to_owned() });
    }
    settle(&mut target, &mut tables, &mut notes).map_err(sql)?;
    let log = target.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    log.map_err(sql)?;
    Ok((tables, notes))
}

/// Opens a file however broken it is; `None` if not even its list of tables can be read.
fn open_damaged(path: &Path) -> Option<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    ["mode=ro", "mode=ro&immutable=1"].into_iter().find_map(|how| {
        let source = Connection::open_with_flags(connect::address(path, how), flags).ok()?;
        // A file shorter than its head says is refused otherwise.
        source
            .execute_batch(
                "PRAGMA writable_schema = ON; PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF",
            )
            .ok()?;
        let sql =
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('runs', 'predictions')";
        let found: i64 = source.query_row(sql, [], |row| row.get(0)).ok()?;
        (found == 2).then_some(source)
    })
}

/// Copies a file whose first page is lost, with the first page that a store of this program has: roots of tables stand at
/// the beginning of a file that can shrink, in the order in which they were made, so that they are in every store where they
/// are in a fresh one.
fn give_head(path: &Path, patched: &Path, fresh: &Connection, fresh_path: &Path) -> Result<(), StoreError> {
    fresh
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .map_err(|error| StoreError::sql(fresh_path, error))?;
    let page: i64 = fresh
        .query_row("PRAGMA page_size", [], |row| row.get(0))
        .map_err(|error| StoreError::sql(fresh_path, error))?;
    let page = usize::try_from(page).unwrap_or(4096);
    let mut head = vec![0; page];
    let read = File::open(fresh_path).and_then(|mut file| file.read_exact(&mut head));
    read.map_err(|source| StoreError::file(fresh_path, source))?;
    let error = |source| StoreError::file(patched, source);
    let bytes = fs::copy(path, patched).map_err(error)?;
    if let Some(log) = Some(beside(path, "-wal")).filter(|log| log.is_file()) {
        fs::copy(log, beside(patched, "-wal")).map_err(error)?;
    }
    let pages = u32::try_from(bytes / page as u64).unwrap_or(u32::MAX);
    head[28..32].copy_from_slice(&pages.to_be_bytes());
    head[32..40].fill(0); // free pages are not known
    let change: [u8; 4] = [head[24], head[25], head[26], head[27]];
    head[92..96].copy_from_slice(&change); // so that the number of pages is believed
    let mut file = File::options().write(true).open(patched).map_err(error)?;
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.write_all(&head))
        .and_then(|()| file.sync_all())
        .map_err(error)
}

/// Rows between two that are looked for together.
const BATCH: usize = 1000;

/// Broken places after which a table is given up, so that no damage makes a repair endless.
const GAPS: u64 = 100_000;

/// Copies what can be read of a table.
fn salvage(
    source: &Connection,
    target: &mut Connection,
    table: &str,
    cancel: &CancelToken,
    progress: &Progress,
) -> rusqlite::Result<RepairedTable> {
    let columns: Vec<String> = {
        let mut query = target.prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))?;
        query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
    };
    // A store of an older form lacks columns, which have their defaults then.
    let theirs: Vec<String> = source
        .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))
        .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
        .unwrap_or_default();
    let columns: Vec<String> =
        columns.into_iter().filter(|column| theirs.is_empty() || theirs.contains(column)).collect();
    let names = columns.join(", ");
    let marks: Vec<String> = (1..=columns.len()).map(|at| format!("?{at}")).collect();
    let put = format!("INSERT OR IGNORE INTO {table} ({names}) VALUES ({})", marks.join(", "));
    let mut found = RepairedTable { table: table.to_owned(), saved: 0, left_out: 0, gaps: 0 };
    let read = format!("SELECT {names} FROM {table} WHERE id >= ?1 ORDER BY id");
    // Where the first row may be, so that a search from there comes near it.
    let rows_of_runs = matches!(table, "predictions" | "scores" | "prompts");
    let mut from = Some(if rows_of_runs { 1 << 32 } else { 0 });
    while let Some(start) = from {
        if cancel.is_canceled() {
            return Ok(found);
        }
        let (batch, bad, end) = read_batch(source, &read, start);
        found.left_out += bad;
        let last = batch.last().and_then(|row| id_of(row));
        let step = target.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut put = step.prepare_cached(&put)?;
            for row in &batch {
                // A row that is no row of this table is one that cannot be.
                match put.execute(params_from_iter(row)) {
                    Ok(1) => found.saved += 1,
                    Ok(_) => found.left_out += 1,
                    Err(error) if is_of_the_row(&error) => found.left_out += 1,
                    Err(error) => return Err(error),
                }
            }
        }
        step.commit()?;
        progress.add(batch.len() as u64);
        let next = last.map_or(Some(start), |last| last.checked_add(1));
        from = match end {
            End::Batch => next,
            End::Table => None,
            End::Broken if found.gaps >= GAPS => None,
            End::Broken => {
                found.gaps += 1;
                next.and_then(|next| after_gap(source, table, next, cancel))
            }
        };
    }
    Ok(found)
}

fn is_of_the_row(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{ConstraintViolation, TypeMismatch};
    matches!(error.sqlite_error_code(), Some(ConstraintViolation | TypeMismatch))
}

/// Why reading ended.
enum End {
    Batch,
    Table,
    Broken,
}

fn id_of(row: &[Value]) -> Option<i64> {
    match row.first() {
        Some(Value::Integer(id)) => Some(*id),
        _ => None,
    }
}

/// Rows from `start` on, how many could not be understood, and why it ended.
fn read_batch(source: &Connection, query: &str, start: i64) -> (Vec<Vec<Value>>, u64, End) {
    let mut batch = Vec::new();
    let (mut bytes, mut bad) = (0, 0);
    let mut read = || {
        let mut query = source.prepare_cached(query)?;
        let columns = query.column_count();
        let mut rows = query.query([start])?;
        let mut last = None;
        while let Some(row) = rows.next()? {
            let id: Option<i64> = row.get(0)?;
            let row: rusqlite::Result<Vec<Value>> = (0..columns).map(|at| row.get(at)).collect();
            if id <= last {
                return Err(rusqlite::Error::InvalidQuery); // pages in a circle: numbers must rise
            }
            last = id;
            let Ok(row) = row else {
                bad += 1; // text that is none
                continue;
            };
            bytes += row.iter().map(size_of_value).sum::<usize>();
            batch.push(row);
            if batch.len() >= BATCH || bytes > 8 << 20 {
                return Ok(End::Batch);
            }
        }
        Ok(End::Table)
    };
    let end = read().unwrap_or(End::Broken);
    (batch, bad, end)
}

fn size_of_value(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        _ => 8,
    }
}

/// The first row at or after `from` that can be read, where those at `from` cannot: found by ever longer steps, and then by
/// halving the last one.
fn after_gap(source: &Connection, table: &str, from: i64, cancel: &CancelToken) -> Option<i64> {
    let query = format!("SELECT id, * FROM {table} WHERE id >= ?1 ORDER BY id LIMIT 1");
    // The row there, nothing behind, or a broken place.
    let look = |at: i64| -> Result<Option<i64>, ()> {
        let mut query = source.prepare_cached(&query).map_err(drop)?;
        let mut rows = query.query([at]).map_err(drop)?;
        match rows.next().map_err(drop)? {
            Some(row) => {
                let columns = row.as_ref().column_count();
                (0..columns).try_for_each(|at| row.get_ref(at).map(drop)).map_err(drop)?;
                row.get(0).map(Some).map_err(drop)
            }
            None => Ok(None),
        }
    };
    let (mut broken, mut step) = (from, 1_i64);
    let mut good = loop {
        let at = broken.checked_add(step)?;
        if cancel.is_canceled() {
            return None;
        }
        match look(at) {
            Ok(found) => break found.map_or(Err(at), |id| Ok((at, id))),
            Err(()) => (broken, step) = (at, step.checked_mul(2)?),
        }
    };
    // A search that ended behind the last row may have jumped over good ones.
    loop {
        let (Ok((end, _)) | Err(end)) = good;
        if end - broken <= 1 {
            break;
        }
        let middle = broken + (end - broken) / 2;
        match look(middle) {
            Ok(Some(id)) => good = Ok((middle, id)),
            Ok(None) => good = Err(middle),
            Err(()) => broken = middle,
        }
    }
    good.ok().map(|(at, id)| id.max(at))
}

/// Takes out what belongs to nothing, and brings the runs' records in step with their rows.
fn settle(
    target: &mut Connection,
    tables: &mut [RepairedTable],
    notes: &mut Vec<String>,
) -> rusqlite::Result<()> {
    let step = target.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (table, stray) in [
        ("predictions", "NOT EXISTS (SELECT 1 FROM runs WHERE id = predictions.id >> 32)"),
        ("predictions", "NOT EXISTS (SELECT 1 FROM scores WHERE id = predictions.id)"),
        ("scores", "NOT EXISTS (SELECT 1 FROM predictions WHERE id = scores.id)"),
        ("prompts", "NOT EXISTS (SELECT 1 FROM predictions WHERE id = prompts.id)"),
        ("metric_columns", "NOT EXISTS (SELECT 1 FROM runs WHERE id = run)"),
        ("events", "run IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs WHERE id = run)"),
        ("links", "NOT EXISTS (SELECT 1 FROM runs WHERE id = run)"),
        ("links", "NOT EXISTS (SELECT 1 FROM experiments WHERE id = experiment)"),
        ("judgings", "NOT EXISTS (SELECT 1 FROM runs WHERE id = first_run)"),
        ("judgings", "second_run IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs WHERE id = second_run)"),
        ("verdicts", "NOT EXISTS (SELECT 1 FROM judgings WHERE id = judging)"),
        // What is answered again may be answered otherwise.
        (
            "verdicts",
            "NOT EXISTS (SELECT 1 FROM judgings j JOIN predictions p ON p.id = (j.first_run << 32) | position \
             WHERE j.id = judging)",
        ),
        (
            "verdicts",
            "EXISTS (SELECT 1 FROM judgings j WHERE j.id = judging AND j.second_run IS NOT NULL AND NOT EXISTS \
             (SELECT 1 FROM predictions p WHERE p.id = (j.second_run << 32) | position))",
        ),
    ] {
        let gone = step.execute(&format!("DELETE FROM {table} WHERE {stray}"), [])? as u64;
        if let Some(table) = tables.iter_mut().find(|found| found.table == table) {
            table.saved -= gone;
            table.left_out += gone;
        }
    }
    let sums = "SELECT count(*), coalesce(sum(error IS NOT NULL), 0), coalesce(sum(cached), 0), \
                coalesce(sum(fell_back), 0), coalesce(sum(input_cut), 0), \
                coalesce(sum(error IS NULL AND NOT parsed), 0), coalesce(sum(prompt_tokens), 0), \
                coalesce(sum(new_tokens), 0), coalesce(sum(prompt_tokens * (error IS NULL AND NOT cached)), 0), \
                coalesce(sum(new_tokens * (error IS NULL AND NOT cached)), 0), \
                coalesce(sum(error IS NULL AND finish = 'length'), 0), \
                coalesce(sum(error IS NULL AND finish = 'content-filter'), 0), \
                coalesce(sum(error IS NULL AND finish = 'refusal'), 0), \
                coalesce(sum(error IS NULL AND raw = ''), 0), coalesce(sum(error IS NULL AND estimated), 0) \
                FROM predictions WHERE id BETWEEN runs.id << 32 AND (runs.id << 32) + 4294967295";
    step.execute(
        &format!(
            "UPDATE runs SET (done, failed, cached, fell_back, input_cut, unparsed, prompt_tokens, new_tokens, \
             asked_prompt_tokens, asked_new_tokens, at_limit, filtered, refused, empty, estimated) = ({sums})"
        ),
        [],
    )?;
    // What was computed from rows or columns that are lost is computed anew when the run is resumed.
    let broken = "status = 'done' AND (done < samples OR (aggregate IS NOT NULL AND NOT EXISTS \
                  (SELECT 1 FROM metric_columns WHERE run = runs.id)))";
    let lost: Vec<(String, i64)> = {
        let mut lost =
            step.prepare(&format!("SELECT key, samples - done FROM runs WHERE {broken} ORDER BY id"))?;
        lost.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?
    };
    for (key, missing) in lost {
        let short = key.get(..8).unwrap_or(&key);
        notes.push(format!(
            "Run {short} lost {missing} predictions or its figures; resume it to have them again"
        ));
    }
    step.execute(&format!("UPDATE runs SET aggregate = NULL, finished_ms = NULL, status = 'interrupted', reason = 'The store was repaired' WHERE {broken}"), [])?;
    step.execute("UPDATE runs SET aggregate = NULL WHERE done < samples", [])?;
    step.execute(
        "DELETE FROM metric_columns WHERE run IN (SELECT id FROM runs WHERE aggregate IS NULL)",
        [],
    )?;
    step.commit()
}

/// Puts the fresh store into the place of the damaged one; gives where that is now.
fn swap(path: &Path, fresh: &Path) -> Result<PathBuf, StoreError> {
    let kept = (1..).map(|n| beside(path, &format!(".damaged-{n}"))).find(|kept| !kept.exists());
    let kept = kept.unwrap_or_else(|| beside(path, ".damaged"));
    let rename =
        |from: &Path, to: &Path| fs::rename(from, to).map_err(|source| StoreError::file(from, source));
    // A log belongs to its file, and must not be taken for the fresh one's.
    let _ = fs::remove_file(beside(path, "-shm"));
    let log = beside(path, "-wal");
    if log.exists() {
        rename(&log, &beside(&kept, "-wal"))?;
    }
    rename(path, &kept)?;
    rename(fresh, path)?;
    Reader::open(path).map(drop)?;
    Ok(kept)
}
