//! A network as the bytes of an ONNX model.

use mnasnet_model::shape::MAX_RESOLUTION;
use mnasnet_model::{ModelError, Network, Weights};
use prost::Message;

use crate::graph::{INPUT, graph};
use crate::preprocess::{self, PHOTOS, Preprocess};
use crate::proto::{Dim, Entry, FLOAT, Graph, Model, OperatorSet, Shape, Side, TensorType, Type, UINT8, ValueInfo};

/// Operator sets that can be written, each with the oldest format version that may hold it.
const OPSETS: &[(u32, i64)] = &[
    (11, 6),
    (12, 7),
    (13, 7),
    (14, 7),
    (15, 8),
    (16, 8),
    (17, 8),
    (18, 8),
    (19, 9),
    (20, 9),
    (21, 10),
    (22, 10),
];

/// Protobuf's limit for a message.
const MAX_BYTES: usize = (1 << 31) - 1;

/// How a model is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Images a call; `None` leaves it to the caller of the model.
    pub batch: Option<usize>,
    /// Side of the images, pixels.
    pub resolution: usize,
    /// Version of ONNX's operator set.
    pub opset: u32,
    /// Batch norm goes into the convolutions.
    pub fold_bn: bool,
    /// Weights and arithmetic are float16; input and output stay float32.
    pub half: bool,
    /// The output is probabilities instead of logits.
    pub softmax: bool,
    /// What becomes of photos, where the model takes them as they are.
    pub preprocess: Option<Preprocess>,
}

impl Options {
    /// The operator set that every current runtime reads.
    pub const OPSET: u32 = 17;

    /// float32 images of `resolution` in any number, batch norm folded, logits out.
    pub fn new(resolution: usize) -> Self {
        Self {
            batch: None,
            resolution,
            opset: Self::OPSET,
            fold_bn: true,
            half: false,
            softmax: false,
            preprocess: None,
        }
    }

    /// Name of the model's output.
    pub fn output_name(&self) -> &'static str {
        if self.softmax { "probabilities" } else { "logits" }
    }
}

/// Why a network could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// An operator set that this program does not write.
    #[error("opset {opset} cannot be written; choose one from {} to {}", OPSETS[0].0, OPSETS[OPSETS.len() - 1].0)]
    Opset {
        /// The one asked for.
        opset: u32,
    },
    /// A resolution out of range.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A weight out of float16's range.
    #[error("{name} holds {value}, which float16 cannot hold (65504 at most); export with precision f32")]
    Half {
        /// The tensor.
        name: String,
        /// The value.
        value: f32,
    },
    /// Weights that come to no numbers.
    #[error(
        "{name} comes to {value}: the weights are too large to compute with; train them again at a lower learning rate"
    )]
    NotFinite {
        /// The tensor or result.
        name: String,
        /// The value.
        value: f32,
    },
    /// An operator set without scales by channel.
    #[error("int8 needs opset 13 or newer, not {opset}")]
    QuantisedOpset {
        /// The one asked for.
        opset: u32,
    },
    /// Options that contradict integers.
    #[error("int8 models have their batch norm folded, and no float16")]
    QuantisedFolded,
    /// An operator set that cannot resize as Pillow does.
    #[error("preprocessing needs opset {} or newer, not {opset}", preprocess::MIN_OPSET)]
    PreprocessOpset {
        /// The one asked for.
        opset: u32,
    },
    /// A crop that does not lie inside the resized photo.
    #[error(
        "photos are resized to {resize} pixels and {resolution} of them are taken: a model cannot do that inside; export without preprocessing"
    )]
    PreprocessCrop {
        /// The shorter side.
        resize: usize,
        /// Side of the crop.
        resolution: usize,
    },
    /// The runtime that calibrates refused.
    #[error("cannot calibrate: {0}")]
    Calibration(String),
    /// More than protobuf can hold.
    #[error("the model would have {bytes} bytes, an ONNX file holds {MAX_BYTES} at most; export a smaller width")]
    Size {
        /// Its size.
        bytes: usize,
    },
}

/// The bytes of an ONNX model: input `image`, float32 `[batch, 3, resolution, resolution]`, normalised, or with preprocessing
/// `photos`, uint8 `[batch, height, width, 3]`; output `logits` or
/// `probabilities`, float32 `[batch, classes]`. `metadata` becomes its `metadata_props`.
///
/// # Errors
/// [`ExportError`].
pub fn export(
    network: &Network,
    weights: &Weights,
    options: &Options,
    metadata: &[(&str, String)],
) -> Result<Vec<u8>, ExportError> {
    assemble(graph(network, weights, options)?, network, options, metadata)
}

/// A model of nodes and initialisers.
pub(crate) fn assemble(
    mut graph: Graph,
    network: &Network,
    options: &Options,
    metadata: &[(&str, String)],
) -> Result<Vec<u8>, ExportError> {
    let opset = options.opset;
    let ir_version = OPSETS.iter().find(|row| row.0 == opset).map(|row| row.1);
    let ir_version = ir_version.ok_or(ExportError::Opset { opset })?;
    let resolution = options.resolution;
    if !(1..=MAX_RESOLUTION).contains(&resolution) {
        return Err(ModelError::Resolution {
            resolution,
            max: MAX_RESOLUTION,
        }
        .into());
    }
    let batch = match options.batch {
        Some(batch) => Side::Known(batch as i64),
        None => Side::Named("batch".into()),
    };
    let known = |side: usize| Side::Known(side as i64);
    let input = match &options.preprocess {
        None => {
            let sides = vec![batch.clone(), known(3), known(resolution), known(resolution)];
            described(INPUT, FLOAT, sides)
        }
        Some(preprocess) => {
            preprocess.possible(options)?;
            graph = preprocess.prepend(graph, options);
            let named = |side: &str| Side::Named(side.into());
            let sides = vec![batch.clone(), named("height"), named("width"), known(3)];
            described(PHOTOS, UINT8, sides)
        }
    };
    graph.name = Some(network.variant.name.clone());
    graph.input = vec![input];
    graph.output = vec![described(
        options.output_name(),
        FLOAT,
        vec![batch, known(network.classes)],
    )];
    let model = Model {
        ir_version: Some(ir_version),
        producer_name: Some("mnasnet".into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        graph: Some(graph),
        opset_import: vec![OperatorSet {
            domain: Some(String::new()),
            version: Some(opset.into()),
        }],
        metadata_props: metadata
            .iter()
            .map(|(key, value)| Entry {
                key: Some((*key).into()),
                value: Some(value.clone()),
            })
            .collect(),
    };
    match model.encoded_len() {
        bytes if bytes > MAX_BYTES => Err(ExportError::Size { bytes }),
        _ => Ok(model.encode_to_vec()),
    }
}

/// A tensor among the model's inputs or outputs.
fn described(name: &str, elem_type: i32, sides: Vec<Side>) -> ValueInfo {
    let dim = sides.into_iter().map(|side| Dim { side: Some(side) }).collect();
    ValueInfo {
        name: Some(name.into()),
        kind: Some(Type {
            tensor: Some(TensorType {
                elem_type: Some(elem_type),
                shape: Some(Shape { dim }),
            }),
        }),
    }
}
