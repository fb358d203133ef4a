//! Constants of a model: whole, of numbers, and all in one place.

use half::{bf16, f16};

use crate::proto::{BFLOAT16, BOOL, DOUBLE, FLOAT, FLOAT16, Graph, INT64, Tensor, UINT8, UINT64};
use crate::proto::{INT8, INT32, Node, tensor};

/// A text that may be missing.
pub(crate) fn text(name: &Option<String>) -> &str {
    name.as_deref().unwrap_or_default()
}

/// Makes an initialiser of every `Constant` node: the two are one thing written in two ways.
///
/// # Errors
/// A constant that is no numbers, completing "its node NAME (Constant) ...".
pub(super) fn gather_constants(graph: &mut Graph) -> Result<(), (String, String)> {
    let is_constant = |node: &Node| text(&node.op_type) == "Constant" && is_standard(node);
    let (constants, nodes) = std::mem::take(&mut graph.node).into_iter().partition(is_constant);
    graph.node = nodes;
    let constants: Vec<Node> = constants;
    for node in constants {
        let named = |reason: &str| (text(&node.name).to_owned(), reason.to_owned());
        let name = node.output.first().ok_or_else(|| named("makes nothing"))?;
        let value = constant(&node).ok_or_else(|| named("holds no numbers"))?;
        graph.initializer.push(Tensor {
            name: Some(name.clone()),
            ..value
        });
    }
    Ok(())
}

/// Whether a node is of ONNX's own operations.
pub(crate) fn is_standard(node: &Node) -> bool {
    matches!(text(&node.domain), "" | "ai.onnx")
}

/// The value of a `Constant` node.
fn constant(node: &Node) -> Option<Tensor> {
    let [attribute] = node.attribute.as_slice() else {
        return None;
    };
    match text(&attribute.name) {
        "value" => attribute.t.as_deref().cloned(),
        "value_float" => Some(tensor("", FLOAT, &[], &[attribute.f.unwrap_or(0.0)])),
        "value_floats" => Some(tensor("", FLOAT, &[attribute.floats.len()], &attribute.floats)),
        "value_int" => Some(tensor("", INT64, &[], &[attribute.i.unwrap_or(0)])),
        "value_ints" => Some(tensor("", INT64, &[attribute.ints.len()], &attribute.ints)),
        _ => None,
    }
}

/// Bytes of a number of a type that is run here.
fn width(data_type: Option<i32>) -> Result<usize, String> {
    const UINT16: i32 = 4;
    const INT16: i32 = 5;
    const UINT32: i32 = 12;
    Ok(match data_type.unwrap_or(0) {
        FLOAT | INT32 | UINT32 => 4,
        UINT8 | INT8 | BOOL => 1,
        INT64 | UINT64 | DOUBLE => 8,
        FLOAT16 | BFLOAT16 | UINT16 | INT16 => 2,
        other => return Err(format!("is of the type {other}, which is not run here")),
    })
}

/// Whether a tensor has as much data as its shape says, and only numbers.
pub(super) fn whole(tensor: &Tensor) -> Result<(), String> {
    let size = width(tensor.data_type)?;
    let count = tensor
        .dims
        .iter()
        .try_fold(1usize, |count, &side| count.checked_mul(usize::try_from(side).ok()?));
    let (there, unit) = match (&tensor.raw_data, tensor.data_type) {
        (Some(raw), _) => (raw.len(), size),
        (None, Some(FLOAT)) => (tensor.float_data.len(), 1),
        (None, Some(DOUBLE)) => (tensor.double_data.len(), 1),
        (None, Some(INT64)) => (tensor.int64_data.len(), 1),
        (None, Some(UINT64 | 12)) => (tensor.uint64_data.len(), 1),
        (None, _) => (tensor.int32_data.len(), 1),
    };
    if count.and_then(|count| count.checked_mul(unit)) != Some(there) {
        return Err(format!("has the shape {:?}, which its data do not fill", tensor.dims));
    }
    match is_finite(tensor) {
        true => Ok(()),
        false => Err("holds values that are not finite".into()),
    }
}

fn is_finite(tensor: &Tensor) -> bool {
    let raw = tensor.raw_data.as_deref().unwrap_or_default();
    let (kind, bits) = (tensor.data_type, &tensor.int32_data);
    let floats = tensor.float_data.iter().all(|value| value.is_finite())
        && tensor.double_data.iter().all(|value| value.is_finite());
    floats
        && match kind {
            Some(FLOAT) => finite(raw, f32::from_le_bytes, f32::is_finite),
            Some(DOUBLE) => finite(raw, f64::from_le_bytes, f64::is_finite),
            Some(FLOAT16) => {
                finite(raw, f16::from_le_bytes, f16::is_finite)
                    && bits.iter().all(|&bits| f16::from_bits(bits as u16).is_finite())
            }
            Some(BFLOAT16) => {
                finite(raw, bf16::from_le_bytes, bf16::is_finite)
                    && bits.iter().all(|&bits| bf16::from_bits(bits as u16).is_finite())
            }
            _ => true,
        }
}

/// Whether all numbers in `raw` are finite.
fn finite<const N: usize, T>(raw: &[u8], number: fn([u8; N]) -> T, is_finite: fn(T) -> bool) -> bool {
    raw.as_chunks().0.iter().all(|&bytes| is_finite(number(bytes)))
}

/// The numbers of a small tensor of integers, as shapes and axes are given.
pub(crate) fn integers(tensor: &Tensor, most: usize) -> Option<Vec<i64>> {
    let raw = tensor.raw_data.as_deref();
    let numbers: Vec<i64> = match (tensor.data_type, raw) {
        (Some(INT64), Some(raw)) if raw.len() <= 8 * most => raw
            .as_chunks()
            .0
            .iter()
            .map(|&bytes| i64::from_le_bytes(bytes))
            .collect(),
        (Some(INT32), Some(raw)) if raw.len() <= 4 * most => {
            let numbers = raw.as_chunks().0.iter();
            numbers.map(|&bytes| i32::from_le_bytes(bytes).into()).collect()
        }
        (Some(INT64), None) => tensor.int64_data.iter().take(most + 1).copied().collect(),
        (Some(INT32), None) => {
            let numbers = tensor.int32_data.iter().take(most + 1);
            numbers.map(|&number| number.into()).collect()
        }
        _ => return None,
    };
    (numbers.len() <= most).then_some(numbers)
}
