//! What can be wrong with a call.

use crate::room;

/// What can be wrong with a call.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The network cannot run at this size, or the plan would need too much memory.
    #[error("{0}")]
    Plan(String),
    /// A slice has the wrong length, or a label is out of range.
    #[error("{0}")]
    Input(String),
    /// A device does not answer, was lost, or has no room.
    #[error("{0}")]
    Device(String),
    /// The forced instruction set is not there.
    #[error(transparent)]
    Isa(#[from] mnasnet_kernels::IsaError),
}

impl EngineError {
    /// Refuses a plan of `bytes` that the machine has no room for, before any of it is taken.
    pub(crate) fn room(batch: usize, resolution: usize, bytes: usize) -> Result<(), Self> {
        let gib = |bytes: f64| bytes / f64::from(1 << 30);
        match room::available() {
            Some(there) if there < bytes as u64 => Err(Self::Plan(format!(
                "a batch of {batch} images of {resolution} x {resolution} pixels needs {:.1} GiB of memory, and {:.1} GiB are \
                 available: lower the batch size or the resolution",
                gib(bytes as f64),
                gib(there as f64)
            ))),
            _ => Ok(()),
        }
    }

    /// The system has not the memory for a plan.
    pub(crate) fn no_memory(batch: usize, resolution: usize, bytes: usize) -> Self {
        Self::Plan(format!(
            "no memory for a batch of {batch} images of {resolution} x {resolution} pixels, {:.1} GiB: lower the batch \
             size or the resolution",
            bytes as f64 / (1u64 << 30) as f64
        ))
    }
}
