//! Weights laid out for the sweeps, and batch norms that follow the running statistics.

use super::elementwise;
use crate::job::{Job, Params, Place, flags};
use crate::layout::{Layout, POINT, Shape, c4};
use crate::shader::Op;
use mnasnet_model::Op as Node;

/// Lays all weights out.
pub fn pack(layout: &Layout) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (i, node) in layout.network.nodes.iter().enumerate() {
        let (weight, c_in, c_out, kernel, shape, [tile, tile_back]) = match &node.op {
            Node::Conv(conv) => {
                let shape = layout.shape(i, conv);
                let tiles = [layout.tile(shape, conv), layout.tile_back(shape, conv)];
                (conv.weight, conv.c_in, conv.c_out, conv.kernel, shape, tiles)
            }
            Node::Linear(linear) => {
                let params = Params {
                    first: layout.network.parameters[linear.bias].offset as u32,
                    norm_out: layout.norms[i] as u32,
                    channels_out: linear.c_out as u32,
                    c4_out: c4(linear.c_out) as u32,
                    ..Params::default()
                };
                let places = vec![(2, Place::Vectors), (3, Place::Parameters)];
                jobs.push(elementwise(Op::Bias, layout, params, c4(linear.c_out), places));
                (linear.weight, linear.c_in, linear.c_out, 1, POINT, [None; 2])
            }
            _ => continue,
        };
        let (inputs, rounded) = match shape {
            Shape::Dense { .. } => (c_in, 4 * c4(c_in)),
            Shape::Depthwise(window) | Shape::Stem(window) => (window.inputs, window.inputs),
        };
        let params = Params {
            kernel: kernel as u32,
            channels_in: c_in as u32,
            channels_out: c_out as u32,
            c4_in: c4(c_in) as u32,
            c4_out: c4(c_out) as u32,
            first: layout.network.parameters[weight].offset as u32,
            third: inputs as u32,
            fourth: rounded as u32,
            weights: layout.packed_at(i, false, tile),
            count: (kernel * kernel * rounded * c4(c_out)) as u32,
            ..Params::default()
        };
        let places = vec![(3, Place::Parameters), (4, Place::Packed)];
        let mut job = elementwise(Op::Pack, layout, params, params.count as usize, places.clone());
        job.kernel = job.kernel.over(tile);
        jobs.push(job);
        if matches!(shape, Shape::Dense { .. }) {
            let params = Params {
                weights: layout.packed_at(i, true, tile_back),
                count: (kernel * kernel * 4 * c4(c_out) * c4(c_in)) as u32,
                ..params
            };
            let mut job = elementwise(Op::PackTransposed, layout, params, params.count as usize, places);
            job.kernel = job.kernel.over(tile_back);
            jobs.push(job);
        }
    }
    jobs
}

/// Makes all batch norms' maps from the running statistics.
pub fn use_running(layout: &Layout) -> Vec<Job> {
    let nodes = layout.network.nodes.iter().enumerate();
    nodes
        .filter(|(_, node)| matches!(node.op, Node::Conv(_)))
        .map(|(i, _)| norm(layout, i, flags::RUNNING))
        .collect()
}

/// What tells a kernel how to make the map of the batch norm at node `i`, and what that touches.
pub fn map(layout: &Layout, i: usize) -> (Params, [(u32, Place); 3]) {
    let Node::Conv(conv) = &layout.network.nodes[i].op else {
        unreachable!("only a convolution has a batch norm");
    };
    let (parameters, buffers) = (&layout.network.parameters, &layout.network.buffers);
    let params = Params {
        norm_out: layout.norms[i] as u32,
        first: parameters[conv.gamma].offset as u32,
        second: parameters[conv.beta].offset as u32,
        third: buffers[conv.mean].offset as u32,
        fourth: buffers[conv.variance].offset as u32,
        bias: conv.bias.map_or(0, |bias| parameters[bias].offset as u32 + 1),
        epsilon: layout.network.bn_epsilon,
        ..layout.params(layout.network.nodes[i].input, i + 1)
    };
    let places = [(2, Place::Vectors), (3, Place::Parameters), (5, Place::Statistics)];
    (params, places)
}

/// Makes the map of the batch norm at node `i`.
pub fn norm(layout: &Layout, i: usize, flags: u32) -> Job {
    let (params, places) = map(layout, i);
    let count = params.c4_out as usize;
    elementwise(Op::Norm, layout, Params { flags, ..params }, count, places.into())
}
