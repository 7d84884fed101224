//! From what a user names to JSON bytes: folders are walked, archives unpacked within limits.
//!
//! Nothing is ever written under a name that an archive chose, and nothing is unpacked beyond the limits.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use super::error::{DatasetError, Reason};
use super::index::{temporary_beside, write_atomically};
use super::source::{Location, Origin, Source};
use super::{OpenOptions, UnpackLimits};
use crate::jobs::{CancelToken, Canceled, Progress};

const MAX_FILES: usize = 20_000;
const MAX_FOLDER_DEPTH: usize = 24;
const MAX_ARCHIVE_ENTRIES: usize = 10_000;
/// Less than this much unpacked content is no bomb, whatever its ratio.
const HARMLESS: u64 = 64 << 20;

/// What became of one file or archive entry.
pub(super) type Opened = (Location, Result<Source, Reason>);

/// A file or archive entry with its whole content, or why that cannot be had.
pub type ReadFile = (Location, Result<Vec<u8>, Reason>);

/// A path that a walk met, with the reason where it is nothing to open.
type Listed = (PathBuf, Result<(), Reason>);

/// The files under the named paths, sorted; those that cannot be listed come with their reason.
pub(super) fn list(paths: &[PathBuf], cancel: &CancelToken) -> Result<Vec<Listed>, DatasetError> {
    let mut walk = Walk { files: Vec::new(), seen: HashSet::new(), visited: HashSet::new(), cancel };
    for path in paths {
        let metadata =
            fs::metadata(path).map_err(|source| DatasetError::Read { path: path.clone(), source })?;
        if metadata.is_dir() {
            walk.folder(path, 0)?;
        } else {
            walk.add(path, Ok(()))?;
        }
    }
    Ok(walk.files)
}

struct Walk<'a> {
    files: Vec<Listed>,
    seen: HashSet<PathBuf>,
    visited: HashSet<PathBuf>,
    cancel: &'a CancelToken,
}

impl Walk<'_> {
    fn add(&mut self, path: &Path, state: Result<(), Reason>) -> Result<(), DatasetError> {
        if self.files.len() >= MAX_FILES {
            return Err(DatasetError::TooManyFiles { path: path.to_owned(), limit: MAX_FILES });
        }
        // A file named twice, or through a link beside it, is read once.
        if self.seen.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned())) {
            self.files.push((path.to_owned(), state));
        }
        Ok(())
    }

    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), DatasetError> {
        self.cancel.check()?;
        if depth >= MAX_FOLDER_DEPTH {
            return self.add(folder, Err(Reason::TooDeep(MAX_FOLDER_DEPTH)));
        }
        if !self.visited.insert(folder.canonicalize().unwrap_or_else(|_| folder.to_owned())) {
            return Ok(());
        }
        let listed = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
        let mut paths: Vec<PathBuf> = match listed {
            Ok(entries) => entries.into_iter().map(|entry| entry.path()).collect(),
            Err(source) if depth == 0 => return Err(DatasetError::Read { path: folder.to_owned(), source }),
            Err(error) => return self.add(folder, Err(Reason::Unreadable(error))),
        };
        paths.sort();
        for path in paths {
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => {
                    let hidden =
                        path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
                    if !hidden {
                        self.folder(&path, depth + 1)?;
                    }
                }
                Ok(_) if is_data_name(&path.to_string_lossy()) => self.add(&path, Ok(()))?,
                Ok(_) => self.add(&path, Err(Reason::OtherFile))?,
                Err(error) => {
                    let circle = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink())
                        && error.kind() != io::ErrorKind::NotFound
                        && error.kind() != io::ErrorKind::PermissionDenied;
                    self.add(&path, Err(if circle { Reason::Loop } else { Reason::Unreadable(error) }))?;
                }
            }
        }
        Ok(())
    }
}

fn is_data_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".json", ".json.gz", ".zip"].iter().any(|ending| name.ends_with(ending))
}

