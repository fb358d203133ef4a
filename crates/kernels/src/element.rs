//! How activations and their gradients are stored: as float32, or as bfloat16 with float32 arithmetic.

use crate::simd::Vector;
use crate::sweeps::Sweeps;
pub use half::bf16;

/// The type that activations and their gradients are stored in: `f32` or [`bf16`].
#[allow(private_bounds, reason = "nobody else implements it")]
pub trait Element: Sweeps + Stored + bytemuck::Pod + Default + Send + Sync + std::fmt::Debug {
    /// Whether it is bfloat16, half of float32.
    const IS_HALF: bool;
    /// Rounds to nearest, ties to even.
    fn from_f32(value: f32) -> Self;
    /// Exact.
    fn to_f32(self) -> f32;
}

/// Loads and stores of whole vectors and of their first lanes.
pub trait Stored: Copy {
    /// Reads the first `lanes` lanes, the other ones are zero.
    ///
    /// # Safety
    /// As many values are readable, `lanes <= V::LANES`, and the instruction set is there.
    #[doc(hidden)]
    unsafe fn load<V: Vector>(from: *const Self, lanes: usize) -> V;

    /// Writes the first `lanes` lanes.
    ///
    /// # Safety
    /// There is room for them, `lanes <= V::LANES`, and the instruction set is there.
    #[doc(hidden)]
    unsafe fn store<V: Vector>(value: V, to: *mut Self, lanes: usize);
}

impl Element for f32 {
    const IS_HALF: bool = false;
    fn from_f32(value: f32) -> Self {
        value
    }
    fn to_f32(self) -> f32 {
        self
    }
}

impl Element for bf16 {
    const IS_HALF: bool = true;
    fn from_f32(value: f32) -> Self {
        bf16::from_f32(value)
    }
    fn to_f32(self) -> f32 {
        self.to_f32()
    }
}

// SAFETY of the blocks below: the caller's promise.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Stored for f32 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const f32, lanes: usize) -> V {
        unsafe {
            if lanes == V::LANES {
                V::load(from)
            } else {
                V::load_part(from, lanes)
            }
        }
    }
    #[inline(always)]
    unsafe fn store<V: Vector>(value: V, to: *mut f32, lanes: usize) {
        unsafe {
            if lanes == V::LANES {
                value.store(to)
            } else {
                value.store_part(to, lanes)
            }
        }
    }
}

#[allow(clippy::undocumented_unsafe_blocks)]
impl Stored for bf16 {
    #[inline(always)]
    unsafe fn load<V: Vector>(from: *const bf16, lanes: usize) -> V {
        unsafe {
            if lanes == V::LANES {
                V::load_bf16(from)
            } else {
                V::load_bf16_part(from, lanes)
            }
        }
    }
    #[inline(always)]
    unsafe fn store<V: Vector>(value: V, to: *mut bf16, lanes: usize) {
        unsafe {
            if lanes == V::LANES {
                value.store_bf16(to)
            } else {
                value.store_bf16_part(to, lanes)
            }
        }
    }
}
