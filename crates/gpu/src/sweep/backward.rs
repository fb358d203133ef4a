//! The backward sweep: up the list of nodes.
//!
//! A gradient of a value is stored masked by the value's ReLU, as dZ, and the sweep that computes it last gathers the two sums that
//! batch norm's gradient needs, as on the processor.

use super::forward::{area, convolve_again, dropout, layers};
use super::{across, floor, groups, lanes};
use crate::job::{Exchanged, Grid, Job, Params, Place, flags};
use crate::layout::{Layout, SINK_VECTORS, Shape, c4};
use crate::shader::{self, Below, FEW, Kernel, LANES, Op, ROWS, ROWS_OF_BOTH, Window};
use crate::tiles::{self, BLOCK, COLUMNS, DEPTH, Tile};
use mnasnet_engine::Precision;
use mnasnet_engine::plan::Value;
use mnasnet_model::{Conv, Op as Node, ValueId};

/// Lanes that a sweep for weights' gradients should have at least, each with partial sums of its own.
const WEIGHT_LANES: usize = 16_384;

/// The backward sweep of all nodes, from the logits' gradient.
pub fn backward(layout: &Layout, synced: bool) -> Vec<Job> {
    let mut jobs = Vec::new();
    let precision = layout.plan.precision;
    for (i, node) in layout.network.nodes.iter().enumerate().rev() {
        let mut params = layout.params(node.input, i + 1);
        let channels = params.c4_in as usize;
        let gradient = &layout.places.gradients[i + 1];
        let images = Grid::Images { each: 1, group: 1 };
        match &node.op {
            Node::Conv(conv) => {
                norm_gradient(layout, i, conv, params, synced, &mut jobs);
                if let Some(below) = layout.plan.again_before(i, &layout.network) {
                    jobs.push(convolve_again(layout, below));
                }
                convolve(layout, i, conv, params, &mut jobs);
            }
            Node::Linear(linear) => {
                let offset = |id: usize| layout.network.parameters[id].offset as u32;
                jobs.push(Job {
                    kernel: Kernel::new(Op::BiasGradient, precision),
                    params: Params {
                        first: offset(linear.bias),
                        ..params
                    },
                    grid: Grid::Fixed(linear.c_out.div_ceil(LANES)),
                    columns: 1,
                    places: vec![(3, Place::Gradients), layout.arena(6, gradient)],
                    exchanged: None,
                });
                layout.read(node.input, &mut params);
                params.weights = layout.packed_at(i, true, None);
                params.kernel = 1;
                let product = Product {
                    node: i,
                    precision: Precision::F32,
                    weight: offset(linear.weight),
                    window: false,
                    last: true,
                    tile: None,
                };
                product.input(layout, params, &mut jobs);
                product.weights(layout, params, &mut jobs);
            }
            Node::Dropout { rate } => jobs.push(dropout(layout, *rate, params, gradient)),
            Node::Pool => {
                let places = vec![layout.arena(6, gradient)];
                spread(layout, Op::SpreadPool, node.input, false, params, places, &mut jobs);
            }
            Node::SqueezeExcite(se) => {
                let gate = layout.gates[i];
                layout.read(node.input, &mut params);
                params.gate_end = gate.gate_gradient as u32;
                params.columns = shader::columns(channels) as u32;
                let kernel = Kernel::new(Op::Dot, precision);
                jobs.push(Job {
                    kernel,
                    params,
                    grid: images,
                    columns: groups(channels),
                    places: vec![
                        (2, Place::Vectors),
                        layout.arena(5, &layout.stored_back(node.input)),
                        layout.arena(6, gradient),
                    ],
                    exchanged: None,
                });
                let wide = layers(
                    layout,
                    se,
                    Params {
                        channels_out: se.reduced as u32,
                        c4_out: c4(se.reduced) as u32,
                        ..params
                    },
                );
                jobs.push(Job {
                    kernel: Kernel::new(Op::GateBackward, precision),
                    params: Params {
                        gate: 4 * gate.gate_gradient as u32,
                        gate_end: 4 * gate.gate as u32,
                        gate_hidden: 4 * gate.hidden as u32,
                        partials: 4 * gate.hidden_gradient as u32,
                        weight_partials: 4 * gate.means_gradient as u32,
                        ..wide
                    },
                    grid: images,
                    columns: 1,
                    places: vec![(2, Place::Vectors), (3, Place::Parameters)],
                    exchanged: None,
                });
                let offset = |id: usize| layout.network.parameters[id].offset as u32;
                for ([inputs, outputs], [from, to], [weight, bias]) in [
                    (
                        [se.channels, se.reduced],
                        [gate.means, gate.hidden_gradient],
                        [se.reduce_weight, se.reduce_bias],
                    ),
                    (
                        [se.reduced, se.channels],
                        [gate.hidden, gate.gate_gradient],
                        [se.expand_weight, se.expand_bias],
                    ),
                ] {
                    jobs.push(Job {
                        kernel: Kernel::new(Op::GateWeights, precision),
                        params: Params {
                            channels_in: inputs as u32,
                            channels_out: outputs as u32,
                            c4_in: c4(inputs) as u32,
                            c4_out: c4(outputs) as u32,
                            gate: 4 * to as u32,
                            gate_hidden: 4 * from as u32,
                            first: offset(weight),
                            second: offset(bias),
                            ..Params::default()
                        },
                        grid: Grid::Fixed((outputs * (inputs + 1)).div_ceil(LANES)),
                        columns: 1,
                        places: vec![(2, Place::Vectors), (3, Place::Gradients)],
                        exchanged: None,
                    });
                }
                let params = Params {
                    flags: 0,
                    gate: gate.gate as u32,
                    gate_end: gate.means_gradient as u32,
                    ..params
                };
                spread(layout, Op::SpreadGate, node.input, true, params, Vec::new(), &mut jobs);
            }
            // The sum's gradient is, in place, its main branch's and, once its reader has added its own, the shortcut's.
            Node::Add { .. } => {}
        }
    }
    jobs
}

