//! What the tests of several crates share. Only tests depend on this crate, and every function panics where something is wrong.
//!
//! - [`seeded`]: the golden fixtures' weights and images, made again. [`npy`]: the arrays beside them. [`splitmix64`]: numbers.
//! - [`browser`]: Chromium without a window.
//! - [`hub`]: a server that behaves as Hugging Face's hub and PyTorch's downloads do.
//! - [`place`]: the program in a fresh folder. [`process`]: the program as a process that is watched, stopped and limited.
//!   [`run`]: what training leaves.
//! - [`text`]: comparisons of texts that tell the lines that differ.

pub mod browser;
pub mod hub;
pub mod npy;
pub mod place;
pub mod process;
pub mod run;
pub mod seeded;
pub mod splitmix64;
pub mod text;

pub use place::{Place, TINY};
