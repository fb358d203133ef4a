//! A plan on a device: its buffers, and its sweeps bound to them.

use crate::gpu::{Dispatch, Shared};
use crate::job::{Call, Job, Params, Place};
use crate::layout::{ALIGN, Layout, SINK_VECTORS, VEC4};
use crate::state::State;
use crate::tiles;
use mnasnet_engine::EngineError;
use mnasnet_engine::plan::Plan;
use mnasnet_model::Network;
use std::sync::Arc;

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The next step's images come while one runs.
    Training,
    Inference,
}

/// Buffers that one plan fills and the next one uses again.
#[derive(Default)]
pub(crate) struct Buffers {
    /// Pages of the arena.
    arena: Vec<wgpu::Buffer>,
    vectors: Option<wgpu::Buffer>,
    packed: Option<wgpu::Buffer>,
    scratch: Option<wgpu::Buffer>,
    pixels: Option<wgpu::Buffer>,
    /// Images of the next step, where there is one.
    coming: Option<wgpu::Buffer>,
    targets: Option<wgpu::Buffer>,
    scores: Option<wgpu::Buffer>,
}

/// A plan on a device.
pub(crate) struct Memory {
    pub layout: Layout,
    shared: Arc<Shared>,
    buffers: Buffers,
    call: wgpu::Buffer,
}

impl Memory {
    /// Puts a plan on the device, in the memory of `buffers` as far as it suffices. `scratch` says how many vec4 of partial sums its
    /// sweeps need.
    pub fn new(
        shared: Arc<Shared>,
        network: &Network,
        plan: &Plan,
        purpose: Purpose,
        mut buffers: Buffers,
        scratch: impl Fn(&Layout) -> usize,
    ) -> Result<Self, EngineError> {
        let layout = Layout::new(network, plan, shared.piece(), shared.tile())?;
        let lengths = Lengths::new(&layout, purpose, scratch(&layout));
        refuse_what_has_no_room(&shared, network, plan, &lengths)?;
        for (at, &length) in lengths.pages.iter().enumerate() {
            if buffers.arena.get(at).is_some_and(|page| page.size() >= length as u64) {
                continue;
            }
            // A page that is too short goes before another is taken.
            if at < buffers.arena.len() {
                buffers.arena.remove(at);
            }
            buffers.arena.insert(at, shared.buffer(length)?);
        }
        let grow = |buffer: &mut Option<wgpu::Buffer>, length: usize| -> Result<(), EngineError> {
            if buffer.as_ref().is_none_or(|buffer| buffer.size() < length as u64) {
                *buffer = None;
                *buffer = Some(shared.buffer(length)?);
            }
            Ok(())
        };
        grow(&mut buffers.vectors, lengths.vectors)?;
        grow(&mut buffers.packed, lengths.packed)?;
        grow(&mut buffers.scratch, lengths.scratch)?;
        grow(&mut buffers.pixels, lengths.pixels)?;
        grow(&mut buffers.coming, lengths.coming)?;
        grow(&mut buffers.targets, lengths.targets)?;
        grow(&mut buffers.scores, lengths.targets)?;
        let vectors = buffers.vectors.as_ref().expect("taken above");
        let mut plain = vec![1.0_f32; 4 * (layout.zeros - layout.ones)];
        plain.resize(4 * (layout.vectors - layout.ones), 0.0);
        shared.write_at(vectors, layout.ones * VEC4, bytemuck::cast_slice(&plain));
        Ok(Self {
            layout,
            call: shared.buffer(size_of::<Call>())?,
            shared,
            buffers,
        })
    }

    /// The buffers, for the next plan.
    pub fn into_buffers(self) -> Buffers {
        self.buffers
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let Buffers {
            arena,
            vectors,
            packed,
            scratch,
            pixels,
            coming,
            targets,
            scores,
        } = &self.buffers;
        let others = [vectors, packed, scratch, pixels, coming, targets, scores]
            .into_iter()
            .flatten();
        arena.iter().chain(others).map(|buffer| buffer.size() as usize).sum()
    }

