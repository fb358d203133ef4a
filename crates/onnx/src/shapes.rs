//! The shapes of a model's values, walked before anything is computed: how much each operation makes of its inputs. What is
//! refused here would take more than its bound, or an amount that cannot be told.

mod fold;
mod results;
mod rules;
mod value;
mod window;

use std::collections::HashMap;

use self::results::results;
use self::rules::rule;
use self::value::{Inputs, MAX_NUMBERS, Value};
use crate::proto::Graph;
use crate::read::{integers, text};

/// Values of one result, at most: 1 GiB, five times the largest of MNASNet-B1 at 2000 pixels.
pub const MAX_VALUES: usize = 1 << 28;

/// Values of all results together: 16 GiB, were none let go of before the end. Runtimes choose the order of nodes themselves, so
/// how much is there at a time cannot be told from the file. MNASNet-B1 makes 11 million of an image of 224 pixels, as INT8 21 million.
pub const MAX_TOGETHER: usize = 1 << 32;

/// Operations, at most: MNASNet-B1 has 100 to 160, as INT8 500; ResNet-152 as INT8 some 2,500.
pub const MAX_NODES: usize = 4096;

/// Operations that follow one another, at most. rten's planner calls itself once for each, on up to half a KiB of stack: half a MiB
/// together, of the 2 MiB that a thread has. ResNet-152 as INT8 has some 800.
pub const MAX_DEPTH: usize = 1024;

/// Terms of a sum of sums or a product of products, at most. rten writes them out where it looks for patterns, each as often as it is
/// read: forty times `x * x`, one after the other, would be a trillion. MNASNet's residual chains have 4.
pub const MAX_TERMS: usize = 1024;

/// What a model makes of its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Values of the largest result.
    pub largest: usize,
    /// Values of all results.
    pub together: usize,
    /// Sides of the graph's output, where they are known.
    pub output: Option<Vec<usize>>,
}

/// How far a value lies from the input.
#[derive(Clone, Copy, Debug)]
struct Way {
    /// Operations that follow one another up to it.
    depth: usize,
    /// Terms that it can be written out as.
    terms: usize,
}

impl Way {
    const START: Self = Self { depth: 0, terms: 1 };

    fn through(op: &str, inputs: &[Self]) -> Result<Self, String> {
        let depth = inputs.iter().map(|input| input.depth).max().unwrap_or(0);
        if depth == MAX_DEPTH {
            return Err(format!("follows {depth} others, as many as may follow one another"));
        }
        let terms = match op {
            "Add" | "Mul" | "Sub" | "Div" | "Sum" | "Mean" => inputs.iter().map(|input| input.terms).sum(),
            // What a runtime may leave out, or compute as a product or a sum.
            "BatchNormalization" | "Cast" | "CastLike" | "Concat" | "DequantizeLinear" | "Dropout" | "Expand"
            | "Flatten" | "Gather" | "Identity" | "Pad" | "QuantizeLinear" | "Reshape" | "Slice" | "Split"
            | "Squeeze" | "Tile" | "Transpose" | "Unsqueeze" => {
                inputs.iter().map(|input| input.terms).max().unwrap_or(1)
            }
            _ => 1,
        };
        if terms > MAX_TERMS {
            return Err(format!(
                "has {terms} terms when it is written out, more than the limit of {MAX_TERMS}"
            ));
        }
        let depth = depth + 1;
        Ok(Self { depth, terms })
    }
}

