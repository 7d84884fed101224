//! The header of a GGUF file: metadata and where each tensor lies, checked against the file's length before
//! anything is taken for granted. A count or a length is believed only as far as the file has bytes for it,
//! so that memory stays within a small multiple of the file whatever it claims.

use std::collections::HashMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::GgufError;
use super::format::Format;

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Any unsigned integer.
    Unsigned(u64),
    /// Any signed integer.
    Signed(i64),
    /// Either width of float.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A text; what is not UTF-8 in it is replaced.
    Text(String),
    /// Texts.
    Texts(Vec<String>),
    /// Numbers and truth values of any kind.
    Numbers(Vec<f64>),
    /// An array of arrays, which no key that is read here has; skipped.
    Nested,
}

/// Where a tensor lies and how it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Rows first: a matrix of `[outputs, inputs]`. One to four numbers.
    pub shape: Vec<usize>,
    /// How its numbers are stored.
    pub format: Format,
    /// Its bytes in the file.
    pub bytes: Range<usize>,
}

/// A mapped GGUF file whose header was found sound.
#[derive(Debug)]
pub struct GgufFile {
    path: PathBuf,
    map: Mmap,
    metadata: HashMap<String, Value>,
    tensors: HashMap<String, TensorInfo>,
}

impl GgufFile {
    /// Maps a file and checks its header; no weight is read.
    ///
    /// # Errors
    /// A file that cannot be read, is of another kind, or contradicts itself.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let read = |source| GgufError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        // SAFETY: the map is only read. Another program that shortens the file while it is mapped would end
        // this one with a bus error; that is the known price of mapping, paid for not copying the weights.
        let map = unsafe { Mmap::map(&file) }.map_err(read)?;
        let (metadata, tensors) = Reader { path, bytes: &map, at: 0 }.header()?;
        Ok(Self { path: path.to_owned(), map, metadata, tensors })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A metadata value.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// A text, if the key is there and is one.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A truth value, if the key is there and is one.
    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.get(key) {
            Some(&Value::Bool(value)) => Some(value),
            _ => None,
        }
    }

    /// A number of any kind, if the key is there and is one.
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.get(key) {
            Some(&Value::Unsigned(value)) => Some(value as f64),
            Some(&Value::Signed(value)) => Some(value as f64),
            Some(&Value::Float(value)) => Some(value),
            _ => None,
        }
    }

    /// An integer at or above 0, if the key is there and is one.
    pub fn integer(&self, key: &str) -> Option<u64> {
        match self.get(key) {
            Some(&Value::Unsigned(value)) => Some(value),
            Some(&Value::Signed(value)) => u64::try_from(value).ok(),
            _ => None,
        }
    }

    /// Texts, if the key is there and holds some.
    pub fn texts(&self, key: &str) -> Option<&[String]> {
        match self.get(key) {
            Some(Value::Texts(texts)) => Some(texts),
            _ => None,
        }
    }

    /// Numbers, if the key is there and holds some.
    pub fn numbers(&self, key: &str) -> Option<&[f64]> {
        match self.get(key) {
            Some(Value::Numbers(numbers)) => Some(numbers),
            _ => None,
        }
    }

    /// Where a tensor lies.
    pub fn tensor(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// A tensor's bytes, as long as its shape and format ask for.
    pub fn bytes(&self, info: &TensorInfo) -> &[u8] {
        self.map.get(info.bytes.clone()).unwrap_or_default()
    }

    /// All tensors.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.tensors.iter().map(|(name, info)| (name.as_str(), info))
    }

    /// The format of most of its bytes, in lower case: `q4_k`. It names the file's kind of numbers, though small tensors
    /// often have another.
    pub fn main_format(&self) -> String {
        let mut sizes = std::collections::BTreeMap::<String, usize>::new();
        for (_, info) in self.tensors() {
            *sizes.entry(format!("{:?}", info.format).to_lowercase()).or_default() += info.bytes.len();
        }
        sizes.into_iter().max_by_key(|(_, bytes)| *bytes).map(|(format, _)| format).unwrap_or_default()
    }
}

struct Reader<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
}

