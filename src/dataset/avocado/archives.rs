//! The collection's zip archives, read in place: an index of all names, and mails read by name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use zip::ZipArchive;

use super::{ImportError, Mail, Missing};
use crate::jobs::{CancelToken, Progress};

/// The longest mail, in bytes: a zip bomb ends here.
pub const LONGEST_MAIL: u64 = 16 << 20;
/// The most that the mails of one call may hold, in bytes.
const MOST_AT_ONCE: u64 = 1 << 30;
/// How many archives stay open. Each keeps its directory in memory.
const MOST_OPEN: usize = 32;
/// How deep below the given folder archives are looked for.
const DEEPEST: usize = 12;

type Archive = ZipArchive<BufReader<File>>;
/// A name and its mail.
type Found<'n> = (&'n str, Result<Mail, Missing>);

#[derive(Debug, Clone, Copy)]
struct Location {
    archive: u32,
    entry: u32,
    crc32: u32,
}

/// All archives of the collection and where each mail is; some 60 bytes a mail.
pub struct Archives {
    paths: Vec<PathBuf>,
    index: HashMap<Box<str>, Location>,
    differing: u64,
    open: Mutex<Vec<(u32, Archive)>>,
}

impl Archives {
    /// Finds the archives of a folder (or takes the one given) and reads their directories. Where a name occurs in
    /// several archives, the first by path counts.
    ///
    /// # Errors
    /// [`ImportError`] where there are no archives, or one cannot be read: mails would be missing without a word.
    pub fn open(path: &Path, cancel: &CancelToken, progress: &Progress) -> Result<Self, ImportError> {
        let mut paths = BTreeSet::new();
        if path.is_dir() {
            find(path, DEEPEST, &mut paths)?;
        } else {
            paths.insert(path.to_owned());
        }
        // The collection has other archives too; the mails' text is under `data/text`.
        let in_text = |path: &PathBuf| path.parent().is_some_and(|folder| folder.ends_with("data/text"));
        if paths.iter().any(in_text) {
            paths.retain(in_text);
        }
        let paths: Vec<PathBuf> = paths.into_iter().collect();
        if paths.is_empty() {
            return Err(ImportError::NoArchives { path: path.to_owned() });
        }
        progress.start("reading the archives' lists", paths.len() as u64);
        let mut index = HashMap::new();
        let mut differing = 0;
        for (number, path) in paths.iter().enumerate() {
            cancel.check()?;
            let archive = open(path)?;
            for entry in 0..archive.len() {
                let data = archive.by_index_data(entry).map_err(|source| broken(path, source))?;
                let Some(name) = mail_name(data.name_raw()) else { continue };
                let location = Location { archive: number as u32, entry: entry as u32, crc32: data.crc32() };
                match index.get(name) {
                    None => {
                        index.insert(name.into(), location);
                    }
                    Some(Location { crc32, .. }) if *crc32 == location.crc32 => {}
                    Some(_) => differing += 1,
                }
            }
            progress.add(1);
        }
        Ok(Self { paths, index, differing, open: Mutex::default() })
    }

    /// How many archives there are.
    pub const fn count(&self) -> usize {
        self.paths.len()
    }

    /// How many mails there are.
    pub fn mails(&self) -> usize {
        self.index.len()
    }

    /// How many mails occur again with other content; the first counts.
    pub const fn differing(&self) -> u64 {
        self.differing
    }

