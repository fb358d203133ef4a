//! A model from a file of anyone: bounds first, then what goes in and what comes out.

mod beside;
mod defaults;
mod extent;
mod interface;
mod order;
mod tensors;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Error, Read};
use std::path::Path;

use bytes::Bytes;
use mnasnet_model::shape::MAX_RESOLUTION;
use prost::Message;

use self::beside::take_in;
use self::extent::Extent;
use self::interface::{Images, adapt_input, adapt_output, ends_in_softmax, images, sides, too_large};
use self::order::sort;
use self::tensors::{gather_constants, whole};
pub(crate) use self::tensors::{integers, is_standard, text};
use crate::error::ReadError;
use crate::graph::INPUT;
use crate::options::Preprocess;
use crate::preprocess::PHOTOS;
use crate::proto::{self, DOUBLE, FLOAT, FLOAT16, Graph, INT64, UINT8};
use crate::shapes;

/// Largest file: protobuf's own limit.
pub const MAX_FILE: u64 = (1 << 31) - 1;

/// All of a file but its tensors' data: nodes, names, metadata.
const MAX_STRUCTURE: usize = 4 << 20;

/// Fields of all messages, each of which takes up to 300 bytes of memory, of the file as few as two. MNASNet-A1 as INT8 has 13,000.
const MAX_FIELDS: usize = 1 << 18;

/// Largest batch, side and number of classes that are written into a model.
const MAX_SIDE: i64 = 16_384;

/// Side of the images of a model that leaves it to the caller, pixels, where the caller leaves it too: ImageNet's usual one.
pub const USUAL_SIDE: usize = 224;

/// The operation that takes the range of bytes from the values themselves.
const RANGES: &str = "DynamicQuantizeLinear";

/// The first version of the format in which a constant need not be an input.
const CONSTANTS_APART: i64 = 4;

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
    /// Whether the range of its bytes follows from all images of a call. It gets one image a call, so that no image's result follows
    /// from those beside it.
    pub ranges: bool,
    /// Bytes of all results of one image together: no runtime takes more for them.
    pub image_bytes: usize,
    /// Side of the images, pixels.
    pub resolution: usize,
    /// Whether it takes images of other sides too.
    pub any_side: bool,
    /// Whether it takes an image's bytes, each as float32, and normalises them itself.
    pub normalises: bool,
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
    /// Names of its constants and nodes: by them the network of a known program is told.
    pub names: BTreeSet<String>,
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
        let quantises = |node: &proto::Node| {
            let op = text(&node.op_type);
            op.starts_with("QLinear") || ["QuantizeLinear", RANGES].contains(&op)
        };
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

/// Reads a model, with weights that lie beside it in its folder. `side` is the side of the images for a model that leaves the side
/// to the caller.
///
/// # Errors
/// [`ReadError`].
pub fn read(path: &Path, side: Option<usize>) -> Result<Model, ReadError> {
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
    // A name alone lies in the current folder.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    parse_in(bytes.into(), Some(folder.unwrap_or(Path::new("."))), side).map_err(format)
}

/// The contents of a file that has its weights inside.
///
/// # Errors
/// What is wrong, completing "PATH ...".
pub fn parse(bytes: Bytes) -> Result<Model, String> {
    parse_in(bytes, None, None)
}

