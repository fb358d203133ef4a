//! An open GPU: pipelines, buffers, and what goes over to it and back.

use crate::adapter::{self, Adapter};
use crate::inference::GpuInference;
use crate::pipelines::{Pipeline, Pipelines};
use crate::shader::Kernel;
use crate::tiles::Tile;
use crate::training::GpuTraining;
use mnasnet_engine::device::{Ceilings, Inference, Training};
use mnasnet_engine::{Device, EngineError, Precision};
use std::ops::Range;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// An open GPU.
#[derive(Clone)]
pub struct Gpu {
    shared: Arc<Shared>,
}

/// What trainers and predictors on one GPU share.
pub(crate) struct Shared {
    name: String,
    device: wgpu::Device,
    queue: wgpu::Queue,
    memory: Option<u64>,
    tile: Option<Tile>,
    pipelines: Pipelines,
    /// The first thing that went wrong outside a call that could say so.
    fault: Arc<Mutex<Option<String>>>,
}

/// One dispatch with all that it touches.
pub(crate) struct Dispatch {
    pub pipeline: Arc<Pipeline>,
    pub group: wgpu::BindGroup,
    pub grid: crate::job::Grid,
    pub columns: u32,
    pub exchanged: Option<crate::job::Exchanged>,
}

/// Bytes that were asked for.
pub(crate) struct Reading {
    staging: wgpu::Buffer,
    length: usize,
    submission: wgpu::SubmissionIndex,
    answer: Receiver<Result<(), wgpu::BufferAsyncError>>,
}

/// How long a call may wait for the device.
const PATIENCE: Duration = Duration::from_secs(600);

/// Workgroups in x, beyond which they are counted in z: `FOLD` in `kernels/step.wgsl`.
const FOLD: usize = 32_768;

impl Gpu {
    /// Opens an adapter, with what its tiles need where there are any.
    #[allow(unsafe_code)]
    pub(crate) fn open(adapter: &Adapter, tile: Option<Tile>) -> Result<Self, EngineError> {
        let name = adapter.device_name();
        let (features, experimental) = match tile {
            None => (wgpu::Features::empty(), wgpu::ExperimentalFeatures::disabled()),
            // SAFETY: the kernels keep to what the extension demands: whole subgroups, and memory in multiples of 16 bytes.
            Some(_) => (adapter::TILES, unsafe { wgpu::ExperimentalFeatures::enabled() }),
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: None,
            required_features: features,
            required_limits: adapter.adapter.limits(),
            experimental_features: experimental,
            memory_hints: wgpu::MemoryHints::Performance,
            trace: wgpu::Trace::Off,
        };
        let (device, queue) = pollster::block_on(adapter.adapter.request_device(&descriptor))
            .map_err(|error| EngineError::Device(format!("{name} cannot be opened: {error}")))?;
        let fault = Arc::new(Mutex::new(None));
        let note = |fault: &Arc<Mutex<Option<String>>>, message: String| {
            let mut fault = fault.lock().unwrap_or_else(PoisonError::into_inner);
            fault.get_or_insert(message);
        };
        let noted = fault.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| note(&noted, error.to_string())));
        let noted = fault.clone();
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                note(&noted, format!("it was lost: {message}"));
            }
        });
        let shared = Shared {
            name,
            pipelines: Pipelines::new(device.clone()),
            device,
            queue,
            memory: adapter.memory,
            tile,
            fault,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The tiles that it multiplies, in bfloat16.
    pub fn tile(&self) -> Option<Tile> {
        self.shared.tile
    }

    /// Lets the driver compile a kernel.
    ///
    /// # Errors
    /// The driver does not take it.
    pub fn compile(&self, kernel: Kernel) -> Result<(), EngineError> {
        self.shared.pipeline(kernel)?;
        self.shared.check()
    }
}

impl Device for Gpu {
    fn name(&self) -> String {
        self.shared.name.clone()
    }

    fn precision(&self) -> Precision {
        // Half the memory traffic, which is what bounds these networks.
        Precision::Bf16
    }

    fn training(&self) -> Result<Box<dyn Training>, EngineError> {
        Ok(Box::new(GpuTraining::new(self.shared.clone())))
    }

    fn inference(&self) -> Result<Box<dyn Inference>, EngineError> {
        Ok(Box::new(GpuInference::new(self.shared.clone())))
    }

