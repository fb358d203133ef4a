//! An open GPU: pipelines, buffers, and what goes over to it and back.

use crate::adapter::Adapter;
use crate::inference::GpuInference;
use crate::shader::Kernel;
use crate::training::GpuTraining;
use mnasnet_engine::device::{Ceilings, Inference, Training};
use mnasnet_engine::{Device, EngineError, Precision};
use std::collections::HashMap;
use std::ops::Range;
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
    pipelines: Mutex<HashMap<Kernel, Arc<Pipeline>>>,
    /// The first thing that went wrong outside a call that could say so.
    fault: Arc<Mutex<Option<String>>>,
}

/// A kernel, ready to be dispatched.
pub(crate) struct Pipeline {
    pub compute: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// One dispatch with all that it touches.
pub(crate) struct Dispatch {
    pub pipeline: Arc<Pipeline>,
    pub group: wgpu::BindGroup,
    pub grid: crate::job::Grid,
    pub columns: u32,
    pub exchanged: Option<crate::job::Exchanged>,
}

/// How long a call may wait for the device.
const PATIENCE: Duration = Duration::from_secs(600);

/// Workgroups in x, beyond which they are counted in z: `FOLD` in `kernels/step.wgsl`.
const FOLD: usize = 32_768;

impl Gpu {
    pub(crate) fn open(adapter: &Adapter) -> Result<Self, EngineError> {
        let name = adapter.device_name();
        let descriptor = wgpu::DeviceDescriptor {
            label: None,
            required_features: wgpu::Features::empty(),
            required_limits: adapter.adapter.limits(),
            experimental_features: wgpu::ExperimentalFeatures::disabled(),
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
            device,
            queue,
            memory: adapter.memory,
            pipelines: Mutex::new(HashMap::new()),
            fault,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
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

    /// The longest buffer, and the longest piece of one that a kernel can be given.
    pub fn piece(&self) -> usize {
        let limits = self.device.limits();
        let piece = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
        usize::try_from(piece).unwrap_or(usize::MAX)
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
        let scopes = [wgpu::ErrorFilter::OutOfMemory, wgpu::ErrorFilter::Validation]
            .map(|filter| self.device.push_error_scope(filter));
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes.next_multiple_of(16).max(256) as u64,
            usage: wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::UNIFORM
                | wgpu::BufferUsages::COPY_SRC
                | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
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

    /// Reads bytes back, once all that was submitted has run.
    pub fn read(&self, buffer: &wgpu::Buffer, range: Range<usize>) -> Result<Vec<u8>, EngineError> {
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
        self.queue.submit([encoder.finish()]);
        let (told, answer) = std::sync::mpsc::channel();
        staging.slice(..).map_async(wgpu::MapMode::Read, move |result| {
            // Whoever asked may have gone.
            let _ = told.send(result);
        });
        let wait = wgpu::PollType::Wait {
            submission_index: None,
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
        Ok(view[..range.len()].to_vec())
    }

    /// Reads floats back.
    pub fn read_floats(&self, buffer: &wgpu::Buffer, range: Range<usize>) -> Result<Vec<f32>, EngineError> {
        let bytes = self.read(buffer, 4 * range.start..4 * range.end)?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    /// Copies a buffer to another of the same length, in order with dispatches.
    pub fn copy(&self, from: &wgpu::Buffer, to: &wgpu::Buffer) {
        let mut encoder = self
            .device
            .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(from, 0, to, 0, from.size().min(to.size()));
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
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = pipelines.get(&kernel) {
            return Ok(pipeline.clone());
        }
        let text = kernel.text();
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let entries: Vec<_> = bindings(&text).map(entry).collect();
        let layout = (self.device).create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: None,
            entries: &entries,
        });
        let pipeline_layout = (self.device).create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let module = self.module(text);
        let compute = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: None,
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &[],
                // Kernels write what they read.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        if let Some(error) = pollster::block_on(scope.pop()) {
            return Err(self.error(&format!("the kernel {:?} does not compile: {error}", kernel.op)));
        }
        let pipeline = Arc::new(Pipeline { compute, layout });
        pipelines.insert(kernel, pipeline.clone());
        Ok(pipeline)
    }

    /// A kernel's module, without counters in its loops.
    #[allow(unsafe_code)]
    fn module(&self, text: String) -> wgpu::ShaderModule {
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(text.into()),
        };
        let checks = wgpu::ShaderRuntimeChecks {
            force_loop_bounding: false,
            ..wgpu::ShaderRuntimeChecks::checked()
        };
        // SAFETY: all loops of the kernels count to a number that the plan has set, and end. Bounds stay checked.
        unsafe { self.device.create_shader_module_trusted(descriptor, checks) }
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

/// The bindings that a kernel's text declares, and how each is bound.
fn bindings(text: &str) -> impl Iterator<Item = (u32, wgpu::BufferBindingType)> {
    text.lines().filter_map(|line| {
        let rest = line.strip_prefix("@group(0) @binding(")?;
        let (number, rest) = rest.split_once(')')?;
        let binding = number.parse().ok()?;
        let kind = match rest.split_once('>')?.0.trim() {
            "var<uniform" => wgpu::BufferBindingType::Uniform,
            "var<storage, read" => wgpu::BufferBindingType::Storage { read_only: true },
            _ => wgpu::BufferBindingType::Storage { read_only: false },
        };
        Some((binding, kind))
    })
}

fn entry((binding, ty): (u32, wgpu::BufferBindingType)) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    }
}
