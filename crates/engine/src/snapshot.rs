//! What training has learnt so far, as the host sees it.

use mnasnet_model::{Slot, Weights};

/// All that a step changes: a device that restores a snapshot trains on as the one that it was taken of.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Parameters and batch norm's running statistics.
    pub weights: Weights,
    /// The moving average of the weights, where one is kept.
    pub average: Option<Weights>,
    /// The optimizer's state by name, each as long as the parameters.
    pub slots: Vec<(&'static str, Vec<f32>)>,
}

impl Snapshot {
    /// A snapshot of nothing, to be filled.
    pub fn empty() -> Self {
        Self {
            weights: Weights {
                parameters: Vec::new(),
                buffers: Vec::new(),
            },
            average: None,
            slots: Vec::new(),
        }
    }

    /// The start of training: `weights`, and the state that an optimizer with such `slots` begins with.
    pub fn fresh(weights: Weights, slots: &[Slot]) -> Self {
        let count = weights.parameters.len();
        Self {
            slots: (slots.iter())
                .map(|slot| (slot.name, vec![slot.initial; count]))
                .collect(),
            weights,
            average: None,
        }
    }

    /// All vectors.
    pub fn vectors(&self) -> impl Iterator<Item = &[f32]> {
        let weights = [Some(&self.weights), self.average.as_ref()].into_iter().flatten();
        let weights = weights.flat_map(|weights| [&weights.parameters[..], &weights.buffers]);
        weights.chain(self.slots.iter().map(|(_, values)| &values[..]))
    }

    /// All vectors, to write.
    pub fn vectors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        let weights = [Some(&mut self.weights), self.average.as_mut()].into_iter().flatten();
        let weights = weights.flat_map(|weights| [&mut weights.parameters[..], &mut weights.buffers]);
        weights.chain(self.slots.iter_mut().map(|(_, values)| &mut values[..]))
    }

    /// Whether all values are numbers.
    pub fn is_finite(&self) -> bool {
        self.vectors().flatten().all(|value| value.is_finite())
    }

    /// Bytes of all values.
    pub fn bytes(&self) -> usize {
        self.vectors().map(size_of_val).sum()
    }
}
