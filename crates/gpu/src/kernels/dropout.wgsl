// Inverted dropout in place; whether a value is kept is a function of the seed and of its place in the whole batch alone.
@group(0) @binding(8) var<storage, read_write> out: array<f32>;

// 64 bits, low word first.
fn times(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let a0 = a.x & 0xffffu;
    let a1 = a.x >> 16u;
    let b0 = b.x & 0xffffu;
    let b1 = b.x >> 16u;
    let middle = a1 * b0 + ((a0 * b0) >> 16u);
    let other = a0 * b1 + (middle & 0xffffu);
    return vec2<u32>(a.x * b.x, a1 * b1 + (middle >> 16u) + (other >> 16u) + a.x * b.y + a.y * b.x);
}
fn plus(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}
fn fold(a: vec2<u32>, bits: u32) -> vec2<u32> {
    return vec2<u32>(a.x ^ ((a.x >> bits) | (a.y << (32u - bits))), a.y ^ (a.y >> bits));
}
// SplitMix64's output function on a counter (Steele, Lea, Flood 2014).
fn mix(seed: vec2<u32>, counter: u32) -> vec2<u32> {
    var z = plus(seed, times(vec2<u32>(counter + 1u, 0u), vec2<u32>(0x7F4A7C15u, 0x9E3779B9u)));
    z = times(fold(z, 30u), vec2<u32>(0x1CE4E5B9u, 0xBF58476Du));
    z = times(fold(z, 27u), vec2<u32>(0x133111EBu, 0x94D049BBu));
    return fold(z, 31u);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = id.x + id.z * FOLD * 64u;
    if (at >= s.images * p.channels_in) { return; }
    let bits = mix(vec2<u32>(s.seed_low, s.seed_high), s.before * p.channels_in + at);
    // The 53 high bits.
    let high = bits.y >> 11u;
    let low = (bits.x >> 11u) | (bits.y << 21u);
    let is_dropped = high < p.threshold_high || (high == p.threshold_high && low < p.threshold_low);
    let place = at / p.channels_in * 4u * p.c4_in + at % p.channels_in;
    out[place] = select(out[place] * p.kept, 0.0, is_dropped);
}
