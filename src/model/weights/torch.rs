//! PyTorch's state dictionaries: which tensors a `.bin` file holds and where, without executing anything.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use super::pickle::{self, Arena, PickleError, TensorRef, Value};
use super::{RawEntry, WeightsError};

/// Larger pickles than this describe no model; the numbers themselves lie outside of the pickle.
const MAX_PICKLE: usize = 256 << 20;

/// The tensors of a PyTorch file, which is a zip archive since version 1.6 and a row of pickles before.
pub(super) fn entries(path: &Path, bytes: &[u8]) -> Result<Vec<RawEntry>, WeightsError> {
    if bytes.starts_with(b"PK\x03\x04") { zipped(path, bytes) } else { super::legacy::entries(path, bytes) }
}

/// Adds the file to what the pickle reader found.
pub(super) fn located(path: &Path) -> impl Fn(PickleError) -> WeightsError {
    move |error| match error {
        PickleError::Malformed(what, at) => WeightsError::Pickle { path: path.to_owned(), what, at },
        PickleError::Forbidden(mut name) => {
            name.truncate(name.floor_char_boundary(200));
            WeightsError::Forbidden { path: path.to_owned(), name }
        }
    }
}

/// The named tensors of a state dictionary: the dictionary itself, or the one under `state_dict` or `model`.
pub(super) fn named(arena: &Arena, root: Value) -> Option<Vec<(&str, &TensorRef)>> {
    let Value::Dict(mut dict) = root else { return None };
    for wrapper in ["state_dict", "model"] {
        let inner = arena.dicts[dict].iter().find(|(key, _)| arena.str(*key) == Some(wrapper));
        if let Some((_, Value::Dict(inner))) = inner {
            dict = *inner;
        }
    }
    let pairs = arena.dicts[dict].iter().filter_map(|(key, value)| match value {
        Value::Tensor(tensor) => Some((arena.str(*key)?, &arena.tensors[*tensor])),
        _ => None,
    });
    Some(pairs.collect())
}

/// Where each storage begins and how many bytes it has.
pub(super) type Places = BTreeMap<String, (usize, usize)>;

/// Joins tensors and their storages' places.
pub(super) fn raw_entries(
    path: &Path,
    arena: &Arena,
    root: Value,
    places: &Places,
) -> Result<Vec<RawEntry>, WeightsError> {
    let pickle = |what| WeightsError::Pickle { path: path.to_owned(), what, at: 0 };
    let mut entries = Vec::new();
    for (name, tensor) in named(arena, root).ok_or_else(|| pickle("there is no dictionary of tensors"))? {
        let storage = &arena.storages[tensor.storage];
        let Some(dtype) = storage.dtype else { continue };
        let bounds = || WeightsError::Bounds { path: path.to_owned(), tensor: name.to_owned() };
        let &(start, len) = places.get(&arena.strings[storage.key]).ok_or_else(bounds)?;
        let width = dtype.size_in_bytes();
        let skip = tensor.offset.checked_mul(width).filter(|&skip| skip <= len).ok_or_else(bounds)?;
        if storage.elements.checked_mul(width).is_none_or(|declared| declared > len) {
            return Err(bounds());
        }
        entries.push(RawEntry {
            name: name.to_owned(),
            dtype,
            shape: tensor.shape.clone(),
            strides: Some(tensor.strides.clone()),
            offset: start + skip,
            len: len - skip,
        });
    }
    Ok(entries)
}

fn zipped(path: &Path, bytes: &[u8]) -> Result<Vec<RawEntry>, WeightsError> {
    let archive_error = |source| WeightsError::Archive { path: path.to_owned(), source };
    let pickle = |what| WeightsError::Pickle { path: path.to_owned(), what, at: 0 };
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(archive_error)?;
    let mut places = Places::new();
    let mut description = None;
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(archive_error)?;
        let full_name = file.name().map_err(archive_error)?;
        let Some((_, name)) = full_name.split_once('/') else { continue };
        let stored = file.compression() == zip::CompressionMethod::Stored;
        let start = file.data_start().and_then(|start| usize::try_from(start).ok());
        let (Some(start), Ok(len)) = (start, usize::try_from(file.size())) else {
            return Err(pickle("the archive is damaged"));
        };
        if !stored || start.checked_add(len).is_none_or(|end| end > bytes.len()) {
            return Err(pickle("the archive is compressed or cut off"));
        }
        let content = &bytes[start..start + len];
        if name == "data.pkl" {
            description = Some(content);
        } else if name == "byteorder" && content != b"little" {
            return Err(pickle("the numbers are not in little-endian order"));
        } else if let Some(key) = name.strip_prefix("data/") {
            places.insert(key.to_owned(), (start, len));
        }
    }
    let description = description.ok_or_else(|| pickle("the archive has no data.pkl"))?;
    if description.len() > MAX_PICKLE {
        return Err(pickle("data.pkl is absurdly large"));
    }
    let mut arena = Arena::default();
    let (root, _) = pickle::read(description, &mut arena).map_err(located(path))?;
    raw_entries(path, &arena, root, &places)
}
