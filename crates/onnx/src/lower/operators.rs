//! Operations that take bytes and make bytes themselves (`QLinearConv` and its like), as ONNX Runtime's tools write them.

use super::pending::{Each, Pending, attribute, classifier, convolution, is_pixel, reshaped};
use super::{Meaning, Sides, Walk};
use crate::proto::Node;
use crate::read::text;

/// What such an operation makes; `None` of another one.
pub(super) fn of(walk: &mut Walk, node: &Node) -> Option<Result<Meaning, String>> {
    Some(match text(&node.op_type) {
        "QLinearConv" => conv(walk, node),
        "QGemm" => gemm(walk, node),
        "QLinearAdd" => pair(walk, node, |a, b| Pending::Add(a, b, false)),
        "QLinearMul" => product(walk, node),
        "QLinearGlobalAveragePool" => single(walk, node, Pending::Mean),
        "QLinearSigmoid" => single(walk, node, |value| Pending::Each(value, Each::Sigmoid)),
        "Flatten" | "Reshape" | "Squeeze" | "Unsqueeze" => {
            let inputs: Vec<Meaning> = (0..node.input.len())
                .map_while(|at| walk.input(node, at).ok())
                .collect();
            match &inputs[..] {
                [Meaning::Bytes(value, sides), to @ ..] if is_pixel(walk.values[*value].shape) => {
                    let channels = walk.values[*value].shape.channels;
                    reshaped(node, to, *sides, channels).map(|sides| Meaning::Bytes(*value, sides))
                }
                _ => return None,
            }
        }
        _ => return None,
    })
}

/// The value whose bytes are input `at`, with the scale and the zero point behind it.
fn value(walk: &Walk, node: &Node, at: usize) -> Result<(usize, Sides), String> {
    match walk.input(node, at)? {
        Meaning::Bytes(value, sides) if walk.scale_at(node, at + 1)?.0 == walk.values[value].scale => {
            Ok((value, sides))
        }
        Meaning::Bytes(..) => Err("takes bytes for other numbers".into()),
        _ => Err("reads no bytes".into()),
    }
}

/// The same of sides that the operation needs.
fn value_of(walk: &Walk, node: &Node, at: usize, wanted: Sides) -> Result<usize, String> {
    match value(walk, node, at)? {
        (value, sides) if sides == wanted => Ok(value),
        _ => Err("reads other sides".into()),
    }
}

/// The values of both factors or terms, and their sides.
fn both(walk: &Walk, node: &Node) -> Result<(usize, usize, Sides), String> {
    match (value(walk, node, 0)?, value(walk, node, 3)?) {
        ((a, sides), (b, other)) if sides == other => Ok((a, b, sides)),
        _ => Err("joins other sides".into()),
    }
}

fn made(walk: &mut Walk, node: &Node, pending: Pending, sides: Sides, at: usize) -> Result<Meaning, String> {
    let (scale, _) = walk.scale_at(node, at)?;
    Ok(Meaning::Bytes(walk.make(pending, scale)?, sides))
}

fn conv(walk: &mut Walk, node: &Node) -> Result<Meaning, String> {
    let input = value_of(walk, node, 0, Sides::Image)?;
    let weight = walk.weights_at(node, 3, 0)?;
    let bias = walk.bias_at(node, 8, input, &weight)?;
    let convolution = convolution(node, walk.values[input], &weight, &bias)?;
    made(
        walk,
        node,
        Pending::Convolution(input, convolution, false),
        Sides::Image,
        6,
    )
}

fn gemm(walk: &mut Walk, node: &Node) -> Result<Meaning, String> {
    let input = value_of(walk, node, 0, Sides::Row)?;
    let is_turned = attribute(node, "transB").and_then(|flag| flag.i) == Some(1);
    let weight = walk.weights_at(node, 3, i64::from(!is_turned))?;
    let bias = walk.bias_at(node, 6, input, &weight)?;
    let product = classifier(node, walk.values[input], &weight, &bias)?;
    let pending = Pending::Convolution(input, product, false);
    match node.input.get(7).is_some_and(|name| !name.is_empty()) {
        true => made(walk, node, pending, Sides::Row, 7),
        false => Ok(Meaning::Pending(pending, Sides::Row)),
    }
}

fn pair(walk: &mut Walk, node: &Node, pending: fn(usize, usize) -> Pending) -> Result<Meaning, String> {
    let (a, b, sides) = both(walk, node)?;
    match walk.values[a].shape == walk.values[b].shape {
        true => made(walk, node, pending(a, b), sides, 6),
        false => Err("adds other shapes".into()),
    }
}

fn product(walk: &mut Walk, node: &Node) -> Result<Meaning, String> {
    let (a, b, sides) = both(walk, node)?;
    let pending = Pending::gate(a, b, &walk.values)?;
    made(walk, node, pending, sides, 6)
}

fn single(walk: &mut Walk, node: &Node, pending: fn(usize) -> Pending) -> Result<Meaning, String> {
    if attribute(node, "channels_last").and_then(|flag| flag.i).unwrap_or(0) != 0 {
        return Err("has its channels last".into());
    }
    let (value, sides) = value(walk, node, 0)?;
    let pending = pending(value);
    match (&pending, sides) {
        (Pending::Mean(_), Sides::Row) => Err("takes the mean of a row".into()),
        _ => made(walk, node, pending, sides, 3),
    }
}
