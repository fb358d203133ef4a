//! Networks that reach every kernel at odd shapes, with weights and images to run them on.

use crate::reference::{Batch, Model};
use mnasnet_engine::{Loss, Normalise, Pixels, Smoothing};
use mnasnet_gpu::Tile;
use mnasnet_model::variant::{Activation, Block, Kind, Residual};
use mnasnet_model::{Network, Role, Variant, Weights};
use mnasnet_testing::splitmix64::SplitMix64;

/// A row: stage, side and stride of the depthwise kernel, channels.
fn row(stage: usize, kind: Kind, [kernel, stride]: [usize; 2], channels: usize) -> Block {
    Block {
        stage,
        kind,
        kernel,
        stride,
        expansion: 1,
        dense_kernel: 1,
        channels,
        squeeze_excite: 0.0,
        residual: Residual::None,
        activation: Activation::Relu,
    }
}

fn network([stem, head, classes]: [usize; 3], dropout: f32, stem_bias: bool, blocks: Vec<Block>) -> Network {
    let variant = Variant {
        name: "odd".into(),
        origin: String::new(),
        stem,
        stem_scaled: true,
        stem_bias,
        head,
        dropout,
        bn_epsilon: 1e-3,
        bn_momentum: 0.3,
        blocks,
    };
    Network::build(&variant, 1.0, classes, None).unwrap()
}

/// Inverted residuals with kernels of 3, 5 and 7, squeeze-excite, residual sums alone and in a row. The widest layer has 78
/// channels: two columns of workgroups, the last vector half empty.
pub fn inverted(dropout: f32) -> Network {
    let inverted = |stage, window, channels| row(stage, Kind::Inverted, window, channels);
    let blocks = vec![
        row(0, Kind::Separable, [3, 1], 7),
        Block {
            expansion: 3,
            squeeze_excite: 0.25,
            ..inverted(1, [5, 2], 13)
        },
        Block {
            expansion: 6,
            residual: Residual::Always,
            ..inverted(1, [3, 1], 13)
        },
        Block {
            expansion: 2,
            squeeze_excite: 0.4,
            residual: Residual::Always,
            ..inverted(1, [5, 1], 13)
        },
        inverted(2, [7, 2], 17),
        Block {
            squeeze_excite: 1.0,
            residual: Residual::WhereItFits,
            ..inverted(2, [7, 1], 17)
        },
    ];
    network([5, 19, 11], dropout, false, blocks)
}

/// Separable blocks with dense 3x3 kernels, a bias in front of the first batch norm, a residual sum over the first convolution, two
/// convolutions too wide for both gradients at once, one of them gated, and more classes than a workgroup has lanes.
pub fn separable() -> Network {
    let separable = |stage, window, channels| Block {
        dense_kernel: 3,
        ..row(stage, Kind::Separable, window, channels)
    };
    let blocks = vec![
        Block {
            residual: Residual::Always,
            ..separable(0, [3, 1], 13)
        },
        separable(1, [3, 2], 18),
        Block {
            residual: Residual::Always,
            ..separable(1, [1, 1], 18)
        },
        Block {
            dense_kernel: 1,
            ..separable(2, [1, 2], 3)
        },
        row(2, Kind::Separable, [3, 2], 66),
        Block {
            squeeze_excite: 0.25,
            ..row(2, Kind::Inverted, [1, 1], 68)
        },
    ];
    network([13, 70, 131], 0.3, true, blocks)
}

/// Pointwise convolutions between more channels than a block of tiles has, on both sides, gated and not.
pub fn wide() -> Network {
    let inverted = Block {
        expansion: 2,
        squeeze_excite: 0.1,
        residual: Residual::Always,
        ..row(1, Kind::Inverted, [3, 1], 70)
    };
    network(
        [9, 133, 6],
        0.0,
        false,
        vec![row(0, Kind::Separable, [3, 2], 70), inverted],
    )
}

/// One of each operation, small enough for finite differences.
pub fn tiny() -> Network {
    let separable = Block {
        dense_kernel: 3,
        residual: Residual::WhereItFits,
        ..row(0, Kind::Separable, [3, 1], 3)
    };
    let inverted = Block {
        expansion: 2,
        squeeze_excite: 0.7,
        residual: Residual::Always,
        ..row(1, Kind::Inverted, [5, 1], 3)
    };
    let last = row(1, Kind::Inverted, [3, 2], 2);
    network([3, 5, 4], 0.2, true, vec![separable, inverted, last])
}

/// Weights away from all that is special: scales about 1, shifts, biases and means on both sides of 0.
pub fn weights(network: &Network, seed: u64) -> Weights {
    let mut random = SplitMix64::new(seed);
    let mut draw = |role: Role, reads: usize| {
        let value = random.value();
        match role {
            Role::Weight => value * (3.0 / reads as f32).sqrt(),
            Role::Gamma | Role::Variance => 1.0 + 0.5 * value,
            Role::Beta | Role::Mean | Role::Bias => 0.5 * value,
        }
    };
    let [parameters, buffers] = [&network.parameters, &network.buffers].map(|tensors| {
        let tensors = tensors.iter().flat_map(|tensor| {
            let reads = tensor.shape.iter().skip(1).product();
            std::iter::repeat_n((tensor.role, reads), tensor.len())
        });
        tensors.map(|(role, reads)| draw(role, reads)).collect()
    });
    Weights { parameters, buffers }
}