/// Gradients of gamma and beta, and the map from dZ to dY.
fn norm_gradient(layout: &Layout, i: usize, conv: &Conv, params: Params, synced: bool, jobs: &mut Vec<Job>) {
    let offset = |id: usize| layout.network.parameters[id].offset as u32;
    let job = |how: u32, exchanged| Job {
        kernel: Kernel::new(Op::NormBackward, layout.plan.precision),
        params: Params {
            flags: how,
            norm_out: layout.norms[i] as u32,
            first: offset(conv.gamma),
            second: offset(conv.beta),
            ..params
        },
        grid: Grid::Fixed(1),
        columns: 1,
        places: vec![(2, Place::Vectors), (3, Place::Gradients)],
        exchanged,
    };
    match synced {
        true => jobs.extend([
            job(flags::OWN, Some(Exchanged::Sums(i))),
            job(flags::MAP | flags::SYNCED, None),
        ]),
        false => jobs.push(job(flags::OWN | flags::MAP, None)),
    }
}

/// Tells a kernel where the gradient of `value` goes, and what the unit below needs. Its places are those of bindings 8 and 9.
fn sink(layout: &Layout, value: ValueId, accumulates: bool, params: &mut Params) -> [(u32, Place); 2] {
    let out = &layout.places.gradients[value];
    if accumulates {
        params.flags |= flags::ACCUMULATE;
    }
    // Where there is no unit below, something must be read all the same.
    let mut below = layout.arena(9, &layout.stored_back(value));
    (params.norm_below, params.floor_below) = (layout.zeros as u32, floor(false));
    if let Some((node, relu)) = layout.plan.normalised_by(value, &layout.network) {
        params.flags |= flags::BELOW;
        (params.norm_below, params.floor_below) = (layout.norms[node] as u32, floor(relu));
        below = layout.arena(9, &layout.places.results_back[node]);
    }
    [layout.arena(8, out), below]
}

