//! Initial values. Each tensor's values depend on the seed and its name only, so a change elsewhere in the network, or
//! another order of filling, leaves them as they are.

use crate::network::{ConvKind, Network, Op, Role, TensorId, Weights};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, Normal, Uniform};

mnasnet_choice::choices! {
    /// A rule for initial weights and biases. Batch norm always starts at scale 1, shift 0, mean 0, variance 1.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub enum Scheme {
        /// TensorFlow's official MNASNet and timm.
        ///
        /// Convolutions Normal(0, sqrt(2 / fan_out)) with `fan_out = k * k * c_out / groups`, classifier uniform in
        /// ±1/sqrt(classes), biases 0.
        Tensorflow = "tensorflow",
        /// torchvision's `MNASNet`.
        ///
        /// Kaiming normal by a fan-out of `k * k * c_out` that ignores groups (so depthwise weights start smaller than in
        /// [`Scheme::Tensorflow`]), classifier uniform in ±sqrt(3 / classes), biases 0.
        Torchvision = "torchvision",
        /// MindSpore up to 2.0, that of the published results: weights Normal(0, 0.01), biases 0.
        Mindspore = "mindspore",
        /// MindSpore from 2.1 on: weights and biases uniform in ±1/sqrt(fan_in).
        #[default]
        MindsporeUniform = "mindspore-uniform",
    }
}

impl Scheme {
    /// Distributions of a layer's weight and bias.
    fn draws(self, layer: &Layer) -> (Draw, Draw) {
        let per_channel = layer.c_out * layer.taps;
        match self {
            Scheme::Tensorflow if layer.classifier => (Draw::uniform(1.0 / layer.c_out as f64), Draw::Zero),
            Scheme::Tensorflow => (Draw::normal(2.0 / (per_channel / layer.groups) as f64), Draw::Zero),
            Scheme::Torchvision if layer.classifier => (Draw::uniform(3.0 / layer.c_out as f64), Draw::Zero),
            Scheme::Torchvision => (Draw::normal(2.0 / per_channel as f64), Draw::Zero),
            Scheme::Mindspore => (Draw::normal(1e-4), Draw::Zero),
            Scheme::MindsporeUniform => {
                let draw = Draw::uniform(1.0 / layer.fan_in as f64);
                (draw, draw)
            }
        }
    }
}

/// Initial weights of a network.
pub fn initialise(network: &Network, scheme: Scheme, seed: u64) -> Weights {
    let mut parameters = vec![0.0; network.parameter_count()];
    let mut buffers = vec![0.0; network.buffer_count()];
    let ones = |role| matches!(role, Role::Gamma | Role::Variance);
    for tensor in network.parameters.iter().filter(|tensor| ones(tensor.role)) {
        parameters[tensor.range()].fill(1.0);
    }
    for tensor in network.buffers.iter().filter(|tensor| ones(tensor.role)) {
        buffers[tensor.range()].fill(1.0);
    }
    for layer in network.nodes.iter().flat_map(|node| layers(&node.op, network)) {
        let (weight, bias) = scheme.draws(&layer);
        for (id, draw) in [Some((layer.weight, weight)), layer.bias.map(|id| (id, bias))]
            .into_iter()
            .flatten()
        {
            let name = &network.parameters[id].name;
            draw.fill(network.parameter_mut(&mut parameters, id), &mut stream(seed, name));
        }
    }
    Weights { parameters, buffers }
}

/// A convolution or dense layer as initialisation sees it.
struct Layer {
    weight: TensorId,
    bias: Option<TensorId>,
    c_out: usize,
    /// Kernel side squared.
    taps: usize,
    groups: usize,
    /// Input values that one output value reads.
    fan_in: usize,
    classifier: bool,
}

fn layers(op: &Op, network: &Network) -> Vec<Layer> {
    let layer = |weight: TensorId, bias, groups, classifier| {
        let shape = &network.parameters[weight].shape;
        let (taps, fan_in) = (shape.iter().skip(2).product(), shape.iter().skip(1).product());
        Layer {
            weight,
            bias,
            c_out: shape[0],
            taps,
            groups,
            fan_in,
            classifier,
        }
    };
    match op {
        Op::Conv(conv) => {
            let groups = if conv.kind == ConvKind::Depthwise {
                conv.c_out
            } else {
                1
            };
            vec![layer(conv.weight, conv.bias, groups, false)]
        }
        Op::SqueezeExcite(se) => vec![
            layer(se.reduce_weight, Some(se.reduce_bias), 1, false),
            layer(se.expand_weight, Some(se.expand_bias), 1, false),
        ],
        Op::Linear(linear) => vec![layer(linear.weight, Some(linear.bias), 1, true)],
        Op::Add { .. } | Op::Pool | Op::Dropout { .. } => vec![],
    }
}

#[derive(Clone, Copy)]
enum Draw {
    Zero,
    /// Mean 0 and this standard deviation.
    Normal(f32),
    /// Between minus and plus this bound.
    Uniform(f32),
}

impl Draw {
    fn normal(variance: f64) -> Draw {
        Draw::Normal(variance.sqrt() as f32)
    }
    fn uniform(bound_squared: f64) -> Draw {
        Draw::Uniform(bound_squared.sqrt() as f32)
    }
    fn fill(self, values: &mut [f32], rng: &mut ChaCha8Rng) {
        match self {
            Draw::Zero => values.fill(0.0),
            Draw::Normal(deviation) => sample(values, rng, Normal::new(0.0, deviation)),
            Draw::Uniform(bound) => sample(values, rng, Uniform::new(-bound, bound)),
        }
    }
}

fn sample<D: Distribution<f32>, E: std::fmt::Debug>(values: &mut [f32], rng: &mut ChaCha8Rng, draw: Result<D, E>) {
    let draw = draw.expect("deviations and bounds are positive and finite: roots of counts that a build made positive");
    values.fill_with(|| draw.sample(rng));
}

/// The random stream of one tensor: ChaCha8 keyed by the seed, its stream number a hash (FNV-1a) of the name.
fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, byte| {
        (h ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    }));
    rng
}
