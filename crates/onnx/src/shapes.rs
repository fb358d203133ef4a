//! The shapes of a model's values, walked before anything is computed: the operations that image classifiers need, and how
//! much each can make of its inputs.

use std::collections::HashMap;

use crate::proto::{Graph, Node};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Values of the largest result.
    pub largest: usize,
    /// Values of all results.
    pub together: usize,
}

/// How an operation's output follows from its inputs.
#[derive(Clone, Copy)]
enum Rule {
    /// As the first input.
    Same,
    /// The larger of both sides.
    Broadcast,
    Conv,
    Pool,
    /// Height and width become 1.
    GlobalPool,
    /// `[first, all others]`.
    Flatten,
    /// No more values than the first input has, in a shape that is not followed.
    Within,
    /// Rows of the first input times the matrix.
    Product,
}

const RULES: &[(&str, Rule)] = &[
    ("Add", Rule::Broadcast),
    ("AveragePool", Rule::Pool),
    ("BatchNormalization", Rule::Same),
    ("Cast", Rule::Same),
    ("Clip", Rule::Same),
    ("Conv", Rule::Conv),
    ("DequantizeLinear", Rule::Same),
    ("Flatten", Rule::Flatten),
    ("Gemm", Rule::Product),
    ("GlobalAveragePool", Rule::GlobalPool),
    ("HardSigmoid", Rule::Same),
    ("HardSwish", Rule::Same),
    ("Identity", Rule::Same),
    ("MatMul", Rule::Product),
    ("MaxPool", Rule::Pool),
    ("Mul", Rule::Broadcast),
    ("QuantizeLinear", Rule::Same),
    ("ReduceMean", Rule::Within),
    ("Relu", Rule::Same),
    ("Reshape", Rule::Within),
    ("Sigmoid", Rule::Same),
    ("Softmax", Rule::Same),
    ("Squeeze", Rule::Within),
];

