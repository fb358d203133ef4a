//! What a network is made of, a row a block: owned data, from the table of variants or from a file.

mod table;

pub use table::{ALIASES, VARIANTS};

use crate::error::{ModelError, nearest};
use crate::rounding::scaled;
use serde::{Deserialize, Serialize};

/// Most blocks of a variant; MNASNet has 16 to 19.
pub const MAX_BLOCKS: usize = 256;
/// Most channels of a row at width 1. The widest published has 1,280.
pub const MAX_CHANNELS: usize = 8192;
/// Largest side of a depthwise kernel.
pub const MAX_KERNEL: usize = 7;
/// Most hidden channels over input channels.
pub const MAX_EXPANSION: usize = 16;

/// Longest name, in characters.
const MAX_NAME: usize = 64;
/// Longest origin, in bytes.
const MAX_ORIGIN: usize = 1024;

/// A network without its width and classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Name on the command line, e.g. `mnasnet-b1`.
    pub name: String,
    /// The implementation that it matches.
    #[serde(default)]
    pub origin: String,
    /// Channels of the first convolution (3x3, stride 2) at width 1.
    pub stem: usize,
    /// Whether the width multiplier scales the first convolution and the first stage.
    #[serde(default = "yes")]
    pub stem_scaled: bool,
    /// Whether the first convolution has a bias in front of its batch norm.
    #[serde(default)]
    pub stem_bias: bool,
    /// Channels of the last convolution (1x1). No width scales them.
    pub head: usize,
    /// Dropout before the classifier unless the caller says otherwise.
    #[serde(default)]
    pub dropout: f32,
    /// Batch norm's epsilon.
    #[serde(default = "epsilon")]
    pub bn_epsilon: f32,
    /// Batch norm's momentum m: `running = (1 - m) * running + m * batch`.
    #[serde(default = "momentum")]
    pub bn_momentum: f32,
    /// The blocks, from the image on.
    pub blocks: Vec<Block>,
}

/// One block: the row of a variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The stage that it belongs to. Its tensors are named `blocks.STAGE.N`, with N from 0 in each stage.
    pub stage: usize,
    /// What it consists of.
    pub kind: Kind,
    /// Side of the depthwise kernel: odd.
    pub kernel: usize,
    /// Stride of the depthwise convolution.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub stride: usize,
    /// Hidden channels over input channels, of inverted residuals.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub expansion: usize,
    /// Side of the dense kernel behind the depthwise one, of separable blocks: 1 or 3.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub dense_kernel: usize,
    /// Output channels at width 1.
    pub channels: usize,
    /// Squeeze-excite, of inverted residuals: the reduced width over the block's input channels; 0 for none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub squeeze_excite: f64,
    /// Whether the block adds its input.
    #[serde(default, skip_serializing_if = "Residual::is_none")]
    pub residual: Residual,
    /// What follows all convolutions but the block's last.
    #[serde(default, skip_serializing_if = "Activation::is_relu")]
    pub activation: Activation,
}

/// What a block consists of. The last convolution of each has no activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A depthwise convolution, and a dense one.
    Separable,
    /// A pointwise expansion, a depthwise convolution, perhaps squeeze-excite, and a pointwise projection.
    Inverted,
}

/// Whether a block adds its input to its output. In files `false`, `true` or `"where it fits"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ResidualValue", into = "ResidualValue")]
pub enum Residual {
    /// It does not.
    #[default]
    None,
    /// It does. A block that changes the shape is refused.
    Always,
    /// It does if it keeps the shape, which can depend on the width: the first block of a stage in every published network.
    WhereItFits,
}

/// The activations that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// `max(0, x)`.
    #[default]
    Relu,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "residual is neither false, true nor \"where it fits\"")]
enum ResidualValue {
    Plain(bool),
    Word(String),
}

const WHERE_IT_FITS: &str = "where it fits";

impl TryFrom<ResidualValue> for Residual {
    type Error = String;

    fn try_from(value: ResidualValue) -> Result<Self, String> {
        match value {
            ResidualValue::Plain(false) => Ok(Self::None),
            ResidualValue::Plain(true) => Ok(Self::Always),
            ResidualValue::Word(word) if word == WHERE_IT_FITS => Ok(Self::WhereItFits),
            ResidualValue::Word(word) => Err(format!("residual is {word:?}: give false, true or \"{WHERE_IT_FITS}\"")),
        }
    }
}

impl From<Residual> for ResidualValue {
    fn from(residual: Residual) -> Self {
        match residual {
            Residual::None => Self::Plain(false),
            Residual::Always => Self::Plain(true),
            Residual::WhereItFits => Self::Word(WHERE_IT_FITS.into()),
        }
    }
}

