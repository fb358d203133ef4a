//! The quantised graph.

use std::collections::BTreeMap;

use super::float::{Constant, Float, is_depthwise, op};
use super::observe::Seen;
use crate::graph::INPUT;
use crate::proto::{Attribute, FLOAT, Graph, INT8, INT32, Node, Tensor, UINT8, tensor};

/// Largest weight: symmetric, so that zero is zero.
const MOST: f32 = 127.0;

/// Largest bias, well within 32 bits together with what is summed onto it.
const MOST_BIAS: f64 = (1u32 << 30) as f64;

/// The graph of bytes: `ranges` says where each value is cut, `seen` what its channels are in the mean.
pub fn quantised(float: &Float, ranges: &BTreeMap<&str, (f32, f32)>, seen: &BTreeMap<String, Seen>) -> Graph {
    let mut emitter = Emitter {
        float,
        ranges,
        seen,
        graph: Graph::default(),
        scales: BTreeMap::new(),
    };
    emitter.value(INPUT);
    for node in &float.nodes {
        emitter.node(node);
    }
    emitter.graph
}

struct Emitter<'a> {
    float: &'a Float,
    ranges: &'a BTreeMap<&'a str, (f32, f32)>,
    seen: &'a BTreeMap<String, Seen>,
    graph: Graph,
    /// Scale of each value that is bytes.
    scales: BTreeMap<String, f32>,
}