/// The reference in float32 without rounding.
pub fn model<'a>(network: &'a Network, weights: &Weights) -> Model<'a> {
    let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect();
    Model {
        network,
        parameters: wide(&weights.parameters),
        buffers: wide(&weights.buffers),
        stored: |value| value,
        tiles: None,
    }
}

/// The reference as a device computes in bfloat16: stored values are rounded, and what it multiplies over tiles.
pub fn rounding<'a>(network: &'a Network, weights: &Weights, tile: Option<Tile>) -> Model<'a> {
    Model {
        stored: bfloat16,
        tiles: tile.map(Tile::side),
        ..model(network, weights)
    }
}

/// The nearest number of 8 bits, ties to even: bfloat16's, but for its range.
fn bfloat16(value: f64) -> f64 {
    let bits = (value as f32).to_bits();
    let near = bits + 0x7fff + (bits >> 16 & 1);
    f64::from(f32::from_bits(near & 0xffff_0000))
}

const NORMALISE: Normalise = Normalise {
    scale: [0.0171, 0.0175, 0.0174],
    shift: [-2.118, -2.036, -1.804],
};

/// Images as both a device and the reference take them.
pub struct Images {
    pub resolution: usize,
    bytes: Vec<u8>,
    floats: Vec<f32>,
    are_bytes: bool,
}

impl Images {
    pub fn new(images: usize, resolution: usize, are_bytes: bool, seed: u64) -> Self {
        let mut random = SplitMix64::new(seed);
        let count = images * resolution * resolution * 3;
        Self {
            resolution,
            bytes: (0..count).map(|_| random.number() as u8).collect(),
            floats: (0..count).map(|_| 2.0 * random.value()).collect(),
            are_bytes,
        }
    }

    fn length(&self, images: usize) -> usize {
        images * self.resolution * self.resolution * 3
    }

    /// The images of a range, for a device.
    pub fn pixels(&self, images: std::ops::Range<usize>) -> Pixels<'_> {
        let range = self.length(images.start)..self.length(images.end);
        match self.are_bytes {
            true => Pixels::U8(&self.bytes[range], NORMALISE),
            false => Pixels::F32(&self.floats[range]),
        }
    }

    /// The first images, for the reference.
    pub fn values(&self, images: usize) -> Vec<f64> {
        let normalised = |(at, &byte): (usize, &u8)| {
            f64::from(NORMALISE.scale[at % 3]) * f64::from(byte) + f64::from(NORMALISE.shift[at % 3])
        };
        let mut values: Vec<f64> = match self.are_bytes {
            true => self.bytes.iter().enumerate().map(normalised).collect(),
            false => self.floats.iter().map(|&value| f64::from(value)).collect(),
        };
        values.truncate(self.length(images));
        values
    }
}

/// Labels, second labels with their weights, and how they are scored.
pub struct Answers {
    pub labels: Vec<u32>,
    pub others: Vec<(u32, f32)>,
    pub loss: Loss,
}

impl Answers {
    /// Answers by MindSpore's convention with two labels each, or by PyTorch's with one.
    pub fn new(images: usize, classes: usize, two: bool) -> Self {
        let label = |i: usize| (i * 7 % classes) as u32;
        let other = |i: usize| ((i * 5 + 3) % classes) as u32;
        let second = |i: usize| (other(i), [0.3, 0.0, 0.75][i % 3]);
        Self {
            labels: (0..images).map(label).collect(),
            others: if two {
                (0..images).map(second).collect()
            } else {
                Vec::new()
            },
            loss: Loss {
                smoothing: if two { 0.2 } else { 0.1 },
                convention: if two { Smoothing::Others } else { Smoothing::Uniform },
            },
        }
    }

    /// The batch that the reference takes.
    pub fn batch(&self, images: &Images, classes: usize, dropout_seed: u64, [whole, before]: [usize; 2]) -> Batch {
        let second = |i: usize| self.others.get(i).copied().unwrap_or((0, 0.0));
        let both = |(i, &label): (usize, &u32)| {
            let (other, weight) = second(i);
            let weight = f64::from(weight);
            [(label as usize, 1.0 - weight), (other as usize, weight)]
        };
        let (mass, others) = (f64::from(self.loss.smoothing), (classes - 1) as f64);
        Batch {
            resolution: images.resolution,
            pixels: images.values(self.labels.len()),
            labels: self.labels.iter().enumerate().map(both).collect(),
            on_off: match self.loss.convention {
                Smoothing::Uniform => [1.0 - mass + mass / classes as f64, mass / classes as f64],
                Smoothing::Others => [1.0 - mass, mass / others],
            },
            dropout_seed,
            whole,
            before,
        }
    }
}
