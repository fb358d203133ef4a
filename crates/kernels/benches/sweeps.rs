//! Every convolution sweep, and whole blocks of inference, at shapes of MNASNet-B1, 224 pixels, batch 32: `cargo bench -p
//! mnasnet-kernels`, e.g. with `-- depthwise`. `MNASNET_ISA` and `RAYON_NUM_THREADS` choose what runs; the item rate counts
//! multiply-adds.

#[path = "../tests/support/mod.rs"]
mod support;

use divan::Bencher;
use divan::counter::ItemsCount;
use mnasnet_kernels::dense::{self, Dense, Input};
use mnasnet_kernels::depthwise::{self, Depthwise};
use mnasnet_kernels::inference::Layers;
use mnasnet_kernels::inference::block as blocks;
use mnasnet_kernels::pool::{Pool, threads};
use mnasnet_kernels::{Context, Element, Isa, Layout, Moments, Needs, Packed, Sink, Sums, bf16};
use support::block::{Layer, inverted};
use support::{Activation, OutputGradient, Random};

/// Images: as many as in a training step, which no second-level cache holds.
const BATCH: usize = 32;

/// (C_in, C_out, side) of pointwise units, from the first to the last stage.
const POINTWISE: [(usize, usize, usize); 8] = [
    (32, 16, 112),
    (16, 48, 112),
    (24, 72, 56),
    (120, 40, 28),
    (80, 480, 14),
    (480, 80, 14),
    (192, 1152, 7),
    (1152, 320, 7),
];

/// (kernel, stride, channels, side) of depthwise units.
const DEPTHWISE: [(usize, usize, usize, usize); 8] = [
    (3, 1, 32, 112),
    (3, 2, 48, 112),
    (3, 1, 72, 56),
    (5, 2, 72, 56),
    (5, 1, 120, 28),
    (3, 1, 480, 14),
    (5, 1, 480, 14),
    (5, 1, 1152, 7),
];

/// (C_in, kernel, stride, expansion, C_out, side) of inverted residuals.
const BLOCKS: [(usize, usize, usize, usize, usize, usize); 5] = [
    (16, 3, 2, 3, 24, 112),
    (24, 3, 1, 3, 24, 56),
    (40, 5, 1, 3, 40, 28),
    (80, 5, 1, 6, 80, 14),
    (192, 5, 1, 6, 192, 7),
];

const STEM: Dense = Dense {
    kernel: 3,
    stride: 2,
    c_in: 3,
    c_out: 32,
    height: 224,
    width: 224,
};

fn context(needs: Needs) -> Context {
    let isa = Isa::detect().expect("the instruction set is there");
    Context::new(isa, needs, threads()).expect("there is memory")
}

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Pool::new(threads).expect("threads start").install(divan::main);
}

/// A dense convolution's operands.
struct DenseCase<E> {
    conv: Dense,
    context: Context,
    input: Activation<E>,
    output: OutputGradient<E>,
    weight: Vec<f32>,
    /// Room for packed weights.
    memory: Vec<f32>,
    y: Vec<E>,
}

impl<E: Element> DenseCase<E> {
    fn new(conv: Dense) -> Self {
        let random = &mut Random::new(1);
        Self {
            context: context(conv.needs(BATCH)),
            input: Activation::new(random, conv.rows_in(BATCH), conv.c_in, true),
            output: OutputGradient::new(random, conv.rows_out(BATCH), conv.c_out),
            weight: random.values(conv.depth() * conv.c_out),
            memory: vec![0.0; dense::packed_len(&conv)],
            y: vec![E::default(); conv.rows_out(BATCH) * conv.c_out],
            conv,
        }
    }

    fn multiply_adds(&self) -> usize {
        self.y.len() * self.conv.depth()
    }

