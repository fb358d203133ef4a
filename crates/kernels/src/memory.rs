//! Memory for activations and tiles: zeroed, aligned to pages, on huge pages where the system has them.

use crate::Element;
use std::ops::{Deref, DerefMut};

/// Bytes that are taken once. Vectors that start at multiples of 64 never cross cache lines, and with huge pages (a request,
/// which the system may ignore) sweeps over hundreds of megabytes do not wait for address translation.
#[derive(Debug, Default)]
pub struct Memory(Option<memmap2::MmapMut>);

impl Memory {
    /// Zeroed memory.
    ///
    /// # Errors
    /// The system has not that much.
    pub fn new(bytes: usize) -> std::io::Result<Self> {
        if bytes == 0 {
            return Ok(Self(None));
        }
        let map = memmap2::MmapOptions::new().len(bytes).map_anon()?;
        #[cfg(target_os = "linux")]
        if bytes >= 2 << 20 {
            // A kernel without huge pages refuses; then there are small ones.
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        Ok(Self(Some(map)))
    }

    /// The same for `count` values.
    ///
    /// # Errors
    /// As [`Memory::new`].
    pub fn of<E: Element>(count: usize) -> std::io::Result<Self> {
        Self::new(count * size_of::<E>())
    }

    /// As values.
    pub fn values<E: Element>(&self) -> &[E] {
        self.0.as_deref().map_or(&[], bytemuck::cast_slice)
    }

    /// As values, to write.
    pub fn values_mut<E: Element>(&mut self) -> &mut [E] {
        self.0.as_deref_mut().map_or(&mut [], bytemuck::cast_slice_mut)
    }
}

impl Deref for Memory {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or(&[])
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0.as_deref_mut().unwrap_or(&mut [])
    }
}
