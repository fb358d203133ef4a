//! Images in: sources, decoding, augmentation, batches.
//!
//! The way of a photo: [`locate`] finds its set and [`Location::open`] lists it with its label; a worker thread of the
//! [`Loader`] reads it from its [`Source`] and decodes it ([`decode`]), crops, flips and augments it ([`TrainTransform`]) or
//! crops its centre ([`EvalTransform`]); the loader lays it beside others as bytes in a [`Batch`] of shape
//! `[n, resolution, resolution, 3]`. The engine turns bytes into floats with [`Preprocessing::scale_shift`] as it loads them.
//!
//! Invariants:
//! - The order of samples is a pure function of (seed, epoch), every augmentation draw one of (seed, epoch, sample
//!   index). No number of threads changes a byte of a batch.
//! - An image is data from a stranger: its size is checked before memory is taken, and no file makes this crate panic.
//! - Nothing is passed over in silence: [`Dataset::notes`] says what was, and why.
//!
//! # Example
//! ```
//! use std::sync::Arc;
//!
//! use mnasnet_data::{Loader, Preprocessing, Split, locate};
//!
//! let photos = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/sample");
//! let set = locate(photos.as_ref(), Split::Val, None)?.open()?;
//! let transform = Preprocessing::imagenet(64).eval_transform();
//! let batch_size = 8;
//! let mut loader = Loader::eval(Arc::new(set), transform, batch_size, 2)?;
//! let batch = loader.next().expect("the set has photos")?;
//! assert_eq!(batch.shape(), [8, 64, 64]);
//! assert_eq!(batch.pixels.len(), 8 * 64 * 64 * 3);
//! # Ok::<(), mnasnet_data::DataError>(())
//! ```

#![forbid(unsafe_code)]

mod advice;
mod augment;
mod bad_images;
mod batch;
mod cache;
mod check;
mod counted;
mod crop;
mod dataset;
mod decode;
mod divide;
mod draws;
mod error;
mod glance;
mod image;
mod imagenet;
mod loader;
mod memory;
mod mix;
mod pack;
mod photo_list;
mod photo_numbers;
mod preprocessing;
mod resize;
mod sheet;
mod source;
mod throughput;
mod transform;
mod wordnet;

pub use advice::{lonely_classes, only_class, same_names, uneven_classes, unjudged_classes};
pub use augment::{ColorJitter, Policy, RandAugment};
pub use bad_images::{BadImage, BadImages};
pub use batch::Batch;
pub use cache::{Cache, CacheIn};
pub use check::{Checked, ClassCount, Finding, SetReport, Twins, check};
pub use counted::counted;
pub use crop::Rect;
pub use dataset::{Dataset, Sample, like};
pub use decode::{Format as ImageFormat, MAX_FILE_BYTES, MAX_PHOTO_MEMORY, decode, read_image, read_image_from};
pub use divide::{Division, Looks, can_be_divided, divide};
pub use draws::epoch_order;
pub use error::{DataError, DecodeError, PackError};
pub use glance::glance;
pub use image::RgbImage;
pub use imagenet::{IMAGENET_A, IMAGENET_R};
pub use loader::{Batches, Epoch, Loader};
pub use memory::machine_memory;
pub use mix::Mixing;
pub use pack::{Packed, Packing, pack, write_index};
pub use photo_list::PhotoList;
pub use photo_numbers::PhotoNumbers;
pub use preprocessing::Preprocessing;
pub use resize::Interpolation;
pub use sheet::{Sheet, write_png};
pub use source::{ClassList, Format, Location, Source, Split, images_below, locate, locate_listed, unlabelled};
pub use throughput::Throughput;
pub use transform::{EvalTransform, TrainTransform};
pub use wordnet::{imagenet_classes, wordnet_name};
