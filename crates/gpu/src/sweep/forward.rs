//! The forward sweep: down the list of nodes.

use super::pack::{map, norm};
use super::{across, elementwise, groups, lanes};
use crate::job::{Exchanged, Grid, Job, Params, Place, flags};
use crate::layout::{Layout, Shape, c4};
use crate::shader::{self, Kernel, LANES, Op, ROWS};
use crate::tiles::BLOCK;
use mnasnet_engine::Precision;
use mnasnet_model::{Conv, Op as Node, SqueezeExcite};
use std::ops::Range;

/// What a forward sweep does beside computing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistics {
    /// Nothing: the norms hold the running statistics' maps.
    Running,
    /// The same, and the moments of each raw output are gathered.
    Measure,
    /// Normalises by the batch, and moves the running statistics.
    Batch,
    /// The same, by the batches of all processes.
    AllBatches,
}

/// The forward sweep of all nodes.
pub fn forward(layout: &Layout, statistics: Statistics) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (i, node) in layout.network.nodes.iter().enumerate() {
        let mut params = layout.params(node.input, i + 1);
        let precision = layout.plan.precision;
        let channels = params.c4_in as usize;
        match &node.op {
            Node::Conv(conv) => convolve(layout, i, conv, params, statistics, &mut jobs),
            Node::Linear(_) => {
                layout.read(node.input, &mut params);
                params.flags |= flags::BIAS;
                params.norm_out = layout.norms[i] as u32;
                params.weights = layout.packed_at(i, false, None);
                let op = Op::Dense {
                    window: false,
                    gated: false,
                    moments: false,
                };
                let kernel = Kernel::new(op, Precision::F32);
                let (columns, groups) = across(kernel, params.c4_out as usize);
                params.columns = columns;
                jobs.push(Job {
                    kernel,
                    params,
                    grid: Grid::Images {
                        each: 1,
                        group: lanes(&params) * ROWS,
                    },
                    columns: groups,
                    places: vec![
                        (2, Place::Vectors),
                        (3, Place::Packed),
                        layout.arena(5, &layout.stored(node.input)),
                        layout.arena(8, &layout.places.results[i]),
                    ],
                    exchanged: None,
                });
            }
            Node::Pool => {
                layout.read(node.input, &mut params);
                params.columns = shader::columns(channels) as u32;
                let kernel = Kernel::new(Op::Pool, precision);
                jobs.push(Job {
                    kernel,
                    params,
                    grid: Grid::Images { each: 1, group: 1 },
                    columns: groups(channels),
                    places: vec![
                        (2, Place::Vectors),
                        layout.arena(5, &layout.stored(node.input)),
                        layout.arena(8, &layout.places.results[i]),
                    ],
                    exchanged: None,
                });
            }
            Node::SqueezeExcite(se) => {
                layout.read(node.input, &mut params);
                let gate = layout.gates[i];
                params.gate = gate.means as u32;
                params.columns = shader::columns(channels) as u32;
                let kernel = Kernel::new(Op::Squeeze, precision);
                let grid = Grid::Images { each: 1, group: 1 };
                jobs.push(Job {
                    kernel,
                    params,
                    grid,
                    columns: groups(channels),
                    places: vec![(2, Place::Vectors), layout.arena(5, &layout.stored(node.input))],
                    exchanged: None,
                });
                jobs.push(Job {
                    kernel: Kernel::new(Op::Gate, precision),
                    params: Params {
                        channels_out: se.reduced as u32,
                        c4_out: c4(se.reduced) as u32,
                        gate: 4 * gate.means as u32,
                        gate_hidden: 4 * gate.hidden as u32,
                        gate_end: 4 * gate.gate as u32,
                        ..layers(layout, se, params)
                    },
                    grid,
                    columns: 1,
                    places: vec![(2, Place::Vectors), (3, Place::Parameters)],
                    exchanged: None,
                });
            }
            Node::Add { shortcut } => {
                layout.read(node.input, &mut params);
                (params.norm_below, params.gate, params.floor_below) = layout.map(*shortcut);
                let count = layout.plan.rows(node.input) * channels;
                let places = vec![
                    (2, Place::Vectors),
                    layout.arena(5, &layout.stored(node.input)),
                    layout.arena(6, &layout.stored(*shortcut)),
                    layout.arena(8, &layout.places.results[i]),
                ];
                let mut job = elementwise(Op::Add, layout, params, 0, places);
                job.grid = Grid::Images {
                    each: count / layout.plan.batch,
                    group: LANES,
                };
                jobs.push(job);
            }
            Node::Dropout { rate } if matches!(statistics, Statistics::Batch | Statistics::AllBatches) => {
                jobs.push(dropout(layout, *rate, params, &layout.stored(node.input)));
            }
            Node::Dropout { .. } => {}
        }
    }
    jobs
}

/// Dropout of the features at `place`, forward or backward.
pub(super) fn dropout(layout: &Layout, rate: f32, mut params: Params, place: &Range<usize>) -> Job {
    // Of the 53 high bits, as `f64`'s digits are.
    let threshold = (f64::from(rate) * (1u64 << 53) as f64) as u64;
    params.threshold_low = threshold as u32;
    params.threshold_high = (threshold >> 32) as u32;
    params.kept = 1.0 / (1.0 - rate);
    let places = vec![layout.arena(8, place)];
    let mut job = elementwise(Op::Dropout, layout, params, 0, places);
    job.grid = Grid::Images {
        each: params.channels_in as usize,
        group: LANES,
    };
    job
}

