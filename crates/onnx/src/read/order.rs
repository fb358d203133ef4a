//! Nodes in an order in which each comes after those that it reads from.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::proto::Graph;

/// Sorts the nodes. Those that are in order stay as they are.
///
/// # Errors
/// Nodes that read from one another in a circle.
pub(super) fn sort(graph: &mut Graph) -> Result<(), String> {
    let mut makers: HashMap<&str, usize> = HashMap::new();
    for (at, node) in graph.node.iter().enumerate() {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            makers.entry(name).or_insert(at);
        }
    }
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); graph.node.len()];
    let mut missing = vec![0usize; graph.node.len()];
    for (at, node) in graph.node.iter().enumerate() {
        for &maker in node.input.iter().filter_map(|name| makers.get(name.as_str())) {
            readers[maker].push(at);
            missing[at] += 1;
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..graph.node.len())
        .filter(|&at| missing[at] == 0)
        .map(Reverse)
        .collect();
    let mut order = Vec::with_capacity(graph.node.len());
    while let Some(Reverse(at)) = ready.pop() {
        order.push(at);
        for &reader in &readers[at] {
            missing[reader] -= 1;
            if missing[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    if order.len() < graph.node.len() {
        return Err("its nodes read from one another in a circle".into());
    }
    let mut nodes: Vec<_> = std::mem::take(&mut graph.node).into_iter().map(Some).collect();
    graph.node = order.into_iter().filter_map(|at| nodes[at].take()).collect();
    Ok(())
}
