//! A slice that several threads write at disjoint places.

use std::marker::PhantomData;

/// Exclusive access to a slice, lent out by place; who takes a pointer sees to it that no two threads write one place.
#[derive(Clone, Copy)]
pub struct SharedSlice<'a, T> {
    start: *mut T,
    len: usize,
    life: PhantomData<&'a mut [T]>,
}

// SAFETY: it is only a pointer; every access goes through an unsafe block whose author vouches for disjointness.
unsafe impl<T: Send> Send for SharedSlice<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SharedSlice<'_, T> {}

impl<'a, T> SharedSlice<'a, T> {
    /// Takes a slice for as long as it is lent out.
    pub fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), life: PhantomData }
    }

    /// A pointer to a place (or the end).
    pub fn pointer(&self, place: usize) -> *mut T {
        assert!(place <= self.len, "a place beyond the slice");
        // SAFETY: inside the slice or at its end.
        unsafe { self.start.add(place) }
    }

    /// A part of the slice.
    ///
    /// # Safety
    /// No other thread may touch these places meanwhile.
    #[allow(clippy::mut_from_ref, reason = "disjointness is the caller's promise")]
    pub unsafe fn part(&self, range: std::ops::Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "a part beyond the slice");
        // SAFETY: inside the slice, and exclusive as the caller vouches.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}
