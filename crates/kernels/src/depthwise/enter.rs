//! How pixels enter: one vector of channels of a row, normalised.

use crate::simd::Vector;
use crate::tile::Rows;

/// Writes the channels `channel ..` of `width` pixels as vectors, one behind the other; the first pixel's values stand at
/// `first`, the next ones' `channels` further. Lanes past the last channel hold rubbish (the map of a zero).
///
/// # Safety
/// The values are readable, `to` is writable, and per-channel vectors are padded; there is no gate.
#[inline(always)]
pub(crate) unsafe fn enter<V: Vector>(
    from: &impl Rows,
    first: usize,
    width: usize,
    channels: usize,
    channel: usize,
    to: *mut f32,
) {
    // SAFETY: the caller's promise; partial vectors read only what is there.
    unsafe {
        let map = from.map::<V>(0, channels, channel);
        let write = |x: usize, lanes: usize| {
            let value: V = from.value(map, first + x * channels, lanes);
            value.store(to.add(x * V::LANES));
        };
        // Two loops, so that the usual one loads whole vectors without a question.
        if channels - channel >= V::LANES {
            (0..width).for_each(|x| write(x, V::LANES));
        } else {
            (0..width).for_each(|x| write(x, channels - channel));
        }
    }
}
