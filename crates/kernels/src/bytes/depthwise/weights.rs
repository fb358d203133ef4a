//! Weights of depthwise convolutions: `[channels / L][kernel][parts][L][4]`, in vectors of L channels, filled up with zeros.

use super::{TAPS, parts};
use crate::Memory;
use crate::bytes::Unit;
use crate::depthwise::Depthwise;
use crate::padded;

/// A depthwise convolution's weights, packed.
pub struct Weights {
    unit: Unit,
    kernel: usize,
    channels: usize,
    packed: Memory,
}

impl Weights {
    /// Packs weights `[channels, kernel, kernel]` for `unit`.
    ///
    /// # Errors
    /// The system has not that much memory.
    ///
    /// # Panics
    /// Another number of weights.
    pub fn pack(unit: Unit, conv: &Depthwise, weight: &[i8]) -> std::io::Result<Self> {
        let (kernel, lanes) = (conv.kernel, unit.lanes());
        assert_eq!(weight.len(), conv.channels * kernel * kernel);
        let rows = kernel * parts(kernel);
        let mut packed = Memory::new(padded(conv.channels) * rows * TAPS)?;
        for (at, &weight) in weight.iter().enumerate() {
            let (channel, y, x) = (at / kernel / kernel, at / kernel % kernel, at % kernel);
            let row = channel / lanes * rows + y * parts(kernel) + x / TAPS;
            packed[(row * lanes + channel % lanes) * TAPS + x % TAPS] = weight.cast_unsigned();
        }
        Ok(Self {
            unit,
            kernel,
            channels: conv.channels,
            packed,
        })
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.packed.len()
    }

    pub(super) fn unit(&self) -> Unit {
        self.unit
    }

    pub(super) fn check(&self, conv: &Depthwise) {
        assert_eq!((self.kernel, self.channels), (conv.kernel, conv.channels));
    }

    /// The channels from `channel` on, which begins a vector.
    pub(super) fn from(&self, channel: usize) -> *const i8 {
        self.packed[channel * self.kernel * parts(self.kernel) * TAPS..]
            .as_ptr()
            .cast()
    }
}
