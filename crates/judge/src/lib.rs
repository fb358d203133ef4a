//! Models judged on photos: evaluated, compared, and measured to be quantised or restated.
//!
//! A [`classifier::Classifier`] turns photos into logits, whatever kind of model it is. [`evaluate`] counts its hits over a set,
//! [`outcomes`] keeps what it says of each photo, [`temperature`] fits its probabilities to its hits, [`compare`] runs two
//! side by side. [`heat`] says where a network looks, [`vectors`] what it makes of photos before its classifier, [`neighbours`] which photos
//! are alike by that. [`quantise`] and [`recalibrate`] watch a network while it looks at photos. Nothing here knows settings or files of
//! weights.
//!
//! Invariant: every image of a set is counted, exactly.
//!
//! # Example
//! ```
//! use mnasnet_engine::{Loss, Smoothing};
//! use mnasnet_judge::score::Score;
//!
//! let loss = Loss { smoothing: 0.0, convention: Smoothing::Uniform };
//! let mut score = Score::default();
//! // Two images, three classes: the first image is right at once, the second one is not.
//! score.add(&[2.0, 0.0, 1.0, 0.5, 0.0, 0.2], &[0, 2], loss);
//! assert_eq!((score.images, score.correct1, score.correct5), (2, 1, 2));
//! assert_eq!(score.top1(), 0.5);
//! ```
#![forbid(unsafe_code)]

pub mod classifier;
pub mod compare;
mod error;
pub mod evaluate;
pub mod heat;
pub mod neighbours;
pub mod outcomes;
mod photos;
pub mod quantise;
pub mod ranks;
pub mod recalibrate;
pub mod score;
pub mod temperature;
pub mod tsne;
pub mod vectors;

pub use error::JudgeError;
