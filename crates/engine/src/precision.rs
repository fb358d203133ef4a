//! What activations and their gradients are stored as.

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

impl Precision {
    /// Bytes of a stored value.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }
}
