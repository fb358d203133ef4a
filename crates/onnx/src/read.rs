//! A model from a file of anyone: bounds first, then what goes in and what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Error, Read};
use std::path::Path;

use bytes::{Buf, Bytes};
use half::f16;
use mnasnet_model::shape::MAX_RESOLUTION;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};

use crate::error::ReadError;
use crate::graph::INPUT;
use crate::options::Preprocess;
use crate::preprocess::PHOTOS;
use crate::proto::{self, DOUBLE, FLOAT, FLOAT16, Graph, INT64, Side, UINT8, ValueInfo};
use crate::shapes;

/// Largest file: protobuf's own limit.
pub const MAX_FILE: u64 = (1 << 31) - 1;

/// All of a file but its tensors' data: nodes, names, metadata.
const MAX_STRUCTURE: usize = 4 << 20;

/// Fields of all messages, each of which takes up to 150 bytes of memory, of the file as few as two. MNASNet-A1 as INT8 has 13,000.
const MAX_FIELDS: usize = 1 << 18;

/// Largest batch and number of classes that are written into a model.
const MAX_SIDE: i64 = 16_384;

/// An image classifier in ONNX: float32 images `[batch, 3, R, R]` in, or photos as bytes; float32 logits `[batch, classes]` out.
#[derive(Clone, Debug)]
pub struct Model {
    /// What was read and checked, as a file again: nothing else of the file reaches a runtime.
    pub bytes: Bytes,
    /// Name of its input.
    pub input: String,
    /// Name of its output.
    pub output: String,
    /// Images a call; `None` where the caller chooses.
    pub batch: Option<usize>,
    /// Images a call, at most, so that every result keeps its bound.
    pub most: usize,
    /// Bytes of all results of one image together: no runtime takes more for them.
    pub image_bytes: usize,
    /// Side of the images, pixels.
    pub resolution: usize,
    /// What it does with photos before it computes: its input is bytes `[batch, height, width, 3]` of any size. `None` where its
    /// input is images.
    pub photos: Option<Preprocess>,
    /// Number of classes.
    pub classes: usize,
    /// Whether the output is probabilities: softmax of logits.
    pub softmax: bool,
    /// Numbers that it is written in.
    pub numbers: Numbers,
    /// The program that wrote it.
    pub producer: String,
    /// Its metadata entries.
    pub metadata: BTreeMap<String, String>,
}

/// Numbers that a model is written in; a runtime may compute in wider ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// float32.
    F32,
    /// float16 weights.
    F16,
    /// Bytes between operations.
    Int8,
}

impl Numbers {
    fn of(graph: &Graph) -> Self {
        let quantises = |node: &proto::Node| node.op_type.as_deref() == Some("QuantizeLinear");
        let half = |tensor: &proto::Tensor| tensor.data_type == Some(FLOAT16);
        match () {
            () if graph.node.iter().any(quantises) => Numbers::Int8,
            () if graph.initializer.iter().any(half) => Numbers::F16,
            () => Numbers::F32,
        }
    }

    /// Their name.
    pub fn name(self) -> &'static str {
        match self {
            Numbers::F32 => "f32",
            Numbers::F16 => "f16",
            Numbers::Int8 => "int8",
        }
    }
}

/// Whether a file is an ONNX model by its name or its first bytes, whole or not.
pub fn is_onnx(path: &Path) -> bool {
    let mut first = [0; 9];
    let mut file = || fs::File::open(path)?.read_exact(&mut first);
    let named = path.extension().is_some_and(|ending| ending == "onnx");
    // The format's version is the first field; a safetensors file may begin alike, but its ninth byte is a brace.
    named || path.is_file() && file().is_ok() && matches!(first, [0x08, 0x01..=0x20, .., last] if last != b'{')
}

/// Reads a model.
///
/// # Errors
/// [`ReadError`].
pub fn read(path: &Path) -> Result<Model, ReadError> {
    let io_error = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let format = |reason| ReadError::Format {
        path: path.to_owned(),
        reason,
    };
    let metadata = fs::metadata(path).map_err(io_error)?;
    if !metadata.is_file() {
        return Err(io_error(Error::other("not a regular file")));
    }
    let size = metadata.len();
    if size > MAX_FILE {
        return Err(format(format!("has {size} bytes, more than an ONNX file can have")));
    }
    let mut bytes = Vec::new();
    let no_memory = |_| io_error(Error::other(format!("no memory for its {size} bytes")));
    bytes.try_reserve_exact(size as usize).map_err(no_memory)?;
    let file = fs::File::open(path).map_err(io_error)?;
    file.take(size).read_to_end(&mut bytes).map_err(io_error)?;
    parse(bytes.into()).map_err(format)
}