impl Emitter<'_> {
    fn push(&mut self, op: &str, input: Vec<String>, output: String, attribute: Vec<Attribute>) {
        self.graph.node.push(Node {
            name: Some(output.clone()),
            input,
            output: vec![output],
            op_type: Some(op.into()),
            attribute,
            domain: None,
        });
    }

    /// A node, and its result as bytes if more arithmetic follows.
    fn node(&mut self, node: &Node) {
        let mut node = node.clone();
        let (float, output) = (self.float, node.output[0].clone());
        // Zero is the lowest byte of what a ReLU makes: the conversion to bytes is the ReLU.
        if let Some(relu) = float.relu(&output) {
            node.output = relu.output.clone();
        } else if op(&node) == "Relu" && float.relu(&node.input[0]).is_some() {
            return;
        }
        if matches!(op(&node), "Conv" | "Gemm") {
            self.weights(&node);
        }
        for input in &mut node.input {
            if self.scales.contains_key(input) {
                input.push_str(".float");
            }
        }
        let output = node.output[0].clone();
        let last = output == float.output || float.readers(&output).any(|reader| op(reader) == "Softmax");
        // No arithmetic, so no other range.
        let same = (op(&node) == "Flatten").then(|| node.input[0].trim_end_matches(".float").to_owned());
        self.graph.node.push(node);
        match same {
            _ if last => {}
            Some(from) => self.convert(&output, &from),
            None => self.value(&output),
        }
    }

    /// A value as bytes, with a scale and a zero point of its own.
    fn value(&mut self, name: &str) {
        let (low, high) = self.ranges.get(name).copied().unwrap_or_default();
        let scale = match (high - low) / 255.0 {
            scale if scale > 0.0 => scale,
            _ => 1.0,
        };
        let zero = (-low / scale).round().clamp(0.0, 255.0) as u8;
        self.scales.insert(name.into(), scale);
        self.graph
            .initializer
            .push(tensor(&format!("{name}.scale"), FLOAT, &[], &[scale]));
        self.graph
            .initializer
            .push(tensor(&format!("{name}.zero"), UINT8, &[], &[zero]));
        self.convert(name, name);
    }

    /// A value to bytes and back, by the scale of `of`.
    fn convert(&mut self, name: &str, of: &str) {
        let bytes = format!("{name}.int8");
        let (scale, zero) = (format!("{of}.scale"), format!("{of}.zero"));
        self.push(
            "QuantizeLinear",
            vec![name.into(), scale.clone(), zero.clone()],
            bytes.clone(),
            Vec::new(),
        );
        self.push(
            "DequantizeLinear",
            vec![bytes, scale, zero],
            format!("{name}.float"),
            Vec::new(),
        );
        self.scales.insert(name.into(), self.scales[of]);
    }

    /// The weights and the bias of a convolution or dense layer as integers, under their own names once they are numbers again.
    fn weights(&mut self, node: &Node) {
        let (float, input) = (self.float, self.scales[&node.input[0]]);
        let (kernel, bias) = (&float.constants[&node.input[1]], &float.constants[&node.input[2]]);
        let row = kernel.row();
        let scale = |(row, bias): (&[f32], &f32)| {
            let largest = row.iter().fold(0f32, |largest, value| value.abs().max(largest));
            let least = (f64::from(*bias).abs() / (MOST_BIAS * f64::from(input))) as f32;
            match (largest / MOST).max(least) {
                scale if scale > f32::MIN_POSITIVE => scale,
                _ => 1.0,
            }
        };
        let rows = || kernel.values.chunks_exact(row);
        let scales: Vec<f32> = rows().zip(&bias.values).map(scale).collect();
        let whole = |(row, &scale): (&[f32], &f32)| -> Vec<i8> {
            row.iter()
                .map(|value| (value / scale).round_ties_even() as i8)
                .collect()
        };
        let integers: Vec<i8> = rows().zip(&scales).flat_map(whole).collect();
        let shifts = self.mean_errors(node, kernel, &integers, &scales);
        let bias_scales: Vec<f32> = scales.iter().map(|scale| scale * input).collect();
        let biases: Vec<i32> = bias
            .values
            .iter()
            .zip(&shifts)
            .zip(&bias_scales)
            .map(|((&bias, shift), &scale)| ((f64::from(bias) - shift) / f64::from(scale)).round() as i32)
            .collect();
        let (weight_name, bias_name) = (&node.input[1], &node.input[2]);
        let channels = [scales.len()];
        self.constant(
            weight_name,
            tensor(&format!("{weight_name}.int8"), INT8, &kernel.shape, &integers),
            &scales,
        );
        let zeros = tensor(&format!("{weight_name}.zero"), INT8, &channels, &vec![0i8; channels[0]]);
        self.graph.initializer.push(zeros);
        self.constant(
            bias_name,
            tensor(&format!("{bias_name}.int32"), INT32, &channels, &biases),
            &bias_scales,
        );
        let zeros = tensor(&format!("{bias_name}.zero"), INT32, &channels, &vec![0i32; channels[0]]);
        self.graph.initializer.push(zeros);
    }

    fn constant(&mut self, name: &str, integers: Tensor, scales: &[f32]) {
        let (scale, zero) = (format!("{name}.scale"), format!("{name}.zero"));
        let stored = integers.name.clone().unwrap_or_default();
        self.graph.initializer.push(integers);
        self.graph
            .initializer
            .push(tensor(&scale, FLOAT, &[scales.len()], scales));
        self.push(
            "DequantizeLinear",
            vec![stored, scale, zero],
            name.into(),
            vec![Attribute::int("axis", 0)],
        );
    }

    /// How much rounding the weights moves each output channel in the mean: the errors times the means of what they read.
    fn mean_errors(&self, node: &Node, kernel: &Constant, integers: &[i8], scales: &[f32]) -> Vec<f64> {
        let means: Vec<f64> = self.seen[&node.input[0]].means().collect();
        let row = kernel.row();
        let taps = row / kernel.shape[1];
        let depthwise = is_depthwise(node);
        let error = |at: usize| f64::from(integers[at]) * f64::from(scales[at / row]) - f64::from(kernel.values[at]);
        let mean = |at: usize| {
            if depthwise {
                means[at / row]
            } else {
                means[at % row / taps]
            }
        };
        let sum = |channel: usize| {
            (channel * row..(channel + 1) * row)
                .map(|at| error(at) * mean(at))
                .sum()
        };
        (0..scales.len()).map(sum).collect()
    }
}