    fn forward(&mut self, bencher: Bencher, input: Option<Input<E>>) {
        let multiply_adds = self.multiply_adds();
        let packed = dense::pack::<E>(self.context.isa(), &self.conv, &self.weight, &mut self.memory);
        let mut moments = Moments::new(self.conv.c_out);
        let bencher = bencher.counter(ItemsCount::new(multiply_adds));
        let input = input.unwrap_or(Input::Values(self.input.source()));
        let (conv, context, out) = (&self.conv, &mut self.context, &mut self.y);
        bencher.bench_local(|| {
            let moments = Some(&mut moments);
            dense::forward(context, conv, BATCH, input, packed, out, moments);
        });
    }
}

fn pointwise<E: Element>((c_in, c_out, side): (usize, usize, usize)) -> DenseCase<E> {
    DenseCase::new(Dense {
        kernel: 1,
        stride: 1,
        c_in,
        c_out,
        height: side,
        width: side,
    })
}

#[divan::bench(types = [f32, bf16], args = POINTWISE)]
fn pointwise_forward<E: Element>(bencher: Bencher, shape: (usize, usize, usize)) {
    pointwise::<E>(shape).forward(bencher, None);
}

#[divan::bench(types = [f32, bf16], args = POINTWISE)]
fn pointwise_backward<E: Element>(bencher: Bencher, shape: (usize, usize, usize)) {
    let mut case = pointwise::<E>(shape);
    let multiply_adds = case.multiply_adds();
    let packed = dense::pack_transposed::<E>(case.context.isa(), &case.conv, &case.weight, &mut case.memory);
    let mut sums = Sums::new(case.conv.c_in);
    let mut dx = vec![E::default(); case.input.raw.len()];
    let bencher = bencher.counter(ItemsCount::new(2 * multiply_adds));
    let (input, gradient) = (Input::Values(case.input.source()), case.output.gradient());
    let (conv, context) = (&case.conv, &mut case.context);
    let (below, dw) = (Some(case.input.below()), &mut case.weight);
    bencher.bench_local(|| {
        let (out, accumulate) = (&mut dx, false);
        let sink = Sink { out, accumulate, below };
        dense::backward(context, conv, BATCH, input, gradient, packed, sink, &mut sums, dw);
    });
}

fn photos() -> Vec<u8> {
    (0..STEM.rows_in(BATCH) * 3).map(|i| (i * 31 % 251) as u8).collect()
}

fn bytes<E>(pixels: &[u8]) -> Input<'_, E> {
    Input::Bytes {
        pixels,
        scale: [0.01; 3],
        shift: [-1.0; 3],
    }
}

#[divan::bench(types = [f32, bf16])]
fn stem_forward<E: Element>(bencher: Bencher) {
    DenseCase::<E>::new(STEM).forward(bencher, Some(bytes(&photos())));
}

#[divan::bench(types = [f32, bf16])]
fn stem_weight_gradient<E: Element>(bencher: Bencher) {
    let (mut case, pixels) = (DenseCase::<E>::new(STEM), photos());
    let bencher = bencher.counter(ItemsCount::new(case.multiply_adds()));
    let gradient = case.output.gradient();
    bencher.bench_local(|| {
        let (context, dw) = (&mut case.context, &mut case.weight);
        dense::weight_gradient(context, &STEM, BATCH, bytes(&pixels), gradient, dw);
    });
}

/// A depthwise convolution's operands.
struct DepthwiseCase<E> {
    conv: Depthwise,
    context: Context,
    input: Activation<E>,
    output: OutputGradient<E>,
    memory: Vec<f32>,
    layout: Layout,
}

fn case<E: Element>((kernel, stride, channels, side): (usize, usize, usize, usize)) -> DepthwiseCase<E> {
    let random = &mut Random::new(1);
    let conv = Depthwise {
        kernel,
        stride,
        channels,
        height: side,
        width: side,
    };
    let mut memory = vec![0.0; conv.packed_len()];
    let layout = depthwise::pack(&conv, &random.values(kernel * kernel * channels), &mut memory).layout();
    let input = Activation::new(random, conv.rows_in(BATCH), channels, true);
    let output = OutputGradient::new(random, conv.rows_out(BATCH), channels);
    DepthwiseCase {
        context: context(conv.needs(BATCH)),
        input,
        output,
        memory,
        layout,
        conv,
    }
}