/// The same with its weights in files of `folder`, and images of the side `side` where the model leaves it to the caller.
///
/// # Errors
/// As [`parse`].
pub fn parse_in(bytes: Bytes, folder: Option<&Path>, side: Option<usize>) -> Result<Model, String> {
    if bytes.is_empty() {
        return Err("is empty".into());
    }
    let broken =
        |error: String| format!("is not a whole ONNX model: {error}; export it again, or copy or download it again");
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
    let inside = bytes.len() as u64;
    let mut model = proto::Model::decode(bytes).map_err(|error| broken(error.to_string()))?;
    let unfit = |reason: String| format!("is no image classifier that can be run: {reason}");
    let graph = model.graph.as_mut().ok_or_else(|| broken("it has no graph".into()))?;
    let of_tensor = |(name, reason): (String, String)| broken(format!("its tensor {name:?} {reason}"));
    gather_constants(graph).map_err(|(name, reason)| broken(format!("its node {name:?} (Constant) {reason}")))?;
    shapes::few(graph).map_err(unfit)?;
    sort(graph).map_err(unfit)?;
    defaults::write_out(graph);
    take_in(&mut graph.initializer, folder, inside).map_err(of_tensor)?;
    for tensor in &graph.initializer {
        whole(tensor).map_err(|reason| of_tensor((text(&tensor.name).to_owned(), reason)))?;
    }
    let named = graph.initializer.iter().map(|tensor| text(&tensor.name).to_owned());
    let constants: BTreeSet<String> = named.collect();
    if constants.len() < graph.initializer.len() {
        return Err(unfit("two of its tensors have one name".into()));
    }
    // Older files list their initialisers among the inputs.
    graph.input.retain(|input| !constants.contains(text(&input.name)));
    let version = model.ir_version.unwrap_or(0).max(CONSTANTS_APART);
    model.ir_version = Some(version);
    let ([input], [_]) = (graph.input.as_slice(), graph.output.as_slice()) else {
        return Err(unfit(format!(
            "it has {} and {}, not one of each; export it with one input, the images, and one output, the logits",
            counted(graph.input.len(), "input"),
            counted(graph.output.len(), "output")
        )));
    };
    let takes = takes(graph, input, side).map_err(unfit)?;
    if let Takes::Images(images, _) = &takes {
        adapt_input(graph, images);
    }
    let (resolution, batch) = (takes.side(), takes.batch());
    if resolution > MAX_RESOLUTION {
        return Err(unfit(format!(
            "its images have sides of {resolution} pixels, more than the limit of {MAX_RESOLUTION}"
        )));
    }
    let walked = |graph: &Graph, images: usize| {
        let mut network;
        let (graph, first) = match &takes {
            // What resizes the photos is known; the bounds are those of the network behind it.
            Takes::Photos(..) => {
                network = graph.clone();
                Preprocess::take_off(&mut network);
                (&network, INPUT)
            }
            Takes::Images(..) => (graph, text(&graph.input[0].name)),
        };
        shapes::walk(graph, (first, vec![images, 3, resolution, resolution]))
    };
    let images = batch.unwrap_or(1);
    let made = walked(graph, images).map_err(unfit)?;
    let classes = classes(graph, made.output.as_deref(), images).map_err(unfit)?;
    adapt_output(graph, classes);
    // Most models grow with the batch; one that grows faster has its bound too.
    let made = walked(graph, images).map_err(unfit)?;
    let mut most = (shapes::MAX_VALUES / made.largest.max(1))
        .min(shapes::MAX_TOGETHER / made.together.max(1))
        .max(1);
    let mut together = made.together.div_ceil(images);
    if batch.is_none() {
        loop {
            match walked(graph, most) {
                Ok(made) => {
                    together = together.max(made.together.div_ceil(most));
                    break;
                }
                Err(reason) if most == 1 => return Err(unfit(reason)),
                Err(_) => most /= 2,
            }
        }
    }
    let ranges = graph.node.iter().any(|node| text(&node.op_type) == RANGES);
    let (input, output) = (text(&graph.input[0].name), text(&graph.output[0].name));
    let (input, output) = (input.to_owned(), output.to_owned());
    let checked = Bytes::from(model.encode_to_vec());
    let graph = model.graph.unwrap_or_default();
    Ok(Model {
        most: if ranges { 1 } else { most },
        ranges,
        image_bytes: widest(&graph) * together,
        softmax: ends_in_softmax(&graph, &output),
        numbers: Numbers::of(&graph),
        input,
        output,
        batch,
        resolution,
        any_side: takes.any_side(),
        normalises: takes.normalises(),
        photos: takes.photos(),
        classes,
        producer: model.producer_name.unwrap_or_default(),
        metadata: model
            .metadata_props
            .into_iter()
            .map(|entry| (entry.key.unwrap_or_default(), entry.value.unwrap_or_default()))
            .collect(),
        names: constants
            .into_iter()
            .chain(graph.node.into_iter().filter_map(|node| node.name))
            .collect(),
        bytes: checked,
    })
}

/// What a model takes.
enum Takes {
    /// Images of this side.
    Images(Images, usize),
    /// Photos as they are, any number or so many; what becomes of them, and the side of the images that are made of them.
    Photos(Option<usize>, Preprocess, usize),
}

impl Takes {
    fn batch(&self) -> Option<usize> {
        match self {
            Takes::Images(images, _) => images.batch,
            Takes::Photos(batch, ..) => *batch,
        }
    }

    fn side(&self) -> usize {
        match self {
            Takes::Images(_, side) | Takes::Photos(.., side) => *side,
        }
    }

    fn any_side(&self) -> bool {
        matches!(self, Takes::Images(images, _) if images.sides == [None; 2])
    }

    fn normalises(&self) -> bool {
        matches!(self, Takes::Images(images, _) if images.element == UINT8)
    }

    fn photos(self) -> Option<Preprocess> {
        match self {
            Takes::Images(..) => None,
            Takes::Photos(_, preprocess, _) => Some(preprocess),
        }
    }
}

