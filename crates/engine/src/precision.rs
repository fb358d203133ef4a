//! What activations and their gradients are stored as.

use crate::state::EngineError;
use mnasnet_kernels::{Isa, bf16};

/// Storage of activations and gradients between layers. Statistics, weights, their gradients, pooled features and logits are
/// float32 with either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// float32 storage and arithmetic.
    #[default]
    F32,
    /// bfloat16 storage, half the memory traffic. Products are bfloat16 with float32 sums where the machine has a matrix unit,
    /// float32 elsewhere.
    Bf16,
}

/// The instruction set that this program runs on: see [`Isa::detect`].
///
/// # Errors
/// A forced instruction set that the machine lacks.
pub fn isa() -> Result<Isa, EngineError> {
    Ok(Isa::detect()?)
}

impl Precision {
    /// What is used where nobody says: bfloat16 where this machine has a matrix unit for it, which is faster throughout. Elsewhere
    /// float32: bfloat16 would train somewhat faster, but predict single images slower.
    ///
    /// # Errors
    /// A forced instruction set that the machine lacks.
    pub fn auto() -> Result<Self, EngineError> {
        let matrix_unit = isa()?.has_tiles();
        Ok(if matrix_unit { Self::Bf16 } else { Self::F32 })
    }

    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// Bytes of a stored value.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => size_of::<f32>(),
            Self::Bf16 => size_of::<bf16>(),
        }
    }
}

/// Runs `$run` with `$element` standing for the type that values are stored in.
macro_rules! with_element {
    ($precision:expr, $element:ident => $run:expr) => {
        match $precision {
            $crate::Precision::F32 => {
                type $element = f32;
                $run
            }
            $crate::Precision::Bf16 => {
                type $element = mnasnet_kernels::bf16;
                $run
            }
        }
    };
}
pub(crate) use with_element;