    fn alternatives(&self) -> Vec<Box<dyn Device>> {
        Vec::new()
    }

    fn ceilings(&self) -> Option<Ceilings> {
        None
    }

    fn tells_stages(&self) -> bool {
        false
    }
}

impl Shared {
    /// Bytes of the device's own memory, where it tells.
    pub fn memory(&self) -> Option<u64> {
        self.memory
    }

    /// The tiles that the device multiplies.
    pub fn tile(&self) -> Option<Tile> {
        self.tile
    }

    /// The longest buffer, and the longest piece of one that a kernel can be given.
    pub fn piece(&self) -> usize {
        let limits = self.device.limits();
        let piece = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
        // wgpu says no more on Vulkan and Direct3D 12. On Metal it has no limit, and counts what is bound in 32 bits all the same, as kernels
        // count bytes of images.
        piece.min(i32::MAX as u64) as usize
    }

    /// What the device has to say that no call could.
    pub fn check(&self) -> Result<(), EngineError> {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        match &*fault {
            Some(message) => Err(self.error(message)),
            None => Ok(()),
        }
    }

    pub fn error(&self, message: &str) -> EngineError {
        EngineError::Device(format!("{}: {message}", self.name))
    }

    /// A buffer of so many bytes, at least 256, filled with zeros.
    pub fn buffer(&self, bytes: usize) -> Result<wgpu::Buffer, EngineError> {
        let usage = wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::UNIFORM
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST;
        self.create(bytes, usage, false)
    }

    /// A buffer in the host's memory, from which the device copies.
    pub fn mapped(&self, bytes: usize) -> Result<wgpu::Buffer, EngineError> {
        self.create(
            bytes,
            wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
            true,
        )
    }

