//! What becomes of photos before the network, as nodes of the model: bytes `[batch, height, width, 3]` of any size in, the
//! network's images out.
//!
//! `Resize` with `antialias` is Pillow's resampling, on bytes in its fixed-point numbers; the sizes and the crop's place are
//! computed from the photo's shape, in integers where Pillow's callers do.

use mnasnet_model::shape::MAX_RESOLUTION;

use crate::error::ExportError;
use crate::graph::INPUT;
use crate::options::{Options, Preprocess, Resampling};
use crate::proto::{Attribute, FLOAT, Graph, INT64, Node, tensor};

/// Name of a model's input that takes photos as they are.
pub const PHOTOS: &str = "photos";

/// Operator set from which on `Resize` smooths what it makes smaller.
pub const MIN_OPSET: u32 = 18;

impl Resampling {
    /// All of them.
    const ALL: [Self; 3] = [Resampling::Bilinear, Resampling::Bicubic, Resampling::MindSpore];
}

impl Preprocess {
    /// Whether a model can do it.
    pub(crate) fn possible(&self, options: &Options) -> Result<(), ExportError> {
        let (opset, resolution, resize) = (options.opset, options.resolution, self.resize);
        match () {
            () if opset < MIN_OPSET => Err(ExportError::PreprocessOpset {
                opset,
                oldest: MIN_OPSET,
            }),
            () if resize < resolution => Err(ExportError::PreprocessCrop { resize, resolution }),
            () => Ok(()),
        }
    }

    /// Puts the nodes before a network's.
    pub(crate) fn prepend(&self, graph: Graph, options: &Options) -> Graph {
        let mut steps = Steps::default();
        self.write(&mut steps, options.resolution);
        let Graph { node, initializer, .. } = graph;
        steps.0.node.extend(node);
        steps.0.initializer.extend(initializer);
        steps.0
    }

    /// Takes the nodes of [`Self::prepend`] off a model's graph again, and tells what they do, and the network's resolution. `None`
    /// where the graph does not begin exactly so: what other nodes make of a photo's size is not known.
    pub(crate) fn take_off(graph: &mut Graph) -> Option<(Self, usize)> {
        let constant = |name: &str| {
            let name = format!("{PHOTOS}.{name}");
            let found = graph
                .initializer
                .iter()
                .find(|tensor| tensor.name.as_ref() == Some(&name));
            found?.raw_data.as_deref()
        };
        let side = |name: &str| {
            let (first, _) = constant(name)?.split_first_chunk()?;
            usize::try_from(i64::from_le_bytes(*first))
                .ok()
                .filter(|side| (1..=MAX_RESOLUTION).contains(side))
        };
        let channels = |name: &str| {
            let (floats, _) = constant(name)?.as_chunks();
            let floats: Vec<f32> = floats.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            floats.try_into().ok()
        };
        let (resize, resolution) = (side("resize")?, side("side")?);
        let (scale, shift) = (channels("scale")?, channels("shift")?);
        Resampling::ALL.into_iter().find_map(|resampling| {
            let preprocess = Self {
                resize,
                resampling,
                scale,
                shift,
            };
            let mut steps = Steps::default();
            preprocess.write(&mut steps, resolution);
            let Graph { node, initializer, .. } = steps.0;
            if resize < resolution || !graph.node.starts_with(&node) || !graph.initializer.starts_with(&initializer) {
                return None;
            }
            graph.node.drain(..node.len());
            graph.initializer.drain(..initializer.len());
            Some((preprocess, resolution))
        })
    }

    /// Pixels of a photo with its shorter side resized.
    #[cfg(feature = "runtimes")]
    pub(crate) fn resized(&self, height: usize, width: usize) -> usize {
        let (short, long) = (height.min(width).max(1), height.max(width));
        (self.resize * long).div_ceil(short).saturating_mul(self.resize)
    }

