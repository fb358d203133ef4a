//! Weights as the product reads them: `[columns / L][depth / 4][L][4]`, in vectors of L columns, filled up with zeros. Sixteen rows of
//! that are a matrix unit's tile.

use super::{depth, line};
use crate::Memory;
use crate::bytes::Unit;
use crate::bytes::tiles::DEPTH;
use crate::dense::Dense;

/// A convolution's weights, packed.
pub struct Weights {
    unit: Unit,
    columns: usize,
    /// Bytes of a column: the left factor's rows, filled up.
    depth: usize,
    packed: Memory,
}

impl Weights {
    /// Packs weights `[c_out, c_in, kernel, kernel]` for `unit`.
    ///
    /// # Errors
    /// The system has not that much memory.
    ///
    /// # Panics
    /// Another number of weights.
    pub fn pack(unit: Unit, conv: &Dense, weight: &[i8]) -> std::io::Result<Self> {
        assert_eq!(weight.len(), conv.c_out * conv.c_in * conv.kernel * conv.kernel);
        let lanes = unit.lanes();
        let filled = depth(conv).next_multiple_of(if unit.has_tiles() { DEPTH } else { 4 });
        // Two vectors of columns are read at a time.
        let columns = conv.c_out.next_multiple_of(2 * lanes);
        let mut packed = Memory::new(columns * filled)?;
        let taps = conv.kernel * conv.kernel;
        for column in 0..conv.c_out {
            for tap in 0..taps {
                let (y, x) = (tap / conv.kernel, tap % conv.kernel);
                for channel in 0..conv.c_in {
                    let k = y * line(conv) + x * conv.c_in + channel;
                    let at = column / lanes * lanes * filled + k / 4 * lanes * 4 + column % lanes * 4 + k % 4;
                    packed[at] = weight[(column * conv.c_in + channel) * taps + tap].cast_unsigned();
                }
            }
        }
        Ok(Self {
            unit,
            columns,
            depth: filled,
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

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn check(&self, conv: &Dense) {
        assert!(self.depth - depth(conv) < DEPTH && self.depth >= depth(conv));
        assert_eq!(self.columns, conv.c_out.next_multiple_of(2 * self.unit.lanes()));
    }

    /// The columns from `column` on, which begins a vector.
    pub(super) fn from(&self, column: usize) -> *const i8 {
        self.packed[column * self.depth..].as_ptr().cast()
    }
}
