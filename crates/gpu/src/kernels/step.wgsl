// What a call says: the same for all dispatches of a sweep.
struct Step {
    images: u32,
    // Images of the whole batch, and those of lower ranks.
    whole: u32,
    before: u32,
    pixels_are_floats: u32,
    seed_low: u32,
    seed_high: u32,
    // Loss: the label's target and any other class's.
    on: f32,
    off: f32,
    // Pixels: x = scale * value + shift.
    scale: vec4<f32>,
    shift: vec4<f32>,
    learning_rate: f32,
    share: f32,
    factor: f32,
    momentum: f32,
    decay: f32,
    epsilon: f32,
    spans: u32,
    rule: u32,
    // What Adam's means are too small by: of the first, and the root of the second's.
    corrections: vec2<f32>,
}

// What a dispatch is told once and for all. Offsets count vec4 unless they say otherwise.
struct Params {
    flags: u32,
    // Columns of lanes in a workgroup.
    columns: u32,
    kernel: u32,
    stride: u32,
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
    // Channels that are read and written, and both in vec4.
    channels_in: u32,
    channels_out: u32,
    c4_in: u32,
    c4_out: u32,
    // Where the maps of the values' batch norms begin, in `vectors`.
    norm_in: u32,
    shift_in: u32,
    norm_out: u32,
    norm_below: u32,
    // What is below becomes zero: zero where a ReLU follows, else minus infinity.
    floor_in: f32,
    floor_below: f32,
    gate: u32,
    gate_hidden: u32,
    gate_end: u32,
    weights: u32,
    partials: u32,
    weight_partials: u32,
    // Strips of rows that a weight's gradient is summed over, and images, runs or rows of each.
    strips: u32,
    strip: u32,
    // Values, in floats: into the flat parameters or the running statistics.
    first: u32,
    second: u32,
    third: u32,
    fourth: u32,
    // One more than the place of a bias; 0 where there is none.
    bias: u32,
    count: u32,
    epsilon: f32,
    threshold_low: u32,
    threshold_high: u32,
    kept: f32,
}

const ACCUMULATE = 8u;
const BELOW = 16u;
const BIAS = 128u;
// Statistics: the running ones make the map; moments of the whole batch; a map, and gradients of gamma and beta, are made.
const RUNNING = 256u;
const SYNCED = 512u;
const MAP = 1024u;
const OWN = 2048u;

// Tiles are counted in x, and in z where there are more than a dimension takes.
const FOLD = 32768u;

@group(0) @binding(0) var<uniform> s: Step;
@group(0) @binding(1) var<uniform> p: Params;

fn is(flag: u32) -> bool { return (p.flags & flag) != 0u; }

// A ReLU where `floor` is zero. It keeps what is no number, which `max` may not.
fn above(v: vec4<f32>, floor: f32) -> vec4<f32> { return select(v, vec4<f32>(), v < vec4<f32>(floor)); }
