//! Where packed weights lie.

use mnasnet_kernels::{Layout, Packed};
use std::ops::Range;

/// A stretch of memory for a node's packed weights.
#[derive(Default)]
pub(crate) struct Stretch {
    place: Range<usize>,
    /// Once weights are packed.
    layout: Option<Layout>,
}

impl Stretch {
    /// A stretch that holds nothing yet.
    pub fn new(place: Range<usize>) -> Self {
        Self { place, layout: None }
    }

    /// Packs weights into the stretch of `memory`.
    pub fn fill(&mut self, memory: &mut [f32], pack: impl FnOnce(&mut [f32]) -> Packed<'_>) {
        self.layout = Some(pack(&mut memory[self.place.clone()]).layout());
    }

    /// The weights in the stretch of `memory`.
    pub fn packed<'a>(&self, memory: &'a [f32]) -> Packed<'a> {
        let layout = self.layout.expect("weights are packed before a sweep reads them");
        Packed::new(layout, &memory[self.place.clone()])
    }
}