/// Walks the nodes from an input of the given sides. Every node must have an operation whose results are bounded by its inputs, and
/// inputs that are there before it.
///
/// # Errors
/// The first node that cannot be.
pub fn walk(graph: &Graph, input: (&str, Vec<usize>)) -> Result<Made, String> {
    few(graph)?;
    let mut values: HashMap<&str, (Value, Way)> = HashMap::new();
    for tensor in &graph.initializer {
        let sides = tensor
            .dims
            .iter()
            .map(|&side| usize::try_from(side).unwrap_or(usize::MAX));
        let value = Value::new(sides.collect())?.with(integers(tensor, MAX_NUMBERS));
        values.insert(text(&tensor.name), (value, Way::START));
    }
    let (input, sides) = input;
    let image = Value::new(sides)?;
    let (mut largest, mut together) = (image.count, image.count);
    values.insert(input, (image, Way::START));
    for node in &graph.node {
        let (op, domain) = (text(&node.op_type), text(&node.domain));
        let told = |reason: String| format!("its node {:?} ({op}) {reason}", text(&node.name));
        let rule = rule(domain, op).ok_or_else(|| {
            let domain = if domain.is_empty() { "ONNX" } else { domain };
            told(format!(
                "is an operation of {domain} that is not known here, so that its memory cannot be bounded before it runs; export \
                 the model without it"
            ))
        })?;
        let known = |name: &String| match (name.is_empty(), values.get(name.as_str())) {
            (true, _) => Ok(None),
            (false, Some(found)) => Ok(Some(found)),
            (false, None) => Err(told(format!("reads {name:?}, which nothing before it makes"))),
        };
        let inputs = node.input.iter().map(known).collect::<Result<Vec<_>, _>>()?;
        let ways: Vec<Way> = inputs.iter().flatten().map(|(_, way)| *way).collect();
        let way = Way::through(op, &ways).map_err(told)?;
        let inputs = Inputs(inputs.into_iter().map(|input| input.map(|(value, _)| value)).collect());
        let made = results(rule, node, &inputs).map_err(told)?;
        if node.output.is_empty() {
            return Err(told("makes nothing".into()));
        }
        for (name, value) in node.output.iter().zip(made).filter(|(name, _)| !name.is_empty()) {
            largest = largest.max(value.count);
            together += value.count;
            if together > MAX_TOGETHER {
                return Err(told(format!(
                    "would bring all values together to {together}, more than the limit of {MAX_TOGETHER}"
                )));
            }
            if values.insert(name, (value, way)).is_some() {
                return Err(told(format!("makes {name:?}, which is there already")));
            }
        }
    }
    let output = graph.output.first().and_then(|output| values.get(text(&output.name)));
    Ok(Made {
        largest,
        together,
        output: output.and_then(|(value, _)| value.sides.clone()),
    })
}

