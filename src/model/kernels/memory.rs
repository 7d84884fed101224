//! Rooms for activations, and large buffers for weights, on huge pages where the system has them: weights are streamed, and small pages cost a lookup each.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

/// Numbers for which all bits zero is zero and any bits are valid.
pub trait Plain: Copy + Default + Send + Sync {}
impl Plain for f32 {}
impl Plain for i8 {}

/// A fixed number of zeroed numbers, aligned to a page.
pub struct Buffer<T> {
    store: Store<T>,
    len: usize,
}

enum Store<T> {
    Mapped(MmapMut),
    Plain(Vec<T>),
}

impl<T: Plain> Buffer<T> {
    /// A buffer of zeros.
    pub fn new(len: usize) -> Self {
        let bytes = len * size_of::<T>();
        // Small ones, and any where the system refuses a map, are plain.
        let mapped = if bytes < 1 << 20 { None } else { MmapMut::map_anon(bytes).ok() };
        let store = match mapped {
            Some(map) => {
                #[cfg(target_os = "linux")]
                let _ = map.advise(memmap2::Advice::HugePage);
                Store::Mapped(map)
            }
            None => Store::Plain(vec![T::default(); len]),
        };
        Self { store, len }
    }
}

impl<T: Plain> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.store {
            // SAFETY: the map has `len` numbers, is aligned to a page, and any bits are a `T`.
            Store::Mapped(map) => unsafe { std::slice::from_raw_parts(map.as_ptr().cast(), self.len) },
            Store::Plain(values) => values,
        }
    }
}

impl<T: Plain> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.store {
            // SAFETY: as above, and exclusively borrowed.
            Store::Mapped(map) => unsafe {
                std::slice::from_raw_parts_mut(map.as_mut_ptr().cast(), self.len)
            },
            Store::Plain(values) => values,
        }
    }
}

/// The distance between rows of activations: whole vectors, and no multiple of a page's quarter, which would put the rows
/// of a tile into the same few places of the cache.
pub fn stride(width: usize) -> usize {
    let whole = width.next_multiple_of(16);
    if whole.is_multiple_of(256) { whole + 16 } else { whole }
}

/// A buffer of at least this many numbers.
pub fn room(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}
