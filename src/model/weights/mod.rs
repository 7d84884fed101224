//! A checkpoint on disk: which tensors there are, of which shape and type, and their bytes, memory-mapped; and
//! tensors to a new one.
//!
//! Reads safetensors (one file, or shards through their index) and PyTorch's state dictionaries, the latter
//! without executing anything. Everything is checked against the file's length before memory is taken.
//! Knows nothing of what the tensors mean.

mod error;
mod legacy;
mod low_rank;
mod pickle;
mod torch;
mod view;
mod write;

pub use error::WeightsError;
pub use low_rank::LowRank;
pub use view::TensorView;
pub use write::{NamedTensor, Values, write_safetensors};

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use memmap2::Mmap;

/// Where a tensor lies.
#[derive(Debug, Clone)]
struct Entry {
    file: usize,
    dtype: DType,
    shape: Vec<usize>,
    /// Elements to skip for one step along each dimension.
    strides: Vec<usize>,
    /// Bytes from the file's beginning.
    offset: usize,
    /// Bytes from `offset` to the storage's end.
    len: usize,
}

struct MappedFile {
    path: PathBuf,
    map: Arc<Mmap>,
}

/// The tensors of a model on disk.
pub struct Checkpoint {
    files: Vec<MappedFile>,
    tensors: BTreeMap<String, Entry>,
    /// What adapters add to matrices, by their names.
    added: BTreeMap<String, LowRank>,
}

/// The most dimensions that a tensor may have.
const MAX_DIMS: usize = 8;
/// The most shards that an index may name.
const MAX_SHARDS: usize = 4096;