/// Where squeeze-excite's layers lie among the parameters.
pub(super) fn layers(layout: &Layout, se: &SqueezeExcite, params: Params) -> Params {
    let offset = |id: usize| layout.network.parameters[id].offset as u32;
    Params {
        channels_in: se.channels as u32,
        first: offset(se.reduce_weight),
        second: offset(se.reduce_bias),
        third: offset(se.expand_weight),
        fourth: offset(se.expand_bias),
        ..params
    }
}

/// The job that computes the result of the convolution at node `i` again, for the backward sweep, to the same bits.
pub(super) fn convolve_again(layout: &Layout, i: usize) -> Job {
    let node = &layout.network.nodes[i];
    let Node::Conv(conv) = &node.op else {
        unreachable!("only results of convolutions are computed again");
    };
    let params = layout.params(node.input, i + 1);
    product(layout, i, conv, params, false, &layout.places.results_back[i])
}

/// A convolution, and what becomes of its moments.
fn convolve(layout: &Layout, i: usize, conv: &Conv, params: Params, statistics: Statistics, jobs: &mut Vec<Job>) {
    let gathers = statistics != Statistics::Running;
    let width = c4(conv.c_out);
    let job = product(layout, i, conv, params, gathers, &layout.places.results[i]);
    let (params, grid) = (job.params, job.grid);
    jobs.push(job);
    let Grid::Images { each, group } = grid else {
        unreachable!("a convolution goes over images");
    };
    if !gathers {
        return;
    }
    // Where nobody else is asked, the moments make batch norm's map at once.
    let at_once = statistics == Statistics::Batch;
    let (params, mut places) = match at_once {
        true => {
            let (params, places) = map(layout, i);
            (params, places.to_vec())
        }
        false => (params, vec![(2, Place::Vectors)]),
    };
    places.push((4, Place::Scratch));
    let synced = statistics == Statistics::AllBatches;
    jobs.push(Job {
        kernel: Kernel::new(Op::Moments { map: at_once }, layout.plan.precision),
        params: Params {
            norm_out: layout.norms[i] as u32,
            count: each as u32,
            strip: group as u32,
            ..params
        },
        grid: Grid::Fixed(width),
        columns: 1,
        places,
        exchanged: synced.then_some(Exchanged::Moments(i)),
    });
    if synced {
        jobs.push(norm(layout, i, flags::SYNCED));
    }
}

/// The job that makes a convolution's output at `out`.
fn product(layout: &Layout, i: usize, conv: &Conv, mut params: Params, gathers: bool, out: &Range<usize>) -> Job {
    let input = layout.network.nodes[i].input;
    let width = c4(conv.c_out);
    let shape = layout.shape(i, conv);
    let tile = layout.tile(shape, conv);
    params.weights = layout.packed_at(i, false, tile);
    let gated = match shape {
        Shape::Stem(_) => false,
        _ => layout.read(input, &mut params),
    };
    let op = match shape {
        Shape::Dense { kernel, stride } => {
            (params.kernel, params.stride) = (kernel as u32, stride as u32);
            Op::Dense {
                window: (kernel, stride) != (1, 1),
                gated,
                moments: gathers,
            }
        }
        Shape::Depthwise(window) => Op::Depthwise(window, gathers),
        Shape::Stem(window) => Op::Stem(window, gathers),
    };
    let kernel = Kernel::new(op, layout.plan.precision).over(tile);
    let (columns, groups) = across(kernel, width);
    params.columns = columns;
    let mut places = vec![(2, Place::Vectors), (3, Place::Packed)];
    if gathers {
        places.push((4, Place::Scratch));
    }
    match shape {
        Shape::Stem(_) => places.push((5, Place::Pixels)),
        _ => places.push(layout.arena(5, &layout.stored(input))),
    }
    places.push(layout.arena(8, out));
    let (each, group) = match shape {
        Shape::Dense { .. } => (area(&params), tile.map_or(lanes(&params) * ROWS, |_| BLOCK)),
        Shape::Depthwise(window) | Shape::Stem(window) => {
            params.strip = FORWARD_RUNS as u32;
            let across = (params.out_width as usize).div_ceil(window.run());
            (params.out_height as usize * across, lanes(&params) * FORWARD_RUNS)
        }
    };
    Job {
        kernel,
        params,
        grid: Grid::Images { each, group },
        columns: groups,
        places,
        exchanged: None,
    }
}

/// Runs of outputs that a lane makes, one after the other.
const FORWARD_RUNS: usize = 4;

/// Rows of an image that a node makes.
pub(super) fn area(params: &Params) -> usize {
    params.out_height as usize * params.out_width as usize
}

/// The loss, and the logits' gradient.
pub fn loss(layout: &Layout) -> Job {
    let last = layout.network.nodes.len();
    Job {
        kernel: Kernel::new(Op::Loss, layout.plan.precision),
        params: layout.params(last, last),
        grid: Grid::Images { each: 1, group: 1 },
        columns: 1,
        places: vec![
            (3, Place::Targets),
            (4, Place::Scores),
            layout.arena(5, &layout.places.results[last - 1]),
            layout.arena(8, &layout.places.gradients[last]),
        ],
        exchanged: None,
    }
}
