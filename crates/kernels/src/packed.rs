//! Weights laid out for the sweeps, and how they are.

use crate::dense::{Dense, on_tiles};
use crate::depthwise::Depthwise;
use crate::tiles::{DEPTH, SIDE};
use crate::{Element, Isa, padded};
use half::bf16;

/// Weights that packing laid out in memory that somebody else owns.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    layout: Layout,
    memory: &'a [f32],
}

/// How weights are laid out, and for what: known once they are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    order: Order,
    product: Product,
    kernel: usize,
    c_in: usize,
    c_out: usize,
}

/// The order of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Float32, blocked like a tile of a right factor: `[columns / lanes][K][lanes]`.
    Blocks { lanes: usize },
    /// bfloat16, right tiles of a matrix unit: `[columns / 16][K / 32]`.
    Tiles,
    /// Float32, the taps of a vector of channels together: `[C / MAX_LANES][taps][MAX_LANES]`.
    Taps,
}

/// The product that weights are a factor of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    /// The output.
    Forward,
    /// The gradient of the input.
    Transposed,
}

impl Layout {
    /// Of a dense convolution's weights for values of type `E`.
    pub(crate) fn dense<E: Element>(isa: Isa, conv: &Dense, product: Product) -> Self {
        let order = match on_tiles::<E>(isa) {
            true => Order::Tiles,
            false => Order::Blocks { lanes: isa.lanes() },
        };
        Self {
            order,
            product,
            kernel: conv.kernel,
            c_in: conv.c_in,
            c_out: conv.c_out,
        }
    }

    /// Of a depthwise convolution's weights.
    pub(crate) fn depthwise(conv: &Depthwise) -> Self {
        Self {
            order: Order::Taps,
            product: Product::Forward,
            kernel: conv.kernel,
            c_in: 1,
            c_out: conv.channels,
        }
    }

    /// Float32 values that the weights take.
    fn len(&self) -> usize {
        let taps = self.kernel * self.kernel;
        let (depth, columns) = match self.product {
            Product::Forward => (taps * self.c_in, self.c_out),
            Product::Transposed => (taps * self.c_out, self.c_in),
        };
        match self.order {
            Order::Blocks { lanes } => depth * columns.next_multiple_of(lanes),
            Order::Tiles => depth.next_multiple_of(DEPTH) * columns.next_multiple_of(SIDE) / 2,
            Order::Taps => depth * padded(columns),
        }
    }
}

impl<'a> Packed<'a> {
    /// Weights in the memory that packing left them in.
    ///
    /// # Panics
    /// The memory is too short for the layout.
    pub fn new(layout: Layout, memory: &'a [f32]) -> Self {
        assert!(memory.len() >= layout.len(), "{layout:?} needs {} values", layout.len());
        Self { layout, memory }
    }

    /// How the weights are laid out.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Asserts that the weights are laid out as a sweep reads them.
    pub(crate) fn check(&self, read: Layout) {
        assert_eq!(
            self.layout, read,
            "weights are packed otherwise than a sweep reads them"
        );
    }

    /// The start of the values.
    pub(crate) fn as_ptr(&self) -> *const f32 {
        self.memory.as_ptr()
    }

    /// The start of the values of tiles.
    pub(crate) fn tiles(&self) -> *const bf16 {
        self.memory.as_ptr().cast()
    }
}
