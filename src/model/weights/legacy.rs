//! PyTorch's files from before version 1.6: five pickles, one after the other (a magic number, a version, the
//! system's sizes, the dictionary, the order of storages), then each storage's length and numbers.

use std::path::Path;

use super::pickle::{self, Arena};
use super::torch::{Places, located, raw_entries};
use super::{RawEntry, WeightsError};

/// How such a file begins: protocol 2, then the magic number 0x1950a86a20f9469cfc6c as a long integer.
const MAGIC: [u8; 14] = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// The tensors of a legacy file.
pub(super) fn entries(path: &Path, bytes: &[u8]) -> Result<Vec<RawEntry>, WeightsError> {
    let wrong = |what, at| WeightsError::Pickle { path: path.to_owned(), what, at };
    if !bytes.starts_with(&MAGIC) {
        return Err(wrong("it has no such beginning", 0));
    }
    let mut arena = Arena::default();
    let mut at = 0;
    let mut values = Vec::with_capacity(5);
    for _ in 0..5 {
        let (value, used) = pickle::read(&bytes[at..], &mut arena).map_err(located(path))?;
        at += used;
        values.push(value);
    }
    let (root, order) = (values[3], values[4]);
    let Some(order) = arena.tuple(order) else { return Err(wrong("the storages have no order", at)) };
    let mut places = Places::new();
    for &key in order {
        let Some(key) = arena.str(key) else { return Err(wrong("a storage has no name", at)) };
        let described = arena.storages.iter().find(|storage| arena.strings[storage.key] == key);
        let Some(described) = described else { return Err(wrong("a storage is not described", at)) };
        let Some(header) = bytes.get(at..at + 8).and_then(|b| b.first_chunk::<8>()) else {
            return Err(wrong("it is cut off", bytes.len()));
        };
        if usize::try_from(i64::from_le_bytes(*header)) != Ok(described.elements) {
            return Err(wrong("a storage's length differs from its description", at));
        }
        at += 8;
        // Types that are not read (booleans, signed bytes) take one byte an element.
        let width = described.dtype.map_or(1, |dtype| dtype.size_in_bytes());
        let end = described.elements.checked_mul(width).and_then(|len| at.checked_add(len));
        let Some(end) = end.filter(|&end| end <= bytes.len()) else {
            return Err(wrong("it is cut off", bytes.len()));
        };
        places.insert(key.to_owned(), (at, end - at));
        at = end;
    }
    raw_entries(path, &arena, root, &places)
}