/// Opens one file; an archive gives each of its entries whose name is wanted.
pub(super) fn open(
    path: &Path,
    options: &OpenOptions,
    wanted: &dyn Fn(&str) -> bool,
    cancel: &CancelToken,
    progress: &Progress,
    mut each: impl FnMut(Opened) -> Result<(), Canceled>,
) -> Result<(), Canceled> {
    let location = Location { file: path.to_owned(), entry: None };
    let opened = (|| {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            // A pipe would wait for whoever writes into it.
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut file = File::open(path)?;
        let mut magic = [0; 4];
        let count = read_up_to(&mut file, &mut magic)?;
        io::Seek::rewind(&mut file)?;
        Ok((file, Origin::of(path, &metadata), metadata.len(), magic, count))
    })();
    let (file, origin, len, magic, count) = match opened {
        Ok(opened) => opened,
        Err(error) => return each((location, Err(Reason::Unreadable(error)))),
    };
    let unpacker = Unpacker { options, wanted, limits: options.limits, cancel, progress };
    match &magic[..count] {
        [0x1f, 0x8b, ..] => {
            let reader = flate2::read::MultiGzDecoder::new(BufReader::new(file));
            let source = unpacker.unpack(reader, len, &location, &origin, &mut 0)?;
            each((location, source))
        }
        b"PK\x03\x04" | b"PK\x05\x06" => unpacker.archive(file, path, &origin, &mut each),
        _ => each((location.clone(), Ok(Source::file(location, file, len, origin)))),
    }
}

