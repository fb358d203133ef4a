use super::*;
use crate::parse;
use crate::proto::{Attribute, Dim, Entry, FLOAT, INT64, Side, Tensor, TensorType, Type, UINT8, ValueInfo, tensor};
use mnasnet_model::quantised::Op;

const CHANNELS: usize = 8;

/// A graph that is made node by node.
#[derive(Default)]
struct Maker(crate::proto::Graph);

impl Maker {
    fn constant(&mut self, tensor: Tensor) {
        self.0.initializer.push(tensor);
    }

    fn node(&mut self, op: &str, input: &[&str], output: &str, attribute: Vec<Attribute>) {
        self.0.node.push(Node {
            input: input.iter().map(|&name| name.into()).collect(),
            output: vec![output.into()],
            name: Some(output.into()),
            op_type: Some(op.into()),
            attribute,
            domain: None,
        });
    }

    /// `name` as bytes, and as the numbers `name.n` that the bytes stand for.
    fn bytes(&mut self, name: &str) {
        let [scale, zero, bytes, numbers] = ["s", "z", "b", "n"].map(|part| format!("{name}.{part}"));
        self.constant(tensor(&scale, FLOAT, &[], &[0.05f32]));
        self.constant(tensor(&zero, UINT8, &[], &[100u8]));
        self.node("QuantizeLinear", &[name, &scale, &zero], &bytes, Vec::new());
        self.node("DequantizeLinear", &[&bytes, &scale, &zero], &numbers, Vec::new());
    }

    /// Weights as numbers.
    fn weights(&mut self, name: &str, shape: &[usize]) {
        let [stored, scale] = ["i", "s"].map(|part| format!("{name}.{part}"));
        let count: usize = shape.iter().product();
        let values: Vec<i8> = (0..count).map(|at| (at % 11) as i8 - 5).collect();
        self.constant(tensor(&stored, crate::proto::INT8, shape, &values));
        self.constant(tensor(&scale, FLOAT, &[], &[0.02f32]));
        self.node("DequantizeLinear", &[&stored, &scale], name, Vec::new());
    }
}

/// A convolution of images of 4 x 4 pixels, a mean, and what `more` makes of `mean.n`; its result is `out`.
fn network(more: fn(&mut Maker)) -> Result<QuantisedNetwork, String> {
    let mut maker = Maker::default();
    maker.bytes("image");
    maker.weights("kernel", &[CHANNELS, 3, 1, 1]);
    maker.node("Conv", &["image.n", "kernel"], "conv", Vec::new());
    maker.bytes("conv");
    maker.node("GlobalAveragePool", &["conv.n"], "mean", Vec::new());
    maker.bytes("mean");
    more(&mut maker);
    let sides = |sides: &[i64]| {
        let dim = sides.iter().map(|&side| Dim {
            side: Some(Side::Known(side)),
        });
        Some(Type {
            tensor: Some(TensorType {
                elem_type: Some(FLOAT),
                shape: Some(crate::proto::Shape { dim: dim.collect() }),
            }),
        })
    };
    let value = |name: &str, shape: &[i64]| ValueInfo {
        name: Some(name.into()),
        kind: sides(shape),
    };
    maker.0.input.push(value("image", &[1, 3, 4, 4]));
    maker.0.output.push(value("out", &[1, CHANNELS as i64]));
    let model = crate::proto::Model {
        ir_version: Some(8),
        graph: Some(maker.0),
        opset_import: vec![crate::proto::OperatorSet {
            domain: None,
            version: Some(17),
        }],
        metadata_props: Vec::<Entry>::new(),
        ..crate::proto::Model::default()
    };
    lower(&parse(model.encode_to_vec().into()).expect("a model"))
}

fn row(maker: &mut Maker) {
    maker.node("Flatten", &["mean.n"], "row", Vec::new());
    maker.bytes("row");
}

fn classifier(maker: &mut Maker, output: &str) {
    row(maker);
    maker.weights("head", &[CHANNELS, CHANNELS]);
    maker.node("MatMul", &["row.n", "head"], output, Vec::new());
}