/// Where a sweep that reads `value` finds what the unit below it has made.
fn below(layout: &Layout, value: ValueId) -> Below {
    match layout.plan.normalised_by(value, &layout.network) {
        Some((node, _)) if layout.places.results_back[node] != layout.stored_back(value) => Below::Apart,
        _ => Below::Read,
    }
}

/// Adds up the sums that a sink has gathered for the unit below `value`, in tiles of `group` of `each` units an image.
fn sums(layout: &Layout, value: ValueId, params: Params, (each, group): (usize, usize), jobs: &mut Vec<Job>) {
    let Some((node, _)) = layout.plan.normalised_by(value, &layout.network) else {
        return;
    };
    jobs.push(Job {
        kernel: Kernel::new(Op::Sums, layout.plan.precision),
        params: Params {
            c4_out: params.c4_in,
            norm_out: layout.norms[node] as u32,
            count: each as u32,
            strip: group as u32,
            ..params
        },
        grid: Grid::Fixed(params.c4_in as usize),
        columns: 1,
        places: vec![(2, Place::Vectors), (4, Place::Scratch)],
        exchanged: None,
    });
}

/// A job that makes the gradient of `value`, in tiles of `group` of `each` units an image, and the job that adds up its sums.
#[allow(clippy::too_many_arguments)]
fn into(
    layout: &Layout,
    kernel: Kernel,
    value: ValueId,
    accumulates: bool,
    mut params: Params,
    (each, group): (usize, usize),
    mut places: Vec<(u32, Place)>,
    jobs: &mut Vec<Job>,
) {
    places.extend([(2, Place::Vectors), (4, Place::Scratch)]);
    let [out, below] = sink(layout, value, accumulates, &mut params);
    places.push(out);
    let is_read = matches!(
        kernel.op,
        Op::DenseBackward { below: Below::Read, .. } | Op::DepthwiseBackward(_, Below::Read)
    );
    if !is_read {
        places.push(below);
    }
    jobs.push(Job {
        kernel,
        params,
        grid: Grid::Images { each, group },
        columns: across(kernel, params.c4_in as usize).1,
        places,
        exchanged: None,
    });
    sums(layout, value, params, (each, group), jobs);
}

/// The products of a convolution's backward sweep.
fn convolve(layout: &Layout, i: usize, conv: &Conv, mut params: Params, jobs: &mut Vec<Job>) {
    let input = layout.network.nodes[i].input;
    let precision = layout.plan.precision;
    params.norm_out = layout.norms[i] as u32;
    let weight = layout.network.parameters[conv.weight].offset as u32;
    let gradient = [
        layout.arena(6, &layout.places.gradients[i + 1]),
        layout.arena(7, &layout.places.results_back[i]),
    ];
    match layout.shape(i, conv) {
        Shape::Dense { kernel, stride } => {
            let tile = layout.tile_back(Shape::Dense { kernel, stride }, conv);
            params.weights = layout.packed_at(i, true, tile);
            (params.kernel, params.stride) = (kernel as u32, stride as u32);
            let product = Product {
                node: i,
                precision,
                weight,
                window: (kernel, stride) != (1, 1),
                last: false,
                tile,
            };
            let fits = shader::parts(params.c4_in as usize, params.c4_out as usize) > 0;
            if fits && !product.window && tile.is_none() {
                product.both(layout, params, jobs);
            } else {
                product.input(layout, params, jobs);
                product.weights(layout, params, jobs);
            }
        }
        Shape::Depthwise(window) => {
            let gated = layout.read(input, &mut params);
            assert!(!gated, "squeeze-excite stands in front of a projection");
            params.weights = layout.packed_at(i, false, None);
            let both = window.kernel <= MOST_TAPS;
            depthwise_input(layout, i, window, both, params, &gradient, weight, jobs);
            if !both {
                let x = layout.arena(5, &layout.stored_back(input));
                let op = Op::DepthwiseWeights(window);
                window_weights(layout, op, window, weight, params, x, &gradient, jobs);
            }
        }
        Shape::Stem(window) => {
            let x = (5, Place::Pixels);
            window_weights(
                layout,
                Op::StemWeights(window),
                window,
                weight,
                params,
                x,
                &gradient,
                jobs,
            );
        }
    }
}

