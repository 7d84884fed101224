//! The vectors of one encoder on disk, in two files that only grow.
//!
//! `NAME.keys` holds a header and, for each vector, a record of its key and checksums; `NAME.vectors` holds the vectors
//! themselves, each at the place that its record's number says. Opening reads only the keys; vectors are read when they are
//! asked for, and checked then. A writer holds the folder's lock, and writes the vectors before their records: killed at
//! any moment, it leaves at most vectors without records, or a piece of a record, and the next writer writes over both.
//! What power loss or decay may damage fails its checksum and counts as absent.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use sha2::{Digest, Sha256};

use super::place::{FolderLock, read_exact_at, write_all_at};
use super::{EmbeddingCacheError, TextKey};
use crate::model::Matrix;

const KEYS_MAGIC: &[u8; 8] = b"LampKey1";
const VECTORS_MAGIC: &[u8; 8] = b"LampVec1";

/// Of the file of keys: magic, pair, dimensions, identity's hash, length and beginning of the identity, checksum.
pub(super) const KEYS_HEADER: usize = 1024;
/// Of the file of vectors: magic and pair.
pub(super) const VECTORS_HEADER: usize = 16;
/// A key, the checksum of key and vector, and that of these 20 bytes.
pub(super) const RECORD: usize = 24;

const IDENTITY_AT: usize = 8 + 8 + 4 + 32 + 2;
const LONGEST_IDENTITY: usize = KEYS_HEADER - IDENTITY_AT - 4;

/// What a file of keys says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// A random number that both files of a pair carry, so that halves of different pairs are told apart.
    pub(super) pair: u64,
    pub(super) dimensions: u32,
    identity_hash: [u8; 32],
    /// The encoder's identity, to be shown; a very long one is cut.
    pub(super) identity: String,
}

impl Header {
    fn new(identity: &str, dimensions: u32) -> Self {
        let shown = &identity[..identity.floor_char_boundary(LONGEST_IDENTITY)];
        let (identity_hash, identity) = (Sha256::digest(identity).into(), shown.to_owned());
        Self { pair: rand::random(), dimensions, identity_hash, identity }
    }

