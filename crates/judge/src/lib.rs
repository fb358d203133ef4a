//! Models judged on photos: evaluated, compared, and measured to be quantised or restated.
//!
//! A [`classifier::Classifier`] turns photos into logits, whatever kind of model it is. [`evaluate`] counts its hits over a set,
//! [`compare`] runs two side by side. [`quantise`] and [`recalibrate`] watch a network while it looks at photos. Nothing here knows
//! settings or files of weights.
//!
//! Invariant: every image of a set is counted, exactly.
#![forbid(unsafe_code)]

pub mod classifier;
pub mod compare;
mod error;
pub mod evaluate;
mod photos;
pub mod quantise;
pub mod ranks;
pub mod recalibrate;
pub mod score;

pub use error::JudgeError;
