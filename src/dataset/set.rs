//! A dataset: questions with their references, whose samples are parsed when asked for.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::error::{DatasetError, FileFault};
use super::index::{BrokenRecord, Index, Row};
use super::lexer::{Lexer, Value};
use super::record::{self, Field, Parsed, RecordProblem};
use super::source::{Location, Source};
use crate::jobs::{CancelToken, Progress};
use crate::lamp::{Sample, Setting, Split, Task};

/// Which dataset of the benchmark it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct DatasetId {
    /// The task.
    pub task: Task,
    /// The setting.
    pub setting: Setting,
    /// The split.
    pub split: Split,
}

impl std::fmt::Display for DatasetId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.task, self.setting, self.split)
    }
}

/// What a file is to its dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRole {
    /// Inputs and profiles, possibly with the references among them.
    Questions,
    /// The references.
    Outputs,
    /// A ranking of each profile.
    Ranking,
}

/// A file of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFileInfo {
    /// What it is for.
    pub role: FileRole,
    /// Where it lies.
    pub location: Location,
    /// Its size in bytes, unpacked.
    pub bytes: u64,
}

/// What is known of a sample without parsing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordSummary<'a> {
    /// The sample's id.
    pub id: &'a str,
    /// Entries in its profile.
    pub profile_entries: usize,
    /// Those of them that have a date.
    pub dated_entries: usize,
    /// The length of its input in the file, in bytes.
    pub input_bytes: usize,
    /// The length of the whole record in the file, in bytes.
    pub record_bytes: usize,
    /// Whether its reference is known.
    pub has_reference: bool,
}

/// An opened file, its index, and its ids in order.
#[derive(Debug)]
pub(super) struct DataFile {
    pub source: Source,
    pub index: Index,
    by_id: Vec<u32>,
}

impl DataFile {
    pub fn new(source: Source, index: Index) -> Self {
        let mut by_id: Vec<u32> = (0..index.rows.len() as u32).collect();
        by_id.sort_by(|&a, &b| index.id(a as usize).cmp(index.id(b as usize)).then(a.cmp(&b)));
        Self { source, index, by_id }
    }

    /// The rows with that id, in file order.
    pub fn rows_of(&self, id: &str) -> &[u32] {
        let start = self.by_id.partition_point(|&row| self.index.id(row as usize) < id);
        let len = self.by_id[start..].partition_point(|&row| self.index.id(row as usize) == id);
        &self.by_id[start..start + len]
    }

    /// Groups of rows that share an id.
    pub fn duplicates(&self) -> impl Iterator<Item = &[u32]> {
        self.by_id
            .chunk_by(|&a, &b| self.index.id(a as usize) == self.index.id(b as usize))
            .filter(|group| group.len() > 1)
    }

    pub fn path(&self) -> PathBuf {
        self.source.location().path()
    }

    fn bytes_of(&self, row: &Row) -> Result<Vec<u8>, DatasetError> {
        let mut bytes = vec![0; row.bytes as usize];
        let read = self.source.read_exact_at(row.offset, &mut bytes);
        read.map_err(|source| DatasetError::Read { path: self.path(), source })?;
        Ok(bytes)
    }

    /// Parses a record, which the pass over the file found good: whatever is wrong now has changed since.
    pub fn parse(&self, row: usize, task: Option<Task>) -> Result<Parsed, DatasetError> {
        let changed = || DatasetError::Changed { path: self.path(), id: self.index.id(row).to_owned() };
        let place = self.index.rows.get(row).ok_or_else(changed)?;
        let parsed = record::parse(&self.bytes_of(place)?, task).map_err(|_| changed())?;
        if parsed.sample.id == self.index.id(row) { Ok(parsed) } else { Err(changed()) }
    }
}

/// One task, setting and split, opened. Clones share everything; samples can be read from many threads at once.
#[derive(Debug, Clone)]
pub struct Dataset(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub id: DatasetId,
    pub questions: DataFile,
    pub outputs: Option<Arc<DataFile>>,
    pub rankings: Vec<Arc<DataFile>>,
    /// Rows of the questions that this task can use.
    pub samples: Vec<u32>,
    pub broken: Vec<BrokenRecord>,
    pub broken_count: usize,
    pub skip_broken: bool,
    /// What recognition had to decide against the path, the golds' task or the user.
    pub contradicted: Vec<String>,
    pub split_assumed: bool,
}

