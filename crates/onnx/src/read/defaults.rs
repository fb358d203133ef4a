//! What a convolution may leave out, written out: not every runtime knows it.

use std::collections::BTreeMap;

use super::tensors::{is_standard, text};
use crate::proto::{Attribute, Graph};

/// Adds the kernel's sides and the dilations to convolutions that leave them out.
pub(super) fn write_out(graph: &mut Graph) {
    let sides = |dims: &[i64]| -> Vec<usize> {
        let sides = dims.iter().skip(2);
        sides.filter_map(|&side| usize::try_from(side).ok()).collect()
    };
    let kernels: BTreeMap<&str, Vec<usize>> = (graph.initializer.iter())
        .map(|tensor| (text(&tensor.name), sides(&tensor.dims)))
        .collect();
    for node in &mut graph.node {
        let kernel = node.input.get(1).and_then(|weight| kernels.get(weight.as_str()));
        let Some(kernel) = kernel.filter(|_| text(&node.op_type) == "Conv" && is_standard(node)) else {
            continue;
        };
        for (name, values) in [("kernel_shape", kernel.clone()), ("dilations", vec![1; kernel.len()])] {
            let is_there = |attribute: &Attribute| text(&attribute.name) == name && !attribute.ints.is_empty();
            if !node.attribute.iter().any(is_there) {
                node.attribute.push(Attribute::ints(name, &values));
            }
        }
    }
}