    fn to_bytes(&self) -> [u8; KEYS_HEADER] {
        let mut bytes = [0; KEYS_HEADER];
        bytes[..8].copy_from_slice(KEYS_MAGIC);
        bytes[8..16].copy_from_slice(&self.pair.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.dimensions.to_le_bytes());
        bytes[20..52].copy_from_slice(&self.identity_hash);
        let identity = self.identity.as_bytes();
        bytes[52..54].copy_from_slice(&(identity.len() as u16).to_le_bytes());
        bytes[IDENTITY_AT..IDENTITY_AT + identity.len()].copy_from_slice(identity);
        let checksum = crc32fast::hash(&bytes[..KEYS_HEADER - 4]);
        bytes[KEYS_HEADER - 4..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// `None` where the bytes are no header, or a damaged one.
    fn from_bytes(bytes: &[u8; KEYS_HEADER]) -> Option<Self> {
        let (body, checksum) = bytes.split_last_chunk::<4>()?;
        if !body.starts_with(KEYS_MAGIC) || crc32fast::hash(body).to_le_bytes() != *checksum {
            return None;
        }
        let length = usize::from(u16::from_le_bytes([body[52], body[53]]));
        let identity = body.get(IDENTITY_AT..IDENTITY_AT + length)?;
        Some(Self {
            pair: u64::from_le_bytes(*body[8..].first_chunk()?),
            dimensions: u32::from_le_bytes(*body[16..].first_chunk()?),
            identity_hash: *body[20..].first_chunk()?,
            identity: String::from_utf8_lossy(identity).into_owned(),
        })
    }

    /// The header of an open file of keys; `None` where it has none that is whole.
    pub(super) fn read(keys: &File) -> Option<Self> {
        let mut bytes = [0; KEYS_HEADER];
        read_exact_at(keys, 0, &mut bytes).ok()?;
        Self::from_bytes(&bytes)
    }

    fn is_of(&self, other: &Self) -> bool {
        (self.dimensions, self.identity_hash) == (other.dimensions, other.identity_hash)
    }
}

/// How many records a file of keys of this length holds; a piece of one does not count.
pub(super) fn records_in(keys_length: u64) -> u64 {
    keys_length.saturating_sub(KEYS_HEADER as u64) / RECORD as u64
}

/// The names of an encoder's files, without their endings.
pub(super) fn stem(identity: &str) -> String {
    hex::encode(&Sha256::digest(identity)[..16])
}

/// Where each vector lies.
#[derive(Default)]
struct Index {
    /// The pair that the places are of.
    pair: u64,
    places: HashMap<TextKey, u32>,
    /// The records that were read.
    read: u64,
}

/// The kept vectors of one encoder. Many threads may read and write, and so may other programs meanwhile.
pub(super) struct EmbeddingFile {
    folder: PathBuf,
    keys_path: PathBuf,
    vectors_path: PathBuf,
    keys: File,
    vectors: File,
    header: Header,
    index: RwLock<Index>,
}

impl EmbeddingFile {
    /// Opens the files of an encoder in a folder, which are made where they are missing, and anew where they are no such files.
    pub(super) fn open(
        folder: &Path,
        identity: &str,
        dimensions: usize,
    ) -> Result<Self, EmbeddingCacheError> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        let _lock = FolderLock::take(folder)?;
        let file = Self::with(folder, identity, dimensions, true)?;
        let found = Header::read(&file.keys)
            .filter(|found| found.is_of(&file.header) && file.vectors_are_of(found.pair));
        if found.is_none() {
            // The keys go first and come last: at no moment do they speak of vectors that are not there.
            file.keys.set_len(0).map_err(at(&file.keys_path))?;
            file.vectors.set_len(0).map_err(at(&file.vectors_path))?;
            let vectors = [*VECTORS_MAGIC, file.header.pair.to_le_bytes()].concat();
            write_all_at(&file.vectors, 0, &vectors).map_err(at(&file.vectors_path))?;
            write_all_at(&file.keys, 0, &file.header.to_bytes()).map_err(at(&file.keys_path))?;
        }
        file.catch_up(&mut file.index.write().unwrap_or_else(PoisonError::into_inner))?;
        Ok(file)
    }

    /// Opens files that can be read only; `None` where there are none to be read.
    pub(super) fn open_to_read(folder: &Path, identity: &str, dimensions: usize) -> Option<Self> {
        let file = Self::with(folder, identity, dimensions, false).ok()?;
        Header::read(&file.keys).filter(|found| found.is_of(&file.header))?;
        file.catch_up(&mut file.index.write().unwrap_or_else(PoisonError::into_inner)).ok()?;
        Some(file)
    }

    fn with(
        folder: &Path,
        identity: &str,
        dimensions: usize,
        write: bool,
    ) -> Result<Self, EmbeddingCacheError> {
        let stem = stem(identity);
        let keys_path = folder.join(format!("{stem}.keys"));
        let vectors_path = folder.join(format!("{stem}.vectors"));
        let open = |path: &Path| {
            let mut options = OpenOptions::new();
            options.read(true).write(write).create(write).truncate(false).open(path).map_err(at(path))
        };
        Ok(Self {
            folder: folder.to_owned(),
            keys: open(&keys_path)?,
            vectors: open(&vectors_path)?,
            keys_path,
            vectors_path,
            header: Header::new(identity, dimensions as u32),
            index: RwLock::default(),
        })
    }

    fn vectors_are_of(&self, pair: u64) -> bool {
        let mut bytes = [0; VECTORS_HEADER];
        let read = read_exact_at(&self.vectors, 0, &mut bytes);
        read.is_ok() && bytes[..8] == *VECTORS_MAGIC && bytes[8..] == pair.to_le_bytes()
    }

    /// The length of a vector in the file, in bytes.
    fn stride(&self) -> usize {
        self.header.dimensions as usize * 4
    }

    /// Takes up the records that were added since, by whomever. Gives how many there are in all.
    fn catch_up(&self, index: &mut Index) -> Result<u64, EmbeddingCacheError> {
        let header = Header::read(&self.keys)
            .filter(|found| found.is_of(&self.header))
            .ok_or_else(|| at(&self.keys_path)(std::io::ErrorKind::InvalidData.into()))?;
        let length = self.keys.metadata().map_err(at(&self.keys_path))?.len();
        let count = records_in(length);
        if header.pair != index.pair || count < index.read {
            *index = Index { pair: header.pair, ..Index::default() };
        }
        if count > u64::from(u32::MAX) {
            return Err(EmbeddingCacheError::Full { path: self.keys_path.clone() });
        }
        const AT_ONCE: u64 = 1 << 14;
        let mut bytes = Vec::new();
        while index.read < count {
            let records = AT_ONCE.min(count - index.read);
            bytes.resize(records as usize * RECORD, 0);
            let offset = KEYS_HEADER as u64 + index.read * RECORD as u64;
            read_exact_at(&self.keys, offset, &mut bytes).map_err(at(&self.keys_path))?;
            for (record, place) in bytes.chunks_exact(RECORD).zip(index.read..) {
                if let Some(key) = key_of(record) {
                    index.places.insert(key, place as u32); // of two with one key the later counts
                }
            }
            index.read += records;
        }
        Ok(count)
    }

    /// Whether a vector is thought to be there; only reading it tells whether it is sound.
    pub(super) fn contains(&self, key: &TextKey) -> bool {
        self.index.read().unwrap_or_else(PoisonError::into_inner).places.contains_key(key)
    }

    /// Reads a vector into `out`, using `buffer` meanwhile. Whether it is there and sound; if not, `out` is as it was.
    pub(super) fn get(&self, key: &TextKey, buffer: &mut Vec<u8>, out: &mut [f32]) -> bool {
        let place = self.index.read().unwrap_or_else(PoisonError::into_inner).places.get(key).copied();
        let Some(place) = place else { return false };
        // The record is read again with the vector: it holds the checksum, which is not worth keeping in memory.
        let mut record = [0; RECORD];
        buffer.resize(self.stride(), 0);
        let record_at = KEYS_HEADER as u64 + u64::from(place) * RECORD as u64;
        let vector_at = VECTORS_HEADER as u64 + u64::from(place) * self.stride() as u64;
        let read = read_exact_at(&self.keys, record_at, &mut record)
            .and_then(|()| read_exact_at(&self.vectors, vector_at, buffer));
        if read.is_err() || record != record_of(key, buffer) {
            // Damaged, or another program made the file anew. Written again, it stands at another place.
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            if index.places.get(key) == Some(&place) {
                index.places.remove(key);
            }
            return false;
        }
        for (value, bytes) in out.iter_mut().zip(buffer.as_chunks::<4>().0) {
            *value = f32::from_le_bytes(*bytes);
        }
        true
    }

    /// Adds the rows of a matrix, each under its key; those that are there already stay as they are.
    pub(super) fn put(&self, keys: &[TextKey], rows: &Matrix) -> Result<(), EmbeddingCacheError> {
        let _lock = FolderLock::take(&self.folder)?;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let count = self.catch_up(&mut index)?;
        let (mut vectors, mut records) = (Vec::new(), Vec::new());
        let mut added = Vec::new();
        for (row, key) in keys.iter().enumerate() {
            let known = index.places.contains_key(key) || added.contains(key);
            if known || rows.row(row).len() != self.header.dimensions as usize {
                continue;
            }
            let start = vectors.len();
            rows.row(row).iter().for_each(|value| vectors.extend_from_slice(&value.to_le_bytes()));
            records.extend_from_slice(&record_of(key, &vectors[start..]));
            added.push(*key);
        }
        if count + added.len() as u64 > u64::from(u32::MAX) {
            return Err(EmbeddingCacheError::Full { path: self.keys_path.clone() });
        }
        let vectors_at = VECTORS_HEADER as u64 + count * self.stride() as u64;
        write_all_at(&self.vectors, vectors_at, &vectors).map_err(at(&self.vectors_path))?;
        let records_at = KEYS_HEADER as u64 + count * RECORD as u64;
        write_all_at(&self.keys, records_at, &records).map_err(at(&self.keys_path))?;
        index.read = count + added.len() as u64;
        index.places.extend(added.into_iter().zip(count as u32..));
        Ok(())
    }

    /// How many vectors can be found.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.index.read().unwrap_or_else(PoisonError::into_inner).places.len()
    }
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> EmbeddingCacheError {
    move |source| EmbeddingCacheError::Io { path: path.to_owned(), source }
}

/// What stands in the file of keys for a vector. Its checksum covers the key too, so that no vector passes for another's.
fn record_of(key: &TextKey, vector: &[u8]) -> [u8; RECORD] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&key.0);
    hasher.update(vector);
    let mut record = [0; RECORD];
    record[..16].copy_from_slice(&key.0);
    record[16..20].copy_from_slice(&hasher.finalize().to_le_bytes());
    let checksum = crc32fast::hash(&record[..20]);
    record[20..].copy_from_slice(&checksum.to_le_bytes());
    record
}

/// The key of a record; `None` where it is damaged.
fn key_of(record: &[u8]) -> Option<TextKey> {
    let (body, checksum) = record.split_last_chunk::<4>()?;
    (crc32fast::hash(body).to_le_bytes() == *checksum).then(|| body.first_chunk().copied().map(TextKey))?
}

#[cfg(test)]
mod tests;
