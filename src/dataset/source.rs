//! The bytes of one JSON file, wherever they lie, read by position.
//!
//! Positional reads instead of a memory map: taking 300 MB from the page cache costs 0.06 s of processor time either
//! way (copying against page faults), memory stays at what is asked for, several threads read at once, and a file
//! that shrinks meanwhile is an error instead of the end of the process.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use sha2::{Digest, Sha256};

/// A file, or an entry of an archive, as people name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file on disk.
    pub file: PathBuf,
    /// The entry's name where the file is a zip archive, parts separated by `/`.
    pub entry: Option<String>,
}

impl Location {
    /// File and entry as one path, for messages and for what the parts of the path tell.
    pub fn path(&self) -> PathBuf {
        match &self.entry {
            Some(entry) => self.file.join(entry),
            None => self.file.clone(),
        }
    }
}

#[derive(Debug)]
enum Bytes {
    File(File),
    Memory(Arc<[u8]>),
}

/// JSON bytes that can be read at any position.
#[derive(Debug)]
pub(super) struct Source {
    location: Location,
    bytes: Bytes,
    len: u64,
    /// The file named by the user, by which what is cached is known again.
    origin: Origin,
}

/// What identifies a file's state without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub canonical: PathBuf,
    pub state: String,
}

impl Origin {
    pub fn of(path: &Path, metadata: &Metadata) -> Self {
        let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map_or(0, |time| time.as_nanos());
        #[cfg(unix)]
        let changed = {
            use std::os::unix::fs::MetadataExt;
            // Tools can set the time of modification back; this one they cannot.
            format!("{}.{}.{}", metadata.ctime(), metadata.ctime_nsec(), metadata.ino())
        };
        #[cfg(not(unix))]
        let changed = String::new();
        Self { canonical, state: format!("{} {modified} {changed}", metadata.len()) }
    }
}

impl Source {
    pub fn file(location: Location, file: File, len: u64, origin: Origin) -> Self {
        Self { location, bytes: Bytes::File(file), len, origin }
    }

    pub fn memory(location: Location, bytes: Arc<[u8]>, origin: Origin) -> Self {
        Self { location, len: bytes.len() as u64, bytes: Bytes::Memory(bytes), origin }
    }

    pub fn location(&self) -> &Location {
        &self.location
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// Reads up to `buffer.len()` bytes from `offset`; 0 only at the end.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.bytes {
            Bytes::File(file) => loop {
                match positional(file, offset, buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => return other,
                }
            },
            Bytes::Memory(bytes) => {
                let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
                let count = buffer.len().min(bytes.len() - start);
                buffer[..count].copy_from_slice(&bytes[start..start + count]);
                Ok(count)
            }
        }
    }

    /// Fills `buffer` from `offset`; an error where the file ends before.
    pub fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            match self.read_at(offset + done as u64, &mut buffer[done..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => done += count,
            }
        }
        Ok(())
    }

    /// A name for what is cached about this place, whatever it holds at the moment.
    pub fn place_hash(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.origin.canonical.as_os_str().as_encoded_bytes());
        hash.update([0]);
        hash.update(self.location.entry.as_deref().unwrap_or_default());
        hex::encode(&hash.finalize()[..16])
    }

    /// What must be equal for something cached to be still true: size, times and samples of the content
    /// (all of it up to 256 KiB), since times alone may lie.
    pub fn state_key(&self) -> io::Result<String> {
        const BLOCK: u64 = 4096;
        const BLOCKS: u64 = 64;
        let mut hash = Sha256::new();
        let mut block = [0; BLOCK as usize];
        let step = (self.len / BLOCKS).max(BLOCK);
        let mut offset = 0;
        while offset < self.len {
            let count = self.read_at(offset, &mut block)?;
            hash.update(&block[..count]);
            offset += step;
        }
        if self.len > BLOCK {
            let count = self.read_at(self.len - BLOCK, &mut block)?;
            hash.update(&block[..count]);
        }
        Ok(format!("{} {} {}", self.len, self.origin.state, hex::encode(&hash.finalize()[..16])))
    }
}

#[cfg(unix)]
fn positional(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, offset)
}

#[cfg(windows)]
fn positional(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, offset)
}
