//! What other projects call our tensors: name maps as data, and the order in which they list them.

use crate::error::ModelError;
use crate::network::{Network, Node, Op, Role, Tensor, TensorId};
use crate::variant::{Kind, Variant};

/// A project's way to name the tensors of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// timm 1.0: our own names.
    Timm,
    /// torchvision 0.29: `layers.8.0.layers.0.weight`; the variants without squeeze-excite only.
    Torchvision,
    /// MindSpore's scripts: `features.2.conv.0.weight`, `moving_mean`, `gamma`; without squeeze-excite only.
    MindSpore,
    /// mindcv 0.3: `features.8.layers.0.weight`, `moving_mean`, `gamma`; without squeeze-excite only.
    Mindcv,
}

/// Where a tensor lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In [`Network::parameters`].
    Parameter(TensorId),
    /// In [`Network::buffers`].
    Buffer(TensorId),
}

/// Our module and theirs. `separable` stands for `blocks.0.0` and `inverted` for every later block, where `{stage}` and
/// `{block}` are our two numbers, `{layer}` is `{stage}` + 7, `{feature}` counts the blocks from 2 on and `{cell}` from 8 on. `{head}`
/// and `{norm}` follow the last `{cell}`.
type ModuleMap = &'static [(&'static str, &'static str)];

const TORCHVISION: ModuleMap = &[
    ("conv_stem", "layers.0"),
    ("bn1", "layers.1"),
    ("separable.conv_dw", "layers.3"),
    ("separable.bn1", "layers.4"),
    ("separable.conv_pw", "layers.6"),
    ("separable.bn2", "layers.7"),
    ("inverted.conv_pw", "layers.{layer}.{block}.layers.0"),
    ("inverted.bn1", "layers.{layer}.{block}.layers.1"),
    ("inverted.conv_dw", "layers.{layer}.{block}.layers.3"),
    ("inverted.bn2", "layers.{layer}.{block}.layers.4"),
    ("inverted.conv_pwl", "layers.{layer}.{block}.layers.6"),
    ("inverted.bn3", "layers.{layer}.{block}.layers.7"),
    ("conv_head", "layers.14"),
    ("bn2", "layers.15"),
    ("classifier", "classifier.1"),
];

const MINDSPORE: ModuleMap = &[
    ("conv_stem", "features.0.conv"),
    ("bn1", "features.0.bn"),
    ("separable.conv_dw", "features.1.sequence.0"),
    ("separable.bn1", "features.1.sequence.1"),
    ("separable.conv_pw", "features.1.sequence.3"),
    ("separable.bn2", "features.1.sequence.4"),
    ("inverted.conv_pw", "features.{feature}.conv.0"),
    ("inverted.bn1", "features.{feature}.conv.1"),
    ("inverted.conv_dw", "features.{feature}.conv.3"),
    ("inverted.bn2", "features.{feature}.conv.4"),
    ("inverted.conv_pwl", "features.{feature}.conv.6"),
    ("inverted.bn3", "features.{feature}.conv.7"),
    ("conv_head", "conv1.0"),
    ("bn2", "conv1.1"),
    ("classifier", "fc"),
];

const MINDCV: ModuleMap = &[
    ("conv_stem", "features.0"),
    ("bn1", "features.1"),
    ("separable.conv_dw", "features.3"),
    ("separable.bn1", "features.4"),
    ("separable.conv_pw", "features.6"),
    ("separable.bn2", "features.7"),
    ("inverted.conv_pw", "features.{cell}.layers.0"),
    ("inverted.bn1", "features.{cell}.layers.1"),
    ("inverted.conv_dw", "features.{cell}.layers.3"),
    ("inverted.bn2", "features.{cell}.layers.4"),
    ("inverted.conv_pwl", "features.{cell}.layers.6"),
    ("inverted.bn3", "features.{cell}.layers.7"),
    ("conv_head", "features.{head}"),
    ("bn2", "features.{norm}"),
    ("classifier", "classifier"),
];

impl Dialect {
    /// All dialects, in the order in which a file is held against them.
    pub const ALL: [Dialect; 4] = [Dialect::Timm, Dialect::Torchvision, Dialect::MindSpore, Dialect::Mindcv];

    /// Batch norm's epsilon in the networks of the dialect's origin.
    pub fn bn_epsilon(self) -> f32 {
        match self {
            Dialect::Timm | Dialect::Torchvision | Dialect::MindSpore => 1e-5,
            Dialect::Mindcv => 1e-3,
        }
    }