/// A value: its sides where they are known, and the most values that it can have.
#[derive(Clone, Debug)]
struct Value {
    sides: Option<Vec<usize>>,
    count: usize,
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
            "Add" | "Mul" => inputs.iter().map(|input| input.terms).sum(),
            // What a runtime may leave out, or compute as a product or a sum.
            "BatchNormalization" | "Cast" | "DequantizeLinear" | "Flatten" | "Identity" | "QuantizeLinear"
            | "Reshape" | "Squeeze" => inputs.first().map_or(1, |input| input.terms),
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

impl Value {
    fn new(sides: Vec<usize>) -> Result<Self, String> {
        let count = sides.iter().try_fold(1usize, |count, side| count.checked_mul(*side));
        match count.filter(|&count| count <= MAX_VALUES) {
            Some(count) => Ok(Self {
                sides: Some(sides),
                count,
            }),
            None => Err(format!(
                "would make {sides:?} values, more than the limit of {MAX_VALUES}"
            )),
        }
    }
}

/// Walks the nodes from an input of the given sides. Every node must have an operation that is known, and inputs that are
/// there before it.
///
/// # Errors
/// The first node that cannot be.
pub fn walk(graph: &Graph, input: (&str, Vec<usize>)) -> Result<Made, String> {
    if graph.node.len() > MAX_NODES {
        return Err(format!(
            "it has {} operations, more than the limit of {MAX_NODES}",
            graph.node.len()
        ));
    }
    let mut values: HashMap<&str, (Value, Way)> = HashMap::new();
    for tensor in &graph.initializer {
        let sides = tensor
            .dims
            .iter()
            .map(|&side| usize::try_from(side).unwrap_or(usize::MAX));
        let name = tensor.name.as_deref().unwrap_or_default();
        values.insert(name, (Value::new(sides.collect())?, Way::START));
    }
    let (input, sides) = input;
    let image = Value::new(sides)?;
    let (mut largest, mut together) = (image.count, image.count);
    values.insert(input, (image, Way::START));
    for node in &graph.node {
        let op = node.op_type.as_deref().unwrap_or_default();
        let told = |reason: String| {
            format!(
                "its node {:?} ({op}) {reason}",
                node.name.as_deref().unwrap_or_default()
            )
        };
        let rule = RULES
            .iter()
            .find(|row| row.0 == op && node.domain.as_deref().unwrap_or_default().is_empty());
        let rule = rule
            .ok_or_else(|| told("is no operation of the image classifiers that are run here".into()))?
            .1;
        let known = |name: &String| {
            let found = values.get(name.as_str());
            found.ok_or_else(|| told(format!("reads {name:?}, which nothing before it makes")))
        };
        let inputs = node.input.iter().filter(|name| !name.is_empty());
        let inputs = inputs.map(known).collect::<Result<Vec<_>, _>>()?;
        let (inputs, ways): (Vec<&Value>, Vec<Way>) = inputs.into_iter().map(|(value, way)| (value, *way)).unzip();
        let way = Way::through(op, &ways).map_err(told)?;
        let value = output(rule, node, &inputs).map_err(told)?;
        let [name, ..] = node.output.as_slice() else {
            return Err(told("makes nothing".into()));
        };
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
    Ok(Made { largest, together })
}

fn output(rule: Rule, node: &Node, inputs: &[&Value]) -> Result<Value, String> {
    let first = *inputs.first().ok_or("reads nothing")?;
    let second = || inputs.get(1).copied().ok_or("reads one value, but needs two");
    let sides = || first.sides.as_deref().ok_or("reads a value of unknown shape");
    Ok(match rule {
        Rule::Same => first.clone(),
        Rule::Within => Value {
            sides: None,
            count: first.count,
        },
        Rule::Broadcast => match (&first.sides, &second()?.sides) {
            (Some(a), Some(b)) => {
                let rank = a.len().max(b.len());
                let side = |sides: &[usize], at: usize| (at + sides.len()).checked_sub(rank).map_or(1, |at| sides[at]);
                Value::new((0..rank).map(|at| side(a, at).max(side(b, at))).collect())?
            }
            _ => {
                let count = first
                    .count
                    .checked_mul(second()?.count)
                    .filter(|&count| count <= MAX_VALUES);
                Value {
                    sides: None,
                    count: count.ok_or("would make more values than the limit")?,
                }
            }
        },
        Rule::Conv => {
            let weight = second()?.sides.as_deref().ok_or("has a kernel of unknown shape")?;
            let [channels, _, kernel @ ..] = weight else {
                return Err(format!("has a kernel of shape {weight:?}"));
            };
            window(node, sides()?, Some(*channels), kernel)?
        }
        Rule::Pool => {
            let kernel = ints(node, "kernel_shape")?.ok_or("has no kernel_shape")?;
            window(node, sides()?, None, &kernel)?
        }
        Rule::GlobalPool => {
            let sides = sides()?.iter().enumerate();
            Value::new(sides.map(|(at, &side)| if at < 2 { side } else { 1 }).collect())?
        }
        Rule::Flatten => match sides()? {
            [images, rest @ ..] => Value::new(vec![*images, rest.iter().product()])?,
            [] => return Err("reads a single number".into()),
        },
        Rule::Product => {
            let matrix = second()?.sides.as_deref().ok_or("has a matrix of unknown shape")?;
            let [rows, columns] = *matrix else {
                return Err(format!("has a matrix of shape {matrix:?}"));
            };
            // Transposed or not: the most that either way makes.
            let most = |inner: usize, outer: usize| first.count.div_ceil(inner.max(1)).checked_mul(outer);
            let count = most(rows, columns).zip(most(columns, rows)).map(|(a, b)| a.max(b));
            Value {
                sides: None,
                count: count
                    .filter(|&count| count <= MAX_VALUES)
                    .ok_or("would make more values than the limit")?,
            }
        }
    })
}

/// What a window that slides over an image makes of it.
fn window(node: &Node, sides: &[usize], channels: Option<usize>, kernel: &[usize]) -> Result<Value, String> {
    let ([images, c_in, height, width], &[kernel_h, kernel_w]) = (sides, kernel) else {
        return Err(format!(
            "slides a window of {kernel:?} over {sides:?}, which is no image"
        ));
    };
    let list = |name: &str, default: usize, length: usize| match ints(node, name)? {
        None => Ok(vec![default; length]),
        Some(list) if list.len() == length => Ok(list),
        Some(list) => Err(format!("has {} {name}, not {length}", list.len())),
    };
    let (strides, dilations, pads) = (list("strides", 1, 2)?, list("dilations", 1, 2)?, list("pads", 0, 4)?);
    let auto_pad = node
        .attribute
        .iter()
        .find(|attribute| attribute.name.as_deref() == Some("auto_pad"));
    let automatic = auto_pad.is_some_and(|attribute| attribute.s.as_deref().unwrap_or_default() != b"NOTSET");
    let mut output = vec![*images, channels.unwrap_or(*c_in)];
    for (axis, (side, kernel)) in [(*height, kernel_h), (*width, kernel_w)].into_iter().enumerate() {
        let (stride, dilation) = (strides[axis], dilations[axis]);
        let padded = side + pads[axis] + pads[axis + 2];
        // Automatic padding makes no more than a window of one pixel would.
        let reach = if automatic {
            1
        } else {
            kernel.saturating_sub(1) * dilation + 1
        };
        if kernel == 0 || stride == 0 || dilation == 0 || reach > padded {
            return Err(format!(
                "slides a window of {kernel} over a side of {padded} in steps of {stride}"
            ));
        }
        output.push((padded - reach) / stride + 1);
    }
    Value::new(output)
}

/// A list of small integers that are not negative.
fn ints(node: &Node, name: &str) -> Result<Option<Vec<usize>>, String> {
    let found = node
        .attribute
        .iter()
        .find(|attribute| attribute.name.as_deref() == Some(name));
    let small = |&value: &i64| match value {
        0..=16_384 => Ok(value as usize),
        _ => Err(format!("has {value} among its {name}")),
    };
    found
        .map(|attribute| attribute.ints.iter().map(small).collect())
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

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
                together: 5 * image
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
}
