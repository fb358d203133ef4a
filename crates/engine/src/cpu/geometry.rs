//! The plan in the kernels' terms: the geometry of each node, and the memory that its sweeps work in.

use mnasnet_kernels::dense::Dense;
use mnasnet_kernels::depthwise::Depthwise;
use mnasnet_kernels::{Needs, spatial};
use mnasnet_model::{Conv, ConvKind, Linear, Network, Op, Shape};

/// A node as the kernels know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Geometry {
    /// A dense convolution or the classifier.
    Dense(Dense),
    /// A depthwise convolution.
    Depthwise(Depthwise),
    /// Another operation.
    None,
}

/// The geometry of each node of `network` where values have these `shapes`.
pub(crate) fn geometries(network: &Network, shapes: &[Shape]) -> Vec<Geometry> {
    let one = |node: &mnasnet_model::Node| match &node.op {
        Op::Conv(conv) => geometry(conv, shapes[node.input]),
        Op::Linear(linear) => Geometry::Dense(classifier(linear)),
        _ => Geometry::None,
    };
    network.nodes.iter().map(one).collect()
}

/// Memory that suffices for the sweeps of any node over so many images.
pub(crate) fn needs(geometries: &[Geometry], shapes: &[Shape], images: usize) -> Needs {
    let one = |(geometry, shape): (&Geometry, &Shape)| match geometry {
        Geometry::Dense(dense) => dense.needs(images),
        Geometry::Depthwise(depthwise) => depthwise.needs(images),
        Geometry::None => spatial::needs(images, shape.channels),
    };
    geometries
        .iter()
        .zip(&shapes[1..])
        .map(one)
        .fold(Needs::default(), Needs::max)
}

/// The geometry of a convolution that reads values of `shape`.
pub(crate) fn geometry(conv: &Conv, shape: Shape) -> Geometry {
    let (
        Shape { height, width, .. },
        &Conv {
            kernel,
            stride,
            c_in,
            c_out,
            ..
        },
    ) = (shape, conv);
    match conv.kind {
        ConvKind::Dense => Geometry::Dense(Dense {
            kernel,
            stride,
            c_in,
            c_out,
            height,
            width,
        }),
        ConvKind::Depthwise => Geometry::Depthwise(Depthwise {
            kernel,
            stride,
            channels: c_in,
            height,
            width,
        }),
    }
}

/// The classifier as a pointwise convolution.
pub(crate) fn classifier(linear: &Linear) -> Dense {
    Dense {
        kernel: 1,
        stride: 1,
        c_in: linear.c_in,
        c_out: linear.c_out,
        height: 1,
        width: 1,
    }
}
