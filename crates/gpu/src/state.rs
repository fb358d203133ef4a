//! What training has learnt, on the device: it outlives plans.

use crate::gpu::Shared;
use crate::job::Place;
use mnasnet_engine::EngineError;
use mnasnet_model::{Network, Weights};

/// Flat vectors on the device.
pub(crate) struct State {
    pub parameters: wgpu::Buffer,
    pub gradients: wgpu::Buffer,
    /// Running statistics, and those before the last step.
    pub statistics: wgpu::Buffer,
    pub previous: wgpu::Buffer,
    /// Averaged parameters and statistics.
    pub average: Option<[wgpu::Buffer; 2]>,
    /// The optimizer's state.
    pub slots: Vec<(&'static str, wgpu::Buffer)>,
    pub spans: wgpu::Buffer,
    pub checks: wgpu::Buffer,
    /// Parameters and running statistics.
    pub counts: [usize; 2],
}

/// Bytes of a span: as in `kernels/update.wgsl`.
const SPAN: usize = 12;
/// Values that one workgroup checks: as in `kernels/check.wgsl`.
pub(crate) const CHECKED: usize = 4096;

impl State {
    /// Room for what `network` learns.
    pub fn new(shared: &Shared, network: &Network) -> Result<Self, EngineError> {
        let counts = [network.parameter_count(), network.buffer_count()];
        let [parameters, statistics] = counts.map(|count| count * size_of::<f32>());
        let checks = counts.map(|count| count.div_ceil(CHECKED)).iter().sum::<usize>();
        Ok(Self {
            parameters: shared.buffer(parameters)?,
            gradients: shared.buffer(parameters)?,
            statistics: shared.buffer(statistics)?,
            previous: shared.buffer(statistics)?,
            average: None,
            slots: Vec::new(),
            spans: shared.buffer(network.parameters.len() * SPAN)?,
            checks: shared.buffer(checks * 8)?,
            counts,
        })
    }

    /// Whether it is of a network like this.
    pub fn suits(&self, network: &Network) -> bool {
        self.counts == [network.parameter_count(), network.buffer_count()]
            && self.spans.size() >= (network.parameters.len() * SPAN) as u64
    }

    /// Takes weights over.
    pub fn set_weights(&self, shared: &Shared, weights: &Weights) {
        shared.write(&self.parameters, bytemuck::cast_slice(&weights.parameters));
        shared.write(&self.statistics, bytemuck::cast_slice(&weights.buffers));
    }

    /// The buffer of a place that is not the plan's.
    pub fn buffer(&self, place: &Place) -> &wgpu::Buffer {
        let average = |at: usize| {
            let average = self.average.as_ref().expect("an average is kept");
            &average[at]
        };
        match place {
            Place::Parameters => &self.parameters,
            Place::Gradients => &self.gradients,
            Place::Statistics => &self.statistics,
            // SGD has no second vector, and its kernel does not touch what stands there.
            Place::Slot(at) => self.slots.get(*at).map_or(&self.checks, |(_, slot)| slot),
            Place::AverageParameters => average(0),
            Place::AverageStatistics => average(1),
            Place::Spans => &self.spans,
            Place::Checks => &self.checks,
            place => unreachable!("{place:?} is the plan's"),
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        let buffers = [
            &self.parameters,
            &self.gradients,
            &self.statistics,
            &self.previous,
            &self.spans,
            &self.checks,
        ];
        let slots = self.slots.iter().map(|(_, slot)| slot);
        let all = buffers.into_iter().chain(self.average.iter().flatten()).chain(slots);
        all.map(|buffer| buffer.size() as usize).sum()
    }
}