impl Residual {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

impl Activation {
    fn is_relu(&self) -> bool {
        *self == Self::Relu
    }
}

/// Whether a name is that of a file in any folder, nothing hidden in it: names come from strangers' files too.
fn is_file_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.len() <= MAX_NAME && name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

fn is_one(value: &usize) -> bool {
    *value == 1
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn epsilon() -> f32 {
    1e-5
}

fn momentum() -> f32 {
    0.1
}

impl Variant {
    /// Channels of the first convolution at a width multiplier.
    pub fn stem_channels(&self, width: f64) -> usize {
        scaled(self.stem, if self.stem_scaled { width } else { 1.0 })
    }

    /// Output channels of a block at a width multiplier.
    pub fn block_channels(&self, block: &Block, width: f64) -> usize {
        let scales = self.stem_scaled || block.stage > 0;
        scaled(block.channels, if scales { width } else { 1.0 })
    }

    /// Blocks before `stage`.
    pub(crate) fn blocks_before(&self, stage: usize) -> usize {
        self.blocks.iter().take_while(|block| block.stage < stage).count()
    }

    /// Looks for what no network can have. What depends on the width is found when the network is built.
    ///
    /// # Errors
    /// The first value that is impossible, with its row.
    pub fn check(&self) -> Result<(), ModelError> {
        let whole = |value: usize, most: usize| (1..=most).contains(&value);
        let range = |what: &str, value: usize, most: usize| format!("{what} is {value}: give 1 to {most}");
        let refuse = |place: String, reason: String| ModelError::Row {
            variant: self.name.chars().take(64).collect(),
            place,
            reason,
        };
        let positive = |value: f32| value.is_finite() && value > 0.0;
        let head = [
            (!whole(self.stem, MAX_CHANNELS), range("stem", self.stem, MAX_CHANNELS)),
            (!whole(self.head, MAX_CHANNELS), range("head", self.head, MAX_CHANNELS)),
            (
                !(0.0..1.0).contains(&self.dropout),
                format!("dropout is {}: give 0 up to, not including, 1", self.dropout),
            ),
            (
                !positive(self.bn_epsilon),
                format!("bn_epsilon is {}: give a number above 0", self.bn_epsilon),
            ),
            (
                !(positive(self.bn_momentum) && self.bn_momentum <= 1.0),
                format!("bn_momentum is {}: give a number above 0, 1 at most", self.bn_momentum),
            ),
            (
                !whole(self.blocks.len(), MAX_BLOCKS),
                format!("{} blocks: give 1 to {MAX_BLOCKS}", self.blocks.len()),
            ),
            (
                !is_file_name(&self.name),
                format!(
                    "the name must begin with a letter or digit, and have letters, digits, `-`, `_` and `.` alone, {MAX_NAME} at most: \
                     runs are named after it"
                ),
            ),
            (
                self.origin.len() > MAX_ORIGIN || self.origin.chars().any(char::is_control),
                format!("origin has more than {MAX_ORIGIN} bytes or is no line of text"),
            ),
        ];
        if let Some((_, reason)) = head.into_iter().find(|(wrong, _)| *wrong) {
            return Err(refuse("the variant".into(), reason));
        }
        let mut stage = 0;
        for (row, block) in self.blocks.iter().enumerate() {
            let inverted = block.kind == Kind::Inverted;
            let wrong = [
                (
                    block.stage != stage && block.stage != stage + usize::from(row > 0),
                    format!(
                        "stage is {} after {stage}: stages count from 0, without gaps",
                        block.stage
                    ),
                ),
                (
                    block.kernel % 2 == 0 || block.kernel > MAX_KERNEL,
                    format!("kernel is {}: give 1, 3, 5 or {MAX_KERNEL}", block.kernel),
                ),
                (
                    !whole(block.stride, 2),
                    format!("stride is {}: give 1 or 2", block.stride),
                ),
                (
                    !whole(block.channels, MAX_CHANNELS),
                    range("channels", block.channels, MAX_CHANNELS),
                ),
                (
                    !whole(block.expansion, MAX_EXPANSION),
                    range("expansion", block.expansion, MAX_EXPANSION),
                ),
                (
                    !inverted && block.expansion != 1,
                    "expansion belongs to inverted blocks".to_owned(),
                ),
                (
                    !inverted && block.squeeze_excite != 0.0,
                    "squeeze_excite belongs to inverted blocks".to_owned(),
                ),
                (
                    !(0.0..=1.0).contains(&block.squeeze_excite),
                    format!("squeeze_excite is {}: give 0 to 1", block.squeeze_excite),
                ),
                (
                    inverted && block.dense_kernel != 1,
                    "dense_kernel belongs to separable blocks".to_owned(),
                ),
                (
                    ![1, 3].contains(&block.dense_kernel),
                    format!("dense_kernel is {}: give 1 or 3", block.dense_kernel),
                ),
            ];
            if let Some((_, reason)) = wrong.into_iter().find(|(wrong, _)| *wrong) {
                return Err(refuse(format!("block {row}"), reason));
            }
            stage = block.stage;
        }
        Ok(())
    }

    /// Whether the table has it, under its name.
    pub fn is_known(&self) -> bool {
        VARIANTS.contains(self)
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
                variant: variant.name.clone(),
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
            VARIANTS.iter().map(|variant| &*variant.name).chain(aliases)
        };
        VARIANTS
            .iter()
            .find(|variant| variant.name == row)
            .map(|variant| (variant, width))
            .ok_or_else(|| ModelError::UnknownVariant {
                name: name.chars().take(64).collect(),
                hint: nearest(name, offered())
                    .filter(|(_, edits)| 3 * edits <= name.len())
                    .map_or(String::new(), |(nearest, _)| format!(" (did you mean `{nearest}`?)")),
                known: offered().collect::<Vec<_>>().join(", "),
            })
    }
}
