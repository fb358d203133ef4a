//! Pretrained weights by name, e.g. `timm/mnasnet_100.rmsp_in1k`.
//!
//! [`find`] tells whether a text is such a name, by the table in [`names`]. [`fetch`] gives the file: from the cache that Python's
//! `huggingface_hub` or `torch.hub` keeps, without the network, or downloaded into that cache. The caches have their owners' layouts, so
//! that each program finds what the other one downloaded.
//!
//! A file appears under its name only when it is whole and its SHA-256 is the promised one. What a download that was stopped has left
//! is a file of another name, which the next download takes up.

mod cache;
mod client;
mod download;
pub mod error;
mod huggingface;
pub mod names;
pub mod surroundings;
mod torch;

use std::path::PathBuf;

pub use error::HubError;
pub use names::{Pretrained, find, list, near};
pub use surroundings::Surroundings;

use names::At;

/// The largest file that is downloaded, bytes. The largest weights in the table have 26 MB.
pub const MOST_BYTES: u64 = 256 << 20;

/// What happens while weights are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A download begins, or goes on.
    Begins {
        /// The weights' name.
        name: &'a str,
        /// Where they come from: a server's address.
        server: &'a str,
        /// The licence as the server tells it, or `unknown`.
        licence: &'a str,
        /// Bytes of the file.
        bytes: u64,
        /// Bytes that an earlier download has left.
        have: u64,
    },
    /// So many bytes of the file are here.
    Here(u64),
    /// Another process downloads the same file; this one waits for it.
    Waits,
}

/// The file of pretrained weights: the cached one if there is one, or a downloaded one.
///
/// # Errors
/// [`HubError`] where the file is not cached and cannot be downloaded.
pub fn fetch(weights: &Pretrained, around: &Surroundings, observe: &mut dyn FnMut(Event)) -> Result<PathBuf, HubError> {
    match weights.at {
        At::Hub { repository } => huggingface::fetch(weights.name, repository, around, observe),
        At::Torch { file } => torch::fetch(weights.name, file, around, observe),
    }
}
