//! A network as the bytes of an ONNX model.

use mnasnet_model::shape::MAX_RESOLUTION;
use mnasnet_model::{ModelError, Network, Weights};
use prost::Message;

use crate::error::ExportError;
use crate::graph::{INPUT, graph};
use crate::options::Options;
use crate::preprocess::PHOTOS;
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
    let ir_version = ir_version.ok_or(ExportError::Opset {
        opset,
        oldest: OPSETS[0].0,
        newest: OPSETS[OPSETS.len() - 1].0,
    })?;
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
        bytes if bytes > MAX_BYTES => Err(ExportError::Size { bytes, max: MAX_BYTES }),
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
