//! What a convolution may leave out, written out: not every runtime knows it.

use std::collections::BTreeMap;

use super::tensors::{is_standard, text};
use crate::proto::{Attribute, Graph};

/// Where a convolution has its weights among its inputs.
const CONVOLUTIONS: [(&str, usize); 3] = [("Conv", 1), ("ConvInteger", 1), ("QLinearConv", 3)];
/// Nodes whose result has the sides of their first input.
const SAME_SIDES: [&str; 3] = ["DequantizeLinear", "QuantizeLinear", "Cast"];

/// Adds the kernel's sides, strides and dilations to convolutions that leave them out. Nodes are sorted.
pub(super) fn write_out(graph: &mut Graph) {
    let sides = |dims: &[i64]| -> Vec<usize> {
        let sides = dims.iter().skip(2);
        sides.filter_map(|&side| usize::try_from(side).ok()).collect()
    };
    let mut kernels: BTreeMap<String, Vec<usize>> = (graph.initializer.iter())
        .map(|tensor| (text(&tensor.name).to_owned(), sides(&tensor.dims)))
        .collect();
    for node in graph.node.iter_mut().filter(|node| is_standard(node)) {
        let kind = text(&node.op_type);
        if SAME_SIDES.contains(&kind)
            && let (Some(from), [to, ..]) = (node.input.first(), &node.output[..])
            && let Some(kernel) = kernels.get(from).cloned()
        {
            kernels.insert(to.clone(), kernel);
        }
        let weights = CONVOLUTIONS.iter().find(|(name, _)| *name == kind).map(|&(_, at)| at);
        let Some(kernel) = weights.and_then(|at| kernels.get(node.input.get(at)?)) else {
            continue;
        };
        let ones = vec![1; kernel.len()];
        for (name, values) in [("kernel_shape", kernel), ("strides", &ones), ("dilations", &ones)] {
            let is_there = |attribute: &Attribute| text(&attribute.name) == name && !attribute.ints.is_empty();
            if !node.attribute.iter().any(is_there) {
                node.attribute.push(Attribute::ints(name, values));
            }
        }
    }
}