#[test]
fn a_classifier_may_end_in_probabilities() {
    let plain = network(|maker| classifier(maker, "out")).unwrap();
    let softmax = network(|maker| {
        classifier(maker, "logits");
        maker.node("Softmax", &["logits"], "out", vec![]);
    });
    assert_eq!(softmax.unwrap(), plain);
    // `quantize_static` makes bytes of the logits and of the probabilities too.
    let bytes = network(|maker| {
        classifier(maker, "logits");
        maker.bytes("logits");
        maker.node("Softmax", &["logits.n"], "softmax", vec![]);
        maker.bytes("softmax");
        maker.node("Identity", &["softmax.n"], "out", vec![]);
    });
    assert_eq!(bytes.unwrap().last, Last::Numbers);
}

/// What a model is made of, with a name.
type Made = (&'static str, fn(&mut Maker));

#[test]
fn other_arithmetic_is_left_to_a_runtime() {
    let refused: [Made; 5] = [
        ("Softmax over the batch", |maker| {
            classifier(maker, "logits");
            let mut axis = Attribute::int("axis", 0);
            axis.i = Some(0);
            maker.node("Softmax", &["logits"], "out", vec![axis]);
        }),
        ("Softmax twice", |maker| {
            classifier(maker, "logits");
            maker.node("Softmax", &["logits"], "once", vec![]);
            maker.node("Softmax", &["once"], "out", vec![]);
        }),
        ("Softmax as a gate", |maker| {
            row(maker);
            maker.node("Softmax", &["row.n"], "softmax", vec![]);
            maker.bytes("softmax");
            maker.node("Mul", &["row.n", "softmax.n"], "gated", vec![]);
            maker.bytes("gated");
            maker.node("Identity", &["gated.n"], "out", vec![]);
        }),
        // Numpy's rule would take the row's channels for the image's width.
        ("a row times images", |maker| {
            row(maker);
            maker.node("Mul", &["mean.n", "row.n"], "gated", vec![]);
            maker.bytes("gated");
            maker.node("GlobalAveragePool", &["gated.n"], "again", vec![]);
            maker.bytes("again");
            maker.node("Flatten", &["again.n"], "out", vec![]);
        }),
        ("channels as height", |maker| {
            maker.constant(tensor("shape", INT64, &[4], &[1i64, 1, CHANNELS as i64, 1]));
            maker.node("Reshape", &["mean.n", "shape"], "turned", vec![]);
            maker.bytes("turned");
            maker.node("Flatten", &["turned.n"], "out", vec![]);
        }),
    ];
    for (what, more) in refused {
        assert!(network(more).is_err(), "{what}");
    }
}

#[test]
fn rows_and_pixels_are_one_value() {
    let network = network(|maker| {
        row(maker);
        maker.constant(tensor("shape", INT64, &[4], &[0i64, -1, 1, 1]));
        maker.node("Reshape", &["row.n", "shape"], "pixel", vec![]);
        maker.node("Mul", &["conv.n", "pixel"], "gated", vec![]);
        maker.bytes("gated");
        maker.node("GlobalAveragePool", &["gated.n"], "again", vec![]);
        maker.bytes("again");
        maker.node("Flatten", &["again.n"], "out", vec![]);
    });
    let network = network.unwrap();
    let gates = network.layers.iter().filter(|layer| matches!(layer.op, Op::Gate(_)));
    assert_eq!((gates.count(), network.layers.len()), (1, 4));
}

#[test]
fn signed_bytes_count_from_minus_128() {
    let zero = |attribute: Vec<Attribute>, zero: Option<i8>| {
        let mut maker = Maker::default();
        maker.constant(tensor("s", FLOAT, &[], &[0.5f32]));
        maker.constant(tensor("z", crate::proto::INT8, &[], &[zero.unwrap_or_default()]));
        let inputs: &[&str] = if zero.is_some() {
            &["image", "s", "z"]
        } else {
            &["image", "s"]
        };
        maker.node("QuantizeLinear", inputs, "b", attribute);
        let node = maker.0.node[0].clone();
        let walk = Walk {
            constants: maker
                .0
                .initializer
                .iter()
                .map(|tensor| (text(&tensor.name), tensor))
                .collect(),
            meanings: BTreeMap::new(),
            resolution: 1,
            values: Vec::new(),
            layers: Vec::new(),
        };
        walk.scale_at(&node, 1).map(|(scale, _)| scale.zero)
    };
    assert_eq!(zero(vec![], Some(-3)), Ok(125));
    assert_eq!(zero(vec![], None), Ok(0));
    assert_eq!(zero(vec![Attribute::int("output_dtype", 3)], None), Ok(128));
    // 16 bits.
    assert!(zero(vec![Attribute::int("output_dtype", 4)], None).is_err());
}
