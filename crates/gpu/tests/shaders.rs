//! Every kernel that a network can ask for is WGSL that every device takes: valid without any capability, or over tiles with those of
//! tiles, and within WebGPU's least limits. No device is needed.

use mnasnet_engine::Precision;
use mnasnet_gpu::shader::{Kernel, Op};
use mnasnet_gpu::{Tile, kernels};
use mnasnet_model::{Network, VARIANTS};
use naga::valid::{Capabilities, FunctionInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Binding, Block, BuiltIn, Expression, Function, Handle, LocalVariable, Module, Statement};
use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

/// WebGPU's least: storage and uniform bindings of a stage, bytes of workgroup memory, lanes of a workgroup.
const STORAGE_BINDINGS: usize = 8;
const UNIFORM_BINDINGS: usize = 12;
const WORKGROUP_BYTES: u32 = 16_352;
const LANES: u32 = 256;

/// Sides of tiles and lanes of subgroups, at least and at most: Mesa's lavapipe, NVIDIA's GPUs, AMD's, and others.
const TILES: [(usize, [usize; 2]); 6] = [
    (8, [8, 8]),
    (16, [32, 32]),
    (16, [32, 64]),
    (16, [64, 64]),
    (8, [8, 32]),
    (8, [4, 8]),
];

/// The kernels of all variants at some widths, and of networks with each window that a block may have, without tiles and over each.
static ALL_KERNELS: LazyLock<HashSet<Kernel>> = LazyLock::new(|| {
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
    let mut found = HashSet::new();
    for network in &networks {
        found.extend(kernels(network, 64, Precision::F32, None).unwrap());
        let tiles = TILES.map(|(side, subgroup)| Some(Tile::new(side, subgroup).unwrap()));
        for tile in tiles.into_iter().chain([None]) {
            found.extend(kernels(network, 64, Precision::Bf16, tile).unwrap());
        }
    }
    found
});

fn all_kernels() -> impl Iterator<Item = Kernel> {
    ALL_KERNELS.iter().copied()
}

/// A validator of what a device offers that has the kernel's tiles.
fn validator(kernel: Kernel) -> Validator {
    let capabilities = match kernel.tile {
        Some(_) => Capabilities::SHADER_FLOAT16 | Capabilities::COOPERATIVE_MATRIX | Capabilities::SUBGROUP,
        None => Capabilities::empty(),
    };
    Validator::new(ValidationFlags::all(), capabilities)
}

fn parsed(kernel: Kernel) -> Module {
    let text = kernel.text();
    naga::front::wgsl::parse_str(&text).unwrap_or_else(|error| panic!("{kernel:?}: {}", error.emit_to_string(&text)))
}

#[test]
fn every_kernel_is_valid_without_any_other_capability() {
    for kernel in all_kernels() {
        let module = parsed(kernel);
        let mut validator = validator(kernel);
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

/// Every barrier is reached by all lanes of a workgroup: it stands in no branch and no loop that lanes take by themselves, and no lane has
/// returned before by itself. The same holds for what a subgroup does together, which is held to more than it needs.
/// naga does not check that (`findings/naga-takes-barriers-that-some-lanes-miss.sh`).
#[test]
fn no_lane_misses_a_barrier() {
    let mut barriers = 0;
    for kernel in all_kernels() {
        let module = parsed(kernel);
        let mut validator = validator(kernel);
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
            .filter(|(_, function)| waits(function, &function.body, &[])))
        .map(|(handle, _)| handle)
        .collect();
        for (function, info) in functions.chain(entries) {
            let lanes = Lanes {
                kernel,
                module: &module,
                function,
                info,
                waiting: &waiting,
            };
            barriers += lanes.follow(&function.body, &mut false);
        }
    }
    assert!(barriers > 0);
}

/// A function that the lanes of a workgroup run together.
struct Lanes<'a> {
    kernel: Kernel,
    module: &'a Module,
    function: &'a Function,
    info: &'a FunctionInfo,
    /// Functions with barriers.
    waiting: &'a [Handle<Function>],
}

impl Lanes<'_> {
    /// Counts a block's barriers, none of which a lane may miss.
    fn follow(&self, block: &Block, has_left: &mut bool) -> usize {
        let mut barriers = 0;
        for statement in block {
            let is_barrier = waits_here(self.function, statement, self.waiting);
            barriers += usize::from(is_barrier);
            assert!(
                !(is_barrier && *has_left),
                "{:?}: lanes have returned in front of a barrier",
                self.kernel
            );
            let is_uniform = self.is_uniform(statement);
            for block in blocks(statement) {
                assert!(
                    is_uniform || !waits(self.function, block, self.waiting),
                    "{:?}: a barrier in a branch or a loop",
                    self.kernel
                );
                *has_left |= !is_uniform && returns(block);
                barriers += self.follow(block, has_left);
            }
        }
        barriers
    }

    /// Whether all lanes go through a statement's blocks together.
    fn is_uniform(&self, statement: &Statement) -> bool {
        let is_same = |at: Handle<Expression>| self.info[at].uniformity.non_uniform_result.is_none();
        match statement {
            Statement::If { condition, .. } => is_same(*condition),
            Statement::Switch { selector, .. } => is_same(*selector),
            Statement::Loop { body, .. } => ends_for_all_lanes(self.module, self.function, body),
            _ => true,
        }
    }
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

