//! Where everything but activations lies: offsets of a plan's vectors, packed weights and partial sums.

use crate::shader::Window;
use crate::tiles::{self, Tile};
use mnasnet_engine::plan::{Places, Plan, Value};
use mnasnet_engine::{EngineError, Precision};
use mnasnet_model::{Conv, ConvKind, Network, Op, ValueId};

/// Bytes of four float32.
pub const VEC4: usize = 16;

/// Buffers and what is bound of them begin at multiples of so many bytes.
pub const ALIGN: usize = 256;

/// Groups of four that hold so many channels.
pub fn c4(channels: usize) -> usize {
    channels.div_ceil(4)
}

/// Outputs of a pointwise convolution up to which one sweep makes both gradients, whether or not there are tiles.
const FEW_OUTPUTS: usize = 32;

/// Vectors that a sink gathers of each tile for the unit below: two sums, and the largest gradient.
pub const SINK_VECTORS: usize = 3;

/// Vectors of a batch norm, of four channels each, in `vectors`.
pub const NORM_VECTORS: usize = 13;

/// What squeeze-excite keeps of each image, as offsets in `vectors`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gate {
    pub means: usize,
    pub hidden: usize,
    pub gate: usize,
    pub gate_gradient: usize,
    pub hidden_gradient: usize,
    pub means_gradient: usize,
}

/// A convolution as the kernels know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Every output channel reads every input channel.
    Dense { kernel: usize, stride: usize },
    /// One filter a channel.
    Depthwise(Window),
    /// Dense, reading the image.
    Stem(Window),
}

/// A plan and where all of it lies.
pub struct Layout {
    pub network: Network,
    pub plan: Plan,
    pub places: Places,
    /// By node: offset of its batch norm's vectors, or of the classifier's bias.
    pub norms: Vec<usize>,
    pub gates: Vec<Gate>,
    /// By node: offsets in the packed weights, forward and transposed.
    pub packed: Vec<[usize; 2]>,
    /// Offset of a vector of ones, and of one of zeros, as long as the widest: the maps of what is read as it is.
    pub ones: usize,
    pub zeros: usize,
    /// Lengths in vec4.
    pub vectors: usize,
    pub weights: usize,
    /// Bytes of the longest page of the arena.
    pub page: usize,
    /// Tiles that the device multiplies.
    tile: Option<Tile>,
}

impl Layout {
    /// Lays out a plan in pages of `page` bytes, none of whose values is longer, for a device that multiplies such tiles.
    ///
    /// # Errors
    /// A convolution that no kernel knows.
    pub fn new(network: &Network, plan: &Plan, page: usize, tile: Option<Tile>) -> Result<Self, EngineError> {
        let page = page / ALIGN * ALIGN;
        assert!(longest(plan) <= page, "refused before it is laid out");
        let mut vectors = 0;
        let mut weights = 0;
        let take = |length: &mut usize, count: usize| {
            *length += count;
            *length - count
        };
        let (mut norms, mut gates, mut packed) = (Vec::new(), Vec::new(), Vec::new());
        for (i, node) in network.nodes.iter().enumerate() {
            let (mut norm, mut gate, mut stretches) = (0, Gate::default(), [0; 2]);
            match &node.op {
                Op::Conv(conv) => {
                    norm = take(&mut vectors, NORM_VECTORS * c4(conv.c_out));
                    let shape = convolution(network, plan, i, conv)?;
                    stretches[0] = take(&mut weights, forward_length(shape, conv.c_in, conv.c_out));
                    if let Shape::Dense { kernel, .. } = shape {
                        stretches[1] = take(&mut weights, transposed_length(kernel, conv.c_in, conv.c_out));
                    }
                }
                Op::Linear(linear) => {
                    norm = take(&mut vectors, c4(linear.c_out));
                    stretches[0] = take(&mut weights, forward_length(POINT, linear.c_in, linear.c_out));
                    stretches[1] = take(&mut weights, transposed_length(1, linear.c_in, linear.c_out));
                }
                Op::SqueezeExcite(se) => {
                    let [wide, narrow] = [se.channels, se.reduced].map(|channels| plan.batch * c4(channels));
                    gate = Gate {
                        means: take(&mut vectors, wide),
                        hidden: take(&mut vectors, narrow),
                        gate: take(&mut vectors, wide),
                        gate_gradient: take(&mut vectors, wide),
                        hidden_gradient: take(&mut vectors, narrow),
                        means_gradient: take(&mut vectors, wide),
                    };
                }
                Op::Add { .. } | Op::Pool | Op::Dropout { .. } => {}
            }
            norms.push(norm);
            gates.push(gate);
            packed.push(stretches);
        }
        let widest = plan.shapes.iter().map(|shape| c4(shape.channels)).max().unwrap_or(0);
        // What is read below a value without a unit: three vectors.
        let [ones, zeros] = [take(&mut vectors, widest), take(&mut vectors, 3 * widest)];
        Ok(Self {
            ones,
            zeros,
            places: plan.places_on_pages(ALIGN, page, |channels| 4 * c4(channels)),
            network: network.clone(),
            plan: plan.clone(),
            norms,
            gates,
            packed,
            vectors,
            weights,
            page,
            // Float32 storage is float32 arithmetic.
            tile: tile.filter(|_| plan.precision == Precision::Bf16),
        })
    }

