//! Settings of training: one table, the layers that fill it, and what other crates make of them.
//!
//! [`resolve`] lays recipe, file and flags over the defaults of the one table in [`config`]. [`wiring`] and [`photos`] turn settings
//! into the types of the engine and of the data sets. A setting's type says by [`setting::Setting`] how it is read.
//!
//! # Example
//! ```
//! use mnasnet_settings::resolve::Resolver;
//!
//! let mut layers = Resolver::new().recipe_or_file("mindspore")?;
//! layers.flag("epoch_size", "30")?;
//! let config = layers.finish()?;
//! assert_eq!((config.epoch_size, config.batch_size), (30, 256));
//! assert!(Resolver::new().flag("opt", "adam").is_err());
//! # Ok::<(), mnasnet_settings::resolve::ConfigError>(())
//! ```
#![forbid(unsafe_code)]

pub mod channels;
pub mod choices;
pub mod config;
pub mod error;
pub mod fine_tuning;
pub mod interval;
pub mod network_file;
pub mod photos;
pub mod resolve;
pub mod schedule;
pub mod setting;
mod share;
pub mod target;
pub mod wiring;
