//! The table of variants: what a paper, torchvision, timm or MindSpore's scripts say.
//!
//! torchvision 0.29.2 (`mnasnet0_5` ... `mnasnet1_3`) and timm 1.0.31 (`mnasnet_050` ... `mnasnet_140`) agree on every
//! channel count at every width multiplier: the stem and all stages are scaled and rounded by the same rule, the head
//! stays at 1280. So one variant serves both, and a width is an argument rather than a variant.

use super::{Activation, Block, Kind, Residual, Variant};
use std::sync::LazyLock;

/// Blocks of one shape in a row; the first of them strides and changes the channels.
#[derive(Clone, Copy)]
struct Stage {
    /// Number of blocks.
    repeats: usize,
    /// Kernel side of the depthwise convolutions.
    kernel: usize,
    /// Stride of the first block; the others have 1.
    stride: usize,
    /// Hidden channels over input channels.
    expansion: usize,
    /// Output channels at width 1.
    channels: usize,
    /// Squeeze-excite: the reduced width over the block's input channels; 0 for none.
    squeeze_excite: f64,
    /// Whether blocks that keep the shape add their input.
    residual: bool,
}

const fn stage(repeats: usize, kernel: usize, stride: usize, expansion: usize, channels: usize) -> Stage {
    Stage {
        repeats,
        kernel,
        stride,
        expansion,
        channels,
        squeeze_excite: 0.0,
        residual: true,
    }
}

impl Stage {
    const fn squeezed(self) -> Stage {
        Stage {
            squeeze_excite: 0.25,
            ..self
        }
    }
    const fn without_residual(self) -> Stage {
        Stage {
            residual: false,
            ..self
        }
    }

    /// Its rows. Only the first block can change the shape. The first stage is separable.
    fn blocks(self, stage: usize, dense_kernel: usize) -> impl Iterator<Item = Block> {
        (0..self.repeats).map(move |block| Block {
            stage,
            kind: if stage == 0 { Kind::Separable } else { Kind::Inverted },
            kernel: self.kernel,
            stride: if block == 0 { self.stride } else { 1 },
            expansion: self.expansion,
            dense_kernel: if stage == 0 { dense_kernel } else { 1 },
            channels: self.channels,
            squeeze_excite: self.squeeze_excite,
            residual: match (self.residual, block, self.stride) {
                (false, ..) | (_, 0, 2..) => Residual::None,
                (_, 0, _) => Residual::WhereItFits,
                _ => Residual::Always,
            },
            activation: Activation::Relu,
        })
    }
}

/// MNASNet-B1's stages, shared by MindSpore's scripts.
///
/// timm forbids the residual in the last stage and torchvision does not; it could only arise where 192 and 320 channels
/// round to the same count, at widths up to 0.0277, where we follow timm.
const B1: &[Stage] = &[
    stage(1, 3, 1, 1, 16).without_residual(),
    stage(3, 3, 2, 3, 24),
    stage(3, 5, 2, 3, 40),
    stage(3, 5, 2, 6, 80),
    stage(2, 3, 1, 6, 96),
    stage(4, 5, 2, 6, 192),
    stage(1, 3, 1, 6, 320).without_residual(),
];

const A1: &[Stage] = &[
    stage(1, 3, 1, 1, 16).without_residual(),
    stage(2, 3, 2, 6, 24),
    stage(3, 5, 2, 3, 40).squeezed(),
    stage(4, 3, 2, 6, 80),
    stage(2, 3, 1, 6, 112).squeezed(),
    stage(3, 5, 2, 6, 160).squeezed(),
    stage(1, 3, 1, 6, 320),
];

const SMALL: &[Stage] = &[
    stage(1, 3, 1, 1, 8),
    stage(1, 3, 2, 3, 16),
    stage(2, 3, 2, 6, 16),
    stage(4, 5, 2, 6, 32).squeezed(),
    stage(3, 3, 1, 6, 32).squeezed(),
    stage(3, 5, 2, 6, 88).squeezed(),
    stage(1, 3, 1, 6, 144),
];

/// All variants.
///
/// Batch norm: epsilon 1e-5 in torchvision, timm and MindSpore alike (1e-3 in TensorFlow's official code). Momentum:
/// 0.1 in timm and MindSpore, 0.01 in TensorFlow, 0.0003 in torchvision; the last was made for hundreds of epochs of
/// ImageNet, and with it the running statistics after some thousand steps would still remember their start. So every
/// row says 0.1, and [`crate::Network::bn_momentum`] and [`crate::Network::bn_epsilon`] can be set for a run.
/// Dropout: 0.2 in torchvision's and TensorFlow's B1 and TensorFlow's A1, none in TensorFlow's small variant.
pub static VARIANTS: LazyLock<Vec<Variant>> = LazyLock::new(|| {
    let variant =
        |name: &str, origin: &str, stages: &[Stage], stem: usize, dense_kernel: usize, dropout: f32| Variant {
            name: name.into(),
            origin: origin.into(),
            stem,
            stem_scaled: true,
            stem_bias: false,
            head: 1280,
            dropout,
            bn_epsilon: 1e-5,
            bn_momentum: 0.1,
            blocks: (stages.iter().enumerate())
                .flat_map(|(s, stage)| stage.blocks(s, dense_kernel))
                .collect(),
        };
    vec![
        variant(
            "mnasnet-b1",
            "torchvision mnasnet1_0 and timm mnasnet_100; batch-norm momentum as timm",
            B1,
            32,
            1,
            0.2,
        ),
        Variant {
            stem_scaled: false,
            ..variant(
                "mnasnet-b1-fixed-stem",
                "torchvision's first mnasnet (version 1 of its files): the width does not scale the stem",
                B1,
                32,
                1,
                0.2,
            )
        },
        variant(
            "mnasnet-a1",
            "timm semnasnet_100; dropout as TensorFlow's mnasnet-a1",
            A1,
            32,
            1,
            0.2,
        ),
        variant(
            "mnasnet-small",
            "timm mnasnet_small; no dropout, as TensorFlow's mnasnet-small",
            SMALL,
            8,
            1,
            0.0,
        ),
        Variant {
            stem_bias: true,
            ..variant(
                "mnasnet-mindspore",
                "MindSpore models, research/cv/mnasnet: full 3x3 second convolution, stem bias, no dropout",
                B1,
                32,
                3,
                0.0,
            )
        },
    ]
});

/// Other projects' names: alias, variant, width multiplier.
pub const ALIASES: &[(&str, &str, f64)] = &[
    ("mnasnet0_5", "mnasnet-b1", 0.5),
    ("mnasnet0_75", "mnasnet-b1", 0.75),
    ("mnasnet1_0", "mnasnet-b1", 1.0),
    ("mnasnet1_3", "mnasnet-b1", 1.3),
    ("mnasnet_050", "mnasnet-b1", 0.5),
    ("mnasnet_075", "mnasnet-b1", 0.75),
    ("mnasnet_100", "mnasnet-b1", 1.0),
    ("mnasnet_140", "mnasnet-b1", 1.4),
    ("mnasnet_b1", "mnasnet-b1", 1.0),
    ("semnasnet_050", "mnasnet-a1", 0.5),
    ("semnasnet_075", "mnasnet-a1", 0.75),
    ("semnasnet_100", "mnasnet-a1", 1.0),
    ("semnasnet_140", "mnasnet-a1", 1.4),
    ("mnasnet_a1", "mnasnet-a1", 1.0),
    ("mnasnet_small", "mnasnet-small", 1.0),
    ("mnasnet_mindspore", "mnasnet-mindspore", 1.0),
];
