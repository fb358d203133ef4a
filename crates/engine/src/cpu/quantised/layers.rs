//! The layers of a network of bytes, with their weights packed.

use std::io;
use std::ops::Range;

use mnasnet_kernels::bytes::spatial::Product;
use mnasnet_kernels::bytes::{Rescale, SLACK, Sum, Unit, dense, depthwise, spatial};
use mnasnet_kernels::dense::Dense;
use mnasnet_kernels::depthwise::Depthwise;
use mnasnet_kernels::{Context, Memory, Needs, padded};
use mnasnet_model::Shape;
use mnasnet_model::quantised::{Convolution, Last, Layer, Op, QuantisedNetwork, Scale, Value};

/// All layers.
pub(super) struct Prepared {
    unit: Unit,
    steps: Vec<Step>,
    last: Ending,
    output: usize,
}

/// A layer, or a convolution and the sum behind it.
struct Step {
    action: Action,
    input: usize,
    output: usize,
}

impl Step {
    /// The second value that it reads, which may be the first.
    fn other(&self) -> usize {
        match &self.action {
            Action::Dense(.., Some(adding)) | Action::Add(.., adding) => adding.other,
            Action::Gate(_, gate, ..) => *gate,
            _ => self.input,
        }
    }
}

enum Action {
    Dense(Dense, u8, dense::Weights, Rescaling, Option<Adding>),
    Depthwise(Depthwise, u8, depthwise::Weights, Rescaling),
    /// Bytes of an image, and the first one's zero.
    Add(usize, u8, Adding),
    /// With the value that gates.
    Gate(Shape, usize, [u8; 2], Product),
    Mean(Shape, Rescaling),
    Map(usize, Box<[u8; 256]>),
}

/// A value that is added.
struct Adding {
    other: usize,
    own: f32,
    other_scale: f32,
    scale: f32,
    other_zero: u8,
    zero: u8,
    low: u8,
}

/// How sums become bytes.
struct Rescaling {
    bias: Vec<i32>,
    factor: Vec<f32>,
    zero: u8,
    low: u8,
}

enum Ending {
    Classifier(Dense, u8, dense::Weights, Rescaling),
    Numbers(Scale),
}

/// The values that a layer reads.
fn reads(layer: &Layer) -> impl Iterator<Item = usize> {
    let other = match layer.op {
        Op::Add(other) | Op::Gate(other) => Some(other),
        _ => None,
    };
    std::iter::once(layer.input).chain(other)
}

/// The geometry of a convolution that is not depthwise.
fn dense_of(convolution: &Convolution, input: Shape) -> Dense {
    Dense {
        kernel: convolution.kernel,
        stride: convolution.stride,
        c_in: input.channels,
        c_out: convolution.scales.len(),
        height: input.height,
        width: input.width,
    }
}

fn depthwise_of(convolution: &Convolution, input: Shape) -> Depthwise {
    Depthwise {
        kernel: convolution.kernel,
        stride: convolution.stride,
        channels: input.channels,
        height: input.height,
        width: input.width,
    }
}

/// Each convolution, and the shape of what it reads.
fn convolutions(network: &QuantisedNetwork) -> impl Iterator<Item = (&Convolution, Shape)> {
    let shape = |value: usize| network.values[value].shape;
    let layers = network.layers.iter().filter_map(move |layer| match &layer.op {
        Op::Convolution(convolution) => Some((convolution, shape(layer.input))),
        _ => None,
    });
    let last = match &network.last {
        Last::Classifier(convolution) => Some((convolution, shape(network.output))),
        Last::Numbers => None,
    };
    layers.chain(last)
}

/// Bytes that may be read behind each value.
pub(super) fn slack(network: &QuantisedNetwork) -> Vec<usize> {
    let mut slack = vec![SLACK; network.values.len()];
    let mut read = |value: usize, convolution: &Convolution| {
        if !convolution.depthwise {
            let conv = dense_of(convolution, network.values[value].shape);
            slack[value] = slack[value].max(dense::slack(&conv));
        }
    };
    for layer in &network.layers {
        if let Op::Convolution(convolution) = &layer.op {
            read(layer.input, convolution);
        }
    }
    if let Last::Classifier(convolution) = &network.last {
        read(network.output, convolution);
    }
    slack
}

/// Memory that layers work in.
pub(super) fn needs(network: &QuantisedNetwork) -> Needs {
    let needs = |(convolution, input): (&Convolution, Shape)| match convolution.depthwise {
        true => depthwise::needs(&depthwise_of(convolution, input)),
        false => dense::needs(&dense_of(convolution, input)),
    };
    convolutions(network).map(needs).fold(Needs::default(), Needs::max)
}