    fn write(&self, steps: &mut Steps, resolution: usize) {
        let mindspore = self.resampling == Resampling::MindSpore;
        let resize = steps.integers("resize", &[self.resize]);
        let side = steps.integers("side", &[resolution; 2]);
        let sides = vec![Attribute::int("start", 1), Attribute::int("end", 3)];
        let sides = steps.node("Shape", "sides", &[PHOTOS], sides);
        let short = steps.node("ReduceMin", "short", &[&sides], vec![Attribute::int("keepdims", 1)]);
        let size = if mindspore {
            let [sides, short] = [sides, short].map(|value| steps.cast(&value, FLOAT));
            let ratio = steps.node("Div", "ratio", &[&sides, &short], Vec::new());
            let resize = steps.floats("resize.float", &[1], &[self.resize as f32]);
            let size = steps.node("Mul", "size.float", &[&ratio, &resize], Vec::new());
            let size = steps.node("Floor", "size.floor", &[&size], Vec::new());
            steps.cast(&size, INT64)
        } else {
            let long = steps.node("Mul", "long", &[&sides, &resize], Vec::new());
            steps.node("Div", "size", &[&long, &short], Vec::new())
        };
        let planes = vec![Attribute::ints("perm", &[0, 3, 1, 2])];
        let mut photo = steps.node("Transpose", "planes", &[PHOTOS], planes);
        let lead = steps.node("Shape", "lead", &[&photo], vec![Attribute::int("end", 2)]);
        let sizes = steps.node("Concat", "sizes", &[&lead, &size], vec![Attribute::int("axis", 0)]);
        if mindspore {
            photo = steps.cast(&photo, FLOAT);
        }
        let mut how = vec![Attribute::text("coordinate_transformation_mode", "half_pixel")];
        how.extend(match self.resampling {
            Resampling::Bilinear => vec![Attribute::text("mode", "linear"), Attribute::int("antialias", 1)],
            Resampling::Bicubic => vec![
                Attribute::text("mode", "cubic"),
                Attribute::float("cubic_coeff_a", -0.5),
                Attribute::int("antialias", 1),
                Attribute::int("exclude_outside", 1),
            ],
            Resampling::MindSpore => vec![Attribute::text("mode", "linear")],
        });
        let resized = steps.node("Resize", "resized", &[&photo, "", "", &sizes], how);
        let rest = steps.node("Sub", "rest", &[&size, &side], Vec::new());
        let start = if mindspore {
            let two = steps.integers("two", &[2]);
            steps.node("Div", "start", &[&rest, &two], Vec::new())
        } else {
            // Half of the rest, a half rounded to even, as Python's round does.
            let rest = steps.cast(&rest, FLOAT);
            let half = steps.floats("half", &[1], &[0.5]);
            let half = steps.node("Mul", "middle", &[&rest, &half], Vec::new());
            let start = steps.node("Round", "start.float", &[&half], Vec::new());
            steps.cast(&start, INT64)
        };
        let end = steps.node("Add", "end", &[&start, &side], Vec::new());
        let axes = steps.integers("axes", &[2, 3]);
        let mut crop = steps.node("Slice", "crop", &[&resized, &start, &end, &axes], Vec::new());
        if mindspore {
            crop = steps.node("Round", "bytes", &[&crop], Vec::new());
        } else {
            crop = steps.cast(&crop, FLOAT);
        }
        // The crop's sides follow from numbers of the photo; this states them.
        let shape = steps.integers("shape", &[0, 3, resolution, resolution]);
        let square = steps.node("Reshape", "square", &[&crop, &shape], Vec::new());
        let scale = steps.floats("scale", &[1, 3, 1, 1], &self.scale);
        let scaled = steps.node("Mul", "scaled", &[&square, &scale], Vec::new());
        let shift = steps.floats("shift", &[1, 3, 1, 1], &self.shift);
        steps.named("Add", INPUT.into(), &[&scaled, &shift], Vec::new());
    }
}

/// Nodes and constants so far.
#[derive(Default)]
struct Steps(Graph);

impl Steps {
    fn node(&mut self, op: &str, name: &str, input: &[&str], attribute: Vec<Attribute>) -> String {
        self.named(op, format!("{PHOTOS}.{name}"), input, attribute)
    }

    fn named(&mut self, op: &str, name: String, input: &[&str], attribute: Vec<Attribute>) -> String {
        self.0.node.push(Node {
            input: input.iter().map(|&input| input.into()).collect(),
            output: vec![name.clone()],
            name: Some(name.clone()),
            op_type: Some(op.into()),
            attribute,
            domain: None,
        });
        name
    }

    fn cast(&mut self, value: &str, to: i32) -> String {
        let name = format!("{value}.{}", if to == FLOAT { "float32" } else { "int64" });
        self.named("Cast", name, &[value], vec![Attribute::int("to", to as usize)])
    }

    fn integers(&mut self, name: &str, values: &[usize]) -> String {
        let values: Vec<i64> = values.iter().map(|&value| value as i64).collect();
        let name = format!("{PHOTOS}.{name}");
        self.0.initializer.push(tensor(&name, INT64, &[values.len()], &values));
        name
    }

    fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let name = format!("{PHOTOS}.{name}");
        self.0.initializer.push(tensor(&name, FLOAT, shape, values));
        name
    }
}
