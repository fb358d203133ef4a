//! A plan on a device: its buffers, and its sweeps bound to them.

use crate::gpu::{Dispatch, Shared};
use crate::job::{Call, Job, Params, Place};
use crate::layout::{ALIGN, Layout, SINK_VECTORS, VEC4, longest};
use crate::state::State;
use crate::tiles::{self, Tile};
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

impl Buffers {
    /// Takes what these lengths need, beside what is there. What is too short goes before other memory is taken.
    fn grow(&mut self, shared: &Shared, lengths: &Lengths) -> Result<(), EngineError> {
        for (at, &length) in lengths.pages.iter().enumerate() {
            if self.arena.get(at).is_some_and(|page| page.size() >= length as u64) {
                continue;
            }
            if at < self.arena.len() {
                self.arena.remove(at);
            }
            self.arena.insert(at, shared.buffer(length)?);
        }
        for (buffer, length) in [
            (&mut self.vectors, lengths.vectors),
            (&mut self.packed, lengths.packed),
            (&mut self.scratch, lengths.scratch),
            (&mut self.pixels, lengths.pixels),
            (&mut self.coming, lengths.coming),
            (&mut self.targets, lengths.targets),
            (&mut self.scores, lengths.targets),
        ] {
            if buffer.as_ref().is_none_or(|buffer| buffer.size() < length as u64) {
                *buffer = None;
                *buffer = Some(shared.buffer(length)?);
            }
        }
        Ok(())
    }
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
        let room = Room::of(&shared);
        let (layout, lengths) = match fit(room, network, plan, purpose, &scratch)? {
            Ok(fits) => fits,
            Err(reason) => return Err(refusal(room, network, plan, purpose, &scratch, &reason)),
        };
        if let Err(error) = buffers.grow(&shared, &lengths) {
            // What the device has lost is no matter of the batch.
            shared.check()?;
            let gib = gib(lengths.bytes(network));
            return Err(EngineError::Plan(format!(
                "{} needs {gib:.1} GiB in all, and {error}: lower the batch size",
                batch_of(plan)
            )));
        }
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

    /// The longest of those that a kernel is bound to as a whole and that grow with the batch.
    fn longest(&self) -> usize {
        [self.vectors, self.scratch, self.pixels].into_iter().max().unwrap_or(0)
    }

    /// Of the plan, and of what is learnt of `network`: weights, gradients, two vectors of an optimizer and the average.
    fn bytes(&self, network: &Network) -> usize {
        let others = self.vectors + self.packed + self.scratch + self.pixels + self.coming + 2 * self.targets;
        self.pages.iter().sum::<usize>() + others + 5 * size_of::<f32>() * network.parameter_count()
    }
}

/// What a device can hold.
#[derive(Clone, Copy)]
struct Room {
    /// The longest buffer.
    piece: usize,
    /// All buffers, where it tells.
    memory: Option<u64>,
    tile: Option<Tile>,
}

impl Room {
    fn of(shared: &Shared) -> Self {
        Self {
            piece: shared.piece(),
            memory: shared.memory(),
            tile: shared.tile(),
        }
    }
}

/// A plan laid out, or why a device has no room for a batch of that size.
///
/// # Errors
/// What no batch size would help.
fn fit(
    room: Room,
    network: &Network,
    plan: &Plan,
    purpose: Purpose,
    scratch: &impl Fn(&Layout) -> usize,
) -> Result<Result<(Layout, Lengths), String>, EngineError> {
    let Room { piece, memory, tile } = room;
    let mib = |bytes: usize| bytes.div_ceil(1 << 20);
    let too_long = |what: &str, bytes: usize| {
        format!(
            "{what} of {} MiB, and the device takes at most {} MiB in one piece",
            mib(bytes),
            piece >> 20
        )
    };
    if longest(plan) > piece / ALIGN * ALIGN {
        return Ok(Err(too_long("has a layer", longest(plan))));
    }
    let layout = Layout::new(network, plan, piece, tile)?;
    let lengths = Lengths::new(&layout, purpose, scratch(&layout));
    let weights = lengths.packed.max(size_of::<f32>() * network.parameter_count());
    if weights > piece {
        let what = too_long("the network has weights", weights);
        return Err(EngineError::Plan(format!("{what}: use the processor")));
    }
    if lengths.longest() > piece {
        return Ok(Err(too_long("needs a buffer", lengths.longest())));
    }
    let needed = lengths.bytes(network);
    match memory {
        Some(memory) if memory < needed as u64 => Ok(Err(format!(
            "needs {:.1} GiB, and the device has {:.1} GiB",
            gib(needed),
            gib(memory as usize)
        ))),
        _ => Ok(Ok((layout, lengths))),
    }
}