/// The contents of a file.
///
/// # Errors
/// What is wrong, completing "PATH ...".
pub fn parse(bytes: Bytes) -> Result<Model, String> {
    let broken = |error: String| format!("is not a whole ONNX model: {error}");
    let mut extent = Extent::default();
    extent.add("model", bytes.clone()).map_err(broken)?;
    let structure = bytes.len() - extent.data;
    if extent.fields > MAX_FIELDS {
        return Err(format!(
            "is no image classifier: it has {} fields, more than the limit of {MAX_FIELDS}",
            extent.fields
        ));
    }
    if structure > MAX_STRUCTURE {
        return Err(format!(
            "is no image classifier: it has {structure} bytes beside its tensors, more than the limit of {MAX_STRUCTURE}"
        ));
    }
    let model = proto::Model::decode(bytes).map_err(|error| broken(error.to_string()))?;
    let checked = Bytes::from(model.encode_to_vec());
    let unfit = |reason: String| format!("is no image classifier that can be run: {reason}");
    let mut graph = model.graph.ok_or_else(|| broken("it has no graph".into()))?;
    for tensor in &graph.initializer {
        whole(tensor).map_err(|reason| broken(format!("its tensor {:?} {reason}", text(&tensor.name))))?;
    }
    // Older files list their initialisers among the inputs.
    let constants: BTreeSet<&str> = graph.initializer.iter().map(|tensor| text(&tensor.name)).collect();
    if constants.len() < graph.initializer.len() {
        return Err(unfit("two of its tensors have one name".into()));
    }
    let inputs: Vec<&ValueInfo> = graph
        .input
        .iter()
        .filter(|input| !constants.contains(text(&input.name)))
        .collect();
    let ([input], [output]) = (inputs.as_slice(), graph.output.as_slice()) else {
        return Err(unfit(format!(
            "it has {} inputs and {} outputs, not one of each",
            inputs.len(),
            graph.output.len()
        )));
    };
    let (input, output) = (ValueInfo::clone(input), output.clone());
    let (batch, resolution, photos) = match (sides(&input, FLOAT).as_deref(), sides(&input, UINT8).as_deref()) {
        (Some(&[batch, Some(3), Some(height), Some(width)]), _) if height == width => (batch, height, None),
        (_, Some(&[batch, None, None, Some(3)])) if text(&input.name) == PHOTOS => {
            let found = Preprocess::take_off(&mut graph);
            let (preprocess, resolution) = found.ok_or_else(|| {
                unfit(
                    "its input is photos, and it does not begin with the nodes that this program writes for them"
                        .into(),
                )
            })?;
            (batch, resolution, Some(preprocess))
        }
        _ => {
            let wanted = "its input must be float32 [batch, 3, R, R] with the sides given, or photos as this program writes them";
            return Err(unfit(wanted.into()));
        }
    };
    if resolution > MAX_RESOLUTION {
        return Err(unfit(format!(
            "its images have sides of {resolution} pixels, more than the limit of {MAX_RESOLUTION}"
        )));
    }
    let classes = match sides(&output, FLOAT).as_deref() {
        Some(&[_, Some(classes)]) => classes,
        _ => return Err(unfit("its output must be float32 [batch, classes]".into())),
    };
    let (input, output) = (text(&input.name).to_owned(), text(&output.name).to_owned());
    let image = vec![batch.unwrap_or(1), 3, resolution, resolution];
    let first = if photos.is_some() { INPUT } else { &input };
    let made = shapes::walk(&graph, (first, image)).map_err(unfit)?;
    let last = graph.node.iter().find(|node| node.output.first() == Some(&output));
    Ok(Model {
        most: (shapes::MAX_VALUES / made.largest.max(1))
            .min(shapes::MAX_TOGETHER / made.together.max(1))
            .max(1),
        image_bytes: size_of::<f32>() * made.together / batch.unwrap_or(1),
        softmax: last.is_some_and(|node| node.op_type.as_deref() == Some("Softmax")),
        numbers: Numbers::of(&graph),
        input,
        output,
        batch,
        resolution,
        photos,
        classes,
        producer: model.producer_name.unwrap_or_default(),
        metadata: model
            .metadata_props
            .into_iter()
            .map(|entry| (entry.key.unwrap_or_default(), entry.value.unwrap_or_default()))
            .collect(),
        bytes: checked,
    })
}