    /// The tiles over which a convolution's products go, where they do: pointwise ones, of channels enough.
    pub fn tile(&self, shape: Shape, conv: &Conv) -> Option<Tile> {
        let tile = self.tile.filter(|_| shape == POINT)?;
        tiles::pay(tile, [conv.c_in, conv.c_out]).then_some(tile)
    }

    /// The same for its gradients. Few outputs leave both gradients to one sweep over vectors, which passes less often over memory.
    pub fn tile_back(&self, shape: Shape, conv: &Conv) -> Option<Tile> {
        self.tile(shape, conv).filter(|_| conv.c_out > FEW_OUTPUTS)
    }

    /// Where a convolution's weights lie among the packed ones: forward, or transposed. For tiles they are float16.
    pub fn packed_at(&self, i: usize, transposed: bool, tile: Option<Tile>) -> u32 {
        let offset = self.packed[i][usize::from(transposed)] as u32;
        if tile.is_some() { 2 * offset } else { offset }
    }

    /// How the convolution at node `i` is computed.
    pub fn shape(&self, i: usize, conv: &Conv) -> Shape {
        convolution(&self.network, &self.plan, i, conv).expect("refused when it was laid out")
    }
}

/// Bytes of the longest value of a plan. What is bound of the arena is one value.
pub fn longest(plan: &Plan) -> usize {
    (plan
        .results
        .iter()
        .chain(&plan.gradients)
        .chain(plan.again.iter().flatten()))
    .map(|buffer| buffer.rows * 4 * c4(buffer.channels) * plan.bytes(buffer.kind))
    .max()
    .unwrap_or(0)
}

/// How a convolution is computed.
fn convolution(network: &Network, plan: &Plan, i: usize, conv: &Conv) -> Result<Shape, EngineError> {
    let input: ValueId = network.nodes[i].input;
    let window = |inputs| Window {
        kernel: conv.kernel,
        stride: conv.stride,
        inputs,
    };
    match (conv.kind, plan.values[input]) {
        (ConvKind::Depthwise, Value::Image) => {}
        (ConvKind::Depthwise, _) => return Ok(Shape::Depthwise(window(1))),
        (ConvKind::Dense, Value::Image) => return Ok(Shape::Stem(window(conv.c_in))),
        (ConvKind::Dense, _) => {
            return Ok(Shape::Dense {
                kernel: conv.kernel,
                stride: conv.stride,
            });
        }
    }
    let name = &network.nodes[i].name;
    Err(EngineError::Plan(format!(
        "`{name}` is a depthwise convolution of the image, which a GPU has no kernel for: use the processor"
    )))
}

/// The classifier.
pub const POINT: Shape = Shape::Dense { kernel: 1, stride: 1 };

/// Vec4 of the forward layout `[taps][inputs][outputs]`. A dense convolution's inputs are rounded up, as its kernel reads four.
fn forward_length(shape: Shape, c_in: usize, c_out: usize) -> usize {
    match shape {
        Shape::Dense { kernel, .. } => kernel * kernel * 4 * c4(c_in) * c4(c_out),
        Shape::Depthwise(window) | Shape::Stem(window) => window.taps() * c4(c_out),
    }
}

/// Vec4 of the transposed layout `[taps][outputs][inputs]`, outputs rounded up.
fn transposed_length(kernel: usize, c_in: usize, c_out: usize) -> usize {
    kernel * kernel * 4 * c4(c_out) * c4(c_in)
}
