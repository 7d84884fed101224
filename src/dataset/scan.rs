//! The one pass over a file: finds its records, and what is wrong with it, in a window that moves along.
//!
//! Memory stays at the window, which grows to hold one record and never beyond the limit for records. After a
//! record that is no JSON the pass goes on at the next object that is a whole record.

use std::io;

use super::error::{FileFault, Reason};
use super::index::{BrokenRecord, Index, Kind, Row};
use super::lexer::{Lexer, SyntaxError, SyntaxProblem, Value};
use super::record::{self, Facts, Field, Fields, RecordProblem};
use super::source::Source;
use crate::jobs::{CancelToken, Canceled, Progress};
use crate::lamp::Task;

/// The window a pass begins with, in bytes.
const WINDOW: usize = 2 << 20;
/// A record larger than this is refused; the largest of the benchmark is about 7 MB.
pub(super) const MAX_RECORD: usize = 32 << 20;
/// A file of more records than this is refused; the largest of the benchmark has 20,000.
const MAX_RECORDS: usize = 4_000_000;
/// How many elements may be no record before the file is taken for something else.
const PATIENCE: usize = 16;
/// How many broken records are kept with what is wrong; beyond, they are counted.
const MAX_BROKEN: usize = 1000;

/// Why a pass gave no index.
#[derive(Debug)]
pub(super) enum ScanError {
    Reason(Reason),
    Canceled(Canceled),
}

impl From<Reason> for ScanError {
    fn from(reason: Reason) -> Self {
        ScanError::Reason(reason)
    }
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        ScanError::Reason(Reason::Unreadable(error))
    }
}

/// Passes over a file.
pub(super) fn scan(source: &Source, cancel: &CancelToken, progress: &Progress) -> Result<Index, ScanError> {
    let mut scan = Scan {
        window: Window {
            source,
            buffer: vec![0; WINDOW.min(source.len() as usize + 1)],
            filled: 0,
            start: 0,
            pos: 0,
            ended: false,
        },
        cancel,
        progress,
        kind: None,
        strangers: 0,
        position: 0,
        first_error: None,
        index: Index {
            kind: Kind::Questions,
            task_name: None,
            rows: Vec::new(),
            ids: String::new(),
            broken: Vec::new(),
            broken_count: 0,
            faults: Vec::new(),
            wordings: [0; 9],
        },
    };
    scan.file()?;
    scan.finish()
}

/// A piece of the file: `buffer[pos..filled]` is what lies ahead.
struct Window<'s> {
    source: &'s Source,
    buffer: Vec<u8>,
    filled: usize,
    start: u64,
    pos: usize,
    ended: bool,
}

impl Window<'_> {
    fn ahead(&self) -> &[u8] {
        &self.buffer[self.pos..self.filled]
    }

    fn offset(&self) -> u64 {
        self.start + self.pos as u64
    }

    /// Brings more of the file in, keeping what lies ahead; `false` where the file ends or the limit is met.
    fn more(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.buffer.copy_within(self.pos..self.filled, 0);
        self.start += self.pos as u64;
        self.filled -= self.pos;
        self.pos = 0;
        if self.filled * 2 > self.buffer.len() {
            if self.buffer.len() >= MAX_RECORD {
                return Ok(false);
            }
            let larger = (self.buffer.len() * 2).min(MAX_RECORD);
            self.buffer.resize(larger, 0);
        }
        let count = self.source.read_at(self.start + self.filled as u64, &mut self.buffer[self.filled..])?;
        self.filled += count;
        self.ended = count == 0;
        Ok(count > 0)
    }
}

struct Scan<'s> {
    window: Window<'s>,
    cancel: &'s CancelToken,
    progress: &'s Progress,
    kind: Option<Kind>,
    /// Well-formed elements before the kind was known.
    strangers: usize,
    position: u64,
    first_error: Option<(SyntaxProblem, u64)>,
    index: Index,
}

