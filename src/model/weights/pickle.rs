//! A reader of Python pickles that executes nothing: it knows the instructions and the few names that a PyTorch
//! state dictionary is made of, and refuses all others by name.
//!
//! Containers live in one arena and refer to each other by number, so that no nesting, however deep or circular,
//! can overflow a stack or leak.

use candle_core::DType;

/// Why a pickle was not read; the caller adds the file.
#[derive(Debug)]
pub(super) enum PickleError {
    /// Not of the expected form.
    Malformed(&'static str, usize),
    /// Something that a state dictionary does not need.
    Forbidden(String),
}

type Result<T> = std::result::Result<T, PickleError>;

/// The names that may be called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(DType),
    /// A storage of a type that candle cannot hold; a tensor of it is left out.
    OtherStorage,
}

/// Some elements of a storage.
#[derive(Debug, Clone)]
pub(super) struct TensorRef {
    pub storage: usize,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// A run of numbers that lies outside the pickle.
#[derive(Debug, Clone)]
pub(super) struct Storage {
    /// Its name: a number in the arena's strings, for a hostile file may repeat a long one.
    pub key: usize,
    /// `None`: of a type that is not read.
    pub dtype: Option<DType>,
    pub elements: usize,
}

/// A value; containers by their number in the arena.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    None,
    Bool,
    Int(i64),
    Float,
    Str(usize),
    Global(Global),
    Tuple(usize),
    List(usize),
    Dict(usize),
    Storage(usize),
    Tensor(usize),
    Mark,
}

/// All that a pickle made.
#[derive(Default)]
pub(super) struct Arena {
    pub strings: Vec<String>,
    pub lists: Vec<Vec<Value>>,
    pub dicts: Vec<Vec<(Value, Value)>>,
    pub storages: Vec<Storage>,
    pub tensors: Vec<TensorRef>,
}

impl Arena {
    pub fn str(&self, value: Value) -> Option<&str> {
        match value {
            Value::Str(i) => self.strings.get(i).map(String::as_str),
            _ => None,
        }
    }

    pub fn tuple(&self, value: Value) -> Option<&[Value]> {
        match value {
            Value::Tuple(i) | Value::List(i) => self.lists.get(i).map(Vec::as_slice),
            _ => None,
        }
    }

    fn sizes(&self, value: Value) -> Option<Vec<usize>> {
        self.tuple(value)
            .filter(|sizes| sizes.len() <= super::MAX_DIMS)?
            .iter()
            .map(|v| if let Value::Int(i) = v { usize::try_from(*i).ok() } else { None })
            .collect()
    }
}

/// Reads one pickle from the beginning of `bytes`: its value, and how many bytes it took.
pub(super) fn read(bytes: &[u8], arena: &mut Arena) -> Result<(Value, usize)> {
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), memo: Vec::new(), arena };
    let value = machine.run()?;
    Ok((value, machine.at))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    memo: Vec<Option<Value>>,
    arena: &'a mut Arena,
}