/// What a model takes by its input.
fn takes(graph: &Graph, input: &proto::ValueInfo, side: Option<usize>) -> Result<Takes, String> {
    if let (PHOTOS, Some((shape, _))) = (text(&input.name), sides(input, &[UINT8]))
        && let [batch, None, None, Some(3)] = *shape
    {
        let found = Preprocess::take_off(&mut graph.clone());
        let (preprocess, side) = found
            .ok_or("its input is photos, and it does not begin with the nodes that this program writes for them")?;
        return Ok(Takes::Photos(batch, preprocess, side));
    }
    if let Some(side) = too_large(input) {
        return Err(format!(
            "its input has a side of {side}, more than the limit of {MAX_RESOLUTION} pixels; export it for smaller images"
        ));
    }
    let images = images(input).ok_or(
        "its input must be images of three colours, [batch, 3, height, width] or [batch, height, width, 3], in float32, \
         float16 or uint8, or photos as this program writes them; export it so",
    )?;
    let fixed = match images.sides {
        [Some(height), Some(width)] if height != width => {
            return Err(format!(
                "its images are {width} x {height} pixels, and only squares are made here; export it for a square"
            ));
        }
        [height, width] => height.or(width),
    };
    match (fixed, side) {
        (Some(fixed), Some(side)) if fixed != side => Err(format!(
            "its images have sides of {fixed} pixels, not the {side} that were asked for"
        )),
        (fixed, side) => Ok(Takes::Images(images, fixed.or(side).unwrap_or(USUAL_SIDE))),
    }
}

/// A number with its noun.
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Number of classes: as the output follows from the nodes, or else as the model says.
fn classes(graph: &Graph, made: Option<&[usize]>, images: usize) -> Result<usize, String> {
    let wanted = "its output must be [batch, classes], in float32, float16 or float64; export the model so that it ends with the logits";
    // A feature map or a mask has sides, and would come to a number of classes that nobody meant.
    let one = |sides: &[usize]| match sides.iter().filter(|&&side| side > 1).count() {
        0 | 1 => Ok(()),
        _ => Err(format!(
            "its output has {sides:?} numbers for an image, as a feature map or a mask has, and a classifier has one number a class; \
             export the model with its classifier"
        )),
    };
    let (said, _) = sides(&graph.output[0], &[FLOAT, FLOAT16, DOUBLE]).ok_or(wanted)?;
    let [_, said @ ..] = said.as_slice() else {
        return Err(wanted.into());
    };
    let known: Option<Vec<usize>> = said.iter().copied().collect();
    one(known.as_deref().unwrap_or_default())?;
    let said = said
        .iter()
        .try_fold(1usize, |product, side| product.checked_mul((*side)?));
    let follows = match made {
        None => None,
        Some([batch, rest @ ..]) if *batch == images && !rest.is_empty() => {
            one(rest)?;
            Some(rest.iter().product())
        }
        Some(_) => return Err(wanted.into()),
    };
    match follows.or(said) {
        Some(classes @ 1..=16_384) if said.is_none_or(|said| said == classes) => Ok(classes),
        _ => Err(wanted.into()),
    }
}

/// Bytes of the widest number that a result may have.
fn widest(graph: &Graph) -> usize {
    let wide = |element: i64| [INT64, DOUBLE, proto::UINT64].map(i64::from).contains(&element);
    let casts = |node: &proto::Node| {
        let to = node.attribute.iter().find(|attribute| text(&attribute.name) == "to");
        to.is_some_and(|to| wide(to.i.unwrap_or(0)))
    };
    let constant = |tensor: &proto::Tensor| tensor.data_type == Some(DOUBLE);
    match graph.node.iter().any(casts) || graph.initializer.iter().any(constant) {
        true => size_of::<f64>(),
        false => size_of::<f32>(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Calibration, Method, Options, Runtime, Session};
    use half::f16;
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

    /// A mask has a number for each pixel, and no class is one of them.
    #[test]
    fn an_output_with_sides_is_no_classifiers() {
        let refused = |dims: &[i64]| {
            let mut model = quantised();
            let output = &mut model.graph.as_mut().unwrap().output[0];
            let shape = output.kind.as_mut().unwrap().tensor.as_mut().unwrap().shape.as_mut();
            shape.unwrap().dim = dims
                .iter()
                .map(|&side| proto::Dim {
                    side: Some(proto::Side::Known(side)),
                })
                .collect();
            parse(model.encode_to_vec().into()).map(|model| model.classes)
        };
        assert_eq!(refused(&[1, 3]), Ok(3));
        assert_eq!(refused(&[1, 3, 1, 1]), Ok(3));
        let reason = refused(&[1, 3, 62, 62]).unwrap_err();
        assert!(
            reason.contains("its output has [3, 62, 62] numbers for an image"),
            "{reason}"
        );
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
