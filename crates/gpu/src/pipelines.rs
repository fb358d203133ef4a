//! Kernels made into pipelines, once each.

use crate::shader::Kernel;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A kernel, ready to be dispatched.
pub(crate) struct Pipeline {
    pub compute: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// All pipelines of a device.
pub(crate) struct Pipelines {
    device: wgpu::Device,
    made: Mutex<HashMap<Kernel, Arc<Pipeline>>>,
}

impl Pipelines {
    pub fn new(device: wgpu::Device) -> Self {
        Self {
            device,
            made: Mutex::new(HashMap::new()),
        }
    }

    /// The pipeline of a kernel, made at the first call.
    pub fn get(&self, kernel: Kernel) -> Result<Arc<Pipeline>, String> {
        if let Some(pipeline) = self.made().get(&kernel) {
            return Ok(pipeline.clone());
        }
        // Made without the lock, so that others can be made beside it.
        let pipeline = Arc::new(self.compile(kernel)?);
        Ok(self.made().entry(kernel).or_insert(pipeline).clone())
    }

    /// Makes the pipelines of all these kernels, on all processors: a driver takes milliseconds to seconds for one.
    pub fn make(&self, kernels: impl Iterator<Item = Kernel>) -> Result<(), String> {
        let missing: HashSet<Kernel> = {
            let made = self.made();
            kernels.filter(|kernel| !made.contains_key(kernel)).collect()
        };
        let missing: Vec<Kernel> = missing.into_iter().collect();
        let threads = thread::available_parallelism()
            .map_or(1, usize::from)
            .min(missing.len());
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(&kernel) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.get(kernel)?;
            }
            Ok(())
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let ended = workers
                .into_iter()
                .map(|worker| worker.join().expect("a worker does not panic"));
            ended.collect::<Vec<Result<(), String>>>().into_iter().collect()
        })
    }

    fn made(&self) -> MutexGuard<'_, HashMap<Kernel, Arc<Pipeline>>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compile(&self, kernel: Kernel) -> Result<Pipeline, String> {
        let text = kernel.text();
        // Error scopes are a thread's own.
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
        match pollster::block_on(scope.pop()) {
            Some(error) => Err(format!("the kernel {:?} does not compile: {error}", kernel.op)),
            None => Ok(Pipeline { compute, layout }),
        }
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