fn text(name: &Option<String>) -> &str {
    name.as_deref().unwrap_or_default()
}

/// The sides of a tensor of the type `element`, those that are known.
fn sides(info: &ValueInfo, element: i32) -> Option<Vec<Option<usize>>> {
    let tensor = info.kind.as_ref()?.tensor.as_ref()?;
    let shape = tensor.shape.as_ref().filter(|_| tensor.elem_type == Some(element))?;
    let side = |dim: &proto::Dim| match dim.side {
        Some(Side::Known(side @ 1..=MAX_SIDE)) => Some(Some(side as usize)),
        Some(Side::Known(_)) => None,
        Some(Side::Named(_)) | None => Some(None),
    };
    shape.dim.iter().map(side).collect()
}

/// Whether a tensor has as much data as its shape says.
fn whole(tensor: &proto::Tensor) -> Result<(), String> {
    if tensor.data_location == Some(1) {
        return Err("lies in another file; export the model with its weights inside".into());
    }
    let size = match tensor.data_type {
        Some(1 | 6) => 4,
        Some(2 | 3 | 9) => 1,
        Some(7 | DOUBLE) => 8,
        Some(10) => 2,
        other => return Err(format!("is of the type {}, which is not run here", other.unwrap_or(0))),
    };
    let count = tensor
        .dims
        .iter()
        .try_fold(1usize, |count, &side| count.checked_mul(usize::try_from(side).ok()?));
    let (there, unit) = match (&tensor.raw_data, tensor.data_type) {
        (Some(raw), _) => (raw.len(), size),
        (None, Some(FLOAT)) => (tensor.float_data.len(), 1),
        (None, Some(INT64)) => (tensor.int64_data.len(), 1),
        (None, _) => (tensor.int32_data.len(), 1),
    };
    if count.and_then(|count| count.checked_mul(unit)) != Some(there) {
        return Err(format!("has the shape {:?}, which its data do not fill", tensor.dims));
    }
    let raw = tensor.raw_data.as_deref().unwrap_or_default();
    let finite = match tensor.data_type {
        Some(FLOAT) => raw
            .as_chunks()
            .0
            .iter()
            .all(|&bytes| f32::from_le_bytes(bytes).is_finite()),
        Some(FLOAT16) => raw
            .as_chunks()
            .0
            .iter()
            .all(|&bytes| f16::from_le_bytes(bytes).is_finite()),
        Some(DOUBLE) => raw
            .as_chunks()
            .0
            .iter()
            .all(|&bytes| f64::from_le_bytes(bytes).is_finite()),
        _ => true,
    };
    let half = tensor.data_type == Some(FLOAT16);
    let bits = |&bits: &i32| !half || f16::from_bits(bits as u16).is_finite();
    match finite && tensor.float_data.iter().all(|value| value.is_finite()) && tensor.int32_data.iter().all(bits) {
        true => Ok(()),
        false => Err("holds values that are not finite".into()),
    }
}

/// The messages in messages that are decoded: outer message, field, inner message.
const MESSAGES: &[(&str, u32, &str)] = &[
    ("model", 7, "graph"),
    ("model", 8, "operator set"),
    ("model", 14, "metadata"),
    ("graph", 1, "node"),
    ("node", 5, "attribute"),
    ("graph", 5, "tensor"),
    ("graph", 11, "value"),
    ("graph", 12, "value"),
    ("value", 2, "type"),
    ("type", 1, "tensor type"),
    ("tensor type", 2, "shape"),
    ("shape", 1, "side"),
];

/// What a file is made of. Only slices are looked at.
#[derive(Default)]
struct Extent {
    /// Fields, of all messages.
    fields: usize,
    /// Bytes that are data of tensors: `raw_data` and `float_data`.
    data: usize,
}