type Header = (HashMap<String, Value>, HashMap<String, TensorInfo>);

impl<'a> Reader<'a> {
    fn damaged<T>(&self, what: impl Into<String>, detail: &'static str) -> Result<T, GgufError> {
        Err(GgufError::Damaged { path: self.path.to_owned(), what: what.into(), offset: self.at, detail })
    }

    fn take(&mut self, length: usize, what: &str) -> Result<&'a [u8], GgufError> {
        match self.bytes.get(self.at..).and_then(|rest| rest.get(..length)) {
            Some(bytes) => {
                self.at += length;
                Ok(bytes)
            }
            None => self.damaged(what, "the file ends before it"),
        }
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], GgufError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    fn u32(&mut self, what: &str) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &str) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A count of things of at least `least` bytes each, believed only if the file has room for them.
    fn count(&mut self, least: usize, what: &str) -> Result<usize, GgufError> {
        let count = self.u64(what)?;
        let room = (self.bytes.len() - self.at) / least.max(1);
        match usize::try_from(count) {
            Ok(count) if count <= room => Ok(count),
            _ => self.damaged(what, "it is larger than the file has room for"),
        }
    }

    fn text(&mut self, what: &str) -> Result<String, GgufError> {
        let length = self.count(1, what)?;
        Ok(String::from_utf8_lossy(self.take(length, what)?).into_owned())
    }

    fn header(mut self) -> Result<Header, GgufError> {
        let magic: [u8; 4] = match self.bytes.get(..4) {
            Some(bytes) => [bytes[0], bytes[1], bytes[2], bytes[3]],
            None => return self.damaged("the header", "the file ends before it"),
        };
        if magic != *b"GGUF" {
            let found = match std::str::from_utf8(&magic) {
                Ok(text) if text.chars().all(|char| !char.is_control()) => format!("{text:?}"),
                _ => format!("the bytes {magic:02x?}"),
            };
            return Err(GgufError::Magic { path: self.path.to_owned(), found });
        }
        self.at = 4;
        let version = self.u32("the version")?;
        if !(2..=3).contains(&version) {
            return Err(GgufError::Version { path: self.path.to_owned(), version });
        }
        let tensor_count = self.count(24, "the number of tensors")?;
        let key_count = self.count(13, "the number of metadata keys")?;
        let mut metadata = HashMap::new();
        for _ in 0..key_count {
            let key = self.text("a metadata key")?;
            let kind = self.u32(&key)?;
            let value = self.value(kind, &key)?;
            if metadata.contains_key(&key) {
                return self.damaged(key, "the key is there twice");
            }
            metadata.insert(key, value);
        }
        let alignment = match metadata.get("general.alignment") {
            None => 32,
            Some(&Value::Unsigned(value)) if value.is_power_of_two() && value <= 1 << 16 => value as usize,
            Some(_) => return self.damaged("general.alignment", "it must be a power of two up to 65536"),
        };
        let tensors = self.tensors(tensor_count, alignment)?;
        Ok((metadata, tensors))
    }

    fn value(&mut self, kind: u32, key: &str) -> Result<Value, GgufError> {
        Ok(match kind {
            8 => Value::Text(self.text(key)?),
            9 => {
                let kind = self.u32(key)?;
                match kind {
                    8 => {
                        let count = self.count(8, key)?;
                        Value::Texts((0..count).map(|_| self.text(key)).collect::<Result<_, _>>()?)
                    }
                    9 => {
                        self.skip_arrays(key, 0)?;
                        Value::Nested
                    }
                    _ => {
                        let width = width(kind)
                            .map_or_else(|| self.damaged(key, "its kind of value is unknown"), Ok)?;
                        let count = self.count(width, key)?;
                        let numbers = (0..count).map(|_| {
                            Ok(match self.scalar(kind, key)? {
                                Value::Unsigned(value) => value as f64,
                                Value::Signed(value) => value as f64,
                                Value::Float(value) => value,
                                Value::Bool(value) => f64::from(u8::from(value)),
                                _ => 0.0,
                            })
                        });
                        Value::Numbers(numbers.collect::<Result<_, GgufError>>()?)
                    }
                }
            }
            _ => self.scalar(kind, key)?,
        })
    }

    fn scalar(&mut self, kind: u32, key: &str) -> Result<Value, GgufError> {
        Ok(match kind {
            0 => Value::Unsigned(u64::from(self.array::<1>(key)?[0])),
            1 => Value::Signed(i64::from(i8::from_le_bytes(self.array(key)?))),
            2 => Value::Unsigned(u64::from(u16::from_le_bytes(self.array(key)?))),
            3 => Value::Signed(i64::from(i16::from_le_bytes(self.array(key)?))),
            4 => Value::Unsigned(u64::from(self.u32(key)?)),
            5 => Value::Signed(i64::from(i32::from_le_bytes(self.array(key)?))),
            6 => Value::Float(f64::from(f32::from_le_bytes(self.array(key)?))),
            7 => Value::Bool(self.array::<1>(key)?[0] != 0),
            10 => Value::Unsigned(self.u64(key)?),
            11 => Value::Signed(i64::from_le_bytes(self.array(key)?)),
            12 => Value::Float(f64::from_le_bytes(self.array(key)?)),
            _ => return self.damaged(key, "its kind of value is unknown"),
        })
    }

    fn skip_arrays(&mut self, key: &str, depth: usize) -> Result<(), GgufError> {
        if depth > 4 {
            return self.damaged(key, "its arrays are nested too deep");
        }
        for _ in 0..self.count(12, key)? {
            let kind = self.u32(key)?;
            match (kind, width(kind)) {
                (8, _) => {
                    for _ in 0..self.count(8, key)? {
                        self.text(key)?;
                    }
                }
                (9, _) => self.skip_arrays(key, depth + 1)?,
                (_, Some(width)) => {
                    let count = self.count(width, key)?;
                    self.take(count * width, key)?;
                }
                _ => return self.damaged(key, "its kind of value is unknown"),
            }
        }
        Ok(())
    }

    fn tensors(&mut self, count: usize, alignment: usize) -> Result<HashMap<String, TensorInfo>, GgufError> {
        let mut found = Vec::with_capacity(count);
        for _ in 0..count {
            let name = self.text("a tensor's name")?;
            let dimensions = self.u32(&name)?;
            if !(1..=4).contains(&dimensions) {
                return self.damaged(name, "a tensor has one to four dimensions");
            }
            let mut shape = Vec::with_capacity(4);
            for _ in 0..dimensions {
                match usize::try_from(self.u64(&name)?) {
                    Ok(length) if length > 0 => shape.push(length),
                    _ => return self.damaged(name, "a dimension is 0 or too large"),
                }
            }
            shape.reverse();
            while shape.len() > 2 && shape[0] == 1 {
                shape.remove(0);
            }
            let format = Format::from_code(self.u32(&name)?);
            let offset = self.u64(&name)?;
            let Some(size) = format.bytes_of(&shape) else {
                return self.damaged(name, "its size is absurd or its rows are not whole blocks");
            };
            found.push((name, shape, format, offset, size));
        }
        // Weights begin at the next multiple of the alignment.
        let Some(start) = self.at.checked_next_multiple_of(alignment) else {
            return self.damaged("the weights", "they begin beyond the end of the file");
        };
        let mut tensors = HashMap::with_capacity(found.len());
        for (name, shape, format, offset, size) in found {
            let begin = usize::try_from(offset).ok().and_then(|offset| start.checked_add(offset));
            let bytes = begin.and_then(|begin| Some(begin..begin.checked_add(size)?));
            let Some(bytes) = bytes.filter(|bytes| bytes.end <= self.bytes.len()) else {
                return self.damaged(name, "its weights lie beyond the end of the file");
            };
            if tensors.contains_key(&name) {
                return self.damaged(name, "the tensor is there twice");
            }
            tensors.insert(name, TensorInfo { shape, format, bytes });
        }
        Ok(tensors)
    }
}

/// Bytes of a number or truth value of a kind.
const fn width(kind: u32) -> Option<usize> {
    Some(match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        _ => return None,
    })
}