    /// Reads mails, each archive by itself and several at a time.
    ///
    /// # Errors
    /// [`ImportError`] where an archive cannot be opened any more, or the mails together are too large.
    /// A single mail that cannot be read is a [`Missing`] in its place.
    pub fn read<'n>(
        &self,
        names: &BTreeSet<&'n str>,
        cancel: &CancelToken,
    ) -> Result<HashMap<&'n str, Result<Mail, Missing>>, ImportError> {
        let mut mails = HashMap::with_capacity(names.len());
        let mut by_archive: BTreeMap<u32, Vec<(u32, &'n str)>> = BTreeMap::new();
        for name in names {
            match self.index.get(*name) {
                Some(at) => by_archive.entry(at.archive).or_default().push((at.entry, name)),
                None => {
                    mails.insert(*name, Err(Missing::NotFound));
                }
            }
        }
        let total = AtomicU64::new(0);
        let read = by_archive
            .into_par_iter()
            .map(|(number, wanted)| self.read_of(number, wanted, &total, cancel))
            .collect::<Result<Vec<_>, _>>()?;
        mails.extend(read.into_iter().flatten());
        Ok(mails)
    }

    fn read_of<'n>(
        &self,
        number: u32,
        mut wanted: Vec<(u32, &'n str)>,
        total: &AtomicU64,
        cancel: &CancelToken,
    ) -> Result<Vec<Found<'n>>, ImportError> {
        let mut archive = self.take(number)?;
        wanted.sort_unstable(); // mostly the order on disk
        let mut mails = Vec::with_capacity(wanted.len());
        for (entry, name) in wanted {
            cancel.check()?;
            let mail = read_mail(&mut archive, entry as usize).map(|bytes| {
                let sum = total.fetch_add(bytes.len() as u64, Ordering::Relaxed) + bytes.len() as u64;
                (Mail::read(&bytes), sum)
            });
            if matches!(mail, Ok((_, sum)) if sum > MOST_AT_ONCE) {
                return Err(ImportError::TooMuch { path: self.path(number).to_owned() });
            }
            mails.push((name, mail.map(|(mail, _)| mail)));
        }
        self.give_back(number, archive);
        Ok(mails)
    }

    fn path(&self, number: u32) -> &Path {
        &self.paths[number as usize]
    }

    /// An open archive: one kept from before, or a new one.
    fn take(&self, number: u32) -> Result<Archive, ImportError> {
        let mut kept = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.iter().position(|(other, _)| *other == number) {
            Some(at) => Ok(kept.remove(at).1),
            None => {
                drop(kept);
                open(self.path(number))
            }
        }
    }

    /// Keeps an archive open, in place of the one longest unused.
    fn give_back(&self, number: u32, archive: Archive) {
        let mut kept = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_OPEN {
            kept.remove(0);
        }
        kept.push((number, archive));
    }
}

/// A mail's name from an entry's path: its last part, where that is a text file's.
fn mail_name(path: &[u8]) -> Option<&str> {
    let name = path.rsplit(|byte| matches!(byte, b'/' | b'\\')).next()?;
    std::str::from_utf8(name).ok().filter(|name| super::is_mail_name(name))
}

fn read_mail(archive: &mut Archive, entry: usize) -> Result<Vec<u8>, Missing> {
    let file = archive.by_index(entry).map_err(|_| Missing::Unreadable)?;
    let mut bytes = Vec::new(); // the size that the archive says may be a lie
    file.take(LONGEST_MAIL + 1).read_to_end(&mut bytes).map_err(|_| Missing::Unreadable)?;
    if bytes.len() as u64 > LONGEST_MAIL { Err(Missing::TooLong) } else { Ok(bytes) }
}

fn open(path: &Path) -> Result<Archive, ImportError> {
    let file = File::open(path).map_err(|source| ImportError::File { path: path.to_owned(), source })?;
    ZipArchive::new(BufReader::new(file)).map_err(|source| broken(path, source))
}

fn broken(path: &Path, source: zip::result::ZipError) -> ImportError {
    ImportError::Archive { path: path.to_owned(), source }
}

fn find(folder: &Path, depth: usize, found: &mut BTreeSet<PathBuf>) -> Result<(), ImportError> {
    let failed = |source| ImportError::File { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        if kind.is_dir() {
            if depth > 0 {
                find(&path, depth - 1, found)?;
            }
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip")) {
            found.insert(path);
        }
    }
    Ok(())
}