/// Refuses a plan for this reason, and says which batch the device can hold.
fn refusal(
    room: Room,
    network: &Network,
    plan: &Plan,
    purpose: Purpose,
    scratch: &impl Fn(&Layout) -> usize,
    reason: &str,
) -> EngineError {
    let fits = |batch: usize| {
        let plan = match purpose {
            Purpose::Training => Plan::new(network, batch, plan.resolution, plan.storage()),
            Purpose::Inference => Plan::inference(network, batch, plan.resolution, plan.precision),
        };
        plan.is_ok_and(|plan| matches!(fit(room, network, &plan, purpose, scratch), Ok(Ok(_))))
    };
    // The largest that fits lies from `fits_all` on, below `too_large`.
    let (mut fits_all, mut too_large) = (0, plan.batch);
    while too_large - fits_all > 1 {
        let middle = fits_all.midpoint(too_large);
        match fits(middle) {
            true => fits_all = middle,
            false => too_large = middle,
        }
    }
    let advice = match fits_all {
        0 => "lower the resolution".to_owned(),
        largest => format!("lower the batch size, to {largest}"),
    };
    EngineError::Plan(format!("{} {reason}: {advice}", batch_of(plan)))
}

fn batch_of(plan: &Plan) -> String {
    let Plan { batch, resolution, .. } = plan;
    format!("a batch of {batch} images of {resolution} x {resolution} pixels")
}

fn gib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 30)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::{Statistics, forward};
    use mnasnet_engine::Precision;
    use mnasnet_model::Variant;

    const MIB: usize = 1 << 20;

    fn network(classes: usize) -> Network {
        Network::build(Variant::by_name("mnasnet-b1").unwrap(), 1.0, classes, None).unwrap()
    }

    fn needs(layout: &Layout) -> usize {
        scratch(&forward(layout, Statistics::Batch), layout.plan.batch)
    }

    #[test]
    fn the_largest_batch_that_fits_is_said() {
        let network = network(1000);
        let plan = |batch| Plan::new(&network, batch, 224, Precision::F32).unwrap();
        for (piece, memory, reason) in [
            (
                128 * MIB,
                None,
                "has a layer of 1176 MiB, and the device takes at most 128 MiB in one piece",
            ),
            // A page holds all of a small batch, and the memory is what there is too little of.
            (4096 * MIB, Some(2 << 30), "GiB, and the device has 2.0 GiB"),
            // What would go into the pieces has no room in the memory.
            (1024 * MIB, Some(2 << 30), "in one piece"),
        ] {
            let room = Room {
                piece,
                memory,
                tile: None,
            };
            let reached = |batch| fit(room, &network, &plan(batch), Purpose::Training, &needs).unwrap();
            let why = reached(512).err().expect("too large");
            assert!(why.contains(reason), "{why}");
            let refused = refusal(room, &network, &plan(512), Purpose::Training, &needs, &why).to_string();
            let (_, largest) = refused
                .split_once("lower the batch size, to ")
                .expect("there is one that fits");
            let largest: usize = largest.parse().unwrap();
            assert!(reached(largest).is_ok() && reached(largest + 1).is_err(), "{refused}");
        }
        let room = Room {
            piece: 1024 * MIB,
            memory: Some(64 << 20),
            tile: None,
        };
        let refused = refusal(room, &network, &plan(512), Purpose::Training, &needs, "needs more");
        assert!(
            refused
                .to_string()
                .ends_with("224 x 224 pixels needs more: lower the resolution"),
            "{refused}"
        );
    }

    #[test]
    fn weights_that_no_batch_makes_shorter_are_refused_as_such() {
        let network = network(60_000);
        let plan = Plan::new(&network, 2, 32, Precision::F32).unwrap();
        let room = Room {
            piece: 128 * MIB,
            memory: None,
            tile: None,
        };
        let refused = fit(room, &network, &plan, Purpose::Inference, &needs)
            .err()
            .expect("weights are refused");
        let text = refused.to_string();
        assert!(
            text.starts_with("the network has weights of ") && text.ends_with(": use the processor"),
            "{text}"
        );
    }
}