impl Inner {
    pub fn new(
        id: DatasetId,
        questions: DataFile,
        outputs: Option<Arc<DataFile>>,
        rankings: Vec<Arc<DataFile>>,
        skip_broken: bool,
    ) -> Self {
        let needed = record::required_entry_fields(id.task);
        let mut samples = Vec::new();
        let mut broken = questions.index.broken.clone();
        let mut broken_count = questions.index.broken_count;
        for (number, row) in questions.index.rows.iter().enumerate() {
            let missing = needed.without(row.all_entries).first().filter(|_| row.entries > 0);
            let mistyped = row.entry_mistyped.both(needed).first();
            let problem =
                missing.map(RecordProblem::EntryMissing).or(mistyped.map(RecordProblem::EntryMistyped));
            match problem {
                None => samples.push(number as u32),
                Some(problem) => {
                    broken_count += 1;
                    broken.push(BrokenRecord {
                        position: u64::from(row.position),
                        offset: row.offset,
                        id: Some(questions.index.id(number).to_owned()),
                        problem,
                    });
                }
            }
        }
        broken.sort_by_key(|record| record.position);
        Self {
            id,
            questions,
            outputs,
            rankings,
            samples,
            broken,
            broken_count,
            skip_broken,
            contradicted: Vec::new(),
            split_assumed: false,
        }
    }
}

impl Dataset {
    pub(super) fn from_inner(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Task, setting and split.
    pub fn id(&self) -> DatasetId {
        self.0.id
    }

    /// How many samples there are, broken records not counted.
    pub fn len(&self) -> usize {
        self.0.samples.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.0.samples.is_empty()
    }

    /// How many records are broken and so no samples.
    pub fn broken_count(&self) -> usize {
        self.0.broken_count
    }

    /// The first broken records (up to a thousand that are no JSON or no records, and all that lack what the
    /// task needs), in file order.
    pub fn broken(&self) -> &[BrokenRecord] {
        &self.0.broken
    }

    /// `Err` where the files are damaged and the user has not said that the good records are enough. Every
    /// sample is refused with the same error then.
    pub fn ensure_usable(&self) -> Result<(), DatasetError> {
        let inner = &*self.0;
        if inner.skip_broken {
            return Ok(());
        }
        let files = [Some(&inner.questions), inner.outputs.as_deref()];
        for (place, file) in files.into_iter().flatten().enumerate() {
            let (broken, count, good) = if place == 0 {
                (&inner.broken, inner.broken_count, self.len())
            } else {
                (&file.index.broken, file.index.broken_count, file.index.rows.len())
            };
            if let Some(first) = broken.first() {
                return Err(DatasetError::BrokenRecords {
                    path: file.path(),
                    broken: count,
                    total: count + good,
                    position: first.position,
                    problem: first.problem,
                });
            }
            let fault = file.index.faults.iter().find(|&&fault| fault != FileFault::ByteOrderMark);
            if let Some(&fault) = fault {
                return Err(DatasetError::Damaged { path: file.path(), fault, good });
            }
        }
        Ok(())
    }

    /// The sample at `index`, from 0 to [`Dataset::len`], in file order.
    pub fn sample(&self, index: usize) -> Result<Sample, DatasetError> {
        self.ensure_usable()?;
        Ok(self.parsed(index)?.sample)
    }

    /// A sample with what is odd about its record, whether the dataset is usable or not.
    pub(super) fn parsed(&self, index: usize) -> Result<Parsed, DatasetError> {
        let no_such = DatasetError::NoSuchSample { index, len: self.len() };
        let row = *self.0.samples.get(index).ok_or(no_such)? as usize;
        let mut parsed = self.0.questions.parse(row, Some(self.0.id.task))?;
        if parsed.sample.reference.is_none()
            && let Some(outputs) = &self.0.outputs
            && let Some(&gold) = outputs.rows_of(&parsed.sample.id).first()
        {
            let gold = outputs.parse(gold as usize, None)?;
            parsed.sample.reference = gold.sample.reference;
            parsed.oddities.extend(gold.oddities);
        }
        Ok(parsed)
    }

    /// All samples in file order.
    pub fn samples(&self) -> impl Iterator<Item = Result<Sample, DatasetError>> + '_ {
        (0..self.len()).map(|index| self.sample(index))
    }