    fn create(&self, bytes: usize, usage: wgpu::BufferUsages, is_mapped: bool) -> Result<wgpu::Buffer, EngineError> {
        let scopes = [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation]
            .map(|filter| self.device.push_error_scope(filter));
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes.next_multiple_of(16).max(256) as u64,
            usage,
            mapped_at_creation: is_mapped,
        });
        for scope in scopes.into_iter().rev() {
            if let Some(error) = pollster::block_on(scope.pop()) {
                let mib = bytes.div_ceil(1 << 20);
                return Err(self.error(&format!("no room for {mib} MiB: {error}")));
            }
        }
        self.check()?;
        Ok(buffer)
    }

    /// A buffer with these bytes, rounded up to fours.
    pub fn filled(&self, bytes: &[u8]) -> Result<wgpu::Buffer, EngineError> {
        let buffer = self.buffer(bytes.len())?;
        self.write(&buffer, bytes);
        Ok(buffer)
    }

    /// Writes bytes before whatever is submitted next; the last ones are filled up to four with zeros.
    pub fn write(&self, buffer: &wgpu::Buffer, bytes: &[u8]) {
        self.write_at(buffer, 0, bytes);
    }

    /// The same from an offset on, which is a multiple of four.
    pub fn write_at(&self, buffer: &wgpu::Buffer, offset: usize, bytes: &[u8]) {
        let (whole, rest) = bytes.split_at(bytes.len() / 4 * 4);
        if !whole.is_empty() {
            self.queue.write_buffer(buffer, offset as u64, whole);
        }
        if !rest.is_empty() {
            let mut last = [0; 4];
            last[..rest.len()].copy_from_slice(rest);
            self.queue.write_buffer(buffer, (offset + whole.len()) as u64, &last);
        }
    }

    /// Fills the first bytes of a buffer of [`Shared::mapped`], which the host gives up by that.
    pub fn fill(&self, buffer: &wgpu::Buffer, bytes: &[u8]) -> Result<(), EngineError> {
        let length = bytes.len().next_multiple_of(4);
        let mut view = (buffer.get_mapped_range_mut(..length as u64))
            .map_err(|error| self.error(&format!("its memory cannot be written: {error}")))?;
        view.slice(..bytes.len()).copy_from_slice(bytes);
        view.slice(bytes.len()..).fill(0);
        drop(view);
        buffer.unmap();
        Ok(())
    }

    /// Hands over what was written, without waiting for a submission that needs it.
    pub fn flush(&self) {
        self.queue.submit([]);
    }

    /// Reads bytes back, once all that was submitted has run.
    pub fn read(&self, buffer: &wgpu::Buffer, range: Range<usize>) -> Result<Vec<u8>, EngineError> {
        self.answer(self.ask(buffer, range))
    }

    /// Asks for bytes as they are once all that was submitted has run, and does not wait.
    pub fn ask(&self, buffer: &wgpu::Buffer, range: Range<usize>) -> Reading {
        let length = range.len().next_multiple_of(4).max(4) as u64;
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: length,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, range.start as u64, &staging, 0, length);
        let submission = self.queue.submit([encoder.finish()]);
        let (told, answer) = std::sync::mpsc::channel();
        staging.slice(..).map_async(wgpu::MapMode::Read, move |result| {
            // Whoever asked may have gone.
            let _ = told.send(result);
        });
        Reading {
            staging,
            length: range.len(),
            submission,
            answer,
        }
    }

    /// Waits for what was asked for, and for nothing that was submitted later.
    pub fn answer(&self, reading: Reading) -> Result<Vec<u8>, EngineError> {
        let Reading {
            staging,
            length,
            submission,
            answer,
        } = reading;
        let wait = wgpu::PollType::Wait {
            submission_index: Some(submission),
            timeout: Some(PATIENCE),
        };
        let waited = self.device.poll(wait);
        self.check()?;
        waited.map_err(|error| self.error(&format!("it does not answer: {error}")))?;
        // Another thread that polls may be the one that answers, and may not have done so yet.
        match answer.recv_timeout(PATIENCE) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.error(&format!("its memory cannot be read: {error}"))),
            Err(_) => return Err(self.error("it does not answer")),
        }
        let view = (staging.slice(..).get_mapped_range())
            .map_err(|error| self.error(&format!("its memory cannot be read: {error}")))?;
        Ok(view[..length].to_vec())
    }

    /// Reads floats back.
    pub fn read_floats(&self, buffer: &wgpu::Buffer, range: Range<usize>) -> Result<Vec<f32>, EngineError> {
        let bytes = self.read(buffer, 4 * range.start..4 * range.end)?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    /// Lets the device tell what it has done so far.
    pub fn look(&self) {
        // That it is done with nothing is no error, and one that is lost is told by the next wait.
        let _ = self.device.poll(wgpu::PollType::Poll);
    }

    /// Copies the first bytes of a buffer to another one, a multiple of four, in order with dispatches.
    pub fn copy(&self, from: &wgpu::Buffer, to: &wgpu::Buffer, bytes: usize) {
        let mut encoder = self
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(from, 0, to, 0, bytes as u64);
        self.queue.submit([encoder.finish()]);
    }

    /// Fills a buffer with zeros.
    pub fn clear(&self, buffer: &wgpu::Buffer) {
        let mut encoder = self
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.clear_buffer(buffer, 0, None);
        self.queue.submit([encoder.finish()]);
    }

    /// Submits dispatches for so many images, in order.
    pub fn run<'a>(&self, dispatches: impl IntoIterator<Item = &'a Dispatch>, images: usize) {
        let mut encoder = self
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for dispatch in dispatches {
                let groups = dispatch.grid.groups(images);
                if groups == 0 {
                    continue;
                }
                pass.set_pipeline(&dispatch.pipeline.compute);
                pass.set_bind_group(0, &dispatch.group, &[]);
                let (x, z) = match groups > FOLD {
                    true => (FOLD, groups.div_ceil(FOLD)),
                    false => (groups, 1),
                };
                pass.dispatch_workgroups(x as u32, dispatch.columns, z as u32);
            }
        }
        self.queue.submit([encoder.finish()]);
    }

    /// The pipeline of a kernel, made at the first call.
    pub fn pipeline(&self, kernel: Kernel) -> Result<Arc<Pipeline>, EngineError> {
        self.pipelines.get(kernel).map_err(|message| self.error(&message))
    }

    /// Makes the pipelines of all these kernels.
    pub fn make_pipelines(&self, kernels: impl Iterator<Item = Kernel>) -> Result<(), EngineError> {
        self.pipelines.make(kernels).map_err(|message| self.error(&message))
    }

    /// Binds memory to a kernel: parameters of the call and of the job first.
    pub fn group(&self, pipeline: &Pipeline, entries: &[wgpu::BindGroupEntry]) -> wgpu::BindGroup {
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.layout,
            entries,
        })
    }
}