/// Bytes of all weights.
pub(super) fn weights(network: &QuantisedNetwork) -> usize {
    convolutions(network)
        .map(|(convolution, _)| convolution.weight.len())
        .sum()
}

impl Rescaling {
    /// Of sums of products of bytes of `input` and `convolution`'s weights.
    fn new(convolution: &Convolution, input: Scale, output: Option<Scale>, relu: bool) -> Self {
        let channels = convolution.scales.len();
        let filter = convolution.weight.len() / channels;
        let zero = output.map_or(0, |output| output.zero);
        let mut bias = vec![0; padded(channels)];
        let mut factor = vec![0.0; padded(channels)];
        for (channel, weights) in convolution.weight.chunks_exact(filter).enumerate() {
            // Products count from the input's zero.
            let weights: i32 = weights.iter().map(|&weight| i32::from(weight)).sum();
            bias[channel] = convolution.bias[channel] - i32::from(input.zero) * weights;
            // In this order, as ONNX Runtime has it.
            factor[channel] = input.scale * convolution.scales[channel];
            if let Some(output) = output {
                factor[channel] /= output.scale;
            }
        }
        Self {
            bias,
            factor,
            zero,
            low: if relu { zero } else { 0 },
        }
    }

    /// Of sums of bytes of `input` over an image.
    fn mean(input: Value, output: Scale, relu: bool) -> Self {
        let (area, channels) = (input.shape.height * input.shape.width, input.shape.channels);
        let bias = -(area as i32) * i32::from(input.scale.zero);
        Self {
            bias: vec![bias; padded(channels)],
            factor: vec![input.scale.scale / (output.scale * area as f32); padded(channels)],
            zero: output.zero,
            low: if relu { output.zero } else { 0 },
        }
    }

    fn get(&self) -> Rescale<'_> {
        Rescale {
            bias: &self.bias,
            factor: &self.factor,
            zero: self.zero,
            low: self.low,
        }
    }
}

impl Adding {
    fn new(own: Scale, other: usize, other_scale: Scale, sum: Scale, relu: bool) -> Self {
        Self {
            other,
            own: own.scale,
            other_scale: other_scale.scale,
            scale: sum.scale,
            other_zero: other_scale.zero,
            zero: sum.zero,
            low: if relu { sum.zero } else { 0 },
        }
    }

    fn sum<'a>(&self, bytes: &'a [u8]) -> Sum<'a> {
        Sum {
            bytes,
            own: self.own,
            other: self.other_scale,
            scale: self.scale,
            other_zero: self.other_zero,
            zero: self.zero,
            low: self.low,
        }
    }
}

impl Prepared {
    pub fn new(unit: Unit, network: &QuantisedNetwork) -> io::Result<Self> {
        let values = &network.values;
        let mut steps: Vec<Step> = Vec::new();
        for (at, layer) in network.layers.iter().enumerate() {
            let (input, output) = (values[layer.input], values[at + 1]);
            if let Op::Add(_) = layer.op
                && let Some(adding) = joins(network, at, steps.last())
                && let Some(Step {
                    action: Action::Dense(.., sum),
                    output,
                    ..
                }) = steps.last_mut()
            {
                *sum = Some(adding);
                *output = at + 1;
                continue;
            }
            let action = match &layer.op {
                Op::Convolution(convolution) => {
                    let rescaling = Rescaling::new(convolution, input.scale, Some(output.scale), layer.relu);
                    let zero = input.scale.zero;
                    match convolution.depthwise {
                        true => {
                            let conv = depthwise_of(convolution, input.shape);
                            let weights = depthwise::Weights::pack(unit, &conv, &convolution.weight)?;
                            Action::Depthwise(conv, zero, weights, rescaling)
                        }
                        false => {
                            let conv = dense_of(convolution, input.shape);
                            let weights = dense::Weights::pack(unit, &conv, &convolution.weight)?;
                            Action::Dense(conv, zero, weights, rescaling, None)
                        }
                    }
                }
                Op::Add(other) => {
                    let adding = Adding::new(input.scale, *other, values[*other].scale, output.scale, layer.relu);
                    Action::Add(input.shape.len(), input.scale.zero, adding)
                }
                Op::Gate(gate) => {
                    let of = values[*gate].scale;
                    let product = Product {
                        factor: input.scale.scale * of.scale / output.scale.scale,
                        zero: output.scale.zero,
                        low: if layer.relu { output.scale.zero } else { 0 },
                    };
                    Action::Gate(input.shape, *gate, [input.scale.zero, of.zero], product)
                }
                Op::Mean => Action::Mean(input.shape, Rescaling::mean(input, output.scale, layer.relu)),
                Op::Map(table) => Action::Map(input.shape.len(), table.clone()),
            };
            steps.push(Step {
                action,
                input: layer.input,
                output: at + 1,
            });
        }
        let input = values[network.output];
        let last = match &network.last {
            Last::Classifier(convolution) => {
                let conv = dense_of(convolution, input.shape);
                let rescaling = Rescaling::new(convolution, input.scale, None, false);
                let weights = dense::Weights::pack(unit, &conv, &convolution.weight)?;
                Ending::Classifier(conv, input.scale.zero, weights, rescaling)
            }
            Last::Numbers => Ending::Numbers(input.scale),
        };
        Ok(Self {
            unit,
            steps,
            last,
            output: network.output,
        })
    }

