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
    // Two calls, so that the usual one loads whole vectors without a question. Not a closure: one that is called from two
    // places may not be inlined, and then every instruction in it is a call.
    // SAFETY: the caller's promise; partial vectors read only what is there.
    unsafe {
        match channels - channel {
            lanes if lanes < V::LANES => enter_lanes::<V>(from, first, width, channels, channel, to, lanes),
            _ => enter_lanes::<V>(from, first, width, channels, channel, to, V::LANES),
        }
    }
}

#[inline(always)]
unsafe fn enter_lanes<V: Vector>(
    from: &impl Rows,
    first: usize,
    width: usize,
    channels: usize,
    channel: usize,
    to: *mut f32,
    lanes: usize,
) {
    // SAFETY: as above.
    unsafe {
        let map = from.map::<V>(0, channels, channel);
        for x in 0..width {
            let value: V = from.value(map, first + x * channels, lanes);
            value.store(to.add(x * V::LANES));
        }
    }
}
