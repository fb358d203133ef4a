//! What a model gets wrong, of what it said of each photo ([`mnasnet_judge::outcomes`]): numbers, tables and a page.
//!
//! [`numbers::Numbers`] is everything as data, and `report.json` is that. [`table`] and [`columns`] write CSV and Parquet, and [`page`]
//! writes HTML in one file, which fetches nothing. [`vectors`] writes what a network makes of photos. [`run`] makes a page of what a
//! run's folder has. Names of photos and classes are a stranger's: the page's template escapes them, and the page's own policy lets no
//! script run but the page's own. Nothing here reads settings, prints, or writes a file.
//!
//! # Example
//! ```
//! use mnasnet_report::interval::{mcnemar, wilson};
//!
//! let (low, high) = wilson(160, 200);
//! assert!((low - 0.739).abs() < 1e-3 && (high - 0.850).abs() < 1e-3);
//! // Of the photos that one model alone gets right, 3 and 12: few would call it chance.
//! assert!((mcnemar(3, 12) - 0.035).abs() < 1e-3);
//! ```
#![forbid(unsafe_code)]

pub mod averages;
pub mod calibration;
pub mod columns;
pub mod confusion;
mod error;
pub mod heat;
pub mod interval;
pub mod numbers;
pub mod page;
pub mod plot;
pub mod run;
pub mod table;
pub mod thumbnails;
pub mod vectors;

pub use error::ReportError;