/// The whole content of a JSON file, plain or packed, or of those files of a folder or zip whose name is wanted, sorted
/// by path: for files that are small beside the memory, such as outputs. Each comes with its bytes or why not.
///
/// # Errors
/// [`DatasetError`] where the path cannot be read at all, and cancellation.
pub fn read_whole(
    path: &Path,
    wanted: &dyn Fn(&str) -> bool,
    cancel: &CancelToken,
) -> Result<Vec<ReadFile>, DatasetError> {
    let options = OpenOptions::default();
    let limit = options.limits.memory_bytes;
    let progress = Progress::new();
    let mut found = Vec::new();
    for (file, listed) in list(&[path.to_owned()], cancel)? {
        let name = file.strip_prefix(path).unwrap_or(&file).to_string_lossy().into_owned();
        // A file that is named is wanted, whatever it is called; what is found beside must look like it.
        if !name.is_empty() && (listed.is_err() || !wanted(&name)) {
            continue;
        }
        open(&file, &options, wanted, cancel, &progress, |(location, source)| {
            let bytes = source.and_then(|source| {
                if source.len() > limit {
                    return Err(Reason::TooLarge { limit });
                }
                let mut bytes = vec![0; source.len() as usize];
                source.read_exact_at(0, &mut bytes).map_err(Reason::Unreadable)?;
                Ok(bytes)
            });
            found.push((location, bytes));
            Ok(())
        })?;
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match reader.read(&mut buffer[done..]) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

struct Unpacker<'a> {
    options: &'a OpenOptions,
    wanted: &'a dyn Fn(&str) -> bool,
    limits: UnpackLimits,
    cancel: &'a CancelToken,
    progress: &'a Progress,
}

impl Unpacker<'_> {
    fn archive(
        &self,
        file: File,
        path: &Path,
        origin: &Origin,
        each: &mut impl FnMut(Opened) -> Result<(), Canceled>,
    ) -> Result<(), Canceled> {
        let whole = || Location { file: path.to_owned(), entry: None };
        let mut archive = match zip::ZipArchive::new(BufReader::new(file)) {
            Ok(archive) => archive,
            Err(error) => return each((whole(), Err(bad_archive(error)))),
        };
        if archive.len() > MAX_ARCHIVE_ENTRIES {
            return each((whole(), Err(Reason::TooManyEntries(MAX_ARCHIVE_ENTRIES))));
        }
        let mut total = 0;
        for number in 0..archive.len() {
            self.cancel.check()?;
            let (name, problem) = match archive.by_index_raw(number) {
                Ok(entry) if entry.is_dir() => continue,
                Ok(entry) => {
                    let name = entry.name().map(|name| name.into_owned()).unwrap_or_default();
                    let lower = name.to_ascii_lowercase();
                    let problem = if name.is_empty()
                        || entry.enclosed_name().is_none()
                        || name.contains('\\')
                        || name.contains('\0')
                    {
                        Some(Reason::UnsafeName)
                    } else if lower.ends_with(".zip") {
                        Some(Reason::NestedArchive)
                    } else if !is_data_name(&lower) || lower.starts_with("__macosx/") {
                        Some(Reason::OtherFile)
                    } else if entry.encrypted() {
                        Some(Reason::Encrypted)
                    } else {
                        None
                    };
                    (name, problem)
                }
                Err(error) => (format!("entry {number}"), Some(bad_archive(error))),
            };
            if !(self.wanted)(&name) {
                continue;
            }
            let location = Location { file: path.to_owned(), entry: Some(name.clone()) };
            let source = match problem {
                Some(problem) => Err(problem),
                None => match archive.by_index(number) {
                    Err(error) => Err(bad_archive(error)),
                    Ok(entry) => {
                        let packed = entry.compressed_size();
                        let is_gzip = name.to_ascii_lowercase().ends_with(".gz");
                        if is_gzip {
                            let reader = flate2::read::MultiGzDecoder::new(BufReader::new(entry));
                            self.unpack(reader, packed, &location, origin, &mut total)?
                        } else {
                            self.unpack(entry, packed, &location, origin, &mut total)?
                        }
                    }
                },
            };
            each((location, source))?;
        }
        Ok(())
    }

    /// Unpacks into the cache folder, or into memory where there is none or it cannot be written; what is there already
    /// is used again.
    fn unpack(
        &self,
        reader: impl Read,
        packed: u64,
        location: &Location,
        origin: &Origin,
        total: &mut u64,
    ) -> Result<Result<Source, Reason>, Canceled> {
        let Some(cache) = &self.options.cache else {
            return self.unpack_to_memory(reader, packed, location, origin, total);
        };
        let folder = cache.join("unpacked");
        let place = Source::memory(location.clone(), [].into(), origin.clone()).place_hash();
        let (content, key) = (folder.join(format!("{place}.json")), folder.join(format!("{place}.key")));
        let as_source = |file: File| -> io::Result<Source> {
            let len = file.metadata()?.len();
            Ok(Source::file(location.clone(), file, len, origin.clone()))
        };
        if let (Ok(known), Ok(Ok(source))) = (fs::read_to_string(&key), File::open(&content).map(as_source))
            && source.state_key().is_ok_and(|state| state == known)
        {
            *total += source.len();
            return Ok(Ok(source));
        }
        let cannot_write = |source| Reason::CacheWrite { path: folder.clone(), source };
        let (temporary, mut file) =
            match temporary_beside(&content).and_then(|path| Ok((path.clone(), File::create(path)?))) {
                Ok(made) => made,
                Err(_) => return self.unpack_to_memory(reader, packed, location, origin, total),
            };
        let done = self.copy(reader, packed, self.limits.bytes, total, |part| {
            file.write_all(part).map_err(cannot_write)
        });
        drop(file);
        let kept = match done {
            Ok(Ok(())) => fs::rename(&temporary, &content)
                .and_then(|()| as_source(File::open(&content)?))
                .inspect(|source| {
                    // Without its key it is unpacked again next time, which is no harm.
                    let _ = source.state_key().and_then(|state| write_atomically(&key, state.as_bytes()));
                })
                .map_err(cannot_write),
            Ok(Err(reason)) => Err(reason),
            Err(canceled) => {
                let _ = fs::remove_file(&temporary);
                return Err(canceled);
            }
        };
        if kept.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        Ok(kept)
    }

    fn unpack_to_memory(
        &self,
        reader: impl Read,
        packed: u64,
        location: &Location,
        origin: &Origin,
        total: &mut u64,
    ) -> Result<Result<Source, Reason>, Canceled> {
        let mut bytes = Vec::new();
        let limit = self.limits.bytes.min(self.limits.memory_bytes);
        let done = self.copy(reader, packed, limit, total, |part| {
            bytes.extend_from_slice(part);
            Ok(())
        })?;
        Ok(done.map(|()| Source::memory(location.clone(), bytes.into(), origin.clone())))
    }

    fn copy(
        &self,
        mut reader: impl Read,
        packed: u64,
        limit: u64,
        total: &mut u64,
        mut write: impl FnMut(&[u8]) -> Result<(), Reason>,
    ) -> Result<Result<(), Reason>, Canceled> {
        self.progress.start("Unpacking", 0);
        let mut buffer = vec![0; 256 << 10];
        let mut own = 0;
        loop {
            self.cancel.check()?;
            let count = match reader.read(&mut buffer) {
                Ok(0) => return Ok(Ok(())),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Err(Reason::BadArchive(error))),
            };
            own += count as u64;
            *total += count as u64;
            self.progress.add(count as u64);
            if *total > limit {
                return Ok(Err(Reason::UnpacksTooLarge { limit }));
            }
            if own > HARMLESS && own / self.limits.ratio > packed {
                return Ok(Err(Reason::UnpackRatio { ratio: self.limits.ratio }));
            }
            if let Err(reason) = write(&buffer[..count]) {
                return Ok(Err(reason));
            }
        }
    }
}

fn bad_archive(error: zip::result::ZipError) -> Reason {
    match error {
        zip::result::ZipError::UnsupportedArchive(what) if what.to_lowercase().contains("password") => {
            Reason::Encrypted
        }
        zip::result::ZipError::Io(error) => Reason::BadArchive(error),
        other => Reason::BadArchive(io::Error::other(other)),
    }
}
