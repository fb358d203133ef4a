//! Every kernel that a network can ask for is WGSL that every device takes: valid without any capability, within WebGPU's least limits.
//! No device is needed.

use mnasnet_engine::Precision;
use mnasnet_gpu::kernels;
use mnasnet_gpu::shader::{Kernel, Op};
use mnasnet_model::{Network, VARIANTS};
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, Block, Function, Handle, Module, Statement};
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

/// Every barrier is reached by all lanes of a workgroup: it stands in no branch and no loop, and no lane has returned before by itself.
/// naga does not check that (`findings/naga-takes-barriers-that-some-lanes-miss.sh`).
#[test]
fn no_lane_misses_a_barrier() {
    let mut barriers = 0;
    for kernel in all_kernels() {
        let module = parsed(kernel);
        let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
        let info = validator.validate(&module).unwrap();
        let functions = module
            .functions
            .iter()
            .map(|(handle, function)| (function, &info[handle]));
        let entries = module.entry_points.iter().enumerate();
        let entries = entries.map(|(i, entry)| (&entry.function, info.get_entry_point(i)));
        // Functions with barriers, which are barriers for who calls them. WGSL's functions stand in the order of their calls.
        let waiting: Vec<_> = (module
            .functions
            .iter()
            .filter(|(_, function)| waits(&function.body, &[])))
        .map(|(handle, _)| handle)
        .collect();
        for (function, info) in functions.chain(entries) {
            let mut has_left = false;
            for statement in &function.body {
                let is_barrier = waits_here(statement, &waiting);
                barriers += usize::from(is_barrier);
                assert!(
                    !(is_barrier && has_left),
                    "{kernel:?}: lanes have returned in front of a barrier"
                );
                let nested = blocks(statement);
                // All lanes take a branch together where its condition is uniform.
                let condition = match statement {
                    Statement::If { condition, .. } => Some(*condition),
                    Statement::Switch { selector, .. } => Some(*selector),
                    _ => None,
                };
                let is_uniform =
                    condition.is_some_and(|condition| info[condition].uniformity.non_uniform_result.is_none());
                for block in nested {
                    assert!(
                        is_uniform || !waits(block, &waiting),
                        "{kernel:?}: a barrier in a branch or a loop"
                    );
                    has_left |= !is_uniform && returns(block);
                }
            }
        }
    }
    assert!(barriers > 0);
}

fn blocks(statement: &Statement) -> Vec<&Block> {
    match statement {
        Statement::Block(block) => vec![block],
        Statement::If { accept, reject, .. } => vec![accept, reject],
        Statement::Switch { cases, .. } => cases.iter().map(|case| &case.body).collect(),
        Statement::Loop { body, continuing, .. } => vec![body, continuing],
        _ => Vec::new(),
    }
}

fn waits_here(statement: &Statement, waiting: &[Handle<Function>]) -> bool {
    match statement {
        Statement::ControlBarrier(_) | Statement::WorkGroupUniformLoad { .. } => true,
        Statement::Call { function, .. } => waiting.contains(function),
        _ => false,
    }
}

/// Whether a barrier is in there somewhere.
fn waits(block: &Block, waiting: &[Handle<Function>]) -> bool {
    let mut statements = block.iter();
    statements.any(|statement| {
        waits_here(statement, waiting) || blocks(statement).into_iter().any(|block| waits(block, waiting))
    })
}

/// Whether a lane may return in there.
fn returns(block: &Block) -> bool {
    let mut statements = block.iter();
    statements
        .any(|statement| matches!(statement, Statement::Return { .. }) || blocks(statement).into_iter().any(returns))
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
        Op::DenseBackward { .. } => "dense backward",
        Op::Depthwise(..) => "depthwise",
        Op::DepthwiseBackward(..) => "depthwise backward",
        Op::DepthwiseInput(_) => "depthwise input",
        Op::DepthwiseWeights(_) => "depthwise weights",
        Op::Stem(..) => "stem",
        Op::StemWeights(_) => "stem weights",
        Op::Moments { .. } => "moments",
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
    assert_eq!(found.len(), 35, "{found:?}");
}