impl Machine<'_> {
    fn bad<T>(&self, what: &'static str) -> Result<T> {
        Err(PickleError::Malformed(what, self.at))
    }

    fn take(&mut self, count: usize) -> Result<&[u8]> {
        let Some(end) = self.at.checked_add(count).filter(|&end| end <= self.bytes.len()) else {
            return self.bad("the pickle is cut off");
        };
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Result<usize> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn line(&mut self) -> Result<String> {
        let rest = &self.bytes[self.at..];
        let Some(end) = memchr::memchr(b'\n', rest) else { return self.bad("a line has no end") };
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        self.at += end + 1;
        Ok(line)
    }

    fn text(&mut self, len: usize) -> Result<()> {
        let text = String::from_utf8_lossy(self.take(len)?).into_owned();
        self.arena.strings.push(text);
        self.stack.push(Value::Str(self.arena.strings.len() - 1));
        Ok(())
    }

    fn pop(&mut self) -> Result<Value> {
        match self.stack.pop() {
            Some(Value::Mark) | None => self.bad("the stack is empty"),
            Some(value) => Ok(value),
        }
    }

    /// What was pushed since the last mark.
    fn since_mark(&mut self) -> Result<Vec<Value>> {
        let Some(mark) = self.stack.iter().rposition(|v| matches!(v, Value::Mark)) else {
            return self.bad("a mark is missing");
        };
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn push_tuple(&mut self, items: Vec<Value>) {
        self.arena.lists.push(items);
        self.stack.push(Value::Tuple(self.arena.lists.len() - 1));
    }

    fn push_list(&mut self) {
        self.arena.lists.push(Vec::new());
        self.stack.push(Value::List(self.arena.lists.len() - 1));
    }

    fn push_dict(&mut self) {
        self.arena.dicts.push(Vec::new());
        self.stack.push(Value::Dict(self.arena.dicts.len() - 1));
    }

    fn last_n(&mut self, count: usize) -> Result<()> {
        let mut items = vec![Value::None; count];
        for slot in items.iter_mut().rev() {
            *slot = self.pop()?;
        }
        self.push_tuple(items);
        Ok(())
    }

    fn set_items(&mut self, items: Vec<Value>) -> Result<()> {
        let Some(Value::Dict(dict)) = self.stack.last().copied() else {
            return self.bad("items are set on something that is no dictionary");
        };
        let (pairs, []) = items.as_chunks::<2>() else { return self.bad("a key has no value") };
        self.arena.dicts[dict].extend(pairs.iter().map(|[key, value]| (*key, *value)));
        Ok(())
    }

    fn append(&mut self, items: Vec<Value>) -> Result<()> {
        let Some(Value::List(list)) = self.stack.last().copied() else {
            return self.bad("items are appended to something that is no list");
        };
        self.arena.lists[list].extend(items);
        Ok(())
    }

    fn put(&mut self, slot: usize) -> Result<()> {
        let Some(&value) = self.stack.last() else { return self.bad("the stack is empty") };
        // Each memo entry takes an instruction to make, so that their numbers stay below the pickle's length.
        if slot >= self.bytes.len() {
            return self.bad("a memo number is absurd");
        }
        if self.memo.len() <= slot {
            self.memo.resize(slot + 1, None);
        }
        self.memo[slot] = Some(value);
        Ok(())
    }

    fn get(&mut self, slot: usize) -> Result<()> {
        match self.memo.get(slot).copied().flatten() {
            Some(value) => self.stack.push(value),
            None => return self.bad("a memo entry is missing"),
        }
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<()> {
        let global = match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
            ("torch", "FloatStorage") => Global::Storage(DType::F32),
            ("torch", "HalfStorage") => Global::Storage(DType::F16),
            ("torch", "BFloat16Storage") => Global::Storage(DType::BF16),
            ("torch", "DoubleStorage") => Global::Storage(DType::F64),
            ("torch", "LongStorage") => Global::Storage(DType::I64),
            ("torch", "IntStorage") => Global::Storage(DType::I32),
            ("torch", "ShortStorage") => Global::Storage(DType::I16),
            ("torch", "ByteStorage") => Global::Storage(DType::U8),
            ("torch", "BoolStorage" | "CharStorage") => Global::OtherStorage,
            _ => return Err(PickleError::Forbidden(format!("{module}.{name}"))),
        };
        self.stack.push(Value::Global(global));
        Ok(())
    }

    /// `('storage', type, key, location, elements[, view])`.
    fn persistent(&mut self) -> Result<()> {
        let id = self.pop()?;
        let Some(&[tag, kind, key, _, Value::Int(elements), ..]) = self.arena.tuple(id) else {
            return self.bad("a storage is not described as one");
        };
        let (Some("storage"), Value::Str(key)) = (self.arena.str(tag), key) else {
            return self.bad("a storage is not described as one");
        };
        let dtype = match kind {
            Value::Global(Global::Storage(dtype)) => Some(dtype),
            Value::Global(Global::OtherStorage) => None,
            _ => return self.bad("a storage has no type"),
        };
        let Ok(elements) = usize::try_from(elements) else {
            return self.bad("a storage has a negative size");
        };
        let storage = Storage { key, dtype, elements };
        self.arena.storages.push(storage);
        self.stack.push(Value::Storage(self.arena.storages.len() - 1));
        Ok(())
    }

    fn reduce(&mut self) -> Result<()> {
        let arguments = self.pop()?;
        let Value::Global(callee) = self.pop()? else {
            return self.bad("something is called that has no name");
        };
        let Some(arguments) = self.arena.tuple(arguments) else { return self.bad("a call has no arguments") };
        match (callee, arguments) {
            (Global::OrderedDict, []) => self.push_dict(),
            (Global::RebuildTensor, &[Value::Storage(storage), Value::Int(offset), shape, strides, ..]) => {
                let sizes = (self.arena.sizes(shape), self.arena.sizes(strides), usize::try_from(offset));
                let (Some(shape), Some(strides), Ok(offset)) = sizes else {
                    return self.bad("a tensor has an absurd size");
                };
                self.arena.tensors.push(TensorRef { storage, offset, shape, strides });
                self.stack.push(Value::Tensor(self.arena.tensors.len() - 1));
            }
            (Global::RebuildParameter, &[tensor @ Value::Tensor(_), ..]) => self.stack.push(tensor),
            _ => return self.bad("a call has the wrong arguments"),
        }
        Ok(())
    }

    fn run(&mut self) -> Result<Value> {
        loop {
            match self.byte()? {
                b'.' => return self.pop(),
                0x80 => {
                    self.byte()?;
                }
                0x95 => {
                    self.take(8)?;
                }
                b'(' => self.stack.push(Value::Mark),
                b'}' => self.push_dict(),
                b']' => self.push_list(),
                b')' => self.push_tuple(Vec::new()),
                b't' => {
                    let items = self.since_mark()?;
                    self.push_tuple(items);
                }
                0x85 => self.last_n(1)?,
                0x86 => self.last_n(2)?,
                0x87 => self.last_n(3)?,
                b'N' => self.stack.push(Value::None),
                0x88 | 0x89 => self.stack.push(Value::Bool),
                b'J' => {
                    let value = i32::from_le_bytes(self.array()?);
                    self.stack.push(Value::Int(value.into()));
                }
                b'K' => {
                    let value = self.byte()?;
                    self.stack.push(Value::Int(value.into()));
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.array()?);
                    self.stack.push(Value::Int(value.into()));
                }
                0x8a => {
                    let len = usize::from(self.byte()?);
                    if len > 16 {
                        return self.bad("an integer is absurdly long");
                    }
                    let mut bytes = [0u8; 16];
                    let digits = self.take(len)?;
                    let fill = if digits.last().is_some_and(|top| top & 0x80 != 0) { 0xff } else { 0 };
                    bytes[len..].fill(fill);
                    bytes[..len].copy_from_slice(digits);
                    // The legacy format's magic number has 80 bits: as a size it is as absurd as any other.
                    let value = i64::try_from(i128::from_le_bytes(bytes)).unwrap_or(i64::MIN);
                    self.stack.push(Value::Int(value));
                }
                b'G' => {
                    self.take(8)?;
                    self.stack.push(Value::Float);
                }
                b'X' | b'T' => {
                    let len = self.u32()?;
                    self.text(len)?;
                }
                0x8c | b'U' => {
                    let len = usize::from(self.byte()?);
                    self.text(len)?;
                }
                b'q' => {
                    let slot = usize::from(self.byte()?);
                    self.put(slot)?;
                }
                b'r' => {
                    let slot = self.u32()?;
                    self.put(slot)?;
                }
                0x94 => self.put(self.memo.len())?,
                b'h' => {
                    let slot = usize::from(self.byte()?);
                    self.get(slot)?;
                }
                b'j' => {
                    let slot = self.u32()?;
                    self.get(slot)?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.global(&module, &name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let (Some(module), Some(name)) = (self.arena.str(module), self.arena.str(name)) else {
                        return self.bad("a name is no text");
                    };
                    let (module, name) = (module.to_owned(), name.to_owned());
                    self.global(&module, &name)?;
                }
                b'Q' => self.persistent()?,
                b'R' => self.reduce()?,
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set_items(vec![key, value])?;
                }
                b'u' => {
                    let items = self.since_mark()?;
                    self.set_items(items)?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                b'e' => {
                    let items = self.since_mark()?;
                    self.append(items)?;
                }
                // The attributes of an ordered dictionary (`_metadata`): of no use here.
                b'b' => {
                    self.pop()?;
                    if !matches!(self.stack.last(), Some(Value::Dict(_))) {
                        return self.bad("attributes are set on something that is no dictionary");
                    }
                }
                code => return Err(PickleError::Forbidden(format!("pickle instruction 0x{code:02x}"))),
            }
        }
    }
}