impl Checkpoint {
    /// Opens a file, or a folder with `model.safetensors`, its index, `pytorch_model.bin` or its index; the
    /// first that exists, in this order.
    ///
    /// # Errors
    /// [`WeightsError`] if there is none, or one is broken.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let mut checkpoint = Self { files: Vec::new(), tensors: BTreeMap::new(), added: BTreeMap::new() };
        if path.is_file() {
            checkpoint.add(path)?;
            return Ok(checkpoint);
        }
        for name in ["model.safetensors", "pytorch_model.bin"] {
            let single = path.join(name);
            let index = path.join(format!("{name}.index.json"));
            if single.is_file() {
                checkpoint.add(&single)?;
                return Ok(checkpoint);
            }
            if index.is_file() {
                checkpoint.add_shards(path, &index)?;
                return Ok(checkpoint);
            }
        }
        Err(WeightsError::None { folder: path.to_owned() })
    }

    /// The tensors' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// A tensor's shape.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|entry| entry.shape.as_slice())
    }

    /// The files that were opened.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// The kind of numbers that takes most of the bytes: `f32`, `bf16`.
    pub fn main_format(&self) -> String {
        let mut sizes = BTreeMap::<&str, usize>::new();
        for entry in self.tensors.values() {
            let elements = entry.shape.iter().copied().fold(1_usize, usize::saturating_mul);
            let bytes = elements.saturating_mul(entry.dtype.size_in_bytes());
            let sum = sizes.entry(entry.dtype.as_str()).or_default();
            *sum = sum.saturating_add(bytes);
        }
        sizes
            .into_iter()
            .max_by_key(|(_, bytes)| *bytes)
            .map_or_else(String::new, |(name, _)| name.to_owned())
    }

    /// A tensor that must exist and have this shape.
    ///
    /// # Errors
    /// [`WeightsError::Missing`], [`WeightsError::Shape`] or [`WeightsError::Type`] for one that holds no numbers
    /// with a fraction.
    pub fn view(&self, name: &str, shape: &[usize]) -> Result<TensorView<'_>, WeightsError> {
        let Some(entry) = self.tensors.get(name) else {
            let path = self.files.first().map(|file| file.path.clone()).unwrap_or_default();
            return Err(WeightsError::Missing { path, tensor: name.to_owned() });
        };
        let file = &self.files[entry.file];
        if entry.shape != shape {
            return Err(WeightsError::Shape {
                path: file.path.clone(),
                tensor: name.to_owned(),
                found: entry.shape.clone(),
                expected: shape.to_owned(),
            });
        }
        if !matches!(entry.dtype, DType::F32 | DType::F16 | DType::BF16 | DType::F64) {
            return Err(WeightsError::Type {
                path: file.path.clone(),
                tensor: name.to_owned(),
                dtype: entry.dtype.as_str().to_owned(),
            });
        }
        let bytes = &file.map[entry.offset..entry.offset + entry.len];
        Ok(TensorView::new(entry.dtype, &entry.shape, &entry.strides, bytes).with(self.added.get(name)))
    }

    /// Has a matrix read with another one added to it from now on.
    ///
    /// # Errors
    /// As [`Checkpoint::view`].
    pub fn add_low_rank(&mut self, name: &str, added: LowRank) -> Result<(), WeightsError> {
        self.view(name, &[added.outputs, added.inputs])?;
        self.added.insert(name.to_owned(), added);
        Ok(())
    }

    /// The numbers of a vector, converted to `f32`.
    ///
    /// # Errors
    /// As [`Checkpoint::view`].
    pub fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, WeightsError> {
        let mut values = vec![0.0; len];
        self.view(name, &[len])?.read(&mut values);
        Ok(values)
    }

    /// A tensor for candle, converted to `dtype`, on `device`.
    ///
    /// # Errors
    /// As [`Checkpoint::view`]; and what candle says if the device refuses.
    pub fn tensor(
        &self,
        name: &str,
        shape: &[usize],
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor, WeightsError> {
        let mut values = vec![0f32; shape.iter().product()];
        self.view(name, shape)?.read(&mut values);
        let candle = |source| WeightsError::Place { tensor: name.to_owned(), source };
        Tensor::from_vec(values, shape, device).and_then(|t| t.to_dtype(dtype)).map_err(candle)
    }

    /// Tells the system that the mapped pages read so far need not stay in memory; they are read again when needed.
    pub fn forget_pages(&self) {
        #[cfg(unix)]
        for file in &self.files {
            // SAFETY: the map is private to this process, read-only and backed by a file, so that dropped
            // pages come back from the file unchanged. A refusal costs memory only.
            let _ = unsafe { file.map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
        }
    }

    fn add_shards(&mut self, folder: &Path, index: &Path) -> Result<(), WeightsError> {
        #[derive(serde::Deserialize)]
        struct Index {
            weight_map: BTreeMap<String, String>,
        }
        let text =
            std::fs::read(index).map_err(|source| WeightsError::Read { path: index.to_owned(), source })?;
        let parsed: Index = serde_json::from_slice(&text)
            .map_err(|source| WeightsError::Index { path: index.to_owned(), source })?;
        let mut shards: Vec<&String> = parsed.weight_map.values().collect();
        shards.sort();
        shards.dedup();
        if shards.len() > MAX_SHARDS {
            return Err(WeightsError::TooMany { path: index.to_owned(), what: "shards", limit: MAX_SHARDS });
        }
        for shard in shards {
            // A shard is a plain file beside its index; anything else could lead out of the folder.
            if Path::new(shard).file_name().is_none_or(|name| name != shard.as_str()) {
                return Err(WeightsError::ShardName { path: index.to_owned(), shard: shard.clone() });
            }
            self.add(&folder.join(shard))?;
        }
        for name in parsed.weight_map.keys() {
            if !self.has(name) {
                return Err(WeightsError::Missing { path: index.to_owned(), tensor: name.clone() });
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path) -> Result<(), WeightsError> {
        let read = |source| WeightsError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        // SAFETY: the map is only read. Another process that shortens the file while the model loads could make
        // a read fail hard; weights are not files that anything rewrites in place, and all who map them accept it.
        let map = Arc::new(unsafe { Mmap::map(&file) }.map_err(read)?);
        let number = self.files.len();
        let found = if path.extension().is_some_and(|extension| extension == "safetensors") {
            safetensors_entries(path, &map)?
        } else {
            torch::entries(path, &map)?
        };
        for raw in found {
            let entry = raw.check(path, number, map.len())?;
            self.tensors.insert(raw.name, entry);
        }
        self.files.push(MappedFile { path: path.to_owned(), map });
        Ok(())
    }
}

/// A tensor as a file declares it, not yet trusted.
struct RawEntry {
    name: String,
    dtype: DType,
    shape: Vec<usize>,
    strides: Option<Vec<usize>>,
    offset: usize,
    len: usize,
}

impl RawEntry {
    /// Every element that shape and strides reach must lie inside the storage, and that inside the file.
    fn check(&self, path: &Path, file: usize, file_len: usize) -> Result<Entry, WeightsError> {
        let lies = || WeightsError::Bounds { path: path.to_owned(), tensor: self.name.clone() };
        if self.shape.len() > MAX_DIMS || self.strides.as_ref().is_some_and(|s| s.len() != self.shape.len()) {
            return Err(lies());
        }
        let end = self.offset.checked_add(self.len).ok_or_else(lies)?;
        if end > file_len {
            return Err(lies());
        }
        let mut contiguous = vec![1usize; self.shape.len()];
        let mut elements = 1usize;
        for (dim, &size) in self.shape.iter().enumerate().rev() {
            contiguous[dim] = elements;
            elements = elements.checked_mul(size).ok_or_else(lies)?;
        }
        let strides = self.strides.clone().unwrap_or(contiguous);
        // A stride of zero repeats elements: a small file could then ask for any amount of memory.
        let width = self.dtype.size_in_bytes();
        let mut last = 0usize;
        for (&size, &stride) in self.shape.iter().zip(&strides) {
            let reach = size.saturating_sub(1).checked_mul(stride).ok_or_else(lies)?;
            last = last.checked_add(reach).ok_or_else(lies)?;
        }
        let fits = |count: usize| count.checked_mul(width).is_some_and(|bytes| bytes <= self.len);
        let reached = last.checked_add(1).ok_or_else(lies)?;
        if !fits(elements) || (elements > 0 && !fits(reached)) {
            return Err(lies());
        }
        Ok(Entry {
            file,
            dtype: self.dtype,
            shape: self.shape.clone(),
            strides,
            offset: self.offset,
            len: self.len,
        })
    }
}

fn safetensors_entries(path: &Path, bytes: &[u8]) -> Result<Vec<RawEntry>, WeightsError> {
    let broken = |source| WeightsError::Safetensors { path: path.to_owned(), source };
    // Checks the header's length, that offsets follow each other without gap, and that they end with the file.
    let parsed = safetensors::SafeTensors::deserialize(bytes).map_err(broken)?;
    let base = bytes.as_ptr() as usize;
    let mut entries = Vec::with_capacity(parsed.len());
    for (name, tensor) in parsed.iter() {
        // Kinds that no model here uses are left out; asked for, they are reported as missing.
        let Ok(dtype) = DType::try_from(tensor.dtype()) else { continue };
        entries.push(RawEntry {
            name: name.to_owned(),
            dtype,
            shape: tensor.shape().to_vec(),
            strides: None,
            offset: tensor.data().as_ptr() as usize - base,
            len: tensor.data().len(),
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
