//! The list of nodes of a network as nodes of ONNX: one function an operation, values named after what makes them.

use bytes::Bytes;
use half::f16;
use mnasnet_model::{Conv, ConvKind, Linear, Network, Op, SqueezeExcite, TensorId, ValueId, Weights};

use crate::error::ExportError;
use crate::fold::folded;
use crate::options::Options;
use crate::proto::{Attribute, FLOAT, FLOAT16, Graph, Node, Tensor};

/// Name of the model's input.
pub const INPUT: &str = "image";

/// Nodes and initialisers of a network, without the descriptions of inputs and outputs.
///
/// # Errors
/// A weight that float16 cannot hold.
pub fn graph(network: &Network, weights: &Weights, options: &Options) -> Result<Graph, ExportError> {
    let mut builder = Builder {
        network,
        weights,
        options,
        graph: Graph::default(),
        values: Vec::new(),
    };
    let mut image = INPUT.to_owned();
    if options.half {
        image = builder.cast(image, "image_f16", FLOAT16);
    }
    builder.values.push(image);
    for node in &network.nodes {
        let (name, input) = (&*node.name, builder.value(node.input));
        let output = match &node.op {
            Op::Conv(conv) => builder.conv(name, input, conv)?,
            Op::SqueezeExcite(gate) => builder.squeeze_excite(name, input, gate)?,
            Op::Add { shortcut } => {
                let shortcut = builder.value(*shortcut);
                builder.node("Add", name, vec![input, shortcut], Vec::new())
            }
            Op::Pool => {
                let pooled = builder.node("GlobalAveragePool", name, vec![input], Vec::new());
                let axis = vec![Attribute::int("axis", 1)];
                builder.node("Flatten", &format!("{name}.flatten"), vec![pooled], axis)
            }
            // Only training drops anything.
            Op::Dropout { .. } => input,
            Op::Linear(linear) => builder.linear(name, input, linear)?,
        };
        builder.values.push(output);
    }
    let last = builder.value(network.nodes.len());
    builder.finish(last);
    Ok(builder.graph)
}

struct Builder<'a> {
    network: &'a Network,
    weights: &'a Weights,
    options: &'a Options,
    graph: Graph,
    /// Name of each value of the network.
    values: Vec<String>,
}

