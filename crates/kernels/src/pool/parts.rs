//! What the tasks of a loop get: chunks of slices, each task its own.

use std::marker::PhantomData;

/// Things that fall into numbered parts, which tasks may hold at the same time.
///
/// # Safety
/// Two parts of different numbers may be used at once.
pub unsafe trait Parts: Sync {
    /// What a task gets.
    type Part;

    /// Number of parts.
    fn count(&self) -> usize;

    /// Part `i`.
    ///
    /// # Safety
    /// `i` is below the count, and nobody holds the part already.
    unsafe fn part(&self, i: usize) -> Self::Part;
}

/// A slice in chunks of `size` values, the last one perhaps shorter.
pub fn chunks<T>(slice: &[T], size: usize) -> Chunks<'_, T> {
    assert!(size > 0);
    Chunks { slice, size }
}

/// The same, to write.
pub fn chunks_mut<T>(slice: &mut [T], size: usize) -> ChunksMut<'_, T> {
    assert!(size > 0);
    ChunksMut {
        first: slice.as_mut_ptr(),
        len: slice.len(),
        size,
        borrowed: PhantomData,
    }
}

/// See [`chunks`].
pub struct Chunks<'a, T> {
    slice: &'a [T],
    size: usize,
}

/// See [`chunks_mut`].
pub struct ChunksMut<'a, T> {
    first: *mut T,
    len: usize,
    size: usize,
    borrowed: PhantomData<&'a mut [T]>,
}

// SAFETY: chunks are disjoint, and their values may move between threads.
unsafe impl<T: Send> Sync for ChunksMut<'_, T> {}

impl<T> ChunksMut<'_, T> {
    /// All of it, for tasks that write apart from each other, but not in chunks.
    pub(crate) fn first(&self) -> *mut T {
        self.first
    }
}

// SAFETY: shared slices.
unsafe impl<'a, T: Sync> Parts for Chunks<'a, T> {
    type Part = &'a [T];

    fn count(&self) -> usize {
        self.slice.len().div_ceil(self.size)
    }

    unsafe fn part(&self, i: usize) -> Self::Part {
        let from = i * self.size;
        &self.slice[from..self.slice.len().min(from + self.size)]
    }
}

// SAFETY: disjoint slices.
unsafe impl<'a, T: Send> Parts for ChunksMut<'a, T> {
    type Part = &'a mut [T];

    fn count(&self) -> usize {
        self.len.div_ceil(self.size)
    }

    unsafe fn part(&self, i: usize) -> Self::Part {
        let from = i * self.size;
        // SAFETY: the range lies inside the slice; that nobody else holds it is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(from), self.size.min(self.len - from)) }
    }
}

/// Tasks that get nothing but their number.
// SAFETY: there is nothing to use.
unsafe impl Parts for usize {
    type Part = ();

    fn count(&self) -> usize {
        *self
    }

    unsafe fn part(&self, _: usize) {}
}

/// Side by side, as many as the shortest has.
macro_rules! side_by_side {
    ($($name:ident $at:tt),*) => {
        // SAFETY: as of each.
        unsafe impl<$($name: Parts),*> Parts for ($($name,)*) {
            type Part = ($($name::Part,)*);

            fn count(&self) -> usize {
                [$(self.$at.count()),*].into_iter().min().unwrap_or(0)
            }

            unsafe fn part(&self, i: usize) -> Self::Part {
                // SAFETY: the caller's promise.
                unsafe { ($(self.$at.part(i),)*) }
            }
        }
    };
}

side_by_side!(A 0, B 1);
side_by_side!(A 0, B 1, C 2);
side_by_side!(A 0, B 1, C 2, D 3, E 4);
