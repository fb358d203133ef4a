//! Images on their way to the device: with the step that shows them, or while the device computes the step before.

use crate::gpu::Shared;
use crate::job::Call;
use mnasnet_engine::{EngineError, Normalise, Pixels};
use std::sync::mpsc::{Receiver, channel};

/// Images on the device: how a kernel is to read them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// Bytes that they take, a multiple of four.
    pub bytes: usize,
    /// How bytes become values; none, where they are float32.
    normalise: Option<Normalise>,
}

impl Shown {
    pub fn tell(self, call: &mut Call) {
        match self.normalise {
            Some(Normalise { scale, shift }) => {
                call.scale[..3].copy_from_slice(&scale);
                call.shift[..3].copy_from_slice(&shift);
            }
            None => call.pixels_are_floats = 1,
        }
    }
}

/// The bytes of images, and how a kernel is to read them.
fn shown<'a>(pixels: &Pixels<'a>) -> (&'a [u8], Shown) {
    let (bytes, normalise) = match *pixels {
        Pixels::U8(bytes, normalise) => (bytes, Some(normalise)),
        Pixels::F32(values) => (bytemuck::cast_slice(values), None),
    };
    let shown = Shown {
        bytes: bytes.len().next_multiple_of(4),
        normalise,
    };
    (bytes, shown)
}

/// Writes images before whatever is submitted next.
pub(crate) fn write(shared: &Shared, buffer: &wgpu::Buffer, pixels: Pixels) -> Shown {
    let (bytes, shown) = shown(&pixels);
    shared.write(buffer, bytes);
    shown
}

/// Memory of the host that the device copies images from. It is used again: to take new memory for each step costs the host several
/// times what the copy costs.
pub(crate) struct Staging {
    buffer: wgpu::Buffer,
    /// Tells when the device has done with it.
    free: Receiver<Result<(), wgpu::BufferAsyncError>>,
}

impl Staging {
    fn new(shared: &Shared, bytes: usize) -> Result<Self, EngineError> {
        let (told, free) = channel();
        told.send(Ok(())).expect("the other end is here");
        Ok(Self {
            buffer: shared.mapped(bytes)?,
            free,
        })
    }

    /// Whether the host may write to it, as far as the device has told.
    fn is_free(&self, shared: &Shared) -> bool {
        shared.look();
        matches!(self.free.try_recv(), Ok(Ok(())))
    }
}

/// Copies images to `buffer` while the device does what was submitted before. It does not wait for the device.
pub(crate) fn send(
    shared: &Shared,
    staging: &mut Option<Staging>,
    buffer: &wgpu::Buffer,
    pixels: Pixels,
) -> Result<Shown, EngineError> {
    let (bytes, shown) = shown(&pixels);
    if staging
        .as_ref()
        .is_none_or(|staging| staging.buffer.size() < shown.bytes as u64)
    {
        // What is too short goes before other memory is taken.
        *staging = None;
        *staging = Some(Staging::new(shared, shown.bytes)?);
    }
    let staging = staging.as_mut().expect("taken above");
    if !staging.is_free(shared) {
        // The device has not done with the last images, which it was given a step ago: new memory, then.
        shared.write(buffer, bytes);
        shared.flush();
        return Ok(shown);
    }
    shared.fill(&staging.buffer, bytes)?;
    shared.copy(&staging.buffer, buffer, shown.bytes);
    let (told, free) = channel();
    staging.free = free;
    staging.buffer.map_async(wgpu::MapMode::Write, .., move |result| {
        // Whoever asked may have gone.
        let _ = told.send(result);
    });
    Ok(shown)
}
