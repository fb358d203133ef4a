//! A run: how it starts, its epochs and steps, what it saves, and how it goes back or on.

pub(crate) mod broadcast;
pub mod ema;
pub(crate) mod epochs;
mod resume;
mod roll_back;
mod saving;
pub mod start;
mod step;
