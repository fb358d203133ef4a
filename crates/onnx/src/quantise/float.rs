//! A float32 graph whose constants can be changed.

use std::collections::BTreeMap;

use crate::graph::INPUT;
use crate::options::Options;
use crate::proto::{FLOAT, Graph, Node, Tensor, tensor};

/// A constant tensor.
pub struct Constant {
    /// Its sides.
    pub shape: Vec<usize>,
    /// Row by row.
    pub values: Vec<f32>,
}

impl Constant {
    /// Values of one part along the first axis.
    pub fn row(&self) -> usize {
        self.shape[1..].iter().product()
    }
}

/// Nodes in order, and what they read that never changes.
pub struct Float {
    pub nodes: Vec<Node>,
    pub constants: BTreeMap<String, Constant>,
    /// Name of the output.
    pub output: &'static str,
}

impl Float {
    /// Takes a graph of float32 constants apart.
    pub fn new(graph: Graph, options: &Options) -> Self {
        let constant = |tensor: Tensor| {
            let raw = tensor.raw_data.unwrap_or_default();
            let values = raw.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
            let shape = tensor.dims.iter().map(|&side| side as usize).collect();
            let values = values.collect();
            (tensor.name.unwrap_or_default(), Constant { shape, values })
        };
        Self {
            constants: graph.initializer.into_iter().map(constant).collect(),
            nodes: graph.node,
            output: options.output_name(),
        }
    }

    /// The graph again.
    pub fn graph(&self) -> Graph {
        let tensor = |(name, constant): (&String, &Constant)| tensor(name, FLOAT, &constant.shape, &constant.values);
        Graph {
            node: self.nodes.clone(),
            initializer: self.constants.iter().map(tensor).collect(),
            ..Graph::default()
        }
    }

    /// The values that change from image to image: the input, and each node's result.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        std::iter::once(INPUT).chain(self.nodes.iter().map(|node| node.output[0].as_str()))
    }

    /// Those of them that are stored: of a value that goes through ReLU and nowhere else, its positive part is.
    pub fn stored(&self) -> impl Iterator<Item = &str> {
        self.values().filter(|name| self.relu(name).is_none())
    }

    /// The ReLU that alone reads a value.
    pub fn relu<'a>(&'a self, name: &'a str) -> Option<&'a Node> {
        let mut readers = self.readers(name);
        readers
            .next()
            .filter(|reader| op(reader) == "Relu" && readers.next().is_none())
    }

    /// Whether a value does not change.
    pub fn is_constant(&self, name: &str) -> bool {
        self.constants.contains_key(name)
    }

    /// The nodes that read a value.
    pub fn readers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Node> {
        let reads = move |node: &&Node| node.input.iter().any(|input| input == name);
        self.nodes.iter().filter(reads)
    }
}

/// What a node does.
pub fn op(node: &Node) -> &str {
    node.op_type.as_deref().unwrap_or_default()
}

/// Whether a convolution has one filter a channel.
pub fn is_depthwise(node: &Node) -> bool {
    let group = node
        .attribute
        .iter()
        .find(|attribute| attribute.name.as_deref() == Some("group"));
    group.and_then(|attribute| attribute.i).is_some_and(|group| group > 1)
}
