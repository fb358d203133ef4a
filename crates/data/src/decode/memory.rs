//! How much memory photos take while they are decoded and used.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::{DecodeError, RgbImage};

/// The most memory that decoding one photo may take, the pixels included: 640 MiB. A JPEG of one baseline scan has 220
/// megapixels with it.
pub const MAX_PHOTO_MEMORY: usize = 640 << 20;

/// What any thread may take.
const SMALL: usize = 64 << 20;

/// What all photos together take that need more than [`SMALL`]; more than one photo may.
const SHARED: usize = 2 << 30;

/// How much of [`SHARED`] is taken.
static TAKEN: Mutex<usize> = Mutex::new(0);
static GIVEN_BACK: Condvar = Condvar::new();

/// A part of the memory that large photos share; its end gives it back.
#[derive(Debug)]
pub(super) struct Loan(usize);

impl Loan {
    /// Waits until there are `bytes`; none are needed for a small photo. Whoever waits must have no loan.
    pub(super) fn take(bytes: usize) -> Option<Self> {
        if bytes <= SMALL {
            return None;
        }
        let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = GIVEN_BACK
            .wait_while(taken, |taken| *taken + bytes > SHARED)
            .unwrap_or_else(PoisonError::into_inner);
        *taken += bytes;
        Some(Self(bytes))
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        GIVEN_BACK.notify_all();
    }
}

/// `len` values, or an error where the system has no memory for them.
pub(super) fn filled<T: Clone>(value: T, len: usize) -> Result<Vec<T>, DecodeError> {
    let mut values = Vec::new();
    size(&mut values, value, len)?;
    Ok(values)
}

/// Makes room for `width x height` pixels; what is in them is not said.
pub(super) fn resize(image: &mut RgbImage, width: usize, height: usize) -> Result<(), DecodeError> {
    size(&mut image.pixels, 0, width * height * 3)?;
    (image.width, image.height) = (width, height);
    Ok(())
}

/// Makes `values` as long as `len`; what was in them is lost where they grow.
pub(super) fn size<T: Clone>(values: &mut Vec<T>, value: T, len: usize) -> Result<(), DecodeError> {
    if len > values.capacity() {
        *values = Vec::new();
        let bytes = len.saturating_mul(size_of::<T>());
        let reserved = values.try_reserve_exact(len);
        reserved.map_err(|_| DecodeError::NoMemory { bytes })?;
    }
    values.resize(len, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_the_system_does_not_have_is_an_error() {
        let bytes = usize::MAX / 2;
        assert_eq!(filled(0u8, bytes), Err(DecodeError::NoMemory { bytes }));
    }

    #[test]
    fn large_photos_wait_for_each_other_and_small_ones_for_none() {
        let three = [(); 3].map(|()| Loan::take(MAX_PHOTO_MEMORY));
        assert!(Loan::take(SMALL).is_none());
        let fourth = thread::spawn(|| Loan::take(MAX_PHOTO_MEMORY).is_some());
        thread::sleep(Duration::from_millis(50));
        assert!(!fourth.is_finished());
        drop(three);
        assert!(fourth.join().unwrap());
    }
}