/// The gradient of a depthwise convolution's input, and that of its weights where `both` are made.
#[allow(clippy::too_many_arguments)]
fn depthwise_input(
    layout: &Layout,
    i: usize,
    window: Window,
    both: bool,
    mut params: Params,
    gradient: &[(u32, Place)],
    weight: u32,
    jobs: &mut Vec<Job>,
) {
    let input = layout.network.nodes[i].input;
    let width = params.c4_in as usize;
    let run = if both { window.run_of_both() } else { window.run() };
    let [down, across] =
        [(params.height, window.stride), (params.width, run)].map(|(side, of)| (side as usize).div_ceil(of));
    let each = down * across;
    params.columns = shader::columns(width) as u32;
    params.strip = if both { strip(layout, each, width) } else { INPUT_RUNS } as u32;
    let group = lanes(&params) * params.strip as usize;
    // Behind the sums for the unit below.
    params.weight_partials = ((layout.plan.batch * each).div_ceil(group) * SINK_VECTORS * width) as u32;
    let mut places = vec![(3, Place::Packed)];
    places.extend_from_slice(gradient);
    let op = match both {
        true => {
            places.push(layout.arena(5, &layout.stored_back(input)));
            Op::DepthwiseBackward(window, below(layout, input))
        }
        false => Op::DepthwiseInput(window),
    };
    let kernel = Kernel::new(op, layout.plan.precision);
    let accumulates = layout.plan.shortcuts[input];
    into(layout, kernel, input, accumulates, params, (each, group), places, jobs);
    if both {
        reduce_taps(layout, window, weight, params, (each, group), jobs);
    }
}

/// The largest side of a window whose weights' gradient a lane can keep beside that of the input.
const MOST_TAPS: usize = 5;

/// Runs of inputs that a lane makes, one after the other.
const INPUT_RUNS: usize = 4;

/// The gradient of a window's weights: what each lane sees of it, added up.
#[allow(clippy::too_many_arguments)]
fn window_weights(
    layout: &Layout,
    op: Op,
    window: Window,
    weight: u32,
    mut params: Params,
    x: (u32, Place),
    gradient: &[(u32, Place)],
    jobs: &mut Vec<Job>,
) {
    let width = params.c4_out as usize;
    let across = (params.out_width as usize).div_ceil(window.run());
    let each = params.out_height as usize * across;
    params.columns = shader::columns(width) as u32;
    params.strip = strip(layout, each, width) as u32;
    params.count = groups(width) as u32;
    let group = lanes(&params) * params.strip as usize;
    let mut places = vec![(2, Place::Vectors), (4, Place::Scratch), x];
    places.extend_from_slice(gradient);
    jobs.push(Job {
        kernel: Kernel::new(op, layout.plan.precision),
        params,
        grid: Grid::Images { each, group },
        columns: groups(width) * window.kernel,
        places,
        exchanged: None,
    });
    reduce_taps(layout, window, weight, params, (each, group), jobs);
}