    /// Whether the origin is written in MindSpore, whose batch norm names its tensors otherwise than PyTorch's.
    pub fn is_of_mindspore(self) -> bool {
        matches!(self, Dialect::MindSpore | Dialect::Mindcv)
    }

    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Timm => "timm",
            Dialect::Torchvision => "torchvision",
            Dialect::MindSpore => "MindSpore",
            Dialect::Mindcv => "mindcv",
        }
    }

    /// The last part of a tensor's name.
    fn leaf(self, role: Role) -> &'static str {
        match (role, self.is_of_mindspore()) {
            (Role::Weight, _) => "weight",
            (Role::Bias, _) => "bias",
            (Role::Gamma, true) => "gamma",
            (Role::Beta, true) => "beta",
            (Role::Mean, true) => "moving_mean",
            (Role::Variance, true) => "moving_variance",
            (Role::Gamma, false) => "weight",
            (Role::Beta, false) => "bias",
            (Role::Mean, false) => "running_mean",
            (Role::Variance, false) => "running_var",
        }
    }

    /// Their name of our module, `None` where they have no such layer.
    fn module(self, ours: &str, variant: &Variant) -> Option<String> {
        let map = match self {
            Dialect::Timm => return Some(ours.into()),
            // The numbers behind the blocks are those of seven stages.
            Dialect::Torchvision if variant.blocks.last()?.stage != 6 => return None,
            Dialect::Torchvision => TORCHVISION,
            Dialect::MindSpore => MINDSPORE,
            Dialect::Mindcv => MINDCV,
        };
        let (key, stage, block) = match parse_block(ours) {
            None => (ours.to_string(), 0, 0),
            Some((stage, block, part)) => {
                let row = variant.blocks_before(stage) + block;
                // The origins' first block is separable, and no other.
                match (variant.blocks.get(row)?.kind, row) {
                    (Kind::Separable, 0) => (format!("separable.{part}"), stage, block),
                    (Kind::Inverted, 1..) => (format!("inverted.{part}"), stage, block),
                    _ => return None,
                }
            }
        };
        let (_, theirs) = map.iter().find(|(pattern, _)| *pattern == key)?;
        let row = variant.blocks_before(stage) + block;
        let numbers = [
            ("{layer}", stage + 7),
            ("{block}", block),
            ("{feature}", row + 1),
            ("{cell}", row + 7),
            ("{head}", variant.blocks.len() + 7),
            ("{norm}", variant.blocks.len() + 8),
        ];
        Some(numbers.iter().fold(theirs.to_string(), |name, (field, n)| {
            name.replace(field, &n.to_string())
        }))
    }
}

/// `blocks.3.1.conv_dw` is stage 3, block 1, `conv_dw`.
fn parse_block(module: &str) -> Option<(usize, usize, &str)> {
    let mut parts = module.strip_prefix("blocks.")?.splitn(3, '.');
    let stage = parts.next()?.parse().ok()?;
    let block = parts.next()?.parse().ok()?;
    Some((stage, block, parts.next()?))
}

impl Network {
    /// The table entry of a tensor.
    pub fn tensor(&self, place: Place) -> &Tensor {
        match place {
            Place::Parameter(id) => &self.parameters[id],
            Place::Buffer(id) => &self.buffers[id],
        }
    }

    /// All tensors under a dialect's names, in the order of its weights-only files: network order, and for batch norm
    /// scale, shift, mean, variance (PyTorch) or mean, variance, scale, shift (MindSpore).
    ///
    /// PyTorch's files also hold a scalar `num_batches_tracked` for each batch norm, which has no meaning here.
    ///
    /// # Errors
    /// A tensor that the dialect's origin does not have, e.g. squeeze-excite in torchvision's names.
    pub fn names(&self, dialect: Dialect) -> Result<Vec<(String, Place)>, ModelError> {
        let places = self.nodes.iter().flat_map(|node| places(node, dialect));
        places
            .map(|place| {
                let tensor = self.tensor(place);
                let module = tensor.name.rsplit_once('.').map_or("", |(module, _)| module);
                match dialect.module(module, &self.variant) {
                    Some(theirs) => Ok((format!("{theirs}.{}", dialect.leaf(tensor.role)), place)),
                    None => Err(ModelError::NoName {
                        tensor: tensor.name.clone(),
                        variant: self.variant.name.clone(),
                        dialect: dialect.name(),
                    }),
                }
            })
            .collect()
    }
}

/// The tensors of a node in a dialect's order.
fn places(node: &Node, dialect: Dialect) -> Vec<Place> {
    use Place::{Buffer, Parameter};
    match &node.op {
        Op::Conv(conv) => {
            let affine = [Parameter(conv.gamma), Parameter(conv.beta)];
            let running = [Buffer(conv.mean), Buffer(conv.variance)];
            let norm = if dialect.is_of_mindspore() {
                [running, affine]
            } else {
                [affine, running]
            };
            let own = [Some(conv.weight), conv.bias].into_iter().flatten().map(Parameter);
            own.chain(norm.into_iter().flatten()).collect()
        }
        Op::SqueezeExcite(se) => [se.reduce_weight, se.reduce_bias, se.expand_weight, se.expand_bias]
            .map(Parameter)
            .into(),
        Op::Linear(linear) => vec![Parameter(linear.weight), Parameter(linear.bias)],
        Op::Add { .. } | Op::Pool | Op::Dropout { .. } => vec![],
    }
}
