//! What activations and their gradients are stored as, and which.

mnasnet_choice::choices! {
    /// Storage of activations and gradients between layers. Statistics, weights, their gradients, pooled features and logits are
    /// float32 with either.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub enum Precision {
        /// float32 storage and arithmetic.
        #[default]
        F32 = "f32",
        /// bfloat16 storage, half the memory traffic.
        ///
        /// Products are bfloat16 with float32 sums where the machine has a matrix unit, float32 elsewhere.
        Bf16 = "bf16",
    }
}

/// How a step of training keeps activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storage {
    /// What activations and their gradients are stored as.
    pub precision: Precision,
    /// Whether the outputs of expansions are computed again in the backward sweep rather than kept until then: less memory, more
    /// work, the same bits.
    pub recompute: bool,
}

impl From<Precision> for Storage {
    /// Everything is kept.
    fn from(precision: Precision) -> Self {
        Self {
            precision,
            recompute: false,
        }
    }
}

impl Precision {
    /// Bytes of a stored value.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }
}