    pub fn pixels(&self) -> &wgpu::Buffer {
        self.buffers.pixels.as_ref().expect("taken with the plan")
    }

    /// Room for the next step's images, in training.
    pub fn coming(&self) -> &wgpu::Buffer {
        self.buffers.coming.as_ref().expect("taken with the plan")
    }

    pub fn targets(&self) -> &wgpu::Buffer {
        self.buffers.targets.as_ref().expect("taken with the plan")
    }

    pub fn scores(&self) -> &wgpu::Buffer {
        self.buffers.scores.as_ref().expect("taken with the plan")
    }

    pub fn vectors(&self) -> &wgpu::Buffer {
        self.buffers.vectors.as_ref().expect("taken with the plan")
    }

    /// Says what the next sweep is told.
    pub fn tell(&self, call: &Call) {
        self.shared.write(&self.call, bytemuck::bytes_of(call));
    }

    /// The rows of logits of so many images, `[images, classes]`.
    pub fn logits(&self, images: usize) -> Result<Vec<f32>, EngineError> {
        let layout = &self.layout;
        let classes = layout.network.classes;
        let stride = 4 * crate::layout::c4(classes);
        let place = &layout.places.results[layout.network.nodes.len() - 1];
        let (page, start) = (place.start / layout.page, place.start % layout.page);
        let range = start..start + images * stride * size_of::<f32>();
        let bytes = self.shared.read(&self.buffers.arena[page], range)?;
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
        let rows = values.chunks_exact(stride);
        Ok(rows.flat_map(|row| &row[..classes]).copied().collect())
    }

    /// Binds jobs to memory.
    pub fn bind(&self, jobs: &[Job], state: &State) -> Result<Vec<Dispatch>, EngineError> {
        self.shared.make_pipelines(jobs.iter().map(|job| job.kernel))?;
        let slot = size_of::<Params>().next_multiple_of(ALIGN);
        let mut told = vec![0; jobs.len() * slot];
        for (slot, job) in told.chunks_exact_mut(slot).zip(jobs) {
            slot[..size_of::<Params>()].copy_from_slice(bytemuck::bytes_of(&job.params));
        }
        let told = self.shared.filled(&told)?;
        let uniform = |buffer, offset: usize, length: usize| {
            wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer,
                offset: offset as u64,
                size: wgpu::BufferSize::new(length as u64),
            })
        };
        let bind = |(at, job): (usize, &Job)| {
            let pipeline = self.shared.pipeline(job.kernel)?;
            let mut entries = vec![
                wgpu::BindGroupEntry {
                    binding: 0,
                    resource: uniform(&self.call, 0, size_of::<Call>()),
                },
                wgpu::BindGroupEntry {
                    binding: 1,
                    resource: uniform(&told, at * slot, size_of::<Params>()),
                },
            ];
            entries.extend(job.places.iter().map(|(binding, place)| wgpu::BindGroupEntry {
                binding: *binding,
                resource: self.resource(place, state),
            }));
            let group = self.shared.group(&pipeline, &entries);
            Ok(Dispatch {
                pipeline,
                group,
                grid: job.grid,
                columns: job.columns as u32,
                exchanged: job.exchanged,
            })
        };
        let dispatches = jobs.iter().enumerate().map(bind).collect();
        self.shared.check()?;
        dispatches
    }

    fn resource<'a>(&'a self, place: &Place, state: &'a State) -> wgpu::BindingResource<'a> {
        let whole =
            |buffer: &'a Option<wgpu::Buffer>| buffer.as_ref().expect("taken with the plan").as_entire_binding();
        match place {
            Place::Arena(range) => wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &self.buffers.arena[range.start / self.layout.page],
                offset: (range.start % self.layout.page) as u64,
                size: wgpu::BufferSize::new(range.len() as u64),
            }),
            Place::Vectors => whole(&self.buffers.vectors),
            Place::Packed => whole(&self.buffers.packed),
            Place::Scratch => whole(&self.buffers.scratch),
            Place::Pixels => whole(&self.buffers.pixels),
            Place::Targets => whole(&self.buffers.targets),
            Place::Scores => whole(&self.buffers.scores),
            place => state.buffer(place).as_entire_binding(),
        }
    }
}

