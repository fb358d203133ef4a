//! GPUs: the engine's sweeps over a plan, carried out by wgpu on Vulkan, Metal or Direct3D 12.
//!
//! - [`adapters`]: what GPUs there are; [`Adapter::open`] makes a [`Gpu`], which is a [`Device`](mnasnet_engine::Device).
//! - `layout`: where everything of a plan lies.
//! - `sweep`: the sweeps as data: a list of jobs, each a kernel, what it is told, and the memory that it touches.
//! - `shader`: the kernels' WGSL, which `kernels/` holds.
//! - `tiles`: the kernels that multiply on a device's matrix unit.
//! - [`kernels`]: which kernels a network asks for.
//! - `pipelines`: kernels, compiled.
//! - `images`: how images go over.
//! - `memory`: a plan's buffers on the device, and its jobs bound to them. `training` and `inference` run them.
//!
//! All kernels add in a fixed order, so a device makes the same bits on each run.
//!
//! # Example
//! ```
//! use mnasnet_engine::Device;
//!
//! for adapter in mnasnet_gpu::adapters() {
//!     println!("{}: {:?}", adapter.device_name(), adapter.kind);
//! }
//! ```
#![deny(unsafe_code)]

mod adapter;
mod census;
mod gpu;
mod images;
mod inference;
mod job;
mod layout;
mod memory;
mod pipelines;
pub mod shader;
mod state;
mod sweep;
mod tiles;
mod training;

pub use adapter::{Adapter, Kind, adapters, hush_drivers};
pub use census::kernels;
pub use gpu::Gpu;
pub use tiles::Tile;
