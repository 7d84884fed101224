//! A file of records that appears whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value};

use super::ImportError;
use crate::whole_file::WholeFile;

/// A list of records being written beside its final path. Dropped unfinished, it leaves nothing.
pub(super) struct Output {
    target: PathBuf,
    sink: Sink,
    begun: bool,
    any: bool,
}

enum Sink {
    Plain(WholeFile),
    Gzip(Box<GzEncoder<WholeFile>>),
}

impl Sink {
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Sink::Plain(writer) => writer,
            Sink::Gzip(writer) => writer,
        }
    }

    fn close(self) -> io::Result<()> {
        let writer = match self {
            Sink::Plain(writer) => writer,
            Sink::Gzip(writer) => writer.finish()?,
        };
        writer.finish()
    }
}

impl Output {
    /// Begins a file; a name that ends in `.gz` has it compressed.
    pub(super) fn create(target: &Path) -> Result<Self, ImportError> {
        let create = || {
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder)?;
            }
            WholeFile::create(target)
        };
        let file = create().map_err(|source| ImportError::File { path: target.to_owned(), source })?;
        let gzip = target.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        let sink = if gzip {
            Sink::Gzip(Box::new(GzEncoder::new(file, Compression::default())))
        } else {
            Sink::Plain(file)
        };
        Ok(Self { target: target.to_owned(), sink, begun: false, any: false })
    }

    /// Writes what stands before the records, the first time it is called.
    pub(super) fn begin(&mut self, head: &[u8]) -> Result<(), ImportError> {
        if std::mem::replace(&mut self.begun, true) {
            Ok(())
        } else {
            self.write(|writer| writer.write_all(head))
        }
    }

    /// Writes a record.
    pub(super) fn record(&mut self, record: &Map<String, Value>) -> Result<(), ImportError> {
        let separator: &[u8] = if std::mem::replace(&mut self.any, true) { b", " } else { b"" };
        self.write(|writer| {
            writer.write_all(separator)?;
            Ok(serde_json::to_writer(writer, record)?)
        })
    }

    /// Writes what stands after the records, and gives the file its name.
    pub(super) fn finish(mut self, tail: &[u8]) -> Result<(), ImportError> {
        self.write(|writer| writer.write_all(tail))?;
        self.sink.close().map_err(|source| ImportError::File { path: self.target, source })
    }

    fn write(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), ImportError> {
        write(self.sink.writer()).map_err(|source| ImportError::File { path: self.target.clone(), source })
    }
}