impl Extent {
    /// Adds a message and those in it.
    fn add(&mut self, message: &str, mut bytes: Bytes) -> Result<(), String> {
        let told = |error: prost::DecodeError| error.to_string();
        while bytes.has_remaining() {
            let (tag, kind) = decode_key(&mut bytes).map_err(told)?;
            self.fields += 1;
            let length = match kind {
                WireType::Varint => {
                    decode_varint(&mut bytes).map_err(told)?;
                    continue;
                }
                WireType::ThirtyTwoBit => 4,
                WireType::SixtyFourBit => 8,
                WireType::LengthDelimited => decode_varint(&mut bytes).map_err(told)?,
                WireType::StartGroup | WireType::EndGroup => return Err("it holds groups, which ONNX has not".into()),
            };
            let length = usize::try_from(length).ok().filter(|&length| length <= bytes.len());
            let length = length.ok_or("it is cut short, or a length in it is wrong")?;
            let field = bytes.split_to(length);
            if kind != WireType::LengthDelimited {
                continue;
            }
            if message == "tensor" && matches!(tag, 4 | 9) {
                self.data += field.len();
            }
            if let Some((.., inner)) = MESSAGES.iter().find(|row| (row.0, row.1) == (message, tag)) {
                self.add(inner, field)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Calibration, Method, Options, Runtime, Session};
    use mnasnet_model::{Network, Scheme, Variant, initialise};

    /// An INT8 model, as messages.
    fn quantised() -> proto::Model {
        let network = Network::build(Variant::by_name("mnasnet-small").unwrap(), 0.35, 3, Some(0.0)).unwrap();
        let weights = initialise(&network, Scheme::Tensorflow, 1);
        let options = Options::new(32);
        let mut calibration = Calibration::new(&network, &weights, &options, 1).unwrap();
        calibration.observe(&[0.5; 3 * 32 * 32]).unwrap();
        let bytes = calibration.finish(Method::MinMax, &[]).unwrap();
        proto::Model::decode(&bytes[..]).unwrap()
    }

    fn logits(model: &Model) -> Vec<f32> {
        let mut logits = Vec::new();
        let mut session = Session::new(model, &Runtime::Rten, 1, u64::MAX).unwrap();
        session.run(&[0.25; 3 * 32 * 32], &mut logits).unwrap();
        logits
    }

    /// Functions, sparse tensors, graphs in nodes: what was not looked at is not handed on.
    #[test]
    fn only_what_was_checked_reaches_a_runtime() {
        let bytes = quantised().encode_to_vec();
        let plain = parse(bytes.clone().into()).unwrap();
        let functions = [&[0xca, 0x01, 4][..], b"\x0a\x02fn"].concat();
        let more = parse([bytes, functions].concat().into()).unwrap();
        assert_eq!(more.bytes, plain.bytes);
        assert_eq!(logits(&more), logits(&plain));
    }

    /// ONNX Runtime's own tool writes zero points as numbers, not as bytes.
    #[test]
    fn integers_may_be_written_as_numbers() {
        let plain = quantised();
        let mut numbers = plain.clone();
        let mut changed = 0;
        for tensor in &mut numbers.graph.as_mut().unwrap().initializer {
            let raw = match tensor.data_type {
                Some(UINT8) => tensor.raw_data.take(),
                _ => None,
            };
            tensor
                .int32_data
                .extend(raw.iter().flatten().map(|&byte| i32::from(byte)));
            changed += usize::from(raw.is_some());
        }
        assert!(changed > 20);
        let read = |model: &proto::Model| parse(model.encode_to_vec().into());
        assert_eq!(logits(&read(&numbers).unwrap()), logits(&read(&plain).unwrap()));
        for tensor in &mut numbers.graph.as_mut().unwrap().initializer {
            tensor.int32_data.extend_from_within(..);
        }
        let reason = read(&numbers).unwrap_err();
        assert!(reason.contains("which its data do not fill"), "{reason}");
    }

    #[test]
    fn what_is_no_number_is_refused_in_every_type() {
        for (data_type, raw, int32_data) in [
            (FLOAT, f32::NAN.to_le_bytes().to_vec(), vec![]),
            (DOUBLE, f64::INFINITY.to_le_bytes().to_vec(), vec![]),
            (FLOAT16, f16::NAN.to_le_bytes().to_vec(), vec![]),
            (FLOAT16, vec![], vec![0x7c00]),
        ] {
            let tensor = proto::Tensor {
                dims: vec![1],
                data_type: Some(data_type),
                raw_data: (!raw.is_empty()).then(|| raw.into()),
                int32_data,
                ..proto::Tensor::default()
            };
            assert_eq!(
                whole(&tensor).unwrap_err(),
                "holds values that are not finite",
                "{data_type}"
            );
        }
    }
}
