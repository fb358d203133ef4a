//! Lets a GPU's driver compile every kernel of the variants, so that the driver's own report says what became of each.
//!
//! Each kernel is named before it is compiled: what the driver prints behind a name belongs to that kernel. `.ci/compile-for-cards` runs
//! this over real cards' compilers. An argument is a part of the names of those to compile.

use mnasnet_engine::{EngineError, Precision};
use mnasnet_gpu::shader::{Below, Kernel, Op};
use mnasnet_gpu::{Tile, adapters, kernels};
use mnasnet_model::{Network, VARIANTS};
use std::collections::HashSet;

fn main() -> Result<(), EngineError> {
    let adapters = adapters();
    let adapter = adapters
        .first()
        .ok_or_else(|| EngineError::Device("there is no GPU".to_owned()))?;
    println!("device {}, {}", adapter.name, adapter.driver);
    let gpu = adapter.open()?;
    let part = std::env::args().nth(1).unwrap_or_default();
    let mut named = HashSet::new();
    for kernel in all(gpu.tile())? {
        let name = name(kernel);
        assert!(named.insert(name.clone()), "two kernels are called {name}");
        if name.contains(&part) {
            println!("kernel {name}");
            gpu.compile(kernel)?;
        }
    }
    println!("end");
    Ok(())
}

/// The kernels of all variants, without tiles and over them.
fn all(tile: Option<Tile>) -> Result<Vec<Kernel>, EngineError> {
    let mut found = Vec::new();
    for variant in VARIANTS.iter() {
        let network = Network::build(variant, 1.0, 1000, Some(0.2)).expect("a variant is a network");
        for precision in [Precision::F32, Precision::Bf16] {
            for tile in [None, tile] {
                for kernel in kernels(&network, 224, precision, tile)? {
                    if !found.contains(&kernel) {
                        found.push(kernel);
                    }
                }
            }
        }
    }
    Ok(found)
}

/// `depthwise_weights 5x5/2 bf16`.
fn name(kernel: Kernel) -> String {
    let mut words = vec![];
    let debug = format!("{:?}", kernel.op);
    let end = debug.find(|c: char| !c.is_alphanumeric()).unwrap_or(debug.len());
    for (i, c) in debug[..end].char_indices() {
        if c.is_uppercase() && i > 0 {
            words.push('_');
        }
        words.push(c.to_ascii_lowercase());
    }
    let mut name = String::from_iter(words);
    let mut add = |is: bool, word: &str| {
        if is {
            name.push_str(word);
        }
    };
    match kernel.op {
        Op::Dense { window, gated, moments } => {
            add(window, " window");
            add(gated, " gated");
            add(moments, " moments");
        }
        Op::DenseInput { window, last } => {
            add(window, " window");
            add(last, " last");
        }
        Op::DenseWeights { window, gated, last } => {
            add(window, " window");
            add(gated, " gated");
            add(last, " last");
        }
        Op::DenseBackward { gated, below } => {
            add(gated, " gated");
            add(below == Below::Apart, " apart");
        }
        Op::Depthwise(window, moments) | Op::Stem(window, moments) => {
            add(true, &format!(" {0}x{0}/{1}", window.kernel, window.stride));
            add(moments, " moments");
        }
        Op::DepthwiseBackward(window, below) => {
            add(true, &format!(" {0}x{0}/{1}", window.kernel, window.stride));
            add(below == Below::Apart, " apart");
        }
        Op::DepthwiseInput(window) | Op::DepthwiseWeights(window) | Op::StemWeights(window) => {
            add(true, &format!(" {0}x{0}/{1}", window.kernel, window.stride));
        }
        Op::Moments { map } => add(map, " map"),
        Op::ReduceDense { many } => add(many, " many"),
        _ => {}
    }
    add(kernel.tile.is_some(), " tiles");
    let is_stored =
        kernel.tile.is_none() && Kernel::new(kernel.op, Precision::F32) != Kernel::new(kernel.op, Precision::Bf16);
    if is_stored {
        name.push_str(match kernel.precision {
            Precision::F32 => " f32",
            Precision::Bf16 => " bf16",
        });
    }
    name
}