/// Refuses more nodes than there may be.
///
/// # Errors
/// Their number.
pub fn few(graph: &Graph) -> Result<(), String> {
    match graph.node.len() {
        count if count > MAX_NODES => Err(format!("it has {count} operations, more than the limit of {MAX_NODES}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Attribute, INT64, Node, ValueInfo, tensor};

    fn node(op: &str, input: &[&str], output: &str) -> Node {
        Node {
            input: input.iter().map(|&name| name.into()).collect(),
            output: vec![output.into()],
            op_type: Some(op.into()),
            ..Node::default()
        }
    }

    /// Each result is within its bound; kept until they are summed, a few hundred bytes would take any machine's memory.
    #[test]
    fn all_results_together_are_bounded() {
        let walked = |layers: usize, side: usize| {
            let names: Vec<String> = (0..=layers).map(|layer| layer.to_string()).collect();
            let layer = |pair: &[String]| node("Relu", &[&pair[0]], &pair[1]);
            let graph = Graph {
                node: names.windows(2).map(layer).collect(),
                ..Graph::default()
            };
            walk(&graph, ("0", vec![1, 3, side, side]))
        };
        let image = 3 * 9000 * 9000;
        assert_eq!(
            walked(4, 9000),
            Ok(Made {
                largest: image,
                together: 5 * image,
                output: None
            })
        );
        let reason = walked(40, 9000).unwrap_err();
        assert!(reason.contains("more than the limit of 4294967296"), "{reason}");
        assert!(walked(40, 900).is_ok());
    }

    #[test]
    fn operations_are_counted_before_a_runtime_sees_them() {
        let refused = |nodes: Vec<Node>| {
            let graph = Graph {
                node: nodes,
                ..Graph::default()
            };
            walk(&graph, ("0", vec![1, 3, 1, 1])).err().unwrap_or_default()
        };
        let name = |at: usize| at.to_string();
        // Side by side, in a row, and a product of itself again and again.
        let beside = |count: usize| (1..=count).map(|at| node("Relu", &["0"], &name(at))).collect();
        let chain = |count: usize| {
            (1..=count)
                .map(|at| node("Relu", &[&name(at - 1)], &name(at)))
                .collect()
        };
        let square = |at: usize| {
            let (from, squared) = (name(2 * at), name(2 * at + 1));
            [
                node("Mul", &[&from, &from], &squared),
                node("Identity", &[&squared], &name(2 * at + 2)),
            ]
        };
        let squares = |count: usize| (0..count).flat_map(square).collect();
        assert_eq!(refused(beside(MAX_NODES)), "");
        assert_eq!(refused(chain(MAX_DEPTH)), "");
        assert_eq!(refused(squares(10)), "");
        let too_many = refused(beside(MAX_NODES + 1));
        assert_eq!(too_many, "it has 4097 operations, more than the limit of 4096");
        let too_deep = refused(chain(MAX_DEPTH + 1));
        assert!(
            too_deep.ends_with("(Relu) follows 1024 others, as many as may follow one another"),
            "{too_deep}"
        );
        let too_long = refused(squares(11));
        assert!(
            too_long.ends_with("(Mul) has 2048 terms when it is written out, more than the limit of 1024"),
            "{too_long}"
        );
    }

    /// A value that a few bytes ask for: sides that are computed, or given as numbers.
    #[test]
    fn what_numbers_ask_for_is_bounded() {
        let shape = |sides: &[i64]| tensor("shape", INT64, &[sides.len()], sides);
        let walked = |op: &str, sides: &[i64]| {
            let input: &[&str] = if op == "ConstantOfShape" {
                &["shape"]
            } else {
                &["0", "shape"]
            };
            let graph = Graph {
                node: vec![node(op, input, "1")],
                initializer: vec![shape(sides)],
                ..Graph::default()
            };
            walk(&graph, ("0", vec![1, 3, 8, 8]))
        };
        for (op, usual, huge) in [
            ("Expand", &[2, 3, 8, 8], &[1 << 24, 3, 8, 8]),
            ("Tile", &[2, 1, 1, 1], &[1 << 40, 1 << 40, 1, 1]),
            ("ConstantOfShape", &[2, 3, 8, 8], &[1 << 20, 1 << 20, 1, 1]),
        ] {
            assert_eq!(walked(op, usual).map(|made| made.largest), Ok(384), "{op}");
            let reason = walked(op, huge).unwrap_err();
            assert!(
                reason.contains("more values than the limit") || reason.contains("more than the limit"),
                "{op}: {reason}"
            );
        }
        let pads = |pad: i64| walked("Pad", &[0, 0, pad, pad, 0, 0, pad, pad]);
        assert_eq!(pads(1).map(|made| made.largest), Ok(300));
        assert!(pads(1 << 20).is_err() && pads(i64::MAX).is_err() && pads(-9).is_err());
        let reason = walked("Reshape", &[5, -1]).unwrap_err();
        assert!(
            reason.contains("cannot bring 192 values to the shape [5, -1]"),
            "{reason}"
        );
    }

    /// What follows from an image's shape by way of integers, as exporters write a reshape: [batch, channels, -1].
    #[test]
    fn computed_shapes_are_followed() {
        let numbers = |name: &str, values: &[i64]| tensor(name, INT64, &[values.len()], values);
        let graph = Graph {
            node: vec![
                node("Shape", &["0"], "sides"),
                node("Slice", &["sides", "none", "two"], "front"),
                node("Concat", &["front", "rest"], "shape"),
                node("Reshape", &["0", "shape"], "rows"),
                node("Transpose", &["rows"], "turned"),
                node("MatMul", &["rows", "turned"], "product"),
            ],
            initializer: vec![numbers("none", &[0]), numbers("two", &[2]), numbers("rest", &[-1])],
            ..Graph::default()
        };
        let mut graph = graph;
        graph.node[2].attribute.push(Attribute::int("axis", 0));
        graph.node[4].attribute.push(Attribute::ints("perm", &[0, 2, 1]));
        graph.output.push(ValueInfo {
            name: Some("product".into()),
            kind: None,
        });
        let made = walk(&graph, ("0", vec![2, 3, 8, 8])).unwrap();
        assert_eq!(made.output, Some(vec![2, 3, 3]));
        // A product of itself grows with the square of what it is made of.
        graph.node[5].input.swap(0, 1);
        assert_eq!(walk(&graph, ("0", vec![1, 3, 64, 64])).unwrap().largest, 4096 * 4096);
        assert!(walk(&graph, ("0", vec![1, 3, 256, 256])).is_err());
    }
}