impl Scan<'_> {
    fn more(&mut self) -> Result<bool, ScanError> {
        self.cancel.check().map_err(ScanError::Canceled)?;
        self.progress.set(self.window.offset());
        Ok(self.window.more()?)
    }

    /// The next byte that is not white space, not passed.
    fn peek(&mut self) -> Result<Option<u8>, ScanError> {
        loop {
            let mut lexer = Lexer::at(self.window.ahead(), 0);
            let found = lexer.peek();
            self.window.pos += lexer.pos();
            if found.is_some() || !self.more()? {
                return Ok(found);
            }
        }
    }

    /// Reads something that may need more of the file, and passes it.
    fn read<T>(
        &mut self,
        read: impl Fn(&mut Lexer<'_>) -> Result<T, SyntaxError>,
    ) -> Result<Result<T, SyntaxError>, ScanError> {
        loop {
            let mut lexer = Lexer::at(self.window.ahead(), 0);
            match read(&mut lexer) {
                Ok(found) => {
                    let passed = lexer.pos();
                    self.window.pos += passed;
                    return Ok(Ok(found));
                }
                Err(error) if error.problem == SyntaxProblem::Ends && self.more()? => {}
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    fn file(&mut self) -> Result<(), ScanError> {
        self.more()?;
        let head = self.window.ahead();
        if head.starts_with(b"\xff\xfe")
            || head.starts_with(b"\xfe\xff")
            || head.iter().take(4).any(|&byte| byte == 0)
        {
            return Err(Reason::NotUtf8Text.into());
        }
        if head.starts_with(b"\xef\xbb\xbf") {
            self.window.pos += 3;
            self.index.faults.push(FileFault::ByteOrderMark);
        }
        match self.peek()? {
            None => return Err(Reason::Empty.into()),
            Some(b'<') => return Err(Reason::WebPage.into()),
            Some(b'[') => {
                self.window.pos += 1;
                if !self.list()? {
                    return Ok(());
                }
            }
            Some(b'{') => {
                self.window.pos += 1;
                if !self.top_object()? {
                    return Ok(());
                }
            }
            Some(_) => {
                return Err(
                    Reason::Damaged { problem: SyntaxProblem::Value, at: self.window.offset() }.into()
                );
            }
        }
        if self.peek()?.is_some() {
            self.index.faults.push(FileFault::TrailingData);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Index, ScanError> {
        self.progress.set(self.window.source.len());
        let none_good = self.index.rows.is_empty();
        match (self.kind, self.first_error, self.index.broken.first()) {
            (_, Some((problem, at)), _) if none_good => Err(Reason::Damaged { problem, at }.into()),
            (Some(_), _, Some(broken)) if none_good => Err(Reason::NoGoodRecord(broken.problem).into()),
            (Some(kind), ..) if !none_good => {
                self.index.kind = kind;
                self.index.broken.shrink_to_fit();
                Ok(self.index)
            }
            (None, _, Some(_)) => Err(Reason::OtherJson.into()),
            _ if self.index.faults.contains(&FileFault::Truncated) => {
                Err(Reason::Damaged { problem: SyntaxProblem::Ends, at: self.window.offset() }.into())
            }
            _ => Err(Reason::EmptyList.into()),
        }
    }

    /// The elements of a list whose bracket is passed; `false` where the rest of the file is lost.
    fn list(&mut self) -> Result<bool, ScanError> {
        if self.peek()? == Some(b']') {
            self.window.pos += 1;
            return Ok(true);
        }
        loop {
            match self.peek()? {
                None => return self.truncated(),
                Some(_) => {
                    let offset = self.window.offset();
                    match self.read(|lexer| record::facts(lexer, 2).map(|facts| (facts, lexer.pos())))? {
                        Ok((facts, bytes)) => self.add(offset, bytes, facts)?,
                        Err(error) => {
                            if !self.lost(error)? {
                                return Ok(false);
                            }
                            continue;
                        }
                    }
                }
            }
            match self.peek()? {
                Some(b',') => self.window.pos += 1,
                Some(b']') => {
                    self.window.pos += 1;
                    return Ok(true);
                }
                None => return self.truncated(),
                Some(_) => {
                    let error = SyntaxError { problem: SyntaxProblem::Separator, at: 0 };
                    if !self.lost(error)? {
                        return Ok(false);
                    }
                }
            }
        }
    }

    fn truncated(&mut self) -> Result<bool, ScanError> {
        self.index.faults.push(FileFault::Truncated);
        Ok(false)
    }

    fn break_record(&mut self, offset: u64, id: Option<String>, problem: RecordProblem) {
        self.index.broken_count += 1;
        if self.index.broken.len() < MAX_BROKEN {
            self.index.broken.push(BrokenRecord { position: self.position, offset, id, problem });
        }
        self.position += 1;
    }

    /// Notes an error of syntax in the record that lies ahead and goes on at the next good record; `false` where
    /// there is none.
    fn lost(&mut self, error: SyntaxError) -> Result<bool, ScanError> {
        let offset = self.window.offset();
        let too_large = error.problem == SyntaxProblem::Ends && !self.window.ended;
        self.first_error = self.first_error.or(Some((error.problem, offset + error.at as u64)));
        self.break_record(
            offset,
            None,
            if too_large { RecordProblem::TooLarge } else { RecordProblem::Syntax(error.problem) },
        );
        if error.problem == SyntaxProblem::Separator && error.at == 0 {
            self.position -= 1; // nothing but the comma is missing, or what is no record stands between two
        } else {
            self.window.pos += 1;
        }
        loop {
            let ahead = self.window.ahead();
            let Some(found) = memchr::memchr(b'{', ahead) else {
                self.window.pos = self.window.filled;
                if self.more()? {
                    continue;
                }
                if error.problem == SyntaxProblem::Ends && !too_large {
                    self.index.faults.push(FileFault::Truncated);
                }
                return Ok(false);
            };
            self.window.pos += found;
            let begin = self.window.offset();
            let whole =
                self.read(|lexer| record::facts(lexer, 2))?.is_ok_and(|facts| self.is_whole_record(&facts));
            self.window.pos = (begin - self.window.start) as usize; // the window keeps what lay ahead
            if whole {
                return Ok(true);
            }
            self.window.pos += 1;
        }
    }

    fn is_whole_record(&self, facts: &Facts) -> bool {
        match self.kind {
            Some(kind) => problem(kind, facts).is_none(),
            None => problem(Kind::Questions, facts).is_none() || problem(Kind::Golds, facts).is_none(),
        }
    }

    fn add(&mut self, offset: u64, bytes: usize, facts: Facts) -> Result<(), ScanError> {
        let end = self.window.pos;
        let is_utf8 = simdutf8::basic::from_utf8(&self.window.buffer[end - bytes..end]).is_ok();
        if self.kind.is_none() {
            self.kind = if !facts.is_object {
                None
            } else if facts.fields.has(Field::Profile)
                && (facts.fields.has(Field::Id) || facts.fields.has(Field::Input))
            {
                Some(Kind::Questions)
            } else if facts.fields.has(Field::Output) && facts.fields.has(Field::Id) {
                Some(Kind::Golds)
            } else {
                None
            };
        }
        let Some(kind) = self.kind else {
            self.strangers += 1;
            if self.strangers >= PATIENCE {
                return Err(Reason::OtherJson.into());
            }
            self.break_record(offset, facts.id, RecordProblem::NotAnObject);
            return Ok(());
        };
        let problem = problem(kind, &facts).or((!is_utf8).then_some(RecordProblem::NotUtf8));
        match (problem, facts.id) {
            (None, Some(id)) => {
                let worded = facts.wording.and_then(|task| Task::ALL.iter().position(|&other| other == task));
                if kind == Kind::Questions {
                    self.index.wordings[worded.unwrap_or(8)] += 1;
                }
                self.push(
                    &id,
                    Row {
                        offset,
                        bytes: bytes as u32,
                        position: self.position as u32,
                        id_end: 0,
                        entries: facts.entries,
                        dated: facts.dated,
                        input_bytes: facts.input_bytes,
                        fields: facts.fields,
                        any_entry: facts.any_entry,
                        all_entries: facts.all_entries,
                        entry_mistyped: facts.entry_mistyped,
                    },
                )
            }
            (problem, id) => {
                self.break_record(offset, id, problem.unwrap_or(RecordProblem::Missing(Field::Id)));
                Ok(())
            }
        }
    }

    fn push(&mut self, id: &str, row: Row) -> Result<(), ScanError> {
        self.index.ids.push_str(id);
        let id_end = u32::try_from(self.index.ids.len());
        let (Ok(id_end), true) = (id_end, self.index.rows.len() < MAX_RECORDS) else {
            return Err(Reason::TooManyRecords(MAX_RECORDS).into());
        };
        self.index.rows.push(Row { id_end, ..row });
        self.position += 1;
        Ok(())
    }

    /// The fields of an object that is the whole file: golds with their task, or rankings by sample id.
    fn top_object(&mut self) -> Result<bool, ScanError> {
        if self.peek()? == Some(b'}') {
            return Err(Reason::OtherJson.into());
        }
        loop {
            let key = match self
                .read(|lexer| lexer.key().map(|key| key.decode().map(|(text, _)| text.into_owned())))?
            {
                Ok(key) => key.unwrap_or_default(),
                Err(error) => return self.object_ends(error),
            };
            let opens = self.peek()?;
            match (key.as_str(), opens, self.kind) {
                ("golds", Some(b'['), None | Some(Kind::Golds)) => {
                    self.kind = Some(Kind::Golds);
                    self.window.pos += 1;
                    if !self.list()? {
                        return Ok(false);
                    }
                }
                ("task", Some(b'"'), None | Some(Kind::Golds)) => {
                    let text = |value: Value<'_>| match value {
                        Value::Text(raw) => raw.decode().map(|(text, _)| text.into_owned()),
                        _ => None,
                    };
                    match self.read(|lexer| lexer.value(1).map(text))? {
                        Ok(name) => self.index.task_name = name,
                        Err(error) => return self.object_ends(error),
                    }
                }
                ("id" | "input" | "profile", _, None) => return Err(Reason::NotAList.into()),
                (_, Some(b'['), None | Some(Kind::Ranking)) if self.index.task_name.is_none() => {
                    let offset = self.window.offset();
                    match self.read(|lexer| ranked_ids(lexer).map(|count| (count, lexer.pos())))? {
                        Ok((Some(entries), bytes)) => {
                            self.kind = Some(Kind::Ranking);
                            let row = Row {
                                offset,
                                bytes: bytes as u32,
                                position: self.position as u32,
                                id_end: 0,
                                entries,
                                dated: 0,
                                input_bytes: 0,
                                fields: Fields::NONE,
                                any_entry: Fields::NONE,
                                all_entries: Fields::NONE,
                                entry_mistyped: Fields::NONE,
                            };
                            self.push(&key, row)?;
                        }
                        Ok((None, _)) if self.kind.is_none() => return Err(Reason::OtherJson.into()),
                        Ok((None, _)) => {
                            self.break_record(offset, Some(key), RecordProblem::Mistyped(Field::Id))
                        }
                        Err(error) => return self.object_ends(error),
                    }
                }
                (_, _, Some(Kind::Golds)) => {
                    if let Err(error) = self.read(|lexer| lexer.value(1).map(|_| ()))? {
                        return self.object_ends(error);
                    }
                }
                _ if self.index.task_name.is_some() => {
                    if let Err(error) = self.read(|lexer| lexer.value(1).map(|_| ()))? {
                        return self.object_ends(error);
                    }
                }
                _ => return Err(Reason::OtherJson.into()),
            }
            match self.read(|lexer| lexer.more(b'}'))? {
                Ok(true) => {}
                Ok(false) => return Ok(true),
                Err(error) => return self.object_ends(error),
            }
        }
    }

    /// The object breaks off: a fault if something came before, else the whole file is damaged.
    fn object_ends(&mut self, error: SyntaxError) -> Result<bool, ScanError> {
        let at = self.window.offset() + error.at as u64;
        self.first_error = self.first_error.or(Some((error.problem, at)));
        if error.problem == SyntaxProblem::Ends {
            self.index.faults.push(FileFault::Truncated);
        } else {
            self.break_record(self.window.offset(), None, RecordProblem::Syntax(error.problem));
        }
        Ok(false)
    }
}

/// How many ids a list holds; `None` where it holds something else.
fn ranked_ids(lexer: &mut Lexer<'_>) -> Result<Option<u32>, SyntaxError> {
    lexer.expect(b'[', SyntaxProblem::Value)?;
    let (mut count, mut all_ids) = (0, true);
    if lexer.take(b']') {
        return Ok(Some(0));
    }
    loop {
        all_ids &= matches!(lexer.value(2)?, Value::Text(_) | Value::Number(_));
        count += 1;
        if !lexer.more(b']')? {
            return Ok(all_ids.then_some(count));
        }
    }
}

/// Why a record of that kind cannot be used, as far as every task needs it.
fn problem(kind: Kind, facts: &Facts) -> Option<RecordProblem> {
    if !facts.is_object {
        return Some(RecordProblem::NotAnObject);
    }
    let needed: &[Field] = match kind {
        Kind::Questions => &[Field::Id, Field::Input, Field::Profile],
        Kind::Golds | Kind::Ranking => &[Field::Id, Field::Output],
    };
    let missing =
        needed.iter().find(|&&field| !facts.fields.has(field)).map(|&field| RecordProblem::Missing(field));
    let mistyped = || needed.iter().chain([&Field::Output]).find(|&&field| facts.mistyped.has(field));
    let mistyped = || mistyped().map(|&field| RecordProblem::Mistyped(field));
    let stray = || facts.stray_entry.then_some(RecordProblem::EntryNotAnObject);
    missing.or_else(mistyped).or_else(stray)
}
