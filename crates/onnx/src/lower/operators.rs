//! Operations that take bytes and make bytes themselves (`QLinearConv` and its like), as ONNX Runtime's tools write them.

use mnasnet_model::quantised::Scale;

use super::pending::{Each, Pending, attribute, classifier, convolution};
use super::{Meaning, Walk};
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
        // Of one pixel, the order of bytes is that of channels.
        "Flatten" | "Reshape" | "Squeeze" => match walk.input(node, 0) {
            Ok(Meaning::Bytes(value)) if walk.is_pixel(value) => Ok(Meaning::Bytes(value)),
            _ => return None,
        },
        _ => return None,
    })
}

/// The value whose bytes are input `at`, with the scale and the zero point behind it.
fn value(walk: &Walk, node: &Node, at: usize) -> Result<usize, String> {
    match walk.input(node, at)? {
        Meaning::Bytes(value) if walk.scale_at(node, at + 1)?.0 == walk.values[value].scale => Ok(value),
        Meaning::Bytes(_) => Err("takes bytes for other numbers".into()),
        _ => Err("reads no bytes".into()),
    }
}

fn made(walk: &mut Walk, node: &Node, pending: Pending, at: usize) -> Result<Meaning, String> {
    let (scale, _): (Scale, _) = walk.scale_at(node, at)?;
    Ok(Meaning::Bytes(walk.make(pending, scale)?))
}

fn conv(walk: &mut Walk, node: &Node) -> Result<Meaning, String> {
    let input = value(walk, node, 0)?;
    let weight = walk.weights_at(node, 3, 0)?;
    let bias = walk.bias_at(node, 8, input, &weight)?;
    let convolution = convolution(node, walk.values[input], &weight, &bias)?;
    made(walk, node, Pending::Convolution(input, convolution, false), 6)
}

fn gemm(walk: &mut Walk, node: &Node) -> Result<Meaning, String> {
    let input = value(walk, node, 0)?;
    let is_turned = attribute(node, "transB").and_then(|flag| flag.i) == Some(1);
    let weight = walk.weights_at(node, 3, i64::from(!is_turned))?;
    let bias = walk.bias_at(node, 6, input, &weight)?;
    let product = classifier(node, walk.values[input], &weight, &bias)?;
    let pending = Pending::Convolution(input, product, false);
    match node.input.get(7).is_some_and(|name| !name.is_empty()) {
        true => made(walk, node, pending, 7),
        false => Ok(Meaning::Pending(pending)),
    }
}

fn pair(walk: &mut Walk, node: &Node, pending: fn(usize, usize) -> Pending) -> Result<Meaning, String> {
    let (a, b) = (value(walk, node, 0)?, value(walk, node, 3)?);
    match walk.values[a].shape == walk.values[b].shape {
        true => made(walk, node, pending(a, b), 6),
        false => Err("adds other shapes".into()),
    }
}

fn product(walk: &mut Walk, node: &Node) -> Result<Meaning, String> {
    let pending = Pending::gate(value(walk, node, 0)?, value(walk, node, 3)?, &walk.values)?;
    made(walk, node, pending, 6)
}

fn single(walk: &mut Walk, node: &Node, pending: fn(usize) -> Pending) -> Result<Meaning, String> {
    if attribute(node, "channels_last").and_then(|flag| flag.i).unwrap_or(0) != 0 {
        return Err("has its channels last".into());
    }
    let pending = pending(value(walk, node, 0)?);
    made(walk, node, pending, 3)
}