#[divan::bench(types = [f32, bf16], args = DEPTHWISE)]
fn depthwise_forward<E: Element>(bencher: Bencher, shape: (usize, usize, usize, usize)) {
    let mut case = case::<E>(shape);
    let mut moments = Moments::new(case.conv.channels);
    let mut y = vec![E::default(); case.output.y.len()];
    let multiply_adds = y.len() * case.conv.kernel * case.conv.kernel;
    let packed = Packed::new(case.layout, &case.memory);
    let (conv, context) = (&case.conv, &mut case.context);
    let source = case.input.source();
    bencher.counter(ItemsCount::new(multiply_adds)).bench_local(|| {
        let moments = Some(&mut moments);
        depthwise::forward(context, conv, BATCH, source, packed, &mut y, moments);
    });
}

#[divan::bench(types = [f32, bf16], args = DEPTHWISE)]
fn depthwise_backward<E: Element>(bencher: Bencher, shape: (usize, usize, usize, usize)) {
    let mut case = case::<E>(shape);
    let mut sums = Sums::new(case.conv.channels);
    let mut dx = vec![E::default(); case.input.raw.len()];
    let taps = case.conv.kernel * case.conv.kernel;
    let mut dw = vec![0.0; taps * case.conv.channels];
    let multiply_adds = 2 * case.output.y.len() * taps;
    let source = case.input.source();
    let gradient = case.output.gradient();
    let below = Some(case.input.below());
    let packed = Packed::new(case.layout, &case.memory);
    let (conv, context) = (&case.conv, &mut case.context);
    bencher.counter(ItemsCount::new(multiply_adds)).bench_local(|| {
        let (out, accumulate) = (&mut dx, false);
        let sink = Sink { out, accumulate, below };
        depthwise::backward(context, conv, BATCH, source, gradient, packed, sink, &mut sums, &mut dw);
    });
}

#[divan::bench(types = [f32, bf16], args = BLOCKS)]
fn inference_block<E: Element>(
    bencher: Bencher,
    (c_in, kernel, stride, expansion, c_out, side): (usize, usize, usize, usize, usize, usize),
) {
    let random = &mut Random::new(1);
    let middle = expansion * c_in;
    let block = inverted(c_in, middle, c_out, kernel, stride, (side, side));
    let (Some(expand), Some(project)) = (block.expand, block.project) else {
        unreachable!("both have channels");
    };
    let mut context = context(block.needs(BATCH));
    let [mut first, mut last] = [expand, project].map(|conv| {
        let layer = Layer::new(random, conv.depth(), conv.c_out, conv == expand);
        (layer, vec![0.0; dense::packed_len(&conv)])
    });
    let isa = context.isa();
    let first_packed = dense::pack::<E>(isa, &expand, &first.0.weight, &mut first.1);
    let last_packed = dense::pack::<E>(isa, &project, &last.0.weight, &mut last.1);
    let depthwise_layer = Layer::new(random, kernel * kernel, middle, true);
    let mut memory = vec![0.0; block.depthwise.packed_len()];
    let packed = depthwise::pack(&block.depthwise, &depthwise_layer.weight, &mut memory);
    let layers = Layers {
        expand: Some(first.0.folded(first_packed)),
        depthwise: depthwise_layer.folded(packed),
        project: Some(last.0.folded(last_packed)),
    };
    let source: Activation<E> = Activation::new(random, expand.rows_in(BATCH), c_in, true);
    let mut out = vec![E::default(); project.rows_out(BATCH) * c_out];
    let multiply_adds =
        expand.rows_out(BATCH) * c_in * middle + project.rows_out(BATCH) * middle * (kernel * kernel + c_out);
    let input = Input::Values(source.source());
    bencher.counter(ItemsCount::new(multiply_adds)).bench_local(|| {
        blocks::forward(&mut context, &block, BATCH, input, layers, None, &mut out);
    });
}
