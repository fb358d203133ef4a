//! What goes into a model and what comes out, and the nodes that bring both to one form: float32 images `[batch, 3, R, R]` in,
//! float32 `[batch, classes]` out.

use super::MAX_SIDE;
use super::tensors::text;
use crate::proto::{
    Attribute, DOUBLE, Dim, FLOAT, FLOAT16, Graph, Node, Shape, Side, TensorType, Type, UINT8, ValueInfo,
};

/// Names that other programs' models do not have.
const IMAGE: &str = "mnasnet.image";
const LOGITS: &str = "mnasnet.logits";

/// Images as a model takes them.
#[derive(Clone, Copy)]
pub(super) struct Images {
    /// Images a call; `None` where the caller chooses.
    pub batch: Option<usize>,
    /// Height and width; `None` where the caller chooses.
    pub sides: [Option<usize>; 2],
    /// Type of their numbers.
    pub element: i32,
    /// Whether a pixel's colours lie together: `[batch, height, width, 3]`.
    pub channels_last: bool,
}

/// The sides of a tensor of one of the types `elements`, those that are known, and its type.
pub(super) fn sides(info: &ValueInfo, elements: &[i32]) -> Option<(Vec<Option<usize>>, i32)> {
    let tensor = info.kind.as_ref()?.tensor.as_ref()?;
    let element = tensor.elem_type.filter(|element| elements.contains(element))?;
    let side = |dim: &Dim| match dim.side {
        Some(Side::Known(side @ 1..=MAX_SIDE)) => Some(Some(side as usize)),
        // Older exporters write -1 and 0 for what the caller chooses.
        Some(Side::Known(-1 | 0) | Side::Named(_)) | None => Some(None),
        Some(Side::Known(_)) => None,
    };
    let sides: Option<Vec<_>> = tensor.shape.as_ref()?.dim.iter().map(side).collect();
    Some((sides?, element))
}

/// The largest side of what `info` is said to be, where it is more than any is here.
pub(super) fn too_large(info: &ValueInfo) -> Option<i64> {
    let tensor = info.kind.as_ref()?.tensor.as_ref()?;
    let known = |dim: &Dim| match dim.side {
        Some(Side::Known(side)) => Some(side),
        _ => None,
    };
    let largest = tensor.shape.as_ref()?.dim.iter().filter_map(known).max()?;
    (largest > MAX_SIDE).then_some(largest)
}

/// Images as the input `info` takes them; `None` where it takes something else.
pub(super) fn images(info: &ValueInfo) -> Option<Images> {
    let (sides, element) = sides(info, &[FLOAT, FLOAT16, UINT8])?;
    let (batch, height, width, channels_last) = match *sides.as_slice() {
        [batch, Some(3), height, width] => (batch, height, width, false),
        [batch, height, width, Some(3)] => (batch, height, width, true),
        _ => return None,
    };
    Some(Images {
        batch,
        sides: [height, width],
        element,
        channels_last,
    })
}

/// Puts nodes before a model that takes its images in another form than float32 `[batch, 3, height, width]`. Bytes come in as
/// float32 too: each of the 256 is a number of its own there.
pub(super) fn adapt_input(graph: &mut Graph, images: &Images) {
    let [input] = graph.input.as_mut_slice() else {
        return;
    };
    let mut steps: Vec<Node> = Vec::new();
    if images.channels_last {
        steps.push(step("Transpose", vec![Attribute::ints("perm", &[0, 2, 3, 1])]));
    }
    if images.element != FLOAT {
        steps.push(step("Cast", vec![Attribute::int("to", images.element as usize)]));
    }
    if steps.is_empty() {
        return;
    }
    let whole = text(&input.name).to_owned();
    chain(&mut steps, IMAGE, &whole);
    graph.node.splice(0..0, steps);
    let mut dims = dims(input);
    if images.channels_last && dims.len() == 4 {
        let channels = dims.remove(3);
        dims.insert(1, channels);
    }
    *input = float_info(IMAGE, dims);
}

/// Puts nodes behind a model whose output has another form than float32 `[batch, classes]`.
pub(super) fn adapt_output(graph: &mut Graph, classes: usize) {
    let [output] = graph.output.as_mut_slice() else {
        return;
    };
    let Some((sides, element)) = sides(output, &[FLOAT, FLOAT16, DOUBLE]) else {
        return;
    };
    let mut steps: Vec<Node> = Vec::new();
    if sides.len() != 2 {
        steps.push(step("Flatten", vec![Attribute::int("axis", 1)]));
    }
    if element != FLOAT {
        steps.push(step("Cast", vec![Attribute::int("to", FLOAT as usize)]));
    }
    if steps.is_empty() {
        return;
    }
    let whole = text(&output.name).to_owned();
    chain(&mut steps, &whole, LOGITS);
    graph.node.extend(steps);
    let known = Dim {
        side: Some(Side::Known(classes as i64)),
    };
    let batch = dims(output).into_iter().next().unwrap_or_default();
    *output = float_info(LOGITS, vec![batch, known]);
}

fn step(op: &str, attribute: Vec<Attribute>) -> Node {
    Node {
        op_type: Some(op.into()),
        attribute,
        ..Node::default()
    }
}

/// Lets each step read what the one before makes, from the value `first` to the value `last`.
fn chain(steps: &mut [Node], first: &str, last: &str) {
    let (mut before, count) = (first.to_owned(), steps.len());
    for (at, step) in steps.iter_mut().enumerate() {
        let name = match at + 1 == count {
            true => last.to_owned(),
            false => format!("{IMAGE}.{at}.{last}"),
        };
        step.name = Some(format!("mnasnet.{name}"));
        step.input = vec![std::mem::replace(&mut before, name.clone())];
        step.output = vec![name];
    }
}

fn dims(info: &ValueInfo) -> Vec<Dim> {
    let tensor = info.kind.as_ref().and_then(|kind| kind.tensor.as_ref());
    let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
    shape.map(|shape| shape.dim.clone()).unwrap_or_default()
}

fn float_info(name: &str, dim: Vec<Dim>) -> ValueInfo {
    let tensor = TensorType {
        elem_type: Some(FLOAT),
        shape: Some(Shape { dim }),
    };
    ValueInfo {
        name: Some(name.into()),
        kind: Some(Type { tensor: Some(tensor) }),
    }
}

/// Whether the output is probabilities: softmax, with nothing behind it that changes a value.
pub(super) fn ends_in_softmax(graph: &Graph, output: &str) -> bool {
    const PASSED: &[&str] = &[
        "Cast",
        "DequantizeLinear",
        "Flatten",
        "Identity",
        "QuantizeLinear",
        "Reshape",
        "Squeeze",
    ];
    let mut value = output;
    // In order, each node comes after those that it reads from: one way back meets all.
    for node in graph.node.iter().rev() {
        if node.output.first().is_none_or(|made| made != value) {
            continue;
        }
        match text(&node.op_type) {
            "Softmax" | "QLinearSoftmax" => return true,
            op if PASSED.contains(&op) => value = node.input.first().map_or("", |input| input),
            _ => return false,
        }
    }
    false
}