    /// Where the sample of that id is; the first where several share it.
    pub fn position(&self, sample_id: &str) -> Option<usize> {
        let rows = self.0.questions.rows_of(sample_id);
        rows.iter().find_map(|row| self.0.samples.binary_search(row).ok())
    }

    /// What is known of a sample without parsing it; `None` beyond the end.
    pub fn summary(&self, index: usize) -> Option<RecordSummary<'_>> {
        let number = *self.0.samples.get(index)? as usize;
        let row = self.0.questions.index.rows.get(number)?;
        let id = self.0.questions.index.id(number);
        let has_gold = || self.0.outputs.as_ref().is_some_and(|outputs| !outputs.rows_of(id).is_empty());
        Some(RecordSummary {
            id,
            profile_entries: row.entries as usize,
            dated_entries: row.dated as usize,
            input_bytes: row.input_bytes as usize,
            record_bytes: row.bytes as usize,
            has_reference: row.fields.has(Field::Output) || has_gold(),
        })
    }

    /// The summaries of all samples in file order.
    pub fn summaries(&self) -> impl Iterator<Item = RecordSummary<'_>> {
        (0..self.len()).filter_map(|index| self.summary(index))
    }

    /// The files it is read from.
    pub fn files(&self) -> Vec<DataFileInfo> {
        let info = |role, file: &DataFile| DataFileInfo {
            role,
            location: file.source.location().clone(),
            bytes: file.source.len(),
        };
        let outputs = self.0.outputs.iter().map(|file| info(FileRole::Outputs, file));
        let rankings = self.0.rankings.iter().map(|file| info(FileRole::Ranking, file));
        [info(FileRole::Questions, &self.0.questions)].into_iter().chain(outputs).chain(rankings).collect()
    }

    /// The ids of a sample's entries, best first, from a ranking file that lies beside the questions; `None`
    /// where there is no such file or the sample is not in it. Of several files the first by name counts.
    pub fn ranking(&self, index: usize) -> Result<Option<Vec<String>>, DatasetError> {
        let Some(summary) = self.summary(index) else {
            return Err(DatasetError::NoSuchSample { index, len: self.len() });
        };
        let Some(file) = self.0.rankings.first() else { return Ok(None) };
        ranked(file, summary.id)
    }

    /// A hash of what the samples are read from: equal for equal content, packed or not, wherever it lies.
    pub fn fingerprint(&self, cancel: &CancelToken, progress: &Progress) -> Result<String, DatasetError> {
        let files: Vec<&DataFile> =
            [Some(&self.0.questions), self.0.outputs.as_deref()].into_iter().flatten().collect();
        progress.start("Hashing", files.iter().map(|file| file.source.len()).sum());
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        for file in files {
            hash.update(file.source.len().to_le_bytes());
            let mut offset = 0;
            while offset < file.source.len() {
                cancel.check()?;
                let count = file
                    .source
                    .read_at(offset, &mut buffer)
                    .map_err(|source| DatasetError::Read { path: file.path(), source })?;
                if count == 0 {
                    let source = std::io::ErrorKind::UnexpectedEof.into();
                    return Err(DatasetError::Read { path: file.path(), source });
                }
                hash.update(&buffer[..count]);
                offset += count as u64;
                progress.add(count as u64);
            }
        }
        Ok(hex::encode(hash.finalize()))
    }
}

/// A sample's list in a ranking file.
pub(super) fn ranked(file: &DataFile, id: &str) -> Result<Option<Vec<String>>, DatasetError> {
    let Some(&row) = file.rows_of(id).last() else { return Ok(None) };
    let changed = || DatasetError::Changed { path: file.path(), id: id.to_owned() };
    let place = file.index.rows.get(row as usize).ok_or_else(changed)?;
    let bytes = file.bytes_of(place)?;
    let mut lexer = Lexer::at(&bytes, 0);
    let mut ids = Vec::new();
    if !lexer.take(b'[') {
        return Err(changed());
    }
    if lexer.take(b']') {
        return Ok(Some(ids));
    }
    loop {
        let id = match lexer.value(2).map_err(|_| changed())? {
            Value::Text(raw) => raw.decode().map(|(text, _)| text.into_owned()),
            Value::Number(literal) => std::str::from_utf8(literal).ok().map(str::to_owned),
            _ => None,
        };
        ids.push(id.ok_or_else(changed)?);
        if !lexer.more(b']').map_err(|_| changed())? {
            return Ok(Some(ids));
        }
    }
}
