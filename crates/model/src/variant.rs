//! The variants, as tables: what a paper, torchvision, timm or MindSpore's scripts say, row by row.
//!
//! torchvision 0.29.2 (`mnasnet0_5` ... `mnasnet1_3`) and timm 1.0.31 (`mnasnet_050` ... `mnasnet_140`) agree on every
//! channel count at every width multiplier: the stem and all stages are scaled and rounded by the same rule, the head
//! stays at 1280. So one row serves both, and a width is an argument rather than a variant.

use crate::builder::scaled;
use crate::error::{ModelError, nearest};

/// One row of the table of variants.
#[derive(Debug)]
pub struct Variant {
    /// Name on the command line, e.g. `mnasnet-b1`.
    pub name: &'static str,
    /// The implementation that this row matches.
    pub origin: &'static str,
    /// Channels of the first convolution (3x3, stride 2) at width 1.
    pub stem: usize,
    /// Whether the width multiplier scales the first convolution and the separable stage.
    pub stem_scaled: bool,
    /// Whether the first convolution has a bias in front of its batch norm.
    pub stem_bias: bool,
    /// Kernel side of the dense convolution in the first (separable) stage.
    pub separable_kernel: usize,
    /// The stages; the first is depthwise-separable, the others are inverted residuals.
    pub stages: &'static [Stage],
    /// Channels of the last convolution (1x1); no origin scales it.
    pub head: usize,
    /// Dropout before the classifier unless the caller says otherwise.
    pub dropout: f32,
    /// Batch norm's epsilon.
    pub bn_epsilon: f32,
    /// Batch norm's momentum m: `running = (1 - m) * running + m * batch`.
    pub bn_momentum: f32,
}

/// Blocks of one shape in a row; the first of them strides and changes the channels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// Number of blocks.
    pub repeats: usize,
    /// Kernel side of the depthwise convolutions.
    pub kernel: usize,
    /// Stride of the first block; the others have 1.
    pub stride: usize,
    /// Hidden channels over input channels.
    pub expand: usize,
    /// Output channels at width 1.
    pub channels: usize,
    /// Squeeze-excite: the reduced width over the block's input channels; 0 for none.
    pub squeeze: f64,
    /// Whether blocks that keep the shape add their input.
    pub residual: bool,
}

const fn stage(repeats: usize, kernel: usize, stride: usize, expand: usize, channels: usize) -> Stage {
    Stage {
        repeats,
        kernel,
        stride,
        expand,
        channels,
        squeeze: 0.0,
        residual: true,
    }
}

impl Stage {
    const fn squeezed(self) -> Stage {
        Stage { squeeze: 0.25, ..self }
    }
    const fn without_residual(self) -> Stage {
        Stage {
            residual: false,
            ..self
        }
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
pub static VARIANTS: &[Variant] = &[
    Variant {
        name: "mnasnet-b1",
        origin: "torchvision mnasnet1_0 and timm mnasnet_100; batch-norm momentum as timm",
        stem: 32,
        stem_scaled: true,
        stem_bias: false,
        separable_kernel: 1,
        stages: B1,
        head: 1280,
        dropout: 0.2,
        bn_epsilon: 1e-5,
        bn_momentum: 0.1,
    },
    Variant {
        name: "mnasnet-b1-fixed-stem",
        origin: "torchvision's first mnasnet (version 1 of its files): the width does not scale the stem",
        stem: 32,
        stem_scaled: false,
        stem_bias: false,
        separable_kernel: 1,
        stages: B1,
        head: 1280,
        dropout: 0.2,
        bn_epsilon: 1e-5,
        bn_momentum: 0.1,
    },
    Variant {
        name: "mnasnet-a1",
        origin: "timm semnasnet_100; dropout as TensorFlow's mnasnet-a1",
        stem: 32,
        stem_scaled: true,
        stem_bias: false,
        separable_kernel: 1,
        stages: A1,
        head: 1280,
        dropout: 0.2,
        bn_epsilon: 1e-5,
        bn_momentum: 0.1,
    },
    Variant {
        name: "mnasnet-small",
        origin: "timm mnasnet_small; no dropout, as TensorFlow's mnasnet-small",
        stem: 8,
        stem_scaled: true,
        stem_bias: false,
        separable_kernel: 1,
        stages: SMALL,
        head: 1280,
        dropout: 0.0,
        bn_epsilon: 1e-5,
        bn_momentum: 0.1,
    },
    Variant {
        name: "mnasnet-mindspore",
        origin: "MindSpore models, research/cv/mnasnet: full 3x3 second convolution, stem bias, no dropout",
        stem: 32,
        stem_scaled: true,
        stem_bias: true,
        separable_kernel: 3,
        stages: B1,
        head: 1280,
        dropout: 0.0,
        bn_epsilon: 1e-5,
        bn_momentum: 0.1,
    },
];

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

impl Variant {
    /// Channels of the first convolution at a width multiplier.
    pub fn stem_channels(&self, width: f64) -> usize {
        scaled(self.stem, if self.stem_scaled { width } else { 1.0 })
    }

    /// Output channels of a stage at a width multiplier.
    pub fn stage_channels(&self, stage: usize, width: f64) -> usize {
        let scales = self.stem_scaled || stage > 0;
        scaled(self.stages[stage].channels, if scales { width } else { 1.0 })
    }

    /// The variant called `name`, or that an alias of width 1 stands for.
    ///
    /// # Errors
    /// An unknown name (with the nearest known one), or an alias that means another width: see [`Variant::with_width`].
    pub fn by_name(name: &str) -> Result<&'static Variant, ModelError> {
        match Self::with_width(name)? {
            (variant, 1.0) => Ok(variant),
            (variant, width) => Err(ModelError::NameHasWidth {
                name: name.into(),
                variant: variant.name,
                width,
            }),
        }
    }

    /// The variant and the width multiplier that a name or alias stands for, e.g. `mnasnet0_5`: B1 at 0.5.
    ///
    /// # Errors
    /// An unknown name, with the nearest known one.
    pub fn with_width(name: &str) -> Result<(&'static Variant, f64), ModelError> {
        let (row, width) = match ALIASES.iter().find(|alias| alias.0 == name) {
            Some(&(_, row, width)) => (row, width),
            None => (name, 1.0),
        };
        // An alias of another width is known, but a command that takes the width apart refuses it: it is not offered.
        let offered = || {
            let aliases = ALIASES.iter().filter(|alias| alias.2 == 1.0).map(|alias| alias.0);
            VARIANTS.iter().map(|variant| variant.name).chain(aliases)
        };
        VARIANTS
            .iter()
            .find(|variant| variant.name == row)
            .map(|variant| (variant, width))
            .ok_or_else(|| ModelError::UnknownVariant {
                name: name.chars().take(64).collect(),
                nearest: nearest(name, offered()).map_or("", |(nearest, _)| nearest),
                known: offered().collect::<Vec<_>>().join(", "),
            })
    }
}