/// Adds up what each lane of tiles of `group` of `each` runs an image has seen of a window's weights.
fn reduce_taps(
    layout: &Layout,
    window: Window,
    weight: u32,
    params: Params,
    (each, group): (usize, usize),
    jobs: &mut Vec<Job>,
) {
    let count = window.taps() * params.c4_out as usize;
    jobs.push(Job {
        kernel: Kernel::new(Op::ReduceTaps, layout.plan.precision),
        params: Params {
            kernel: window.kernel as u32,
            first: weight,
            third: window.inputs as u32,
            count: count as u32,
            second: each as u32,
            strip: group as u32,
            strips: lanes(&params) as u32,
            ..params
        },
        grid: Grid::Fixed(count.div_ceil(8)),
        columns: 1,
        places: vec![(3, Place::Gradients), (4, Place::Scratch)],
        exchanged: None,
    });
}

/// Runs of a lane: few enough partial sums, and lanes enough to fill a device.
fn strip(layout: &Layout, each: usize, c4: usize) -> usize {
    let columns = shader::columns(c4) * groups(c4);
    (layout.plan.batch * each * columns / WEIGHT_LANES).clamp(4, 64)
}

/// The two products of a dense convolution or of the classifier.
struct Product {
    node: usize,
    precision: Precision,
    /// Where the weight lies among the parameters.
    weight: u32,
    /// Whether its window is more than a point.
    window: bool,
    /// Whether it is the classifier, whose gradient passes through no batch norm.
    last: bool,
    /// The tiles that both go over.
    tile: Option<Tile>,
}

impl Product {
    /// The gradient of the input.
    fn input(&self, layout: &Layout, mut params: Params, jobs: &mut Vec<Job>) {
        let input = layout.network.nodes[self.node].input;
        if layout.plan.values[input] == Value::Image {
            return;
        }
        let width = params.c4_in as usize;
        let (window, last) = (self.window, self.last);
        let op = Op::DenseInput { window, last };
        let kernel = Kernel::new(op, self.precision).over(self.tile);
        let each = params.height as usize * params.width as usize;
        params.columns = across(kernel, width).0;
        let group = self.tile.map_or(lanes(&params) * ROWS, |_| BLOCK);
        let mut places = vec![(3, Place::Packed)];
        places.extend(self.gradient(layout));
        let accumulates = layout.plan.shortcuts[input];
        into(layout, kernel, input, accumulates, params, (each, group), places, jobs);
    }

    /// Both gradients in one sweep.
    fn both(&self, layout: &Layout, mut params: Params, jobs: &mut Vec<Job>) {
        let input = layout.network.nodes[self.node].input;
        let gated = layout.read(input, &mut params);
        let (c4_in, c4_out) = (params.c4_in as usize, params.c4_out as usize);
        let each = area(&params);
        params.columns = shader::columns(c4_in) as u32;
        params.strips = shader::parts(c4_in, c4_out) as u32;
        let tall = lanes(&params) * ROWS_OF_BOTH;
        let blocks = (layout.plan.batch * each).div_ceil(tall);
        params.strip = (blocks * groups(c4_in) * LANES / WEIGHT_LANES).clamp(4, 64) as u32;
        let group = tall * params.strip as usize;
        // Behind the sums for the unit below.
        params.weight_partials = ((layout.plan.batch * each).div_ceil(group) * SINK_VECTORS * c4_in) as u32;
        let mut places = vec![(3, Place::Packed), layout.arena(5, &layout.stored_back(input))];
        places.extend(self.gradient(layout));
        let below = below(layout, input);
        let kernel = Kernel::new(Op::DenseBackward { gated, below }, self.precision);
        let accumulates = layout.plan.shortcuts[input];
        into(layout, kernel, input, accumulates, params, (each, group), places, jobs);
        self.reduce(layout, params, Some((each, group)), jobs);
    }

