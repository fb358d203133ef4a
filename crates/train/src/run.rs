//! A run: how it starts, its epochs and steps, what it saves, and how it goes back or on.

pub(crate) mod beginning;
mod broadcast;
pub mod ema;
mod epochs;
mod feed;
mod judging;
mod learner;
pub(crate) mod parts;
mod resume;
mod roll_back;
mod saver;
mod saving;
mod setup;
mod start;
mod teller;
