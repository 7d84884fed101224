//! The unfinished file, and what a later attempt must know to continue it.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::exchange::Head;
use super::{FetchError, shown};

/// What lies beside an unfinished file. It is written after the file was emptied and removed before, so that it
/// never describes other bytes than those that are there.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Memo {
    url: String,
    etag: Option<String>,
    last_modified: Option<String>,
    total: Option<u64>,
}

/// An unfinished file, held by this process alone.
pub(super) struct Part {
    path: PathBuf,
    memo_path: PathBuf,
    file: File,
    len: u64,
    memo: Memo,
}

/// `path` with something added to its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    name.into()
}

impl Part {
    /// Opens what an earlier call left, or an empty file. Bytes of another address, or of one that named no
    /// version, are given up.
    pub(super) fn open(target: &Path, url: &str) -> Result<Self, FetchError> {
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
        }
        let path = super::part_path(target);
        let memo_path = beside(&path, ".json");
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| failed(&path, source))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(FetchError::InUse { path }),
            // Some network file systems have no locks; downloads work there all the same.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        if !path.exists() {
            return Err(FetchError::InUse { path }); // finished by another process in this very moment
        }
        let len = file.metadata().map_err(|source| failed(&path, source))?.len();
        let memo = fs::read(&memo_path).ok().and_then(|bytes| serde_json::from_slice::<Memo>(&bytes).ok());
        let mut part = Self { path, memo_path, file, len, memo: memo.unwrap_or_default() };
        let fits = part.memo.url == shown(url) && part.memo.total.is_none_or(|total| len <= total);
        if !(fits && part.can_resume()) && (len > 0 || !part.memo.url.is_empty()) {
            part.clear()?;
        }
        part.memo.url = shown(url);
        Ok(part)
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// The length of the whole, where known.
    pub(super) const fn total(&self) -> Option<u64> {
        self.memo.total
    }

    pub(super) const fn set_total(&mut self, total: u64) {
        self.memo.total = Some(total);
    }

    /// What names the version of which these bytes are a part: a strong entity tag, or else a date.
    pub(super) fn validator(&self) -> Option<&str> {
        let strong = self.memo.etag.as_deref().filter(|etag| !etag.starts_with("W/"));
        strong.or(self.memo.last_modified.as_deref())
    }

    pub(super) fn can_resume(&self) -> bool {
        self.validator().is_some()
    }

    /// Shows `look` all the bytes that are there until it says `false`; returns what it said last.
    pub(super) fn read_back(
        &mut self,
        mut look: impl FnMut(&[u8]) -> Result<bool, FetchError>,
    ) -> Result<bool, FetchError> {
        let mut buffer = vec![0; 1 << 16];
        self.file.seek(SeekFrom::Start(0)).map_err(|source| failed(&self.path, source))?;
        let mut left = self.len;
        while left > 0 {
            let most = left.min(buffer.len() as u64) as usize;
            let read = match self.file.read(&mut buffer[..most]) {
                Ok(0) => return Ok(false),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(failed(&self.path, source)),
            };
            if !look(&buffer[..read])? {
                return Ok(false);
            }
            left -= read as u64;
        }
        Ok(true)
    }

    /// Empties the file and forgets what it was.
    pub(super) fn clear(&mut self) -> Result<(), FetchError> {
        self.forget()?;
        if self.len > 0 {
            self.file.set_len(0).map_err(|source| failed(&self.path, source))?;
            self.file.seek(SeekFrom::Start(0)).map_err(|source| failed(&self.path, source))?;
        }
        self.len = 0;
        Ok(())
    }

    /// Forgets which version the bytes are of, so that the next attempt starts anew.
    pub(super) fn forget(&mut self) -> Result<(), FetchError> {
        self.memo = Memo { url: std::mem::take(&mut self.memo.url), ..Memo::default() };
        match fs::remove_file(&self.memo_path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&self.memo_path, error)),
            _ => Ok(()),
        }
    }

    /// Remembers which version the bytes to come are of. The file is empty.
    pub(super) fn begin(&mut self, head: &Head, length: Option<u64>) -> Result<(), FetchError> {
        self.memo.total = if head.compressed { length } else { head.length };
        if !head.compressed {
            self.memo.etag.clone_from(&head.etag);
            self.memo.last_modified.clone_from(&head.last_modified);
        }
        if !self.can_resume() {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&self.memo).map_err(|e| failed(&self.memo_path, e.into()))?;
        fs::write(&self.memo_path, bytes).map_err(|source| failed(&self.memo_path, source))
    }

    /// Whether an answer with status 206 continues these bytes.
    pub(super) fn continues(&self, head: &Head) -> bool {
        let Some(range) = head.range else { return false };
        let same = |ours: &Option<String>, theirs: &Option<String>| match (ours, theirs) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        self.len > 0
            && !head.compressed
            && range.start == Some(self.len)
            && match (self.memo.total, range.total) {
                (Some(ours), Some(theirs)) => ours == theirs,
                _ => true,
            }
            && same(&self.memo.etag, &head.etag)
            && same(&self.memo.last_modified, &head.last_modified)
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        // Written one by one: of a chunk that does not fit whole, what fits counts.
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(failed(&self.path, io::ErrorKind::WriteZero.into())),
                Ok(written) => {
                    self.len += written as u64;
                    rest = &rest[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(&self.path, error)),
            }
        }
        Ok(())
    }

    /// Takes away the file and its memo; what cannot be taken away is dealt with by the next call.
    pub(super) fn remove(&self) {
        let _ = fs::remove_file(&self.memo_path);
        let _ = fs::remove_file(&self.path);
    }

    /// Gives the file its final name, once it is safely on disk.
    pub(super) fn finish(self, target: &Path) -> Result<(), FetchError> {
        self.file.sync_all().map_err(|source| failed(&self.path, source))?;
        drop(self.file);
        fs::rename(&self.path, target).map_err(|source| failed(target, source))?;
        let _ = fs::remove_file(&self.memo_path); // describes nothing any more; the next call would drop it
        #[cfg(unix)]
        if let Some(folder) = target.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            // The rename is done; that it survives a power cut is all that is still uncertain.
            let _ = File::open(folder).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

fn failed(path: &Path, source: io::Error) -> FetchError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FetchError::DiskFull { path },
        _ => FetchError::File { path, source },
    }
}