fn waits_here(function: &Function, statement: &Statement, waiting: &[Handle<Function>]) -> bool {
    match statement {
        Statement::ControlBarrier(_) | Statement::WorkGroupUniformLoad { .. } => true,
        Statement::CooperativeStore { .. } => true,
        Statement::Emit(range) => range.clone().any(|at| {
            let expression = &function.expressions[at];
            matches!(
                expression,
                Expression::CooperativeLoad { .. } | Expression::CooperativeMultiplyAdd { .. }
            )
        }),
        Statement::Call { function, .. } => waiting.contains(function),
        _ => false,
    }
}

/// Whether a barrier is in there somewhere.
fn waits(function: &Function, block: &Block, waiting: &[Handle<Function>]) -> bool {
    let mut statements = block.iter();
    statements.any(|statement| {
        let nested = || {
            blocks(statement)
                .into_iter()
                .any(|block| waits(function, block, waiting))
        };
        waits_here(function, statement, waiting) || nested()
    })
}

/// Whether all lanes leave a loop together: it is left by its condition alone, which is the same for all.
fn ends_for_all_lanes(module: &Module, function: &Function, body: &Block) -> bool {
    // A `for` becomes a loop that begins with `if (condition) {} else { break; }`.
    let conditions: Vec<_> = body
        .iter()
        .filter_map(|statement| match statement {
            Statement::If { condition, reject, .. } if matches!(reject[..], [Statement::Break]) => Some(*condition),
            _ => None,
        })
        .collect();
    conditions.len() == 1
        && breaks(body) == 1
        && conditions
            .into_iter()
            .all(|condition| is_same(module, function, condition))
}

/// How often a loop may be left.
fn breaks(block: &Block) -> usize {
    let of_statement = |statement: &Statement| match statement {
        Statement::Break | Statement::Return { .. } => 1,
        // Breaks in there leave another loop. Nothing that waits lies in such loops.
        Statement::Loop { body, .. } => usize::from(returns(body)),
        _ => blocks(statement).into_iter().map(breaks).sum(),
    };
    block.iter().map(of_statement).sum()
}

/// Whether an expression is the same for all lanes, as far as it is made of numbers, of uniforms, and of a variable that counts so. naga
/// holds all variables for different.
fn is_same(module: &Module, function: &Function, at: Handle<Expression>) -> bool {
    let same = |at: Handle<Expression>| is_same(module, function, at);
    match &function.expressions[at] {
        Expression::Literal(_) | Expression::Constant(_) | Expression::ZeroValue(_) => true,
        Expression::GlobalVariable(global) => module.global_variables[*global].space == AddressSpace::Uniform,
        Expression::LocalVariable(variable) => counts(module, function, *variable),
        Expression::AccessIndex { base, .. } => same(*base),
        Expression::FunctionArgument(at) => {
            function.arguments[*at as usize].binding == Some(Binding::BuiltIn(BuiltIn::SubgroupSize))
        }
        Expression::Load { pointer } => same(*pointer),
        Expression::Binary { left, right, .. } => same(*left) && same(*right),
        _ => false,
    }
}

/// Whether a variable begins with a number, and is moved by a number wherever it is written.
fn counts(module: &Module, function: &Function, variable: Handle<LocalVariable>) -> bool {
    let is_number = |at: Handle<Expression>| match function.expressions[at] {
        Expression::Literal(_) => true,
        Expression::Binary { left, right, .. } => {
            let is_own = matches!(function.expressions[left], Expression::Load { pointer }
                if function.expressions[pointer] == Expression::LocalVariable(variable));
            is_own && is_same_without_variables(module, function, right)
        }
        _ => false,
    };
    let mut values = Vec::new();
    stores(function, &function.body, variable, &mut values);
    values.into_iter().all(is_number)
}

fn is_same_without_variables(module: &Module, function: &Function, at: Handle<Expression>) -> bool {
    !matches!(
        function.expressions[at],
        Expression::LocalVariable(_) | Expression::Load { .. }
    ) && is_same(module, function, at)
}

/// What a variable is set to, anywhere.
fn stores(function: &Function, block: &Block, variable: Handle<LocalVariable>, values: &mut Vec<Handle<Expression>>) {
    for statement in block {
        match statement {
            Statement::Store { pointer, value }
                if function.expressions[*pointer] == Expression::LocalVariable(variable) =>
            {
                values.push(*value);
            }
            _ => {}
        }
        for block in blocks(statement) {
            stores(function, block, variable, values);
        }
    }
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
    let found: BTreeSet<(&str, bool)> = all_kernels()
        .map(|kernel| (name(kernel.op), kernel.tile.is_some()))
        .collect();
    // Three products and both layouts of weights go over tiles too.
    assert_eq!(found.len(), 35 + 5, "{found:?}");
}
