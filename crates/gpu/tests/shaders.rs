//! Every kernel that a network can ask for is WGSL that every device takes: valid without any capability, within WebGPU's least limits.
//! No device is needed.

use mnasnet_engine::Precision;
use mnasnet_gpu::kernels;
use mnasnet_gpu::shader::{Kernel, Op};
use mnasnet_model::{Network, VARIANTS};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Module};
use std::collections::{BTreeSet, HashSet};

/// WebGPU's least: storage and uniform bindings of a stage, bytes of workgroup memory, lanes of a workgroup.
const STORAGE_BINDINGS: usize = 8;
const UNIFORM_BINDINGS: usize = 12;
const WORKGROUP_BYTES: u32 = 16_352;
const LANES: u32 = 256;

/// The kernels of all variants at some widths, and of networks with each window that a block may have.
fn all_kernels() -> HashSet<Kernel> {
    let mut networks = Vec::new();
    for variant in VARIANTS.iter() {
        for width in [0.1, 0.35, 0.5, 0.75, 1.0, 1.4, 2.0] {
            networks.push(Network::build(variant, width, 1000, Some(0.2)).unwrap());
        }
        for kernel in [1, 3, 5, 7] {
            let mut variant = variant.clone();
            for block in &mut variant.blocks {
                block.kernel = kernel;
            }
            networks.push(Network::build(&variant, 1.0, 10, None).unwrap());
        }
    }
    let both = networks
        .iter()
        .flat_map(|network| [Precision::F32, Precision::Bf16].map(|precision| (network, precision)));
    both.flat_map(|(network, precision)| kernels(network, 64, precision).unwrap())
        .collect()
}

fn parsed(kernel: Kernel) -> Module {
    let text = kernel.text();
    naga::front::wgsl::parse_str(&text).unwrap_or_else(|error| panic!("{kernel:?}: {}", error.emit_to_string(&text)))
}

#[test]
fn every_kernel_is_valid_without_any_capability() {
    for kernel in all_kernels() {
        let module = parsed(kernel);
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
        if let Err(error) = validator.validate(&module) {
            panic!("{kernel:?}: {}", error.emit_to_string(&kernel.text()));
        }
    }
}

#[test]
fn every_kernel_stays_within_webgpus_least_limits() {
    for kernel in all_kernels() {
        let module = parsed(kernel);
        let count = |is: fn(AddressSpace) -> bool| module.global_variables.iter().filter(|(_, v)| is(v.space)).count();
        assert!(
            count(|space| matches!(space, AddressSpace::Storage { .. })) <= STORAGE_BINDINGS,
            "{kernel:?}"
        );
        assert!(
            count(|space| space == AddressSpace::Uniform) <= UNIFORM_BINDINGS,
            "{kernel:?}"
        );
        let in_workgroup = module
            .global_variables
            .iter()
            .filter(|(_, v)| v.space == AddressSpace::WorkGroup);
        let bytes: u32 = in_workgroup
            .map(|(_, v)| module.types[v.ty].inner.size(module.to_ctx()))
            .sum();
        assert!(
            bytes <= WORKGROUP_BYTES,
            "{kernel:?}: {bytes} bytes of workgroup memory"
        );
        let [entry] = &module.entry_points[..] else {
            panic!("{kernel:?} has {} entry points", module.entry_points.len());
        };
        assert!(entry.workgroup_size.iter().product::<u32>() <= LANES, "{kernel:?}");
    }
}

/// Nothing of the templates' language is left over.
#[test]
fn every_template_is_filled_in() {
    for kernel in all_kernels() {
        let text = kernel.text();
        let left = text.lines().find(|line| line.contains('$') || line.starts_with('#'));
        assert_eq!(left, None, "{kernel:?}");
    }
}

/// The name of what a kernel computes. A new one without a name does not compile.
fn name(op: Op) -> &'static str {
    match op {
        Op::Dense { .. } => "dense",
        Op::DenseInput { .. } => "dense input",
        Op::DenseWeights { .. } => "dense weights",
        Op::Depthwise(..) => "depthwise",
        Op::DepthwiseInput(_) => "depthwise input",
        Op::DepthwiseWeights(_) => "depthwise weights",
        Op::Stem(..) => "stem",
        Op::StemWeights(_) => "stem weights",
        Op::Moments => "moments",
        Op::Sums => "sums",
        Op::Norm => "norm",
        Op::NormBackward => "norm backward",
        Op::ReduceTaps => "reduce taps",
        Op::ReduceDense { .. } => "reduce dense",
        Op::Pack => "pack",
        Op::PackTransposed => "pack transposed",
        Op::Bias => "bias",
        Op::BiasGradient => "bias gradient",
        Op::Pool => "pool",
        Op::Squeeze => "squeeze",
        Op::Add => "add",
        Op::SpreadPool => "spread pool",
        Op::SpreadGate => "spread gate",
        Op::Dot => "dot",
        Op::Gate => "gate",
        Op::GateBackward => "gate backward",
        Op::GateWeights => "gate weights",
        Op::Dropout => "dropout",
        Op::Loss => "loss",
        Op::Update => "update",
        Op::Blend => "blend",
        Op::Scale => "scale",
        Op::Check => "check",
    }
}

/// The tests above see all templates, and no template lies about that no sweep asks for.
#[test]
fn sweeps_ask_for_every_template() {
    let found: BTreeSet<&str> = all_kernels().into_iter().map(|kernel| name(kernel.op)).collect();
    assert_eq!(found.len(), 33, "{found:?}");
}