/// Bytes of all buffers of a plan.
struct Lengths {
    pages: Vec<usize>,
    vectors: usize,
    packed: usize,
    scratch: usize,
    pixels: usize,
    coming: usize,
    targets: usize,
}

impl Lengths {
    fn new(layout: &Layout, purpose: Purpose, scratch: usize) -> Self {
        let Layout { plan, places, page, .. } = layout;
        let pages = places.arena.div_ceil(*page);
        // Images may come as float32.
        let pixels = plan.batch * plan.resolution * plan.resolution * 3 * size_of::<f32>();
        Self {
            pages: (0..pages).map(|at| (places.arena - at * page).min(*page)).collect(),
            vectors: layout.vectors * VEC4,
            packed: layout.weights * VEC4,
            scratch: scratch * VEC4,
            pixels,
            coming: if purpose == Purpose::Training { pixels } else { 0 },
            targets: plan.batch * 16,
        }
    }

    fn bytes(&self) -> usize {
        let others = self.vectors + self.packed + self.scratch + self.pixels + self.coming + 2 * self.targets;
        self.pages.iter().sum::<usize>() + others
    }
}

/// Refuses a plan that the device's memory cannot hold, before any of it is taken, and says which batch it can.
fn refuse_what_has_no_room(
    shared: &Shared,
    network: &Network,
    plan: &Plan,
    lengths: &Lengths,
) -> Result<(), EngineError> {
    let Some(memory) = shared.memory() else { return Ok(()) };
    let needed = lengths.bytes() as u64;
    if needed <= memory {
        return Ok(());
    }
    let (batch, resolution) = (plan.batch, plan.resolution);
    // Close to proportional: what does not grow with the batch is small.
    let parameters = (network.parameter_count() * size_of::<f32>() * 8) as u64;
    let largest = (batch as u64 * memory.saturating_sub(parameters) / needed) as usize;
    let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    Err(EngineError::Plan(format!(
        "a batch of {batch} images of {resolution} x {resolution} pixels needs {:.1} GiB, and the device has {:.1} GiB: {}",
        gib(needed),
        gib(memory),
        match largest {
            0 => "lower the resolution".to_owned(),
            largest => format!("lower the batch size, to {largest}"),
        }
    )))
}

/// Vec4 of partial sums that jobs touch at most.
pub(crate) fn scratch(jobs: &[Job], batch: usize) -> usize {
    use crate::shader::{LANES, Op};
    let one = |job: &Job| {
        let (groups, params) = (job.grid.groups(batch), &job.params);
        let (c4_in, c4_out) = (params.c4_in as usize, params.c4_out as usize);
        let sums = groups * SINK_VECTORS * c4_in;
        let lanes = LANES / params.columns.max(1) as usize;
        match job.kernel.op {
            Op::Dense { moments: true, .. } | Op::Depthwise(_, true) | Op::Stem(_, true) => groups * (2 * c4_out + 1),
            Op::DenseInput { .. } | Op::DepthwiseInput(_) | Op::SpreadPool | Op::SpreadGate => sums,
            Op::DenseWeights { .. } if job.kernel.tile.is_some() => {
                params.strips as usize * 4 * tiles::rounded(c4_out) * tiles::rounded(c4_in)
            }
            Op::DenseWeights { .. } => (params.strips * params.kernel * params.kernel) as usize * 4 * c4_out * c4_in,
            Op::DenseBackward { .. } => sums + groups * params.strips as usize * 4 * c4_out * c4_in,
            Op::DepthwiseBackward(window, _) => sums + groups * lanes * window.taps() * c4_out,
            Op::DepthwiseWeights(window) | Op::StemWeights(window) => groups * lanes * window.taps() * c4_out,
            _ => 0,
        }
    };
    jobs.iter().map(one).max().unwrap_or(0)
}