    /// What each step reads and makes, in order.
    pub fn reads_and_results(&self) -> impl Iterator<Item = ([usize; 2], usize)> {
        self.steps.iter().map(|step| ([step.input, step.other()], step.output))
    }

    /// Bytes of weights.
    pub fn bytes(&self) -> usize {
        let steps = self.steps.iter().map(|step| match &step.action {
            Action::Dense(_, _, weights, ..) => weights.bytes(),
            Action::Depthwise(_, _, weights, _) => weights.bytes(),
            _ => 0,
        });
        let last = match &self.last {
            Ending::Classifier(_, _, weights, _) => weights.bytes(),
            Ending::Numbers(_) => 0,
        };
        steps.sum::<usize>() + last
    }

    /// Takes `images` images, which are the first value, through all layers.
    pub fn run(
        &self,
        context: &Context,
        places: &[Range<usize>],
        images: usize,
        arena: &mut Memory,
        logits: &mut [f32],
    ) {
        for step in &self.steps {
            let other = step.other();
            let place = |value: usize| places[value].clone();
            let apart = match other == step.input {
                true => 0..0,
                false => place(other),
            };
            let [input, other, out] = arena
                .get_disjoint_mut([place(step.input), apart, place(step.output)])
                .expect("a layer's result lies apart from what it reads");
            let (input, other) = (&*input, if other.is_empty() { &*input } else { &*other });
            self.step(context, &step.action, images, input, other, out);
        }
        let input = &arena[places[self.output].clone()];
        match &self.last {
            Ending::Classifier(conv, zero, weights, rescaling) => {
                dense::classify(context, conv, images, input, *zero, weights, rescaling.get(), logits);
            }
            Ending::Numbers(scale) => {
                logits
                    .iter_mut()
                    .zip(input)
                    .for_each(|(logit, &byte)| *logit = scale.number(byte));
            }
        }
    }

    fn step(&self, context: &Context, action: &Action, images: usize, input: &[u8], other: &[u8], out: &mut [u8]) {
        let unit = self.unit;
        match action {
            Action::Dense(conv, zero, weights, rescaling, adding) => {
                let sum = adding.as_ref().map(|adding| adding.sum(other));
                dense::forward(context, conv, images, input, *zero, weights, rescaling.get(), sum, out);
            }
            Action::Depthwise(conv, zero, weights, rescaling) => {
                depthwise::forward(context, conv, images, input, *zero, weights, rescaling.get(), out);
            }
            Action::Add(len, zero, adding) => {
                spatial::add(unit, input, *zero, adding.sum(other), &mut out[..images * len]);
            }
            Action::Gate(shape, _, zeros, product) => {
                let (area, out) = (shape.height * shape.width, &mut out[..images * shape.len()]);
                spatial::gate(unit, area, shape.channels, input, other, *zeros, *product, out);
            }
            Action::Mean(shape, rescaling) => {
                let area = shape.height * shape.width;
                spatial::mean(unit, images, area, shape.channels, input, rescaling.get(), out);
            }
            Action::Map(len, table) => spatial::map(table, input, &mut out[..images * len]),
        }
    }
}

/// The sum behind the step that was made last, if layer `at` is that and nothing else reads the step's result.
fn joins(network: &QuantisedNetwork, at: usize, last: Option<&Step>) -> Option<Adding> {
    let (layer, values) = (&network.layers[at], &network.values);
    let Op::Add(other) = layer.op else {
        return None;
    };
    let step = last.filter(|step| matches!(step.action, Action::Dense(.., None)))?;
    let other = match step.output {
        output if output == layer.input && output != other => other,
        output if output == other && output != layer.input => layer.input,
        _ => return None,
    };
    let readers = network
        .layers
        .iter()
        .flat_map(reads)
        .filter(|&value| value == step.output);
    let own = values[step.output].scale;
    (readers.count() == 1 && network.output != step.output)
        .then(|| Adding::new(own, other, values[other].scale, values[at + 1].scale, layer.relu))
}
