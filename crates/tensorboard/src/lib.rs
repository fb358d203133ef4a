//! TensorBoard's event files: a run's numbers as TensorBoard reads them.
//!
//! An event file is a row of records ([`record`]). Each record is a protobuf message with a step and values: scalars, histograms,
//! images, text, settings ([`summary`]). [`EventFile`] writes them, and cuts off what a run that goes on does again.

pub mod event_file;
mod proto;
pub mod record;
pub mod summary;

pub use event_file::EventFile;
pub use proto::Value;