impl Builder<'_> {
    fn value(&self, id: ValueId) -> String {
        self.values[id].clone()
    }

    /// Appends a node whose output has its name.
    fn node(&mut self, op: &str, name: &str, input: Vec<String>, attribute: Vec<Attribute>) -> String {
        self.graph.node.push(Node {
            input,
            output: vec![name.into()],
            name: Some(name.into()),
            op_type: Some(op.into()),
            attribute,
            domain: None,
        });
        name.into()
    }

    fn cast(&mut self, input: String, name: &str, to: i32) -> String {
        self.node("Cast", name, vec![input], vec![Attribute::int("to", to as usize)])
    }

    /// The output under the name that users see, in float32.
    fn finish(&mut self, mut last: String) {
        if self.options.half {
            last = self.cast(last, "logits_f32", FLOAT);
        }
        if self.options.softmax {
            let name = self.options.output_name();
            self.node("Softmax", name, vec![last], vec![Attribute::int("axis", 1)]);
        } else if let Some(node) = self.graph.node.last_mut() {
            node.output = vec![self.options.output_name().into()];
        }
    }

    fn conv(&mut self, name: &str, input: String, conv: &Conv) -> Result<String, ExportError> {
        let fold = self.options.fold_bn;
        let weight = &self.network.parameters[conv.weight];
        let mut inputs = vec![input];
        if fold {
            let (kernel, bias) = folded(self.network, self.weights, conv);
            inputs.push(self.tensor(&weight.name, &weight.shape, &kernel)?);
            inputs.push(self.tensor(&format!("{name}.bias"), &[conv.c_out], &bias)?);
        } else {
            inputs.push(self.parameter(conv.weight)?);
            inputs.extend(conv.bias.map(|bias| self.parameter(bias)).transpose()?);
        }
        let group = match conv.kind {
            ConvKind::Depthwise => conv.c_in,
            ConvKind::Dense => 1,
        };
        let attributes = vec![
            Attribute::ints("dilations", &[1; 2]),
            Attribute::int("group", group),
            Attribute::ints("kernel_shape", &[conv.kernel; 2]),
            Attribute::ints("pads", &[conv.kernel / 2; 4]),
            Attribute::ints("strides", &[conv.stride; 2]),
        ];
        let mut value = self.node("Conv", name, inputs, attributes);
        if !fold {
            let inputs = vec![
                value,
                self.parameter(conv.gamma)?,
                self.parameter(conv.beta)?,
                self.buffer(conv.mean)?,
                self.buffer(conv.variance)?,
            ];
            let epsilon = vec![Attribute::float("epsilon", self.network.bn_epsilon)];
            value = self.node("BatchNormalization", &format!("{name}.norm"), inputs, epsilon);
        }
        if conv.relu {
            value = self.node("Relu", &format!("{name}.relu"), vec![value], Vec::new());
        }
        Ok(value)
    }

    fn squeeze_excite(&mut self, name: &str, input: String, gate: &SqueezeExcite) -> Result<String, ExportError> {
        let mut value = self.node(
            "GlobalAveragePool",
            &format!("{name}.mean"),
            vec![input.clone()],
            Vec::new(),
        );
        for (part, weight, bias, act) in [
            ("reduce", gate.reduce_weight, gate.reduce_bias, "Relu"),
            ("expand", gate.expand_weight, gate.expand_bias, "Sigmoid"),
        ] {
            let inputs = vec![value, self.parameter(weight)?, self.parameter(bias)?];
            let kernel = vec![Attribute::ints("kernel_shape", &[1; 2])];
            value = self.node("Conv", &format!("{name}.{part}"), inputs, kernel);
            let act_name = format!("{name}.{part}.{}", act.to_lowercase());
            value = self.node(act, &act_name, vec![value], Vec::new());
        }
        Ok(self.node("Mul", name, vec![input, value], Vec::new()))
    }

    fn linear(&mut self, name: &str, input: String, linear: &Linear) -> Result<String, ExportError> {
        let inputs = vec![input, self.parameter(linear.weight)?, self.parameter(linear.bias)?];
        Ok(self.node("Gemm", name, inputs, vec![Attribute::int("transB", 1)]))
    }

    fn parameter(&mut self, id: TensorId) -> Result<String, ExportError> {
        let tensor = &self.network.parameters[id];
        let values = self.network.parameter(&self.weights.parameters, id);
        self.tensor(&tensor.name, &tensor.shape, values)
    }

    fn buffer(&mut self, id: TensorId) -> Result<String, ExportError> {
        let tensor = &self.network.buffers[id];
        let values = self.network.buffer(&self.weights.buffers, id);
        self.tensor(&tensor.name, &tensor.shape, values)
    }

    /// Appends an initialiser and returns its name.
    fn tensor(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Result<String, ExportError> {
        let half = self.options.half;
        finite(name, values)?;
        let raw: Vec<u8> = if half {
            if let Some(&value) = values.iter().find(|&&value| !f16::from_f32(value).is_finite()) {
                let name = name.to_owned();
                return Err(ExportError::Half { name, value });
            }
            values
                .iter()
                .flat_map(|&value| f16::from_f32(value).to_le_bytes())
                .collect()
        } else {
            values.iter().flat_map(|value| value.to_le_bytes()).collect()
        };
        self.graph.initializer.push(Tensor {
            dims: shape.iter().map(|&side| side as i64).collect(),
            data_type: Some(if half { FLOAT16 } else { FLOAT }),
            name: Some(name.into()),
            raw_data: Some(Bytes::from(raw)),
            ..Tensor::default()
        });
        Ok(name.into())
    }
}

/// Refuses values that are no numbers.
pub(crate) fn finite(name: &str, values: &[f32]) -> Result<(), ExportError> {
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(&value) => Err(ExportError::NotFinite {
            name: name.to_owned(),
            value,
        }),
    }
}
