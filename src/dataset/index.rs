//! What a pass over a file finds: where its records are and enough about each for tables; kept on disk.
//!
//! A kept index is used only if the file's place, size, times and sampled content are the same and its own
//! checksum holds; else it is silently made again. It holds ids and numbers, never texts.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::FileFault;
use super::record::{Fields, RecordProblem};
use super::source::Source;

/// Raised whenever the meaning of what is kept changes.
const VERSION: u32 = 1;

/// What the elements of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// `{id, input, profile[, output]}`.
    Questions,
    /// `{id, output}`.
    Golds,
    /// `sample id: [entry id …]`.
    Ranking,
}

/// One good record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "RowParts", into = "RowParts")]
pub(super) struct Row {
    pub offset: u64,
    pub bytes: u32,
    /// Its place among all records of the file, broken ones included.
    pub position: u32,
    /// Where its id ends in [`Index::ids`].
    pub id_end: u32,
    pub entries: u32,
    pub dated: u32,
    pub input_bytes: u32,
    pub fields: Fields,
    pub any_entry: Fields,
    pub all_entries: Fields,
    pub entry_mistyped: Fields,
}

// Rows are kept as plain lists: a file has many, and names would be most of what is written.
type RowParts = (u64, [u32; 6], [Fields; 4]);

impl From<RowParts> for Row {
    fn from((offset, numbers, fields): RowParts) -> Self {
        let [bytes, position, id_end, entries, dated, input_bytes] = numbers;
        let [fields, any_entry, all_entries, entry_mistyped] = fields;
        Self {
            offset,
            bytes,
            position,
            id_end,
            entries,
            dated,
            input_bytes,
            fields,
            any_entry,
            all_entries,
            entry_mistyped,
        }
    }
}

impl From<Row> for RowParts {
    fn from(row: Row) -> Self {
        (
            row.offset,
            [row.bytes, row.position, row.id_end, row.entries, row.dated, row.input_bytes],
            [row.fields, row.any_entry, row.all_entries, row.entry_mistyped],
        )
    }
}

/// A record that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenRecord {
    /// Its place among all records of the file, from 0.
    pub position: u64,
    /// Where it begins, in bytes from the start of the (unpacked) file.
    pub offset: u64,
    /// Its id where that can be read.
    pub id: Option<String>,
    /// What is wrong with it.
    pub problem: RecordProblem,
}

/// All that a pass over a file found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Index {
    pub kind: Kind,
    /// The `task` a golds file names.
    pub task_name: Option<String>,
    pub rows: Vec<Row>,
    /// All ids, one after the other.
    pub ids: String,
    /// The first broken records; [`Index::broken_count`] counts all.
    pub broken: Vec<BrokenRecord>,
    pub broken_count: usize,
    pub faults: Vec<FileFault>,
    /// How many inputs are worded as each task of `Task::ALL`, and as none.
    pub wordings: [u32; 9],
}

impl Index {
    pub fn id(&self, row: usize) -> &str {
        let start =
            if row == 0 { 0 } else { self.rows.get(row - 1).map_or(0, |before| before.id_end as usize) };
        self.rows.get(row).and_then(|row| self.ids.get(start..row.id_end as usize)).unwrap_or_default()
    }

    /// Whether the numbers fit together and lie inside a file of `len` bytes.
    fn is_sound(&self, len: u64) -> bool {
        let inside = |row: &Row| row.offset.checked_add(u64::from(row.bytes)).is_some_and(|end| end <= len);
        self.rows.iter().all(inside)
            && self.rows.windows(2).all(|pair| pair[0].id_end <= pair[1].id_end)
            && self.rows.iter().all(|row| self.ids.is_char_boundary(row.id_end as usize))
            && self.broken.len() <= self.broken_count
    }
}

/// A folder of kept indexes.
#[derive(Debug, Clone)]
pub(super) struct IndexCache {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    key: String,
    index: Index,
}

impl IndexCache {
    pub fn new(cache_folder: &Path) -> Self {
        Self { folder: cache_folder.join("index") }
    }

    fn file(&self, source: &Source) -> PathBuf {
        self.folder.join(format!("{}.json", source.place_hash()))
    }

    /// The kept index of a source, if there is one that is certainly its.
    pub fn load(&self, source: &Source) -> Option<Index> {
        let bytes = fs::read(self.file(source)).ok()?;
        let (checksum, body) = bytes.split_at_checked(64)?;
        if hex::encode(Sha256::digest(body)).as_bytes() != checksum {
            return None;
        }
        let kept: Kept = serde_json::from_slice(body).ok()?;
        let is_its = kept.version == VERSION && kept.key == source.state_key().ok()?;
        (is_its && kept.index.is_sound(source.len())).then_some(kept.index)
    }

    /// Keeps an index. Failing to is no harm: it is made again next time.
    pub fn store(&self, source: &Source, index: &Index) {
        let Ok(key) = source.state_key() else { return };
        let kept = Kept { version: VERSION, key, index: index.clone() };
        if let Ok(body) = serde_json::to_vec(&kept) {
            let mut bytes = hex::encode(Sha256::digest(&body)).into_bytes();
            bytes.extend_from_slice(&body);
            let _ = write_atomically(&self.file(source), &bytes);
        }
    }
}

/// Writes a file so that readers see all of it or nothing.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = temporary_beside(path)?;
    let written = fs::File::create(&temporary).and_then(|mut file| file.write_all(bytes));
    let done = written.and_then(|()| fs::rename(&temporary, path));
    if done.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    done
}

/// A name for a temporary file that no other process or thread uses, in the folder of `path`, which is made.
pub(super) fn temporary_beside(path: &Path) -> std::io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    Ok(path.with_extension(format!("{}-{count}.part", std::process::id())))
}