    /// Adds up the strips of the weights' gradient: a fixed count, or those of each tile of `group` of `each` rows an image.
    fn reduce(&self, layout: &Layout, params: Params, tiles: Option<(usize, usize)>, jobs: &mut Vec<Job>) {
        let count = (params.kernel * params.kernel * 4 * params.c4_out * params.c4_in) as usize;
        let (each, group) = tiles.unwrap_or((0, params.strip as usize));
        let strips = match tiles {
            Some(_) => (layout.plan.batch * each).div_ceil(group) * params.strips as usize,
            None => params.strips as usize,
        };
        let many = strips > FEW;
        jobs.push(Job {
            kernel: Kernel::new(Op::ReduceDense { many }, layout.plan.precision),
            params: Params {
                first: self.weight,
                count: count as u32,
                second: each as u32,
                strip: group as u32,
                ..params
            },
            grid: Grid::Fixed(count.div_ceil(if many { 8 } else { LANES })),
            columns: 1,
            places: vec![(3, Place::Gradients), (4, Place::Scratch)],
            exchanged: None,
        });
    }

    /// The gradient of the weights, by strips of rows.
    fn weights(&self, layout: &Layout, mut params: Params, jobs: &mut Vec<Job>) {
        let input = layout.network.nodes[self.node].input;
        let gated = layout.read(input, &mut params);
        let (window, last) = (self.window, self.last);
        let (c4_in, c4_out) = (params.c4_in as usize, params.c4_out as usize);
        let taps = (params.kernel * params.kernel) as usize;
        // A lane, or over tiles a workgroup, makes a block of one strip. What a workgroup stores are whole blocks.
        let (blocks, of_strip, stored) = match self.tile {
            None => (taps * c4_in.div_ceil(2) * c4_out.div_ceil(2), 1, [c4_in, c4_out]),
            Some(_) => {
                let blocks = c4_in.div_ceil(COLUMNS) * c4_out.div_ceil(COLUMNS);
                (blocks, LANES, [c4_in, c4_out].map(tiles::rounded))
            }
        };
        let rows = layout.plan.batch * area(&params);
        let most = (WEIGHT_LANES / (blocks * of_strip)).max(1);
        let strip = rows.div_ceil(most).max(64).next_multiple_of(DEPTH);
        let strips = rows.div_ceil(strip);
        params.strip = strip as u32;
        params.strips = strips as u32;
        let mut places = vec![
            (2, Place::Vectors),
            (4, Place::Scratch),
            layout.arena(5, &layout.stored_back(input)),
        ];
        places.extend(self.gradient(layout));
        jobs.push(Job {
            kernel: Kernel::new(Op::DenseWeights { window, gated, last }, self.precision).over(self.tile),
            params,
            grid: Grid::Fixed((strips * blocks * of_strip).div_ceil(LANES)),
            columns: 1,
            places,
            exchanged: None,
        });
        let [c4_in, c4_out] = stored.map(|channels| channels as u32);
        let params = Params {
            c4_in,
            c4_out,
            ..params
        };
        self.reduce(layout, params, None, jobs);
    }

    /// dZ and Y. The classifier has no batch norm, and its kernel reads dZ alone.
    fn gradient(&self, layout: &Layout) -> Vec<(u32, Place)> {
        let mut places = vec![layout.arena(6, &layout.places.gradients[self.node + 1])];
        if !self.last {
            places.push(layout.arena(7, &layout.places.results_back[self.node]));
        }
        places
    }
}

/// The gradient that flows back through means to `value`.
fn spread(
    layout: &Layout,
    op: Op,
    value: ValueId,
    in_place: bool,
    mut params: Params,
    places: Vec<(u32, Place)>,
    jobs: &mut Vec<Job>,
) {
    let width = params.c4_in as usize;
    let kernel = Kernel::new(op, layout.plan.precision);
    let each = params.height as usize * params.width as usize;
    params.strip = SPREAD_ROWS as u32;
    params.columns = shader::columns(width) as u32;
    let group = lanes(&params) * SPREAD_ROWS;
    let accumulates = layout.plan.shortcuts[value] && !in_place;
    into(layout, kernel, value, accumulates, params, (each, group), places, jobs);
}

/// Rows that a lane spreads a mean's gradient over.
const SPREAD_ROWS: usize = 8;
